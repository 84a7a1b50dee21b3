//! From what a storage has to the topics: the same as the server does with its files.

use js_sys::Array;
use shelfmq_core::log::frame::{HeaderError, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::Name;
use shelfmq_core::recovery::{Outcome, Replay, Segment, Wanted};
use wasm_bindgen::prelude::*;

use crate::options::error;
use crate::storage::{Change, Listed, Storage};

/// How much of a segment is read at once, in bytes, unless a frame is larger.
const WINDOW: u64 = 1 << 20;

/// A topic as its log tells, what a crash left unfinished being cut off; none where there was nothing but that. An
/// error where it cannot be told from what is there: nothing is lost silently.
pub(crate) async fn recover(storage: &Storage, listed: &Listed) -> Result<Option<Recovered>, JsValue> {
    let topic = listed.topic.as_str();
    if Name::parse(topic.to_owned()).is_none() {
        return Err(error(&format!("the storage has a log of {topic:?}, which is no name of a topic")));
    }
    let segments = headers(storage, listed).await?;
    let recovered = replay(storage, topic, segments).await?;
    if let Some(recovered) = recovered.as_ref().filter(|recovered| recovered.image.name != topic) {
        return Err(error(&format!("the log of topic {topic} is that of {}", recovered.image.name)));
    }
    let changes = Array::new();
    match &recovered {
        None => {
            changes.push(&Change::delete(topic).into());
        }
        Some(Recovered { header, end, torn, .. }) => {
            // A crash came before anything in these was durable.
            let empty = listed.segments.iter().filter(|(number, _)| *number > header.number);
            for (number, _) in empty {
                changes.push(&Change::drop(topic, *number).into());
            }
            if *torn > 0 {
                changes.push(&Change::cut(topic, header.number, *end).into());
            }
        }
    }
    if changes.length() > 0 {
        storage.change(&changes).await?;
    }
    for damage in recovered.iter().flat_map(|recovered| &recovered.damage) {
        let place = format!("segment {}, offset {}, {} bytes", damage.segment, damage.offset, damage.length);
        web_sys::console::warn_1(&format!("shelfmq: a part of the log of topic {topic} is damaged: {place}").into());
    }
    Ok(recovered)
}

async fn headers(storage: &Storage, listed: &Listed) -> Result<Vec<Segment>, JsValue> {
    let mut segments: Vec<Segment> = Vec::new();
    for &(number, size) in &listed.segments {
        let wrong = |what: &str| error(&format!("segment {number} of topic {}: {what}", listed.topic));
        if segments.last().is_some_and(|last| last.header.number + 1 != number) {
            return Err(wrong("the one before is missing"));
        }
        let bytes = storage.bytes(&listed.topic, number, 0, SEGMENT_HEADER_BYTES as u64).await?;
        match SegmentHeader::read(&bytes) {
            Ok(header) if header.number == number => segments.push(Segment { header, size }),
            Ok(_) => return Err(wrong("it says that it is another")),
            // The last may just have been begun.
            Err(HeaderError::Short) if Some(&(number, size)) == listed.segments.last() => {}
            Err(HeaderError::Version(version)) => return Err(wrong(&format!("version {version} is not known here"))),
            Err(_) => return Err(wrong("it is no segment of a log, or damaged")),
        }
    }
    Ok(segments)
}

/// Replays a log. None where there is nothing in it.
async fn replay(storage: &Storage, topic: &str, segments: Vec<Segment>) -> Result<Option<Recovered>, JsValue> {
    let numbers: Vec<u32> = segments.iter().map(|segment| segment.header.number).collect();
    let Some(mut replay) = Replay::new(topic, segments, true, WINDOW) else { return Ok(None) };
    loop {
        let Wanted { segment, offset, bytes: size } = replay.wanted();
        let number = numbers[segment];
        let bytes = storage.bytes(topic, number, offset, size).await?;
        if (bytes.len() as u64) < size {
            return Err(error(&format!("segment {number} of topic {topic} is shorter than told")));
        }
        match replay.feed(&bytes) {
            None => {}
            Some(Outcome::Topic(recovered)) => return Ok(Some(recovered)),
            Some(Outcome::Nothing | Outcome::NeedsEarlier) => return Ok(None),
        }
    }
}
