//! Clients of all kinds, who note what they ask and what they are answered.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::client::{Answer, Client};
use crate::common::process::Process;
use crate::common::random::Random;
use crate::device::Tape;
use crate::history::{Delivery, History, Life, Place, Publish, only};

/// Bodies that begin so are never finished by the channel that they were published to.
const DOOMED: &str = "doomed";
/// Topics and channels, and what they are made with.
pub const PLACES: [(&str, &str, &str); 19] = [
    ("plain", "a", ""),
    ("plain", "b", ""),
    ("keyed", "c", ""),
    ("auto", "x", ""),
    ("later", "l", ""),
    ("dying", "d", "&max_attempts=2&dead_letter=graves"),
    ("graves", "g", ""),
    ("crowd-0", CROWD, ""),
    ("crowd-1", CROWD, ""),
    ("crowd-2", CROWD, ""),
    ("crowd-3", CROWD, ""),
    ("crowd-4", CROWD, ""),
    ("crowd-5", CROWD, ""),
    ("crowd-6", CROWD, ""),
    ("crowd-7", CROWD, ""),
    ("crowd-8", CROWD, ""),
    ("crowd-9", CROWD, ""),
    ("crowd-a", CROWD, ""),
    ("crowd-b", CROWD, ""),
];
/// The channel of those that only are published to, each by one: so that many logs wait to be synced at one moment.
const CROWD: &str = "n";
const PAUSE: Duration = Duration::from_millis(1);
/// Those that come and go, and their channel.
pub const COMING: [&str; 2] = ["come", "gone"];
pub const CHANNEL: &str = "t";

/// What the clients share.
pub struct Stage {
    history: Mutex<History>,
    pub tape: Arc<Tape>,
    count: AtomicU64,
    is_over: AtomicBool,
}

impl Stage {
    pub fn new(tape: Arc<Tape>) -> Self {
        Stage { history: Mutex::default(), tape, count: AtomicU64::new(0), is_over: AtomicBool::new(false) }
    }

    pub fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().expect("no client panics")
    }

    pub fn into_history(self) -> History {
        self.history.into_inner().expect("no client panics")
    }

    /// All clients come to the end of what they are at.
    pub fn end(&self) {
        self.is_over.store(true, SeqCst);
    }

    /// Others may come.
    pub fn begin(&self) {
        self.is_over.store(false, SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.is_over.load(SeqCst)
    }

    fn body(&self, prefix: &str, random: &mut Random) -> String {
        let mut body = format!("{prefix}-{}-", self.count.fetch_add(1, SeqCst));
        let most = if random.below(30) == 0 { 20_000 } else { 300 };
        let length = random.below(most) as usize;
        while body.len() < length {
            write!(body, "{:08x}", random.below(1 << 32)).expect("a string takes it");
        }
        body
    }

    fn wrong(&self, target: &str, answer: &Answer) {
        let sentence = format!("{target}: {} {}", answer.status, answer.text());
        self.history().wrong.push(sentence);
    }

    /// Whether it was answered with success.
    fn ask(&self, client: &mut Client, target: &str, body: &[u8]) -> bool {
        let answer = client.post(target, body).unwrap_or_else(|error| panic!("{target}: {error}"));
        if answer.status != 200 {
            self.wrong(target, &answer);
        }
        answer.status == 200
    }
}

impl Stage {
    /// Asks until it is known that it is done: where the device is slow, an answer may say that it is not.
    fn insist(&self, client: &mut Client, target: &str) {
        let mut is_known = true;
        loop {
            let answer = client.post(target, b"").unwrap_or_else(|error| panic!("{target}: {error}"));
            match answer.status {
                200 => return,
                // It was done before.
                404 if !is_known => return,
                503 if answer.text().contains("STORAGE_UNKNOWN") => is_known = false,
                _ => return self.wrong(target, &answer),
            }
            thread::sleep(PAUSE);
        }
    }
}

pub fn set_up(broker: &Process) {
    for (topic, channel, more) in PLACES {
        broker.call("POST", &format!("/topic/create?topic={topic}"), b"").ok();
        broker.call("POST", &format!("/channel/create?topic={topic}&channel={channel}{more}"), b"").ok();
    }
}

/// Begins all of them; they end with the stage.
pub fn start<'s>(scope: &'s thread::Scope<'s, '_>, stage: &'s Stage, broker: &Process, seed: u64) {
    let mut name = 0;
    let mut random = move || {
        name += 1;
        Random(seed ^ name << 40)
    };
    for _ in 0..3 {
        let client = broker.client();
        let random = random();
        scope.spawn(move || Publisher { stage, client, random }.run());
    }
    for (topic, channel, _) in PLACES {
        if channel == CROWD {
            let (client, random) = (broker.client(), random());
            scope.spawn(move || Publisher { stage, client, random }.run_of(topic));
            continue;
        }
        for max in [1, 20] {
            let client = broker.client();
            let random = random();
            let place = (only(topic), channel);
            scope.spawn(move || Consumer { stage, client, random, place, max }.run());
        }
    }
    for topic in COMING {
        let client = broker.client();
        let random = random();
        scope.spawn(move || come_and_go(stage, client, random, topic));
    }
}

struct Publisher<'a> {
    stage: &'a Stage,
    client: Client,
    random: Random,
}

impl Publisher<'_> {
    fn run(mut self) {
        while !self.stage.is_over() {
            match self.random.below(7) {
                0 => self.publish("plain", 1, None, ""),
                1 => {
                    let count = 2 + self.random.below(20);
                    self.publish("plain", count, None, "");
                }
                2 | 3 => {
                    let key = format!("key-{}", self.stage.count.fetch_add(1, SeqCst));
                    let count = 1 + self.random.below(4);
                    self.publish("keyed", count, Some(key), "");
                }
                4 => self.publish("auto", 1, None, ""),
                5 => {
                    let defer = format!("&defer={}ms", 1 + self.random.below(300));
                    self.publish("later", 1, None, &defer);
                }
                _ => self.publish("dying", 1, None, ""),
            }
        }
    }

    fn run_of(mut self, topic: &'static str) {
        while !self.stage.is_over() {
            self.publish(topic, 1, None, "");
            thread::sleep(PAUSE);
        }
    }

    fn publish(&mut self, topic: &'static str, count: u64, key: Option<String>, more: &str) {
        let is_doomed = topic == "dying" && self.random.below(3) == 0;
        let prefix = if is_doomed { DOOMED } else { topic };
        let bodies: Vec<_> = (0..count).map(|_| self.stage.body(prefix, &mut self.random)).collect();
        publish(self.stage, &mut self.client, &only(topic), bodies, key, more);
    }
}

/// What a publish asks for.
pub fn target(topic: &str, count: usize, key: Option<&str>, more: &str) -> String {
    let path = if count == 1 { "pub" } else { "mpub" };
    let key = key.map(|key| format!("&dedup={key}")).unwrap_or_default();
    format!("/{path}?topic={topic}{key}{more}")
}

fn publish(stage: &Stage, client: &mut Client, life: &Life, bodies: Vec<String>, key: Option<String>, more: &str) {
    let target = target(life.topic, bodies.len(), key.as_deref(), more);
    let text = bodies.join("\n");
    let asked = stage.tape.moment();
    let number = stage.history().asked(Publish { life: life.clone(), bodies, key, asked, ok: None });
    if stage.ask(client, &target, text.as_bytes()) {
        let now = (stage.tape.moment(), Instant::now());
        stage.history().publishes[number].ok = Some(now);
    }
}

/// A topic is made, used and deleted, again and again.
fn come_and_go(stage: &Stage, mut client: Client, mut random: Random, topic: &'static str) {
    while !stage.is_over() {
        let number = 1 + stage.count.fetch_add(1, SeqCst) as u32;
        let life = Life { topic, number };
        let now = stage.tape.moment();
        stage.history().spans.entry(life.clone()).or_default().create.0 = now;
        stage.insist(&mut client, &format!("/topic/create?topic={topic}"));
        stage.insist(&mut client, &format!("/channel/create?topic={topic}&channel={CHANNEL}"));
        let now = stage.tape.moment();
        stage.history().spans.entry(life.clone()).or_default().create.1 = Some(now);
        for _ in 0..random.below(8) {
            let count = 1 + random.below(3);
            let bodies = (0..count).map(|_| stage.body(topic, &mut random)).collect();
            publish(stage, &mut client, &life, bodies, None, "");
        }
        let now = stage.tape.moment();
        stage.history().spans.entry(life.clone()).or_default().delete.0 = Some(now);
        stage.insist(&mut client, &format!("/topic/delete?topic={topic}"));
        let now = stage.tape.moment();
        stage.history().spans.entry(life).or_default().delete.1 = Some(now);
    }
}

struct Consumer<'a> {
    stage: &'a Stage,
    client: Client,
    random: Random,
    place: Place,
    /// At most so many messages at once.
    max: u64,
}

impl Consumer<'_> {
    fn run(mut self) {
        let (topic, channel) = (self.place.0.topic, self.place.1);
        // Leases are short, so that after a cut nothing has to be waited for.
        let mut target = format!("/sub?topic={topic}&channel={channel}&max={}&format=json&wait=50ms", self.max);
        target += if topic == "auto" { "&timeout=300ms&ack=auto" } else { "&timeout=300ms" };
        let mut finish = String::new();
        while !self.stage.is_over() {
            let asked = self.stage.tape.moment();
            let answer = self.client.get(&format!("{target}{}", std::mem::take(&mut finish))).expect("it answers");
            if answer.status == 204 {
                continue;
            }
            if answer.status != 200 {
                self.stage.wrong(&target, &answer);
                continue;
            }
            let deliveries = deliveries(&answer.json());
            let now = self.stage.tape.moment();
            {
                let history = &mut *self.stage.history();
                for delivery in &deliveries {
                    history.seen(&self.place.0, delivery, now);
                    if topic == "auto" {
                        history.finishing(&self.place, &delivery.body, asked);
                    }
                }
            }
            if topic != "auto" {
                finish = self.settle(deliveries);
            }
        }
    }

    /// Settles these somehow. What the next poll is to finish.
    fn settle(&mut self, deliveries: Vec<Delivery>) -> String {
        let (topic, channel) = (self.place.0.topic, self.place.1);
        let mut finish = Vec::new();
        for delivery in deliveries {
            let Delivery { receipt, body, .. } = &delivery;
            let place = format!("topic={topic}&channel={channel}&receipt={receipt}");
            match self.random.below(16) {
                _ if topic == "dying" && body.starts_with(DOOMED) => self.put_back(&format!("/req?{place}")),
                0 => self.put_back(&format!("/req?{place}&defer=20ms")),
                // Its lease ends.
                1 => {}
                2 => {
                    self.put_back(&format!("/touch?{place}&timeout=400ms"));
                    finish.push(delivery);
                }
                _ => finish.push(delivery),
            }
        }
        let asked = self.stage.tape.moment();
        {
            let history = &mut *self.stage.history();
            for delivery in &finish {
                history.finishing(&self.place, &delivery.body, asked);
            }
        }
        if finish.is_empty() {
            return String::new();
        }
        if self.random.below(3) == 0 {
            return finish.iter().flat_map(|delivery| ["&fin=", &delivery.receipt]).collect();
        }
        let receipts: Vec<&str> = finish.iter().map(|delivery| delivery.receipt.as_str()).collect();
        self.put_back_all(&format!("/fin?topic={topic}&channel={channel}"), &receipts.join("\n"));
        String::new()
    }

    fn put_back(&mut self, target: &str) {
        self.put_back_all(target, "");
    }

    /// Its lease may have ended meanwhile.
    fn put_back_all(&mut self, target: &str, body: &str) {
        let answer = self.client.post(target, body.as_bytes()).expect("it answers");
        if !matches!(answer.status, 200 | 404) {
            self.stage.wrong(target, &answer);
        }
    }
}

/// The messages of an answer in JSON.
pub fn deliveries(json: &Value) -> Vec<Delivery> {
    let messages = json["messages"].as_array().expect("messages are a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let delivery = |m: &Value| Delivery { id: text(&m["id"]), body: text(&m["body"]), receipt: text(&m["receipt"]) };
    messages.iter().map(delivery).collect()
}
