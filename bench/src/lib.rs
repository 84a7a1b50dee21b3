//! What the benchmarks of shelfmq share.
//!
//! `benches/core.rs` times the core alone, `benches/memory.rs` counts its bytes, and the `shelfmq-bench` command
//! measures servers over loopback. Each prints rows of one [`table`]; `make bench` puts them together.

pub mod broker;
pub mod frames;
pub mod table;

/// A body of 100 bytes, the message of every measurement.
pub const BODY: &[u8; 100] = &[b'x'; 100];

/// About the bytes that [`BODY`] takes in a log. Not told by the length of its files, which have room for more.
pub const FRAME: usize = 140;

/// How many messages a batch has.
pub const BATCH: usize = 1000;

/// A batch for `/mpub`: [`BATCH`] times [`BODY`], one a line.
pub fn batch() -> Vec<u8> {
    [BODY.as_slice(), b"\n"].concat().repeat(BATCH)
}
