//! Taking messages back: finished, requeued, touched, timed out.

use core::time::Duration;

use super::{Channel, ChannelCx, Slot};
use crate::command::Refused;
use crate::log::event::{Event, Ids};
use crate::message::Receipt;
use crate::time::Time;

impl Channel {
    /// Finishes a message. Late is fine as long as nobody else has been handed it since, or its last consumer finishes
    /// what has become a dead letter.
    pub(crate) fn finish(&mut self, receipt: Receipt, cx: &mut ChannelCx<'_>) -> Result<(), Refused> {
        match self.find(receipt) {
            Ok(slot) => {
                // What is told of it is asked before the event, which takes the entry out. What somebody finishes as a
                // dead letter says nothing of how long messages take.
                let entry = self.departed.get(slot);
                let (client, published) = (entry.client, entry.published.filter(|_| !entry.is_dead()));
                self.departed.clients.finished(client);
                if let Some(published) = published {
                    self.latencies.add(Time::from_nanos(published.get()), cx.now);
                }
            }
            Err(_) if self.is_unseen(receipt, cx) => {}
            Err(refused) => return Err(refused),
        }
        self.happen(&Event::Finished { channel: cx.number.number(), ids: Ids::one(receipt.id) }, cx);
        Ok(())
    }

    /// Whether this may be of a lease before the topic was opened that left no trace in the log.
    fn is_untraced(&self, receipt: Receipt) -> bool {
        // What was published since the start cannot have been leased before it, whatever number the receipt has.
        receipt.id < self.opened_at && self.untraced.contains(&receipt.delivery)
    }

    /// Whether this may be of such a lease, and the message, as far as the log tells, was handed to nobody.
    fn is_unseen(&self, receipt: Receipt, cx: &ChannelCx<'_>) -> bool {
        // An entry was handed out, or waits for its turn, as far as the log tells; what is before the cursor or in a
        // gap is done with.
        let is_backlog = || self.backlog.is_ahead(receipt.id) && receipt.id < cx.high_watermark.id;
        self.is_untraced(receipt) && self.departed.find(receipt.id).is_none() && is_backlog()
    }

    /// Puts a message back, to be delivered again after a delay.
    pub(crate) fn requeue(&mut self, receipt: Receipt, delay: Duration, cx: &mut ChannelCx<'_>) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        self.departed.clients.requeued(self.departed.get(slot).client);
        let delay = delay.min(cx.limits.max_req_timeout);
        let due = (!delay.is_zero()).then(|| (cx.now + delay).as_nanos());
        let back = Event::Requeued { channel: cx.number.number(), id: receipt.id, due };
        self.give_back(slot, false, &back, cx);
        Ok(())
    }

    /// Leases a message for longer, but never past the longest lease from its delivery on.
    pub(crate) fn touch(
        &mut self,
        receipt: Receipt,
        timeout: Option<Duration>,
        cx: &mut ChannelCx<'_>,
    ) -> Result<(), Refused> {
        let slot = self.find_in_flight(receipt)?;
        let timeout = timeout.unwrap_or_else(|| self.timeout(cx.limits));
        // Counted from the delivery: touching again and again does not keep a message for ever.
        let longest = self.departed.get(slot).leased_at + cx.limits.max_msg_timeout;
        let (until, ids) = ((cx.now + timeout).min(longest).as_nanos(), Ids::one(receipt.id));
        self.happen(&Event::Touched { channel: cx.number.number(), until, ids }, cx);
        Ok(())
    }

    /// A lease ran out.
    pub(super) fn time_out(&mut self, slot: Slot, cx: &mut ChannelCx<'_>) {
        let ids = Ids::one(self.departed.get(slot).id);
        let back = Event::TimedOut { channel: cx.number.number(), ids };
        self.give_back(slot, true, &back, cx);
    }

    /// A message that was in flight comes back, by this event; or is dead after too many attempts, or gone where its
    /// time to live ran out meanwhile.
    fn give_back(&mut self, slot: Slot, timed_out: bool, back: &Event, cx: &mut ChannelCx<'_>) {
        let entry = self.departed.get(slot);
        let (id, size, has_expired) = (entry.id, entry.size, entry.has_expired(cx.now));
        let channel = cx.number.number();
        // Dead before expired: what failed too often is kept to be looked at, however old it is.
        if self.options.max_attempts > 0 && entry.attempts >= self.options.max_attempts {
            self.happen(&Event::Died { channel, ids: Ids::one(id), timed_out }, cx);
            if self.options.dead_letter.is_some() {
                self.effects.pending_transfers.push_back(id);
            }
            return;
        }
        self.happen(back, cx);
        // Only after it came back, for what is in flight does not expire. This event is not written: a replay has the
        // time to live with the entry, and lets go of it at the start.
        if has_expired {
            self.happen(&Event::Expired { channel, id, size }, cx);
        }
    }

    /// The entry whose last delivery this is.
    fn find(&self, receipt: Receipt) -> Result<Slot, Refused> {
        let slot = self.departed.find(receipt.id).ok_or(Refused::NotInFlight)?;
        let entry = self.departed.get(slot);
        match entry.delivery {
            // Zero is no delivery, but the number of what nobody was given.
            delivery if delivery == receipt.delivery && delivery > 0 => Ok(slot),
            // Of a dead letter, nobody else has heard since.
            _ if entry.is_dead() => Err(Refused::NotInFlight),
            // It was leased after that, but the log does not know it.
            delivery if delivery < receipt.delivery && self.is_untraced(receipt) => Ok(slot),
            // Numbers only grow: somebody else was given it since.
            delivery if delivery > receipt.delivery => Err(Refused::LeasedAgain),
            _ => Err(Refused::NotInFlight),
        }
    }

    fn find_in_flight(&self, receipt: Receipt) -> Result<Slot, Refused> {
        let slot = self.find(receipt)?;
        match self.departed.get(slot) {
            entry if entry.client_has_it() => Ok(slot),
            entry if entry.is_dead() => Err(Refused::NotInFlight),
            _ => Err(Refused::LeaseExpired),
        }
    }
}
