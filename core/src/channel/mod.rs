//! A channel: a place in the topic's log, and what departs from it.
//!
//! Every message before the cursor is finished, but for the *entries*: messages that are leased, deferred or
//! due again; and for those *held* behind another of their ordering key. Every message from the cursor on is
//! ready, but for entries again and for *gaps*: what expired, was dropped, or was finished before its turn. So a
//! backlog costs a channel nothing, however long.
//!
//! In the order of a message's life: [`backlog`] has what the channel has not read, [`lease`] hands messages out, [`settle`] takes them back, [`keys`] keeps
//! ordered ones in line, [`dead`] has those that failed too often. [`clients`] counts the consumers.

mod apply;
mod backlog;
mod clients;
mod dead;
mod departed;
mod drop;
mod keys;
mod latency;
mod lease;
mod message_state;
mod query;
mod settle;
mod snapshot;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::by_id::IdSet;
use crate::command::{ChannelChanges, ChannelOptions, Ticket};
use crate::config::Limits;
use crate::ids::{ChannelId, PollerId};
use crate::list::List;
use crate::log::event::{Event, Position};
use crate::log::image::{ChannelSettings, Gap};
use crate::log::journal::Journal;
use crate::messages::{Cursor, Messages};
use crate::name::Name;
use crate::schedule::Handle;
use crate::time::Time;

use backlog::Backlog;
pub(crate) use clients::ClientId;
pub(crate) use dead::DeadLetter;
use departed::{Departed, Entry, Slot};
use latency::Latencies;
pub(crate) use lease::Terms;
pub use message_state::{ChannelTrace, MessageState};

/// What a channel's operations reach beside the channel itself.
pub(crate) struct ChannelCx<'a> {
    /// The channel's number.
    pub(crate) number: ChannelId,
    pub(crate) messages: &'a mut Messages,
    /// Where what happens is written down; nowhere, if the channel is not in the log.
    pub(crate) journal: Option<&'a mut Journal>,
    /// Where what happens is told as well, where somebody watches.
    pub(crate) traced: Option<&'a mut Vec<Event>>,
    /// In a replay: how many messages are due again for they were read in a part of the log that is missing.
    pub(crate) due_again: Option<&'a mut u64>,
    /// The topic hands over the messages before this place.
    pub(crate) high_watermark: Position,
    /// Goes into the hashes of ordering keys.
    pub(crate) seed: u64,
    pub(crate) now: Time,
    pub(crate) limits: &'a Limits,
}

impl ChannelCx<'_> {
    /// Writes down what happened.
    fn record(&mut self, event: &Event) {
        if let Some(traced) = &mut self.traced {
            traced.push(event.clone());
        }
        if let Some(journal) = &mut self.journal {
            journal.event(event);
        }
    }
}

/// One channel of a topic.
///
/// What it *is* (the first fields, up to `counts`) changes by [events](Channel::apply) only, in a running broker and in
/// a replay alike, and is what a snapshot writes. The rest is about who waits for it now.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Channel {
    name: Name<'static>,
    options: ChannelOptions,
    paused: bool,
    backlog: Backlog,
    /// Invariant: all of them were handed over by the topic.
    departed: Departed,
    /// Invariant, unless a snapshot lies: each lease so far had a lower number.
    next_delivery: u64,
    /// The id that the channel began with, and one more for each later message that was not for it: what the high
    /// watermark is above this, the channel was given.
    since: u64,
    counts: Counts,
    /// The delivery numbers that were or may have been used, without a trace in the log, before the topic was opened.
    untraced: Range<u64>,
    /// Messages from this one on were published since: no lease of them is untraced.
    opened_at: u64,
    /// The cursor, as it was written down last: a replay that has all of the log is here, and so the next event begins
    /// here. What is between this and the cursor was passed over by events that are not written: gaps, messages that
    /// had departed before, and what cannot be read.
    logged_cursor: u64,
    latencies: Latencies,
    /// The pollers that wait here, in the order in which they came.
    pub(crate) pollers: List,
    /// Whether due-again messages are next; they and new ones take turns.
    redelivery_turn: bool,
    /// How the last search for a message to hand out ended.
    pub(crate) search: Search,
    /// Polls that are to be answered as soon as it is known whether there is something.
    pub(crate) overdue: Vec<Ticket>,
    pub(crate) effects: Effects,
    /// It is among those of its topic that are to be looked at, so that it is not put there twice.
    pub(crate) is_changed: bool,
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
    /// Dead letters to be moved to the dead letter topic.
    /// In no log: at a start, all dead letters are here again where they have a place to go. They may have been
    /// redriven, dropped or moved meanwhile, so each is looked up when its turn comes.
    pub(crate) pending_transfers: VecDeque<u64>,
    /// How many are on their way there.
    /// Their ids: none is sent again as long as it may arrive.
    pub(crate) under_way: IdSet,
    /// Those that their topic did not take, for it is full, say, or cannot be written. They are sent again at this time.
    pub(crate) refused: VecDeque<u64>,
    again_at: Option<Time>,
    /// How often in a row none was taken.
    refusals: u32,
}

/// How long after a dead letter was refused it is sent again at the earliest, and at the latest.
pub(crate) const SEND_AGAIN: Duration = Duration::from_secs(1);
const SEND_AGAIN_MOST: Duration = Duration::from_secs(60);

impl Effects {
    /// A dead letter was not taken where it was sent, and is sent there again in a while.
    pub(crate) fn send_again(&mut self, id: u64, now: Time) {
        self.refused.push_back(id);
        if self.again_at.is_none() {
            self.again_at = Some(now + SEND_AGAIN.saturating_mul(1 << self.refusals.min(10)).min(SEND_AGAIN_MOST));
            self.refusals = self.refusals.saturating_add(1);
        }
    }

    /// Whether some are to be sent, or on their way.
    pub(crate) fn has_letters(&self) -> bool {
        !self.pending_transfers.is_empty() || !self.refused.is_empty() || !self.under_way.is_empty()
    }

    /// One was taken.
    pub(crate) fn arrived(&mut self) {
        self.refusals = 0;
    }

    /// Those that were refused are sent again, where their time has come.
    fn pass_time(&mut self, now: Time) {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.pending_transfers.append(&mut self.refused);
        }
    }

    /// Nothing waits longer than it can from now on.
    pub(crate) fn fit_clock(&mut self, now: Time) {
        self.again_at = self.again_at.map(|at| at.min(now + SEND_AGAIN_MOST));
    }

    /// None is to be sent any more.
    pub(crate) fn send_nothing(&mut self) {
        (self.again_at, self.refusals) = (None, 0);
        self.refused.clear();
        self.pending_transfers.clear();
    }

    /// The next dead letter to be sent, where so many may be on their way at once.
    pub(crate) fn next_transfer(&mut self, most: u32) -> Option<u64> {
        if (self.under_way.len() as u64) < most.into() { self.pending_transfers.pop_front() } else { None }
    }
}

impl Channel {
    /// A channel that starts at this place, and numbers its deliveries from there on.
    fn new(name: Name<'static>, cursor: Cursor, next_delivery: u64) -> Self {
        Channel {
            name,
            options: ChannelOptions::default(),
            paused: false,
            // A channel that is read from a snapshot gets its own number for this afterwards.
            since: cursor.id(),
            logged_cursor: cursor.id(),
            backlog: Backlog::new(cursor),
            departed: Departed::default(),
            next_delivery,
            counts: Counts::default(),
            untraced: 0..0,
            opened_at: 0,
            latencies: Latencies::default(),
            pollers: List::default(),
            redelivery_turn: true,
            search: Search::Done,
            overdue: Vec::new(),
            effects: Effects::default(),
            is_changed: false,
            idle_at: None,
            armed: None,
        }
    }

    pub(crate) fn name(&self) -> &Name<'static> {
        &self.name
    }

    pub(crate) fn position(&self) -> u64 {
        self.backlog.id()
    }

    pub(crate) fn options(&self) -> &ChannelOptions {
        &self.options
    }

    /// Whether it does not know yet if it has a message to hand out.
    pub(crate) fn is_searching(&self) -> bool {
        self.search != Search::Done
    }

    /// Whether dead letters wait to be moved to another topic.
    pub(crate) fn has_pending_transfers(&self) -> bool {
        !self.effects.pending_transfers.is_empty()
    }

    /// Messages waiting for a consumer. O(1).
    pub(crate) fn depth(&self, high_watermark: u64) -> u64 {
        self.backlog.len(high_watermark) + self.departed.waiting()
    }

    /// Messages not finished, dead letters aside. O(1).
    pub(crate) fn backlog(&self, high_watermark: u64) -> u64 {
        self.depth(high_watermark) + u64::from(self.departed.in_flight()) + u64::from(self.departed.deferred())
    }

    /// Bytes of their bodies.
    pub(crate) fn backlog_bytes(&self, high_watermark: Position) -> u64 {
        self.backlog.bytes(high_watermark).saturating_add(self.departed.bytes())
    }

    /// Bytes of those in flight and deferred, which are never dropped.
    pub(crate) fn busy_bytes(&self) -> u64 {
        self.departed.busy_bytes()
    }

    pub(crate) fn configure(&mut self, changes: ChannelChanges<'_>, cx: &mut ChannelCx<'_>) {
        let mut settings = ChannelSettings::from(&self.options);
        changes.timeout.inspect(|value| settings.timeout = crate::time::nanos(*value));
        changes.max_attempts.inspect(|value| settings.max_attempts = *value);
        changes.max_in_flight.inspect(|value| settings.max_in_flight = *value);
        changes.ordered.inspect(|value| settings.ordered = *value);
        if let Some(topic) = changes.dead_letter {
            settings.dead_letter = topic.map(|topic| topic.as_str().into());
        }
        // Dead letters that stayed for want of a place to go, or were refused by the one before, go to the new one.
        // Where it is the same they are on their way, or it refused them.
        let before = self.options.dead_letter.clone();
        self.happen(&Event::ChannelConfigured(cx.number.number(), settings), cx);
        if self.options.dead_letter.is_some() && self.options.dead_letter != before {
            self.effects.send_nothing();
            let Effects { pending_transfers, under_way, .. } = &mut self.effects;
            // What is on its way may arrive at the topic that was named before. Where it does not, it goes to this one.
            *pending_transfers = self.departed.dead_from(0).filter(|id| !under_way.contains(*id)).collect();
        }
    }

    /// Stops (or starts) leasing.
    pub(crate) fn pause(&mut self, paused: bool, cx: &mut ChannelCx<'_>) {
        self.happen(&Event::ChannelPaused(cx.number.number(), paused), cx);
    }

    /// How long a lease lasts unless the consumer says otherwise.
    pub(crate) fn timeout(&self, limits: &Limits) -> Duration {
        if self.options.timeout.is_zero() { limits.msg_timeout } else { self.options.timeout }
    }

    /// When [`Channel::handle_timeout`] is to be called next.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.departed.next_deadline().into_iter().chain(self.idle_at).chain(self.effects.again_at).min()
    }

    /// Takes back what was leased for too long, and makes ready what was deferred until now: so many messages at most,
    /// so that others are served in between. What is left is still due. Answers how many there were.
    pub(crate) fn handle_timeout(&mut self, cx: &mut ChannelCx<'_>) -> u32 {
        self.effects.pass_time(cx.now);
        for done in 0..cx.limits.slice {
            // Both events take away the deadline that was found, so the next turn finds another.
            let Some(slot) = self.departed.first_due(cx.now) else { return done };
            let entry = self.departed.get(slot);
            if entry.client_has_it() {
                self.time_out(slot, cx);
            } else {
                let event = Event::FellDue { channel: cx.number.number(), id: entry.id };
                self.happen(&event, cx);
            }
        }
        cx.limits.slice
    }

    /// Drops what is ready, in flight and deferred. Dead letters stay.
    pub(crate) fn empty(&mut self, cx: &mut ChannelCx<'_>) {
        // It may have started with what its topic is still to hand over.
        let to = self.backlog.position().max(cx.high_watermark);
        self.seek(to, Vec::new(), cx);
    }

    /// Goes on at another place, from where on these ranges are not to be delivered. Leases and deferrals are
    /// dropped; dead letters stay what they are.
    pub(crate) fn seek(&mut self, to: Position, gaps: Vec<Gap>, cx: &mut ChannelCx<'_>) {
        self.happen(&Event::Sought { channel: cx.number.number(), to, gaps }, cx);
        self.logged_cursor = to.id;
    }

    /// Lets go of all it has in the log; answers the streams that hold one of its messages, each as often.
    pub(crate) fn close(mut self, messages: &mut Messages) -> Vec<PollerId> {
        self.departed.clear(|entry| messages.unpin(entry.id, entry.chunk));
        // `clear` leaves the dead letters, which are pinned as well.
        for id in self.departed.dead_from(0) {
            let chunk = self.departed.entry(id).map_or(0, |entry| entry.chunk);
            messages.unpin(id, chunk);
        }
        self.backlog.release(messages);
        self.departed.released
    }

    /// Where the cursor is is written down now; answers where it was when it was before.
    pub(crate) fn take_logged_cursor(&mut self) -> u64 {
        core::mem::replace(&mut self.logged_cursor, self.backlog.id())
    }

    /// The reader moves into the chunk that has its message.
    pub(crate) fn catch_up(&mut self, messages: &mut Messages) {
        self.backlog.catch_up(messages);
    }

    /// The streams that have one of its messages in flight, each as often.
    pub(crate) fn streams_in_flight(&self) -> impl Iterator<Item = PollerId> + '_ {
        self.departed.from(0).filter_map(Entry::stream)
    }

    /// Streams that hold one message less since the last call, each as often.
    pub(crate) fn take_released(&mut self) -> Vec<PollerId> {
        core::mem::take(&mut self.departed.released)
    }

    /// Panics where what is counted and kept of states is not what follows from them. Of tests, few have so many entries
    /// that nobody would wait for this.
    #[cfg(debug_assertions)]
    pub(crate) fn check(&self) {
        if self.departed.len() <= 200 {
            self.departed.check();
            self.backlog.check(&self.departed);
        }
    }
}
