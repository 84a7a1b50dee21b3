//! Ordered channels: messages of one key are delivered one after another, in the order of their ids.
//!
//! A message with a key joins its key's queue when it departs from the backlog, and leaves it when it is done
//! with. Only the first in the queue may be delivered, and only while no other of the queue is in flight. One
//! that comes behind another is *held*, until its turn comes.

use alloc::collections::VecDeque;
use core::num::NonZeroU64;

use serde::{Deserialize, Serialize};

/// A key by its seeded hash. Two keys that meet in one hash share a queue: both stay in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Key(NonZeroU64);

impl Key {
    pub(super) fn of(hash: u64) -> Option<Self> {
        // No hash of a key is zero: a log in which one is comes from somebody else, and then the message has no key.
        NonZeroU64::new(hash).map(Key)
    }

    pub(super) fn hash(self) -> u64 {
        self.0.get()
    }
}

/// The messages of one key that are not done with.
#[derive(Debug, Default)]
pub(super) struct KeyQueue {
    /// In ascending order. Invariant: not empty, as long as the channel has the queue.
    pub(super) ids: VecDeque<u64>,
    /// How many of them are in flight: more than one only where the channel was not ordered when they were leased, or
    /// where its log does not have all.
    pub(super) in_flight: u32,
}
