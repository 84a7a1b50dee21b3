//! Taking messages back: finished, requeued, touched, timed out.

use core::time::Duration;

use super::{Channel, ClientId, Entry, Env, Spot};
use crate::command::Refused;
use crate::log::event::{Event, Ids};
use crate::log::image::Gap;
use crate::log::journal::What;
use crate::message::Receipt;
use crate::messages::Found;
use crate::time::Time;

impl Channel {
    /// Finishes a message. Late is fine as long as nobody else has been handed it since.
    pub(crate) fn finish(&mut self, receipt: Receipt, env: &mut Env<'_>) -> Result<(), Refused> {
        match self.find(receipt) {
            Ok(slot) => {
                let Entry { client, published, .. } = self.entries[slot as usize];
                self.clients.finished(client);
                if let Some(published) = published {
                    self.counts.latencies.add(Time::from_nanos(published.get()), env.now);
                }
                self.remove(slot, env);
                env.journal_each(What::Finished, receipt.id);
            }
            Err(_) if self.finish_dead(receipt, env) => {}
            Err(_) if self.is_untraced(receipt) && self.finish_untraced(receipt.id, env) => {}
            Err(refused) => return Err(refused),
        }
        self.counts.finished += 1;
        Ok(())
    }

    /// Whether this may be of a lease before the topic was opened that left no trace in the log.
    fn is_untraced(&self, receipt: Receipt) -> bool {
        receipt.id < self.opened_at && self.untraced.contains(&receipt.delivery)
    }

    /// Finishes a message whose lease left no trace in the log: as far as that tells, nobody was handed it.
    fn finish_untraced(&mut self, id: u64, env: &mut Env<'_>) -> bool {
        if self.by_id.contains_key(&id) || self.dead.contains_key(&id) || id >= env.flow.id {
            return false;
        }
        if self.held.contains_key(&id) {
            self.remove_waiting(id, env);
        } else if id >= self.cursor.id() && self.gaps.end_of(id).is_none() {
            let bytes = match env.messages.get(id) {
                Found::Record(record) => record.body.len() as u64,
                _ => 0,
            };
            self.skip(Gap { from: id, to: id + 1, bytes });
        } else {
            return false;
        }
        env.journal_each(What::Finished, id);
        true
    }

    /// Puts a message back, to be delivered again after a delay.
    pub(crate) fn requeue(&mut self, receipt: Receipt, delay: Duration, env: &mut Env<'_>) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        self.counts.requeued += 1;
        self.clients.requeued(self.entries[slot as usize].client);
        self.take_out(slot);
        let delay = delay.min(env.limits.max_req_timeout);
        if !self.has_failed_too_often(slot) {
            let due = (!delay.is_zero()).then(|| (env.now + delay).as_nanos());
            env.journal(|channel| Event::Requeued { channel, id: receipt.id, due });
        }
        self.come_back(slot, delay, false, env);
        Ok(())
    }

    /// Leases a message for longer, but never past the longest lease from its delivery on.
    pub(crate) fn touch(
        &mut self,
        receipt: Receipt,
        timeout: Option<Duration>,
        env: &mut Env<'_>,
    ) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        let timeout = timeout.unwrap_or_else(|| self.timeout(env.limits));
        let entry = &mut self.entries[slot as usize];
        let until = (env.now + timeout).min(entry.leased_at + env.limits.max_msg_timeout);
        if let Spot::InFlight(deadline) = entry.spot {
            self.deadlines.remove(deadline);
            entry.spot = Spot::InFlight(self.deadlines.insert(until, slot));
        }
        let (ids, until) = (Ids::from_iter([receipt.id]), until.as_nanos());
        env.journal(|channel| Event::Touched { channel, until, ids });
        Ok(())
    }

    /// A lease ran out; its deadline is popped.
    pub(super) fn time_out(&mut self, slot: u32, env: &mut Env<'_>) {
        let entry = &self.entries[slot as usize];
        let (key, client, stream, size) = (entry.key, entry.client, entry.stream, u64::from(entry.size));
        self.counts.timed_out += 1;
        self.no_longer_in_flight(key, client, stream, size);
        if !self.has_failed_too_often(slot) {
            let id = self.entries[slot as usize].id;
            env.journal_each(What::TimedOut, id);
        }
        self.come_back(slot, Duration::ZERO, true, env);
    }

    fn has_failed_too_often(&self, slot: u32) -> bool {
        self.options.max_attempts > 0 && self.entries[slot as usize].attempts >= self.options.max_attempts
    }

    /// An entry that was in flight is due again, now or after a delay; or dead, or expired.
    fn come_back(&mut self, slot: u32, delay: Duration, timed_out: bool, env: &mut Env<'_>) {
        let entry = &mut self.entries[slot as usize];
        (entry.client, entry.stream) = (ClientId::NONE, None);
        let (key, expires) = (entry.key, entry.expires);
        if self.has_failed_too_often(slot) {
            return self.die(slot, timed_out, env);
        }
        if expires.is_some_and(|expires| expires.get() <= env.now.as_nanos()) {
            self.counts.expired += 1;
            return self.forget(slot, env);
        }
        if delay.is_zero() {
            self.make_ready(slot);
        } else {
            self.defer(slot, env.now + delay);
        }
        if let Some(key) = self.queue(key) {
            self.release_key(key);
        }
    }

    /// The entry whose last delivery this is.
    fn find(&self, receipt: Receipt) -> Result<u32, Refused> {
        let &slot = self.by_id.get(&receipt.id).ok_or(Refused::NotInFlight)?;
        match self.entries[slot as usize].delivery {
            delivery if delivery == receipt.delivery => Ok(slot),
            // It was leased after that, but the log does not know it.
            delivery if delivery < receipt.delivery && self.is_untraced(receipt) => Ok(slot),
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
