//! The files that the writer appends to.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Resource, getrlimit};
use shelfmq_core::log::Append;
use shelfmq_core::name::Name;

use super::Key;
use super::dir::{DataDir, unfinished};
use super::lru::Lru;
use super::syncing::Step;
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
#[derive(Default)]
pub(super) struct Reach(RwLock<HashMap<Key, (u32, u64)>>);

impl Reach {
    pub(super) fn get(&self, key: Key) -> Option<(u32, u64)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    fn set(&self, key: Key, reach: (u32, u64)) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, reach);
    }

    fn remove(&self, key: Key) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }
}

/// A log that was written to since the start.
struct Log {
    topic: Name<'static>,
    number: u32,
    end: u64,
    /// The file is so long; what is behind the end is room for more, and reads as zeros.
    length: u64,
    /// Appends since the segment was begun or opened.
    appends: u32,
}

/// What an append leaves to be synced.
pub(super) struct Written {
    /// The end of the segment before, where a new one was begun.
    pub(super) left: Option<Step>,
    pub(super) step: Step,
    /// The topic's directory is new.
    pub(super) is_new: bool,
}

/// The open ends of all logs.
pub(super) struct Files {
    dir: Arc<DataDir>,
    reach: Arc<Reach>,
    logs: HashMap<Key, Log>,
    open: Lru<Key, (u32, Arc<File>)>,
    limit: usize,
    /// A new segment has its name once it is synced; otherwise at once.
    name_late: bool,
}

impl Files {
    pub(super) fn new(dir: Arc<DataDir>, reach: Arc<Reach>, name_late: bool) -> Self {
        Files { dir, reach, logs: HashMap::new(), open: Lru::new(), limit: open_limit(), name_late }
    }

    /// Writes what is to be appended. If there is no room on the disk, the file is as it was before; with any other
    /// error the log is not to be trusted any more.
    pub(super) fn append(&mut self, key: Key, append: &Append) -> io::Result<Written> {
        let written = if append.segment.is_some() { self.begin(key, append) } else { self.extend(key, append) }?;
        self.reach.set(key, (append.number, append.offset + append.bytes.len() as u64));
        Ok(written)
    }

    /// Writes a new segment.
    fn begin(&mut self, key: Key, append: &Append) -> io::Result<Written> {
        if append.offset != 0 || self.logs.get(&key).is_some_and(|log| log.number >= append.number) {
            return Err(io::Error::other("a segment begins where none may"));
        }
        let left = self.leave(key)?;
        if append.number == 1 && self.has_log(&append.topic)? {
            return Err(io::Error::other("a log of a topic of this name is there already, and could not be removed"));
        }
        let path = self.dir.segment(&append.topic, append.number);
        let directory = self.dir.topic(&append.topic);
        let making = unfinished(&path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut is_new = false;
        let file = match options.open(&making) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(&directory)?;
                is_new = true;
                options.open(&making)
            }
            opened => opened,
        }?;
        if let Err(error) = file.write_all_at(&append.bytes, 0) {
            // What there was room for is given back.
            let _ = file.set_len(0);
            return Err(error);
        }
        let mut rename = Some((making, path));
        if !self.name_late
            && let Some((from, to)) = rename.take()
        {
            fs::rename(from, to)?;
        }
        let file = Arc::new(file);
        let end = append.bytes.len() as u64;
        let log = Log { topic: append.topic.clone(), number: append.number, end, length: end, appends: 1 };
        self.logs.insert(key, log);
        self.keep_open(key, append.number, &file);
        let step = Step { number: append.number, file, rename, directory: Some(directory), cut: false };
        Ok(Written { left, step, is_new })
    }

    fn has_log(&self, topic: &Name<'_>) -> io::Result<bool> {
        match layout::segments(&self.dir.topic(topic)) {
            Ok(listed) => Ok(!listed.own.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Cuts off the room in the segment that a log leaves.
    fn leave(&mut self, key: Key) -> io::Result<Option<Step>> {
        let Some(log) = self.logs.get(&key).filter(|log| log.length > log.end) else { return Ok(None) };
        let (number, end) = (log.number, log.end);
        let file = self.file(key, number)?;
        file.set_len(end)?;
        if let Some(log) = self.logs.get_mut(&key) {
            log.length = end;
        }
        Ok(Some(Step { number, file, rename: None, directory: None, cut: true }))
    }

    fn extend(&mut self, key: Key, append: &Append) -> io::Result<Written> {
        let (number, start) = (append.number, append.offset);
        let file = match self.logs.get(&key) {
            Some(log) if (log.number, log.end) != (number, start) => {
                return Err(io::Error::other("an append does not begin where the last one ended"));
            }
            Some(_) => self.file(key, number)?,
            None => self.adopt(key, append)?,
        };
        let log = self.logs.get_mut(&key).ok_or_else(|| io::Error::other("the log is unknown"))?;
        let end = start + append.bytes.len() as u64;
        log.appends = log.appends.saturating_add(1);
        if end > log.length && log.appends > BUSY {
            // Where room cannot be made, or only in part, the file grows with what is written.
            log.length = end + end.clamp(ROOM.0, ROOM.1);
            let _ = fallocate(&file, FallocateFlags::empty(), start, log.length - start);
        }
        if let Err(error) = file.write_all_at(&append.bytes, start) {
            if is_full(&error) {
                file.set_len(start)?;
                log.length = start;
            }
            return Err(error);
        }
        log.end = end;
        log.length = log.length.max(end);
        let step = Step { number, file, rename: None, directory: None, cut: false };
        Ok(Written { left: None, step, is_new: false })
    }

    /// Opens the last segment of a log that was there at the start.
    fn adopt(&mut self, key: Key, append: &Append) -> io::Result<Arc<File>> {
        let path = self.dir.segment(&append.topic, append.number);
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        let length = file.metadata()?.len();
        if length != append.offset {
            return Err(io::Error::other(format!("the file has {length} bytes, and {} are expected", append.offset)));
        }
        // Before anything is written, so that nobody reads what is only half there.
        self.reach.set(key, (append.number, length));
        let topic = append.topic.clone();
        self.logs.insert(key, Log { topic, number: append.number, end: length, length, appends: 0 });
        self.keep_open(key, append.number, &file);
        Ok(file)
    }

    /// The file of a log's last segment.
    fn file(&mut self, key: Key, number: u32) -> io::Result<Arc<File>> {
        if let Some((open, file)) = self.open.get(key)
            && *open == number
        {
            return Ok(Arc::clone(file));
        }
        let log = self.logs.get(&key).ok_or_else(|| io::Error::other("the log is unknown"))?;
        let path = self.dir.segment(&log.topic, number);
        let file = Arc::new(OpenOptions::new().read(true).write(true).open(path)?);
        self.keep_open(key, number, &file);
        Ok(file)
    }

    fn keep_open(&mut self, key: Key, number: u32, file: &Arc<File>) {
        self.open.insert(key, (number, Arc::clone(file)));
        while self.open.len() > self.limit {
            self.open.pop_oldest();
        }
    }

    /// A log's last segment, where it was written to.
    pub(super) fn last(&self, key: Key) -> Option<u32> {
        self.logs.get(&key).map(|log| log.number)
    }

    /// The topic of a log that was written to.
    pub(super) fn topic(&self, key: Key) -> Option<Name<'static>> {
        self.logs.get(&key).map(|log| log.topic.clone())
    }

    /// A log is gone, or not to be trusted any more.
    pub(super) fn forget(&mut self, key: Key) {
        self.logs.remove(&key);
        self.open.remove(key);
    }

    /// Where nothing of a log is there any more.
    pub(super) fn forget_reach(&mut self, key: Key) {
        self.reach.remove(key);
    }

    /// Cuts off all room that was made and is not used; answers what is to be synced then.
    pub(super) fn tidy(&mut self) -> Vec<(Key, Step)> {
        let roomy: Vec<Key> = self.logs.iter().filter(|(_, log)| log.length > log.end).map(|(key, _)| *key).collect();
        // What is not cut off now is when the log is opened.
        roomy.into_iter().filter_map(|key| Some((key, self.leave(key).ok()??))).collect()
    }
}

/// Whether an error says that there is no room on the disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
