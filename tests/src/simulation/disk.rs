//! A file system in memory that does all that [`shelfmq_core::log`] says a disk may do, and what a kernel does beside it.
//!
//! A file has what was written, which everybody sees, and what the device has; a directory has names that are there and names
//! that would be there after a crash. A write-back that fails leaves what was written to be seen as if it were on the device,
//! tells one who asks, and tells nobody after that: as Linux does. A crash of the machine decides for each sector and for each
//! name by the seed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shelfmq::disk::fs::{DiskFile, Entry, EntryKind, FileSystem, How, Mounted};
use shelfmq::layout;
use shelfmq_core::name::Name;

use super::Lie;
use super::file::{SimFile, SimMounted};
use super::inode::{File, Names};
use crate::workload::Random;

pub(super) const SECTOR: usize = 512;
/// What a device gives or does not give as a whole.
pub(super) const BLOCK: usize = 4096;
/// The data directory.
pub const ROOT: &str = "/data";

pub(super) const EIO: i32 = 5;
const EINTR: i32 = 4;
const EMFILE: i32 = 24;
const EINVAL: i32 = 22;
pub(super) const ENOSPC: i32 = 28;
const ENOTEMPTY: i32 = 39;

/// Names a file or a directory; never used twice.
pub type Number = u64;

/// How a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies. What was written is still there.
    Process,
    /// The power fails. What was not synced may be lost.
    Machine,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// So many of the next writes fail, of the next syncs, of the next reads.
    pub writes: u32,
    /// See above.
    pub syncs: u32,
    /// See above.
    pub reads: u32,
    /// So many of the next files cannot be opened, for there are too many.
    pub opens: u32,
    /// So many can before that.
    pub opens_before: u32,
    /// There is no room for bytes.
    pub full: bool,
    /// There is no room for names.
    pub no_names: bool,
    /// Calls do less than they were asked, or are interrupted.
    pub short: bool,
    /// Directories cannot be synced, and need not be.
    pub no_directory_syncs: bool,
    /// How the disk betrays.
    pub lie: Option<Lie>,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) directories: BTreeMap<Number, Names>,
    pub(super) files: BTreeMap<Number, File>,
    last: Number,
    pub(super) faults: Faults,
    pub(super) random: Random,
    /// Something that was written never reached the device.
    pub(super) has_lost: bool,
    /// After so many more calls nothing happens any more.
    dies_in: Option<u64>,
}

/// The file system. Clones are the same one; see [`SimDisk::copy`].
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// One that has a data directory with nothing in it.
    ///
    /// # Panics
    /// Never: it is new.
    pub fn new(seed: u64) -> Self {
        let mut state = State {
            directories: BTreeMap::from([(0, Names::default())]),
            files: BTreeMap::new(),
            last: 0,
            faults: Faults::default(),
            random: Random::new(seed),
            has_lost: false,
            dies_in: None,
        };
        for path in [Path::new(ROOT), &topics()] {
            state.create_directory(path).expect("there is nothing yet");
        }
        state.directories.values_mut().for_each(Names::sync);
        SimDisk(Arc::new(Mutex::new(state)))
    }

    /// Another one that has the same.
    #[must_use]
    pub fn copy(&self) -> Self {
        SimDisk(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong.
    pub fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.lock().faults);
    }

    /// What goes wrong.
    pub fn has(&self, has: impl FnOnce(&Faults) -> bool) -> bool {
        has(&self.lock().faults)
    }

    /// After so many more calls, nothing that is asked happens, until the [crash](SimDisk::crash).
    pub fn die_in(&self, calls: u64) {
        self.lock().dies_in = Some(calls);
    }

    /// What a kernel does by itself: something that was written reaches the device, or does not. Whether there was any.
    ///
    pub fn write_back(&self, fails: bool) -> bool {
        self.lock().write_back(fails)
    }

    /// Whether something that was written never reached the device, since this was asked last.
    pub fn take_lost(&self) -> bool {
        std::mem::take(&mut self.lock().has_lost)
    }

    /// The same, without taking it.
    pub fn has_lost(&self) -> bool {
        self.lock().has_lost
    }

    /// Whether something failed that nobody was told of, so that whoever opens that file next is.
    pub fn has_untold(&self) -> bool {
        self.lock().files.values().any(|file| file.told < file.failures)
    }

    /// The topics that have a directory, by name.
    pub fn topics(&self) -> Vec<String> {
        let state = self.lock();
        let Ok(number) = state.directory(&topics()) else { return Vec::new() };
        let names = state.directories[&number].live.keys().filter_map(|name| layout::topic_of(name));
        let mut names: Vec<String> = names.map(|name| name.to_string()).collect();
        names.sort();
        names
    }

    /// The segments of a topic that have their names.
    pub fn segments(&self, topic: &str) -> Vec<u32> {
        let state = self.lock();
        let Ok(number) = state.directory(&directory(topic)) else { return Vec::new() };
        state.directories[&number].live.keys().filter_map(|name| layout::segment_of(name)).collect()
    }

    /// Names a segment for as long as it is there.
    pub fn number(&self, topic: &str, segment: u32) -> Option<Number> {
        self.lock().find(&path(topic, segment)).ok()
    }

    /// The bytes of a segment.
    pub fn read(&self, topic: &str, segment: u32) -> Option<Vec<u8>> {
        let state = self.lock();
        let number = state.find(&path(topic, segment)).ok()?;
        Some(state.files.get(&number)?.bytes.clone())
    }

    /// What of a segment would be there after the worst of crashes.
    pub fn durable(&self, topic: &str, segment: u32) -> Option<Vec<u8>> {
        self.lock().durable(&path(topic, segment)).map(<[u8]>::to_vec)
    }

    /// How many bytes of each file are durable.
    pub fn lengths(&self) -> BTreeMap<Number, u64> {
        self.lock().files.iter().map(|(number, file)| (*number, file.device.len() as u64)).collect()
    }

    /// Everything is synced.
    pub fn sync_all(&self) {
        self.lock().sync_all();
    }

    /// Whether nothing that is asked of it happens any more.
    pub fn is_dead(&self) -> bool {
        self.lock().dies_in == Some(0)
    }

    /// What is left after a crash.
    pub fn crash(&self, crash: Crash) {
        let state = &mut *self.lock();
        state.dies_in = None;
        if crash == Crash::Machine {
            state.directories.values_mut().for_each(|names| names.lose(&mut state.random));
            state.files.values_mut().for_each(|file| file.lose(&mut state.random));
        }
    }

    /// Whether this stands in a topic's files and would still do after the worst of crashes.
    pub fn is_durable(&self, topic: &str, needle: &[u8]) -> bool {
        let segments = self.segments(topic);
        let state = self.lock();
        let mut durable = segments.into_iter().rev().filter_map(|segment| state.durable(&path(topic, segment)));
        durable.any(|bytes| holds(bytes, needle))
    }

    /// Whether this stands in a topic's files.
    pub fn is_written(&self, topic: &str, needle: &[u8]) -> bool {
        self.segments(topic).into_iter().any(|segment| self.read(topic, segment).is_some_and(|b| holds(&b, needle)))
    }

    pub(super) fn change(
        &self,
        topic: &str,
        segment: u32,
        change: impl FnOnce(&mut File, &mut Random) -> bool,
    ) -> bool {
        let state = &mut *self.lock();
        let Ok(number) = state.find(&path(topic, segment)) else { return false };
        state.files.get_mut(&number).is_some_and(|file| change(file, &mut state.random))
    }
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| needle.first() == Some(byte));
    starts.rev().any(|(at, _)| bytes[at..].starts_with(needle))
}

fn topics() -> PathBuf {
    Path::new(ROOT).join(layout::TOPICS)
}

fn directory(topic: &str) -> PathBuf {
    layout::topic_directory(Path::new(ROOT), &Name::parse(topic.to_owned()).expect("it is a name"))
}

fn path(topic: &str, segment: u32) -> PathBuf {
    directory(topic).join(layout::segment_file_name(segment))
}

fn names_of(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        _ => None,
    });
    names.collect()
}

pub(super) fn error(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    /// Something is asked of it.
    pub(super) fn call(&mut self) -> io::Result<()> {
        match &mut self.dies_in {
            Some(0) => Err(error(EIO)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Number> {
        let mut number = 0;
        for name in names_of(path) {
            let names = self.directories.get(&number).ok_or_else(missing)?;
            number = *names.live.get(&name).ok_or_else(missing)?;
        }
        Ok(number)
    }

    fn durable(&self, path: &Path) -> Option<&[u8]> {
        let mut number = 0;
        for part in names_of(path) {
            number = *self.directories.get(&number)?.durable.get(&part)?;
        }
        Some(&self.files.get(&number)?.device)
    }

    fn directory(&self, path: &Path) -> io::Result<Number> {
        self.find(path).and_then(|number| self.directories.contains_key(&number).then_some(number).ok_or_else(missing))
    }

    fn parent(&mut self, path: &Path) -> io::Result<(&mut Names, OsString)> {
        let above = self.directory(path.parent().ok_or_else(missing)?)?;
        let name = path.file_name().ok_or_else(missing)?.to_owned();
        Ok((self.directories.get_mut(&above).expect("it was just found"), name))
    }

    fn count(&mut self) -> Number {
        self.last += 1;
        self.last
    }

    fn create_directory(&mut self, path: &Path) -> io::Result<()> {
        let number = self.count();
        let (names, name) = self.parent(path)?;
        if names.live.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.live.insert(name, number);
        self.directories.insert(number, Names::default());
        Ok(())
    }

    pub(super) fn write_back(&mut self, fails: bool) -> bool {
        let dirty: Vec<Number> =
            self.files.iter().filter(|(_, file)| !file.dirty.is_empty()).map(|(number, _)| *number).collect();
        let Some(number) = dirty.get(self.random.below(dirty.len().max(1) as u64) as usize) else { return false };
        let file = self.files.get_mut(number).expect("it was just there");
        if fails {
            file.fail_write_back(&mut self.random);
            self.has_lost = true;
        } else {
            let sector = *file.dirty.first().expect("it is dirty");
            file.dirty.remove(&sector);
            file.store(sector);
        }
        true
    }

    /// How often a write-back failed, of any file.
    pub(super) fn failures(&self) -> u64 {
        self.files.values().map(|file| file.failures).sum()
    }

    pub(super) fn sync_all(&mut self) {
        self.directories.values_mut().for_each(Names::sync);
        self.files.values_mut().for_each(File::sync);
    }

    /// How much of this a call does.
    pub(super) fn part(&mut self, length: usize) -> io::Result<usize> {
        if !self.faults.short || length < 2 {
            return Ok(length);
        }
        match self.random.below(10) {
            0 => Err(error(EINTR)),
            1 | 2 => Ok(1 + self.random.below(length as u64 - 1) as usize),
            _ => Ok(length),
        }
    }
}

/// One of so many is left less.
pub(super) fn strikes(left: &mut u32) -> bool {
    let strikes = *left > 0;
    *left = left.saturating_sub(1);
    strikes
}

impl FileSystem for SimDisk {
    fn open(&self, path: &Path, how: How) -> io::Result<Arc<dyn DiskFile>> {
        let state = &mut *self.lock();
        state.call()?;
        let is_well = state.faults.opens > 0 && strikes(&mut state.faults.opens_before);
        if !is_well && strikes(&mut state.faults.opens) {
            return Err(error(EMFILE));
        }
        let number = match state.find(path) {
            Ok(number) if state.files.contains_key(&number) => number,
            Ok(_) => return Err(error(EINVAL)),
            Err(error) if how != How::Create => return Err(error),
            Err(_) if state.faults.no_names => return Err(error(ENOSPC)),
            Err(_) => {
                let number = state.count();
                let (names, name) = state.parent(path)?;
                names.live.insert(name, number);
                state.files.insert(number, File::default());
                number
            }
        };
        let file = state.files.get_mut(&number).expect("it was just found");
        if how == How::Create {
            file.set_len(0);
        }
        // What failed before it was opened, and was told, is not told again; what nobody was told is.
        let told = file.told;
        Ok(Arc::new(SimFile::new(self.clone(), number, told)))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let state = &mut *self.lock();
        state.call()?;
        let number = state.directory(directory)?;
        let entry = |(name, number): (&OsString, &Number)| {
            let is_directory = state.directories.contains_key(number);
            let kind = if is_directory { EntryKind::Directory } else { EntryKind::File };
            Entry { name: name.clone(), kind }
        };
        Ok(state.directories[&number].live.iter().map(entry).collect())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        if state.faults.no_names { Err(error(ENOSPC)) } else { state.create_directory(path) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        let number = state.find(from)?;
        let (names, name) = state.parent(from)?;
        names.live.remove(&name);
        let (names, name) = state.parent(to)?;
        names.live.insert(name, number);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        state.find(path)?;
        let (names, name) = state.parent(path)?;
        names.live.remove(&name);
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        let number = state.directory(path)?;
        if !state.directories[&number].live.is_empty() {
            return Err(error(ENOTEMPTY));
        }
        let (names, name) = state.parent(path)?;
        names.live.remove(&name);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        let number = state.directory(path)?;
        if state.faults.lie != Some(Lie::NeverSyncs) {
            state.directories.get_mut(&number).expect("it was just found").sync();
        }
        if state.faults.no_directory_syncs { Err(error(EINVAL)) } else { Ok(()) }
    }

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        let state = &mut *self.lock();
        state.call()?;
        state.sync_all();
        Ok(())
    }

    fn mounted(&self, _path: &Path) -> io::Result<Arc<dyn Mounted>> {
        let told = self.lock().failures();
        Ok(Arc::new(SimMounted::new(self.clone(), told)))
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        Ok(if self.lock().faults.full { 0 } else { 1 << 30 })
    }
}
