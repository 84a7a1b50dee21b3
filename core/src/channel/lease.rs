//! Handing messages out.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Channel, ChannelCx, ClientId, SEND_AGAIN, Search};
use crate::command::Lease;
use crate::config::{MAX_HELD, SCAN};
use crate::ids::PollerId;
use crate::log::event::{Departed, Event, Ids};
use crate::message::{MessageMeta, Receipt, Record, encoded_bytes};
use crate::messages::Found;
use crate::time::Time;

/// To whom messages are leased, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The channel's timeout where it is not said.
    pub(crate) timeout: Option<Duration>,
    pub(crate) client: ClientId,
    pub(crate) stream: Option<PollerId>,
}

/// A message that can be handed out.
struct Candidate {
    source: Source,
    published: Time,
    /// About how many bytes it takes in an answer.
    bytes: usize,
    /// It came back, and is dead if it does so once more: it is handed out alone, so that no other dies with it.
    is_last_attempt: bool,
}

#[derive(Clone, Copy)]
enum Source {
    /// One that waits outside of the backlog.
    Waiting(u64),
    /// The one at the cursor.
    Fresh(MessageMeta),
}

impl Candidate {
    fn new(source: Source, record: &Record<'_>, is_last_attempt: bool) -> Self {
        // Receipt, times and what else is written about it, and what it is.
        let bytes = 128 + record.option_bytes() + encoded_bytes(record.body);
        Candidate { source, published: record.timestamp, bytes, is_last_attempt }
    }
}

impl Channel {
    /// Leases so many messages, or as many as there are. Due-again and new messages take turns.
    ///
    /// O(log entries + log chunks) each, where no key has a long queue: one that joins or leaves a queue in its middle
    /// moves the others. Messages that cannot be handed out are passed over, a bounded number in one call: then it is
    /// not known yet whether there are more, and [`Channel::search`] says so.
    pub(crate) fn lease_up_to(
        &mut self,
        max: u32,
        max_bytes: usize,
        terms: &Terms,
        cx: &mut ChannelCx<'_>,
    ) -> Vec<Lease> {
        // A recording may say of any depth that it is there.
        let there = self.depth(cx.high_watermark.id).min(max.min(SCAN).into()) as usize;
        let mut leases: Vec<Lease> = Vec::with_capacity(there);
        let mut bytes = 0_usize;
        let mut is_alone = false;
        let mut left = SCAN;
        let until = cx.now + terms.timeout.unwrap_or_else(|| self.timeout(cx.limits));
        // Until a search ends without having found out.
        self.search = Search::Done;
        // Messages may have come since the cursor moved last, to a chunk of their own.
        self.backlog.catch_up(cx.messages);
        while leases.len() < max as usize
            && let Some(candidate) = self.find_candidate(&mut left, cx)
        {
            bytes = bytes.saturating_add(candidate.bytes);
            is_alone |= candidate.is_last_attempt;
            // To find it changed nothing of it: it is found again by the next call. The first is handed out however
            // large it is, or it would never be.
            if !leases.is_empty() && (bytes > max_bytes || is_alone) {
                break;
            }
            leases.push(self.hand_out(&candidate, terms, until, cx));
        }
        leases
    }

    /// The next message to be handed out, if there is one.
    fn find_candidate(&mut self, left: &mut u32, cx: &mut ChannelCx<'_>) -> Option<Candidate> {
        // Looked at for each message, as each that is handed out counts.
        let limit = self.options.max_in_flight;
        if self.paused || (limit > 0 && self.departed.in_flight() >= limit) {
            return None;
        }
        // What has to be read first keeps its turn: the log changes nothing of the order.
        let mut found = if self.redelivery_turn { self.find_ready(cx) } else { None };
        if found.is_none() && self.search != Search::Reading {
            found = self.find_fresh(left, cx);
        }
        if found.is_none() && self.search != Search::Reading && !self.redelivery_turn {
            found = self.find_ready(cx);
        }
        found
    }

    fn find_ready(&mut self, cx: &mut ChannelCx<'_>) -> Option<Candidate> {
        while let Some(slot) = self.departed.first_ready() {
            let entry = self.departed.get(slot);
            let id = entry.id;
            match cx.messages.find(id, entry.chunk) {
                Found::Record(record) => {
                    // A first delivery is never alone, though it may be the last: nothing says that the message is a
                    // bad one.
                    let is_last = entry.attempts > 0 && entry.attempts.saturating_add(1) == self.options.max_attempts;
                    return Some(Candidate::new(Source::Waiting(id), &record, is_last));
                }
                Found::NotCached(chunk) => {
                    cx.messages.want(chunk);
                    // It keeps its place at the front, and all others wait behind it.
                    self.search = Search::Reading;
                    return None;
                }
                // Else it would be found again and again, and nothing behind it ever.
                Found::Unreadable => self.happen(&Event::Lost { channel: cx.number.number(), id }, cx),
            }
        }
        None
    }

    /// Reads on to a message that can be handed out. Those that are deferred, or behind another of their key, depart
    /// on the way.
    fn find_fresh(&mut self, left: &mut u32, cx: &mut ChannelCx<'_>) -> Option<Candidate> {
        loop {
            // One step of the cursor however many are passed over, and no event in the log: it follows from what is
            // there.
            let fresh = self.backlog.fresh(&self.departed, cx.high_watermark.id, *left);
            if fresh.passed > 0 {
                self.happen(&Event::Advanced { channel: cx.number.number(), cursor: fresh.at }, cx);
                *left -= fresh.passed;
            }
            if self.backlog.id() >= cx.high_watermark.id || self.departed.waiting() >= MAX_HELD {
                return None;
            }
            let Some(less) = left.checked_sub(1) else {
                self.search = Search::Scanning;
                return None;
            };
            *left = less;
            let (id, chunk) = (self.backlog.id(), self.backlog.chunk());
            let (meta, candidate) = match cx.messages.find(id, chunk) {
                Found::Record(record) => {
                    let meta = record.meta(id, cx.seed);
                    (meta, Candidate::new(Source::Fresh(meta), &record, false))
                }
                Found::NotCached(chunk) => {
                    cx.messages.want(chunk);
                    cx.messages.want_after(chunk);
                    self.search = Search::Reading;
                    return None;
                }
                Found::Unreadable => {
                    self.pass_unreadable(cx);
                    continue;
                }
            };
            // The next chunk comes while this one is handed out.
            if cx.journal.is_some() {
                cx.messages.want_after(chunk);
            }
            let is_due = meta.due.is_none_or(|due| due <= cx.now.as_nanos());
            if is_due && self.departed.is_free(meta.key, id) {
                // Only what is passed over is bounded here: `max` bounds what is handed out.
                *left += 1;
                return Some(candidate);
            }
            // It departs: as an entry it is found by its time or its key, and the cursor need not come here again. The
            // time goes into the event, as by it a replay tells the deferred from the held.
            let (channel, at, from) = (cx.number.number(), cx.now.as_nanos(), self.logged_cursor);
            let mut cursor = self.backlog.position();
            (cursor.id, cursor.bytes) = (cursor.id + 1, cursor.bytes + u64::from(meta.size));
            let departed = Departed::from_buf([meta]);
            self.happen(&Event::Passed { channel, at, from, cursor, departed }, cx);
            self.logged_cursor = cursor.id;
        }
    }

    fn hand_out(&mut self, candidate: &Candidate, terms: &Terms, until: Time, cx: &mut ChannelCx<'_>) -> Lease {
        let (channel, at, until) = (cx.number.number(), cx.now.as_nanos(), until.as_nanos());
        let (delivery, from, mut cursor) = (self.next_delivery, self.logged_cursor, self.backlog.position());
        let (id, departed, leased) = match candidate.source {
            Source::Waiting(id) => (id, Departed::default(), Ids::one(id)),
            Source::Fresh(meta) => {
                (cursor.id, cursor.bytes) = (cursor.id + 1, cursor.bytes + u64::from(meta.size));
                (meta.id, Departed::from_buf([meta]), Ids::default())
            }
        };
        // What is new goes first after one that came again, and the other way round: neither keeps the other waiting.
        self.redelivery_turn = leased.is_empty();
        self.happen(&Event::Leased { channel, at, until, delivery, from, cursor, departed, leased }, cx);
        self.logged_cursor = cursor.id;
        let slot = self.departed.find(id).expect("what was just leased is an entry");
        self.departed.assign(slot, terms, candidate.published);
        let entry = self.departed.get(slot);
        Lease { receipt: Receipt { id, delivery }, attempts: entry.attempts, chunk: entry.chunk }
    }

    /// A consumer polls.
    pub(crate) fn client(&mut self, name: Option<&str>, peer: &str, cx: &ChannelCx<'_>) -> ClientId {
        // Whether it is deserted is found out again after this call.
        self.idle_at = None;
        self.departed.clients.seen(name, peer, cx.now, cx.limits.client_timeout)
    }

    /// A poll begins to wait.
    pub(crate) fn poll_waits(&mut self, client: ClientId) {
        self.departed.clients.starts_waiting(client);
    }

    /// A poll is answered, or its consumer hung up.
    pub(crate) fn poll_ends(&mut self, client: ClientId, now: Time) {
        self.departed.clients.stops_waiting(client, now);
    }

    /// Finds out when an ephemeral channel will have been left by all its consumers.
    pub(crate) fn watch_clients(&mut self, cx: &ChannelCx<'_>) {
        if self.name.is_ephemeral() {
            let gone = self.departed.clients.all_gone_at(cx.limits.client_timeout);
            // Not while it has dead letters to send: with it they would be lost.
            let stays = self.effects.has_letters().then_some(cx.now + SEND_AGAIN);
            self.idle_at = gone.map(|at| stays.map_or(at, |stays| at.max(stays)));
        }
    }

    /// Whether this is an ephemeral channel that all consumers have left.
    pub(crate) fn is_deserted(&mut self, cx: &ChannelCx<'_>) -> bool {
        self.watch_clients(cx);
        self.idle_at.is_some_and(|at| at <= cx.now)
    }
}
