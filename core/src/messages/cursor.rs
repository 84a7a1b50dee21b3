//! Where a reader is.

use serde::{Deserialize, Serialize};

use crate::log::event::Position;

/// A reader's place: the next message it reads. Made, moved and released by [`Messages`].
#[derive(Debug, Serialize, Deserialize)]
#[must_use = "a cursor holds what comes after it until it is released"]
pub(crate) struct Cursor {
    pub(super) position: Position,
    pub(super) chunk: u64,
}

impl Cursor {
    /// The id of the next message.
    pub(crate) fn id(&self) -> u64 {
        self.position.id
    }

    /// The same, with the bytes of the bodies before it.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The chunk that has it, or will.
    pub(crate) fn chunk(&self) -> u64 {
        self.chunk
    }

    /// Goes on to this place, which is not before its own. It holds what it came past until it
    /// [catches up](Messages::catch_up).
    pub(crate) fn advance(&mut self, to: Position) {
        self.position = to;
    }
}
