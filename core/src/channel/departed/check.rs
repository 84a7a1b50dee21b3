//! What holds of all that departed after every change of it.

use super::{Departed, Entry, State};

impl Departed {
    /// Whether all counts and indexes are what follows from the states. O(entries): for tests.
    pub(in crate::channel) fn check(&self) {
        let all = || self.by_id.values().map(|&slot| self.get(slot));
        let count = |is: &dyn Fn(&Entry) -> bool| all().filter(|entry| is(entry)).count();
        let bytes = |is: &dyn Fn(&Entry) -> bool| -> u64 {
            all().filter(|entry| is(entry)).fold(0, |sum, entry| sum.saturating_add(entry.size.into()))
        };
        let in_flight = |entry: &Entry| matches!(entry.state, State::InFlight(_));
        let is_waiting = |entry: &Entry| matches!(entry.state, State::Ready | State::Held);
        let deferred = |entry: &Entry| matches!(entry.state, State::Deferred(_));
        assert_eq!(self.entries.len(), self.by_id.len());
        assert!(self.by_id.iter().all(|(&id, &slot)| self.get(slot).id == id));
        assert_eq!(self.in_flight as usize, count(&in_flight));
        assert_eq!(self.deferred as usize, count(&deferred));
        assert_eq!(self.deadlines.len(), (self.in_flight + self.deferred) as usize);
        assert_eq!(self.ready.len() as usize, count(&|entry| entry.state == State::Ready));
        assert!(self.waiting.iter().eq(all().filter(|entry| is_waiting(entry)).map(|entry| entry.id)));
        assert!(self.dead.iter().eq(all().filter(|entry| entry.is_dead()).map(|entry| entry.id)));
        assert_eq!(self.bytes, bytes(&|entry| !entry.is_dead()));
        assert_eq!(self.busy_bytes, bytes(&|entry| in_flight(entry) || deferred(entry)));
        let queued = if self.ordered { count(&|entry| !entry.is_dead() && entry.key.is_some()) } else { 0 };
        assert_eq!(queued, self.keys.values().map(|queue| queue.ids.len()).sum::<usize>());
        for &slot in self.by_id.values() {
            assert!(self.is_where_it_should(slot), "{:?}", self.get(slot));
        }
    }
}
