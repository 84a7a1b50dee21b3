//! Messages that a channel goes without: dropped to make room.

use super::{Channel, ChannelCx};
use crate::log::event::{Event, Ids, Position};
use crate::messages::{Found, NotCached};

impl Channel {
    /// An ephemeral channel lets new messages, from this one on, go by, the newest first, where it is too deep. All
    /// that waits counts, be it deferred or not; only what was never delivered is dropped.
    pub(crate) fn drop_excess(&mut self, from: u64, cx: &mut ChannelCx<'_>) {
        // Deferred ones count, or a publisher could keep any number here.
        let deep = self.depth(cx.high_watermark.id) + u64::from(self.departed.deferred());
        let mut excess = deep.saturating_sub(cx.limits.mem_queue_size);
        let mut id = cx.high_watermark.id;
        while excess > 0 && id > from.max(self.backlog.id()) {
            id -= 1;
            // Over the whole gap at once: a long one costs no more.
            if let Some(start) = self.backlog.start_of_gap(id) {
                id = start;
                continue;
            }
            // What was delivered before is not new: it comes back however full the channel is.
            let is_new = |slot| !self.departed.get(slot).client_has_it() && self.departed.get(slot).attempts == 0;
            if self.backlog.is_ahead(id) && self.departed.find(id).is_none_or(is_new) {
                self.dropped(Ids::one(id), self.backlog.position(), cx);
                excess -= 1;
            }
        }
    }

    /// The cursor comes past what follows it and is to be passed over.
    pub(crate) fn pass_gaps(&mut self, cx: &mut ChannelCx<'_>) {
        let fresh = self.backlog.fresh(&self.departed, cx.high_watermark.id, u32::MAX);
        if fresh.passed > 0 {
            self.happen(&Event::Advanced { channel: cx.number.number(), cursor: fresh.at }, cx);
        }
    }

    /// The cursor comes past what cannot be read any more.
    pub(super) fn pass_unreadable(&mut self, cx: &mut ChannelCx<'_>) {
        // No further than what was handed over: the rest is not the channel's yet.
        let cursor = cx.messages.after_unreadable(self.backlog.position(), self.backlog.chunk()).min(cx.high_watermark);
        self.happen(&Event::Advanced { channel: cx.number.number(), cursor }, cx);
    }

    fn dropped(&mut self, ids: Ids, cursor: Position, cx: &mut ChannelCx<'_>) {
        let (channel, from) = (cx.number.number(), self.logged_cursor);
        self.happen(&Event::Dropped { channel, from, cursor, ids, count: 1 }, cx);
        self.logged_cursor = cursor.id;
    }

    /// Drops the oldest messages that wait for a consumer until there is room, or none waits.
    pub(crate) fn drop_oldest(
        &mut self,
        cx: &mut ChannelCx<'_>,
        has_room: impl Fn(&Channel, &ChannelCx<'_>) -> bool,
    ) -> Result<(), NotCached> {
        while !has_room(self, cx) {
            // So that the cursor stands at a message that nobody has, or at the end.
            self.pass_gaps(cx);
            self.backlog.catch_up(cx.messages);
            let mut cursor = self.backlog.position();
            let fresh = (cursor.id < cx.high_watermark.id).then_some(cursor.id);
            let waiting = self.departed.waiting_from(0).next();
            // What fell due ahead of the cursor waits as well, so either may be the older one.
            let Some(oldest) = waiting.into_iter().chain(fresh).min() else { break };
            // An entry's size is known, so its record need not be in memory.
            if fresh != Some(oldest) {
                self.dropped(Ids::one(oldest), cursor, cx);
                continue;
            }
            let (size, was_deferred) = match cx.messages.find(oldest, self.backlog.chunk()) {
                // What was dropped stays dropped, and the command that needs the room goes on there.
                Found::NotCached(chunk) => return Err(NotCached(chunk)),
                Found::Record(record) => (record.body.len() as u64, record.due.is_some()),
                Found::Unreadable => {
                    self.pass_unreadable(cx);
                    continue;
                }
            };
            (cursor.id, cursor.bytes) = (cursor.id + 1, cursor.bytes + size);
            // Whoever replays the log does not know that its time had come before it was handed over.
            let ids = if was_deferred { Ids::one(oldest) } else { Ids::default() };
            self.dropped(ids, cursor, cx);
        }
        Ok(())
    }

    /// A message's time to live has run out. In flight, it may still be finished.
    pub(crate) fn expires(&mut self, id: u64, size: u32, cx: &mut ChannelCx<'_>) {
        // Before the event, after which it is in a gap.
        let is_fresh = self.departed.find(id).is_none() && self.backlog.is_ahead(id);
        self.happen(&Event::Expired { channel: cx.number.number(), id, size }, cx);
        if is_fresh {
            // Without consumers nobody else would let go of the memory.
            self.pass_gaps(cx);
        }
    }
}
