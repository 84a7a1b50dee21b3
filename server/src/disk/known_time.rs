//! What time it was, as the broker knew it, in a file beside the logs: so that the next start can tell a clock that is wrong.

use std::path::Path;

use serde::{Deserialize, Serialize};
use shelfmq_core::log::Recovered;
use shelfmq_core::time::Time;

use super::dir::{DataDir, MAKING, beside};
use super::fs::{How, read_exact, write_all};
use super::open::Found;
use crate::layout;

/// Longer than any that was written by a broker.
const MOST_BYTES: u64 = 256;

/// What the file says, as JSON; in nanoseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct Noted {
    /// The last time that there was no reason to doubt.
    sure: u64,
}

impl DataDir {
    /// The last time that there was no reason to doubt: as it was noted, or that of the newest record of all logs.
    pub(crate) fn known_time(&self, topics: &[Found]) -> Option<Time> {
        self.noted_time().or_else(|| {
            let newest = topics.iter().filter_map(|found| match found {
                Found::Topic(recovered) => Some(newest(recovered)),
                Found::Aside(..) => None,
            });
            newest.max()
        })
    }

    /// None where nothing was noted, or it cannot be read: then the logs tell.
    fn noted_time(&self) -> Option<Time> {
        let file = self.fs().open(&self.root().join(layout::CLOCK), How::Read).ok()?;
        let mut bytes = vec![0; usize::try_from(file.length().ok().filter(|length| *length <= MOST_BYTES)?).ok()?];
        read_exact(&*file, &mut bytes, 0).ok()?;
        let noted: Noted = serde_json::from_slice(&bytes).ok()?;
        Some(Time::from_nanos(noted.sure))
    }

    /// Notes the last time that there is no reason to doubt. Nothing is synced: what is lost with the power, the logs tell.
    pub(super) fn note_time(&self, sure: Time) {
        let path = self.root().join(layout::CLOCK);
        if let Err(error) = self.write_time(&path, sure) {
            tracing::debug!(path = %path.display(), %error, "the time cannot be noted");
        }
    }

    fn write_time(&self, path: &Path, sure: Time) -> std::io::Result<()> {
        let making = beside(path, MAKING);
        let noted = serde_json::to_vec(&Noted { sure: sure.as_nanos() })?;
        write_all(&*self.fs().open(&making, How::Create)?, &noted, 0)?;
        self.fs().rename(&making, path)
    }
}

/// When the newest of what a log tells of happened, as far as it says.
fn newest(recovered: &Recovered) -> Time {
    let published = recovered.image.chunks.last().map_or(0, |chunk| chunk.last_at);
    recovered.header.created.max(Time::from_nanos(published))
}
