//! Ordered channels: messages of one key are delivered one after another, in the order of their ids.
//!
//! A message with a key joins its key's queue when it departs from the backlog, and leaves it when it is done
//! with. Only the first in the queue may be delivered, and only while no other of the queue is in flight. One
//! that comes behind another is *held*: of it the channel keeps the id alone, until its turn comes.

use alloc::collections::VecDeque;
use core::hash::BuildHasher;

use super::{Channel, Entry, Env, Spot};

/// A key by its seeded hash. Two keys that meet in one hash share a queue: both stay in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64);

/// The messages of one key that are not done with.
#[derive(Debug, Default)]
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

impl Channel {
    pub(super) fn key_of(&self, key: &str) -> Key {
        Key(self.keys.hasher().hash_one(key))
    }

    /// Whether this message may be delivered now, and not only when its turn comes.
    pub(super) fn may_deliver(&self, key: Option<Key>, id: u64) -> bool {
        key.is_none_or(|key| self.keys[&key].may_deliver(id))
    }

    pub(super) fn join_key(&mut self, key: Key, id: u64) {
        let ids = &mut self.keys.entry(key).or_default().ids;
        let place = ids.partition_point(|other| *other < id);
        ids.insert(place, id);
    }

    /// A message of the key is done with: the next one's turn comes.
    pub(super) fn leave_key(&mut self, key: Key, id: u64, env: &mut Env<'_>) {
        let Some(queue) = self.keys.get_mut(&key) else { return };
        if let Ok(place) = queue.ids.binary_search(&id) {
            queue.ids.remove(place);
        }
        if queue.ids.is_empty() {
            self.keys.remove(&key);
        } else {
            self.release_key(key, env);
        }
    }

    /// Makes the first message of the key ready, where it was held and now may be delivered.
    pub(super) fn release_key(&mut self, key: Key, env: &mut Env<'_>) {
        let Some(queue) = self.keys.get(&key).filter(|queue| queue.in_flight == 0) else { return };
        let first = *queue.ids.front().expect("a queue is never empty");
        match self.by_id.get(&first) {
            Some(&slot) if self.entries[slot as usize].spot == Spot::Held => self.make_ready(slot),
            Some(_) => {}
            None => self.release_held(first, env),
        }
    }

    /// A held message becomes an entry.
    fn release_held(&mut self, id: u64, env: &mut Env<'_>) {
        let chunk = env.log.chunk_of(id);
        let facts = self.facts(id, chunk, &env.log.record(id, chunk));
        self.waiting.remove(&id);
        self.departed_bytes -= u64::from(facts.size);
        let slot = self.depart_pinned(&facts);
        match facts.due.filter(|due| *due > env.now) {
            Some(due) => self.defer(slot, due),
            None => self.make_ready(slot),
        }
    }

    /// Ends a message that waits outside of the backlog.
    pub(super) fn remove_waiting(&mut self, id: u64, env: &mut Env<'_>) {
        if let Some(&slot) = self.by_id.get(&id) {
            return self.remove(slot, env);
        }
        let chunk = env.log.chunk_of(id);
        let facts = self.facts(id, chunk, &env.log.record(id, chunk));
        self.waiting.remove(&id);
        self.departed_bytes -= u64::from(facts.size);
        env.log.unpin(id, chunk);
        if let Some(key) = facts.key {
            self.leave_key(key, id, env);
        }
    }

    /// Begins or ends to keep messages of one key in line. O(what is not in the backlog).
    pub(super) fn set_ordered(&mut self, ordered: bool, env: &mut Env<'_>) {
        if ordered == self.options.ordered {
            return;
        }
        if ordered {
            self.options.ordered = true;
            self.line_up(env);
        } else {
            self.release_all(env);
            self.options.ordered = false;
        }
    }

    fn line_up(&mut self, env: &Env<'_>) {
        for (id, slot) in self.by_id.clone() {
            let Entry { chunk, spot, .. } = self.entries[slot as usize];
            let key = self.facts(id, chunk, &env.log.record(id, chunk)).key;
            self.entries[slot as usize].key = key;
            if let Some(key) = key {
                self.join_key(key, id);
                let in_flight = matches!(spot, Spot::InFlight(_));
                self.keys.entry(key).and_modify(|queue| queue.in_flight += u32::from(in_flight));
            }
        }
    }

    fn release_all(&mut self, env: &mut Env<'_>) {
        let held: alloc::vec::Vec<u64> = self.waiting.iter().copied().collect();
        for id in held {
            if !self.by_id.contains_key(&id) {
                self.release_held(id, env);
            }
        }
        self.keys.clear();
        for slot in self.by_id.clone().into_values() {
            let entry = &mut self.entries[slot as usize];
            entry.key = None;
            if entry.spot == Spot::Held {
                self.make_ready(slot);
            }
        }
    }
}
