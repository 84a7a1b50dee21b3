//! A topic's messages in memory: records in chunks, by id.
//!
//! A message is written once, however many channels the topic has. Readers keep a [`Cursor`] each; a message
//! that departed from a reader's order (leased, deferred, dead) is pinned. A chunk goes when no cursor is at or
//! before it, nothing in it is pinned and retention does not keep it. What few pinned messages hold an old
//! chunk are copied aside, so that one slow message never keeps the memory of thousands.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use crate::message::{PLAIN_BYTES, Record};
use crate::time::Time;

/// The largest chunk, in bytes, unless one message is larger.
const CHUNK_BYTES: usize = 256 * 1024;
/// The smallest, which is all that a topic without backlog holds.
const SMALL_CHUNK_BYTES: usize = 4 * 1024;
/// A chunk this far behind the newest is old.
const OLD_CHUNKS: u64 = 8;
/// An old chunk of which less than one in so many messages is pinned is not worth its memory.
const SPARSE: usize = 16;

/// A reader's place: the next message it reads. Made, moved and released by the [`Log`].
#[derive(Debug)]
#[must_use = "a cursor holds what comes after it until it is released"]
pub(crate) struct Cursor {
    id: u64,
    chunk: u64,
}

impl Cursor {
    /// The id of the next message.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The chunk that has it, or will.
    pub(crate) fn chunk(&self) -> u64 {
        self.chunk
    }
}

/// The messages of a topic. Ids start at 1 and have no holes.
#[derive(Debug)]
pub(crate) struct Log {
    /// Never empty: the last one takes what comes. Freed ones stay until those before them are gone.
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk; numbers go up by one.
    front: u64,
    /// No cursor is in a chunk with a lower number.
    low: u64,
    /// Ids from here on are kept for replay.
    keep: u64,
    /// No chunk from this id on was freed.
    whole: u64,
    /// The next message's id.
    next: u64,
    /// Bytes of all bodies so far.
    body_bytes: u64,
    /// Bytes of memory in the chunks.
    chunk_memory: usize,
    /// Pinned messages of chunks that are gone.
    aside: BTreeMap<u64, Aside>,
}

#[derive(Debug, Default)]
struct Chunk {
    /// The id of its first message.
    first: u64,
    /// Bytes of the bodies of all messages before it.
    body_bytes_before: u64,
    /// When its last message was published.
    last_at: Time,
    records: Vec<u8>,
    /// Where each record starts.
    offsets: Vec<u32>,
    /// Bytes of optional fields before each record; empty as long as none has any.
    extras: Vec<u32>,
    /// Bytes of optional fields in all.
    extra: u32,
    /// How large `records` may get.
    limit: usize,
    /// Cursors in it.
    cursors: u32,
    /// Pins on its messages.
    pins: usize,
    /// Pins on each; empty as long as there are none.
    pin_counts: Vec<u32>,
    freed: bool,
}

#[derive(Debug)]
struct Aside {
    record: Box<[u8]>,
    pins: u32,
}

impl Log {
    pub(crate) fn new() -> Self {
        let mut log = Log {
            chunks: VecDeque::new(),
            front: 0,
            low: 0,
            keep: u64::MAX,
            whole: 1,
            next: 1,
            body_bytes: 0,
            chunk_memory: 0,
            aside: BTreeMap::new(),
        };
        log.add_chunk(0);
        log
    }

    /// The id that the next message gets.
    pub(crate) fn next_id(&self) -> u64 {
        self.next
    }

    /// Bytes of memory it holds.
    pub(crate) fn memory(&self) -> usize {
        let aside: usize = self.aside.values().map(|aside| aside.record.len() + 64).sum();
        self.chunk_memory + aside
    }

    /// Adds a message; answers its id.
    pub(crate) fn append(&mut self, record: &Record<'_>) -> u64 {
        let options = record.option_bytes();
        let bytes = PLAIN_BYTES + options + record.body.len();
        if self.tail().records.len() + bytes > self.tail().limit && !self.tail().offsets.is_empty() {
            self.add_chunk(bytes);
        }
        let tail = self.tail_mut();
        let before = tail.memory();
        tail.push(record, options);
        let grown = tail.memory() - before;
        self.chunk_memory += grown;
        self.body_bytes += record.body.len() as u64;
        self.next += 1;
        self.next - 1
    }

    /// The message, which must be pinned, kept, or not passed by every cursor.
    pub(crate) fn record(&self, id: u64, chunk: u64) -> Record<'_> {
        self.find(id, chunk).expect("a message that is needed is in the log")
    }

    /// The message, if the log still has it.
    pub(crate) fn get(&self, id: u64) -> Option<Record<'_>> {
        if id >= self.next { None } else { self.find(id, self.chunk_of(id)) }
    }

    fn find(&self, id: u64, chunk: u64) -> Option<Record<'_>> {
        let live = chunk.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize));
        let bytes = match live {
            Some(chunk) if !chunk.freed => chunk.record(id)?,
            _ => &self.aside.get(&id)?.record,
        };
        Record::read(bytes)
    }

    /// The oldest id that the log may still have.
    pub(crate) fn first_id(&self) -> u64 {
        self.chunks.front().map_or(self.next, |chunk| chunk.first)
    }

    /// The number of the chunk that has or had this id, or will have it. O(log chunks).
    pub(crate) fn chunk_of(&self, id: u64) -> u64 {
        let after = self.chunks.partition_point(|chunk| chunk.first <= id);
        // What is older than the first chunk stands aside, if anywhere: the number is that of a chunk that is gone.
        (self.front + after as u64).saturating_sub(1)
    }

    /// Bytes of the bodies of all messages before this one, which a cursor must not have passed for good.
    pub(crate) fn bytes_before(&self, id: u64) -> u64 {
        if id >= self.next {
            return self.body_bytes;
        }
        let chunk = self.chunk(self.chunk_of(id));
        chunk.body_bytes_before + chunk.bytes_before(id)
    }

    /// Bytes of the bodies of the messages from `start` on and before `end`.
    pub(crate) fn bytes_between(&self, start: u64, end: u64) -> u64 {
        self.bytes_before(end) - self.bytes_before(start)
    }

    /// The first message published at this time or later, or the next one. O(log messages).
    pub(crate) fn find_time(&self, at: Time) -> u64 {
        let index = self.chunks.partition_point(|chunk| chunk.last_at < at);
        let Some(chunk) = self.chunks.get(index) else { return self.next };
        let (mut low, mut high) = (chunk.first, chunk.first + chunk.offsets.len() as u64);
        while low < high {
            let middle = u64::midpoint(low, high);
            let record = chunk.record(middle).and_then(Record::read);
            if record.is_some_and(|record| record.timestamp < at) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The first message such that it and all after it have at most so many bytes. O(log messages).
    pub(crate) fn find_last_bytes(&self, bytes: u64) -> u64 {
        let from = self.body_bytes.saturating_sub(bytes);
        let index = self.chunks.partition_point(|chunk| chunk.body_bytes_before < from).saturating_sub(1);
        let chunk = &self.chunks[index];
        let (mut low, mut high) = (0, chunk.offsets.len() as u64);
        while low < high {
            let middle = u64::midpoint(low, high);
            if chunk.body_bytes_before + chunk.bytes_before(chunk.first + middle) < from {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        chunk.first + low
    }

    /// When the last message of the first chunk that is kept for replay was published. The newest chunk does not
    /// count: it stays in any case.
    pub(crate) fn first_kept_at(&self) -> Option<Time> {
        let first = self.chunk_of(self.keep).saturating_sub(self.front) as usize;
        let full = self.chunks.len() - 1;
        self.chunks.iter().take(full).skip(first).find(|chunk| !chunk.freed).map(|chunk| chunk.last_at)
    }

    /// The first id, this one or later, from which on no chunk is freed: nothing is missing after it.
    pub(crate) fn whole_from(&self, id: u64) -> u64 {
        id.max(self.whole)
    }

    /// Messages from this id on are kept for replay; those before only as long as they are needed.
    pub(crate) fn set_keep(&mut self, keep: u64) {
        let keep = self.whole_from(keep);
        let from = self.chunk_of(self.keep.min(keep));
        self.keep = keep;
        let until = self.chunk_of(keep.min(self.next));
        for chunk in from..until {
            self.let_go(chunk);
        }
        self.pop_freed();
    }

    /// A new reader that starts at this id, which must be kept or not passed by every cursor.
    pub(crate) fn cursor(&mut self, id: u64) -> Cursor {
        let chunk = self.chunk_of(id);
        self.chunk_mut(chunk).cursors += 1;
        self.low = self.low.min(chunk);
        Cursor { id, chunk }
    }

    /// Moves a reader on by one.
    pub(crate) fn step(&mut self, cursor: &mut Cursor) {
        cursor.id += 1;
        self.catch_up(cursor);
    }

    /// Moves a reader on to this id, which is not before its place. Cheap where it is near.
    pub(crate) fn advance(&mut self, cursor: &mut Cursor, id: u64) {
        cursor.id = id;
        self.catch_up(cursor);
    }

    /// Moves a reader into the chunk that has its message: one that stood at the end may still be in that before.
    pub(crate) fn catch_up(&mut self, cursor: &mut Cursor) {
        while self.chunks.get((cursor.chunk - self.front + 1) as usize).is_some_and(|next| next.first <= cursor.id) {
            let chunk = cursor.chunk;
            cursor.chunk += 1;
            self.chunk_mut(cursor.chunk).cursors += 1;
            self.leave(chunk);
        }
    }

    /// Moves a reader to another place.
    pub(crate) fn seek(&mut self, cursor: &mut Cursor, id: u64) {
        let new = self.cursor(id);
        let old = core::mem::replace(cursor, new);
        self.leave(old.chunk);
    }

    /// A reader is gone.
    #[expect(clippy::needless_pass_by_value, reason = "nobody is to use it after this")]
    pub(crate) fn release(&mut self, cursor: Cursor) {
        self.leave(cursor.chunk);
    }

    fn leave(&mut self, chunk: u64) {
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
        if chunk < self.front || self.chunk(chunk).freed {
            self.aside.get_mut(&id).expect("a message that is needed is in the log").pins += 1;
            return;
        }
        let chunk = self.chunk_mut(chunk);
        let before = chunk.memory();
        if chunk.pin_counts.len() < chunk.offsets.len() {
            chunk.pin_counts.resize(chunk.offsets.len(), 0);
        }
        chunk.pin_counts[(id - chunk.first) as usize] += 1;
        chunk.pins += 1;
        let grown = chunk.memory() - before;
        self.chunk_memory += grown;
    }

    /// Ends one hold of a message.
    pub(crate) fn unpin(&mut self, id: u64, chunk: u64) {
        if chunk >= self.front && !self.chunk(chunk).freed {
            let low = self.low;
            let found = self.chunk_mut(chunk);
            found.pin_counts[(id - found.first) as usize] -= 1;
            found.pins -= 1;
            if chunk < low && (found.pins == 0 || found.is_sparse()) {
                self.let_go(chunk);
                self.pop_freed();
            }
        } else if let Some(aside) = self.aside.get_mut(&id) {
            aside.pins -= 1;
            if aside.pins == 0 {
                self.aside.remove(&id);
            }
        }
    }

    /// Frees a chunk if nothing needs it any more; copies aside what little of an old one is needed.
    fn let_go(&mut self, number: u64) {
        let old = number + OLD_CHUNKS <= self.tail_number();
        if number >= self.low || number < self.front {
            return;
        }
        let kept = self.chunks.get((number - self.front + 1) as usize).is_none_or(|next| next.first > self.keep);
        let chunk = &self.chunks[(number - self.front) as usize];
        if kept || chunk.freed || (chunk.pins > 0 && !(old && chunk.is_sparse())) {
            return;
        }
        for (index, &pins) in chunk.pin_counts.iter().enumerate().filter(|(_, pins)| **pins > 0) {
            let start = chunk.offsets[index] as usize;
            let end = chunk.offsets.get(index + 1).map_or(chunk.records.len(), |&offset| offset as usize);
            self.aside.insert(chunk.first + index as u64, Aside { record: chunk.records[start..end].into(), pins });
        }
        self.chunk_memory -= chunk.memory();
        self.whole = self.whole.max(self.chunk(number + 1).first);
        let chunk = self.chunk_mut(number);
        *chunk = Chunk {
            first: chunk.first,
            body_bytes_before: chunk.body_bytes_before,
            last_at: chunk.last_at,
            freed: true,
            ..Chunk::default()
        };
    }

    fn pop_freed(&mut self) {
        while self.chunks.front().is_some_and(|chunk| chunk.freed) {
            self.chunks.pop_front();
            self.front += 1;
        }
        if self.chunks.capacity() > 4 * self.chunks.len() + 64 {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
        self.low = self.low.max(self.front);
    }

    /// Closes the newest chunk and opens another. A topic with no backlog goes on with small ones.
    fn add_chunk(&mut self, at_least: usize) {
        if let Some(tail) = self.chunks.back_mut() {
            let before = tail.memory();
            tail.offsets.shrink_to_fit();
            tail.records.shrink_to_fit();
            let freed = before - tail.memory();
            self.chunk_memory -= freed;
        }
        let limit = self.chunk_memory.clamp(SMALL_CHUNK_BYTES, CHUNK_BYTES).max(at_least);
        let records = if limit > SMALL_CHUNK_BYTES { Vec::with_capacity(limit) } else { Vec::new() };
        let chunk = Chunk { first: self.next, body_bytes_before: self.body_bytes, limit, records, ..Chunk::default() };
        self.chunk_memory += chunk.memory();
        self.chunks.push_back(chunk);
        if let Some(old) = self.tail_number().checked_sub(OLD_CHUNKS) {
            self.let_go(old);
            self.pop_freed();
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

impl Chunk {
    fn push(&mut self, record: &Record<'_>, options: usize) {
        if self.extra > 0 || options > 0 {
            self.extras.resize(self.offsets.len(), 0);
            self.extras.push(self.extra);
            self.extra += options as u32;
        }
        self.offsets.push(self.records.len() as u32);
        self.last_at = record.timestamp;
        record.write(&mut self.records);
    }

    fn offset(&self, id: u64) -> Option<usize> {
        self.offsets.get(id.checked_sub(self.first)? as usize).map(|&offset| offset as usize)
    }

    /// The bytes of a message.
    fn record(&self, id: u64) -> Option<&[u8]> {
        let start = self.offset(id)?;
        let end = self.offset(id + 1).unwrap_or(self.records.len());
        Some(&self.records[start..end])
    }

    /// Bytes of the bodies before this one, in this chunk.
    fn bytes_before(&self, id: u64) -> u64 {
        let index = (id - self.first) as usize;
        let offset = self.offset(id).unwrap_or(self.records.len());
        let extra = self.extras.get(index).copied().unwrap_or(self.extra) as usize;
        (offset - PLAIN_BYTES * index.min(self.offsets.len()) - extra) as u64
    }

    /// Whether so little of it is pinned that it is not worth its memory.
    fn is_sparse(&self) -> bool {
        self.pins < self.offsets.len() && self.pins <= (self.offsets.len() / SPARSE).max(1)
    }

    fn memory(&self) -> usize {
        self.records.capacity() + 4 * (self.offsets.capacity() + self.extras.capacity() + self.pin_counts.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(at: u64, body: &[u8]) -> Record<'_> {
        Record { timestamp: Time::from_nanos(at), due: None, expires: None, key: None, header_block: &[], body }
    }

    fn filled(messages: u64) -> Log {
        let mut log = Log::new();
        for at in 1..=messages {
            log.append(&message(at, &[at as u8; 1000]));
        }
        log
    }

    #[test]
    fn what_all_cursors_passed_is_freed() {
        let mut log = Log::new();
        let mut cursor = log.cursor(1);
        for at in 1..=5000 {
            let id = log.append(&message(at, &[1; 1000]));
            assert_eq!(log.record(id, log.chunk_of(id)).timestamp.as_nanos(), at);
        }
        assert!(log.memory() > 5_000_000);
        while cursor.id() < log.next_id() {
            log.catch_up(&mut cursor);
            let record = log.record(cursor.id(), cursor.chunk());
            assert_eq!(record.timestamp.as_nanos(), cursor.id());
            log.step(&mut cursor);
        }
        assert!(log.memory() <= CHUNK_BYTES + 4096, "{}", log.memory());
    }

    #[test]
    fn a_pinned_message_outlives_its_chunk_without_keeping_it() {
        let mut log = Log::new();
        let mut cursor = log.cursor(1);
        let mut pinned = Vec::new();
        for at in 1..=5000 {
            let id = log.append(&message(at, &[at as u8; 1000]));
            if id.is_multiple_of(1000) {
                pinned.push((id, log.chunk_of(id)));
                log.pin(id, log.chunk_of(id));
            }
            log.catch_up(&mut cursor);
            log.step(&mut cursor);
        }
        for at in 5001..=15_000 {
            log.append(&message(at, &[0; 1000]));
            log.catch_up(&mut cursor);
            log.step(&mut cursor);
        }
        assert!(log.memory() < 20 * CHUNK_BYTES, "{}", log.memory());
        for (id, chunk) in pinned {
            assert_eq!(log.record(id, chunk).body, [id as u8; 1000]);
            log.unpin(id, chunk);
            assert!(log.get(id).is_none());
        }
    }

    #[test]
    fn bytes_and_times_are_found() {
        let mut log = filled(1000);
        let _cursor = log.cursor(1);
        assert_eq!(log.bytes_before(1), 0);
        assert_eq!(log.bytes_before(501), 500_000);
        assert_eq!(log.bytes_before(1001), 1_000_000);
        assert_eq!(log.find_time(Time::from_nanos(0)), 1);
        assert_eq!(log.find_time(Time::from_nanos(700)), 700);
        assert_eq!(log.find_time(Time::from_nanos(1001)), 1001);
        assert_eq!(log.find_last_bytes(0), 1001);
        assert_eq!(log.find_last_bytes(999), 1001);
        assert_eq!(log.find_last_bytes(1000), 1000);
        assert_eq!(log.find_last_bytes(u64::MAX), 1);
        let keyed = Record { key: Some("key"), ..message(2000, b"12345") };
        log.append(&keyed);
        log.append(&message(2001, b"123"));
        assert_eq!(log.bytes_before(1002), 1_000_005);
        assert_eq!(log.bytes_before(1003), 1_000_008);
    }

    #[test]
    fn retained_messages_stay_until_they_are_let_go() {
        let mut log = Log::new();
        log.set_keep(1);
        let mut cursor = log.cursor(1);
        for at in 1..=2000 {
            log.append(&message(at, &[0; 1000]));
            log.catch_up(&mut cursor);
            log.step(&mut cursor);
        }
        assert!(log.get(1).is_some());
        log.set_keep(1001);
        assert!(log.get(1).is_none() && log.get(1001).is_some());
        log.set_keep(u64::MAX);
        assert!(log.get(1001).is_none());
        assert!(log.memory() <= CHUNK_BYTES + 4096, "{}", log.memory());
    }
}
