//! The shelfmq broker for JavaScript: in a page, in a worker, in Node, on the edge.
//!
//! [`Broker::fetch`] is the whole API: it takes what `fetch` takes and answers what a shelfmq server answers, long
//! polls, streams and hang-ups included. `broker` drives the core, `http` turns requests and responses over, `stream`
//! has the open answers, `storage` and `writing` write and read the logs, `recovery` opens them, `memory` says how much is
//! in use. `input_log` writes down what comes to a broker, `recording` goes to any moment of it.
//!
//! Each broker has an instance of the module of its own: what traps in one, or fills its memory, is nothing to others.
//!
//! The package has two modules of it, by feature: the broker, and what steps through recordings.
//!
//! What the package exports is in `js/`: it loads this module, and hands in the clock and the storage.
#![expect(clippy::cast_precision_loss, reason = "sizes and numbers that JavaScript is told are far below 2^53")]
#![expect(clippy::cast_sign_loss, reason = "what JavaScript says as a negative number is taken for zero")]
#![cfg_attr(
    not(all(feature = "broker", feature = "recording")),
    allow(dead_code, reason = "each of the two modules has its part of what they share")
)]

#[cfg(feature = "broker")]
mod broker;
mod clock;
mod http;
#[cfg(feature = "broker")]
mod input_log;
#[cfg(feature = "broker")]
mod memory;
mod options;
#[cfg(feature = "recording")]
mod recording;
#[cfg(feature = "broker")]
mod recovery;
mod storage;
mod stream;
#[cfg(feature = "broker")]
mod writing;

#[cfg(feature = "broker")]
pub use broker::Broker;
#[cfg(feature = "recording")]
pub use recording::Recording;
