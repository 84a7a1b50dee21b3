//! A topic: a log of messages, and the channels that read it.
//!
//! The topic hands its messages over to the channels in order; `flow` is the first that it has not handed over.
//! It keeps them back while it has no channel, so that the first one takes over the backlog, and while it is
//! paused. [`publish`] adds messages within the topic's [`limits`]; [`expiry`] lets go of those that nobody needs
//! or may have any more.

mod expiry;
mod limits;
mod publish;

use alloc::collections::{BTreeMap, BTreeSet, BinaryHeap};
use alloc::vec::Vec;
use core::cmp::Reverse;

use slab::Slab;

use crate::channel::{Channel, Env};
use crate::command::{Filter, Peeked, Start, State, TopicChanges, TopicOptions, TopicStats};
use crate::config::Limits;
use crate::dedup::Dedup;
use crate::gaps::Gaps;
use crate::messages::{Cursor, Log};
use crate::name::Name;
use crate::schedule::Handle;
use crate::seeds::Seeds;
use crate::time::Time;

#[derive(Debug)]
pub(crate) struct Topic {
    name: Name<'static>,
    options: TopicOptions,
    paused: bool,
    log: Log,
    flow: Cursor,
    channels: Slab<Channel>,
    names: BTreeMap<Name<'static>, u32>,
    /// Channels that have pollers.
    pub(crate) hungry: BTreeSet<u32>,
    ephemeral_channels: u32,
    /// Messages that are not to be delivered (again), however far back a channel goes: expired, or dropped
    /// before they were handed over.
    voids: Gaps,
    /// Those of them that the topic has not handed over.
    backlog_voids: Gaps,
    /// Messages not handed over that were published with a deferral.
    deferred: Vec<u64>,
    /// When messages with a time to live expire.
    expiries: BinaryHeap<Reverse<(Time, u64)>>,
    dedup: Dedup,
    message_count: u64,
    message_bytes: u64,
    seeds: Seeds,
    /// The deadline that the broker knows of.
    pub(crate) armed: Option<(Time, Handle)>,
}

/// One channel with what its operations reach.
pub(crate) struct Scene<'a> {
    pub(crate) channel: &'a mut Channel,
    pub(crate) env: Env<'a>,
}

impl Topic {
    pub(crate) fn new(name: Name<'static>, seed: u64) -> Self {
        let mut log = Log::new();
        Topic {
            name,
            options: TopicOptions::default(),
            paused: false,
            flow: log.cursor(1),
            log,
            channels: Slab::new(),
            names: BTreeMap::new(),
            hungry: BTreeSet::new(),
            ephemeral_channels: 0,
            voids: Gaps::default(),
            backlog_voids: Gaps::default(),
            deferred: Vec::new(),
            expiries: BinaryHeap::new(),
            dedup: Dedup::new(seed),
            message_count: 0,
            message_bytes: 0,
            seeds: Seeds::new(seed),
            armed: None,
        }
    }

    pub(crate) fn name(&self) -> &Name<'static> {
        &self.name
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Messages not handed over. O(1).
    pub(crate) fn depth(&self) -> u64 {
        self.log.next_id() - self.flow.id() - self.backlog_voids.ids()
    }

    pub(crate) fn has_no_channels(&self) -> bool {
        self.names.is_empty()
    }

    pub(crate) fn find_channel(&self, name: &str) -> Option<u32> {
        let name = Name::parse(name)?;
        self.names.get(&name).copied()
    }

    /// The numbers of the channels, by name.
    pub(crate) fn channel_numbers(&self) -> Vec<u32> {
        self.names.values().copied().collect()
    }

    /// A channel that is known to be there, with its surroundings.
    pub(crate) fn scene<'a>(&'a mut self, number: u32, now: Time, limits: &'a Limits) -> Scene<'a> {
        let env = Env { flow: self.flow.id(), log: &mut self.log, now, limits };
        Scene { channel: &mut self.channels[number as usize], env }
    }

    pub(crate) fn channel(&self, number: u32) -> &Channel {
        &self.channels[number as usize]
    }

    pub(crate) fn channel_mut(&mut self, number: u32) -> &mut Channel {
        &mut self.channels[number as usize]
    }

    /// Makes a channel; answers its number. `changes.start` says where it starts.
    pub(crate) fn add_channel(&mut self, name: Name<'static>, start: Option<Start>, now: Time, limits: &Limits) -> u32 {
        let position = match start {
            None => self.flow.id(),
            Some(start) => self.resolve(start, now),
        };
        let mut channel = Channel::new(name.clone(), self.log.cursor(position), self.seeds.next());
        for (start, end) in self.voids.within(position, self.flow.id()) {
            channel.skip(start, end, self.log.bytes_between(start, end));
            channel.never_received(end - start);
        }
        self.ephemeral_channels += u32::from(name.is_ephemeral());
        let number = self.channels.insert(channel) as u32;
        self.names.insert(name, number);
        if position > self.flow.id() {
            self.log.advance(&mut self.flow, position);
            self.forget_backlog_before(position);
        }
        self.hand_over(now, limits);
        number
    }

    /// Takes a channel away, whose pollers must be gone; answers the streams that hold one of its messages, each
    /// as often.
    pub(crate) fn remove_channel(&mut self, number: u32, now: Time, limits: &Limits) -> Vec<u32> {
        let channel = self.channels.remove(number as usize);
        self.names.remove(channel.name());
        self.ephemeral_channels -= u32::from(channel.name().is_ephemeral());
        let mut env = Env { flow: self.flow.id(), log: &mut self.log, now, limits };
        channel.close(&mut env).released
    }

    pub(crate) fn configure(&mut self, changes: &TopicChanges, now: Time) {
        let options = &mut self.options;
        changes.retain.inspect(|value| options.retain = *value);
        changes.retain_bytes.inspect(|value| options.retain_bytes = *value);
        changes.max_bytes.inspect(|value| options.max_bytes = *value);
        changes.max_messages.inspect(|value| options.max_messages = *value);
        changes.overflow.inspect(|value| options.overflow = *value);
        self.update_retention(now);
    }

    pub(crate) fn pause(&mut self, paused: bool, now: Time, limits: &Limits) {
        self.paused = paused;
        self.hand_over(now, limits);
    }

    /// Drops what was not handed over.
    pub(crate) fn empty(&mut self) {
        let (start, end) = (self.flow.id(), self.log.next_id());
        if start == end {
            return;
        }
        self.voids.fill(start, end);
        let bytes = self.log.bytes_between(start, end);
        for (_, channel) in &mut self.channels {
            channel.skip(start, end, bytes);
            channel.never_received(end - start);
        }
        self.log.advance(&mut self.flow, end);
        self.forget_backlog_before(end);
    }

    /// Moves a channel to another place; answers where it is now.
    pub(crate) fn seek(&mut self, number: u32, to: Start, now: Time, limits: &Limits) -> u64 {
        let position = self.resolve(to, now).min(self.flow.id());
        let voids: Vec<_> = self.voids.within(position, self.flow.id()).collect();
        let Scene { channel, mut env } = self.scene(number, now, limits);
        channel.seek(position, &voids, &mut env);
        position
    }

    /// The id at a place, among those that the topic keeps.
    fn resolve(&self, start: Start, now: Time) -> u64 {
        let latest = if self.paused { self.flow.id() } else { self.log.next_id() };
        let id = match start {
            Start::Earliest => 0,
            Start::Latest => latest,
            Start::Id(id) => id,
            Start::Time(time) => self.log.find_time(time),
        };
        id.clamp(self.earliest(now), latest)
    }

    /// The oldest message that a channel may start with.
    fn earliest(&self, now: Time) -> u64 {
        let positions = self.channels.iter().map(|(_, channel)| channel.position());
        positions.chain([self.flow.id(), self.log.whole_from(self.retained_from(now))]).min().unwrap_or_default()
    }

    /// Whether it hands nothing over for now.
    fn keeps_back(&self) -> bool {
        self.paused || self.names.is_empty()
    }

    /// Hands over to the channels what they may have.
    fn hand_over(&mut self, now: Time, limits: &Limits) {
        let (start, end) = (self.flow.id(), self.log.next_id());
        if start == end || self.keeps_back() {
            return;
        }
        self.log.advance(&mut self.flow, end);
        if self.deferred.is_empty() && self.backlog_voids.ids() == 0 && self.ephemeral_channels == 0 {
            return;
        }
        for (_, channel) in &mut self.channels {
            let mut env = Env { flow: end, log: &mut self.log, now, limits };
            for (start, end) in self.backlog_voids.within(channel.position(), end) {
                channel.skip(start, end, env.log.bytes_between(start, end));
                channel.never_received(end - start);
            }
            for &id in self.deferred.iter().filter(|id| self.backlog_voids.end_of(**id).is_none()) {
                if id >= channel.position() {
                    channel.defer_ahead(id, &mut env);
                }
            }
            if channel.name().is_ephemeral() {
                channel.drop_excess(start, &mut env);
            }
        }
        self.forget_backlog_before(end);
    }

    /// What was said of messages before this one as not handed over is no longer so.
    fn forget_backlog_before(&mut self, id: u64) {
        self.deferred.retain(|deferred| *deferred >= id);
        if id >= self.log.next_id() {
            self.backlog_voids.clear();
        }
    }

    /// Messages of a channel in this state, from this id on.
    pub(crate) fn peek_channel(&self, number: u32, state: State, from: u64, max: usize) -> Vec<Peeked> {
        self.channel(number).peek(state, from, max, &self.log, self.flow.id())
    }

    /// The messages that the topic keeps, from this id on.
    pub(crate) fn peek(&self, from: u64, max: usize, now: Time) -> Vec<Peeked> {
        let mut id = from.max(self.earliest(now));
        let kept = core::iter::from_fn(|| {
            while let Some(end) = self.voids.end_of(id) {
                id = end;
            }
            id += 1;
            self.log.get(id - 1).map(|record| crate::channel::shown(id - 1, &record))
        });
        kept.take(max).collect()
    }

    pub(crate) fn stats(&self, filter: &Filter<'_>, now: Time, limits: &Limits) -> TopicStats {
        let named = |channel: &Channel| filter.channel.as_ref().is_none_or(|name| channel.name().as_str() == *name);
        let channels = self.names.values().map(|&number| self.channel(number)).filter(|channel| named(channel));
        TopicStats {
            name: self.name.as_str().into(),
            depth: self.depth(),
            message_count: self.message_count,
            message_bytes: self.message_bytes,
            paused: self.paused,
            memory_bytes: self.log.memory() as u64,
            options: self.options.clone(),
            channels: channels.map(|channel| channel.stats(filter, self.flow.id(), now, limits)).collect(),
        }
    }
}
