//! Adding messages to a topic, all of a batch or none.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Topic;
use crate::command::{MessageOptions, Messages, NewMessage, Publish, Published, Refusal};
use crate::config::Limits;
use crate::dedup::Accepted;
use crate::message::{Record, write_header};
use crate::time::Time;

impl Topic {
    pub(crate) fn publish(&mut self, publish: &Publish<'_>, now: Time, limits: &Limits) -> Result<Published, Refusal> {
        if let Some(Accepted { first, count }) = publish.dedup.as_ref().and_then(|key| self.dedup.get(key)) {
            return Ok(Published { first, count, duplicate: true });
        }
        let published = match &publish.messages {
            Messages::Same(bodies, options) => self.publish_same(bodies, options, now, limits)?,
            Messages::Each(messages) => self.publish_each(messages, now, limits)?,
        };
        if let Some(key) = publish.dedup.as_ref().filter(|_| published.count > 0) {
            let accepted = Accepted { first: published.first, count: published.count };
            self.dedup.insert(key, accepted, now, limits.dedup_window);
        }
        self.hand_over(now, limits);
        if self.retains() {
            self.update_retention(now);
        }
        Ok(published)
    }

    fn publish_same(
        &mut self,
        bodies: &[&[u8]],
        options: &MessageOptions<'_>,
        now: Time,
        limits: &Limits,
    ) -> Result<Published, Refusal> {
        self.admit(bodies.len() as u64, bodies.iter().map(|body| body.len() as u64).sum(), now, limits)?;
        let first = self.log.next_id();
        let headers = header_block(options);
        let record = record(options, &headers, now);
        for body in bodies {
            self.append(&Record { body, ..record }, limits);
        }
        Ok(published(first, bodies.len()))
    }

    fn publish_each(&mut self, messages: &[NewMessage<'_>], now: Time, limits: &Limits) -> Result<Published, Refusal> {
        let new = self.without_duplicates(messages);
        if new.is_empty() && !messages.is_empty() {
            let known = messages[0].dedup.as_ref().and_then(|key| self.dedup.get(key));
            return Ok(Published { first: known.map_or(0, |known| known.first), count: 0, duplicate: true });
        }
        self.admit(new.len() as u64, new.iter().map(|message| message.body.len() as u64).sum(), now, limits)?;
        let first = self.log.next_id();
        for message in &new {
            let headers = header_block(&message.options);
            let record = Record { body: &message.body, ..record(&message.options, &headers, now) };
            let id = self.append(&record, limits);
            if let Some(key) = &message.dedup {
                self.dedup.insert(key, Accepted { first: id, count: 1 }, now, limits.dedup_window);
            }
        }
        Ok(published(first, new.len()))
    }

    /// The messages whose dedup key is new, to the topic and in the batch.
    fn without_duplicates<'m, 'a>(&self, messages: &'m [NewMessage<'a>]) -> Vec<&'m NewMessage<'a>> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut is_new = |key: &'m Cow<'a, str>| self.dedup.get(key).is_none() && seen.insert(key);
        messages.iter().filter(|message| message.dedup.as_ref().is_none_or(&mut is_new)).collect()
    }

    fn append(&mut self, record: &Record<'_>, limits: &Limits) -> u64 {
        let full = self.name.is_ephemeral() && self.keeps_back() && self.depth() >= limits.mem_queue_size;
        self.message_count += 1;
        self.message_bytes += record.body.len() as u64;
        if full {
            // Nobody is to see it, so only its id is kept.
            let nothing = Record { due: None, expires: None, key: None, header_block: &[], body: &[], ..*record };
            let id = self.log.append(&nothing);
            self.voids.insert(id, id + 1, 0);
            self.backlog_voids.insert(id, id + 1, 0);
            return id;
        }
        let id = self.log.append(record);
        if record.due.is_some() {
            self.deferred.push(id);
        }
        if let Some(expires) = record.expires {
            self.expires(expires, id);
        }
        id
    }
}

fn published(first: u64, count: usize) -> Published {
    Published { first: if count == 0 { 0 } else { first }, count: count as u32, duplicate: false }
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
