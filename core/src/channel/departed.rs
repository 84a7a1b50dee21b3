//! What departs from a channel's order: one collection of messages, each in one state, with all that follows from
//! their states. [`Departed::set_state`] is the only function that changes one, and the counts and indexes with it.

#[cfg(debug_assertions)]
mod check;
mod restored;

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry as MapEntry;
use alloc::vec::Vec;
use core::cell::Cell;
use core::num::NonZeroU64;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::clients::Clients;
use super::keys::{Key, KeyQueue};
use super::{ClientId, Terms};
use crate::by_id::IdSet;
use crate::ids::PollerId;
use crate::list::{Linked, Links, List};
use crate::message::MessageMeta;
use crate::schedule::{Handle, Schedule};
use crate::slab::Slab;
use crate::time::Time;

/// The place of an entry among the others, as long as it is there.
pub(super) type Slot = u32;

/// A message that departed from the channel's order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) id: u64,
    /// Where its topic has it. Invariant: it is pinned there, once, as long as it is an entry. The number stays good
    /// when the message is moved: then it is found, and unpinned, by its id.
    pub(super) chunk: u64,
    /// The number of its last delivery; zero before the first. It outlives the lease, so that a late finish is known,
    /// and a receipt of an earlier delivery is refused.
    pub(super) delivery: u64,
    pub(super) key: Option<Key>,
    pub(super) leased_at: Time,
    /// When its message was published; not known before its first delivery here, nor of a lease before a restart.
    pub(super) published: Option<NonZeroU64>,
    /// Not delivered from then on.
    pub(super) expires: Option<NonZeroU64>,
    /// Bytes of its body.
    pub(super) size: u32,
    pub(super) attempts: u16,
    state: State,
    /// Who has it in flight.
    pub(super) client: ClientId,
    /// The stream that has it in flight, whose number nobody else gets before this one is released.
    stream: Option<PollerId>,
    /// Its place among those that are ready; in no list in any other state.
    links: Links,
}

/// The state of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// A consumer has it, until this deadline.
    InFlight(Handle),
    /// It waits for this deadline.
    Deferred(Handle),
    /// It waits for a consumer, in the ready list.
    Ready,
    /// It waits for a consumer, and for those before it of its key.
    Held,
    /// It is delivered no more until it is redriven.
    Dead,
}

/// The state that an entry is to have. Whether what waits is ready or held is not for others to say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    InFlight { at: Time, until: Time },
    Deferred { until: Time },
    Waiting,
    Dead,
}

/// The message of an entry that is one no more.
pub(super) struct Gone {
    pub(super) id: u64,
    pub(super) chunk: u64,
    pub(super) size: u32,
}

impl Linked for Entry {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Entry {
    fn new(meta: &MessageMeta, chunk: u64) -> Self {
        Entry {
            id: meta.id,
            chunk,
            delivery: 0,
            key: meta.key.and_then(Key::of),
            leased_at: Time::default(),
            published: None,
            expires: meta.expires.and_then(NonZeroU64::new),
            size: meta.size,
            attempts: 0,
            state: State::Held,
            client: ClientId::NONE,
            stream: None,
            links: Links::default(),
        }
    }

    /// What is to be known of its message. Its publisher's deferral is over, or is its state.
    pub(super) fn meta(&self) -> MessageMeta {
        let (key, expires) = (self.key.map(Key::hash), self.expires.map(NonZeroU64::get));
        MessageMeta { id: self.id, size: self.size, key, due: None, expires }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// The stream that has it in flight.
    pub(super) fn stream(&self) -> Option<PollerId> {
        self.stream
    }

    pub(super) fn client_has_it(&self) -> bool {
        matches!(self.state, State::InFlight(_))
    }

    pub(super) fn has_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires.get() <= now.as_nanos())
    }
}

/// All messages that departed from a channel's order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Departed {
    entries: Slab<Entry>,
    /// Invariant: one for each entry.
    #[serde(skip)]
    by_id: BTreeMap<u64, Slot>,
    /// The entry that was looked up or put in last; of no meaning where there is none there, or another message's:
    /// places are taken again, so whoever uses it compares the id. It saves a search, and nothing depends on it.
    #[serde(skip)]
    last: Cell<Slot>,
    /// Those that may be handed out, in the order in which they became so. Invariant: exactly those in
    /// [`State::Ready`], and none whose key has another in flight, or another before it.
    ready: List,
    /// Ids of those that wait for a consumer, ready or held.
    #[serde(skip)]
    waiting: IdSet,
    /// Ids of the dead letters.
    #[serde(skip)]
    dead: IdSet,
    deadlines: Schedule<Slot>,
    /// Messages with one key are delivered one after another.
    ordered: bool,
    /// By key, all that are not dead, the deferred ones too: they keep back those behind them. None where the channel
    /// is not ordered. Dead ones do not stand in the way, or one bad message would hold its key for ever.
    #[serde(skip)]
    keys: HashMap<Key, KeyQueue, foldhash::fast::FixedState>,
    #[serde(skip)]
    in_flight: u32,
    #[serde(skip)]
    deferred: u32,
    /// Bytes of bodies of all that are not dead.
    #[serde(skip)]
    bytes: u64,
    /// Bytes of bodies in flight and deferred.
    #[serde(skip)]
    busy_bytes: u64,
    pub(super) clients: Clients,
    /// Streams that hold one message less, by poller, once for each message: for the broker to take.
    pub(super) released: Vec<PollerId>,
}

impl Departed {
    /// How many are in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many are deferred.
    pub(super) fn deferred(&self) -> u32 {
        self.deferred
    }

    /// How many wait for a consumer.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// How many dead letters there are.
    pub(super) fn dead(&self) -> u64 {
        self.dead.len() as u64
    }

    /// Bytes of memory that they take, about.
    pub(super) fn memory(&self) -> usize {
        self.by_id.len() * (size_of::<Entry>() + 40)
    }

    /// Bytes of bodies of all that are not dead.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of bodies in flight and deferred.
    pub(super) fn busy_bytes(&self) -> u64 {
        self.busy_bytes
    }

    pub(super) fn find(&self, id: u64) -> Option<Slot> {
        // Whoever decides looks a message up, and so does what then happens to it. Those that were leased one after
        // another stand side by side, and are often finished so.
        let last = self.last.get();
        let has_it = |slot: &Slot| self.entries.get(*slot).is_some_and(|entry| entry.id == id);
        let near = [last, last.wrapping_add(1), last.wrapping_sub(1)].into_iter().find(has_it);
        let found = near.or_else(|| self.by_id.get(&id).copied());
        self.last.set(found.unwrap_or(last));
        found
    }

    pub(super) fn get(&self, slot: Slot) -> &Entry {
        &self.entries[slot]
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Entry {
        &mut self.entries[slot]
    }

    /// The entry of this message.
    pub(super) fn entry(&self, id: u64) -> Option<&Entry> {
        self.find(id).map(|slot| self.get(slot))
    }

    /// The entries with ids in a row, by id.
    pub(super) fn range(&self, ids: core::ops::Range<u64>) -> impl DoubleEndedIterator<Item = (u64, Slot)> + '_ {
        // A range that ends before it begins is empty here, and a panic there.
        let ids = ids.start..ids.end.max(ids.start);
        self.by_id.range(ids).map(|(&id, &slot)| (id, slot))
    }

    /// The entries from this id on, by id.
    pub(super) fn from(&self, id: u64) -> impl Iterator<Item = &Entry> {
        self.by_id.range(id..).map(|(_, &slot)| self.get(slot))
    }

    /// The ids of those that wait for a consumer, from this one on.
    pub(super) fn waiting_from(&self, id: u64) -> impl Iterator<Item = u64> {
        self.waiting.range(id..)
    }

    /// The ids of the dead letters, from this one on.
    pub(super) fn dead_from(&self, id: u64) -> impl Iterator<Item = u64> {
        self.dead.range(id..)
    }

    /// The one that may be handed out next.
    pub(super) fn first_ready(&self) -> Option<Slot> {
        self.ready.front()
    }

    /// When the first lease or deferral ends.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next()
    }

    /// An entry whose lease or deferral is over by now.
    pub(super) fn first_due(&self, now: Time) -> Option<Slot> {
        self.deadlines.first_due(now)
    }

    /// When an entry's state ends by itself.
    pub(super) fn until(&self, entry: &Entry) -> Option<Time> {
        match entry.state {
            State::InFlight(deadline) | State::Deferred(deadline) => Some(self.deadlines.deadline(deadline)),
            State::Ready | State::Held | State::Dead => None,
        }
    }

    /// Whether a message of this key, which is in no queue yet, may be delivered: no other of it stands in the way.
    pub(super) fn is_free(&self, key: Option<u64>, id: u64) -> bool {
        let queue = key.and_then(Key::of).filter(|_| self.ordered).and_then(|key| self.keys.get(&key));
        // What stands behind it may be in the queue already: it departed first, because it was deferred.
        queue.is_none_or(|queue| queue.in_flight == 0 && queue.ids.front().is_none_or(|first| *first > id))
    }

    /// The first message of the queue that an entry stands in.
    pub(super) fn first_of_key(&self, entry: &Entry) -> Option<u64> {
        self.keys.get(&entry.key?)?.ids.front().copied()
    }

    /// Puts a message, which is pinned in this chunk, among the entries; `None` where it is one already, and nothing changes.
    pub(super) fn insert(&mut self, meta: &MessageMeta, chunk: u64, next: Next) -> Option<Slot> {
        let MapEntry::Vacant(vacant) = self.by_id.entry(meta.id) else { return None };
        let slot = self.entries.insert(Entry::new(meta, chunk));
        vacant.insert(slot);
        self.last.set(slot);
        self.bytes = self.bytes.saturating_add(meta.size.into());
        // The queue comes before the state: whether what waits is ready or held is told by its place in there.
        if self.ordered && !matches!(next, Next::Dead) {
            self.join_key(slot);
        }
        self.enter(slot, next);
        Some(slot)
    }

    /// Changes the state of an entry, and all that is counted and kept of states.
    pub(super) fn set_state(&mut self, slot: Slot, next: Next) {
        // The old state is needed for what is undone by it, and for whether the entry stood in a queue; the new one
        // decides who of its key is next, and so that comes last.
        self.leave(slot);
        match next {
            Next::Dead if !self.get(slot).is_dead() => self.leave_key(slot),
            Next::Dead => {}
            _ if self.get(slot).is_dead() => self.join_key(slot),
            _ => {}
        }
        self.enter(slot, next);
        self.release_key(slot);
    }

    /// Takes an entry out; answers what it was about.
    pub(super) fn remove(&mut self, slot: Slot) -> Gone {
        self.leave(slot);
        let Entry { id, chunk, size, .. } = self.entries[slot];
        // A dead letter was counted again by leaving its state.
        self.bytes -= u64::from(size);
        if self.ordered && !self.get(slot).is_dead() {
            self.leave_key(slot);
            self.release_key(slot);
        }
        // Last, as the queue is found by the entry's key.
        self.entries.discard(slot);
        self.by_id.remove(&id);
        Gone { id, chunk, size }
    }

    /// Takes all out but the dead letters, each seen once more by `let_go`.
    pub(super) fn clear(&mut self, mut let_go: impl FnMut(&Entry)) {
        // Not one by one by `remove`, which would make ready what is taken out next. What is left has no deadline, does
        // not wait and stands in no queue, so that what is kept of states begins anew.
        for (id, slot) in core::mem::take(&mut self.by_id) {
            if self.get(slot).is_dead() {
                self.by_id.insert(id, slot);
                continue;
            }
            let entry = self.entries.remove(slot);
            if let State::InFlight(_) = entry.state {
                self.clients.give_back(entry.client);
                self.released.extend(entry.stream);
            }
            let_go(&entry);
        }
        // Only places after the last dead letter go: the others are named by number.
        self.entries.shrink_to_fit();
        self.ready = List::default();
        self.waiting.clear();
        self.keys = HashMap::default();
        self.deadlines = Schedule::default();
        (self.in_flight, self.deferred, self.bytes, self.busy_bytes) = (0, 0, 0, 0);
    }

    /// Who has an entry that was just put in flight, and when its message was published. Not a part of the event that
    /// put it there: after a start, nobody is known to have what is in flight.
    pub(super) fn assign(&mut self, slot: Slot, terms: &Terms, published: Time) {
        let entry = self.get_mut(slot);
        (entry.client, entry.stream) = (terms.client, terms.stream);
        entry.published = NonZeroU64::new(published.as_nanos());
        self.clients.hand(terms.client);
    }

    /// A lease ends at another time.
    pub(super) fn touch(&mut self, slot: Slot, until: Time) {
        if let State::InFlight(deadline) = self.get(slot).state {
            self.deadlines.remove(deadline);
            self.get_mut(slot).state = State::InFlight(self.deadlines.insert(until, slot));
        }
    }

    /// A lease or deferral ends at another time, as a wrong clock made it; a lease counts from `leased_at` from now on.
    pub(super) fn set_deadline(&mut self, slot: Slot, leased_at: Time, until: Time) {
        let (State::InFlight(old) | State::Deferred(old)) = self.get(slot).state else { return };
        self.deadlines.remove(old);
        let new = self.deadlines.insert(until, slot);
        let entry = self.get_mut(slot);
        entry.leased_at = leased_at;
        if let State::InFlight(deadline) | State::Deferred(deadline) = &mut entry.state {
            *deadline = new;
        }
    }

    /// The part of a change of state that ends the old one. The state means nothing until the new one is entered: it
    /// only tells [`Departed::set_state`] and [`Departed::remove`] which one that was.
    fn leave(&mut self, slot: Slot) {
        let Entry { id, key, state, size, client, stream, .. } = self.entries[slot];
        match state {
            State::InFlight(deadline) => {
                self.deadlines.remove(deadline);
                self.in_flight -= 1;
                self.busy_bytes -= u64::from(size);
                // Of a lease from before the start, nobody has it: that is no client, and no stream.
                self.clients.give_back(client);
                self.released.extend(stream);
                if let Some(queue) = self.queue(key) {
                    queue.in_flight -= 1;
                }
                let entry = self.get_mut(slot);
                (entry.client, entry.stream) = (ClientId::NONE, None);
            }
            State::Deferred(deadline) => {
                self.deadlines.remove(deadline);
                self.deferred -= 1;
                self.busy_bytes -= u64::from(size);
            }
            State::Ready => {
                self.ready.remove(&mut self.entries, slot);
                self.waiting.remove(id);
            }
            State::Held => self.waiting.remove(id),
            State::Dead => {
                self.dead.remove(id);
                self.bytes = self.bytes.saturating_add(size.into());
            }
        }
    }

    /// The part that begins the new one.
    fn enter(&mut self, slot: Slot, next: Next) {
        let Entry { id, key, size, .. } = self.entries[slot];
        let state = match next {
            Next::InFlight { at, until } => {
                self.get_mut(slot).leased_at = at;
                self.in_flight += 1;
                self.busy_bytes = self.busy_bytes.saturating_add(size.into());
                if let Some(queue) = self.queue(key) {
                    queue.in_flight += 1;
                    // Where a channel is read from a snapshot, an earlier message of the key that was redriven may be
                    // here, and ready, before the one that is in flight comes.
                    let first = queue.ids.front().copied().filter(|first| *first != id);
                    self.hold(first);
                }
                State::InFlight(self.deadlines.insert(until, slot))
            }
            Next::Deferred { until } => {
                self.deferred += 1;
                self.busy_bytes = self.busy_bytes.saturating_add(size.into());
                State::Deferred(self.deadlines.insert(until, slot))
            }
            Next::Waiting => {
                self.waiting.insert(id);
                if self.may_deliver(key, id) {
                    self.ready.push_back(&mut self.entries, slot);
                    State::Ready
                } else {
                    State::Held
                }
            }
            Next::Dead => {
                self.dead.insert(id);
                self.bytes -= u64::from(size);
                State::Dead
            }
        };
        self.get_mut(slot).state = state;
    }

    fn queue(&mut self, key: Option<Key>) -> Option<&mut KeyQueue> {
        if self.ordered { self.keys.get_mut(&key?) } else { None }
    }

    fn may_deliver(&self, key: Option<Key>, id: u64) -> bool {
        let queue = key.filter(|_| self.ordered).and_then(|key| self.keys.get(&key));
        queue.is_none_or(|queue| queue.in_flight == 0 && queue.ids.front() == Some(&id))
    }

    /// An entry stands in the queue of its key from now on. Whatever was first there is so no more if it comes later.
    fn join_key(&mut self, slot: Slot) {
        let Entry { id, key: Some(key), .. } = self.entries[slot] else { return };
        if !self.ordered {
            return;
        }
        let ids = &mut self.keys.entry(key).or_default().ids;
        let place = ids.partition_point(|other| *other < id);
        ids.insert(place, id);
        // Only the first of a queue can be ready, so nobody else has to be looked at.
        let second = if place == 0 { ids.get(1).copied() } else { None };
        self.hold(second);
    }

    /// What was ready has one of its key before it, or in flight.
    fn hold(&mut self, id: Option<u64>) {
        if let Some(slot) = id.and_then(|id| self.find(id))
            && self.get(slot).state == State::Ready
        {
            self.make_held(slot);
        }
    }

    /// An entry stands in no queue any more.
    fn leave_key(&mut self, slot: Slot) {
        let Entry { id, key: Some(key), .. } = self.entries[slot] else { return };
        let Some(queue) = self.queue(Some(key)) else { return };
        if let Ok(place) = queue.ids.binary_search(&id) {
            queue.ids.remove(place);
        }
        // With its last message goes the queue: there are as many as there are keys under way. None of them is in
        // flight, as its state was left before.
        if queue.ids.is_empty() {
            self.keys.remove(&key);
        }
    }

    /// The first message of an entry's key is ready, where it was held and may be delivered now.
    fn release_key(&mut self, slot: Slot) {
        let Some(key) = self.get(slot).key else { return };
        // Several may be in flight, where they were when the channel became an ordered one.
        let Some(queue) = self.queue(Some(key)).filter(|queue| queue.in_flight == 0) else { return };
        let first = queue.ids.front().copied();
        if let Some(first) = first.and_then(|id| self.find(id))
            && self.get(first).state == State::Held
        {
            self.make_ready(first);
        }
    }

    fn make_ready(&mut self, slot: Slot) {
        self.ready.push_back(&mut self.entries, slot);
        self.get_mut(slot).state = State::Ready;
    }

    fn make_held(&mut self, slot: Slot) {
        self.ready.remove(&mut self.entries, slot);
        self.get_mut(slot).state = State::Held;
    }

    /// Begins or ends to keep messages of one key in line. Looks at all entries.
    pub(super) fn set_ordered(&mut self, ordered: bool) {
        if core::mem::replace(&mut self.ordered, ordered) == ordered {
            return;
        }
        let all = self.join_keys();
        // What was held becomes ready in the order of the ids, and what stands behind another is held.
        for slot in all {
            let Entry { id, key, state, .. } = self.entries[slot];
            match (state, self.may_deliver(key, id)) {
                (State::Held, true) => self.make_ready(slot),
                (State::Ready, false) => self.make_held(slot),
                _ => {}
            }
        }
    }

    /// All that are not dead join the queues of their keys; which these are, by id.
    fn join_keys(&mut self) -> Vec<Slot> {
        self.keys = HashMap::default();
        // By id, so that each joins its queue at the end.
        let all: Vec<Slot> = self.by_id.values().copied().filter(|slot| !self.get(*slot).is_dead()).collect();
        for &slot in &all {
            self.join_key(slot);
            // All were leased while nobody looked at keys: what is in flight stays so.
            if let Entry { key, state: State::InFlight(_), .. } = self.entries[slot]
                && let Some(queue) = self.queue(key)
            {
                queue.in_flight += 1;
            }
        }
        all
    }

    /// Whether an entry is ready where it may be delivered, and held where it may not.
    fn is_where_it_should(&self, slot: Slot) -> bool {
        let Entry { id, key, state, .. } = self.entries[slot];
        match state {
            State::Ready => self.may_deliver(key, id),
            State::Held => !self.may_deliver(key, id),
            State::InFlight(_) | State::Deferred(_) | State::Dead => true,
        }
    }

    /// How many entries there are.
    #[cfg(debug_assertions)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
