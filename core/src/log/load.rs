//! The messages of a chunk, read back from a log.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::frame::{Found, Frames, Kind, split_message};

/// No part of a log that is read at once has more messages than this. Where a log says otherwise it is damaged or
/// forged, and those messages count as unreadable.
pub(crate) const MOST_MESSAGES: u64 = 1 << 22;

/// The messages of a part of a log, verified. Made outside of whatever guards the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The id of the first message that was asked for.
    pub(crate) from: u64,
    /// Their records, one after another.
    #[serde(with = "crate::state::bytes")]
    pub(crate) records: Vec<u8>,
    /// Where each record starts; a message that cannot be read has none, and starts where the next does.
    pub(crate) offsets: Vec<u32>,
    /// Older messages that were written again here.
    pub(crate) rewritten: Vec<(u64, Box<[u8]>)>,
    /// What could not be read, as offset in the segment and length.
    pub damage: Vec<(u64, u64)>,
}

impl Loaded {
    /// The messages with ids from `from` up to, and without, `to` among the frames in `bytes`, which stand at this
    /// offset of a segment with this salt; and all that were rewritten there. `bytes` may begin and end with other frames,
    /// but begins with a whole one.
    pub fn decode(salt: u64, offset: u64, bytes: &[u8], from: u64, to: u64) -> Self {
        // No part of a log has more: a number that was read is no reason to make room.
        let to = to.clamp(from, from.saturating_add(MOST_MESSAGES));
        let mut loaded = Loaded { from, ..Loaded::default() };
        let mut next = from;
        for found in Frames::new(salt, offset, bytes) {
            match found {
                Found::Damage { offset, length, .. } => loaded.damage.push((offset, length)),
                Found::Frame(frame) => {
                    let Some((id, _, record)) = split_message(frame.payload) else { continue };
                    if frame.kind == Kind::Rewritten {
                        loaded.rewritten.push((id, record.into()));
                    // Ids only grow from frame to frame: a message with an older one is none of this part.
                    } else if frame.kind == Kind::Message && (next..to).contains(&id) {
                        // Messages that are missing before this one start where it does, and so have no bytes.
                        loaded.offsets.resize((id - from) as usize, loaded.records.len() as u32);
                        loaded.offsets.push(loaded.records.len() as u32);
                        loaded.records.extend_from_slice(record);
                        next = id + 1;
                    }
                }
            }
        }
        let rest = (to - from) as usize;
        loaded.offsets.resize(rest, loaded.records.len() as u32);
        loaded
    }

    /// How many of the messages that were asked for cannot be read.
    pub fn missing(&self) -> usize {
        // No whole record is empty, so that no bytes mean no message.
        let ends = self.offsets.iter().skip(1).copied().chain([self.records.len() as u32]);
        self.offsets.iter().zip(ends).filter(|(start, end)| **start == *end).count()
    }
}
