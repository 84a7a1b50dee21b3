//! Files and directories of the simulated disk: what everybody sees, and what would be there after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::disk::{Number, SECTOR};
use crate::workload::Random;

#[derive(Clone, Debug, Default)]
pub(super) struct File {
    /// What everybody sees.
    pub(super) bytes: Vec<u8>,
    /// What the device has.
    pub(super) device: Vec<u8>,
    /// Sectors that were written and are not on the device, as far as the kernel knows.
    pub(super) dirty: BTreeSet<usize>,
    /// Its length is not on the device.
    is_length_dirty: bool,
    /// How often a write-back failed, and the last of these that anybody was told of.
    pub(super) failures: u64,
    pub(super) told: u64,
    /// Blocks that the device does not give any more.
    pub(super) unreadable: BTreeSet<usize>,
}

impl File {
    pub(super) fn write(&mut self, bytes: &[u8], at: usize) {
        if bytes.is_empty() {
            return;
        }
        if self.bytes.len() < at + bytes.len() {
            // What lies between reads as zeros.
            self.set_len(at + bytes.len());
        }
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.dirty.extend(at / SECTOR..=(at + bytes.len() - 1) / SECTOR);
    }

    pub(super) fn set_len(&mut self, bytes: usize) {
        let old = self.bytes.len();
        self.bytes.resize(bytes, 0);
        self.dirty.extend(old.min(bytes) / SECTOR..bytes.div_ceil(SECTOR));
        self.dirty.retain(|sector| sector * SECTOR < bytes);
        self.is_length_dirty = true;
    }

    /// A sector reaches the device.
    pub(super) fn store(&mut self, sector: usize) {
        let (start, end) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(self.bytes.len()));
        if start < end {
            let length = self.device.len().max(end);
            self.device.resize(length, 0);
            self.device[start..end].copy_from_slice(&self.bytes[start..end]);
        }
    }

    pub(super) fn sync(&mut self) {
        for sector in std::mem::take(&mut self.dirty) {
            self.store(sector);
        }
        if std::mem::take(&mut self.is_length_dirty) {
            self.device.resize(self.bytes.len(), 0);
        }
    }

    /// Some of what is dirty reaches the device, and the rest never does, though nobody is dirty any more.
    pub(super) fn fail_write_back(&mut self, random: &mut Random) {
        for sector in std::mem::take(&mut self.dirty) {
            if random.percent(50) {
                self.store(sector);
            }
        }
        self.failures += 1;
    }

    /// What is not dirty is read from the device again.
    pub(super) fn forget_cached(&mut self) {
        for sector in 0..self.bytes.len().div_ceil(SECTOR) {
            if self.dirty.contains(&sector) {
                continue;
            }
            let (start, end) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(self.bytes.len()));
            for at in start..end {
                self.bytes[at] = self.device.get(at).copied().unwrap_or(0);
            }
        }
    }

    /// The power fails: each sector that was not synced is there or not.
    pub(super) fn lose(&mut self, random: &mut Random) {
        let (written, dirty) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.dirty));
        let mut device = self.device.clone();
        let mode = random.below(5);
        let until = random.below(dirty.len() as u64 + 1) as usize;
        for (index, sector) in dirty.into_iter().enumerate() {
            let kept = match mode {
                0 => true,
                1 => false,
                2 | 3 => index < until,
                _ => random.percent(50),
            };
            let (start, end) = (sector * SECTOR, (sector * SECTOR + SECTOR).min(written.len()));
            if kept && start < end {
                let length = device.len().max(end);
                device.resize(length, 0);
                device[start..end].copy_from_slice(&written[start..end]);
            }
        }
        // Its length may be on the device without its bytes.
        if self.is_length_dirty && random.percent(30) {
            device.resize(written.len(), 0);
        }
        self.is_length_dirty = false;
        self.bytes.clone_from(&device);
        self.device = device;
    }
}

/// Names and what they stand for, now and after a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<OsString, Number>,
    pub(super) durable: BTreeMap<OsString, Number>,
}

impl Names {
    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.live);
    }

    pub(super) fn lose(&mut self, random: &mut Random) {
        let live = std::mem::take(&mut self.live);
        let moved: Vec<(OsString, OsString, Number)> = live
            .iter()
            .filter_map(|(to, number)| {
                let (from, _) = self.durable.iter().find(|(from, other)| *other == number && *from != to)?;
                Some((from.clone(), to.clone(), *number))
            })
            .collect();
        let all: BTreeSet<OsString> = live.keys().chain(self.durable.keys()).cloned().collect();
        for name in all {
            let kept = if random.percent(50) { &live } else { &self.durable };
            self.live.extend(kept.get(&name).map(|number| (name, *number)));
        }
        // A name that moved is in one place: the old or the new.
        for (from, to, number) in moved {
            self.live.retain(|_, other| *other != number);
            let name = if random.percent(50) { from } else { to };
            self.live.insert(name, number);
        }
        self.sync();
    }
}
