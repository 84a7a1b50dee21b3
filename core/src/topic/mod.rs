//! A topic: its messages, and the channels that read them.
//!
//! The topic hands its messages over to the channels in order, up to the high watermark: the first that it has not.
//! It keeps them back while it has no channel, so that the first one takes over the backlog; while it is paused; and
//! as long as they are not as durable as was promised. [`publish`] adds messages within the topic's [`limits`];
//! [`expiry`] lets go of those that nobody needs or may have any more. [`apply`] is what changes a topic, alive and when it
//! is made again from its log; [`snapshot`] is the topic written down. Where there is a log, [`logged`] is what waits for it.

pub(crate) mod apply;
mod compaction;
mod expiry;
mod limits;
mod logged;
mod producers;
mod publish;
mod query;
pub(crate) mod snapshot;

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::by_id::IdSet;
use crate::channel::{Channel, ChannelCx};
use crate::command::{Refusal, Start, TopicChanges, TopicOptions, TopicTrouble};
use crate::config::{Limits, MAX_CHANNELS};
use crate::dedup::Dedup;
use crate::gaps::Gaps;
use crate::ids::{ChannelId, PollerId};
use crate::log::event::{Event, Position};
use crate::log::image::{ChannelImage, Expiry, Gap};
use crate::log::journal::Journal;
use crate::message::MessageMeta;
use crate::messages::{Cursor, Messages, NotCached};
use crate::name::Name;
use crate::schedule::Handle;
use crate::slab::{Key, Slab};
use crate::split_mix::SplitMix64;
use crate::time::Time;

use apply::Replaying;
pub(crate) use logged::LogState;
use producers::Producers;
pub use query::MessageTrace;
pub(crate) use query::PeekProgress;

#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(crate) struct Topic {
    name: Name<'static>,
    options: TopicOptions,
    paused: bool,
    messages: Messages,
    /// The first message that was not handed over. Invariant: no tombstone is at or after it, and no backlog tombstone
    /// or deferred message before it. It is past what is durable only where what is between was tombstoned.
    high_watermark: Cursor,
    channels: Slab<Box<Channel>, ChannelId>,
    /// Invariant: one for each channel, in the order of the names.
    #[serde(skip)]
    names: Vec<(Name<'static>, ChannelId)>,
    /// Channels that have pollers.
    #[serde(skip)]
    pub(crate) with_pollers: IdSet,
    /// Channels that were changed, or were given something: [`Broker`](crate::broker::Broker) looks at them next.
    /// Numbers of channels that are gone may be among them.
    changed: Vec<ChannelId>,
    #[serde(skip)]
    ephemeral_channels: u32,
    /// Handed-over messages that are not to be delivered (again), however far back a channel goes: expired, or
    /// dropped before they were handed over.
    tombstones: Gaps,
    /// The same among those that the topic has not handed over.
    backlog_tombstones: Gaps,
    /// Messages not handed over that were published with a deferral.
    /// Invariant: in the order of their ids, each once.
    deferred: Vec<MessageMeta>,
    /// When messages with a time to live expire.
    /// Those of messages that are gone stay until they are due, or are too many.
    expiries: BinaryHeap<Reverse<Expiry>>,
    dedup: Dedup,
    producers: Producers,
    message_count: u64,
    message_bytes: u64,
    /// Stands in snapshots, and stays the same at every start: the hashes of ordering keys in the log are made with it.
    seed: u64,
    /// Another at every start: where channels begin to number their deliveries is not to come again.
    seeds: SplitMix64,
    /// Where the topic is being made again from its log, and nobody is served from it.
    #[serde(skip)]
    replaying: Option<Replaying>,
    /// The segments of a log that is being replayed, as a snapshot has them.
    old_segments: Vec<(u32, u64)>,
    /// Streams that held messages of channels that are gone, once for each message.
    #[serde(skip)]
    released: Vec<PollerId>,
    /// A channel reads next what was not handed over yet. Where none does, handing over need not visit the channels.
    has_channel_ahead: bool,
    /// Not all that can be handed over was: the rest is due at once.
    handing_over: bool,
    /// Until then nothing is deleted for its age, for the clock may be wrong.
    retention_held_until: Time,
    /// The log; none for a topic that is kept in memory only.
    log: Option<LogState>,
    /// What happened since the last look, where somebody watches.
    #[serde(skip)]
    pub(crate) traced: Option<Vec<Event>>,
    /// The deadline that the broker knows of.
    pub(crate) armed: Option<(Time, Handle)>,
    /// Something is wrong with its log: it takes in no publishes.
    pub(crate) stalled: Option<TopicTrouble>,
    /// Bytes of its messages in memory, as the broker counted them last.
    pub(crate) counted: usize,
    /// The broker knows that something of it waits to be written.
    pub(crate) is_dirty: bool,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// It is refused.
    Refused(Refusal),
    /// It needs messages that are in the log; nothing was done, or what was done can go on.
    NotCached(NotCached),
}

impl From<Refusal> for Blocked {
    fn from(refusal: Refusal) -> Self {
        Blocked::Refused(refusal)
    }
}

impl From<NotCached> for Blocked {
    fn from(absent: NotCached) -> Self {
        Blocked::NotCached(absent)
    }
}

impl Topic {
    /// A topic without messages. `journal` begins its log, where it has one.
    pub(crate) fn new(name: Name<'static>, seed: u64, journal: Option<Journal>) -> Self {
        let mut messages = Messages::new(journal.as_ref().map(Journal::segment));
        let high_watermark = messages.cursor(messages.end());
        let mut topic = Topic::with_messages(name, seed, messages, high_watermark);
        topic.begin_log(journal);
        topic
    }

    fn with_messages(name: Name<'static>, seed: u64, messages: Messages, high_watermark: Cursor) -> Self {
        Topic {
            name,
            options: TopicOptions::default(),
            paused: false,
            high_watermark,
            messages,
            channels: Slab::new(),
            names: Vec::new(),
            with_pollers: IdSet::default(),
            changed: Vec::new(),
            ephemeral_channels: 0,
            tombstones: Gaps::default(),
            backlog_tombstones: Gaps::default(),
            deferred: Vec::new(),
            expiries: BinaryHeap::new(),
            dedup: Dedup::new(seed),
            producers: Producers::new(seed),
            message_count: 0,
            message_bytes: 0,
            seed,
            seeds: SplitMix64::new(seed),
            replaying: None,
            old_segments: Vec::new(),
            released: Vec::new(),
            has_channel_ahead: false,
            handing_over: false,
            retention_held_until: Time::default(),
            log: None,
            traced: None,
            armed: None,
            stalled: None,
            counted: 0,
            is_dirty: false,
        }
    }

    /// Rebuilds derived state after deserialization, but for who polls; `None` where what was read is nothing that a topic
    /// can have come to.
    pub(crate) fn restored(&mut self) -> Option<()> {
        self.dedup.rehash(self.seed);
        self.producers.rehash(self.seed);
        self.messages.restored(self.log.is_some())?;
        self.messages.cursor_restored(&self.high_watermark)?;
        for (number, channel) in self.channels.iter_mut() {
            channel.restored(&mut self.messages)?;
            let Err(place) = self.names.binary_search_by(|(other, _)| other.cmp(channel.name())) else { return None };
            self.names.insert(place, (channel.name().clone(), number));
            self.ephemeral_channels += u32::from(channel.name().is_ephemeral());
        }
        let (high_watermark, end) = (self.high_watermark.id(), self.messages.end().id);
        let are_voids = self.tombstones.are_within(0, end) && self.backlog_tombstones.are_within(high_watermark, end);
        let are_deferred = self.deferred.is_sorted_by(|one, next| one.id < next.id)
            && self.deferred.last().is_none_or(|last| last.id < end);
        let is_sound =
            are_voids && are_deferred && self.channels.is_sound() && self.names.len() <= MAX_CHANNELS as usize;
        (is_sound && self.log.as_ref().is_none_or(|log| log.is_sound(end))).then_some(())
    }

    pub(crate) fn name(&self) -> &Name<'static> {
        &self.name
    }

    pub(crate) fn messages(&self) -> &Messages {
        &self.messages
    }

    pub(crate) fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    /// Messages not handed over. O(1).
    pub(crate) fn depth(&self) -> u64 {
        self.messages.end().id - self.high_watermark.id() - self.backlog_tombstones.ids()
    }

    pub(crate) fn has_no_channels(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn find_channel(&self, name: &str) -> Option<ChannelId> {
        self.name_place(name).ok().map(|place| self.names[place].1)
    }

    /// Where the channel with this name stands among the names, or would stand.
    fn name_place(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }

    /// The numbers of the channels, by name.
    pub(crate) fn channel_numbers(&self) -> Vec<ChannelId> {
        self.names.iter().map(|(_, number)| *number).collect()
    }

    /// A channel that is known to be there, with its surroundings. Whatever is done to it, it is looked at afterwards.
    pub(crate) fn channel_cx<'a>(
        &'a mut self,
        number: ChannelId,
        now: Time,
        limits: &'a Limits,
    ) -> (&'a mut Channel, ChannelCx<'a>) {
        self.mark_changed(number);
        self.unmarked_channel_cx(number, now, limits)
    }

    /// The same for whoever looks at it.
    pub(crate) fn unmarked_channel_cx<'a>(
        &'a mut self,
        number: ChannelId,
        now: Time,
        limits: &'a Limits,
    ) -> (&'a mut Channel, ChannelCx<'a>) {
        let channel = &mut self.channels[number];
        // What happens to an ephemeral channel is not written: the log does not know that there is one.
        let journal = self.log.as_mut().filter(|_| !channel.name().is_ephemeral()).map(|log| &mut log.journal);
        let (high_watermark, seed) = (self.high_watermark.position(), self.seed);
        let traced = self.traced.as_mut();
        let messages = &mut self.messages;
        let cx = ChannelCx { number, messages, journal, traced, due_again: None, high_watermark, seed, now, limits };
        (channel, cx)
    }

    /// A channel is to be looked at.
    pub(crate) fn mark_changed(&mut self, number: ChannelId) {
        if let Some(channel) = self.channels.get_mut(number)
            && !core::mem::replace(&mut channel.is_changed, true)
        {
            self.changed.push(number);
        }
    }

    /// All channels are to be looked at.
    pub(crate) fn mark_all_changed(&mut self) {
        for number in self.channel_numbers() {
            self.mark_changed(number);
        }
    }

    /// The next channel that is to be looked at.
    pub(crate) fn next_changed(&mut self) -> Option<ChannelId> {
        while let Some(number) = self.changed.pop() {
            // The channel may be gone, or another may have its number: that one is looked at once too often.
            if let Some(channel) = self.channels.get_mut(number) {
                channel.is_changed = false;
                return Some(number);
            }
        }
        None
    }

    /// The deadlines of its channels that the broker knows of.
    pub(crate) fn armed_channels(&self) -> impl Iterator<Item = (Time, Handle)> + '_ {
        self.channels.iter().filter_map(|(_, channel)| channel.armed)
    }

    /// The streams that have messages of its channels in flight, each as often.
    pub(crate) fn streams_in_flight(&self) -> impl Iterator<Item = PollerId> + '_ {
        self.channels.iter().flat_map(|(_, channel)| channel.streams_in_flight())
    }

    /// The clock went back by much: what it made while it was wrong ends no later than anything can that is made now.
    pub(crate) fn clock_went_back(&mut self, now: Time, limits: &Limits) {
        let window = self.options.dedup_window.max(limits.dedup_window);
        self.dedup.fit_clock(now + window);
        // What held it back was a clock that is right now.
        self.retention_held_until = self.retention_held_until.min(now + limits.clock_grace);
        self.messages.fit_clock(now);
        self.channels.iter_mut().for_each(|(_, channel)| channel.fit_clock(now, limits));
    }

    pub(crate) fn channel(&self, number: ChannelId) -> &Channel {
        &self.channels[number]
    }

    pub(crate) fn channel_mut(&mut self, number: ChannelId) -> &mut Channel {
        &mut self.channels[number]
    }

    /// Makes a channel; answers its number. `start` says where it starts.
    pub(crate) fn add_channel(
        &mut self,
        name: &Name<'_>,
        start: Option<Start>,
        now: Time,
        limits: &Limits,
    ) -> Result<ChannelId, Blocked> {
        // What may have to be read first comes first: nothing was done yet when it is not in memory.
        let position = match start {
            None => self.high_watermark.position(),
            Some(start) => self.resolve(start, now)?,
        };
        let gaps = self.tombstones_after(position)?;
        let (seed, offset) = (self.seeds.next(), self.seeds.next());
        // Nobody hands out a message each nanosecond: so an earlier channel of the same name used none of these numbers,
        // and after a start there is no doubt whose receipt it is that the log does not know. Without a log, there are
        // 32 bits of chance above 2^20 deliveries.
        let next_delivery =
            if self.log.is_some() { now.as_nanos().saturating_add(offset >> 44) } else { (seed >> 32 << 20) + 1 };
        let passed = gaps.iter().fold(0, |sum, gap| sum + (gap.to - gap.from));
        let image = ChannelImage {
            name: name.as_str().into(),
            cursor: position,
            // What it begins past, and is yet to be handed over, is taken off when it is.
            since: position.id.min(self.high_watermark.id()) + passed,
            next_delivery,
            gaps,
            ..ChannelImage::default()
        };
        let number = self.channels.next_number();
        if number.number() >= MAX_CHANNELS {
            return Err(Refusal::TopicFull.into());
        }
        self.happen(&Event::ChannelCreated(number.number(), Box::new(image)), now, limits);
        // A first channel takes over what the topic has kept.
        self.hand_over(now, limits);
        Ok(number)
    }

    /// What a channel that goes on at this place has to pass over of what was handed over.
    fn tombstones_after(&self, position: Position) -> Result<Vec<Gap>, NotCached> {
        let mut tombstones: Vec<Gap> = self.tombstones.after(position.id).collect();
        if let Some(first) = tombstones.first_mut().filter(|gap| gap.from < position.id) {
            // The place is within a tombstone: of its bytes, those count that are behind the place.
            let end = self.messages.position_of(first.to)?;
            *first = Gap { from: position.id, to: first.to, bytes: end.bytes.saturating_sub(position.bytes) };
        }
        Ok(tombstones)
    }

    /// Takes a channel away, whose pollers must be gone; answers the streams that hold one of its messages, each
    /// as often.
    pub(crate) fn remove_channel(&mut self, number: ChannelId, now: Time, limits: &Limits) -> Vec<PollerId> {
        self.happen(&Event::ChannelDeleted(number.number()), now, limits);
        core::mem::take(&mut self.released)
    }

    pub(crate) fn configure(&mut self, changes: &TopicChanges, now: Time, limits: &Limits) {
        let mut options = self.options.clone();
        changes.retain.inspect(|value| options.retain = *value);
        changes.retain_bytes.inspect(|value| options.retain_bytes = *value);
        changes.max_bytes.inspect(|value| options.max_bytes = *value);
        changes.max_messages.inspect(|value| options.max_messages = *value);
        changes.overflow.inspect(|value| options.overflow = *value);
        self.happen(&Event::TopicConfigured((&options).into()), now, limits);
        // An event of its own: what logs have of the other options has no place for it.
        if let Some(window) = changes.dedup_window.filter(|window| *window != self.options.dedup_window) {
            self.happen(&Event::DedupWindow(crate::time::nanos(window)), now, limits);
        }
        self.update_retention(now);
    }

    pub(crate) fn pause(&mut self, paused: bool, now: Time, limits: &Limits) {
        self.happen(&Event::TopicPaused(paused), now, limits);
        self.hand_over(now, limits);
    }

    /// Drops what was not handed over.
    pub(crate) fn empty(&mut self, now: Time, limits: &Limits) {
        // Up to the end, durable or not: nobody gets it, so nobody has to wait.
        let (from, to) = (self.high_watermark.position(), self.messages.end());
        if from.id < to.id {
            self.happen(&Event::Tombstoned { from, to }, now, limits);
            // Without consumers nobody else would let go of the memory.
            for number in self.channel_numbers() {
                let (channel, mut cx) = self.channel_cx(number, now, limits);
                channel.pass_gaps(&mut cx);
            }
        }
    }

    /// Moves a channel to another place; answers where it is now.
    pub(crate) fn seek(&mut self, number: ChannelId, to: Start, now: Time, limits: &Limits) -> Result<u64, Blocked> {
        let position = self.resolve(to, now)?;
        let tombstones = self.tombstones_after(position)?;
        let (channel, mut cx) = self.channel_cx(number, now, limits);
        channel.seek(position, tombstones, &mut cx);
        // It may stand after the high watermark now, or have stood there before.
        self.find_channels_ahead();
        Ok(position.id)
    }

    /// The position that a start names: within what the topic keeps, and not past what can be handed over.
    ///
    /// # Errors
    /// [`Refusal::PastEnd`] of an id that is further than the next message's.
    fn resolve(&self, start: Start, now: Time) -> Result<Position, Blocked> {
        let (high_watermark, durable) = (self.high_watermark.position(), self.durable_end());
        // What a paused topic keeps back was published before.
        // What was tombstoned before it was durable is behind the high watermark, which is the later place then.
        let latest = if durable.id < high_watermark.id { high_watermark } else { durable };
        let id = match start {
            Start::Earliest => 0,
            Start::Latest => latest.id,
            Start::Id(id) if id > self.messages.end().id => return Err(Refusal::PastEnd.into()),
            Start::Id(id) => id,
            Start::Time(time) => self.messages.find_time(time)?,
        };
        // Places come from clients: what is before the first message that is kept begins there.
        let id = id.max(self.earliest(now)?);
        Ok(if id >= latest.id { latest } else { self.messages.position_of(id)? })
    }

    /// The oldest message that a channel may start with.
    fn earliest(&self, now: Time) -> Result<u64, NotCached> {
        // What a channel has yet to read is here, and so is what was not handed over, whatever is retained.
        let positions = self.channels.iter().map(|(_, channel)| channel.position());
        let retained = self.messages.whole_from(self.retained_from(now)?);
        Ok(positions.chain([self.high_watermark.id(), retained]).min().unwrap_or_default())
    }

    /// Whether it hands nothing over for now.
    fn keeps_back(&self) -> bool {
        self.paused || self.names.is_empty()
    }

    /// Hands over to the channels what they may have: of what has to be looked at one by one, so much at most that
    /// nobody notices who waits for something else. The rest is [due](Topic::next_deadline) at once.
    pub(super) fn hand_over(&mut self, now: Time, limits: &Limits) {
        let start = self.high_watermark.id();
        self.handing_over = false;
        let Some(to) = self.next_hand_over(limits) else { return };
        // A replay knows of no ephemeral channel. Without this event it would keep back, for the first channel to come,
        // what these were given.
        if self.ephemeral_channels as usize == self.names.len() {
            self.happen(&Event::HandedOver { to }, now, limits);
        } else {
            // It follows from what is in the log.
            self.hand_over_to(to, now, limits);
        }
        self.handing_over = to.id < self.durable_end().id;
        // Who polls may be given something now. Channels where nobody polls need no visit.
        if !self.with_pollers.is_empty() {
            for number in self.with_pollers.iter().collect::<Vec<_>>() {
                self.mark_changed(ChannelId::of(number as u32));
            }
        }
        if self.ephemeral_channels > 0 {
            for number in self.channel_numbers() {
                if self.channel(number).name().is_ephemeral() {
                    let (channel, mut cx) = self.channel_cx(number, now, limits);
                    channel.drop_excess(start, &mut cx);
                }
            }
        }
    }

    /// Up to where it hands over next, if anything.
    fn next_hand_over(&self, limits: &Limits) -> Option<Position> {
        let end = self.durable_end();
        if self.high_watermark.id() >= end.id || self.keeps_back() {
            return None;
        }
        if self.deferred.is_empty() {
            return Some(end);
        }
        // Each of them is looked at once for each channel. At least one, or nothing would ever go on.
        let most = (limits.slice as usize / self.names.len()).max(1);
        let Some(after) = self.deferred.get(most).filter(|meta| meta.id < end.id) else { return Some(end) };
        // What is deferred, each channel keeps by itself.
        Some(self.messages.place_near(after.id, self.high_watermark.id()).min(end))
    }
}
