//! Whether the log tells everything: what replaying it gives must be what the engine has, after each operation.
//!
//! The operations are those of [`workload`](crate::workload), which knows every kind of request, right and wrong.

use std::collections::BTreeMap;

use shelfmq_core::Engine;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::Recovered;
use shelfmq_core::log::event::Position;
use shelfmq_core::log::image::{ChannelImage, TopicImage};
use shelfmq_core::time::Time;

use super::node::{Node, Seen};
use super::recover::replay_all;
use super::{Settings, open};
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
                Seen::Open | Seen::Close => {}
            }
        }
    }

    /// What replaying the log gives, from its last segment and from its first, against what the engine has.
    fn compare(&mut self) -> Result<(), String> {
        if let Some(wrong) = self.node.wrong.pop() {
            return Err(wrong);
        }
        for topic in self.node.disk.topics() {
            let directory = self.node.disk.directory(&topic).ok_or("a directory that is not there")?;
            let image = self.node.image_of(&topic).ok_or(format!("{topic} has a log, and is no topic"))?;
            let mut random = Random::new(self.node.now);
            let last = open(&mut self.node.disk, &topic, directory, &mut random);
            let last = last.ok_or(format!("{topic} cannot be opened"))?;
            let clean = last.torn == 0 && last.damage.is_empty() && !last.headless;
            if !clean {
                return Err(format!("the log of {topic} is not clean: torn {}, damage {:?}", last.torn, last.damage));
            }
            let now = self.node.now;
            let expected = opened(&Recovered { image, ..last.clone() }, now);
            difference(&topic, &expected, &opened(&last, now))?;
            let all = replay_all(&self.node.disk, &topic, directory).ok_or(format!("{topic} cannot be replayed"))?;
            difference(&format!("{topic}, from its first segment"), &expected, &opened(&all, now))?;
        }
        Ok(())
    }
}

/// A topic as an engine has it that was just opened from this, in plain words.
fn opened(recovered: &Recovered, now: u64) -> Vec<String> {
    let now = Time::from_nanos(now);
    let options = LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let config = Config { limits: super::node::limits(), started: now, ..Config::default() };
    let mut engine = Engine::with_log(config, 1, options);
    engine.open_topic(now, recovered.clone());
    engine.image_of(&recovered.image.name).map(|image| tell(&image)).unwrap_or_default()
}

/// All that matters of a topic, a line for each thing: not how its messages are divided into chunks, not what was
/// counted, and not in which of two ways that mean the same a channel is written down.
fn tell(image: &TopicImage) -> Vec<String> {
    // What nobody is given is passed over now or later.
    let mut image = image.clone();
    while let Some(gap) = image.backlog_tombstones.first().copied().filter(|gap| gap.from <= image.high_watermark.id) {
        image.backlog_tombstones.remove(0);
        image.high_watermark = Position { id: gap.to, bytes: image.high_watermark.bytes + gap.bytes };
    }
    let mut lines = vec![
        format!("{} {:?} paused {}", image.name, image.settings, image.paused),
        format!("next {:?} flow {:?} seed {}", image.next, image.high_watermark, image.seed),
        format!("published {} {}", image.message_count, image.message_bytes),
    ];
    lines.extend(image.dedup.iter().map(|accepted| format!("{accepted:?}")));
    let mut expiries = image.expiries.clone();
    expiries.sort_unstable();
    lines.extend(expiries.iter().map(|expiry| format!("{expiry:?}")));
    lines.extend(image.backlog_tombstones.iter().map(|gap| format!("not to be handed over {gap:?}")));
    // Of what expired meanwhile, the list of what was deferred may still tell.
    let tombstones = || image.backlog_tombstones.iter().chain(&image.tombstones);
    let is_tombstone =
        |id: u64| id < image.high_watermark.id || tombstones().any(|gap| (gap.from..gap.to).contains(&id));
    let deferred = image.deferred.iter().filter(|meta| !is_tombstone(meta.id));
    lines.extend(deferred.map(|meta| format!("deferred {meta:?}")));
    for channel in image.channels.values() {
        let ChannelImage { name, settings, paused, next_delivery, .. } = channel;
        lines.push(format!("channel {name} {settings:?} paused {paused}, next delivery {next_delivery}"));
        let first = channel.entries.keys().chain(channel.held.keys()).chain(channel.dead.keys()).min();
        let first = first.copied().unwrap_or(channel.cursor.id).min(channel.cursor.id);
        lines.extend(
            (first..image.high_watermark.id).filter_map(|id| Some(format!("{name} {id} {}", place(channel, id)?))),
        );
    }
    lines
}

/// Where a message is in a channel; nothing where the channel is done with it.
fn place(channel: &ChannelImage, id: u64) -> Option<String> {
    let is_gap = channel.gaps.iter().any(|gap| (gap.from..gap.to).contains(&id));
    if let Some(entry) = channel.entries.get(&id) {
        // Where nobody had it, it may as well stand in the backlog, and tell itself when it is due.
        return Some(if entry.delivery == 0 { "waits".into() } else { format!("{entry:?}") });
    }
    if let Some(dead) = channel.dead.get(&id) {
        return Some(format!("{dead:?}"));
    }
    let waits = channel.held.contains_key(&id) || (id >= channel.cursor.id && !is_gap);
    waits.then(|| "waits".into())
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
