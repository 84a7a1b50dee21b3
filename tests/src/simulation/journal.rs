//! Whether the log tells everything: what replaying it gives must be what the engine has, after each operation.
//!
//! The operations are those of [`workload`](crate::workload), which knows every kind of request, right and wrong.

use std::collections::BTreeMap;

use shelfmq_core::Engine;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::Recovered;
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::time::Time;

use super::node::{Node, Seen};
use super::recover::replay_all;
use super::{Settings, open};
use crate::model::{Ticket, Wire};
use crate::workload::{Mismatch, Op, Random};

/// Runs operations, and compares the log with the engine after each.
///
/// # Errors
/// The first difference.
pub fn run(settings: Settings, ops: &[Op]) -> Result<(), Mismatch> {
    let mut runner = Runner {
        node: Node::new(settings),
        receipts: BTreeMap::new(),
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
    receipts: BTreeMap<String, Vec<String>>,
    /// Topic and channel of each request, as they stand in its query.
    places: BTreeMap<Ticket, String>,
    transcript: Vec<String>,
    random: Random,
}

impl Runner {
    fn perform(&mut self, op: &Op) {
        match op {
            Op::Send(template) => {
                let mut wire = template.wire.clone();
                let place = place(&wire.query);
                wire.query = self.fill(&wire.query, &place);
                if let Ok(text) = std::str::from_utf8(&wire.body) {
                    wire.body = self.fill(text, &place).into_bytes();
                }
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
            Op::Look => {}
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
            let mut texts = Vec::new();
            match &seen {
                Seen::Answer(answer) => {
                    texts.extend(answer.header("shelf-receipt").map(str::to_owned));
                    texts.extend(receipts(&answer.text()));
                    self.transcript.push(format!("  < {}", crate::workload::compare::show(answer)));
                }
                Seen::Chunk(bytes) => {
                    texts.extend(receipts(&String::from_utf8_lossy(bytes)));
                    if self.random.percent(70) {
                        self.node.taken(ticket);
                        self.node.settle_down();
                    }
                }
                Seen::Open | Seen::Close => {}
            }
            self.receipts.entry(place).or_default().extend(texts);
        }
    }

    /// Puts receipts in the places of a template that are for them.
    fn fill(&self, text: &str, place: &str) -> String {
        let here: Vec<_> = self.receipts.get(place).into_iter().flatten().collect();
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let hole = part.split_once('}').and_then(|(hole, rest)| Some((hole.split_once(':')?, rest)));
            match hole {
                Some((("live" | "any" | "other", index), rest)) => {
                    let index: usize = index.parse().expect("the workload numbers its holes");
                    let receipt = here.iter().rev().nth(index % here.len().max(1));
                    out += receipt.map_or("1-1", |receipt| receipt.as_str());
                    out += rest;
                }
                _ => out = format!("{out}{{{part}"),
            }
        }
        out
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

/// A topic as an engine has it that was just opened from this.
fn opened(recovered: &Recovered, now: u64) -> Option<TopicImage> {
    let now = Time::from_nanos(now);
    let options = LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let config = Config { limits: super::node::limits(), started: now, ..Config::default() };
    let mut engine = Engine::with_log(config, 1, options);
    engine.open_topic(now, recovered.clone());
    engine.image_of(&recovered.image.name).map(normal)
}

/// The same without what is nobody's business: how messages are divided into chunks, and what was counted.
fn normal(mut image: TopicImage) -> TopicImage {
    image.chunks.clear();
    image.kept.clear();
    image.expiries.sort_unstable();
    for channel in image.channels.values_mut() {
        // What stands right at the cursor is passed over at the next lease, or was at the last.
        while let Some(gap) = channel.gaps.first().copied().filter(|gap| gap.from <= channel.cursor.id) {
            channel.gaps.remove(0);
            channel.cursor.bytes += if gap.to > channel.cursor.id { gap.bytes } else { 0 };
            channel.cursor.id = channel.cursor.id.max(gap.to);
        }
        channel.since = 0;
        (channel.timed_out, channel.expired, channel.dropped) = (0, 0, 0);
        (channel.finished, channel.requeued) = (0, 0);
    }
    image
}

fn difference(topic: &str, expected: &Option<TopicImage>, got: &Option<TopicImage>) -> Result<(), String> {
    if expected == got {
        return Ok(());
    }
    let (Some(expected), Some(got)) = (expected, got) else {
        return Err(format!("{topic}: {expected:?} expected, got {got:?}"));
    };
    let lines = |image: &TopicImage| format!("{image:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (expected, got) = (lines(expected), lines(got));
    let same = expected.iter().zip(&got).take_while(|(a, b)| a == b).count();
    let part = |lines: &[String]| lines[same.saturating_sub(12)..(same + 12).min(lines.len())].join("\n");
    Err(format!("{topic}: the engine has\n{}\nand its log says\n{}", part(&expected), part(&got)))
}

/// The receipts in a text of JSON.
fn receipts(text: &str) -> Vec<String> {
    let found = text.split("\"receipt\":\"").skip(1);
    found.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect()
}

fn place(query: &str) -> String {
    let value = |name: &str| super::value(query, name).unwrap_or_default();
    format!("{} {}", value("topic"), value("channel"))
}
