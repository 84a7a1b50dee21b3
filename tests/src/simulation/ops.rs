//! Making operations.

use super::disk::Crash;
use super::ledger::Draft;
use super::{Settings, Sync};
use crate::model::Nanos;
use crate::workload::Random;

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;

/// One step of a run. Numbers choose among what is there when it is performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Publishes.
    Publish(Draft),
    /// Asks for messages of a channel.
    Subscribe {
        /// The topic.
        topic: &'static str,
        /// The channel.
        channel: &'static str,
        /// How many at most.
        max: u64,
        /// How long it waits.
        wait: Nanos,
        /// How long the leases are.
        timeout: Nanos,
        /// Whether they are finished as they are handed out.
        auto: bool,
        /// Whether the answer stays open.
        stream: bool,
        /// A message to be finished first, counted from the last that the channel gave out.
        fin: Option<usize>,
    },
    /// Settles messages, counted from the last that the channel gave out.
    Settle {
        /// The topic.
        topic: &'static str,
        /// The channel.
        channel: &'static str,
        /// 0 finishes, 1 requeues, 2 touches, 3 does all of it.
        verb: u64,
        /// Which messages.
        which: Vec<usize>,
        /// The delay or the new timeout.
        time: Nanos,
    },
    /// Changes a topic or a channel: path and query.
    Administer(&'static str, String),
    /// So many things happen beneath the engines.
    Work(u64),
    /// Time passes.
    Step(Nanos),
    /// Time passes until something is due, and so many nanoseconds less or more.
    StepToDeadline(i64),
    /// One of those who wait hangs up.
    HangUp(u64),
    /// One of the streams takes its chunk.
    Take(u64),
    /// The host crashes.
    Crash(Crash),
    /// The host goes down as it should, and starts again.
    Restart,
    /// The next write, sync or reads fail.
    Fail(u64),
    /// The disk is full, or has room again.
    Full(bool),
    /// What waits for a sync in the background is synced.
    SyncLater,
    /// The host wants the oldest segments of a topic to go.
    Compact(u64),
    /// A bit is flipped.
    Flip(u64),
    /// A block cannot be read any more, or reads as zeros.
    Spoil(u64),
    /// The host crashes, and the start of a segment cannot be read as one until after it has come back.
    Behead(u64),
    /// All messages of all channels are looked at.
    Look,
}

const TOPICS: [&str; 9] = ["t", "t", "t", "t", "o", "o", "r", "u", "d"];
const CHANNELS: [&str; 5] = ["a", "a", "a", "b", "c"];

/// The operations of a seed.
pub fn generate(settings: &Settings, length: usize) -> Vec<Op> {
    let mut maker = Maker { random: Random::new(settings.seed), ops: Vec::with_capacity(length), settings: *settings };
    maker.prepare();
    while maker.ops.len() < length {
        maker.some();
    }
    maker.ops.truncate(length);
    maker.ops
}

struct Maker {
    random: Random,
    ops: Vec<Op>,
    settings: Settings,
}

impl Maker {
    fn administer(&mut self, path: &'static str, query: &str) {
        self.ops.push(Op::Administer(path, query.into()));
    }

    fn prepare(&mut self) {
        for topic in ["t", "o", "d", "u&max_messages=12&overflow=reject", "r&retain=1h"] {
            self.administer("/topic/create", &format!("topic={topic}"));
        }
        let dead = self.random.pick(&["", "&max_attempts=2", "&max_attempts=2&dead_letter=d", "&max_attempts=1"]);
        self.administer("/channel/create", &format!("topic=t&channel=a{dead}"));
        let attempts = self.random.pick(&["", "&max_attempts=2", "&max_in_flight=3"]);
        self.administer("/channel/create", &format!("topic=o&channel=a&ordered=true{attempts}"));
        for place in ["topic=d&channel=a", "topic=u&channel=a", "topic=r&channel=a"] {
            self.administer("/channel/create", place);
        }
        if self.random.percent(50) {
            self.administer("/channel/create", "topic=t&channel=b");
        }
    }

    /// A request, and what happens until the next.
    fn some(&mut self) {
        match self.random.below(100) {
            0..=27 => self.publish(),
            28..=52 => self.subscribe(),
            53..=69 => self.settle(),
            70..=75 => self.change(),
            76..=80 => {
                let which = self.random.below(8);
                self.ops.push(if self.random.percent(50) { Op::HangUp(which) } else { Op::Take(which) });
            }
            81..=83 => self.stop(),
            84..=87 => self.trouble(),
            88 => self.ops.push(Op::Look),
            89 | 90 => {
                let which = self.random.below(u64::MAX);
                self.ops.push(Op::Compact(which));
            }
            _ => self.pass(),
        }
        if self.random.percent(70) {
            let steps = self.random.pick(&[1, 1, 2, 3, 5, 10, 40]);
            self.ops.push(Op::Work(steps));
        }
        if self.random.percent(20) {
            let step = self.random.below(20 * MS);
            self.ops.push(Op::Step(step));
        }
    }

    fn publish(&mut self) {
        let draft = Draft {
            topic: self.random.pick(&TOPICS).into(),
            count: self.random.pick(&[1, 1, 1, 1, 1, 2, 5, 20]),
            key: Some(self.random.pick(&["", "", "k", "k", "l"]).to_owned()).filter(|key| !key.is_empty()),
            defer: self.random.pick(&[0, 0, 0, 0, 0, 0, 0, SECOND, 60 * SECOND, 3_000 * SECOND]),
            ttl: self.random.pick(&[0, 0, 0, 0, 0, 0, 0, 0, SECOND, 600 * SECOND]),
            dedup: Some(self.random.pick(&["", "", "", "", "", "", "", "p", "q"]).to_owned())
                .filter(|key| !key.is_empty()),
        };
        self.ops.push(Op::Publish(draft));
    }

    fn subscribe(&mut self) {
        let op = Op::Subscribe {
            topic: self.random.pick(&TOPICS),
            channel: self.random.pick(&CHANNELS),
            max: self.random.pick(&[1, 1, 2, 5, 30]),
            wait: self.random.pick(&[0, 0, SECOND, 30 * SECOND]),
            timeout: self.random.pick(&[SECOND, 10 * SECOND, 60 * SECOND, 600 * SECOND]),
            auto: self.random.percent(8),
            stream: self.random.percent(8),
            fin: if self.random.percent(25) { Some(self.random.below(4) as usize) } else { None },
        };
        self.ops.push(op);
    }

    fn settle(&mut self) {
        let verb = self.random.pick(&[0, 0, 0, 0, 1, 1, 2, 3]);
        let which = (0..=self.random.below(4)).map(|_| self.random.below(12) as usize).collect();
        let (topic, channel) = (self.random.pick(&TOPICS), self.random.pick(&CHANNELS));
        let time = self.random.pick(&[SECOND, 10 * SECOND, 100 * SECOND]);
        let time = if verb == 1 && self.random.percent(50) { 0 } else { time };
        self.ops.push(Op::Settle { topic, channel, verb, which, time });
    }

    /// Something about a topic or a channel changes.
    fn change(&mut self) {
        let (topic, channel) = (self.random.pick(&TOPICS), self.random.pick(&CHANNELS));
        let place = format!("topic={topic}&channel={channel}");
        match self.random.below(24) {
            0..=2 => self.administer("/channel/create", &place),
            3 => self.administer("/channel/create", &format!("{place}&start=earliest")),
            4 => self.administer("/channel/delete", &place),
            5 => {
                self.administer("/topic/delete", &format!("topic={topic}"));
                let rest = if topic == "r" { "&retain=1h" } else { "" };
                self.administer("/topic/create", &format!("topic={topic}{rest}"));
                self.administer("/channel/create", &format!("topic={topic}&channel=a"));
            }
            6 => self.administer("/channel/pause", &place),
            7..=9 => self.administer("/channel/unpause", &place),
            10 => self.administer("/topic/pause", &format!("topic={topic}")),
            11..=13 => self.administer("/topic/unpause", &format!("topic={topic}")),
            14 => self.administer("/channel/empty", &place),
            15 => self.administer("/topic/empty", &format!("topic={topic}")),
            16 | 17 => self.administer("/channel/seek", &format!("{place}&to=earliest")),
            18 => self.administer("/channel/seek", &format!("{place}&to=latest")),
            19 | 20 => self.administer("/channel/redrive", &place),
            21 => self.administer("/dead/empty", &place),
            _ => {
                let option = self.random.pick(&[
                    "max_attempts=3",
                    "max_attempts=0",
                    "max_attempts=1",
                    "max_in_flight=4",
                    "max_in_flight=0",
                    "dead_letter=d",
                    "dead_letter=",
                ]);
                let forwards = option == "dead_letter=d" && topic == "d";
                if !forwards {
                    self.administer("/channel/config", &format!("{place}&{option}"));
                }
            }
        }
    }

    fn stop(&mut self) {
        let op = match self.random.below(8) {
            0 if self.settings.fails => Op::Behead(self.random.below(u64::MAX)),
            0..=3 => Op::Crash(Crash::Machine),
            4..=6 => Op::Crash(Crash::Process),
            _ => Op::Restart,
        };
        self.ops.push(op);
    }

    fn trouble(&mut self) {
        if self.settings.sync == Sync::Background && self.random.percent(40) {
            self.ops.push(Op::SyncLater);
        }
        if self.settings.rots {
            let which = self.random.below(u64::MAX);
            self.ops.push(if self.random.percent(70) { Op::Flip(which) } else { Op::Spoil(which) });
        }
        if self.settings.fails {
            let which = self.random.below(12);
            self.ops.push(match which {
                0..=5 => Op::Fail(which),
                6 | 7 => Op::Full(true),
                _ => Op::Full(false),
            });
        }
    }

    fn pass(&mut self) {
        let op = match self.random.below(12) {
            0..=3 => Op::Step(self.random.below(1_000) * MS + self.random.below(1_000)),
            4..=6 => Op::Step(self.random.pick(&[2, 11, 30]) * SECOND),
            7 => Op::Step(self.random.pick(&[61, 200, 301, 700]) * SECOND),
            8 if self.random.percent(30) => Op::Step(3_700 * SECOND),
            _ => Op::StepToDeadline(self.random.pick(&[-1, 0, 0, 1])),
        };
        self.ops.push(op);
    }
}
