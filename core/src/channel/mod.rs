//! A channel: a place in the topic's log, and what departs from it.
//!
//! Every message before the cursor is finished, but for the *entries*: messages that are leased, deferred or
//! due again; and for those *held* behind another of their ordering key. Every message from the cursor on is
//! ready, but for entries again and for *gaps*: what expired, was dropped, or was finished before its turn. So a
//! backlog costs a channel nothing, however long.
//!
//! In the order of a message's life: [`lease`] hands messages out, [`settle`] takes them back, [`keys`] keeps
//! ordered ones in line, [`dead`] has those that failed too often. [`clients`] counts the consumers.

mod clients;
mod dead;
mod keys;
mod lease;
mod look;
mod settle;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use slab::Slab;

use crate::command::{ChannelChanges, ChannelOptions};
use crate::config::Limits;
use crate::gaps::Gaps;
use crate::list::{Linked, Links, List};
use crate::message::Record;
use crate::messages::{Cursor, Log};
use crate::name::Name;
use crate::schedule::{Handle, Schedule};
use crate::time::Time;

pub(crate) use clients::ClientId;
use clients::Clients;
use dead::Dead;
use keys::{Key, KeyQueue};
pub(crate) use lease::Terms;
pub(crate) use look::shown;

/// How many messages one command may pass over on its way to one that it can hand out.
const SCAN: u32 = 4096;
/// How many messages may be held behind others of their key before the channel waits for those.
const MAX_HELD: u64 = 1_000_000;

/// What a channel's operations reach beside the channel itself.
pub(crate) struct Env<'a> {
    pub(crate) log: &'a mut Log,
    /// The topic hands over the messages before this id.
    pub(crate) flow: u64,
    pub(crate) now: Time,
    pub(crate) limits: &'a Limits,
}

#[derive(Debug)]
pub(crate) struct Channel {
    name: Name<'static>,
    options: ChannelOptions,
    pub(crate) paused: bool,
    cursor: Cursor,
    gaps: Gaps,
    entries: Slab<Entry>,
    by_id: BTreeMap<u64, u32>,
    /// Entries due again, in the order in which they became so.
    ready: List,
    /// Ids of all messages that wait for a consumer outside of the backlog: due again or held.
    waiting: BTreeSet<u64>,
    deadlines: Schedule<u32>,
    keys: HashMap<Key, KeyQueue, foldhash::fast::FixedState>,
    dead: BTreeMap<u64, Dead>,
    clients: Clients,
    /// The pollers that wait here, in the order in which they came.
    pub(crate) pollers: List,
    /// Whether due-again messages are next; they and new ones take turns.
    redelivery_turn: bool,
    /// The last lease stopped before it knew whether there is a message to hand out.
    pub(crate) scanning: bool,
    next_delivery: u64,
    in_flight: u32,
    deferred: u32,
    /// Entries at or after the cursor.
    ahead: u64,
    /// Bytes of bodies of the entries and held messages before the cursor.
    departed_bytes: u64,
    /// Bytes of bodies in flight and deferred.
    busy_bytes: u64,
    /// Messages before this id were not for this channel.
    since: u64,
    counts: Counts,
    pub(crate) effects: Effects,
    /// When an ephemeral channel goes unless somebody polls it.
    idle_at: Option<Time>,
    /// The deadline that the broker knows of.
    pub(crate) armed: Option<(Time, Handle)>,
}

#[derive(Debug, Default)]
struct Counts {
    finished: u64,
    requeued: u64,
    timed_out: u64,
    expired: u64,
    dropped: u64,
}

/// What a channel's operations leave to be done by others.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Streams that hold one message less, by poller.
    pub(crate) released: Vec<u32>,
    /// Dead letters to be moved to the dead letter topic.
    pub(crate) outbox: Vec<u64>,
}

/// A message that departed from the channel's order.
#[derive(Debug)]
struct Entry {
    id: u64,
    chunk: u64,
    /// The number of its last delivery; zero before the first.
    delivery: u64,
    key: Option<Key>,
    leased_at: Time,
    /// Bytes of its body.
    size: u32,
    attempts: u16,
    spot: Spot,
    /// Who has it in flight, or had it last.
    client: ClientId,
    /// The stream that has it in flight.
    stream: Option<u32>,
    /// Its place among those due again.
    links: Links,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    InFlight(Handle),
    Deferred(Handle),
    /// Due again.
    Ready,
    /// Due again, behind another of its key.
    Held,
}

impl Linked for Entry {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// What of a message decides where it goes.
#[derive(Clone, Copy)]
struct Facts {
    id: u64,
    chunk: u64,
    size: u32,
    key: Option<Key>,
    due: Option<Time>,
    expires: Option<Time>,
}

impl Channel {
    /// A channel that starts at this place. The seed says where its delivery numbers start.
    pub(crate) fn new(name: Name<'static>, cursor: Cursor, seed: u64) -> Self {
        Channel {
            name,
            options: ChannelOptions::default(),
            paused: false,
            since: cursor.id(),
            cursor,
            gaps: Gaps::default(),
            entries: Slab::new(),
            by_id: BTreeMap::new(),
            ready: List::default(),
            waiting: BTreeSet::new(),
            deadlines: Schedule::default(),
            keys: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            dead: BTreeMap::new(),
            clients: Clients::default(),
            pollers: List::default(),
            redelivery_turn: true,
            scanning: false,
            // 32 bits of chance above 2^20 deliveries: a receipt of a deleted channel of the same name fits nowhere.
            next_delivery: (seed >> 32 << 20) + 1,
            in_flight: 0,
            deferred: 0,
            ahead: 0,
            departed_bytes: 0,
            busy_bytes: 0,
            counts: Counts::default(),
            effects: Effects::default(),
            idle_at: None,
            armed: None,
        }
    }

    pub(crate) fn name(&self) -> &Name<'static> {
        &self.name
    }

    pub(crate) fn position(&self) -> u64 {
        self.cursor.id()
    }

    pub(crate) fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// Messages waiting for a consumer. O(1).
    pub(crate) fn depth(&self, flow: u64) -> u64 {
        flow - self.cursor.id() - self.gaps.ids() - self.ahead + self.waiting.len() as u64
    }

    /// Messages not finished, dead letters aside. O(1).
    pub(crate) fn backlog(&self, flow: u64) -> u64 {
        self.depth(flow) + u64::from(self.in_flight) + u64::from(self.deferred)
    }

    /// Bytes of their bodies.
    pub(crate) fn backlog_bytes(&self, env: &Env<'_>) -> u64 {
        let fresh = env.log.bytes_between(self.cursor.id(), env.flow);
        fresh - self.gaps.bytes() + self.departed_bytes
    }

    /// Bytes of those in flight and deferred, which are never dropped.
    pub(crate) fn busy_bytes(&self) -> u64 {
        self.busy_bytes
    }

    pub(crate) fn configure(&mut self, changes: ChannelChanges<'_>, env: &mut Env<'_>) {
        let options = &mut self.options;
        changes.timeout.inspect(|value| options.timeout = *value);
        changes.max_attempts.inspect(|value| options.max_attempts = *value);
        changes.max_in_flight.inspect(|value| options.max_in_flight = *value);
        if let Some(topic) = changes.dead_letter {
            let topic = topic.map(Name::into_owned);
            if options.dead_letter != topic {
                options.dead_letter = topic;
                self.effects.outbox.extend(self.options.dead_letter.iter().flat_map(|_| self.dead.keys()));
            }
        }
        if let Some(ordered) = changes.ordered {
            self.set_ordered(ordered, env);
        }
    }

    /// How long a lease lasts unless the consumer says otherwise.
    pub(crate) fn timeout(&self, limits: &Limits) -> Duration {
        if self.options.timeout.is_zero() { limits.msg_timeout } else { self.options.timeout }
    }

    /// When [`Channel::handle_timeout`] is to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.next().into_iter().chain(self.idle_at).min()
    }

    /// Takes back what was leased for too long, and makes ready what was deferred until now.
    pub(crate) fn handle_timeout(&mut self, env: &mut Env<'_>) {
        while let Some(slot) = self.deadlines.pop_due(env.now) {
            match self.entries[slot as usize].spot {
                Spot::InFlight(_) => self.time_out(slot, env),
                Spot::Deferred(_) => self.fall_due(slot),
                Spot::Ready | Spot::Held => unreachable!("what is due again has no deadline"),
            }
        }
    }

    /// Drops what is ready, in flight and deferred. Dead letters stay.
    pub(crate) fn empty(&mut self, env: &mut Env<'_>) {
        self.seek(env.flow, &[], env);
    }

    /// Goes on at another place, from where on these ranges are not to be delivered. Leases and deferrals are
    /// dropped; dead letters stay what they are.
    pub(crate) fn seek(&mut self, id: u64, voids: &[(u64, u64)], env: &mut Env<'_>) {
        self.drop_departed(env);
        self.gaps.clear();
        env.log.seek(&mut self.cursor, id);
        for &(start, end) in voids {
            self.skip(start, end, env.log.bytes_between(start, end));
        }
        for (&id, dead) in self.dead.range(id..env.flow) {
            if self.gaps.end_of(id).is_none() {
                self.gaps.insert(id, id + 1, u64::from(dead.size));
            }
        }
    }

    /// Lets go of all it has in the log.
    pub(crate) fn close(mut self, env: &mut Env<'_>) -> Effects {
        self.drop_departed(env);
        self.drop_dead(env);
        env.log.release(self.cursor);
        self.effects
    }

    fn drop_departed(&mut self, env: &mut Env<'_>) {
        for queue in core::mem::take(&mut self.keys).into_values() {
            for id in queue.ids.into_iter().filter(|id| !self.by_id.contains_key(id)) {
                env.log.unpin(id, env.log.chunk_of(id));
            }
        }
        for (_, slot) in core::mem::take(&mut self.by_id) {
            let entry = self.entries.remove(slot as usize);
            if let Spot::InFlight(_) = entry.spot {
                self.clients.give_back(entry.client);
                self.effects.released.extend(entry.stream);
            }
            env.log.unpin(entry.id, entry.chunk);
        }
        self.entries.shrink_to_fit();
        self.ready = List::default();
        self.waiting.clear();
        self.deadlines = Schedule::default();
        (self.in_flight, self.deferred, self.ahead) = (0, 0, 0);
        (self.departed_bytes, self.busy_bytes) = (0, 0);
    }

    /// These messages are not for this channel, which has not come there: it passes over them.
    pub(crate) fn skip(&mut self, start: u64, end: u64, bytes: u64) {
        self.gaps.insert(start, end, bytes);
    }

    /// Messages that were never handed to the channels do not count as received.
    pub(crate) fn never_received(&mut self, messages: u64) {
        self.since += messages;
    }

    /// An ephemeral channel lets new messages, from this one on, go by, the newest first, where it is too deep.
    pub(crate) fn drop_excess(&mut self, from: u64, env: &mut Env<'_>) {
        let mut excess = self.depth(env.flow).saturating_sub(env.limits.mem_queue_size);
        let mut id = env.flow;
        while excess > 0 && id > from.max(self.cursor.id()) {
            id -= 1;
            if self.gaps.end_of(id).is_none() && !self.by_id.contains_key(&id) {
                self.skip(id, id + 1, env.log.bytes_between(id, id + 1));
                self.counts.dropped += 1;
                excess -= 1;
            }
        }
    }

    /// Drops the oldest message that waits for a consumer, if one does.
    pub(crate) fn drop_oldest(&mut self, env: &mut Env<'_>) -> bool {
        while self.pass_gap(env) {}
        let fresh = (self.cursor.id() < env.flow).then_some(self.cursor.id());
        let Some(oldest) = self.waiting.first().copied().into_iter().chain(fresh).min() else { return false };
        if fresh == Some(oldest) {
            env.log.step(&mut self.cursor);
        } else {
            self.remove_waiting(oldest, env);
        }
        self.counts.dropped += 1;
        true
    }

    /// A message's time to live has run out. In flight, it may still be finished.
    pub(crate) fn expire(&mut self, id: u64, size: u64, env: &mut Env<'_>) {
        match self.by_id.get(&id).map(|&slot| (slot, self.entries[slot as usize].spot)) {
            Some((_, Spot::InFlight(_))) => return,
            Some((slot, _)) => self.remove(slot, env),
            None if self.waiting.contains(&id) => self.remove_waiting(id, env),
            None if id >= self.cursor.id() && id < env.flow && self.gaps.end_of(id).is_none() => {
                self.skip(id, id + 1, size);
                // Without consumers nobody else would let go of the memory.
                while self.pass_gap(env) {}
            }
            None => return,
        }
        self.counts.expired += 1;
    }

    /// A message that must wait for its time departs from the order before the cursor comes there.
    pub(crate) fn defer_ahead(&mut self, id: u64, env: &mut Env<'_>) {
        let chunk = env.log.chunk_of(id);
        let record = env.log.record(id, chunk);
        let Some(due) = record.due.filter(|due| *due > env.now) else { return };
        let facts = self.facts(id, chunk, &record);
        if let Some(key) = facts.key {
            self.join_key(key, id);
        }
        let slot = self.depart(&facts, env);
        self.defer(slot, due);
    }

    fn facts(&self, id: u64, chunk: u64, record: &Record<'_>) -> Facts {
        let key = record.key.filter(|_| self.options.ordered).map(|key| self.key_of(key));
        Facts { id, chunk, size: record.body.len() as u32, key, due: record.due, expires: record.expires }
    }

    /// Makes an entry, in flight or deferred next. The message is where the cursor is or after, or has just been passed.
    fn depart(&mut self, facts: &Facts, env: &mut Env<'_>) -> u32 {
        env.log.pin(facts.id, facts.chunk);
        self.depart_pinned(facts)
    }

    fn depart_pinned(&mut self, facts: &Facts) -> u32 {
        let entry = Entry {
            id: facts.id,
            chunk: facts.chunk,
            delivery: 0,
            key: facts.key,
            leased_at: Time::default(),
            size: facts.size,
            attempts: 0,
            spot: Spot::Held,
            client: ClientId::NONE,
            stream: None,
            links: Links::default(),
        };
        let slot = self.entries.insert(entry) as u32;
        self.by_id.insert(facts.id, slot);
        if facts.id >= self.cursor.id() {
            self.ahead += 1;
        } else {
            self.departed_bytes += u64::from(facts.size);
        }
        slot
    }

    fn defer(&mut self, slot: u32, due: Time) {
        let entry = &mut self.entries[slot as usize];
        entry.spot = Spot::Deferred(self.deadlines.insert(due, slot));
        self.deferred += 1;
        self.busy_bytes += u64::from(entry.size);
    }

    /// A deferral is over.
    fn fall_due(&mut self, slot: u32) {
        self.deferred -= 1;
        self.busy_bytes -= u64::from(self.entries[slot as usize].size);
        self.make_ready(slot);
    }

    /// Puts an entry, which is nowhere now, among those due again.
    fn make_ready(&mut self, slot: u32) {
        let Entry { id, key, .. } = self.entries[slot as usize];
        self.waiting.insert(id);
        let may_deliver = self.may_deliver(key, id);
        self.entries[slot as usize].spot = if may_deliver { Spot::Ready } else { Spot::Held };
        if may_deliver {
            self.ready.push_back(&mut self.entries, slot);
        }
    }

    /// Takes an entry out of where it is. Its spot means nothing until it is put somewhere else.
    fn take_out(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        let (id, key, client, stream, size) = (entry.id, entry.key, entry.client, entry.stream, u64::from(entry.size));
        match entry.spot {
            Spot::InFlight(deadline) => {
                self.deadlines.remove(deadline);
                self.no_longer_in_flight(key, client, stream, size);
            }
            Spot::Deferred(deadline) => {
                self.deadlines.remove(deadline);
                self.deferred -= 1;
                self.busy_bytes -= size;
            }
            Spot::Ready => {
                self.ready.remove(&mut self.entries, slot);
                self.waiting.remove(&id);
            }
            Spot::Held => {
                self.waiting.remove(&id);
            }
        }
    }

    fn no_longer_in_flight(&mut self, key: Option<Key>, client: ClientId, stream: Option<u32>, size: u64) {
        self.in_flight -= 1;
        self.busy_bytes -= size;
        self.clients.give_back(client);
        self.effects.released.extend(stream);
        if let Some(queue) = key.and_then(|key| self.keys.get_mut(&key)) {
            queue.in_flight -= 1;
        }
    }

    /// Ends an entry: its message is finished, dropped or expired.
    fn remove(&mut self, slot: u32, env: &mut Env<'_>) {
        self.take_out(slot);
        self.forget(slot, env);
    }

    /// Ends an entry that is nowhere.
    fn forget(&mut self, slot: u32, env: &mut Env<'_>) {
        let entry = self.detach(slot);
        env.log.unpin(entry.id, entry.chunk);
        if let Some(key) = entry.key {
            self.leave_key(key, entry.id, env);
        }
    }

    /// Ends an entry but for its pin in the log and its place behind its key.
    fn detach(&mut self, slot: u32) -> Entry {
        let entry = self.entries.remove(slot as usize);
        self.by_id.remove(&entry.id);
        if entry.id >= self.cursor.id() {
            self.ahead -= 1;
            self.gaps.insert(entry.id, entry.id + 1, u64::from(entry.size));
        } else {
            self.departed_bytes -= u64::from(entry.size);
        }
        entry
    }

    /// Moves the cursor past one gap or entry, where it stands before one.
    fn pass_gap(&mut self, env: &mut Env<'_>) -> bool {
        let id = self.cursor.id();
        if id >= env.flow {
            return false;
        }
        if let Some(end) = self.gaps.starting_at(id) {
            self.gaps.pass_first(env.log.bytes_between(id, end));
            env.log.advance(&mut self.cursor, end);
            return true;
        }
        if self.ahead == 0 {
            return false;
        }
        let Some(&slot) = self.by_id.get(&id) else { return false };
        self.ahead -= 1;
        self.departed_bytes += u64::from(self.entries[slot as usize].size);
        env.log.step(&mut self.cursor);
        true
    }
}
