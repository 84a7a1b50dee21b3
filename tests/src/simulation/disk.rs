//! A disk in memory that does after a crash all that [`shelfmq_core::log`] says a disk may do.
//!
//! A file has bytes that were written and bytes that are durable; a directory has names that are there and names that
//! would be there after a crash. A crash of the machine decides for each sector and for each name by the seed.

use std::collections::{BTreeMap, BTreeSet};

use shelfmq_core::log::frame::{Found, Frames, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, split_message};

use crate::workload::Random;

const SECTOR: usize = 512;

/// Names a file or a directory; never used twice.
type Number = u64;

/// How a crash comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies. What was written is still there.
    Process,
    /// The power fails. What was not synced may be lost.
    Machine,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: later ones mean nothing.
    poisoned: bool,
}

impl File {
    fn sync(&mut self) {
        if !self.poisoned && self.bytes.len() > self.durable.len() {
            self.durable.extend_from_slice(&self.bytes[self.durable.len()..]);
        }
    }

    /// The power fails: each sector that was not synced is there or not.
    fn lose(&mut self, random: &mut Random) {
        let (written, kept_bytes) = (std::mem::take(&mut self.bytes), self.durable.len());
        self.bytes.clone_from(&self.durable);
        let first = kept_bytes / SECTOR;
        let count = written.len().div_ceil(SECTOR).saturating_sub(first);
        let mode = random.below(5);
        let until = random.below(count as u64 + 1) as usize;
        for sector in 0..count {
            let kept = match mode {
                0 => true,
                1 => false,
                2 | 3 => sector < until,
                _ => random.percent(50),
            };
            if kept {
                let start = (first + sector) * SECTOR;
                let end = (start + SECTOR).min(written.len());
                self.bytes.resize(self.bytes.len().max(end), 0);
                self.bytes[start..end].copy_from_slice(&written[start..end]);
            }
        }
        // The file may have grown on the disk without its bytes.
        if random.percent(30) {
            self.bytes.resize(self.bytes.len().max(written.len()), 0);
        }
        self.durable.clone_from(&self.bytes);
        self.poisoned = false;
    }
}

/// Names and what they stand for, now and after a crash.
#[derive(Clone, Debug)]
struct Names<K> {
    live: BTreeMap<K, Number>,
    durable: BTreeMap<K, Number>,
}

impl<K: Ord + Clone> Default for Names<K> {
    fn default() -> Self {
        Names { live: BTreeMap::new(), durable: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Names<K> {
    fn sync(&mut self) {
        self.durable.clone_from(&self.live);
    }

    fn lose(&mut self, random: &mut Random) {
        let all: BTreeSet<K> = self.live.keys().chain(self.durable.keys()).cloned().collect();
        for name in all {
            let (live, durable) = (self.live.get(&name).copied(), self.durable.get(&name).copied());
            match if random.percent(50) { live } else { durable } {
                Some(number) => drop(self.live.insert(name, number)),
                None => drop(self.live.remove(&name)),
            }
        }
        self.sync();
    }
}

/// The disk: a directory for each topic, in it a file for each segment.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    root: Names<String>,
    directories: BTreeMap<Number, Names<u32>>,
    files: BTreeMap<Number, File>,
    last: Number,
}

/// A directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directory(Number);

impl SimDisk {
    fn count(&mut self) -> Number {
        self.last += 1;
        self.last
    }

    /// The topics that have a directory.
    pub fn topics(&self) -> Vec<String> {
        self.root.live.keys().cloned().collect()
    }

    /// The directory of a topic.
    pub fn directory(&self, topic: &str) -> Option<Directory> {
        self.root.live.get(topic).copied().map(Directory)
    }

    /// Makes a topic's directory.
    pub fn create_directory(&mut self, topic: &str) -> Directory {
        let number = self.count();
        self.directories.insert(number, Names::default());
        self.root.live.insert(topic.into(), number);
        Directory(number)
    }

    /// Renames a topic's directory away, with all that is in it.
    pub fn remove_directory(&mut self, topic: &str) {
        self.root.live.remove(topic);
    }

    /// The names of directories are durable from now on.
    pub fn sync_root(&mut self) {
        self.root.sync();
    }

    /// The names of a directory's files are durable from now on.
    pub fn sync_directory(&mut self, directory: Directory) {
        self.names(directory).sync();
    }

    fn names(&mut self, Directory(number): Directory) -> &mut Names<u32> {
        self.directories.get_mut(&number).expect("directories stay as long as the disk")
    }

    /// The segments of a directory.
    pub fn segments(&self, Directory(number): Directory) -> Vec<u32> {
        self.directories[&number].live.keys().copied().collect()
    }

    fn file(&self, Directory(number): Directory, segment: u32) -> Option<&File> {
        self.files.get(self.directories[&number].live.get(&segment)?)
    }

    fn file_mut(&mut self, Directory(number): Directory, segment: u32) -> Option<&mut File> {
        self.files.get_mut(self.directories[&number].live.get(&segment)?)
    }

    /// The bytes of a segment.
    pub fn read(&self, directory: Directory, segment: u32) -> Option<&[u8]> {
        self.file(directory, segment).map(|file| file.bytes.as_slice())
    }

    /// What of a segment would be there after the worst of crashes.
    pub fn durable(&self, Directory(number): Directory, segment: u32) -> Option<&[u8]> {
        let file = self.directories[&number].durable.get(&segment)?;
        self.root.durable.values().any(|known| *known == number).then(|| self.files[file].durable.as_slice())
    }

    /// How many bytes of each segment are durable.
    pub fn lengths(&self) -> BTreeMap<(Directory, u32), u64> {
        let segments = self.directories.iter().flat_map(|(directory, names)| {
            names.live.iter().map(move |(segment, file)| ((Directory(*directory), *segment), file))
        });
        segments.map(|(place, file)| (place, self.files[file].durable.len() as u64)).collect()
    }

    /// Makes an empty file for a segment.
    pub fn create(&mut self, directory: Directory, segment: u32) {
        let number = self.count();
        self.files.insert(number, File::default());
        self.names(directory).live.insert(segment, number);
    }

    /// Writes at the end of a segment; `false` where it ends elsewhere.
    #[must_use]
    pub fn append(&mut self, directory: Directory, segment: u32, offset: u64, bytes: &[u8]) -> bool {
        match self.file_mut(directory, segment) {
            Some(file) if file.bytes.len() as u64 == offset => file.bytes.extend_from_slice(bytes),
            _ => return false,
        }
        true
    }

    /// What was written to a segment is durable from now on.
    pub fn sync(&mut self, directory: Directory, segment: u32) {
        if let Some(file) = self.file_mut(directory, segment) {
            file.sync();
        }
    }

    /// A sync of a segment failed: some of what was written may be durable, and nothing more will be.
    pub fn fail_sync(&mut self, directory: Directory, segment: u32, random: &mut Random) {
        if let Some(file) = self.file_mut(directory, segment) {
            let left = (file.bytes.len() - file.durable.len()) as u64;
            let more = file.durable.len() + random.below(left + 1) as usize;
            file.durable.extend_from_slice(&file.bytes[file.durable.len()..more]);
            file.poisoned = true;
        }
    }

    /// Cuts off what stands after this place of a segment, durably.
    pub fn truncate(&mut self, directory: Directory, segment: u32, end: u64) {
        if let Some(file) = self.file_mut(directory, segment) {
            file.bytes.truncate(end as usize);
            file.durable.clone_from(&file.bytes);
        }
    }

    /// Removes a segment's file. Its name may be back after a crash until the directory is synced.
    pub fn remove(&mut self, directory: Directory, segment: u32) {
        self.names(directory).live.remove(&segment);
    }

    /// Everything is synced.
    pub fn sync_all(&mut self) {
        self.root.sync();
        self.directories.values_mut().for_each(Names::sync);
        self.files.values_mut().for_each(File::sync);
    }

    /// What is left after a crash.
    pub fn crash(&mut self, crash: Crash, random: &mut Random) {
        if crash == Crash::Machine {
            self.root.lose(random);
            self.directories.values_mut().for_each(|names| names.lose(random));
            self.files.values_mut().for_each(|file| file.lose(random));
        }
        for file in self.files.values_mut() {
            file.poisoned = false;
        }
    }

    /// Whether this stands in a topic's files and would still do after the worst of crashes.
    pub fn is_durable(&self, topic: &str, needle: &[u8]) -> bool {
        let Some(directory) = self.directory(topic) else { return false };
        let holds = |bytes: &[u8]| bytes.windows(needle.len()).rev().any(|window| window == needle);
        self.segments(directory).iter().rev().any(|segment| self.durable(directory, *segment).is_some_and(holds))
    }

    /// Flips this bit of a segment.
    pub fn flip(&mut self, directory: Directory, segment: u32, bit: usize) {
        if let Some(file) = self.file_mut(directory, segment) {
            for bytes in [&mut file.bytes, &mut file.durable] {
                bytes.get_mut(bit / 8).into_iter().for_each(|byte| *byte ^= 1 << (bit % 8));
            }
        }
    }

    /// Changes the body of a message without a trace, as no disk does.
    pub fn forge(&mut self, directory: Directory, segment: u32, random: &mut Random) -> bool {
        let Some(file) = self.file_mut(directory, segment) else { return false };
        let Some(forged) = forged(&file.bytes, random) else { return false };
        file.bytes.copy_from_slice(&forged);
        let durable = file.durable.len().min(forged.len());
        file.durable[..durable].copy_from_slice(&forged[..durable]);
        true
    }
}

/// What stands at a place of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The header, or what is no frame.
    Nothing,
    /// A message.
    Message(u64),
    /// Something that happened, or a whole topic.
    Event,
}

/// What stands at this place of a whole segment.
pub fn standing(bytes: &[u8], place: usize) -> Standing {
    let Ok(header) = SegmentHeader::read(bytes) else { return Standing::Nothing };
    let frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
    for found in frames {
        let Found::Frame(frame) = found else { continue };
        if (frame.offset..frame.end()).contains(&(place as u64)) {
            let id = split_message(frame.payload).map(|(id, ..)| id);
            return match (frame.kind, id) {
                (Kind::Message | Kind::Rewritten, Some(id)) => Standing::Message(id),
                _ => Standing::Event,
            };
        }
    }
    Standing::Nothing
}

/// The segment with the last byte of one of its messages changed, and all its checksums right.
fn forged(bytes: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    use shelfmq_core::log::frame::write_frame;
    let header = SegmentHeader::read(bytes).ok()?;
    let mut out = bytes[..SEGMENT_HEADER_BYTES].to_vec();
    let mut done = false;
    for found in Frames::new(header.salt, out.len() as u64, &bytes[SEGMENT_HEADER_BYTES..]) {
        let Found::Frame(frame) = found else { return None };
        let is_message = matches!(frame.kind, Kind::Message | Kind::Rewritten);
        let forge = is_message && !done && random.percent(50);
        done |= forge;
        let offset = out.len() as u64;
        write_frame(&mut out, header.salt, offset, frame.kind, frame.more, |out| {
            out.extend_from_slice(frame.payload);
            if forge {
                out.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            }
        });
    }
    (done && out.len() == bytes.len()).then_some(out)
}
