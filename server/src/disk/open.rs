//! From the files of a data directory to its topics.
//!
//! What is read is what the device has: whatever else the kernel remembers of a file may be what it failed to write, and
//! tells nobody any more. And nothing is ever appended to a file that was there before: a topic goes on in a new segment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use shelfmq_core::log::frame::{HeaderError, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::Name;
use shelfmq_core::recovery::replay::{self, Outcome, Replay, Wanted};

use super::dir::{COUNTS, DataDir, MAKING, Unusable, beside, ends_with};
use super::fs::{DiskFile, EntryKind, FileSystem, How, read_around, read_exact, sync, sync_names, write_all};
use crate::layout;

/// How much of a segment is read at once, in bytes, unless a frame is larger.
pub(super) const WINDOW: u64 = 1024 * 1024;
/// What cannot be read is damage once a topic was tried to be opened so often: for some 25 seconds, for a device may be away for a
/// moment.
const TRIES: u32 = 8;
/// What was cut off a log is kept beside it, under this name.
const CUT: &str = ".torn";

/// A segment of a log that is being opened.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// What that begins with.
    pub header: SegmentHeader,
    /// How many bytes it has.
    pub size: u64,
}

/// A topic that was found.
#[derive(Debug)]
pub enum Found {
    /// As its log tells.
    Topic(Box<Recovered>),
    /// It cannot be told from its files, for this reason. They stay as they are.
    Aside(Name<'static>, String),
}

impl Found {
    fn name(&self) -> &str {
        match self {
            Found::Topic(recovered) => &recovered.image.name,
            Found::Aside(name, _) => name.as_str(),
        }
    }
}

impl DataDir {
    /// All topics, in the order of their names, as their logs tell. What a crash left unfinished is cut off or removed; what
    /// is damaged is logged. A topic that cannot be told from its files is set aside: nothing is lost silently, and no other
    /// has to wait for it. An error where the directory itself cannot be read.
    pub fn recover(&self) -> Result<Vec<Found>, Unusable> {
        // What a server wrote that was killed before it synced is taken for kept from now on: so it has to be. What this
        // cannot write is not on the device, and is not read from there.
        if let Err(error) = self.fs().sync_file_system(self.root()) {
            tracing::error!(path = %self.root().display(), %error, "not all that was written could be synced: what the disk has counts");
        }
        let listed = layout::topics(self.fs(), self.root());
        let listed = listed.map_err(|error| Unusable::io("read", self.topics(), &error))?;
        let mut links = Vec::new();
        for path in listed.others.iter().filter(|path| !layout::is_known(path)) {
            // What would be a topic, if it were a directory: nobody is to make another of its name.
            if let Some(name) = path.file_name().and_then(layout::topic_of) {
                let why =
                    format!("{} is no directory, but a link or a file: put the directory itself there", path.display());
                tracing::error!(topic = %name, "{why}");
                links.push(Found::Aside(name, why));
            } else {
                tracing::warn!(path = %path.display(), "this is not a topic's directory, and nothing is done with it");
            }
        }
        let topics = self.renamed(listed.own);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            while let Some((name, path)) = topics.get(next.fetch_add(1, Relaxed)) {
                match self.recover_topic(name, path, Care::default()) {
                    Ok(recovered) => found.extend(recovered.map(|recovered| Found::Topic(Box::new(recovered)))),
                    Err(Unusable(why)) => {
                        tracing::error!(topic = %name, "{why}");
                        found.push(Found::Aside(name.clone(), why));
                    }
                }
            }
            found
        };
        let mut all: Vec<Found> = thread::scope(|scope| {
            if self.readers() == 1 {
                return work();
            }
            let threads: Vec<_> = (0..self.readers().min(topics.len())).map(|_| scope.spawn(work)).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().flat_map(join).collect()
        });
        all.extend(links);
        all.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Ok(all)
    }

    /// Directories that an earlier version made have the names that this one gives them.
    fn renamed(&self, topics: Vec<(Name<'static>, PathBuf)>) -> Vec<(Name<'static>, PathBuf)> {
        let rename = |(name, path): (Name<'static>, PathBuf)| {
            let own = self.topic(&name);
            if own == path {
                return (name, path);
            }
            let renamed = self.fs().rename(&path, &own).and_then(|()| sync_names(self.fs(), self.topics()));
            if let Err(error) = renamed {
                tracing::error!(path = %path.display(), to = %own.display(), %error, "a topic's directory cannot be given its name");
                return (name, path);
            }
            (name, own)
        };
        topics.into_iter().map(rename).collect()
    }

    /// A topic whose log failed, as the device has it, after so many tries.
    pub(super) fn open_again(&self, name: &Name<'static>, tries: u32) -> Result<Recovered, Unusable> {
        let path = self.topic(name);
        let found = match self.fs().list(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Unusable::io("read", &path, &error)),
            Ok(_) => self.recover_topic(name, &path, Care { syncs: true, around: tries >= TRIES })?,
        };
        // Where nothing is there, nobody was told that anything that was published to it was.
        Ok(found.unwrap_or_else(|| Recovered::nothing(name)))
    }

    /// The topic in a directory; none where it was only being made.
    fn recover_topic(&self, name: &Name<'static>, path: &Path, care: Care) -> Result<Option<Recovered>, Unusable> {
        let fs = self.fs();
        let Segments(segments) = Segments::find(fs, path, care)?;
        let unreadable = |error: io::Error| Unusable(format!("{}: {error}. {REPAIR}", path.display()));
        let found = replay(fs, name, &segments, care.around).map_err(unreadable)?;
        if let Some(recovered) = found.as_ref().filter(|recovered| recovered.image.name != name.as_str()) {
            return Err(Unusable(format!(
                "{} has the log of a topic of another name, {:?}. {REPAIR}",
                path.display(),
                recovered.image.name
            )));
        }
        let found = finish(fs, name, path, segments, found)?;
        if found.is_none() {
            // Only its first segment was being made: of what was published to it, nothing was acknowledged.
            let removed = fs.remove_directory(path).and_then(|()| sync_names(fs, self.topics()));
            if let Err(error) = removed {
                tracing::warn!(topic = %name, path = %path.display(), %error, "an empty topic directory stays");
            }
        }
        Ok(found)
    }
}

/// How a topic's files are read.
#[derive(Clone, Copy, Debug, Default)]
struct Care {
    /// What is in them may not be on the device yet.
    syncs: bool,
    /// What the device does not give is damage like any other.
    around: bool,
}

/// What the message of every error ends with.
const REPAIR: &str = "The topic is not served rather than lose what is there; `shelfmq log verify` on the data directory \
                      tells more, and `shelfmq log repair` saves what can be read";

/// The segments of a topic, in order.
struct Segments(Vec<Segment>);

impl Segments {
    /// Those in a directory. Files that were being made are removed.
    fn find(fs: &dyn FileSystem, directory: &Path, care: Care) -> Result<Self, Unusable> {
        let listed = layout::segments(fs, directory).map_err(|error| Unusable::io("read", directory, &error))?;
        let (mut own, mut counting) = (listed.own, Vec::new());
        for path in listed.others {
            if ends_with(&path, MAKING) {
                fs.remove_file(&path).map_err(|error| Unusable::io("remove", &path, &error))?;
            } else if let Some(number) = counts(&path)
                && is_file(fs, directory, &path)?
            {
                counting.push((number, path));
            } else if path.file_name().and_then(layout::segment_of).is_some() {
                return Err(Unusable(format!(
                    "{} is no file, but a link or a pipe: put the file itself there",
                    path.display()
                )));
            } else if !layout::is_known(&path) {
                tracing::warn!(path = %path.display(), "this is not a segment of a log, and nothing is done with it");
            }
        }
        own.sort();
        adopt_all(fs, &mut own, counting, care)?;
        let mut segments: Vec<Segment> = Vec::with_capacity(own.len());
        for (number, path) in own {
            if let Some(before) = segments.last()
                && before.header.number + 1 != number
            {
                return Err(Unusable(format!(
                    "{}: segment {:08x} is missing, and {number:08x} is there. {REPAIR}",
                    directory.display(),
                    before.header.number + 1
                )));
            }
            // It has its name because it was durable: that it says nothing is no accident of a crash.
            let Some((header, size)) = header(fs, &path, number, care)? else {
                return Err(Unusable(format!("{}: it has no header. {REPAIR}", path.display())));
            };
            segments.push(Segment { path, header, size });
        }
        Ok(Segments(segments))
    }
}

/// Whether a path in this directory is a file, and not a pipe or a link.
fn is_file(fs: &dyn FileSystem, directory: &Path, path: &Path) -> Result<bool, Unusable> {
    let entries = fs.list(directory).map_err(|error| Unusable::io("read", directory, &error))?;
    Ok(entries.iter().any(|entry| Some(&*entry.name) == path.file_name() && entry.kind == EntryKind::File))
}

/// The number of a segment that counts, and may not have been durable when a crash came.
fn counts(path: &Path) -> Option<u32> {
    let own = path.with_extension("");
    own.file_name().and_then(layout::segment_of).filter(|_| ends_with(path, COUNTS))
}

/// Segments that count, and were not durable when a crash came, have their names from now on, in their order: the first of
/// which the device has nothing is the end of the log, whatever it has of those behind; so is one that the device does not have
/// all of. Those behind it are kept beside the log.
fn adopt_all(
    fs: &dyn FileSystem,
    own: &mut Vec<(u32, PathBuf)>,
    mut counting: Vec<(u32, PathBuf)>,
    care: Care,
) -> Result<(), Unusable> {
    counting.sort();
    let mut is_over = false;
    for (number, path) in counting {
        let failed = |error| Unusable::io("keep", &path, &error);
        is_over |= own.last().is_some_and(|last| last.0 + 1 != number);
        if let Some((before, last)) = own.last().filter(|_| !is_over) {
            // What a snapshot says of messages that were written again may be there before they are.
            is_over = !is_whole(fs, (*before, last), (number, &path), care.around).map_err(failed)?;
        }
        if is_over {
            let beside = beside(&path.with_extension(""), CUT);
            fs.rename(&path, &beside).map_err(failed)?;
            tracing::warn!(file = %beside.display(), "the segment before was lost before it was on the disk: this one is kept beside the log");
        } else if header(fs, &path, number, Care { syncs: true, around: false })?.is_none() {
            fs.remove_file(&path).map_err(failed)?;
            is_over = true;
        } else {
            let named = path.with_extension("");
            let sync = |()| path.parent().map_or(Ok(()), |directory| sync_names(fs, directory));
            fs.rename(&path, &named).and_then(sync).map_err(failed)?;
            own.push((number, named));
        }
    }
    Ok(())
}

/// Whether the device has all that the snapshot of a segment relies on of the one before. Where one of them has no header, whoever
/// reads that says so; one without a snapshot is replayed with those before it, and relies on nothing.
fn is_whole(fs: &dyn FileSystem, before: (u32, &Path), next: (u32, &Path), around: bool) -> io::Result<bool> {
    let (Some(file), Some(next)) = (headed(fs, before, around)?, headed(fs, next, around)?) else { return Ok(true) };
    let Some(next) = alone(next, around)? else { return Ok(true) };
    let told = next.image.old_segments.iter().find(|(number, _)| *number == before.0);
    let Some((_, told)) = told else { return Ok(true) };
    Ok(alone(file, around)?.is_some_and(|found| found.end >= *told && found.damage.is_empty()))
}

type Headed = (Arc<dyn DiskFile>, replay::Segment);

/// A segment's file; none where it has no header that can be read.
fn headed(fs: &dyn FileSystem, (number, path): (u32, &Path), around: bool) -> io::Result<Option<Headed>> {
    let file = open_fresh(fs, path, true)?;
    let size = file.length()?;
    let mut bytes = vec![0; size.min(SEGMENT_HEADER_BYTES as u64) as usize];
    read(&*file, &mut bytes, 0, around)?;
    let header = SegmentHeader::read(&bytes).ok().filter(|header| header.number == number);
    Ok(header.map(|header| (file, replay::Segment { header, size })))
}

/// A segment replayed by itself; none where there is nothing in it.
fn alone((file, segment): Headed, around: bool) -> io::Result<Option<Recovered>> {
    let name = Name::parse("-").expect("it is a name");
    replay_with(&name, vec![segment], |wanted, bytes| read(&*file, bytes, wanted.offset, around))
}

/// Opens a file to read what the device has of it; `syncs` says that it may not have all of it yet.
fn open_fresh(fs: &dyn FileSystem, path: &Path, syncs: bool) -> io::Result<Arc<dyn DiskFile>> {
    let file = fs.open(path, if syncs { How::Write } else { How::Read })?;
    if syncs {
        sync(&*file, true)?;
    }
    file.forget_cached();
    Ok(file)
}

/// The header of a segment; none where it was never written.
fn header(fs: &dyn FileSystem, path: &Path, number: u32, care: Care) -> Result<Option<(SegmentHeader, u64)>, Unusable> {
    let read = open_fresh(fs, path, care.syncs).and_then(|file| {
        let size = file.length()?;
        let mut bytes = vec![0; size.min(SEGMENT_HEADER_BYTES as u64) as usize];
        read(&*file, &mut bytes, 0, care.around).map(|()| (bytes, size))
    });
    let (bytes, size) = read.map_err(|error| Unusable::io("read", path, &error))?;
    let what = match SegmentHeader::read(&bytes) {
        Ok(header) if header.number == number => return Ok(Some((header, size))),
        Ok(header) => format!("it says that it is segment {:08x}", header.number),
        _ if bytes.iter().all(|byte| *byte == 0) => return Ok(None),
        Err(HeaderError::Short) => return Ok(None),
        Err(HeaderError::Foreign) => "it is no segment of a log, or its first bytes are damaged".into(),
        Err(HeaderError::Damaged) => "its header is damaged".into(),
        Err(HeaderError::Version(version)) => format!("it has version {version}, which this server does not know"),
    };
    Err(Unusable(format!("{}: {what}. {REPAIR}", path.display())))
}

pub(super) fn read(file: &dyn DiskFile, bytes: &mut [u8], offset: u64, around: bool) -> io::Result<()> {
    if around { read_around(file, bytes, offset) } else { read_exact(file, bytes, offset) }
}

/// Replays all segments of a topic; none where there is nothing in them. `around` says that what the device does not give is
/// damage like any other.
pub fn replay(
    fs: &dyn FileSystem,
    name: &Name<'_>,
    segments: &[Segment],
    around: bool,
) -> io::Result<Option<Recovered>> {
    let told = segments.iter().map(|segment| replay::Segment { header: segment.header, size: segment.size });
    let mut file: Option<(usize, Arc<dyn DiskFile>)> = None;
    replay_with(name, told.collect(), |wanted, bytes| {
        let open = match file.take() {
            Some((index, open)) if index == wanted.segment => open,
            _ => fs.open(&segments[wanted.segment].path, How::Read)?,
        };
        read(&*open, bytes, wanted.offset, around)?;
        file = Some((wanted.segment, open));
        Ok(())
    })
}

/// The same, whoever brings what is wanted.
pub(super) fn replay_with(
    name: &Name<'_>,
    segments: Vec<replay::Segment>,
    mut read: impl FnMut(Wanted, &mut [u8]) -> io::Result<()>,
) -> io::Result<Option<Recovered>> {
    let Some(mut replay) = Replay::new(name.as_str(), segments, true, WINDOW) else { return Ok(None) };
    let mut buffer = Vec::new();
    loop {
        let wanted = replay.wanted();
        buffer.resize(wanted.bytes as usize, 0);
        buffer.shrink_to(WINDOW as usize);
        read(wanted, &mut buffer)?;
        if let Some(outcome) = replay.feed(&buffer) {
            return Ok(match outcome {
                Outcome::Topic(recovered) => Some(recovered),
                Outcome::Nothing | Outcome::NeedsEarlier => None,
            });
        }
    }
}

/// After a replay: segments with nothing in them are removed, what was not written wholly is cut off, and what is damaged is
/// logged.
pub(super) fn finish(
    fs: &dyn FileSystem,
    name: &Name<'_>,
    directory: &Path,
    mut segments: Vec<Segment>,
    mut found: Option<Recovered>,
) -> Result<Option<Recovered>, Unusable> {
    let end = found.as_ref().map(|recovered| recovered.header.number);
    // The last first: what is left if this breaks off is a log as well.
    while let Some(empty) = segments.pop_if(|last| Some(last.header.number) > end) {
        remove_unfinished(fs, name, &empty.path)?;
    }
    if let (Some(recovered), Some(last)) = (&mut found, segments.last()) {
        cut(fs, name, &last.path, recovered)?;
        report(name, directory, recovered);
        // Nothing is ever appended to a file that was there before.
        recovered.sealed = true;
    }
    Ok(found)
}

/// Cuts off what was not written wholly. What there is of it is kept beside the log.
fn cut(fs: &dyn FileSystem, name: &Name<'_>, path: &Path, recovered: &Recovered) -> Result<(), Unusable> {
    if recovered.torn == 0 {
        return Ok(());
    }
    let cut = fs.open(path, How::Write).and_then(|file| {
        let is_empty = keep_torn(fs, &*file, path, recovered.end)?;
        file.set_len(recovered.end)?;
        sync(&*file, true)?;
        Ok(is_empty)
    });
    let is_empty = cut.map_err(|error| Unusable::io("cut off the unfinished end of", path, &error))?;
    let (file, offset, length) = (path.display(), recovered.end, recovered.torn);
    if is_empty {
        tracing::debug!(topic = %name, %file, offset, length, "a log had room for more, which is given back");
    } else {
        tracing::warn!(topic = %name, %file, offset, length, "the end of a log was not written wholly: it is cut off, and kept beside it");
    }
    Ok(())
}

/// Copies what stands behind the end of a log to a file beside it; whether that is nothing but room that was made.
fn keep_torn(fs: &dyn FileSystem, file: &dyn DiskFile, path: &Path, end: u64) -> io::Result<bool> {
    let (length, mut at) = (file.length()?, end);
    let mut torn = Vec::new();
    let mut part = vec![0; 64 * 1024];
    while at < length {
        let part = &mut part[..(length - at).min(64 * 1024) as usize];
        read_around(file, part, at)?;
        at += part.len() as u64;
        if part.iter().any(|byte| *byte != 0) || !torn.is_empty() {
            torn.extend_from_slice(part);
        }
    }
    let used = torn.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if used > 0 {
        // For somebody who looks for what may be in it: where there is no room for that, it is not kept.
        let kept = fs.open(&beside(path, CUT), How::Create).and_then(|kept| write_all(&*kept, &torn[..used], 0));
        if let Err(error) = kept {
            tracing::warn!(file = %path.display(), %error, "what is cut off cannot be kept");
        }
    }
    Ok(used == 0)
}

fn remove_unfinished(fs: &dyn FileSystem, name: &Name<'_>, path: &Path) -> Result<(), Unusable> {
    let sync = |()| path.parent().map_or(Ok(()), |directory| sync_names(fs, directory));
    let removed = fs.remove_file(path).and_then(sync);
    removed.map_err(|error| Unusable::io("remove the unfinished segment", path, &error))?;
    tracing::warn!(topic = %name, file = %path.display(), "a segment was just begun, and has nothing in it: it is removed");
    Ok(())
}

/// Logs what cannot be read.
fn report(name: &Name<'_>, directory: &Path, recovered: &Recovered) {
    for damage in &recovered.damage {
        tracing::warn!(
            topic = %name, file = %directory.join(layout::segment_file_name(damage.segment)).display(),
            offset = damage.offset, length = damage.length, kind = ?damage.kind,
            "a part of a log is damaged, and is passed over"
        );
    }
    if recovered.headless {
        tracing::error!(
            topic = %name, directory = %directory.display(),
            "no snapshot of this topic can be read: its channels are lost, its messages are as if just published"
        );
    }
}
