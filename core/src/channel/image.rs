//! A channel as plain data, and back.

use alloc::vec::Vec;
use core::time::Duration;

use super::keys::facts;
use super::{Channel, Dead, Held, Key, Spot};
use crate::command::ChannelOptions;
use crate::log::image::{ChannelImage, ChannelSettings, DeadImage, EntryImage, Gap, SpotImage};
use crate::messages::{Cursor, Messages};
use crate::name::Name;
use crate::time::{Time, nanos};

/// How many delivery numbers may have been used that the log does not know of, where the clock ran back. More than any
/// broker hands out between a lease and its being written.
const UNTRACED: u64 = 1 << 32;

impl Channel {
    pub(super) fn settings(&self) -> ChannelSettings {
        let options = &self.options;
        ChannelSettings {
            timeout: nanos(options.timeout),
            max_attempts: options.max_attempts,
            max_in_flight: options.max_in_flight,
            ordered: options.ordered,
            dead_letter: options.dead_letter.as_ref().map(|topic| topic.as_str().into()),
        }
    }

    /// The channel as it is.
    pub(crate) fn image(&self) -> ChannelImage {
        let entries = self.by_id.iter().map(|(&id, &slot)| (id, self.entry_image(slot)));
        let dead = self.dead.iter().map(|(&id, dead)| {
            let facts = dead.facts(id);
            (id, DeadImage { facts, attempts: dead.attempts, delivery: dead.delivery })
        });
        ChannelImage {
            name: self.name.as_str().into(),
            settings: self.settings(),
            paused: self.paused,
            cursor: self.cursor.mark(),
            since: self.since,
            next_delivery: self.next_delivery,
            gaps: self.gaps.image(),
            entries: entries.collect(),
            held: self.held.iter().map(|(&id, held)| (id, held.facts(id))).collect(),
            dead: dead.collect(),
            finished: self.counts.finished,
            requeued: self.counts.requeued,
            timed_out: self.counts.timed_out,
            expired: self.counts.expired,
            dropped: self.counts.dropped,
        }
    }

    fn entry_image(&self, slot: u32) -> EntryImage {
        let entry = &self.entries[slot as usize];
        let facts = facts(entry.id, entry.size, entry.key, entry.expires);
        let spot = match entry.spot {
            Spot::InFlight(handle) => SpotImage::InFlight {
                until: self.deadlines.deadline(handle).as_nanos(),
                at: entry.leased_at.as_nanos(),
            },
            Spot::Deferred(handle) => SpotImage::Deferred { until: self.deadlines.deadline(handle).as_nanos() },
            Spot::Ready | Spot::Held => SpotImage::Ready,
        };
        EntryImage { facts, attempts: entry.attempts, delivery: entry.delivery, spot }
    }

    /// The channel that an image tells of, which goes on at `cursor`. The seed is another at every start, so that two
    /// starts after which nothing was written give out different receipts.
    pub(crate) fn open(
        name: Name<'static>,
        image: &ChannelImage,
        cursor: Cursor,
        messages: &mut Messages,
        flow: u64,
        (now, seed): (Time, u64),
    ) -> Self {
        let settings = &image.settings;
        let mut channel = Channel::new(name, cursor, 0);
        channel.options = ChannelOptions {
            timeout: Duration::from_nanos(settings.timeout),
            max_attempts: settings.max_attempts,
            max_in_flight: settings.max_in_flight,
            ordered: settings.ordered,
            dead_letter: settings.dead_letter.clone().and_then(Name::parse),
        };
        channel.paused = image.paused;
        channel.since = image.since;
        // Nobody hands out a message each nanosecond: a later start has higher numbers than any that an earlier one
        // used, whether the log knows them or not.
        channel.next_delivery = match now.as_nanos() {
            now if now > image.next_delivery => now,
            _ => image.next_delivery.saturating_add(UNTRACED + (seed >> 33)),
        };
        channel.untraced = image.next_delivery..channel.next_delivery;
        channel.opened_at = messages.end().id;
        let position = channel.cursor.id();
        channel.gaps = image
            .gaps
            .iter()
            .map(|gap| Gap { from: gap.from.max(position), to: gap.to.min(flow), bytes: gap.bytes })
            .collect();
        let counts = &mut channel.counts;
        (counts.finished, counts.requeued, counts.timed_out) = (image.finished, image.requeued, image.timed_out);
        (counts.expired, counts.dropped) = (image.expired, image.dropped);
        channel.open_departed(image, messages);
        channel.told = position;
        if channel.options.dead_letter.is_some() {
            channel.effects.outbox.extend(channel.dead.keys());
        }
        channel
    }

    fn open_departed(&mut self, image: &ChannelImage, messages: &mut Messages) {
        for (&id, dead) in image.dead.iter() {
            let chunk = messages.pin_found(id);
            let Held { key, expires, size, .. } = Held::of(&dead.facts, chunk);
            let (delivery, attempts) = (dead.delivery, dead.attempts);
            self.dead.insert(id, Dead { chunk, delivery, key, expires, attempts, size });
        }
        self.find_dead_ahead();
        for facts in image.held.values() {
            let chunk = messages.pin_found(facts.id);
            self.hold(facts, chunk);
        }
        for entry in image.entries.values() {
            let chunk = messages.pin_found(entry.facts.id);
            let slot = self.depart_pinned(&entry.facts, chunk);
            let opened = &mut self.entries[slot as usize];
            (opened.attempts, opened.delivery) = (entry.attempts, entry.delivery);
            if let SpotImage::InFlight { until, at } = entry.spot {
                opened.leased_at = Time::from_nanos(at);
                opened.spot = Spot::InFlight(self.deadlines.insert(Time::from_nanos(until), slot));
                self.in_flight += 1;
                self.busy_bytes += u64::from(opened.size);
            }
        }
        if self.options.ordered {
            self.line_up();
            for (id, held) in self.held.clone() {
                if let Some(key) = held.key {
                    self.join_key(key, id);
                }
            }
        }
        for entry in image.entries.values() {
            let slot = self.by_id[&entry.facts.id];
            match entry.spot {
                SpotImage::InFlight { .. } => {}
                SpotImage::Deferred { until } => self.defer(slot, Time::from_nanos(until)),
                SpotImage::Ready => self.make_ready(slot),
            }
        }
        let keys: Vec<Key> = self.keys.keys().copied().collect();
        for key in keys {
            self.release_key(key);
        }
        // What was read and not leased waits behind nobody where there is no order.
        if !self.options.ordered {
            let held: Vec<u64> = self.held.keys().copied().collect();
            for id in held {
                self.release_held(id);
            }
        }
    }
}
