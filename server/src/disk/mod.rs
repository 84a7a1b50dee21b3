//! The disk of a server: the logs of all its topics, in one directory ([`layout`](crate::layout) says what is where).
//!
//! ```text
//!  request threads ── wake ──> writer ── one sync per dirty file ──> done
//!                                │  ├── syncers: several files at once
//!                                │  └── janitor: removes files
//!  request threads ── read ──> readers ────────────────────────────> read_done
//! ```
//!
//! Read in this order: `dir` (the directory and its lock), `open` (from its files to the topics), `writer` and
//! what it uses (`files`, `syncing`, `space`, `janitor`), `reader` and `index`.
//!
//! One thread writes for all topics. What comes while it writes and syncs waits in the engines, and is the next group:
//! the more there is to do, the larger the groups. A log that could not be written or synced is failed for good, and
//! nothing more is written to it; a disk that is full is not an error but a state, and the writer waits for its end.

mod dir;
mod files;
mod index;
mod janitor;
mod lru;
mod open;
mod reader;
mod space;
mod syncing;
#[cfg(test)]
mod tests;
mod wake_up;
mod writer;

use std::fmt;
use std::mem;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shelfmq_core::log::{Loaded, LogCommand, LogId, Read};

use crate::duration_arg::DurationArg;
pub use dir::{DataDir, Unusable};
use files::Reach;
pub use open::{Segment, replay};
use reader::Readers;
use wake_up::WakeUp;

/// The engines whose logs are kept here, as the disk sees them. Every method locks one shard for a moment.
pub(crate) trait Logs: Send + std::marker::Sync + 'static {
    /// How many shards there are.
    fn shards(&self) -> usize;
    /// Takes what waits to be written in one shard, in order.
    fn take(&self, shard: usize, work: &mut Vec<LogCommand>);
    /// Tells a shard what became of its appends and deletes.
    fn done(&self, shard: usize, done: &[Done]);
    /// Tells a shard what a read brought; `None` where the file cannot be read.
    fn read_done(&self, shard: usize, read: &Read, loaded: Option<Loaded>);
    /// Tells all shards whether the disk is full, or as good as.
    fn space(&self, full: bool);
    /// Tells that something is wrong, in a sentence. It stays so until the server is started again.
    fn unwell(&self, why: Option<String>);
}

/// What became of the appends of a log, or of its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The log.
    pub(crate) log: LogId,
    /// How far it is as durable as was promised; `u64::MAX` where it is gone. An error where it is not trusted any
    /// more.
    pub(crate) outcome: Result<u64, ()>,
}

/// Names a log among those of all shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    shard: usize,
    log: LogId,
}

/// When what was written is synced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before it counts.
    Always,
    /// In the background, every so often: what is lost with the power is at most about so old.
    Every(Duration),
    /// When the operating system likes; and when the server stops.
    Never,
}

impl FromStr for Sync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Sync::Always),
            "never" => Ok(Sync::Never),
            text => match text.parse() {
                Ok(DurationArg(Duration::ZERO)) => Ok(Sync::Always),
                Ok(DurationArg(every)) => Ok(Sync::Every(every)),
                Err(_) => Err(format!("{text:?} is neither always, never nor a duration as 500ms or 2s")),
            },
        }
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sync::Always => f.write_str("always"),
            Sync::Every(every) => DurationArg(*every).fmt(f),
            Sync::Never => f.write_str("never"),
        }
    }
}

/// How the disk is used.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// When what was written is synced.
    pub sync: Sync,
    /// The disk counts as full while less than this is free, in bytes.
    pub min_free_bytes: u64,
}

impl Default for DiskOptions {
    /// Synced before it counts, on a disk that may be filled to the last byte.
    fn default() -> Self {
        DiskOptions { sync: Sync::Always, min_free_bytes: 0 }
    }
}

/// The logs of a running server. Dropped, it is [shut down](Disk::shutdown).
pub(crate) struct Disk {
    wake_up: Arc<WakeUp>,
    readers: Arc<Readers>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How many reads are served at once.
const READERS: usize = 2;

impl Disk {
    /// Begins to write and read. The directory stays locked until it ends.
    pub(crate) fn start(dir: DataDir, options: DiskOptions, logs: Arc<dyn Logs>) -> Self {
        let dir = Arc::new(dir);
        let wake_up = Arc::new(WakeUp::new(logs.shards()));
        let reach = Arc::new(Reach::default());
        let readers = Arc::new(Readers::new(Arc::clone(&dir), Arc::clone(&logs), Arc::clone(&reach)));
        let readings = (0..READERS).map(|_| {
            let readers = Arc::clone(&readers);
            spawn("reader", move || readers.run())
        });
        let mut threads: Vec<_> = readings.collect();
        threads.push({
            let (wake_up, readers) = (Arc::clone(&wake_up), Arc::clone(&readers));
            spawn("writer", move || writer::Writer::new(dir, options, logs, wake_up, reach, readers).run())
        });
        Disk { wake_up, readers, threads: Mutex::new(threads) }
    }

    /// There is something to be written in this shard.
    pub(crate) fn wake(&self, shard: usize) {
        self.wake_up.ring(shard);
    }

    /// Something is wanted back. What it brings is told by [`Logs::read_done`].
    pub(crate) fn read(&self, shard: usize, read: Read) {
        self.readers.push(shard, read);
    }

    /// Writes and syncs what waits, and ends. Nothing may be published any more.
    pub(crate) fn shutdown(&self) {
        self.wake_up.stop();
        self.readers.stop();
        let threads = mem::take(&mut *self.threads.lock().expect("nothing panics under this lock"));
        // One of them may be the last to hold a broker that goes, and does not wait for itself.
        for thread in threads.into_iter().filter(|thread| thread.thread().id() != thread::current().id()) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = thread::Builder::new().name(format!("disk-{name}"));
    builder.spawn(run).expect("a thread can be started where a server starts")
}
