//! The core's engines, each behind its own lock, and what drives them: requests, time, hang-ups.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::iter;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use shelfmq_core::api::{Response, Routed, Scope};
use shelfmq_core::broker::BrokerStats;
use shelfmq_core::command::{Filter, Ticket, TopicUnwell};
use shelfmq_core::config::{Config, Limits, LogOptions};
use shelfmq_core::log::{Loaded, LogCommand, LogId, Read, Recovered};
use shelfmq_core::name::Name;
use shelfmq_core::recording::Recorder;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, node_of, shard_of};

use crate::clock::{Alarm, Clock, Watch, Woken};
use crate::deletions::Deletions;
use crate::disk::{DataDir, Disk, DiskOptions, Done, Found, Logs, Outcome, Sync, Unusable, Unwell};
use crate::recording::{RecordOptions, Recording};
use crate::shard::{Effect, Effects, Held, Mailbox, Shard};

/// Of so many topics an engine tells in one visit: of all of them it would keep others waiting.
const STATS_AT_ONCE: usize = 128;

/// Is told the name and the new value of an option.
pub type Configured = Box<dyn Fn(&str, &Value) + Send + std::marker::Sync>;

/// What a [`Shelf`] is made of.
pub struct Options {
    /// What the core is told: limits, names, the options that `/config` shows. When it started is the clock's to say.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Into how many parts the topics are spread. Topics in different parts never wait for one another.
    pub shards: usize,
    /// Makes receipts and hash tables repeatable; random where it is not given.
    pub seed: Option<u64>,
    /// Where the topics' logs are kept; in memory only, where it is not given.
    pub disk: Option<DiskStore>,
    /// Called when an option was changed at run time, by `PUT /config/<name>`.
    pub configured: Configured,
}

impl Default for Options {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Options {
            config: Config::default(),
            clock: Clock::system(),
            // More than one for each thread, so that two busy topics seldom share one.
            shards: if threads == 1 { 1 } else { 4 * threads },
            seed: None,
            disk: None,
            configured: Box::new(|_, _| {}),
        }
    }
}

/// How the topics' logs are kept on a disk.
#[derive(Clone, Debug)]
pub struct DiskStore {
    /// The directory.
    pub path: PathBuf,
    /// How large their segments are, and how much of them is kept in memory.
    pub log: LogOptions,
    /// How the disk is used.
    pub disk: DiskOptions,
    /// The clock is right, however far it is ahead of what is in the logs.
    pub trust_clock: bool,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("config", &self.config).field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// A whole broker: cheap to clone, every clone is the same one.
///
/// It runs in any async runtime or none; the last clone to go ends it.
#[derive(Clone)]
pub struct Shelf(Arc<Inner>);

struct Inner {
    limits: Limits,
    clock: Arc<Clock>,
    alarm: Arc<Alarm>,
    configured: Configured,
    shards: Box<[Padded]>,
    /// How many transfers left an engine, and how many arrived at one.
    departed: AtomicUsize,
    arrived: AtomicUsize,
    disk: OnceLock<Disk>,
    deletions: Deletions,
    /// How many logs are being exported and imported.
    transfers: AtomicUsize,
    recording: OnceLock<Recording>,
    /// The last time that was not in doubt, in nanoseconds; zero while the clock is not.
    sure: AtomicU64,
}

/// Two shards in one cache line would slow each other down without sharing anything.
#[repr(align(128))]
struct Padded {
    shard: Mutex<Shard>,
    /// The alarm goes off for it at this time or before, in nanoseconds. Changed under the lock; so that one whose time has
    /// not come is not locked for another's.
    armed: AtomicU64,
    /// The shard's own.
    held: Arc<Held>,
}

impl Shelf {
    /// A broker with nothing in it, or with what is on its disk: an error where there is a disk and it cannot be used.
    pub fn open(mut options: Options) -> Result<Self, Unusable> {
        let Some(store) = options.disk.take() else { return Ok(Shelf::new(options)) };
        options.config.limits.log_files = true;
        let dir = DataDir::open(&store.path)?;
        let topics = dir.recover()?;
        let known = dir.known_time(&topics);
        let watch = options.clock.begin(known, store.trust_clock);
        let LogOptions { segment_bytes, cache_bytes } = store.log;
        let cache_bytes = cache_bytes / options.shards.max(1);
        let log = LogOptions { segment_bytes, cache_bytes };
        let make = if store.disk.sync == Sync::Always { Engine::with_synced_log } else { Engine::with_log };
        let shelf = Shelf::with(options, watch, |config, seed| make(config, seed, log.clone()));
        let mut aside = Vec::new();
        for found in topics {
            match found {
                Found::Topic(topic) => {
                    let index = shard_of(&topic.image.name, shelf.0.shards.len());
                    shelf.drive(index, |shard, now, _| shard.engine.open_topic(now, *topic));
                }
                Found::Aside(name, why) => aside.push((shard_of(name.as_str(), shelf.0.shards.len()), name, why)),
            }
        }
        let disk = Disk::start(dir, store.disk, Arc::new(Logged(Arc::downgrade(&shelf.0))), aside);
        for index in 0..shelf.0.shards.len() {
            disk.wake(index, false);
        }
        shelf.0.disk.get_or_init(|| disk);
        // What the topics wanted to read as they were opened.
        shelf.each_shard(|shard, now| shard.engine.handle_timeout(now));
        Ok(shelf)
    }

    /// A broker with nothing in it, in memory.
    pub fn new(options: Options) -> Self {
        let watch = options.clock.begin(None, false);
        Shelf::with(options, watch, Engine::new)
    }

    fn with(options: Options, watch: Watch, engine: impl Fn(Config, u64) -> Engine) -> Self {
        let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let manual = options.clock.is_manual();
        let config = Config { started: options.clock.now(), ..options.config };
        // One more than have topics: what concerns the node as a whole is answered by one that nobody else waits for.
        let engines = options.shards.max(1) + 1;
        let shard = |index: usize| Shard::new(engine(config.clone(), seed.wrapping_add(index as u64)));
        let shelf = Shelf(Arc::new(Inner {
            shards: (0..engines)
                .map(|index| {
                    let shard = shard(index);
                    let held = Arc::clone(&shard.held);
                    Padded { shard: Mutex::new(shard), armed: AtomicU64::new(u64::MAX), held }
                })
                .collect(),
            limits: config.limits,
            clock: Arc::new(options.clock),
            alarm: Arc::new(Alarm::new()),
            configured: options.configured,
            departed: AtomicUsize::new(0),
            arrived: AtomicUsize::new(0),
            disk: OnceLock::new(),
            deletions: Deletions::new(engines),
            transfers: AtomicUsize::new(0),
            recording: OnceLock::new(),
            sure: AtomicU64::new(watch.doubted_since().map_or(0, Time::as_nanos)),
        }));
        if !manual {
            shelf.keep_time(watch);
        }
        shelf
    }

    /// The limits it was made with.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What time it is for this broker.
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Lets time pass on a [manual clock](Clock::manual), from deadline to deadline, in order.
    ///
    /// # Panics
    ///
    /// If the clock is the system's.
    pub fn advance(&self, duration: Duration) {
        let end = self.now() + duration;
        while let Some(next) = self.earliest_deadline().filter(|deadline| *deadline <= end) {
            self.0.clock.set(next);
            self.pass_time();
        }
        self.0.clock.set(end);
        self.pass_time();
    }

    /// As if somebody had set the system's clock by so many nanoseconds: for tests of what follows.
    #[doc(hidden)]
    pub fn step_clock(&self, nanos: i64) {
        self.0.clock.step(nanos);
    }

    /// Answers all that wait, ends all streams, and takes nothing in from now on.
    pub fn shutdown(&self) {
        self.each_shard(|shard, now| shard.engine.shutdown(now));
    }

    /// Whether any message is leased.
    pub(crate) fn has_in_flight(&self) -> bool {
        let mut channels = self.stats(&Filter::default()).topics.into_iter().flat_map(|topic| topic.channels);
        channels.any(|channel| channel.in_flight > 0)
    }

    /// Whether nothing waits for the disk, or is on its way from one topic to another.
    pub fn is_settled(&self) -> bool {
        let (arrived, departed) = (self.0.arrived.load(SeqCst), self.0.departed.load(SeqCst));
        let is_settled = |index: usize| self.lock(index).engine.is_settled();
        // One that sets out meanwhile may leave an engine that was not looked at for one that was.
        arrived == departed && (0..self.0.shards.len()).all(is_settled) && self.0.departed.load(SeqCst) == departed
    }

    /// Records what comes in from now on. To be called once.
    pub fn record(&self, options: RecordOptions) -> Result<(), String> {
        let shelf = Arc::downgrade(&self.0);
        let visit = move |shard: usize, act: &mut dyn FnMut(&mut Recorder)| {
            let found = shelf.upgrade().map(Shelf);
            if let Some(shelf) = &found {
                act(&mut shelf.lock(shard).engine);
            }
            found.is_some()
        };
        let recording = Recording::start(options, self.0.shards.len(), Box::new(visit));
        let recording = recording.map_err(|failure| format!("cannot record: {failure}"))?;
        self.0.recording.get_or_init(|| recording);
        Ok(())
    }

    /// Writes and syncs all that waits to be, and then does nothing more for its disk. To be called last, after
    /// [`Shelf::shutdown`] and when all who waited have their answers.
    pub fn close(&self) {
        if let Some(disk) = self.0.disk.get() {
            disk.shutdown();
            self.note_time(disk);
        }
        if let Some(recording) = self.0.recording.get() {
            recording.stop();
        }
    }

    /// What there is: topics, channels, counts.
    pub fn stats(&self, filter: &Filter<'_>) -> BrokerStats {
        let engines = self.0.shards.len();
        let only = filter.topic.as_ref().map(|topic| shard_of(topic, engines));
        let mut topics = Vec::new();
        for index in (0..node_of(engines)).filter(|index| only.is_none_or(|only| only == *index)) {
            let mut from = Some(0);
            while let Some(place) = from {
                let (part, next) =
                    self.drive(index, |shard, now, _| shard.engine.stats_part(now, filter, place, STATS_AT_ONCE));
                topics.extend(part);
                from = next;
            }
        }
        BrokerStats::of(topics)
    }

    /// Takes a request. Answers it at once, or gives what its answer comes out of.
    pub(crate) fn request<'a>(&self, routed: Routed<'a>, body: &'a [u8]) -> Result<Response, Answer> {
        let (index, stats) = match routed.scope() {
            Scope::Topic(topic) => (shard_of(topic, self.0.shards.len()), None),
            Scope::Stats(filter) => (node_of(self.0.shards.len()), Some(self.stats(&filter))),
            Scope::Node => (node_of(self.0.shards.len()), None),
        };
        let request = routed.head().with_body(body);
        let decoded = routed.decode(&self.0.limits, body);
        let first = self.drive(index, |shard, now, effects| shard.request(now, &request, decoded, stats, effects));
        first.map_err(|(ticket, mailbox)| Answer {
            shelf: self.clone(),
            shard: index,
            ticket,
            mailbox,
            writable: false,
            ended: false,
        })
    }

    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.0.disk.get()
    }

    pub(crate) fn deletions(&self) -> &Deletions {
        &self.0.deletions
    }

    pub(crate) fn transfers(&self) -> &AtomicUsize {
        &self.0.transfers
    }

    /// Which shard has a topic.
    pub(crate) fn shard_of(&self, topic: &Name<'_>) -> usize {
        shard_of(topic.as_str(), self.0.shards.len())
    }

    /// Does something with a shard, and then what its engine wants done.
    pub(crate) fn drive<R>(&self, index: usize, act: impl FnOnce(&mut Shard, Time, &mut Effects) -> R) -> R {
        let mut effects = Effects::new();
        let result = self.visit(index, &mut effects, act);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Wake(waker) => waker.wake(),
                Effect::Configured(name, value) => (self.0.configured)(&name, &value),
                Effect::Alarm(deadline) => self.0.alarm.set(deadline),
                Effect::Read(shard, read) => self.read(shard, read),
                Effect::Write { shard, awaited } => {
                    if let Some(disk) = self.0.disk.get() {
                        disk.wake(shard, awaited);
                    }
                }
                Effect::Forward(transfer) => {
                    let index = shard_of(transfer.to.as_str(), self.0.shards.len());
                    self.visit(index, &mut effects, |shard, now, _| shard.engine.handle_transfer(now, transfer));
                    self.0.arrived.fetch_add(1, SeqCst);
                }
            }
        }
        result
    }

    fn visit<R>(
        &self,
        index: usize,
        effects: &mut Effects,
        act: impl FnOnce(&mut Shard, Time, &mut Effects) -> R,
    ) -> R {
        let mut shard = self.lock(index);
        // Read under the lock, so that no engine sees time run backwards.
        let now = self.now();
        let before = effects.len();
        let result = act(&mut shard, now, effects);
        shard.drain(now, None, effects);
        let transfers = effects.iter().skip(before).filter(|effect| matches!(effect, Effect::Forward(_))).count();
        if transfers > 0 {
            self.0.departed.fetch_add(transfers, SeqCst);
        }
        effects.extend(shard.reads.drain(..).map(|read| Effect::Read(index, read)));
        if shard.engine.has_log_work() {
            effects.push_back(Effect::Write { shard: index, awaited: mem::take(&mut shard.held_news) });
        }
        let deadline = shard.deadline().unwrap_or(Time::MAX);
        let armed = &self.0.shards[index].armed;
        if deadline.as_nanos() < armed.load(SeqCst) {
            armed.store(deadline.as_nanos(), SeqCst);
            effects.push_back(Effect::Alarm(deadline));
        }
        result
    }

    fn read(&self, shard: usize, read: Read) {
        match self.0.disk.get() {
            Some(disk) => disk.read(shard, read),
            // The disk is not there yet: the read is tried again once it is.
            None => self.lock(shard).reads.push(read),
        }
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.0.shards[index].shard.lock().expect("an engine does not panic")
    }

    fn each_shard(&self, mut act: impl FnMut(&mut Shard, Time)) {
        for index in 0..self.0.shards.len() {
            self.drive(index, |shard, now, _| act(shard, now));
        }
    }

    fn earliest_deadline(&self) -> Option<Time> {
        (0..self.0.shards.len()).filter_map(|index| self.lock(index).deadline()).min()
    }

    /// Tells the engines whose deadline has come, and sets the alarm for what comes next.
    fn pass_time(&self) {
        for (index, padded) in self.0.shards.iter().enumerate() {
            let armed = Time::from_nanos(padded.armed.load(SeqCst));
            if armed > self.now() {
                // Whoever set the alarm off with another forgot about this one.
                self.0.alarm.set(armed);
                continue;
            }
            self.drive(index, |shard, now, _| {
                padded.armed.store(u64::MAX, SeqCst);
                shard.pass_time(now);
            });
        }
    }

    /// Tells all engines that the clock was set, forward by much or back.
    fn clock_was_set(&self, leapt: bool) {
        tracing::warn!("the clock {}", if leapt { "leapt, or the machine slept" } else { "was set back" });
        for (index, padded) in self.0.shards.iter().enumerate() {
            self.drive(index, |shard, now, _| {
                // It was set by a clock that was wrong.
                padded.armed.store(u64::MAX, SeqCst);
                if leapt {
                    shard.engine.hold_retention(now);
                } else {
                    shard.pass_time(now);
                }
            });
        }
    }

    /// Has the disk note what time it is. One that is moved by hand is its mover's.
    fn note_time(&self, disk: &Disk) {
        if !self.0.clock.is_manual() {
            let sure = Some(self.0.sure.load(SeqCst)).filter(|sure| *sure > 0);
            disk.note_time(sure.map_or_else(|| self.now(), Time::from_nanos));
        }
    }

    fn keep_time(&self, mut watch: Watch) {
        let (shelf, clock, alarm) = (Arc::downgrade(&self.0), self.0.clock.clone(), self.0.alarm.clone());
        let run = move || {
            loop {
                let woken = alarm.wait(&clock, &mut watch);
                let Some(shelf) = shelf.upgrade().map(Shelf) else { return };
                shelf.0.sure.store(watch.doubted_since().map_or(0, Time::as_nanos), SeqCst);
                match woken {
                    Woken::Due => shelf.pass_time(),
                    Woken::WentBack => shelf.clock_was_set(false),
                    Woken::Leapt => shelf.clock_was_set(true),
                    Woken::Doubted => shelf.each_shard(|shard, now| shard.engine.hold_retention(now)),
                    Woken::Note => drop(shelf.0.disk.get().map(|disk| shelf.note_time(disk))),
                }
            }
        };
        let keeper = thread::Builder::new().name("shelfmq-time".into()).spawn(run);
        keeper.expect("a machine that runs a broker can run one more thread");
    }
}

/// The shards as their disk sees them, as long as there are any.
#[derive(Debug)]
struct Logged(Weak<Inner>);

impl Logged {
    fn shelf(&self) -> Option<Shelf> {
        self.0.upgrade().map(Shelf)
    }
}

impl Logs for Logged {
    fn shards(&self) -> usize {
        self.shelf().map_or(0, |shelf| shelf.0.shards.len())
    }

    fn take(&self, index: usize, work: &mut Vec<LogCommand>) -> u64 {
        self.shelf().map_or(0, |shelf| {
            let mut shard = shelf.lock(index);
            let now = shelf.now();
            work.extend(iter::from_fn(|| shard.engine.poll_log(now)));
            shelf.0.deletions.taken(index, work);
            shard.held.taken()
        })
    }

    fn written(&self, shard: usize, take: u64) {
        if let Some(shelf) = self.shelf() {
            shelf.0.shards[shard].held.written(take);
        }
    }

    fn done(&self, shard: usize, done: &[Done]) {
        if let Some(shelf) = self.shelf() {
            shelf.0.deletions.done(shard, done);
            shelf.drive(shard, |shard, now, _| {
                for done in done {
                    match done.outcome {
                        Outcome::Stored(upto) => shard.engine.handle_appended(now, done.log, upto),
                        Outcome::Late => shard.engine.handle_append_late(now, done.log),
                        Outcome::Unknown => shard.engine.handle_append_failed(now, done.log),
                    }
                }
            });
        }
    }

    fn read_done(&self, shard: usize, read: &Read, loaded: Option<Loaded>) {
        if let Some(shelf) = self.shelf() {
            shelf.drive(shard, |shard, now, _| shard.engine.handle_read(now, read, loaded));
        }
    }

    fn space(&self, full: bool) {
        if let Some(shelf) = self.shelf() {
            shelf.each_shard(|shard, now| shard.engine.handle_space(now, full));
        }
    }

    fn opened(&self, shard: usize, log: Option<LogId>, _topic: &Name<'static>, recovered: Recovered) {
        if let Some(shelf) = self.shelf() {
            shelf.drive(shard, |shard, now, _| {
                if log.is_none_or(|log| shard.engine.has_log(log)) {
                    shard.engine.open_topic(now, recovered);
                }
            });
        }
    }

    fn unwell(&self, shard: usize, topic: &Name<'static>, unwell: Option<Unwell>) {
        if let Some(shelf) = self.shelf() {
            // The one that has it, and the one that is asked how the broker is.
            for index in [shard, node_of(shelf.0.shards.len())] {
                let told = unwell.clone();
                shelf.drive(index, |shard, now, _| {
                    let told = told.map(|Unwell { why, state }| TopicUnwell { why, since: now, state });
                    shard.engine.set_topic_unwell(now, topic.as_str(), told);
                });
            }
        }
    }
}

impl Drop for Inner {
    /// Lets the thread that keeps the time see that there is nothing left to keep it for.
    fn drop(&mut self) {
        self.alarm.set(Time::default());
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("shards", &self.0.shards.len()).finish_non_exhaustive()
    }
}

/// An answer that is still to come, or to go on. Dropping it tells the engine that the client hung up.
#[derive(Debug)]
pub(crate) struct Answer {
    shelf: Shelf,
    shard: usize,
    ticket: Ticket,
    mailbox: Arc<Mailbox>,
    /// The last chunk was taken, and the engine has not been told.
    writable: bool,
    ended: bool,
}

impl Answer {
    /// The next part: a whole response, or a head, then chunks, then the end. To be called until then only.
    ///
    /// Asking for more after a chunk says that it was taken, so that the engine makes the next one only when
    /// the connection has room for it.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Output> {
        if mem::take(&mut self.writable) {
            self.shelf.drive(self.shard, |shard, now, _| shard.engine.handle_writable(now, self.ticket));
        }
        let output = self.mailbox.poll(cx);
        if let Poll::Ready(output) = &output {
            self.writable = matches!(output, Output::Chunk(..));
            self.ended = matches!(output, Output::Respond(..) | Output::Close(_));
        }
        output
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // A panic that came out of the engine must not become two.
        if !self.ended && !thread::panicking() {
            self.shelf.drive(self.shard, |shard, now, _| shard.cancel(now, self.ticket));
        }
    }
}
