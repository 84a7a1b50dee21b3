//! Syncs files to the disk, several at once.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use smallvec::SmallVec;

use super::dir::sync_directory;
use super::wake_up::WakeUp;
use super::{Key, spawn};

/// How many files are synced at once. Most of the time they wait for the disk, not for a processor.
pub(super) const AT_ONCE: usize = 16;

/// A file to be synced.
#[derive(Debug)]
pub(super) struct Step {
    /// The number of the segment.
    pub(super) number: u32,
    pub(super) file: Arc<File>,
    /// What it is called until then and from then on.
    pub(super) rename: Option<(PathBuf, PathBuf)>,
    /// The directory that has it, where the file is new.
    pub(super) directory: Option<PathBuf>,
    /// Its length was cut.
    pub(super) cut: bool,
}

/// The files of one log, to be synced one after another: no segment has its name before the one before is durable.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) steps: SmallVec<[Step; 1]>,
}

impl Job {
    pub(super) fn run(&self) -> io::Result<()> {
        for step in &self.steps {
            if step.directory.is_some() || step.cut {
                step.file.sync_all()?;
            } else {
                step.file.sync_data()?;
            }
            if let Some((from, to)) = &step.rename {
                fs::rename(from, to)?;
            }
            if let Some(directory) = &step.directory {
                sync_directory(directory)?;
            }
        }
        Ok(())
    }
}

/// Jobs that are done together.
pub(super) struct Batch {
    jobs: Vec<Job>,
    results: Vec<OnceLock<io::Result<()>>>,
    next: AtomicUsize,
    left: AtomicUsize,
}

impl Batch {
    fn new(jobs: Vec<Job>) -> Self {
        let results = jobs.iter().map(|_| OnceLock::new()).collect();
        let left = AtomicUsize::new(jobs.len());
        Batch { jobs, results, next: AtomicUsize::new(0), left }
    }

    /// Does one of the jobs; false where none is left to begin with.
    fn work(&self, wake_up: &WakeUp) -> bool {
        let index = self.next.fetch_add(1, SeqCst);
        let Some(job) = self.jobs.get(index) else { return false };
        // Each index is given out once.
        let _ = self.results[index].set(job.run());
        if self.left.fetch_sub(1, SeqCst) == 1 {
            wake_up.ring_other();
        }
        true
    }

    pub(super) fn is_done(&self) -> bool {
        self.left.load(SeqCst) == 0
    }

    /// Whose files could not be synced. To be asked once it is done.
    pub(super) fn failures(&self) -> impl Iterator<Item = (Key, &io::Error)> {
        self.jobs.iter().zip(&self.results).filter_map(|(job, result)| Some((job.key, result.get()?.as_ref().err()?)))
    }
}

/// The threads that sync.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    wake_up: Arc<WakeUp>,
}

#[derive(Default)]
struct State {
    batches: VecDeque<Arc<Batch>>,
    stopping: bool,
}

impl Pool {
    pub(super) fn new(wake_up: Arc<WakeUp>) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), more: Condvar::new(), wake_up });
        let threads = (1..AT_ONCE).map(|_| {
            let shared = Arc::clone(&shared);
            spawn("sync", move || shared.run())
        });
        let threads = threads.collect();
        Pool { shared, threads }
    }

    /// Does these jobs while the caller does something else; the bell rings when they are done.
    pub(super) fn begin(&self, jobs: Vec<Job>) -> Arc<Batch> {
        let helpers = jobs.len().min(self.threads.len());
        let batch = Arc::new(Batch::new(jobs));
        self.hand_out(&batch, helpers);
        batch
    }

    /// Does these jobs, and comes back when they are done.
    pub(super) fn run(&self, jobs: Vec<Job>) -> Arc<Batch> {
        let helpers = (jobs.len() - jobs.len().min(1)).min(self.threads.len());
        let batch = Arc::new(Batch::new(jobs));
        self.hand_out(&batch, helpers);
        while batch.work(&self.shared.wake_up) {}
        self.wait(&batch);
        batch
    }

    fn hand_out(&self, batch: &Arc<Batch>, helpers: usize) {
        if helpers == 0 {
            return;
        }
        self.shared.lock().batches.push_back(Arc::clone(batch));
        for _ in 0..helpers {
            self.shared.more.notify_one();
        }
    }

    /// Waits until they are done.
    pub(super) fn wait(&self, batch: &Batch) {
        while !batch.is_done() {
            self.shared.wake_up.wait_for_other(|| batch.is_done());
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let batch = {
                let mut state = self.lock();
                loop {
                    if let Some(batch) = state.batches.front() {
                        break Arc::clone(batch);
                    }
                    if state.stopping {
                        return;
                    }
                    state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            if !batch.work(&self.wake_up) {
                let mut state = self.lock();
                state.batches.retain(|other| !Arc::ptr_eq(other, &batch));
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.more.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}
