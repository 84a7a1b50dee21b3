//! A host of an engine: it keeps the log in memory, and does what it has to at once, or late, or fails.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use shelfmq_core::api::{Field, Known, Request, Response, Value};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Loaded, LogCommand, LogId, Read, Recovered, SegmentHeader};
use shelfmq_core::recording::Recorder;
use shelfmq_core::recovery::Replay;
use shelfmq_core::recovery::{Outcome, Segment};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use super::{Input, START_SECS};

/// So many steps without an end are a loop.
const MANY: u32 = 100_000;
/// So many of one moment are, too.
const MANY_AT_ONCE: u32 = 1000;
/// As many deadlines as one passing of time keeps.
const MANY_DEADLINES: u32 = 2000;
/// As many receipts as are kept.
const MAX_RECEIPTS: usize = 20;
/// What a depth below zero looks like in `/stats`.
const BELOW_ZERO: &[u8] = b"depth\":184467440737095";

/// The segments of a log, each whole, by number.
pub type Segments = BTreeMap<u32, Vec<u8>>;

/// An engine, its log, and who waits for it.
#[derive(Debug)]
pub struct Host {
    /// The engine, which writes down what comes to it where it is told to.
    pub engine: Recorder,
    /// What time it is.
    pub now: Time,
    /// The segments by topic.
    pub logs: BTreeMap<String, Segments>,
    /// Writes and reads wait for [`Host::disk`], instead of being done at once.
    pub is_slow: bool,
    /// A write failed.
    pub has_failed: bool,
    /// The engine is what somebody says, and tells of requests that nobody here made.
    pub is_forged: bool,
    written: VecDeque<(LogId, u64)>,
    reads: VecDeque<Read>,
    ticket: u64,
    waiting: BTreeSet<u64>,
    streams: BTreeSet<u64>,
    /// Who hung up: what waits for the disk is answered all the same.
    gone: BTreeSet<u64>,
    receipts: VecDeque<String>,
}

impl Host {
    /// A host with nothing but this engine.
    pub fn new(engine: Engine) -> Self {
        Host {
            engine: Recorder::new(engine),
            now: Time::from_secs(START_SECS),
            logs: BTreeMap::new(),
            is_slow: false,
            has_failed: false,
            is_forged: false,
            written: VecDeque::new(),
            reads: VecDeque::new(),
            ticket: 0,
            waiting: BTreeSet::new(),
            streams: BTreeSet::new(),
            gone: BTreeSet::new(),
            receipts: VecDeque::new(),
        }
    }

    /// The last receipts that were given, as a list.
    pub fn receipts(&self) -> String {
        self.receipts.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// Makes a request; its ticket.
    pub fn ask(&mut self, method: &str, path: &str, query: &str, headers: &[(&str, &[u8])], body: &[u8]) -> u64 {
        self.ticket += 1;
        self.waiting.insert(self.ticket);
        let request = Request { method, path, query, headers, body, peer: "127.0.0.1:9" };
        self.engine.handle(self.now, self.ticket, &request);
        self.settle();
        self.ticket
    }

    /// The one who waits longest hangs up.
    pub fn hang_up(&mut self) {
        let one = self.waiting.first().or(self.streams.first()).copied();
        if let Some(ticket) = one {
            self.engine.cancel(self.now, ticket);
            self.gone.insert(ticket);
            self.waiting.remove(&ticket);
            self.streams.remove(&ticket);
            self.settle();
        }
    }

    /// Lets time pass; where the host is late, it only comes at the end, and so it does where very much falls due on the
    /// way: leases may be as short as a millisecond.
    ///
    /// # Panics
    /// Where there is always something due.
    pub fn pass(&mut self, duration: Duration, is_late: bool) {
        let end = self.now + duration;
        let (mut steps, mut at_once) = (0, 0);
        while let Some(at) = self.engine.poll_timeout().filter(|at| !is_late && *at <= end && steps < MANY_DEADLINES) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MANY_AT_ONCE, "a deadline that never goes away: {at:?}");
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.settle();
            steps += 1;
        }
        self.now = end;
        self.engine.handle_timeout(end);
        self.settle();
    }

    /// The disk does one thing that waits: in order or not, well or not.
    pub fn disk(&mut self, input: &mut Input<'_>) {
        let (which, how) = (input.byte(), input.byte());
        if which & 1 == 1 {
            self.finish_write(how == 255);
        } else if let Some(read) = self.reads.remove(usize::from(which) / 2 % self.reads.len().max(1)) {
            // Of what is read late, some cannot be read, and some is asked for again.
            let loaded = if how % 8 == 7 { None } else { Some(self.read(&read, how % 8 == 6)) };
            self.engine.handle_read(self.now, &read, loaded);
        }
        self.settle();
    }

    /// Nothing waits for the disk any more.
    ///
    /// # Panics
    /// Where there is always something that does.
    pub fn catch_up(&mut self) {
        self.is_slow = false;
        let mut steps = 0;
        loop {
            self.settle();
            if let Some(read) = self.reads.pop_front() {
                let loaded = self.read(&read, false);
                self.engine.handle_read(self.now, &read, Some(loaded));
            } else if !self.finish_write(false) {
                return;
            }
            steps += 1;
            assert!(steps < MANY, "it always wants more of the disk");
        }
    }

    fn finish_write(&mut self, fails: bool) -> bool {
        let Some((log, upto)) = self.written.pop_front() else { return false };
        if fails {
            self.has_failed = true;
            self.engine.handle_append_failed(self.now, log);
            self.written.retain(|(other, _)| *other != log);
        } else {
            self.engine.handle_appended(self.now, log, upto);
        }
        true
    }

    fn read(&self, read: &Read, is_damaged: bool) -> Loaded {
        let segment = self.logs.get(read.topic.as_str()).and_then(|log| log.get(&read.segment));
        let bytes = segment.map_or(&[][..], |bytes| &bytes[SEGMENT_HEADER_BYTES.min(bytes.len())..]);
        let bytes = if is_damaged { &bytes[..bytes.len() / 2] } else { bytes };
        let salt = segment.and_then(|bytes| SegmentHeader::read(bytes).ok()).map_or(0, |header| header.salt);
        Loaded::decode(salt, SEGMENT_HEADER_BYTES as u64, bytes, read.from, read.to)
    }

    /// Does what the engine wants done.
    ///
    /// # Panics
    /// Where that never ends, or is told to whoever does not wait for it.
    pub fn settle(&mut self) {
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < MANY, "there is always something to be done");
            if let Some(output) = self.engine.poll_output() {
                self.output(output);
            } else if let Some(work) = self.engine.poll_log(self.now) {
                self.work(work);
            } else {
                return;
            }
        }
    }

    fn work(&mut self, work: LogCommand) {
        match work {
            LogCommand::Append(append) => {
                let log = self.logs.entry(append.topic.as_str().to_owned()).or_default();
                let segment = log.entry(append.number).or_default();
                if !self.is_forged {
                    // What a forged log says of where it ends is wrong where its segments are not its own.
                    segment.resize(append.offset as usize, 0);
                }
                segment.extend_from_slice(&append.bytes);
                self.written.push_back((append.log, append.upto));
            }
            LogCommand::Truncate(forget) => {
                if let Some(log) = self.logs.get_mut(forget.topic.as_str()) {
                    log.retain(|number, _| *number >= forget.segment);
                }
            }
            LogCommand::Delete(delete) => {
                self.logs.remove(delete.topic.as_str());
                self.written.retain(|(log, _)| *log != delete.log);
                self.written.push_back((delete.log, u64::MAX));
            }
        }
        while !self.is_slow && self.finish_write(false) {}
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Respond(ticket, response) => {
                let is_awaited = self.waiting.remove(&ticket) || self.gone.remove(&ticket) || self.is_forged;
                assert!(is_awaited, "{ticket} does not wait, and is answered: {response:?}");
                self.answered(&response);
            }
            Output::Open(ticket, _) => {
                assert!(self.waiting.remove(&ticket) || self.is_forged, "{ticket} does not wait, and is opened");
                self.streams.insert(ticket);
            }
            Output::Chunk(ticket, chunk) => {
                assert!(self.streams.contains(&ticket) || self.is_forged, "{ticket} has no open answer");
                self.note_receipts(&chunk);
                self.engine.handle_writable(self.now, ticket);
            }
            Output::Close(ticket) => {
                assert!(self.streams.remove(&ticket) || self.is_forged, "{ticket} has no open answer to end");
            }
            Output::Forward(transfer) => self.engine.handle_transfer(self.now, transfer),
            Output::Read(read) if self.is_slow => self.reads.push_back(read),
            Output::Read(read) => {
                let loaded = self.read(&read, false);
                self.engine.handle_read(self.now, &read, Some(loaded));
            }
            Output::Configured(..) => {}
        }
    }

    fn answered(&mut self, response: &Response) {
        if self.is_forged {
            return;
        }
        assert!((200..600).contains(&response.status), "{response:?}");
        let body = response.body.as_bytes();
        let is_below_zero = body.windows(BELOW_ZERO.len()).any(|window| window == BELOW_ZERO);
        assert!(!is_below_zero, "a depth below zero: {}", String::from_utf8_lossy(body));
        for (field, value) in &response.headers {
            if let (Field::Known(Known::Receipt), Value::Bytes(receipt)) = (field, value) {
                self.note_receipt(&String::from_utf8_lossy(receipt));
            }
        }
        self.note_receipts(body);
    }

    fn note_receipts(&mut self, body: &[u8]) {
        for part in String::from_utf8_lossy(body).split("\"receipt\":\"").skip(1) {
            self.note_receipt(part.split('"').next().unwrap_or_default());
        }
    }

    fn note_receipt(&mut self, receipt: &str) {
        self.receipts.push_back(receipt.to_owned());
        if self.receipts.len() > MAX_RECEIPTS {
            self.receipts.pop_front();
        }
    }

    /// A day and more passes, and the disk is well: nobody waits any more but streams; nor these once it goes down.
    ///
    /// # Panics
    /// Where somebody does.
    pub fn end(&mut self) {
        self.catch_up();
        for _ in 0..30 {
            self.pass(Duration::from_secs(3600), true);
        }
        assert!(self.waiting.is_empty(), "{:?} waited for more than a day", self.waiting);
        assert!(self.has_failed || self.engine.is_settled(), "something is never done");
        self.engine.shutdown(self.now);
        self.catch_up();
        assert!(self.streams.is_empty(), "{:?} never ended", self.streams);
    }
}

/// The topic that the segments of its log tell of, cut to where it ends; none where there is nothing in them.
///
/// # Panics
/// Where it takes more steps than there are bytes.
pub fn recover(topic: &str, log: &mut Segments, window: u64) -> Option<Recovered> {
    let headers: Vec<(u32, SegmentHeader)> =
        log.iter().map(|(number, bytes)| Some((*number, SegmentHeader::read(bytes).ok()?))).collect::<Option<_>>()?;
    let size = |number: u32| log[&number].len() as u64;
    let segments = headers.iter().map(|(number, header)| Segment { header: *header, size: size(*number) }).collect();
    let mut replay = Replay::new(topic, segments, true, window)?;
    let mut steps = 0;
    let outcome = loop {
        let wanted = replay.wanted();
        let bytes = &log[&headers[wanted.segment].0][wanted.offset as usize..][..wanted.bytes as usize];
        if let Some(outcome) = replay.feed(bytes) {
            break outcome;
        }
        steps += 1;
        assert!(steps < MANY, "a replay that does not end");
    };
    match outcome {
        Outcome::Topic(recovered) => {
            log.retain(|number, _| *number <= recovered.header.number);
            log.last_entry()?.get_mut().truncate(recovered.end as usize);
            Some(recovered)
        }
        Outcome::Nothing => {
            log.clear();
            None
        }
        Outcome::NeedsEarlier => unreachable!("all segments are there"),
    }
}
