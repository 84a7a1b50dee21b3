//! The bytes of a recording: a few that say what it is, then frames to its end. All numbers are little endian.
//!
//! ```text
//! start, 12 bytes
//! +------------+---------+----------+
//! | "shelfrec" | version | reserved |
//! |            |  u16    |  u16, 0  |
//! +------------+---------+----------+
//! 0            8         10         12
//!
//! frame, 17 bytes and its payload
//! +------+-------+--------+-------------+------------+ - - - - - +
//! | kind | shard | length | payload CRC | header CRC |  payload  |
//! |  u8  |  u32  |  u32   |    u32      |    u32     |           |
//! +------+-------+--------+-------------+------------+ - - - - - +
//! 0      1       5        9             13           17          17 + length
//! ```
//!
//! `length` counts the bytes of the payload. The header CRC is that of the frame's first 13 bytes. The first frame that
//! is not whole, or damaged, ends the recording.
//!
//! | kind | payload, in postcard |
//! | --- | --- |
//! | 1 head | a [`Head`]; the first frame, and the only one of its kind |
//! | 2 checkpoint | all that this shard's engine has; before any inputs of the shard |
//! | 3 inputs | one after another, each with the nanoseconds since the one before it in the frame, the first since 1970 |
//! | 4 gap | none: what came to this shard from here to its next checkpoint was not written |
//!
//! Parts are read one after another, from files of their own or from one. Where one is not the next one of the same run, there is a gap before it: a part in
//! between is not there, or the broker was started again.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use serde::{Deserialize, Serialize};

use crate::log::crc::crc32c;
use crate::state;

/// What a recording begins with.
const MAGIC: [u8; 8] = *b"shelfrec";
/// The version of this layout.
const VERSION: u16 = 1;
const START_BYTES: usize = 12;
const HEADER_BYTES: usize = 17;

/// The version of shelfmq: engines are read only by the version that wrote them.
const MADE_BY: &str = env!("CARGO_PKG_VERSION");

/// What a recording says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of shelfmq that wrote it.
    pub made_by: String,
    /// The same in all parts of one recording.
    pub run: u64,
    /// Counts the parts of a recording, from 1 on.
    pub part: u32,
    /// How many engines share the topics.
    pub shards: u32,
}

impl Head {
    /// That of a part that this version writes.
    pub fn new(run: u64, part: u32, shards: u32) -> Self {
        Head { made_by: MADE_BY.into(), run, part, shards }
    }

    /// What a recording begins with.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::from(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        let mut payload = Vec::new();
        state::write(self, &mut payload, usize::MAX);
        write_frame(&mut out, Kind::Head, 0, &payload);
        out
    }
}

/// Why bytes are no recording that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// They are something else.
    Foreign,
    /// Another version of shelfmq wrote them.
    Version(String),
    /// The head is damaged or cut off.
    Damaged,
    /// A part comes after a later one of the same run.
    Disordered,
    /// A part is of a server with another number of engines.
    OtherShards,
}

impl core::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Unreadable::Foreign => f.write_str("is no recording of shelfmq"),
            Unreadable::Version(version) => {
                write!(f, "was recorded by shelfmq {version}, and only that can replay it; this is {MADE_BY}")
            }
            Unreadable::Damaged => f.write_str("is damaged at its very start"),
            Unreadable::OtherShards => {
                f.write_str("has parts of servers that share topics among different numbers of engines")
            }
            Unreadable::Disordered => f.write_str("has its parts in another order than they were written in"),
        }
    }
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the recording says of itself.
    Head = 1,
    /// A whole engine.
    Checkpoint = 2,
    /// What came to an engine.
    Inputs = 3,
    /// Something is missing.
    Gap = 4,
}

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame<'a> {
    kind: Kind,
    shard: u32,
    payload: &'a [u8],
}

/// Appends a frame.
///
/// # Panics
/// Where the payload has 4 GiB or more.
pub fn write_frame(out: &mut Vec<u8>, kind: Kind, shard: u32, payload: &[u8]) {
    let start = out.len();
    let length = u32::try_from(payload.len()).expect("a payload is under 4 GiB");
    out.push(kind as u8);
    for number in [shard, length, crc32c(payload)] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    // The header has a checksum of its own, so that the length is believed before the payload is looked at.
    let check = crc32c(&out[start..]);
    out.extend_from_slice(&check.to_le_bytes());
    out.extend_from_slice(payload);
}

/// What a recording says of itself.
pub fn head(bytes: &[u8]) -> Result<Head, Unreadable> {
    begin(bytes).map(|(head, _)| head)
}

/// The head, and the bytes after it.
fn begin(bytes: &[u8]) -> Result<(Head, &[u8]), Unreadable> {
    let start = bytes.first_chunk::<START_BYTES>().filter(|start| start[..8] == MAGIC).ok_or(Unreadable::Foreign)?;
    match u16::from_le_bytes([start[8], start[9]]) {
        VERSION => {}
        other => return Err(Unreadable::Version(alloc::format!("with layout {other}"))),
    }
    let (frame, rest) = read_frame(&bytes[START_BYTES..]).ok_or(Unreadable::Damaged)?;
    let (head, _): (Head, _) = state::read(frame.payload).ok_or(Unreadable::Damaged)?;
    if head.made_by == MADE_BY { Ok((head, rest)) } else { Err(Unreadable::Version(head.made_by)) }
}

/// Parts of a recording, in order, read as far as they are whole.
#[derive(Debug)]
pub struct Recording<'a> {
    head: Head,
    parts: Vec<Cow<'a, [u8]>>,
    /// The frames of each engine, in order.
    shards: Vec<Vec<Place>>,
    torn: usize,
}

/// Where a frame's payload is.
#[derive(Debug)]
struct Place {
    kind: Kind,
    part: usize,
    payload: Range<usize>,
}

impl<'a> Recording<'a> {
    /// Reads parts, each in bytes of its own or several in a row.
    pub fn read(parts: Vec<Cow<'a, [u8]>>) -> Result<Self, Unreadable> {
        let mut reading = Reading::default();
        for (file, bytes) in parts.iter().enumerate() {
            let mut at = 0;
            loop {
                let rest = &bytes[at..];
                let is_another = rest.starts_with(&MAGIC);
                // Parts may stand behind one another in one file. What is neither the end nor the start of one is a
                // frame that was cut off, or is damaged.
                if at > 0 && !is_another {
                    reading.torn += rest.len();
                    break;
                }
                match read(rest) {
                    // A part whose head was just being written tells nothing: what is before it is still good.
                    Err(Unreadable::Damaged) if at > 0 => {
                        reading.torn += rest.len();
                        break;
                    }
                    read => at = bytes.len() - reading.add(file, bytes, read?)?,
                }
            }
        }
        let Reading { first, shards, torn, .. } = reading;
        Ok(Recording { head: first.ok_or(Unreadable::Foreign)?, parts, shards, torn })
    }

    /// What it says of itself.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many bytes at the ends of its parts are no whole frame.
    pub fn torn(&self) -> usize {
        self.torn
    }

    /// How many engines it tells of.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Whether it has all that another one has, in the same order, and maybe more after that.
    pub(super) fn goes_on(&self, other: &Recording<'_>) -> bool {
        let mut shards = other.shards.iter().enumerate();
        let is_same = |shard, index| self.frame(shard, index) == other.frame(shard, index);
        // As a whole: what was run already must not differ anywhere.
        self.head == other.head && shards.all(|(shard, frames)| (0..frames.len()).all(|index| is_same(shard, index)))
    }

    /// Where a byte of an engine's frame is: in which of the parts it was read from, and where in that.
    pub(super) fn place(&self, shard: usize, index: usize, byte: usize) -> (usize, usize) {
        let place = self.shards.get(shard).and_then(|places| places.get(index));
        place.map_or((0, 0), |place| (place.part, place.payload.start + byte))
    }

    /// An engine's frame.
    pub(super) fn frame(&self, shard: usize, index: usize) -> Option<(Kind, &[u8])> {
        let place = self.shards.get(shard)?.get(index)?;
        Some((place.kind, self.parts.get(place.part)?.get(place.payload.clone())?))
    }
}

/// What was found in the parts up to now.
#[derive(Default)]
struct Reading {
    first: Option<Head>,
    shards: Vec<Vec<Place>>,
    /// The run and the number of a part that would follow.
    next: Option<(u64, u32)>,
    torn: usize,
}

impl Reading {
    /// Adds a part that is somewhere in the bytes of a file; how many bytes there are after it.
    fn add(&mut self, file: usize, bytes: &[u8], part: (Head, Vec<Frame<'_>>, usize)) -> Result<usize, Unreadable> {
        let (head, frames, rest) = part;
        if self.next.is_some_and(|(run, part)| run == head.run && part > head.part) {
            return Err(Unreadable::Disordered);
        }
        if self.first.as_ref().is_some_and(|first| first.shards != head.shards) {
            return Err(Unreadable::OtherShards);
        }
        // Also between two runs: the next one's first checkpoint has nothing to do with what the last one came to.
        if self.next.is_some_and(|next| next != (head.run, head.part)) {
            for places in &mut self.shards {
                places.push(Place { kind: Kind::Gap, part: file, payload: 0..0 });
            }
        }
        self.next = Some((head.run, head.part.wrapping_add(1)));
        if self.first.is_none() {
            // Each engine begins with a frame of its own: a forged head makes room for no more than there are frames.
            let count = (head.shards as usize).min(frames.len());
            self.shards.resize_with(count, Vec::new);
            self.first = Some(head);
        }
        for Frame { kind, shard, payload } in frames {
            if let Some(places) = self.shards.get_mut(shard as usize) {
                // Payloads were sliced from these bytes, so that their places can be told from where they are.
                let start = payload.as_ptr() as usize - bytes.as_ptr() as usize;
                places.push(Place { kind, part: file, payload: start..start + payload.len() });
            }
        }
        Ok(rest)
    }
}

/// What a recording says of itself, its other frames, and how many bytes after the last of them are none.
fn read(bytes: &[u8]) -> Result<(Head, Vec<Frame<'_>>, usize), Unreadable> {
    let (head, mut rest) = begin(bytes)?;
    let mut frames = Vec::new();
    while let Some((frame, after)) = read_frame(rest) {
        frames.push(frame);
        rest = after;
    }
    Ok((head, frames, rest.len()))
}

fn read_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    // First, so that no length that rotted is followed.
    if number(13) != crc32c(&header[..13]) {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(number(5) as usize)?;
    let kind = match header[0] {
        1 => Kind::Head,
        2 => Kind::Checkpoint,
        3 => Kind::Inputs,
        4 => Kind::Gap,
        _ => return None,
    };
    (number(9) == crc32c(payload)).then_some((Frame { kind, shard: number(1), payload }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_torn_or_damaged_ends_it() {
        let mut bytes = Head::new(7, 1, 2).to_bytes();
        let head = bytes.len();
        write_frame(&mut bytes, Kind::Inputs, 0, b"one");
        let one = bytes.len();
        write_frame(&mut bytes, Kind::Gap, 1, b"");
        let (read_head, frames, torn) = read(&bytes).expect("it is whole");
        assert_eq!((read_head, frames.len(), torn), (Head::new(7, 1, 2), 2, 0));
        for cut in 0..bytes.len() {
            let found = read(&bytes[..cut]).map(|(_, frames, torn)| (frames.len(), torn));
            let expected = match cut {
                cut if cut < START_BYTES => Err(Unreadable::Foreign),
                cut if cut < head => Err(Unreadable::Damaged),
                cut if cut < one => Ok((0, cut - head)),
                cut => Ok((1, cut - one)),
            };
            assert_eq!(found, expected, "{cut}");
        }
        for bit in 8 * head..8 * one {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&damaged).map(|found| found.1.len()), Ok(0), "bit {bit}");
        }
    }
}
