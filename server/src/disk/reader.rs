//! Reads messages back, beside the writer.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shelfmq_core::log::{Loaded, Read};

use super::dir::{DataDir, open_segment};
use super::files::{Reach, open_limit};
use super::fs::{DiskFile, How, Trouble};
use super::index::Index;
use super::lru::Lru;
use super::queue::Queue;
use super::{Key, Logs};
use crate::layout;

/// At most so many segments are kept open for reading.
const MOST_OPEN: usize = 64;
/// At most so many segments have an index, and all of them so many places.
const MOST_INDEXES: usize = 4096;
const MOST_PLACES: usize = 256 * 1024;
/// So many damaged places are remembered, to be logged once.
const MOST_DAMAGE: usize = 4096;
/// Of so many logs it is remembered which segments were removed.
const MOST_REMOVED: usize = 4096;
/// What could not be read so often, a second apart, is read around: a block that the device cannot give stops nobody for ever. A
/// device that is only away for a moment loses nothing by it.
const TRIES: u32 = 10;

/// A segment of a log.
type Segment = (Key, u32);

/// What the reading threads share.
#[derive(Debug)]
pub(super) struct Readers {
    dir: Arc<DataDir>,
    logs: Arc<dyn Logs>,
    reach: Arc<Reach>,
    queue: Queue<(usize, Read)>,
    known: Mutex<Known>,
}

/// What is remembered of segments.
#[derive(Debug)]
struct Known {
    open: Lru<Segment, Arc<dyn DiskFile>>,
    most_open: usize,
    /// With how many places each has.
    indexes: Lru<Segment, (Arc<Mutex<Index>>, usize)>,
    places: usize,
    damage: Lru<(Key, u32, u64), ()>,
    /// How often in a row a segment could not be read.
    failures: Lru<Segment, u32>,
    /// Segments of a log below this number are removed.
    removed: Lru<Key, u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Readers {
    pub(super) fn new(dir: Arc<DataDir>, logs: Arc<dyn Logs>, reach: Arc<Reach>) -> Self {
        let known = Known {
            open: Lru::new(),
            most_open: open_limit().min(MOST_OPEN),
            indexes: Lru::new(),
            places: 0,
            damage: Lru::new(),
            failures: Lru::new(),
            removed: Lru::new(),
        };
        Readers { dir, logs, reach, queue: Queue::default(), known: Mutex::new(known) }
    }

    pub(super) fn push(&self, shard: usize, read: Read) {
        self.queue.push((shard, read));
    }

    /// What waits is still read.
    pub(super) fn stop(&self) {
        self.queue.stop(true);
    }

    /// Segments of a log below this number are removed.
    pub(super) fn forget(&self, key: Key, below: u32) {
        let mut known = lock(&self.known);
        let range = ((key, 0), (key, below));
        known.open.remove_range(range.0, range.1);
        let places: usize = known.indexes.remove_range(range.0, range.1).into_iter().map(|(_, places)| places).sum();
        known.places -= places;
        known.removed.insert(key, below);
        while known.removed.len() > MOST_REMOVED {
            known.removed.pop_oldest();
        }
    }

    /// Where nothing of a log is written to any more.
    pub(super) fn forget_reach(&self, key: Key) {
        self.reach.remove(key);
    }

    /// Whether a segment was removed because nobody needs what is in it any more.
    fn is_removed(&self, key: Key, segment: u32) -> bool {
        lock(&self.known).removed.get(key).is_some_and(|below| segment < *below)
    }

    /// Serves reads until it is stopped.
    pub(super) fn run(&self) {
        while let Some((shard, read)) = self.queue.next() {
            self.serve(shard, &read);
        }
    }

    /// Reads this, and tells its engine.
    pub(super) fn serve(&self, shard: usize, read: &Read) {
        let key = Key { shard, log: read.log };
        let loaded = match self.load(key, read) {
            Ok(loaded) => {
                // What had to be read around is bad for good: it is not tried so often anew each time.
                let segment = (key, read.segment);
                let failures = &mut lock(&self.known).failures;
                if failures.get(segment).is_some_and(|failures| *failures < TRIES) {
                    failures.remove(segment);
                }
                Some(loaded)
            }
            // While this waited, the last of these messages was finished, or moved.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_removed(key, read.segment) => None,
            Err(error) => {
                let file = self.dir.segment(&read.topic, read.segment);
                tracing::error!(
                    topic = %read.topic, file = %file.display(), from = read.from, to = read.to, %error,
                    "messages cannot be read back"
                );
                self.failed((key, read.segment), &error);
                let is_gone = error.kind() == io::ErrorKind::NotFound && self.is_before_first(read);
                is_gone.then(|| Loaded::decode(0, 0, &[], read.from, read.to))
            }
        };
        self.logs.read_done(shard, read, loaded);
    }

    /// Counts how often a segment could not be read. What is only scarce comes back.
    fn failed(&self, segment: Segment, error: &io::Error) {
        let mut known = lock(&self.known);
        if Trouble::of(error) == Trouble::Broken {
            let failures = known.failures.get(segment).map_or(0, |failures| *failures);
            known.failures.insert(segment, failures + 1);
            while known.failures.len() > MOST_REMOVED {
                known.failures.pop_oldest();
            }
        }
        // The next attempt opens it anew.
        known.open.remove(segment);
    }

    /// Whether the log begins after this segment. It was removed, and where a message of it is still asked for, that
    /// was written again to a place that is damaged: it does not come back.
    fn is_before_first(&self, read: &Read) -> bool {
        let listed = layout::segments(self.dir.fs(), &self.dir.topic(&read.topic));
        listed.is_ok_and(|listed| listed.own.first().is_some_and(|(first, _)| *first > read.segment))
    }

    fn load(&self, key: Key, read: &Read) -> io::Result<Loaded> {
        let segment = (key, read.segment);
        let file = self.open(segment, read)?;
        let around = lock(&self.known).failures.get(segment).is_some_and(|failures| *failures >= TRIES);
        // What the writer is just writing is not to be seen: if it began to after the length was asked for, it has said
        // so before.
        let end = match self.reach.get(key).filter(|(number, _)| *number == read.segment) {
            Some((_, end)) => end,
            None => file.length()?,
        };
        let index = self.index(segment, &*file)?;
        let (part, salt, places) = {
            let mut index = lock(&index);
            (index.read(&*file, read, end, around)?, index.salt(), index.len())
        };
        self.keep(segment, &index, places, file.has_name()?);
        let mut loaded = Loaded::decode(salt, part.offset, &part.bytes, read.from, read.to);
        for damage in &part.damage {
            if damage.0 >= part.offset && !loaded.damage.contains(damage) {
                loaded.damage.push(*damage);
            }
        }
        self.report(key, read, loaded.damage.iter().chain(&part.damage));
        Ok(loaded)
    }

    fn open(&self, segment: Segment, read: &Read) -> io::Result<Arc<dyn DiskFile>> {
        if let Some(file) = lock(&self.known).open.get(segment) {
            return Ok(Arc::clone(file));
        }
        let path = self.dir.segment(&read.topic, read.segment);
        let file = open_segment(self.dir.fs(), &path, How::Read)?;
        let mut known = lock(&self.known);
        known.open.insert(segment, Arc::clone(&file));
        while known.open.len() > known.most_open {
            known.open.pop_oldest();
        }
        Ok(file)
    }

    fn index(&self, segment: Segment, file: &dyn DiskFile) -> io::Result<Arc<Mutex<Index>>> {
        if let Some((index, _)) = lock(&self.known).indexes.get(segment) {
            return Ok(Arc::clone(index));
        }
        Ok(Arc::new(Mutex::new(Index::new(file)?)))
    }

    /// Remembers an index, unless its file was removed meanwhile, and forgets others where there are too many.
    fn keep(&self, segment: Segment, index: &Arc<Mutex<Index>>, places: usize, is_there: bool) {
        let mut known = lock(&self.known);
        if !is_there {
            known.open.remove(segment);
        }
        let old = if is_there {
            known.places += places;
            known.indexes.insert(segment, (Arc::clone(index), places))
        } else {
            known.indexes.remove(segment)
        };
        known.places -= old.map_or(0, |(_, places)| places);
        while known.indexes.len() > MOST_INDEXES || (known.places > MOST_PLACES && known.indexes.len() > 1) {
            let gone = known.indexes.pop_oldest();
            known.places -= gone.map_or(0, |(_, (_, places))| places);
        }
    }

    /// Logs what is damaged, each place once.
    fn report<'a>(&self, key: Key, read: &Read, damage: impl Iterator<Item = &'a (u64, u64)>) {
        for (offset, length) in damage {
            let place = (key, read.segment, *offset);
            let mut known = lock(&self.known);
            if known.damage.insert(place, ()).is_some() {
                continue;
            }
            while known.damage.len() > MOST_DAMAGE {
                known.damage.pop_oldest();
            }
            drop(known);
            let file = self.dir.segment(&read.topic, read.segment);
            tracing::error!(
                topic = %read.topic, file = %file.display(), offset, length,
                "a part of a log is damaged, and is passed over"
            );
        }
    }
}
