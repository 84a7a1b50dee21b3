//! How much of the disk is free, and whether that is enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ballast::Ballast;
use super::dir::DataDir;

/// How long what is known of the free space holds.
const EVERY: Duration = Duration::from_millis(250);
/// After this part of the reserve was written it is looked at again, however soon.
const EVERY_PART: u64 = 8;
/// Space has come back when there is at least so much more than the reserve, in bytes.
const LEAST_MORE: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Space {
    dir: Arc<DataDir>,
    /// So many bytes are to stay free, what is kept for consumers among them.
    reserve: u64,
    ballast: Ballast,
    looked: Option<Instant>,
    written: u64,
    /// Less is free than the reserve.
    low: bool,
    /// There was no room for a write.
    short: bool,
    /// What was told last.
    told: bool,
}

impl Space {
    /// The space of the file system that has this directory, of which so many bytes are to stay free.
    pub(super) fn new(dir: Arc<DataDir>, reserve: u64) -> Self {
        let ballast = Ballast::new(Arc::clone(&dir), reserve);
        Space { dir, reserve, ballast, looked: None, written: 0, low: false, short: false, told: false }
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// There is no room for a write; or there is again.
    pub(super) fn set_short(&mut self, short: bool) {
        self.short = short;
        if short {
            self.ballast.give_up();
        }
    }

    /// When to look again although nothing is written.
    pub(super) fn wait(&self) -> Option<Duration> {
        (self.low || self.ballast.is_given_up()).then_some(EVERY)
    }

    /// Looks at the disk, if it is time to. Whether it is full now, where that is news.
    pub(super) fn news(&mut self, now: Instant) -> Option<bool> {
        let is_due = self.looked.is_none_or(|looked| {
            self.written >= self.reserve / EVERY_PART || now.saturating_duration_since(looked) >= EVERY
        });
        if self.reserve > 0 && is_due {
            (self.looked, self.written) = (Some(now), 0);
            self.look();
        }
        // What was given up is for consumers.
        let full = self.low || self.short || self.ballast.is_given_up();
        (std::mem::replace(&mut self.told, full) != full).then_some(full)
    }

    fn look(&mut self) {
        match self.dir.fs().free_bytes(self.dir.root()) {
            Ok(free) => {
                let enough = if self.low { self.reserve + (self.reserve / 20).max(LEAST_MORE) } else { self.reserve };
                let low = free + self.ballast.held() < enough;
                if low != self.low {
                    let (free, reserve) = (free, self.reserve);
                    if low {
                        tracing::error!(
                            free,
                            reserve,
                            "less is free on the disk than is to stay free: nothing more is accepted"
                        );
                    } else {
                        tracing::info!(free, reserve, "there is space on the disk again");
                    }
                }
                self.low = low;
                if !low && !self.short {
                    self.ballast.take();
                }
            }
            Err(error) => tracing::warn!(%error, "the free space of the disk cannot be told"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::fs::RealFileSystem;

    /// Of a directory that lasts as long as the test.
    fn space(directory: &tempfile::TempDir, reserve: u64) -> Space {
        Space::new(Arc::new(DataDir::on(Arc::new(RealFileSystem), directory.path().into())), reserve)
    }

    #[test]
    fn who_writes_much_looks_often() {
        let (reserve, now) = (u64::MAX / 2, Instant::now());
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut space = space(&directory, reserve);
        assert_eq!(space.news(now), Some(true));
        space.reserve = 1;
        space.wrote(0);
        assert_eq!(space.news(now + EVERY), Some(false));
        space.reserve = reserve;
        space.wrote(reserve / 8 - 1);
        assert_eq!(space.news(now + EVERY), None);
        space.wrote(1);
        assert_eq!(space.news(now + EVERY), Some(true));
    }

    #[test]
    fn the_disk_is_full_below_the_reserve_and_where_a_write_had_no_room() {
        let now = Instant::now();
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut none = space(&directory, u64::MAX / 2);
        assert_eq!((none.news(now), none.news(now)), (Some(true), None));
        assert!(none.wait().is_some());
        let mut enough = space(&directory, 1);
        assert_eq!(enough.news(now), None);
        enough.set_short(true);
        assert_eq!((enough.news(now), enough.news(now)), (Some(true), None));
        enough.set_short(false);
        assert_eq!(enough.news(now), Some(false));
    }
}
