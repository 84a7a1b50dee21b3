//! What happens to the bytes of a disk behind everybody's back.

use super::disk::SimDisk;
use super::node::Node;
use super::standing::forged;

impl SimDisk {
    /// Cuts off what stands after this place of a segment, durably.
    pub fn truncate(&self, topic: &str, segment: u32, end: u64) {
        self.change(topic, segment, |file, _| {
            file.set_len(end as usize);
            file.sync();
            true
        });
    }

    /// Flips this bit of a segment.
    pub fn flip(&self, topic: &str, segment: u32, bit: usize) {
        self.change(topic, segment, |file, _| {
            for bytes in [&mut file.bytes, &mut file.device] {
                bytes.get_mut(bit / 8).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            true
        });
    }

    /// Puts these bytes into a segment, beside all who write; answers what was there.
    pub fn replace(&self, topic: &str, segment: u32, place: usize, new: &[u8]) -> Vec<u8> {
        let mut old = Vec::new();
        self.change(topic, segment, |file, _| {
            old = file.bytes[place..place + new.len()].to_vec();
            for bytes in [&mut file.bytes, &mut file.device] {
                bytes.iter_mut().skip(place).zip(new).for_each(|(byte, new)| *byte = *new);
            }
            true
        });
        old
    }

    /// From now on, a block of a segment cannot be read.
    pub fn spoil(&self, topic: &str, segment: u32, block: usize) {
        self.change(topic, segment, |file, _| file.unreadable.insert(block));
    }

    /// Changes the body of a message without a trace, as no disk does.
    pub fn forge(&self, topic: &str, segment: u32) -> bool {
        self.change(topic, segment, |file, random| {
            let Some(forged) = forged(&file.bytes, random) else { return false };
            let durable = file.device.len().min(forged.len());
            file.device[..durable].copy_from_slice(&forged[..durable]);
            file.bytes = forged;
            true
        })
    }
}

impl Node {
    /// The next write, sync, reads or opens fail.
    pub fn fail_next(&mut self, which: u64) {
        let before = self.random.below(3) as u32;
        self.disk.faults(|faults| match which % 4 {
            0 => faults.writes = 1,
            1 => faults.syncs = 1,
            2 => faults.reads = 3,
            _ => (faults.opens, faults.opens_before) = (2, before),
        });
        self.count("failures", 1);
    }

    /// Nothing fails from now on, and the disk has room.
    pub fn calm(&mut self) {
        self.disk.faults(|faults| (faults.writes, faults.syncs, faults.reads, faults.opens) = (0, 0, 0, 0));
        if self.disk.has(|faults| faults.full || faults.no_names) {
            self.set_full(false);
        }
    }

    /// The same, for good.
    pub fn calm_down(&mut self) {
        self.calm();
        self.settings.fails = false;
    }
}
