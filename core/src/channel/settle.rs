//! Taking messages back: finished, requeued, touched, timed out.

use core::time::Duration;

use super::{Channel, ClientId, Env, Spot};
use crate::command::Refused;
use crate::message::Receipt;
use crate::time::Time;

impl Channel {
    /// Finishes a message. Late is fine as long as nobody else has been handed it since.
    pub(crate) fn finish(&mut self, receipt: Receipt, env: &mut Env<'_>) -> Result<(), Refused> {
        match self.find(receipt) {
            Ok(slot) => {
                self.clients.finished(self.entries[slot as usize].client);
                self.remove(slot, env);
            }
            Err(refused) if !self.finish_dead(receipt, env) => return Err(refused),
            Err(_) => {}
        }
        self.counts.finished += 1;
        Ok(())
    }

    /// Puts a message back, to be delivered again after a delay.
    pub(crate) fn requeue(&mut self, receipt: Receipt, delay: Duration, env: &mut Env<'_>) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        self.counts.requeued += 1;
        self.clients.requeued(self.entries[slot as usize].client);
        self.take_out(slot);
        self.come_back(slot, delay.min(env.limits.max_req_timeout), env);
        Ok(())
    }

    /// Leases a message for longer, but never past the longest lease from its delivery on.
    pub(crate) fn touch(&mut self, receipt: Receipt, timeout: Option<Duration>, env: &Env<'_>) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        let timeout = timeout.unwrap_or_else(|| self.timeout(env.limits));
        let entry = &mut self.entries[slot as usize];
        let until = (env.now + timeout).min(entry.leased_at + env.limits.max_msg_timeout);
        if let Spot::InFlight(deadline) = entry.spot {
            self.deadlines.remove(deadline);
            entry.spot = Spot::InFlight(self.deadlines.insert(until, slot));
        }
        Ok(())
    }

    /// A lease ran out; its deadline is popped.
    pub(super) fn time_out(&mut self, slot: u32, env: &mut Env<'_>) {
        let entry = &self.entries[slot as usize];
        let (key, client, stream, size) = (entry.key, entry.client, entry.stream, u64::from(entry.size));
        self.counts.timed_out += 1;
        self.no_longer_in_flight(key, client, stream, size);
        self.come_back(slot, Duration::ZERO, env);
    }

    /// An entry that was in flight is due again, now or after a delay; or dead, or expired.
    fn come_back(&mut self, slot: u32, delay: Duration, env: &mut Env<'_>) {
        let entry = &mut self.entries[slot as usize];
        (entry.client, entry.stream) = (ClientId::NONE, None);
        let (key, attempts) = (entry.key, entry.attempts);
        let expires = env.log.record(entry.id, entry.chunk).expires;
        if self.options.max_attempts > 0 && attempts >= self.options.max_attempts {
            return self.die(slot, env);
        }
        if expires.is_some_and(|expires| expires <= env.now) {
            self.counts.expired += 1;
            return self.forget(slot, env);
        }
        if delay.is_zero() {
            self.make_ready(slot);
        } else {
            self.defer(slot, env.now + delay);
        }
        if let Some(key) = key {
            self.release_key(key, env);
        }
    }

    /// The entry whose last delivery this is.
    fn find(&self, receipt: Receipt) -> Result<u32, Refused> {
        let &slot = self.by_id.get(&receipt.id).ok_or(Refused::NotInFlight)?;
        match self.entries[slot as usize].delivery {
            delivery if delivery == receipt.delivery => Ok(slot),
            delivery if delivery > receipt.delivery => Err(Refused::LeasedAgain),
            _ => Err(Refused::NotInFlight),
        }
    }

    fn find_in_flight(&self, receipt: Receipt) -> Result<u32, Refused> {
        let slot = self.find(receipt)?;
        match self.entries[slot as usize].spot {
            Spot::InFlight(_) => Ok(slot),
            _ => Err(Refused::LeaseExpired),
        }
    }

    /// When an entry's state ends by itself.
    pub(super) fn until(&self, slot: u32) -> Option<Time> {
        match self.entries[slot as usize].spot {
            Spot::InFlight(deadline) | Spot::Deferred(deadline) => Some(self.deadlines.deadline(deadline)),
            Spot::Ready | Spot::Held => None,
        }
    }
}
