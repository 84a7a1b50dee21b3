//! A host that holds a clock to each call of an engine.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use shelfmq_core::api::{self, Request, Response};
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::frame::{Kind, write_frame};
use shelfmq_core::log::{Loaded, LogCommand, Read};
use shelfmq_core::message::Record;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use crate::Failure;

/// Publishes to a topic that nothing else happens to, of which the middle one is an idle publish.
const IDLE: usize = 1001;

/// An engine, and how long its calls took. Its log is on no disk: what is read back from it is made anew, for all
/// messages are alike.
pub(crate) struct Driver {
    engine: Engine,
    now: Time,
    ticket: u64,
    /// What messages that are read back say.
    body: Vec<u8>,
    /// An idle publish takes as long.
    pub(crate) idle: Duration,
    /// The longest call since [`Driver::begin`], publishes to another topic between all others included.
    pub(crate) longest: Duration,
    /// How often each status was answered since then.
    statuses: BTreeMap<u16, usize>,
    /// The process's memory at that time.
    before: f64,
}

impl Driver {
    /// An engine without a log.
    pub(crate) fn new() -> Self {
        Driver {
            engine: Engine::new(Config::default(), 1),
            now: Time::from_secs(1_800_000_000),
            ticket: 0,
            body: Vec::new(),
            idle: Duration::ZERO,
            longest: Duration::ZERO,
            statuses: BTreeMap::new(),
            before: 0.0,
        }
    }

    /// An engine with a log, whose messages, which leave memory at once, have this body.
    pub(crate) fn cold(&mut self, body: Vec<u8>) {
        let options = LogOptions { cache_bytes: 1 << 20, ..LogOptions::default() };
        (self.engine, self.body) = (Engine::with_log(Config::default(), 1, options), body);
    }

    /// What came so far was preparation.
    pub(crate) fn begin(&mut self) {
        let mut publishes: Vec<_> = (0..IDLE).map(|_| self.publish()).collect();
        publishes.sort_unstable();
        (self.idle, self.longest, self.statuses) = (publishes[IDLE / 2], Duration::ZERO, BTreeMap::new());
        self.before = memory("VmRSS").unwrap_or_default();
        // From here on, the most is counted anew.
        let _ = fs::write("/proc/self/clear_refs", "5");
    }

    /// How many bytes more than at the beginning there were at the most.
    pub(crate) fn grown(&self) -> Result<f64, Failure> {
        Ok(memory("VmHWM")? - self.before)
    }

    /// How often each status was answered.
    pub(crate) fn statuses(&self) -> String {
        let told = self.statuses.iter().map(|(status, count)| format!("{count} x {status}"));
        told.collect::<Vec<_>>().join(", ")
    }

    /// Makes a request, and does what comes of it. The answer, where it came at once.
    pub(crate) fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Option<Response> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.ticket += 1;
        let ticket = self.ticket;
        let request = Request { method, path, query, body, ..Request::default() };
        // A request is understood before anybody else has to wait for it.
        let decoded = api::decode(&self.engine.config().limits, &request);
        let now = self.now;
        self.time(|engine| engine.handle_decoded(now, ticket, decoded, None));
        let answer = self.settle(ticket);
        self.publish();
        answer
    }

    /// The same, for what must have happened.
    ///
    /// # Panics
    /// Where it was refused.
    pub(crate) fn done(&mut self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        let answer = self.ask(method, target, body).unwrap_or_else(|| panic!("{target}: no answer"));
        assert!(answer.status < 300, "{target}: {} {}", answer.status, String::from_utf8_lossy(answer.body.as_bytes()));
        answer.body.into_bytes()
    }

    /// Time passes, and the host comes as soon as something is due.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let now = self.now;
            self.time(|engine| engine.handle_timeout(now));
            self.settle(0);
            self.publish();
        }
        self.now = end;
    }

    /// Publishes to a topic of its own, and finishes what it published. How long that took the publish.
    fn publish(&mut self) -> Duration {
        self.ticket += 1;
        let ticket = self.ticket;
        let request = Request { method: "POST", path: "/pub", query: "topic=other", body: b"x", ..Request::default() };
        let now = self.now;
        let took = self.time(|engine| engine.handle(now, ticket, &request));
        self.settle(0);
        took
    }

    fn time(&mut self, call: impl FnOnce(&mut Engine)) -> Duration {
        let begun = Instant::now();
        call(&mut self.engine);
        let took = begun.elapsed();
        self.longest = self.longest.max(took);
        took
    }

    /// Does what is to be done; the answer with this ticket.
    fn settle(&mut self, ticket: u64) -> Option<Response> {
        let now = self.now;
        let mut answer = None;
        loop {
            let output = self.engine.poll_output();
            match output {
                Some(Output::Respond(to, response)) => {
                    if to == ticket {
                        *self.statuses.entry(response.status).or_default() += 1;
                        answer = Some(response);
                    }
                }
                Some(Output::Forward(transfer)) => drop(self.time(|engine| engine.handle_transfer(now, transfer))),
                Some(Output::Read(read)) => {
                    let loaded = self.read(&read);
                    self.time(|engine| engine.handle_read(now, &read, Some(loaded)));
                }
                Some(_) => {}
                None => {
                    let mut work = None;
                    self.time(|engine| work = engine.poll_log());
                    let (log, upto) = match work {
                        Some(LogCommand::Append(append)) => (append.log, append.upto),
                        Some(LogCommand::Delete(delete)) => (delete.log, u64::MAX),
                        Some(LogCommand::Truncate(_)) => continue,
                        None => return answer,
                    };
                    self.time(|engine| engine.handle_appended(now, log, upto));
                }
            }
        }
    }

    /// What a log has of these messages.
    fn read(&self, read: &Read) -> Loaded {
        let (timestamp, body) = (Time::from_secs(1_800_000_000), &self.body[..]);
        let record = Record { timestamp, due: None, expires: None, key: None, header_block: &[], body };
        let mut bytes = Vec::new();
        for id in read.from..read.to {
            let at = bytes.len() as u64;
            write_frame(&mut bytes, 0, at, Kind::Message, false, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&(id * self.body.len() as u64).to_le_bytes());
                record.write(out);
            });
        }
        Loaded::decode(0, 0, &bytes, read.from, read.to)
    }
}

/// What the kernel says of this process's memory, in bytes.
fn memory(field: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no such field")?.parse()?;
    Ok(kib * 1024.0)
}
