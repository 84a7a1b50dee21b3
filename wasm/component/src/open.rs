//! A topic from the bytes of its log.

use alloc::vec::Vec;

use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::Name;
use shelfmq_core::recovery::{Outcome, Replay, Segment};

use super::wit::OpenError;

/// The topic as these segments tell of it: from the last snapshot that can be read.
pub(crate) fn recover(topic: &str, segments: &[Vec<u8>], is_whole: bool) -> Result<Recovered, OpenError> {
    let name = Name::parse(topic).ok_or(OpenError::NotHere)?;
    let recovered = replay(name.as_str(), segments, headed(segments)?, is_whole)?;
    match &recovered.image.name {
        other if other != name.as_str() => Err(OpenError::OtherTopic(other.as_str().into())),
        _ => Ok(recovered),
    }
}

/// The segments, if each begins with a header, and all follow each other.
fn headed(segments: &[Vec<u8>]) -> Result<Vec<Segment>, OpenError> {
    let mut found: Vec<Segment> = Vec::with_capacity(segments.len());
    for (index, bytes) in segments.iter().enumerate() {
        let header = SegmentHeader::read(bytes).ok();
        let follows = |header: &SegmentHeader| {
            found.last().is_none_or(|before| before.header.number.checked_add(1) == Some(header.number))
        };
        match header.filter(follows) {
            Some(header) => found.push(Segment { header, size: bytes.len() as u64 }),
            // A header that was never written is that of a segment that was just begun.
            None if index + 1 == segments.len() && bytes.iter().all(|byte| *byte == 0) => {}
            None => return Err(OpenError::BadSegment(index as u32)),
        }
    }
    Ok(found)
}

fn replay(name: &str, segments: &[Vec<u8>], headed: Vec<Segment>, is_whole: bool) -> Result<Recovered, OpenError> {
    let nothing = if is_whole { OpenError::Nothing } else { OpenError::NeedsEarlier };
    let mut replay = Replay::new(name, headed, is_whole, u64::MAX).ok_or(nothing)?;
    loop {
        let wanted = replay.wanted();
        // All of it is here: what is wanted ends where the segment does.
        match replay.feed(&segments[wanted.segment][wanted.offset as usize..]) {
            None => {}
            Some(Outcome::Topic(recovered)) => return Ok(recovered),
            Some(Outcome::Nothing) => return Err(OpenError::Nothing),
            Some(Outcome::NeedsEarlier) => return Err(OpenError::NeedsEarlier),
        }
    }
}
