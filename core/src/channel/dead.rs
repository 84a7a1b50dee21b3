//! Dead letters: messages that came back too often.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::keys::facts;
use super::{Channel, Env, Key};
use crate::log::event::{Event, Ids};
use crate::log::journal::What;
use crate::message::{Facts, Receipt};
use crate::sort;

/// A message that is delivered no more until it is redriven. It stays pinned in the log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Dead {
    pub(super) chunk: u64,
    pub(super) delivery: u64,
    pub(super) key: Option<Key>,
    pub(super) expires: Option<NonZeroU64>,
    pub(super) attempts: u16,
    pub(super) size: u32,
}

impl Dead {
    pub(super) fn facts(&self, id: u64) -> Facts {
        facts(id, self.size, self.key, self.expires)
    }
}

/// A dead letter to be moved to another topic.
pub(crate) struct DeadLetter {
    pub(crate) chunk: u64,
    pub(crate) delivery: u64,
    pub(crate) attempts: u16,
}

impl Channel {
    /// An entry that is nowhere becomes a dead letter, in one step.
    pub(super) fn die(&mut self, slot: u32, timed_out: bool, env: &mut Env<'_>) {
        let entry = self.detach(slot);
        let dead = Dead {
            chunk: entry.chunk,
            delivery: entry.delivery,
            key: entry.key,
            expires: entry.expires,
            attempts: entry.attempts,
            size: entry.size,
        };
        self.dead.insert(entry.id, dead);
        if entry.id >= self.cursor.id() {
            self.dead_ahead += 1;
            self.dead_ahead_bytes += u64::from(entry.size);
        }
        env.journal(|channel| Event::Died { channel, ids: Ids::from_iter([entry.id]), timed_out });
        if self.options.dead_letter.is_some() {
            self.effects.outbox.push(entry.id);
        }
        if let Some(key) = self.queue(entry.key) {
            self.leave_key(key, entry.id);
        }
    }

    /// Counts the dead letters that the cursor has to pass.
    pub(super) fn find_dead_ahead(&mut self) {
        (self.dead_ahead, self.dead_ahead_bytes) = (0, 0);
        for (&id, dead) in self.dead.range(self.cursor.id()..) {
            if self.gaps.end_of(id).is_none() {
                self.dead_ahead += 1;
                self.dead_ahead_bytes += u64::from(dead.size);
            }
        }
    }

    pub(crate) fn dead_letter(&self, id: u64) -> Option<DeadLetter> {
        self.dead.get(&id).map(|dead| DeadLetter {
            chunk: dead.chunk,
            delivery: dead.delivery,
            attempts: dead.attempts,
        })
    }

    /// Takes a dead letter out, whose place, if the cursor has not come there, is told by `is_ahead`.
    fn take_dead(&mut self, id: u64) -> Option<(Dead, bool)> {
        let dead = self.dead.remove(&id)?;
        let is_ahead = id >= self.cursor.id() && self.gaps.end_of(id).is_none();
        if is_ahead {
            self.dead_ahead -= 1;
            self.dead_ahead_bytes -= u64::from(dead.size);
        }
        Some((dead, is_ahead))
    }

    /// Lets go of a dead letter; whether there was one.
    fn end_dead(&mut self, id: u64, env: &mut Env<'_>) -> bool {
        let Some((dead, is_ahead)) = self.take_dead(id) else { return false };
        if is_ahead {
            self.gaps.insert(id, id + 1, u64::from(dead.size));
        }
        env.messages.unpin(id, dead.chunk);
        true
    }

    /// A dead letter is somewhere else now.
    pub(crate) fn remove_dead(&mut self, id: u64, env: &mut Env<'_>) {
        if self.end_dead(id, env) {
            env.journal(|channel| Event::DeadGone { channel, ids: Ids::from_iter([id]) });
        }
    }

    /// The last consumer of a dead letter did finish it, if late.
    pub(super) fn finish_dead(&mut self, receipt: Receipt, env: &mut Env<'_>) -> bool {
        let found = self.dead.get(&receipt.id).is_some_and(|dead| dead.delivery == receipt.delivery);
        if found {
            self.end_dead(receipt.id, env);
            env.journal_each(What::Finished, receipt.id);
        }
        found
    }

    /// Makes dead letters ready again, those named or all, with no attempts behind them; answers how many.
    pub(crate) fn redrive(&mut self, ids: Option<Vec<u64>>, env: &mut Env<'_>) -> u64 {
        let mut ids = ids.unwrap_or_else(|| self.dead.keys().copied().collect());
        sort::by(&mut ids, Ord::cmp);
        ids.retain(|id| self.redrive_one(*id, env));
        let (count, at) = (ids.len() as u64, env.now.as_nanos());
        if count > 0 {
            env.journal(|channel| Event::Redriven { channel, at, ids: ids.into_iter().collect() });
        }
        count
    }

    fn redrive_one(&mut self, id: u64, env: &mut Env<'_>) -> bool {
        let is_over = |expires: NonZeroU64| expires.get() <= env.now.as_nanos();
        if self.dead.get(&id).is_some_and(|dead| dead.expires.is_some_and(is_over)) {
            self.counts.expired += 1;
            return self.end_dead(id, env);
        }
        let Some((dead, _)) = self.take_dead(id) else { return false };
        let facts = dead.facts(id);
        if let Some(key) = self.queue(dead.key) {
            self.join_key(key, id);
        }
        let slot = self.depart_pinned(&facts, dead.chunk);
        // A late finish is still welcome, but a delivery number is used once.
        self.entries[slot as usize].delivery = dead.delivery;
        self.make_ready(slot);
        true
    }

    /// Drops the dead letters; answers how many.
    pub(crate) fn drop_dead(&mut self, env: &mut Env<'_>) -> u64 {
        let ids: Vec<u64> = self.dead.keys().copied().collect();
        for &id in &ids {
            self.end_dead(id, env);
        }
        let count = ids.len() as u64;
        if count > 0 {
            env.journal(|channel| Event::DeadGone { channel, ids: ids.into_iter().collect() });
        }
        count
    }
}
