//! Publishes that must not be accepted twice.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::log::image;
use crate::time::Time;

/// The dedup keys that a topic accepted within the window.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dedup {
    #[serde(with = "crate::state::table")]
    accepted: HashMap<Box<str>, Accepted, foldhash::fast::FixedState>,
    /// The keys in the order in which they came, with when each is forgotten.
    /// Invariant: each accepted key is in here with its time. A key that was accepted again is in here once more; its
    /// older entry then finds a later time in `accepted`, and is passed over. Where the window was made shorter, times
    /// are not in order: a key behind a later one only stays longer than it counts, as [`Dedup::get`] looks at its own
    /// time.
    forget: VecDeque<(Time, Box<str>)>,
    /// No dead letter's key is forgotten before: where it came from may not know yet that it came, and sends it again as
    /// soon as it is there, however long that was not.
    letters_until: Time,
}

/// What was published under a key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// When the key is forgotten.
    pub(crate) until: Time,
}

impl Dedup {
    pub(crate) fn new(seed: u64) -> Self {
        let accepted = HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed));
        Dedup { accepted, forget: VecDeque::new(), letters_until: Time::default() }
    }

    /// Hashes its keys by this seed from now on. A table that was read from bytes hashes by a seed that everybody
    /// knows, and keys come from clients.
    pub(crate) fn rehash(&mut self, seed: u64) {
        let accepted = core::mem::replace(&mut self.accepted, Dedup::new(seed).accepted);
        self.accepted.extend(accepted);
    }

    /// Keeps the keys of dead letters until then at least.
    pub(crate) fn keep_letters(&mut self, until: Time) {
        self.letters_until = until;
    }

    fn until(&self, key: &str, until: Time) -> Time {
        if key.starts_with(image::LETTER_KEY) { until.max(self.letters_until) } else { until }
    }

    /// What was published under this key.
    pub(crate) fn get(&self, key: &str, now: Time) -> Option<Accepted> {
        self.accepted.get(key).copied().filter(|accepted| self.until(key, accepted.until) > now)
    }

    /// Remembers a key.
    pub(crate) fn insert(&mut self, key: &str, accepted: Accepted) {
        self.accepted.insert(key.into(), accepted);
        self.forget.push_back((accepted.until, key.into()));
    }

    /// The keys and what was published under them, in the order in which they are forgotten.
    pub(crate) fn image(&self) -> Vec<image::Accepted> {
        // An entry whose key was accepted again has another time than that: only the last of a key is told.
        let known = self.forget.iter().filter_map(|(until, key)| {
            let Accepted { first, count, .. } = *self.accepted.get(key).filter(|accepted| accepted.until == *until)?;
            Some(image::Accepted { key: key.as_ref().into(), first, count, until: until.as_nanos() })
        });
        known.collect()
    }

    /// Remembers what an image tells. Of a key that was forgotten and accepted again, the last counts.
    pub(crate) fn open(&mut self, accepted: &[image::Accepted]) {
        for image::Accepted { key, first, count, until } in accepted {
            self.insert(key, Accepted { first: *first, count: *count, until: Time::from_nanos(*until) });
        }
    }

    /// No key is remembered longer than until then: a clock that was wrong said so.
    pub(crate) fn fit_clock(&mut self, latest: Time) {
        // What is no later than before is in no other order, either.
        self.forget.iter_mut().for_each(|(at, _)| *at = (*at).min(latest));
        self.accepted.values_mut().for_each(|accepted| accepted.until = accepted.until.min(latest));
        self.letters_until = self.letters_until.min(latest);
    }

    /// When [`Dedup::forget`] has something to do.
    pub(crate) fn next(&self) -> Option<Time> {
        // What stands behind the key of a dead letter waits for it, and only stays longer than it counts.
        self.forget.front().map(|(at, key)| self.until(key, *at))
    }

    /// Forgets the keys whose window is over.
    pub(crate) fn forget(&mut self, now: Time) {
        while self.next().is_some_and(|at| at <= now) {
            // A key whose time is later was accepted again, and its own entry comes further behind.
            if let Some((at, key)) = self.forget.pop_front()
                && self.accepted.get(&key).is_some_and(|accepted| accepted.until <= at)
            {
                self.accepted.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_accepted_again_is_remembered_for_the_last_time() {
        let accepted = |first, until| image::Accepted { key: "k".into(), first, count: 1, until };
        let mut dedup = Dedup::new(0);
        dedup.open(&[accepted(1, 10), accepted(2, 20)]);
        dedup.forget(Time::from_nanos(15));
        assert_eq!(dedup.get("k", Time::from_nanos(15)).map(|accepted| accepted.first), Some(2));
        dedup.forget(Time::from_nanos(20));
        assert!(dedup.get("k", Time::default()).is_none());
    }

    #[test]
    fn letters_that_may_come_again_are_known_however_late() {
        let accepted = |key: &'static str, until| image::Accepted { key: key.into(), first: 1, count: 1, until };
        let mut dedup = Dedup::new(0);
        dedup.open(&[accepted("\0dead\0t\0c\x001-1", 10), accepted("k", 20)]);
        dedup.keep_letters(Time::from_nanos(100));
        let now = Time::from_nanos(50);
        dedup.forget(now);
        assert!(dedup.get("\0dead\0t\0c\x001-1", now).is_some() && dedup.get("k", now).is_none());
        assert_eq!(dedup.next(), Some(Time::from_nanos(100)));
        dedup.forget(Time::from_nanos(100));
        assert!(dedup.accepted.is_empty() && dedup.forget.is_empty());
    }
}
