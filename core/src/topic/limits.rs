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
            return self.make_room(room);
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
    fn make_room(&mut self, room: Amount) -> Result<(), Halt> {
        if self.options.overflow == Overflow::Reject && !self.kept_back().fits(room) {
            return Err(Refusal::TopicFull.into());
        }
        let from = self.flow.mark();
        let dropped = self.drop_backlog(room);
        if self.flow.id() > from.id {
            let to = self.flow.mark();
            self.journal(|| Event::Voided { from, to });
            self.forget_backlog_before(to.id);
        }
        Ok(dropped?)
    }

    fn drop_backlog(&mut self, room: Amount) -> Result<(), Absent> {
        while !self.kept_back().fits(room) {
            self.messages.catch_up(&mut self.flow);
            let oldest = self.flow.mark();
            if let Some((end, bytes)) = self.backlog_voids.pass(oldest.id) {
                self.voids.insert(oldest.id, end, bytes);
                self.messages.advance(&mut self.flow, Mark { id: end, bytes: oldest.bytes + bytes });
                continue;
            }
            let size = match self.messages.find(oldest.id, self.flow.chunk()) {
                Found::Record(record) => record.body.len() as u32,
                Found::Absent(chunk) => return Err(Absent(chunk)),
                Found::Gone => 0,
            };
            self.voids.insert(oldest.id, oldest.id + 1, size.into());
            self.messages.step(&mut self.flow, size);
        }
        Ok(())
    }
}

/// What a limit leaves for the backlog beside so much that is new.
fn left(limit: u64, new: u64) -> Result<u64, Refusal> {
    if limit == 0 { Ok(u64::MAX) } else { limit.checked_sub(new).ok_or(Refusal::TopicFull) }
}
