//! What each event does to a channel, alive and in a replay alike.
//!
//! Nothing here can fail, whatever the numbers are: a log may come from somebody else. Where a frame was lost before
//! an event, that does what makes no other message disappear: what a channel read in the part that is missing is due
//! again.

use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use super::departed::{Next, Slot};
use super::{Channel, ChannelCx};
use crate::command::ChannelOptions;
use crate::log::event::{Event, Ids, MessageMeta, Position};
use crate::log::image::{ChannelSettings, Gap};
use crate::messages::Found;
use crate::name::Name;
use crate::time::{Time, nanos};

/// How many messages are due again, at most, of which nothing is known but that a channel had read them. A channel that
/// read more reads again from where it was.
const DUE_AGAIN: u64 = 1 << 20;

impl Channel {
    /// Makes an event happen: the channel changes by it, and it is written down. Both in one call: what the journal has
    /// is taken between calls, so there is no crash after which the log tells of half of it.
    pub(super) fn happen(&mut self, event: &Event, cx: &mut ChannelCx<'_>) {
        self.apply(event, cx);
        cx.record(event);
    }

    /// The only function that changes what a channel is.
    pub(crate) fn apply(&mut self, event: &Event, cx: &mut ChannelCx<'_>) {
        match event {
            Event::ChannelConfigured(_, settings) => self.set_options(settings),
            Event::ChannelPaused(_, paused) => self.paused = *paused,
            Event::Leased { .. } => self.leased(event, cx),
            Event::Passed { at, from, cursor, departed, .. } => {
                self.read_on(*from, *cursor, cx);
                departed.iter().for_each(|meta| self.take_from_backlog(meta, *at, cx));
                self.backlog.catch_up(cx.messages);
            }
            Event::Touched { until, ids, .. } => {
                self.each(ids, |channel, slot| channel.departed.touch(slot, Time::from_nanos(*until)));
            }
            Event::Finished { ids, .. } => {
                self.counts.finished = self.counts.finished.saturating_add(ids.count());
                self.remove_all(ids, cx);
            }
            Event::Requeued { id, due, .. } => {
                self.counts.requeued = self.counts.requeued.saturating_add(1);
                let next = due.map_or(Next::Waiting, |due| Next::Deferred { until: Time::from_nanos(due) });
                self.set_state_of(*id, next);
            }
            Event::TimedOut { ids, .. } => {
                self.counts.timed_out = self.counts.timed_out.saturating_add(ids.count());
                // By its id, as a dead letter of which a log says that it timed out stays one.
                self.each(ids, |channel, slot| channel.set_state_of(channel.departed.get(slot).id, Next::Waiting));
            }
            Event::FellDue { id, .. } => self.set_state_of(*id, Next::Waiting),
            Event::Died { ids, timed_out, .. } => {
                let counts = &mut self.counts;
                let count = if *timed_out { &mut counts.timed_out } else { &mut counts.requeued };
                *count = count.saturating_add(ids.count());
                self.each(ids, |channel, slot| channel.departed.set_state(slot, Next::Dead));
            }
            Event::DeadGone { ids, .. } => self.remove_all(ids, cx),
            Event::Redriven { at, ids, .. } => {
                let at = Time::from_nanos(*at);
                // All slots first. One that has expired leaves its slot, which nobody takes in this loop.
                for slot in self.all_known(ids) {
                    self.redrive_one(slot, at, cx);
                }
            }
            Event::Dropped { from, cursor, ids, count, .. } => {
                self.read_on(*from, *cursor, cx);
                self.counts.dropped = self.counts.dropped.saturating_add(*count);
                self.remove_all(ids, cx);
                self.backlog.catch_up(cx.messages);
            }
            Event::Sought { to, gaps, .. } => {
                let messages = &mut *cx.messages;
                // Before the cursor moves, for the new place and its gaps are counted against what stays: the dead
                // letters.
                self.departed.clear(|entry| messages.unpin(entry.id, entry.chunk));
                self.backlog.seek(*to, gaps, &self.departed, messages);
            }
            Event::Lost { id, .. } => self.remove(*id, 0, cx),
            Event::Advanced { cursor, .. } => {
                self.backlog.advance(*cursor, &self.departed);
                self.backlog.catch_up(cx.messages);
            }
            Event::Expired { id, size, .. } => self.expire(*id, *size, cx),
            _ => {}
        }
    }

    fn leased(&mut self, event: &Event, cx: &mut ChannelCx<'_>) {
        let Event::Leased { at, until, delivery, from, cursor, departed, leased, .. } = event else { return };
        let lease = Next::InFlight { at: Time::from_nanos(*at), until: Time::from_nanos(*until) };
        self.read_on(*from, *cursor, cx);
        let mut delivery = *delivery;
        for meta in departed {
            if !leased.is_empty() {
                self.take_from_backlog(meta, *at, cx);
                continue;
            }
            // All that was read was leased.
            let chunk = cx.messages.pin_found(meta.id, self.backlog.chunk());
            if let Some(slot) = self.insert(meta, chunk, lease) {
                self.delivered(slot, delivery);
            } else {
                // In a replay it may be an entry already, with a pin of its own: one whose deferral was over when it
                // was handed over, or one that was read in a part of the log that is missing.
                cx.messages.unpin(meta.id, chunk);
                self.lease(meta.id, delivery, lease);
            }
            delivery = delivery.saturating_add(1);
        }
        self.backlog.catch_up(cx.messages);
        for &(first, count) in &leased.0 {
            for slot in self.known(first, count) {
                let id = self.departed.get(slot).id;
                // By its place in the row, so that what is not known does not give its number to another.
                self.lease(id, delivery.saturating_add(id - first), lease);
            }
            delivery = delivery.saturating_add(count);
        }
        // Also above those of messages that are not known here: a number is used once.
        self.next_delivery = self.next_delivery.max(delivery);
    }

    /// Whether the channel, when it comes there, passes over this message, or has come past it.
    pub(crate) fn passes_over(&self, id: u64) -> bool {
        !self.backlog.is_ahead(id)
    }

    /// Messages that the topic handed over, and that are not for this channel: expired, or dropped before.
    pub(crate) fn pass_over(&mut self, gap: Gap) {
        let from = gap.from.max(self.backlog.id());
        if from < gap.to {
            self.backlog.skip(Gap { from, ..gap });
            self.since = self.since.saturating_add(gap.to - from);
        }
    }

    /// Of what the topic handed over between these ids, what is before the cursor was not for this channel.
    pub(crate) fn not_received(&mut self, from: u64, to: u64) {
        self.since = self.since.saturating_add(self.backlog.id().min(to).saturating_sub(from));
    }

    /// A message that must wait for its time departs from the order when it is handed over, before the cursor comes there.
    pub(crate) fn defer(&mut self, meta: &MessageMeta, cx: &mut ChannelCx<'_>) {
        // What is before the cursor is not for this channel, or was read as it came. In a replay the time is zero, so
        // all that ever were deferred depart; those whose time has come fall due at the start.
        if let Some(due) = meta.due.map(Time::from_nanos).filter(|due| *due > cx.now)
            && meta.id >= self.backlog.id()
        {
            self.pin_and_insert(meta, Next::Deferred { until: due }, cx);
        }
    }

    /// What the topic had not handed over, whatever the log says so far, is delivered to nobody.
    pub(crate) fn tombstone(&mut self, gap: Gap, cx: &mut ChannelCx<'_>) {
        let from = gap.from.max(self.backlog.id());
        // In a replay, what the log has counts as handed over, and may be deferred here. What was delivered shows that
        // it had been handed over indeed.
        let nobody_had = |slot: &Slot| self.departed.get(*slot).attempts == 0;
        let slots: Vec<Slot> = self.departed.range(from..gap.to).map(|(_, slot)| slot).filter(nobody_had).collect();
        for slot in slots {
            let entry = self.departed.remove(slot);
            cx.messages.unpin(entry.id, entry.chunk);
        }
        if from < gap.to {
            // After the entries went: those that stay are in the gap now, and are not counted beside it.
            self.backlog.cover(Gap { from, ..gap }, &self.departed);
            self.since = self.since.saturating_add(gap.to - from);
        }
    }

    fn set_options(&mut self, settings: &ChannelSettings) {
        self.options = settings.into();
        self.departed.set_ordered(settings.ordered);
    }

    /// Puts a message, which is pinned in this chunk, among the entries, where it is none.
    fn insert(&mut self, meta: &MessageMeta, chunk: u64, next: Next) -> Option<Slot> {
        let slot = self.departed.insert(meta, chunk, next)?;
        self.backlog.departed(meta.id, meta.size);
        Some(slot)
    }

    /// The same for a message that nothing pins yet.
    pub(super) fn pin_and_insert(&mut self, meta: &MessageMeta, next: Next, cx: &mut ChannelCx<'_>) -> Option<Slot> {
        if self.departed.find(meta.id).is_some() {
            return None;
        }
        // Not pinned before it is known that it becomes an entry: nobody would unpin it.
        let chunk = cx.messages.pin_found(meta.id, self.backlog.chunk());
        self.insert(meta, chunk, next)
    }

    /// The cursor goes on, to catch up once what it came past is held. Of what the channel read before `from`, in a part
    /// of the log that is missing, nothing is known: it is due again, and where that would be too much, the channel reads
    /// it again.
    fn read_on(&mut self, from: u64, cursor: Position, cx: &mut ChannelCx<'_>) {
        // In a running broker nothing is missing: its cursor is not before `from`.
        let missed = self.missed(from.min(cursor.id));
        if !missed.is_empty()
            && let Some(due_again) = &mut cx.due_again
        {
            let count = missed.iter().fold(**due_again, |sum, ids| sum.saturating_add(ids.end - ids.start));
            if count > DUE_AGAIN {
                // The cursor stays, and all is delivered again. That costs no memory, whatever number a log names.
                return;
            }
            **due_again = count;
        }
        if cursor.id > self.backlog.id() {
            self.backlog.advance(cursor, &self.departed);
        }
        for id in missed.into_iter().flatten() {
            // Size, key and time to live are not known without the record, and nobody waits for that here.
            self.pin_and_insert(&MessageMeta { id, ..MessageMeta::default() }, Next::Waiting, cx);
        }
    }

    /// What stands between the cursor and this id, but for gaps.
    fn missed(&self, from: u64) -> Vec<Range<u64>> {
        let mut missed = Vec::new();
        let mut id = self.backlog.id();
        if id >= from {
            return missed;
        }
        // What it passes over it has not read: expired, dropped, or finished before its turn.
        for gap in self.backlog.gaps() {
            if gap.from.min(from) > id {
                missed.push(id..gap.from.min(from));
            }
            id = id.max(gap.to);
        }
        if id < from {
            missed.push(id..from);
        }
        missed
    }

    /// A message leaves the backlog, and waits: for its time, or for a consumer.
    fn take_from_backlog(&mut self, meta: &MessageMeta, at: u64, cx: &mut ChannelCx<'_>) {
        let chunk = cx.messages.pin_found(meta.id, self.backlog.chunk());
        let next = match meta.due {
            Some(due) if due > at => Next::Deferred { until: Time::from_nanos(due) },
            _ => Next::Waiting,
        };
        if self.insert(meta, chunk, next).is_none() {
            cx.messages.unpin(meta.id, chunk);
            if meta.due.is_none_or(|due| due <= at) {
                // It was deferred until it was read.
                self.set_state_of(meta.id, Next::Waiting);
            }
        }
    }

    /// An entry that is not dead is in this state from now on. A dead one stays dead: only [`Event::Redriven`] changes
    /// that.
    fn set_state_of(&mut self, id: u64, next: Next) {
        if let Some(slot) = self.find_alive(id) {
            self.departed.set_state(slot, next);
        }
    }

    fn find_alive(&self, id: u64) -> Option<Slot> {
        self.departed.find(id).filter(|slot| !self.departed.get(*slot).is_dead())
    }

    fn lease(&mut self, id: u64, delivery: u64, lease: Next) {
        if let Some(slot) = self.find_alive(id) {
            self.departed.set_state(slot, lease);
            self.delivered(slot, delivery);
        }
        // Even of a message that is not known here: the number was given to somebody.
        self.next_delivery = self.next_delivery.max(delivery.saturating_add(1));
    }

    fn delivered(&mut self, slot: Slot, delivery: u64) {
        let entry = self.departed.get_mut(slot);
        entry.attempts = entry.attempts.saturating_add(1);
        entry.delivery = delivery;
    }

    /// Of ids in a row, those of messages that the channel knows something of: however many a log names.
    fn known(&self, first: u64, count: u64) -> Vec<Slot> {
        self.departed.range(first..first.saturating_add(count)).map(|(_, slot)| slot).collect()
    }

    fn all_known(&self, ids: &Ids) -> Vec<Slot> {
        ids.0.iter().flat_map(|&(first, count)| self.known(first, count)).collect()
    }

    fn each(&mut self, ids: &Ids, mut change: impl FnMut(&mut Self, Slot)) {
        for &(first, count) in &ids.0 {
            // Most events name one message, which whoever decided has looked up.
            if count == 1 {
                if let Some(slot) = self.departed.find(first) {
                    change(self, slot);
                }
                continue;
            }
            for slot in self.known(first, count) {
                change(self, slot);
            }
        }
    }

    /// Messages are done with, wherever they were: what the channel has not read of them, it passes over.
    fn remove_all(&mut self, ids: &Ids, cx: &mut ChannelCx<'_>) {
        for &(first, count) in &ids.0 {
            let end = first.saturating_add(count);
            if count > 1 {
                for slot in self.known(first, count) {
                    self.remove_entry(slot, cx);
                }
            } else if let Some(slot) = self.departed.find(first) {
                self.remove_entry(slot, cx);
                // An entry before the cursor leaves nothing, and one ahead of it has left its gap.
                continue;
            }
            // What is known of the others is only that they were published.
            let (from, to) = (first.max(self.backlog.id()), end.min(cx.messages.end().id));
            if from < to {
                self.pass_over_unread(from, to, cx);
            }
        }
    }

    fn pass_over_unread(&mut self, from: u64, to: u64, cx: &mut ChannelCx<'_>) {
        // Where one was finished late or dropped, it is at hand; a log that names many says nothing of their sizes.
        let bytes = match cx.messages.get(from) {
            Found::Record(record) if to - from == 1 => record.body.len() as u64,
            _ => 0,
        };
        self.backlog.skip(Gap { from, to, bytes });
    }

    fn remove_entry(&mut self, slot: Slot, cx: &mut ChannelCx<'_>) {
        let entry = self.departed.remove(slot);
        self.backlog.done(entry.id, entry.size);
        cx.messages.unpin(entry.id, entry.chunk);
    }

    /// A message is done with, wherever it was.
    fn remove(&mut self, id: u64, size: u32, cx: &mut ChannelCx<'_>) {
        match self.departed.find(id) {
            Some(slot) => self.remove_entry(slot, cx),
            None if self.backlog.is_ahead(id) && id < cx.messages.end().id => {
                self.backlog.skip(Gap { from: id, to: id.saturating_add(1), bytes: size.into() });
            }
            None => {}
        }
    }

    /// A dead letter is ready again with no attempts behind it, or gone where its time to live has run out. A late
    /// finish is still welcome, but a delivery number is used once.
    fn redrive_one(&mut self, slot: Slot, at: Time, cx: &mut ChannelCx<'_>) {
        let entry = self.departed.get_mut(slot);
        if !entry.is_dead() {
            return;
        }
        if entry.has_expired(at) {
            self.counts.expired = self.counts.expired.saturating_add(1);
            return self.remove_entry(slot, cx);
        }
        // Its delivery number stays: its last consumer may still finish it, as long as nobody else was given it.
        entry.attempts = 0;
        self.departed.set_state(slot, Next::Waiting);
    }

    /// A message's time to live has run out. In flight, it may still be finished; dead, it is kept.
    fn expire(&mut self, id: u64, size: u32, cx: &mut ChannelCx<'_>) {
        match self.departed.find(id).map(|slot| (slot, self.departed.get(slot))) {
            Some((_, entry)) if entry.is_dead() || entry.client_has_it() => return,
            Some((slot, _)) => self.remove_entry(slot, cx),
            // What is not handed over, the topic passes over by itself, and tells the channels when it does.
            None if self.backlog.is_ahead(id) && id < cx.high_watermark.id => self.remove(id, size, cx),
            None => return,
        }
        self.counts.expired = self.counts.expired.saturating_add(1);
    }
}

impl From<&ChannelSettings> for ChannelOptions {
    fn from(settings: &ChannelSettings) -> Self {
        ChannelOptions {
            timeout: Duration::from_nanos(settings.timeout),
            max_attempts: settings.max_attempts,
            max_in_flight: settings.max_in_flight,
            ordered: settings.ordered,
            dead_letter: settings.dead_letter.clone().and_then(Name::parse),
        }
    }
}

impl From<&ChannelOptions> for ChannelSettings {
    fn from(options: &ChannelOptions) -> Self {
        ChannelSettings {
            timeout: nanos(options.timeout),
            max_attempts: options.max_attempts,
            max_in_flight: options.max_in_flight,
            ordered: options.ordered,
            dead_letter: options.dead_letter.as_ref().map(|topic| topic.as_str().into()),
        }
    }
}
