//! `log ls`: what each topic has.

use std::path::Path;

use serde::Serialize;
use shelfmq_core::log::Recovered;
use shelfmq_core::log::image::ChannelImage;

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
    depth: u64,
    departed: usize,
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
    let flow = image.map_or(0, |image| image.flow.id);
    Ok(Line {
        topic: topic.name.as_str(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        segments,
        next_id: image.map(|image| image.next.id),
        messages_published: image.map(|image| image.message_count),
        paused: image.is_some_and(|image| image.paused),
        channels: image.into_iter().flat_map(|image| image.channels.values().map(|c| channel(c, flow))).collect(),
        damage: recovered.map_or(0, |recovered| recovered.damage.len()),
        torn_bytes: recovered.map_or(0, |recovered| recovered.torn),
        snapshot: recovered.is_some_and(|recovered| !recovered.headless),
    })
}

fn channel(channel: &ChannelImage, flow: u64) -> ChannelLine<'_> {
    let ahead = flow.saturating_sub(channel.cursor.id);
    let passed: u64 = channel.gaps.iter().map(|gap| gap.to.min(flow).saturating_sub(gap.from)).sum();
    // What was deferred stands among the entries before the channel reads on to it.
    let early = channel.entries.range(channel.cursor.id..).count() as u64;
    let departed = channel.entries.len() + channel.held.len();
    ChannelLine {
        channel: &channel.name,
        next_id: channel.cursor.id,
        depth: (ahead.saturating_sub(passed + early)).saturating_add(departed as u64),
        departed,
        dead: channel.dead.len(),
        paused: channel.paused,
    }
}
