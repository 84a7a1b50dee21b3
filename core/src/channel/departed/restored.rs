//! Entries as a checkpoint has them. Where each is found, what is counted of them and which wait behind which follows from
//! their states: none of that is in it.

use super::{Departed, Entry, State};

impl Departed {
    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing it can have come to.
    pub(crate) fn restored(&mut self) -> Option<()> {
        self.clients.restored()?;
        if !self.entries.is_sound() || !self.deadlines.is_sound() {
            return None;
        }
        let mut ready = 0;
        for (slot, &Entry { id, state, size, .. }) in self.entries.iter() {
            if self.by_id.insert(id, slot).is_some() {
                return None;
            }
            let size = if state == State::Dead { 0 } else { u64::from(size) };
            self.bytes = self.bytes.saturating_add(size);
            match state {
                State::InFlight(deadline) | State::Deferred(deadline) => {
                    self.deadlines.get(deadline).filter(|(_, of)| **of == slot)?;
                    self.busy_bytes = self.busy_bytes.saturating_add(size);
                    let is_leased = matches!(state, State::InFlight(_));
                    *if is_leased { &mut self.in_flight } else { &mut self.deferred } += 1;
                }
                State::Ready | State::Held => {
                    ready += u32::from(state == State::Ready);
                    self.waiting.insert(id);
                }
                State::Dead => self.dead.insert(id),
            }
        }
        let has_all_deadlines = self.deadlines.len() == (self.in_flight + self.deferred) as usize;
        let are_in_line = self.ready.len() == ready
            && self.ready.is_sound(&mut self.entries, |entry| entry.state == State::Ready)
            && self.join_keys().into_iter().all(|slot| self.is_where_it_should(slot));
        (has_all_deadlines && are_in_line).then_some(())
    }
}
