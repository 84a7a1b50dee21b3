//! Removes what nobody needs any more, beside the writer: large files take their time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use shelfmq_core::log::Truncate;

use super::dir::DataDir;
use super::fs::{EntryKind, FileSystem, sync_names};
use super::tasks::{Lane, Tasks};
use crate::layout;

/// Has removed what removals left that were not finished.
pub(super) fn clear_leftovers(dir: &Arc<DataDir>, tasks: &dyn Tasks) {
    match dir.leftovers() {
        Ok(leftovers) => {
            for path in leftovers {
                let dir = Arc::clone(dir);
                tasks.push(Lane::Slow, Box::new(move || remove_topic(&dir, &path)));
            }
        }
        Err(error) => tracing::warn!(%error, "what is left of deleted topics cannot be found"),
    }
}

/// Removes the oldest segments of a topic. Those that cannot be are tried again with the next.
pub(super) fn remove_segments(dir: &DataDir, truncate: &Truncate) {
    let Truncate { topic, segment: below, .. } = truncate;
    if let Err(error) = remove_before(dir.fs(), &dir.topic(topic), *below) {
        tracing::warn!(%topic, below, %error, "old segments of a log cannot be removed, and are tried again with the next");
    }
}

/// Oldest first, each durably: so those that a crash leaves are in a row.
fn remove_before(fs: &dyn FileSystem, directory: &Path, below: u32) -> io::Result<()> {
    let listed = layout::segments(fs, directory)?;
    for (_, path) in listed.own.iter().filter(|(number, _)| *number < below) {
        fs.remove_file(path)?;
        sync_names(fs, directory)?;
    }
    Ok(())
}

/// Removes the directory of a topic that was deleted. What cannot be is tried again at the next start.
pub(super) fn remove_topic(dir: &DataDir, path: &Path) {
    // First it is durable that the topic is gone: else a crash could bring it back with some of its files.
    let removed = sync_names(dir.fs(), dir.topics()).and_then(|()| remove_all(dir.fs(), path));
    if let Err(error) = removed {
        tracing::warn!(path = %path.display(), %error, "the files of a deleted topic cannot be removed, and are tried again at the next start");
    }
}

fn remove_all(fs: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let entries = match fs.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for entry in entries {
        let path = path.join(entry.name);
        match entry.kind {
            EntryKind::Directory => remove_all(fs, &path)?,
            EntryKind::File | EntryKind::Other => fs.remove_file(&path)?,
        }
    }
    fs.remove_directory(path)
}
