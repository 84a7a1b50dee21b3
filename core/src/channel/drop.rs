//! Messages that a channel goes without: dropped to make room.

use super::{Channel, Env};
use crate::log::event::{Event, Ids, Mark};
use crate::messages::{Absent, Found};

impl Channel {
    /// An ephemeral channel lets new messages, from this one on, go by, the newest first, where it is too deep. What it
    /// has yet to deliver for the first time counts, be it deferred or not.
    pub(crate) fn drop_excess(&mut self, from: u64, env: &mut Env<'_>) {
        let deep = self.depth(env.flow.id) + u64::from(self.departed.deferred());
        let mut excess = deep.saturating_sub(env.limits.mem_queue_size);
        let mut id = env.flow.id;
        while excess > 0 && id > from.max(self.backlog.id()) {
            id -= 1;
            if let Some(start) = self.backlog.start_of_gap(id) {
                id = start;
                continue;
            }
            let is_new = |slot| !self.departed.get(slot).client_has_it() && self.departed.get(slot).attempts == 0;
            if self.backlog.is_ahead(id) && self.departed.find(id).is_none_or(is_new) {
                self.dropped(Ids::one(id), self.backlog.mark(), env);
                excess -= 1;
            }
        }
    }

    /// The cursor comes past what follows it and is to be passed over.
    pub(crate) fn pass_gaps(&mut self, env: &mut Env<'_>) {
        let fresh = self.backlog.fresh(&self.departed, env.flow.id, u32::MAX);
        if fresh.passed > 0 {
            self.happen(&Event::Advanced { channel: env.number.number(), cursor: fresh.at }, env);
        }
    }

    /// The cursor comes past what cannot be read any more.
    pub(super) fn pass_unreadable(&mut self, env: &mut Env<'_>) {
        let cursor = env.messages.after_unreadable(self.backlog.mark(), self.backlog.chunk()).min(env.flow);
        self.happen(&Event::Advanced { channel: env.number.number(), cursor }, env);
    }

    fn dropped(&mut self, ids: Ids, cursor: Mark, env: &mut Env<'_>) {
        let (channel, from) = (env.number.number(), self.told);
        self.happen(&Event::Dropped { channel, from, cursor, ids, count: 1 }, env);
        self.told = cursor.id;
    }

    /// Drops the oldest messages that wait for a consumer until there is room, or none waits.
    pub(crate) fn drop_oldest(
        &mut self,
        env: &mut Env<'_>,
        has_room: impl Fn(&Channel, &Env<'_>) -> bool,
    ) -> Result<(), Absent> {
        while !has_room(self, env) {
            self.pass_gaps(env);
            self.backlog.catch_up(env.messages);
            let mut cursor = self.backlog.mark();
            let fresh = (cursor.id < env.flow.id).then_some(cursor.id);
            let waiting = self.departed.waiting_from(0).next();
            let Some(oldest) = waiting.into_iter().chain(fresh).min() else { break };
            if fresh != Some(oldest) {
                self.dropped(Ids::one(oldest), cursor, env);
                continue;
            }
            let (size, was_deferred) = match env.messages.find(oldest, self.backlog.chunk()) {
                Found::Absent(chunk) => return Err(Absent(chunk)),
                Found::Record(record) => (record.body.len() as u64, record.due.is_some()),
                Found::Gone => {
                    self.pass_unreadable(env);
                    continue;
                }
            };
            (cursor.id, cursor.bytes) = (cursor.id + 1, cursor.bytes + size);
            // Whoever replays the log does not know that its time had come before it was handed over.
            let ids = if was_deferred { Ids::one(oldest) } else { Ids::default() };
            self.dropped(ids, cursor, env);
        }
        Ok(())
    }

    /// A message's time to live has run out. In flight, it may still be finished.
    pub(crate) fn expires(&mut self, id: u64, size: u32, env: &mut Env<'_>) {
        let is_fresh = self.departed.find(id).is_none() && self.backlog.is_ahead(id);
        self.happen(&Event::Expired { channel: env.number.number(), id, size }, env);
        if is_fresh {
            // Without consumers nobody else would let go of the memory.
            self.pass_gaps(env);
        }
    }
}
