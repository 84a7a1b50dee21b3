//! Handing messages out.

use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::time::Duration;

use super::{Channel, ClientId, Entry, Env, MAX_HELD, SCAN, Search, Spot};
use crate::command::Lease;
use crate::log::event::{Event, Ids};
use crate::message::{Facts, Receipt};
use crate::messages::Found;
use crate::time::Time;

/// To whom messages are leased, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The channel's timeout where it is not said.
    pub(crate) timeout: Option<Duration>,
    pub(crate) client: ClientId,
    pub(crate) stream: Option<u32>,
}

impl Channel {
    /// Leases the next message, if there is one. Due-again and new messages take turns.
    ///
    /// O(log of what is in flight). Messages that cannot be handed out are passed over, a bounded number in
    /// one call: then there is no answer yet, and [`Channel::search`] says so.
    pub(crate) fn lease(&mut self, terms: &Terms, env: &mut Env<'_>) -> Option<Lease> {
        self.search = Search::Done;
        if self.paused || (self.options.max_in_flight > 0 && self.in_flight >= self.options.max_in_flight) {
            return None;
        }
        let ready_first = self.redelivery_turn;
        let first = if ready_first { self.take_ready(env) } else { self.take_fresh(env) };
        // What has to be read first keeps its turn: the log changes nothing of the order.
        let slot = match first {
            None if self.search == Search::Reading => None,
            None if ready_first => self.take_fresh(env),
            None => self.take_ready(env),
            first => first,
        };
        slot.map(|slot| self.hand_out(slot, terms, env))
    }

    /// Leases so many messages, or as many as there are.
    pub(crate) fn lease_up_to(&mut self, max: u32, terms: &Terms, env: &mut Env<'_>) -> Vec<Lease> {
        let there = self.depth(env.flow.id).min(max.into()) as usize;
        let mut leases = Vec::with_capacity(there);
        let delivery = self.next_delivery;
        while leases.len() < max as usize
            && let Some(lease) = self.lease(terms, env)
        {
            leases.push(lease);
        }
        self.journal_leases(delivery, &leases, terms, env);
        leases
    }

    fn journal_leases(&mut self, delivery: u64, leases: &[Lease], terms: &Terms, env: &mut Env<'_>) {
        let departed = core::mem::take(&mut self.departed);
        let (at, cursor) = (env.now.as_nanos(), self.cursor.mark());
        if !leases.is_empty() {
            let until = (env.now + terms.timeout.unwrap_or_else(|| self.timeout(env.limits))).as_nanos();
            let ids = leases.iter().map(|lease| lease.receipt.id);
            let all = ids.clone().eq(departed.iter().map(|facts| facts.id));
            let leased = if all { Ids::default() } else { ids.collect() };
            let from = self.tell();
            env.journal(|channel| Event::Leased { channel, at, until, delivery, from, cursor, departed, leased });
        } else if !departed.is_empty() {
            let from = self.tell();
            env.journal(|channel| Event::Passed { channel, at, from, cursor, departed });
        }
    }

    fn take_ready(&mut self, env: &mut Env<'_>) -> Option<u32> {
        while let Some(slot) = self.ready.front() {
            let Entry { id, chunk, key, .. } = self.entries[slot as usize];
            match env.messages.find(id, chunk) {
                Found::Record(_) => {}
                Found::Absent(chunk) => {
                    env.messages.want(chunk);
                    self.search = Search::Reading;
                    return None;
                }
                Found::Gone => {
                    self.remove(slot, env);
                    env.journal(|channel| Event::Lost { channel, id });
                    continue;
                }
            }
            self.ready.remove(&mut self.entries, slot);
            if self.may_deliver(self.queue(key), id) {
                self.waiting.remove(id);
                self.redelivery_turn = false;
                return Some(slot);
            }
            // An earlier message of its key has come out of the backlog since.
            self.entries[slot as usize].spot = Spot::Held;
        }
        None
    }

    fn take_fresh(&mut self, env: &mut Env<'_>) -> Option<u32> {
        for _ in 0..SCAN {
            if self.pass_gap(env) {
                continue;
            }
            if self.cursor.id() >= env.flow.id || self.waiting.len() as u64 >= MAX_HELD {
                return None;
            }
            env.messages.catch_up(&mut self.cursor);
            let (id, chunk) = (self.cursor.id(), self.cursor.chunk());
            let facts = match env.messages.find(id, chunk) {
                Found::Record(record) => record.facts(id, env.seed),
                Found::Absent(chunk) => {
                    env.messages.want(chunk);
                    env.messages.want_after(chunk);
                    self.search = Search::Reading;
                    return None;
                }
                Found::Gone => {
                    env.messages.step(&mut self.cursor, 0);
                    continue;
                }
            };
            if env.journal.is_some() {
                env.messages.want_after(chunk);
                self.departed.push(facts);
            }
            if let Some(slot) = self.take_out_of_backlog(&facts, chunk, env) {
                self.redelivery_turn = true;
                return Some(slot);
            }
        }
        self.search = Search::Scanning;
        None
    }

    /// Takes the message at the cursor: as an entry to be handed out, or deferred or held and `None`.
    fn take_out_of_backlog(&mut self, facts: &Facts, chunk: u64, env: &mut Env<'_>) -> Option<u32> {
        env.messages.pin(facts.id, chunk);
        env.messages.step(&mut self.cursor, facts.size);
        let queue = self.queue_of(facts.key);
        if let Some(key) = queue {
            self.join_key(key, facts.id);
        }
        if let Some(due) = facts.due.map(Time::from_nanos).filter(|due| *due > env.now) {
            let slot = self.depart_pinned(facts, chunk);
            self.defer(slot, due);
            return None;
        }
        if self.may_deliver(queue, facts.id) {
            return Some(self.depart_pinned(facts, chunk));
        }
        self.hold(facts, chunk);
        None
    }

    fn hand_out(&mut self, slot: u32, terms: &Terms, env: &mut Env<'_>) -> Lease {
        let timeout = terms.timeout.unwrap_or_else(|| self.timeout(env.limits));
        let deadline = self.deadlines.insert(env.now + timeout, slot);
        let entry = &mut self.entries[slot as usize];
        // What was handed out before is looked up no more.
        if entry.published.is_none()
            && let Found::Record(record) = env.messages.find(entry.id, entry.chunk)
        {
            entry.published = NonZeroU64::new(record.timestamp.as_nanos());
        }
        entry.spot = Spot::InFlight(deadline);
        entry.attempts = entry.attempts.saturating_add(1);
        entry.delivery = self.next_delivery;
        entry.leased_at = env.now;
        entry.client = terms.client;
        entry.stream = terms.stream;
        self.next_delivery += 1;
        self.in_flight += 1;
        self.busy_bytes += u64::from(entry.size);
        self.clients.hand(terms.client);
        let (id, delivery, key, attempts, chunk) = (entry.id, entry.delivery, entry.key, entry.attempts, entry.chunk);
        if let Some(queue) = self.queue(key).and_then(|key| self.keys.get_mut(&key)) {
            queue.in_flight += 1;
        }
        Lease { receipt: Receipt { id, delivery }, attempts, chunk }
    }

    /// A consumer polls.
    pub(crate) fn client(&mut self, name: Option<&str>, peer: &str, env: &Env<'_>) -> ClientId {
        self.idle_at = None;
        self.clients.seen(name, peer, env.now, env.limits.client_timeout)
    }

    /// A poll begins to wait.
    pub(crate) fn poll_waits(&mut self, client: ClientId) {
        self.clients.starts_waiting(client);
    }

    /// A poll is answered, or its consumer hung up.
    pub(crate) fn poll_ends(&mut self, client: ClientId, now: Time) {
        self.clients.stops_waiting(client, now);
    }

    /// Finds out when an ephemeral channel will have been left by all its consumers.
    pub(crate) fn watch_clients(&mut self, env: &Env<'_>) {
        if self.name.is_ephemeral() {
            self.idle_at = self.clients.all_gone_at(env.limits.client_timeout);
        }
    }

    /// Whether this is an ephemeral channel that all consumers have left.
    pub(crate) fn is_deserted(&mut self, env: &Env<'_>) -> bool {
        self.watch_clients(env);
        self.idle_at.is_some_and(|at| at <= env.now)
    }
}
