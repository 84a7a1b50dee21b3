//! Topics that were deleted, and whose files are not out of the way yet: what takes such a name waits for that.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use shelfmq_core::log::{LogCommand, LogId};
use shelfmq_core::name::Name;

use crate::disk::{Done, Outcome};

/// How often it is looked whether what is waited for has come.
const LOOK: Duration = Duration::from_millis(2);

/// What the disk was told to delete and has not.
#[derive(Debug)]
pub(crate) struct Deletions {
    /// By shard: how often the disk took all that was to be written.
    takes: Vec<AtomicU64>,
    under_way: Mutex<HashMap<(usize, LogId), Name<'static>>>,
}

impl Deletions {
    pub(crate) fn new(shards: usize) -> Self {
        Deletions { takes: (0..shards).map(|_| AtomicU64::new(0)).collect(), under_way: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, LogId), Name<'static>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk took all that a shard had for it. Called under the shard's lock.
    pub(crate) fn taken(&self, shard: usize, work: &[LogCommand]) {
        let deletes = work.iter().filter_map(|work| match work {
            LogCommand::Delete(delete) => Some(((shard, delete.log), delete.topic.clone())),
            LogCommand::Append(_) | LogCommand::Truncate(_) => None,
        });
        let mut deletes = deletes.peekable();
        if deletes.peek().is_some() {
            self.lock().extend(deletes);
        }
        self.takes[shard].fetch_add(1, SeqCst);
    }

    /// The disk has done this.
    pub(crate) fn done(&self, shard: usize, done: &[Done]) {
        for done in done.iter().filter(|done| done.outcome == Outcome::Stored(u64::MAX)) {
            self.lock().remove(&(shard, done.log));
        }
    }

    /// Waits until nothing is to be deleted any more of what was told a shard's engine to delete before this, and has this
    /// name; whether that came in time. `wake` has the disk take what the shard has for it.
    pub(crate) fn wait(&self, shard: usize, topic: &Name<'_>, limit: Duration, wake: impl FnOnce()) -> bool {
        let (before, start) = (self.takes[shard].load(SeqCst), Instant::now());
        wake();
        while self.takes[shard].load(SeqCst) == before
            || self.lock().iter().any(|((of, _), name)| *of == shard && name.as_str() == topic.as_str())
        {
            if start.elapsed() > limit {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }
}
