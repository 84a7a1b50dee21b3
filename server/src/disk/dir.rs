//! The data directory: whose it is, who uses it, and the names in it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shelfmq_core::name::Name;

use crate::layout;

/// What the lock file says.
const MARK: &str = "shelfmq data 1\n";
const MARK_START: &str = "shelfmq data ";
/// What a new file system has in its root.
const LOST_AND_FOUND: &str = "lost+found";
/// What the directory of a topic that is being removed ends with.
const DELETED: &str = ".deleted";
/// What a file that is being made ends with.
const UNFINISHED: &str = ".tmp";

/// Why a data directory cannot be used, in sentences for whoever starts the server.
#[derive(Debug)]
pub struct Unusable(pub(super) String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

impl Unusable {
    /// Something cannot be done with a path.
    pub(super) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        Unusable(format!("cannot {what} {}: {error}", path.display()))
    }
}

/// A data directory that this process alone uses, until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    root: PathBuf,
    topics: PathBuf,
    /// Holds the lock.
    _lock: File,
    /// Counts the topics removed.
    removed: AtomicU64,
}

impl DataDir {
    /// Opens a data directory, or makes one where there is nothing, or an empty directory.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(Unusable(format!("{} is a file: a data path names a directory", path.display())));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(Unusable::io("use", path, &error)),
        }
        let lock = path.join(layout::LOCK);
        if !lock.exists()
            && let Some(foreign) = foreign(path)?
        {
            return Err(Unusable(format!(
                "{} is no data directory of shelfmq: it has no lock file, and has {foreign:?}. Name a directory that \
                 is empty or does not exist",
                path.display()
            )));
        }
        let lock = take_lock(path, &lock)?;
        let topics = path.join(layout::TOPICS);
        if !topics.is_dir() {
            fs::create_dir(&topics).map_err(|error| Unusable::io("make", &topics, &error))?;
        }
        sync_directory(path).map_err(|error| Unusable::io("sync", path, &error))?;
        Ok(DataDir { root: path.to_owned(), topics, _lock: lock, removed: AtomicU64::new(0) })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that has the topics' directories.
    pub(super) fn topics(&self) -> &Path {
        &self.topics
    }

    pub(super) fn topic(&self, name: &Name<'_>) -> PathBuf {
        self.topics.join(layout::topic_directory_name(name))
    }

    pub(super) fn segment(&self, name: &Name<'_>, number: u32) -> PathBuf {
        self.topic(name).join(layout::segment_file_name(number))
    }

    /// Takes a topic's directory out of the way; answers what it is called now, if there was one. The removal holds
    /// once the directory of topics is synced.
    pub(super) fn take_away(&self, name: &Name<'_>) -> io::Result<Option<PathBuf>> {
        let from = self.topic(name);
        loop {
            let number = self.removed.fetch_add(1, Relaxed);
            let to = self.topics.join(format!("{name}.{number}{DELETED}"));
            if to.exists() {
                continue;
            }
            return match fs::rename(&from, &to) {
                Ok(()) => Ok(Some(to)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
    }

    /// What removals left that were not finished.
    pub(super) fn leftovers(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in self.topics.read_dir()? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.ends_with(DELETED)) {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

/// What a segment's file is called while it is made.
pub(super) fn unfinished(segment: &Path) -> PathBuf {
    let mut path = segment.as_os_str().to_owned();
    path.push(UNFINISHED);
    path.into()
}

/// Whether a file was being made.
pub(super) fn is_unfinished(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes a directory, and all above it that are missing.
fn make(path: &Path) -> Result<(), Unusable> {
    let above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.is_dir()).collect();
    fs::create_dir_all(path).map_err(|error| Unusable::io("make the data directory", path, &error))?;
    // Each new name stands in the directory above it; a relative path ends with an empty one, the working directory.
    for made in std::iter::once(path).chain(above) {
        let Some(parent) = made.parent() else { continue };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        sync_directory(parent).map_err(|error| Unusable::io("sync", parent, &error))?;
    }
    Ok(())
}

/// Something in a directory, if it has anything.
fn foreign(path: &Path) -> Result<Option<String>, Unusable> {
    let entries = path.read_dir().map_err(|error| Unusable::io("read", path, &error))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    Ok(names.into_iter().find(|name| name != LOST_AND_FOUND))
}

fn take_lock(root: &Path, path: &Path) -> Result<File, Unusable> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|error| Unusable::io("write to", path, &error))?;
    match layout::lock(&file) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Unusable(format!(
                "another server is running on the data directory {}: stop it, or name another with --data-path",
                root.display()
            )));
        }
        Err(error) => return Err(Unusable::io("lock", path, &error)),
    }
    let mut said = Vec::new();
    (&file).take(64).read_to_end(&mut said).map_err(|error| Unusable::io("read", path, &error))?;
    // After a crash right at its making it may be empty, or unwritten.
    match String::from_utf8_lossy(&said).trim_matches('\0') {
        MARK => {}
        "" => {
            let written = file.write_all_at(MARK.as_bytes(), 0).and_then(|()| file.sync_all());
            written.map_err(|error| Unusable::io("write to", path, &error))?;
        }
        other => match other.strip_prefix(MARK_START) {
            Some(version) => {
                return Err(Unusable(format!(
                    "the data directory {} has version {}, and this server knows version 1 only",
                    root.display(),
                    version.trim_end()
                )));
            }
            None => {
                return Err(Unusable(format!(
                    "{} is no data directory of shelfmq: its lock file is something else",
                    root.display()
                )));
            }
        },
    }
    Ok(file)
}
