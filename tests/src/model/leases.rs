//! Handing messages out and taking them back.

use super::channel::{Channel, Place};
use super::{Delivery, Limits, Moment, Nanos};

/// What a consumer says of the leases it wants.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) timeout: Nanos,
    pub(super) client: String,
    pub(super) stream: Option<u64>,
}

/// What a settle does with each receipt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb {
    Finish,
    /// After this delay.
    Requeue(Nanos),
    /// For this long from now.
    Touch(Option<Nanos>),
}

impl Channel {
    /// Leases one message, if one may be.
    pub(super) fn lease(&mut self, terms: &Terms, at: &mut Moment) -> Option<(Delivery, u16)> {
        let limit = self.options.max_in_flight;
        if self.paused || (limit > 0 && self.in_flight_ids().len() as u64 >= limit) {
            return None;
        }
        let id = if self.redelivery_turn {
            self.take_again().or_else(|| self.take_fresh(at))
        } else {
            self.take_fresh(at).or_else(|| self.take_again())
        }?;
        let (number, channel) = (at.count(), self.uid);
        let slot = self.slot_mut(id);
        slot.place = Place::InFlight(at.now + terms.timeout);
        slot.attempts = slot.attempts.saturating_add(1);
        (slot.delivery, slot.armed) = (number, number);
        slot.leased_at = at.now;
        (slot.client, slot.stream) = (terms.client.clone(), terms.stream);
        Some((Delivery { channel, id, number }, slot.attempts))
    }

    fn take_again(&mut self) -> Option<u64> {
        while !self.again.is_empty() {
            let id = self.again.remove(0);
            if self.may_deliver(id) {
                self.redelivery_turn = false;
                return Some(id);
            }
            self.slot_mut(id).place = Place::Held;
        }
        None
    }

    fn take_fresh(&mut self, at: &mut Moment) -> Option<u64> {
        while self.cursor <= self.slots.len() as u64 {
            let id = self.cursor;
            self.cursor += 1;
            if self.slot(id).place != Place::Fresh {
                continue;
            }
            if let Some(due) = self.slot(id).due.filter(|due| *due > at.now) {
                let armed = at.count();
                let slot = self.slot_mut(id);
                (slot.place, slot.armed) = (Place::Deferred(due), armed);
                self.hold_others(id);
                continue;
            }
            if self.may_deliver(id) {
                self.redelivery_turn = true;
                return Some(id);
            }
            self.slot_mut(id).place = Place::Held;
            self.hold_others(id);
        }
        None
    }

    /// Whether the next message that would be leased is one that is dead if it comes back once more.
    pub(super) fn next_is_last_attempt(&self, at: &Moment) -> bool {
        let again = self.again.first().copied();
        let fresh = (self.cursor..=self.slots.len() as u64).any(|id| {
            let is_due = self.slot(id).due.is_none_or(|due| due <= at.now);
            self.slot(id).place == Place::Fresh && is_due && self.may_deliver(id)
        });
        let is_next = self.redelivery_turn || !fresh;
        again.filter(|_| is_next).is_some_and(|id| self.is_last_attempt(self.slot(id).attempts + 1))
    }

    /// Whether a message that was delivered so often is dead if it comes back.
    pub(super) fn is_last_attempt(&self, attempts: u16) -> bool {
        attempts > 1 && attempts == self.options.max_attempts
    }

    /// Does with a delivery what its consumer wants, or says why not.
    pub(super) fn settle(&mut self, delivery: Delivery, verb: Verb, at: &mut Moment) -> Result<(), &'static str> {
        let Some(slot) = self.slots.get(delivery.id as usize - 1) else { return Err("not_in_flight") };
        let latest = slot.delivery == delivery.number;
        match (verb, slot.place) {
            (Verb::Finish, Place::Dead) if latest => {}
            (_, Place::Gone | Place::Dead) => return Err("not_in_flight"),
            _ if slot.delivery == 0 => return Err("not_in_flight"),
            _ if !latest => return Err("leased_again"),
            (Verb::Finish, _) | (_, Place::InFlight(_)) => {}
            _ => return Err("lease_expired"),
        }
        self.slot_mut(delivery.id).armed = at.count();
        match verb {
            Verb::Finish => self.finish(delivery.id),
            Verb::Requeue(delay) => {
                self.counts.requeued += 1;
                self.come_back(delivery.id, delay.min(at.limits.max_req_timeout), at.now);
            }
            Verb::Touch(timeout) => self.touch(delivery.id, timeout, at),
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, id: u64) {
        self.counts.finished += 1;
        self.leave(id);
    }

    fn touch(&mut self, id: u64, timeout: Option<Nanos>, at: &Moment) {
        let timeout = timeout.unwrap_or_else(|| self.timeout(&at.limits));
        let slot = self.slot_mut(id);
        slot.place = Place::InFlight((at.now + timeout).min(slot.leased_at + at.limits.max_msg_timeout));
    }

    /// How long a lease lasts unless the consumer says.
    pub(super) fn timeout(&self, limits: &Limits) -> Nanos {
        if self.options.timeout == 0 { limits.msg_timeout } else { self.options.timeout }
    }

    /// A message is in flight no more and not finished.
    fn come_back(&mut self, id: u64, delay: Nanos, now: Nanos) {
        let max_attempts = self.options.max_attempts;
        self.release(id);
        let slot = self.slot_mut(id);
        let expired = slot.expires.is_some_and(|expires| expires <= now);
        if max_attempts > 0 && slot.attempts >= max_attempts {
            slot.place = Place::Dead;
            if self.options.dead_letter.is_some() {
                self.outbox.push(id);
            }
        } else if expired {
            slot.place = Place::Gone;
            self.counts.expired += 1;
        } else if delay == 0 {
            self.make_ready(id);
        } else {
            slot.place = Place::Deferred(now + delay);
        }
        self.release_key(id);
    }

    /// When something here ends by itself, and which.
    pub(super) fn next_deadline(&self) -> Option<(Nanos, u64, u64)> {
        let deadline = |id: u64| match self.slot(id).place {
            Place::Deferred(at) | Place::InFlight(at) => Some((at, self.slot(id).armed, id)),
            _ => None,
        };
        (1..=self.slots.len() as u64).filter_map(deadline).min()
    }

    /// Leases that ran out and deferrals that are over.
    pub(super) fn handle_deadlines(&mut self, now: Nanos) {
        while let Some((_, _, id)) = self.next_deadline().filter(|(at, ..)| *at <= now) {
            if let Place::InFlight(_) = self.slot(id).place {
                self.counts.timed_out += 1;
                self.come_back(id, 0, now);
            } else {
                self.make_ready(id);
            }
        }
    }
}
