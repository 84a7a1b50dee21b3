//! The one thread that writes: it takes what waits in all engines, writes it, makes it durable, and tells them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use shelfmq_core::log::{Append, Delete, LogCommand, Truncate};
use shelfmq_core::name::Name;
use smallvec::SmallVec;

use super::dir::{DataDir, sync_directory};
use super::files::{Files, Reach, Written, is_full, open_limit};
use super::janitor::{Chore, Janitor};
use super::reader::Readers;
use super::space::Space;
use super::syncing::{Batch, Job, Pool, Step};
use super::wake_up::WakeUp;
use super::{DiskOptions, Done, Key, Logs, Sync};

/// How long what nobody waits for stays unsynced, where all is synced.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long to wait for room on a full disk before the next attempt.
const FULL_WAIT: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    dir: Arc<DataDir>,
    sync: Sync,
    logs: Arc<dyn Logs>,
    wake_up: Arc<WakeUp>,
    readers: Arc<Readers>,
    files: Files,
    /// What was taken, in the order in which it is to be done.
    queue: VecDeque<(usize, LogCommand)>,
    taken: Vec<LogCommand>,
    /// What is to be synced before anybody is told.
    unsynced: Unsynced,
    /// What is to be synced some time later, beside other things.
    later: Unsynced,
    /// How far logs are written whose shards are to be told when that is synced.
    later_told: HashMap<Key, u64>,
    /// What each shard is to be told, once it is so.
    done: Vec<Vec<Done>>,
    /// Logs that are not to be trusted any more, and their topics.
    failed: HashMap<Key, Name<'static>>,
    /// The first segment of a log that may not be synced, where nothing is.
    forgotten: HashMap<Key, u32>,
    pool: Pool,
    background: Option<(Arc<Batch>, HashMap<Key, u64>)>,
    next_sync: Instant,
    space: Space,
    janitor: Janitor,
    most_files: usize,
}

/// What was written and not synced.
#[derive(Default)]
struct Unsynced {
    jobs: Vec<Job>,
    /// Where each log's job is.
    places: HashMap<Key, usize>,
    /// How many files there are.
    files: usize,
    /// Logs whose topics' directories are new or gone.
    renamed: HashMap<Key, Name<'static>>,
}

impl Unsynced {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.renamed.is_empty()
    }

    fn push(&mut self, key: Key, step: Step) {
        let place = *self.places.entry(key).or_insert_with(|| {
            self.jobs.push(Job { key, steps: SmallVec::new() });
            self.jobs.len() - 1
        });
        let steps = &mut self.jobs[place].steps;
        if let Some(known) = steps.iter_mut().find(|known| known.number == step.number) {
            known.cut |= step.cut;
        } else {
            self.files += 1;
            steps.push(step);
        }
    }

    /// Takes out what there is of a log.
    fn remove(&mut self, key: Key) -> Option<Job> {
        let place = self.places.remove(&key)?;
        let job = self.jobs.swap_remove(place);
        if let Some(moved) = self.jobs.get(place) {
            self.places.insert(moved.key, place);
        }
        self.files -= job.steps.len();
        Some(job)
    }
}

impl Writer {
    pub(super) fn new(
        dir: Arc<DataDir>,
        options: DiskOptions,
        logs: Arc<dyn Logs>,
        wake_up: Arc<WakeUp>,
        reach: Arc<Reach>,
        readers: Arc<Readers>,
    ) -> Self {
        let DiskOptions { sync, min_free_bytes } = options;
        Writer {
            files: Files::new(Arc::clone(&dir), reach, sync == Sync::Always),
            queue: VecDeque::new(),
            taken: Vec::new(),
            unsynced: Unsynced::default(),
            later: Unsynced::default(),
            later_told: HashMap::new(),
            done: vec![Vec::new(); logs.shards()],
            failed: HashMap::new(),
            forgotten: HashMap::new(),
            pool: Pool::new(Arc::clone(&wake_up)),
            background: None,
            next_sync: Instant::now(),
            space: Space::new(dir.root().to_owned(), min_free_bytes),
            janitor: Janitor::new(),
            most_files: open_limit(),
            dir,
            sync,
            logs,
            wake_up,
            readers,
        }
    }

    pub(super) fn run(mut self) {
        self.wake_up.belongs_to(thread::current());
        self.clear_leftovers();
        loop {
            self.tell_space();
            self.sync_in_background();
            let stopping = self.wake_up.is_stopping();
            self.collect(stopping);
            if self.queue.is_empty() {
                if stopping {
                    break;
                }
                self.wake_up.wait(self.wait());
                continue;
            }
            while let Some((shard, work)) = self.queue.pop_front() {
                self.work(shard, work);
                if self.unsynced.files + self.later.files >= self.most_files {
                    self.settle();
                }
            }
            self.settle();
        }
        self.close();
    }

    fn clear_leftovers(&self) {
        match self.dir.leftovers() {
            Ok(leftovers) => leftovers.into_iter().for_each(|path| self.janitor.remove(Chore::Directory(path))),
            Err(error) => tracing::warn!(%error, "what is left of deleted topics cannot be found"),
        }
    }

    /// How long it may sleep.
    fn wait(&self) -> Option<Duration> {
        let is_due = self.background.is_none() && !self.later.is_empty();
        let sync = is_due.then(|| self.next_sync.saturating_duration_since(Instant::now()));
        [sync, self.space.wait()].into_iter().flatten().min()
    }

    /// Takes the work of all shards that have some.
    fn collect(&mut self, of_all: bool) {
        for shard in 0..self.done.len() {
            if self.wake_up.rang(shard) || of_all {
                self.logs.take(shard, &mut self.taken);
                self.queue.extend(self.taken.drain(..).map(|work| (shard, work)));
            }
        }
    }

    fn work(&mut self, shard: usize, work: LogCommand) {
        match work {
            LogCommand::Append(append) => self.append(Key { shard, log: append.log }, &append),
            LogCommand::Truncate(forget) => self.forget(Key { shard, log: forget.log }, &forget),
            LogCommand::Delete(delete) => self.delete(Key { shard, log: delete.log }, &delete),
        }
    }

    fn append(&mut self, key: Key, append: &Append) {
        loop {
            // It may also fail while it waits for room, with what was written of it before.
            if self.failed.contains_key(&key) {
                self.space.set_short(false);
                return self.tell(key, Err(()));
            }
            match self.files.append(key, append) {
                Ok(written) => {
                    self.space.wrote(append.bytes.len() as u64);
                    self.space.set_short(false);
                    return self.wrote(key, append, written);
                }
                Err(error) if is_full(&error) && !self.wake_up.is_stopping() => {
                    if self.wait_for_room(key) {
                        return;
                    }
                }
                Err(error) => {
                    self.space.set_short(false);
                    return self.fail(key, &append.topic, "written", &error);
                }
            }
        }
    }

    /// Notes what is to be synced, and whom to tell.
    fn wrote(&mut self, key: Key, append: &Append, written: Written) {
        let Written { left, step, is_new } = written;
        if let Some(unsynced) = self.unsynced_of(key, append.lazy) {
            left.into_iter().chain([step]).for_each(|step| unsynced.push(key, step));
            if is_new {
                unsynced.renamed.insert(key, append.topic.clone());
            }
        }
        if self.sync == Sync::Always && !self.unsynced.places.contains_key(&key) {
            self.later_told.insert(key, append.upto);
        } else {
            self.tell(key, Ok(append.upto));
        }
    }

    /// Where what is not synced of a log is noted; none where nothing is synced. What may wait does so, unless something
    /// of the log does not: then all of it goes along.
    fn unsynced_of(&mut self, key: Key, lazy: bool) -> Option<&mut Unsynced> {
        match self.sync {
            Sync::Never => return None,
            Sync::Every(_) => return Some(&mut self.later),
            Sync::Always if lazy && !self.unsynced.places.contains_key(&key) => return Some(&mut self.later),
            Sync::Always => {}
        }
        if let Some(job) = self.later.remove(key) {
            self.later_told.remove(&key);
            job.steps.into_iter().for_each(|step| self.unsynced.push(key, step));
        }
        Some(&mut self.unsynced)
    }

    /// The disk is full. Meanwhile, what frees room goes first. True where the log itself was deleted.
    fn wait_for_room(&mut self, key: Key) -> bool {
        self.settle();
        self.space.set_short(true);
        self.tell_space();
        self.sync_in_background();
        self.collect(false);
        let mut deleted = HashSet::new();
        let mut rest = VecDeque::new();
        let queue = mem::take(&mut self.queue);
        for (shard, work) in queue.into_iter().rev() {
            match work {
                LogCommand::Delete(delete) => {
                    deleted.insert(Key { shard, log: delete.log });
                    rest.push_front((shard, LogCommand::Delete(delete)));
                }
                // Of a log that is to go, nothing needs to be written.
                LogCommand::Append(append) if deleted.contains(&Key { shard, log: append.log }) => {}
                work => rest.push_front((shard, work)),
            }
        }
        for (shard, work) in rest {
            match work {
                LogCommand::Append(_) => self.queue.push_back((shard, work)),
                work => self.work(shard, work),
            }
        }
        self.settle();
        if deleted.contains(&key) {
            self.space.set_short(false);
            return true;
        }
        thread::sleep(FULL_WAIT);
        false
    }

    fn forget(&mut self, key: Key, forget: &Truncate) {
        if self.failed.contains_key(&key) {
            return;
        }
        // What stays has to be on the disk before anything else goes.
        if self.sync != Sync::Always
            && let Err(error) = self.sync_log(key, forget)
        {
            return self.fail(key, &forget.topic, "synced", &error);
        }
        self.readers.forget(key, forget.segment);
        match File::open(self.dir.topic(&forget.topic)) {
            Ok(directory) => self.janitor.remove(Chore::Segments(directory, forget.segment)),
            Err(error) => {
                tracing::warn!(topic = %forget.topic, %error, "old segments of a log cannot be removed");
            }
        }
    }

    /// Syncs all segments of a log that stay, where that is not done always.
    fn sync_log(&mut self, key: Key, forget: &Truncate) -> io::Result<()> {
        self.finish_background();
        if self.failed.contains_key(&key) {
            return Ok(());
        }
        if let Some(job) = self.later.remove(key) {
            job.run()?;
        }
        if self.sync == Sync::Never
            && let Some(last) = self.files.last(key)
        {
            let first = self.forgotten.get(&key).map_or(forget.segment, |synced| forget.segment.max(*synced));
            for number in first..=last {
                File::open(self.dir.segment(&forget.topic, number))?.sync_all()?;
            }
            sync_directory(&self.dir.topic(&forget.topic))?;
            self.forgotten.insert(key, last);
        }
        Ok(())
    }

    fn delete(&mut self, key: Key, delete: &Delete) {
        self.leave_unsynced(key);
        self.files.forget(key);
        self.files.forget_reach(key);
        self.failed.remove(&key);
        self.forgotten.remove(&key);
        self.readers.forget(key, u32::MAX);
        match self.dir.take_away(&delete.topic) {
            Ok(removed) => {
                if let Some(path) = removed {
                    if let Some(unsynced) = self.unsynced_of(key, false) {
                        unsynced.renamed.insert(key, delete.topic.clone());
                    }
                    self.janitor.remove(Chore::Directory(path));
                }
                self.tell(key, Ok(u64::MAX));
            }
            Err(error) => self.fail(key, &delete.topic, "deleted", &error),
        }
    }

    /// Nobody needs what was written to this log any more.
    fn leave_unsynced(&mut self, key: Key) {
        for unsynced in [&mut self.unsynced, &mut self.later] {
            unsynced.remove(key);
            unsynced.renamed.remove(&key);
        }
        self.later_told.remove(&key);
    }

    /// Notes what a shard is told with the next [`Writer::send`].
    fn tell(&mut self, key: Key, outcome: Result<u64, ()>) {
        self.done[key.shard].push(Done { log: key.log, outcome });
    }

    /// Tells the shards what was noted.
    fn send(&mut self) {
        for (shard, done) in self.done.iter_mut().enumerate().filter(|(_, done)| !done.is_empty()) {
            self.logs.done(shard, done);
            done.clear();
        }
    }

    /// A log is not to be trusted any more.
    fn fail(&mut self, key: Key, topic: &Name<'_>, what: &str, error: &io::Error) {
        let why = format!("the log of topic {topic} could not be {what}: {error}");
        tracing::error!("{why}; nothing more is written to it until the server is started again");
        self.leave_unsynced(key);
        self.files.forget(key);
        self.failed.insert(key, topic.borrow().into_owned());
        self.done[key.shard].retain(|done| done.log != key.log);
        self.tell(key, Err(()));
        self.logs.unwell(Some(why));
    }

    /// What was written becomes as durable as was promised, and the shards are told.
    fn settle(&mut self) {
        if !self.unsynced.is_empty() {
            let mut unsynced = mem::take(&mut self.unsynced);
            let renamed = mem::take(&mut unsynced.renamed);
            let batch = self.pool.run(unsynced.jobs);
            self.failures(&batch);
            self.sync_topics(renamed);
        }
        if self.later.files >= self.most_files {
            // As many files are open as may be: this cannot wait for its time.
            self.finish_background();
            self.next_sync = Instant::now();
            self.sync_in_background();
        }
        self.send();
        self.tell_space();
    }

    /// Makes the names of topics durable, for these logs.
    fn sync_topics(&mut self, renamed: HashMap<Key, Name<'static>>) {
        if !renamed.is_empty()
            && let Err(error) = sync_directory(self.dir.topics())
        {
            for (key, topic) in renamed {
                self.fail(key, &topic, "synced", &error);
            }
        }
    }

    fn failures(&mut self, batch: &Batch) {
        for (key, error) in batch.failures() {
            self.fail_of(key, error);
        }
    }

    /// A log could not be synced.
    fn fail_of(&mut self, key: Key, error: &io::Error) {
        if let Some(topic) = self.files.topic(key) {
            self.fail(key, &topic, "synced", error);
        } else {
            // It was deleted meanwhile, or failed before.
            tracing::error!(%error, "the log of a topic that is gone could not be synced");
        }
    }

    /// Begins to sync, if it is time to.
    fn sync_in_background(&mut self) {
        let every = if let Sync::Every(every) = self.sync { every } else { PATIENCE };
        if self.background.as_ref().is_some_and(|(batch, _)| batch.is_done()) {
            self.finish_background();
        }
        let now = Instant::now();
        if self.later.is_empty() {
            // The first that is written is synced so long after.
            self.next_sync = now + every;
        } else if self.background.is_none() && now >= self.next_sync {
            self.next_sync = now + every;
            let mut later = mem::take(&mut self.later);
            self.sync_topics(mem::take(&mut later.renamed));
            self.background = Some((self.pool.begin(later.jobs), mem::take(&mut self.later_told)));
        }
    }

    /// Waits for what is being synced, if anything is.
    fn finish_background(&mut self) {
        if let Some((batch, told)) = self.background.take() {
            self.pool.wait(&batch);
            self.failures(&batch);
            for (key, upto) in told {
                if !self.failed.contains_key(&key) {
                    self.tell(key, Ok(upto));
                }
            }
            self.send();
        }
    }

    /// Tells the shards whether the disk is full, where that changed.
    fn tell_space(&mut self) {
        if let Some(full) = self.space.news() {
            self.logs.space(full);
        }
    }

    /// Leaves nothing unsynced, and no room that is not used.
    fn close(&mut self) {
        self.finish_background();
        for (key, step) in self.files.tidy() {
            self.later.push(key, step);
        }
        self.next_sync = Instant::now();
        self.sync_in_background();
        self.finish_background();
        if self.sync == Sync::Never {
            sync_everything(&self.dir);
        }
        self.send();
    }
}

/// Syncs the whole file system that has the data directory.
fn sync_everything(dir: &DataDir) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = File::open(dir.root()).and_then(|root| Ok(rustix::fs::syncfs(&root)?)) {
        tracing::error!(%error, "the data directory could not be synced");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = dir;
        rustix::fs::sync();
    }
}
