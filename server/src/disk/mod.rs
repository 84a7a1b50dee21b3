//! The disk of a server: the logs of all its topics, in one directory ([`layout`](crate::layout) says what is where).
//!
//! ```text
//!  request threads ── wake ──> writer ──> syncers: several logs at once ──> done
//!                                │  └───> removals, topics that are opened again ──> opened
//!  request threads ── read ──> readers ─────────────────────────────────> read_done
//! ```
//!
//! Read in this order: `fs` (what is asked of a file system), `dir` (the directory and its lock), `open` (from its files to
//! the topics), `writer` and what it uses (`files`, `flow`, `syncing`, `syncs`, `together`, `stalled`, `troubled`, `tasks`), `reader` and `index`.
//!
//! A log that could not be written or synced is closed, and opened again from what the device has; what could not be
//! written for a reason that passes waits until it can be. Other topics go on meanwhile.

mod ballast;
mod copy;
mod dir;
mod files;
mod flow;
pub mod fs;
mod holds;
mod import;
mod index;
mod known_time;
mod lru;
mod open;
mod queue;
mod reader;
mod removal;
mod space;
mod stalled;
mod syncing;
mod syncs;
mod takes;
pub mod tasks;
#[cfg(test)]
mod tests;
mod together;
mod troubled;
mod wake_up;
mod writer;

use std::fmt;
use std::io;
use std::mem;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use shelfmq_core::command::TopicTrouble;
use shelfmq_core::log::{Loaded, LogCommand, LogId, Read, Recovered};
use shelfmq_core::name::Name;
use shelfmq_core::time::Time;

use crate::duration_arg::DurationArg;
pub use copy::{LogCopy, replay_export};
pub use dir::{DataDir, Unusable};
use files::Reach;
pub use import::{Import, ImportError};
pub use open::{Found, Segment, replay};
use reader::Readers;
use tasks::{Lane, Tasks, Threads};
use wake_up::WakeUp;
pub use writer::Writer;

/// The engines whose logs are kept here, as the disk sees them. Every method locks one shard for a moment.
pub trait Logs: fmt::Debug + Send + std::marker::Sync + 'static {
    /// How many shards there are.
    fn shards(&self) -> usize;
    /// Takes what waits to be written in one shard, in order. How often that was done.
    fn take(&self, shard: usize, work: &mut Vec<LogCommand>) -> u64;
    /// Tells a shard that what was taken of it up to this time outlives the process, but for what cannot be written for now.
    fn written(&self, shard: usize, take: u64);
    /// Tells a shard what became of its appends and deletes.
    fn done(&self, shard: usize, done: &[Done]);
    /// Tells a shard what a read brought; `None` where the file cannot be read.
    fn read_done(&self, shard: usize, read: &Read, loaded: Option<Loaded>);
    /// Hands a topic over that was opened again: instead of the one that has this log, unless that was deleted meanwhile;
    /// `None` where it could not be opened before.
    fn opened(&self, shard: usize, log: Option<LogId>, topic: &Name<'static>, recovered: Recovered);
    /// Tells all shards whether the disk is full, or as good as.
    fn space(&self, full: bool);
    /// Tells what is wrong with a topic; `None` where nothing is any more.
    fn unwell(&self, shard: usize, topic: &Name<'static>, unwell: Option<Unwell>);
}

/// What became of the appends of a log, or of its deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The log.
    pub log: LogId,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as durable as was promised, up to there; `u64::MAX` where the log is gone.
    Stored(u64),
    /// It takes long. It may still be stored.
    Late,
    /// What the log has at its end is not known. Nothing more goes there.
    Unknown,
}

/// What is wrong with a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// In a sentence.
    pub why: String,
    /// What that means for it.
    pub state: TopicTrouble,
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
    dir: Arc<DataDir>,
    reach: Arc<Reach>,
    min_free_bytes: u64,
    wake_up: Arc<WakeUp>,
    readers: Arc<Readers>,
    /// The writer's, as long as it is there.
    tasks: Weak<dyn Tasks>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How many reads are served at once.
const READERS: usize = 2;

/// The parts of a disk, without the threads that run them: whoever has them decides when each does something.
#[derive(Debug)]
pub struct Parts {
    /// Writes.
    pub writer: Writer,
    dir: Arc<DataDir>,
    reach: Arc<Reach>,
    readers: Arc<Readers>,
    wake_up: Arc<WakeUp>,
}

impl Parts {
    /// Those of this directory, for these engines.
    pub fn new(dir: DataDir, options: DiskOptions, logs: Arc<dyn Logs>, tasks: Arc<dyn Tasks>, now: Instant) -> Self {
        let wake_up = Arc::new(WakeUp::new(logs.shards()));
        let (dir, reach) = (Arc::new(dir), Arc::new(Reach::default()));
        let readers = Arc::new(Readers::new(Arc::clone(&dir), Arc::clone(&logs), Arc::clone(&reach)));
        let parts = (Arc::clone(&wake_up), Arc::clone(&readers));
        let writer = Writer::new(Arc::clone(&dir), options, logs, parts, (Arc::clone(&reach), tasks), now);
        Parts { writer, dir, reach, readers, wake_up }
    }

    /// There is something to be written in this shard.
    pub fn wake(&self, shard: usize) {
        self.wake_up.ring(shard, false);
    }

    /// Nothing more is to come: what cannot be written now is given up.
    pub fn stop(&self) {
        self.wake_up.stop();
    }

    /// Reads this, and tells its engine.
    pub fn read(&self, shard: usize, read: &Read) {
        self.readers.serve(shard, read);
    }
}

impl Disk {
    /// Begins to write and read. The directory stays locked until it ends. Topics that could not be opened are tried again.
    pub(crate) fn start(
        dir: DataDir,
        options: DiskOptions,
        logs: Arc<dyn Logs>,
        aside: Vec<(usize, Name<'static>, String)>,
    ) -> Self {
        let (now, tasks) = (Instant::now(), Arc::new(Threads::start()));
        let Parts { mut writer, dir, reach, readers, wake_up } =
            Parts::new(dir, options, logs, Arc::clone(&tasks) as Arc<dyn Tasks>, now);
        let readings = (0..READERS).map(|_| {
            let readers = Arc::clone(&readers);
            spawn("reader", move || readers.run())
        });
        let mut threads: Vec<_> = readings.collect();
        writer.set_aside(aside, now);
        let tasks_of_writer = Arc::downgrade(&(Arc::clone(&tasks) as Arc<dyn Tasks>));
        threads.push({
            let wake_up = Arc::clone(&wake_up);
            spawn("writer", move || Desk::new(writer, tasks, wake_up).run())
        });
        let DiskOptions { min_free_bytes, .. } = options;
        let threads = Mutex::new(threads);
        Disk { dir, reach, min_free_bytes, wake_up, readers, tasks: tasks_of_writer, threads }
    }

    /// Notes what time it is: the last that there is no reason to doubt.
    pub(crate) fn note_time(&self, sure: Time) {
        let dir = Arc::clone(&self.dir);
        match self.tasks.upgrade() {
            Some(tasks) => tasks.push(Lane::Slow, Box::new(move || dir.note_time(sure))),
            None => dir.note_time(sure),
        }
    }

    /// The files of a topic's log as they are now, to be read while it goes on.
    pub(crate) fn copy(&self, shard: usize, log: LogId, topic: &Name<'_>) -> io::Result<LogCopy> {
        LogCopy::of_running(&self.dir, &self.reach, &self.wake_up, Key { shard, log }, topic)
    }

    /// Removes the files of a topic that was imported and is not served.
    pub(crate) fn remove(&self, topic: &Name<'_>) {
        match self.dir.take_away(topic) {
            Ok(Some(path)) => removal::remove_topic(&self.dir, &path),
            Ok(None) => {}
            Err(error) => tracing::error!(%topic, %error, "what was imported cannot be removed"),
        }
    }

    /// Takes in an exported log, of this topic. Nothing has the topic's name until it is [placed](Import::place).
    pub(crate) fn import(&self, topic: &Name<'_>, from: &mut dyn io::Read) -> Result<Import<'_>, ImportError> {
        self.dir.import(Some(topic), from, self.min_free_bytes)
    }

    /// There is something to be written in this shard. `awaited`: somebody waits until it is written, and does not wait
    /// for a sync.
    pub(crate) fn wake(&self, shard: usize, awaited: bool) {
        self.wake_up.ring(shard, awaited);
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

/// How often what came is written while the one who writes syncs.
const BESIDE: Duration = Duration::from_millis(1);
/// How long somebody stays awake for that once it was over.
const AWAKE: u32 = 100;

/// Where the writer is, for two threads: one makes the turns and does the first sync of each itself, for then nobody has to be
/// woken for it; while that takes its time, the other makes turns, so that what comes is written meanwhile.
struct Desk {
    writer: Mutex<Writer>,
    tasks: Arc<dyn Tasks>,
    wake_up: Arc<WakeUp>,
    /// The second thread sleeps until it is woken.
    is_asleep: AtomicBool,
    is_over: AtomicBool,
}

impl Desk {
    fn new(writer: Writer, tasks: Arc<dyn Tasks>, wake_up: Arc<WakeUp>) -> Arc<Self> {
        let writer = Mutex::new(writer);
        let (is_asleep, is_over) = Default::default();
        Arc::new(Desk { writer, tasks, wake_up, is_asleep, is_over })
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes until all is done after it was told to stop.
    fn run(self: Arc<Self>) {
        let wake_up = &self.wake_up;
        let other = {
            let desk = Arc::clone(&self);
            spawn("writer-beside", move || desk.run_beside())
        };
        wake_up.belongs_to(thread::current(), other.thread().clone());
        let mut is_tidy = false;
        loop {
            let (wait, own, is_idle) = {
                let mut writer = self.lock();
                let wait = writer.turn(Instant::now());
                (wait, writer.take_own(), wake_up.is_stopping() && writer.is_idle())
            };
            if let Some(task) = own {
                wake_up.set_syncing(true);
                if self.is_asleep.load(SeqCst) {
                    wake_up.wake_beside();
                }
                task();
                wake_up.set_syncing(false);
            } else if !is_idle {
                wake_up.wait(wait);
            } else if mem::replace(&mut is_tidy, true) {
                break;
            } else {
                self.lock().tidy();
            }
        }
        self.lock().close();
        self.is_over.store(true, SeqCst);
        wake_up.wake_beside();
        // If it panicked, it has said so.
        let _ = other.join();
    }

    fn run_beside(&self) {
        let mut idle = 0;
        while !self.is_over.load(SeqCst) {
            if self.wake_up.is_syncing() {
                idle = 0;
                let own = {
                    let mut writer = self.lock();
                    writer.turn(Instant::now());
                    writer.take_own()
                };
                // This one is to be there for what comes next.
                if let Some(task) = own {
                    self.tasks.push(Lane::Sync, task);
                }
            } else if idle > AWAKE {
                self.is_asleep.store(true, SeqCst);
                if !self.wake_up.is_syncing() && !self.is_over.load(SeqCst) {
                    thread::park();
                }
                self.is_asleep.store(false, SeqCst);
                idle = 0;
            }
            idle += 1;
            thread::park_timeout(BESIDE);
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let builder = thread::Builder::new().name(format!("disk-{name}"));
    builder.spawn(run).expect("a thread can be started where a server starts")
}
