//! All topics of one engine: where a command finds its topic, and a deadline its channel.

use alloc::vec::Vec;

use crate::command::TopicStats;

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
