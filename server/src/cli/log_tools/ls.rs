//! `log ls`: what each topic has.

use std::path::Path;

use serde::Serialize;
use shelfmq_core::log::Recovered;
use shelfmq_core::log::image::{ChannelImage, EntryStateImage, TopicImage};

use super::Lines;
use super::place::{Place, Topic, length, read_header};

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    segments: Vec<SegmentLine>,
    bytes: u64,
    next_id: Option<u64>,
    messages_published: Option<u64>,
    paused: bool,
    channels: Vec<ChannelLine<'a>>,
    /// Places in what was read for this that are damaged; `verify` reads everything.
    damage: usize,
    torn_bytes: u64,
    snapshot: bool,
}

#[derive(Serialize)]
struct SegmentLine {
    number: u32,
    first_id: Option<u64>,
    bytes: u64,
}

#[derive(Serialize)]
struct ChannelLine<'a> {
    channel: &'a str,
    next_id: u64,
    /// What waits to be leased.
    depth: u64,
    in_flight: usize,
    deferred: usize,
    dead: usize,
    paused: bool,
}

pub(super) fn run(path: &Path, lines: &mut Lines<'_>) -> Result<(), String> {
    for topic in Place::find(path)?.topics {
        let recovered = topic.replay()?;
        lines.write(&line(&topic, recovered.as_ref())?)?;
    }
    Ok(())
}

fn line<'a>(topic: &'a Topic, recovered: Option<&'a Recovered>) -> Result<Line<'a>, String> {
    let mut segments = Vec::with_capacity(topic.segments.len());
    for (number, path) in &topic.segments {
        let first_id = read_header(path).ok().and_then(Result::ok).map(|header| header.index);
        segments.push(SegmentLine { number: *number, first_id, bytes: length(path)? });
    }
    let image = recovered.map(|recovered| &recovered.image);
    let channels = image.into_iter().flat_map(|image| image.channels.values().map(|one| channel(one, image))).collect();
    Ok(Line {
        topic: topic.name.as_str(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        segments,
        next_id: image.map(|image| image.next.id),
        messages_published: image.map(|image| image.message_count),
        paused: image.is_some_and(|image| image.paused),
        channels,
        damage: recovered.map_or(0, |recovered| recovered.damage.len()),
        torn_bytes: recovered.map_or(0, |recovered| recovered.torn),
        snapshot: recovered.is_some_and(|recovered| !recovered.headless),
    })
}

fn channel<'a>(channel: &'a ChannelImage, image: &TopicImage) -> ChannelLine<'a> {
    // What was written last is handed over as soon as the topic is opened, unless it is paused.
    let high_watermark = if image.paused { image.high_watermark.id } else { image.next.id };
    let next_id = channel.cursor.id;
    let is_ahead = |id: u64| id >= next_id.max(image.high_watermark.id) && id < high_watermark;
    let entries = || channel.entries.values().map(|entry| entry.state);
    let late = image.deferred.iter().filter(|meta| is_ahead(meta.id)).count();
    let deferred = late + entries().filter(|state| matches!(state, EntryStateImage::Deferred { .. })).count();
    let in_flight = entries().filter(|state| matches!(state, EntryStateImage::InFlight { .. })).count();
    let gaps = channel.gaps.iter().chain(&image.backlog_tombstones);
    let passed: u64 = gaps.map(|gap| gap.to.min(high_watermark).saturating_sub(gap.from.max(next_id))).sum();
    // What is deferred has its entry before the channel reads on to it.
    let early = late + channel.entries.range(next_id..).count();
    let unread = high_watermark.saturating_sub(next_id).saturating_sub(passed).saturating_sub(early as u64);
    let back = entries().filter(|state| matches!(state, EntryStateImage::Ready)).count() + channel.held.len();
    ChannelLine {
        channel: &channel.name,
        next_id,
        depth: unread + back as u64,
        in_flight,
        deferred,
        dead: channel.dead.len(),
        paused: channel.paused,
    }
}
