//! The engines of a simulated host as its disk sees them, and what waits to be done beside the writer.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shelfmq::disk::tasks::{Lane, Task, Tasks};
use shelfmq::disk::{Done, Logs, Outcome, Unwell};
use shelfmq_core::command::TopicUnwell;
use shelfmq_core::log::{Damage, Loaded, LogCommand, LogId, Read, Recovered};
use shelfmq_core::name::Name;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, Transfer};

use super::disk::SimDisk;
use crate::http::Answer;
use crate::model::{Nanos, Ticket};
use crate::workload::{Random, real};

/// Something that a client sees.
#[derive(Debug)]
pub enum Seen {
    /// The whole answer.
    Answer(Answer),
    /// The head of a stream.
    Open,
    /// Bytes of a stream.
    Chunk(Vec<u8>),
    /// The end of a stream.
    Close,
    /// Nobody's answer: the log of a topic failed, and it was opened again from what the device has.
    OpenedAgain(String),
}

/// The engines, and what they want.
#[derive(Debug, Default)]
pub(super) struct Engines {
    pub(super) all: Vec<Engine>,
    pub(super) now: Nanos,
    pub(super) reads: Vec<(usize, Read)>,
    pub(super) transfers: VecDeque<Transfer>,
    pub(super) seen: VecDeque<(Ticket, Seen)>,
    /// What clients of a shard see once what is taken of it with this take is written.
    pub(super) held: Vec<VecDeque<(u64, Ticket, Seen)>>,
    /// Who just says what became of messages.
    pub(super) settling: Option<Ticket>,
    /// How often the writer took what a shard wants written.
    pub(super) takes: u64,
    pub(super) appends: u64,
    /// What was damaged in topics that were opened again.
    pub(super) damaged: Vec<(String, Damage)>,
    pub(super) disk: Option<SimDisk>,
    /// Topics whose last segment is all that is to be left of them, for this host forgets too much.
    pub(super) forgets: Option<SimDisk>,
}

impl Engines {
    fn time(&self) -> Time {
        Time::from_nanos(self.now)
    }

    /// Does something with an engine, and takes what it wants.
    pub(super) fn with<R>(&mut self, shard: usize, act: impl FnOnce(&mut Engine, Time) -> R) -> R {
        let now = self.time();
        let result = act(&mut self.all[shard], now);
        self.held.resize_with(self.all.len(), Default::default);
        let outputs: Vec<Output> = iter::from_fn(|| self.all[shard].poll_output()).collect();
        let mut all = Vec::new();
        for output in outputs {
            match output {
                Output::Respond(ticket, response) => {
                    all.push((ticket, response.settles, Seen::Answer(real(response))));
                }
                Output::Open(ticket, _) => all.push((ticket, false, Seen::Open)),
                Output::Chunk(ticket, bytes) => all.push((ticket, true, Seen::Chunk(bytes))),
                Output::Close(ticket) => all.push((ticket, false, Seen::Close)),
                Output::Forward(transfer) => self.transfers.push_back(transfer),
                Output::Read(read) => self.reads.push((shard, read)),
                Output::Configured(..) => {}
            }
        }
        // What is put back may be somebody else's before that is answered.
        all.sort_by_key(|seen| Some(seen.0) != self.settling);
        for (ticket, settles, seen) in all {
            // As in the server's shards; but here all that comes after stays behind, for it is judged in order.
            let behind = self.held[shard].back().map(|held| held.0);
            let waits = (settles && self.all[shard].has_log_work()).then_some(self.takes + 1);
            match waits.or(behind) {
                Some(take) => self.held[shard].push_back((take, ticket, seen)),
                None => self.seen.push_back((ticket, seen)),
            }
        }
        result
    }

    /// What was taken of a shard is written: nothing where the host died on the way.
    fn written(&mut self, shard: usize, take: u64) {
        if let Some(held) = self.held.get_mut(shard)
            && !self.disk.as_ref().is_some_and(SimDisk::is_dead)
        {
            let count = held.partition_point(|held| held.0 <= take);
            self.seen.extend(held.drain(..count).map(|(_, ticket, seen)| (ticket, seen)));
        }
    }
}

/// The engines as the disk sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Engines>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Engines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(&self, mut act: impl FnMut(&mut Engine, Time)) {
        let mut engines = self.lock();
        for shard in 0..engines.all.len() {
            engines.with(shard, &mut act);
        }
    }
}

impl Logs for Shared {
    fn shards(&self) -> usize {
        self.lock().all.len()
    }

    fn take(&self, shard: usize, work: &mut Vec<LogCommand>) -> u64 {
        let mut engines = self.lock();
        while let Some(mut command) = engines.all[shard].poll_log() {
            if let (LogCommand::Truncate(truncate), Some(disk)) = (&mut command, &engines.forgets) {
                truncate.segment = disk.segments(truncate.topic.as_str()).last().copied().unwrap_or_default();
            }
            work.push(command);
        }
        engines.takes += 1;
        engines.takes
    }

    fn written(&self, shard: usize, take: u64) {
        self.lock().written(shard, take);
    }

    fn done(&self, shard: usize, done: &[Done]) {
        let mut engines = self.lock();
        for Done { log, outcome } in done {
            engines.appends += 1;
            engines.with(shard, |engine, now| match outcome {
                Outcome::Stored(upto) => engine.handle_appended(now, *log, *upto),
                Outcome::Late => engine.handle_append_late(now, *log),
                Outcome::Unknown => engine.handle_append_failed(now, *log),
            });
        }
    }

    fn read_done(&self, shard: usize, read: &Read, loaded: Option<Loaded>) {
        self.lock().with(shard, |engine, now| engine.handle_read(now, read, loaded));
    }

    fn opened(&self, shard: usize, log: Option<LogId>, topic: &Name<'static>, recovered: Recovered) {
        let mut engines = self.lock();
        if log.is_none_or(|log| engines.all[shard].has_log(log)) {
            // It takes a while, if only a little.
            engines.now += 2_000_000;
            engines.damaged.extend(recovered.damage.iter().map(|damage| (topic.to_string(), *damage)));
            if log.is_some() {
                // First, for what it answers is of the topic as it was.
                engines.seen.push_back((0, Seen::OpenedAgain(topic.to_string())));
            }
            engines.with(shard, |engine, now| engine.open_topic(now, recovered));
        }
    }

    fn space(&self, full: bool) {
        self.each(|engine, _| engine.handle_space(full));
    }

    fn unwell(&self, _shard: usize, topic: &Name<'static>, unwell: Option<Unwell>) {
        self.each(|engine, now| {
            let told = unwell.clone().map(|Unwell { why, state }| TopicUnwell { why, since: now, state });
            engine.set_topic_unwell(topic.as_str(), told);
        });
    }
}

/// What was to be done beside the writer, and is not done yet.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<[VecDeque<Task>; 2]>>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl Tasks for Waiting {
    fn push(&self, lane: Lane, task: Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[lane as usize].push_back(task);
    }
}

impl Waiting {
    /// One of those that may be done next.
    pub(super) fn take(&self, random: &mut Random) -> Option<Task> {
        let [sync, slow] = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !slow.is_empty() && (sync.is_empty() || random.percent(40)) {
            return slow.pop_front();
        }
        let index = random.below(sync.len().max(1) as u64) as usize;
        sync.remove(index)
    }
}
