//! Many logs made durable at once: where many wait, one sync of the whole file system costs less than one of each file.
//!
//! The file system tells whoever asks it that something could not be written, once, and not what. So after that each log
//! that has something to be synced is synced by itself, once: its own file tells whether it was that one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::dir::DataDir;
use super::flow::Synced;
use super::fs::{FileSystem, Mounted};
use super::syncing::Steps;
use super::{Done, Key, Logs, Outcome};

/// How long it is left alone once it took longer than the files for themselves, at first and at most: somebody else
/// writes much to the same file system.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A sync that is quicker than this is not too slow, whatever others take.
const QUICK: Duration = Duration::from_millis(10);

/// When logs are synced together. One such sync is under way at a time: what is ready meanwhile is the next.
#[derive(Debug)]
pub(super) struct Together {
    /// None where the file system cannot do it, or does not tell what failed.
    mounted: Option<Arc<dyn Mounted>>,
    /// With how many logs one began that is under way, and when.
    under_way: Option<(usize, Instant)>,
    /// About how long a file takes for itself.
    single: Duration,
    /// Not before this time, and how long it is left alone next.
    again: Option<Instant>,
    wait: Duration,
}

impl Together {
    pub(super) fn new(dir: &DataDir) -> Self {
        let mounted = dir.fs().mounted(dir.root()).ok();
        Together { mounted, under_way: None, single: Duration::ZERO, again: None, wait: FIRST_WAIT }
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether so many are better synced together while so many others are being synced, and nothing is against it.
    pub(super) fn is_worth(&self, logs: usize, others: usize, now: Instant) -> bool {
        let is_time = self.again.is_none_or(|again| again <= now);
        self.mounted.as_ref().is_some_and(|mounted| logs + others >= mounted.worth_from()) && logs > 0 && is_time
    }

    /// Begins with so many; what is to be synced then.
    pub(super) fn begin(&mut self, logs: usize, now: Instant) -> Option<Arc<dyn Mounted>> {
        self.under_way = Some((logs, now));
        self.mounted.clone()
    }

    /// A file was synced for itself, in this time.
    pub(super) fn took_alone(&mut self, time: Duration) {
        self.single = (self.single * 7 + time) / 8;
    }

    /// The one that was under way is done.
    pub(super) fn ended(&mut self, now: Instant) {
        let Some((logs, since)) = self.under_way.take() else { return };
        let took = now.saturating_duration_since(since);
        // Even one after the other they would not have taken longer.
        if took > QUICK && took > self.single.saturating_mul(u32::try_from(logs).unwrap_or(u32::MAX)) {
            self.again = Some(now + self.wait);
            self.wait = (self.wait * 2).min(LONGEST_WAIT);
        } else {
            self.wait = FIRST_WAIT;
        }
    }
}

/// The logs of one sync: what is to be synced of each, and how far it is durable then.
pub(super) struct Group {
    pub(super) mounted: Arc<dyn Mounted>,
    pub(super) logs: Vec<(Key, Steps, u64)>,
}

impl Group {
    /// Syncs them, and tells their engines. What became of each, and whether all of it was well.
    pub(super) fn run(self, fs: &dyn FileSystem, engines: &dyn Logs, tells: bool) -> (Vec<Synced>, bool) {
        let is_well = self.sync();
        let mut all = Vec::with_capacity(self.logs.len());
        let mut done: Vec<(usize, Done)> = Vec::with_capacity(self.logs.len());
        for (key, steps, upto) in self.logs {
            let result = if is_well { steps.have_names() } else { steps.run(fs) };
            if result.is_ok() && tells {
                done.push((key.shard, Done { log: key.log, outcome: Outcome::Stored(upto) }));
            }
            all.push(Synced { key, upto, files: steps.len(), result });
        }
        done.sort_by_key(|(shard, _)| *shard);
        for of_shard in done.chunk_by(|one, other| one.0 == other.0) {
            let told: Vec<Done> = of_shard.iter().map(|(_, done)| *done).collect();
            engines.done(of_shard[0].0, &told);
        }
        (all, is_well)
    }

    /// Whether all that was written is durable.
    fn sync(&self) -> bool {
        // One file more for itself: a file system that has nothing of its own to write, as XFS where no file grew, may not tell
        // the device to write down what it has only in its cache. This does, for all that came before.
        let last = self.logs.iter().flat_map(|(_, steps, _)| steps.files()).last();
        self.mounted.sync().is_ok() && last.is_none_or(|file| file.sync_data().is_ok())
    }
}
