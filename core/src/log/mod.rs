//! A topic's log: how what happens to a topic becomes bytes, and bytes become the topic again.
//!
//! Read in this order: [`frame`] (the bytes of a segment), [`event`] (what can happen), [`image`] (a topic as plain
//! data), `journal` (writing), [`load`] (reading messages back); the topic is made again by [`recovery`](crate::recovery). A
//! whole log in one file is an [`export`]. All of it is free of I/O. The host has the files: it [appends](Append), [reads](Read),
//! [truncates](Truncate) and [deletes](Delete) what an engine says.
//!
//! A log is named by its topic, and a place in it by a running index, the id of the next message there, within a
//! numbered segment. A host maps that to files and offsets as it likes.
//!
//! # What is assumed of a disk
//!
//! - Bytes that were written and synced are there after a crash, and so is a name whose directory was synced.
//! - Bytes that were written and not synced may be there or not, each sector of 512 bytes for itself, in any order; those
//!   that are not read as zeros, or the file ends before them.
//! - Nothing else changes: but bits may rot. A damaged frame is found by its checksum, reported, and never served.
//! - A sync that failed says nothing of what is on the disk; nothing is appended to that log until it is opened again.

pub(crate) mod crc;
pub mod event;
pub mod export;
pub mod frame;
pub mod image;
pub(crate) mod journal;
pub mod load;
mod recovered;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::name::Name;
pub use frame::SegmentHeader;
pub use load::Loaded;
pub use recovered::{Damage, Recovered};

/// Names one life of a topic's log within an engine. Never used twice, however often a topic is deleted and made again.
pub type LogId = u64;

/// Something to be done with a log, in the order in which it is told.
#[derive(Debug, Serialize, Deserialize)]
pub enum LogCommand {
    /// Bytes to be written at the end.
    Append(Append),
    /// Old segments that nobody needs.
    Truncate(Truncate),
    /// A topic that is gone.
    Delete(Delete),
}

/// Bytes to be written at the end of a log. Once they are as durable as was promised, the host calls
/// [`Engine::handle_appended`](crate::Engine::handle_appended) with `log` and `upto`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Append {
    /// The log.
    pub log: LogId,
    /// Its topic.
    pub topic: Name<'static>,
    /// Where set, the bytes begin a segment, with this header (which is among the bytes): of the segment before, all
    /// is to be durable before this one counts.
    pub segment: Option<SegmentHeader>,
    /// The segment that they belong to.
    pub number: u32,
    /// Where in the segment the bytes begin.
    pub offset: u64,
    /// The id of the next message at the first of the bytes: no message with a lower id stands in them, but for those
    /// that were rewritten.
    pub index: u64,
    /// How far the log reaches with them: a number that only grows.
    /// It means something only beside `log`: a topic that is opened again counts anew, under another name.
    pub upto: u64,
    /// Nobody waits for them to be durable. The host writes them at once, as all others, but need not hurry to sync
    /// them: what it syncs of this log later makes them durable as well, and a second without that is soon enough.
    /// Before what is not lazy counts, all lazy appends before it have to be durable, for the log is replayed from its
    /// start.
    pub lazy: bool,
    /// The bytes.
    #[serde(with = "crate::state::bytes")]
    pub bytes: Vec<u8>,
}

/// Nobody needs the first segments of a log any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Truncate {
    /// The log.
    pub log: LogId,
    /// Its topic.
    pub topic: Name<'static>,
    /// All segments with a lower number than this one may go.
    pub segment: u32,
}

/// A topic was deleted: its log is to go, as a whole. Then the host calls
/// [`Engine::handle_appended`](crate::Engine::handle_appended) with `log` and `u64::MAX`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Delete {
    /// The log.
    pub log: LogId,
    /// Its topic. One of the same name may be made again, with another log, as soon as this is told.
    pub topic: Name<'static>,
}

/// Messages wanted back from a log. The host finds the frames, has them [decoded](Loaded::decode), and calls
/// [`Engine::handle_read`](crate::Engine::handle_read).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The log.
    pub log: LogId,
    /// Its topic.
    pub topic: Name<'static>,
    /// What the core calls the part that it wants; of no meaning to a host.
    pub chunk: u64,
    /// The first message.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
    /// The number of the segment that has them.
    pub segment: u32,
    /// About how many bytes their frames take: an estimate, not a bound.
    pub bytes: u64,
}
