//! A topic's limits: how long the backlog of each of its channels may get, or its own while it has none.

use alloc::vec::Vec;

use super::{Blocked, Topic};
use crate::channel::{Channel, ChannelCx};
use crate::command::{Overflow, Refusal};
use crate::config::Limits;
use crate::log::event::{Event, Position};
use crate::messages::{Found, NotCached};
use crate::time::Time;

/// Messages, and the bytes of their bodies.
#[derive(Clone, Copy)]
struct Amount {
    messages: u64,
    bytes: u64,
}

/// What of a channel counts.
type Measure = fn(&Channel, &ChannelCx<'_>) -> Amount;

impl Amount {
    const NONE: Amount = Amount { messages: 0, bytes: 0 };

    fn and(self, other: Amount) -> Amount {
        Amount { messages: self.messages.saturating_add(other.messages), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn fits(self, room: Amount) -> bool {
        self.messages <= room.messages && self.bytes <= room.bytes
    }
}

fn backlog(channel: &Channel, cx: &ChannelCx<'_>) -> Amount {
    Amount { messages: channel.backlog(cx.high_watermark.id), bytes: channel.backlog_bytes(cx.high_watermark) }
}

/// What is never dropped to make room.
fn busy(channel: &Channel, cx: &ChannelCx<'_>) -> Amount {
    Amount {
        messages: channel.backlog(cx.high_watermark.id) - channel.depth(cx.high_watermark.id),
        bytes: channel.busy_bytes(),
    }
}

impl Topic {
    /// Makes sure that so many messages with so many bytes keep within the topic's limits, dropping the oldest
    /// where the topic is to do that. Where it refuses, nothing is dropped.
    pub(super) fn admit(&mut self, messages: u64, bytes: u64, now: Time, limits: &Limits) -> Result<(), Blocked> {
        let options = &self.options;
        if messages == 0 || (options.max_messages == 0 && options.max_bytes == 0) {
            return Ok(());
        }
        let room = Amount { messages: left(options.max_messages, messages)?, bytes: left(options.max_bytes, bytes)? };
        let (rejects, kept_back) = (options.overflow == Overflow::Reject, self.kept_back());
        // Of what is in flight or deferred, nothing is dropped; where the topic is to drop nothing, of the rest neither.
        let (undroppable, beside) =
            if rejects { (backlog as Measure, kept_back) } else { (busy as Measure, Amount::NONE) };
        let numbers = self.channel_numbers();
        // All channels before anything is dropped in one: if the publish is refused, nothing was done.
        let mut all = numbers.iter().map(|number| {
            let (channel, cx) = self.unmarked_channel_cx(*number, now, limits);
            undroppable(channel, &cx)
        });
        if !all.all(|amount| amount.and(beside).fits(room)) || (numbers.is_empty() && !beside.fits(room)) {
            return Err(Refusal::TopicFull.into());
        }
        if rejects {
            return Ok(());
        }
        for &number in &numbers {
            let (channel, mut cx) = self.channel_cx(number, now, limits);
            // Where something has to be read, what was dropped so far stays dropped: there is less to do the next time.
            channel.drop_oldest(&mut cx, |channel, cx| backlog(channel, cx).and(kept_back).fits(room))?;
        }
        self.drop_kept_back(room, now, limits)
    }

    /// What the topic has not handed over.
    fn kept_back(&self) -> Amount {
        // Only of ids it is sure that they agree, where a log has other bytes than it says.
        let bytes = self.messages.end().bytes.saturating_sub(self.high_watermark.position().bytes);
        Amount { messages: self.depth(), bytes: bytes.saturating_sub(self.backlog_tombstones.bytes()) }
    }

    /// Drops the oldest of what was not handed over until there is room in each channel, with what that has.
    fn drop_kept_back(&mut self, room: Amount, now: Time, limits: &Limits) -> Result<(), Blocked> {
        let mut amounts: Vec<Amount> = Vec::new();
        for number in self.channel_numbers() {
            let (channel, cx) = self.unmarked_channel_cx(number, now, limits);
            amounts.push(backlog(channel, &cx));
        }
        if amounts.is_empty() {
            // Without a channel, the limits are for what the topic keeps.
            amounts.push(Amount::NONE);
        }
        let from = self.high_watermark.position();
        let (to, done) = self.find_room(|left| amounts.iter().all(|amount| amount.and(left).fits(room)));
        // Also where not all was found out: it will have to go anyway.
        if to.id > from.id {
            self.happen(&Event::Tombstoned { from, to }, now, limits);
        }
        Ok(done?)
    }

    /// Up to where what was not handed over is to go for the rest to fit; or as far as is known of it.
    fn find_room(&self, fits: impl Fn(Amount) -> bool) -> (Position, Result<(), NotCached>) {
        let (mut to, mut left) = (self.high_watermark.position(), self.kept_back());
        while !fits(left) && to.id < self.messages.end().id {
            // They are not among what is left: nothing is taken off for them.
            if let Some(end) = self.backlog_tombstones.end_of(to.id) {
                let bytes = self.backlog_tombstones.after(to.id).next().map_or(0, |gap| gap.bytes);
                to = Position { id: end, bytes: to.bytes.saturating_add(bytes) };
                continue;
            }
            let size = match self.messages.get(to.id) {
                Found::Record(record) => record.body.len() as u64,
                Found::NotCached(chunk) => return (to, Err(NotCached(chunk))),
                Found::Unreadable => 0,
            };
            (to.id, to.bytes) = (to.id + 1, to.bytes + size);
            left = Amount { messages: left.messages.saturating_sub(1), bytes: left.bytes.saturating_sub(size) };
        }
        (to, Ok(()))
    }
}

/// What a limit leaves for the backlog beside so much that is new.
fn left(limit: u64, new: u64) -> Result<u64, Refusal> {
    if limit == 0 { Ok(u64::MAX) } else { limit.checked_sub(new).ok_or(Refusal::TopicFull) }
}
