//! All topics of one engine: where a command finds its topic, a deadline its channel, and a message its poller.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use slab::Slab;

use crate::channel::Terms;
use crate::command::{
    ChannelVerb, Command, Context, Filter, Lease, MessageOptions, Messages, Peek, Publish, Refusal, Refused, Reply,
    Settle, Settled, Subscribe, Ticket, TopicStats, Verb,
};
use crate::config::Limits;
use crate::message::{Delivery, Record};
use crate::name::Name;
use crate::pollers::{Pollers, Waiting};
use crate::schedule::Schedule;
use crate::time::Time;
use crate::topic::{Scene, Topic};

/// How soon a poll that should end by now is looked at again, while its channel does not know yet what it has.
const SCAN_AGAIN: Duration = Duration::from_millis(1);

/// The topics, and the pollers that wait for their messages.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    seed: u64,
    topics: Slab<Topic>,
    names: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
    pollers: Pollers,
    deadlines: Schedule<Owner>,
    /// Channels whose search for a message goes on at the next call.
    scans: VecDeque<(u32, u32)>,
    events: VecDeque<Event>,
    exiting: bool,
}

/// Whose deadline it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Topic(u32),
    Channel(u32, u32),
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
    /// Something for another topic, perhaps another engine's.
    Forward(Parcel),
}

/// Messages that were just leased, until they are encoded.
#[derive(Debug)]
pub struct Handed {
    topic: u32,
    channel: u32,
    leases: Vec<Lease>,
    auto_finish: bool,
}

impl Handed {
    /// Whether no message came.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }
}

/// A dead letter on its way to another topic, or the word that it arrived.
#[derive(Debug)]
pub struct Parcel {
    /// The topic whose engine is to have it.
    pub to: Name<'static>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    DeadLetter { topic: Name<'static>, channel: Name<'static>, id: u64, attempts: u16, record: Vec<u8> },
    Arrived { channel: Name<'static>, id: u64 },
}

/// What engines tell of their topics, for the answers that speak of the whole node.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The topics, by name.
    pub topics: Vec<TopicStats>,
}

impl Survey {
    /// Adds what another engine of the same broker told.
    pub fn merge(&mut self, other: Survey) {
        self.topics.extend(other.topics);
        self.topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    }
}

impl Broker {
    /// A broker without topics.
    pub fn new(limits: Limits, seed: u64) -> Self {
        Broker {
            limits,
            seed,
            topics: Slab::new(),
            names: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)),
            pollers: Pollers::default(),
            deadlines: Schedule::default(),
            scans: VecDeque::new(),
            events: VecDeque::new(),
            exiting: false,
        }
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
        match verb {
            Verb::Publish(publish) => self.publish(now, name, &publish),
            Verb::Subscribe(subscribe) => self.subscribe(now, ticket, context, name, subscribe),
            Verb::Settle(settle) => self.settle(now, &name, &settle),
            Verb::Peek(peek) => self.peek(now, &name, &peek),
            Verb::Channel(channel, verb) => self.channel_verb(now, &name, &channel, verb),
            verb => self.topic_verb(now, name, verb),
        }
    }

    fn publish(&mut self, now: Time, name: Name<'_>, publish: &Publish<'_>) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let known = self.names.get(name.as_str()).copied();
        let number = known.unwrap_or_else(|| self.add_topic(name));
        let published = self.topics[number as usize].publish(publish, now, &self.limits)?;
        let deferred = match &publish.messages {
            Messages::Same(_, options) => options.defer.is_some(),
            Messages::Each(messages) => messages.iter().any(|message| message.options.defer.is_some()),
        };
        self.after_topic(number, deferred, now);
        Ok(Reply::Published(published))
    }

    fn subscribe(
        &mut self,
        now: Time,
        ticket: Ticket,
        context: &Context,
        name: Name<'_>,
        subscribe: Subscribe<'_>,
    ) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let known = self.names.get(name.as_str()).copied();
        let topic = known.unwrap_or_else(|| self.add_topic(name));
        let channel = match self.topics[topic as usize].find_channel(subscribe.channel.as_str()) {
            Some(channel) => channel,
            None => self.topics[topic as usize].add_channel(subscribe.channel.into_owned(), None, now, &self.limits),
        };
        let Scene { channel: found, mut env } = self.topics[topic as usize].scene(channel, now, &self.limits);
        let client = found.client(subscribe.client.as_deref(), subscribe.peer, &env);
        let mut refused = Vec::new();
        for text in &subscribe.finish {
            let finished = text.receipt.ok_or(Refused::Malformed).and_then(|receipt| found.finish(receipt, &mut env));
            refused.extend(finished.err().map(|reason| (text.text.as_ref().into(), reason)));
        }
        if !subscribe.stream && found.pollers.is_empty() {
            let terms = Terms { timeout: subscribe.timeout, client, stream: None };
            let leases: Vec<_> =
                core::iter::from_fn(|| found.lease(&terms, &mut env)).take(subscribe.max as usize).collect();
            if !leases.is_empty() || (subscribe.wait.is_zero() && !found.scanning) {
                let handed = Handed { topic, channel, leases, auto_finish: subscribe.auto_finish };
                self.events.push_back(Event::Leased(ticket, context.clone(), handed, refused));
                self.after_channel(topic, channel, now);
                return Ok(Reply::Waiting);
            }
        }
        let until = now + if subscribe.stream { self.limits.heartbeat } else { subscribe.wait };
        let waiting = Waiting {
            ticket,
            topic,
            channel,
            max: subscribe.max,
            client,
            timeout: subscribe.timeout,
            auto_finish: subscribe.auto_finish,
            context: context.clone(),
            refused,
            stream: subscribe.stream,
        };
        self.wait(waiting, until, now);
        Ok(Reply::Waiting)
    }

    fn wait(&mut self, waiting: Waiting, until: Time, now: Time) {
        let (topic, channel, client) = (waiting.topic, waiting.channel, waiting.client);
        if waiting.stream {
            self.events.push_back(Event::Opened(waiting.ticket, waiting.context.clone()));
        }
        let number = self.pollers.add(waiting, until);
        if let Some(stream) = self.pollers.slab[number as usize].stream_mut() {
            stream.sent_at = now;
        }
        let Scene { channel: found, .. } = self.topics[topic as usize].scene(channel, now, &self.limits);
        found.poll_waits(client);
        self.line_up(number);
        self.after_channel(topic, channel, now);
    }

    /// Puts a poller into its channel's line, at the end.
    fn line_up(&mut self, number: u32) {
        let poller = &mut self.pollers.slab[number as usize];
        if poller.in_line || poller.room() == 0 {
            return;
        }
        poller.in_line = true;
        let topic = &mut self.topics[poller.topic as usize];
        let channel = poller.channel;
        let line = &mut topic.channel_mut(channel).pollers;
        let was_empty = line.is_empty();
        line.push_back(&mut self.pollers.slab, number);
        if was_empty {
            topic.hungry.push(channel);
        }
    }

    fn leave_line(&mut self, number: u32) {
        let poller = &mut self.pollers.slab[number as usize];
        if !core::mem::take(&mut poller.in_line) {
            return;
        }
        let channel = poller.channel;
        let topic = &mut self.topics[poller.topic as usize];
        let line = &mut topic.channel_mut(channel).pollers;
        line.remove(&mut self.pollers.slab, number);
        if line.is_empty() {
            topic.hungry.retain(|hungry| *hungry != channel);
        }
    }

    /// Takes a poller away that was answered, or whose consumer hung up.
    fn remove_poller(&mut self, number: u32, now: Time) {
        self.leave_line(number);
        let poller = &self.pollers.slab[number as usize];
        let (topic, channel, client) = (poller.topic, poller.channel, poller.client);
        self.topics[topic as usize].channel_mut(channel).poll_ends(client, now);
        self.pollers.remove(number);
    }

    fn settle(&mut self, now: Time, name: &Name<'_>, settle: &Settle<'_>) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let (topic, number) = self.find_channel(name, &settle.channel)?;
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        let mut settled = Settled::default();
        let mut count = |result: Result<(), Refused>, text: &str| match result {
            Ok(()) => 1,
            Err(reason) => {
                settled.refused.push((text.into(), reason));
                0
            }
        };
        let (mut finished, mut requeued, mut touched) = (0, 0, 0);
        for text in &settle.finish {
            let receipt = text.receipt.ok_or(Refused::Malformed);
            finished += count(receipt.and_then(|receipt| channel.finish(receipt, &mut env)), &text.text);
        }
        for (text, delay) in &settle.requeue {
            let receipt = text.receipt.ok_or(Refused::Malformed);
            requeued += count(receipt.and_then(|receipt| channel.requeue(receipt, *delay, &mut env)), &text.text);
        }
        for (text, timeout) in &settle.touch {
            let receipt = text.receipt.ok_or(Refused::Malformed);
            touched += count(receipt.and_then(|receipt| channel.touch(receipt, *timeout, &env)), &text.text);
        }
        (settled.finished, settled.requeued, settled.touched) = (finished, requeued, touched);
        self.after_channel(topic, number, now);
        Ok(Reply::Settled(settled))
    }

    fn peek(&mut self, now: Time, name: &Name<'_>, peek: &Peek<'_>) -> Result<Reply, Refusal> {
        let max = peek.max as usize;
        let peeked = match &peek.channel {
            Some(channel) => {
                let (topic, channel) = self.find_channel(name, channel)?;
                self.topics[topic as usize].peek_channel(channel, peek.state, peek.from, max)
            }
            None => self.topics[self.find_topic(name)? as usize].peek(peek.from, max, now),
        };
        Ok(Reply::Peeked(peeked))
    }

    fn topic_verb(&mut self, now: Time, name: Name<'_>, verb: Verb<'_>) -> Result<Reply, Refusal> {
        if let Verb::CreateTopic(changes) = &verb {
            let known = self.names.get(name.as_str()).copied();
            let number = known.unwrap_or_else(|| self.add_topic(name));
            self.topics[number as usize].configure(changes, now);
            self.after_topic(number, false, now);
            return Ok(Reply::Done);
        }
        let number = self.find_topic(&name)?;
        let topic = &mut self.topics[number as usize];
        match verb {
            Verb::ConfigureTopic(changes) => topic.configure(&changes, now),
            Verb::EmptyTopic => topic.empty(),
            Verb::PauseTopic(paused) => topic.pause(paused, now, &self.limits),
            Verb::DeleteTopic => {
                self.delete_topic(number, now);
                return Ok(Reply::Done);
            }
            _ => unreachable!("the other verbs do not come here"),
        }
        self.after_topic(number, true, now);
        Ok(Reply::Done)
    }

    fn channel_verb(
        &mut self,
        now: Time,
        name: &Name<'_>,
        channel: &Name<'_>,
        verb: ChannelVerb<'_>,
    ) -> Result<Reply, Refusal> {
        if let ChannelVerb::Create(changes) = verb {
            let topic = self.find_topic(name)?;
            let found = &mut self.topics[topic as usize];
            let number = match found.find_channel(channel.as_str()) {
                Some(number) => number,
                None => found.add_channel(channel.clone().into_owned(), changes.start, now, &self.limits),
            };
            let Scene { channel, mut env } = found.scene(number, now, &self.limits);
            channel.configure(changes, &mut env);
            self.after_topic(topic, true, now);
            return Ok(Reply::Done);
        }
        let (topic, number) = self.find_channel(name, channel)?;
        let reply = match verb {
            ChannelVerb::Delete => {
                self.delete_channel(topic, number, now);
                return Ok(Reply::Done);
            }
            ChannelVerb::Seek(to) => Reply::Position(self.topics[topic as usize].seek(number, to, now, &self.limits)),
            verb => {
                let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
                match verb {
                    ChannelVerb::Configure(changes) => channel.configure(changes, &mut env),
                    ChannelVerb::Empty => channel.empty(&mut env),
                    ChannelVerb::Pause(paused) => channel.paused = paused,
                    ChannelVerb::Redrive(ids) => return Ok(Reply::Count(self.redrive(topic, number, ids, now))),
                    ChannelVerb::EmptyDead => return Ok(Reply::Count(channel.drop_dead(&mut env))),
                    _ => unreachable!("the other verbs do not come here"),
                }
                Reply::Done
            }
        };
        self.after_channel(topic, number, now);
        Ok(reply)
    }

    fn redrive(&mut self, topic: u32, number: u32, ids: Option<Vec<u64>>, now: Time) -> u64 {
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        let count = channel.redrive(ids, &mut env);
        self.after_channel(topic, number, now);
        count
    }

    /// Shows the messages of a lease, until it is completed.
    pub fn deliveries<'a>(&'a self, handed: &'a Handed) -> impl ExactSizeIterator<Item = Delivery<'a>> + Clone {
        let log = self.topics.get(handed.topic as usize).map(Topic::log);
        handed.leases.iter().map(move |lease| Delivery {
            receipt: lease.receipt,
            attempts: lease.attempts,
            record: log.expect("a topic outlives what it handed out").record(lease.receipt.id, lease.chunk),
        })
    }

    /// The messages of a lease are encoded: those to be finished as they are handed out are finished.
    pub fn complete(&mut self, handed: &Handed, now: Time) {
        if !handed.auto_finish {
            return;
        }
        let Scene { channel, mut env } = self.topics[handed.topic as usize].scene(handed.channel, now, &self.limits);
        for lease in &handed.leases {
            let finished = channel.finish(lease.receipt, &mut env);
            debug_assert_eq!(finished, Ok(()), "what was just leased can be finished");
        }
        self.after_channel(handed.topic, handed.channel, now);
    }

    /// The consumer hung up.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &self.pollers.slab[number as usize];
        let (topic, channel) = (poller.topic, poller.channel);
        self.remove_poller(number, now);
        self.after_channel(topic, channel, now);
    }

    /// A stream's last chunk was taken.
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &mut self.pollers.slab[number as usize];
        let (topic, channel) = (poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            stream.busy = false;
        }
        self.line_up(number);
        self.after_channel(topic, channel, now);
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
        for _ in 0..self.scans.len() {
            if let Some((topic, channel)) = self.scans.pop_front() {
                self.after_channel(topic, channel, now);
            }
        }
        while let Some(owner) = self.deadlines.pop_due(now) {
            match owner {
                Owner::Topic(number) => {
                    let topic = &mut self.topics[number as usize];
                    topic.armed = None;
                    topic.handle_timeout(now, &self.limits);
                    self.after_topic(number, true, now);
                }
                Owner::Channel(topic, number) => self.channel_timeout(topic, number, now),
            }
        }
        while let Some(number) = self.pollers.pop_due(now) {
            self.poller_timeout(number, now);
        }
    }

    fn channel_timeout(&mut self, topic: u32, number: u32, now: Time) {
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        channel.armed = None;
        channel.handle_timeout(&mut env);
        if channel.is_deserted(&env) {
            self.delete_channel(topic, number, now);
        } else {
            self.after_channel(topic, number, now);
        }
    }

    fn poller_timeout(&mut self, number: u32, now: Time) {
        let heartbeat = self.limits.heartbeat;
        let poller = &mut self.pollers.slab[number as usize];
        let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            let is_quiet = stream.sent_at + heartbeat <= now && !stream.busy;
            if is_quiet {
                (stream.sent_at, stream.busy) = (now, true);
            }
            // A stream that is busy has its consumer to wait for; nothing is due before that.
            let next = if stream.busy { now } else { stream.sent_at } + heartbeat;
            self.pollers.set_timer(number, next);
            if is_quiet {
                let (context, _) = self.pollers.slab[number as usize].take_context();
                self.leave_line(number);
                self.events.push_back(Event::Heartbeat(ticket, context));
            }
        } else if self.topics[topic as usize].channel(channel).scanning {
            self.pollers.set_timer(number, now + SCAN_AGAIN);
        } else {
            let (context, refused) = poller.take_context();
            let handed = Handed { topic, channel, leases: Vec::new(), auto_finish: false };
            self.events.push_back(Event::Leased(ticket, context, handed, refused));
            self.remove_poller(number, now);
            self.after_channel(topic, channel, now);
        }
    }

    /// Takes in what [`Event::Forward`] sent here.
    pub fn receive(&mut self, now: Time, parcel: Parcel) {
        match parcel.content {
            Content::DeadLetter { topic, channel, id, attempts, record } => {
                let headers = [
                    ("shelf-dead-topic", topic.as_str().into()),
                    ("shelf-dead-channel", channel.as_str().into()),
                    ("shelf-dead-id", String::from_utf8_lossy(&crate::message::id_text(id)).into_owned()),
                    ("shelf-dead-attempts", alloc::format!("{attempts}")),
                ];
                if self.publish_dead_letter(now, parcel.to, &record, &headers).is_some() {
                    self.events.push_back(Event::Forward(Parcel { to: topic, content: Content::Arrived { channel, id } }));
                }
            }
            Content::Arrived { channel, id } => {
                if let Ok((topic, number)) = self.find_channel(&parcel.to, &channel) {
                    let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
                    channel.remove_dead(id, &mut env);
                }
            }
        }
    }

    fn publish_dead_letter(
        &mut self,
        now: Time,
        to: Name<'static>,
        record: &[u8],
        more: &[(&str, String)],
    ) -> Option<Reply> {
        let record = Record::read(record)?;
        let kept = record.headers().filter(|(name, _)| !name.starts_with("shelf-dead-"));
        let kept = kept.map(|(name, value)| (name.into(), value.into()));
        let more = more.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into()));
        let options =
            MessageOptions { key: record.key.map(Into::into), headers: kept.chain(more).collect(), ..Default::default() };
        let messages = Messages::Same(core::iter::once(record.body).collect(), options);
        self.publish(now, to, &Publish { messages, dedup: None }).ok()
    }

    /// Answers all that wait; from now on nothing is taken in.
    pub fn shutdown(&mut self, now: Time) {
        self.exiting = true;
        for number in self.pollers.numbers() {
            let poller = &mut self.pollers.slab[number as usize];
            let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
            match poller.stream() {
                Some(_) => self.events.push_back(Event::Closed(ticket)),
                None => {
                    let (context, refused) = poller.take_context();
                    let handed = Handed { topic, channel, leases: Vec::new(), auto_finish: false };
                    self.events.push_back(Event::Leased(ticket, context, handed, refused));
                }
            }
            self.remove_poller(number, now);
        }
    }

    /// What there is to tell.
    pub fn survey(&self, now: Time, filter: &Filter<'_>) -> Survey {
        let wanted = |name: &str| filter.topic.as_ref().is_none_or(|topic| topic == name);
        let topics = self.topics.iter().map(|(_, topic)| topic).filter(|topic| wanted(topic.name().as_str()));
        let stats = topics.map(|topic| topic.stats(filter, now, &self.limits));
        let mut topics: Vec<_> =
            stats.filter(|stats| filter.channel.is_none() || !stats.channels.is_empty()).collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
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

    fn add_topic(&mut self, name: Name<'_>) -> u32 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let name = name.into_owned();
        let key = name.as_str().into();
        let number = self.topics.insert(Topic::new(name, self.seed)) as u32;
        self.names.insert(key, number);
        number
    }

    fn delete_topic(&mut self, number: u32, now: Time) {
        for channel in self.topics[number as usize].channel_numbers() {
            self.remove_channel(number, channel, Refusal::TopicNotFound, now);
        }
        let topic = self.topics.remove(number as usize);
        self.names.remove(topic.name().as_str());
        if let Some((_, handle)) = topic.armed {
            self.deadlines.remove(handle);
        }
    }

    fn delete_channel(&mut self, topic: u32, number: u32, now: Time) {
        self.remove_channel(topic, number, Refusal::ChannelNotFound, now);
        let found = &self.topics[topic as usize];
        if found.name().is_ephemeral() && found.has_no_channels() {
            self.delete_topic(topic, now);
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
        let channels = if all { topic.channel_numbers() } else { topic.hungry.clone() };
        for channel in channels {
            self.after_channel(number, channel, now);
        }
    }

    /// To be called when a channel was changed: does what the change left to do, serves the pollers, and looks
    /// at the channel's deadlines.
    fn after_channel(&mut self, topic: u32, number: u32, now: Time) {
        loop {
            self.serve(topic, number, now);
            let channel = self.topics[topic as usize].channel_mut(number);
            let released = core::mem::take(&mut channel.effects.released);
            if released.is_empty() {
                break;
            }
            for stream in released {
                if self.pollers.release(stream) {
                    self.line_up(stream);
                }
            }
        }
        self.forward_dead_letters(topic, number);
        let Scene { channel, env } = self.topics[topic as usize].scene(number, now, &self.limits);
        channel.watch_clients(&env);
        if channel.scanning && !self.scans.contains(&(topic, number)) {
            self.scans.push_back((topic, number));
        }
        let next = channel.next_deadline();
        rearm(&mut self.deadlines, &mut channel.armed, next, Owner::Channel(topic, number));
    }

    /// Hands out messages to the pollers of a channel, as long as there are both.
    fn serve(&mut self, topic: u32, number: u32, now: Time) {
        while let Some(first) = self.topics[topic as usize].channel(number).pollers.front() {
            let poller = &self.pollers.slab[first as usize];
            let (terms, room) = (poller.terms(first), poller.room() as usize);
            let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
            let leases: Vec<_> = core::iter::from_fn(|| channel.lease(&terms, &mut env)).take(room).collect();
            if leases.is_empty() {
                return;
            }
            let poller = &mut self.pollers.slab[first as usize];
            let handed = Handed { topic, channel: number, auto_finish: poller.auto_finish, leases };
            let (ticket, (context, refused)) = (poller.ticket, poller.take_context());
            match poller.stream_mut() {
                Some(stream) => {
                    stream.busy = true;
                    stream.sent_at = now;
                    stream.in_flight += if handed.auto_finish { 0 } else { handed.leases.len() as u32 };
                    self.leave_line(first);
                    self.events.push_back(Event::Streamed(ticket, context, handed));
                }
                None => {
                    self.remove_poller(first, now);
                    self.events.push_back(Event::Leased(ticket, context, handed, refused));
                }
            }
        }
    }

    fn forward_dead_letters(&mut self, topic: u32, number: u32) {
        let found = &mut self.topics[topic as usize];
        let outbox = core::mem::take(&mut found.channel_mut(number).effects.outbox);
        let channel = found.channel(number);
        let Some(to) = channel.options().dead_letter.clone().filter(|_| !self.exiting) else { return };
        for id in outbox {
            let Some(letter) = channel.dead_letter(id) else { continue };
            let mut record = Vec::new();
            found.log().record(id, letter.chunk).write(&mut record);
            let (topic, channel) = (found.name().clone(), channel.name().clone());
            let content = Content::DeadLetter { topic, channel, id, attempts: letter.attempts, record };
            self.events.push_back(Event::Forward(Parcel { to: to.clone(), content }));
        }
    }
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
