//! Removes what nobody needs any more, while the writer goes on: large files take their time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::fs::{AtFlags, Dir, unlinkat};

use super::spawn;
use crate::layout;

/// Something to be removed.
pub(super) enum Chore {
    /// The segments below this number in a topic's directory, which is open: whatever has its name by then.
    Segments(File, u32),
    /// The whole of a directory.
    Directory(PathBuf),
}

pub(super) struct Janitor {
    chores: Option<Sender<Chore>>,
    thread: Option<JoinHandle<()>>,
}

impl Janitor {
    pub(super) fn new() -> Self {
        let (chores, queue) = channel();
        Janitor { chores: Some(chores), thread: Some(spawn("janitor", move || run(&queue))) }
    }

    pub(super) fn remove(&self, chore: Chore) {
        if let Some(chores) = &self.chores {
            // It takes chores for as long as there is a sender.
            let _ = chores.send(chore);
        }
    }
}

impl Drop for Janitor {
    /// Waits for what is to be done.
    fn drop(&mut self) {
        drop(self.chores.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}

fn run(queue: &Receiver<Chore>) {
    for chore in queue {
        match chore {
            Chore::Segments(directory, below) => {
                if let Err(error) = remove_segments(&directory, below) {
                    tracing::warn!(below, %error, "old segments of a log cannot be removed, and are tried again with the next");
                }
            }
            Chore::Directory(path) => {
                if let Err(error) = remove_directory(&path) {
                    tracing::warn!(path = %path.display(), %error, "the files of a deleted topic cannot be removed, and are tried again at the next start");
                }
            }
        }
    }
}

/// Oldest first, each durably: so those that a crash leaves are in a row.
fn remove_segments(directory: &File, below: u32) -> io::Result<()> {
    let mut old = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        old.extend(layout::segment_of(name.as_ref()).filter(|number| *number < below).map(|number| (number, name)));
    }
    old.sort();
    for (_, name) in old {
        unlinkat(directory, name.as_str(), AtFlags::empty())?;
        directory.sync_all()?;
    }
    Ok(())
}

fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
