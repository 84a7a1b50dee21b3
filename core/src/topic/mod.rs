//! A topic: its messages, and the channels that read them.
//!
//! The topic hands its messages over to the channels in order; `flow` is the first that it has not handed over.
//! It keeps them back while it has no channel, so that the first one takes over the backlog; while it is paused; and
//! as long as they are not as durable as was promised. [`publish`] adds messages within the topic's [`limits`];
//! [`expiry`] lets go of those that nobody needs or may have any more. [`apply`] is what changes a topic, alive and when it
//! is made again from its log; [`snapshot`] is the topic written down. Where there is a log, [`logged`] is what waits for it.

pub(crate) mod apply;
mod expiry;
mod limits;
mod logged;
mod look;
mod producers;
mod publish;
pub(crate) mod snapshot;

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::by_id::IdSet;
use crate::channel::{Channel, Env};
use crate::command::{Refusal, Start, TopicChanges, TopicOptions};
use crate::config::{Limits, MAX_CHANNELS};
use crate::dedup::Dedup;
use crate::gaps::Gaps;
use crate::ids::{ChannelId, PollerId};
use crate::log::event::{Event, Mark};
use crate::log::image::{ChannelImage, Expiry, Gap};
use crate::log::journal::Journal;
use crate::message::Facts;
use crate::messages::{Absent, Cursor, Messages};
use crate::name::Name;
use crate::schedule::Handle;
use crate::seeds::Seeds;
use crate::slab::{Key, Slab};
use crate::time::Time;

use apply::Replaying;
pub(crate) use logged::LogState;
pub(crate) use look::Looked;
pub use look::Sighting;
use producers::Producers;

#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(crate) struct Topic {
    name: Name<'static>,
    options: TopicOptions,
    paused: bool,
    messages: Messages,
    /// Invariant: no void is at or after it, and no backlog void or deferred message before it.
    flow: Cursor,
    channels: Slab<Box<Channel>, ChannelId>,
    names: Vec<(Name<'static>, ChannelId)>,
    /// Channels that have pollers.
    pub(crate) with_pollers: IdSet,
    /// Channels that were changed, or were given something: [`Broker`](crate::broker::Broker) looks at them next.
    changed: Vec<ChannelId>,
    ephemeral_channels: u32,
    /// Handed-over messages that are not to be delivered (again), however far back a channel goes: expired, or
    /// dropped before they were handed over.
    voids: Gaps,
    /// The same among those that the topic has not handed over.
    backlog_voids: Gaps,
    /// Messages not handed over that were published with a deferral.
    deferred: Vec<Facts>,
    /// When messages with a time to live expire.
    expiries: BinaryHeap<Reverse<Expiry>>,
    dedup: Dedup,
    producers: Producers,
    message_count: u64,
    message_bytes: u64,
    seed: u64,
    seeds: Seeds,
    /// Where the topic is being made again from its log, and nobody is served from it.
    replaying: Option<Replaying>,
    /// The segments of a log that is being replayed, as a snapshot has them.
    old_segments: Vec<(u32, u64)>,
    /// Streams that held messages of channels that are gone, once for each message.
    released: Vec<PollerId>,
    /// A channel reads next what was not handed over yet.
    has_channel_ahead: bool,
    /// Not all that can be handed over was.
    handing_over: bool,
    /// The log; none for a topic that is kept in memory only.
    log: Option<LogState>,
    /// What happened since the last look, where somebody watches.
    #[serde(skip)]
    pub(crate) heard: Option<Vec<Event>>,
    /// The deadline that the broker knows of.
    pub(crate) armed: Option<(Time, Handle)>,
    /// Bytes of its messages in memory, as the broker counted them last.
    pub(crate) counted: usize,
    /// The broker knows that something of it waits to be written.
    pub(crate) is_dirty: bool,
}

/// One channel with what its operations reach.
pub(crate) struct Scene<'a> {
    pub(crate) channel: &'a mut Channel,
    pub(crate) env: Env<'a>,
}

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It is refused.
    Refused(Refusal),
    /// It needs messages that are in the log; nothing was done, or what was done can go on.
    Absent(Absent),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Halt::Refused(refusal)
    }
}

impl From<Absent> for Halt {
    fn from(absent: Absent) -> Self {
        Halt::Absent(absent)
    }
}

impl Topic {
    /// A topic without messages. `journal` begins its log, where it has one.
    pub(crate) fn new(name: Name<'static>, seed: u64, journal: Option<Journal>) -> Self {
        let mut messages = Messages::new(journal.as_ref().map(Journal::segment));
        let flow = messages.cursor(messages.end());
        let mut topic = Topic::with_messages(name, seed, messages, flow);
        topic.begin_log(journal);
        topic
    }

    fn with_messages(name: Name<'static>, seed: u64, messages: Messages, flow: Cursor) -> Self {
        Topic {
            name,
            options: TopicOptions::default(),
            paused: false,
            flow,
            messages,
            channels: Slab::new(),
            names: Vec::new(),
            with_pollers: IdSet::default(),
            changed: Vec::new(),
            ephemeral_channels: 0,
            voids: Gaps::default(),
            backlog_voids: Gaps::default(),
            deferred: Vec::new(),
            expiries: BinaryHeap::new(),
            dedup: Dedup::new(seed),
            producers: Producers::default(),
            message_count: 0,
            message_bytes: 0,
            seed,
            seeds: Seeds::new(seed),
            replaying: None,
            old_segments: Vec::new(),
            released: Vec::new(),
            has_channel_ahead: false,
            handing_over: false,
            log: None,
            heard: None,
            armed: None,
            counted: 0,
            is_dirty: false,
        }
    }

    /// What is not in a checkpoint, and follows from what is.
    pub(crate) fn restored(&mut self) {
        self.dedup.rehash(self.seed);
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
        self.messages.end().id - self.flow.id() - self.backlog_voids.ids()
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
    pub(crate) fn scene<'a>(&'a mut self, number: ChannelId, now: Time, limits: &'a Limits) -> Scene<'a> {
        self.mark(number);
        self.quiet_scene(number, now, limits)
    }

    /// The same for whoever looks at it.
    pub(crate) fn quiet_scene<'a>(&'a mut self, number: ChannelId, now: Time, limits: &'a Limits) -> Scene<'a> {
        let channel = &mut self.channels[number];
        let journal = self.log.as_mut().filter(|_| !channel.name().is_ephemeral()).map(|log| &mut log.journal);
        let (flow, seed) = (self.flow.mark(), self.seed);
        let heard = self.heard.as_mut();
        let messages = &mut self.messages;
        let env = Env { number, messages, journal, heard, due_again: None, flow, seed, now, limits };
        Scene { channel, env }
    }

    /// A channel is to be looked at.
    pub(crate) fn mark(&mut self, number: ChannelId) {
        if let Some(channel) = self.channels.get_mut(number)
            && !core::mem::replace(&mut channel.is_changed, true)
        {
            self.changed.push(number);
        }
    }

    /// All channels are to be looked at.
    pub(crate) fn mark_all(&mut self) {
        for number in self.channel_numbers() {
            self.mark(number);
        }
    }

    /// The next channel that is to be looked at.
    pub(crate) fn next_changed(&mut self) -> Option<ChannelId> {
        while let Some(number) = self.changed.pop() {
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

    /// The clock went back by much: what it made while it was wrong ends no later than anything can that is made now.
    pub(crate) fn clock_went_back(&mut self, now: Time, limits: &Limits) {
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
    ) -> Result<ChannelId, Halt> {
        let position = match start {
            None => self.flow.mark(),
            Some(start) => self.resolve(start, now)?,
        };
        let gaps = self.voids_after(position)?;
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
            since: position.id.min(self.flow.id()) + passed,
            next_delivery,
            gaps,
            ..ChannelImage::default()
        };
        let number = self.channels.next_number();
        if number.number() >= MAX_CHANNELS {
            return Err(Refusal::TopicFull.into());
        }
        self.happen(&Event::ChannelCreated(number.number(), Box::new(image)), now, limits);
        self.hand_over(now, limits);
        Ok(number)
    }

    /// What a channel that goes on at this place has to pass over of what was handed over.
    fn voids_after(&self, position: Mark) -> Result<Vec<Gap>, Absent> {
        let mut voids: Vec<Gap> = self.voids.after(position.id).collect();
        if let Some(first) = voids.first_mut().filter(|gap| gap.from < position.id) {
            let end = self.messages.mark(first.to)?;
            *first = Gap { from: position.id, to: first.to, bytes: end.bytes.saturating_sub(position.bytes) };
        }
        Ok(voids)
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
        let (from, to) = (self.flow.mark(), self.messages.end());
        if from.id < to.id {
            self.happen(&Event::Voided { from, to }, now, limits);
            // Without consumers nobody else would let go of the memory.
            for number in self.channel_numbers() {
                let Scene { channel, mut env } = self.scene(number, now, limits);
                channel.pass_gaps(&mut env);
            }
        }
    }

    /// Moves a channel to another place; answers where it is now.
    pub(crate) fn seek(&mut self, number: ChannelId, to: Start, now: Time, limits: &Limits) -> Result<u64, Halt> {
        let position = self.resolve(to, now)?;
        let voids = self.voids_after(position)?;
        let Scene { channel, mut env } = self.scene(number, now, limits);
        channel.seek(position, voids, &mut env);
        self.find_channels_ahead();
        Ok(position.id)
    }

    /// The mark of a place, among the messages that the topic keeps.
    ///
    /// # Errors
    /// [`Refusal::PastEnd`] of an id that is further than the next message's.
    fn resolve(&self, start: Start, now: Time) -> Result<Mark, Halt> {
        let (flow, durable) = (self.flow.mark(), self.handable());
        // What a paused topic keeps back was published before.
        let latest = if durable.id < flow.id { flow } else { durable };
        let id = match start {
            Start::Earliest => 0,
            Start::Latest => latest.id,
            Start::Id(id) if id > self.messages.end().id => return Err(Refusal::PastEnd.into()),
            Start::Id(id) => id,
            Start::Time(time) => self.messages.find_time(time)?,
        };
        let id = id.max(self.earliest(now)?);
        Ok(if id >= latest.id { latest } else { self.messages.mark(id)? })
    }

    /// The oldest message that a channel may start with.
    fn earliest(&self, now: Time) -> Result<u64, Absent> {
        let positions = self.channels.iter().map(|(_, channel)| channel.position());
        let retained = self.messages.whole_from(self.retained_from(now)?);
        Ok(positions.chain([self.flow.id(), retained]).min().unwrap_or_default())
    }

    /// Whether it hands nothing over for now.
    fn keeps_back(&self) -> bool {
        self.paused || self.names.is_empty()
    }

    /// Hands over to the channels what they may have: of what has to be looked at one by one, so much at most that
    /// nobody notices who waits for something else. The rest is [due](Topic::next_deadline) at once.
    pub(super) fn hand_over(&mut self, now: Time, limits: &Limits) {
        let start = self.flow.id();
        self.handing_over = false;
        let Some(to) = self.next_hand_over(limits) else { return };
        if self.ephemeral_channels as usize == self.names.len() {
            self.happen(&Event::HandedOver { to }, now, limits);
        } else {
            // It follows from what is in the log.
            self.hand_over_to(to, now, limits);
        }
        self.handing_over = to.id < self.handable().id;
        if !self.with_pollers.is_empty() {
            for number in self.with_pollers.iter().collect::<Vec<_>>() {
                self.mark(ChannelId::of(number as u32));
            }
        }
        if self.ephemeral_channels > 0 {
            for number in self.channel_numbers() {
                if self.channel(number).name().is_ephemeral() {
                    let Scene { channel, mut env } = self.scene(number, now, limits);
                    channel.drop_excess(start, &mut env);
                }
            }
        }
    }

    /// Up to where it hands over next, if anything.
    fn next_hand_over(&self, limits: &Limits) -> Option<Mark> {
        let end = self.handable();
        if self.flow.id() >= end.id || self.keeps_back() {
            return None;
        }
        if self.deferred.is_empty() {
            return Some(end);
        }
        let most = (limits.slice as usize / self.names.len()).max(1);
        let Some(after) = self.deferred.get(most).filter(|facts| facts.id < end.id) else { return Some(end) };
        // What is deferred, each channel keeps by itself.
        let to = self.messages.mark(after.id).unwrap_or(end);
        Some(if to.id > self.flow.id() { to } else { end })
    }
}
