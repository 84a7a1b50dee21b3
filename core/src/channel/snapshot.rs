//! A channel as a snapshot writes it, and back.

use alloc::vec::Vec;

use super::departed::{Entry, Next, State};
use super::{Channel, ChannelCx, Search};
use crate::config::Limits;
use crate::log::event::Event;
use crate::log::image::{ChannelImage, DeadImage, EntryImage, EntryStateImage};
use crate::messages::Messages;
use crate::name::Name;
use crate::time::Time;

/// How many delivery numbers may have been used that the log does not know of, where the clock ran back. More than any
/// broker hands out between a lease and its being written.
const UNTRACED: u64 = 1 << 32;

impl Channel {
    /// The channel as it is.
    pub(crate) fn image(&self) -> ChannelImage {
        let mut image = ChannelImage {
            name: self.name.as_str().into(),
            settings: (&self.options).into(),
            paused: self.paused,
            cursor: self.backlog.position(),
            since: self.since,
            next_delivery: self.next_delivery,
            gaps: self.backlog.gaps(),
            finished: self.counts.finished,
            requeued: self.counts.requeued,
            timed_out: self.counts.timed_out,
            expired: self.counts.expired,
            dropped: self.counts.dropped,
            ..ChannelImage::default()
        };
        for entry in self.departed.from(0) {
            let (meta, attempts, delivery) = (entry.meta(), entry.attempts, entry.delivery);
            match self.state(entry) {
                None => drop(image.dead.insert(entry.id, DeadImage { meta, attempts, delivery })),
                // Nobody was given it yet.
                Some(EntryStateImage::Ready) if delivery == 0 => drop(image.held.insert(entry.id, meta)),
                Some(state) => drop(image.entries.insert(entry.id, EntryImage { meta, attempts, delivery, state })),
            }
        }
        image
    }

    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing it can have come to.
    pub(crate) fn restored(&mut self, messages: &mut Messages) -> Option<()> {
        self.departed.restored()?;
        self.backlog.restored(&self.departed, messages)?;
        self.departed.from(0).try_for_each(|entry| messages.pin_restored(entry.id, entry.chunk))?;
        (self.latencies.is_sound() && self.logged_cursor <= self.backlog.id()).then_some(())
    }

    /// Where an entry is that is not dead.
    fn state(&self, entry: &Entry) -> Option<EntryStateImage> {
        let until = self.departed.until(entry).unwrap_or_default().as_nanos();
        Some(match entry.state() {
            State::InFlight(_) => EntryStateImage::InFlight { until, at: entry.leased_at.as_nanos() },
            State::Deferred(_) => EntryStateImage::Deferred { until },
            // Which of them is held follows from the keys, and is found out again as they are read.
            State::Ready | State::Held => EntryStateImage::Ready,
            State::Dead => return None,
        })
    }

    /// The channel that an image tells of; `None` where it has no name that a channel can have.
    pub(crate) fn of(image: &ChannelImage, cx: &mut ChannelCx<'_>) -> Option<Self> {
        let name = Name::parse(image.name.clone())?.into_owned();
        let end = cx.messages.end();
        // The snapshot may be forged: no cursor, gap or entry may name what is not there.
        let start = image.cursor.within(cx.messages.first_position(), end);
        let mut channel = Channel::new(name, cx.messages.cursor(start), image.next_delivery);
        channel.options = (&image.settings).into();
        // Before there are entries, so that each joins the queue of its key.
        channel.departed.set_ordered(image.settings.ordered);
        channel.paused = image.paused;
        channel.since = image.since;
        let counts = &mut channel.counts;
        (counts.finished, counts.requeued, counts.timed_out) = (image.finished, image.requeued, image.timed_out);
        (counts.expired, counts.dropped) = (image.expired, image.dropped);
        // Gaps before entries: an entry in a gap is not counted as ahead of the cursor.
        for gap in &image.gaps {
            channel.backlog.skip(gap.within(start.id, end));
        }
        // What cannot be read is no backlog: nobody gets it. Of what was not handed over, the topic knows that, and says so when
        // it hands it over: no channel counts it before.
        let handed_over = cx.messages.unreadable(start).into_iter().map(|gap| gap.within(0, cx.high_watermark));
        for gap in handed_over.filter(|gap| gap.from < gap.to) {
            channel.backlog.skip_unknown(gap);
        }
        let entries = image.entries.values().map(|entry| {
            let next = match entry.state {
                EntryStateImage::InFlight { until, at } => {
                    Next::InFlight { at: Time::from_nanos(at), until: Time::from_nanos(until) }
                }
                EntryStateImage::Deferred { until } => Next::Deferred { until: Time::from_nanos(until) },
                EntryStateImage::Ready => Next::Waiting,
            };
            (&entry.meta, entry.attempts, entry.delivery, next)
        });
        let dead = image.dead.values().map(|dead| (&dead.meta, dead.attempts, dead.delivery, Next::Dead));
        let held = image.held.values().map(|meta| (meta, 0, 0, Next::Waiting));
        // Of a message that is named twice, the first counts: it is an entry then, and the second is none.
        for (meta, attempts, delivery, next) in dead.chain(held).chain(entries) {
            // Nothing departs before it is handed over.
            if meta.id < cx.high_watermark.id
                && let Some(slot) = channel.pin_and_insert(meta, next, cx)
            {
                let entry = channel.departed.get_mut(slot);
                (entry.attempts, entry.delivery) = (attempts, delivery);
            }
        }
        Some(channel)
    }

    /// The channel goes on after a start. The seed is another at every one, so that two starts after which nothing was
    /// written give out different receipts.
    pub(crate) fn start(&mut self, seed: u64, cx: &mut ChannelCx<'_>) {
        // Nobody waits for a lease to be durable: numbers from here on may have been used by some that were lost.
        let used = self.next_delivery;
        // Nobody hands out a message each nanosecond: a later start has higher numbers than any that an earlier one
        // used, whether the log knows them or not.
        self.next_delivery = match cx.now.as_nanos() {
            now if now > used => now,
            _ => used.saturating_add(UNTRACED + (seed >> 33)),
        };
        self.untraced = used..self.next_delivery;
        // What is published from now on, nobody can have had before.
        self.opened_at = cx.messages.end().id;
        self.search = Search::Done;
        self.fit_clock(cx.now, cx.limits);
        // These events are implied, and in no log: what expired before the start, or while nothing ran, goes now. In
        // flight and dead ones stay, as `apply` has it.
        let over: Vec<(u64, u32)> = self
            .departed
            .from(0)
            .filter(|entry| entry.has_expired(cx.now))
            .map(|entry| (entry.id, entry.size))
            .collect();
        for (id, size) in over {
            self.happen(&Event::Expired { channel: cx.number.number(), id, size }, cx);
        }
        // That the cursor passes over gaps and entries is implied as well: a log has it where it was told last.
        self.pass_gaps(cx);
        self.logged_cursor = self.backlog.id();
        // Of those that were on their way, it is not known whether they arrived: they are sent again, and where they
        // have arrived they are known by their dedup key.
        if self.options.dead_letter.is_some() {
            self.effects.pending_transfers.extend(self.departed.dead_from(0));
        }
    }

    /// Ends of leases and deferrals that no request can have made at this time or before are as late as one could:
    /// a clock that was wrong made them. A lease from the future lasts as long from now as it was to last from then.
    pub(crate) fn fit_clock(&mut self, now: Time, limits: &Limits) {
        self.effects.fit_clock(now);
        let wrong: Vec<(u32, Time, Time)> = self
            .departed
            .range(0..u64::MAX)
            .filter_map(|(_, slot)| {
                let entry = self.departed.get(slot);
                let until = self.departed.until(entry)?;
                let (at, fit) = if entry.client_has_it() {
                    let at = entry.leased_at.min(now);
                    (at, (until - entry.leased_at.since(at)).min(now + limits.max_msg_timeout))
                } else {
                    // No deferral is longer, by a publish or by a requeue.
                    (entry.leased_at, until.min(now + limits.max_req_timeout))
                };
                (fit != until || at != entry.leased_at).then_some((slot, at, fit))
            })
            .collect();
        for (slot, at, until) in wrong {
            self.departed.set_deadline(slot, at, until);
        }
    }
}
