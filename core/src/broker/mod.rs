//! All topics of one engine: where a command finds its topic, a deadline its channel, and a message its poller.
//!
//! `verbs` are what commands do, `polls` brings messages to those who wait, `transfer` carries dead letters to
//! other topics, `logged` has the topics' logs, `parked` the commands that wait for something to be read from one.

mod logged;
mod outbox;
mod parked;
mod polls;
mod restored;
mod transfer;
mod verbs;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::channel::Search;
use crate::command::{Command, Context, Filter, Refusal, Reply, Ticket, TopicStats, Verb};
use crate::config::Limits;
use crate::ids::{ChannelId, TopicId};
use crate::log::{self, LogId};
use crate::name::Name;
use crate::pollers::Pollers;
use crate::schedule::Schedule;
use crate::slab::{Key, Slab};
use crate::split_mix::SplitMix64;
use crate::time::Time;
use crate::topic::{Blocked, PeekProgress, Topic};

pub use crate::channel::{ChannelTrace, MessageState};
pub use crate::topic::MessageTrace;
use logged::Logs;
pub use outbox::{Barrier, Leased, Outbox};
use parked::{Parked, What};
pub use transfer::Transfer;

/// The topics, and the pollers that wait for their messages.
#[derive(Debug, Serialize, Deserialize)]
pub struct Broker<O> {
    limits: Limits,
    /// Goes into the hashes of names.
    seed: u64,
    /// Makes the seeds of topics and logs: one after the other, so that the same calls give the same ones.
    seeds: SplitMix64,
    topics: Slab<Topic, TopicId>,
    /// Invariant: it has the name of each topic in `topics`, and no other.
    #[serde(skip)]
    names: HashMap<Box<str>, TopicId, foldhash::fast::FixedState>,
    /// Topics that were closed and not opened again: nobody may make them anew. Whether they are somebody else's by now, or
    /// nobody's, because their logs cannot be opened.
    /// Invariant: none of them is in `names`.
    #[serde(with = "crate::state::table")]
    closed: HashMap<Box<str>, Closed, foldhash::fast::FixedState>,
    pollers: Pollers,
    /// What is due for topics, channels and reads; a poll's end is a timer of `pollers`. Invariant: an owner that is
    /// gone has none here, for its number is taken by the next one ([`Broker::disarm`]). Logs are never numbered again,
    /// so that theirs may stay.
    deadlines: Schedule<Owner>,
    /// Channels whose search for a message goes on at the next call.
    scans: VecDeque<(TopicId, ChannelId)>,
    life: Life,
    logs: Logs,
    parked: Vec<Parked>,
    /// Where it says what there is to say.
    pub(crate) outbox: O,
}

/// Whether it takes anything in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Life {
    Running,
    /// It goes down.
    Exiting,
    /// Somebody else has its topics.
    Resigned,
}

/// Why a topic is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Closed {
    Elsewhere,
    SetAside,
}

/// What a command did, and how durable the log has to be before that is told.
struct Done {
    reply: Reply,
    barrier: Option<Barrier>,
}

impl From<Reply> for Done {
    fn from(reply: Reply) -> Self {
        Done { reply, barrier: None }
    }
}

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Owner {
    Topic(TopicId),
    Channel(TopicId, ChannelId),
    /// Reads that failed are tried again.
    Reads(LogId),
}

/// What engines tell of their topics, for the answers that speak of the whole node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BrokerStats {
    /// The topics, by name.
    pub topics: Vec<TopicStats>,
}

impl BrokerStats {
    /// Of these topics. Of those that were told of twice, because they were deleted and made again meanwhile, it has one.
    pub fn of(mut topics: Vec<TopicStats>) -> Self {
        sort_by_name(&mut topics);
        topics.dedup_by(|one, other| one.name == other.name);
        BrokerStats { topics }
    }

    /// Adds what another engine of the same broker told.
    pub fn merge(&mut self, other: BrokerStats) {
        self.topics.extend(other.topics);
        sort_by_name(&mut self.topics);
    }
}

/// Whether a name has a text in it, large or small.
fn has(name: &str, text: &str) -> bool {
    text.is_empty() || name.as_bytes().windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

fn sort_by_name(topics: &mut [TopicStats]) {
    topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
}

impl<O: Outbox> Broker<O> {
    /// A broker without topics.
    pub fn new(limits: Limits, seed: u64, outbox: O) -> Self {
        Broker {
            limits,
            seed,
            seeds: SplitMix64::new(seed),
            topics: Slab::new(),
            names: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            closed: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            pollers: Pollers::default(),
            deadlines: Schedule::default(),
            scans: VecDeque::new(),
            life: Life::Running,
            logs: Logs::default(),
            parked: Vec::new(),
            outbox,
        }
    }

    /// Keeps what happens to this topic, where there is one, until it is [taken](Broker::take_events).
    pub(crate) fn trace_topic(&mut self, topic: &str) {
        if let Some(&number) = self.names.get(topic) {
            self.topics[number].traced.get_or_insert_default();
        }
    }

    /// What happened to a traced topic since the last look, with the name of the channel that it happened in.
    pub(crate) fn take_events(&mut self, topic: &str) -> Vec<(Option<String>, log::event::Event)> {
        let Some(topic) = self.names.get(topic).map(|&number| &mut self.topics[number]) else {
            return Vec::new();
        };
        let traced = topic.traced.as_mut().map(core::mem::take).unwrap_or_default();
        let name =
            |event: &log::event::Event| event.channel().and_then(|number| topic.channel_name(ChannelId::of(number)));
        traced.into_iter().map(|event| (name(&event).map(Into::into), event)).collect()
    }

    /// Where a message is; `None` where there is no such topic.
    pub(crate) fn trace(&self, topic: &str, id: u64) -> Option<MessageTrace> {
        self.names.get(topic).map(|&number| self.topics[number].trace(id))
    }

    /// Does what a command asks. The answer goes to the [outbox](Outbox), at once or later.
    pub fn execute(&mut self, now: Time, ticket: Ticket, context: &Context, command: Command<'_>) {
        // A poll may be answered later, or by many chunks, so that it does not go the way of commands that have one
        // reply.
        if let Verb::Subscribe(subscribe) = &command.verb {
            if let Err(refusal) = self.subscribe(now, ticket, context, &command.topic, subscribe) {
                self.outbox.replied(ticket, context, Err(refusal), None);
            }
            return;
        }
        let mut progress = PeekProgress::default();
        match self.perform(now, &command.topic, &command.verb, &mut progress) {
            Ok(Done { reply, barrier }) => self.outbox.replied(ticket, context, Ok(reply), barrier),
            Err(Blocked::Refused(refusal)) => self.outbox.replied(ticket, context, Err(refusal), None),
            Err(Blocked::NotCached(missing)) => {
                // What a command borrows from the request is gone after this call.
                let Command { topic, verb } = command;
                let command = Command { topic: topic.into_owned(), verb: verb.into_owned() };
                self.park(missing, Vec::new(), What::Command(ticket, context.clone(), command, progress));
            }
        }
    }

    /// When [`Broker::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        if !self.scans.is_empty() {
            // A search that stopped goes on at once: before any deadline, in the next call.
            return Some(Time::default());
        }
        self.deadlines.next().into_iter().chain(self.pollers.next_deadline()).min()
    }

    /// Does what is due: so much of it at most that others who wait do not notice, and then
    /// [`Broker::poll_timeout`] says that there is more.
    pub fn handle_timeout(&mut self, now: Time) {
        let mut left = self.limits.slice;
        // A slice counts messages. One that turns out to be due later counts one, so that this ends in any case.
        while left > 0
            && let Some(owner) = self.deadlines.pop_due(now)
        {
            let done = match owner {
                Owner::Topic(topic) => {
                    // Its handle was popped just now. What follows the change arms the next one.
                    self.topics[topic].armed = None;
                    self.with_topic(topic, now, |topic, limits| topic.handle_timeout(now, limits))
                }
                Owner::Channel(topic, channel) => self.channel_timeout(topic, channel, now),
                Owner::Reads(log) => {
                    self.read_again(log, now);
                    1
                }
            };
            left = left.saturating_sub(done.max(1));
        }
        // As many as there are now: a search that stops again puts its channel at the end, for the next call.
        for _ in 0..self.scans.len() {
            if let Some((topic, channel)) = self.scans.pop_front() {
                self.after(topic, channel, now);
            }
        }
        // Polls end last. What came due for a channel before may be just what one of them waits for.
        for _ in 0..self.limits.slice {
            let Some(number) = self.pollers.pop_due(now) else { break };
            self.poller_timeout(number, now);
        }
    }

    /// Answers how many messages it concerned.
    fn channel_timeout(&mut self, topic: TopicId, number: ChannelId, now: Time) -> u32 {
        let (done, is_deserted) = self.with_topic(topic, now, |topic, limits| {
            // What has expired by now is not handed out any more, even if that is due a little later.
            let expired = topic.handle_timeout(now, limits);
            let (channel, mut cx) = topic.channel_cx(number, now, limits);
            channel.armed = None;
            let done = channel.handle_timeout(&mut cx);
            (expired + done, channel.is_deserted(&cx))
        });
        if is_deserted {
            self.delete_channel(topic, number, now);
        }
        done
    }

    /// Answers all that wait; from now on nothing is taken in.
    pub fn shutdown(&mut self, now: Time) {
        self.life = Life::Exiting;
        self.refuse_parked(None, Refusal::Exiting);
        self.close_logs();
        for number in self.pollers.numbers() {
            let poller = &mut self.pollers.slab[number];
            let ticket = poller.ticket;
            if poller.stream().is_some() {
                self.outbox.closed(ticket);
            } else {
                let (context, refused) = poller.take_context();
                // A poll that ends early has found nothing, as one that ended in time.
                self.outbox.leased(ticket, &context, &Leased::none(), &refused);
            }
            self.remove_poller(number, now);
        }
    }

    /// Nothing is deleted for its age before then.
    pub(crate) fn hold_retention(&mut self, until: Time) {
        self.topics.iter_mut().for_each(|(_, topic)| topic.hold_retention(until));
    }

    /// The clock went back by much: ends of leases, deferrals and polls that it set while it was wrong are set anew.
    pub(crate) fn clock_went_back(&mut self, from: Time, now: Time) {
        let limits = &self.limits;
        for (_, topic) in self.topics.iter_mut() {
            topic.clock_went_back(now, limits);
        }
        self.pollers.shift_timers(from.since(now));
        self.read_all_again(now);
        // Deadlines have come nearer by this, and the broker must not know any of them too late.
        let topics: Vec<TopicId> = self.topics.iter().map(|(topic, _)| topic).collect();
        for topic in topics {
            self.topics[topic].mark_all_changed();
            self.after_topic(topic, now);
        }
    }

    /// What there is to tell.
    pub fn stats(&self, now: Time, filter: &Filter<'_>) -> BrokerStats {
        let (topics, _) = self.stats_part(now, filter, 0, usize::MAX);
        BrokerStats::of(topics)
    }

    /// What is to be told of so many topics, from a place on, in no order. Where to go on, unless these were the last.
    pub fn stats_part(
        &self,
        now: Time,
        filter: &Filter<'_>,
        from: usize,
        most: usize,
    ) -> (Vec<TopicStats>, Option<usize>) {
        let stats = |topic: &Topic| topic.stats(filter, now, &self.limits);
        if let Some(name) = &filter.topic {
            let found = self.names.get(name.as_ref()).map(|&number| &self.topics[number]);
            let found =
                found.filter(|topic| filter.search.as_ref().is_none_or(|text| has(topic.name().as_str(), text)));
            return (found.map(stats).into_iter().collect(), None);
        }
        let wanted = |name: &str| filter.search.as_ref().is_none_or(|text| has(name, text));
        let (topics, next) = self.topics.part(from, most);
        (topics.filter(|topic| wanted(topic.name().as_str())).map(stats).collect(), next)
    }

    fn is_exiting(&self) -> bool {
        self.life == Life::Exiting
    }

    fn refuse_if_exiting(&self) -> Result<(), Refusal> {
        match self.life {
            Life::Running => Ok(()),
            Life::Exiting => Err(Refusal::Exiting),
            Life::Resigned => Err(Refusal::NoOwner),
        }
    }

    fn refuse_if_resigned(&self) -> Result<(), Refusal> {
        if self.life == Life::Resigned { Err(Refusal::NoOwner) } else { Ok(()) }
    }

    fn find_topic(&self, name: &Name<'_>) -> Result<TopicId, Refusal> {
        let missing = || self.refuse_if_closed(name).err().unwrap_or(Refusal::TopicNotFound);
        self.names.get(name.as_str()).copied().ok_or_else(missing)
    }

    /// Refuses a topic that is not here, and is somewhere.
    fn refuse_if_closed(&self, name: &Name<'_>) -> Result<(), Refusal> {
        match self.closed.get(name.as_str()) {
            Some(Closed::SetAside) => Err(Refusal::StorageFailed),
            Some(Closed::Elsewhere) => Err(Refusal::NoOwner),
            None if self.life == Life::Resigned => Err(Refusal::NoOwner),
            None => Ok(()),
        }
    }

    fn find_channel(&self, topic: &Name<'_>, channel: &Name<'_>) -> Result<(TopicId, ChannelId), Refusal> {
        let number = self.find_topic(topic)?;
        let channel = self.topics[number].find_channel(channel.as_str()).ok_or(Refusal::ChannelNotFound)?;
        Ok((number, channel))
    }

    fn find_or_add_topic(&mut self, name: Name<'_>, now: Time) -> Result<TopicId, Refusal> {
        if let Some(&number) = self.names.get(name.as_str()) {
            return Ok(number);
        }
        self.refuse_if_closed(&name)?;
        let name = name.into_owned();
        let key = name.as_str().into();
        let (seed, journal) = (self.seeds.next(), self.new_journal(&name, now));
        let number = self.topics.insert(Topic::new(name, seed, journal));
        self.names.insert(key, number);
        self.know_log(number);
        Ok(number)
    }

    fn delete_topic(&mut self, number: TopicId, now: Time) {
        for channel in self.topics[number].channel_numbers() {
            self.remove_channel(number, channel, Refusal::TopicNotFound, now);
        }
        // From here on the number is free. What still goes by it is taken out before anything can make another topic.
        let topic = self.topics.remove(number);
        self.names.remove(topic.name().as_str());
        self.forget_log(&topic);
        self.disarm(&topic);
        // Last: a publish among them makes the topic anew, perhaps under the same number.
        self.retry_parked(number, None, now);
    }

    /// Nothing of a topic that is gone falls due.
    fn disarm(&mut self, topic: &Topic) {
        for (_, handle) in topic.armed.into_iter().chain(topic.armed_channels()) {
            self.deadlines.remove(handle);
        }
    }

    fn delete_channel(&mut self, topic: TopicId, number: ChannelId, now: Time) {
        self.remove_channel(topic, number, Refusal::ChannelNotFound, now);
        let found = &self.topics[topic];
        // An ephemeral topic goes with its last channel, as with nsqd.
        if found.name().is_ephemeral() && found.has_no_channels() {
            self.delete_topic(topic, now);
        } else {
            self.after_topic(topic, now);
        }
    }

    /// Those who wait here are told that they wait in vain.
    fn dismiss_pollers(&mut self, topic: TopicId, number: ChannelId, refusal: Refusal, now: Time) {
        // A stream that is busy or has no room stands in no line: so they are looked for apart.
        for stream in self.pollers.streams_of(topic, number) {
            self.outbox.closed(self.pollers.slab[stream].ticket);
            self.remove_poller(stream, now);
        }
        while let Some(first) = self.topics[topic].channel(number).pollers.front() {
            let poller = &mut self.pollers.slab[first];
            let (ticket, (context, refused)) = (poller.ticket, poller.take_context());
            self.outbox.refused(ticket, &context, refusal, &refused);
            self.remove_poller(first, now);
        }
        self.scans.retain(|scan| *scan != (topic, number));
    }

    fn remove_channel(&mut self, topic: TopicId, number: ChannelId, refusal: Refusal, now: Time) {
        self.dismiss_pollers(topic, number, refusal, now);
        if let Some((_, handle)) = self.topics[topic].channel(number).armed {
            self.deadlines.remove(handle);
        }
        for stream in self.topics[topic].remove_channel(number, now, &self.limits) {
            // A stream that was closed above stays in the slab until its last message is settled, which is now.
            self.pollers.release(stream);
        }
    }

    /// Changes a topic, and does what has to follow every change.
    fn with_topic<R>(&mut self, topic: TopicId, now: Time, change: impl FnOnce(&mut Topic, &Limits) -> R) -> R {
        let result = change(&mut self.topics[topic], &self.limits);
        self.after_topic(topic, now);
        result
    }

    /// One of its channels was changed, or may have to be looked at again.
    fn after(&mut self, topic: TopicId, channel: ChannelId, now: Time) {
        self.topics[topic].mark_changed(channel);
        self.after_topic(topic, now);
    }

    /// What has to follow every change of a topic: its pollers are served, its dead letters go on, its deadlines are
    /// known, and so is what waits to be written and read.
    fn after_topic(&mut self, number: TopicId, now: Time) {
        while let Some(channel) = self.topics[number].next_changed() {
            self.after_channel(number, channel, now);
        }
        let topic = &mut self.topics[number];
        let next = topic.next_deadline();
        rearm(&mut self.deadlines, &mut topic.armed, next, Owner::Topic(number));
        self.note_log(number);
    }

    fn after_channel(&mut self, topic: TopicId, number: ChannelId, now: Time) {
        // A stream has a place in line again before the line is served: what it settled just now may be followed by
        // more.
        for stream in self.topics[topic].channel_mut(number).take_released() {
            if self.pollers.release(stream) {
                self.enqueue_poller(stream);
            }
        }
        self.serve(topic, number, now);
        self.forward_dead_letters(topic, number);
        let (channel, cx) = self.topics[topic].unmarked_channel_cx(number, now, &self.limits);
        channel.watch_clients(&cx);
        // Nobody waits for what was searched for. Whoever comes next begins a search of his own.
        if channel.pollers.is_empty() {
            channel.search = Search::Done;
        }
        if channel.search == Search::Scanning && !self.scans.contains(&(topic, number)) {
            self.scans.push_back((topic, number));
        }
        #[cfg(debug_assertions)]
        channel.check();
        // Last, for all that was done above may have set one.
        let next = channel.next_deadline();
        rearm(&mut self.deadlines, &mut channel.armed, next, Owner::Channel(topic, number));
    }
}

/// Makes sure that a deadline is known. One that turns out to be later is left: calling early is harmless.
fn rearm(deadlines: &mut Schedule<Owner>, armed: &mut Option<(Time, u32)>, next: Option<Time>, owner: Owner) {
    let Some(next) = next else { return };
    match *armed {
        // Many leases end at other times than they were to: to move the deadline each time would cost more than to look
        // once in vain.
        Some((at, _)) if at <= next => return,
        Some((_, handle)) => {
            deadlines.remove(handle);
        }
        None => {}
    }
    *armed = Some((next, deadlines.insert(next, owner)));
}
