//! Adding messages to a topic, all of a batch or none.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::producers::Numbered;
use super::{Blocked, Topic};
use crate::command::{self, MessageOptions, Messages, NewMessage, Publish, Published};
use crate::config::Limits;
use crate::dedup::Accepted;
use crate::log::event::Event;
use crate::log::image::Gap;
use crate::message::{Record, write_header};
use crate::sort;
use crate::time::Time;

impl Topic {
    pub(crate) fn publish(&mut self, publish: &Publish<'_>, now: Time, limits: &Limits) -> Result<Published, Blocked> {
        // Before all limits: what was accepted once is told so again, even if the topic has become full since.
        if let Some(Accepted { first, count, .. }) = publish.dedup.as_ref().and_then(|key| self.dedup.get(key, now)) {
            self.number_duplicates(publish, first, now, limits);
            let log = publish.producer.as_ref().and_then(|_| self.life());
            return Ok(Published { first, count, duplicate: true, log });
        }
        let mut published = match &publish.messages {
            Messages::Same(bodies, options) => {
                // Nothing is changed before `admit`: it may refuse, or need what is not in memory, and then all begins
                // again.
                if let Some((producer, seq)) = &publish.producer
                    && let Numbered::Again(first) = self.producers.judge(producer, *seq, None, now)?
                {
                    return Ok(Published { first, count: 1, duplicate: true, log: self.life() });
                }
                let sizes = bodies.iter().map(|body| body.len() as u64).sum();
                self.admit(bodies.len() as u64, sizes, now, limits)?;
                // Events of a publish stand before its messages, and count with the last of them: without any, they
                // would count with the next publish. A crash in between leaves neither.
                if !bodies.is_empty() {
                    let (first, count) = (self.messages.end().id, bodies.len() as u32);
                    self.produced(publish.producer.as_ref(), first, now, limits);
                    self.remember(publish.dedup.as_deref(), first, count, now, limits);
                }
                self.publish_same(bodies, options, now, limits)
            }
            Messages::Each(messages) => {
                let (new, numbered) = self.new_among(messages, now)?;
                let sizes = new.iter().map(|message| message.body.len() as u64).sum();
                self.admit(new.len() as u64, sizes, now, limits)?;
                let published = self.publish_each(messages, &new, publish.dedup.as_deref(), now, limits);
                // Behind what was published: a number counts only if all before it do.
                for message in numbered {
                    let known = message.dedup.as_ref().and_then(|key| self.dedup.get(key, now));
                    self.number_duplicate(message.producer.as_ref(), known.map_or(0, |known| known.first), now, limits);
                }
                published
            }
        };
        self.hand_over(now, limits);
        if self.retains() {
            self.update_retention(now);
        }
        if publish.producer.is_some() {
            published.log = self.life();
        }
        Ok(published)
    }

    /// Names the life of the topic's log, for those who want to know whether they are still spoken to by the same. It tells
    /// nothing of the seed that it is made of.
    fn life(&self) -> Option<u64> {
        self.log.as_ref()?;
        let mut hasher = SipHasher13::new_with_keys(self.seed, 1);
        hasher.write(b"log");
        Some(hasher.finish())
    }

    /// A message that comes next is its producer's.
    fn produced(&mut self, numbered: Option<&command::Numbered<'_>>, id: u64, now: Time, limits: &Limits) {
        if let Some(event) = numbered.map(|numbered| produced(numbered, id, now)) {
            self.happen_with_publish(&event, now, limits);
        }
    }

    /// A message that was published before, as this one, is its producer's: the number is used, for the next one is asked for.
    fn number_duplicate(&mut self, numbered: Option<&command::Numbered<'_>>, id: u64, now: Time, limits: &Limits) {
        if let Some(event) = numbered.map(|numbered| produced(numbered, id, now)) {
            self.happen(&event, now, limits);
        }
    }

    /// The same for all of a publish that was published before. Where a number is not the next, it stays so.
    fn number_duplicates(&mut self, publish: &Publish<'_>, first: u64, now: Time, limits: &Limits) {
        let messages = if let Messages::Each(messages) = &publish.messages { &messages[..] } else { &[] };
        let own = publish.producer.iter().map(|numbered| (numbered, first));
        // Which of the messages of then was which is not known.
        let each = messages.iter().filter_map(|message| Some((message.producer.as_ref()?, 0)));
        for (numbered, id) in own.chain(each) {
            if self.producers.judge(&numbered.0, numbered.1, None, now) == Ok(Numbered::Next) {
                self.number_duplicate(Some(numbered), id, now, limits);
            }
        }
    }

    /// Something happens that holds if the publish after it does.
    fn happen_with_publish(&mut self, event: &Event, now: Time, limits: &Limits) {
        self.apply(event, now, limits);
        if let Some(log) = &mut self.log {
            log.journal.event_of_publish(event);
        }
    }

    /// The messages that are to be published: whose numbers were not accepted before, and whose dedup keys are new, to the
    /// topic and in the batch. And those whose keys are not, but their numbers are, which are used by that.
    ///
    /// # Errors
    /// [`Refusal::SeqGap`](crate::command::Refusal::SeqGap) where one of them is not the next of its producer: then
    /// none counts.
    fn new_among<'m, 'a>(&self, messages: &'m [NewMessage<'a>], now: Time) -> Result<NewAmong<'m, 'a>, Blocked> {
        let mut accepted: BTreeMap<&str, u64> = BTreeMap::new();
        // Numbers before keys: a message that was accepted before does not take its key from another of the batch.
        let mut next = Vec::with_capacity(messages.len());
        for message in messages {
            let Some((producer, seq)) = &message.producer else {
                next.push(message);
                continue;
            };
            // The numbers of one batch follow each other, although none of them is accepted before all are.
            let before = accepted.get(producer.as_ref()).copied();
            if self.producers.judge(producer, *seq, before, now)? == Numbered::Next {
                accepted.insert(producer, *seq);
                next.push(message);
            }
        }
        let keyed = next.iter().enumerate().filter_map(|(i, message)| Some((message.dedup.as_deref()?, i)));
        // Of a key that is new, and stands in the batch more than once, the first message counts.
        let firsts = sort::firsts(keyed.filter(|(key, _)| self.dedup.get(key, now).is_none()).collect());
        let (mut new, mut numbered) = (Vec::with_capacity(next.len()), Vec::new());
        for (i, message) in next.into_iter().enumerate() {
            if message.dedup.is_none() || firsts.binary_search(&i).is_ok() {
                new.push(message);
            } else if message.producer.is_some() {
                numbered.push(message);
            }
        }
        Ok((new, numbered))
    }

    /// Remembers what is published under a key; of that, at least the last message comes next.
    fn remember(&mut self, key: Option<&str>, first: u64, count: u32, now: Time, limits: &Limits) {
        let Some(key) = key else { return };
        let window = Some(self.options.dedup_window).filter(|window| !window.is_zero());
        let until = (now + window.unwrap_or(limits.dedup_window)).as_nanos();
        self.happen_with_publish(&Event::Deduplicated { key: key.into(), first, count, until }, now, limits);
    }

    fn publish_same(
        &mut self,
        bodies: &[&[u8]],
        options: &MessageOptions<'_>,
        now: Time,
        limits: &Limits,
    ) -> Published {
        let first = self.messages.end().id;
        let headers = header_block(options);
        let record = record(options, &headers, now);
        for (index, body) in bodies.iter().enumerate() {
            self.append(&Record { body, ..record }, index + 1 < bodies.len(), limits);
        }
        published(first, bodies.len())
    }

    fn publish_each(
        &mut self,
        messages: &[NewMessage<'_>],
        new: &[&NewMessage<'_>],
        dedup: Option<&str>,
        now: Time,
        limits: &Limits,
    ) -> Published {
        if new.is_empty() && !messages.is_empty() {
            let known = messages[0].dedup.as_ref().and_then(|key| self.dedup.get(key, now));
            return Published { first: known.map_or(0, |known| known.first), count: 0, duplicate: true, log: None };
        }
        let first = self.messages.end().id;
        for (index, message) in new.iter().enumerate() {
            let id = self.messages.end().id;
            self.produced(message.producer.as_ref(), id, now, limits);
            self.remember(message.dedup.as_deref(), id, 1, now, limits);
            // Once, and before a message: nothing of the batch counts without the last one.
            if index + 1 == new.len() {
                self.remember(dedup, first, new.len() as u32, now, limits);
            }
            let headers = header_block(&message.options);
            let record = Record { body: &message.body, ..record(&message.options, &headers, now) };
            self.append(&record, index + 1 < new.len(), limits);
        }
        published(first, new.len())
    }

    /// Adds a message; `more` says that another of the same publish comes next.
    fn append(&mut self, record: &Record<'_>, more: bool, limits: &Limits) {
        // No channel is given it yet, and drops it by its own bound. An ephemeral topic has no log, so nothing is
        // written.
        let full = self.name.is_ephemeral() && self.keeps_back() && self.depth() >= limits.mem_queue_size;
        let size = record.body.len() as u32;
        if full {
            // Nobody is to see it, so only its id is kept.
            let nothing = Record { due: None, expires: None, key: None, header_block: &[], body: &[], ..*record };
            let id = self.messages.append(&nothing);
            self.published(id, size, None, None);
            return self.backlog_tombstones.cover(Gap { from: id, to: id + 1, bytes: 0 });
        }
        let before = self.messages.end().bytes;
        let id = self.messages.append(record);
        if let Some(log) = &mut self.log {
            log.journal.message(id, before, self.messages.last_record(), more);
        }
        let deferred = record.due.map(|_| record.meta(id, self.seed));
        self.published(id, size, deferred, record.expires.map(Time::as_nanos));
    }
}

/// What is to be published of a batch, and what of the rest has a number that is used.
type NewAmong<'m, 'a> = (Vec<&'m NewMessage<'a>>, Vec<&'m NewMessage<'a>>);

/// This message is its producer's.
fn produced((producer, seq): &command::Numbered<'_>, id: u64, now: Time) -> Event {
    Event::Produced { producer: producer.as_ref().into(), seq: *seq, id, at: now.as_nanos() }
}

fn published(first: u64, count: usize) -> Published {
    Published { first: if count == 0 { 0 } else { first }, count: count as u32, duplicate: false, log: None }
}

/// The record of a message that is published now, but for its body.
fn record<'r>(options: &'r MessageOptions<'_>, header_block: &'r [u8], now: Time) -> Record<'r> {
    Record {
        timestamp: now,
        due: options.defer.filter(|defer| !defer.is_zero()).map(|defer| now + defer),
        expires: options.ttl.map(|ttl| now + ttl),
        key: options.key.as_deref(),
        header_block,
        body: &[],
    }
}

fn header_block(options: &MessageOptions<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in &options.headers {
        write_header(&mut block, name, value);
    }
    block
}
