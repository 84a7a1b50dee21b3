//! A channel: the state of each message that its topic has handed over.

use super::polls::Poller;
use super::topic::Message;
use super::{Delivery, Moment, Nanos, Ticket};

/// Where a message is in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the backlog, where the channel has not been yet.
    Fresh,
    /// Due again: its place is in the queue of those.
    Again,
    /// Ready, but behind another of its key.
    Held,
    /// Waiting for its time.
    Deferred(Nanos),
    /// Leased until then.
    InFlight(Nanos),
    Dead,
    /// Finished, dropped, expired, or never for this channel.
    Gone,
}

/// What the channel knows of one message.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) place: Place,
    pub(super) attempts: u16,
    /// The number of its last delivery; zero before the first.
    pub(super) delivery: u64,
    pub(super) leased_at: Nanos,
    /// When its deadline was set, to tell equal ones apart.
    pub(super) armed: u64,
    pub(super) key: Option<String>,
    pub(super) due: Option<Nanos>,
    pub(super) expires: Option<Nanos>,
    pub(super) client: String,
    pub(super) stream: Option<u64>,
}

/// What was said of a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) timeout: Nanos,
    pub(super) max_attempts: u16,
    pub(super) max_in_flight: u64,
    pub(super) ordered: bool,
    pub(super) dead_letter: Option<String>,
}

/// What happened in a channel so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    pub(super) finished: u64,
    pub(super) requeued: u64,
    pub(super) timed_out: u64,
    pub(super) expired: u64,
    pub(super) dropped: u64,
}

/// A consumer.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) last_seen: Nanos,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) uid: u64,
    pub(super) paused: bool,
    pub(super) options: Options,
    /// The state of the message with id `n` stands at `n - 1`.
    pub(super) slots: Vec<Slot>,
    /// Nothing before this id is in the backlog.
    pub(super) cursor: u64,
    /// What is due again, in order.
    pub(super) again: Vec<u64>,
    pub(super) redelivery_turn: bool,
    pub(super) counts: Counts,
    pub(super) pollers: Vec<Poller>,
    /// The tickets of the pollers that can be handed something, in the order of their turns.
    pub(super) line: Vec<Ticket>,
    pub(super) clients: Vec<Client>,
    /// Streams that hold one message less than before, in the order in which that came.
    pub(super) released: Vec<Ticket>,
    /// Dead letters on their way to another topic.
    pub(super) outbox: Vec<u64>,
    /// Those that were refused there, which are sent again at this time, and how often in a row that was so.
    pub(super) refused: Vec<u64>,
    pub(super) again_at: Option<Nanos>,
    pub(super) refusals: u32,
}

impl Channel {
    /// A channel that will get what its topic hands over from now on.
    pub(super) fn new(name: &str, uid: u64) -> Self {
        Channel {
            name: name.into(),
            uid,
            paused: false,
            options: Options::default(),
            slots: Vec::new(),
            cursor: 1,
            again: Vec::new(),
            redelivery_turn: true,
            counts: Counts::default(),
            pollers: Vec::new(),
            line: Vec::new(),
            clients: Vec::new(),
            released: Vec::new(),
            outbox: Vec::new(),
            refused: Vec::new(),
            again_at: None,
            refusals: 0,
        }
    }

    /// The channel is new, and its topic has handed over these messages already: it starts at this one.
    pub(super) fn start(&mut self, id: u64, handed_over: &[Message], at: &mut Moment) {
        self.slots = handed_over.iter().map(Slot::gone).collect();
        self.cursor = handed_over.len() as u64 + 1;
        self.seek(id, handed_over, at);
        self.counts.received = self.ids(|place| *place != Place::Gone).len() as u64;
    }

    pub(super) fn is_ephemeral(&self) -> bool {
        self.name.ends_with("#ephemeral")
    }

    pub(super) fn slot(&self, id: u64) -> &Slot {
        &self.slots[id as usize - 1]
    }

    pub(super) fn slot_mut(&mut self, id: u64) -> &mut Slot {
        &mut self.slots[id as usize - 1]
    }

    /// The ids of the messages in such places.
    pub(super) fn ids(&self, wanted: impl Fn(&Place) -> bool) -> Vec<u64> {
        let found = self.slots.iter().enumerate().filter(|(_, slot)| wanted(&slot.place));
        found.map(|(index, _)| index as u64 + 1).collect()
    }

    /// The ids of what waits for a consumer.
    pub(super) fn ready_ids(&self) -> Vec<u64> {
        self.ids(|place| matches!(place, Place::Fresh | Place::Again | Place::Held))
    }

    pub(super) fn in_flight_ids(&self) -> Vec<u64> {
        self.ids(|place| matches!(place, Place::InFlight(_)))
    }

    pub(super) fn deferred_ids(&self) -> Vec<u64> {
        self.ids(|place| matches!(place, Place::Deferred(_)))
    }

    pub(super) fn dead_ids(&self) -> Vec<u64> {
        self.ids(|place| *place == Place::Dead)
    }

    /// Whether this delivery's lease runs.
    pub(super) fn holds(&self, delivery: Delivery) -> bool {
        let slot = self.slots.get(delivery.id as usize - 1);
        slot.is_some_and(|slot| slot.delivery == delivery.number && matches!(slot.place, Place::InFlight(_)))
    }

    /// The topic hands over a message.
    pub(super) fn receive(&mut self, message: &Message, at: &mut Moment) {
        let mut slot = Slot::gone(message);
        // It may have started with what its topic was still to hand over.
        let is_before = (self.slots.len() as u64) + 1 < self.cursor;
        if !is_before && !message.lost && !message.is_expired(at.now) {
            self.counts.received += 1;
            slot.place = match message.due {
                Some(due) if due > at.now => Place::Deferred(due),
                _ => Place::Fresh,
            };
            if self.is_ephemeral()
                && (self.ready_ids().len() + self.deferred_ids().len()) as u64 >= at.limits.mem_queue_size
            {
                slot.place = Place::Gone;
                self.counts.dropped += 1;
            }
        }
        slot.armed = at.count();
        self.slots.push(slot);
        self.hold_others(self.slots.len() as u64);
    }

    /// Goes on at another place. Only dead letters stay as they are. What is still to be deferred is deferred when
    /// the channel comes there.
    pub(super) fn seek(&mut self, to: u64, messages: &[Message], at: &mut Moment) {
        for id in 1..=self.slots.len() as u64 {
            let message = &messages[id as usize - 1];
            if self.slot(id).place == Place::Dead {
                continue;
            }
            self.release(id);
            let mut slot = Slot::gone(message);
            if id >= to && !message.lost && !message.is_expired(at.now) {
                slot.place = Place::Fresh;
            }
            slot.armed = at.count();
            *self.slot_mut(id) = slot;
        }
        self.again.clear();
        self.cursor = to;
    }

    /// Drops all that is not dead.
    pub(super) fn empty(&mut self) {
        for id in self.ids(|place| *place != Place::Dead) {
            self.release(id);
            let slot = self.slot_mut(id);
            (slot.place, slot.delivery) = (Place::Gone, 0);
        }
        self.again.clear();
        self.cursor = self.cursor.max(self.slots.len() as u64 + 1);
    }

    /// The oldest message that waits for a consumer does so no more; the channel has come past it.
    pub(super) fn drop_oldest(&mut self, id: u64) {
        let fresh = (self.cursor..=self.slots.len() as u64).find(|id| self.slot(*id).place == Place::Fresh);
        self.cursor = fresh.map_or(self.slots.len() as u64 + 1, |fresh| fresh + u64::from(fresh == id));
        self.leave(id);
        self.counts.dropped += 1;
    }

    /// Ends a message in this channel.
    pub(super) fn leave(&mut self, id: u64) {
        self.again.retain(|other| *other != id);
        self.release(id);
        self.slot_mut(id).place = Place::Gone;
        self.release_key(id);
    }

    /// A message is in flight no more, if it was.
    pub(super) fn release(&mut self, id: u64) {
        let slot = self.slot_mut(id);
        let stream = slot.stream.take();
        if let Place::InFlight(_) = slot.place {
            self.released.extend(stream);
        }
    }

    /// What is out of the backlog and not done with, of a message's key. Without order there are no keys.
    fn of_same_key(&self, id: u64) -> Vec<u64> {
        let key = self.slot(id).key.as_ref().filter(|_| self.options.ordered);
        let Some(key) = key else { return Vec::new() };
        let departed = |place: &Place| !matches!(place, Place::Fresh | Place::Dead | Place::Gone);
        self.ids(departed).into_iter().filter(|other| self.slot(*other).key.as_ref() == Some(key)).collect()
    }

    /// Whether no message of the same key stands in the way.
    pub(super) fn may_deliver(&self, id: u64) -> bool {
        let in_flight = |other: &u64| matches!(self.slot(*other).place, Place::InFlight(_));
        self.of_same_key(id).iter().all(|other| *other >= id && !in_flight(other))
    }

    /// A message has come out of the backlog, or back: what is due again of its key, and not first any more, is held.
    pub(super) fn hold_others(&mut self, id: u64) {
        for other in self.of_same_key(id) {
            if other != id && self.slot(other).place == Place::Again && !self.may_deliver(other) {
                self.again.retain(|again| *again != other);
                self.slot_mut(other).place = Place::Held;
            }
        }
    }

    /// A message has changed its place: another of its key may be ready now.
    pub(super) fn release_key(&mut self, id: u64) {
        let Some(&first) = self.of_same_key(id).first() else { return };
        if self.slot(first).place == Place::Held && self.may_deliver(first) {
            self.make_ready(first);
        }
    }

    /// A message is due again, unless another of its key stands in the way.
    pub(super) fn make_ready(&mut self, id: u64) {
        self.slot_mut(id).place = Place::Held;
        if self.may_deliver(id) {
            self.slot_mut(id).place = Place::Again;
            self.again.push(id);
        }
        self.hold_others(id);
    }

    /// Begins or ends to keep messages of one key in line.
    pub(super) fn set_ordered(&mut self, ordered: bool) {
        self.options.ordered = ordered;
        for id in self.again.clone() {
            if !self.may_deliver(id) {
                self.again.retain(|again| *again != id);
                self.slot_mut(id).place = Place::Held;
            }
        }
        if !ordered {
            let held = self.ids(|place| *place == Place::Held);
            for id in held {
                self.make_ready(id);
            }
        }
    }

    /// Messages whose time to live runs out now.
    pub(super) fn expire(&mut self, now: Nanos) {
        for id in self.ids(|place| !matches!(place, Place::InFlight(_) | Place::Dead | Place::Gone)) {
            if self.slot(id).expires.is_some_and(|expires| expires <= now) {
                let was_ahead = self.slot(id).place == Place::Fresh;
                self.leave(id);
                if was_ahead {
                    self.pass_what_is_not_fresh();
                }
                self.counts.expired += 1;
            }
        }
    }

    /// Moves on to the next message that nobody was handed yet.
    fn pass_what_is_not_fresh(&mut self) {
        while self.cursor <= self.slots.len() as u64 && self.slot(self.cursor).place != Place::Fresh {
            self.cursor += 1;
        }
    }

    /// Dead letters become ready; answers how many.
    pub(super) fn redrive(&mut self, wanted: Option<&[u64]>, now: Nanos) -> u64 {
        let ids: Vec<_> = self.dead_ids().into_iter().filter(|id| wanted.is_none_or(|ids| ids.contains(id))).collect();
        for &id in &ids {
            self.slot_mut(id).attempts = 0;
            if self.slot(id).expires.is_some_and(|expires| expires <= now) {
                self.slot_mut(id).place = Place::Gone;
                self.counts.expired += 1;
            } else {
                self.make_ready(id);
            }
        }
        ids.len() as u64
    }

    /// Drops the dead letters; answers how many.
    pub(super) fn drop_dead(&mut self) -> u64 {
        let ids = self.dead_ids();
        for id in &ids {
            self.slot_mut(*id).place = Place::Gone;
        }
        ids.len() as u64
    }
}

impl Slot {
    /// A message that is not for the channel.
    fn gone(message: &Message) -> Self {
        Slot {
            place: Place::Gone,
            attempts: 0,
            delivery: 0,
            leased_at: 0,
            armed: 0,
            key: message.key.clone(),
            due: message.due,
            expires: message.expires,
            client: String::new(),
            stream: None,
        }
    }
}
