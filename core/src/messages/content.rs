//! The records of messages in a row, as they stand in memory.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::log::Loaded;
use crate::log::event::Position;
use crate::message::{PLAIN_BYTES, Record};
use crate::time::Time;

/// Records with ids from `start` on, without holes between the ids.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) start: Position,
    #[serde(with = "crate::state::bytes")]
    records: Vec<u8>,
    /// Where each record starts. One that starts where the next does cannot be read any more.
    offsets: Vec<u32>,
    /// Bytes of the bodies before each, from `start` on; empty as long as that follows from the offsets: a plain record
    /// has [`PLAIN_BYTES`] beside its body. Most topics save 4 bytes for each message so.
    #[serde(skip)]
    befores: Vec<u32>,
    /// Bytes of all the bodies.
    #[serde(skip)]
    body_bytes: u64,
    /// How many bytes of records there was room for from the start.
    room: usize,
    /// There is room for what is here, and no more. Kept rather than asked of the vectors: an allocator may give more
    /// than was asked for, and memory is counted the same everywhere.
    is_tight: bool,
}

impl Content {
    pub(super) fn new(start: Position, room: usize) -> Self {
        Content { start, records: Vec::with_capacity(room), room, ..Content::default() }
    }

    /// What was read back from a log, which begins at this place.
    pub(super) fn loaded(start: Position, loaded: Loaded) -> Self {
        let mut content = Content { start, records: loaded.records, offsets: loaded.offsets, ..Content::default() };
        content.count_bodies();
        content.shrink();
        content
    }

    /// Finds out what follows from the records: how many bytes of bodies are before each.
    fn count_bodies(&mut self) {
        // What cannot be read takes no bytes here, not even those of a plain record: it is none.
        let (mut plain, mut before) = (true, 0u64);
        let mut befores = Vec::with_capacity(self.offsets.len());
        for index in 0..self.offsets.len() {
            let record = self.bytes(index).and_then(Record::read);
            plain &= record.is_some_and(|record| record.option_bytes() == 0);
            befores.push(before as u32);
            before += record.map_or(0, |record| record.body.len() as u64);
        }
        self.body_bytes = before;
        if !plain {
            self.befores = befores;
        }
    }

    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing it can have come to, up to
    /// this id.
    pub(super) fn restored(&mut self, end: u64) -> Option<()> {
        let ends = self.start.id.checked_add(self.len() as u64) == Some(end);
        // What is counted for room is added up.
        let is_sound = ends && self.start.is_sound() && self.room < usize::MAX / 16;
        if !is_sound || !are_places(&self.offsets, &self.records) {
            return None;
        }
        self.count_bodies();
        Some(())
    }

    pub(super) fn push(&mut self, record: &Record<'_>) {
        self.begin(record.option_bytes() == 0);
        self.body_bytes += record.body.len() as u64;
        record.write(&mut self.records);
    }

    /// Adds a message that cannot be read any more.
    pub(super) fn push_missing(&mut self) {
        self.begin(false);
    }

    /// The next record starts here. It is plain where its size tells that of its body.
    fn begin(&mut self, plain: bool) {
        if self.befores.is_empty() && !plain {
            // The first that is not plain: from here on it is written down, and so it is for those before.
            self.befores = (0..self.offsets.len()).map(|index| self.before(index) as u32).collect();
        }
        if !self.befores.is_empty() || !plain {
            self.befores.push(self.body_bytes as u32);
        }
        self.offsets.push(self.records.len() as u32);
        self.is_tight = false;
    }

    /// Gives back the memory that is not used.
    pub(super) fn shrink(&mut self) {
        self.records.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.befores.shrink_to_fit();
        (self.room, self.is_tight) = (0, true);
    }

    /// How many messages it has.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Bytes of the records.
    pub(super) fn record_bytes(&self) -> usize {
        self.records.len()
    }

    /// Whether it reaches to the message with this id, on from its start.
    pub(super) fn has(&self, id: u64) -> bool {
        id >= self.start.id && id - self.start.id < self.offsets.len() as u64
    }

    /// The record of a message; `None` where it cannot be read any more.
    pub(super) fn record(&self, id: u64) -> Option<Record<'_>> {
        Record::read(self.bytes((id - self.start.id) as usize)?)
    }

    /// The bytes of a record, of which none are there where it cannot be read any more.
    pub(super) fn bytes(&self, index: usize) -> Option<&[u8]> {
        let start = *self.offsets.get(index)? as usize;
        let end = self.offsets.get(index + 1).map_or(self.records.len(), |&offset| offset as usize);
        Some(&self.records[start..end])
    }

    /// The next message that can be read, or the one after its last.
    pub(super) fn readable_after(&self, id: u64) -> u64 {
        let mut index = (id - self.start.id) as usize + 1;
        // A row of missing messages is passed in one step, so that the cursor does not stop at each.
        while self.bytes(index).is_some_and(<[u8]>::is_empty) {
            index += 1;
        }
        self.start.id + index as u64
    }

    /// The place of a message that it has, or of the one after its last.
    pub(super) fn position_of(&self, id: u64) -> Position {
        let index = (id - self.start.id) as usize;
        let bytes = if index < self.offsets.len() { self.before(index) } else { self.body_bytes };
        Position { id, bytes: self.start.bytes + bytes }
    }

    fn before(&self, index: usize) -> u64 {
        match self.befores.get(index) {
            Some(&before) => u64::from(before),
            None => u64::from(self.offsets[index]) - (PLAIN_BYTES * index) as u64,
        }
    }

    /// The first message that it has for whose place this does not hold, or the one after its last. What is asked has
    /// to hold for some first messages and not for the others.
    pub(super) fn partition(&self, holds: impl Fn(Position) -> bool) -> u64 {
        let (mut low, mut high) = (self.start.id, self.start.id + self.offsets.len() as u64);
        while low < high {
            let middle = u64::midpoint(low, high);
            if holds(self.position_of(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first message published at this time or later, or the one after its last. One that cannot be read any more
    /// is taken for as old as the next that can. O(log messages), where not many in a row cannot be read. Where the
    /// clock was set back in between, it is one of the places where times come past that.
    pub(super) fn find_time(&self, at: Time) -> u64 {
        let (mut low, mut high) = (self.start.id, self.start.id + self.offsets.len() as u64);
        while low < high {
            let middle = u64::midpoint(low, high);
            let readable = (middle..high).find_map(|id| Some((id, self.record(id)?.timestamp)));
            match readable {
                Some((id, timestamp)) if timestamp < at => low = id + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Bytes of memory it holds: as its growing comes to them, whatever the allocator made of that. What is evicted when
    /// is the same on every machine.
    pub(super) fn memory(&self) -> usize {
        let room = |len: usize| if self.is_tight || len == 0 { len } else { len.next_power_of_two().max(8) };
        room(self.records.len()).max(self.room) + 4 * (room(self.offsets.len()) + room(self.befores.len()))
    }
}

/// Whether records can start at these places, one after another.
pub(super) fn are_places(offsets: &[u32], records: &[u8]) -> bool {
    offsets.is_sorted() && offsets.last().is_none_or(|last| *last as usize <= records.len())
}
