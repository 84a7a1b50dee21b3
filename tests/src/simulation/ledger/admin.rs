//! What happens to topics and channels as a whole.

use super::{Channel, Ledger, Message, Nanos, Place, Seq, Status, Topic};
use crate::http::Answer;
use crate::model::Wire;
use crate::simulation::value;

/// Where dead letters go.
const DEAD_LETTERS: &str = "d";

impl Ledger {
    /// Whether what a request is about is there, or is to be made by it.
    pub fn is_there(&self, path: &str, query: &str) -> bool {
        let Some(topic) = self.topics.get(value(query, "topic").unwrap_or_default()) else {
            return path == "/topic/create";
        };
        let known = |channel| topic.channels.contains_key(channel);
        path.ends_with("/create") || value(query, "channel").is_none_or(known)
    }

    /// A request that changes a topic or a channel is sent; answers its number.
    pub fn administer(&mut self, wire: &Wire) -> Seq {
        let seq = self.next_seq();
        self.admin.push((seq, wire.clone(), false));
        let name = value(&wire.query, "topic").unwrap_or_default().to_owned();
        if name == DEAD_LETTERS && wire.path != "/topic/create" {
            // Letters that nobody has seen yet may be among what goes.
            self.topics.values_mut().flat_map(|topic| topic.channels.values_mut()).for_each(Channel::give_up_letters);
        }
        if matches!(wire.path.as_str(), "/topic/delete" | "/channel/delete") {
            self.bury(&name, value(&wire.query, "channel"));
        }
        match wire.path.as_str() {
            "/topic/delete" => drop(self.topics.remove(&name)),
            "/topic/create" => {
                let topic = self.topics.entry(name).or_insert_with(|| Topic { life: seq, ..Topic::default() });
                topic.configure(&wire.query);
            }
            _ => {
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.administer(wire, seq, self.now, &self.messages);
                }
            }
        }
        seq
    }

    /// What is gone gave out receipts that fit nowhere from now on.
    fn bury(&mut self, topic: &str, channel: Option<&str>) {
        let Some(found) = self.topics.get_mut(topic) else { return };
        for (name, found) in found.channels.iter().filter(|(name, _)| channel.is_none_or(|channel| channel == *name)) {
            let old = self.old.entry((topic.into(), name.clone())).or_default();
            old.extend(found.given.iter().map(|(receipt, _)| receipt.clone()));
        }
    }

    /// Whether a seek of this channel is not answered.
    pub(super) fn is_seeking(&self, place: &Place) -> bool {
        let about = |wire: &Wire, name, expected: &str| value(&wire.query, name) == Some(expected);
        self.admin.iter().any(|(_, wire, answered)| {
            let same = about(wire, "topic", &place.topic) && about(wire, "channel", &place.channel);
            !answered && wire.path == "/channel/seek" && same
        })
    }

    /// Such a request is answered.
    pub fn administered(&mut self, seq: Seq, answer: &Answer) {
        let status = answer.status;
        let Some((_, wire, answered)) = self.admin.iter_mut().find(|(known, ..)| *known == seq) else { return };
        // Where it was deleted before, it need not be deleted again.
        *answered |= status == 200 || (status == 404 && wire.path.ends_with("/delete"));
        let topic = value(&wire.query, "topic").unwrap_or_default();
        let Some(topic) = self.topics.get_mut(topic).filter(|topic| topic.life <= seq) else { return };
        if status != 200 {
            // Where the log failed it was not done, and is asked again once the broker was started again.
            topic.failed |= status == 503;
            return;
        }
        topic.administered(wire, seq, self.now, &self.messages);
        let position = serde_json::from_slice(&answer.body)
            .ok()
            .and_then(|json: serde_json::Value| u64::from_str_radix(json["position"].as_str()?, 16).ok());
        topic.passed(wire, position, &self.messages);
        if self.sync == super::Sync::Always {
            self.admin.retain(|(.., answered)| !answered);
        }
    }
}

impl Topic {
    fn configure(&mut self, query: &str) {
        let number = |name| value(query, name).and_then(|text| text.trim_end_matches('h').parse::<u64>().ok());
        if let Some(hours) = number("retain") {
            self.retain = hours * 3_600_000_000_000;
        }
        self.limited |= number("max_messages").is_some_and(|max| max > 0);
    }

    fn administer(&mut self, wire: &Wire, seq: Seq, now: Nanos, messages: &[Message]) {
        let name = value(&wire.query, "channel").unwrap_or_default();
        // What is not durable yet is not handed over yet, and so kept back or dropped with what the topic has.
        let life = self.life;
        // Whoever published it may have been told that it is not known whether it is kept, and it is written later.
        let is_open = |number: &usize| matches!(messages[*number].status, Status::Pending | Status::Unknown);
        let waits = |number: &usize| is_open(number) && messages[*number].life == life;
        match wire.path.as_str() {
            "/topic/config" => return self.configure(&wire.query),
            "/topic/pause" => {
                self.paused = true;
                self.kept_back.extend((0..messages.len()).filter(waits));
                return;
            }
            "/topic/unpause" => {
                self.paused = false;
                if !self.channels.is_empty() {
                    self.kept_back.clear();
                }
                return self.hand_over(false);
            }
            "/topic/empty" => {
                self.backlog.clear();
                for (number, fate) in self.channels.values_mut().flat_map(|channel| &mut channel.fates) {
                    fate.owed &= !waits(number) && !self.kept_back.contains(number);
                }
                return;
            }
            "/channel/create" if !self.channels.contains_key(name) => {
                let start = value(&wire.query, "start").is_some();
                let goes_back = self.torn
                    || start
                    || !self.backlog.is_empty()
                    || !self.kept_back.is_empty()
                    || (0..messages.len()).any(|number| waits(&number));
                self.channels.insert(name.into(), Channel { made: seq, goes_back, ..Channel::default() });
                self.hand_over(start);
                self.doubt(name, start);
            }
            "/channel/delete" => {
                self.channels.remove(name);
                if self.channels.is_empty() {
                    // Of two requests that are not answered, either may have come first.
                    self.kept_back.extend((0..messages.len()).filter(waits));
                }
                return;
            }
            _ => {}
        }
        let retain = self.retain;
        let kept_since = if retain == 0 { Nanos::MAX } else { now.saturating_sub(retain) + 1_000_000_000 };
        let kept_back = &self.kept_back;
        let Some(channel) = self.channels.get_mut(name) else { return };
        match wire.path.as_str() {
            "/channel/create" | "/channel/config" => channel.configure(&wire.query),
            "/channel/pause" => channel.paused = true,
            "/channel/unpause" => channel.paused = false,
            "/channel/empty" => {
                channel.empty(seq, |number| messages[number].status == Status::Acked && !kept_back.contains(&number));
            }
            "/channel/seek" => {
                let to_earliest = value(&wire.query, "to") == Some("earliest");
                channel.seek(to_earliest, kept_since, messages);
                self.doubt(name, !to_earliest);
            }
            "/channel/redrive" => channel.redrive(),
            "/dead/empty" => channel.empty_dead(),
            _ => {}
        }
    }
}

impl Topic {
    /// A channel may go by what the topic keeps back: the latest is what is published next.
    fn doubt(&mut self, channel: &str, may: bool) {
        let Some(channel) = self.channels.get_mut(channel).filter(|_| may) else { return };
        for number in &self.backlog {
            let fate = super::Fate { owed: false, loose: true, ..super::Fate::default() };
            channel.fates.entry(*number).or_insert(fate);
        }
    }

    /// What is not retained and stands before the place that a channel was moved to was let go, although it may have been in the
    /// topic's keeping when that was asked.
    fn passed(&mut self, wire: &Wire, position: Option<u64>, messages: &[Message]) {
        let channel = self.channels.get_mut(value(&wire.query, "channel").unwrap_or_default());
        let Some((channel, position)) = channel.zip(position.filter(|_| self.retain == 0)) else { return };
        let before = |number: usize| messages[number].id.is_some_and(|id| id < position);
        channel.fates.iter_mut().filter(|(number, _)| before(**number)).for_each(|(_, fate)| fate.owed = false);
    }

    /// What a request did that may have waited for the disk: it was done some time between its sending and its answer.
    fn administered(&mut self, wire: &Wire, seq: Seq, now: Nanos, messages: &[Message]) {
        let to = value(&wire.query, "to").or_else(|| value(&wire.query, "start"));
        let name = value(&wire.query, "channel").unwrap_or_default();
        let gone_before = if self.retain == 0 { 0 } else { now.saturating_sub(self.retain) + 1_000_000_000 };
        let Some(channel) = self.channels.get_mut(name) else { return };
        channel.there |= wire.path == "/channel/create";
        channel.may_be_gone &= wire.path != "/channel/create";
        let is_seek = match wire.path.as_str() {
            "/channel/seek" => true,
            "/channel/create" => to.is_some() && channel.made == seq,
            _ => return,
        };
        for (number, fate) in channel.fates.iter_mut().filter(|_| is_seek) {
            (fate.loose, fate.exact, fate.finished, fate.until) = (true, false, None, 0);
            let message = &messages[*number];
            fate.owed &= to == Some("earliest") && message.at > gone_before && (fate.delivered || message.seq < seq);
        }
    }
}

impl Channel {
    fn configure(&mut self, query: &str) {
        for option in ["max_attempts", "max_in_flight", "ordered", "dead_letter"] {
            let Some(text) = value(query, option) else { continue };
            self.options.insert(option.into(), text.into());
            match option {
                "ordered" => self.ordered = text == "true" && self.fates.values().all(|fate| !fate.delivered),
                "max_attempts" => {
                    let attempts = text.parse().expect("the workload writes numbers");
                    let known = if self.attempts == 0 { attempts } else { self.attempts };
                    self.attempts = if attempts == 0 { known } else { known.min(attempts) };
                }
                "dead_letter" => self.forwards |= !text.is_empty(),
                _ => {}
            }
        }
    }

    /// Some messages are surely given to it.
    fn empty(&mut self, seq: Seq, is_given: impl Fn(usize) -> bool) {
        for (number, fate) in &mut self.fates {
            (fate.owed, fate.receipt, fate.until) = (false, None, 0);
            // What was not handed over yet comes after.
            if self.attempts == 0 && is_given(*number) {
                fate.finished = Some(seq);
            }
        }
    }

    fn seek(&mut self, to_earliest: bool, kept_since: Nanos, messages: &[Message]) {
        self.goes_back = true;
        self.highest = 0;
        for (number, fate) in &mut self.fates {
            let message = &messages[*number];
            let untouched = fate.owed && !fate.delivered && !fate.loose && message.due == 0 && message.key.is_none();
            let is_kept = message.status == Status::Acked && message.at > kept_since && message.copy_of.is_none();
            let dead = self.attempts > 0 && fate.attempts >= self.attempts;
            let owed = to_earliest && (untouched || (is_kept && !dead));
            *fate = super::Fate { owed, loose: true, ..super::Fate::default() };
        }
    }

    /// Whether a message of this fate may be a dead letter.
    pub(super) fn may_be_dead(&self, fate: &super::Fate) -> bool {
        self.attempts > 0 && (fate.attempts >= self.attempts || fate.loose)
    }

    /// What may be a dead letter in another topic is not owed any more.
    fn give_up_letters(&mut self) {
        let attempts = self.attempts;
        for fate in self.fates.values_mut().filter(|_| self.forwards && attempts > 0) {
            fate.owed &= fate.attempts < attempts && !fate.loose;
        }
    }

    fn redrive(&mut self) {
        let attempts = self.attempts;
        for fate in self.fates.values_mut().filter(|fate| attempts > 0 && fate.attempts >= attempts) {
            (fate.sure, fate.exact, fate.loose) = (0, false, true);
        }
    }

    fn empty_dead(&mut self) {
        let attempts = self.attempts;
        for fate in self.fates.values_mut() {
            fate.owed &= attempts == 0 || (fate.attempts < attempts && !fate.loose);
        }
    }
}
