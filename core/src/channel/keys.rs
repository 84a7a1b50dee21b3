//! Ordered channels: messages of one key are delivered one after another, in the order of their ids.
//!
//! A message with a key joins its key's queue when it departs from the backlog, and leaves it when it is done
//! with. Only the first in the queue may be delivered, and only while no other of the queue is in flight. One
//! that comes behind another is *held*, until its turn comes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::{Channel, Entry, Env, Spot};
use crate::message::Facts;

/// A key by its seeded hash. Two keys that meet in one hash share a queue: both stay in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Key(NonZeroU64);

impl Key {
    pub(super) fn of(hash: u64) -> Option<Self> {
        NonZeroU64::new(hash).map(Key)
    }

    pub(super) fn hash(self) -> u64 {
        self.0.get()
    }
}

/// The messages of one key that are not done with.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeyQueue {
    /// In ascending order.
    pub(super) ids: VecDeque<u64>,
    pub(super) in_flight: u32,
}

impl KeyQueue {
    pub(super) fn may_deliver(&self, id: u64) -> bool {
        self.in_flight == 0 && self.ids.front() == Some(&id)
    }
}

/// What is kept of a held message.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) chunk: u64,
    pub(super) key: Option<Key>,
    pub(super) expires: Option<NonZeroU64>,
    pub(super) size: u32,
}

impl Held {
    pub(super) fn of(facts: &Facts, chunk: u64) -> Self {
        let key = facts.key.and_then(Key::of);
        Held { chunk, key, expires: facts.expires.and_then(NonZeroU64::new), size: facts.size }
    }

    pub(super) fn facts(&self, id: u64) -> Facts {
        facts(id, self.size, self.key, self.expires)
    }
}

/// The facts of a message that is not deferred any more by its publisher.
pub(super) fn facts(id: u64, size: u32, key: Option<Key>, expires: Option<NonZeroU64>) -> Facts {
    Facts { id, size, key: key.map(Key::hash), due: None, expires: expires.map(NonZeroU64::get) }
}

impl Channel {
    /// The key whose queue a message stands in, if this channel keeps them.
    pub(super) fn queue(&self, key: Option<Key>) -> Option<Key> {
        key.filter(|_| self.options.ordered)
    }

    pub(super) fn queue_of(&self, hash: Option<u64>) -> Option<Key> {
        self.queue(hash.and_then(Key::of))
    }

    /// Whether this message may be delivered now, and not only when its turn comes.
    pub(super) fn may_deliver(&self, queue: Option<Key>, id: u64) -> bool {
        queue.is_none_or(|key| self.keys.get(&key).is_none_or(|queue| queue.may_deliver(id)))
    }

    pub(super) fn join_key(&mut self, key: Key, id: u64) {
        let ids = &mut self.keys.entry(key).or_default().ids;
        let place = ids.partition_point(|other| *other < id);
        ids.insert(place, id);
    }

    /// A message of the key is done with: the next one's turn comes.
    pub(super) fn leave_key(&mut self, key: Key, id: u64) {
        let Some(queue) = self.keys.get_mut(&key) else { return };
        if let Ok(place) = queue.ids.binary_search(&id) {
            queue.ids.remove(place);
        }
        if queue.ids.is_empty() {
            self.keys.remove(&key);
        } else {
            self.release_key(key);
        }
    }

    /// Makes the first message of the key ready, where it was held and now may be delivered.
    pub(super) fn release_key(&mut self, key: Key) {
        let Some(queue) = self.keys.get(&key).filter(|queue| queue.in_flight == 0) else { return };
        let first = *queue.ids.front().expect("a queue is never empty");
        match self.by_id.get(&first) {
            Some(&slot) if self.entries[slot as usize].spot == Spot::Held => self.make_ready(slot),
            Some(_) => {}
            None => self.release_held(first),
        }
    }

    /// A message that is read, and behind another of its key.
    pub(super) fn hold(&mut self, facts: &Facts, chunk: u64) {
        self.waiting.insert(facts.id);
        self.held.insert(facts.id, Held::of(facts, chunk));
        self.departed_bytes += u64::from(facts.size);
    }

    fn take_held(&mut self, id: u64) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.waiting.remove(id);
        self.departed_bytes -= u64::from(held.size);
        Some(held)
    }

    /// A held message becomes an entry.
    pub(super) fn release_held(&mut self, id: u64) {
        let Some(held) = self.take_held(id) else { return };
        let slot = self.depart_pinned(&held.facts(id), held.chunk);
        self.make_ready(slot);
    }

    /// Ends a message that waits outside of the backlog.
    pub(super) fn remove_waiting(&mut self, id: u64, env: &mut Env<'_>) {
        if let Some(&slot) = self.by_id.get(&id) {
            return self.remove(slot, env);
        }
        let Some(held) = self.take_held(id) else { return };
        env.messages.unpin(id, held.chunk);
        if let Some(key) = self.queue(held.key) {
            self.leave_key(key, id);
        }
    }

    /// Begins or ends to keep messages of one key in line. O(what is not in the backlog).
    pub(super) fn set_ordered(&mut self, ordered: bool) {
        if ordered == self.options.ordered {
            return;
        }
        self.options.ordered = ordered;
        if ordered {
            self.line_up();
        } else {
            self.release_all();
        }
    }

    /// Makes the queues of the keys of all entries.
    pub(super) fn line_up(&mut self) {
        for (id, slot) in self.by_id.clone() {
            let Entry { key, spot, .. } = self.entries[slot as usize];
            if let Some(key) = key {
                self.join_key(key, id);
                let in_flight = matches!(spot, Spot::InFlight(_));
                self.keys.entry(key).and_modify(|queue| queue.in_flight += u32::from(in_flight));
            }
        }
    }

    fn release_all(&mut self) {
        self.keys.clear();
        // All become ready in the order of their ids, whether they were delivered before or not.
        let held: Vec<u64> = self.held.keys().copied().collect();
        for id in held {
            if let Some(held) = self.take_held(id) {
                self.depart_pinned(&held.facts(id), held.chunk);
            }
        }
        for slot in self.by_id.clone().into_values() {
            if self.entries[slot as usize].spot == Spot::Held {
                self.make_ready(slot);
            }
        }
    }
}
