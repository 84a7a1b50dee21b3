//! Dead letters: messages that came back too often. They are delivered no more until they are redriven, and stay pinned
//! in the log.

use alloc::vec::Vec;

use super::{Channel, ChannelCx};
use crate::log::event::{Event, Ids};

/// A dead letter to be moved to another topic.
pub(crate) struct DeadLetter {
    pub(crate) chunk: u64,
    pub(crate) delivery: u64,
    pub(crate) attempts: u16,
}

impl Channel {
    pub(crate) fn dead_letter(&self, id: u64) -> Option<DeadLetter> {
        let entry = self.departed.entry(id).filter(|entry| entry.is_dead())?;
        Some(DeadLetter { chunk: entry.chunk, delivery: entry.delivery, attempts: entry.attempts })
    }

    /// A dead letter is somewhere else now.
    pub(crate) fn remove_dead(&mut self, id: u64, cx: &mut ChannelCx<'_>) {
        // It may have been redriven or dropped while it was on its way: then there is nothing to take out.
        self.drop_dead(Some(alloc::vec![id]), cx);
    }

    /// Makes dead letters ready again, those named or all, with no attempts behind them; answers how many.
    pub(crate) fn redrive(&mut self, ids: Option<Vec<u64>>, cx: &mut ChannelCx<'_>) -> u64 {
        let ids = self.dead_among(ids);
        // The time goes into the event: whether one of them has expired has to come out the same in a replay.
        let (count, at) = (ids.count(), cx.now.as_nanos());
        if count > 0 {
            self.happen(&Event::Redriven { channel: cx.number.number(), at, ids }, cx);
        }
        count
    }

    /// Drops dead letters, those named or all; answers how many.
    pub(crate) fn drop_dead(&mut self, ids: Option<Vec<u64>>, cx: &mut ChannelCx<'_>) -> u64 {
        let ids = self.dead_among(ids);
        let count = ids.count();
        if count > 0 {
            self.happen(&Event::DeadGone { channel: cx.number.number(), ids }, cx);
        }
        count
    }

    /// The dead letters among these, or all, in the order of their ids.
    fn dead_among(&self, ids: Option<Vec<u64>>) -> Ids {
        // Only what is dead goes into the event, in order and once: events name ids by rows.
        let Some(mut ids) = ids else { return self.departed.dead_from(0).collect() };
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter(|id| self.departed.entry(*id).is_some_and(super::departed::Entry::is_dead)).collect()
    }
}
