//! How request threads wake the writer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

/// Tells the writer that there is something to do; nearly free while it is awake.
#[derive(Debug)]
pub(super) struct WakeUp {
    shards: Vec<AtomicBool>,
    /// Something else is to be looked at.
    other: AtomicBool,
    stopping: AtomicBool,
    asleep: AtomicBool,
    writer: OnceLock<Thread>,
    /// The writer syncs, and does not listen.
    syncing: AtomicBool,
    /// Who listens meanwhile, now and then.
    beside: OnceLock<Thread>,
}

impl WakeUp {
    pub(super) fn new(shards: usize) -> Self {
        WakeUp {
            shards: (0..shards).map(|_| AtomicBool::new(false)).collect(),
            other: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            writer: OnceLock::new(),
            syncing: AtomicBool::new(false),
            beside: OnceLock::new(),
        }
    }

    /// Whom it wakes.
    pub(super) fn belongs_to(&self, writer: Thread, beside: Thread) {
        // They are told once, by the writer itself, before it sleeps.
        let _ = (self.writer.set(writer), self.beside.set(beside));
    }

    /// This shard has work; `awaited`: somebody waits for it to be written.
    pub(super) fn ring(&self, shard: usize, awaited: bool) {
        self.shards[shard].store(true, SeqCst);
        self.wake();
        if awaited && self.syncing.load(SeqCst) {
            self.wake_beside();
        }
    }

    /// The writer syncs from now on, or no more.
    pub(super) fn set_syncing(&self, syncing: bool) {
        self.syncing.store(syncing, SeqCst);
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.syncing.load(SeqCst)
    }

    /// Whoever is there while the writer syncs looks around.
    pub(super) fn wake_beside(&self) {
        if let Some(beside) = self.beside.get() {
            beside.unpark();
        }
    }

    /// Whoever sleeps looks around.
    pub(super) fn ring_other(&self) {
        self.other.store(true, SeqCst);
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, SeqCst);
        self.ring_other();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(SeqCst)
    }

    fn wake(&self) {
        if self.asleep.load(SeqCst)
            && self.asleep.swap(false, SeqCst)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

    /// Whether this shard rang since it was asked last.
    pub(super) fn rang(&self, shard: usize) -> bool {
        self.shards[shard].load(SeqCst) && self.shards[shard].swap(false, SeqCst)
    }

    fn is_quiet(&self) -> bool {
        !self.other.load(SeqCst) && self.shards.iter().all(|rang| !rang.load(SeqCst))
    }

    /// Sleeps until it rings, or as long as is said. For the writer.
    pub(super) fn wait(&self, at_most: Option<Duration>) {
        self.asleep.store(true, SeqCst);
        // What rang before this did not see a sleeper.
        if self.is_quiet() {
            match at_most {
                Some(at_most) => thread::park_timeout(at_most),
                None => thread::park(),
            }
        }
        self.asleep.store(false, SeqCst);
        self.other.store(false, SeqCst);
    }
}
