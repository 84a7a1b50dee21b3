//! What a channel has not read: where it is, what it passes over from there, and what of it departed before its turn.

use serde::{Deserialize, Serialize};

use super::departed::Departed;
use crate::gaps::Gaps;
use crate::log::event::Position;
use crate::log::image::Gap;
use crate::messages::{Cursor, Messages};

/// The part of its topic that a channel has not read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Backlog {
    cursor: Cursor,
    /// Ids from the cursor on that the channel passes over: expired, dropped, or finished before their turn. Invariant:
    /// all of them are of messages that were published, and none is before the cursor.
    gaps: Gaps,
    /// Entries at or after the cursor that are in no gap, and the bytes of their bodies: what has to be taken from a
    /// subtraction of places, beside the gaps. Dead letters are among them, and what is in a gap is counted there.
    #[serde(skip)]
    ahead: u64,
    #[serde(skip)]
    ahead_bytes: u64,
}

/// Where the next message is that nobody has seen, if anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    /// The first place that is neither in a gap nor an entry's, or the end.
    pub(super) at: Position,
    /// How many gaps and entries are before it.
    pub(super) passed: u32,
}

impl Backlog {
    pub(super) fn new(cursor: Cursor) -> Self {
        Backlog { cursor, gaps: Gaps::default(), ahead: 0, ahead_bytes: 0 }
    }

    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing it can have come to.
    pub(super) fn restored(&mut self, departed: &Departed, messages: &mut Messages) -> Option<()> {
        messages.cursor_restored(&self.cursor)?;
        self.recount(departed);
        self.gaps.are_within(self.id(), messages.end().id).then_some(())
    }

    /// The id of the next message.
    pub(super) fn id(&self) -> u64 {
        self.cursor.id()
    }

    /// The same, with the bytes of the bodies before it.
    pub(super) fn position(&self) -> Position {
        self.cursor.position()
    }

    /// The chunk that has it, or will.
    pub(super) fn chunk(&self) -> u64 {
        self.cursor.chunk()
    }

    /// Messages before `end` that the channel has yet to read. O(1).
    pub(super) fn len(&self, end: u64) -> u64 {
        // A channel may stand after the end, where it began with what is durable and not handed over. And gaps may
        // reach beyond it, where what is not handed over cannot be read.
        end.saturating_sub(self.id()).saturating_sub(self.gaps.ids().saturating_add(self.ahead))
    }

    /// Bytes of their bodies.
    pub(super) fn bytes(&self, end: Position) -> u64 {
        // Bytes of what cannot be read are not known: then this is an estimate, which becomes right as the cursor moves
        // on.
        let all = end.bytes.saturating_sub(self.position().bytes);
        all.saturating_sub(self.gaps.bytes().saturating_add(self.ahead_bytes))
    }

    /// Whether the cursor has yet to come to this message, and is not to pass over it.
    pub(super) fn is_ahead(&self, id: u64) -> bool {
        id >= self.id() && self.gaps.end_of(id).is_none()
    }

    /// Where the gap begins that this id is in.
    pub(super) fn start_of_gap(&self, id: u64) -> Option<u64> {
        self.gaps.start_of(id)
    }

    /// Where the gap ends that this id is in.
    pub(super) fn end_of_gap(&self, id: u64) -> Option<u64> {
        self.gaps.end_of(id)
    }

    pub(super) fn gaps(&self) -> alloc::vec::Vec<Gap> {
        self.gaps.image()
    }

    /// A message is an entry from now on.
    pub(super) fn departed(&mut self, id: u64, size: u32) {
        if self.is_ahead(id) {
            self.ahead += 1;
            self.ahead_bytes = self.ahead_bytes.saturating_add(size.into());
        }
    }

    /// A message that was an entry is done with: what the cursor has not come to, it passes over.
    pub(super) fn done(&mut self, id: u64, size: u32) {
        // Before the cursor, what is no entry is finished: nothing has to be kept of it.
        if self.is_ahead(id) {
            self.ahead -= 1;
            self.ahead_bytes -= u64::from(size);
            self.gaps.insert(id, id + 1, size.into());
        }
    }

    /// These ids, none of them of an entry, are not to be delivered.
    pub(super) fn skip(&mut self, gap: Gap) {
        // What is before the cursor is no part of the length that gaps are taken from.
        let from = gap.from.max(self.id());
        self.gaps.cover(Gap { from, ..gap });
    }

    /// The same of those that are in no gap yet, whose sizes nobody knows.
    pub(super) fn skip_unknown(&mut self, gap: Gap) {
        self.gaps.cover_unknown(gap);
    }

    /// From the cursor over gaps and entries, up to `end` and so many of them. A gap counts as one however long it is,
    /// and may end after `end`.
    pub(super) fn fresh(&self, departed: &Departed, end: u64, most: u32) -> Fresh {
        let (mut at, mut passed) = (self.position(), 0);
        // All that is read is the next message, most of the time.
        if self.gaps.ids() == 0 && self.ahead == 0 {
            return Fresh { at, passed };
        }
        let mut gaps = self.gaps.after(at.id);
        let mut gap = gaps.next();
        while at.id < end && passed < most {
            if let Some(next) = gap.filter(|gap| gap.from <= at.id) {
                at = Position { id: next.to, bytes: at.bytes.saturating_add(next.bytes) };
                gap = gaps.next();
            } else if let Some(entry) = departed.entry(at.id) {
                at = Position { id: at.id + 1, bytes: at.bytes.saturating_add(entry.size.into()) };
            } else {
                break;
            }
            passed += 1;
        }
        Fresh { at, passed }
    }

    /// The cursor goes on to this place, which is not before its own. It holds what it came past until it
    /// [catches up](Backlog::catch_up).
    pub(super) fn advance(&mut self, to: Position, departed: &Departed) {
        // Entries before gaps: whether one was counted is told by the gaps as they were.
        if self.ahead > 0 {
            for (id, slot) in departed.range(self.id()..to.id) {
                if self.gaps.end_of(id).is_none() {
                    self.ahead -= 1;
                    self.ahead_bytes -= u64::from(departed.get(slot).size);
                }
            }
        }
        if self.gaps.ids() > 0 {
            self.gaps.cut_before(to.id);
        }
        self.cursor.advance(to);
    }

    /// The cursor stands where its message is, and knows how many bytes are before that.
    pub(super) fn catch_up(&mut self, messages: &mut Messages) {
        messages.catch_up(&mut self.cursor);
    }

    /// The cursor goes on somewhere else, and passes over these ids from there on.
    pub(super) fn seek(&mut self, to: Position, gaps: &[Gap], departed: &Departed, messages: &mut Messages) {
        let end = messages.end();
        messages.seek(&mut self.cursor, to);
        // A log may name ids before the place, or after the last message: there is nothing to pass over.
        self.gaps = gaps.iter().map(|gap| gap.within(to.id, end)).collect();
        self.recount(departed);
    }

    /// These ids are to be passed over from now on, entries among them.
    pub(super) fn cover(&mut self, gap: Gap, departed: &Departed) {
        self.skip(gap);
        self.recount(departed);
    }

    /// Counts what of the entries is ahead. Looks at all of them from the cursor on.
    fn recount(&mut self, departed: &Departed) {
        (self.ahead, self.ahead_bytes) = (0, 0);
        for entry in departed.from(self.id()) {
            self.departed(entry.id, entry.size);
        }
    }

    /// The reader is gone.
    pub(super) fn release(self, messages: &mut Messages) {
        messages.release(self.cursor);
    }

    /// Whether all counts are what they should be. O(entries): for tests.
    #[cfg(debug_assertions)]
    pub(super) fn check(&self, departed: &Departed) {
        let ahead = || departed.from(self.id()).filter(|entry| self.gaps.end_of(entry.id).is_none());
        assert_eq!(self.ahead, ahead().count() as u64);
        assert_eq!(self.ahead_bytes, ahead().map(|entry| u64::from(entry.size)).sum::<u64>());
        assert!(self.gaps.first().is_none_or(|(start, ..)| start >= self.id()));
    }
}
