//! A topic's log as one file, while a broker writes it.
//!
//! ```text
//!  segment 3   segment 4   segment 5
//! [#########] [#########] [######|....    what is appended, and room
//!  whole       whole              ^ how far it is written at the moment of the copy
//! ```
//!
//! Segments are only appended to, and only the last one; so a list of them with their lengths is the log at that moment, and
//! stays so while the log goes on. What nobody but the copy needs any more is [held](super::holds) until it is done: one file
//! is open at a time, however many there are.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shelfmq_core::log::export::{self, ExportError, HEAD_BYTES, PART_BYTES, read_head, read_part};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::{MAX_LEN, Name};
use shelfmq_core::recovery::replay::{self, Wanted};

use super::Key;
use super::dir::{COUNTS, DataDir, MAKING, open_segment};
use super::files::Reach;
use super::fs::{DiskFile, FileSystem, How, RealFileSystem, read_exact};
use super::holds::Hold;
use super::open::replay_with;
use super::wake_up::WakeUp;
use crate::layout;

/// How often a moment is looked for in which nothing begins.
const TRIES: u32 = 100;

/// The log of a topic as it was at one moment: what is read from this is the exported file.
pub struct LogCopy {
    fs: Arc<dyn FileSystem>,
    topic: Name<'static>,
    /// What is still to be read: the segments' files, with how many bytes of each belong to the log.
    segments: VecDeque<(PathBuf, u64)>,
    /// What is read next, before the open file: heads, and the end.
    small: VecDeque<u8>,
    open: Option<Open>,
    /// The end was given.
    is_over: bool,
    length: u64,
    hold: Option<(Hold, Arc<WakeUp>)>,
}

struct Open {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    at: u64,
    end: u64,
}

impl fmt::Debug for LogCopy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogCopy").field("topic", &self.topic).field("length", &self.length).finish_non_exhaustive()
    }
}

impl LogCopy {
    /// Of a log that is being written.
    pub(super) fn of_running(
        dir: &Arc<DataDir>,
        reach: &Reach,
        wake_up: &Arc<WakeUp>,
        key: Key,
        topic: &Name<'_>,
    ) -> io::Result<Self> {
        // First, so that what is listed then stays.
        let hold = dir.holds().hold(topic);
        let directory = dir.topic(topic);
        for _ in 0..TRIES {
            let written = reach.get(key);
            let segments = listed(dir.fs(), &directory, written)?;
            // Where nothing was written before the list was made and something was after it, what is listed may have only a
            // part of that.
            if written.is_some() || reach.get(key).is_none() {
                return Ok(LogCopy::new(dir.shared_fs(), topic, segments, Some((hold, Arc::clone(wake_up)))));
            }
        }
        Err(io::Error::other("its log never rests"))
    }

    /// Of a log that nobody writes: its segments' files.
    pub fn of_stopped(topic: &Name<'_>, segments: impl IntoIterator<Item = (PathBuf, u64)>) -> Self {
        LogCopy::new(Arc::new(RealFileSystem), topic, segments, None)
    }

    fn new(
        fs: Arc<dyn FileSystem>,
        topic: &Name<'_>,
        segments: impl IntoIterator<Item = (PathBuf, u64)>,
        hold: Option<(Hold, Arc<WakeUp>)>,
    ) -> Self {
        // One of no bytes would read as the end.
        let segments: VecDeque<_> = segments.into_iter().filter(|(_, length)| *length > 0).collect();
        let head = export::write_head(topic);
        let parts: u64 = segments.iter().map(|(_, length)| PART_BYTES as u64 + length).sum();
        let length = head.len() as u64 + parts + PART_BYTES as u64;
        let (topic, small) = (topic.borrow().into_owned(), head.into());
        LogCopy { fs, topic, segments, small, open: None, is_over: false, length, hold }
    }

    /// How many bytes all of it has.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many segments are still to come.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Begins the next segment, or the end.
    fn next(&mut self) -> io::Result<()> {
        let Some((path, length)) = self.segments.pop_front() else {
            self.is_over = true;
            self.small.extend(export::write_part(0));
            return Ok(());
        };
        let file = open_segment(&*self.fs, &path, How::Read).map_err(|error| of(&path, &error))?;
        if self.hold.as_ref().is_some_and(|(hold, _)| hold.is_gone()) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the topic was deleted meanwhile"));
        }
        self.small.extend(export::write_part(length));
        self.open = Some(Open { path, file, at: 0, end: length });
        Ok(())
    }
}

impl Read for LogCopy {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.small.is_empty() && self.open.is_none() && !self.is_over {
            self.next()?;
        }
        if !self.small.is_empty() {
            return self.small.read(bytes);
        }
        let Some(open) = &mut self.open else { return Ok(0) };
        let wanted = (open.end - open.at).min(bytes.len() as u64) as usize;
        let bytes = &mut bytes[..wanted];
        read_exact(&*open.file, bytes, open.at).map_err(|error| of(&open.path, &error))?;
        open.at += wanted as u64;
        if open.at == open.end {
            self.open = None;
        }
        Ok(wanted)
    }
}

impl Drop for LogCopy {
    fn drop(&mut self) {
        if let Some((hold, wake_up)) = self.hold.take() {
            drop(hold);
            // What could not be removed meanwhile is removed now.
            wake_up.ring_other();
        }
    }
}

fn of(path: &Path, error: &io::Error) -> io::Error {
    let why = if error.kind() == io::ErrorKind::UnexpectedEof { "it became shorter".into() } else { error.to_string() };
    io::Error::new(error.kind(), format!("{}: {why}", path.display()))
}

/// The segments of a log that is written so far, with what of each belongs to it; all of it where it was not written to
/// since it was opened.
fn listed(fs: &dyn FileSystem, directory: &Path, written: Option<(u32, u64)>) -> io::Result<BTreeMap<PathBuf, u64>> {
    let listed = layout::segments(fs, directory)?;
    let is_before = |number: &u32| written.is_none_or(|(last, _)| *number < last);
    let mut segments = BTreeMap::new();
    let unnamed = listed.others.iter().filter_map(|path| {
        let own = [MAKING, COUNTS].iter().find_map(|end| strip(path, end))?;
        Some((own.file_name().and_then(layout::segment_of)?, own))
    });
    // One that is not synced yet has not its name, and belongs to the log no less if that goes on behind it.
    let unnamed = unnamed.filter(|_| written.is_some());
    for (number, path) in listed.own.into_iter().chain(unnamed).filter(|(number, _)| is_before(number)) {
        let _ = number;
        let length =
            open_segment(fs, &path, How::Read).and_then(|file| file.length()).map_err(|error| of(&path, &error))?;
        segments.insert(path, length);
    }
    if let Some((last, end)) = written {
        segments.insert(directory.join(layout::segment_file_name(last)), end);
    }
    Ok(segments)
}

fn strip(path: &Path, end: &str) -> Option<PathBuf> {
    path.to_str()?.strip_suffix(end).map(PathBuf::from)
}

/// What an export says, read from the file that it is in: the topic as its log tells, how many segments it has and how many
/// bytes. Or why it is none, in a sentence without the file's name.
pub fn replay_export(path: &Path) -> Result<(Recovered, usize, u64), String> {
    let file = RealFileSystem.open(path, How::Read).map_err(|error| error.to_string())?;
    let length = file.length().map_err(|error| error.to_string())?;
    let mut head = vec![0; length.min((HEAD_BYTES + MAX_LEN) as u64) as usize];
    read_exact(&*file, &mut head, 0).map_err(|error| error.to_string())?;
    let (name, mut at) = read_head(&head).map(|(name, at)| (name, at as u64)).map_err(|error| error.to_string())?;
    let mut segments: Vec<(replay::Segment, u64)> = Vec::new();
    loop {
        let place = |why: &dyn fmt::Display| format!("{why}, at byte {at}");
        let read = |bytes: &mut [u8], from: u64| match read_exact(&*file, bytes, from) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(place(&ExportError::Short)),
            read => read.map_err(|error| place(&error)),
        };
        let mut part = [0; PART_BYTES];
        read(&mut part, at)?;
        let size = read_part(&part).map_err(|why| place(&why))?;
        let start = at + PART_BYTES as u64;
        if size == 0 {
            if start != length {
                return Err(format!("there is more behind its end, at byte {start}"));
            }
            break;
        }
        if size > length - start {
            return Err(place(&ExportError::Short));
        }
        let mut bytes = vec![0; size.min(SEGMENT_HEADER_BYTES as u64) as usize];
        read(&mut bytes, start)?;
        let header = SegmentHeader::read(&bytes).map_err(|why| place(&complaint(why)))?;
        follows(segments.last().map(|(segment, _)| segment.header), header).map_err(|why| place(&why))?;
        segments.push((replay::Segment { header, size }, start));
        at = start + size;
    }
    let (count, bytes) = (segments.len(), segments.iter().map(|(segment, _)| segment.size).sum());
    let (parts, starts): (Vec<_>, Vec<_>) = segments.into_iter().unzip();
    let read = |wanted: Wanted, bytes: &mut [u8]| read_exact(&*file, bytes, starts[wanted.segment] + wanted.offset);
    let recovered = replay_with(&name, parts, read).map_err(|error| error.to_string())?;
    let recovered = recovered.ok_or("there is nothing in it")?;
    if recovered.image.name != name.as_str() {
        return Err(format!("it says that it is of topic {name}, and is the log of {:?}", recovered.image.name));
    }
    Ok((recovered, count, bytes))
}

/// Whether a segment is the one after another.
pub(super) fn follows(before: Option<SegmentHeader>, header: SegmentHeader) -> Result<(), String> {
    match before {
        Some(before) if before.number.checked_add(1) != Some(header.number) => {
            Err(format!("segment {:08x} comes after {:08x}", header.number, before.number))
        }
        _ => Ok(()),
    }
}

/// Why a segment's first bytes are no header.
pub(super) fn complaint(error: shelfmq_core::log::frame::HeaderError) -> String {
    use shelfmq_core::log::frame::HeaderError;
    match error {
        HeaderError::Short => "a segment is shorter than a header".into(),
        HeaderError::Foreign => "this is no segment of a log, or its first bytes are damaged".into(),
        HeaderError::Version(version) => format!("a segment has version {version}, which this program does not know"),
        HeaderError::Damaged => "a segment's header is damaged".into(),
    }
}
