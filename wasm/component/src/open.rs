//! A topic from the bytes of its log.

use alloc::vec::Vec;

use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Recovered, Recovery, SegmentHeader};
use shelfmq_core::name::Name;

use super::wit::OpenError;

/// A segment that begins with a header.
struct Segment<'a> {
    header: SegmentHeader,
    bytes: &'a [u8],
}

/// The topic as these segments tell of it: from the last snapshot that can be read.
pub(crate) fn recover(topic: &str, segments: &[Vec<u8>], is_whole: bool) -> Result<Recovered, OpenError> {
    let name = Name::parse(topic).ok_or(OpenError::NotHere)?;
    let segments = headed(segments)?;
    let recovered = replay(name.as_str(), &segments, is_whole)?;
    match &recovered.image.name {
        other if other != name.as_str() => Err(OpenError::OtherTopic(other.as_str().into())),
        _ => Ok(recovered),
    }
}

fn headed(segments: &[Vec<u8>]) -> Result<Vec<Segment<'_>>, OpenError> {
    let mut found: Vec<Segment<'_>> = Vec::with_capacity(segments.len());
    for (index, bytes) in segments.iter().enumerate() {
        let header = SegmentHeader::read(bytes).ok();
        let follows = |header: &SegmentHeader| {
            found.last().is_none_or(|before| before.header.number.checked_add(1) == Some(header.number))
        };
        match header.filter(follows) {
            Some(header) => found.push(Segment { header, bytes }),
            // A header that was never written is that of a segment that was just begun.
            None if index + 1 == segments.len() && bytes.iter().all(|byte| *byte == 0) => {
                return Err(OpenError::Nothing);
            }
            None => return Err(OpenError::BadSegment(index as u32)),
        }
    }
    if found.is_empty() { Err(OpenError::Nothing) } else { Ok(found) }
}

fn replay(name: &str, segments: &[Segment<'_>], is_whole: bool) -> Result<Recovered, OpenError> {
    for start in (0..segments.len()).rev() {
        let mut recovery = Recovery::begin(segments[start].header);
        let Some(rest) = feed_all(&mut recovery, &segments[start..]) else { continue };
        let has_image = recovery.has_image();
        let recovered = recovery.finish(name, rest);
        if has_image {
            return Ok(recovered);
        }
        let is_last = start + 1 == segments.len();
        if is_last && recovered.end == SEGMENT_HEADER_BYTES as u64 && recovered.damage.is_empty() {
            return Err(OpenError::Nothing);
        }
    }
    if !is_whole {
        return Err(OpenError::NeedsEarlier);
    }
    let mut recovery = Recovery::begin(segments[0].header);
    recovery.without_snapshot(name);
    let rest = feed_all(&mut recovery, segments).unwrap_or_default();
    Ok(recovery.finish(name, rest))
}

/// Feeds segments to their ends, and says what remains of the last. None where the snapshots of the first cannot be
/// read.
fn feed_all<'a>(recovery: &mut Recovery, segments: &[Segment<'a>]) -> Option<&'a [u8]> {
    let mut rest: &[u8] = &[];
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            // Room that was made for more to come is no damage.
            let unused = rest.iter().all(|byte| *byte == 0);
            let end = recovery.offset() + if unused { 0 } else { rest.len() as u64 };
            recovery.next_segment(segment.header, end);
        }
        let bytes = &segment.bytes[SEGMENT_HEADER_BYTES..];
        rest = &bytes[recovery.feed(bytes)..];
        if recovery.is_headless() || (index + 1 < segments.len() && !recovery.has_image()) {
            return None;
        }
    }
    Some(rest)
}
