//! What came of reading a log: its topic, where it goes on, and what of it cannot be read.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::frame::{Kind, SegmentHeader};
use super::image::TopicImage;
use crate::name::Name;

/// A place in a segment where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The segment's number.
    pub segment: u32,
    /// Where it begins in the segment's file.
    pub offset: u64,
    /// How many bytes it takes.
    pub length: u64,
    /// What stood there, where that can still be told.
    pub kind: Option<Kind>,
}

/// A topic as its log tells, and where the log goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recovered {
    /// The topic.
    pub image: TopicImage,
    /// The segment that the next bytes go to.
    pub header: SegmentHeader,
    /// Where in that segment.
    pub end: u64,
    /// The segment whose snapshot it was read from: this one and those after it are needed for the next replay. Zero where
    /// there was none.
    pub snapshot: u32,
    /// What cannot be read, in the order of the log.
    pub damage: Vec<Damage>,
    /// How many bytes after `end` were written, but not wholly: to be cut off before anything is appended.
    pub torn: u64,
    /// No snapshot could be read: what the channels were and had done before is lost, and each message that is still
    /// in the log is as if it had just been published.
    pub headless: bool,
    /// How many frames were replayed.
    pub frames: u64,
    /// Nothing more is to be appended to the segment of `header`: the log goes on in the next. For hosts who do not trust a
    /// file that they did not write themselves. Set by the host; false as it comes from a replay.
    pub sealed: bool,
}

impl Recovered {
    /// A topic of whose log nothing is there.
    pub fn nothing(name: &Name<'_>) -> Self {
        Recovered {
            image: TopicImage::bare(name.as_str(), 1),
            header: SegmentHeader::default(),
            end: 0,
            snapshot: 0,
            damage: Vec::new(),
            torn: 0,
            headless: false,
            frames: 0,
            sealed: true,
        }
    }
}
