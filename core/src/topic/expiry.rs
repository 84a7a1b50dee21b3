//! What a topic lets go of as time passes: messages past their time to live, dedup keys past their window,
//! and retained messages past their age.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use core::time::Duration;

use super::Topic;
use crate::channel::Env;
use crate::config::Limits;
use crate::time::Time;

impl Topic {
    /// When [`Topic::handle_timeout`] is to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let expiry = self.expiries.peek().map(|Reverse((at, _))| *at);
        expiry.into_iter().chain(self.dedup.next()).chain(self.next_release()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, limits: &Limits) {
        while let Some(&Reverse((at, id))) = self.expiries.peek()
            && at <= now
        {
            self.expiries.pop();
            self.expire(id, now, limits);
        }
        self.dedup.forget(now);
        self.update_retention(now);
    }

    fn expire(&mut self, id: u64, now: Time, limits: &Limits) {
        let Some(size) = self.log.get(id).map(|record| record.body.len() as u64) else { return };
        if self.voids.end_of(id).is_some() {
            return;
        }
        self.voids.insert(id, id + 1, 0);
        if id >= self.flow.id() {
            self.backlog_voids.insert(id, id + 1, size);
            return self.pass_voids();
        }
        let flow = self.flow.id();
        for (_, channel) in &mut self.channels {
            channel.expire(id, size, &mut Env { flow, log: &mut self.log, now, limits });
        }
    }

    /// Moves on past what is not to be handed over, where there is no channel that has to be told.
    fn pass_voids(&mut self) {
        while self.names.is_empty()
            && let Some(end) = self.backlog_voids.starting_at(self.flow.id())
        {
            self.pass_void(end);
        }
    }

    /// Moves on past the range of voids that begins at the first message not handed over.
    pub(super) fn pass_void(&mut self, end: u64) {
        self.backlog_voids.pass_first(self.log.bytes_between(self.flow.id(), end));
        self.log.advance(&mut self.flow, end);
    }

    /// Remembers when a new message expires. Messages that are gone before they expire are forgotten in time.
    pub(super) fn expires(&mut self, at: Time, id: u64) {
        self.expiries.push(Reverse((at, id)));
        let kept = (self.log.next_id() - self.log.first_id()) as usize;
        if self.expiries.len() > 2 * kept + 64 {
            let first = self.log.first_id();
            let there = |entry: &Reverse<(Time, u64)>| entry.0.1 >= first || self.log.get(entry.0.1).is_some();
            self.expiries = self.expiries.drain().filter(there).collect::<BinaryHeap<_>>();
        }
    }

    pub(super) fn retains(&self) -> bool {
        !self.options.retain.is_zero() || self.options.retain_bytes > 0
    }

    /// The first message that is kept for replay; past all where none is.
    pub(super) fn retained_from(&self, now: Time) -> u64 {
        if !self.retains() {
            return u64::MAX;
        }
        let by_age = match self.options.retain {
            age if age.is_zero() => 0,
            age => self.log.find_time(now - age),
        };
        let by_bytes = match self.options.retain_bytes {
            0 => 0,
            bytes => self.log.find_last_bytes(bytes),
        };
        by_age.max(by_bytes)
    }

    pub(super) fn update_retention(&mut self, now: Time) {
        let keep = self.retained_from(now);
        self.log.set_keep(keep);
        self.voids.forget_before(self.log.first_id());
    }

    /// When the oldest chunk of retained messages is too old to be kept: a moment after its last message is.
    fn next_release(&self) -> Option<Time> {
        let age = self.options.retain;
        let last_at = self.log.first_kept_at().filter(|_| !age.is_zero())?;
        Some(last_at + age + Duration::from_nanos(1))
    }
}
