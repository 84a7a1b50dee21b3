//! Making operations.

use super::Random;
use super::requests::KINDS;
use crate::model::{Nanos, Wire};

/// One step of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sends a request.
    Send(Template),
    /// Time passes.
    Step(Nanos),
    /// Time passes until something is due, and so many nanoseconds less or more.
    StepToDeadline(i64),
    /// One of those who wait hangs up.
    HangUp(u64),
    /// One of the slow readers takes a chunk.
    Take(u64),
    /// The numbers of all topics, and the messages of all channels, are compared.
    Look,
}

/// A request in which `{live:n}`, `{any:n}` and `{other:n}` stand for receipts: one of the requested channel whose
/// lease runs, any of that channel, any of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The request.
    pub wire: Wire,
    /// Whether its consumer reads a stream's chunks only when told to.
    pub slow: bool,
}

/// The operations of a seed.
pub fn generate(seed: u64, length: usize) -> Vec<Op> {
    let mut maker = Maker { random: Random::new(seed), ops: Vec::with_capacity(length), elapsed: 0 };
    maker.prepare();
    while maker.ops.len() < length {
        maker.step();
        maker.request();
    }
    maker.ops.truncate(length);
    maker.ops
}

/// Nanoseconds of a millisecond.
const MS: Nanos = 1_000_000;

/// When a run begins: 2026-01-01T00:00:00Z, in seconds.
pub const START_SECS: u64 = 1_767_225_600;

const NAMES: [&str; 6] = ["", "a%20b", "%23ephemeral", "a%23", "%zz", "nobody"];
const JUNK: [&str; 13] =
    ["", "-1", "abc", "1.5s", "99999999999", "%zz", "true", "0", "70000", "1e3", "a;b", "+5", "30s%20"];

/// Makes the operations of one seed.
pub(super) struct Maker {
    pub(super) random: Random,
    pub(super) ops: Vec<Op>,
    /// How long the run has taken so far, deadlines that were waited for apart.
    pub(super) elapsed: Nanos,
}

impl Maker {
    /// What most seeds begin with. How much is kept for replay is only said of new topics: what a broker still has
    /// of the messages that it was not told to keep is nobody's business.
    fn prepare(&mut self) {
        if self.random.percent(80) {
            let retain =
                self.random.pick(&["retain=10m", "retain=1h&retain_bytes=60", "retain_bytes=100", "retain=5s"]);
            self.send("POST", "/topic/create", &format!("topic=r&{retain}"));
        }
        if self.random.percent(50) {
            let overflow = self.random.pick(&["reject", "drop_oldest"]);
            let limit = self.random.pick(&["max_messages=8", "max_bytes=60", "max_messages=10&max_bytes=200"]);
            self.send("POST", "/topic/create", &format!("topic=u&{limit}&overflow={overflow}"));
        }
        if self.random.percent(70) {
            let options = self.random.pick(&[
                "max_attempts=2",
                "max_attempts=1&dead_letter=d",
                "ordered=true",
                "ordered=1&max_in_flight=2",
                "",
            ]);
            self.send("POST", "/topic/create", "topic=t");
            self.send("POST", "/channel/create", &format!("topic=t&channel=a&{options}"));
        }
    }

    fn send(&mut self, method: &str, path: &str, query: &str) {
        let template = Template::plain(method, path, query);
        self.ops.push(Op::Send(template));
    }

    /// Time passes between most requests, so that few things happen at the same moment.
    fn step(&mut self) {
        let jitter = self.random.below(1_000);
        let nanos = match self.random.below(20) {
            0 => 0,
            1..=9 => jitter + 1,
            10..=12 => self.random.below(1_000) * MS + jitter,
            13 | 14 => self.random.pick(&[1_000, 5_000]) * MS + jitter,
            15 => self.random.pick(&[15_000, 30_000, 60_000]) * MS + jitter,
            16 if self.random.percent(50) => {
                self.random.pick(&[120_000, 120_000, 120_000, 300_000, 300_000, 600_000, 3_600_000]) * MS + jitter
            }
            17 | 18 => return self.ops.push(Op::StepToDeadline(self.random.pick(&[-1, 0, 0, 1]))),
            _ => return self.other(),
        };
        self.elapsed += nanos;
        self.ops.push(Op::Step(nanos));
    }

    fn other(&mut self) {
        let op = match self.random.below(10) {
            0..=3 => Op::HangUp(self.random.below(8)),
            4..=7 => Op::Take(self.random.below(4)),
            _ => Op::Look,
        };
        self.ops.push(op);
    }

    fn request(&mut self) {
        let sum = KINDS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.random.below(sum);
        let found = KINDS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let (_, kind) = found.expect("the number is below the sum of the weights");
        let mut template = kind(self);
        template.wire.peer = format!("10.0.0.{}:{}", self.random.below(3), 1_000 + self.random.below(1_000));
        if self.random.percent(6) {
            self.spoil(&mut template.wire);
        }
        self.ops.push(Op::Send(template));
    }

    /// Makes something wrong with a request, most of the time.
    fn spoil(&mut self, wire: &mut Wire) {
        let mut pairs: Vec<String> = wire.query.split('&').map(Into::into).collect();
        let index = self.random.below(pairs.len() as u64) as usize;
        let name = pairs[index].split('=').next().unwrap_or_default().to_owned();
        match self.random.below(7) {
            0 | 1 => pairs[index] = format!("{name}={}", self.random.pick(&JUNK)),
            2 => pairs[index] = format!("{name}={}", self.random.pick(&NAMES)),
            3 => drop(pairs.remove(index)),
            4 => pairs.insert(index, pairs[index].clone()),
            5 => pairs.extend(["colour=red".into(), "channel=a".into(), "colour=blue".into()]),
            _ => wire.method = self.random.pick(&["GET", "POST", "PUT"]).into(),
        }
        wire.query = pairs.join("&");
    }
}
