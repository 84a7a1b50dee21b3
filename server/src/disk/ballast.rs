//! Room on the disk that nobody else can take, in a file of our own: what consumers say needs a little of it even where somebody
//! else has filled the disk, and without that nothing would ever be finished there, and no room come back.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::dir::DataDir;
use super::fs::{How, Trouble};
use crate::layout;

/// Which part of what is to stay free it is, and how many bytes at most.
const PART: u64 = 4;
const MOST: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Ballast {
    dir: Arc<DataDir>,
    path: PathBuf,
    /// How large it is to be; nothing where the file system makes no room ahead.
    bytes: u64,
    is_there: bool,
}

impl Ballast {
    /// Where so many bytes are to stay free. It may be there from before.
    pub(super) fn new(dir: Arc<DataDir>, reserve: u64) -> Self {
        let path = dir.root().join(layout::BALLAST);
        let bytes = (reserve / PART).min(MOST);
        let length = dir.fs().open(&path, How::Read).and_then(|file| file.length());
        let is_there = bytes > 0 && length.is_ok_and(|length| length == bytes);
        Ballast { dir, path, bytes, is_there }
    }

    /// How many bytes it takes now.
    pub(super) fn held(&self) -> u64 {
        if self.is_there { self.bytes } else { 0 }
    }

    /// Whether it is missing where it could be.
    pub(super) fn is_given_up(&self) -> bool {
        self.bytes > 0 && !self.is_there
    }

    /// Takes the room. Where there is none, it is tried again later.
    pub(super) fn take(&mut self) {
        if !self.is_given_up() {
            return;
        }
        match self.make() {
            Ok(()) => self.is_there = true,
            Err(error) if Trouble::of(&error).passes() => {}
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "no room can be kept on this file system");
                self.bytes = 0;
            }
        }
    }

    fn make(&self) -> io::Result<()> {
        let file = self.dir.fs().open(&self.path, How::Create)?;
        let made = file.reserve(0, self.bytes);
        if made.is_err() {
            // What there was of it.
            let _ = file.set_len(0);
        }
        made
    }

    /// Gives the room back, for those who need it now.
    pub(super) fn give_up(&mut self) {
        if !self.is_there {
            return;
        }
        match self.dir.fs().open(&self.path, How::Write).and_then(|file| file.set_len(0)) {
            Ok(()) => {
                tracing::warn!(
                    bytes = self.bytes,
                    "no room is left on the disk: what was kept for consumers is given up"
                );
                self.is_there = false;
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the room that was kept cannot be given up");
            }
        }
    }
}
