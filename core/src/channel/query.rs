//! Looking at a channel without changing it.

use super::Channel;
use super::departed::{Entry, State as Is};
use crate::command::{ChannelStats, Filter, Peeked, State};
use crate::config::Limits;
use crate::messages::NotCached;
use crate::time::Time;

impl Channel {
    pub(crate) fn stats(&self, filter: &Filter<'_>, high_watermark: u64, now: Time, limits: &Limits) -> ChannelStats {
        let timeout = limits.client_timeout;
        ChannelStats {
            name: self.name.as_str().into(),
            depth: self.depth(high_watermark),
            in_flight: self.departed.in_flight().into(),
            deferred: self.departed.deferred().into(),
            dead: self.departed.dead(),
            message_count: high_watermark.saturating_sub(self.since),
            finish_count: self.counts.finished,
            requeue_count: self.counts.requeued,
            timeout_count: self.counts.timed_out,
            expired_count: self.counts.expired,
            dropped_count: self.counts.dropped,
            latency: self.latencies.report(now),
            waiting: self.pollers.len().into(),
            client_count: self.departed.clients.count(now, timeout),
            clients: filter.clients.then(|| self.departed.clients.stats(now, timeout)),
            paused: self.paused,
            position: self.backlog.id(),
            options: self.options.clone(),
        }
    }

    /// Messages in this state, from this id on, in the order of their ids, as long as `add` takes them: else the id of the
    /// first that it did not. `show` is given an id, and its chunk where that is known.
    pub(crate) fn peek(
        &self,
        state: State,
        from: u64,
        high_watermark: u64,
        show: &dyn Fn(u64, Option<u64>) -> Result<Option<Peeked>, NotCached>,
        add: &mut dyn FnMut(Peeked) -> Result<(), u64>,
    ) -> Result<Option<u64>, NotCached> {
        let here = |entry: &&Entry| match entry.state() {
            Is::InFlight(_) => state == State::InFlight,
            Is::Deferred(_) => state == State::Deferred,
            Is::Ready | Is::Held | Is::Dead => false,
        };
        let ids: &mut dyn Iterator<Item = u64> = match state {
            State::Ready => &mut self.ready_ids(from, high_watermark),
            State::Dead => &mut self.departed.dead_from(from),
            State::InFlight | State::Deferred => &mut self.departed.from(from).filter(here).map(|entry| entry.id),
        };
        for id in ids {
            let entry = self.departed.entry(id);
            let until = entry.and_then(|entry| self.departed.until(entry));
            // What cannot be read any more is not shown, nor counted as one of the page.
            let Some(shown) = show(id, entry.map(|entry| entry.chunk))? else { continue };
            let attempts = entry.map_or(0, |entry| entry.attempts);
            if let Err(next) = add(Peeked { state: Some(state), attempts, until, ..shown }) {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Bytes of memory that its entries take.
    pub(crate) fn memory(&self) -> usize {
        self.departed.memory()
    }

    /// The ids of what waits for a consumer, from this one on, in order.
    fn ready_ids(&self, from: u64, high_watermark: u64) -> impl Iterator<Item = u64> + '_ {
        // Two ascending rows become one: entries that wait, and what the cursor has yet to come to. The first are not
        // all before the second: what was deferred may have fallen due ahead of the cursor.
        let mut waiting = self.departed.waiting_from(from).peekable();
        let mut fresh = from.max(self.backlog.id());
        core::iter::from_fn(move || {
            while fresh < high_watermark {
                match self.backlog.end_of_gap(fresh) {
                    Some(end) => fresh = end,
                    // An entry, in whatever state: it is in the other row, or in none of this state.
                    None if self.departed.find(fresh).is_some() => fresh += 1,
                    None => break,
                }
            }
            if waiting.peek().is_some_and(|id| *id < fresh || fresh >= high_watermark) {
                return waiting.next();
            }
            let next = fresh;
            fresh = fresh.saturating_add(1);
            (next < high_watermark).then_some(next)
        })
    }
}
