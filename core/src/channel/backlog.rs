//! What a channel has not read: what of it is passed over, dropped, expired, or deferred.

use alloc::vec::Vec;

use super::{Channel, Dead, Env, Spot};
use crate::log::event::{Event, Mark};
use crate::log::image::Gap;
use crate::message::Facts;
use crate::messages::{Absent, Found, Messages};
use crate::time::Time;

impl Channel {
    /// These messages are not for this channel, which has not come there: it passes over them.
    pub(crate) fn skip(&mut self, gap: Gap) {
        self.gaps.insert(gap.from, gap.to, gap.bytes);
    }

    /// Where the cursor is is written down now; answers where it was when it was before.
    pub(crate) fn tell(&mut self) -> u64 {
        core::mem::replace(&mut self.told, self.cursor.id())
    }

    /// The reader moves into the chunk that has its message.
    pub(crate) fn catch_up(&mut self, messages: &mut Messages) {
        messages.catch_up(&mut self.cursor);
    }

    /// Messages that were never handed to the channels do not count as received.
    pub(crate) fn never_received(&mut self, messages: u64) {
        self.since += messages;
    }

    /// An ephemeral channel lets new messages, from this one on, go by, the newest first, where it is too deep.
    pub(crate) fn drop_excess(&mut self, from: u64, env: &mut Env<'_>) {
        let mut excess = self.depth(env.flow.id).saturating_sub(env.limits.mem_queue_size);
        let mut id = env.flow.id;
        while excess > 0 && id > from.max(self.cursor.id()) {
            id -= 1;
            if self.gaps.end_of(id).is_none() && !self.by_id.contains_key(&id) && !self.dead.contains_key(&id) {
                let bytes = match env.messages.get(id) {
                    Found::Record(record) => record.body.len() as u64,
                    _ => 0,
                };
                self.skip(Gap { from: id, to: id + 1, bytes });
                self.counts.dropped += 1;
                excess -= 1;
            }
        }
    }

    /// Drops the oldest messages that wait for a consumer until there is room, or none waits.
    pub(crate) fn drop_oldest(
        &mut self,
        env: &mut Env<'_>,
        has_room: impl Fn(&Channel, &Env<'_>) -> bool,
    ) -> Result<(), Absent> {
        let before = self.counts.dropped;
        let (mut ids, mut absent) = (Vec::new(), None);
        while absent.is_none() && !has_room(self, env) {
            while self.pass_gap(env) {}
            self.catch_up(env.messages);
            let fresh = (self.cursor.id() < env.flow.id).then_some(self.cursor.id());
            let Some(oldest) = self.waiting.first().into_iter().chain(fresh).min() else { break };
            if fresh == Some(oldest) {
                match env.messages.find(oldest, self.cursor.chunk()) {
                    Found::Absent(chunk) => {
                        absent = Some(Absent(chunk));
                        continue;
                    }
                    Found::Record(record) => {
                        let size = record.body.len() as u32;
                        // Whoever replays the log does not know that its time had come before it was handed over.
                        ids.extend(record.due.map(|_| oldest));
                        env.messages.step(&mut self.cursor, size);
                    }
                    Found::Gone => env.messages.step(&mut self.cursor, 0),
                }
            } else {
                self.remove_waiting(oldest, env);
                ids.push(oldest);
            }
            self.counts.dropped += 1;
        }
        let (cursor, count) = (self.cursor.mark(), self.counts.dropped - before);
        if count > 0 {
            let (ids, from) = (ids.into_iter().collect(), self.tell());
            env.journal(|channel| Event::Dropped { channel, from, cursor, ids, count });
        }
        absent.map_or(Ok(()), Err)
    }

    /// A message's time to live has run out. In flight, it may still be finished.
    pub(crate) fn expire(&mut self, id: u64, size: u32, env: &mut Env<'_>) {
        match self.by_id.get(&id).map(|&slot| (slot, self.entries[slot as usize].spot)) {
            Some((_, Spot::InFlight(_))) => return,
            Some((slot, _)) => self.remove(slot, env),
            None if self.waiting.contains(id) => self.remove_waiting(id, env),
            None if self.dead.contains_key(&id) => return,
            None if id >= self.cursor.id() && id < env.flow.id && self.gaps.end_of(id).is_none() => {
                self.skip(Gap { from: id, to: id + 1, bytes: size.into() });
                // Without consumers nobody else would let go of the memory.
                while self.pass_gap(env) {}
            }
            None => return,
        }
        self.counts.expired += 1;
    }

    /// A message that must wait for its time departs from the order before the cursor comes there.
    pub(crate) fn defer_ahead(&mut self, facts: &Facts, env: &mut Env<'_>) {
        let Some(due) = facts.due.map(Time::from_nanos).filter(|due| *due > env.now) else { return };
        if let Some(key) = self.queue_of(facts.key) {
            self.join_key(key, facts.id);
        }
        let slot = self.depart(facts, env);
        self.defer(slot, due);
    }

    /// Moves the cursor past one gap, entry or dead letter, where it stands before one.
    pub(super) fn pass_gap(&mut self, env: &mut Env<'_>) -> bool {
        let Mark { id, bytes: before } = self.cursor.mark();
        if id >= env.flow.id {
            return false;
        }
        if let Some((end, bytes)) = self.gaps.pass(id) {
            env.messages.advance(&mut self.cursor, Mark { id: end, bytes: before + bytes });
            return true;
        }
        if self.ahead > 0
            && let Some(&slot) = self.by_id.get(&id)
        {
            let size = self.entries[slot as usize].size;
            self.ahead -= 1;
            self.departed_bytes += u64::from(size);
            env.messages.step(&mut self.cursor, size);
            return true;
        }
        if self.dead_ahead > 0
            && let Some(&Dead { size, .. }) = self.dead.get(&id)
        {
            self.dead_ahead -= 1;
            self.dead_ahead_bytes -= u64::from(size);
            env.messages.step(&mut self.cursor, size);
            return true;
        }
        false
    }
}
