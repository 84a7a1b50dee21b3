//! A topic's limits: how long the backlog of each of its channels may get, or its own while it has none.

use super::{Halt, Scene, Topic};
use crate::channel::{Channel, Env};
use crate::command::{Overflow, Refusal};
use crate::config::Limits;
use crate::log::event::{Event, Mark};
use crate::messages::{Absent, Found};
use crate::time::Time;

/// Messages, and the bytes of their bodies.
#[derive(Clone, Copy)]
struct Amount {
    messages: u64,
    bytes: u64,
}

impl Amount {
    fn and(self, other: Amount) -> Amount {
        Amount { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }

    fn fits(self, room: Amount) -> bool {
        self.messages <= room.messages && self.bytes <= room.bytes
    }
}

fn backlog(channel: &Channel, env: &Env<'_>) -> Amount {
    Amount { messages: channel.backlog(env.flow.id), bytes: channel.backlog_bytes(env.flow) }
}

/// What is never dropped to make room.
fn busy(channel: &Channel, env: &Env<'_>) -> Amount {
    Amount { messages: channel.backlog(env.flow.id) - channel.depth(env.flow.id), bytes: channel.busy_bytes() }
}

impl Topic {
    /// Makes sure that so many messages with so many bytes keep within the topic's limits, dropping the oldest
    /// where the topic is to do that. Where it refuses, nothing is dropped.
    pub(super) fn admit(&mut self, messages: u64, bytes: u64, now: Time, limits: &Limits) -> Result<(), Halt> {
        let options = &self.options;
        if messages == 0 || (options.max_messages == 0 && options.max_bytes == 0) {
            return Ok(());
        }
        let room = Amount { messages: left(options.max_messages, messages)?, bytes: left(options.max_bytes, bytes)? };
        if self.names.is_empty() {
            return self.make_room(room, now, limits);
        }
        let undroppable = if options.overflow == Overflow::Reject { backlog } else { busy };
        let kept_back = self.kept_back();
        let numbers = self.channel_numbers();
        for &number in &numbers {
            let Scene { channel, env } = self.scene(number, now, limits);
            if !undroppable(channel, &env).and(kept_back).fits(room) {
                return Err(Refusal::TopicFull.into());
            }
        }
        for &number in &numbers {
            let Scene { channel, mut env } = self.scene(number, now, limits);
            channel.drop_oldest(&mut env, |channel, env| backlog(channel, env).and(kept_back).fits(room))?;
        }
        Ok(())
    }

    /// What the topic has not handed over.
    fn kept_back(&self) -> Amount {
        let bytes = self.messages.end().bytes - self.flow.mark().bytes;
        Amount { messages: self.depth(), bytes: bytes - self.backlog_voids.bytes() }
    }

    /// Drops the oldest of the topic's own backlog.
    fn make_room(&mut self, room: Amount, now: Time, limits: &Limits) -> Result<(), Halt> {
        if self.options.overflow == Overflow::Reject && !self.kept_back().fits(room) {
            return Err(Refusal::TopicFull.into());
        }
        let from = self.flow.mark();
        let (to, done) = self.find_room(room);
        if to.id > from.id {
            self.happen(Event::Voided { from, to }, now, limits);
        }
        Ok(done?)
    }

    /// Up to where the topic's own backlog is to go for it to keep within this; or as far as is known of it.
    fn find_room(&self, room: Amount) -> (Mark, Result<(), Absent>) {
        let (mut to, mut left) = (self.flow.mark(), self.kept_back());
        while !left.fits(room) {
            if let Some(end) = self.backlog_voids.end_of(to.id) {
                let bytes = self.backlog_voids.after(to.id).next().map_or(0, |gap| gap.bytes);
                to = Mark { id: end, bytes: to.bytes + bytes };
                continue;
            }
            let size = match self.messages.get(to.id) {
                Found::Record(record) => record.body.len() as u64,
                Found::Absent(chunk) => return (to, Err(Absent(chunk))),
                Found::Gone => 0,
            };
            (to.id, to.bytes) = (to.id + 1, to.bytes + size);
            left = Amount { messages: left.messages - 1, bytes: left.bytes.saturating_sub(size) };
        }
        (to, Ok(()))
    }
}

/// What a limit leaves for the backlog beside so much that is new.
fn left(limit: u64, new: u64) -> Result<u64, Refusal> {
    if limit == 0 { Ok(u64::MAX) } else { limit.checked_sub(new).ok_or(Refusal::TopicFull) }
}
