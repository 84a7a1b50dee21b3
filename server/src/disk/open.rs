//! From the files of a data directory to its topics.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use shelfmq_core::log::frame::{HeaderError, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::Name;
use shelfmq_core::recovery::replay::{self, Outcome, Replay};

use super::dir::{DataDir, Unusable, is_unfinished, sync_directory};
use crate::layout;

/// How much of a segment is read at once, in bytes, unless a frame is larger.
const WINDOW: u64 = 1024 * 1024;
/// How many topics are read at once.
const THREADS: usize = 2;

/// A segment of a log that is being opened.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// What that begins with.
    pub header: SegmentHeader,
}

impl DataDir {
    /// All topics, in the order of their names, as their logs tell. What a crash left unfinished is cut off or
    /// removed; what is damaged is logged. An error where a topic cannot be told from its files at all: nothing is
    /// lost silently.
    pub fn recover(&self) -> Result<Vec<Recovered>, Unusable> {
        let listed = layout::topics(self.root()).map_err(|error| Unusable::io("read", self.topics(), &error))?;
        for path in listed.others.iter().filter(|path| !path.to_string_lossy().ends_with(".deleted")) {
            tracing::warn!(path = %path.display(), "this is not a topic's directory, and nothing is done with it");
        }
        let topics = &listed.own;
        let next = AtomicUsize::new(0);
        let work = || {
            let mut buffer = Vec::new();
            let mut found = Vec::new();
            while let Some((index, (name, path))) =
                Some(next.fetch_add(1, Relaxed)).and_then(|index| Some((index, topics.get(index)?)))
            {
                let recovered =
                    recover_topic(name, path, &mut buffer).inspect_err(|_| next.store(topics.len(), Relaxed))?;
                found.extend(recovered.map(|recovered| (index, recovered)));
            }
            Ok(found)
        };
        let found: Vec<Result<_, Unusable>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS.min(topics.len())).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let mut all = Vec::with_capacity(topics.len());
        for found in found {
            all.extend(found?);
        }
        all.sort_unstable_by_key(|(index, _)| *index);
        // What a server wrote that was killed before it synced is taken for kept from now on: so it has to be.
        let synced = File::open(self.root()).and_then(|root| Ok(rustix::fs::syncfs(root)?));
        synced.map_err(|error| Unusable::io("sync", self.root(), &error))?;
        Ok(all.into_iter().map(|(_, recovered)| recovered).collect())
    }
}

/// The topic in a directory; none where it was only being made.
fn recover_topic(name: &Name<'_>, path: &Path, buffer: &mut Vec<u8>) -> Result<Option<Recovered>, Unusable> {
    let mut segments = segments(path)?;
    loop {
        let Some(last) = segments.last() else {
            // Only its first segment was being made: of what was published to it, nothing was acknowledged.
            let removed = fs::remove_dir(path).and_then(|()| path.parent().map_or(Ok(()), sync_directory));
            if let Err(error) = removed {
                tracing::warn!(topic = %name, path = %path.display(), %error, "an empty topic directory stays");
            }
            return Ok(None);
        };
        let unreadable = |error: io::Error| Unusable(format!("{}: {error}. {REPAIR}", last.path.display()));
        let found = replay(name, &segments, buffer).map_err(unreadable)?;
        let Some(recovered) = found else {
            // A crash came before anything in it was on the disk.
            remove_unfinished(name, &last.path)?;
            segments.pop();
            continue;
        };
        if recovered.image.name != name.as_str() {
            return Err(Unusable(format!(
                "{} has the log of a topic of another name, {:?}. {REPAIR}",
                path.display(),
                recovered.image.name
            )));
        }
        cut(name, &last.path, &recovered)?;
        report(name, path, &recovered);
        return Ok(Some(recovered));
    }
}

/// What the message of every error ends with.
const REPAIR: &str = "The server does not start rather than lose what is there; `shelfmq log verify` on the data \
                      directory tells more, and `shelfmq log repair` saves what can be read";

/// The segments of a topic, in order. Files that were being made are removed.
fn segments(directory: &Path) -> Result<Vec<Segment>, Unusable> {
    let listed = layout::segments(directory).map_err(|error| Unusable::io("read", directory, &error))?;
    for path in listed.others {
        if is_unfinished(&path) {
            fs::remove_file(&path).map_err(|error| Unusable::io("remove", &path, &error))?;
        } else {
            tracing::warn!(path = %path.display(), "this is not a segment of a log, and nothing is done with it");
        }
    }
    let mut segments: Vec<Segment> = Vec::with_capacity(listed.own.len());
    let count = listed.own.len();
    for (index, (number, path)) in listed.own.into_iter().enumerate() {
        if let Some(before) = segments.last()
            && before.header.number + 1 != number
        {
            return Err(Unusable(format!(
                "{}: segment {:08x} is missing, and {number:08x} is there. {REPAIR}",
                directory.display(),
                before.header.number + 1
            )));
        }
        match header(&path, number)? {
            Some(header) => segments.push(Segment { path, header }),
            None if index + 1 == count => set_aside(&path)?,
            None => {
                return Err(Unusable(format!("{}: it has no header. {REPAIR}", path.display())));
            }
        }
    }
    Ok(segments)
}

/// The header of a segment; none where it was never written.
fn header(path: &Path, number: u32) -> Result<Option<SegmentHeader>, Unusable> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, SEGMENT_HEADER_BYTES as u64), &mut bytes));
    read.map_err(|error| Unusable::io("read", path, &error))?;
    let what = match SegmentHeader::read(&bytes) {
        Ok(header) if header.number == number => return Ok(Some(header)),
        Ok(header) => format!("it says that it is segment {:08x}", header.number),
        _ if bytes.iter().all(|byte| *byte == 0) => return Ok(None),
        Err(HeaderError::Short) => return Ok(None),
        Err(HeaderError::Foreign) => "it is no segment of a log, or its first bytes are damaged".into(),
        Err(HeaderError::Damaged) => "its header is damaged".into(),
        Err(HeaderError::Version(version)) => format!("it has version {version}, which this server does not know"),
    };
    Err(Unusable(format!("{}: {what}. {REPAIR}", path.display())))
}

/// A last segment without a header: it was never synced. Where it has anything in it, it is kept under another name.
fn set_aside(path: &Path) -> Result<(), Unusable> {
    let failed = |error| Unusable::io("move aside", path, &error);
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes < SEGMENT_HEADER_BYTES as u64 {
        return fs::remove_file(path).map_err(failed);
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".bad");
    fs::rename(path, &aside).map_err(failed)?;
    tracing::warn!(path = %path.display(), bytes, "a segment's first bytes were never written: it is moved aside, as .bad");
    path.parent().map_or(Ok(()), sync_directory).map_err(failed)
}

/// Replays a log, of one segment or more. None where the last segment has nothing at all. The buffer is for whatever is
/// read.
pub fn replay(name: &Name<'_>, segments: &[Segment], buffer: &mut Vec<u8>) -> io::Result<Option<Recovered>> {
    let told = segments
        .iter()
        .map(|segment| Ok(replay::Segment { header: segment.header, size: fs::metadata(&segment.path)?.len() }));
    let replay = Replay::new(name.as_str(), told.collect::<io::Result<_>>()?, true, WINDOW);
    let Some(mut replay) = replay else { return Ok(None) };
    let mut file: Option<(usize, File)> = None;
    loop {
        let wanted = replay.wanted();
        let open = match file.take().filter(|(index, _)| *index == wanted.segment) {
            Some((_, open)) => open,
            None => File::open(&segments[wanted.segment].path)?,
        };
        buffer.resize(wanted.bytes as usize, 0);
        buffer.shrink_to(WINDOW as usize);
        open.read_exact_at(buffer, wanted.offset)?;
        match replay.feed(buffer) {
            None => file = Some((wanted.segment, open)),
            Some(Outcome::Topic(recovered)) => return Ok(Some(recovered)),
            Some(Outcome::Nothing | Outcome::NeedsEarlier) => return Ok(None),
        }
    }
}

/// Whether from there on nothing was ever written: room that was made beforehand.
fn is_zero(file: &mut File, from: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(from))?;
    let mut part = vec![0; 64 * 1024];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(true),
            count if part[..count].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Cuts off what was not written wholly.
fn cut(name: &Name<'_>, path: &Path, recovered: &Recovered) -> Result<(), Unusable> {
    if recovered.torn == 0 {
        return Ok(());
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let cut = file.and_then(|mut file| {
        let empty = is_zero(&mut file, recovered.end)?;
        file.set_len(recovered.end)?;
        file.sync_all()?;
        Ok(empty)
    });
    let empty = cut.map_err(|error| Unusable::io("cut off the unfinished end of", path, &error))?;
    let (file, offset, length) = (path.display(), recovered.end, recovered.torn);
    if empty {
        tracing::debug!(topic = %name, %file, offset, length, "a log had room for more, which is given back");
    } else {
        tracing::warn!(topic = %name, %file, offset, length, "the end of a log was not written wholly: it is cut off");
    }
    Ok(())
}

fn remove_unfinished(name: &Name<'_>, path: &Path) -> Result<(), Unusable> {
    let removed = fs::remove_file(path).and_then(|()| path.parent().map_or(Ok(()), sync_directory));
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
