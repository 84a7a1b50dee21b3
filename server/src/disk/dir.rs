//! The data directory: whose it is, who uses it, and the names in it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shelfmq_core::name::Name;

use super::fs::{DiskFile, EntryKind, FileSystem, How, RealFileSystem, sync_names};
use super::holds::Holds;
use crate::layout;

/// What the lock file says.
const MARK: &str = "shelfmq data 1\n";
const MARK_START: &str = "shelfmq data ";
/// How many topics are read at once: a start waits for the device more than for processors.
const READERS: usize = 8;
/// What the directory of a topic that is being removed ends with.
pub(super) const DELETED: &str = ".deleted";
/// And of one that is being imported.
pub(super) const IMPORTING: &str = ".importing";
/// What a segment's name ends with until it is durable: where nothing of it counts before that, and where it does.
pub(super) const MAKING: &str = ".tmp";
pub(super) const COUNTS: &str = ".new";

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
    fs: Arc<dyn FileSystem>,
    root: PathBuf,
    topics: PathBuf,
    /// How many topics are read at once when all are opened.
    readers: usize,
    /// Hold the lock, and another on the directory itself, for whoever made a new lock file; none where nobody else can have
    /// the file system.
    _locks: Option<(File, File)>,
    /// Counts the topics removed, and those that were imported.
    removed: AtomicU64,
    holds: Arc<Holds>,
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
            return Err(Unusable(if path.join(layout::TOPICS).is_dir() {
                format!(
                    "{} has topics and no lock file: it may be a copy, or somebody removed the file beside a server that \
                     runs. Where none does, make an empty file {} and start again",
                    path.display(),
                    lock.display()
                )
            } else {
                format!(
                    "{} is no data directory of shelfmq: it has no lock file, and has {foreign:?}. Name a directory that \
                     is empty or does not exist",
                    path.display()
                )
            }));
        }
        let lock = take_lock(path, &lock)?;
        let topics = path.join(layout::TOPICS);
        let fs = RealFileSystem;
        if !topics.is_dir() {
            fs.create_directory(&topics).map_err(|error| Unusable::io("make", &topics, &error))?;
        }
        sync_names(&fs, path).map_err(|error| Unusable::io("sync", path, &error))?;
        let topics = File::open(&topics).map_err(|error| Unusable::io("open", &topics, &error))?;
        if !layout::lock(&topics).map_err(|error| Unusable::io("lock", path, &error))? {
            return Err(is_in_use(path));
        }
        Ok(DataDir { _locks: Some((lock, topics)), readers: READERS, ..DataDir::on(Arc::new(fs), path.to_owned()) })
    }

    /// A directory of a file system that nobody else has, which has one for topics. One thread reads it.
    pub fn on(fs: Arc<dyn FileSystem>, root: PathBuf) -> Self {
        let topics = root.join(layout::TOPICS);
        DataDir { fs, root, topics, readers: 1, _locks: None, removed: AtomicU64::new(0), holds: Arc::default() }
    }

    pub(super) fn readers(&self) -> usize {
        self.readers
    }

    pub(super) fn fs(&self) -> &dyn FileSystem {
        &*self.fs
    }

    pub(super) fn shared_fs(&self) -> Arc<dyn FileSystem> {
        Arc::clone(&self.fs)
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
            let to = self.topics.join(format!("{}.{number}{DELETED}", layout::folded(name)));
            match self.fs.list(&to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                listed => {
                    listed?;
                    continue;
                }
            }
            return match self.fs.rename(&from, &to) {
                Ok(()) => {
                    // Before another topic can have the name: see `Hold::is_gone`.
                    self.holds.taken_away(name);
                    Ok(Some(to))
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
    }

    /// What removals and imports left that were not finished. To be called before there are any.
    pub(super) fn leftovers(&self) -> io::Result<Vec<PathBuf>> {
        let entries = self.fs.list(&self.topics)?.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
        let paths = entries.map(|entry| self.topics.join(entry.name));
        Ok(paths.filter(|path| [DELETED, IMPORTING].iter().any(|end| ends_with(path, end))).collect())
    }

    pub(super) fn holds(&self) -> &Arc<Holds> {
        &self.holds
    }

    /// A new directory for a topic that is being imported.
    pub(super) fn import_directory(&self, name: &Name<'_>) -> io::Result<PathBuf> {
        loop {
            let number = self.removed.fetch_add(1, Relaxed);
            let path = self.topics.join(format!("{}.{number}{IMPORTING}", layout::folded(name)));
            match self.fs.create_directory(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| path),
            }
        }
    }
}

/// Opens a segment, which may have the name that it was made under until it is synced, and be given its own at any moment:
/// so that is looked for again.
pub(super) fn open_segment(fs: &dyn FileSystem, path: &Path, how: How) -> io::Result<Arc<dyn DiskFile>> {
    let names = [path.to_owned(), beside(path, MAKING), beside(path, COUNTS), path.to_owned()];
    let mut opened = Err(io::ErrorKind::NotFound.into());
    for name in names {
        opened = fs.open(&name, how);
        if !matches!(&opened, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            break;
        }
    }
    opened
}

/// A name beside a file's own.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Whether a file's name ends so.
pub(super) fn ends_with(path: &Path, end: &str) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(end.as_bytes())
}

/// Makes a directory, and all above it that are missing.
fn make(path: &Path) -> Result<(), Unusable> {
    let above: Vec<&Path> = path.ancestors().skip(1).take_while(|above| !above.is_dir()).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Unusable::io("make the data directory", path, &error))?;
    // Each new name stands in the directory above it; a relative path ends with an empty one, the working directory.
    for made in std::iter::once(path).chain(above) {
        let Some(parent) = made.parent() else { continue };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        sync_names(&RealFileSystem, parent).map_err(|error| Unusable::io("sync", parent, &error))?;
    }
    Ok(())
}

/// Something in a directory, if it has anything.
fn foreign(path: &Path) -> Result<Option<String>, Unusable> {
    let entries = path.read_dir().map_err(|error| Unusable::io("read", path, &error))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    Ok(names.into_iter().find(|name| !layout::is_nobodys(name.as_ref())))
}

fn is_in_use(root: &Path) -> Unusable {
    Unusable(format!(
        "another server is running on the data directory {}: stop it, or name another with --data-path",
        root.display()
    ))
}

fn take_lock(root: &Path, path: &Path) -> Result<File, Unusable> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.map_err(|error| Unusable::io("write to", path, &error))?;
    // A pipe would never come to its end.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(Unusable(format!("{} is no data directory of shelfmq: its lock is no file", root.display())));
    }
    match layout::lock(&file) {
        Ok(true) => {}
        Ok(false) => {
            return Err(is_in_use(root));
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
