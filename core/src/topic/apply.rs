//! What each event does to a topic, alive and in a replay alike: [`Topic::apply`] and, for what is published,
//! [`Topic::published`] are all that change what a topic is.
//!
//! A replay differs in one thing: what is in a log is durable, so that it was handed over, if anybody was there to have
//! it. Nothing here can fail, whatever the numbers are: a log may come from somebody else.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use super::Topic;
use super::producers::Last;
use crate::channel::{Channel, ChannelCx};
use crate::command::{Overflow, TopicOptions};
use crate::config::{Limits, MAX_CHANNELS};
use crate::dedup::Accepted;
use crate::ids::ChannelId;
use crate::log::event::{Event, MessageMeta, Position};
use crate::log::frame::{FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES};
use crate::log::image::{ChannelImage, Expiry, Gap, TopicSettings};
use crate::message::{PLAIN_BYTES, Record};
use crate::slab::Key;
use crate::time::{Time, nanos};

/// What a topic is told of a published message in a replay.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Bytes of all bodies before it.
    pub before: u64,
    /// What decides where it goes.
    pub meta: MessageMeta,
    /// When it was published, in nanoseconds.
    pub at: u64,
    /// Bytes of its frame.
    pub log_bytes: u64,
}

impl Published {
    /// What there is to tell of the message with this id and record, of a topic with this seed.
    pub fn of(id: u64, before: u64, record: &Record<'_>, seed: u64) -> Self {
        let bytes = FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + PLAIN_BYTES + record.option_bytes() + record.body.len();
        Published { before, meta: record.meta(id, seed), at: record.timestamp.as_nanos(), log_bytes: bytes as u64 }
    }
}

/// What a topic has only while it is replayed.
#[derive(Debug, Default)]
pub(super) struct Replaying {
    /// Its name, as the log has it: perhaps none that a topic can have.
    pub(super) name: String,
    /// Messages with a deferral that were handed over in this replay: a channel that is made later may begin before
    /// them, for a running topic hands over only what is durable.
    handed: Vec<MessageMeta>,
    /// How many messages are due again for they were read in a part of the log that is missing.
    due_again: u64,
}

impl Replaying {
    pub(super) fn new(name: &str) -> Self {
        Replaying { name: name.into(), ..Replaying::default() }
    }
}

impl Topic {
    /// Makes an event happen: the topic changes by it, and it is written down.
    pub(super) fn happen(&mut self, event: &Event, now: Time, limits: &Limits) {
        self.apply(event, now, limits);
        if let Some(traced) = &mut self.traced {
            traced.push(event.clone());
        }
        if let Some(log) = &mut self.log {
            log.journal.event(event);
        }
    }

    /// A log says that this happened.
    pub(crate) fn replay(&mut self, event: &Event) {
        if !event.is_sound() {
            return;
        }
        // A replay has no time: what has fallen due or expired by now does so when the topic is opened.
        let (now, limits) = (Time::default(), Limits::default());
        if let Some(position) = event.reaches() {
            // No id is used again for another message, however many of the last ones were lost.
            self.miss(position);
            if event.departed().iter().any(|meta| meta.id >= position.id) {
                // Nobody read what is after where he came to.
                return;
            }
            if event.is_handed_over() {
                // Of what was lost, too, the topic handed over what a channel read.
                self.hand_over_to(position, now, &limits);
            }
        }
        // Not before these: two speak of a message that comes next, and two say themselves how far was handed over.
        if !matches!(
            event,
            Event::Deduplicated { .. } | Event::Produced { .. } | Event::Tombstoned { .. } | Event::HandedOver { .. }
        ) {
            // What waited to be durable when a snapshot was made was handed over since.
            self.replay_hand_over();
        }
        self.apply(event, now, &limits);
        // There may be a first channel now, or a topic that is not paused any more.
        self.replay_hand_over();
    }

    /// A log says that a message was published, and stands in this segment.
    pub(crate) fn replay_published(&mut self, message: &Published, segment: u32) {
        let Published { before, meta, at, log_bytes } = *message;
        let place = Position { id: meta.id, bytes: before };
        // Ids only grow in a log: one that comes again is not believed.
        if meta.id < self.messages.end().id || !place.is_sound() {
            return;
        }
        self.miss(place);
        self.messages.append_stored(Time::from_nanos(at), meta.size, log_bytes, segment);
        self.published(meta.id, meta.size, meta.due.map(|_| meta), meta.expires);
        self.replay_hand_over();
    }

    /// A log says that an older message was written again, to this segment, in so many bytes.
    pub(crate) fn replay_rewritten(&mut self, id: u64, log_bytes: u64, segment: u32) {
        self.messages.append_rewritten(id, log_bytes, segment);
    }

    /// A log says that so many messages may have been published that nobody can tell of any more.
    pub(crate) fn replay_skipped(&mut self, messages: u64) {
        let end = self.messages.end();
        self.miss(Position { id: end.id.saturating_add(messages), bytes: end.bytes });
    }

    /// Messages up to this place were published, and cannot be read any more.
    fn miss(&mut self, to: Position) {
        let from = self.messages.end();
        if to.id <= from.id {
            return;
        }
        self.messages.append_lost(to);
        // Nobody can be given them: so they are not to be delivered, and are no backlog.
        self.backlog_tombstones.cover(Gap { from: from.id, to: to.id, bytes: to.bytes.saturating_sub(from.bytes) });
        self.replay_hand_over();
    }

    fn replay_hand_over(&mut self) {
        let end = self.messages.end();
        if !self.keeps_back() && self.high_watermark.id() < end.id {
            self.hand_over_to(end, Time::default(), &Limits::default());
        }
    }

    /// A message was published, with this deferral and time to live.
    pub(super) fn published(&mut self, id: u64, size: u32, deferred: Option<MessageMeta>, expires: Option<u64>) {
        self.message_count = self.message_count.saturating_add(1);
        self.message_bytes = self.message_bytes.saturating_add(size.into());
        self.deferred.extend(deferred);
        if let Some(at) = expires {
            self.expires(Expiry { at, id, size });
        }
    }

    /// Changes the topic. What happens in one of its channels, [`Channel::apply`] does.
    pub(super) fn apply(&mut self, event: &Event, now: Time, limits: &Limits) {
        match event {
            Event::Deduplicated { key, first, count, until } => {
                let accepted = Accepted { first: *first, count: *count, until: Time::from_nanos(*until) };
                self.dedup.insert(key, accepted);
            }
            Event::Produced { producer, seq, id, at } => {
                self.producers.accept(producer, Last { seq: *seq, id: *id, at: Time::from_nanos(*at) });
            }
            // Its settings have no place for the window, which is said by an event of its own.
            Event::TopicConfigured(settings) => {
                self.options = TopicOptions { dedup_window: self.options.dedup_window, ..settings.into() };
            }
            Event::DedupWindow(window) => self.options.dedup_window = Duration::from_nanos(*window),
            Event::TopicPaused(paused) => self.paused = *paused,
            Event::Tombstoned { from, to } => self.tombstone(*from, *to, now, limits),
            Event::HandedOver { to } => self.hand_over_to(*to, now, limits),
            Event::ChannelCreated(number, image) => self.add(ChannelId::of(*number), image, now, limits),
            Event::ChannelDeleted(number) => self.remove(ChannelId::of(*number)),
            Event::TimeToLiveOver(expiry) => self.time_to_live_over(*expiry, now, limits),
            _ => {
                if let Some(number) = event.channel() {
                    self.with_channel(ChannelId::of(number), now, limits, |channel, cx| channel.apply(event, cx));
                    // It may have sought another place, or read on past what was handed over.
                    self.find_channels_ahead();
                }
            }
        }
    }

    /// One channel with what its operations reach, but where they would be written down.
    fn with_channel(
        &mut self,
        number: ChannelId,
        now: Time,
        limits: &Limits,
        change: impl FnOnce(&mut Channel, &mut ChannelCx<'_>),
    ) {
        self.mark_changed(number);
        // A log may name a channel that is not there.
        let Some(channel) = self.channels.get_mut(number) else { return };
        let mut cx = ChannelCx {
            number,
            messages: &mut self.messages,
            journal: None,
            traced: None,
            due_again: self.replaying.as_mut().map(|replaying| &mut replaying.due_again),
            high_watermark: self.high_watermark.position(),
            seed: self.seed,
            now,
            limits,
        };
        change(channel, &mut cx);
    }

    fn with_channels(&mut self, now: Time, limits: &Limits, mut change: impl FnMut(&mut Channel, &mut ChannelCx<'_>)) {
        for number in self.channel_numbers() {
            self.with_channel(number, now, limits, &mut change);
        }
    }

    /// Hands over what is before this place.
    pub(super) fn hand_over_to(&mut self, to: Position, now: Time, limits: &Limits) {
        if to.id <= self.high_watermark.id() {
            return;
        }
        let from = self.high_watermark.id();
        self.messages.advance(&mut self.high_watermark, to);
        if self.has_channel_ahead {
            self.with_channels(now, limits, |channel, _| channel.not_received(from, to.id));
            self.find_channels_ahead();
        }
        // What is plain costs the channels nothing: they read on to the high watermark.
        if self.deferred.is_empty() && self.backlog_tombstones.ids() == 0 {
            return;
        }
        let tombstones = self.backlog_tombstones.drain_before(to.id);
        let before = self.deferred.partition_point(|meta| meta.id < to.id);
        let deferred: Vec<MessageMeta> = self.deferred.drain(..before).collect();
        self.with_channels(now, limits, |channel, cx| {
            // What expired or was dropped before it was handed over does not depart, deferred or not: it is passed
            // over.
            tombstones.after(channel.position()).for_each(|gap| channel.pass_over(gap));
            for meta in deferred.iter().filter(|meta| tombstones.end_of(meta.id).is_none()) {
                channel.defer(meta, cx);
            }
        });
        // A channel that is made later, or goes back, has to pass over them as well.
        tombstones.after(0).for_each(|gap| self.tombstones.cover(gap));
        if let Some(replaying) = &mut self.replaying {
            replaying.handed.extend(deferred);
        }
    }

    /// What is before `to` was not handed over, whatever the log says so far: only what is durable is.
    fn tombstone(&mut self, from: Position, to: Position, now: Time, limits: &Limits) {
        let gap = Gap { from: from.id, to: to.id, bytes: to.bytes.saturating_sub(from.bytes) };
        if gap.from >= gap.to {
            return;
        }
        // What a log lost of where that begins was handed over.
        self.hand_over_to(from, now, limits);
        let high_watermark = self.high_watermark.id();
        // Nobody gets them, so nobody defers them.
        self.deferred.retain(|meta| meta.id >= to.id || meta.id < high_watermark);
        self.backlog_tombstones.cut_before(to.id);
        self.with_channels(now, limits, |channel, cx| channel.tombstone(gap, cx));
        self.tombstones.cover(gap);
        // In a replay, the high watermark may be past that: what is in a log counts as handed over.
        if to.id > high_watermark {
            self.messages.advance(&mut self.high_watermark, to);
            self.find_channels_ahead();
        }
    }

    /// Puts a channel among the others, where its number and name are free.
    pub(super) fn add(&mut self, number: ChannelId, image: &ChannelImage, now: Time, limits: &Limits) {
        // Channels have lower numbers than this, whatever a log says: their table has a place for each number below.
        let is_known = number.number() >= MAX_CHANNELS || self.channels.contains(number);
        let (false, Err(place)) = (is_known, self.name_place(&image.name)) else { return };
        let mut cx = ChannelCx {
            number,
            messages: &mut self.messages,
            journal: None,
            traced: None,
            due_again: None,
            high_watermark: self.high_watermark.position(),
            seed: self.seed,
            now,
            limits,
        };
        let Some(mut channel) = Channel::of(image, &mut cx) else { return };
        // Of these, what is ahead of the channel's cursor was not handed over when it was made.
        for meta in self.replaying.iter().flat_map(|replaying| &replaying.handed) {
            if !channel.passes_over(meta.id) {
                channel.defer(meta, &mut cx);
            }
        }
        self.ephemeral_channels += u32::from(channel.name().is_ephemeral());
        self.names.insert(place, (channel.name().clone(), number));
        self.channels.insert_at(number, Box::new(channel));
        self.find_channels_ahead();
    }

    /// Finds out whether a channel is further than what was handed over.
    pub(super) fn find_channels_ahead(&mut self) {
        let high_watermark = self.high_watermark.id();
        self.has_channel_ahead = self.channels.iter().any(|(_, channel)| channel.position() > high_watermark);
    }

    fn remove(&mut self, number: ChannelId) {
        // A log may say it of one that is not there.
        if !self.channels.contains(number) {
            return;
        }
        let channel = self.channels.remove(number);
        if let Ok(place) = self.name_place(channel.name().as_str()) {
            self.names.remove(place);
        }
        self.ephemeral_channels -= u32::from(channel.name().is_ephemeral());
        self.released.extend(channel.close(&mut self.messages));
    }

    fn time_to_live_over(&mut self, Expiry { id, size, .. }: Expiry, now: Time, limits: &Limits) {
        let gap = Gap { from: id, to: id.saturating_add(1), bytes: size.into() };
        // The channels are told when it is handed over.
        if id >= self.high_watermark.id() {
            return self.backlog_tombstones.cover(gap);
        }
        self.tombstones.cover(gap);
        self.with_channels(now, limits, |channel, cx| channel.expires(id, size, cx));
    }
}

impl From<&TopicSettings> for TopicOptions {
    fn from(settings: &TopicSettings) -> Self {
        TopicOptions {
            retain: Duration::from_nanos(settings.retain),
            retain_bytes: settings.retain_bytes,
            max_bytes: settings.max_bytes,
            max_messages: settings.max_messages,
            overflow: if settings.drop_oldest { Overflow::DropOldest } else { Overflow::Reject },
            dedup_window: Duration::ZERO,
        }
    }
}

impl From<&TopicOptions> for TopicSettings {
    fn from(options: &TopicOptions) -> Self {
        TopicSettings {
            retain: nanos(options.retain),
            retain_bytes: options.retain_bytes,
            max_bytes: options.max_bytes,
            max_messages: options.max_messages,
            drop_oldest: options.overflow == Overflow::DropOldest,
        }
    }
}

/// When messages with a time to live expire, in the order of a snapshot.
pub(super) fn sorted<'a>(expiries: impl Iterator<Item = &'a Reverse<Expiry>>) -> Vec<Expiry> {
    let mut sorted: Vec<Expiry> = expiries.map(|Reverse(expiry)| *expiry).collect();
    sorted.sort_unstable();
    sorted
}
