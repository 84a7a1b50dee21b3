//! Opening what is on the disk, as a host does when it starts.

use shelfmq_core::log::frame::{Found, Frames, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, split_message};
use shelfmq_core::log::{Loaded, Read, Recovered};
use shelfmq_core::recovery::Recovery;
use shelfmq_core::recovery::{Outcome, Replay, Segment, Wanted};

use super::disk::{Directory, SimDisk};
use crate::workload::Random;

/// Opens a topic; `None` where there is only what is left of one that was just being made.
pub fn open(disk: &mut SimDisk, topic: &str, directory: Directory, random: &mut Random) -> Option<Recovered> {
    let mut segments = disk.segments(directory);
    // The last segment may be one that was just being made: without a header, or without a snapshot.
    while let Some(last) = segments.last().copied() {
        if is_begun(disk.read(directory, last)?) {
            break;
        }
        disk.remove(directory, last);
        segments.pop();
    }
    disk.sync_directory(directory);
    if segments.is_empty() {
        disk.remove_directory(topic);
        disk.sync_root();
        return None;
    }
    let readable = |segment: u32| SegmentHeader::read(disk.read(directory, segment)?).ok();
    // Where nothing was synced, one in the middle may have nothing in it. The server starts once it was repaired.
    segments.retain(|segment| readable(*segment).is_some());
    let recovered = replay(disk, topic, directory, &segments, random)?;
    disk.truncate(directory, recovered.header.number, recovered.end);
    Some(recovered)
}

/// Replays these segments, in windows of some size.
fn replay(
    disk: &SimDisk,
    topic: &str,
    directory: Directory,
    segments: &[u32],
    random: &mut Random,
) -> Option<Recovered> {
    let headed = segments.iter().map(|segment| {
        let bytes = disk.read(directory, *segment)?;
        Some(Segment { header: SegmentHeader::read(bytes).ok()?, size: bytes.len() as u64 })
    });
    let mut replay = Replay::new(topic, headed.collect::<Option<_>>()?, true, 1 + random.below(4096))?;
    loop {
        let Wanted { segment, offset, bytes } = replay.wanted();
        let part = &disk.read(directory, segments[segment])?[offset as usize..][..bytes as usize];
        match replay.feed(part) {
            None => {}
            Some(Outcome::Topic(recovered)) => return Some(recovered),
            Some(other) => panic!("{topic}: {other:?}"),
        }
    }
}

/// Whether a segment has more than a header that was written before a crash.
fn is_begun(bytes: &[u8]) -> bool {
    let Ok(header) = SegmentHeader::read(bytes) else { return false };
    let mut frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
    frames.any(|found| matches!(found, Found::Frame(_)))
}

/// Reads messages back. Of a segment that is not there, all are missing.
pub(super) fn read_back(bytes: Option<&[u8]>, read: &Read) -> Loaded {
    let segment = bytes.and_then(|bytes| Some((bytes, SegmentHeader::read(bytes).ok()?)));
    let Some((bytes, header)) = segment else { return Loaded::decode(0, 0, &[], read.from, read.to) };
    let (mut start, mut end) = (SEGMENT_HEADER_BYTES as u64, bytes.len() as u64);
    for found in Frames::new(header.salt, start, &bytes[SEGMENT_HEADER_BYTES..]) {
        let Found::Frame(frame) = found else { continue };
        let Some((id, ..)) = split_message(frame.payload).filter(|_| frame.kind == Kind::Message) else { continue };
        if id < read.from {
            start = frame.end();
        } else if id >= read.to {
            end = frame.offset;
            break;
        }
    }
    let part = &bytes[start as usize..end.max(start) as usize];
    Loaded::decode(header.salt, start, part, read.from, read.to)
}

/// Replays a topic's whole log, from the first segment that is there.
pub(super) fn replay_all(disk: &SimDisk, topic: &str, directory: Directory) -> Option<Recovered> {
    let segments = disk.segments(directory);
    let header = |segment: &u32| SegmentHeader::read(disk.read(directory, *segment)?).ok();
    let mut recovery = Recovery::begin(header(segments.first()?)?);
    let mut end = 0;
    for (index, segment) in segments.iter().enumerate() {
        let bytes = disk.read(directory, *segment)?;
        if index > 0 {
            recovery.next_segment(header(segment)?, end);
        }
        recovery.feed(&bytes[SEGMENT_HEADER_BYTES..]);
        end = bytes.len() as u64;
    }
    Some(recovery.finish(topic, &[]))
}
