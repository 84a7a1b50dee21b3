//! How much of the disk is free, and whether that is enough.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long what is known of the free space holds.
const EVERY: Duration = Duration::from_millis(250);
/// After this part of the reserve was written it is looked at again, however soon.
const EVERY_PART: u64 = 8;
/// Space has come back when there is at least so much more than the reserve, in bytes.
const LEAST_MORE: u64 = 1024 * 1024;

pub(super) struct Space {
    path: PathBuf,
    reserve: u64,
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
    /// The space of the file system that has this path, of which so many bytes are to stay free.
    pub(super) fn new(path: PathBuf, reserve: u64) -> Self {
        Space { path, reserve, looked: None, written: 0, low: false, short: false, told: false }
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// There is no room for a write; or there is again.
    pub(super) fn set_short(&mut self, short: bool) {
        self.short = short;
    }

    /// When to look again although nothing is written.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.low.then_some(EVERY)
    }

    /// Looks at the disk, if it is time to. Whether it is full now, where that is news.
    pub(super) fn news(&mut self) -> Option<bool> {
        let is_due =
            self.looked.is_none_or(|looked| self.written >= self.reserve / EVERY_PART || looked.elapsed() >= EVERY);
        if self.reserve > 0 && is_due {
            (self.looked, self.written) = (Some(Instant::now()), 0);
            self.look();
        }
        let full = self.low || self.short;
        (std::mem::replace(&mut self.told, full) != full).then_some(full)
    }

    fn look(&mut self) {
        match rustix::fs::statvfs(&self.path) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let enough = if self.low { self.reserve + (self.reserve / 20).max(LEAST_MORE) } else { self.reserve };
                let low = free < enough;
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
            }
            Err(error) => tracing::warn!(%error, "the free space of the disk cannot be told"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Space;

    #[test]
    fn who_writes_much_looks_often() {
        let reserve = u64::MAX / 2;
        let mut space = Space::new("/".into(), reserve);
        assert_eq!(space.news(), Some(true));
        space.reserve = 1;
        space.wrote(0);
        assert_eq!(space.news(), Some(false));
        space.reserve = reserve;
        space.wrote(reserve / 8 - 1);
        assert_eq!(space.news(), None);
        space.wrote(1);
        assert_eq!(space.news(), Some(true));
    }

    #[test]
    fn the_disk_is_full_below_the_reserve_and_where_a_write_had_no_room() {
        let mut none = Space::new("/".into(), u64::MAX / 2);
        assert_eq!((none.news(), none.news()), (Some(true), None));
        assert!(none.wait().is_some());
        let mut enough = Space::new("/".into(), 1);
        assert_eq!(enough.news(), None);
        enough.set_short(true);
        assert_eq!((enough.news(), enough.news()), (Some(true), None));
        enough.set_short(false);
        assert_eq!(enough.news(), Some(false));
    }
}
