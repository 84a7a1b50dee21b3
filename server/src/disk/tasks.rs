//! What takes long is done beside the writer: by threads, or, in tests, whenever the test likes.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::queue::Queue;
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
    sync: Arc<Queue<Task>>,
    slow: Arc<Queue<Task>>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start() -> Self {
        let (sync, slow) = (Arc::<Queue<Task>>::default(), Arc::<Queue<Task>>::default());
        let worker = |name, queue: &Arc<Queue<Task>>| {
            let queue = Arc::clone(queue);
            spawn(name, move || {
                while let Some(task) = queue.next() {
                    task();
                }
            })
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
