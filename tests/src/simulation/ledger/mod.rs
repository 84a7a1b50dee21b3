//! What clients of a broker were told, and so what they may rely on, whatever crashes.
//!
//! It knows nothing of how the core does things: it writes down each request when it is sent and each answer when it
//! comes, and judges what is delivered by them. Where it cannot know, because an answer never came, it allows both.
//! In the order of a message's life: `publish`, `admin` (what happens to topics and channels), `deliver`, `look`.

mod admin;
mod deliver;
mod look;
mod publish;

use std::collections::{BTreeMap, BTreeSet};

pub use deliver::{Delivery, Verb};
pub use publish::{Batch, Draft, body};

use super::Sync;
use super::disk::Crash;
use crate::model::{Nanos, Wire};

/// Counts what is written down.
pub type Seq = u64;

/// What a publish came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// No answer yet.
    Pending,
    /// It was answered that the message is kept.
    Acked,
    /// Nobody knows.
    Unknown,
    /// It was answered that the message is not kept.
    Refused,
}

/// A message, by its number: its place among all that were ever published.
#[derive(Clone, Debug)]
struct Message {
    topic: String,
    life: Seq,
    seq: Seq,
    status: Status,
    id: Option<u64>,
    key: Option<String>,
    due: Nanos,
    expires: Nanos,
    at: Nanos,
    /// What its body has instead of its own number, where it is a dead letter of another topic.
    copy_of: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Topic {
    life: Seq,
    paused: bool,
    retain: Nanos,
    /// Messages are dropped or refused at a limit.
    limited: bool,
    /// What was not handed over to any channel.
    backlog: Vec<usize>,
    /// What may not have been handed over when the topic was paused, or its last channel deleted, for it was not
    /// durable.
    kept_back: BTreeSet<usize>,
    ids: BTreeMap<u64, usize>,
    channels: BTreeMap<String, Channel>,
    dedup: BTreeMap<String, Accepted>,
    /// All that was written down before is durable, and was durable at the last sync.
    durable: Seq,
    synced: Seq,
    /// Frames of its log were damaged that were no messages.
    shaken: bool,
    /// What was not synced was lost: which of it had been handed over, or dropped, is not known any more.
    torn: bool,
    /// There may have been a channel that was to be deleted, to which things went.
    may_have_another: bool,
    /// Messages that cannot be read any more.
    damaged: BTreeSet<u64>,
    /// Its log failed, and changes of it are refused.
    failed: bool,
}

/// What was answered to a publish with a dedup key.
#[derive(Clone, Debug)]
struct Accepted {
    batch: usize,
    until: Nanos,
    seq: Seq,
    /// Whether the answer came.
    sure: bool,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    made: Seq,
    /// It was answered that it is there.
    there: bool,
    paused: bool,
    options: BTreeMap<String, String>,
    ordered: bool,
    /// The fewest attempts that were ever enough to make a dead letter; zero for none.
    attempts: u16,
    /// Dead letters go to a topic, or went at some time.
    forwards: bool,
    /// It may have been given what came before it.
    goes_back: bool,
    /// The log failed before it was durable that it is there.
    may_be_gone: bool,
    fates: BTreeMap<usize, Fate>,
    /// The highest id that was delivered for the first time.
    highest: u64,
    /// What was ever given out.
    receipts: BTreeSet<String>,
    /// The same, in order, with the message of each.
    given: Vec<(String, usize)>,
}

/// What a channel did with a message.
#[derive(Clone, Debug, Default)]
struct Fate {
    /// It is still to be delivered.
    owed: bool,
    /// Attempts that the last delivery told, and how many are surely known to the log.
    attempts: u16,
    sure: u16,
    /// Nothing was forgotten since the last delivery.
    exact: bool,
    /// The last receipt, and when it was given out.
    receipt: Option<String>,
    leased: Seq,
    /// Until when it is certainly leased.
    until: Nanos,
    /// Since when it is certainly done with.
    finished: Option<Seq>,
    /// It was redriven, or came back by a seek: out of its order.
    loose: bool,
    delivered: bool,
}

/// The ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    sync: Sync,
    seq: Seq,
    now: Nanos,
    window: Nanos,
    topics: BTreeMap<String, Topic>,
    messages: Vec<Message>,
    batches: Vec<Batch>,
    /// What channels gave out that are gone, by topic and channel.
    old: BTreeMap<(String, String), Vec<String>>,
    /// Dead letters that were seen in another topic: by topic, channel and number there, id and time here.
    copies: BTreeMap<(String, String, usize), BTreeMap<u64, (usize, Nanos)>>,
    /// What changed topics and channels: not answered, or not surely durable.
    admin: Vec<(Seq, Wire, bool)>,
    /// How often each thing was looked at.
    pub counts: BTreeMap<&'static str, u64>,
}

/// A channel that a request was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its topic.
    pub topic: String,
    /// Its name.
    pub channel: String,
    /// Which of that name.
    pub made: Seq,
}

impl Ledger {
    /// A ledger of a broker with nothing in it.
    pub fn new(sync: Sync, dedup_window: Nanos) -> Self {
        Ledger {
            sync,
            seq: 0,
            now: 0,
            window: dedup_window,
            topics: BTreeMap::new(),
            messages: Vec::new(),
            batches: Vec::new(),
            old: BTreeMap::new(),
            copies: BTreeMap::new(),
            admin: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    /// It is this time now.
    pub fn set_time(&mut self, now: Nanos) {
        self.now = now;
    }

    fn next_seq(&mut self) -> Seq {
        self.seq += 1;
        self.seq
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A channel that is there.
    pub fn place(&self, topic: &str, channel: &str) -> Option<Place> {
        let made = self.topics.get(topic)?.channels.get(channel)?.made;
        Some(Place { topic: topic.into(), channel: channel.into(), made })
    }

    /// A channel that is surely there: a poll does not make it.
    pub fn sure_place(&self, topic: &str, channel: &str) -> Option<Place> {
        self.place(topic, channel).filter(|place| self.channel(place).is_some_and(|channel| channel.there))
    }

    /// Whether a topic's log failed since the last start.
    pub fn has_failed(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.failed)
    }

    /// All channels, those made first before others.
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (name, topic) in &self.topics {
            for (channel, found) in &topic.channels {
                places.push(Place { topic: name.clone(), channel: channel.clone(), made: found.made });
            }
        }
        places.sort_by_key(|place| place.made);
        places
    }

    /// The topics that there are.
    pub fn topics(&self) -> Vec<String> {
        self.topics.keys().cloned().collect()
    }

    /// One of the receipts that a channel gave out, counted from the last.
    pub fn receipt(&self, place: &Place, back: usize) -> Option<String> {
        let given = self.channel(place)?.given.iter().rev().map(|(receipt, _)| receipt);
        let old = self.old.get(&(place.topic.clone(), place.channel.clone()));
        given.chain(old.into_iter().flatten().rev()).nth(back).cloned()
    }

    /// How many receipts a channel gave out.
    pub fn given_count(&self, place: &Place) -> usize {
        self.channel(place).map_or(0, |channel| channel.given.len())
    }

    fn channel(&self, place: &Place) -> Option<&Channel> {
        self.topics.get(&place.topic)?.channels.get(&place.channel).filter(|channel| channel.made == place.made)
    }

    /// All that was written is synced.
    pub fn synced(&mut self) {
        self.topics.values_mut().for_each(|topic| topic.synced = topic.durable);
    }

    /// The broker went down as it should: nothing is lost.
    pub fn stopped(&mut self) {
        let seq = self.seq;
        for topic in self.topics.values_mut() {
            (topic.durable, topic.synced) = (seq, seq);
        }
        self.crashed(Crash::Process, true);
    }

    /// What is not known any more after a crash. `written`: all that was answered was written, if not synced.
    pub fn crashed(&mut self, crash: Crash, written: bool) {
        let kept = self.sync == Sync::Always || crash == Crash::Process;
        for message in &mut self.messages {
            let solid = self.topics.get(&message.topic).map_or(0, |topic| topic.solid(kept));
            let lost = message.seq > solid && (message.copy_of.is_none() || !kept);
            if message.status == Status::Pending || (message.status == Status::Acked && lost) {
                message.status = Status::Unknown;
            }
            if lost && !kept {
                message.id = None;
            }
        }
        if !kept {
            // Ids may be given to other messages now, and receipts with them.
            self.old.clear();
        }
        for topic in self.topics.values_mut() {
            let solid = topic.solid(kept);
            topic.crashed((solid, kept), written && crash == Crash::Process, &mut self.messages);
        }
    }

    /// The log of a topic failed, and it is what the device has of it, as after a crash that only this topic saw. What was not
    /// durable before is not known any more, nor what was refused meanwhile: so it is until the next start.
    pub fn opened_again(&mut self, name: &str) {
        let kept = self.sync == Sync::Always;
        let Some(topic) = self.topics.get_mut(name) else { return };
        let solid = topic.solid(kept);
        for message in self.messages.iter_mut().filter(|message| message.topic == name && message.seq > solid) {
            if matches!(message.status, Status::Pending | Status::Acked) && (message.copy_of.is_none() || !kept) {
                message.status = Status::Unknown;
            }
            if !kept {
                message.id = None;
            }
        }
        topic.crashed((solid, kept), false, &mut self.messages);
        topic.failed = true;
        // A channel that was being made may be gone, and does not get what is published next.
        for channel in topic.channels.values_mut() {
            channel.may_be_gone = !channel.there || channel.made > solid;
        }
        // What was asked of it may not hold any more, however it was answered.
        let is_lost = |seq: Seq, wire: &Wire| seq > solid && super::value(&wire.query, "topic") == Some(name);
        for (_, wire, answered) in self.admin.iter_mut().filter(|(seq, wire, _)| is_lost(*seq, wire)) {
            *answered = false;
            // What is published until it is asked again may be kept back or not.
            topic.torn |= wire.path == "/topic/pause";
            // Or be given to a channel that goes then.
            topic.may_have_another |= wire.path == "/channel/delete";
        }
        self.count("topics opened again");
    }

    /// What is to be asked again after a crash, for nobody knows whether it was done.
    pub fn unsure(&mut self, crash: Crash) -> Vec<Wire> {
        let kept = self.sync == Sync::Always || crash == Crash::Process;
        let mut unsure = Vec::new();
        for (seq, wire, answered) in std::mem::take(&mut self.admin) {
            let topic = super::value(&wire.query, "topic").and_then(|topic| self.topics.get(topic));
            if !answered || (!kept && seq > topic.map_or(0, |topic| topic.solid(kept))) {
                unsure.push(wire);
            } else if seq > topic.map_or(0, |topic| topic.synced) {
                self.admin.push((seq, wire, answered));
            }
        }
        unsure
    }

    /// What was asked and not done.
    pub fn take_unanswered(&mut self) -> Vec<Wire> {
        self.admin.extract_if(.., |(_, _, answered)| !*answered).map(|(_, wire, _)| wire).collect()
    }

    /// A message cannot be read any more: its bits were flipped.
    pub fn damaged(&mut self, topic: &str, id: u64) {
        let Some(topic) = self.topics.get_mut(topic) else { return };
        topic.damaged.insert(id);
        // At the end of a log it looks like one that was never wholly written, and its id is given to another.
        let Some(hit) = topic.ids.remove(&id) else { return };
        // So does its whole publish, if what comes after that is not durable.
        let solid = topic.solid(self.sync == Sync::Always);
        let is_last = |batch: &Batch| {
            let mut behind = topic.ids.range(id..).filter(|(_, number)| !batch.numbers().contains(number));
            behind.all(|(_, number)| self.messages[*number].seq > solid)
        };
        let batch = self.batches.iter().position(|batch| batch.numbers().contains(&hit) && is_last(batch));
        // And what its key stood for.
        let accepted = topic.dedup.values_mut().filter(|accepted| Some(accepted.batch) == batch);
        accepted.for_each(|accepted| accepted.sure = false);
        for number in batch.map_or(hit..hit + 1, |batch| self.batches[batch].numbers()) {
            (self.messages[number].status, self.messages[number].id) = (Status::Unknown, None);
        }
        topic.ids.retain(|_, number| self.messages[*number].id.is_some());
    }

    /// Something else in a topic's log cannot be read any more.
    pub fn shaken(&mut self, topic: &str) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.shaken = true;
        }
    }
}

impl Topic {
    /// What was written down until then is durable.
    fn solid(&self, kept: bool) -> Seq {
        if kept { self.durable } else { self.synced }
    }

    fn crashed(&mut self, (solid, kept): (Seq, bool), settled: bool, messages: &mut [Message]) {
        self.failed = false;
        self.torn |= !kept;
        self.dedup.retain(|_, accepted| accepted.seq <= solid || accepted.sure && kept);
        if !kept {
            self.ids.retain(|_, number| messages[*number].seq <= solid);
        }
        for channel in self.channels.values_mut() {
            channel.goes_back |= channel.made > solid;
            if !kept {
                (channel.goes_back, channel.highest) = (true, 0);
                channel.receipts.clear();
                // Ids that were lost are given again: an old receipt may name another message than it was given for.
                channel.given.clear();
            }
            for fate in channel.fates.values_mut() {
                let known = fate.leased <= solid;
                fate.exact &= known;
                fate.until = 0;
                fate.loose |= !kept;
                if known {
                    fate.sure = fate.sure.max(fate.attempts);
                } else {
                    // The log will never tell of it.
                    fate.leased = Seq::MAX;
                }
                fate.finished = fate.finished.filter(|seq| settled || *seq <= solid);
            }
        }
    }
}
