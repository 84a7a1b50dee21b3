//! What went wrong once, where neither scenarios nor random workloads come: chunks of the log that are freed while
//! something of them is still needed, hosts that are late, and memory that nobody let go of.

use std::time::Duration;

use serde_json::Value;
use shelfmq_core::api::Request;
use shelfmq_core::config::Config;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

const MINUTE: Duration = Duration::from_secs(60);

/// One engine and a clock.
struct Broker {
    engine: Engine,
    now: Time,
    ticket: u64,
    /// What was answered later than at once: the request's ticket, the status and the body, in the order they came.
    late: Vec<(u64, u16, String)>,
}

impl Broker {
    /// One with topic `t` and channel `c`, and these parameters for each.
    fn new(topic: &str, channel: &str) -> Self {
        let now = Time::from_secs(1_800_000_000);
        let mut broker = Broker { engine: Engine::new(Config::default(), 7), now, ticket: 0, late: Vec::new() };
        broker.post(&format!("/topic/create?topic=t{topic}"), b"");
        broker.post(&format!("/channel/create?topic=t&channel=c{channel}"), b"");
        broker
    }

    /// The status and the body of the answer, if there is one at once.
    fn ask(&mut self, method: &str, target: &str, body: &[u8]) -> Option<(u16, String)> {
        self.ticket += 1;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.engine.handle(self.now, self.ticket, &Request { method, path, query, body, ..Request::default() });
        self.drain()
    }

    fn drain(&mut self) -> Option<(u16, String)> {
        let mut answer = None;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Respond(ticket, response) => {
                    let body = String::from_utf8_lossy(response.body.as_bytes()).into_owned();
                    if ticket == self.ticket {
                        answer = Some((response.status, body));
                    } else {
                        self.late.push((ticket, response.status, body));
                    }
                }
                Output::Forward(transfer) => self.engine.handle_transfer(self.now, transfer),
                _ => {}
            }
        }
        answer
    }

    fn post(&mut self, target: &str, body: &[u8]) -> String {
        let (status, body) = self.ask("POST", target, body).expect("an answer at once");
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    /// The messages that a poll that does not wait is handed.
    fn lease(&mut self, more: &str) -> Vec<Value> {
        let target = format!("/sub?topic=t&channel=c&wait=0&max=10000&format=json{more}");
        let (_, body) = self.ask("GET", &target, b"").expect("an answer at once");
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        answer["messages"].as_array().cloned().unwrap_or_default()
    }

    /// So much goes through the channel that the chunks of what came before are old.
    fn bury(&mut self) {
        for _ in 0..40 {
            self.post("/mpub?topic=t", &[&[b'x'; 999][..], b"\n"].concat().repeat(500));
            while !self.lease("&ack=auto").is_empty() {}
        }
    }

    /// Lets time pass as a host should.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut calls = 0;
        while let Some(at) = self.engine.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.engine.handle_timeout(self.now);
            self.drain();
            calls += 1;
            assert!(calls < 100_000, "a deadline that never goes away: {:?}", self.engine.poll_timeout());
        }
        self.now = end;
    }

    fn stats(&mut self) -> Value {
        let (_, body) = self.ask("GET", "/stats?format=json", b"").expect("an answer at once");
        serde_json::from_str::<Value>(&body).expect("statistics are JSON")["topics"][0].clone()
    }
}

fn receipt(message: &Value) -> String {
    message["receipt"].as_str().expect("a leased message has a receipt").into()
}

/// An ordered channel that holds a message, long since copied aside, behind another of its key.
fn with_held_message_aside() -> (Broker, String) {
    let mut broker = Broker::new("", "&ordered=true");
    broker.post("/mpub?topic=t&key=k", b"one\ntwo");
    let leased = broker.lease("&timeout=15m");
    assert_eq!(leased.len(), 1);
    broker.bury();
    (broker, receipt(&leased[0]))
}

#[test]
fn a_held_message_is_delivered_however_old_its_chunk() {
    let (mut broker, receipt) = with_held_message_aside();
    broker.post(&format!("/fin?topic=t&channel=c&receipt={receipt}"), b"");
    assert_eq!(broker.lease("")[0]["body"], "two");
}

#[test]
fn a_held_message_can_be_looked_at_and_dropped_however_old_its_chunk() {
    let (mut broker, _) = with_held_message_aside();
    let (_, peeked) = broker.ask("GET", "/peek?topic=t&channel=c", b"").expect("an answer at once");
    assert!(peeked.contains(r#""body":"two""#), "{peeked}");
    broker.post("/channel/empty?topic=t&channel=c", b"");
    assert_eq!(broker.stats()["channels"][0]["depth"], 0);
}

#[test]
fn a_message_expires_however_old_its_chunk() {
    let mut broker = Broker::new("", "");
    broker.post("/pub?topic=t&ttl=10m", b"one");
    let leased = broker.lease("");
    broker.post(&format!("/req?topic=t&channel=c&defer=20m&receipt={}", receipt(&leased[0])), b"");
    broker.bury();
    broker.pass(31 * MINUTE);
    assert!(broker.lease("").is_empty(), "delivered long past its time to live");
}

#[test]
fn a_replay_starts_after_what_is_gone() {
    // By bytes, three fit; by age, all would, but what was let go of before anybody wanted it kept does not come again.
    for (at_first, later, first) in [("&retain_bytes=1000000", "", 19), ("", "/topic/config?topic=t&retain=1h", 21)] {
        let mut broker = Broker::new(at_first, "");
        // Each message is larger than a chunk, and says which it is.
        let body = |id: u8| vec![b'@' + id; 300_000];
        broker.post("/pub?topic=t", &body(1));
        broker.lease("&timeout=15m");
        for id in 2..=21 {
            broker.post("/pub?topic=t", &body(id));
            while !broker.lease("&ack=auto").is_empty() {}
        }
        if !later.is_empty() {
            broker.post(later, b"");
        }
        broker.post("/channel/create?topic=t&channel=d&start=earliest", b"");
        let (status, text) =
            broker.ask("GET", "/sub?topic=t&channel=d&wait=0&max=100&format=json", b"").expect("an answer at once");
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_str(&text).expect("an answer with messages is JSON");
        let told = answer["messages"].as_array().expect("a list").iter();
        let told: Vec<_> = told.map(|message| (message["id"].as_str(), message["body"].as_str())).collect();
        let kept: Vec<_> = (first..=21).map(|id| (format!("{id:016x}"), body(id))).collect();
        let is_same = told.len() == kept.len()
            && told.iter().zip(&kept).all(|((id, text), (kept_id, kept))| {
                *id == Some(kept_id) && text.is_some_and(|text| text.as_bytes() == kept)
            });
        let ids: Vec<_> = told.iter().map(|(id, _)| id).collect();
        assert!(is_same, "from message {first} on, whole, where {at_first}{later}: {ids:?}");
    }
}

#[test]
fn a_search_that_nobody_waits_for_ends() {
    let mut broker = Broker::new("", "&ordered=true");
    broker.post("/mpub?topic=t&key=k", &b"x\n".repeat(10_000));
    let target = "/sub?topic=t&channel=c&max=2&wait=0";
    assert!(broker.ask("GET", target, b"").is_some());
    broker.pass(Duration::from_millis(1));
}

#[test]
fn what_fell_due_is_answered_before_a_late_command_takes_it_away() {
    for command in ["/topic/delete?topic=t", "/channel/delete?topic=t&channel=c", "/channel/empty?topic=t&channel=c"] {
        for ack in ["auto", "explicit"] {
            let mut broker = Broker::new("", "");
            broker.post("/pub?topic=t&defer=1s", b"one");
            assert_eq!(broker.ask("GET", &format!("/sub?topic=t&channel=c&wait=10s&ack={ack}"), b""), None);
            let poll = broker.ticket;
            // The host is late: it did not call at the deadline.
            broker.now = broker.now + Duration::from_secs(2);
            broker.post(command, b"");
            assert_eq!(broker.late, [(poll, 200, "one".to_owned())], "{command}, ack={ack}");
        }
    }
}

#[test]
fn expired_messages_are_let_go_of_though_nobody_polls() {
    let mut broker = Broker::new("", "");
    for _ in 0..50 {
        for _ in 0..10 {
            broker.post("/pub?topic=t&ttl=1s", &vec![b'x'; 100_000]);
        }
        broker.pass(Duration::from_secs(2));
    }
    let topic = broker.stats();
    assert_eq!(topic["channels"][0]["depth"], 0);
    assert!(topic["memory_bytes"].as_u64().is_some_and(|bytes| bytes < 3_000_000), "{}", topic["memory_bytes"]);
}

#[test]
fn an_ephemeral_topic_keeps_no_more_than_it_will_hand_over() {
    let mut broker = Broker::new("", "");
    broker.post("/topic/delete?topic=t", b"");
    broker.post("/topic/create?topic=t%23ephemeral", b"");
    for _ in 0..50 {
        broker.post("/mpub?topic=t%23ephemeral", &[&[b'x'; 80][..], b"\n"].concat().repeat(10_000));
    }
    let topic = broker.stats();
    assert_eq!(topic["depth"], 10_000);
    let bytes = topic["memory_bytes"].as_u64().expect("a number of bytes");
    assert!(bytes < 12_000_000, "{bytes} bytes for 10,000 messages of 80, and 17 for each of 490,000 dropped");
}

#[test]
fn a_message_may_come_back_more_often_than_can_be_counted() {
    let mut broker = Broker::new("", "&timeout=1ms");
    broker.post("/pub?topic=t", b"x");
    for _ in 0..u32::from(u16::MAX) + 2 {
        assert_eq!(broker.lease("").len(), 1);
        broker.pass(Duration::from_millis(1));
    }
    assert_eq!(broker.lease("")[0]["attempts"], u16::MAX);
}
