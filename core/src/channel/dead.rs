//! Dead letters: messages that came back too often.

use alloc::vec::Vec;

use super::{Channel, Env, Facts};
use crate::message::Receipt;

/// A message that is delivered no more until it is redriven. It stays pinned in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dead {
    pub(super) chunk: u64,
    pub(super) delivery: u64,
    pub(super) attempts: u16,
    pub(super) size: u32,
}

/// A dead letter to be moved to another topic.
pub(crate) struct DeadLetter {
    pub(crate) chunk: u64,
    pub(crate) attempts: u16,
}

impl Channel {
    /// An entry that is nowhere becomes a dead letter, in one step.
    pub(super) fn die(&mut self, slot: u32, env: &mut Env<'_>) {
        let entry = self.detach(slot);
        let dead = Dead { chunk: entry.chunk, delivery: entry.delivery, attempts: entry.attempts, size: entry.size };
        self.dead.insert(entry.id, dead);
        if self.options.dead_letter.is_some() {
            self.effects.outbox.push(entry.id);
        }
        if let Some(key) = entry.key {
            self.leave_key(key, entry.id, env);
        }
    }

    pub(crate) fn dead_letter(&self, id: u64) -> Option<DeadLetter> {
        self.dead.get(&id).map(|dead| DeadLetter { chunk: dead.chunk, attempts: dead.attempts })
    }

    /// A dead letter is somewhere else now.
    pub(crate) fn remove_dead(&mut self, id: u64, env: &mut Env<'_>) {
        if let Some(dead) = self.dead.remove(&id) {
            env.log.unpin(id, dead.chunk);
        }
    }

    /// The last consumer of a dead letter did finish it, if late.
    pub(super) fn finish_dead(&mut self, receipt: Receipt, env: &mut Env<'_>) -> bool {
        let found = self.dead.get(&receipt.id).is_some_and(|dead| dead.delivery == receipt.delivery);
        if found {
            self.remove_dead(receipt.id, env);
        }
        found
    }

    /// Makes dead letters ready again, those named or all, with no attempts behind them; answers how many.
    pub(crate) fn redrive(&mut self, ids: Option<Vec<u64>>, env: &mut Env<'_>) -> u64 {
        let mut ids = ids.unwrap_or_else(|| self.dead.keys().copied().collect());
        ids.sort_unstable();
        ids.into_iter().filter(|id| self.redrive_one(*id, env)).count() as u64
    }

    fn redrive_one(&mut self, id: u64, env: &mut Env<'_>) -> bool {
        let Some(dead) = self.dead.remove(&id) else { return false };
        let facts = Facts { due: None, ..self.facts(id, dead.chunk, &env.log.record(id, dead.chunk)) };
        if id >= self.cursor.id() {
            self.gaps.remove(id, u64::from(dead.size));
        }
        if facts.expires.is_some_and(|expires| expires <= env.now) {
            self.counts.expired += 1;
            if id >= self.cursor.id() {
                self.skip(id, id + 1, u64::from(dead.size));
            }
            env.log.unpin(id, dead.chunk);
            return true;
        }
        if let Some(key) = facts.key {
            self.join_key(key, id);
        }
        let slot = self.depart_pinned(&facts);
        // A late finish is still welcome, but a delivery number is used once.
        self.entries[slot as usize].delivery = dead.delivery;
        self.make_ready(slot);
        true
    }

    /// Drops the dead letters; answers how many.
    pub(crate) fn drop_dead(&mut self, env: &mut Env<'_>) -> u64 {
        let dead = core::mem::take(&mut self.dead);
        for (&id, dead) in &dead {
            env.log.unpin(id, dead.chunk);
        }
        dead.len() as u64
    }
}
