//! Engines that say what they are told to, and remember what they were told.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use shelfmq_core::log::event::Position;
use shelfmq_core::log::frame::{Kind, SEGMENT_HEADER_BYTES, write_frame};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::log::{Append, Delete, Loaded, LogCommand, LogId, Read, Recovered, SegmentHeader, Truncate};
use shelfmq_core::message::Record;
use shelfmq_core::name::Name;
use shelfmq_core::time::Time;

use super::super::{DataDir, Disk, DiskOptions, Done, Found, Logs, Outcome, Sync, Unwell};

/// How long anything may take that is bound to happen.
const DEADLINE: Duration = Duration::from_secs(20);

pub(super) const SHARDS: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) done: Vec<(usize, Done)>,
    pub(super) reads: Vec<(usize, Read, Option<Loaded>)>,
    pub(super) written: Vec<(usize, u64)>,
    pub(super) full: Vec<bool>,
    pub(super) unwell: Vec<(String, Option<Unwell>)>,
    pub(super) opened: Vec<(Option<LogId>, Recovered)>,
}

#[derive(Debug)]
pub(super) struct Fake {
    waiting: [Mutex<VecDeque<LogCommand>>; SHARDS],
    takes: Mutex<[u64; SHARDS]>,
    told: Mutex<Told>,
    changed: Condvar,
}

impl Fake {
    fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().expect("no test panics with it"));
        self.changed.notify_all();
    }

    /// Waits until this has been told.
    pub(super) fn wait<T>(&self, what: &str, mut seen: impl FnMut(&Told) -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        let mut told = self.told.lock().expect("no test panics with it");
        loop {
            if let Some(seen) = seen(&told) {
                return seen;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} never came; told: {:?}", told.done);
            told = self.changed.wait_timeout(told, left).expect("no test panics with it").0;
        }
    }

    /// What became of a log, once it is as far as this or failed.
    pub(super) fn outcome(&self, topic: &Topic) -> Outcome {
        let mine = |done: &&(usize, Done)| (done.0, done.1.log) == (topic.shard, topic.log);
        self.wait("an outcome", |told| {
            let last = told.done.iter().rev().find(mine)?.1.outcome;
            match last {
                Outcome::Stored(upto) => upto >= topic.upto,
                Outcome::Late => false,
                Outcome::Unknown => true,
            }
            .then_some(last)
        })
    }

    /// Forgets what it was told.
    pub(super) fn clear(&self) {
        self.tell(|told| told.done.clear());
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.lock().expect("no test panics with it"))
    }
}

impl Logs for Fake {
    fn shards(&self) -> usize {
        SHARDS
    }

    fn take(&self, shard: usize, work: &mut Vec<LogCommand>) -> u64 {
        work.extend(self.waiting[shard].lock().expect("no test panics with it").drain(..));
        let mut takes = self.takes.lock().expect("no test panics with it");
        takes[shard] += 1;
        takes[shard]
    }

    fn written(&self, shard: usize, take: u64) {
        self.tell(|told| told.written.push((shard, take)));
    }

    fn done(&self, shard: usize, done: &[Done]) {
        self.tell(|told| told.done.extend(done.iter().map(|done| (shard, *done))));
    }

    fn read_done(&self, shard: usize, read: &Read, loaded: Option<Loaded>) {
        self.tell(|told| told.reads.push((shard, read.clone(), loaded)));
    }

    fn space(&self, full: bool) {
        self.tell(|told| told.full.push(full));
    }

    fn opened(&self, _shard: usize, log: Option<LogId>, _topic: &Name<'static>, recovered: Recovered) {
        self.tell(|told| told.opened.push((log, recovered)));
    }

    fn unwell(&self, _shard: usize, topic: &Name<'static>, unwell: Option<Unwell>) {
        self.tell(|told| told.unwell.push((topic.to_string(), unwell)));
    }
}

/// A disk on a directory, and the engines.
pub(super) struct Bench {
    pub(super) path: PathBuf,
    pub(super) fake: Arc<Fake>,
    /// What a segment's name ends with until it is synced.
    pub(super) making: &'static str,
    disk: Disk,
}

impl Bench {
    pub(super) fn start(path: &Path, sync: Sync) -> Self {
        Self::start_with(path, DiskOptions { sync, min_free_bytes: 0 })
    }

    pub(super) fn start_with(path: &Path, options: DiskOptions) -> Self {
        let dir = DataDir::open(path).expect("it can be opened");
        let waiting = [const { Mutex::new(VecDeque::new()) }; SHARDS];
        let fake = Arc::new(Fake { waiting, takes: Mutex::default(), told: Mutex::default(), changed: Condvar::new() });
        let logs: Arc<dyn Logs> = Arc::clone(&fake) as Arc<dyn Logs>;
        let making = if options.sync == Sync::Always { ".tmp" } else { ".new" };
        Bench { path: path.to_owned(), fake, making, disk: Disk::start(dir, options, logs, Vec::new()) }
    }

    pub(super) fn push(&self, shard: usize, work: impl IntoIterator<Item = LogCommand>) {
        self.fake.waiting[shard].lock().expect("no test panics with it").extend(work);
        self.disk.wake(shard, false);
    }

    /// Has everything written that a topic has said since the last time.
    pub(super) fn write(&self, topic: &mut Topic) {
        self.push(topic.shard, std::mem::take(&mut topic.said));
    }

    pub(super) fn write_and_wait(&self, topic: &mut Topic) {
        self.write(topic);
        assert_eq!(self.fake.outcome(topic), Outcome::Stored(topic.upto));
    }

    pub(super) fn read(&self, topic: &Topic, segment: u32, from: u64, to: u64, bytes: u64) -> Option<Loaded> {
        let before = self.fake.look(|told| told.reads.len());
        let read = Read { log: topic.log, topic: topic.name.clone(), chunk: 0, from, to, segment, bytes };
        self.disk.read(topic.shard, read);
        self.fake.wait("a read", |told| told.reads.get(before).map(|(_, _, loaded)| loaded.clone()))
    }

    pub(super) fn stop(self) {
        self.disk.shutdown();
    }

    pub(super) fn file(&self, topic: &Topic, number: u32) -> PathBuf {
        file(&self.path, topic, number)
    }
}

pub(super) fn file(path: &Path, topic: &Topic, number: u32) -> PathBuf {
    path.join(format!("topics/{}.topic/{number:08x}.log", topic.name))
}

pub(super) fn recover(path: &Path) -> Result<Vec<Recovered>, String> {
    let dir = DataDir::open(path).map_err(|unusable| unusable.to_string())?;
    let found = dir.recover().map_err(|unusable| unusable.to_string())?;
    let recovered = |found| match found {
        Found::Topic(recovered) => Ok(*recovered),
        Found::Aside(_, why) => Err(why),
    };
    found.into_iter().map(recovered).collect()
}

/// Where a frame of a message stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) kept: bool,
    pub(super) id: u64,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// One segment as it should be.
#[derive(Default)]
pub(super) struct Whole {
    pub(super) header: SegmentHeader,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: Vec<Placed>,
}

impl Whole {
    /// What a read should bring, and where what it has to read begins and ends.
    pub(super) fn expected(&self, from: u64, to: u64) -> Loaded {
        let messages = self.frames.iter().filter(|frame| !frame.kept);
        let start = messages.clone().filter(|frame| frame.id < from).map(|frame| frame.end).next_back();
        let start = start.unwrap_or(SEGMENT_HEADER_BYTES as u64);
        let end = messages.clone().find(|frame| frame.id >= to).map_or(self.bytes.len() as u64, |frame| frame.start);
        Loaded::decode(self.header.salt, start, &self.bytes[start as usize..end as usize], from, to)
    }
}

/// A topic as an engine would have it, and all that it ever wrote.
pub(super) struct Topic {
    pub(super) shard: usize,
    pub(super) log: LogId,
    pub(super) name: Name<'static>,
    pub(super) next: u64,
    pub(super) upto: u64,
    pub(super) segments: Vec<Whole>,
    said: Vec<LogCommand>,
}

impl Topic {
    /// A new topic, whose first segment is begun.
    pub(super) fn new(shard: usize, log: LogId, name: &str) -> Self {
        let name = Name::parse(name.to_owned()).expect("it is valid");
        let mut topic = Topic { shard, log, name, next: 1, upto: 0, segments: Vec::new(), said: Vec::new() };
        topic.begin();
        topic
    }

    fn last(&mut self) -> &mut Whole {
        self.segments.last_mut().expect("the first is begun at once")
    }

    fn say(&mut self, is_new: bool, offset: usize) {
        self.upto += 1;
        let (log, topic, index, upto) = (self.log, self.name.clone(), self.next, self.upto);
        let last = self.last();
        let (segment, number) = (is_new.then_some(last.header), last.header.number);
        let (offset, bytes) = (offset as u64, last.bytes[offset..].to_vec());
        let append = Append { log, topic, segment, number, offset, index, upto, lazy: false, bytes };
        self.said.push(LogCommand::Append(append));
    }

    pub(super) fn begin(&mut self) {
        let number = self.segments.len() as u32 + 1;
        let header =
            SegmentHeader { number, index: self.next, salt: 1000 + u64::from(number), created: Time::from_nanos(1) };
        let mut bytes = header.to_bytes().to_vec();
        let next = Position { id: self.next, bytes: 0 };
        let old_segments = self.segments.iter().map(|whole| (whole.header.number, whole.bytes.len() as u64)).collect();
        let name = self.name.to_string();
        let image = TopicImage { name, next, high_watermark: next, old_segments, ..TopicImage::default() };
        for kind in [Kind::Snapshot, Kind::SnapshotCopy] {
            let offset = bytes.len() as u64;
            write_frame(&mut bytes, header.salt, offset, kind, false, |out| {
                out.extend_from_slice(&postcard::to_allocvec(&image).expect("it can be written"));
            });
        }
        self.segments.push(Whole { header, bytes, frames: Vec::new() });
        self.say(true, 0);
    }

    fn frame(&mut self, kept: bool, id: u64, body: &[u8]) {
        let last = self.last();
        let start = last.bytes.len() as u64;
        let kind = if kept { Kind::Rewritten } else { Kind::Message };
        write_frame(&mut last.bytes, last.header.salt, start, kind, false, |out| {
            out.extend_from_slice(&id.to_le_bytes());
            out.extend_from_slice(&0u64.to_le_bytes());
            let timestamp = Time::from_nanos(id);
            Record { timestamp, due: None, expires: None, key: None, header_block: &[], body }.write(out);
        });
        let end = last.bytes.len() as u64;
        last.frames.push(Placed { kept, id, start, end });
    }

    /// An append of so many messages with bodies of this size.
    pub(super) fn publish(&mut self, count: u64, size: usize) {
        let offset = self.last().bytes.len();
        for _ in 0..count {
            let (id, body) = (self.next, vec![self.next as u8; size]);
            self.next += 1;
            self.frame(false, id, &body);
        }
        self.say(false, offset);
    }

    /// An append that has an older message again.
    pub(super) fn keep(&mut self, id: u64, size: usize) {
        let offset = self.last().bytes.len();
        self.frame(true, id, &vec![0; size]);
        self.say(false, offset);
    }

    pub(super) fn forget(&mut self, segment: u32) {
        self.said.push(LogCommand::Truncate(Truncate { log: self.log, topic: self.name.clone(), segment }));
    }

    pub(super) fn delete(&mut self) {
        self.upto = u64::MAX;
        self.said.push(LogCommand::Delete(Delete { log: self.log, topic: self.name.clone() }));
    }

    /// Nobody waits for what was said.
    pub(super) fn hurry_not(&mut self) {
        for work in &mut self.said {
            if let LogCommand::Append(append) = work {
                append.lazy = true;
            }
        }
    }

    /// What was said and not written, to be written by hand.
    pub(super) fn take_said(&mut self) -> Vec<LogCommand> {
        std::mem::take(&mut self.said)
    }

    /// Goes on after a restart, as an engine does that opened the log under this id: in a new segment.
    pub(super) fn reopened(&mut self, log: LogId, recovered: &Recovered) {
        self.is_all_in(recovered);
        self.log = log;
        self.begin();
    }

    /// Nothing of it is missing.
    pub(super) fn is_all_in(&mut self, recovered: &Recovered) {
        assert_eq!(recovered.image.name, self.name.as_str());
        assert_eq!((recovered.header, recovered.end), (self.last().header, self.last().bytes.len() as u64));
        assert_eq!((recovered.image.next.id, recovered.sealed), (self.next, true));
    }
}
