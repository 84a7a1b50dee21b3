//! Publishers and consumers that go on while the broker goes and comes.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::DEADLINE;
use crate::common::client::{Answer, Client};
use crate::common::random::Random;
use crate::ledger::{AUTO, Ledger, Published};

/// A topic and one of its channels.
pub type Place = (&'static str, &'static str);

/// How long leases last: those that a crash leaves come back so long after.
const LEASE: &str = "4s";
/// Bodies that begin so are never finished.
const DOOMED: &str = "doomed";

/// What the clients share.
pub struct Stage {
    ledger: Mutex<Ledger>,
    scene: Mutex<Scene>,
    changed: Condvar,
}

#[derive(Default)]
struct Scene {
    address: Option<SocketAddr>,
    /// How often it crashed.
    epoch: u64,
    is_over: bool,
}

impl Stage {
    pub fn new() -> Self {
        Stage { ledger: Mutex::default(), scene: Mutex::default(), changed: Condvar::new() }
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no client panics")
    }

    /// The broker is there, or is not.
    pub fn set(&self, address: Option<SocketAddr>) {
        self.scene.lock().expect("no client panics").address = address;
        self.changed.notify_all();
    }

    /// It did not end well.
    pub fn crashed(&self) {
        self.scene.lock().expect("no client panics").epoch += 1;
    }

    /// All clients come to their end.
    pub fn end(&self) {
        self.scene.lock().expect("no client panics").is_over = true;
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        self.scene.lock().expect("no client panics").is_over
    }

    /// A connection, and the epoch that it is of. None where it is over.
    fn connect(&self) -> Option<(Client, u64)> {
        loop {
            let (address, epoch) = {
                let scene = self.scene.lock().expect("no client panics");
                let waited = self.changed.wait_while(scene, |scene| scene.address.is_none() && !scene.is_over);
                let scene = waited.expect("no client panics");
                if scene.is_over {
                    return None;
                }
                (scene.address?, scene.epoch)
            };
            match Client::connect(address) {
                Ok(client) => return Some((client, epoch)),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn wrong(&self, target: &str, answer: &Answer) {
        let text = answer.text();
        self.ledger().wrong.push(format!("{target}: {} {text}", answer.status));
    }
}

/// Who publishes.
pub struct Publisher<'a> {
    pub stage: &'a Stage,
    pub name: u64,
    pub random: Random,
    count: u64,
    /// What was not answered, and is sent again.
    again: Option<Publish>,
}

struct Publish {
    target: String,
    bodies: Vec<String>,
}

impl<'a> Publisher<'a> {
    pub fn new(stage: &'a Stage, name: u64, seed: u64) -> Self {
        Publisher { stage, name, random: Random(seed ^ name << 40), count: 0, again: None }
    }

    /// Publishes until it is over.
    pub fn run(mut self) {
        while let Some((mut client, _)) = self.stage.connect() {
            while !self.stage.is_over() {
                let publish = self.again.take().unwrap_or_else(|| self.next());
                let is_safe = publish.target.contains("&dedup=");
                let answer = client.post(&publish.target, publish.bodies.join("\n").as_bytes());
                match &answer {
                    Ok(answer) if answer.status == 200 => {
                        let mut ledger = self.stage.ledger();
                        publish.bodies.iter().for_each(|body| ledger.published(body));
                    }
                    Ok(answer) if !(answer.status == 503 && answer.text().contains("EXITING")) => {
                        self.stage.wrong(&publish.target, answer);
                    }
                    _ => {
                        self.again = Some(publish).filter(|_| is_safe);
                        thread::sleep(Duration::from_millis(2));
                        break;
                    }
                }
            }
        }
    }

    fn body(&mut self, prefix: &str) -> String {
        self.count += 1;
        let mut body = format!("{prefix}-{}-{}-", self.name, self.count);
        let most = if self.random.below(50) == 0 { 20_000 } else { 300 };
        let length = self.random.below(most) as usize;
        while body.len() < length {
            write!(body, "{:x}", self.random.below(1 << 32)).expect("a string takes it");
        }
        body
    }

    fn next(&mut self) -> Publish {
        match self.random.below(6) {
            0 => self.publish("plain", 0, "", 1),
            1 => {
                let count = 1 + self.random.below(40);
                self.publish("plain", 0, "", count)
            }
            2 => {
                let defer = self.random.below(1500);
                self.publish("plain", defer, &format!("&defer={defer}"), 1)
            }
            3 => {
                let key = format!("{}-{}", self.name, self.random.below(3));
                let count = 1 + self.random.below(4);
                let place = self.count;
                let publish = self.publish("keyed", 0, &format!("&key={key}"), count);
                let mut ledger = self.stage.ledger();
                for (body, place) in publish.bodies.iter().zip(place..) {
                    let key = Some((key.clone(), place));
                    ledger.publishing(body, Published { topic: "keyed", is_ok: false, due: Instant::now(), key });
                }
                publish
            }
            4 => {
                let dedup = format!("&dedup={}-{}", self.name, self.count);
                let count = 1 + self.random.below(3);
                self.publish("plain", 0, &dedup, count)
            }
            _ => self.publish("dying", 0, "", 1),
        }
    }

    fn publish(&mut self, topic: &'static str, defer: u64, more: &str, count: u64) -> Publish {
        let bodies: Vec<String> = (0..count)
            .map(|_| {
                let is_doomed = topic == "dying" && self.random.below(3) == 0;
                self.body(if is_doomed { DOOMED } else { topic })
            })
            .collect();
        let due = Instant::now() + Duration::from_millis(defer);
        let mut ledger = self.stage.ledger();
        for body in &bodies {
            ledger.publishing(body, Published { topic, is_ok: false, due, key: None });
        }
        let path = if count == 1 { "pub" } else { "mpub" };
        Publish { target: format!("/{path}?topic={topic}{more}"), bodies }
    }
}

/// Who consumes.
pub struct Consumer<'a> {
    pub stage: &'a Stage,
    pub place: Place,
    /// At most so many messages at once.
    pub max: u64,
    /// Finishes with the next poll.
    pub is_lazy: bool,
    pub random: Random,
}

/// A message in the hands of a consumer.
struct Delivery {
    body: String,
    receipt: String,
}

impl Consumer<'_> {
    /// Consumes until it is over.
    pub fn run(mut self) {
        while let Some((mut client, epoch)) = self.stage.connect() {
            while !self.stage.is_over() {
                if !matches!(self.turn(&mut client, epoch, "200ms"), Ok(Some(_))) {
                    thread::sleep(Duration::from_millis(2));
                    break;
                }
            }
        }
    }

    /// Consumes all there is; what comes late is waited for.
    pub fn drain(mut self, mut client: Client, epoch: u64) {
        let mut last = Instant::now();
        let (topic, channel) = self.place;
        loop {
            while self.turn(&mut client, epoch, "0").expect("it answers") != Some(0) {
                last = Instant::now();
            }
            let stats = client.get(&format!("/stats?format=json&topic={topic}&channel={channel}"));
            let stats = stats.expect("it answers").json();
            let stats = &stats["topics"][0]["channels"][0];
            let left = ["depth", "in_flight_count", "deferred_count"].map(|what| stats[what].as_u64());
            if left == [Some(0); 3] {
                return;
            }
            assert!(last.elapsed() < 2 * DEADLINE, "{:?}: {left:?} are left", self.place);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// One poll, and what follows. How many messages came; None where the broker is about to go.
    fn turn(&mut self, client: &mut Client, epoch: u64, wait: &str) -> io::Result<Option<usize>> {
        let (topic, channel) = self.place;
        let max = self.max;
        let mut target = format!("/sub?topic={topic}&channel={channel}&max={max}&wait={wait}");
        if self.place == AUTO {
            return self.turn_auto(client, epoch, &format!("{target}&ack=auto"));
        }
        write!(target, "&timeout={LEASE}").expect("a string takes it");
        let Some((deliveries, _)) = self.poll(client, &target, epoch)? else { return Ok(None) };
        let is_last = topic == "graves";
        let (to_requeue, to_finish): (Vec<_>, Vec<_>) = deliveries
            .iter()
            .partition(|delivery| !is_last && delivery.body.starts_with(DOOMED) || self.random.below(12) == 0);
        if !to_requeue.is_empty() {
            let defer = if self.random.below(2) == 0 { "" } else { "&defer=20ms" };
            let target = format!("/req?topic={topic}&channel={channel}{defer}");
            self.settle(client, &target, &to_requeue)?;
        }
        if to_finish.is_empty() {
            return Ok(Some(deliveries.len()));
        }
        {
            let mut ledger = self.stage.ledger();
            for delivery in &to_finish {
                ledger.finishing(self.place, &delivery.body);
            }
        }
        if self.is_lazy {
            for delivery in &to_finish {
                target.push_str("&fin=");
                target.push_str(&delivery.receipt);
            }
            let Some((more, has_refused)) = self.poll(client, &target, epoch)? else { return Ok(None) };
            if !has_refused {
                let mut ledger = self.stage.ledger();
                for delivery in &to_finish {
                    ledger.finished(self.place, &delivery.body, epoch);
                }
            }
            // These come again, when their leases are over.
            return Ok(Some(deliveries.len() + more.len()));
        }
        let settled = self.settle(client, &format!("/fin?topic={topic}&channel={channel}"), &to_finish)?;
        let mut ledger = self.stage.ledger();
        for delivery in settled {
            ledger.finished(self.place, &delivery.body, epoch);
        }
        Ok(Some(deliveries.len()))
    }

    /// One poll that finishes what it brings.
    fn turn_auto(&mut self, client: &mut Client, epoch: u64, target: &str) -> io::Result<Option<usize>> {
        let answered = self.poll(client, target, epoch);
        let mut ledger = self.stage.ledger();
        let Ok(Some((deliveries, _))) = answered else {
            ledger.unanswered += self.max;
            return answered.map(|_| None);
        };
        for delivery in &deliveries {
            ledger.finishing(self.place, &delivery.body);
            ledger.finished(self.place, &delivery.body, epoch);
        }
        Ok(Some(deliveries.len()))
    }

    /// What a poll brings, and whether something of what it was to finish was refused.
    fn poll(&self, client: &mut Client, target: &str, epoch: u64) -> io::Result<Option<(Vec<Delivery>, bool)>> {
        let answer = client.get(target)?;
        let has_refused = answer.header("shelf-refused").is_some() || answer.text().contains("\"refused\"");
        let found: Vec<(String, String, String)> = match answer.status {
            204 => Vec::new(),
            200 if self.max == 1 => {
                let header = |name| answer.header(name).unwrap_or_default().to_owned();
                vec![(header("shelf-id"), header("shelf-receipt"), answer.text())]
            }
            200 => {
                let json = answer.json();
                let messages = json["messages"].as_array().cloned().unwrap_or_default();
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                messages.iter().map(|m| (text(&m["id"]), text(&m["receipt"]), text(&m["body"]))).collect()
            }
            503 => return Ok(None),
            _ => {
                self.stage.wrong(target, &answer);
                return Ok(None);
            }
        };
        let mut ledger = self.stage.ledger();
        let deliver = |(id, receipt, body): (String, String, String)| {
            if self.place.0 == "graves" {
                ledger.buried(&body, id);
            } else {
                ledger.delivered(self.place, &body, &id, epoch);
            }
            Delivery { body, receipt }
        };
        Ok(Some((found.into_iter().map(deliver).collect(), has_refused)))
    }

    /// Settles these. Those whose receipts were not refused.
    fn settle<'d>(
        &self,
        client: &mut Client,
        target: &str,
        deliveries: &[&'d Delivery],
    ) -> io::Result<Vec<&'d Delivery>> {
        let receipts: Vec<&str> = deliveries.iter().map(|delivery| delivery.receipt.as_str()).collect();
        let answer = client.post(target, receipts.join("\n").as_bytes())?;
        match answer.status {
            200 => {}
            404 | 503 => return Ok(Vec::new()),
            _ => {
                self.stage.wrong(target, &answer);
                return Ok(Vec::new());
            }
        }
        let json = answer.json();
        let refused = json["refused"].as_array().cloned().unwrap_or_default();
        let is_refused = |delivery: &Delivery| refused.iter().any(|r| r["receipt"] == *delivery.receipt);
        Ok(deliveries.iter().copied().filter(|delivery| !is_refused(delivery)).collect())
    }
}
