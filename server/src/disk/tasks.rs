//! What takes long is done beside the writer: by threads, or, in tests, whenever the test likes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::spawn;

/// Something to be done.
pub type Task = Box<dyn FnOnce() + Send>;

/// Which tasks wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Syncs, several at once.
    Sync,
    /// One after the other, in their order: what is removed, and topics that are opened again.
    Slow,
}

/// Does tasks.
pub trait Tasks: fmt::Debug + Send + Sync {
    /// Has this done, some time.
    fn push(&self, lane: Lane, task: Task);
}

/// How many files are synced at once. Most of the time they wait for the disk, not for a processor.
const SYNCERS: usize = 16;

/// The threads that do tasks, until this is dropped.
#[derive(Debug)]
pub(super) struct Threads {
    sync: Arc<Queue>,
    slow: Arc<Queue>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    stopping: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, task: Task) {
        self.lock().tasks.push_back(task);
        self.more.notify_one();
    }

    fn run(&self) {
        while let Some(task) = self.next() {
            task();
        }
    }

    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.tasks.pop_front() {
                return Some(task);
            }
            if state.stopping {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What was begun is done to its end; `and_rest` says whether all that waits is, too.
    fn stop(&self, and_rest: bool) {
        let mut state = self.lock();
        state.stopping = true;
        if !and_rest {
            state.tasks.clear();
        }
        drop(state);
        self.more.notify_all();
    }
}

impl Threads {
    pub(super) fn start() -> Self {
        let (sync, slow) = (Arc::<Queue>::default(), Arc::<Queue>::default());
        let worker = |name, queue: &Arc<Queue>| {
            let queue = Arc::clone(queue);
            spawn(name, move || queue.run())
        };
        let mut handles: Vec<_> = (0..SYNCERS).map(|_| worker("sync", &sync)).collect();
        handles.push(worker("slow", &slow));
        Threads { sync, slow, handles }
    }
}

impl Tasks for Threads {
    fn push(&self, lane: Lane, task: Task) {
        match lane {
            Lane::Sync => self.sync.push(task),
            Lane::Slow => self.slow.push(task),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.sync.stop(true);
        // What is still to be removed is found again at the next start.
        self.slow.stop(false);
        for thread in self.handles.drain(..).filter(|thread| thread.thread().id() != std::thread::current().id()) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
