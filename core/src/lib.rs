//! The shelfmq broker as a state machine without I/O.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod api;
pub mod broker;
pub mod command;
pub mod config;
pub mod engine;
pub mod message;
pub mod name;
pub mod time;

pub use engine::{Engine, Output, Parcel};

/// Which of `shards` engines has the topic of this name. Stable, so that every part of a host agrees.
pub fn shard_of(topic: &str, shards: usize) -> usize {
    let hash = topic.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) as usize % shards.max(1)
}
