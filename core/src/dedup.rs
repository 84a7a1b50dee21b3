//! Publishes that must not be accepted twice.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::log::image;
use crate::time::Time;

/// The dedup keys that a topic accepted within the window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dedup {
    #[serde(with = "crate::state::table")]
    accepted: HashMap<Box<str>, Accepted, foldhash::fast::FixedState>,
    /// The keys in the order in which they are forgotten.
    forget: VecDeque<(Time, Box<str>)>,
}

/// What was published under a key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) first: u64,
    pub(crate) count: u32,
}

impl Dedup {
    pub(crate) fn new(seed: u64) -> Self {
        let accepted = HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed));
        Dedup { accepted, forget: VecDeque::new() }
    }

    /// Hashes its keys by this seed from now on.
    pub(crate) fn rehash(&mut self, seed: u64) {
        let accepted = core::mem::replace(&mut self.accepted, Dedup::new(seed).accepted);
        self.accepted.extend(accepted);
    }

    /// What was published under this key.
    pub(crate) fn get(&self, key: &str) -> Option<Accepted> {
        self.accepted.get(key).copied()
    }

    /// Remembers a key for the window from now on.
    pub(crate) fn insert(&mut self, key: &str, accepted: Accepted, now: Time, window: Duration) {
        self.accepted.insert(key.into(), accepted);
        self.forget.push_back((now + window, key.into()));
    }

    /// The keys and what was published under them, in the order in which they are forgotten.
    pub(crate) fn image(&self) -> Vec<image::Accepted> {
        let known = self.forget.iter().filter_map(|(until, key)| Some((until, key, self.accepted.get(key)?)));
        let image = |(until, key, accepted): (&Time, &Box<str>, &Accepted)| image::Accepted {
            key: key.as_ref().into(),
            first: accepted.first,
            count: accepted.count,
            until: until.as_nanos(),
        };
        known.map(image).collect()
    }

    /// Remembers what an image tells.
    pub(crate) fn open(&mut self, accepted: &[image::Accepted]) {
        for image::Accepted { key, first, count, until } in accepted {
            let key: Box<str> = key.as_str().into();
            self.accepted.insert(key.clone(), Accepted { first: *first, count: *count });
            self.forget.push_back((Time::from_nanos(*until), key));
        }
    }

    /// When [`Dedup::forget`] has something to do.
    pub(crate) fn next(&self) -> Option<Time> {
        self.forget.front().map(|(at, _)| *at)
    }

    /// Forgets the keys whose window is over.
    pub(crate) fn forget(&mut self, now: Time) {
        while self.next().is_some_and(|at| at <= now) {
            if let Some((_, key)) = self.forget.pop_front() {
                self.accepted.remove(&key);
            }
        }
    }
}
