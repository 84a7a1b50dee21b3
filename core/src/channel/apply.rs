//! What each event does to a channel, alive and in a replay alike.
//!
//! Nothing here can fail, whatever the numbers are: a log may come from somebody else. Where a frame was lost before
//! an event, that does what makes no other message disappear: what a channel read in the part that is missing is due
//! again.

use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use smallvec::SmallVec;

use super::departed::{Next, Slot};
use super::{Channel, Env};
use crate::command::ChannelOptions;
use crate::log::event::{Event, Facts, Ids, Mark};
use crate::log::image::{ChannelSettings, Gap};
use crate::messages::Found;
use crate::name::Name;
use crate::time::{Time, nanos};

/// How many messages are due again, at most, of which nothing is known but that a channel had read them. A channel that
/// read more reads again from where it was.
const DUE_AGAIN: u64 = 1 << 20;

impl Channel {
    /// Makes an event happen: the channel changes by it, and it is written down.
    pub(super) fn happen(&mut self, event: &Event, env: &mut Env<'_>) {
        self.apply(event, env);
        env.record(event);
    }

    /// The only function that changes what a channel is.
    pub(crate) fn apply(&mut self, event: &Event, env: &mut Env<'_>) {
        match event {
            Event::ChannelConfigured(_, settings) => self.set_options(settings),
            Event::ChannelPaused(_, paused) => self.paused = *paused,
            Event::Leased { .. } => self.leased(event, env),
            Event::Passed { at, from, cursor, departed, .. } => {
                let pinned = pin(departed, env);
                self.read_on(*from, *cursor, env);
                for (facts, chunk) in departed.iter().zip(pinned) {
                    self.depart(facts, chunk, *at, env);
                }
            }
            Event::Touched { until, ids, .. } => {
                self.each(ids, |channel, slot| channel.departed.touch(slot, Time::from_nanos(*until)));
            }
            Event::Finished { ids, .. } => {
                self.counts.finished = self.counts.finished.saturating_add(ids.count());
                self.remove_all(ids, env);
            }
            Event::Requeued { id, due, .. } => {
                self.counts.requeued = self.counts.requeued.saturating_add(1);
                let next = due.map_or(Next::Waiting, |due| Next::Deferred { until: Time::from_nanos(due) });
                self.come_back(*id, next);
            }
            Event::TimedOut { ids, .. } => {
                self.counts.timed_out = self.counts.timed_out.saturating_add(ids.count());
                self.each(ids, |channel, slot| channel.come_back(channel.departed.get(slot).id, Next::Waiting));
            }
            Event::FellDue { id, .. } => self.come_back(*id, Next::Waiting),
            Event::Died { ids, timed_out, .. } => {
                let counts = &mut self.counts;
                let count = if *timed_out { &mut counts.timed_out } else { &mut counts.requeued };
                *count = count.saturating_add(ids.count());
                self.each(ids, |channel, slot| channel.departed.set_state(slot, Next::Dead));
            }
            Event::DeadGone { ids, .. } => self.remove_all(ids, env),
            Event::Redriven { at, ids, .. } => {
                let at = Time::from_nanos(*at);
                for slot in self.all_known(ids) {
                    self.redrive_one(slot, at, env);
                }
            }
            Event::Dropped { from, cursor, ids, count, .. } => {
                self.read_on(*from, *cursor, env);
                self.counts.dropped = self.counts.dropped.saturating_add(*count);
                self.remove_all(ids, env);
            }
            Event::Sought { to, gaps, .. } => {
                let messages = &mut *env.messages;
                self.departed.clear(|entry| messages.unpin(entry.id, entry.chunk));
                self.backlog.seek(*to, gaps, &self.departed, messages);
            }
            Event::Lost { id, .. } => self.remove(*id, 0, env),
            Event::Advanced { cursor, .. } => self.backlog.advance(*cursor, &self.departed, env.messages),
            Event::Expired { id, size, .. } => self.expire(*id, *size, env),
            _ => {}
        }
    }

    fn leased(&mut self, event: &Event, env: &mut Env<'_>) {
        let Event::Leased { at, until, delivery, from, cursor, departed, leased, .. } = event else { return };
        let lease = Next::InFlight { at: Time::from_nanos(*at), until: Time::from_nanos(*until) };
        let pinned = pin(departed, env);
        self.read_on(*from, *cursor, env);
        let mut delivery = *delivery;
        for (facts, chunk) in departed.iter().zip(pinned) {
            if !leased.is_empty() {
                self.depart(facts, chunk, *at, env);
                continue;
            }
            // All that was read was leased.
            if let Some(slot) = self.insert(facts, chunk, lease) {
                self.delivered(slot, delivery);
            } else {
                env.messages.unpin(facts.id, chunk);
                self.lease(facts.id, delivery, lease);
            }
            delivery = delivery.saturating_add(1);
        }
        for &(first, count) in &leased.0 {
            for slot in self.known(first, count) {
                let id = self.departed.get(slot).id;
                self.lease(id, delivery.saturating_add(id - first), lease);
            }
            delivery = delivery.saturating_add(count);
        }
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
    pub(crate) fn defer(&mut self, facts: &Facts, env: &mut Env<'_>) {
        if let Some(due) = facts.due.map(Time::from_nanos).filter(|due| *due > env.now)
            && facts.id >= self.backlog.id()
        {
            self.pin_and_insert(facts, Next::Deferred { until: due }, env);
        }
    }

    /// What the topic had not handed over, whatever the log says so far, is delivered to nobody.
    pub(crate) fn void(&mut self, gap: Gap, env: &mut Env<'_>) {
        let from = gap.from.max(self.backlog.id());
        let nobody_had = |slot: &Slot| self.departed.get(*slot).attempts == 0;
        let slots: Vec<Slot> = self.departed.range(from..gap.to).map(|(_, slot)| slot).filter(nobody_had).collect();
        for slot in slots {
            let entry = self.departed.remove(slot);
            env.messages.unpin(entry.id, entry.chunk);
        }
        if from < gap.to {
            self.backlog.cover(Gap { from, ..gap }, &self.departed);
            self.since = self.since.saturating_add(gap.to - from);
        }
    }

    fn set_options(&mut self, settings: &ChannelSettings) {
        self.options = settings.into();
        self.departed.set_ordered(settings.ordered);
    }

    /// Puts a message, which is pinned in this chunk, among the entries, where it is none.
    fn insert(&mut self, facts: &Facts, chunk: u64, next: Next) -> Option<Slot> {
        let slot = self.departed.insert(facts, chunk, next)?;
        self.backlog.departed(facts.id, facts.size);
        Some(slot)
    }

    /// The same for a message that nothing pins yet.
    pub(super) fn pin_and_insert(&mut self, facts: &Facts, next: Next, env: &mut Env<'_>) -> Option<Slot> {
        if self.departed.find(facts.id).is_some() {
            return None;
        }
        let chunk = env.messages.pin_found(facts.id);
        self.insert(facts, chunk, next)
    }

    /// The cursor goes on. Of what the channel read before `from`, in a part of the log that is missing, nothing is
    /// known: it is due again, and where that would be too much, the channel reads it again.
    fn read_on(&mut self, from: u64, cursor: Mark, env: &mut Env<'_>) {
        let missed = self.missed(from.min(cursor.id));
        if !missed.is_empty()
            && let Some(due_again) = &mut env.due_again
        {
            let count = missed.iter().fold(**due_again, |sum, ids| sum.saturating_add(ids.end - ids.start));
            if count > DUE_AGAIN {
                return;
            }
            **due_again = count;
        }
        if cursor.id > self.backlog.id() {
            self.backlog.advance(cursor, &self.departed, env.messages);
        }
        for id in missed.into_iter().flatten() {
            self.pin_and_insert(&Facts { id, ..Facts::default() }, Next::Waiting, env);
        }
    }

    /// What stands between the cursor and this id, but for gaps.
    fn missed(&self, from: u64) -> Vec<Range<u64>> {
        let mut missed = Vec::new();
        let mut id = self.backlog.id();
        if id >= from {
            return missed;
        }
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
    fn depart(&mut self, facts: &Facts, chunk: u64, at: u64, env: &mut Env<'_>) {
        let next = match facts.due {
            Some(due) if due > at => Next::Deferred { until: Time::from_nanos(due) },
            _ => Next::Waiting,
        };
        if self.insert(facts, chunk, next).is_none() {
            env.messages.unpin(facts.id, chunk);
            if facts.due.is_none_or(|due| due <= at) {
                // It was deferred until it was read.
                self.come_back(facts.id, Next::Waiting);
            }
        }
    }

    /// An entry that is not dead waits again.
    fn come_back(&mut self, id: u64, next: Next) {
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
    fn remove_all(&mut self, ids: &Ids, env: &mut Env<'_>) {
        for &(first, count) in &ids.0 {
            let end = first.saturating_add(count);
            if count > 1 {
                for slot in self.known(first, count) {
                    self.remove_entry(slot, env);
                }
            } else if let Some(slot) = self.departed.find(first) {
                self.remove_entry(slot, env);
                continue;
            }
            // What is known of the others is only that they were published.
            let (from, to) = (first.max(self.backlog.id()), end.min(env.messages.end().id));
            if from < to {
                self.pass_over_unread(from, to, env);
            }
        }
    }

    fn pass_over_unread(&mut self, from: u64, to: u64, env: &mut Env<'_>) {
        // Where one was finished late or dropped, it is at hand; a log that names many says nothing of their sizes.
        let bytes = match env.messages.get(from) {
            Found::Record(record) if to - from == 1 => record.body.len() as u64,
            _ => 0,
        };
        self.backlog.skip(Gap { from, to, bytes });
    }

    fn remove_entry(&mut self, slot: Slot, env: &mut Env<'_>) {
        let entry = self.departed.remove(slot);
        self.backlog.done(entry.id, entry.size);
        env.messages.unpin(entry.id, entry.chunk);
    }

    /// A message is done with, wherever it was.
    fn remove(&mut self, id: u64, size: u32, env: &mut Env<'_>) {
        match self.departed.find(id) {
            Some(slot) => self.remove_entry(slot, env),
            None if self.backlog.is_ahead(id) && id < env.messages.end().id => {
                self.backlog.skip(Gap { from: id, to: id.saturating_add(1), bytes: size.into() });
            }
            None => {}
        }
    }

    /// A dead letter is ready again with no attempts behind it, or gone where its time to live has run out. A late
    /// finish is still welcome, but a delivery number is used once.
    fn redrive_one(&mut self, slot: Slot, at: Time, env: &mut Env<'_>) {
        let entry = self.departed.get_mut(slot);
        if !entry.is_dead() {
            return;
        }
        if entry.has_expired(at) {
            self.counts.expired = self.counts.expired.saturating_add(1);
            return self.remove_entry(slot, env);
        }
        entry.attempts = 0;
        self.departed.set_state(slot, Next::Waiting);
    }

    /// A message's time to live has run out. In flight, it may still be finished; dead, it is kept.
    fn expire(&mut self, id: u64, size: u32, env: &mut Env<'_>) {
        match self.departed.find(id).map(|slot| (slot, self.departed.get(slot))) {
            Some((_, entry)) if entry.is_dead() || entry.client_has_it() => return,
            Some((slot, _)) => self.remove_entry(slot, env),
            None if self.backlog.is_ahead(id) && id < env.flow.id => self.remove(id, size, env),
            None => return,
        }
        self.counts.expired = self.counts.expired.saturating_add(1);
    }
}

/// Holds what departs, before the cursor lets go of it.
fn pin(departed: &[Facts], env: &mut Env<'_>) -> SmallVec<[u64; 1]> {
    departed.iter().map(|facts| env.messages.pin_found(facts.id)).collect()
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
