//! A topic's limits: how long the backlog of each of its channels may get, or its own while it has none.

use super::{Scene, Topic};
use crate::channel::{Channel, Env};
use crate::command::{Overflow, Refusal};
use crate::config::Limits;
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
    Amount { messages: channel.backlog(env.flow), bytes: channel.backlog_bytes(env) }
}

/// What is never dropped to make room.
fn busy(channel: &Channel, env: &Env<'_>) -> Amount {
    Amount { messages: channel.backlog(env.flow) - channel.depth(env.flow), bytes: channel.busy_bytes() }
}

impl Topic {
    /// Makes sure that so many messages with so many bytes keep within the topic's limits, dropping the oldest
    /// where the topic is to do that. Where it refuses, nothing is dropped.
    pub(super) fn admit(&mut self, messages: u64, bytes: u64, now: Time, limits: &Limits) -> Result<(), Refusal> {
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
                return Err(Refusal::TopicFull);
            }
        }
        for &number in &numbers {
            let Scene { channel, mut env } = self.scene(number, now, limits);
            while !backlog(channel, &env).and(kept_back).fits(room) && channel.drop_oldest(&mut env) {}
        }
        Ok(())
    }

    /// What the topic has not handed over.
    fn kept_back(&self) -> Amount {
        let bytes = self.log.bytes_between(self.flow.id(), self.log.next_id());
        Amount { messages: self.depth(), bytes: bytes - self.backlog_voids.bytes() }
    }

    /// Drops the oldest of the topic's own backlog.
    fn make_room(&mut self, room: Amount) -> Result<(), Refusal> {
        if self.options.overflow == Overflow::Reject && !self.kept_back().fits(room) {
            return Err(Refusal::TopicFull);
        }
        while !self.kept_back().fits(room) {
            let oldest = self.flow.id();
            if let Some(end) = self.backlog_voids.starting_at(oldest) {
                self.pass_void(end);
            } else {
                self.voids.insert(oldest, oldest + 1, 0);
                self.log.step(&mut self.flow);
            }
        }
        if self.deferred.len() as u64 > 2 * self.depth() + 64 {
            let first = self.flow.id();
            self.deferred.retain(|id| *id >= first);
        }
        Ok(())
    }
}

/// What a limit leaves for the backlog beside so much that is new.
fn left(limit: u64, new: u64) -> Result<u64, Refusal> {
    if limit == 0 { Ok(u64::MAX) } else { limit.checked_sub(new).ok_or(Refusal::TopicFull) }
}
