//! What stands in a segment: for whoever damages it, and has to know what that costs.

use std::ops::Range;

use shelfmq_core::log::frame::{Found, Frames, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, split_message};

use crate::workload::Random;

/// What stands at a place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The header, or what is no frame.
    Nothing,
    /// A message.
    Message(u64),
    /// Something that happened, or a whole topic.
    Event,
}

/// What stands at this place of a whole segment.
pub fn standing(bytes: &[u8], place: usize) -> Standing {
    let Ok(header) = SegmentHeader::read(bytes) else { return Standing::Nothing };
    let frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
    for found in frames {
        let Found::Frame(frame) = found else { continue };
        if (frame.offset..frame.end()).contains(&(place as u64)) {
            let id = split_message(frame.payload).map(|(id, ..)| id);
            return match (frame.kind, id) {
                (Kind::Message | Kind::Rewritten, Some(id)) => Standing::Message(id),
                _ => Standing::Event,
            };
        }
    }
    Standing::Nothing
}

/// What stands in a block of a whole segment, where nothing does that is written twice: for both may be in it.
pub fn standing_in(bytes: &[u8], block: Range<usize>) -> Option<Vec<Standing>> {
    let header = SegmentHeader::read(bytes).ok()?;
    let frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
    let mut all = Vec::new();
    for found in frames {
        let Found::Frame(frame) = found else { return None };
        if frame.end() as usize <= block.start || frame.offset as usize >= block.end {
            continue;
        }
        let id = split_message(frame.payload).map(|(id, ..)| id);
        match (frame.kind, id) {
            (Kind::Snapshot | Kind::SnapshotCopy | Kind::EventCopy, _) => return None,
            (Kind::Message | Kind::Rewritten, Some(id)) => all.push(Standing::Message(id)),
            _ => all.push(Standing::Event),
        }
    }
    Some(all).filter(|all| !all.is_empty())
}

/// The segment with the last byte of one of its messages changed, and all its checksums right.
pub(super) fn forged(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    use shelfmq_core::log::frame::write_frame;
    let header = SegmentHeader::read(bytes).ok()?;
    let mut out = bytes[..SEGMENT_HEADER_BYTES].to_vec();
    let mut done = false;
    for found in Frames::new(header.salt, out.len() as u64, &bytes[SEGMENT_HEADER_BYTES..]) {
        let Found::Frame(frame) = found else { return None };
        let is_message = matches!(frame.kind, Kind::Message | Kind::Rewritten);
        let forge = is_message && !done && random.percent(50);
        done |= forge;
        let offset = out.len() as u64;
        write_frame(&mut out, header.salt, offset, frame.kind, frame.more, |out| {
            out.extend_from_slice(frame.payload);
            if forge {
                out.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            }
        });
    }
    (done && out.len() == bytes.len()).then_some(out)
}
