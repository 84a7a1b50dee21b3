//! Looking at a channel without changing it.

use alloc::vec::Vec;

use super::Channel;
use super::departed::{Entry, State as Is};
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
            in_flight: self.departed.in_flight().into(),
            deferred: self.departed.deferred().into(),
            dead: self.departed.dead(),
            message_count: flow.saturating_sub(self.since),
            finish_count: self.counts.finished,
            requeue_count: self.counts.requeued,
            timeout_count: self.counts.timed_out,
            expired_count: self.counts.expired,
            dropped_count: self.counts.dropped,
            latency: self.latencies.tell(now),
            waiting: self.pollers.len().into(),
            client_count: self.departed.clients.count(now, timeout),
            clients: filter.clients.then(|| self.departed.clients.stats(now, timeout)),
            paused: self.paused,
            position: self.backlog.id(),
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
        let entry = |entry: &Entry| {
            let until = self.departed.find(entry.id).and_then(|slot| self.departed.until(slot));
            show(entry.id, Some(entry.chunk), entry.attempts, until)
        };
        let all = |found: &mut dyn Iterator<Item = Result<Option<Peeked>, Absent>>| {
            found.filter_map(Result::transpose).take(max).collect()
        };
        match state {
            State::Ready => all(&mut self.ready_ids(from, flow).map(|id| match self.departed.entry(id) {
                Some(waiting) => entry(waiting),
                None => show(id, None, 0, None),
            })),
            State::Dead => all(&mut self.departed.dead_from(from).filter_map(|id| self.departed.entry(id)).map(entry)),
            State::InFlight | State::Deferred => {
                let here = |entry: &&Entry| match entry.state() {
                    Is::InFlight(_) => state == State::InFlight,
                    Is::Deferred(_) => state == State::Deferred,
                    Is::Ready | Is::Held | Is::Dead => false,
                };
                all(&mut self.departed.from(from).filter(here).map(entry))
            }
        }
    }

    /// The ids of what waits for a consumer, from this one on, in order.
    fn ready_ids(&self, from: u64, flow: u64) -> impl Iterator<Item = u64> + '_ {
        let mut waiting = self.departed.waiting_from(from).peekable();
        let mut fresh = from.max(self.backlog.id());
        core::iter::from_fn(move || {
            while fresh < flow {
                match self.backlog.end_of_gap(fresh) {
                    Some(end) => fresh = end,
                    None if self.departed.find(fresh).is_some() => fresh += 1,
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
