//! What went wrong once with a log: polls for messages that are read back by a slow or failing disk, and segments that
//! were removed too early.

use std::collections::VecDeque;
use std::time::Duration;

use shelfmq_core::api::Request;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::{LogCommand, Read};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};
use shelfmq_tests::instant_log::InstantLog;

/// An engine that keeps no message in memory longer than it must, and the reads that it waits for.
struct Broker {
    engine: Engine,
    log: InstantLog,
    now: Time,
    ticket: u64,
    reads: VecDeque<Read>,
    answers: Vec<(u64, u16, String)>,
}

impl Broker {
    /// With so many messages of topic `t`, those of full segments out of memory, and its channel `c`.
    fn new(messages: usize) -> Self {
        let log = LogOptions { segment_bytes: 2048, cache_bytes: 0 };
        let mut broker = Broker {
            engine: Engine::with_log(Config::default(), 7, log),
            log: InstantLog::default(),
            now: Time::from_secs(1_800_000_000),
            ticket: 0,
            reads: VecDeque::new(),
            answers: Vec::new(),
        };
        broker.ask("POST", "/topic/create?topic=t", b"");
        broker.ask("POST", "/channel/create?topic=t&channel=c", b"");
        for number in 0..messages {
            broker.ask("POST", "/pub?topic=t", format!("{number} {}", "x".repeat(500)).as_bytes());
        }
        broker.answers.clear();
        broker
    }

    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> u64 {
        self.ticket += 1;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.engine.handle(self.now, self.ticket, &Request { method, path, query, body, ..Request::default() });
        self.drain();
        self.ticket
    }

    fn drain(&mut self) {
        loop {
            self.log.write(&mut self.engine, self.now);
            let Some(output) = self.engine.poll_output() else { return };
            match output {
                Output::Respond(ticket, response) => {
                    let body = String::from_utf8_lossy(response.body.as_bytes()).into_owned();
                    self.answers.push((ticket, response.status, body));
                }
                Output::Read(read) => self.reads.push_back(read),
                _ => {}
            }
        }
    }

    /// What is to be read comes, or cannot be read.
    fn read(&mut self, comes: bool) {
        for read in std::mem::take(&mut self.reads) {
            let loaded = self.log.read(&read).filter(|_| comes);
            self.engine.handle_read(self.now, &read, loaded);
            self.drain();
        }
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn statuses(&self) -> Vec<(u64, u16)> {
        self.answers.iter().map(|(ticket, status, _)| (*ticket, *status)).collect()
    }
}

#[test]
fn polls_that_do_not_wait_are_answered_once_although_the_read_takes_its_time() {
    for messages in 1..20 {
        let mut broker = Broker::new(messages);
        // Where the first takes all that is read, the others learn together that there is nothing.
        let polls: Vec<u64> = (0..3).map(|_| broker.ask("GET", "/sub?topic=t&channel=c&wait=0&max=100", b"")).collect();
        while !broker.reads.is_empty() {
            broker.pass(Duration::from_millis(10));
            broker.read(true);
        }
        broker.pass(Duration::from_millis(10));
        let mut answered: Vec<u64> = broker.answers.iter().map(|answer| answer.0).collect();
        answered.sort_unstable();
        assert_eq!(answered, polls, "{messages} messages");
    }
}

#[test]
fn a_poll_is_told_in_time_that_what_it_needs_cannot_be_read() {
    let mut broker = Broker::new(20);
    let at_once = broker.ask("GET", "/sub?topic=t&channel=c&wait=0", b"");
    let later = broker.ask("GET", "/sub?topic=t&channel=c&wait=1500ms", b"");
    let long = broker.ask("GET", "/sub?topic=t&channel=c&wait=60s", b"");
    for _ in 0..4 {
        broker.read(false);
        broker.pass(Duration::from_secs(1));
    }
    assert_eq!(broker.statuses(), [(at_once, 503), (later, 503)]);
    let says = |answer: &(u64, u16, String)| answer.2.contains("STORAGE_UNREADABLE");
    assert!(broker.answers.iter().all(says), "{:?}", broker.answers);
    broker.read(true);
    let (ticket, status, body) = broker.answers.last().expect("the one that still waits is answered");
    assert_eq!((*ticket, *status, body.starts_with("0 x")), (long, 200, true));
    assert_eq!(broker.answers.len(), 3);
}

#[test]
fn no_segment_goes_before_it_is_written_that_nobody_needs_it() {
    let mut broker = Broker::new(20);
    let poll = broker.ask("GET", "/sub?topic=t&channel=c&max=100", b"");
    let mut receipts = Vec::new();
    while receipts.len() < 20 {
        broker.read(true);
        for (_, _, body) in std::mem::take(&mut broker.answers) {
            let json: serde_json::Value = serde_json::from_str(&body).expect("the messages are JSON");
            let messages = json["messages"].as_array().expect("they are a list");
            receipts.extend(messages.iter().map(|message| message["receipt"].as_str().expect("it is text").to_owned()));
        }
        if receipts.len() < 20 && broker.reads.is_empty() {
            broker.ask("GET", "/sub?topic=t&channel=c&max=100", b"");
        }
    }
    assert!(broker.ticket >= poll && broker.log.segments() > 3);
    // While an append is under way, all is finished: that is the next to be written.
    let (now, request) =
        (broker.now, |path, query, body| Request { method: "POST", path, query, body, ..Request::default() });
    broker.engine.handle(now, 1000, &request("/pub", "topic=t", b"x"));
    let Some(LogCommand::Append(append)) = broker.engine.poll_log() else { panic!("a publish is written") };
    broker.engine.handle(now, 1001, &request("/fin", "topic=t&channel=c", receipts.join("\n").as_bytes()));
    broker.engine.handle_appended(now, append.log, append.upto);
    let mut work = std::iter::from_fn(|| broker.engine.poll_log());
    let Some(LogCommand::Append(finished)) = work.next() else { panic!("a segment goes first") };
    assert!(work.all(|work| !matches!(work, LogCommand::Truncate(_))));
    broker.engine.handle_appended(now, finished.log, finished.upto);
    assert!(std::iter::from_fn(|| broker.engine.poll_log()).any(|work| matches!(work, LogCommand::Truncate(_))));
}

impl Broker {
    /// Reads, one after another, until nothing is wanted: as many as that took.
    fn read_all(&mut self) -> usize {
        let mut count = 0;
        while let Some(read) = self.reads.pop_front() {
            let loaded = self.log.read(&read);
            self.engine.handle_read(self.now, &read, loaded);
            self.drain();
            count += 1;
            assert!(count < 1000, "it always wants more: {read:?}");
        }
        count
    }
}

#[test]
fn a_look_that_begins_where_time_and_bytes_say_reads_both_places_and_ends() {
    let mut broker = Broker::new(20);
    // The two are found in different segments, of which only one has room at a time.
    broker.now = broker.now + Duration::from_secs(3600);
    for _ in 0..20 {
        broker.ask("POST", "/pub?topic=t", &[b'x'; 500]);
    }
    broker.ask("POST", "/topic/config?topic=t&retain=59m&retain_bytes=15100", b"");
    broker.answers.clear();
    let look = broker.ask("GET", "/peek?topic=t&max=1", b"");
    broker.read_all();
    assert_eq!(broker.statuses(), [(look, 200)]);
}

#[test]
fn a_look_is_answered_though_all_of_what_it_waits_for_goes_meanwhile() {
    let mut broker = Broker::new(20);
    broker.ask("POST", "/topic/config?topic=t&retain_bytes=5100", b"");
    broker.answers.clear();
    let look = broker.ask("GET", "/peek?topic=t&max=1", b"");
    assert!(!broker.reads.is_empty() && broker.answers.is_empty(), "what it begins with is not in memory");
    // What it needs cannot be read for now, and nobody else needs it any more, while the log grows on.
    broker.read(false);
    for _ in 0..40 {
        broker.ask("POST", "/pub?topic=t", &[b'x'; 500]);
        broker.ask("POST", "/channel/empty?topic=t&channel=c", b"");
    }
    for _ in 0..4 {
        broker.pass(Duration::from_secs(1));
        broker.read_all();
    }
    assert!(broker.statuses().contains(&(look, 200)), "{:?}", broker.statuses());
}
