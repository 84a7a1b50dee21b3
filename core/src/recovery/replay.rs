//! Which parts of which segments are to be read to have the topic: from the last snapshot that can be read to the end.
//!
//! ```text
//! new(topic, segments) ── wanted: read this ── feed(bytes) ──┬── None: there is more
//!                              └───────────────────◄─────────┘── Some(outcome)
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use super::Recovery;
use crate::log::Recovered;
use crate::log::frame::{SEGMENT_HEADER_BYTES, SegmentHeader};

/// A segment of a log that is to be replayed.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// What it begins with.
    pub header: SegmentHeader,
    /// How many bytes it has, the header's included.
    pub size: u64,
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The segment's index among those given.
    pub segment: usize,
    /// Where in the segment.
    pub offset: u64,
    /// How many bytes; perhaps none.
    pub bytes: u64,
}

/// What came of a replay.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it comes")]
#[derive(Debug)]
pub enum Outcome {
    /// The topic. Segments that come after its [header](Recovered::header) have nothing in them, for a crash came before
    /// anything in them was durable: they are to be removed.
    Topic(Recovered),
    /// None of the segments has anything in it: they are to be removed, and the topic was never there.
    Nothing,
    /// None of the segments has a snapshot that can be read, and they are not all that there are: those before are needed.
    NeedsEarlier,
}

/// The replay of one log, as its host drives it.
#[derive(Debug)]
pub struct Replay {
    topic: String,
    /// Those that have something in them, as far as is known.
    segments: Vec<Segment>,
    is_whole: bool,
    recovery: Recovery,
    /// Where the search for a snapshot has come to.
    /// Invariant: it is never above `at`. Both begin at the last segment.
    first: usize,
    /// What is fed now.
    at: usize,
    /// How much is read at once where nothing asks for more.
    window: u64,
    /// How much is read at once now: more than `window` where a frame, or what is damaged, is larger.
    size: u64,
}

impl Replay {
    /// Begins with these segments, which follow each other; `None` where there are none. `is_whole` says that they begin
    /// with the first that there is: then a log of which no snapshot can be read is replayed without one. `window` is how
    /// many bytes are to be read at once, unless a frame is larger.
    pub fn new(topic: &str, segments: Vec<Segment>, is_whole: bool, window: u64) -> Option<Self> {
        // Each segment begins with a snapshot, so that the last is usually all that has to be read.
        let first = segments.len().checked_sub(1)?;
        let recovery = Recovery::begin(segments[first].header);
        let window = window.max(1);
        Some(Replay { topic: topic.into(), segments, is_whole, recovery, first, at: first, window, size: window })
    }

    /// Feeds again, from this segment on.
    fn begin_at(&mut self, first: usize) {
        self.recovery = Recovery::begin(self.segments[first].header);
        (self.first, self.at, self.size) = (first, first, self.window);
    }

    /// What is to be read, and [fed](Replay::feed).
    pub fn wanted(&self) -> Wanted {
        let offset = self.recovery.offset();
        Wanted { segment: self.at, offset, bytes: self.size.min(self.left()) }
    }

    fn left(&self) -> u64 {
        self.segments[self.at].size.saturating_sub(self.recovery.offset())
    }

    /// Takes what was [wanted](Replay::wanted), all of it. None where more is.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Outcome> {
        // Asked first, for feeding moves the place that `left` counts from.
        let is_end = bytes.len() as u64 >= self.left();
        if self.at + 1 < self.segments.len() {
            self.recovery.vouch_for_all();
        }
        let fed = self.recovery.feed(bytes);
        if self.recovery.take_rewound() {
            self.size = self.window;
            return None;
        }
        if self.recovery.is_headless() {
            return self.earlier();
        }
        if !is_end {
            // Nothing of it could be used: a frame is larger, or damage has no end in it. Doubling keeps what is read
            // again in proportion to that.
            self.size = if fed == 0 { self.size.saturating_mul(2) } else { self.window };
            return None;
        }
        self.size = self.window;
        self.end_segment(&bytes[fed..])
    }

    /// A segment was fed to its end; `rest` is what remains.
    fn end_segment(&mut self, rest: &[u8]) -> Option<Outcome> {
        let is_last = self.at + 1 == self.segments.len();
        if self.recovery.has_image() {
            if is_last {
                return Some(Outcome::Topic(self.finish(rest)));
            }
            // Hosts make room in a file before they write to it, which reads as zeros: that is no damage.
            let is_unused = rest.iter().all(|byte| *byte == 0);
            let end = self.recovery.offset() + if is_unused { 0 } else { rest.len() as u64 };
            self.at += 1;
            self.recovery.next_segment(self.segments[self.at].header, end);
            return None;
        }
        if is_last {
            // A crash may have come right when this segment was begun. `finish` says so: all of it is cut off, back to
            // the header.
            let recovered = self.finish(rest);
            if recovered.end == SEGMENT_HEADER_BYTES as u64 && recovered.damage.is_empty() {
                return self.without_last();
            }
        }
        self.earlier()
    }

    /// The last segment has nothing in it: again without it.
    fn without_last(&mut self) -> Option<Outcome> {
        self.segments.pop();
        match self.segments.len().checked_sub(1) {
            Some(last) => self.begin_at(last),
            None if self.is_whole => return Some(Outcome::Nothing),
            None => return Some(Outcome::NeedsEarlier),
        }
        None
    }

    /// Nothing more is to be fed to what there is.
    fn finish(&mut self, rest: &[u8]) -> Recovered {
        let spent = Recovery::begin(self.segments[self.at].header);
        core::mem::replace(&mut self.recovery, spent).finish(&self.topic, rest)
    }

    /// The first segment fed has no snapshot that can be read: again from the one before, or without any.
    fn earlier(&mut self) -> Option<Outcome> {
        match self.first.checked_sub(1) {
            // All from there on is fed again: of the segments after it, only what happened is used then, not what their
            // damaged snapshots said.
            Some(before) => self.begin_at(before),
            None if self.is_whole => {
                self.begin_at(0);
                self.recovery.without_snapshot(&self.topic);
            }
            None => return Some(Outcome::NeedsEarlier),
        }
        None
    }
}
