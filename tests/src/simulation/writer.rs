//! The writer of a host: takes what engines want written, and does it on the disk in the smallest steps there are,
//! so that a crash may come between any two.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shelfmq_core::log::{Append, LogCommand, LogId};

use super::disk::{Directory, SimDisk};
use super::{Lie, Sync};
use crate::workload::Random;

/// A log of one of the engines.
pub(super) type Log = (usize, LogId);

/// What an engine is to be told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    Appended(u64),
    Failed,
}

/// One step towards durability.
#[derive(Clone, Copy, Debug)]
enum Step {
    File(Log, Directory, u32),
    Names(Directory),
    Root,
}

/// A batch of work on its way, and where the logs are.
#[derive(Debug)]
pub(super) struct Writer {
    sync: Sync,
    lie: Option<Lie>,
    directories: BTreeMap<Log, Directory>,
    failed: BTreeSet<Log>,
    /// Not written yet.
    taken: VecDeque<(usize, LogCommand)>,
    /// To be synced, once all is written.
    steps: VecDeque<Step>,
    /// To be told, once all is synced.
    told: VecDeque<(Log, Told)>,
    /// What is synced only now and then.
    later: Vec<Step>,
    /// What is to be told once that is synced, of logs whose every append is.
    told_later: BTreeMap<Log, u64>,
    /// What went wrong with the engine's work itself.
    pub(super) wrong: Vec<String>,
    /// How many of the next writes fail, and how many syncs.
    pub(super) failing_writes: u32,
    pub(super) failing_syncs: u32,
    pub(super) full: bool,
}

impl Writer {
    pub(super) fn new(sync: Sync, lie: Option<Lie>) -> Self {
        Writer {
            sync,
            lie,
            directories: BTreeMap::new(),
            failed: BTreeSet::new(),
            taken: VecDeque::new(),
            steps: VecDeque::new(),
            told: VecDeque::new(),
            later: Vec::new(),
            told_later: BTreeMap::new(),
            wrong: Vec::new(),
            failing_writes: 0,
            failing_syncs: 0,
            full: false,
        }
    }

    /// Whether the last batch is done with.
    pub(super) fn is_free(&self) -> bool {
        self.taken.is_empty() && self.steps.is_empty() && self.told.is_empty()
    }

    pub(super) fn take(&mut self, shard: usize, work: LogCommand) {
        self.taken.push_back((shard, work));
    }

    /// Where a log is, as far as it was written.
    pub(super) fn directory(&self, log: Log) -> Option<Directory> {
        self.directories.get(&log).copied()
    }

    /// Does one thing; answers whom to tell what.
    pub(super) fn step(&mut self, disk: &mut SimDisk, random: &mut Random) -> Option<(Log, Told)> {
        if let Some((shard, work)) = self.taken.front() {
            if self.full && matches!(work, LogCommand::Append(_)) {
                return None;
            }
            let shard = *shard;
            let (_, work) = self.taken.pop_front().expect("it was just looked at");
            self.write(shard, work, disk, random);
            return None;
        }
        if let Some(step) = self.steps.pop_front() {
            if self.sync == Sync::Always && self.lie != Some(Lie::NeverSyncs) {
                self.make_durable(step, disk, random);
            } else {
                self.later.push(step);
            }
            return None;
        }
        self.told.pop_front()
    }

    /// Whether a log failed, or one is about to.
    pub(super) fn is_failed(&self) -> bool {
        !self.failed.is_empty() || self.failing_syncs > 0
    }

    /// Syncs what was left for later.
    pub(super) fn sync_later(&mut self, disk: &mut SimDisk, random: &mut Random) {
        for step in std::mem::take(&mut self.later) {
            self.make_durable(step, disk, random);
        }
    }

    /// Syncs what nobody waits for, if there is any, and tells of it.
    pub(super) fn sync_told_later(&mut self, disk: &mut SimDisk, random: &mut Random) -> bool {
        if self.told_later.is_empty() {
            return false;
        }
        self.sync_later(disk, random);
        for (log, upto) in std::mem::take(&mut self.told_later) {
            if !self.failed.contains(&log) {
                self.told.push_back((log, Told::Appended(upto)));
            }
        }
        true
    }

    fn make_durable(&mut self, step: Step, disk: &mut SimDisk, random: &mut Random) {
        match step {
            Step::File(log, directory, segment) if self.failing_syncs > 0 => {
                self.failing_syncs -= 1;
                disk.fail_sync(directory, segment, random);
                self.fail(log);
            }
            Step::File(log, ..) if self.failed.contains(&log) => {}
            Step::File(_, directory, segment) => disk.sync(directory, segment),
            Step::Names(directory) => disk.sync_directory(directory),
            Step::Root => disk.sync_root(),
        }
    }

    /// A log failed: nothing that was not told yet is told as done.
    fn fail(&mut self, log: Log) {
        self.failed.insert(log);
        for (other, told) in &mut self.told {
            if *other == log {
                *told = Told::Failed;
            }
        }
        if self.told.iter().all(|(other, _)| *other != log) {
            self.told.push_back((log, Told::Failed));
        }
    }

    fn write(&mut self, shard: usize, work: LogCommand, disk: &mut SimDisk, random: &mut Random) {
        match work {
            LogCommand::Append(append) => self.append(shard, &append, disk, random),
            LogCommand::Truncate(forget) => {
                let Some(directory) = self.directory((shard, forget.log)) else { return };
                // What replaces the old segments is to be durable before they go.
                self.sync_later(disk, random);
                let all = disk.segments(directory);
                let first = if self.lie == Some(Lie::ForgetsTooMuch) { u32::MAX } else { forget.segment };
                let last = all.last().copied().unwrap_or_default();
                for segment in all.into_iter().filter(|segment| *segment < first && *segment < last) {
                    disk.remove(directory, segment);
                }
                self.steps.push_back(Step::Names(directory));
            }
            LogCommand::Delete(delete) => {
                let log = (shard, delete.log);
                let here = disk.directory(delete.topic.as_str());
                let is_another = self.directories.iter().any(|(other, at)| *other != log && Some(*at) == here);
                // A log to which nothing was appended since the start is the one of that name.
                if self.directories.remove(&log).is_some() || !is_another {
                    disk.remove_directory(delete.topic.as_str());
                    self.steps.push_back(Step::Root);
                }
                self.failed.remove(&log);
                self.told.push_back((log, Told::Appended(u64::MAX)));
            }
        }
    }

    /// Where this append goes; a topic's directory is made with its first segment.
    fn place(&mut self, log: Log, append: &Append, disk: &mut SimDisk) -> Directory {
        if let Some(directory) = self.directory(log) {
            return directory;
        }
        let topic = append.topic.as_str();
        let directory = disk.directory(topic).unwrap_or_else(|| {
            self.steps.push_back(Step::Root);
            disk.create_directory(topic)
        });
        self.directories.insert(log, directory);
        directory
    }

    fn append(&mut self, shard: usize, append: &Append, disk: &mut SimDisk, random: &mut Random) {
        let log = (shard, append.log);
        if self.failed.contains(&log) {
            self.told.push_back((log, Told::Failed));
            return;
        }
        let directory = self.place(log, append, disk);
        if append.segment.is_some() {
            // Of the segment before, all is to be durable first.
            if let Some(last) = disk.segments(directory).last().copied().filter(|last| *last != append.number) {
                self.steps.push_back(Step::File(log, directory, last));
            }
            disk.create(directory, append.number);
            self.steps.push_back(Step::Names(directory));
        }
        let mut bytes = append.bytes.clone();
        if self.lie == Some(Lie::LosesAWrite) && append.segment.is_none() && random.percent(5) {
            bytes.fill(0);
        }
        let fails = self.failing_writes > 0;
        if fails {
            self.failing_writes -= 1;
            bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        }
        if !disk.append(directory, append.number, append.offset, &bytes) {
            let (topic, number, offset) = (&append.topic, append.number, append.offset);
            self.wrong.push(format!("an append to {topic}, segment {number}, at {offset}, where it does not end"));
            return self.fail(log);
        }
        if append.lazy && !fails && self.sync == Sync::Always {
            self.later.push(Step::File(log, directory, append.number));
            self.told_later.insert(log, append.upto);
            return;
        }
        self.steps.push_back(Step::File(log, directory, append.number));
        if fails {
            return self.fail(log);
        }
        self.told.push_back((log, Told::Appended(append.upto)));
    }
}
