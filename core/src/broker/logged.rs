//! The logs of all topics: what waits to be written or read, what is durable, and what has room in memory.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::{Broker, Closed, Life, Outbox, Owner};
use crate::channel::Search;
use crate::command::{Refusal, TopicTrouble};
use crate::config::LogOptions;
use crate::ids::TopicId;
use crate::log::image::TopicImage;
use crate::log::journal::Journal;
use crate::log::{Delete, Loaded, LogCommand, LogId, Read, Recovered};
use crate::name::Name;
use crate::time::Time;
use crate::topic::Topic;

/// How many chunks one call looks at to make room: a few times what a request with the default limits can have brought
/// in. Where that is not enough, the next calls go on.
const EVICTIONS: usize = 128;

/// How soon a read that failed is tried again.
pub(super) const READ_AGAIN: Duration = Duration::from_secs(1);

/// What the broker knows of its logs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Logs {
    /// None where everything stays in memory.
    options: Option<LogOptions>,
    /// What the host says is appended is on the disk.
    are_synced: bool,
    /// The name that was given to a log last: none is given twice.
    last: LogId,
    /// Invariant: exactly the logs of topics that are there. What comes from the host for another log is late, and is
    /// passed over.
    #[serde(skip)]
    topics: HashMap<LogId, TopicId, foldhash::fast::FixedState>,
    /// What waits to be written, in order: the topics whose appends are to be taken. Invariant: each stands here once,
    /// and is marked by `is_dirty`.
    dirty: VecDeque<Dirty>,
    /// What was taken from them and not given away.
    work: VecDeque<LogCommand>,
    reads: VecDeque<Read>,
    /// How many reads the host was given and has not answered.
    reading: usize,
    /// Chunks of messages in memory, in the order in which they are thought of to be evicted. A chunk that is gone by
    /// itself may still stand here.
    resident: VecDeque<(LogId, u64)>,
    /// With so many of them, those that are gone are looked for.
    sweep_at: usize,
    /// Bytes of all messages in memory of topics with a log. Invariant: the sum of what each topic has in `counted`.
    #[serde(skip)]
    memory: usize,
    /// There is no room on the disk.
    full: bool,
    /// Chunks that could not be read. The deadline of their log has them asked for again.
    unread: Vec<(LogId, u64)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Dirty {
    Topic(LogId),
    Deleted(Delete),
}

impl Logs {
    /// Knows the log of a topic that a checkpoint tells of, where it has one; `None` where it cannot have it.
    pub(super) fn restored(&mut self, number: TopicId, topic: &Topic) -> Option<()> {
        let Some(log) = topic.log_id() else { return Some(()) };
        self.memory = self.memory.checked_add(topic.counted).filter(|memory| *memory < usize::MAX / 2)?;
        let is_new = self.topics.insert(log, number).is_none();
        (is_new && log <= self.last).then_some(())
    }

    /// Whether its numbers are not used up.
    pub(super) fn has_numbers(&self) -> bool {
        self.last < LogId::MAX / 2 && self.reading < usize::MAX / 2
    }
}

impl<O: Outbox> Broker<O> {
    /// Keeps a log of every topic from now on. To be called before there is any. `are_synced` says that what the host says is
    /// appended is on the disk.
    pub(crate) fn keep_logs(&mut self, options: LogOptions, are_synced: bool) {
        (self.logs.options, self.logs.are_synced) = (Some(options), are_synced);
    }

    /// A topic that a log tells of.
    pub(crate) fn open_topic(&mut self, now: Time, recovered: &Recovered) {
        let (log, seed) = (self.new_log_id(), self.seeds.next());
        let segment_bytes = self.logs.options.as_ref().map_or(u64::MAX, |options| options.segment_bytes);
        let place = (recovered.end, recovered.image.next.id);
        let journal = Journal::at(log, recovered.header, recovered.snapshot, place, segment_bytes, seed);
        let journal = journal.vouching(self.logs.are_synced);
        // A name that no topic can have, or numbers that leave none to go on with, are nothing to serve.
        let Ok(topic) = Topic::open(recovered, journal, self.seeds.next(), now, &self.limits) else { return };
        let key: Box<str> = topic.name().as_str().into();
        self.closed.remove(&key);
        if let Some(&before) = self.names.get(&key) {
            // First, for it takes its name out of the table. Whether what it had not made durable was kept, the new one
            // knows, and those who wait do not.
            self.unload(before, Refusal::StorageUnknown, now);
        }
        let number = self.topics.insert(topic);
        self.names.insert(key, number);
        self.know_log(number);
        // A log tells of leases that ended and dead letters that did not leave: channels are looked at once without
        // being asked.
        self.topics[number].mark_all_changed();
        self.after_topic(number, now);
    }

    /// What a snapshot of a topic would tell now.
    pub(crate) fn image_of(&self, topic: &str) -> Option<TopicImage> {
        let number = *self.names.get(topic)?;
        Some(self.topics[number].image())
    }

    /// The broker goes down: logs that would take a while to replay end with a snapshot.
    pub(super) fn close_logs(&mut self) {
        for (_, topic) in self.topics.iter_mut() {
            if topic.is_worth_a_snapshot() && !core::mem::replace(&mut topic.is_dirty, true) {
                self.logs.dirty.extend(topic.log_id().map(Dirty::Topic));
            }
        }
    }

    fn new_log_id(&mut self) -> LogId {
        self.logs.last += 1;
        self.logs.last
    }

    /// The log of a topic that is new, where it has one.
    pub(super) fn new_journal(&mut self, name: &Name<'_>, now: Time) -> Option<Journal> {
        let segment_bytes = self.logs.options.as_ref().filter(|_| !name.is_ephemeral())?.segment_bytes;
        let log = self.new_log_id();
        Some(Journal::new(log, segment_bytes, now, self.seeds.next()).vouching(self.logs.are_synced))
    }

    pub(super) fn know_log(&mut self, number: TopicId) {
        if let Some(log) = self.topics[number].log_id() {
            self.logs.topics.insert(log, number);
        }
    }

    /// A topic is gone, and so is its log.
    pub(super) fn forget_log(&mut self, topic: &Topic) {
        let Some(log) = topic.log_id() else { return };
        self.logs.topics.remove(&log);
        self.leave_log(topic, log);
        // Behind all that waits, and a topic of the same name that is made from now on stands behind this.
        self.logs.dirty.push_back(Dirty::Deleted(Delete { log, topic: topic.name().clone() }));
    }

    /// A topic is gone from memory; its log stays as it is.
    pub(super) fn leave_log(&mut self, topic: &Topic, log: LogId) {
        self.logs.topics.remove(&log);
        // What it was counted with, not what it has now: a change may not have been counted yet.
        self.logs.memory -= topic.counted;
        self.logs.dirty.retain(|dirty| !matches!(dirty, Dirty::Topic(other) if *other == log));
        // Whoever has the log now says what of it may go.
        self.logs.work.retain(|work| match work {
            LogCommand::Append(append) => append.log != log,
            LogCommand::Truncate(truncate) => truncate.log != log,
            LogCommand::Delete(_) => true,
        });
        self.logs.reads.retain(|read| read.log != log);
        self.logs.unread.retain(|unread| unread.0 != log);
        // Chunks of topics that are gone would only go when room is needed, which may never be. They are looked for
        // where there are more chunks than topics explain.
        if self.logs.topics.len() * 2 < self.logs.resident.len() {
            let topics = &self.logs.topics;
            self.logs.resident.retain(|chunk| topics.contains_key(&chunk.0));
        }
    }

    /// To be called when a topic was changed: notes what is to be written and read, and what is in memory.
    pub(super) fn note_log(&mut self, number: TopicId) {
        let topic = &mut self.topics[number];
        let Some(log) = topic.log_id() else { return };
        // Only the topic is noted. Its bytes are taken when the host has time, with all that came until then.
        if topic.has_unwritten() && !core::mem::replace(&mut topic.is_dirty, true) {
            self.logs.dirty.push_back(Dirty::Topic(log));
        }
        if topic.messages().wants() {
            let name = topic.name().clone();
            let messages = topic.messages_mut();
            self.logs.reads.extend(messages.take_wanted().into_iter().map(|wanted| Read {
                log,
                topic: name.clone(),
                chunk: wanted.chunk,
                from: wanted.from,
                to: wanted.to,
                segment: wanted.segment,
                bytes: wanted.bytes,
            }));
        }
        // In the order in which they came, which is about the order in which consumers are done with them.
        self.logs.resident.extend(topic.messages_mut().take_fresh().into_iter().map(|chunk| (log, chunk)));
        self.count_memory(number);
    }

    fn count_memory(&mut self, number: TopicId) {
        let topic = &mut self.topics[number];
        let memory = topic.messages().memory();
        self.logs.memory = self.logs.memory - topic.counted + memory;
        topic.counted = memory;
    }

    /// Takes messages out of memory that have no room there and can be read back.
    pub(crate) fn evict(&mut self) {
        let Some(room) = self.logs.options.as_ref().map(|options| options.cache_bytes) else { return };
        self.forget_freed();
        // Each may have its turn twice: the first takes its mark of having been used, the second takes it out.
        let mut left = EVICTIONS.min(2 * self.logs.resident.len());
        while self.logs.memory > room && left > 0 {
            left -= 1;
            let Some((log, chunk)) = self.logs.resident.pop_front() else { return };
            // Its topic is gone.
            let Some(&number) = self.logs.topics.get(&log) else { continue };
            if self.topics[number].messages_mut().evict(chunk) == Some(false) {
                self.logs.resident.push_back((log, chunk));
            }
            self.count_memory(number);
        }
    }

    /// Forgets the chunks that are not in memory any more, once they may be half of those that are known.
    fn forget_freed(&mut self) {
        if self.logs.resident.len() < self.logs.sweep_at.max(256) {
            return;
        }
        let Logs { resident, topics, .. } = &mut self.logs;
        let found = |log: &LogId| topics.get(log).and_then(|number| self.topics.get(*number));
        resident.retain(|(log, chunk)| found(log).is_some_and(|topic| topic.messages().is_resident(*chunk)));
        self.logs.sweep_at = 2 * self.logs.resident.len();
    }

    /// Whether something waits to be written.
    pub(crate) fn has_log_work(&self) -> bool {
        !self.logs.work.is_empty() || !self.logs.dirty.is_empty()
    }

    /// What is to be written next.
    pub(crate) fn poll_log(&mut self, now: Time) -> Option<LogCommand> {
        // What was taken of one topic is given away before another is asked: the parts of a segment's change stay
        // together.
        while self.logs.work.is_empty() {
            match self.logs.dirty.pop_front()? {
                Dirty::Deleted(delete) => return Some(LogCommand::Delete(delete)),
                Dirty::Topic(log) => {
                    let Some(&number) = self.logs.topics.get(&log) else { continue };
                    let topic = &mut self.topics[number];
                    topic.is_dirty = false;
                    topic.take_appends(now, self.life == Life::Exiting, &mut self.logs.work);
                    self.note_log(number);
                }
            }
        }
        self.logs.work.pop_front()
    }

    /// What is to be read next.
    pub(crate) fn poll_read(&mut self) -> Option<Read> {
        let read = self.logs.reads.pop_front()?;
        self.logs.reading += 1;
        Some(read)
    }

    /// A log is durable up to there; one that was deleted is gone.
    pub(crate) fn appended(&mut self, now: Time, log: LogId, upto: u64) {
        if let Some(&number) = self.logs.topics.get(&log) {
            let forget = self.with_topic(number, now, |topic, limits| topic.appended(upto, now, limits));
            self.logs.work.extend(forget);
        }
        // Told even where the topic is gone: that is what the answer to its deletion waits for.
        self.outbox.durable(log, upto);
    }

    /// A log could not be written, or not be synced: what it has at its end is not known. The topic takes nothing in
    /// until it is opened again; what it has, and knows to be durable, it still delivers.
    pub(crate) fn append_failed(&mut self, log: LogId) {
        if let Some(&number) = self.logs.topics.get(&log) {
            self.topics[number].append_failed();
        }
        self.outbox.abandoned(log, Refusal::StorageUnknown);
    }

    /// What was to be appended takes long: who waits for it does not know whether it will be there.
    pub(crate) fn append_late(&mut self, log: LogId) {
        self.outbox.abandoned(log, Refusal::StorageUnknown);
    }

    /// Whether there is a topic with this log.
    pub(crate) fn has_log(&self, log: LogId) -> bool {
        self.logs.topics.contains_key(&log)
    }

    /// The log of a topic, where there is one.
    pub(crate) fn log_of(&self, topic: &str) -> Option<LogId> {
        self.topics[*self.names.get(topic)?].log_id()
    }

    /// Whether nobody has this name: neither a topic that is here, nor one that is somewhere.
    pub(crate) fn is_free(&self, topic: &str) -> bool {
        !self.names.contains_key(topic) && !self.closed.contains_key(topic)
    }

    /// Why nothing new may come now.
    pub(crate) fn refuse_new(&self) -> Result<(), Refusal> {
        self.refuse_if_exiting()?;
        self.refuse_if_full()
    }

    /// A topic takes in no publishes for now. One that is not here and cannot be opened may not be made anew.
    pub(crate) fn set_stalled(&mut self, topic: &str, stalled: Option<TopicTrouble>) {
        match self.names.get(topic) {
            Some(&number) => self.topics[number].stalled = stalled,
            None if stalled == Some(TopicTrouble::SetAside) => drop(self.closed.insert(topic.into(), Closed::SetAside)),
            // Whoever set it aside says that there is nothing of that name after all.
            None if stalled.is_none() && matches!(self.closed.get(topic), Some(Closed::SetAside)) => {
                self.closed.remove(topic);
            }
            None => {}
        }
    }

    /// A log has another owner: the topic is his. What waits is to be asked of him, and nothing more is written.
    pub(crate) fn append_refused(&mut self, now: Time, log: LogId) {
        if let Some(&number) = self.logs.topics.get(&log) {
            self.close(number, Refusal::NoOwner, now);
        }
        self.outbox.abandoned(log, Refusal::NoOwner);
    }

    /// Has everything before this segment of a topic's log go; whether there is such a log that can be written.
    pub(crate) fn compact_topic(&mut self, now: Time, topic: &str, before: u32) -> bool {
        let Some(&number) = self.names.get(topic) else { return false };
        self.with_topic(number, now, |topic, _| topic.compact_before(before))
    }

    /// Lets go of a topic, whose log stays as it is; whether there is one of this name. Until it is opened again, whoever
    /// asks for it is told to try again.
    pub(crate) fn close_topic(&mut self, now: Time, topic: &str) -> bool {
        let Some(&number) = self.names.get(topic) else { return false };
        self.close(number, Refusal::StorageUnknown, now);
        true
    }

    fn close(&mut self, number: TopicId, refusal: Refusal, now: Time) {
        // Who asks for it in between is told to try again, and does not make it anew beside the log that there is.
        self.closed.insert(self.topics[number].name().as_str().into(), Closed::Elsewhere);
        self.unload(number, refusal, now);
    }

    /// Takes a topic out of memory: of what waits for its log, the outcome is `refusal`; polls are to be asked again.
    fn unload(&mut self, number: TopicId, refusal: Refusal, now: Time) {
        self.refuse_parked(Some(number), Refusal::NoOwner);
        for channel in self.topics[number].channel_numbers() {
            self.dismiss_pollers(number, channel, Refusal::NoOwner, now);
        }
        let topic = self.topics.remove(number);
        // The streams are closed; those with messages in flight wait for nobody else to settle them.
        for stream in topic.streams_in_flight() {
            self.pollers.release(stream);
        }
        self.names.remove(topic.name().as_str());
        self.disarm(&topic);
        if let Some(log) = topic.log_id() {
            self.leave_log(&topic, log);
            self.outbox.abandoned(log, refusal);
        }
    }

    /// Somebody else has all topics from now on: what waits is answered so that it is tried again, and nothing more is
    /// written.
    pub(crate) fn resign(&mut self, now: Time) {
        self.life = Life::Resigned;
        // The topics stay out of `closed`: by its `life` the broker refuses all names from now on.
        // First what each topic would otherwise look through for its own.
        let dirty = core::mem::take(&mut self.logs.dirty);
        (self.logs.work, self.logs.reads, self.logs.resident) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        for dirty in dirty {
            if let Dirty::Deleted(delete) = dirty {
                self.outbox.abandoned(delete.log, Refusal::StorageUnknown);
            }
        }
        let topics: Vec<TopicId> = self.topics.iter().map(|(number, _)| number).collect();
        for number in topics {
            self.unload(number, Refusal::StorageUnknown, now);
        }
        self.refuse_parked(None, Refusal::NoOwner);
    }

    /// What was to be read is here, or could not be read.
    pub(crate) fn loaded(&mut self, now: Time, read: &Read, loaded: Option<Loaded>) {
        self.logs.reading = self.logs.reading.saturating_sub(1);
        // A read may come after its topic was closed, or opened again under another log.
        let Some(&number) = self.logs.topics.get(&read.log) else { return };
        let Some(loaded) = loaded else {
            // The chunk stays asked for until then, so that nobody asks the disk for it over and over.
            self.logs.unread.push((read.log, read.chunk));
            self.deadlines.insert(now + READ_AGAIN, Owner::Reads(read.log));
            for channel in self.topics[number].channel_numbers() {
                if self.topics[number].channel(channel).search == Search::Reading {
                    // A poll that waited only for this read is answered: its time is over.
                    self.give_up_overdue(number, channel, now);
                }
            }
            return;
        };
        let topic = &mut self.topics[number];
        topic.messages_mut().load(read.chunk, loaded);
        // The chunk may be one that is to be written again. That has to happen while it is in memory.
        topic.compact();
        // Commands come first: they hold the chunk in memory, and let it go by this.
        self.retry_parked(number, Some(read.chunk), now);
        self.serve_all(number, now);
    }

    /// The clock went back: what was to be tried again later is tried now.
    pub(super) fn read_all_again(&mut self, now: Time) {
        // Each takes all of its log's.
        while let Some(log) = self.logs.unread.first().map(|unread| unread.0) {
            self.read_again(log, now);
        }
    }

    /// Reads that failed are tried again by those who still wait.
    pub(super) fn read_again(&mut self, log: LogId, now: Time) {
        let again: Vec<_> = self.logs.unread.extract_if(.., |unread| unread.0 == log).collect();
        let Some(&number) = self.logs.topics.get(&log) else { return };
        for (_, chunk) in again {
            let messages = self.topics[number].messages_mut();
            // What was asked for is not asked for again, so that the mark goes first.
            messages.load_failed(chunk);
            messages.want(chunk);
            if !messages.is_live(chunk) {
                // Nobody needs it any more: so it will not come, either.
                self.retry_parked(number, Some(chunk), now);
            }
        }
        self.serve_all(number, now);
    }

    /// Whoever waits for something of this topic looks again.
    fn serve_all(&mut self, number: TopicId, now: Time) {
        let Some(topic) = self.topics.get_mut(number) else { return };
        let mut reading = Vec::new();
        for channel in topic.channel_numbers() {
            let found = topic.channel(channel);
            if found.search == Search::Reading || found.has_pending_transfers() {
                topic.mark_changed(channel);
                reading.push(channel);
            }
        }
        self.after_topic(number, now);
        for channel in reading {
            // Only once all were served is it known who gets nothing.
            self.answer_overdue(number, channel, now);
        }
    }

    /// Whether nothing is to be written or read, nor read at this moment.
    pub(crate) fn is_settled(&self) -> bool {
        !self.has_log_work() && self.logs.reads.is_empty() && self.logs.reading == 0 && self.outbox.is_settled()
    }

    /// The disk has no room, or has room again.
    pub(crate) fn set_full(&mut self, full: bool) {
        self.logs.full = full;
    }

    pub(super) fn refuse_if_full(&self) -> Result<(), Refusal> {
        if self.logs.full { Err(Refusal::StorageFull) } else { Ok(()) }
    }

    pub(super) fn refuse_if_stalled(&self, number: TopicId) -> Result<(), Refusal> {
        match self.topics[number].stalled {
            None | Some(TopicTrouble::Slow) => Ok(()),
            Some(TopicTrouble::Full) => Err(Refusal::StorageFull),
            Some(TopicTrouble::Stalled | TopicTrouble::SetAside) => Err(Refusal::StorageFailed),
        }
    }

    pub(super) fn refuse_if_failed(&self, number: TopicId) -> Result<(), Refusal> {
        if self.topics[number].log_has_failed() { Err(Refusal::StorageFailed) } else { Ok(()) }
    }
}
