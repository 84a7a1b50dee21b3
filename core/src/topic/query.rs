//! Looking at a topic without changing it.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use serde::{Deserialize, Serialize};

use super::Topic;
use crate::channel::{Channel, ChannelTrace};
use crate::command::{Filter, Peek, Peeked, TopicStats};
use crate::config::Limits;
use crate::ids::ChannelId;
use crate::message::{Record, encoded_bytes};
use crate::messages::{Found, NotCached};
use crate::time::Time;

/// Where one message of a topic is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct MessageTrace {
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
    pub channels: Vec<ChannelTrace>,
}

/// How far a command has come that looks for messages.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PeekProgress {
    /// What it has found.
    #[serde(with = "found")]
    pub(crate) found: Vec<Peeked>,
    /// It goes on with this id, where it has begun.
    pub(crate) from: Option<u64>,
}

/// What was found of messages, as a checkpoint has it. As the API writes it, it cannot be read back.
mod found {
    use alloc::string::String;
    use alloc::vec::Vec;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::command::{Peeked, State};
    use crate::time::Time;

    #[derive(Serialize, Deserialize)]
    #[serde(remote = "Peeked")]
    struct Parts {
        id: u64,
        state: Option<State>,
        attempts: u16,
        until: Option<Time>,
        absent: bool,
        timestamp: Time,
        key: Option<String>,
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    }

    #[derive(Serialize, Deserialize)]
    struct Kept(#[serde(with = "Parts")] Peeked);

    pub(super) fn serialize<S: Serializer>(found: &[Peeked], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(found.iter().map(|peeked| Kept(peeked.clone())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Peeked>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().map(|Kept(peeked)| peeked).collect())
    }
}

impl Topic {
    /// Where this message is.
    pub(crate) fn trace(&self, id: u64) -> MessageTrace {
        let high_watermark = self.high_watermark.id();
        let channels = self.names.iter().map(|&(_, number)| self.channel(number).trace(id, high_watermark));
        MessageTrace {
            published: (1..self.messages.end().id).contains(&id),
            durable: id < self.durable_end().id,
            handed_over: id < high_watermark,
            void: self.end_of_tombstone(id).is_some(),
            topic_paused: self.paused,
            channels: channels.collect(),
        }
    }

    /// The name of the channel with this number.
    pub(crate) fn channel_name(&self, number: ChannelId) -> Option<&str> {
        self.channels.get(number).map(|channel| channel.name().as_str())
    }

    /// Messages of a channel in a state, or those that the topic keeps, beside those that were found before; and the id of
    /// the next, where there is no room for it in the answer.
    pub(crate) fn peek(
        &self,
        channel: Option<ChannelId>,
        peek: &Peek<'_>,
        now: Time,
        progress: &mut PeekProgress,
    ) -> Result<Option<u64>, NotCached> {
        let from = match (progress.from, channel) {
            (Some(from), _) => from,
            (None, Some(_)) => peek.from,
            // Found out once: while the command waits for a read, what is retained moves on.
            (None, None) => peek.from.max(self.earliest(now)?),
        };
        let mut add = adding(&mut progress.found, peek);
        // What cannot be read any more is not looked for again, either.
        let at = Cell::new(from);
        let show = |id: u64, chunk: Option<u64>| {
            at.set(id);
            self.show(id, chunk)
        };
        let next = match channel {
            Some(number) => self.channel(number).peek(peek.state, from, self.high_watermark.id(), &show, &mut add),
            None => self.rewritten(from, &|id| show(id, None), &mut add),
        };
        // The last that was asked for: it goes on with the one that has to be read first.
        progress.from = Some(at.get());
        next
    }

    /// Peeks without waiting for anything: of messages that are not in memory, it shows only that they are there.
    pub(crate) fn look(&self, channel: Option<ChannelId>, peek: &Peek<'_>, now: Time) -> (Vec<Peeked>, Option<u64>) {
        let from = peek.from;
        let show = |id: u64, chunk: Option<u64>| {
            let absent = Peeked { id, absent: true, ..Peeked::default() };
            self.show(id, chunk).or(Ok(Some(absent)))
        };
        let mut peeked = Vec::new();
        let mut add = adding(&mut peeked, peek);
        // What is not here is shown as that: nothing is waited for.
        let next = self.messages.unseen(|| {
            if let Some(number) = channel {
                return self.channel(number).peek(peek.state, from, self.high_watermark.id(), &show, &mut add);
            }
            // Where it cannot be found out without a read what is retained, it begins with what nobody has let go of.
            let from = self.messages.whole_from(from.max(self.earliest(now).unwrap_or_default()));
            self.rewritten(from, &|id| show(id, None), &mut add)
        });
        debug_assert!(next.is_ok(), "nothing is waited for");
        drop(add);
        (peeked, next.unwrap_or_default())
    }

    fn show(&self, id: u64, chunk: Option<u64>) -> Result<Option<Peeked>, NotCached> {
        match chunk.map_or_else(|| self.messages.get(id), |chunk| self.messages.find(id, chunk)) {
            Found::Record(record) => Ok(Some(Peeked::of(id, &record))),
            Found::NotCached(chunk) => Err(NotCached(chunk)),
            Found::Unreadable => Ok(None),
        }
    }

    fn rewritten(
        &self,
        from: u64,
        show: &dyn Fn(u64) -> Result<Option<Peeked>, NotCached>,
        add: &mut dyn FnMut(Peeked) -> Result<(), u64>,
    ) -> Result<Option<u64>, NotCached> {
        let mut id = from;
        while id < self.messages.end().id {
            if let Some(end) = self.end_of_tombstone(id) {
                id = end;
                continue;
            }
            // Nothing stands there: a whole chunk may be missing, which is passed in one step.
            let Some(found) = show(id)? else {
                id = self.messages.next_id(id);
                continue;
            };
            if let Err(next) = add(found) {
                return Ok(Some(next));
            }
            id += 1;
        }
        Ok(None)
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
            memory_bytes: (self.messages.memory()
                + self.channels.iter().map(|(_, channel)| channel.memory()).sum::<usize>())
                as u64,
            disk_bytes: self.disk_bytes(),
            options: self.options.clone(),
            channels: channels.map(|channel| channel.stats(filter, self.high_watermark.id(), now, limits)).collect(),
        }
    }
}

/// Adds what is found to an answer while there is room in it, and at least one; else says which has none.
fn adding(found: &mut Vec<Peeked>, peek: &Peek<'_>) -> impl FnMut(Peeked) -> Result<(), u64> {
    let (max, max_bytes) = (peek.max as usize, peek.max_bytes);
    let mut bytes = found.iter().map(Peeked::bytes).sum::<usize>();
    move |shown| {
        bytes = bytes.saturating_add(shown.bytes());
        // One at least, however large, or whoever asks for the next page would never come past it.
        if found.is_empty() || (bytes <= max_bytes && found.len() < max) {
            found.push(shown);
            Ok(())
        } else {
            Err(shown.id)
        }
    }
}

impl Peeked {
    /// About how many bytes it takes in an answer and in memory.
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
        128 + encoded_bytes(&self.body) + headers + self.key.as_ref().map_or(0, String::len)
    }

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
