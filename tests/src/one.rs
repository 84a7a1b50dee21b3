//! One engine, a clock, and a log whose host does what it is told to: for tests of what hosts and large numbers do.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use shelfmq_core::api::Request;
use shelfmq_core::config::{Config, Limits, LogOptions};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Append, Loaded, LogCommand, Read, Recovered, SegmentHeader};
use shelfmq_core::recovery::Outcome;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use crate::segments;

/// An engine with what came out of it.
#[derive(Debug)]
pub struct One {
    /// The engine.
    pub engine: Engine,
    /// What time it is.
    pub now: Time,
    /// The last request's.
    pub ticket: u64,
    /// Answers that came to other requests than the last, as they came: ticket, status, body.
    pub answers: Vec<(u64, u16, String)>,
    /// Dead letters that go somewhere and are not there yet.
    pub transfers: VecDeque<shelfmq_core::Transfer>,
    /// Whether transfers are delivered at once.
    pub delivers: bool,
    /// What was appended to logs and is not durable yet.
    pub appends: VecDeque<Append>,
    /// The segments of the one topic's log, as far as they are durable.
    pub segments: Vec<Vec<u8>>,
}

impl One {
    /// One without a log, with the time in it that scenarios begin with.
    pub fn new(limits: Limits) -> Self {
        One::of(Engine::new(config(limits), 7))
    }

    /// One with a log.
    pub fn with_log(limits: Limits) -> Self {
        One::with_log_of(limits, LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20 })
    }

    /// One with a log of these sizes.
    pub fn with_log_of(limits: Limits, options: LogOptions) -> Self {
        One::of(Engine::with_log(config(limits), 7, options))
    }

    /// One that begins with what the log of another's topic has by now, as after a crash.
    ///
    /// # Panics
    /// Where that tells of no topic.
    #[must_use]
    pub fn restarted(&self, topic: &str, limits: Limits, options: LogOptions) -> Self {
        let recovered = self.recovered(topic);
        let mut one = One::with_log_of(limits, options);
        one.now = self.now;
        one.segments.clone_from(&self.segments);
        one.segments.last_mut().expect("a log has a segment").truncate(recovered.end as usize);
        one.engine.open_topic(one.now, recovered);
        one.drain();
        one
    }

    fn of(engine: Engine) -> Self {
        let (transfers, appends) = (VecDeque::new(), VecDeque::new());
        let now = start();
        One { engine, now, ticket: 0, answers: Vec::new(), transfers, delivers: true, appends, segments: Vec::new() }
    }

    /// Sends a request; its answer's status and body, if there is one at once.
    pub fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Option<(u16, String)> {
        self.ticket += 1;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.engine.handle(self.now, self.ticket, &Request { method, path, query, body, ..Request::default() });
        self.drain();
        let own = self.answers.iter().position(|answer| answer.0 == self.ticket)?;
        let (_, status, body) = self.answers.remove(own);
        Some((status, body))
    }

    /// What a request is answered that is answered at once, with 200.
    ///
    /// # Panics
    /// Where it is not.
    pub fn done(&mut self, target: &str, body: &[u8]) -> String {
        let (status, text) = self.ask("POST", target, body).expect("an answer at once");
        assert_eq!(status, 200, "{target}: {text}");
        text
    }

    /// The error code of a request that is refused at once.
    ///
    /// # Panics
    /// Where it is not.
    pub fn refused(&mut self, target: &str, body: &[u8]) -> (u16, String) {
        let (status, text) = self.ask("POST", target, body).expect("an answer at once");
        let error: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{target}: {status} {text}"));
        (status, error["message"].as_str().unwrap_or_default().to_owned())
    }

    /// Takes in what the engine wants done.
    pub fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Respond(ticket, response) => {
                    let body = String::from_utf8_lossy(response.body.as_bytes()).into_owned();
                    self.answers.push((ticket, response.status, body));
                }
                Output::Forward(transfer) if self.delivers => self.engine.handle_transfer(self.now, transfer),
                Output::Forward(transfer) => self.transfers.push_back(transfer),
                Output::Read(read) => {
                    let loaded = self.read(&read);
                    self.engine.handle_read(self.now, &read, loaded);
                }
                _ => {}
            }
        }
        while let Some(work) = self.engine.poll_log() {
            match work {
                LogCommand::Append(append) => self.appends.push_back(append),
                LogCommand::Delete(delete) => self.engine.handle_appended(self.now, delete.log, u64::MAX),
                LogCommand::Truncate(truncate) => self.segments.retain(|bytes| number_of(bytes) >= truncate.segment),
            }
        }
    }

    /// What a log has of what is wanted.
    fn read(&self, read: &Read) -> Option<Loaded> {
        let start = SEGMENT_HEADER_BYTES;
        let bytes = self.segments.iter().find(|bytes| number_of(bytes) == read.segment)?;
        let header = SegmentHeader::read(bytes).expect("a segment begins with its header");
        Some(Loaded::decode(header.salt, start as u64, &bytes[start..], read.from, read.to))
    }

    /// What was appended so far is durable.
    pub fn sync(&mut self) {
        while self.sync_next() {}
    }

    /// What was appended first of what is not durable is so; whether there was something.
    pub fn sync_next(&mut self) -> bool {
        let Some(append) = self.appends.pop_front() else { return false };
        if append.segment.is_some() {
            self.segments.push(Vec::new());
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.extend_from_slice(&append.bytes);
        }
        self.engine.handle_appended(self.now, append.log, append.upto);
        self.drain();
        true
    }

    /// The numbers of the segments that the log has.
    pub fn numbers(&self) -> Vec<u32> {
        self.segments.iter().map(|bytes| number_of(bytes)).collect()
    }

    /// The topic of this name as its log tells.
    ///
    /// # Panics
    /// Where it tells of none.
    pub fn recovered(&self, topic: &str) -> Recovered {
        match segments::outcome_of(topic, &self.segments, 1 << 20) {
            Ok(Outcome::Topic(recovered)) => recovered,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass as a host should.
    ///
    /// # Panics
    /// Where something is due for ever.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for calls in 0.. {
            let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
            assert!(calls < 100_000, "a deadline that never goes away: {at:?}");
        }
        self.now = end;
    }

    /// How many calls it takes until nothing is due any more; `between` is done after each.
    ///
    /// # Panics
    /// Where something is due for ever.
    pub fn calls_until_done(&mut self, mut between: impl FnMut(&mut Self)) -> u32 {
        for calls in 0..1_000_000 {
            if self.engine.poll_timeout().is_none_or(|at| at > self.now) {
                return calls;
            }
            self.engine.handle_timeout(self.now);
            self.drain();
            between(self);
        }
        panic!("something is due for ever");
    }

    /// What `/stats` says of the topic `t`.
    ///
    /// # Panics
    /// Where it says nothing.
    pub fn stats(&mut self) -> Value {
        let (_, body) = self.ask("GET", "/stats?format=json&topic=t", b"").expect("an answer at once");
        serde_json::from_str::<Value>(&body).expect("statistics are JSON")["topics"][0].clone()
    }

    /// The messages that a poll that does not wait is handed.
    ///
    /// # Panics
    /// Where it is not answered.
    pub fn lease(&mut self, query: &str) -> Vec<Value> {
        let target = format!("/sub?topic=t&channel=c&wait=0&format=json&{query}");
        let (_, body) = self.ask("GET", &target, b"").expect("an answer at once");
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        answer["messages"].as_array().cloned().unwrap_or_default()
    }
}

/// The number of a segment.
fn number_of(segment: &[u8]) -> u32 {
    SegmentHeader::read(segment).expect("a segment begins with its header").number
}

/// When its time begins.
pub fn start() -> Time {
    Time::from_secs(1_800_000_000)
}

/// What an engine with these limits is told.
pub fn config(limits: Limits) -> Config {
    Config { limits, started: start(), ..Config::default() }
}
