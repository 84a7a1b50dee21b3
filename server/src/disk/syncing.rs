//! What is to be synced of one log, and in which order.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use smallvec::SmallVec;

use super::fs::{DiskFile, FileSystem, How, sync, sync_names};

/// A segment that is to be synced.
#[derive(Debug)]
pub(super) struct Step {
    /// Its number.
    pub(super) number: u32,
    pub(super) what: What,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum What {
    /// Bytes were written.
    Data(Arc<dyn DiskFile>),
    /// Its length was cut.
    Cut(Arc<dyn DiskFile>),
    /// The file is new.
    New {
        file: Arc<dyn DiskFile>,
        /// What it is called until then and from then on.
        rename: (PathBuf, PathBuf),
        /// The directory that has it, and those above that may be new, too.
        directories: SmallVec<[PathBuf; 1]>,
    },
    /// It was not kept open.
    Closed(PathBuf),
    /// It is a directory, whose names changed.
    Names(PathBuf),
}

impl Step {
    /// The same file was written to again.
    fn join(&mut self, other: Step) {
        match (&mut self.what, other.what) {
            // All of it is synced in any case.
            (What::New { .. } | What::Cut(_), _) | (What::Data(_), What::Data(_)) => {}
            (what, other) => *what = other,
        }
    }

    fn run(&self, fs: &dyn FileSystem) -> io::Result<()> {
        match &self.what {
            What::Data(file) => {
                sync(&**file, false)?;
                has_name(&**file)
            }
            What::Cut(file) => sync(&**file, true),
            What::Names(path) => sync_names(fs, path),
            What::Closed(path) => sync(&*fs.open(path, How::Read)?, true),
            What::New { file, rename: (from, to), directories } => {
                sync(&**file, true)?;
                fs.rename(from, to)?;
                directories.iter().try_for_each(|directory| sync_names(fs, directory))
            }
        }
    }
}

/// What has no name any more, nobody finds after a restart.
fn has_name(file: &dyn DiskFile) -> io::Result<()> {
    if file.has_name()? { Ok(()) } else { Err(io::Error::other("somebody removed the file")) }
}

/// The segments of one log, to be synced one after another: none has its name before the one before is durable.
#[derive(Debug, Default)]
pub(super) struct Steps(SmallVec<[Step; 1]>);

impl Steps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many files are kept open for it.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is a segment among them that has no name yet.
    pub(super) fn begin_segments(&self) -> bool {
        self.0.iter().any(|step| matches!(step.what, What::New { .. }))
    }

    /// Adds what is to be done to one more file; whether that is another one.
    pub(super) fn push(&mut self, step: Step) -> bool {
        let known = self.0.iter_mut().find(|known| known.number == step.number);
        let is_another = known.is_none();
        if let Some(known) = known {
            known.join(step);
        } else {
            self.0.push(step);
        }
        is_another
    }

    pub(super) fn run(&self, fs: &dyn FileSystem) -> io::Result<()> {
        self.0.iter().try_for_each(|step| step.run(fs))
    }

    /// Whether bytes were written to files, and nothing else is to be done.
    pub(super) fn are_plain(&self) -> bool {
        self.0.iter().all(|step| matches!(step.what, What::Data(_)))
    }

    /// The files that bytes were written to.
    pub(super) fn files(&self) -> impl Iterator<Item = &dyn DiskFile> {
        self.0.iter().filter_map(|step| match &step.what {
            What::Data(file) => Some(&**file),
            _ => None,
        })
    }

    /// What is left to be done of plain ones where somebody else synced the files.
    pub(super) fn have_names(&self) -> io::Result<()> {
        self.files().try_for_each(has_name)
    }
}
