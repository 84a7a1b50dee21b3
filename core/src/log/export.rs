//! A topic's whole log in one file, to be opened elsewhere. All numbers are little endian.
//!
//! ```text
//! head, 16 bytes and the topic's name
//! +--------------+---------+-------------+- - - - +--------------+
//! | "shelfmq\x1a" | version | name length |  name  | CRC-32C of   |
//! |              |  u16    |  u16        |        | what is here |
//! +--------------+---------+-------------+- - - - +--------------+
//! 0              8         10            12
//!
//! then each segment, the first of the log first
//! +--------+--------------------+- - - - - - - - - - -+
//! | length | CRC-32C of length  | the segment's bytes |
//! |  u64   |  u32               |                     |
//! +--------+--------------------+- - - - - - - - - - -+
//!
//! and the end: a length of zero with its CRC
//! ```
//!
//! A [segment](super::frame) has its own checksums, and is here as it was on the disk, damage and torn end included.
//! A file without its end was not written to the end.

use alloc::vec::Vec;

use super::crc::crc32c;
use crate::name::Name;

/// What an export begins with.
pub const MAGIC: [u8; 8] = *b"shelfmq\x1a";
/// The version of this layout.
pub const VERSION: u16 = 1;
/// Bytes of a head beside the name.
pub const HEAD_BYTES: usize = 16;
/// Bytes before each segment, and of the end.
pub const PART_BYTES: usize = 12;

/// A topic, and the bytes of its segments.
pub type Export<'a> = (Name<'static>, Vec<&'a [u8]>);

/// Why bytes are no export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportError {
    /// They end too soon.
    Short,
    /// They are something else.
    Foreign,
    /// They were written by a version that this one does not know.
    Version(u16),
    /// They are an export, and damaged.
    Damaged,
}

impl core::fmt::Display for ExportError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            ExportError::Short => f.write_str("it ends too soon"),
            ExportError::Foreign => f.write_str("it is no exported log"),
            ExportError::Version(version) => write!(f, "it has version {version}, which this program does not know"),
            ExportError::Damaged => f.write_str("it is damaged"),
        }
    }
}

/// The first bytes of the export of this topic.
pub fn write_head(topic: &Name<'_>) -> Vec<u8> {
    let name = topic.as_str().as_bytes();
    let mut out = Vec::with_capacity(HEAD_BYTES + name.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(name.len() as u16).to_le_bytes());
    out.extend_from_slice(name);
    let crc = crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// The topic of an export, and how many bytes its head takes. [`ExportError::Short`] where there are more to read.
pub fn read_head(bytes: &[u8]) -> Result<(Name<'static>, usize), ExportError> {
    let Some(start) = bytes.first_chunk::<12>() else { return Err(ExportError::Short) };
    if start[..8] != MAGIC {
        return Err(ExportError::Foreign);
    }
    let length = usize::from(u16::from_le_bytes([start[10], start[11]]));
    match u16::from_le_bytes([start[8], start[9]]) {
        // The length is bounded before so many bytes are asked for: a damaged one would have the reader wait for more.
        VERSION if length <= crate::name::MAX_LEN => {}
        VERSION => return Err(ExportError::Damaged),
        other => return Err(ExportError::Version(other)),
    }
    let head = bytes.get(..HEAD_BYTES + length).ok_or(ExportError::Short)?;
    let (told, crc) = head.split_at(HEAD_BYTES + length - 4);
    if crc != crc32c(told).to_le_bytes() {
        return Err(ExportError::Damaged);
    }
    let name = core::str::from_utf8(&told[12..]).ok().and_then(Name::parse).ok_or(ExportError::Damaged)?;
    Ok((name.into_owned(), head.len()))
}

/// What stands before a segment of so many bytes; of none: the end.
pub fn write_part(length: u64) -> [u8; PART_BYTES] {
    let mut out = [0; PART_BYTES];
    out[..8].copy_from_slice(&length.to_le_bytes());
    let crc = crc32c(&out[..8]);
    out[8..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// How many bytes the segment has that begins after these; zero at the end.
pub fn read_part(bytes: &[u8]) -> Result<u64, ExportError> {
    let Some(part) = bytes.first_chunk::<PART_BYTES>() else { return Err(ExportError::Short) };
    let (length, crc) = part.split_at(8);
    // The length has a checksum of its own, for it is believed before the segment behind it can be looked at.
    if crc != crc32c(length).to_le_bytes() {
        return Err(ExportError::Damaged);
    }
    Ok(length.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)))
}

/// A whole export in memory: its topic, and the bytes of its segments. Or why it is none, and from which byte on.
pub fn read(bytes: &[u8]) -> Result<Export<'_>, (ExportError, usize)> {
    let (name, head) = read_head(bytes).map_err(|why| (why, 0))?;
    let (mut rest, mut segments) = (&bytes[head..], Vec::new());
    loop {
        let at = bytes.len() - rest.len();
        let length = read_part(rest).map_err(|why| (why, at))?;
        rest = &rest[PART_BYTES..];
        if length == 0 {
            return Ok((name, segments));
        }
        let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let (segment, after) = split.ok_or((ExportError::Short, at))?;
        segments.push(segment);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_reads_back_and_no_part_or_damaged_one_does() {
        let name = Name::parse("books").expect("it is valid");
        let segments: [&[u8]; 2] = [b"one segment", b"two"];
        let mut bytes = write_head(&name);
        for segment in segments {
            bytes.extend_from_slice(&write_part(segment.len() as u64));
            bytes.extend_from_slice(segment);
        }
        bytes.extend_from_slice(&write_part(0));
        assert_eq!(read(&bytes), Ok((name, segments.to_vec())));
        for cut in 0..bytes.len() {
            let at = [HEAD_BYTES + 5, HEAD_BYTES + 5 + PART_BYTES + 11, bytes.len() - PART_BYTES];
            let at = at.into_iter().rfind(|at| *at <= cut).unwrap_or_default();
            assert_eq!(read(&bytes[..cut]), Err((ExportError::Short, at)), "{cut}");
        }
        let own = HEAD_BYTES + 5 + PART_BYTES;
        for bit in 0..8 * own {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
