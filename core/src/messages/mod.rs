//! A topic's messages, by id: in memory, or in its log and in memory as far as there is room.
//!
//! A message is written once, however many channels the topic has. Messages stand in chunks. Readers keep a
//! [`Cursor`] each; a message that departed from a reader's order (leased, deferred, dead) is pinned. A chunk is
//! freed when no cursor is at or before it, nothing in it is pinned and retention does not keep it.
//!
//! Where there is no log, what few pinned messages hold an old chunk are detached, so that one slow message never
//! keeps the memory of thousands. Where there is one, the content of a chunk can be evicted and loaded again
//! ([`cache`]), and [`compaction`] writes the few pinned messages of old segments again, so that one slow message never
//! keeps the disk of thousands.

mod cache;
mod compaction;
mod content;
mod cursor;
mod image;
mod restored;
mod search;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::by_id::{ById, IdSet};
use crate::log::event::Position;
use crate::log::frame::{FRAME_HEADER_BYTES, MESSAGE_HEADER_BYTES};
use crate::message::{PLAIN_BYTES, Record};
use crate::time::Time;
use content::Content;
pub(crate) use cursor::Cursor;

/// The largest chunk, in bytes, unless one message is larger or the topic has very many.
const CHUNK_BYTES: usize = 256 * 1024;
/// The smallest, which is all that a topic without backlog holds.
const SMALL_CHUNK_BYTES: usize = 4 * 1024;
/// A chunk this far behind the newest is old.
const OLD_CHUNKS: u64 = 8;
/// An old chunk of which less than one in so many messages is pinned is not worth its memory.
const SPARSE: usize = 16;
/// A log of more bytes than so many chunks of the usual size has larger ones, so that their table stays small.
const MANY_CHUNKS: u64 = 1 << 16;

/// The number of no chunk: what stands there cannot be read any more.
const NOWHERE: u64 = u64::MAX;

/// What there is of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<'a> {
    /// It is here.
    Record(Record<'a>),
    /// It is in the log: [want](Messages::want) this chunk, and look again once it is loaded.
    NotCached(u64),
    /// It cannot be read any more, or nobody needed it.
    Unreadable,
}

/// What is wanted is in the log, in this chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotCached(pub(crate) u64);

/// The messages of a topic. Ids start at 1 and have no holes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Messages {
    /// Never empty: the last one takes what comes. Freed ones stay until those before them are gone, so that a number
    /// less `front` is an index.
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk; numbers go up by one.
    front: u64,
    /// No cursor is in a chunk with a lower number.
    low: u64,
    /// Ids from here on are kept for replay.
    /// Past all ids where nothing is retained.
    keep: u64,
    /// No chunk from this id on was freed. What is to be retained from now on begins here at the earliest.
    whole: u64,
    /// Where the next message goes.
    end: Position,
    /// Bytes of memory in the chunks.
    #[serde(skip)]
    chunk_memory: usize,
    /// Pinned messages of chunks that are gone.
    detached: ById<Detached>,
    /// Bytes of memory that those take.
    #[serde(skip)]
    detached_memory: usize,
    /// There is a log, and this is the number of its segment that new messages go to.
    segment: Option<u32>,
    /// Ids before this one can be read back from the log.
    /// What is after it is not asked for: it would come back as unreadable, and be passed over.
    durable: u64,
    /// How far the log is durable, in bytes ever written to it.
    log_durable: u64,
    /// Bytes of frames in the chunks.
    #[serde(skip)]
    log_bytes: u64,
    /// The lowest number of a segment that has a chunk which was not freed, where that is known: what frees or relocates
    /// a chunk of it forgets it. The segments of chunks do not grow with their numbers, for relocated ones stand later.
    #[serde(skip)]
    first_segment: Option<u32>,
    /// Only the table of chunks is made, from a log: nobody reads, nothing is held, and nothing is freed.
    #[serde(skip)]
    replaying: bool,
    /// Chunks that somebody waits for and nobody was asked for yet. Invariant: all of them are marked as asked for, so
    /// that none is in here twice.
    wanted: Vec<u64>,
    /// Chunks that were loaded or begun since the last look.
    fresh: Vec<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Chunk {
    /// Its first message.
    first: Position,
    /// When its last message was published.
    /// Invariant: not before that of the chunk in front of it, for times are searched.
    last_at: Time,
    /// Its messages, where they are in memory; only the last of them, where it was evicted while it was the newest
    /// chunk.
    content: Option<Box<Content>>,
    /// How large its records may get, in bytes.
    limit: usize,
    /// Bytes of its records, in memory or not.
    record_bytes: usize,
    /// Bytes of frames in the log.
    log_bytes: u64,
    /// The segment of the log that has it.
    segment: u32,
    /// Cursors in it.
    #[serde(skip)]
    cursors: u32,
    /// Pins on its messages.
    /// Invariant: the sum of the counts below.
    #[serde(skip)]
    pins: usize,
    /// Pins on each; empty as long as there are none.
    pin_counts: Vec<u32>,
    /// Older messages that were written again among its frames.
    rewritten: IdSet,
    /// How far the log reaches with what of it was written again, in bytes ever written to it.
    rewritten_until: u64,
    /// Commands that need it to stay.
    holds: u32,
    /// Nobody needs it. It keeps its place among the numbers, with nothing in it.
    freed: bool,
    /// It was asked for, and has not come yet.
    asked: bool,
    /// It was looked at since it was last thought of to be evicted.
    used: core::cell::Cell<bool>,
}

/// A message whose chunk is gone.
#[derive(Debug, Serialize, Deserialize)]
struct Detached {
    #[serde(skip)]
    pins: u32,
    /// Its bytes, where they are in memory.
    record: Option<Box<[u8]>>,
    /// The chunk among whose frames it was written again, or [`NOWHERE`]; of no meaning without a log.
    chunk: u64,
}

impl Messages {
    /// None yet. `segment` is that of the log which they go to, where there is one.
    pub(crate) fn new(segment: Option<u32>) -> Self {
        let start = Position { id: 1, bytes: 0 };
        let mut messages = Messages::empty(segment, start);
        messages.add_chunk(0);
        messages
    }

    fn empty(segment: Option<u32>, end: Position) -> Self {
        Messages {
            chunks: VecDeque::new(),
            front: 0,
            low: 0,
            keep: u64::MAX,
            whole: 1,
            end,
            chunk_memory: 0,
            detached: ById::default(),
            detached_memory: 0,
            segment,
            durable: if segment.is_some() { end.id } else { u64::MAX },
            log_durable: 0,
            log_bytes: 0,
            first_segment: None,
            replaying: false,
            wanted: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Where the next message goes.
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    /// Bytes of memory it holds. O(1).
    pub(crate) fn memory(&self) -> usize {
        self.chunk_memory + self.detached_memory
    }

    /// Adds a message; answers its id.
    pub(crate) fn append(&mut self, record: &Record<'_>) -> u64 {
        let bytes = PLAIN_BYTES + record.option_bytes() + record.body.len();
        let tail = self.tail();
        let fits =
            tail.record_bytes.saturating_add(bytes) <= tail.limit && self.segment.is_none_or(|s| s == tail.segment);
        // An empty chunk takes a message that is larger than its limit; but not one of another segment, for a chunk is
        // read from one.
        if !fits && (tail.record_bytes > 0 || self.segment.is_some_and(|s| s != tail.segment)) {
            self.add_chunk(bytes);
        }
        let end = self.end;
        let number = self.tail_number();
        let tail = self.tail_mut();
        let before = tail.memory();
        // It is new, or was evicted: then it has in memory only what comes from here on.
        if tail.content.is_none() {
            tail.content = Some(Box::new(Content::new(end, 0)));
            self.note_fresh(number);
        }
        let tail = self.tail_mut();
        tail.last_at = tail.last_at.max(record.timestamp);
        tail.record_bytes += bytes;
        tail.log_bytes += (FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + bytes) as u64;
        if let Some(content) = &mut tail.content {
            content.push(record);
        }
        let grown = tail.memory() - before;
        self.chunk_memory += grown;
        self.log_bytes += (FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES + bytes) as u64;
        self.end = Position { id: end.id + 1, bytes: end.bytes + record.body.len() as u64 };
        end.id
    }

    /// The bytes of the record that was appended last.
    pub(crate) fn last_record(&self) -> &[u8] {
        let content = self.tail().content.as_ref();
        content.and_then(|content| content.bytes(content.len() - 1)).unwrap_or_default()
    }

    /// What there is of a message, which stands in this chunk.
    pub(crate) fn find(&self, id: u64, chunk: u64) -> Found<'_> {
        // A log may tell that a message was written again before it tells that its chunk is needed no more.
        match self.detached.get(&id) {
            Some(Detached { record: Some(record), .. }) => {
                return Record::read(record).map_or(Found::Unreadable, Found::Record);
            }
            Some(detached) if self.is_live(detached.chunk) => return Found::NotCached(detached.chunk),
            _ => {}
        }
        let live = chunk.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize));
        let Some(live) = live.filter(|chunk| !chunk.freed) else { return Found::Unreadable };
        match live.content.as_ref().filter(|content| content.has(id)) {
            Some(content) => {
                live.used.set(true);
                content.record(id).map_or(Found::Unreadable, Found::Record)
            }
            None if id >= live.first.id && id < self.end.id && self.segment.is_some() => Found::NotCached(chunk),
            None => Found::Unreadable,
        }
    }

    /// Whether a chunk is in the log and was not freed.
    pub(crate) fn is_live(&self, chunk: u64) -> bool {
        let chunk = chunk.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize));
        self.segment.is_some() && chunk.is_some_and(|chunk| !chunk.freed)
    }

    /// What there is of a message, wherever it stands.
    pub(crate) fn get(&self, id: u64) -> Found<'_> {
        if id >= self.end.id { Found::Unreadable } else { self.find(id, self.chunk_of(id)) }
    }

    /// The record of a message that was just found to be here.
    pub(crate) fn record(&self, id: u64, chunk: u64) -> Record<'_> {
        match self.find(id, chunk) {
            Found::Record(record) => record,
            _ => unreachable!("it was found in the same call"),
        }
    }

    /// Whether somebody may still need it: it was not freed.
    pub(crate) fn has(&self, id: u64) -> bool {
        let chunk = self.chunk_of(id);
        let live = chunk.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize));
        id < self.end.id
            && (live.is_some_and(|chunk| !chunk.freed && chunk.first.id <= id) || self.detached.contains_key(&id))
    }

    /// Messages from this id on are kept for replay; those before only as long as they are needed.
    pub(crate) fn set_keep(&mut self, keep: u64) {
        let keep = self.whole_from(keep);
        // Only chunks that were kept for this can go by it now; those before went as soon as nobody needed them.
        let from = self.chunk_of(self.keep.min(keep)).max(self.front);
        self.keep = keep;
        let until = self.chunk_of(keep.min(self.end.id));
        for chunk in from..until {
            self.let_go(chunk);
        }
        self.pop_freed();
    }

    /// A new reader that starts at this place, which must be kept or not passed by every cursor.
    pub(crate) fn cursor(&mut self, position: Position) -> Cursor {
        if self.replaying {
            return Cursor { position, chunk: 0 };
        }
        let chunk = self.chunk_of(position.id).max(self.front);
        self.chunk_mut(chunk).cursors += 1;
        // A channel may go back to what is retained, before all other cursors.
        self.low = self.low.min(chunk);
        Cursor { position, chunk }
    }

    /// Moves a reader on to this place, which is not before its own. Costs one step for each chunk on the way, and what
    /// it takes to let those go.
    pub(crate) fn advance(&mut self, cursor: &mut Cursor, position: Position) {
        cursor.advance(position);
        self.catch_up(cursor);
    }

    /// Moves a reader into the chunk that has its message: one that stood at the end may still be in that before.
    /// Where the chunk knows better how many bytes are before the message, the reader learns it.
    pub(crate) fn catch_up(&mut self, cursor: &mut Cursor) {
        if self.replaying {
            return;
        }
        while self.chunks.get((cursor.chunk - self.front + 1) as usize).is_some_and(|next| next.first.id <= cursor.id())
        {
            // It counts in the next chunk before it leaves this one, which lets go of chunks up to the next with a
            // cursor.
            let chunk = cursor.chunk;
            cursor.chunk += 1;
            self.chunk_mut(cursor.chunk).cursors += 1;
            self.leave(chunk);
        }
        // Bytes that were told of what cannot be read may be wrong: here they come right again.
        let content = self.chunk(cursor.chunk).content.as_ref();
        if let Some(content) = content.filter(|content| content.has(cursor.id())) {
            cursor.position = content.position_of(cursor.id());
        }
    }

    /// The place after a message in this chunk that cannot be read, and after those behind it that cannot, either.
    pub(crate) fn after_unreadable(&self, at: Position, chunk: u64) -> Position {
        let after = Position { id: at.id + 1, ..at };
        let index = chunk.wrapping_sub(self.front) as usize;
        let Some(found) = self.chunks.get(index) else { return after };
        if found.freed {
            return self.chunks.get(index + 1).map_or(after, |next| next.first.max(after));
        }
        let content = found.content.as_ref().filter(|content| content.has(at.id));
        content.map_or(after, |content| content.position_of(content.readable_after(at.id)).max(after))
    }

    /// The id after one that cannot be read, and after those behind it that cannot, either.
    pub(crate) fn next_id(&self, id: u64) -> u64 {
        self.after_unreadable(Position { id, bytes: 0 }, self.chunk_of(id)).id
    }

    /// Moves a reader to another place.
    pub(crate) fn seek(&mut self, cursor: &mut Cursor, position: Position) {
        // The new chunk is held before the old one is left: they may be the same.
        let new = self.cursor(position);
        let old = core::mem::replace(cursor, new);
        self.leave(old.chunk);
    }

    /// A reader is gone.
    #[expect(clippy::needless_pass_by_value, reason = "nobody is to use it after this")]
    pub(crate) fn release(&mut self, cursor: Cursor) {
        self.leave(cursor.chunk);
    }

    fn leave(&mut self, chunk: u64) {
        if self.replaying {
            return;
        }
        self.chunk_mut(chunk).cursors -= 1;
        let tail = self.tail_number();
        while self.low < tail && self.chunk(self.low).cursors == 0 {
            self.low += 1;
            self.let_go(self.low - 1);
        }
        self.pop_freed();
    }

    /// Holds a message until it is unpinned as often.
    pub(crate) fn pin(&mut self, id: u64, chunk: u64) {
        if self.replaying {
            return;
        }
        // In a log, a message may have been moved out of a chunk that is not known yet to be free of messages.
        // And of what a log says, some stands in no chunk.
        let stands = |chunk: &Chunk| !chunk.freed && chunk.first.id <= id;
        if chunk < self.front || !stands(self.chunk(chunk)) || self.detached.contains_key(&id) {
            match self.detached.get_mut(&id) {
                Some(detached) => detached.pins += 1,
                None => self.detach(id, Detached { pins: 1, record: None, chunk: NOWHERE }),
            }
            return;
        }
        // One count for each message there is so far: the newest chunk grows, and its counts with it.
        let last = self.chunks.get((chunk + 1 - self.front) as usize).map_or(self.end.id, |next| next.first.id);
        let chunk = self.chunk_mut(chunk);
        let count = (last - chunk.first.id) as usize;
        let grown = count.saturating_sub(chunk.pin_counts.len());
        if grown > 0 {
            chunk.pin_counts.resize(count, 0);
        }
        chunk.pin_counts[(id - chunk.first.id) as usize] += 1;
        chunk.pins += 1;
        self.chunk_memory += 4 * grown;
    }

    /// Holds a message, wherever it stands; answers the chunk, of which one is likely.
    pub(crate) fn pin_found(&mut self, id: u64, likely: u64) -> u64 {
        let begins = |chunk: u64| Some(self.chunks.get(chunk.checked_sub(self.front)? as usize)?.first.id);
        let is_there =
            begins(likely).is_some_and(|first| first <= id) && begins(likely + 1).is_none_or(|next| next > id);
        let chunk = if is_there { likely } else { self.chunk_of(id) };
        self.pin(id, chunk);
        chunk
    }

    /// Ends one hold of a message.
    pub(crate) fn unpin(&mut self, id: u64, chunk: u64) {
        if self.replaying {
            return;
        }
        // It may have moved since it was pinned: its pins moved with it.
        if let Some(detached) = self.detached.get_mut(&id) {
            detached.pins -= 1;
            if detached.pins == 0 {
                self.drop_detached(id);
            }
        } else if chunk >= self.front && !self.chunk(chunk).freed {
            let (low, logged) = (self.low, self.segment.is_some());
            let found = self.chunk_mut(chunk);
            found.pin_counts[(id - found.first.id) as usize] -= 1;
            found.pins -= 1;
            // With the last pin it goes, or with the one after which it is not worth its memory.
            if chunk < low && (found.pins == 0 || (!logged && found.is_sparse())) {
                self.let_go(chunk);
                self.pop_freed();
            }
        }
    }

    /// Frees a chunk if nothing needs it any more; detaches what little of an old one is needed.
    fn let_go(&mut self, number: u64) {
        let old = self.segment.is_none() && number + OLD_CHUNKS <= self.tail_number();
        if number >= self.low || number < self.front || number == self.tail_number() {
            return;
        }
        // The last of its messages decides, which is the one before the next chunk's first.
        let kept = self.chunks.get((number - self.front + 1) as usize).is_none_or(|next| next.first.id > self.keep);
        let chunk = &mut self.chunks[(number - self.front) as usize];
        // A command that waits for it would wait for ever; and what was written again here has its only place here.
        let needed = chunk.holds > 0 || !chunk.rewritten.is_empty() || (chunk.pins > 0 && !(old && chunk.is_sparse()));
        if kept || chunk.freed || needed {
            return;
        }
        // With a log there are none: what is pinned keeps its chunk until it is written again.
        let pin_counts = core::mem::take(&mut chunk.pin_counts);
        self.chunk_memory -= 4 * pin_counts.len();
        for (index, &pins) in pin_counts.iter().enumerate().filter(|(_, pins)| **pins > 0) {
            let chunk = self.chunk(number);
            let record = chunk.content.as_ref().and_then(|content| content.bytes(index)).map(Into::into);
            // With its pins: who has one need not know that it moved.
            self.detach(chunk.first.id + index as u64, Detached { record, pins, chunk: 0 });
        }
        self.free(number);
    }

    fn free(&mut self, number: u64) {
        self.whole = self.whole.max(self.chunk(number + 1).first.id);
        let Chunk { first, last_at, segment, asked, .. } = *self.chunk(number);
        self.leave_segment(segment);
        let freed = Chunk { first, last_at, segment, asked, freed: true, ..Chunk::default() };
        let old = core::mem::replace(self.chunk_mut(number), freed);
        self.chunk_memory -= old.memory();
        self.log_bytes -= old.log_bytes;
    }

    fn pop_freed(&mut self) {
        while self.chunks.front().is_some_and(|chunk| chunk.freed && chunk.cursors == 0) {
            self.chunks.pop_front();
            self.front += 1;
        }
        // A long backlog that was read leaves no table of its length. Half stays free, so that it does not grow again
        // at once.
        if self.chunks.capacity() > 4 * self.chunks.len() + 64 {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
        self.low = self.low.max(self.front);
    }

    /// Closes the newest chunk and opens another. A topic with no backlog goes on with small ones.
    fn add_chunk(&mut self, at_least: usize) {
        let usual = CHUNK_BYTES.max((self.log_bytes / MANY_CHUNKS) as usize);
        let limit = match self.segment {
            Some(_) => usual.max(at_least),
            // As large as all that there is: so that a topic that is kept empty has a small one, and a backlog few
            // large ones.
            None => self.chunk_memory.clamp(SMALL_CHUNK_BYTES, CHUNK_BYTES).max(at_least),
        };
        let number = self.front + self.chunks.len() as u64;
        if let Some(tail) = self.chunks.back_mut() {
            let before = tail.memory();
            if let Some(content) = &mut tail.content {
                content.shrink();
            }
            let freed = before - tail.memory();
            self.chunk_memory -= freed;
        }
        // A chunk in memory is made in one piece, unless it is to be a small one.
        let in_one_piece = limit > SMALL_CHUNK_BYTES && self.chunk_memory >= limit.min(CHUNK_BYTES);
        // How large a log is may be what somebody wrote there: that is no size to make room for.
        let room = limit.min(CHUNK_BYTES.max(at_least));
        let content = in_one_piece.then(|| Box::new(Content::new(self.end, room)));
        if content.is_some() {
            self.note_fresh(number);
        }
        let segment = self.segment.unwrap_or_default();
        // Times only grow from chunk to chunk, those without a message included: they are searched.
        let last_at = self.chunks.back().map_or(Time::default(), |tail| tail.last_at);
        let chunk = Chunk { first: self.end, last_at, limit, content, segment, ..Chunk::default() };
        self.chunk_memory += chunk.memory();
        self.chunks.push_back(chunk);
        // This one is old from now on: what little of it is pinned can be detached.
        if let Some(old) = self.tail_number().checked_sub(OLD_CHUNKS) {
            self.let_go(old);
        }
        self.pop_freed();
    }

    /// A chunk came into memory. Without a log nobody asks, for none is ever evicted.
    fn note_fresh(&mut self, number: u64) {
        if self.segment.is_some() {
            self.fresh.push(number);
        }
    }

    fn tail_number(&self) -> u64 {
        self.front + self.chunks.len() as u64 - 1
    }

    fn tail(&self) -> &Chunk {
        self.chunks.back().expect("there is always a newest chunk")
    }

    fn tail_mut(&mut self) -> &mut Chunk {
        self.chunks.back_mut().expect("there is always a newest chunk")
    }

    fn chunk(&self, number: u64) -> &Chunk {
        &self.chunks[(number - self.front) as usize]
    }

    fn chunk_mut(&mut self, number: u64) -> &mut Chunk {
        &mut self.chunks[(number - self.front) as usize]
    }
}

impl Detached {
    fn memory(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.len()) + 64
    }
}

impl Chunk {
    /// Whether so little of it is pinned that it is not worth its memory.
    fn is_sparse(&self) -> bool {
        let count = self.content.as_ref().map_or(0, |content| content.len());
        // Where all of it is pinned, nothing would be saved.
        self.pins < count && self.pins <= (count / SPARSE).max(1)
    }

    fn memory(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.memory()) + 4 * self.pin_counts.len()
    }
}

#[cfg(test)]
mod tests;
