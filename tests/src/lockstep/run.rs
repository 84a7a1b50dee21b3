//! The host of both: it does what they want done, once, and tells both of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shelfmq_core::api::frames;
use shelfmq_core::config::Config;
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::time::Time;

use super::Counts;
use super::pair::{Pair, Tamper};
use super::verbs::{Input, Told};
use crate::component::wit;
use crate::model::{Nanos, Ticket, Wire};
use crate::workload::{Op, Random, Receipts, START_SECS, generate, limits};

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What chance decides, in the engines, of the operations, and beneath them.
    pub seed: u64,
    /// How many operations there are.
    pub length: usize,
    /// Whether there is a log, with segments of a few messages, which leave memory and are read back.
    pub is_logged: bool,
}

/// What both are started with.
pub(super) fn config() -> Config {
    let options = vec![("log_level".into(), "info".into())];
    Config { limits: limits(), started: Time::from_secs(START_SECS), options, ..Config::default() }
}

/// Runs the operations of a seed, and has a look at everything in the end: with a log, after a start from what was
/// written.
///
/// # Errors
/// The first difference.
///
/// # Panics
/// Where the component traps.
pub fn run(settings: Settings, counts: &mut Counts, tamper: Option<Tamper<'_>>) -> Result<(), String> {
    let mut host = Host {
        pair: Pair::new(tamper),
        settings,
        random: Random::new(settings.seed ^ 0x10c2),
        now: START_SECS * 1_000_000_000,
        last_ticket: 0,
        places: BTreeMap::new(),
        slow: BTreeSet::new(),
        untaken: BTreeSet::new(),
        receipts: Receipts::default(),
        segments: BTreeMap::new(),
        deadline: None,
        is_failed: false,
        counts,
    };
    host.start(settings.seed)?;
    for (step, op) in generate(settings.seed, settings.length).iter().enumerate() {
        host.perform(op).map_err(|what| format!("{settings:?}, operation {step}, {op:?}: {what}"))?;
    }
    host.end().map_err(|what| format!("{settings:?}, at the end: {what}"))?;
    let Host { pair, counts, .. } = host;
    *counts.entry("bytes that were the same".into()).or_default() += pair.bytes;
    *counts.entry("operations".into()).or_default() += settings.length as u64;
    Ok(())
}

struct Host<'a> {
    pair: Pair<'a>,
    settings: Settings,
    random: Random,
    now: Nanos,
    last_ticket: Ticket,
    /// What was asked for by each request that is not answered.
    places: BTreeMap<Ticket, String>,
    /// Streams that take their chunks when told to, and those that have one to take.
    slow: BTreeSet<Ticket>,
    untaken: BTreeSet<Ticket>,
    receipts: Receipts,
    /// What was written, by topic and number.
    segments: BTreeMap<(String, u32), Vec<u8>>,
    deadline: Option<Nanos>,
    /// A log could not be written: nothing is kept of its topic until the next start.
    is_failed: bool,
    counts: &'a mut Counts,
}

impl Host<'_> {
    fn perform(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Send(template) => {
                let (wire, place) = self.receipts.fill(&template.wire);
                self.send(&wire, place, template.slow)?;
            }
            Op::Step(nanos) => self.step_to(self.now + nanos)?,
            Op::StepToDeadline(offset) => {
                if let Some(deadline) = self.deadline {
                    self.step_to(deadline.saturating_add_signed(*offset).max(self.now))?;
                }
            }
            Op::HangUp(which) => {
                if let Some(ticket) = self.places.keys().copied().nth(*which as usize % self.places.len().max(1)) {
                    self.places.remove(&ticket);
                    self.untaken.remove(&ticket);
                    self.tell(&Input::Cancel(ticket))?;
                }
            }
            Op::Take(which) => {
                if let Some(ticket) = self.untaken.iter().copied().nth(*which as usize % self.untaken.len().max(1)) {
                    self.untaken.remove(&ticket);
                    self.tell(&Input::Writable(ticket))?;
                }
            }
            Op::Look => self.look()?,
        }
        if self.settings.is_logged {
            self.trouble()?;
        }
        Ok(())
    }

    /// What befalls a host with a disk.
    fn trouble(&mut self) -> Result<(), String> {
        if self.random.percent(70) {
            self.write()?;
        }
        match self.random.below(if self.is_failed { 20 } else { 1_000 }) {
            0 => self.restart(),
            1 => self.tell(&Input::Space(true)),
            2..=6 => self.tell(&Input::Space(false)),
            7 => self.tell(&Input::Unwell(Some("it is tired".into()))),
            8 | 9 => self.tell(&Input::Unwell(None)),
            _ => Ok(()),
        }
    }

    fn send(&mut self, wire: &Wire, place: String, is_slow: bool) -> Result<(), String> {
        self.last_ticket += 1;
        self.places.insert(self.last_ticket, place);
        if is_slow {
            self.slow.insert(self.last_ticket);
        }
        let headers = wire.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        let request = wit::Request {
            method: wire.method.clone(),
            path: wire.path.clone(),
            query: wire.query.clone(),
            headers: headers.collect(),
            body: wire.body.clone(),
            peer: wire.peer.clone(),
        };
        self.tell(&Input::Handle(self.last_ticket, request))
    }

    /// Lets time pass, stopping whenever the engines want to be told.
    fn step_to(&mut self, target: Nanos) -> Result<(), String> {
        for _ in 0..100_000 {
            let Some(next) = self.deadline.filter(|next| *next <= target) else {
                self.now = target;
                return Ok(());
            };
            self.now = self.now.max(next);
            self.tell(&Input::Timeout)?;
            if self.settings.is_logged {
                self.write()?;
            }
        }
        Err("the engines want to be called again and again".into())
    }

    /// Tells both of something, and does what comes of it.
    fn tell(&mut self, input: &Input) -> Result<(), String> {
        let mut waiting = VecDeque::from(self.told(input)?.outputs);
        while let Some(output) = waiting.pop_front() {
            if let Some(next) = self.output(output) {
                waiting.extend(self.told(&next)?.outputs);
            }
        }
        Ok(())
    }

    /// What both say.
    fn told(&mut self, input: &Input) -> Result<Told, String> {
        let told = self.pair.tell(self.now, input)?;
        self.deadline = told.deadline;
        if let (Input::Handle(ticket, _), Some(_)) = (input, &told.refused) {
            self.count("too long");
            self.places.remove(ticket);
        }
        Ok(told)
    }

    /// Does what is wanted; what is to be told of it.
    fn output(&mut self, output: wit::Output) -> Option<Input> {
        match output {
            wit::Output::Respond(wit::Answer { ticket, response }) => {
                self.count(&format!("status {}", response.status));
                let place = self.places.remove(&ticket).unwrap_or_default();
                self.learn(&place, &response);
                None
            }
            wit::Output::Open(_) => {
                self.count("streams");
                None
            }
            wit::Output::Chunk(wit::Chunk { ticket, bytes }) => {
                self.count("chunks");
                if let Some(place) = self.places.get(&ticket) {
                    self.receipts.learn_all(place, &String::from_utf8_lossy(&bytes));
                }
                if self.slow.contains(&ticket) {
                    self.untaken.insert(ticket);
                    return None;
                }
                Some(Input::Writable(ticket))
            }
            wit::Output::Close(ticket) => {
                self.count("streams closed");
                self.places.remove(&ticket);
                self.untaken.remove(&ticket);
                None
            }
            wit::Output::Read(read) => {
                self.count("reads");
                let is_lucky = self.random.percent(90);
                let part = self.segments.get(&(read.topic.clone(), read.segment)).filter(|_| is_lucky).map(|bytes| {
                    let (head, rest) = bytes.split_at(SEGMENT_HEADER_BYTES);
                    wit::Part { head: head.into(), offset: head.len() as u64, bytes: rest.into() }
                });
                Some(Input::Read(read, part))
            }
            wit::Output::Configured(_) => None,
        }
    }

    /// Remembers the receipts of an answer.
    fn learn(&mut self, place: &str, response: &wit::Response) {
        if let Some((_, receipt)) = response.headers.iter().find(|(name, _)| name == "shelf-receipt") {
            self.receipts.learn(place, String::from_utf8_lossy(receipt).into_owned());
        }
        if response.headers.iter().any(|(_, value)| value == frames::MEDIA_TYPE.as_bytes()) {
            let mut rest = &response.body[..];
            while let Some((frame, after)) = frames::read(rest) {
                self.receipts.learn(place, frame.receipt.to_owned());
                rest = after;
            }
        } else {
            self.receipts.learn_all(place, &String::from_utf8_lossy(&response.body));
        }
    }

    /// Writes all that waits to be written, unless the disk fails.
    fn write(&mut self) -> Result<(), String> {
        loop {
            let work = self.told(&Input::PollLog)?.work;
            if work.is_empty() {
                return Ok(());
            }
            let mut failed = BTreeSet::new();
            for work in work {
                if let Some(next) = self.work(work, &mut failed) {
                    self.tell(&next)?;
                }
            }
        }
    }

    /// Does what is to be done with a log; what is to be told of it.
    fn work(&mut self, work: wit::Work, failed: &mut BTreeSet<u64>) -> Option<Input> {
        match work {
            wit::Work::Append(append) if failed.contains(&append.log) => None,
            wit::Work::Append(append) if self.random.below(5_000) == 0 => {
                self.count("writes that failed");
                failed.insert(append.log);
                self.is_failed = true;
                Some(Input::AppendFailed(append.log))
            }
            wit::Work::Append(append) => {
                self.count("appends");
                let segment = self.segments.entry((append.topic, append.segment)).or_default();
                if append.offset == 0 {
                    segment.clear();
                }
                assert_eq!(segment.len() as u64, append.offset, "appends follow each other");
                segment.extend_from_slice(&append.bytes);
                Some(Input::Appended(append.log, append.upto))
            }
            wit::Work::Forget(forget) => {
                self.count("segments forgotten");
                self.segments.retain(|(topic, number), _| *topic != forget.topic || *number >= forget.below);
                None
            }
            wit::Work::Delete(delete) => {
                self.count("logs deleted");
                self.segments.retain(|(topic, _), _| *topic != delete.topic);
                Some(Input::Deleted(delete.log))
            }
        }
    }

    /// Both begin, with nothing.
    fn start(&mut self, seed: u64) -> Result<(), String> {
        let log = wit::LogOptions { segment_bytes: 2048, cache_bytes: self.random.pick(&[0, 1024, 1 << 20]) };
        self.tell(&Input::Start(seed, self.settings.is_logged.then_some(log)))
    }

    /// Both go down, well or not, and are started from what was written, what a crash or the disk did to it included.
    fn restart(&mut self) -> Result<(), String> {
        self.count("restarts");
        if self.random.percent(40) {
            self.tell(&Input::Shutdown)?;
            self.write()?;
        }
        if self.random.percent(40) {
            self.damage();
        }
        self.is_failed = false;
        (self.places, self.slow, self.untaken) = Default::default();
        let seed = self.random.below(u64::MAX);
        self.start(seed)?;
        let topics: BTreeSet<String> = self.segments.keys().map(|(topic, _)| topic.clone()).collect();
        topics.into_iter().try_for_each(|topic| self.open(&topic))
    }

    /// Bytes rot, or the last are missing. A segment that does not even have its header is nothing that a host starts
    /// with, unless it is the last.
    fn damage(&mut self) {
        let index = self.random.below(self.segments.len().max(1) as u64) as usize;
        let mut from = self.segments.iter().skip(index);
        let Some(((topic, number), _)) = from.next() else { return };
        let is_last = from.next().is_none_or(|((next, _), _)| next != topic);
        let sound = if is_last { 0 } else { SEGMENT_HEADER_BYTES };
        let key = (topic.clone(), *number);
        let Some(bytes) = self.segments.get_mut(&key).filter(|bytes| bytes.len() > sound) else { return };
        let at = sound + self.random.below((bytes.len() - sound) as u64) as usize;
        if self.random.percent(50) {
            bytes[at] ^= 1 << self.random.below(8);
        } else {
            bytes.truncate(at);
        }
        self.count("damage");
    }

    /// Opens a topic from its last segment, or from as many as it takes.
    fn open(&mut self, topic: &str) -> Result<(), String> {
        let mut taken = 1;
        loop {
            let all: Vec<_> = self.segments.range((topic.to_owned(), 0)..=(topic.to_owned(), u32::MAX)).collect();
            let from = all.len().saturating_sub(taken);
            let segments: Vec<Vec<u8>> = all[from..].iter().map(|(_, bytes)| (*bytes).clone()).collect();
            let opened = self.told(&Input::Open(topic.into(), segments, from == 0))?.opened;
            match opened.ok_or("nothing was said")? {
                Ok(opened) => {
                    self.count(if opened.headless { "opened without a snapshot" } else { "opened" });
                    *self.counts.entry("damage found".into()).or_default() += opened.damage.len() as u64;
                    let before = self.segments.len();
                    self.segments.retain(|(other, number), _| other != topic || *number <= opened.segment);
                    let empty = before - self.segments.len();
                    *self.counts.entry("segments with nothing in them".into()).or_default() += empty as u64;
                    let end = self.segments.get_mut(&(topic.into(), opened.segment)).ok_or("another segment")?;
                    end.truncate(opened.end as usize);
                    return Ok(());
                }
                Err(wit::OpenError::NeedsEarlier) => taken += 1,
                Err(wit::OpenError::Nothing) => {
                    self.count("logs with nothing in them");
                    self.segments.retain(|(other, _), _| other != topic);
                    return Ok(());
                }
                Err(wit::OpenError::BadSegment(_)) => {
                    self.count("logs given up");
                    self.segments.retain(|(other, _), _| other != topic);
                    return Ok(());
                }
                Err(error) => return Err(format!("{topic} cannot be opened: {error:?}")),
            }
        }
    }

    /// All that there is to be seen.
    fn look(&mut self) -> Result<(), String> {
        let get =
            |path: &str, query: String| Wire { method: "GET".into(), path: path.into(), query, ..Wire::default() };
        for (path, query) in
            [("/stats", "format=json"), ("/stats", ""), ("/metrics", ""), ("/nodes", ""), ("/ping", "")]
        {
            self.send(&get(path, query.into()), String::new(), false)?;
        }
        for topic in ["t", "u", "r", "d", "e%23ephemeral"] {
            for channel in ["a", "b", "x%23ephemeral"] {
                for state in ["ready", "in_flight", "deferred", "dead"] {
                    let query = format!("topic={topic}&channel={channel}&state={state}");
                    self.send(&get("/peek", query), String::new(), false)?;
                }
            }
        }
        Ok(())
    }

    /// The state that both came to.
    fn end(&mut self) -> Result<(), String> {
        self.look()?;
        if self.settings.is_logged {
            self.write()?;
            self.restart()?;
            self.look()?;
            self.write()?;
        }
        self.tell(&Input::Shutdown)
    }

    fn count(&mut self, what: &str) {
        *self.counts.entry(what.to_owned()).or_default() += 1;
    }
}
