//! What each frame of a log does to the image of its topic.
//!
//! Nothing here can fail, whatever the numbers are: a log may come from somebody else. Where a frame was lost before
//! this one, it does what makes no other message disappear: what a channel read in the part that is missing is due
//! again.

use alloc::vec::Vec;

use super::event::{Event, Facts, Ids, Mark};
use super::frame::{FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES};
use super::image::{Accepted, ChannelImage, ChunkImage, DeadImage, EntryImage, Expiry, Gap, SpotImage, TopicImage};
use crate::by_id::ById;
use crate::message::{PLAIN_BYTES, Record};

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
                    channel.apply(event);
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
    fn apply(&mut self, event: &Event) {
        match event {
            Event::ChannelConfigured(_, settings) => self.configure(settings.clone()),
            Event::ChannelPaused(_, paused) => self.paused = *paused,
            Event::Leased { at, until, delivery, from, cursor, departed, leased, .. } => {
                self.read_on(*from, *cursor, departed, *at);
                let all: Ids;
                let leased = if leased.0.is_empty() {
                    all = departed.iter().map(|facts| facts.id).collect();
                    &all
                } else {
                    leased
                };
                for (id, nth) in leased.iter().zip(0..) {
                    self.lease(id, delivery.saturating_add(nth), SpotImage::InFlight { until: *until, at: *at });
                }
            }
            Event::Passed { at, from, cursor, departed, .. } => self.read_on(*from, *cursor, departed, *at),
            Event::Touched { until, ids, .. } => ids.iter().for_each(|id| self.touch(id, *until)),
            Event::Finished { ids, .. } => ids.iter().for_each(|id| {
                self.finished = self.finished.saturating_add(1);
                self.remove(id);
            }),
            Event::Requeued { id, due, .. } => {
                self.requeued = self.requeued.saturating_add(1);
                self.put(*id, due.map_or(SpotImage::Ready, |until| SpotImage::Deferred { until }));
            }
            Event::TimedOut { ids, .. } => ids.iter().for_each(|id| {
                self.timed_out = self.timed_out.saturating_add(1);
                self.put(id, SpotImage::Ready);
            }),
            Event::Died { ids, timed_out, .. } => ids.iter().for_each(|id| self.die(id, *timed_out)),
            Event::DeadGone { ids, .. } => ids.iter().for_each(|id| self.remove(id)),
            Event::Redriven { at, ids, .. } => ids.iter().for_each(|id| self.redrive(id, *at)),
            Event::Dropped { from, cursor, ids, count, .. } => {
                self.read_on(*from, *cursor, &[], 0);
                self.dropped = self.dropped.saturating_add(*count);
                ids.iter().for_each(|id| self.remove(id));
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
    fn read_on(&mut self, from: u64, cursor: Mark, departed: &[Facts], at: u64) {
        // Of what was read before, in a part of the log that is missing, nothing is known: it is due again.
        for id in self.cursor.id..from {
            let passed = self.gaps.iter().any(|gap| (gap.from..gap.to).contains(&id));
            if !passed && !self.entries.contains_key(&id) && !self.dead.contains_key(&id) {
                let facts = Facts { id, ..Facts::default() };
                self.entries.insert(id, EntryImage { facts, attempts: 0, delivery: 0, spot: SpotImage::Ready });
            }
        }
        for facts in departed {
            if facts.due.is_some_and(|due| due > at) {
                self.defer(facts);
            } else {
                // It was deferred until it was read, and is in one place.
                self.entries.remove(&facts.id);
                self.held.insert(facts.id, *facts);
            }
        }
        if cursor.id > self.cursor.id {
            self.cursor = cursor;
        }
        self.gaps.retain(|gap| gap.to > self.cursor.id);
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
        let entry = self.entries.remove(&id).map(|entry| entry.facts);
        let facts = entry.or_else(|| self.held.remove(&id)).or_else(|| self.dead.remove(&id).map(|dead| dead.facts));
        if id >= self.cursor.id {
            let bytes = facts.map_or(0, |facts| u64::from(facts.size));
            add_gap(&mut self.gaps, Gap { from: id, to: id.saturating_add(1), bytes });
        }
    }

    fn die(&mut self, id: u64, timed_out: bool) {
        let count = if timed_out { &mut self.timed_out } else { &mut self.requeued };
        *count = count.saturating_add(1);
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
