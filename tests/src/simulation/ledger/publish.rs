//! Publishing: what is sent, and what the answers promise.

use std::ops::Range;

use super::{Accepted, Fate, Ledger, Message, Seq, Status};
use crate::http::Answer;
use crate::model::Nanos;
use crate::simulation::disk::SimDisk;

/// What is published by one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The topic.
    pub topic: String,
    /// How many messages.
    pub count: usize,
    /// Their ordering key.
    pub key: Option<String>,
    /// Not delivered for so long.
    pub defer: Nanos,
    /// Not delivered after so long; zero for ever.
    pub ttl: Nanos,
    /// The dedup key.
    pub dedup: Option<String>,
}

/// One publish.
#[derive(Clone, Debug)]
pub struct Batch {
    pub(super) topic: String,
    pub(super) life: Seq,
    pub(super) seq: Seq,
    first: usize,
    count: usize,
    dedup: Option<String>,
    /// It repeats a publish with the same dedup key, whose answer came and is remembered.
    repeats: Option<usize>,
}

impl Batch {
    /// The numbers of its messages.
    pub(super) fn numbers(&self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// The body of a message: its number, some bytes that follow from it, and a checksum.
pub fn body(number: usize) -> Vec<u8> {
    let mut random = crate::workload::Random::new(number as u64);
    let length = match random.below(20) {
        0 => 2_000,
        1..=3 => 0,
        _ => random.below(200),
    };
    // Some look as if they had never been written.
    let filler = random.pick(b"xyz\0");
    let mut body = format!("#{number}.").into_bytes();
    body.extend((0..length).map(|at| if at % 40 == 39 { b'\n' } else { filler }));
    let sum = body.iter().fold(0x1234_5678u32, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    body.extend_from_slice(format!("{sum:08x}").as_bytes());
    if filler == 0 && length % 2 == 0 {
        body.extend_from_slice(&[0; 40]);
    }
    body
}

/// The number of a body that is whole.
pub(super) fn number_of(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.strip_prefix(b"#")?;
    let digits = digits.split(|byte| *byte == b'.').next()?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (body(number) == bytes).then_some(number)
}

impl Ledger {
    /// A publish is sent; answers its number and its bodies.
    pub fn publish(&mut self, draft: &Draft) -> Option<(usize, Vec<Vec<u8>>)> {
        let seq = self.next_seq();
        let now = self.now;
        let first = self.messages.len();
        let topic = self.topics.get_mut(&draft.topic)?;
        let known = draft.dedup.as_ref().and_then(|key| topic.dedup.get(key)).filter(|known| known.until > now);
        let is_new = known.is_none();
        let repeats = known.filter(|known| known.sure).map(|known| known.batch);
        let numbers = first..first + draft.count;
        for _ in numbers.clone() {
            self.messages.push(Message {
                topic: draft.topic.clone(),
                life: topic.life,
                seq,
                status: Status::Pending,
                id: None,
                key: draft.key.clone(),
                due: if draft.defer == 0 { 0 } else { now + draft.defer },
                expires: if draft.ttl == 0 { Nanos::MAX } else { now + draft.ttl },
                at: now,
                copy_of: None,
            });
        }
        topic.backlog.extend(numbers.clone());
        topic.hand_over(false);
        let batch = self.batches.len();
        self.batches.push(Batch {
            topic: draft.topic.clone(),
            life: topic.life,
            seq,
            first,
            count: draft.count,
            dedup: draft.dedup.clone(),
            repeats,
        });
        if let Some(key) = draft.dedup.clone().filter(|_| is_new) {
            topic.dedup.insert(key, Accepted { batch, until: now + self.window, seq, sure: false });
        }
        Some((batch, numbers.map(body).collect()))
    }

    /// A publish is answered. `disk` is where the messages must be durable where that was promised.
    pub fn published(&mut self, batch: usize, answer: &Answer, disk: Option<&SimDisk>) -> Result<(), String> {
        let Batch { topic, life, seq, first, count, dedup, repeats } = self.batches[batch].clone();
        let id = answer.header("shelf-id").and_then(|text| u64::from_str_radix(text, 16).ok());
        let is_duplicate = answer.header("shelf-duplicate").is_some();
        if self.topics.get(&topic).is_none_or(|topic| topic.life != life) {
            return Ok(());
        }
        match answer.status {
            200 if is_duplicate => {
                self.set_status(first, count, Status::Refused);
                self.count("duplicates");
                self.forget_key(&topic, dedup.as_deref(), batch);
                self.repeated(&topic, dedup.as_deref(), repeats, id)
            }
            200 => {
                if let Some(earlier) = repeats.filter(|_| !self.topics[&topic].shaken) {
                    return Err(format!("publish {batch} repeats publish {earlier}, and was accepted"));
                }
                self.count("publishes acknowledged");
                if let Some(key) = &dedup {
                    let until = self.messages[first].at + self.window;
                    let accepted = Accepted { batch, until, seq, sure: true };
                    self.topics.get_mut(&topic).and_then(|topic| topic.dedup.insert(key.clone(), accepted));
                }
                self.acked(first, count, id, disk)
            }
            // Where its write failed, a publish may have been kept all the same.
            status => {
                self.set_status(first, count, if status == 503 { Status::Unknown } else { Status::Refused });
                self.count("publishes refused");
                if let Some(topic) = self.topics.get_mut(&topic) {
                    topic.failed |= status == 503;
                }
                self.forget_key(&topic, dedup.as_deref(), batch);
                Ok(())
            }
        }
    }

    /// This publish is not the one that its dedup key stands for.
    fn forget_key(&mut self, topic: &str, key: Option<&str>, batch: usize) {
        let dedup = self.topics.get_mut(topic).map(|topic| &mut topic.dedup);
        if let (Some(dedup), Some(key)) = (dedup, key)
            && dedup.get(key).is_some_and(|known| known.batch == batch)
        {
            dedup.remove(key);
        }
    }

    fn set_status(&mut self, first: usize, count: usize, status: Status) {
        self.messages[first..first + count].iter_mut().for_each(|message| message.status = status);
    }

    /// A publish was taken for the repetition of another, which is then known to be kept.
    fn repeated(
        &mut self,
        topic: &str,
        key: Option<&str>,
        repeats: Option<usize>,
        id: Option<u64>,
    ) -> Result<(), String> {
        let known = key.and_then(|key| self.topics[topic].dedup.get(key)).map(|known| known.batch);
        let Some(earlier) = repeats.or(known) else { return Ok(()) };
        let Batch { first, count, .. } = self.batches[earlier];
        if self.messages[first].status == Status::Refused {
            return Err(format!("a publish repeats publish {earlier}, which was refused"));
        }
        // It may have been delivered long ago, and be needed no more.
        self.acked(first, count, id, None)
    }

    /// These messages are kept, from this id on.
    fn acked(&mut self, first: usize, count: usize, id: Option<u64>, disk: Option<&SimDisk>) -> Result<(), String> {
        let id = id.ok_or("an accepted publish without an id")?;
        for (number, id) in (first..first + count).zip(id..) {
            let message = &mut self.messages[number];
            let topic = message.topic.clone();
            let is_damaged = self.topics.get(&topic).is_some_and(|topic| topic.damaged.contains(&id));
            message.status = if is_damaged { Status::Unknown } else { Status::Acked };
            if message.id.is_some_and(|known| known != id) {
                return Err(format!("message {number} has the ids {:?} and {id}", message.id));
            }
            message.id = Some(id);
            let seq = message.seq;
            let topic_seen = self.topics.get_mut(&topic).ok_or("a topic that is gone")?;
            topic_seen.durable = topic_seen.durable.max(seq);
            let other = topic_seen.ids.insert(id, number).filter(|other| *other != number);
            if let Some(other) = other.filter(|_| !is_damaged) {
                return Err(format!("messages {other} and {number} of {topic} have the id {id}"));
            }
            let start = format!("#{number}.");
            if disk.is_some_and(|disk| !disk.is_durable(&topic, start.as_bytes())) {
                return Err(format!("message {number} of {topic} was acknowledged before it was durable"));
            }
        }
        Ok(())
    }
}

impl super::Topic {
    /// Hands over to the channels what they may have. `doubtful` says that they may also have been given nothing.
    pub(super) fn hand_over(&mut self, doubtful: bool) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for number in std::mem::take(&mut self.backlog) {
            for channel in self.channels.values_mut() {
                let is_owed = !doubtful && !channel.may_be_gone && !self.may_have_another;
                let fate = Fate { owed: is_owed, exact: true, ..Fate::default() };
                channel.fates.entry(number).or_insert(fate);
            }
        }
    }
}
