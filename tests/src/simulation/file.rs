//! What is open on the simulated disk: files, and the whole of it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shelfmq::disk::fs::{DiskFile, Mounted};

use super::Lie;
use super::disk::{BLOCK, EIO, ENOSPC, Faults, Number, SECTOR, SimDisk, error, strikes};
use super::inode::File;
use crate::workload::Random;

/// All of it.
pub(super) struct SimMounted {
    disk: SimDisk,
    /// The failures that whoever has it was told of.
    seen: AtomicU64,
}

impl SimMounted {
    /// Who has it was told of so many failures.
    pub(super) fn new(disk: SimDisk, told: u64) -> Self {
        SimMounted { disk, seen: AtomicU64::new(told) }
    }
}

impl fmt::Debug for SimMounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimMounted")
    }
}

impl Mounted for SimMounted {
    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.disk.lock();
        state.call()?;
        if strikes(&mut state.faults.syncs) {
            state.write_back(true);
        }
        if state.faults.lie != Some(Lie::NeverSyncs) {
            state.sync_all();
        }
        let failures = state.failures();
        if self.seen.swap(failures, Relaxed) < failures { Err(error(EIO)) } else { Ok(()) }
    }

    fn worth_from(&self) -> usize {
        2
    }
}

/// A file that is open.
pub(super) struct SimFile {
    disk: SimDisk,
    number: Number,
    /// The failures that those who have it were told of.
    seen: AtomicU64,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({})", self.number)
    }
}

impl SimFile {
    /// Who has it was told of so many failures.
    pub(super) fn new(disk: SimDisk, number: Number, told: u64) -> Self {
        SimFile { disk, number, seen: AtomicU64::new(told) }
    }

    fn act<T>(&self, act: impl FnOnce(&mut File, &mut Faults, &mut Random) -> io::Result<T>) -> io::Result<T> {
        let state = &mut *self.disk.lock();
        state.call()?;
        let file = state.files.get_mut(&self.number).expect("files stay as long as the disk");
        act(file, &mut state.faults, &mut state.random)
    }

    fn sync(&self) -> io::Result<()> {
        let state = &mut *self.disk.lock();
        state.call()?;
        let file = state.files.get_mut(&self.number).expect("files stay as long as the disk");
        if strikes(&mut state.faults.syncs) {
            file.fail_write_back(&mut state.random);
            state.has_lost = true;
        } else if state.faults.lie != Some(Lie::NeverSyncs) {
            file.sync();
        }
        let told = self.seen.swap(file.failures, Relaxed) < file.failures;
        file.told = file.failures;
        if told { Err(error(EIO)) } else { Ok(()) }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.lock();
        state.call()?;
        if strikes(&mut state.faults.reads) {
            return Err(error(EIO));
        }
        let part = state.part(bytes.len())?;
        let file = &state.files[&self.number];
        let blocks = offset as usize / BLOCK..=(offset as usize + part.max(1) - 1) / BLOCK;
        if file.unreadable.range(blocks).next().is_some() {
            return Err(error(EIO));
        }
        let from = file.bytes.get(offset as usize..).unwrap_or_default();
        let count = part.min(from.len());
        bytes[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let state = &mut *self.disk.lock();
        state.call()?;
        let part = state.part(bytes.len())?;
        let file = state.files.get_mut(&self.number).expect("files stay as long as the disk");
        let (at, mut part) = (offset as usize, &bytes[..part]);
        if state.faults.full && at + part.len() > file.bytes.len() {
            // As much as the last sector has room for.
            part = &part[..part.len().min(file.bytes.len().next_multiple_of(SECTOR).saturating_sub(at))];
            if part.is_empty() {
                return Err(error(ENOSPC));
            }
        }
        let fails = strikes(&mut state.faults.writes);
        if fails {
            // Whole sectors of it.
            let end = (at + state.random.below(part.len() as u64 + 1) as usize) / SECTOR * SECTOR;
            part = &part[..end.saturating_sub(at)];
        }
        if state.faults.lie == Some(Lie::LosesAWrite) && at > 0 && state.random.percent(5) {
            file.write(&vec![0; part.len()], at);
        } else {
            file.write(part, at);
        }
        if fails { Err(error(EIO)) } else { Ok(part.len()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.act(|file, _, _| {
            file.set_len(bytes as usize);
            Ok(())
        })
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.act(|file, faults, _| {
            let end = (offset + bytes) as usize;
            if end > file.bytes.len() {
                if faults.full {
                    return Err(error(ENOSPC));
                }
                file.set_len(end);
            }
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.act(|file, _, _| Ok(file.bytes.len() as u64))
    }

    fn has_name(&self) -> io::Result<bool> {
        let state = &mut *self.disk.lock();
        state.call()?;
        Ok(state.directories.values().any(|names| names.live.values().any(|number| *number == self.number)))
    }

    fn forget_cached(&self) {
        // A hint.
        let _ = self.act(|file, _, _| {
            file.forget_cached();
            Ok(())
        });
    }
}
