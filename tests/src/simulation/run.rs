//! Performing operations: the node does them, the ledger judges what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::disk::Crash;
use super::ledger::{Delivery, Draft, Ledger, Place, Seq, Verb};
use super::node::{Node, START, Seen};
use super::standing::Standing;
use super::{Counts, Lie, Op, Settings, Sync};
use crate::http::Answer;
use crate::model::{Nanos, Ticket, Wire};
use crate::workload::{Mismatch, Random};

/// How long a dedup key is remembered.
const DEDUP_WINDOW: Nanos = 300_000_000_000;
const MS: Nanos = 1_000_000;
pub(super) const SECOND: Nanos = 1_000 * MS;
/// How many lines of what happened a failing run shows.
const TRANSCRIPT: usize = 400;

/// Runs operations, and drains what is there in the end.
///
/// # Errors
/// The first thing that is wrong.
pub fn run(settings: Settings, ops: &[Op], counts: &mut Counts) -> Result<(), Mismatch> {
    let mut runner = Runner::new(settings);
    for (step, op) in ops.iter().map(Some).chain([None]).enumerate() {
        let outcome = match op {
            Some(op) => runner.perform(op),
            None => runner.end(),
        };
        if let Err(what) = outcome {
            let transcript = runner.transcript.split_off(runner.transcript.len().saturating_sub(TRANSCRIPT));
            return Err(Mismatch { step, what, transcript });
        }
    }
    for (what, count) in runner.node.counts.into_iter().chain(runner.ledger.counts) {
        *counts.entry(what).or_default() += count;
    }
    Ok(())
}

/// What was asked by a request that is not answered.
#[derive(Clone, Debug)]
enum Asked {
    Publish(usize),
    Subscribe {
        place: Place,
        timeout: Option<Nanos>,
    },
    Settle {
        place: Place,
        what: Vec<(String, Verb)>,
    },
    Administer(Seq),
    /// Somebody waits for it here.
    Answer,
}

/// A node, what its clients asked, and what they were told.
#[derive(Debug)]
pub struct Runner {
    pub(super) settings: Settings,
    /// The host.
    pub node: Node,
    /// What its clients may rely on.
    pub ledger: Ledger,
    asked: BTreeMap<Ticket, Asked>,
    /// Streams that have not taken their chunk.
    untaken: BTreeSet<Ticket>,
    answers: BTreeMap<Ticket, Answer>,
    lies: Random,
    /// What was asked and answered, in lines.
    pub transcript: Vec<String>,
}

impl Runner {
    /// Nothing has happened.
    pub fn new(settings: Settings) -> Self {
        Runner::with(settings, Node::new(settings), Ledger::new(settings.sync, DEDUP_WINDOW))
    }

    /// A node and a ledger that fits it.
    pub fn with(settings: Settings, node: Node, ledger: Ledger) -> Self {
        Runner {
            settings,
            node,
            ledger,
            asked: BTreeMap::new(),
            untaken: BTreeSet::new(),
            answers: BTreeMap::new(),
            lies: Random::new(settings.seed ^ 0x11e5),
            transcript: Vec::new(),
        }
    }

    /// Performs an operation.
    ///
    /// # Errors
    /// What is wrong.
    pub fn perform(&mut self, op: &Op) -> Result<(), String> {
        self.transcript.push(format!("@{} {op:?}", self.node.now - START));
        self.ledger.set_time(self.node.now);
        if !matches!(op, Op::Publish(_) | Op::Subscribe { .. } | Op::Settle { .. } | Op::Work(_) | Op::Crash(_)) {
            self.node.write_answers();
            self.see()?;
        }
        match op {
            Op::Publish(draft) => self.publish(draft),
            Op::Subscribe { topic, channel, max, wait, timeout, auto, stream, fin } => {
                let Some(place) = self.ledger.sure_place(topic, channel) else { return Ok(()) };
                let fin = fin.and_then(|back| self.ledger.receipt(&place, back));
                self.subscribe(&place, [*max, *wait, *timeout], *auto, *stream, fin.as_deref()).map(drop)
            }
            Op::Settle { topic, channel, verb, which, time } => self.settle(topic, channel, *verb, which, *time),
            Op::Administer(path, query) => {
                if self.ledger.is_there(path, query) {
                    self.administer(path, query)
                } else {
                    Ok(())
                }
            }
            Op::Work(steps) => {
                for _ in 0..*steps {
                    self.node.step();
                    self.see()?;
                }
                Ok(())
            }
            Op::Step(nanos) => self.step_to(self.node.now + nanos),
            Op::StepToDeadline(offset) => match self.node.next_deadline() {
                Some(deadline) => self.step_to(deadline.saturating_add_signed(*offset).max(self.node.now)),
                None => Ok(()),
            },
            Op::HangUp(which) => self.hang_up(*which),
            Op::Take(which) => {
                let Some(ticket) = super::nth(&self.untaken, *which) else { return Ok(()) };
                self.untaken.remove(&ticket);
                self.node.taken(ticket);
                self.see()
            }
            Op::Crash(crash) => self.crash(|node| node.crash(*crash)),
            Op::Restart => self.restart(),
            Op::Fail(which) => {
                self.node.fail_next(*which);
                Ok(())
            }
            Op::Full(full) => {
                self.node.set_full(*full);
                self.see()
            }
            Op::SyncLater => self.sync_later(),
            Op::Compact(which) => self.compact(*which),
            Op::Flip(_) | Op::Spoil(_) => {
                let hit = self.node.damage(op);
                self.transcript.push(format!("  hit {hit:?}"));
                let (topic, standing) = hit.unwrap_or_default();
                standing.iter().for_each(|standing| match standing {
                    Standing::Message(id) => self.ledger.damaged(&topic, *id),
                    _ => self.ledger.shaken(&topic),
                });
                Ok(())
            }
            Op::Behead(which) => self.crash(|node| node.behead(*which)),
            Op::Look => self.look(),
        }
    }

    fn sync_later(&mut self) -> Result<(), String> {
        let is_synced = self.node.sync_later();
        // What failed on the way is known before.
        self.see()?;
        is_synced.then(|| self.ledger.synced());
        Ok(())
    }

    fn compact(&mut self, which: u64) -> Result<(), String> {
        let compacted = self.node.compact(which);
        self.transcript.push(format!("  of {compacted:?}"));
        self.see()
    }

    fn send(&mut self, method: &str, path: &str, query: &str, body: Vec<u8>, asked: Asked) -> Result<Ticket, String> {
        let (method, path, query) = (method.into(), path.into(), query.into());
        let wire = Wire { method, path, query, body, peer: "10.0.0.1:1".into(), ..Wire::default() };
        let ticket = self.node.send(&wire);
        let shown: String = String::from_utf8_lossy(&wire.body).chars().take(80).collect();
        self.transcript.push(format!("  {ticket}> {} {}?{} {shown:?}", wire.method, wire.path, wire.query));
        self.asked.insert(ticket, asked);
        self.see()?;
        Ok(ticket)
    }

    fn publish(&mut self, draft: &Draft) -> Result<(), String> {
        let Some((batch, bodies)) = self.ledger.publish(draft) else { return Ok(()) };
        let mut query = format!("topic={}", draft.topic);
        let times = [("defer", draft.defer), ("ttl", draft.ttl)].into_iter().filter(|(_, time)| *time > 0);
        times.for_each(|(name, time)| query += &format!("&{name}={}", time / 1_000_000));
        let texts = [("key", &draft.key), ("dedup", &draft.dedup)];
        texts.into_iter().for_each(|(name, text)| text.iter().for_each(|text| query += &format!("&{name}={text}")));
        let asked = Asked::Publish(batch);
        if let [body] = &bodies[..] {
            return self.send("POST", "/pub", &query, body.clone(), asked).map(drop);
        }
        let mut body = (bodies.len() as u32).to_be_bytes().to_vec();
        for message in bodies {
            body.extend((message.len() as u32).to_be_bytes());
            body.extend(message);
        }
        self.send("POST", "/mpub", &format!("{query}&binary=true"), body, asked).map(drop)
    }

    pub(super) fn subscribe(
        &mut self,
        place: &Place,
        [max, wait, timeout]: [u64; 3],
        auto: bool,
        stream: bool,
        fin: Option<&str>,
    ) -> Result<Ticket, String> {
        let mut query = format!("topic={}&channel={}&max={max}", place.topic, place.channel);
        query += if stream { "&format=ndjson&stream=true" } else { "&format=json" };
        if !stream {
            query += &format!("&wait={}", wait / 1_000_000);
        }
        query += &format!("&timeout={}", timeout / 1_000_000);
        query += if auto { "&ack=auto" } else { "" };
        fin.iter().for_each(|receipt| query += &format!("&fin={receipt}"));
        fin.iter().for_each(|receipt| self.ledger.finishing(place, receipt));
        let asked = Asked::Subscribe { place: place.clone(), timeout: Some(timeout).filter(|_| !auto) };
        self.send("GET", "/sub", &query, Vec::new(), asked)
    }

    fn settle(&mut self, topic: &str, channel: &str, verb: u64, which: &[usize], time: Nanos) -> Result<(), String> {
        let Some(place) = self.ledger.place(topic, channel) else { return Ok(()) };
        let mut receipts: Vec<_> = which.iter().filter_map(|back| self.ledger.receipt(&place, *back)).collect();
        receipts.sort_unstable();
        receipts.dedup();
        let verbs = [Verb::Finish, Verb::Requeue, Verb::Touch(time)];
        let what: Vec<_> = receipts
            .into_iter()
            .enumerate()
            .map(|(index, receipt)| (receipt, verbs[if verb == 3 { index % 3 } else { verb as usize }]))
            .collect();
        if what.is_empty() { Ok(()) } else { self.say(place, what, verb, time) }
    }

    /// Settles messages by one request.
    pub(super) fn say(
        &mut self,
        place: Place,
        what: Vec<(String, Verb)>,
        verb: u64,
        time: Nanos,
    ) -> Result<(), String> {
        let mut query = format!("topic={}&channel={}", place.topic, place.channel);
        let ms = time / 1_000_000;
        let mut body = what.iter().map(|(receipt, _)| receipt.as_str()).collect::<Vec<_>>().join("\n").into_bytes();
        let path = match verb {
            0 => "/fin",
            1 => {
                query += &format!("&defer={ms}");
                "/req"
            }
            2 => {
                query += &format!("&timeout={ms}");
                "/touch"
            }
            _ => {
                let list = |kind: fn(&Verb) -> bool, field: &str| -> Vec<Value> {
                    let of_kind = what.iter().filter(|(_, verb)| kind(verb));
                    of_kind.map(|(receipt, _)| json!({ "receipt": receipt, field: ms })).collect()
                };
                let fin: Vec<_> = what.iter().filter(|(_, verb)| *verb == Verb::Finish).map(|(text, _)| text).collect();
                let req = list(|verb| *verb == Verb::Requeue, "defer");
                let touch = list(|verb| matches!(verb, Verb::Touch(_)), "timeout");
                body = json!({ "fin": fin, "req": req, "touch": touch }).to_string().into_bytes();
                "/settle"
            }
        };
        self.send("POST", path, &query, body, Asked::Settle { place, what }).map(drop)
    }

    pub(super) fn administer(&mut self, path: &str, query: &str) -> Result<(), String> {
        let wire = Wire { method: "POST".into(), path: path.into(), query: query.into(), ..Wire::default() };
        let seq = self.ledger.administer(&wire);
        self.send("POST", path, query, Vec::new(), Asked::Administer(seq))?;
        // Nobody makes a channel in the moment in which one of its name went.
        if path.ends_with("delete") { self.step_to(self.node.now + 2 * MS) } else { Ok(()) }
    }

    fn hang_up(&mut self, which: u64) -> Result<(), String> {
        let may = |ticket| !self.node.is_answered(ticket);
        let polls = self.asked.iter().filter(|asked| matches!(asked.1, Asked::Subscribe { .. }) && may(*asked.0));
        let Some(ticket) = super::nth(&polls.map(|(ticket, _)| *ticket).collect(), which) else { return Ok(()) };
        self.transcript.push(format!("  {ticket}x"));
        self.doubt(&[ticket]);
        self.node.hang_up(ticket);
        self.see()
    }

    /// These requests are not answered any more.
    fn doubt(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            self.untaken.remove(ticket);
            if let Some(Asked::Settle { place, what }) = self.asked.remove(ticket) {
                for (receipt, _) in &what {
                    self.ledger.doubted(&place, receipt);
                }
            }
        }
    }

    /// Lets time pass, stopping wherever something is due.
    pub(super) fn step_to(&mut self, target: Nanos) -> Result<(), String> {
        while let Some(next) = self.node.next_deadline().filter(|next| *next <= target) {
            self.advance(next)?;
            // What is due at once may wait for the disk.
            if self.node.next_deadline().is_some_and(|again| again <= next) && !self.node.step() {
                self.advance((next + 1).min(target))?;
                if next >= target {
                    break;
                }
            }
        }
        self.advance(target)
    }

    fn advance(&mut self, to: Nanos) -> Result<(), String> {
        self.node.write_answers();
        self.see()?;
        self.node.advance(to);
        self.see()
    }

    pub(super) fn crash(&mut self, crash: impl FnOnce(&mut Node) -> Crash) -> Result<(), String> {
        let writes = self.node.die();
        self.see()?;
        self.unseen()?;
        self.forget_clients();
        let crash = crash(&mut self.node);
        self.ledger.crashed(crash, writes);
        let unsure = self.ledger.unsure(crash);
        self.come_back(unsure)
    }

    fn restart(&mut self) -> Result<(), String> {
        self.node.calm();
        self.settle_down()?;
        self.forget_clients();
        let crash = self.node.restart();
        match crash {
            None => self.ledger.stopped(),
            Some(crash) => self.ledger.crashed(crash, false),
        }
        let unsure = self.ledger.unsure(crash.unwrap_or(Crash::Process));
        self.come_back(unsure)
    }

    /// What was on its way to clients never comes: what they would have been given may be theirs or not.
    fn unseen(&mut self) -> Result<(), String> {
        // What was put back by one of these may be what another was given.
        let settles = self.asked.iter().filter(|asked| matches!(asked.1, Asked::Settle { .. }));
        let settles: Vec<Ticket> = settles.map(|(ticket, _)| *ticket).collect();
        self.doubt(&settles);
        for (ticket, seen) in self.node.take_held() {
            let Some(Asked::Subscribe { place, timeout }) = self.asked.get(&ticket).cloned() else { continue };
            let found = match seen {
                Seen::Answer(answer) if answer.status == 200 => {
                    Delivery::read_all(&serde_json::from_slice(&answer.body).map_err(|_| answer.text())?)?
                }
                Seen::Chunk(bytes) => Delivery::read_lines(&String::from_utf8_lossy(&bytes))?,
                _ => continue,
            };
            self.deliver(&place, &found, timeout)?;
            for delivery in found {
                self.ledger.unseen(&place, &delivery.receipt);
            }
        }
        Ok(())
    }

    fn forget_clients(&mut self) {
        let tickets: Vec<_> = self.asked.keys().copied().collect();
        self.doubt(&tickets);
        self.untaken.clear();
    }

    /// After a start: what nobody knows was done is asked again, and then all is as it was asked.
    fn come_back(&mut self, mut unsure: Vec<Wire>) -> Result<(), String> {
        self.settle_down()?;
        // A log may fail meanwhile, so that it is asked once more.
        for _ in 0..4 {
            for wire in std::mem::take(&mut unsure) {
                self.administer(&wire.path, &wire.query)?;
                self.settle_down()?;
                // The next may need what this one does, which may have to be read first; and reads may fail.
                for _ in 0..5 {
                    if self.asked.values().any(|asked| matches!(asked, Asked::Administer(_))) {
                        self.step_to(self.node.now + 2 * SECOND)?;
                        self.settle_down()?;
                    }
                }
            }
            unsure = self.ledger.take_unanswered();
        }
        self.settle_down()?;
        let mut topics = Vec::new();
        for topic in self.ledger.topics() {
            let query = format!("format=json&include_clients=false&include_mem=false&topic={topic}");
            let stats = self.ask("/stats", &query)?;
            topics.extend(stats["topics"].as_array().cloned().unwrap_or_default());
        }
        self.ledger.compare(&json!({ "topics": topics }))
    }

    /// All that can happen now has happened.
    /// Whether a request is not answered.
    pub(super) fn waits(&self, ticket: Ticket) -> bool {
        self.asked.contains_key(&ticket)
    }

    pub(super) fn settle_down(&mut self) -> Result<(), String> {
        self.node.settle_down();
        self.see()
    }

    /// Asks for something that changes nothing.
    fn ask(&mut self, path: &str, query: &str) -> Result<Value, String> {
        let ticket = self.send("GET", path, query, Vec::new(), Asked::Answer)?;
        let mut patience = 2_000;
        while !self.answers.contains_key(&ticket) && patience > 0 {
            if !self.node.step() {
                self.step_to(self.node.now + SECOND / 10)?;
            }
            self.see()?;
            patience -= 1;
        }
        let answer = self.answers.remove(&ticket).ok_or(format!("{path}?{query} is not answered"))?;
        serde_json::from_slice(&answer.body).map_err(|_| format!("{path}?{query}: {}", answer.text()))
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        self.node.calm();
        self.settle_down()?;
        // Reads that failed are tried again.
        self.step_to(self.node.now + 2 * SECOND)?;
        self.settle_down()?;
        let places = self.ledger.places();
        for place in places.into_iter().filter(|place| !self.ledger.has_failed(&place.topic)).collect::<Vec<_>>() {
            let found = self.peek(&place)?;
            self.ledger.looked(&place, &found)?;
        }
        Ok(())
    }

    pub(super) fn peek(&mut self, place: &Place) -> Result<Vec<Delivery>, String> {
        for left in (0..20).rev() {
            let (now, mut found) = (self.node.now, Vec::new());
            for state in ["ready", "in_flight", "deferred", "dead"] {
                let query = format!("topic={}&channel={}&state={state}&max=10000", place.topic, place.channel);
                found.extend(Delivery::read_all(&self.ask("/peek", &query)?)?);
            }
            // A look may wait for what cannot be read; what falls due meanwhile is seen in two places, or in none.
            if self.node.now == now || left == 0 {
                return Ok(found);
            }
        }
        unreachable!("the last look counts")
    }

    /// Takes in all that clients saw.
    fn see(&mut self) -> Result<(), String> {
        self.ledger.set_time(self.node.now);
        let all: Vec<_> = self.node.seen.drain(..).collect();
        for (ticket, seen) in all {
            match seen {
                Seen::Answer(answer) => self.answered(ticket, answer)?,
                Seen::Open => {}
                Seen::OpenedAgain(topic) => {
                    self.transcript.push(format!("  {topic} is opened again"));
                    self.ledger.opened_again(&topic);
                }
                Seen::Chunk(bytes) => self.chunk(ticket, &bytes)?,
                Seen::Close => {
                    self.untaken.remove(&ticket);
                    self.asked.remove(&ticket);
                }
            }
        }
        match self.node.wrong.pop() {
            Some(wrong) if self.settings.lie.is_none() => Err(wrong),
            _ => Ok(()),
        }
    }

    fn answered(&mut self, ticket: Ticket, answer: Answer) -> Result<(), String> {
        let shown: String = crate::workload::compare::show(&answer).chars().take(300).collect();
        self.transcript.push(format!("  {ticket}< {shown}"));
        let Some(asked) = self.asked.remove(&ticket) else {
            return Err(format!("request {ticket} is answered, and was before"));
        };
        match asked {
            Asked::Publish(batch) => {
                let disk = Some(&self.node.disk).filter(|_| self.settings.sync == Sync::Always);
                self.ledger.published(batch, &answer, disk.filter(|_| self.settings.lie.is_none()))
            }
            Asked::Subscribe { place, timeout } => {
                if answer.status != 200 {
                    return Ok(());
                }
                let json = serde_json::from_slice(&answer.body).map_err(|_| answer.text())?;
                self.deliver(&place, &Delivery::read_all(&json)?, timeout)
            }
            Asked::Settle { place, what } => self.settled(&place, &what, &answer),
            Asked::Administer(seq) => {
                self.ledger.administered(seq, &answer);
                Ok(())
            }
            Asked::Answer => {
                self.answers.insert(ticket, answer);
                Ok(())
            }
        }
    }

    fn settled(&mut self, place: &Place, what: &[(String, Verb)], answer: &Answer) -> Result<(), String> {
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| answer.text())?;
        let refused = body["refused"].as_array().cloned().unwrap_or_default();
        if answer.status != 200 && refused.is_empty() {
            return Ok(());
        }
        for (receipt, verb) in what {
            let refused = refused.iter().find(|refused| refused["receipt"] == *receipt);
            let reason = refused.and_then(|refused| refused["reason"].as_str());
            self.ledger.settled(place, receipt, *verb, reason)?;
        }
        Ok(())
    }

    fn chunk(&mut self, ticket: Ticket, bytes: &[u8]) -> Result<(), String> {
        self.untaken.insert(ticket);
        let Some(Asked::Subscribe { place, timeout }) = self.asked.get(&ticket).cloned() else {
            return Err(format!("a chunk for request {ticket}, which is no stream"));
        };
        let text = String::from_utf8_lossy(bytes);
        self.transcript.push(format!("  {ticket}+ {}", text.trim_end().chars().take(300).collect::<String>()));
        self.deliver(&place, &Delivery::read_lines(&text)?, timeout)
    }

    fn deliver(&mut self, place: &Place, found: &[Delivery], timeout: Option<Nanos>) -> Result<(), String> {
        if self.settings.lie == Some(Lie::LosesAnswers) && self.lies.percent(20) {
            return Ok(());
        }
        self.node.check_durable(&place.topic, found)?;
        let until = timeout.map(|timeout| self.node.now + timeout);
        for delivery in found {
            self.ledger.delivered(place, delivery, until)?;
            if self.settings.lie == Some(Lie::Repeats) && self.lies.percent(10) {
                self.ledger.delivered(place, delivery, until)?;
            }
        }
        Ok(())
    }
}
