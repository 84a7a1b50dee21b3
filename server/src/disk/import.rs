//! An exported log that becomes a topic: it is read into a directory of its own, looked at as a start would, synced, and only
//! then gets the topic's name.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use shelfmq_core::log::export::{ExportError, HEAD_BYTES, PART_BYTES, read_head, read_part};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::{MAX_LEN, Name};

use super::copy::{complaint, follows};
use super::dir::{DataDir, Unusable};
use super::fs::{How, Trouble, sync, sync_names, write_all};
use super::open::{Segment, finish, replay};
use super::removal;
use crate::layout;

/// How much is read and written at once, in bytes.
const PIECE: usize = 256 * 1024;
/// After so many bytes it is looked whether there is still as much free as is to stay so.
const LOOK_EVERY: u64 = 16 * 1024 * 1024;

/// Why there is no topic of what came. Nothing of it is left.
#[derive(Debug)]
pub enum ImportError {
    /// It is no log that a topic can be made of: why, and where.
    Refused(String),
    /// It did not come to its end.
    BrokenOff,
    /// There is a topic of this name.
    Exists,
    /// There is no room for it.
    Full,
    /// It could not be written.
    Failed(String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImportError::Refused(why) | ImportError::Failed(why) => f.write_str(why),
            ImportError::BrokenOff => ExportError::Short.fmt(f),
            ImportError::Exists => f.write_str("there is a topic of this name already"),
            ImportError::Full => f.write_str("there is no room for it on the disk"),
        }
    }
}

impl std::error::Error for ImportError {}

impl ImportError {
    fn of_disk(what: &str, path: &Path, error: &io::Error) -> Self {
        match Trouble::of(error) {
            Trouble::Full => ImportError::Full,
            _ => ImportError::Failed(format!("cannot {what} {}: {error}", path.display())),
        }
    }
}

impl From<Unusable> for ImportError {
    fn from(Unusable(why): Unusable) -> Self {
        ImportError::Failed(why)
    }
}

/// A log that was read, and is a topic's as soon as it is [placed](Import::place). Dropped before, it is removed.
#[derive(Debug)]
pub struct Import<'d> {
    recovered: Recovered,
    files: Files<'d>,
    /// How many segments it has.
    pub segments: usize,
    /// How many bytes they have.
    pub bytes: u64,
}

/// The directory of an import, which is removed with this unless it was placed.
#[derive(Debug)]
struct Files<'d> {
    dir: &'d DataDir,
    name: Name<'static>,
    path: PathBuf,
    is_placed: bool,
}

impl DataDir {
    /// Reads an export to its end, and looks whether a topic can be opened from it: that of this name, where one is given.
    /// `min_free_bytes` are to stay free.
    pub fn import(
        &self,
        wanted: Option<&Name<'_>>,
        from: &mut dyn Read,
        min_free_bytes: u64,
    ) -> Result<Import<'_>, ImportError> {
        let mut source = Source { from, at: 0 };
        let name = source.head()?;
        if let Some(wanted) = wanted.filter(|wanted| wanted.as_str() != name.as_str()) {
            return Err(ImportError::Refused(format!(
                "it is the log of topic {name}, and not of {wanted}: a log keeps its topic's name"
            )));
        }
        // By its name and not by that of its directory, which an earlier version may have made.
        let topics = layout::topics(self.fs(), self.root());
        let topics = topics.map_err(|error| ImportError::of_disk("read", self.topics(), &error))?;
        if topics.own.iter().any(|(known, _)| *known == name) {
            return Err(ImportError::Exists);
        }
        let made = self.import_directory(&name);
        let path = made.map_err(|error| ImportError::of_disk("make a directory in", self.topics(), &error))?;
        let files = Files { dir: self, name, path, is_placed: false };
        let found = files.receive(&mut source, min_free_bytes)?;
        let (segments, bytes) = (found.len(), found.iter().map(|segment| segment.size).sum());
        let recovered = files.check(found)?;
        Ok(Import { recovered, files, segments, bytes })
    }
}

impl Import<'_> {
    /// The topic.
    pub fn name(&self) -> &Name<'static> {
        &self.files.name
    }

    /// Gives it the topic's name, durably, and the topic as its log tells. [`ImportError::Exists`] where something has that
    /// name; nobody may make it meanwhile.
    pub fn place(self) -> Result<Recovered, ImportError> {
        let Import { recovered, mut files, .. } = self;
        let own = files.dir.topic(&files.name);
        let fs = files.dir.fs();
        // A directory is not given the name of one that has something in it.
        fs.rename(&files.path, &own).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => ImportError::Exists,
            _ => ImportError::of_disk("make", &own, &error),
        })?;
        if let Err(error) = sync_names(fs, files.dir.topics()) {
            // Whether it is there after a power cut is not known: so that it is not, it is taken away again.
            files.path = own;
            return Err(ImportError::of_disk("sync", files.dir.topics(), &error));
        }
        files.is_placed = true;
        Ok(recovered)
    }
}

impl Files<'_> {
    /// Writes the segments, each synced.
    fn receive(&self, from: &mut Source<'_>, min_free_bytes: u64) -> Result<Vec<Segment>, ImportError> {
        let mut segments: Vec<Segment> = Vec::new();
        let mut until_look = 0;
        loop {
            let length = from.part()?;
            if length == 0 {
                break;
            }
            let at = from.at;
            let mut head = vec![0; length.min(SEGMENT_HEADER_BYTES as u64) as usize];
            from.fill(&mut head)?;
            let place = |why| ImportError::Refused(format!("{why}, at byte {at}"));
            let header = SegmentHeader::read(&head).map_err(|error| place(complaint(error)))?;
            follows(segments.last().map(|segment| segment.header), header).map_err(place)?;
            let path = self.path.join(layout::segment_file_name(header.number));
            let fs = self.dir.fs();
            let failed = |error: io::Error| ImportError::of_disk("write", &path, &error);
            let file = fs.open(&path, How::Create).map_err(failed)?;
            write_all(&*file, &head, 0).map_err(failed)?;
            let mut written = head.len() as u64;
            let mut piece = vec![0; PIECE];
            while written < length {
                if until_look < PIECE as u64 {
                    self.look_for_room(min_free_bytes)?;
                    until_look = LOOK_EVERY;
                }
                until_look -= PIECE as u64;
                let piece = &mut piece[..(length - written).min(PIECE as u64) as usize];
                from.fill(piece)?;
                write_all(&*file, piece, written).map_err(failed)?;
                written += piece.len() as u64;
            }
            sync(&*file, true).map_err(failed)?;
            segments.push(Segment { path, header, size: length });
        }
        from.end()?;
        let synced = sync_names(self.dir.fs(), &self.path);
        synced.map_err(|error| ImportError::of_disk("sync", &self.path, &error))?;
        Ok(segments)
    }

    fn look_for_room(&self, min_free_bytes: u64) -> Result<(), ImportError> {
        // Where it cannot be told, writing shows it.
        let is_short = self.dir.fs().free_bytes(self.dir.root()).is_ok_and(|free| free < min_free_bytes);
        if is_short { Err(ImportError::Full) } else { Ok(()) }
    }

    /// Replays it, as a start would.
    fn check(&self, segments: Vec<Segment>) -> Result<Recovered, ImportError> {
        let fs = self.dir.fs();
        let found = replay(fs, &self.name, &segments, false);
        let found = found.map_err(|error| ImportError::of_disk("read", &self.path, &error))?;
        if let Some(recovered) = found.as_ref().filter(|recovered| recovered.image.name != self.name.as_str()) {
            let (name, own) = (&self.name, &recovered.image.name);
            return Err(ImportError::Refused(format!("it says that it is of topic {name}, and is the log of {own:?}")));
        }
        let found = finish(fs, &self.name, &self.path, segments, found)?;
        found.ok_or_else(|| ImportError::Refused("there is nothing in it".into()))
    }
}

impl Drop for Files<'_> {
    fn drop(&mut self) {
        if !self.is_placed {
            removal::remove_topic(self.dir, &self.path);
        }
    }
}

fn refused(at: u64, why: ExportError) -> ImportError {
    ImportError::Refused(format!("{why}, at byte {at}"))
}

/// What is imported, and how far it was read.
struct Source<'r> {
    from: &'r mut dyn Read,
    at: u64,
}

impl Source<'_> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ImportError> {
        self.from.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                ImportError::Refused(format!("{}, after byte {}", ExportError::Short, self.at))
            }
            io::ErrorKind::ConnectionAborted => ImportError::BrokenOff,
            _ => ImportError::Failed(format!("cannot read it: {error}")),
        })?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// The topic.
    fn head(&mut self) -> Result<Name<'static>, ImportError> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + MAX_LEN);
        loop {
            match read_head(&bytes) {
                Ok((name, _)) => return Ok(name),
                Err(ExportError::Short) => {
                    let mut byte = [0];
                    self.fill(&mut byte)?;
                    bytes.extend(byte);
                }
                Err(why) => return Err(refused(0, why)),
            }
        }
    }

    /// How many bytes the next segment has; none at the end.
    fn part(&mut self) -> Result<u64, ImportError> {
        let (at, mut part) = (self.at, [0; PART_BYTES]);
        self.fill(&mut part)?;
        read_part(&part).map_err(|why| refused(at, why))
    }

    /// Nothing comes any more.
    fn end(&mut self) -> Result<(), ImportError> {
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(ImportError::Refused(format!("there is more behind its end, at byte {}", self.at))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Err(ImportError::BrokenOff),
            Err(error) => Err(ImportError::Failed(format!("cannot read it: {error}"))),
        }
    }
}
