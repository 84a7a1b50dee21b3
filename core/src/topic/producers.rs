//! Producers that number their messages: each number is accepted once, however long ago that was.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::command::Refusal;
use crate::config::MAX_PRODUCERS;
use crate::log::image::ProducerImage;
use crate::time::Time;

/// How long a producer may be silent before it is forgotten.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What is known of each producer of a topic.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Producers {
    /// By name.
    #[serde(with = "crate::state::table")]
    last: HashMap<Box<str>, Last, FixedState>,
    /// With so many, those that were silent for too long are looked for.
    purge_at: usize,
}

/// The last message that was accepted of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) seq: u64,
    pub(super) id: u64,
    pub(super) at: Time,
}

/// What is to be done with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    /// The message is accepted.
    Next,
    /// It was accepted before, as the message with this id; zero where that is not known any more.
    Again(u64),
}

impl Producers {
    pub(super) fn new(seed: u64) -> Self {
        Producers { last: HashMap::with_hasher(FixedState::with_seed(seed)), purge_at: 0 }
    }

    /// Hashes the names by this seed from now on. A table that was read from bytes hashes by a seed that everybody
    /// knows, and names come from clients.
    pub(super) fn rehash(&mut self, seed: u64) {
        let last = core::mem::replace(&mut self.last, Producers::new(seed).last);
        self.last.extend(last);
    }

    /// What this number means, where it comes after `before`, or else after the last that was accepted.
    pub(super) fn judge(&self, producer: &str, seq: u64, before: Option<u64>, now: Time) -> Result<Numbered, Refusal> {
        let known = self.last.get(producer).filter(|last| last.at + REMEMBERED > now);
        match (before, known) {
            (None, None) if self.is_full(now) => Err(Refusal::TooManyProducers),
            // Nothing is known of it: it may begin with any number.
            (None, None) => Ok(Numbered::Next),
            (before, known) => {
                let last = before.or(known.map(|known| known.seq)).unwrap_or_default();
                if seq <= last {
                    // Of earlier numbers, only that they were accepted is known; of the batch itself, not even an id
                    // yet.
                    let is_last = known.filter(|known| before.is_none() && known.seq == seq);
                    return Ok(Numbered::Again(is_last.map_or(0, |known| known.id)));
                }
                if last.checked_add(1) == Some(seq) { Ok(Numbered::Next) } else { Err(Refusal::SeqGap { last }) }
            }
        }
    }

    /// Whether there is no room for one more. O(producers) where there are as many as may be: only then those that were
    /// silent for too long are told from others.
    fn is_full(&self, now: Time) -> bool {
        let is_remembered = |last: &&Last| last.at + REMEMBERED > now;
        self.last.len() >= MAX_PRODUCERS && self.last.values().filter(is_remembered).count() >= MAX_PRODUCERS
    }

    /// A message of this producer was accepted.
    pub(super) fn accept(&mut self, producer: &str, last: Last) {
        // By the time of the event, so that a replay forgets the same ones. The next time there are twice as many as
        // are left, or as many as may be: so that looking at all of them costs each newcomer little.
        if self.last.len() >= self.purge_at.clamp(64, MAX_PRODUCERS) {
            self.last.retain(|_, other| other.at + REMEMBERED > last.at);
            self.purge_at = 2 * self.last.len();
        }
        match self.last.get_mut(producer) {
            // Of a message that was published under a dedup key before, the number may be told behind a higher one. Whoever
            // was silent for too long begins anew, perhaps with a lower one.
            Some(known) if known.seq >= last.seq && known.at + REMEMBERED > last.at => {}
            Some(known) => *known = last,
            None => drop(self.last.insert(producer.into(), last)),
        }
    }

    /// What a snapshot tells, in the order of the names.
    pub(super) fn image(&self) -> Vec<ProducerImage> {
        let mut images = Vec::with_capacity(self.last.len());
        for (name, &Last { seq, id, at }) in &self.last {
            images.push(ProducerImage { name: name.as_ref().into(), seq, id, at: at.as_nanos() });
        }
        images.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        images
    }

    /// What an image tells.
    pub(super) fn open(&mut self, images: &[ProducerImage]) {
        for &ProducerImage { ref name, seq, id, at } in images {
            self.accept(name, Last { seq, id, at: Time::from_nanos(at) });
        }
    }
}
