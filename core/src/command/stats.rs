//! Topics, channels and consumers in numbers.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{ChannelOptions, TopicOptions};
use crate::time::Time;

/// A topic in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TopicStats {
    /// Its name.
    pub name: String,
    /// Messages not yet handed to the channels.
    pub depth: u64,
    /// Messages ever published.
    pub message_count: u64,
    /// Bytes of bodies ever published.
    pub message_bytes: u64,
    /// Whether it hands nothing to its channels.
    pub paused: bool,
    /// Bytes it holds in memory.
    pub memory_bytes: u64,
    /// Bytes of its log.
    pub disk_bytes: u64,
    /// Its options.
    pub options: TopicOptions,
    /// Its channels, by name.
    pub channels: Vec<ChannelStats>,
}

/// A channel in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChannelStats {
    /// Its name.
    pub name: String,
    /// Messages waiting for a consumer: neither in flight, deferred nor dead.
    pub depth: u64,
    /// Messages leased.
    pub in_flight: u64,
    /// Messages waiting for their time.
    pub deferred: u64,
    /// Dead letters.
    pub dead: u64,
    /// Messages it ever got.
    pub message_count: u64,
    /// Deliveries finished.
    pub finish_count: u64,
    /// Deliveries put back by a consumer.
    pub requeue_count: u64,
    /// Leases that ran out.
    pub timeout_count: u64,
    /// Messages whose time to live ran out.
    pub expired_count: u64,
    /// Messages dropped at a limit.
    pub dropped_count: u64,
    /// How long messages took from their publishing to their finishing, in the last minutes.
    pub latency: Latency,
    /// Polls and streams waiting now.
    pub waiting: u64,
    /// Consumers: those that wait, that hold a lease, or that polled in the last minute.
    pub client_count: u64,
    /// The consumers, where they were asked for.
    pub clients: Option<Vec<ClientStats>>,
    /// Whether it leases nothing.
    pub paused: bool,
    /// The id of the next message it reads.
    pub position: u64,
    /// Its options.
    pub options: ChannelOptions,
}

/// How long messages took from their publishing to their finishing, of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Times in nanoseconds, and how many messages took up to that; by time.
    /// Invariant: ascending, each time once.
    buckets: Vec<(u64, u64)>,
}

impl Latency {
    /// Some messages took so many nanoseconds.
    pub fn add(&mut self, nanos: u64, count: u64) {
        match self.buckets.binary_search_by_key(&nanos, |bucket| bucket.0) {
            Ok(place) => self.buckets[place].1 = self.buckets[place].1.saturating_add(count),
            Err(place) => self.buckets.insert(place, (nanos, count)),
        }
    }

    /// Adds another channel's.
    pub fn merge(&mut self, other: &Latency) {
        other.buckets.iter().for_each(|&(nanos, count)| self.add(nanos, count));
    }

    /// How many messages there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.1))
    }

    /// The time in nanoseconds that so many percent of the messages did not exceed.
    pub fn percentile(&self, percent: u64) -> u64 {
        // Rounded up, so that of few messages the slowest counts.
        let mut left = self.count().saturating_mul(percent).div_ceil(100);
        let mut is_reached = |count| {
            left = left.saturating_sub(count);
            left == 0
        };
        self.buckets.iter().find(|bucket| is_reached(bucket.1)).map_or(0, |bucket| bucket.0)
    }
}

/// A consumer in numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClientStats {
    /// Its name for itself, or the address it calls from.
    pub name: String,
    /// The address it called from last, `ip:port`.
    pub remote_address: String,
    /// Polls and streams it has waiting now.
    pub waiting: u64,
    /// Messages it holds.
    pub in_flight: u64,
    /// Messages it was handed.
    pub message_count: u64,
    /// Messages it finished.
    pub finish_count: u64,
    /// Messages it put back.
    pub requeue_count: u64,
    /// When it first polled.
    pub connected: Time,
}

/// Which topics, and what of them, [`Broker::stats`](crate::broker::Broker::stats) tells.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Only this topic.
    pub topic: Option<Cow<'a, str>>,
    /// Only this channel, and only topics that have it.
    pub channel: Option<Cow<'a, str>>,
    /// List the consumers, too.
    pub clients: bool,
    /// Only topics that have this in their names; large and small letters are the same.
    pub search: Option<Cow<'a, str>>,
}
