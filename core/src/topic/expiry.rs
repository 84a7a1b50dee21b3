//! What a topic lets go of as time passes: messages past their time to live, dedup keys past their window,
//! and retained messages past their age.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use core::time::Duration;

use super::Topic;
use crate::config::Limits;
use crate::log::event::{Event, Position};
use crate::log::image::{Expiry, Gap};
use crate::messages::NotCached;
use crate::time::Time;

impl Topic {
    /// When [`Topic::handle_timeout`] is to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        if self.handing_over {
            return Some(Time::default());
        }
        let expiry = self.expiries.peek().map(|Reverse(expiry)| Time::from_nanos(expiry.at));
        expiry.into_iter().chain(self.dedup.next()).chain(self.next_release()).min()
    }

    /// Lets go of what is over by now, so many messages at most: what is left is still due. Answers how many there were.
    pub(crate) fn handle_timeout(&mut self, now: Time, limits: &Limits) -> u32 {
        let hands_over = self.handing_over;
        if hands_over {
            self.hand_over(now, limits);
        }
        // Each is a piece of work in every channel.
        let most = (limits.slice / (self.names.len() as u32).max(1)).max(1);
        let mut left = most;
        while let Some(&Reverse(expiry)) = self.expiries.peek()
            && expiry.at <= now.as_nanos()
            && left > 0
        {
            left -= 1;
            self.expiries.pop();
            if !self.postpone(expiry) {
                self.expire(expiry, now, limits);
            }
        }
        self.dedup.forget(now);
        self.update_retention(now);
        // To hand over takes as much time as one call may.
        if hands_over { limits.slice } else { most - left }
    }

    fn expire(&mut self, expiry: Expiry, now: Time, limits: &Limits) {
        // Nobody gets it anyway, or all are done with it.
        if self.end_of_tombstone(expiry.id).is_some() || !self.messages.has(expiry.id) {
            return;
        }
        self.happen(&Event::TimeToLiveOver(expiry), now, limits);
        self.pass_tombstones();
    }

    /// Where those end, from this id on, that no channel gets (again); `None` where this is not one of them.
    pub(super) fn end_of_tombstone(&self, id: u64) -> Option<u64> {
        self.tombstones.end_of(id).or_else(|| self.backlog_tombstones.end_of(id))
    }

    /// Moves on past what is not to be handed over, where there is no channel that has to be told.
    pub(super) fn pass_tombstones(&mut self) {
        while self.names.is_empty()
            && let Some((end, bytes)) = self.backlog_tombstones.pass(self.high_watermark.id())
        {
            let start = self.high_watermark.position();
            self.tombstones.cover(Gap { from: start.id, to: end, bytes });
            self.messages
                .advance(&mut self.high_watermark, Position { id: end, bytes: start.bytes.saturating_add(bytes) });
            // What was to be deferred when it is handed over expired before.
            let gone = self.deferred.partition_point(|meta| meta.id < end);
            self.deferred.drain(..gone);
        }
    }

    /// Remembers when a new message expires. Messages that are gone before they expire are forgotten in time.
    pub(super) fn expires(&mut self, expiry: Expiry) {
        self.expiries.push(Reverse(expiry));
        // Without this, a message with a year to live would leave its 24 bytes here for a year, though it was finished
        // at once. As often as there are twice as many as there can be of use, so that it costs each message little.
        let kept = self.messages.end().id.saturating_sub(self.messages.first_id());
        if self.expiries.len() as u64 / 2 > kept.saturating_add(32) {
            let messages = &self.messages;
            let there = |entry: &Reverse<Expiry>| messages.has(entry.0.id);
            self.expiries = self.expiries.drain().filter(there).collect::<BinaryHeap<_>>();
        }
    }

    pub(super) fn retains(&self) -> bool {
        !self.options.retain.is_zero() || self.options.retain_bytes > 0
    }

    /// The first message that is kept for replay; past all where none is.
    pub(super) fn retained_from(&self, now: Time) -> Result<u64, NotCached> {
        if !self.retains() {
            return Ok(u64::MAX);
        }
        let by_age = match self.options.retain {
            age if age.is_zero() => 0,
            age => self.messages.find_time(now - age)?,
        };
        let by_bytes = match self.options.retain_bytes {
            0 => 0,
            bytes => self.messages.find_last_bytes(bytes)?,
        };
        Ok(by_age.max(by_bytes))
    }

    /// The same, rounded down to the first message of its chunk, which is known without looking into the chunk: memory
    /// is freed by chunks.
    pub(super) fn retained_chunk(&self, now: Time) -> u64 {
        if !self.retains() {
            return u64::MAX;
        }
        let by_age = match self.options.retain {
            // Whatever the clock says is old by now: nothing is deleted that it may be wrong about.
            age if age.is_zero() || now < self.retention_held_until => 0,
            age => self.messages.find_chunk_by_time(now - age),
        };
        let by_bytes = match self.options.retain_bytes {
            0 => 0,
            bytes => self.messages.find_chunk_by_bytes(bytes),
        };
        by_age.max(by_bytes)
    }

    /// Until then, nothing is deleted for its age.
    pub(crate) fn hold_retention(&mut self, until: Time) {
        self.retention_held_until = until;
    }

    pub(super) fn update_retention(&mut self, now: Time) {
        let keep = self.retained_chunk(now);
        self.messages.set_keep(keep);
        // No channel can go back to before the first message.
        self.tombstones.forget_before(self.messages.first_id());
    }

    /// When the oldest chunk of retained messages is too old to be kept: a moment after its last message is.
    fn next_release(&self) -> Option<Time> {
        let age = self.options.retain;
        let last_at = self.messages.first_kept_at().filter(|_| !age.is_zero())?;
        // At that age, to the nanosecond, it is still retained.
        Some((last_at + age + Duration::from_nanos(1)).max(self.retention_held_until))
    }
}
