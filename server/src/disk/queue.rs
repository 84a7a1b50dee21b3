//! What waits for threads that do one after another of it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    more: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    stopping: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { state: Mutex::new(State { items: VecDeque::new(), stopping: false }), more: Condvar::new() }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, item: T) {
        self.lock().items.push_back(item);
        self.more.notify_one();
    }

    /// Waits for the next. None once it was stopped.
    pub(super) fn next(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.stopping {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more is to come; `and_rest` says whether what waits is still given out.
    pub(super) fn stop(&self, and_rest: bool) {
        let mut state = self.lock();
        state.stopping = true;
        if !and_rest {
            state.items.clear();
        }
        drop(state);
        self.more.notify_all();
    }
}
