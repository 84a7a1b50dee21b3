//! Where in a segment which messages are.
//!
//! An index is never stored: it grows as the segment is walked, from its start, as far as somebody reads. What it
//! remembers is a [`Place`] every 64 KiB, and those where reads ended, for whoever goes on there.
//!
//! A walk looks at the frames' headers and at the ids of messages. The id of a damaged frame may be anything, so an id
//! that is not the next one counts only where the whole frame is good.

use std::collections::VecDeque;
use std::io;

use shelfmq_core::log::frame::{FRAME_HEADER_BYTES, Found, Frame, Frames, Kind, MESSAGE_HEADER_BYTES, split_message};
use shelfmq_core::log::frame::{HeaderError, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::{Read, SegmentHeader};

use super::fs::{DiskFile, read_around, read_exact};

/// How far apart the places are that are remembered, in bytes.
const APART: u64 = 64 * 1024;
/// How many places are remembered where reads ended.
const ENDS: usize = 8;
/// How much is read at once while the messages that are wanted are not reached, in bytes.
const WINDOW: u64 = 256 * 1024;
/// How much is read beyond what is expected to be wanted, in bytes: the end shows only in the frame after it.
const BEYOND: u64 = 4 * 1024;

/// What of a message's frame has its id.
const START: u64 = (FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES) as u64;

/// All messages with ids below `id` stand before `offset`, all others behind it; and right before it stands the last
/// of those below, if any do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    id: u64,
    offset: u64,
}

/// What is known of a segment.
#[derive(Debug)]
pub(super) struct Index {
    header: SegmentHeader,
    /// In ascending order, the first at the segment's start; up to where it was walked.
    places: Vec<Place>,
    ends: VecDeque<Place>,
}

/// A part of a segment, which begins and ends between frames.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
    /// What the walk to it and through it found damaged, as offset and length.
    pub(super) damage: Vec<(u64, u64)>,
}

impl Index {
    /// Knows nothing yet but the segment's header.
    pub(super) fn new(file: &dyn DiskFile) -> io::Result<Self> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        read_exact(file, &mut bytes, 0)?;
        let header = SegmentHeader::read(&bytes).map_err(|error| {
            let why = match error {
                HeaderError::Version(version) => format!("it has version {version}, which this server does not know"),
                _ => "its header is damaged".to_owned(),
            };
            io::Error::new(io::ErrorKind::InvalidData, why)
        })?;
        let start = Place { id: 0, offset: SEGMENT_HEADER_BYTES as u64 };
        Ok(Index { header, places: vec![start], ends: VecDeque::new() })
    }

    pub(super) fn salt(&self) -> u64 {
        self.header.salt
    }

    /// How many places it remembers.
    pub(super) fn len(&self) -> usize {
        self.places.len() + self.ends.len()
    }

    /// Reads everything from the end of the last message before `read.from` to the beginning of the first at or after
    /// `read.to`. The segment is written up to `end`. `around` says that what cannot be read is taken for damaged.
    pub(super) fn read(&mut self, file: &dyn DiskFile, read: &Read, end: u64, around: bool) -> io::Result<Part> {
        let start = self.start(read.from);
        let expected = if start.id == read.from { read.bytes.max(1) + BEYOND } else { WINDOW };
        let buffer = Buffer { file, bytes: Vec::new(), base: start.offset, end, around };
        let next = if start.id == 0 { self.header.index } else { start.id };
        let part = Part { offset: start.offset, ..Part::default() };
        let mut walk = Walk { index: self, buffer, at: start.offset, next, last: start, part };
        let until = walk.until(read, expected)?;
        let Walk { buffer, last, mut part, .. } = walk;
        if self.ends.iter().all(|place| *place != last) {
            self.ends.truncate(ENDS - 1);
            self.ends.push_front(last);
        }
        let mut bytes = buffer.bytes;
        bytes.truncate((until - buffer.base) as usize);
        bytes.drain(..(part.offset - buffer.base) as usize);
        part.bytes = bytes;
        Ok(part)
    }

    /// The last place known at or before this message.
    fn start(&self, from: u64) -> Place {
        let sparse = self.places[self.places.partition_point(|place| place.id <= from).max(1) - 1];
        self.ends.iter().filter(|place| place.id <= from).fold(sparse, |best, place| best.max(*place))
    }

    /// A walk came by.
    fn note(&mut self, place: Place) {
        let last = self.places.last().expect("there is one at the segment's start");
        if place.id > last.id && place.offset >= last.offset + APART {
            self.places.push(place);
        }
    }
}

/// A part of a file that is at hand.
struct Buffer<'a> {
    file: &'a dyn DiskFile,
    bytes: Vec<u8>,
    base: u64,
    /// Where the file ends.
    end: u64,
    around: bool,
}

impl Buffer<'_> {
    /// What is at hand from there on.
    fn from(&self, at: u64) -> &[u8] {
        self.bytes.get((at - self.base) as usize..).unwrap_or_default()
    }

    /// Reads until so many bytes from there on are at hand, and some more; fewer where the file ends. What stands
    /// before `keep` is not needed any more.
    fn fill(&mut self, at: u64, size: u64, keep: u64, window: u64) -> io::Result<()> {
        let wanted = at.saturating_add(size).min(self.end);
        let known = self.base + self.bytes.len() as u64;
        if wanted <= known {
            return Ok(());
        }
        if keep >= known {
            self.bytes.clear();
            self.base = keep;
        } else {
            self.bytes.drain(..(keep - self.base) as usize);
            self.base = keep;
        }
        let old = self.bytes.len();
        let from = self.base + old as u64;
        let to = wanted.max((from + window).min(self.end));
        self.bytes.resize(old + (to - from) as usize, 0);
        let bytes = &mut self.bytes[old..];
        if self.around { read_around(self.file, bytes, from) } else { read_exact(self.file, bytes, from) }
    }
}

struct Walk<'i, 'f> {
    index: &'i mut Index,
    buffer: Buffer<'f>,
    at: u64,
    /// The id that the next message has, if none is missing.
    next: u64,
    /// The end of the last message.
    last: Place,
    part: Part,
}

/// What stands at a place.
enum Step {
    /// A message with this id.
    Message(u64),
    /// Something else that is whole, as far as that was looked at.
    Other,
    Damage,
}

impl Walk<'_, '_> {
    /// Walks to the end of what is wanted, and says where that is.
    fn until(&mut self, read: &Read, expected: u64) -> io::Result<u64> {
        let mut window = expected;
        while self.at < self.buffer.end {
            let (step, length) = self.step(window)?;
            let end = self.at + length;
            match step {
                Step::Message(id) if id >= read.to => return Ok(self.at),
                Step::Message(id) => {
                    self.next = id + 1;
                    self.last = Place { id: self.next, offset: end };
                    self.index.note(self.last);
                    if id < read.from {
                        self.part.offset = end;
                    } else {
                        window = WINDOW;
                    }
                }
                Step::Other => {}
                Step::Damage => self.part.damage.push((self.at, length)),
            }
            self.at = end;
        }
        // What is wanted is to be at hand as a whole.
        self.buffer.fill(self.part.offset, self.at - self.part.offset, self.part.offset, 0)?;
        Ok(self.at)
    }

    /// What stands here, and how many bytes it has.
    fn step(&mut self, window: u64) -> io::Result<(Step, u64)> {
        self.fill(START, window)?;
        let frames = self.frames();
        let (Some(length), Some(kind)) = (frames.announced(), frames.announced_kind()) else {
            return self.damaged();
        };
        if length > self.buffer.end - self.at {
            return Ok((Step::Damage, self.buffer.end - self.at));
        }
        if kind != Kind::Message {
            return Ok((Step::Other, length));
        }
        let payload = frames.rest().get(FRAME_HEADER_BYTES..).unwrap_or_default();
        match split_message(payload) {
            Some((id, ..)) if id == self.next => Ok((Step::Message(id), length)),
            _ => {
                self.fill(length, window)?;
                let good = match self.frames().next() {
                    Some(Found::Frame(Frame { payload, .. })) => split_message(payload).map(|(id, ..)| id),
                    _ => None,
                };
                // Ids only grow: what does not is nobody's.
                Ok((good.filter(|id| *id >= self.next).map_or(Step::Damage, Step::Message), length))
            }
        }
    }

    fn frames(&self) -> Frames<'_> {
        Frames::new(self.index.header.salt, self.at, self.buffer.from(self.at))
    }

    fn fill(&mut self, size: u64, window: u64) -> io::Result<()> {
        self.buffer.fill(self.at, size, self.part.offset, window)
    }

    /// No frame begins here: how many bytes it is to the next that does, or to the end. Room for more is no damage.
    fn damaged(&mut self) -> io::Result<(Step, u64)> {
        let left = self.buffer.end - self.at;
        let mut size = APART;
        loop {
            self.fill(size, WINDOW)?;
            if let Some(Found::Damage { length, .. }) = self.frames().next() {
                return Ok((Step::Damage, length));
            }
            if size >= left {
                let is_room = self.buffer.from(self.at).iter().all(|byte| *byte == 0);
                return Ok((if is_room { Step::Other } else { Step::Damage }, left));
            }
            size *= 2;
        }
    }
}
