//! The bytes of a segment: a header, then frames to its end. All numbers are little endian.
//!
//! ```text
//! segment header, 44 bytes
//! +-----------------+---------+----------+--------+--------+------+---------+-------------+
//! | "shelfmq\n"     | version | reserved | number | index  | salt | created | CRC-32C of  |
//! |                 |  u16    |  u16, 0  |  u32   |  u64   | u64  | u64 ns  | the 40 bytes |
//! +-----------------+---------+----------+--------+--------+------+---------+-------------+
//! 0                 8         10         12       16       24     32        40
//!
//! frame, 13 bytes and its payload
//! +--------+------+-------------+------------+ - - - - - +
//! | length | kind | payload CRC | header CRC |  payload  |
//! |  u32   |  u8  |    u32      |    u32     |           |
//! +--------+------+-------------+------------+ - - - - - +
//! 0        4      5             9            13          13 + length
//! ```
//!
//! `number` counts the segments of one topic from 1 on. `index` is the id of the first message that may stand in the
//! segment. `length` counts the bytes of the payload. The header CRC is that of the segment's salt, the frame's
//! offset in the segment (u64 each) and the frame's first 9 bytes: so a frame is one only where it was written, and
//! bytes that somebody published, looking like frames, are none. While the header CRC is right, the length can be
//! trusted, and a damaged payload costs no other frame anything.
//!
//! | kind | payload |
//! | --- | --- |
//! | 1 message | id u64, bytes of all bodies before it u64, [record](crate::message) |
//! | 2 rewritten | the same: an older message, written again so that its segment can go |
//! | 3 snapshot | the topic as it is here, a [`TopicImage`](super::image::TopicImage) in postcard |
//! | 4 event | what happened to the topic, an [`Event`](super::event::Event) in postcard |
//! | 5, 6 | a second copy of the snapshot or event before it, of use where that is damaged |
//! | 7 durable | u64: all of the segment before this offset was durable when this was written |
//! | 8 padding | zeros: between the copies of a snapshot, so that a block of the device has parts of one of them only |
//!
//! The highest bit of `kind` says that the next frame belongs to the same publish: without its last one, which has
//! the bit clear, nothing of a publish counts at the end of a log. A rewritten message with the bit set was relocated with the
//! messages that follow: until a snapshot tells so, it is where it was before.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::crc::crc32c;
use crate::time::Time;

/// What a segment begins with.
pub const MAGIC: [u8; 8] = *b"shelfmq\n";
/// The version of this layout.
pub const VERSION: u16 = 1;
/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 44;
/// Bytes of a frame beside its payload.
pub const FRAME_HEADER_BYTES: usize = 13;
/// Bytes of a message's payload beside its record.
pub const MESSAGE_HEADER_BYTES: usize = 16;

/// The next frame belongs to the same publish.
const MORE: u8 = 0x80;

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    /// Counts the segments of a topic, from 1 on.
    pub number: u32,
    /// The id of the first message that may stand here.
    pub index: u64,
    /// Goes into the checksum of every frame header.
    pub salt: u64,
    /// When the segment was begun.
    pub created: Time,
}

/// Why the first bytes of a file are no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The file is shorter than a header: it was just being made.
    Short,
    /// It is something else, or its first bytes are damaged.
    Foreign,
    /// It was written by a version that this one does not know.
    Version(u16),
    /// It is a header, and damaged.
    Damaged,
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.index.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.salt.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.created.as_nanos().to_le_bytes());
        let crc = crc32c(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at the start of a segment.
    pub fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        let Some(bytes) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>() else { return Err(HeaderError::Short) };
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Foreign);
        }
        // The checksum comes before the version: a version that rotted is damage, and is not taken for that of a later
        // shelfmq. So a later layout has to keep this checksum where it is.
        if u32_at(bytes, 40) != crc32c(&bytes[..40]) {
            return Err(HeaderError::Damaged);
        }
        match u16::from_le_bytes([bytes[8], bytes[9]]) {
            VERSION => Ok(SegmentHeader {
                number: u32_at(bytes, 12),
                index: u64_at(bytes, 16),
                salt: u64_at(bytes, 24),
                created: Time::from_nanos(u64_at(bytes, 32)),
            }),
            other => Err(HeaderError::Version(other)),
        }
    }
}

/// What a frame holds.
/// The numbers stand in logs: they never change, and none is used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A message, published here.
    Message = 1,
    /// An older message, written again.
    Rewritten = 2,
    /// The whole topic.
    Snapshot = 3,
    /// Something that happened to the topic.
    Event = 4,
    /// The same snapshot again.
    SnapshotCopy = 5,
    /// The same event again.
    EventCopy = 6,
    /// How far the segment was durable.
    Durable = 7,
    /// Nothing: what stands behind it is not to be lost with what stands before.
    Padding = 8,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte & !MORE {
            1 => Kind::Message,
            2 => Kind::Rewritten,
            3 => Kind::Snapshot,
            4 => Kind::Event,
            5 => Kind::SnapshotCopy,
            6 => Kind::EventCopy,
            7 => Kind::Durable,
            8 => Kind::Padding,
            _ => return None,
        })
    }
}

/// A frame as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it begins in its segment.
    pub offset: u64,
    /// What it holds.
    pub kind: Kind,
    /// The next frame belongs to the same publish.
    pub more: bool,
    /// What it holds, as bytes.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Where the next frame begins.
    pub fn end(&self) -> u64 {
        self.offset + (FRAME_HEADER_BYTES + self.payload.len()) as u64
    }
}

/// Appends a frame that begins at this offset of its segment; `write` appends its payload.
///
/// # Panics
/// Where the payload has 4 GiB or more.
pub fn write_frame(
    out: &mut Vec<u8>,
    salt: u64,
    offset: u64,
    kind: Kind,
    more: bool,
    write: impl FnOnce(&mut Vec<u8>),
) {
    // The payload is written right behind room for the header, which is filled in once length and checksums are known.
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    write(out);
    let payload = start + FRAME_HEADER_BYTES;
    let length = u32::try_from(out.len() - payload).expect("a payload is under 4 GiB");
    let crc = crc32c(&out[payload..]);
    let header = &mut out[start..payload];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4] = kind as u8 | if more { MORE } else { 0 };
    header[5..9].copy_from_slice(&crc.to_le_bytes());
    let check = header_crc(salt, offset, &header[..9]);
    header[9..].copy_from_slice(&check.to_le_bytes());
}

/// How many bytes a frame with so long a payload has.
pub const fn frame_bytes(payload: usize) -> usize {
    FRAME_HEADER_BYTES + payload
}

fn header_crc(salt: u64, offset: u64, start: &[u8]) -> u32 {
    // Salt and offset go into the checksum without standing in the frame. Clients know neither, so no message body can
    // be made that reads as a frame, and the bytes of a frame are none at any other place.
    let mut bytes = [0; 25];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..].copy_from_slice(start);
    crc32c(&bytes)
}

/// What [`Frames`] comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// Bytes that are no frame, with frames after them; where the header is good, its kind and the
    /// payload as it is.
    Damage {
        /// Where they begin in the segment.
        offset: u64,
        /// How many they are.
        length: u64,
        /// What stood there, where that can still be told.
        kind: Option<Kind>,
    },
}

/// Walks the frames of a part of a segment, and steps over what is damaged.
///
/// It ends where the part ends, at the latest: [`Frames::offset`] is then where the first frame begins that is not
/// wholly in this part, or what may become one with more bytes.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    salt: u64,
    /// The offset of `bytes` in the segment.
    base: u64,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// The frames of `bytes`, which stand at this offset of a segment with this salt.
    pub fn new(salt: u64, offset: u64, bytes: &'a [u8]) -> Self {
        Frames { salt, base: offset, bytes, at: 0 }
    }

    /// Where the next frame is looked for, as an offset in the segment.
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes from there on.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// How many bytes the frame at [`Frames::offset`] has, where its header is whole and good: to read on with.
    pub fn announced(&self) -> Option<u64> {
        self.header_at(self.at).map(|(length, ..)| (FRAME_HEADER_BYTES + length) as u64)
    }

    /// The kind of the frame at [`Frames::offset`], under the same condition.
    pub fn announced_kind(&self) -> Option<Kind> {
        self.header_at(self.at).map(|(_, kind, _)| kind)
    }

    /// The length and kind of the frame that begins here, if one does.
    fn header_at(&self, at: usize) -> Option<(usize, Kind, bool)> {
        let header = self.bytes.get(at..)?.first_chunk::<FRAME_HEADER_BYTES>()?;
        // The search for the next frame behind damage asks this at every byte. The kind alone rules out most of them,
        // before a checksum is computed.
        let kind = Kind::of(header[4])?;
        let check = u32_at(header, 9);
        // The payload may reach behind the bytes at hand: the length is told all the same, so that more can be read.
        (check == header_crc(self.salt, self.base + at as u64, &header[..9]))
            .then(|| (u32_at(header, 0) as usize, kind, header[4] & MORE != 0))
    }

    /// What begins here, where that is whole. `Err` with the length and kind of a frame with a damaged payload.
    fn frame_at(&self, at: usize) -> Option<Result<Frame<'a>, (usize, Kind)>> {
        let (length, kind, more) = self.header_at(at)?;
        let payload = self.bytes.get(at + FRAME_HEADER_BYTES..)?.get(..length)?;
        if crc32c(payload) != u32_at(&self.bytes[at..], 5) {
            return Some(Err((FRAME_HEADER_BYTES + length, kind)));
        }
        Some(Ok(Frame { offset: self.base + at as u64, kind, more, payload }))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        match self.frame_at(self.at) {
            Some(Ok(frame)) => {
                self.at += FRAME_HEADER_BYTES + frame.payload.len();
                Some(Found::Frame(frame))
            }
            // The header is good, so its length is too: the next frame begins right behind the damaged payload.
            Some(Err((length, kind))) => {
                let offset = self.offset();
                self.at += length;
                Some(Found::Damage { offset, length: length as u64, kind: Some(kind) })
            }
            // The rest of a good frame is not in this part.
            None if self.header_at(self.at).is_some() => None,
            None => {
                // Where no good header follows, the place stays: with more bytes behind them, these may turn out to be
                // the start of a frame, or damage that ends later.
                let next = (self.at + 1..self.bytes.len()).find(|&at| self.header_at(at).is_some())?;
                let (offset, length) = (self.offset(), (next - self.at) as u64);
                self.at = next;
                Some(Found::Damage { offset, length, kind: None })
            }
        }
    }
}

/// Whether the next frame belongs to the same publish as the one that these bytes begin with, whose header is good.
pub(crate) fn is_followed(frame: &[u8]) -> bool {
    frame.get(4).is_some_and(|kind| kind & MORE != 0)
}

/// What a frame of kind [`Kind::Durable`] says.
pub fn durable_until(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The id of a message's payload, the bytes before it, and its record.
pub fn split_message(payload: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (header, record) = payload.split_first_chunk::<MESSAGE_HEADER_BYTES>()?;
    Some((u64_at(header, 0), u64_at(header, 8), record))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: u64 = 77;

    fn frames(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for payload in payloads {
            let offset = 100 + out.len() as u64;
            write_frame(&mut out, SALT, offset, Kind::Message, false, |out| out.extend_from_slice(payload));
        }
        out
    }

    fn payloads<'a>(found: impl Iterator<Item = Found<'a>>) -> Vec<&'a [u8]> {
        found.filter_map(|found| if let Found::Frame(frame) = found { Some(frame.payload) } else { None }).collect()
    }

    #[test]
    fn a_header_reads_back_and_no_damaged_one_does() {
        let header = SegmentHeader { number: 3, index: 9, salt: 5, created: Time::from_nanos(7) };
        let bytes = header.to_bytes();
        assert_eq!(SegmentHeader::read(&bytes), Ok(header));
        for bit in 0..8 * bytes.len() {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::read(&damaged).is_err(), "bit {bit}");
        }
        assert_eq!(SegmentHeader::read(&bytes[..43]), Err(HeaderError::Short));
    }

    #[test]
    fn one_flipped_bit_costs_one_frame() {
        let parts: [&[u8]; 4] = [b"one", b"", b"three and more", b"four"];
        let whole = frames(&parts);
        assert_eq!(payloads(Frames::new(SALT, 100, &whole)), parts);
        for bit in 0..8 * whole.len() {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let left = payloads(Frames::new(SALT, 100, &damaged));
            assert!(left.len() >= 3, "bit {bit}: {left:?}");
            assert!(left.iter().all(|payload| parts.contains(payload)), "bit {bit}: {left:?}");
        }
    }

    #[test]
    fn a_part_ends_before_the_frame_that_is_not_whole() {
        let whole = frames(&[b"one", b"two"]);
        for cut in 0..whole.len() {
            let mut part = Frames::new(SALT, 100, &whole[..cut]);
            assert_eq!(part.by_ref().count(), usize::from(cut >= 16), "{cut}");
            assert_eq!(part.offset(), if cut >= 16 { 116 } else { 100 });
            assert_eq!(
                part.announced(),
                [13, 29].iter().any(|least| (*least..*least + 3).contains(&cut)).then_some(16)
            );
        }
    }

    #[test]
    fn a_published_frame_is_no_frame() {
        let inner = frames(&[b"forged"]);
        let mut outer = frames(&[&inner]);
        outer[0] ^= 1;
        outer.extend_from_slice(&[0; 40]);
        assert_eq!(payloads(Frames::new(SALT, 100, &outer)).len(), 0);
    }
}
