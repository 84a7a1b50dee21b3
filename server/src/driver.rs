//! The core's engines, each behind its own lock, and what drives them: requests, time, hang-ups.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use shelfmq_core::api::{self, Request, Response, Scope};
use shelfmq_core::broker::Survey;
use shelfmq_core::command::{Filter, Ticket};
use shelfmq_core::config::{Config, Limits};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, shard_of};

use crate::clock::{Alarm, Clock};
use crate::shard::{Errand, Errands, Shard};

/// Is told the name and the new value of an option.
pub type Configured = Box<dyn Fn(&str, &Value) + Send + Sync>;

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
            configured: Box::new(|_, _| {}),
        }
    }
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
}

/// Two shards in one cache line would slow each other down without sharing anything.
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl Shelf {
    /// A broker with nothing in it.
    pub fn new(options: Options) -> Self {
        let seed = options.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
        let manual = options.clock.is_manual();
        let config = Config { started: options.clock.now(), ..options.config };
        let shard = |index: usize| Shard::new(Engine::new(config.clone(), seed.wrapping_add(index as u64)));
        let shelf = Shelf(Arc::new(Inner {
            shards: (0..options.shards.max(1)).map(|index| Padded(Mutex::new(shard(index)))).collect(),
            limits: config.limits,
            clock: Arc::new(options.clock),
            alarm: Arc::new(Alarm::new()),
            configured: options.configured,
        }));
        if !manual {
            shelf.keep_time();
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

    /// Answers all that wait, ends all streams, and takes nothing in from now on.
    pub fn shutdown(&self) {
        self.each_shard(|shard, now| shard.engine.shutdown(now));
    }

    /// What there is: topics, channels, counts.
    pub fn survey(&self, filter: &Filter<'_>) -> Survey {
        let mut whole = Survey::default();
        self.each_shard(|shard, now| whole.merge(shard.engine.survey(now, filter)));
        whole
    }

    /// Takes a request. Answers it at once, or gives what its answer comes out of.
    pub(crate) fn request(&self, request: &Request<'_>) -> Result<Response, Answer> {
        let decoded = api::decode(&self.0.limits, request);
        let (index, survey) = match decoded.scope() {
            Scope::Topic(topic) => (shard_of(topic, self.0.shards.len()), None),
            Scope::Survey(filter) => (0, Some(self.survey(&filter))),
            Scope::Node => (0, None),
        };
        let first = self.drive(index, |shard, now, errands| shard.request(now, decoded, survey, errands));
        first.map_err(|ticket| Answer { shelf: self.clone(), shard: index, ticket, writable: false, ended: false })
    }

    /// Does something with a shard, and then what its engine wants done.
    fn drive<R>(&self, index: usize, act: impl FnOnce(&mut Shard, Time, &mut Errands) -> R) -> R {
        let mut errands = Errands::new();
        let result = self.visit(index, &mut errands, act);
        while let Some(errand) = errands.pop_front() {
            match errand {
                Errand::Wake(waker) => waker.wake(),
                Errand::Configured(name, value) => (self.0.configured)(&name, &value),
                Errand::Alarm(deadline) => self.0.alarm.set(deadline),
                Errand::Read(_) | Errand::Write => {}
                Errand::Forward(parcel) => {
                    let index = shard_of(parcel.to.as_str(), self.0.shards.len());
                    self.visit(index, &mut errands, |shard, now, _| shard.engine.handle_parcel(now, parcel));
                }
            }
        }
        result
    }

    fn visit<R>(
        &self,
        index: usize,
        errands: &mut Errands,
        act: impl FnOnce(&mut Shard, Time, &mut Errands) -> R,
    ) -> R {
        let mut shard = self.lock(index);
        // Read under the lock, so that no engine sees time run backwards.
        let now = self.now();
        let result = act(&mut shard, now, errands);
        shard.drain(None, errands);
        let deadline = shard.engine.poll_timeout().unwrap_or(Time::MAX);
        if deadline < shard.armed {
            shard.armed = deadline;
            errands.push_back(Errand::Alarm(deadline));
        }
        result
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.0.shards[index].0.lock().expect("an engine does not panic")
    }

    fn each_shard(&self, mut act: impl FnMut(&mut Shard, Time)) {
        for index in 0..self.0.shards.len() {
            self.drive(index, |shard, now, _| act(shard, now));
        }
    }

    fn earliest_deadline(&self) -> Option<Time> {
        (0..self.0.shards.len()).filter_map(|index| self.lock(index).engine.poll_timeout()).min()
    }

    /// Tells the engines whose deadline has come, and sets the alarm for what comes next.
    fn pass_time(&self) {
        self.each_shard(|shard, now| {
            if shard.armed <= now {
                shard.engine.handle_timeout(now);
            }
            shard.armed = Time::MAX;
        });
    }

    fn keep_time(&self) {
        let (shelf, clock, alarm) = (Arc::downgrade(&self.0), self.0.clock.clone(), self.0.alarm.clone());
        let run = move || {
            loop {
                alarm.wait(&clock);
                let Some(inner) = shelf.upgrade() else { return };
                Shelf(inner).pass_time();
            }
        };
        let keeper = thread::Builder::new().name("shelfmq-time".into()).spawn(run);
        keeper.expect("a machine that runs a broker can run one more thread");
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
        let writable = mem::take(&mut self.writable);
        let output =
            self.shelf.drive(self.shard, |shard, now, errands| shard.take(now, self.ticket, writable, cx, errands));
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
