//! The shelfmq broker for JavaScript: in a page, in a worker, in Node, on the edge.
//!
//! [`Broker::fetch`] is the whole API: it takes what `fetch` takes and answers what a shelfmq server answers, long
//! polls, streams and hang-ups included. `broker` drives the core, `http` turns requests and responses over, `stream`
//! has the open answers, `storage` writes and reads the logs, `recovery` opens them.
//!
//! What the package exports is in `js/`: it loads this module, and hands in the clock and the storage.
#![expect(clippy::cast_precision_loss, reason = "sizes and numbers that JavaScript is told are far below 2^53")]
#![expect(clippy::cast_sign_loss, reason = "what JavaScript says as a negative number is taken for zero")]

mod broker;
mod clock;
mod http;
mod options;
mod recovery;
mod storage;
mod stream;

pub use broker::Broker;
