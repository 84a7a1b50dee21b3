//! What a device has, and what it would have if the power failed at any moment of its life.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use crate::common::random::Random;

/// What a device writes whole or not at all.
pub const SECTOR: usize = 512;

/// The bytes of a device, of which most were never written.
#[derive(Clone)]
pub struct Image {
    pub bytes: u64,
    sectors: BTreeMap<u64, [u8; SECTOR]>,
}

/// What was asked of a device, when it was done.
pub struct Op {
    pub at: Instant,
    pub what: What,
}

pub enum What {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// All writes before it are durable.
    Flush,
}

impl Image {
    pub fn read_from(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let mut image = Image { bytes: bytes.len() as u64, sectors: BTreeMap::new() };
        image.write(0, &bytes);
        Ok(image)
    }

    /// Whole sectors, as a block device writes them.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let first = offset / SECTOR as u64;
        assert!(offset.is_multiple_of(SECTOR as u64) && bytes.len().is_multiple_of(SECTOR), "not whole sectors");
        for (number, sector) in (first..).zip(bytes.as_chunks().0) {
            self.set(number, sector);
        }
    }

    fn set(&mut self, number: u64, sector: &[u8; SECTOR]) {
        if *sector == [0; SECTOR] {
            self.sectors.remove(&number);
        } else {
            self.sectors.insert(number, *sector);
        }
    }

    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length.min(self.bytes.saturating_sub(offset) as usize)];
        let end = offset + bytes.len() as u64;
        let (first, last) = (offset / SECTOR as u64, end.div_ceil(SECTOR as u64));
        for (number, sector) in self.sectors.range(first..last) {
            let start = number * SECTOR as u64;
            let (from, to) = (start.max(offset), (start + SECTOR as u64).min(end));
            bytes[(from - offset) as usize..(to - offset) as usize]
                .copy_from_slice(&sector[(from - start) as usize..(to - start) as usize]);
        }
        bytes
    }

    /// A file that has all of it, and no room for what was never written.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(self.bytes)?;
        for (number, sector) in &self.sectors {
            file.write_all_at(sector, number * SECTOR as u64)?;
        }
        Ok(())
    }

    /// What is there if the power fails after these, of which those that no flush came after may be there or not: each
    /// sector for itself, as drives with a cache do it.
    pub fn cut(&self, ops: &[Op], random: &mut Random) -> Self {
        let durable = ops.iter().rposition(|op| matches!(op.what, What::Flush)).unwrap_or(0);
        let mut image = self.clone();
        image.apply(&ops[..durable]);
        let mode = random.below(4);
        // All, none, those up to one of them, or any.
        let until = if mode == 2 { random.below((ops.len() - durable) as u64 + 1) as usize } else { ops.len() };
        for op in ops[durable..].iter().take(until) {
            let What::Write { offset, bytes } = &op.what else { continue };
            for (number, sector) in (offset / SECTOR as u64..).zip(bytes.as_chunks().0) {
                if mode == 0 || mode == 2 || mode == 3 && random.below(2) == 0 {
                    image.set(number, sector);
                }
            }
        }
        image
    }

    pub fn apply(&mut self, ops: &[Op]) {
        for op in ops {
            if let What::Write { offset, bytes } = &op.what {
                self.write(*offset, bytes);
            }
        }
    }
}
