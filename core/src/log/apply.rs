//! What each frame of a log does to the image of its topic.
//!
//! Nothing here can fail, whatever the numbers are: a log may come from somebody else. Where a frame was lost before
//! this one, it does what makes no other message disappear: what a channel read in the part that is missing is due
//! again.

use alloc::vec::Vec;
use core::ops::Range;

use super::event::{Event, Facts, Ids, Mark};
use super::frame::{FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES};
use super::image::{Accepted, ChannelImage, ChunkImage, DeadImage, EntryImage, Expiry, Gap, SpotImage, TopicImage};
use crate::by_id::ById;
use crate::message::{PLAIN_BYTES, Record};
use crate::sort;

/// How many messages are due again, at most, of which nothing is known but that a channel had read them. A channel that
/// read more reads again from where it was.
const DUE_AGAIN: u64 = 1 << 20;

/// How many bytes of frames a chunk has before the next begins.
pub(crate) const CHUNK_BYTES: u64 = 256 * 1024;

/// What an image is told of a published message.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Bytes of all bodies before it.
    pub before: u64,
    /// What decides where it goes.
    pub facts: Facts,
    /// When it was published, in nanoseconds.
    pub at: u64,
    /// Bytes of its frame.
    pub log_bytes: u64,
}

impl Published {
    /// What there is to tell of the message with this id and record, of a topic with this seed.
    pub fn of(id: u64, before: u64, record: &Record<'_>, seed: u64) -> Self {
        let bytes = FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + PLAIN_BYTES + record.option_bytes() + record.body.len();
        Published { before, facts: record.facts(id, seed), at: record.timestamp.as_nanos(), log_bytes: bytes as u64 }
    }
}

impl TopicImage {
    /// A message was published, and stands in this segment.
    pub fn publish(&mut self, message: &Published, segment: u32) {
        let Published { before, facts, at, log_bytes } = *message;
        if facts.id < self.next.id {
            return;
        }
        if facts.id > self.next.id {
            // They would stand here.
            self.chunk(segment);
            self.miss(Mark { id: facts.id, bytes: before });
        }
        let chunk = self.chunk(segment);
        chunk.log_bytes = chunk.log_bytes.saturating_add(log_bytes);
        chunk.last_at = at;
        self.next = Mark { id: facts.id.saturating_add(1), bytes: before.saturating_add(u64::from(facts.size)) };
        self.message_count = self.message_count.saturating_add(1);
        self.message_bytes = self.message_bytes.saturating_add(u64::from(facts.size));
        if facts.due.is_some() {
            self.deferred.push(facts);
        }
        self.expiries.extend(facts.expires.map(|at| Expiry { at, id: facts.id, size: facts.size }));
        self.hand_over();
    }

    /// An older message was written again, to this segment, in so many bytes.
    pub fn keep(&mut self, id: u64, log_bytes: u64, segment: u32) {
        let chunk = self.chunk(segment);
        chunk.log_bytes = chunk.log_bytes.saturating_add(log_bytes);
        let number = chunk.number;
        self.kept.insert(id, number);
    }

    /// The chunk for what comes now.
    fn chunk(&mut self, segment: u32) -> &mut ChunkImage {
        let last = self.chunks.last();
        if last.is_none_or(|chunk| chunk.segment != segment || chunk.log_bytes >= CHUNK_BYTES) {
            let number = last.map_or(0, |chunk| chunk.number.saturating_add(1));
            let last_at = last.map_or(0, |chunk| chunk.last_at);
            self.chunks.push(ChunkImage { number, segment, first: self.next, last_at, ..ChunkImage::default() });
        }
        self.chunks.last_mut().expect("there is one now")
    }

    /// Messages up to this place were published, and cannot be read any more.
    fn miss(&mut self, to: Mark) {
        if to.id <= self.next.id {
            return;
        }
        let lost = Gap { from: self.next.id, to: to.id, bytes: to.bytes.saturating_sub(self.next.bytes) };
        self.next = to;
        add_gap(&mut self.backlog_voids, lost);
        self.hand_over();
    }

    /// No more comes. What is not known of a message because the event that told it is damaged, and is known
    /// otherwise, is put down.
    pub(super) fn complete(&mut self) {
        self.handed.clear();
        self.due_again = 0;
        let expiries: ById<u64> = self.expiries.iter().map(|expiry| (expiry.id, expiry.at)).collect();
        for entry in self.channels.values_mut().flat_map(|channel| channel.entries.values_mut()) {
            entry.facts.expires = entry.facts.expires.or_else(|| expiries.get(&entry.facts.id).copied());
        }
    }

    fn keeps_back(&self) -> bool {
        self.paused || self.channels.is_empty()
    }

    /// Hands over to the channels what they may have.
    fn hand_over(&mut self) {
        if self.keeps_back() || self.flow.id == self.next.id {
            return;
        }
        self.flow = self.next;
        for channel in self.channels.values_mut() {
            for gap in self.backlog_voids.iter().filter(|gap| gap.from >= channel.cursor.id) {
                add_gap(&mut channel.gaps, *gap);
                channel.since = channel.since.saturating_add(gap.to.saturating_sub(gap.from));
            }
            for facts in &self.deferred {
                if facts.id >= channel.cursor.id
                    && self.backlog_voids.iter().all(|gap| !(gap.from..gap.to).contains(&facts.id))
                {
                    channel.defer(facts);
                }
            }
        }
        self.handed.append(&mut self.deferred);
        for gap in core::mem::take(&mut self.backlog_voids) {
            add_gap(&mut self.voids, gap);
        }
    }

    /// Something else happened.
    pub fn apply(&mut self, event: &Event) {
        if let Some(mark) = event.reaches() {
            // No id is used again for another message, however many of the last ones were lost.
            self.miss(mark);
        }
        if !matches!(event, Event::Deduplicated { .. } | Event::Voided { .. } | Event::HandedOver { .. }) {
            // What waited to be durable when a snapshot was made was handed over since.
            self.hand_over();
        }
        match event {
            Event::Deduplicated { key, first, count, until } => {
                self.dedup.push(Accepted { key: key.clone(), first: *first, count: *count, until: *until });
            }
            Event::TopicConfigured(settings) => self.settings = *settings,
            Event::TopicPaused(paused) => {
                self.paused = *paused;
                self.hand_over();
            }
            Event::Voided { from, to } => self.void(*from, *to),
            Event::HandedOver { to } if to.id > self.flow.id => {
                self.flow = *to;
                self.forget_backlog();
            }
            Event::ChannelCreated(number, image) => self.create(*number, image),
            Event::ChannelDeleted(number) => drop(self.channels.remove(&u64::from(*number))),
            _ => {
                if let Some(channel) = event.channel().and_then(|number| self.channels.get_mut(&number.into())) {
                    channel.apply(event, &mut self.due_again);
                }
            }
        }
    }

    /// What is before `to` was not handed over, whatever the log says so far: only what is durable is.
    fn void(&mut self, from: Mark, to: Mark) {
        let gap = Gap { from: from.id, to: to.id, bytes: to.bytes.saturating_sub(from.bytes) };
        if gap.from >= gap.to {
            return;
        }
        for channel in self.channels.values_mut() {
            let (from, to) = (gap.from.max(channel.cursor.id), gap.to);
            channel.entries.retain(|id, entry| entry.attempts > 0 || !(from..to).contains(id));
            if from < to {
                cover(&mut channel.gaps, Gap { from, ..gap });
                channel.since = channel.since.saturating_add(to - from);
            }
        }
        cover(&mut self.voids, gap);
        if to.id > self.flow.id {
            self.flow = to;
            self.forget_backlog();
        }
    }

    fn create(&mut self, number: u32, image: &ChannelImage) {
        if image.cursor.id > self.flow.id {
            self.flow = image.cursor;
            self.forget_backlog();
        }
        let mut channel = image.clone();
        for facts in self.handed.iter().filter(|facts| facts.id >= image.cursor.id) {
            if !image.gaps.iter().any(|gap| (gap.from..gap.to).contains(&facts.id)) {
                channel.defer(facts);
            }
        }
        self.channels.insert(number.into(), channel);
        self.hand_over();
    }

    /// What was said of messages before the flow as not handed over is no longer so.
    fn forget_backlog(&mut self) {
        let flow = self.flow.id;
        self.deferred.retain(|facts| facts.id >= flow);
        self.backlog_voids.retain(|gap| gap.to > flow);
    }
}

impl ChannelImage {
    fn apply(&mut self, event: &Event, due_again: &mut u64) {
        match event {
            Event::ChannelConfigured(_, settings) => self.configure(settings.clone()),
            Event::ChannelPaused(_, paused) => self.paused = *paused,
            Event::Leased { at, until, delivery, from, cursor, departed, leased, .. } => {
                self.read_on(*from, *cursor, departed, *at, due_again);
                let all: Ids;
                let leased = if leased.0.is_empty() {
                    all = departed.iter().map(|facts| facts.id).collect();
                    &all
                } else {
                    leased
                };
                let mut delivery = *delivery;
                for &(first, count) in &leased.0 {
                    for id in self.known(first, count) {
                        let spot = SpotImage::InFlight { until: *until, at: *at };
                        self.lease(id, delivery.saturating_add(id - first), spot);
                    }
                    delivery = delivery.saturating_add(count);
                }
                if leased.count() > 0 {
                    self.next_delivery = self.next_delivery.max(delivery);
                }
            }
            Event::Passed { at, from, cursor, departed, .. } => {
                self.read_on(*from, *cursor, departed, *at, due_again);
            }
            Event::Touched { until, ids, .. } => self.each(ids, |channel, id| channel.touch(id, *until)),
            Event::Finished { ids, .. } => {
                self.finished = self.finished.saturating_add(ids.count());
                self.remove_all(ids);
            }
            Event::Requeued { id, due, .. } => {
                self.requeued = self.requeued.saturating_add(1);
                self.put(*id, due.map_or(SpotImage::Ready, |until| SpotImage::Deferred { until }));
            }
            Event::TimedOut { ids, .. } => {
                self.timed_out = self.timed_out.saturating_add(ids.count());
                self.each(ids, |channel, id| channel.put(id, SpotImage::Ready));
            }
            Event::Died { ids, timed_out, .. } => {
                let count = if *timed_out { &mut self.timed_out } else { &mut self.requeued };
                *count = count.saturating_add(ids.count());
                self.each(ids, Self::die);
            }
            Event::DeadGone { ids, .. } => self.remove_all(ids),
            Event::Redriven { at, ids, .. } => self.each(ids, |channel, id| channel.redrive(id, *at)),
            Event::Dropped { from, cursor, ids, count, .. } => {
                self.read_on(*from, *cursor, &[], 0, due_again);
                self.dropped = self.dropped.saturating_add(*count);
                self.remove_all(ids);
            }
            Event::Sought { to, gaps, .. } => {
                self.entries.clear();
                self.held.clear();
                (self.cursor, self.gaps) = (*to, gaps.clone());
            }
            Event::Lost { id, .. } => self.remove(*id),
            _ => {}
        }
    }

    /// Of ids in a row, those of messages that the channel knows something of: however many a log names.
    fn known(&self, first: u64, count: u64) -> Vec<u64> {
        let row = first..first.saturating_add(count);
        let entries = self.entries.range(row.clone()).map(|entry| *entry.0);
        let held = self.held.range(row.clone()).map(|held| *held.0);
        let mut ids: Vec<u64> = entries.chain(held).chain(self.dead.range(row).map(|dead| *dead.0)).collect();
        sort::by(&mut ids, Ord::cmp);
        ids.dedup();
        ids
    }

    fn each(&mut self, ids: &Ids, mut change: impl FnMut(&mut Self, u64)) {
        for &(first, count) in &ids.0 {
            for id in self.known(first, count) {
                change(self, id);
            }
        }
    }

    /// Messages are done with, wherever they were.
    fn remove_all(&mut self, ids: &Ids) {
        for &(first, count) in &ids.0 {
            let mut gap = Gap { from: first.max(self.cursor.id), to: first.saturating_add(count), bytes: 0 };
            for id in self.known(first, count) {
                let size = self.forget(id).map_or(0, |facts| u64::from(facts.size));
                gap.bytes = gap.bytes.saturating_add(if id >= gap.from { size } else { 0 });
            }
            add_gap(&mut self.gaps, gap);
        }
    }

    /// The channel without what came back after its time to live had run out: an engine lets go of it when that
    /// happens, which is not written down. `None` where there is nothing of the kind.
    pub(crate) fn without_expired(&self, now: u64) -> Option<Self> {
        let is_over = |facts: &Facts| facts.expires.is_some_and(|expires| expires <= now);
        let waiting = self.entries.values().filter(|entry| !matches!(entry.spot, SpotImage::InFlight { .. }));
        let waiting = waiting.map(|entry| &entry.facts).chain(self.held.values());
        let over: Vec<u64> = waiting.filter(|facts| is_over(facts)).map(|facts| facts.id).collect();
        if over.is_empty() {
            return None;
        }
        let mut channel = self.clone();
        channel.expired += over.len() as u64;
        for id in over {
            channel.remove(id);
        }
        Some(channel)
    }

    /// A message that must wait for its time, wherever the cursor is.
    fn defer(&mut self, facts: &Facts) {
        let until = facts.due.unwrap_or_default();
        let entry = EntryImage { facts: *facts, attempts: 0, delivery: 0, spot: SpotImage::Deferred { until } };
        if !self.entries.contains_key(&facts.id) {
            self.entries.insert(facts.id, entry);
        }
    }

    /// The cursor moved from one place to another, and these messages departed on the way.
    fn read_on(&mut self, from: u64, cursor: Mark, departed: &[Facts], at: u64, due_again: &mut u64) {
        // Of what was read before, in a part of the log that is missing, nothing is known: it is due again.
        let missed = self.missed(from);
        let count = missed.iter().fold(*due_again, |sum, ids| sum.saturating_add(ids.end - ids.start));
        let is_known = count <= DUE_AGAIN;
        if is_known {
            *due_again = count;
            for id in missed.into_iter().flatten() {
                if !self.entries.contains_key(&id) && !self.dead.contains_key(&id) {
                    self.put_ready(Facts { id, ..Facts::default() });
                }
            }
        }
        for facts in departed {
            if facts.due.is_some_and(|due| due > at) {
                self.defer(facts);
            } else if is_known {
                // It was deferred until it was read, and is in one place.
                self.entries.remove(&facts.id);
                self.held.insert(facts.id, *facts);
            } else {
                self.put_ready(*facts);
            }
        }
        if is_known && cursor.id > self.cursor.id {
            self.cursor = cursor;
        }
        self.gaps.retain(|gap| gap.to > self.cursor.id);
    }

    /// What stands between the cursor and this id, but for gaps.
    fn missed(&self, from: u64) -> Vec<Range<u64>> {
        let mut missed = Vec::new();
        let mut id = self.cursor.id;
        if id >= from {
            return missed;
        }
        for gap in &self.gaps {
            if gap.from.min(from) > id {
                missed.push(id..gap.from.min(from));
            }
            id = id.max(gap.to);
        }
        if id < from {
            missed.push(id..from);
        }
        missed
    }

    fn put_ready(&mut self, facts: Facts) {
        self.entries.insert(facts.id, EntryImage { facts, attempts: 0, delivery: 0, spot: SpotImage::Ready });
    }

    /// The entry of a message, which may have been held.
    fn entry(&mut self, id: u64) -> Option<&mut EntryImage> {
        if let Some(facts) = self.held.remove(&id) {
            self.entries.insert(id, EntryImage { facts, attempts: 0, delivery: 0, spot: SpotImage::Ready });
        }
        self.entries.get_mut(&id)
    }

    fn lease(&mut self, id: u64, delivery: u64, spot: SpotImage) {
        self.next_delivery = self.next_delivery.max(delivery.saturating_add(1));
        if let Some(entry) = self.entry(id) {
            entry.attempts = entry.attempts.saturating_add(1);
            (entry.delivery, entry.spot) = (delivery, spot);
        }
    }

    fn put(&mut self, id: u64, spot: SpotImage) {
        if let Some(entry) = self.entry(id) {
            entry.spot = spot;
        }
    }

    fn touch(&mut self, id: u64, to: u64) {
        if let Some(EntryImage { spot: SpotImage::InFlight { until, .. }, .. }) = self.entries.get_mut(&id) {
            *until = to;
        }
    }

    /// A message is done with, wherever it was.
    fn remove(&mut self, id: u64) {
        let facts = self.forget(id);
        if id >= self.cursor.id {
            let bytes = facts.map_or(0, |facts| u64::from(facts.size));
            add_gap(&mut self.gaps, Gap { from: id, to: id.saturating_add(1), bytes });
        }
    }

    /// Takes a message out of wherever it is.
    fn forget(&mut self, id: u64) -> Option<Facts> {
        let entry = self.entries.remove(&id).map(|entry| entry.facts);
        entry.or_else(|| self.held.remove(&id)).or_else(|| self.dead.remove(&id).map(|dead| dead.facts))
    }

    fn die(&mut self, id: u64) {
        self.entry(id);
        if let Some(EntryImage { facts, attempts, delivery, .. }) = self.entries.remove(&id) {
            self.dead.insert(id, DeadImage { facts, attempts, delivery });
        }
    }

    fn redrive(&mut self, id: u64, at: u64) {
        let Some(&DeadImage { facts, delivery, .. }) = self.dead.get(&id) else { return };
        if facts.expires.is_some_and(|expires| expires <= at) {
            self.expired = self.expired.saturating_add(1);
            return self.remove(id);
        }
        self.dead.remove(&id);
        let facts = Facts { due: None, ..facts };
        self.entries.insert(id, EntryImage { facts, attempts: 0, delivery, spot: SpotImage::Ready });
    }

    fn configure(&mut self, settings: super::image::ChannelSettings) {
        if self.settings.ordered && !settings.ordered {
            for (id, facts) in core::mem::take(&mut self.held) {
                self.entries.insert(id, EntryImage { facts, attempts: 0, delivery: 0, spot: SpotImage::Ready });
            }
        }
        self.settings = settings;
    }
}

/// Adds ids to a list of gaps in order, of which none is in one already; neighbours are joined.
pub(crate) fn add_gap(gaps: &mut Vec<Gap>, gap: Gap) {
    if gap.from >= gap.to {
        return;
    }
    let place = gaps.partition_point(|other| other.from < gap.from);
    gaps.insert(place, gap);
    if gaps.get(place + 1).is_some_and(|next| next.from <= gap.to) {
        let next = gaps.remove(place + 1);
        gaps[place].to = next.to.max(gap.to);
        gaps[place].bytes = gaps[place].bytes.saturating_add(next.bytes);
    }
    if place > 0 && gaps[place - 1].to >= gap.from {
        let own = gaps.remove(place);
        gaps[place - 1].to = gaps[place - 1].to.max(own.to);
        gaps[place - 1].bytes = gaps[place - 1].bytes.saturating_add(own.bytes);
    }
}

/// Adds ids to a list of gaps in order, of which some may be in one.
fn cover(gaps: &mut Vec<Gap>, gap: Gap) {
    let mut whole = gap;
    for other in gaps.extract_if(.., |other| other.from < gap.to && other.to > gap.from) {
        (whole.from, whole.to) = (whole.from.min(other.from), whole.to.max(other.to));
        if other.from < gap.from || other.to > gap.to {
            whole.bytes = whole.bytes.saturating_add(other.bytes);
        }
    }
    add_gap(gaps, whole);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    fn channel() -> (TopicImage, u32) {
        let mut image = TopicImage::default();
        image.apply(&Event::ChannelCreated(0, Box::new(ChannelImage { name: "c".into(), ..ChannelImage::default() })));
        (image, 0)
    }

    fn facts(id: u64) -> Facts {
        Facts { id, size: 1, ..Facts::default() }
    }

    #[test]
    fn what_names_very_many_messages_takes_no_longer_than_there_are() {
        let (mut image, channel) = channel();
        let all = || Ids(alloc::vec![(0, u64::MAX)]);
        let (at, until, delivery, departed) = (1, 9, 1, alloc::vec![facts(5), facts(7)]);
        let cursor = Mark { id: 8, bytes: 8 };
        image.apply(&Event::Leased { channel, at, until, delivery, from: 5, cursor, departed, leased: all() });
        image.apply(&Event::Touched { channel, until: 20, ids: all() });
        image.apply(&Event::TimedOut { channel, ids: all() });
        let of = |image: &TopicImage| image.channels[&u64::from(channel)].clone();
        assert_eq!(of(&image).entries.keys().copied().collect::<Vec<_>>(), [5, 7]);
        assert!(of(&image).entries.values().all(|entry| entry.spot == SpotImage::Ready && entry.attempts == 1));
        image.apply(&Event::Died { channel, ids: all(), timed_out: true });
        assert_eq!((of(&image).entries.len(), of(&image).dead.len()), (0, 2));
        image.apply(&Event::Redriven { channel, at: 30, ids: all() });
        assert_eq!((of(&image).entries.len(), of(&image).dead.len()), (2, 0));
        image.apply(&Event::Died { channel, ids: all(), timed_out: false });
        image.apply(&Event::DeadGone { channel, ids: all() });
        image.apply(&Event::Finished { channel, ids: all() });
        let channel = of(&image);
        assert_eq!((channel.dead.len(), channel.finished, channel.timed_out), (0, u64::MAX, u64::MAX));
        assert_eq!(channel.gaps, [Gap { from: 8, to: u64::MAX, bytes: 0 }]);
    }

    #[test]
    fn what_was_read_in_a_part_that_is_missing_is_due_again_however_much_it_is() {
        let (mut image, channel) = channel();
        let leased = |from: u64| Event::Leased {
            channel,
            at: 1,
            until: 9,
            delivery: 1,
            from,
            cursor: Mark { id: from + 1, bytes: from },
            departed: alloc::vec![facts(from)],
            leased: Ids::default(),
        };
        image.next = Mark { id: 1 << 50, bytes: 0 };
        image.flow = image.next;
        image.channels.get_mut(&channel.into()).expect("it is there").cursor.id = 10;
        image.apply(&leased(12));
        let of = |image: &TopicImage| image.channels[&u64::from(channel)].clone();
        assert_eq!(of(&image).entries.keys().copied().collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(of(&image).cursor.id, 13);
        // More than any log that was not made up: the channel reads it again.
        image.apply(&leased(1 << 40));
        assert_eq!(of(&image).entries.keys().copied().collect::<Vec<_>>(), [10, 11, 12, 1 << 40]);
        assert_eq!(of(&image).cursor.id, 13);
    }
}
