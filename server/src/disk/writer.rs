//! Takes what waits in all engines, writes it, has it made durable, and sees to what went wrong.
//!
//! ```text
//!  work of the engines ──> write ──> synced, beside the writer ──> the engine is told
//!                            │            │
//!                            │            └─ it failed ──┐
//!                            ├─ nothing was written,     ├──> closed; opened again, from what the device has
//!                            │  for a reason that passes: it waits, and is tried again
//!                            └─ it failed ───────────────┘
//! ```
//!
//! Nothing here waits: [`Writer::turn`] does what can be done now, and says when to come again. What takes long are
//! [`Tasks`]. Of one log one sync is under way at a time: what is written meanwhile is the next group, so that groups are
//! the larger the more there is to do, and every answer waits for a sync that began after its bytes were written.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shelfmq_core::command::TopicTrouble;
use shelfmq_core::log::{Append, Delete, LogCommand, Truncate};
use shelfmq_core::name::Name;

use super::dir::DataDir;
use super::files::{Files, Reach, Unwritten, Written, open_limit};
use super::flow::{Flow, Stall, Synced};
use super::fs::Trouble;
use super::reader::Readers;
use super::removal;
use super::space::Space;
use super::stalled::TRY_AGAIN;
use super::syncing::{Step, What};
use super::takes::Takes;
use super::tasks::{Lane, Task, Tasks};
use super::together::Together;
use super::troubled::Troubled;
use super::wake_up::WakeUp;
use super::{DiskOptions, Done, Key, Logs, Outcome, Sync, Unwell};

/// How long what nobody waits for stays unsynced, where all is synced.
const PATIENCE: Duration = Duration::from_millis(100);

/// The one who writes for all topics.
pub struct Writer {
    pub(super) dir: Arc<DataDir>,
    pub(super) sync: Sync,
    pub(super) logs: Arc<dyn Logs>,
    wake_up: Arc<WakeUp>,
    readers: Arc<Readers>,
    pub(super) tasks: Arc<dyn Tasks>,
    pub(super) files: Files,
    /// What was taken, in the order in which it is to be done.
    queue: VecDeque<(usize, LogCommand)>,
    taken: Vec<LogCommand>,
    /// Logs of which something is not durable, or not even written.
    pub(super) flows: HashMap<Key, Flow>,
    /// Those whose sync is to begin with this turn, or when what is synced together is.
    pub(super) ready: Vec<Key>,
    pub(super) together: Together,
    /// Those that wait for their time. Each was due first when it was put here.
    pub(super) waiting: VecDeque<(Instant, Key)>,
    /// Those of which something could not be written.
    pub(super) stalled: Vec<Key>,
    /// Topics whose directories are still to be taken away: their logs, in the order in which they go. Nothing of that name is
    /// made meanwhile.
    pub(super) deleting: HashMap<Name<'static>, VecDeque<Key>>,
    /// The first segment of a log that may not be synced, where nothing is.
    synced_before: HashMap<Key, u32>,
    pub(super) troubled: Troubled,
    /// The first of the syncs that began with the last turn: for whoever made it.
    pub(super) own: Option<Task>,
    /// What each shard is to be told at the end of the turn.
    done: Vec<Vec<Done>>,
    takes: Takes,
    pub(super) space: Space,
    /// How many syncs are under way.
    pub(super) under_way: usize,
    /// Files that are kept open to be synced, and how many may be.
    pub(super) held: usize,
    pub(super) most_held: usize,
    pub(super) looked_for_slow: Instant,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("flows", &self.flows).finish_non_exhaustive()
    }
}

impl Writer {
    pub(super) fn new(
        dir: Arc<DataDir>,
        options: DiskOptions,
        logs: Arc<dyn Logs>,
        (wake_up, readers): (Arc<WakeUp>, Arc<Readers>),
        (reach, tasks): (Arc<Reach>, Arc<dyn Tasks>),
        now: Instant,
    ) -> Self {
        let DiskOptions { sync, min_free_bytes } = options;
        removal::clear_leftovers(&dir, &*tasks);
        Writer {
            files: Files::new(Arc::clone(&dir), reach, sync != Sync::Always),
            queue: VecDeque::new(),
            taken: Vec::new(),
            flows: HashMap::new(),
            ready: Vec::new(),
            together: Together::new(&dir),
            waiting: VecDeque::new(),
            stalled: Vec::new(),
            deleting: HashMap::new(),
            synced_before: HashMap::new(),
            troubled: Troubled::new(Arc::clone(&dir), Arc::clone(&logs), Arc::clone(&wake_up), Arc::clone(&tasks)),
            own: None,
            done: vec![Vec::new(); logs.shards()],
            takes: Takes::default(),
            space: Space::new(Arc::clone(&dir), min_free_bytes),
            under_way: 0,
            held: 0,
            most_held: open_limit(),
            looked_for_slow: now,
            dir,
            sync,
            logs,
            wake_up,
            readers,
            tasks,
        }
    }

    /// Topics that could not be opened at the start: they are tried again.
    pub fn set_aside(&mut self, aside: Vec<(usize, Name<'static>, String)>, now: Instant) {
        for (shard, topic, why) in aside {
            self.troubled.set_aside(shard, topic, why, now);
        }
    }

    /// Does all that can be done now. How long nothing more is to be done, if nobody wakes it.
    pub fn turn(&mut self, now: Instant) -> Option<Duration> {
        self.take_results(now);
        if let Some(full) = self.space.news(now) {
            self.logs.space(full);
        }
        let stopping = self.wake_up.is_stopping();
        self.collect(stopping);
        while self.held < self.most_held
            && let Some((shard, work)) = self.queue.pop_front()
        {
            self.work(shard, work, now);
        }
        if self.queue.is_empty() {
            self.takes.written();
        }
        self.takes.tell(&*self.logs);
        self.try_stalled(now, stopping);
        self.begin_syncs(now, stopping);
        let flows = &self.flows;
        self.troubled.turn(now, |key| flows.get(&key).is_some_and(Flow::is_busy));
        self.send();
        self.look_for_slow(now);
        if let Some(full) = self.space.news(now) {
            self.logs.space(full);
        }
        self.wait(now)
    }

    /// Whether nothing waits, and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.flows.values().all(Flow::is_idle) && self.deleting.is_empty()
    }

    /// Whether no topic waits to be opened again.
    pub fn is_well(&self) -> bool {
        self.troubled.is_empty()
    }

    /// Whether something could not be written, and waits.
    pub fn is_stalled(&self) -> bool {
        !self.stalled.is_empty()
    }

    /// Leaves no room that is not used: what comes of it is to be synced with the next turns. To be called when nothing
    /// more is to be written.
    pub fn tidy(&mut self) {
        for (key, topic, step) in self.files.tidy() {
            if self.sync != Sync::Never {
                self.note(key, &topic, step);
                self.make_ready(key);
            }
        }
    }

    /// Where nothing is synced, everything is at the end.
    pub fn close(&mut self) {
        if self.sync == Sync::Never
            && let Err(error) = self.dir.fs().sync_file_system(self.dir.root())
        {
            tracing::error!(%error, "the data directory could not be synced");
        }
    }

    /// How long it may sleep.
    fn wait(&self, now: Instant) -> Option<Duration> {
        let sync = self.waiting.front().map(|(due, _)| due.saturating_duration_since(now));
        let again = (!self.stalled.is_empty()).then_some(TRY_AGAIN);
        let slow = (self.under_way > 0).then_some(Duration::from_secs(1));
        [sync, again, slow, self.space.wait(), self.troubled.wait(now)].into_iter().flatten().min()
    }

    /// Takes the work of all shards that have some.
    fn collect(&mut self, of_all: bool) {
        for shard in 0..self.done.len() {
            if self.wake_up.rang(shard) || of_all {
                let number = self.logs.take(shard, &mut self.taken);
                self.queue.extend(self.taken.drain(..).map(|work| (shard, work)));
                self.takes.taken(shard, number);
            }
        }
    }

    fn work(&mut self, shard: usize, work: LogCommand, now: Instant) {
        let key = Key { shard, log: log_of(&work) };
        // What stands behind something that could not be written waits for it.
        if let Some(flow) = self.flows.get_mut(&key)
            && flow.is_stalled()
            && !matches!(work, LogCommand::Delete(_))
        {
            return flow.pending.push_back(work);
        }
        self.perform(key, work, now);
    }

    pub(super) fn perform(&mut self, key: Key, work: LogCommand, now: Instant) {
        match work {
            LogCommand::Append(append) => self.append(key, append, now),
            LogCommand::Truncate(truncate) => self.truncate(key, truncate),
            LogCommand::Delete(delete) => self.delete(key, delete, now),
        }
    }

    fn append(&mut self, key: Key, append: Append, now: Instant) {
        if self.troubled.is_failed(key) {
            return self.tell(key, Outcome::Unknown);
        }
        let written = if append.segment.is_some() && append.number == 1 && self.deleting.contains_key(&append.topic) {
            let why = "the files of a topic of this name that was deleted could not be removed yet";
            Err(Unwritten::Nowhere(io::Error::new(io::ErrorKind::WouldBlock, why)))
        } else {
            self.files.append(key, &append)
        };
        match written {
            Ok(written) => {
                self.space.wrote(append.bytes.len() as u64);
                self.wrote(key, &append, written, now);
            }
            Err(Unwritten::Nothing(error)) if Trouble::of(&error).passes() => {
                if Trouble::of(&error) == Trouble::Full {
                    self.space.set_short(true);
                }
                self.stall(key, append, &error, now);
            }
            // Where only a name cannot be made, others may well go on writing.
            Err(Unwritten::Nowhere(error)) if Trouble::of(&error).passes() => {
                self.stall(key, append, &error, now);
            }
            Err(Unwritten::Nothing(error) | Unwritten::Nowhere(error) | Unwritten::Unknown(error)) => {
                self.fail(key, &append.topic, &format!("could not be written: {error}"), now);
            }
        }
    }

    /// Notes what is to be synced, and whom to tell.
    fn wrote(&mut self, key: Key, append: &Append, written: Written, now: Instant) {
        let Written { left, step } = written;
        // Whatever is not synced: a segment has its name only once it and what stands before it are.
        if self.sync == Sync::Never && !matches!(step.what, What::New { .. }) {
            return self.tell(key, Outcome::Stored(append.upto));
        }
        let is_nameless = self.sync == Sync::Always && matches!(step.what, What::New { .. });
        left.into_iter().chain([step]).for_each(|step| self.note(key, &append.topic, step));
        self.flow(key, &append.topic).written(append.upto);
        if is_nameless {
            self.takes.nameless(key);
        }
        match self.sync {
            Sync::Always if !append.lazy || is_nameless => self.make_ready(key),
            Sync::Always => self.make_due(key, now + PATIENCE),
            Sync::Every(every) => {
                self.make_due(key, now + every);
                self.tell(key, Outcome::Stored(append.upto));
            }
            Sync::Never => {
                self.make_ready(key);
                self.tell(key, Outcome::Stored(append.upto));
            }
        }
    }

    pub(super) fn flow(&mut self, key: Key, topic: &Name<'static>) -> &mut Flow {
        self.flows.entry(key).or_insert_with(|| Flow::new(topic.clone()))
    }

    /// A file is to be synced.
    fn note(&mut self, key: Key, topic: &Name<'static>, step: Step) {
        let is_another = self.flow(key, topic).steps.push(step);
        self.held += usize::from(is_another);
    }

    /// Segments that nobody needs any more are to go, once all of the log that stays is durable.
    fn truncate(&mut self, key: Key, truncate: Truncate) {
        if self.troubled.is_failed(key) {
            return;
        }
        if self.sync == Sync::Never {
            // Nothing was noted of what was written: all of it is looked for.
            let first = self.synced_before.get(&key).map_or(truncate.segment, |before| truncate.segment.max(*before));
            if let Some(last) = self.files.last(key) {
                for number in first..=last {
                    let what = What::Closed(self.dir.segment(&truncate.topic, number));
                    self.note(key, &truncate.topic, Step { number, what });
                }
                self.synced_before.insert(key, last);
            }
        }
        let topic = truncate.topic.clone();
        let flow = self.flow(key, &topic);
        // One that was postponed may come behind one that goes further.
        if flow.truncate.as_ref().is_none_or(|known| known.segment < truncate.segment) {
            flow.truncate = Some(truncate);
        }
        if flow.steps.is_empty() && !flow.is_syncing() {
            self.remove_segments(key);
        } else if self.sync != Sync::Always {
            self.make_ready(key);
        }
    }

    /// All of a log is durable: what nobody needs of it goes.
    fn remove_segments(&mut self, key: Key) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        if let Some(truncate) = flow.truncate.take() {
            flow.removing += 1;
            self.readers.forget(key, truncate.segment);
            let (dir, results) = (Arc::clone(&self.dir), self.troubled.results());
            let task = move || {
                dir.holds().remove(key, truncate, |truncate| removal::remove_segments(&dir, truncate));
                results.removed(key);
            };
            self.tasks.push(Lane::Slow, Box::new(task));
        }
        self.forget_idle(key);
    }

    fn delete(&mut self, key: Key, delete: Delete, now: Instant) {
        self.files.forget(key);
        self.readers.forget(key, u32::MAX);
        self.synced_before.remove(&key);
        self.troubled.forget(key, &delete.topic);
        let flow = self.flow(key, &delete.topic);
        let had_stalled = flow.is_stalled();
        let files = flow.abandon();
        // What removes its oldest segments does not know that they are another topic's by then; and what has the name now is
        // the topic that is to be deleted first.
        let waits = flow.is_busy() || !self.is_next_to_delete(key, &delete.topic);
        self.held -= files;
        if had_stalled {
            self.logs.unwell(key.shard, &delete.topic, None);
        }
        let taken = if waits { Ok(None) } else { self.dir.take_away(&delete.topic).map(Some) };
        match taken {
            Ok(None) => self.deletes_later(key, delete, now),
            Ok(Some(removed)) => {
                self.deleted(key, &delete.topic);
                self.readers.forget_reach(key);
                let above = removed.map(|path| {
                    let dir = Arc::clone(&self.dir);
                    self.tasks.push(Lane::Slow, Box::new(move || removal::remove_topic(&dir, &path)));
                    Step { number: 0, what: What::Names(self.dir.topics().to_owned()) }
                });
                self.flows.remove(&key);
                match above.filter(|_| self.sync != Sync::Never) {
                    Some(step) => {
                        self.note(key, &delete.topic, step);
                        self.flow(key, &delete.topic).written(u64::MAX);
                        self.make_ready(key);
                    }
                    None => self.tell(key, Outcome::Stored(u64::MAX)),
                }
            }
            Err(error) => {
                let why = format!("topic {} could not be deleted: {error}", delete.topic);
                tracing::error!("{why}; it is tried again until it can be");
                let unwell = Unwell { why, state: TopicTrouble::Stalled };
                self.logs.unwell(key.shard, &delete.topic, Some(unwell));
                self.deletes_later(key, delete, now);
            }
        }
    }

    fn deletes_later(&mut self, key: Key, delete: Delete, now: Instant) {
        let topic = delete.topic.clone();
        let waiting = self.deleting.entry(topic.clone()).or_default();
        if !waiting.contains(&key) {
            waiting.push_back(key);
        }
        let flow = self.flow(key, &topic);
        flow.stall = Some(Stall::new(now));
        flow.pending.push_back(LogCommand::Delete(delete));
        if !self.stalled.contains(&key) {
            self.stalled.push(key);
        }
    }

    fn is_next_to_delete(&self, key: Key, topic: &Name<'static>) -> bool {
        self.deleting.get(topic).and_then(VecDeque::front).is_none_or(|first| *first == key)
    }

    /// Nothing of this log waits to be deleted any more.
    pub(super) fn deleted(&mut self, key: Key, topic: &Name<'static>) {
        if let Some(waiting) = self.deleting.get_mut(topic) {
            waiting.retain(|other| *other != key);
            if waiting.is_empty() {
                self.deleting.remove(topic);
            }
        }
    }

    /// Notes what a shard is told at the end of the turn.
    pub(super) fn tell(&mut self, key: Key, outcome: Outcome) {
        self.done[key.shard].push(Done { log: key.log, outcome });
    }

    /// Tells the shards what was noted.
    fn send(&mut self) {
        for (shard, done) in self.done.iter_mut().enumerate().filter(|(_, done)| !done.is_empty()) {
            self.logs.done(shard, done);
            done.clear();
        }
    }

    /// A log is not to be trusted any more: it is opened again, from what the device has.
    pub(super) fn fail(&mut self, key: Key, topic: &Name<'_>, what: &str, now: Instant) {
        if let Some(flow) = self.flows.get_mut(&key) {
            self.held -= flow.abandon();
        }
        self.files.forget(key);
        self.takes.named(key);
        self.synced_before.remove(&key);
        self.done[key.shard].retain(|done| done.log != key.log);
        self.tell(key, Outcome::Unknown);
        self.troubled.failed(key, topic.borrow().into_owned(), format!("the log of topic {topic} {what}"), now);
    }

    /// Takes what tasks brought.
    fn take_results(&mut self, now: Instant) {
        let (synced, together) = self.troubled.take_synced();
        let was_together = self.together.is_under_way();
        if let Some(is_well) = together {
            self.together.ended(now);
            if !is_well {
                self.flows.values_mut().for_each(Flow::suspect);
            }
        }
        for Synced { key, upto, files, result } in synced {
            self.held -= files;
            self.under_way -= 1;
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            let took = flow.synced(now);
            if !was_together {
                self.together.took_alone(took);
            }
            if !flow.steps.begin_segments() {
                self.takes.named(key);
            }
            let topic = flow.topic.clone();
            if self.troubled.is_failed(key) {
                self.forget_idle(key);
                continue;
            }
            match result {
                Err(error) if upto != u64::MAX => {
                    self.fail(key, &topic, &format!("could not be synced: {error}"), now);
                }
                Err(error) => {
                    // The topic is gone from memory, and its files have no name any more that anybody looks for.
                    tracing::error!(%error, "the removal of a topic could not be synced");
                    self.tell(key, Outcome::Unknown);
                }
                Ok(()) if flow.is_urgent => self.ready.push(key),
                Ok(()) if flow.steps.is_empty() => self.remove_segments(key),
                Ok(()) => {}
            }
            self.forget_idle(key);
        }
        // What could not be removed while it was copied.
        for postponed in self.dir.holds().take_due() {
            if postponed.is_wanted() {
                self.truncate(postponed.key, postponed.truncate);
            }
        }
        for key in self.troubled.take_removed() {
            if let Some(flow) = self.flows.get_mut(&key) {
                flow.removing -= 1;
            }
            self.forget_idle(key);
        }
        for key in self.troubled.take_opened(now) {
            // What was still on its way to it is nobody's; but where it was deleted meanwhile, that is to be done.
            let is_its = |shard: usize, work: &LogCommand| (shard, log_of(work)) == (key.shard, key.log);
            self.queue.retain(|(shard, work)| matches!(work, LogCommand::Delete(_)) || !is_its(*shard, work));
            self.readers.forget(key, u32::MAX);
            self.readers.forget_reach(key);
        }
    }

    fn forget_idle(&mut self, key: Key) {
        if self.flows.get(&key).is_some_and(Flow::is_idle) {
            self.flows.remove(&key);
        }
    }

    /// A sync that began with the last turn, and that nobody else does.
    pub fn take_own(&mut self) -> Option<Task> {
        self.own.take()
    }
}

fn log_of(work: &LogCommand) -> shelfmq_core::log::LogId {
    match work {
        LogCommand::Append(append) => append.log,
        LogCommand::Truncate(truncate) => truncate.log,
        LogCommand::Delete(delete) => delete.log,
    }
}
