//! What was taken of each shard, and whether it would outlive the process.
//!
//! Answers that say of messages that they are settled wait for this. What is written outlives the process, but for what stands in
//! a segment that has no name yet: it gets one with its sync, and nobody looks for it before.

use std::collections::{BTreeSet, VecDeque};

use super::{Key, Logs};

/// What was taken and not told as written.
#[derive(Debug, Default)]
pub(super) struct Takes {
    open: VecDeque<Take>,
    /// Logs whose last segment has no name yet.
    nameless: BTreeSet<Key>,
}

#[derive(Debug)]
struct Take {
    shard: usize,
    number: u64,
    /// The logs whose segments it waits for; `None` where it is not written.
    waits: Option<Vec<Key>>,
}

impl Takes {
    /// Something was taken.
    pub(super) fn taken(&mut self, shard: usize, number: u64) {
        self.open.push_back(Take { shard, number, waits: None });
    }

    /// What is written to this log is in a segment without a name.
    pub(super) fn nameless(&mut self, log: Key) {
        self.nameless.insert(log);
    }

    /// The segments of this log have their names, or nobody waits for them any more.
    pub(super) fn named(&mut self, log: Key) {
        if self.nameless.remove(&log) {
            for waits in self.open.iter_mut().filter_map(|take| take.waits.as_mut()) {
                waits.retain(|waits| *waits != log);
            }
        }
    }

    /// All that was taken is written, but for what cannot be for now.
    pub(super) fn written(&mut self) {
        for take in self.open.iter_mut().rev().take_while(|take| take.waits.is_none()) {
            let of_shard = Key { shard: take.shard, log: 0 }..Key { shard: take.shard + 1, log: 0 };
            take.waits = Some(self.nameless.range(of_shard).copied().collect());
        }
    }

    /// Tells the shards of it, in order.
    pub(super) fn tell(&mut self, logs: &dyn Logs) {
        let mut late = BTreeSet::new();
        self.open.retain(|take| {
            let is_written = take.waits.as_ref().is_some_and(Vec::is_empty) && !late.contains(&take.shard);
            if is_written {
                logs.written(take.shard, take.number);
            } else {
                late.insert(take.shard);
            }
            !is_written
        });
    }
}
