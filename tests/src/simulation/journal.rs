//! Whether the log tells everything: what replaying it gives must be what the engine has, after each operation.
//!
//! The operations are those of [`workload`](crate::workload), which knows every kind of request, right and wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shelfmq::disk::{DataDir, Found};
use shelfmq_core::Engine;
use shelfmq_core::by_id::ById;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::Recovered;
use shelfmq_core::log::event::Position;
use shelfmq_core::log::frame::{SEGMENT_HEADER_BYTES, SegmentHeader};
use shelfmq_core::log::image::{ChannelImage, EntryImage, EntryStateImage, TopicImage};
use shelfmq_core::recovery::Recovery;
use shelfmq_core::time::Time;

use super::Settings;
use super::disk::{ROOT, SimDisk};
use super::node::{Node, Seen};
use crate::model::{Ticket, Wire};
use crate::workload::{Mismatch, Op, Random, Receipts};

/// Runs operations, and compares the log with the engine after each.
///
/// # Errors
/// The first difference.
pub fn run(settings: Settings, ops: &[Op]) -> Result<(), Mismatch> {
    let mut runner = Runner {
        node: Node::new(settings),
        receipts: Receipts::default(),
        places: BTreeMap::new(),
        transcript: Vec::new(),
        random: Random::new(settings.seed),
    };
    for (step, op) in ops.iter().enumerate() {
        runner.perform(op);
        if let Err(what) = runner.compare() {
            let transcript = runner.transcript;
            return Err(Mismatch { step, what, transcript });
        }
    }
    Ok(())
}

struct Runner {
    node: Node,
    receipts: Receipts,
    /// Topic and channel of each request, as they stand in its query.
    places: BTreeMap<Ticket, String>,
    transcript: Vec<String>,
    random: Random,
}

impl Runner {
    fn perform(&mut self, op: &Op) {
        match op {
            Op::Send(template) => {
                let (wire, place) = self.receipts.fill(&template.wire);
                self.send(&wire, place);
            }
            Op::Step(nanos) => self.step_to(self.node.now + nanos),
            Op::StepToDeadline(offset) => {
                if let Some(deadline) = self.node.next_deadline() {
                    self.step_to(deadline.saturating_add_signed(*offset).max(self.node.now));
                }
            }
            Op::HangUp(which) => {
                if let Some(ticket) = self.places.keys().copied().rev().nth(*which as usize) {
                    self.node.hang_up(ticket);
                }
            }
            Op::Take(which) => {
                if let Some(ticket) = self.places.keys().copied().rev().nth(*which as usize) {
                    self.node.taken(ticket);
                }
            }
            Op::Look => {
                let which = self.random.below(u64::MAX);
                self.node.compact(which);
            }
        }
        self.node.settle_down();
        self.learn();
    }

    fn send(&mut self, wire: &Wire, place: String) {
        let body = String::from_utf8_lossy(&wire.body).into_owned();
        let now = self.node.now - super::node::START;
        self.transcript.push(format!("@{now} {} {}?{} {body:?}", wire.method, wire.path, wire.query));
        let ticket = self.node.send(wire);
        self.places.insert(ticket, place);
    }

    fn step_to(&mut self, target: u64) {
        self.node.settle_down();
        while let Some(next) = self.node.next_deadline().filter(|next| *next <= target) {
            self.node.advance(next);
            self.node.settle_down();
        }
        self.node.advance(target);
    }

    /// Remembers the receipts that were given out.
    fn learn(&mut self) {
        while let Some((ticket, seen)) = self.node.seen.pop_front() {
            let place = self.places.get(&ticket).cloned().unwrap_or_default();
            match &seen {
                Seen::Answer(answer) => {
                    if let Some(receipt) = answer.header("shelf-receipt") {
                        self.receipts.learn(&place, receipt.to_owned());
                    }
                    self.receipts.learn_all(&place, &answer.text());
                    self.transcript.push(format!("  < {}", crate::workload::compare::show(answer)));
                }
                Seen::Chunk(bytes) => {
                    self.receipts.learn_all(&place, &String::from_utf8_lossy(bytes));
                    if self.random.percent(70) {
                        self.node.taken(ticket);
                        self.node.settle_down();
                    }
                }
                Seen::Open | Seen::Close | Seen::OpenedAgain(_) => {}
            }
        }
    }

    /// What replaying the log gives, from its last segment and from its first, against what the engine has.
    fn compare(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.node.wrong.pop() {
            return Err(wrong);
        }
        // What a start would find, without disturbing who runs.
        let dir = DataDir::on(Arc::new(self.node.disk.copy()), ROOT.into());
        for found in dir.recover().map_err(|unusable| unusable.to_string())? {
            let last = match found {
                Found::Topic(recovered) => *recovered,
                Found::Aside(name, why) => return Err(format!("{name} cannot be opened: {why}")),
            };
            let topic = last.image.name.clone();
            let image = self.node.image_of(&topic).ok_or(format!("{topic} has a log, and is no topic"))?;
            // Room that was made and not used is nothing that was torn.
            let bytes = self.node.disk.read(&topic, last.header.number).unwrap_or_default();
            let is_unused = bytes.get(last.end as usize..).is_none_or(|rest| rest.iter().all(|byte| *byte == 0));
            let clean = is_unused && last.damage.is_empty() && !last.headless;
            if !clean {
                return Err(format!("the log of {topic} is not clean: torn {}, damage {:?}", last.torn, last.damage));
            }
            let now = self.node.now;
            let expected = opened(&Recovered { image, ..last.clone() }, now);
            difference(&topic, &expected, &opened(&last, now))?;
            let all = replay_all(&self.node.disk, &topic).ok_or(format!("{topic} cannot be replayed"))?;
            difference(&format!("{topic}, from its first segment"), &expected, &opened(&all, now))?;
        }
        Ok(())
    }
}

/// Replays a topic's whole log, from the first segment that is there.
fn replay_all(disk: &SimDisk, topic: &str) -> Option<Recovered> {
    let segments = disk.segments(topic);
    let bytes: Vec<Vec<u8>> = segments.iter().filter_map(|segment| disk.read(topic, *segment)).collect();
    let header = |bytes: &Vec<u8>| SegmentHeader::read(bytes).ok();
    let mut recovery = Recovery::begin(header(bytes.first()?)?);
    let mut end = 0;
    for (index, bytes) in bytes.iter().enumerate() {
        if index > 0 {
            recovery.next_segment(header(bytes)?, end);
        }
        let fed = recovery.feed(&bytes[SEGMENT_HEADER_BYTES..]);
        // Room that was made and not used is no damage.
        let is_unused = bytes[SEGMENT_HEADER_BYTES + fed..].iter().all(|byte| *byte == 0);
        end = if is_unused { recovery.offset() } else { bytes.len() as u64 };
    }
    Some(recovery.finish(topic, &[]))
}

/// A topic as an engine has it that was just opened from this, in plain words.
fn opened(recovered: &Recovered, now: u64) -> Vec<String> {
    let now = Time::from_nanos(now);
    let options = LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let config = Config { limits: super::node::limits(), started: now, ..Config::default() };
    let mut engine = Engine::with_log(config, 1, options);
    engine.open_topic(now, recovered.clone());
    // What a log does not tell, for it follows from the time, happens now.
    while engine.poll_timeout().is_some_and(|at| at <= now) {
        engine.handle_timeout(now);
    }
    let Some(mut image) = engine.image_of(&recovered.image.name) else { return Vec::new() };
    // Dead letters' keys are kept for a while after a start, though they were forgotten before.
    image.dedup.retain(|accepted| accepted.until > now.as_nanos());
    tell(&image)
}

/// What a topic is, a line for each thing; but not how its messages are divided into chunks and segments, nor how many
/// have expired, before or after a channel was there to get them: that is in no log but as far as a snapshot tells. And not
/// the tombstones, which go with the chunks that had their messages: what no channel gets is told by the channels.
fn tell(image: &TopicImage) -> Vec<String> {
    let channels = &image.channels;
    let rest = TopicImage {
        chunks: Vec::new(),
        old_segments: Vec::new(),
        rewritten: ById::default(),
        tombstones: Vec::new(),
        channels: ById::default(),
        ..image.clone()
    };
    let mut lines = vec![format!("{rest:#?}")];
    for channel in channels.values() {
        lines.push(format!("{:#?}", all_but_backlog(channel)));
        let ids = channel.held.keys().chain(channel.entries.keys()).copied().chain(channel.cursor.id..image.next.id);
        let ids: BTreeSet<u64> = ids.collect();
        lines.extend(ids.into_iter().filter(|id| waits(channel, *id)).map(|id| format!("{} {id} waits", channel.name)));
    }
    lines.iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
}

/// A channel without what nobody had of it: a message whose deferral is over stands in the backlog or beside it, depending
/// on when it was handed over, and is delivered all the same.
fn all_but_backlog(channel: &ChannelImage) -> ChannelImage {
    let known = channel.entries.iter().filter(|(_, entry)| entry.delivery > 0 || !is_over(entry));
    ChannelImage {
        cursor: Position::default(),
        gaps: Vec::new(),
        held: ById::default(),
        entries: known.map(|(id, entry)| (*id, *entry)).collect(),
        expired: 0,
        since: 0,
        ..channel.clone()
    }
}

fn is_over(entry: &EntryImage) -> bool {
    entry.state == EntryStateImage::Ready
}

/// Whether a message waits for a consumer, and nobody had it.
fn waits(channel: &ChannelImage, id: u64) -> bool {
    let is_gap = channel.gaps.iter().any(|gap| (gap.from..gap.to).contains(&id));
    let is_fresh = id >= channel.cursor.id && !is_gap && !channel.dead.contains_key(&id);
    match channel.entries.get(&id) {
        Some(entry) => entry.delivery == 0 && is_over(entry),
        None => channel.held.contains_key(&id) || is_fresh,
    }
}

fn difference(topic: &str, expected: &[String], got: &[String]) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let only = |these: &[String], those: &[String]| {
        let lines: Vec<&str> = these.iter().filter(|line| !those.contains(line)).map(String::as_str).collect();
        if lines.is_empty() { String::new() } else { format!("\n    {}", lines.join("\n    ")) }
    };
    Err(format!("{topic}: the engine has{}\n  and its log says{}", only(expected, got), only(got, expected)))
}
