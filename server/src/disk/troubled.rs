//! Topics that are not well: which, why, and when they are opened again.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shelfmq_core::command::TopicTrouble;
use shelfmq_core::log::{LogId, Recovered};
use shelfmq_core::name::Name;

use super::dir::DataDir;
use super::flow::Synced;
use super::tasks::{Lane, Tasks};
use super::wake_up::WakeUp;
use super::{Key, Logs, Unwell};

/// How long until a topic is opened again, at first and at most: twice as long with each time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A topic that was well for so long begins with the first again.
const WELL_AGAIN: Duration = Duration::from_secs(60);

/// A topic of a shard.
type Place = (usize, Name<'static>);

/// What tasks bring, for the writer.
#[derive(Debug)]
pub(super) struct Results {
    brought: Mutex<Brought>,
    wake_up: Arc<WakeUp>,
}

#[derive(Debug, Default)]
struct Brought {
    synced: Vec<Synced>,
    together: Option<bool>,
    removed: Vec<Key>,
    opened: Vec<Opened>,
}

#[derive(Debug)]
struct Opened {
    place: Place,
    log: Option<LogId>,
    found: Result<Recovered, String>,
}

impl Results {
    fn lock(&self) -> MutexGuard<'_, Brought> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn synced(&self, synced: Synced) {
        self.lock().synced.push(synced);
        self.wake_up.ring_other();
    }

    /// Logs that were synced together, and whether all went well.
    pub(super) fn synced_together(&self, all: Vec<Synced>, is_well: bool) {
        let mut brought = self.lock();
        brought.synced.extend(all);
        brought.together = Some(is_well);
        drop(brought);
        self.wake_up.ring_other();
    }

    pub(super) fn removed(&self, key: Key) {
        self.lock().removed.push(key);
        self.wake_up.ring_other();
    }

    fn opened(&self, opened: Opened) {
        self.lock().opened.push(opened);
        self.wake_up.ring_other();
    }
}

/// Why a topic is not served, and when it is opened again.
#[derive(Debug)]
struct Case {
    /// Its log; none where it could not be opened at the start.
    log: Option<LogId>,
    /// How often that was tried.
    tries: u32,
    again: Instant,
    is_opening: bool,
    why: String,
}

/// The topics that are not well.
#[derive(Debug)]
pub(super) struct Troubled {
    dir: Arc<DataDir>,
    logs: Arc<dyn Logs>,
    tasks: Arc<dyn Tasks>,
    results: Arc<Results>,
    cases: HashMap<Place, Case>,
    /// Invariant: the logs of `cases`.
    failed: HashMap<Key, Name<'static>>,
    /// How often those were tried that were opened not long ago.
    recent: HashMap<Place, (Instant, u32)>,
}

impl Troubled {
    pub(super) fn new(dir: Arc<DataDir>, logs: Arc<dyn Logs>, wake_up: Arc<WakeUp>, tasks: Arc<dyn Tasks>) -> Self {
        let results = Arc::new(Results { brought: Mutex::default(), wake_up });
        let (cases, failed, recent) = (HashMap::new(), HashMap::new(), HashMap::new());
        Troubled { dir, logs, tasks, results, cases, failed, recent }
    }

    pub(super) fn results(&self) -> Arc<Results> {
        Arc::clone(&self.results)
    }

    /// What was synced; and whether all that was synced together was, where that is just done.
    pub(super) fn take_synced(&self) -> (Vec<Synced>, Option<bool>) {
        let mut brought = self.results.lock();
        (mem::take(&mut brought.synced), brought.together.take())
    }

    pub(super) fn take_removed(&self) -> Vec<Key> {
        mem::take(&mut self.results.lock().removed)
    }

    /// Whether nothing more is written to this log.
    pub(super) fn is_failed(&self, key: Key) -> bool {
        self.failed.contains_key(&key)
    }

    /// A log failed: its topic is opened again.
    pub(super) fn failed(&mut self, key: Key, topic: Name<'static>, why: String, now: Instant) {
        if self.is_failed(key) {
            return;
        }
        self.failed.insert(key, topic.clone());
        self.take_up(key.shard, topic, Some(key.log), why, now);
    }

    /// A topic could not be opened at the start: it is tried again.
    pub(super) fn set_aside(&mut self, shard: usize, topic: Name<'static>, why: String, now: Instant) {
        self.take_up(shard, topic, None, why, now);
    }

    fn take_up(&mut self, shard: usize, topic: Name<'static>, log: Option<LogId>, why: String, now: Instant) {
        let place = (shard, topic);
        let recent = self.recent.remove(&place).filter(|(well, _)| now.saturating_duration_since(*well) < WELL_AGAIN);
        let tries = recent.map_or(0, |(_, tries)| tries);
        tracing::error!("{why}; the topic is opened again in {:?}", wait(tries));
        let unwell = Unwell { why: why.clone(), state: state(log) };
        self.logs.unwell(shard, &place.1, Some(unwell));
        self.cases.insert(place, Case { log, tries, again: now + wait(tries), is_opening: false, why });
    }

    /// Whether all topics are well.
    pub(super) fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// A log is gone.
    pub(super) fn forget(&mut self, key: Key, topic: &Name<'static>) {
        if self.failed.remove(&key).is_some() {
            let place = (key.shard, topic.clone());
            self.cases.remove(&place);
            self.recent.remove(&place);
            self.logs.unwell(key.shard, topic, None);
        }
    }

    /// Begins to open those whose time has come. `busy` are logs that tasks are still at.
    pub(super) fn turn(&mut self, now: Instant, busy: impl Fn(Key) -> bool) {
        for ((shard, topic), case) in &mut self.cases {
            let is_busy = case.log.is_some_and(|log| busy(Key { shard: *shard, log }));
            if case.is_opening || case.again > now || is_busy {
                continue;
            }
            case.is_opening = true;
            let (dir, results) = (Arc::clone(&self.dir), Arc::clone(&self.results));
            let (place, log, tries) = ((*shard, topic.clone()), case.log, case.tries);
            let task = move || {
                let found = dir.open_again(&place.1, tries).map_err(|unusable| unusable.to_string());
                results.opened(Opened { place, log, found });
            };
            self.tasks.push(Lane::Slow, Box::new(task));
        }
        self.recent.retain(|_, (well, _)| now.saturating_duration_since(*well) < WELL_AGAIN);
    }

    /// When to come again.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let waiting = self.cases.values().filter(|case| !case.is_opening);
        // Those that are busy ring when they are not.
        waiting.map(|case| case.again.saturating_duration_since(now).max(Duration::from_millis(10))).min()
    }

    /// Topics that were opened again are handed to their engines. The logs that are theirs no more.
    pub(super) fn take_opened(&mut self, now: Instant) -> Vec<Key> {
        let mut closed = Vec::new();
        let opened = mem::take(&mut self.results.lock().opened);
        for Opened { place, log, found } in opened {
            // It was deleted meanwhile.
            let Some(case) = self.cases.get_mut(&place).filter(|case| case.log == log) else { continue };
            case.is_opening = false;
            match found {
                Ok(recovered) => {
                    let tries = case.tries + 1;
                    self.cases.remove(&place);
                    closed.extend(log.map(|log| Key { shard: place.0, log }));
                    tracing::info!("topic {} is opened again", place.1);
                    self.logs.opened(place.0, log, &place.1, recovered);
                    self.logs.unwell(place.0, &place.1, None);
                    self.recent.insert(place, (now, tries));
                }
                Err(why) => {
                    case.tries += 1;
                    case.again = now + wait(case.tries);
                    if case.why != why {
                        tracing::error!("topic {} cannot be opened: {why}", place.1);
                        let unwell = Unwell { why: why.clone(), state: state(log) };
                        self.logs.unwell(place.0, &place.1, Some(unwell));
                        case.why = why;
                    }
                }
            }
        }
        for key in &closed {
            self.failed.remove(key);
        }
        closed
    }
}

/// What it means for a topic: one that was open serves what it knows to be durable.
fn state(log: Option<LogId>) -> TopicTrouble {
    if log.is_some() { TopicTrouble::Stalled } else { TopicTrouble::SetAside }
}

/// How long to wait after so many times.
fn wait(tries: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT)
}
