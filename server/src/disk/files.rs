//! The files that the writer appends to.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustix::process::{Resource, getrlimit};
use shelfmq_core::log::Append;
use shelfmq_core::name::Name;

use super::Key;
use super::dir::{COUNTS, DataDir, MAKING, beside, open_segment};
use super::fs::{DiskFile, FileSystem, How, Trouble, write_all};
use super::lru::Lru;
use super::syncing::{Step, What};
use crate::layout;

/// At most so many files are kept open for appends.
const MOST_OPEN: usize = 512;
/// This part of the files that the process may have open may be used for each of: appends, files to be synced.
const PART_OF_OPEN: u64 = 8;
/// After so many appends in a row to a segment, room is made in it for more.
const BUSY: u32 = 16;
/// How much room is made at once, in bytes, at least and at most: as much as there is already. A file that need not
/// grow is synced a quarter faster.
const ROOM: (u64, u64) = (64 * 1024, 4 * 1024 * 1024);

/// How many files may be kept open for one purpose.
pub(super) fn open_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (limit / PART_OF_OPEN).clamp(8, MOST_OPEN as u64) as usize
}

/// How far the logs are written: the segment and the end in it, of each log that was written to since the start.
#[derive(Debug, Default)]
pub(super) struct Reach(RwLock<HashMap<Key, (u32, u64)>>);

impl Reach {
    pub(super) fn get(&self, key: Key) -> Option<(u32, u64)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn set(&self, key: Key, reach: (u32, u64)) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, reach);
    }

    pub(super) fn remove(&self, key: Key) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// A log that was written to since it was opened.
#[derive(Debug)]
struct Place {
    topic: Name<'static>,
    number: u32,
    end: u64,
    /// The file is so long; what is behind the end is room for more, and reads as zeros.
    length: u64,
    /// Appends since the segment was begun.
    appends: u32,
}

/// Why an append was not written.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Nothing of it is in the file: it can be tried again.
    Nothing(io::Error),
    /// Not even the file could be made or opened, which says nothing of those that are there.
    Nowhere(io::Error),
    /// What the file has now is not known.
    Unknown(io::Error),
}

/// What an append leaves to be synced: the end of the segment before, where a new one was begun, and its own.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) left: Option<Step>,
    pub(super) step: Step,
}

/// The open ends of all logs.
#[derive(Debug)]
pub(super) struct Files {
    dir: Arc<DataDir>,
    reach: Arc<Reach>,
    ends: HashMap<Key, Place>,
    open: Lru<Key, (u32, Arc<dyn DiskFile>)>,
    limit: usize,
    /// What a new segment's name ends with until it is synced.
    making: &'static str,
}

impl Files {
    /// `counts` says that what is written counts before it is synced.
    pub(super) fn new(dir: Arc<DataDir>, reach: Arc<Reach>, counts: bool) -> Self {
        let making = if counts { COUNTS } else { MAKING };
        Files { dir, reach, ends: HashMap::new(), open: Lru::new(), limit: open_limit(), making }
    }

    fn fs(&self) -> &dyn FileSystem {
        self.dir.fs()
    }

    /// Writes what is to be appended.
    pub(super) fn append(&mut self, key: Key, append: &Append) -> Result<Written, Unwritten> {
        let written = if append.segment.is_some() { self.begin(key, append) } else { self.extend(key, append) }?;
        self.reach.set(key, (append.number, append.offset + append.bytes.len() as u64));
        Ok(written)
    }

    /// Writes a new segment.
    fn begin(&mut self, key: Key, append: &Append) -> Result<Written, Unwritten> {
        if append.offset != 0 || self.ends.get(&key).is_some_and(|log| log.number >= append.number) {
            return Err(wrong("a segment begins where none may"));
        }
        let is_first = append.number == 1;
        if is_first && self.has_log(&append.topic).map_err(Unwritten::Nowhere)? {
            return Err(wrong("a log of a topic of this name is there already, and could not be removed"));
        }
        let path = self.dir.segment(&append.topic, append.number);
        let directory = self.dir.topic(&append.topic);
        let making = beside(&path, self.making);
        let file = match self.fs().open(&making, How::Create) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_first => {
                self.fs().create_directory(&directory).map_err(Unwritten::Nowhere)?;
                self.fs().open(&making, How::Create)
            }
            opened => opened,
        };
        let file = file.map_err(Unwritten::Nowhere)?;
        // Whatever of it was written: without its name it is nothing. The next attempt begins with an empty file.
        if let Err(error) = write_all(&*file, &append.bytes, 0) {
            // What there was room for is given back.
            let _ = file.set_len(0);
            return Err(Unwritten::Nothing(error));
        }
        let left = self.leave(key).or_else(|| self.last_step(key).filter(|_| self.making == COUNTS));
        let end = append.bytes.len() as u64;
        let log = Place { topic: append.topic.clone(), number: append.number, end, length: end, appends: 1 };
        self.ends.insert(key, log);
        self.keep_open(key, append.number, &file);
        // Whether the topic's directory is new, the one who made it may not have come to tell.
        let above = is_first.then(|| self.dir.topics().to_owned());
        let directories = std::iter::once(directory).chain(above).collect();
        Ok(Written {
            left,
            step: Step { number: append.number, what: What::New { file, rename: (making, path), directories } },
        })
    }

    fn has_log(&self, topic: &Name<'_>) -> io::Result<bool> {
        match layout::segments(self.fs(), &self.dir.topic(topic)) {
            Ok(listed) => Ok(!listed.own.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Cuts off the room in the segment that a log leaves; where that cannot be done, zeros stay, which are no damage.
    fn leave(&mut self, key: Key) -> Option<Step> {
        let log = self.ends.get(&key).filter(|log| log.length > log.end)?;
        let (number, end) = (log.number, log.end);
        let file = self.file(key, number).ok()?;
        file.set_len(end).ok()?;
        if let Some(log) = self.ends.get_mut(&key) {
            log.length = end;
        }
        Some(Step { number, what: What::Cut(file) })
    }

    /// The segment that a log leaves is to be durable before the next.
    fn last_step(&mut self, key: Key) -> Option<Step> {
        let number = self.ends.get(&key)?.number;
        Some(Step { number, what: What::Data(self.file(key, number).ok()?) })
    }

    fn extend(&mut self, key: Key, append: &Append) -> Result<Written, Unwritten> {
        let (number, start) = (append.number, append.offset);
        match self.ends.get(&key) {
            Some(log) if (log.number, log.end) == (number, start) => {}
            // What was there before it was opened is never written to: see `open`.
            _ => return Err(wrong("an append does not begin where the last one ended")),
        }
        let file = self.file(key, number).map_err(Unwritten::Nowhere)?;
        let Some(log) = self.ends.get_mut(&key) else { return Err(wrong("the log is unknown")) };
        let end = start + append.bytes.len() as u64;
        log.appends = log.appends.saturating_add(1);
        if end > log.length && log.appends > BUSY {
            log.length = end + end.clamp(ROOM.0, ROOM.1);
            // Where room cannot be made, the file grows with what is written.
            let _ = file.reserve(start, log.length - start);
        }
        if let Err(error) = write_all(&*file, &append.bytes, start) {
            // Only where all of it is out again, it can be tried again.
            return Err(match file.set_len(start) {
                Ok(()) if Trouble::of(&error).passes() => {
                    log.length = start;
                    Unwritten::Nothing(error)
                }
                _ => Unwritten::Unknown(error),
            });
        }
        log.end = end;
        log.length = log.length.max(end);
        Ok(Written { left: None, step: Step { number, what: What::Data(file) } })
    }

    /// The file of a log's last segment.
    fn file(&mut self, key: Key, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        if let Some((open, file)) = self.open.get(key)
            && *open == number
        {
            return Ok(Arc::clone(file));
        }
        let log = self.ends.get(&key).ok_or_else(|| io::Error::other("the log is unknown"))?;
        let path = self.dir.segment(&log.topic, number);
        let file = open_segment(self.fs(), &path, How::Write)?;
        self.keep_open(key, number, &file);
        Ok(file)
    }

    fn keep_open(&mut self, key: Key, number: u32, file: &Arc<dyn DiskFile>) {
        self.open.insert(key, (number, Arc::clone(file)));
        while self.open.len() > self.limit {
            self.open.pop_oldest();
        }
    }

    /// Files that nobody needs at this moment are closed, for others want to be opened.
    pub(super) fn close_some(&mut self) {
        for _ in 0..self.open.len().div_ceil(2) {
            self.open.pop_oldest();
        }
    }

    /// A log's last segment, where it was written to.
    pub(super) fn last(&self, key: Key) -> Option<u32> {
        self.ends.get(&key).map(|log| log.number)
    }

    /// A log is gone, or not to be trusted any more.
    pub(super) fn forget(&mut self, key: Key) {
        self.ends.remove(&key);
        self.open.remove(key);
    }

    /// Cuts off all room that was made and is not used; answers what is to be synced then.
    pub(super) fn tidy(&mut self) -> Vec<(Key, Name<'static>, Step)> {
        let roomy = self.ends.iter().filter(|(_, log)| log.length > log.end);
        let roomy: Vec<_> = roomy.map(|(key, log)| (*key, log.topic.clone())).collect();
        // What is not cut off now is when the log is opened.
        roomy.into_iter().filter_map(|(key, topic)| Some((key, topic, self.leave(key)?))).collect()
    }
}

fn wrong(why: &str) -> Unwritten {
    Unwritten::Unknown(io::Error::other(why.to_owned()))
}
