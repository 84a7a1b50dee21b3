//! A channel: a place in the topic's log, and what departs from it.
//!
//! Every message before the cursor is finished, but for the *entries*: messages that are leased, deferred or
//! due again; and for those *held* behind another of their ordering key. Every message from the cursor on is
//! ready, but for entries again and for *gaps*: what expired, was dropped, or was finished before its turn. So a
//! backlog costs a channel nothing, however long.
//!
//! In the order of a message's life: [`backlog`] has what the channel has not read, [`lease`] hands messages out, [`settle`] takes them back, [`keys`] keeps
//! ordered ones in line, [`dead`] has those that failed too often. [`clients`] counts the consumers.

mod backlog;
mod clients;
mod dead;
mod image;
mod keys;
mod latency;
mod lease;
mod look;
mod place;
mod settle;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::ops::Range;
use core::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::by_id::{ById, IdSet};
use crate::command::{ChannelChanges, ChannelOptions, Ticket};
use crate::config::Limits;
use crate::gaps::Gaps;
use crate::list::{Linked, Links, List};
use crate::log::event::{Event, Ids, Mark};
use crate::log::image::Gap;
use crate::log::journal::{Journal, What};
use crate::message::Facts;
use crate::messages::{Cursor, Messages};
use crate::name::Name;
use crate::schedule::{Handle, Schedule};
use crate::slab::Slab;
use crate::time::Time;

pub(crate) use clients::ClientId;
use clients::Clients;
use dead::Dead;
pub(crate) use dead::DeadLetter;
use keys::{Held, Key, KeyQueue};
use latency::Latencies;
pub(crate) use lease::Terms;
pub use place::{Place, Whereabouts};

/// How many messages one command may pass over on its way to one that it can hand out.
const SCAN: u32 = 4096;
/// How many messages may be held behind others of their key before the channel waits for those.
const MAX_HELD: u64 = 1_000_000;

/// What a channel's operations reach beside the channel itself.
pub(crate) struct Env<'a> {
    /// The channel's number.
    pub(crate) number: u32,
    pub(crate) messages: &'a mut Messages,
    /// Where what happens is written down; nowhere, if the channel is not in the log.
    pub(crate) journal: Option<&'a mut Journal>,
    /// Where what happens is told as well, where somebody watches.
    pub(crate) heard: Option<&'a mut Vec<Event>>,
    /// The topic hands over the messages before this place.
    pub(crate) flow: Mark,
    /// Goes into the hashes of ordering keys.
    pub(crate) seed: u64,
    pub(crate) now: Time,
    pub(crate) limits: &'a Limits,
}

impl Env<'_> {
    /// Writes down what happened.
    fn journal(&mut self, event: impl FnOnce(u32) -> Event) {
        if self.journal.is_none() && self.heard.is_none() {
            return;
        }
        let event = event(self.number);
        if let Some(journal) = &mut self.journal {
            journal.event(&event);
        }
        if let Some(heard) = &mut self.heard {
            heard.push(event);
        }
    }

    /// Writes down what happened to a message, and is likely to happen to others next.
    fn journal_each(&mut self, what: What, id: u64) {
        if let Some(journal) = &mut self.journal {
            journal.each(self.number, what, id);
        }
        self.heard.iter_mut().for_each(|heard| heard.push(what.event(self.number, Ids::from_iter([id]))));
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Channel {
    name: Name<'static>,
    options: ChannelOptions,
    paused: bool,
    cursor: Cursor,
    gaps: Gaps,
    entries: Slab<Entry>,
    by_id: BTreeMap<u64, u32>,
    /// Entries due again, in the order in which they became so.
    ready: List,
    /// Ids of all messages that wait for a consumer outside of the backlog: due again or held.
    waiting: IdSet,
    deadlines: Schedule<u32>,
    #[serde(with = "crate::state::table")]
    keys: HashMap<Key, KeyQueue, foldhash::fast::FixedState>,
    dead: ById<Dead>,
    /// What is held and no entry.
    held: ById<Held>,
    clients: Clients,
    /// The pollers that wait here, in the order in which they came.
    pub(crate) pollers: List,
    /// Whether due-again messages are next; they and new ones take turns.
    redelivery_turn: bool,
    /// How the last search for a message to hand out ended.
    pub(crate) search: Search,
    /// Polls that are to be answered as soon as it is known whether there is something.
    pub(crate) overdue: Vec<Ticket>,
    next_delivery: u64,
    /// The delivery numbers that were or may have been used, without a trace in the log, before the topic was opened.
    untraced: Range<u64>,
    /// Messages from this one on were published since: no lease of them is untraced.
    opened_at: u64,
    /// The cursor, as it was written down last.
    told: u64,
    /// What left the backlog since it was last written down.
    departed: Vec<Facts>,
    /// Dead letters at or after the cursor, and the bytes of their bodies.
    dead_ahead: u64,
    dead_ahead_bytes: u64,
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

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counts {
    finished: u64,
    requeued: u64,
    timed_out: u64,
    expired: u64,
    dropped: u64,
    latencies: Latencies,
}

/// How a search for a message to hand out ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Search {
    /// It found one, or there is none.
    Done,
    /// It stopped before it knew, having passed over many.
    Scanning,
    /// It came to one that is in the log, and is read now.
    Reading,
}

/// What a channel's operations leave to be done by others.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Effects {
    /// Streams that hold one message less, by poller.
    pub(crate) released: Vec<u32>,
    /// Dead letters to be moved to the dead letter topic.
    pub(crate) outbox: Vec<u64>,
}

/// A message that departed from the channel's order.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    id: u64,
    chunk: u64,
    /// The number of its last delivery; zero before the first.
    delivery: u64,
    key: Option<Key>,
    leased_at: Time,
    /// When its message was published; not known before its first delivery here, nor of a lease before a restart.
    published: Option<NonZeroU64>,
    /// Not delivered from then on.
    expires: Option<NonZeroU64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Channel {
    /// A channel that starts at this place. The seed says where its delivery numbers start.
    pub(crate) fn new(name: Name<'static>, cursor: Cursor, seed: u64) -> Self {
        Channel {
            name,
            options: ChannelOptions::default(),
            paused: false,
            since: cursor.id(),
            held: ById::default(),
            untraced: 0..0,
            opened_at: 0,
            told: cursor.id(),
            departed: Vec::new(),
            dead_ahead: 0,
            dead_ahead_bytes: 0,
            cursor,
            gaps: Gaps::default(),
            entries: Slab::new(),
            by_id: BTreeMap::new(),
            ready: List::default(),
            waiting: IdSet::default(),
            deadlines: Schedule::default(),
            keys: HashMap::default(),
            dead: ById::default(),
            clients: Clients::default(),
            pollers: List::default(),
            redelivery_turn: true,
            search: Search::Done,
            overdue: Vec::new(),
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

    /// Numbers its deliveries from this time on, in nanoseconds, and a chance of up to a millisecond. Nobody hands out
    /// a message each nanosecond: so an earlier channel of the same name used none of them, and after a start there is
    /// no doubt whose receipt it is that the log does not know.
    pub(crate) fn number_from(&mut self, now: Time, seed: u64) {
        self.next_delivery = now.as_nanos().saturating_add(seed >> 44);
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

    /// Whether it does not know yet if it has a message to hand out.
    pub(crate) fn is_searching(&self) -> bool {
        self.search != Search::Done
    }

    /// Whether dead letters wait to be moved to another topic.
    pub(crate) fn has_outbox(&self) -> bool {
        !self.effects.outbox.is_empty()
    }

    /// Messages waiting for a consumer. O(1).
    pub(crate) fn depth(&self, flow: u64) -> u64 {
        let passed = self.gaps.ids() + self.ahead + self.dead_ahead;
        (flow - self.cursor.id()).saturating_sub(passed) + self.waiting.len() as u64
    }

    /// Messages not finished, dead letters aside. O(1).
    pub(crate) fn backlog(&self, flow: u64) -> u64 {
        self.depth(flow) + u64::from(self.in_flight) + u64::from(self.deferred)
    }

    /// Bytes of their bodies.
    pub(crate) fn backlog_bytes(&self, flow: Mark) -> u64 {
        let fresh = flow.bytes.saturating_sub(self.cursor.mark().bytes);
        fresh.saturating_sub(self.gaps.bytes() + self.dead_ahead_bytes) + self.departed_bytes
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
            self.set_ordered(ordered);
        }
        let settings = self.settings();
        env.journal(|channel| Event::ChannelConfigured(channel, settings));
    }

    /// Stops (or starts) leasing.
    pub(crate) fn pause(&mut self, paused: bool, env: &mut Env<'_>) {
        self.paused = paused;
        env.journal(|channel| Event::ChannelPaused(channel, paused));
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
        self.seek(env.flow, Vec::new(), env);
    }

    /// Goes on at another place, from where on these ranges are not to be delivered. Leases and deferrals are
    /// dropped; dead letters stay what they are.
    pub(crate) fn seek(&mut self, to: Mark, gaps: Vec<Gap>, env: &mut Env<'_>) {
        self.drop_departed(env);
        env.messages.seek(&mut self.cursor, to);
        self.gaps = gaps.iter().copied().collect();
        self.find_dead_ahead();
        self.tell();
        env.journal(|channel| Event::Sought { channel, to, gaps });
    }

    /// Lets go of all it has in the log.
    pub(crate) fn close(mut self, env: &mut Env<'_>) -> Effects {
        self.drop_departed(env);
        self.drop_dead(env);
        env.messages.release(self.cursor);
        self.effects
    }

    fn drop_departed(&mut self, env: &mut Env<'_>) {
        self.keys.clear();
        for (id, held) in core::mem::take(&mut self.held) {
            env.messages.unpin(id, held.chunk);
        }
        for (_, slot) in core::mem::take(&mut self.by_id) {
            let entry = self.entries.remove(slot as usize);
            if let Spot::InFlight(_) = entry.spot {
                self.clients.give_back(entry.client);
                self.effects.released.extend(entry.stream);
            }
            env.messages.unpin(entry.id, entry.chunk);
        }
        self.entries.shrink_to_fit();
        self.ready = List::default();
        self.waiting.clear();
        self.deadlines = Schedule::default();
        (self.in_flight, self.deferred, self.ahead) = (0, 0, 0);
        (self.departed_bytes, self.busy_bytes) = (0, 0);
    }

    /// Makes an entry, in flight or deferred next. The message is where the cursor is or after, or has just been passed.
    fn depart(&mut self, facts: &Facts, env: &mut Env<'_>) -> u32 {
        let chunk = env.messages.pin_found(facts.id);
        self.depart_pinned(facts, chunk)
    }

    fn depart_pinned(&mut self, facts: &Facts, chunk: u64) -> u32 {
        let entry = Entry {
            id: facts.id,
            chunk,
            delivery: 0,
            key: facts.key.and_then(Key::of),
            leased_at: Time::default(),
            published: None,
            expires: facts.expires.and_then(NonZeroU64::new),
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
        let may_deliver = self.may_deliver(self.queue(key), id);
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
                self.waiting.remove(id);
            }
            Spot::Held => {
                self.waiting.remove(id);
            }
        }
    }

    fn no_longer_in_flight(&mut self, key: Option<Key>, client: ClientId, stream: Option<u32>, size: u64) {
        self.in_flight -= 1;
        self.busy_bytes -= size;
        self.clients.give_back(client);
        self.effects.released.extend(stream);
        if let Some(queue) = self.queue(key).and_then(|key| self.keys.get_mut(&key)) {
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
        if entry.id >= self.cursor.id() {
            self.gaps.insert(entry.id, entry.id + 1, u64::from(entry.size));
        }
        env.messages.unpin(entry.id, entry.chunk);
        if let Some(key) = self.queue(entry.key) {
            self.leave_key(key, entry.id);
        }
    }

    /// Ends an entry but for its pin in the log, its place behind its key, and what is to be said of it to the cursor
    /// where that has not come there.
    fn detach(&mut self, slot: u32) -> Entry {
        let entry = self.entries.remove(slot as usize);
        self.by_id.remove(&entry.id);
        if entry.id >= self.cursor.id() {
            self.ahead -= 1;
        } else {
            self.departed_bytes -= u64::from(entry.size);
        }
        entry
    }
}
