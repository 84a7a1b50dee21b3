//! Who consumes a channel. An HTTP consumer has no connection to count, so it counts while it waits, while it
//! holds a message, and for a while after it polled.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::command::ClientStats;
use crate::config::MAX_CLIENTS;
use crate::slab::{Key, Slab};
use crate::time::Time;

/// Names a consumer of one channel. Whoever waits or holds a message is not forgotten, so that the poll and the entry
/// that name it do not come to name another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClientId(u32);

impl Key for ClientId {
    fn of(index: u32) -> Self {
        ClientId(index)
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl ClientId {
    /// Nobody.
    pub(crate) const NONE: ClientId = ClientId(u32::MAX);
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clients {
    /// Invariant: as many as there are names, each by its own.
    slab: Slab<Client, ClientId>,
    #[serde(skip)]
    names: HashMap<Box<str>, ClientId, foldhash::fast::FixedState>,
    /// With so many consumers, those long gone are looked for: twice as many as were left the last time, so that
    /// looking at all of them costs each newcomer little.
    purge_at: usize,
    /// How many wait or hold a message. Invariant: changes of clients go through [`Clients::with`], which counts.
    #[serde(skip)]
    busy: u32,
    /// When any of them polled last; a channel that nobody polled yet is not one that all have left.
    last_seen: Option<Time>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Client {
    name: Box<str>,
    address: Box<str>,
    connected: Time,
    last_seen: Time,
    waiting: u32,
    in_flight: u32,
    messages: u64,
    finished: u64,
    requeued: u64,
}

impl Client {
    fn is_busy(&self) -> bool {
        self.waiting > 0 || self.in_flight > 0
    }

    fn is_present(&self, now: Time, timeout: Duration) -> bool {
        self.is_busy() || self.last_seen + timeout > now
    }
}

impl Clients {
    /// A consumer polls: by the name it gives itself, or else by the host of its address.
    pub(super) fn seen(&mut self, name: Option<&str>, address: &str, now: Time, timeout: Duration) -> ClientId {
        // Each connection has a port of its own, and a consumer makes one after another.
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = name.unwrap_or(host);
        self.last_seen = Some(now);
        if let Some(&id) = self.names.get(name) {
            let client = &mut self.slab[id];
            client.last_seen = now;
            if *client.address != *address {
                client.address = address.into();
            }
            return id;
        }
        self.purge(now, timeout);
        let id = self.slab.insert(Client {
            name: name.into(),
            address: address.into(),
            connected: now,
            last_seen: now,
            waiting: 0,
            in_flight: 0,
            messages: 0,
            finished: 0,
            requeued: 0,
        });
        self.names.insert(name.into(), id);
        id
    }

    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing it can have come to.
    pub(super) fn restored(&mut self) -> Option<()> {
        for (id, client) in self.slab.iter() {
            self.busy += u32::from(client.is_busy());
            self.names.insert(client.name.clone(), id);
        }
        (self.slab.is_sound() && self.names.len() == self.slab.len()).then_some(())
    }

    fn purge(&mut self, now: Time, timeout: Duration) {
        if self.slab.len() < self.purge_at.min(MAX_CLIENTS) {
            return;
        }
        self.slab.retain(|client| client.is_present(now, timeout));
        if self.slab.len() >= MAX_CLIENTS {
            // Whoever has another name for each poll is one consumer of many names: only those count that are here.
            self.slab.retain(Client::is_busy);
        }
        self.names.retain(|_, id| self.slab.contains(*id));
        self.purge_at = 2 * self.slab.len() + 16;
    }

    fn with(&mut self, id: ClientId, change: impl FnOnce(&mut Client)) {
        // `ClientId::NONE` is nobody's: of a lease from before a start, nothing is counted.
        if let Some(client) = self.slab.get_mut(id) {
            self.busy -= u32::from(client.is_busy());
            change(client);
            self.busy += u32::from(client.is_busy());
        }
    }

    /// Its name, and the address that it called from last.
    pub(super) fn names(&self, id: ClientId) -> (&str, &str) {
        self.slab.get(id).map_or(("", ""), |client| (&client.name, &client.address))
    }

    /// It waits now.
    pub(super) fn starts_waiting(&mut self, id: ClientId) {
        self.with(id, |client| client.waiting = client.waiting.saturating_add(1));
    }

    /// It was answered, or hung up.
    pub(super) fn stops_waiting(&mut self, id: ClientId, now: Time) {
        self.last_seen = Some(now);
        self.with(id, |client| {
            client.waiting = client.waiting.saturating_sub(1);
            // A poll that waited for long was there until now.
            client.last_seen = now;
        });
    }

    /// It was handed a message.
    pub(super) fn hand(&mut self, id: ClientId) {
        self.with(id, |client| {
            client.in_flight = client.in_flight.saturating_add(1);
            client.messages = client.messages.saturating_add(1);
        });
    }

    /// It holds one message less.
    pub(super) fn give_back(&mut self, id: ClientId) {
        self.with(id, |client| client.in_flight = client.in_flight.saturating_sub(1));
    }

    /// It finished a message.
    pub(super) fn finished(&mut self, id: ClientId) {
        self.with(id, |client| client.finished = client.finished.saturating_add(1));
    }

    /// It put a message back.
    pub(super) fn requeued(&mut self, id: ClientId) {
        self.with(id, |client| client.requeued = client.requeued.saturating_add(1));
    }

    /// When the last of them that neither waits nor holds anything is taken to have left; `None` while one does.
    pub(super) fn all_gone_at(&self, timeout: Duration) -> Option<Time> {
        self.last_seen.filter(|_| self.busy == 0).map(|last_seen| last_seen + timeout)
    }

    pub(super) fn count(&self, now: Time, timeout: Duration) -> u64 {
        self.slab.iter().filter(|(_, client)| client.is_present(now, timeout)).count() as u64
    }

    pub(super) fn stats(&self, now: Time, timeout: Duration) -> Vec<ClientStats> {
        let present = self.slab.iter().filter(|(_, client)| client.is_present(now, timeout));
        let mut list: Vec<_> = present
            .map(|(_, client)| ClientStats {
                name: String::from(&*client.name),
                remote_address: String::from(&*client.address),
                waiting: client.waiting.into(),
                in_flight: client.in_flight.into(),
                message_count: client.messages,
                finish_count: client.finished,
                requeue_count: client.requeued,
                connected: client.connected,
            })
            .collect();
        list.sort_unstable_by(|a: &ClientStats, b| a.name.cmp(&b.name));
        list
    }
}
