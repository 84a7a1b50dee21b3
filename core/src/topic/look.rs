//! Looking at a topic without changing it.

use alloc::vec::Vec;

use serde::Serialize;

use super::Topic;
use crate::channel::{Channel, Whereabouts};
use crate::command::{Filter, Peek, Peeked, State, TopicStats};
use crate::config::Limits;
use crate::message::Record;
use crate::messages::{Absent, Found};
use crate::time::Time;

/// Where one message of a topic is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct Sighting {
    /// It was published.
    pub published: bool,
    /// It is as durable as was promised.
    pub durable: bool,
    /// Its topic handed it to the channels.
    pub handed_over: bool,
    /// It expired, or was dropped before it was handed over: no channel gets it (again).
    pub void: bool,
    /// The topic hands nothing to its channels.
    pub topic_paused: bool,
    /// Where it is in each channel, by name.
    pub channels: Vec<Whereabouts>,
}

impl Topic {
    /// Where this message is.
    pub(crate) fn sight(&self, id: u64) -> Sighting {
        let flow = self.flow.id();
        let channels = self.names.iter().map(|&(_, number)| self.channel(number).whereabouts(id, flow));
        Sighting {
            published: (1..self.messages.end().id).contains(&id),
            durable: id < self.handable().id,
            handed_over: id < flow,
            void: self.voids.end_of(id).or_else(|| self.backlog_voids.end_of(id)).is_some(),
            topic_paused: self.paused,
            channels: channels.collect(),
        }
    }

    /// The name of the channel with this number.
    pub(crate) fn channel_name(&self, number: u32) -> Option<&str> {
        self.channels.get(number as usize).map(|channel| channel.name().as_str())
    }

    /// Messages of a channel in this state, from this id on.
    pub(crate) fn peek_channel(&self, number: u32, state: State, from: u64, max: usize) -> Result<Vec<Peeked>, Absent> {
        self.channel(number).peek(state, from, max, self.flow.id(), &|id, chunk| self.show(id, chunk))
    }

    /// The messages that the topic keeps, from this id on.
    pub(crate) fn peek(&self, from: u64, max: usize, now: Time) -> Result<Vec<Peeked>, Absent> {
        self.kept(from.max(self.earliest(now)?), max, &|id| self.show(id, None))
    }

    /// What one of those two shows: of messages that are not in memory, only that they are there.
    pub(crate) fn look(&self, channel: Option<u32>, peek: &Peek<'_>, now: Time) -> Vec<Peeked> {
        let (from, max) = (peek.from, peek.max as usize);
        let show = |id: u64, chunk: Option<u64>| {
            let absent = Peeked { id, absent: true, ..Peeked::default() };
            self.show(id, chunk).or(Ok(Some(absent)))
        };
        let peeked = if let Some(number) = channel {
            self.channel(number).peek(peek.state, from, max, self.flow.id(), &show)
        } else {
            let from = from.max(self.earliest(now).unwrap_or_default());
            self.kept(self.messages.whole_from(from), max, &|id| show(id, None))
        };
        peeked.unwrap_or_default()
    }

    fn show(&self, id: u64, chunk: Option<u64>) -> Result<Option<Peeked>, Absent> {
        match chunk.map_or_else(|| self.messages.get(id), |chunk| self.messages.find(id, chunk)) {
            Found::Record(record) => Ok(Some(Peeked::of(id, &record))),
            Found::Absent(chunk) => Err(Absent(chunk)),
            Found::Gone => Ok(None),
        }
    }

    fn kept(
        &self,
        from: u64,
        max: usize,
        show: &dyn Fn(u64) -> Result<Option<Peeked>, Absent>,
    ) -> Result<Vec<Peeked>, Absent> {
        let mut id = from;
        let mut kept = Vec::new();
        while kept.len() < max && id < self.messages.end().id {
            if let Some(end) = self.voids.end_of(id).or_else(|| self.backlog_voids.end_of(id)) {
                id = end;
                continue;
            }
            kept.extend(show(id)?);
            id += 1;
        }
        Ok(kept)
    }

    pub(crate) fn stats(&self, filter: &Filter<'_>, now: Time, limits: &Limits) -> TopicStats {
        let named = |channel: &Channel| filter.channel.as_ref().is_none_or(|name| channel.name().as_str() == *name);
        let channels = self.names.iter().map(|&(_, number)| self.channel(number)).filter(|channel| named(channel));
        TopicStats {
            name: self.name.as_str().into(),
            depth: self.depth(),
            message_count: self.message_count,
            message_bytes: self.message_bytes,
            paused: self.paused,
            memory_bytes: self.messages.memory() as u64,
            disk_bytes: self.disk_bytes(),
            options: self.options.clone(),
            channels: channels.map(|channel| channel.stats(filter, self.flow.id(), now, limits)).collect(),
        }
    }
}

impl Peeked {
    /// A message as it lies in the log.
    fn of(id: u64, record: &Record<'_>) -> Peeked {
        Peeked {
            id,
            timestamp: record.timestamp,
            key: record.key.map(Into::into),
            headers: record.headers().map(|(name, value)| (name.into(), value.into())).collect(),
            body: record.body.into(),
            ..Peeked::default()
        }
    }
}
