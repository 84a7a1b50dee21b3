//! What of one log is on its way: to be written, to be synced, being synced, to be removed.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use shelfmq_core::log::{LogCommand, Truncate};
use shelfmq_core::name::Name;

use super::Key;
use super::syncing::Steps;

/// A log of which something is not durable, or not even written.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) topic: Name<'static>,
    /// What is to be synced next.
    pub(super) steps: Steps,
    /// How far the log is written.
    written: u64,
    /// Somebody waits for it: it is synced as soon as the sync before is done.
    pub(super) is_urgent: bool,
    /// Nobody waits for it: it is synced at this time at the latest.
    pub(super) due: Option<Instant>,
    /// A sync is under way, since then.
    syncing: Option<Instant>,
    /// It was said that it takes long.
    is_slow: bool,
    /// It is to be synced by itself, for something in the file system failed, and its own file tells whether that is it.
    is_suspect: bool,
    /// Something could not be written.
    pub(super) stall: Option<Stall>,
    /// That, and what came after it.
    /// Invariant: empty unless there is a stall.
    pub(super) pending: VecDeque<LogCommand>,
    /// Segments that are to go once all of the log is durable.
    pub(super) truncate: Option<Truncate>,
    /// So many times segments are being removed.
    pub(super) removing: u32,
}

/// Something could not be written for a reason that passes.
#[derive(Debug)]
pub(super) struct Stall {
    since: Instant,
    /// When to try again.
    pub(super) again: Instant,
    /// Whoever waited has an answer.
    is_answered: bool,
}

impl Stall {
    pub(super) fn new(now: Instant) -> Self {
        Stall { since: now, again: now, is_answered: false }
    }

    /// Whether it has come to be so long that whoever waits is to be answered; once.
    pub(super) fn is_answer_due(&mut self, now: Instant, within: Duration) -> bool {
        let is_due = now.saturating_duration_since(self.since) >= within;
        is_due && !mem::replace(&mut self.is_answered, true)
    }
}

/// A sync that came to its end.
#[derive(Debug)]
pub(super) struct Synced {
    pub(super) key: Key,
    /// How far the log is durable, if all went well.
    pub(super) upto: u64,
    /// How many files were kept open for it.
    pub(super) files: usize,
    pub(super) result: io::Result<()>,
}

impl Flow {
    pub(super) fn new(topic: Name<'static>) -> Self {
        Flow {
            topic,
            steps: Steps::default(),
            written: 0,
            is_urgent: false,
            due: None,
            syncing: None,
            is_slow: false,
            is_suspect: false,
            stall: None,
            pending: VecDeque::new(),
            truncate: None,
            removing: 0,
        }
    }

    /// The log is written up to there.
    pub(super) fn written(&mut self, upto: u64) {
        self.written = upto;
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.stall.is_some()
    }

    /// Whether tasks are under way that use its files.
    pub(super) fn is_busy(&self) -> bool {
        self.is_syncing() || self.removing > 0
    }

    /// Whether there is nothing to be known of it.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_busy() && self.steps.is_empty() && self.stall.is_none() && self.truncate.is_none()
    }

    /// Whether it may be synced with others.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_suspect && !self.is_syncing() && self.steps.are_plain()
    }

    /// It is not, until it was synced by itself.
    pub(super) fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// What there is to be synced, and how far the log is durable then.
    pub(super) fn begin_sync(&mut self, now: Instant) -> Option<(Steps, u64)> {
        (self.is_urgent, self.due, self.is_suspect) = (false, None, false);
        if self.steps.is_empty() {
            return None;
        }
        self.syncing = Some(now);
        Some((mem::take(&mut self.steps), self.written))
    }

    /// The sync that was under way is done. How long it took.
    pub(super) fn synced(&mut self, now: Instant) -> Duration {
        if let Some(stall) = &mut self.stall {
            // What waited for this goes on at once.
            stall.again = stall.since;
        }
        self.syncing.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Nobody needs what was written any more. How many files were kept open for it.
    pub(super) fn abandon(&mut self) -> usize {
        self.pending.clear();
        (self.is_urgent, self.due, self.truncate, self.stall) = (false, None, None, None);
        mem::take(&mut self.steps).len()
    }

    /// Since how long its sync is under way, where that has just come to be so long.
    pub(super) fn news_of_slow(&mut self, now: Instant, slow: Duration) -> Option<Duration> {
        let since = now.saturating_duration_since(self.syncing?);
        (since >= slow && !mem::replace(&mut self.is_slow, true)).then_some(since)
    }

    /// Whether that has just come to its end.
    pub(super) fn news_of_speed(&mut self) -> bool {
        self.syncing.is_none() && mem::take(&mut self.is_slow)
    }
}
