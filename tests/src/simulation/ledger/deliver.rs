//! Deliveries, and what consumers say of them.

use serde_json::Value;

use super::publish::number_of;
use super::{Channel, Fate, Ledger, Message, Nanos, Place, Seq, Status, Topic};

/// A message as a consumer sees it, or somebody who only looks.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its id.
    pub id: u64,
    /// What settles it; empty where somebody only looks.
    pub receipt: String,
    /// How often it was delivered.
    pub attempts: u16,
    /// When it was published.
    pub timestamp: Nanos,
    /// Where it is, where somebody only looks.
    pub state: String,
    /// The topic, the channel and the id that it had before it became a dead letter.
    pub letter: Option<(String, String, u64)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Delivery {
    /// Reads the answer to a poll or a look.
    ///
    /// # Errors
    /// That it is none.
    pub fn read_all(json: &Value) -> Result<Vec<Self>, String> {
        let list = json["messages"].as_array().ok_or_else(|| format!("no messages: {json}"))?;
        list.iter().map(|message| Delivery::read(message).ok_or_else(|| format!("no message: {message}"))).collect()
    }

    /// Reads a chunk of a stream.
    ///
    /// # Errors
    /// That it is none.
    pub fn read_lines(text: &str) -> Result<Vec<Self>, String> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let found: Option<_> = lines.map(|line| Delivery::read(&serde_json::from_str(line).ok()?)).collect();
        found.ok_or_else(|| format!("a chunk that is no messages: {text}"))
    }

    /// Reads a message in its JSON form.
    pub fn read(json: &Value) -> Option<Self> {
        let hex = |value: &Value| u64::from_str_radix(value.as_str()?, 16).ok();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let body = match text("body_base64") {
            Some(coded) => {
                use base64::Engine as _;
                base64::engine::general_purpose::STANDARD.decode(coded).ok()?
            }
            None => text("body")?.into_bytes(),
        };
        let header = |name: &str| json["headers"][name].as_str().map(str::to_owned);
        let letter = header("shelf-dead-topic").zip(header("shelf-dead-channel")).zip(header("shelf-dead-id"));
        Some(Delivery {
            id: hex(&json["id"])?,
            receipt: text("receipt").unwrap_or_default(),
            attempts: json["attempts"].as_u64()?.try_into().ok()?,
            timestamp: json["timestamp"].as_u64()?,
            state: text("state").unwrap_or_default(),
            letter: letter
                .and_then(|((topic, channel), id)| Some((topic, channel, u64::from_str_radix(&id, 16).ok()?))),
            body,
        })
    }
}

/// What a consumer says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is done.
    Finish,
    /// It is to come again.
    Requeue,
    /// It takes longer, this long from now.
    Touch(Nanos),
}

impl Ledger {
    /// The number of what came with this body, of this topic; that of a copy where it is a dead letter.
    pub(super) fn identify(&mut self, topic: &str, delivery: &Delivery) -> Result<usize, String> {
        let id = delivery.id;
        let wrong = |what: &str| {
            let body: String = String::from_utf8_lossy(&delivery.body).chars().take(60).collect();
            Err(format!("message {id} of {topic} {what}: {body:?}"))
        };
        let Some(mut number) = number_of(&delivery.body) else { return wrong("is damaged") };
        let Some(life) = self.topics.get(topic).map(|topic| topic.life) else { return wrong("has no topic") };
        if number >= self.messages.len() {
            return wrong("was never published");
        }
        if let Some((from, channel, _)) = &delivery.letter {
            if self.messages[number].topic != *from {
                return wrong("came from another topic");
            }
            number = self.copy(topic, (from.clone(), channel.clone(), number), delivery)?;
        }
        let message = &mut self.messages[number];
        if message.topic != topic || message.life != life {
            return wrong("was published elsewhere");
        }
        if message.status == Status::Refused {
            return wrong("was refused, and is there");
        }
        if message.id.is_some_and(|known| known != id) {
            return Err(format!("message {number} of {topic} has the ids {:?} and {id}", message.id));
        }
        message.id = Some(id);
        let found = self.topics.get_mut(topic).expect("it was just there");
        match found.ids.insert(id, number).filter(|other| *other != number && !found.damaged.contains(&id)) {
            Some(other) => Err(format!("messages {other} and {number} of {topic} have the id {id}")),
            None => Ok(number),
        }
    }

    /// The number of a dead letter's copy here. There is one, unless the letter died again long after.
    fn copy(&mut self, topic: &str, key: (String, String, usize), delivery: &Delivery) -> Result<usize, String> {
        let (number, new) = (key.2, self.messages.len());
        let again = self
            .topics
            .get(&key.0)
            .and_then(|found| found.channels.get(&key.1))
            .is_none_or(|channel| channel.goes_back || channel.fates.get(&number).is_none_or(|fate| fate.loose));
        let shaken = self.topics.values().any(|topic| topic.shaken);
        let life = self.topics.get(topic).map_or(0, |found| found.life);
        let copies = self.copies.entry(key).or_default();
        copies.retain(|_, (copy, _)| self.messages[*copy].life == life && self.messages[*copy].id.is_some());
        if let Some((known, _)) = copies.get(&delivery.id) {
            return Ok(*known);
        }
        let window = self.window;
        if let Some((id, (_, at))) = copies.iter().next()
            && !again
            && !shaken
            && at.abs_diff(delivery.timestamp) < window
        {
            return Err(format!("dead letter {number} is twice in {topic}: {id} and {}", delivery.id));
        }
        copies.insert(delivery.id, (new, delivery.timestamp));
        let Some(found) = self.topics.get_mut(topic) else { return Ok(new) };
        let (key, at) = (self.messages[number].key.clone(), delivery.timestamp);
        self.seq += 1;
        // What the log has of it may have been damaged before anybody saw it.
        let is_damaged = found.damaged.contains(&delivery.id);
        self.messages.push(Message {
            topic: topic.into(),
            life: found.life,
            seq: self.seq,
            status: if is_damaged { Status::Unknown } else { Status::Acked },
            id: Some(delivery.id),
            key,
            due: 0,
            expires: Nanos::MAX,
            at,
            copy_of: Some(number),
        });
        for channel in found.channels.values_mut() {
            channel.fates.insert(new, Fate { loose: true, ..Fate::default() });
        }
        Ok(new)
    }

    /// A consumer is given a message, leased until then, or for good.
    ///
    /// # Panics
    /// Where the ledger knows a channel without its topic.
    pub fn delivered(&mut self, place: &Place, delivery: &Delivery, until: Option<Nanos>) -> Result<(), String> {
        if self.channel(place).is_none() {
            return Ok(());
        }
        let number = self.identify(&place.topic, delivery)?;
        self.count("deliveries");
        let seq = self.next_seq();
        let now = self.now;
        let Some(topic) = self.topics.get_mut(&place.topic) else { return Ok(()) };
        let message = &self.messages[number];
        let name = format!("message {number} (id {}) of {} in {}", delivery.id, place.topic, place.channel);
        if !topic.shaken && !topic.failed {
            topic.judge(place, number, delivery, now, &self.messages).map_err(|what| format!("{name} {what}"))?;
        }
        let channel = topic.channels.get_mut(&place.channel).expect("it was just looked for");
        if !channel.receipts.insert(delivery.receipt.clone()) && !topic.shaken {
            return Err(format!("{name}: the receipt {} was given out before", delivery.receipt));
        }
        channel.given.push((delivery.receipt.clone(), number));
        let in_order = message.due == 0 && (message.key.is_none() || !channel.options.contains_key("ordered"));
        let fate = channel.fates.entry(number).or_default();
        if !fate.delivered && !fate.loose && in_order {
            channel.highest = channel.highest.max(delivery.id);
        }
        if message.copy_of.is_some() && !fate.delivered {
            fate.owed = true;
        }
        fate.delivered = true;
        if fate.leased <= topic.durable {
            fate.sure = fate.sure.max(fate.attempts);
        }
        (fate.attempts, fate.exact, fate.leased) = (delivery.attempts, true, seq);
        fate.receipt = Some(delivery.receipt.clone());
        fate.until = until.unwrap_or_default();
        fate.finished = None;
        if until.is_none() {
            (fate.owed, fate.finished) = (false, Some(seq));
        }
        Ok(())
    }

    /// A receipt was accepted, or refused for this reason.
    pub fn settled(&mut self, place: &Place, receipt: &str, verb: Verb, refused: Option<&str>) -> Result<(), String> {
        let seq = self.next_seq();
        let now = self.now;
        let Some(number) = self.given(place, receipt) else {
            let topic = self.topics.get(&place.topic).filter(|topic| !topic.failed && !topic.shaken);
            let there = topic.is_some() && self.channel(place).is_some();
            return match refused {
                None if there => Err(format!("{place:?}: the receipt {receipt} of an earlier channel was accepted")),
                _ => Ok(()),
            };
        };
        let seeking = self.is_seeking(place);
        let Some(topic) = self.topics.get_mut(&place.topic) else { return Ok(()) };
        let (shaken, limited) = (topic.shaken || topic.failed, topic.limited);
        let Some(channel) = topic.channels.get_mut(&place.channel) else { return Ok(()) };
        let may_have_moved =
            channel.forwards && channel.fates.get(&number).is_some_and(|fate| channel.may_be_dead(fate));
        let message = &self.messages[number];
        let Some(fate) = channel.fates.get_mut(&number) else { return Ok(()) };
        let is_last = fate.receipt.as_deref() == Some(receipt);
        let name = || format!("message {number} of {} in {}, receipt {receipt}", place.topic, place.channel);
        if let Some(reason) = refused {
            let due = fate.owed && fate.exact && !shaken && !limited && !may_have_moved && message.expires > now;
            self.counts.entry("receipts refused").and_modify(|count| *count += 1).or_insert(1);
            if is_last && due && verb == Verb::Finish && message.status != Status::Unknown {
                return Err(format!("{}: a fin was refused, though nobody else got it: {reason}", name()));
            }
            return Ok(());
        }
        if !is_last && fate.receipt.is_some() && fate.exact && !shaken {
            return Err(format!("{}: an old lease settled a newer one", name()));
        }
        self.counts.entry("receipts accepted").and_modify(|count| *count += 1).or_insert(1);
        match verb {
            // A seek that is not answered may come after, and bring it back.
            Verb::Finish => (fate.owed, fate.until, fate.finished) = (false, 0, (!seeking).then_some(seq)),
            Verb::Requeue => fate.until = 0,
            Verb::Touch(timeout) => fate.until = fate.until.min(now + timeout),
        }
        Ok(())
    }

    /// A consumer finishes a message, and the answer comes later than what follows from it.
    pub fn finishing(&mut self, place: &Place, receipt: &str) {
        // Where the log knows nothing of the last lease, an earlier one counts as the last.
        let shaken = self.topics.get(&place.topic).is_some_and(|topic| topic.shaken);
        let last = |fate: &Fate| fate.receipt.as_deref() == Some(receipt) || !fate.exact || shaken;
        let number = self.given(place, receipt);
        let channel = self.channel(place);
        if channel.zip(number).and_then(|(channel, number)| channel.fates.get(&number)).is_some_and(last) {
            self.doubted(place, receipt);
        }
    }

    /// A consumer said something of a message, and no answer came.
    pub fn doubted(&mut self, place: &Place, receipt: &str) {
        let Some(number) = self.given(place, receipt) else { return };
        let channel = self.topics.get_mut(&place.topic).and_then(|topic| topic.channels.get_mut(&place.channel));
        if let Some(fate) = channel.and_then(|channel| channel.fates.get_mut(&number)) {
            (fate.owed, fate.exact, fate.until) = (false, false, 0);
        }
    }

    /// What was just delivered never came to the consumer, and whether the log has it is not known.
    pub fn unseen(&mut self, place: &Place, receipt: &str) {
        let Some(number) = self.given(place, receipt) else { return };
        let channel = self.topics.get_mut(&place.topic).and_then(|topic| topic.channels.get_mut(&place.channel));
        if let Some(fate) = channel.and_then(|channel| channel.fates.get_mut(&number)) {
            (fate.exact, fate.until, fate.finished) = (false, 0, None);
        }
    }

    fn given(&self, place: &Place, receipt: &str) -> Option<usize> {
        let given = &self.channel(place)?.given;
        given.iter().rev().find(|(known, _)| known == receipt).map(|(_, number)| *number)
    }
}

impl Topic {
    /// Whether a message may be delivered here and now.
    fn judge(
        &self,
        place: &Place,
        number: usize,
        delivery: &Delivery,
        now: Nanos,
        messages: &[Message],
    ) -> Result<(), String> {
        let channel = &self.channels[&place.channel];
        let message = &messages[number];
        if message.expires <= now {
            return Err("was delivered after its time to live".into());
        }
        if message.due > now {
            return Err("was delivered before its time".into());
        }
        let kept_back = self.paused && self.backlog.contains(&number) && !self.torn;
        if kept_back || channel.paused {
            return Err("was delivered in a pause".into());
        }
        let new = Fate::default();
        let fate = match channel.fates.get(&number) {
            Some(fate) => fate,
            None if channel.goes_back => &new,
            None => return Err("was published before the channel was there, or dropped".into()),
        };
        if let Some(Some(finished)) = channel.fates.get(&number).map(|fate| fate.finished) {
            return Err(format!("was delivered again after it was finished (at {finished})"));
        }
        if fate.until > now {
            return Err(format!("was delivered again while it was leased, until {}", fate.until));
        }
        let (least, most) = (if fate.exact { fate.attempts } else { fate.sure } + 1, fate.attempts + 1);
        let loose = fate.loose || !channel.fates.contains_key(&number);
        if !loose && !(least..=most).contains(&delivery.attempts) {
            return Err(format!("is at attempt {}, expected {least} to {most}", delivery.attempts));
        }
        let in_order = message.due == 0 && (message.key.is_none() || !channel.options.contains_key("ordered"));
        if !fate.delivered && !loose && in_order && delivery.id < channel.highest {
            return Err(format!("was delivered for the first time after message {}", channel.highest));
        }
        if channel.ordered { Self::judge_order(channel, number, delivery.id, now, messages) } else { Ok(()) }
    }

    /// Whether a message of an ordered channel may be delivered now.
    fn judge_order(channel: &Channel, number: usize, id: u64, now: Nanos, messages: &[Message]) -> Result<(), String> {
        let Some(key) = &messages[number].key else { return Ok(()) };
        for (other, fate) in channel.fates.iter().filter(|(other, _)| **other != number) {
            let message = &messages[*other];
            if message.key.as_ref() != Some(key) || fate.loose || message.expires <= now {
                continue;
            }
            if fate.until > now {
                return Err(format!("was delivered while message {other} with its key was leased"));
            }
            // A deferred message may overtake what has not left the backlog, as far as the log knows.
            let left = (fate.delivered && fate.leased < Seq::MAX) || messages[number].due == 0;
            let waits = left && fate.owed && message.status == Status::Acked && !channel.may_be_dead(fate);
            if waits && message.id.is_some_and(|other| other < id) {
                return Err(format!("was delivered before message {other} with its key was done with"));
            }
        }
        Ok(())
    }
}
