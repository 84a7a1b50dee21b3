//! Looking at a topic without changing it.

use alloc::vec::Vec;

use super::Topic;
use crate::channel::Channel;
use crate::command::{Filter, Peeked, State, TopicStats};
use crate::config::Limits;
use crate::messages::{Absent, Found};
use crate::time::Time;

impl Topic {
    /// Messages of a channel in this state, from this id on.
    pub(crate) fn peek_channel(&self, number: u32, state: State, from: u64, max: usize) -> Result<Vec<Peeked>, Absent> {
        self.channel(number).peek(state, from, max, &self.messages, self.flow.id())
    }

    /// The messages that the topic keeps, from this id on.
    pub(crate) fn peek(&self, from: u64, max: usize, now: Time) -> Result<Vec<Peeked>, Absent> {
        let mut id = from.max(self.earliest(now)?);
        let mut kept = Vec::new();
        while kept.len() < max && id < self.messages.end().id {
            if let Some(end) = self.voids.end_of(id).or_else(|| self.backlog_voids.end_of(id)) {
                id = end;
                continue;
            }
            match self.messages.get(id) {
                Found::Record(record) => kept.push(crate::channel::shown(id, &record)),
                Found::Absent(chunk) => return Err(Absent(chunk)),
                Found::Gone => {}
            }
            id += 1;
        }
        Ok(kept)
    }

    pub(crate) fn stats(&self, filter: &Filter<'_>, now: Time, limits: &Limits) -> TopicStats {
        let named = |channel: &Channel| filter.channel.as_ref().is_none_or(|name| channel.name().as_str() == *name);
        let channels = self.names.values().map(|&number| self.channel(number)).filter(|channel| named(channel));
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
