//! All topics of one engine: where a command finds its topic, a deadline its channel, and a message its poller.
//!
//! `verbs` are what commands do, `polls` brings messages to those who wait, `parcel` carries dead letters to
//! other topics, `logged` has the topics' logs, `parked` the commands that wait for something to be read from one.

mod logged;
mod parcel;
mod parked;
mod polls;
mod verbs;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::channel::Search;
use crate::command::{Command, Context, Filter, Refusal, Refused, Reply, Ticket, TopicStats, Verb};
use crate::config::Limits;
use crate::log::{self, LogId};
use crate::name::Name;
use crate::pollers::Pollers;
use crate::schedule::Schedule;
use crate::seeds::Seeds;
use crate::slab::Slab;
use crate::sort;
use crate::time::Time;
use crate::topic::{Halt, Scene, Topic};

pub use crate::channel::{Place, Whereabouts};
pub use crate::topic::Sighting;
use logged::Logs;
pub use parcel::Parcel;
use parked::Parked;
pub use polls::Handed;

/// The topics, and the pollers that wait for their messages.
#[derive(Debug, Serialize, Deserialize)]
pub struct Broker {
    limits: Limits,
    /// Goes into the hashes of names.
    seed: u64,
    seeds: Seeds,
    topics: Slab<Topic>,
    #[serde(with = "crate::state::table")]
    names: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    pollers: Pollers,
    deadlines: Schedule<Owner>,
    /// Channels whose search for a message goes on at the next call.
    scans: VecDeque<(u32, u32)>,
    /// None between two calls.
    #[serde(skip)]
    events: VecDeque<Event>,
    exiting: bool,
    logs: Logs,
    parked: Vec<Parked>,
    /// How durable the log has to be before the command that was just done is answered.
    gate: Option<Gate>,
}

/// A log, and how far it has to be durable.
pub type Gate = (LogId, u64);

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Owner {
    Topic(u32),
    Channel(u32, u32),
    /// Reads that failed are tried again.
    Reads(LogId),
}

/// What the broker has to tell, beside its direct replies.
#[derive(Debug)]
pub enum Event {
    /// The answer to a poll: messages were leased, or none came. With the receipts that its `fin` got refused.
    Leased(Ticket, Context, Handed, Vec<(String, Refused)>),
    /// A stream begins.
    Opened(Ticket, Context),
    /// Messages for a stream.
    Streamed(Ticket, Context, Handed),
    /// A stream has nothing to say.
    Heartbeat(Ticket, Context),
    /// A stream ends.
    Closed(Ticket),
    /// A poll is in vain.
    Refused(Ticket, Context, Refusal),
    /// Something for another topic, perhaps another engine's, once this log is durable so far.
    Forward(Parcel, Option<Gate>),
    /// The answer to a command that waited for something to be read.
    Replied(Ticket, Context, Result<Reply, Refusal>, Option<Gate>),
}

/// What engines tell of their topics, for the answers that speak of the whole node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Survey {
    /// The topics, by name.
    pub topics: Vec<TopicStats>,
}

impl Survey {
    /// Adds what another engine of the same broker told.
    pub fn merge(&mut self, other: Survey) {
        self.topics.extend(other.topics);
        sort_by_name(&mut self.topics);
    }
}

/// Whether a name has a text in it, large or small.
fn has(name: &str, text: &str) -> bool {
    text.is_empty() || name.as_bytes().windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()))
}

fn sort_by_name(topics: &mut [TopicStats]) {
    sort::by(topics, |a, b| a.name.cmp(&b.name));
}

impl Broker {
    /// A broker without topics.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Broker {
            limits,
            seed,
            seeds: Seeds::new(seed),
            topics: Slab::new(),
            names: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            pollers: Pollers::default(),
            deadlines: Schedule::default(),
            scans: VecDeque::new(),
            events: VecDeque::new(),
            exiting: false,
            logs: Logs::default(),
            parked: Vec::new(),
            gate: None,
        }
    }

    /// What is not in a checkpoint, and follows from what is.
    pub(crate) fn restored(&mut self) {
        let hasher = foldhash::fast::FixedState::with_seed(self.seed);
        let names = core::mem::take(&mut self.names);
        self.names = HashMap::with_capacity_and_hasher(names.len(), hasher);
        self.names.extend(names);
        self.topics.iter_mut().for_each(|(_, topic)| topic.restored());
    }

    /// Whether it comes to an end with whatever is due: what is due again at once would be due for ever.
    pub(crate) fn can_run(&self) -> bool {
        !self.limits.heartbeat.is_zero()
    }

    /// Keeps what happens to this topic, where there is one, until it is [taken](Broker::heard).
    pub(crate) fn watch(&mut self, topic: &str) {
        if let Some(&number) = self.names.get(topic) {
            self.topics[number as usize].heard.get_or_insert_default();
        }
    }

    /// What happened to a watched topic since the last look, with the name of the channel that it happened in.
    pub(crate) fn heard(&mut self, topic: &str) -> Vec<(Option<String>, log::event::Event)> {
        let Some(topic) = self.names.get(topic).map(|&number| &mut self.topics[number as usize]) else {
            return Vec::new();
        };
        let heard = topic.heard.as_mut().map(core::mem::take).unwrap_or_default();
        let name = |event: &log::event::Event| event.channel().and_then(|number| topic.channel_name(number));
        heard.into_iter().map(|event| (name(&event).map(Into::into), event)).collect()
    }

    /// Where a message is; `None` where there is no such topic.
    pub(crate) fn sight(&self, topic: &str, id: u64) -> Option<Sighting> {
        self.names.get(topic).map(|&number| self.topics[number as usize].sight(id))
    }

    /// Does what a command asks. The answer to a poll comes as an [`Event`]; its reply is `Waiting`.
    pub fn execute(
        &mut self,
        now: Time,
        ticket: Ticket,
        context: &Context,
        command: Command<'_>,
    ) -> Result<Reply, Refusal> {
        let Command { topic: name, verb } = command;
        self.gate = None;
        match verb {
            Verb::Publish(publish) => match self.publish(now, name.borrow(), &publish) {
                Err(Halt::Absent(absent)) => {
                    let verb = Verb::Publish(publish.into_owned());
                    Ok(self.park(absent, ticket, context, Command { topic: name.into_owned(), verb }))
                }
                done => plain(done),
            },
            Verb::Subscribe(subscribe) => self.subscribe(now, ticket, context, name, subscribe),
            Verb::Settle(settle) => self.settle(now, &name, &settle),
            Verb::Peek(peek) => match self.peek(now, &name, &peek) {
                Err(Halt::Absent(absent)) => {
                    let verb = Verb::Peek(peek.into_owned());
                    Ok(self.park(absent, ticket, context, Command { topic: name.into_owned(), verb }))
                }
                done => plain(done),
            },
            Verb::Channel(channel, verb) => match self.channel_verb(now, &name, &channel, verb.clone()) {
                Err(Halt::Absent(absent)) => {
                    let verb = Verb::Channel(channel.into_owned(), verb.into_owned());
                    Ok(self.park(absent, ticket, context, Command { topic: name.into_owned(), verb }))
                }
                done => plain(done),
            },
            verb => self.topic_verb(now, name, verb),
        }
    }

    /// How durable the log has to be before the command that was just executed is answered.
    pub fn take_gate(&mut self) -> Option<Gate> {
        self.gate.take()
    }

    /// When [`Broker::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Time> {
        if !self.scans.is_empty() {
            return Some(Time::default());
        }
        self.deadlines.next().into_iter().chain(self.pollers.next_deadline()).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(owner) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Topic(number) => {
                    let topic = &mut self.topics[number as usize];
                    topic.armed = None;
                    topic.handle_timeout(now, &self.limits);
                    self.after_topic(number, true, now);
                }
                Owner::Channel(topic, number) => self.channel_timeout(topic, number, now),
                Owner::Reads(log) => self.read_again(log, now),
            }
        }
        for _ in 0..self.scans.len() {
            if let Some((topic, channel)) = self.scans.pop_front() {
                self.after_channel(topic, channel, now);
            }
        }
        while let Some(number) = self.pollers.pop_due(now) {
            self.poller_timeout(number, now);
        }
    }

    fn channel_timeout(&mut self, topic: u32, number: u32, now: Time) {
        // What has expired by now is not handed out any more, even if that is due a little later.
        self.topics[topic as usize].handle_timeout(now, &self.limits);
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        channel.armed = None;
        channel.handle_timeout(&mut env);
        let is_deserted = channel.is_deserted(&env);
        // What has just died must not go with its channel.
        self.forward_dead_letters(topic, number);
        if is_deserted {
            self.delete_channel(topic, number, now);
        } else {
            self.after_channel(topic, number, now);
        }
    }

    /// Answers all that wait; from now on nothing is taken in.
    pub fn shutdown(&mut self, now: Time) {
        self.exiting = true;
        self.refuse_parked();
        self.close_logs();
        for number in self.pollers.numbers() {
            let poller = &mut self.pollers.slab[number as usize];
            let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
            if poller.stream().is_some() {
                self.events.push_back(Event::Closed(ticket));
            } else {
                let (context, refused) = poller.take_context();
                self.events.push_back(Event::Leased(ticket, context, Handed::nothing(topic, channel), refused));
            }
            self.remove_poller(number, now);
        }
    }

    /// What there is to tell.
    pub fn survey(&self, now: Time, filter: &Filter<'_>) -> Survey {
        let wanted = |name: &str| {
            filter.topic.as_ref().is_none_or(|topic| topic == name)
                && filter.search.as_ref().is_none_or(|text| has(name, text))
        };
        let topics = self.topics.iter().map(|(_, topic)| topic).filter(|topic| wanted(topic.name().as_str()));
        let mut topics: Vec<_> = topics.map(|topic| topic.stats(filter, now, &self.limits)).collect();
        sort_by_name(&mut topics);
        Survey { topics }
    }

    /// What happened since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn refuse_if_exiting(&self) -> Result<(), Refusal> {
        if self.exiting { Err(Refusal::Exiting) } else { Ok(()) }
    }

    fn find_topic(&self, name: &Name<'_>) -> Result<u32, Refusal> {
        self.names.get(name.as_str()).copied().ok_or(Refusal::TopicNotFound)
    }

    fn find_channel(&self, topic: &Name<'_>, channel: &Name<'_>) -> Result<(u32, u32), Refusal> {
        let number = self.find_topic(topic)?;
        let channel = self.topics[number as usize].find_channel(channel.as_str()).ok_or(Refusal::ChannelNotFound)?;
        Ok((number, channel))
    }

    fn find_or_add_topic(&mut self, name: Name<'_>, now: Time) -> u32 {
        if let Some(&number) = self.names.get(name.as_str()) {
            return number;
        }
        let name = name.into_owned();
        let key = name.as_str().into();
        let (seed, journal) = (self.seeds.next(), self.new_journal(&name, now));
        let number = self.topics.insert(Topic::new(name, seed, journal)) as u32;
        self.names.insert(key, number);
        self.know_log(number);
        number
    }

    fn delete_topic(&mut self, number: u32, now: Time) {
        for channel in self.topics[number as usize].channel_numbers() {
            self.remove_channel(number, channel, Refusal::TopicNotFound, now);
        }
        let topic = self.topics.remove(number as usize);
        self.names.remove(topic.name().as_str());
        self.forget_log(&topic);
        if let Some((_, handle)) = topic.armed {
            self.deadlines.remove(handle);
        }
        self.retry_parked_of(number, now);
    }

    fn delete_channel(&mut self, topic: u32, number: u32, now: Time) {
        self.remove_channel(topic, number, Refusal::ChannelNotFound, now);
        let found = &self.topics[topic as usize];
        if found.name().is_ephemeral() && found.has_no_channels() {
            self.delete_topic(topic, now);
        } else {
            self.note_log(topic);
        }
    }

    fn remove_channel(&mut self, topic: u32, number: u32, refusal: Refusal, now: Time) {
        for stream in self.pollers.streams_of(topic, number) {
            self.events.push_back(Event::Closed(self.pollers.slab[stream as usize].ticket));
            self.remove_poller(stream, now);
        }
        while let Some(first) = self.topics[topic as usize].channel(number).pollers.front() {
            let poller = &mut self.pollers.slab[first as usize];
            let (ticket, (context, _)) = (poller.ticket, poller.take_context());
            self.events.push_back(Event::Refused(ticket, context, refusal));
            self.remove_poller(first, now);
        }
        if let Some((_, handle)) = self.topics[topic as usize].channel(number).armed {
            self.deadlines.remove(handle);
        }
        self.scans.retain(|scan| *scan != (topic, number));
        for stream in self.topics[topic as usize].remove_channel(number, now, &self.limits) {
            self.pollers.release(stream);
        }
    }

    /// To be called when a topic was changed: serves its pollers and looks at its deadlines. `all` is for
    /// changes that reach channels without pollers too.
    fn after_topic(&mut self, number: u32, all: bool, now: Time) {
        let topic = &mut self.topics[number as usize];
        let next = topic.next_deadline();
        rearm(&mut self.deadlines, &mut topic.armed, next, Owner::Topic(number));
        let channels =
            if all { topic.channel_numbers() } else { topic.hungry.iter().map(|number| number as u32).collect() };
        self.note_log(number);
        for channel in channels {
            self.after_channel(number, channel, now);
        }
    }

    /// To be called when a channel was changed: does what the change left to do, serves the pollers, and looks
    /// at the channel's deadlines.
    fn after_channel(&mut self, topic: u32, number: u32, now: Time) {
        let channel = self.topics[topic as usize].channel_mut(number);
        for stream in channel.take_released() {
            if self.pollers.release(stream) {
                self.line_up(stream);
            }
        }
        self.serve(topic, number, now);
        self.forward_dead_letters(topic, number);
        let Scene { channel, env } = self.topics[topic as usize].scene(number, now, &self.limits);
        channel.watch_clients(&env);
        if channel.pollers.is_empty() {
            channel.search = Search::Done;
        }
        if channel.search == Search::Scanning && !self.scans.contains(&(topic, number)) {
            self.scans.push_back((topic, number));
        }
        #[cfg(debug_assertions)]
        channel.check();
        let next = channel.next_deadline();
        rearm(&mut self.deadlines, &mut channel.armed, next, Owner::Channel(topic, number));
        self.note_log(topic);
    }
}

/// The outcome of a command that found in memory whatever it needs.
fn plain(done: Result<Reply, Halt>) -> Result<Reply, Refusal> {
    done.map_err(|halt| match halt {
        Halt::Refused(refusal) => refusal,
        Halt::Absent(_) => unreachable!("who needs something from the log is parked"),
    })
}

/// Makes sure that a deadline is known. One that turns out to be later is left: calling early is harmless.
fn rearm(deadlines: &mut Schedule<Owner>, armed: &mut Option<(Time, u32)>, next: Option<Time>, owner: Owner) {
    let Some(next) = next else { return };
    match *armed {
        Some((at, _)) if at <= next => return,
        Some((_, handle)) => {
            deadlines.remove(handle);
        }
        None => {}
    }
    *armed = Some((next, deadlines.insert(next, owner)));
}
