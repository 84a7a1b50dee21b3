//! Who has which topics: this node is its own directory, and that of others that register with it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::Producer;
use crate::broker::BrokerStats;
use crate::config::{Identity, MAX_DIRECTORY_BYTES};
use crate::name::Name;
use crate::sorted_fields::SortedFields;
use crate::time::Time;

/// A node that has not registered for so long is taken for gone, as by nsqlookupd.
const INACTIVE_AFTER: Duration = Duration::from_secs(300);
/// So long a tombstoned topic is not to be found at its node, as by nsqlookupd.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(45);

/// At most so many nodes are kept: registering costs whoever does it nothing.
const MAX_NODES: usize = 1000;

/// The nodes that registered, in the order of their `address:port`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// Invariant: ascending by `address`, each of which is there once.
    nodes: Vec<Node>,
    /// Until when a node's topic is not to be found, by topic and node.
    tombstones: Vec<(String, String, Time)>,
}

/// What a node says of itself: the body of a registration.
#[derive(Debug, Serialize, Deserialize)]
struct Registration {
    broadcast_address: String,
    hostname: String,
    http_port: u16,
    tcp_port: u16,
    version: String,
    topology_zone: String,
    topology_region: String,
    /// Its topics, each with its channels.
    topics: SortedFields<Vec<String>>,
}

/// The same as it is sent, where `null` is not said.
#[derive(Deserialize)]
struct Sent {
    broadcast_address: String,
    hostname: String,
    http_port: u16,
    tcp_port: u16,
    version: String,
    topology_zone: Option<String>,
    topology_region: Option<String>,
    topics: Option<SortedFields<Option<Vec<String>>>>,
}

impl From<Sent> for Registration {
    fn from(sent: Sent) -> Self {
        let SortedFields(topics) = sent.topics.unwrap_or_default();
        let topics = topics.into_iter().map(|(topic, channels)| (topic, channels.unwrap_or_default()));
        Registration {
            broadcast_address: sent.broadcast_address,
            hostname: sent.hostname,
            http_port: sent.http_port,
            tcp_port: sent.tcp_port,
            version: sent.version,
            topology_zone: sent.topology_zone.unwrap_or_default(),
            topology_region: sent.topology_region.unwrap_or_default(),
            topics: SortedFields(topics.collect()),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Node {
    /// Its `address:port`.
    address: String,
    said: Registration,
    last_seen: Time,
}

impl Node {
    /// About how many bytes of memory it takes.
    fn bytes(&self) -> usize {
        let names = self.said.topics.0.iter().flat_map(|(topic, channels)| core::iter::once(topic).chain(channels));
        names.map(|name| name.len() + 32).sum::<usize>() + self.address.len() + 256
    }
}

impl Directory {
    /// A node tells what it has.
    pub(crate) fn register(&mut self, now: Time, body: &[u8]) -> Result<(), String> {
        let sent: Sent = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let said = Registration::from(sent);
        let names = said.topics.0.iter().flat_map(|(topic, channels)| core::iter::once(topic).chain(channels));
        if let Some(bad) = names.into_iter().find(|name| Name::parse(name.as_str()).is_none()) {
            return Err(format!("{bad:?} is no name of a topic or a channel"));
        }
        // What is over is looked for where something comes, so that it needs no deadline. Readers pass over it until
        // then.
        self.nodes.retain(|node| node.last_seen + INACTIVE_AFTER > now);
        self.tombstones.retain(|(_, _, until)| *until > now);
        let address = format!("{}:{}", said.broadcast_address, said.http_port);
        let place = self.nodes.binary_search_by(|node| node.address.cmp(&address));
        let node = Node { address, said, last_seen: now };
        // A node that registers again takes the place of what it said before, which does not count then.
        let others = self.nodes.iter().filter(|other| other.address != node.address);
        if others.map(Node::bytes).sum::<usize>() + node.bytes() > MAX_DIRECTORY_BYTES {
            return Err(format!("this directory knows {} MiB of names already", MAX_DIRECTORY_BYTES >> 20));
        }
        match place {
            Ok(place) => self.nodes[place] = node,
            Err(_) if self.nodes.len() >= MAX_NODES => {
                return Err(format!("this directory has {MAX_NODES} nodes already"));
            }
            Err(place) => self.nodes.insert(place, node),
        }
        Ok(())
    }

    /// A node's topic is not to be found for a while. Nothing to do for what nobody has.
    pub(crate) fn tombstone(&mut self, now: Time, identity: &Identity, stats: &BrokerStats, topic: &str, node: &str) {
        self.tombstones.retain(|(_, _, until)| *until > now);
        let is_it =
            |found: &Producer| found.remote_address == node && found.topics.iter().any(|(name, _)| name == topic);
        // So it is not by requests that tombstones become many, but only by nodes and their topics.
        if !self.nodes(now, identity, stats).iter().any(is_it) {
            return;
        }
        // One that is there already lasts longer.
        self.tombstones.retain(|(of, at, _)| (of.as_str(), at.as_str()) != (topic, node));
        self.tombstones.push((topic.into(), node.into(), now + TOMBSTONE_LIFETIME));
    }

    /// The names of all topics.
    pub(crate) fn topics<'a>(&'a self, now: Time, stats: &'a BrokerStats) -> Vec<&'a str> {
        let own = stats.topics.iter().map(|topic| topic.name.as_str());
        let others = self.active(now).flat_map(|node| node.topics.0.iter().map(|(topic, _)| topic.as_str()));
        each_once(own.chain(others).collect())
    }

    /// The names of a topic's channels.
    pub(crate) fn channels<'a>(&'a self, now: Time, stats: &'a BrokerStats, topic: &str) -> Vec<&'a str> {
        let own = stats.topics.iter().filter(|found| found.name == topic);
        let own = own.flat_map(|topic| topic.channels.iter().map(|channel| channel.name.as_str()));
        let others = self.active(now).filter_map(|node| node.topics.get(topic)).flatten().map(String::as_str);
        each_once(own.chain(others).collect())
    }

    /// A topic's channels and the nodes that have it; `None` where nobody does.
    pub(crate) fn lookup<'a>(
        &'a self,
        now: Time,
        identity: &Identity,
        stats: &'a BrokerStats,
        topic: &str,
    ) -> Option<(Vec<&'a str>, Vec<Producer>)> {
        let mut producers = self.nodes(now, identity, stats);
        producers.retain(|node| node.topics.iter().any(|(name, _)| name == topic));
        if producers.is_empty() {
            return None;
        }
        // A topic that is tombstoned everywhere still exists: with no node, but it is no 404.
        producers.retain(|node| node.topics.iter().any(|(name, tombstoned)| name == topic && !tombstoned));
        Some((self.channels(now, stats, topic), producers))
    }

    /// All nodes, this one first.
    pub(crate) fn nodes(&self, now: Time, identity: &Identity, stats: &BrokerStats) -> Vec<Producer> {
        let own = Registration {
            broadcast_address: identity.broadcast_address.clone(),
            hostname: identity.hostname.clone(),
            http_port: identity.http_port,
            // There is no TCP protocol; nsqadmin tells nodes apart by this port.
            tcp_port: identity.http_port,
            version: identity.version.clone(),
            topology_zone: identity.topology_zone.clone(),
            topology_region: identity.topology_region.clone(),
            topics: SortedFields(stats.topics.iter().map(|topic| (topic.name.clone(), Vec::new())).collect()),
        };
        // This node may be registered with itself. What it knows of itself is newer.
        let is_other =
            |node: &&Registration| (&node.broadcast_address, node.http_port) != (&own.broadcast_address, own.http_port);
        let others = self.active(now).filter(is_other);
        core::iter::once(&own).chain(others).map(|node| self.producer(node, now)).collect()
    }

    fn active(&self, now: Time) -> impl Iterator<Item = &Registration> {
        self.nodes.iter().filter(move |node| node.last_seen + INACTIVE_AFTER > now).map(|node| &node.said)
    }

    fn producer(&self, node: &Registration, now: Time) -> Producer {
        let address = format!("{}:{}", node.broadcast_address, node.http_port);
        let here = self.tombstones.iter().filter(|(_, at, until)| *at == address && *until > now);
        let here: Vec<&str> = here.map(|(of, ..)| of.as_str()).collect();
        let is_tombstoned = |topic: &String| here.contains(&topic.as_str());
        Producer {
            topics: node.topics.0.iter().map(|(topic, _)| (topic.clone(), is_tombstoned(topic))).collect(),
            remote_address: address.clone(),
            hostname: node.hostname.clone(),
            broadcast_address: node.broadcast_address.clone(),
            tcp_port: node.tcp_port,
            http_port: node.http_port,
            version: node.version.clone(),
            topology_zone: node.topology_zone.clone(),
            topology_region: node.topology_region.clone(),
        }
    }
}

/// The names in their order, without those that come again.
fn each_once(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names.dedup();
    names
}
