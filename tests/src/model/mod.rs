//! A deliberately naive broker that predicts what the real one answers.
//!
//! It is written from the HTTP contract alone and knows nothing of how the core does it: a topic is one list of
//! all messages it ever had, a channel one list of the state of each, and every question is a scan over them.
//! What a [`Model`] predicts is compared with the core's answers by [`workload`](crate::workload).
//!
//! Receipts are opaque: the model numbers its own deliveries, and learns from the real answers which receipt
//! text stands for which delivery.
//!
//! In the order of a request: `request` reads it, `routes` says what it asks, `publish`, `consume` and
//! `look` do it with `topic` and `channel`, `answer` is what is expected.

pub mod answer;
mod channel;
mod consume;
mod leases;
mod look;
mod polls;
mod publish;
mod request;
mod routes;
mod time;
mod topic;

use std::collections::{BTreeMap, HashMap};

use answer::{Answer, Event, Fail};
use channel::Channel;
pub use look::describe_into as describe;
pub use request::Wire;
use topic::Topic;

/// Points in time and lengths of time, in nanoseconds.
pub type Nanos = u64;

/// Names a request.
pub type Ticket = u64;

/// The limits that the model's broker has.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a lease lasts unless somebody says.
    pub msg_timeout: Nanos,
    /// The longest lease, touches included.
    pub max_msg_timeout: Nanos,
    /// The longest deferral.
    pub max_req_timeout: Nanos,
    /// The longest message.
    pub max_msg_size: usize,
    /// The longest body of any request.
    pub max_body_size: usize,
    /// The longest wait of a poll.
    pub max_wait: Nanos,
    /// How long a dedup key is remembered.
    pub dedup_window: Nanos,
    /// How deep something ephemeral gets.
    pub mem_queue_size: u64,
    /// How often a stream gives a sign of life.
    pub heartbeat: Nanos,
    /// How long after its last poll a consumer counts as there.
    pub client_timeout: Nanos,
}

/// One delivery, as the model knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The channel's number, used once.
    pub channel: u64,
    /// The message.
    pub id: u64,
    /// Counts the model's deliveries.
    pub number: u64,
}

/// What everything that happens needs to know: the time and the limits, and a number that is never used twice.
#[derive(Debug)]
struct Moment {
    now: Nanos,
    limits: Limits,
    counter: u64,
}

impl Moment {
    fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

/// The naive broker.
#[derive(Debug)]
pub struct Model {
    at: Moment,
    topics: BTreeMap<String, Topic>,
    receipts: HashMap<String, Delivery>,
    events: Vec<(Ticket, Event)>,
}

impl Model {
    /// A broker with nothing in it.
    pub fn new(limits: Limits) -> Self {
        Model {
            at: Moment { now: 0, limits, counter: 0 },
            topics: BTreeMap::new(),
            receipts: HashMap::new(),
            events: Vec::new(),
        }
    }

    /// Takes a request. What it leads to is in [`Model::take_events`].
    pub fn handle(&mut self, now: Nanos, ticket: Ticket, wire: &Wire) {
        self.at.now = now;
        let (ignored, outcome) = self.route(ticket, wire);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(fail) => Some(Answer::error(&fail)),
        };
        if let Some(answer) = answer {
            self.events.push((ticket, Event::Answer(answer.with_ignored(ignored.as_deref()))));
        }
        self.settle_down();
    }

    /// The client of this request hung up.
    pub fn cancel(&mut self, now: Nanos, ticket: Ticket) {
        self.at.now = now;
        for channel in self.channels_mut() {
            channel.hang_up(ticket, now);
        }
        self.settle_down();
    }

    /// The last chunk of this stream was taken.
    pub fn writable(&mut self, now: Nanos, ticket: Ticket) {
        self.at.now = now;
        for channel in self.channels_mut() {
            channel.chunk_taken(ticket);
        }
        self.settle_down();
    }

    /// What is to be sent, in order for each ticket.
    pub fn take_events(&mut self) -> Vec<(Ticket, Event)> {
        std::mem::take(&mut self.events)
    }

    /// The real broker wrote this receipt for this delivery.
    pub fn learn(&mut self, receipt: &str, delivery: Delivery) -> Result<(), String> {
        match self.receipts.insert(receipt.into(), delivery) {
            Some(old) if old != delivery => Err(format!("the receipt {receipt} was given out twice")),
            _ => Ok(()),
        }
    }

    /// Whether the lease with this receipt runs.
    pub fn is_live(&self, receipt: &str) -> bool {
        let Some(delivery) = self.receipts.get(receipt) else { return false };
        self.channels().any(|channel| channel.uid == delivery.channel && channel.holds(*delivery))
    }

    /// All channels, each with its topic's name.
    pub fn places(&self) -> Vec<(String, String)> {
        let channels =
            self.topics.iter().flat_map(|(topic, found)| found.channels.keys().map(move |name| (topic, name)));
        channels.map(|(topic, channel)| (topic.clone(), channel.clone())).collect()
    }

    /// What happened to messages so far, in the channels that there are.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for channel in self.channels() {
            channel.count_into(&mut counts);
        }
        counts
    }

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.topics.values().flat_map(|topic| topic.channels.values())
    }

    fn channels_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.topics.values_mut().flat_map(|topic| topic.channels.values_mut())
    }

    fn topic(&mut self, name: &str) -> Result<&mut Topic, Fail> {
        self.topics.get_mut(name).ok_or(Fail::from("TOPIC_NOT_FOUND"))
    }

    fn channel(&mut self, topic: &str, channel: &str) -> Result<&mut Channel, Fail> {
        self.topic(topic)?.channels.get_mut(channel).ok_or(Fail::from("CHANNEL_NOT_FOUND"))
    }

    fn create_topic(&mut self, name: &str) -> &mut Topic {
        self.topics.entry(name.into()).or_insert_with(|| Topic::new(name))
    }
}
