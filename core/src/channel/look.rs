//! Looking at a channel without changing it.

use alloc::vec::Vec;

use super::{Channel, Spot};
use crate::command::{ChannelStats, Filter, Peeked, State};
use crate::config::Limits;
use crate::messages::Absent;
use crate::time::Time;

impl Channel {
    pub(crate) fn stats(&self, filter: &Filter<'_>, flow: u64, now: Time, limits: &Limits) -> ChannelStats {
        let timeout = limits.client_timeout;
        ChannelStats {
            name: self.name.as_str().into(),
            depth: self.depth(flow),
            in_flight: self.in_flight.into(),
            deferred: self.deferred.into(),
            dead: self.dead.len() as u64,
            message_count: flow.saturating_sub(self.since),
            finish_count: self.counts.finished,
            requeue_count: self.counts.requeued,
            timeout_count: self.counts.timed_out,
            expired_count: self.counts.expired,
            dropped_count: self.counts.dropped,
            latency: self.counts.latencies.tell(now),
            waiting: self.pollers.len().into(),
            client_count: self.clients.count(now, timeout),
            clients: filter.clients.then(|| self.clients.stats(now, timeout)),
            paused: self.paused,
            position: self.cursor.id(),
            options: self.options.clone(),
        }
    }

    /// Messages in this state, from this id on, in the order of their ids. `show` is given an id, and its
    /// chunk where that is known.
    pub(crate) fn peek(
        &self,
        state: State,
        from: u64,
        max: usize,
        flow: u64,
        show: &dyn Fn(u64, Option<u64>) -> Result<Option<Peeked>, Absent>,
    ) -> Result<Vec<Peeked>, Absent> {
        let show = |id: u64, chunk: Option<u64>, attempts: u16, until: Option<Time>| {
            let shown = show(id, chunk)?;
            Ok(shown.map(|peeked| Peeked { state: Some(state), attempts, until, ..peeked }))
        };
        let entry = |slot: u32| {
            let entry = &self.entries[slot as usize];
            show(entry.id, Some(entry.chunk), entry.attempts, self.until(slot))
        };
        let all = |found: &mut dyn Iterator<Item = Result<Option<Peeked>, Absent>>| {
            found.filter_map(Result::transpose).take(max).collect()
        };
        match state {
            State::Ready => all(&mut self.ready_ids(from, flow).map(|id| match self.by_id.get(&id) {
                Some(&slot) => entry(slot),
                None => show(id, None, 0, None),
            })),
            State::Dead => {
                all(&mut self.dead.range(from..).map(|(&id, dead)| show(id, Some(dead.chunk), dead.attempts, None)))
            }
            State::InFlight | State::Deferred => {
                let here = |slot: &u32| match self.entries[*slot as usize].spot {
                    Spot::InFlight(_) => state == State::InFlight,
                    Spot::Deferred(_) => state == State::Deferred,
                    Spot::Ready | Spot::Held => false,
                };
                all(&mut self.by_id.range(from..).map(|(_, &slot)| slot).filter(here).map(entry))
            }
        }
    }

    /// The ids of what waits for a consumer, from this one on, in order.
    fn ready_ids(&self, from: u64, flow: u64) -> impl Iterator<Item = u64> + '_ {
        let mut waiting = self.waiting.range(from..).peekable();
        let mut fresh = from.max(self.cursor.id());
        core::iter::from_fn(move || {
            while fresh < flow {
                match self.gaps.end_of(fresh) {
                    Some(end) => fresh = end,
                    None if self.ahead > 0 && self.by_id.contains_key(&fresh) => fresh += 1,
                    None if self.dead_ahead > 0 && self.dead.contains_key(&fresh) => fresh += 1,
                    None => break,
                }
            }
            if waiting.peek().is_some_and(|id| *id < fresh || fresh >= flow) {
                return waiting.next();
            }
            fresh += 1;
            (fresh <= flow).then_some(fresh - 1)
        })
    }
}
