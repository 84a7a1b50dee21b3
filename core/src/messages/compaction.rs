//! Making old segments of a log free of messages: those that are still needed are written again at the end.
//!
//! Where only few of a chunk's messages are needed, they are detached from it: each is looked up by its id from then on.
//! Where the whole chunk is, it is relocated: all of it stands in another segment, and nothing else changes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Detached, Messages, NOWHERE};
use crate::log::frame::{MESSAGE_HEADER_BYTES, frame_bytes};
use crate::message::Record;

impl Messages {
    /// The first segment that has anything that somebody needs. O(chunks) after one of its chunks went, O(1) otherwise.
    pub(crate) fn first_segment(&mut self) -> u32 {
        let chunks = &self.chunks;
        let find = || chunks.iter().filter(|chunk| !chunk.freed).map(|chunk| chunk.segment).min().unwrap_or_default();
        *self.first_segment.get_or_insert_with(find)
    }

    /// A chunk stands in this segment no more.
    pub(super) fn leave_segment(&mut self, segment: u32) {
        if self.first_segment == Some(segment) {
            self.first_segment = None;
        }
    }

    /// What comes goes to a chunk of the newest segment, so that none before has to stay for it.
    pub(crate) fn begin_chunk(&mut self) {
        if self.segment.is_some_and(|segment| segment != self.tail().segment) {
            self.add_chunk(0);
            self.let_go(self.tail_number() - 1);
            self.pop_freed();
        }
    }

    /// The chunks that stand in segments before this one, the oldest first. The newest is not among them.
    pub(crate) fn chunks_before(&self, segment: u32) -> impl Iterator<Item = u64> + '_ {
        let numbered = (self.front..self.tail_number()).zip(&self.chunks);
        numbered.filter(move |(_, chunk)| !chunk.freed && chunk.segment < segment).map(|(number, _)| number)
    }

    /// Whether all of a chunk is needed, and not only what is pinned: a reader has yet to come there, it is kept for replay, or
    /// a command waits for it.
    pub(crate) fn is_needed_whole(&self, number: u64) -> bool {
        let next = self.chunks.get((number + 1 - self.front) as usize);
        number >= self.low || self.chunk(number).holds > 0 || next.is_none_or(|next| next.first.id > self.keep)
    }

    /// The first message of a chunk.
    pub(crate) fn first_of_chunk(&self, number: u64) -> u64 {
        self.chunk(number).first.id
    }

    /// Bytes of a chunk's frames.
    pub(crate) fn chunk_bytes(&self, number: u64) -> u64 {
        self.chunk(number).log_bytes
    }

    /// Whether all of a chunk is in memory, so that it can be [relocated](Messages::relocate).
    pub(crate) fn is_cached_whole(&self, number: u64) -> bool {
        let chunk = self.chunk(number);
        let is_empty =
            self.chunks.get((number + 1 - self.front) as usize).is_some_and(|next| next.first.id == chunk.first.id);
        self.is_cached(number)
            && (is_empty || chunk.content.as_ref().is_some_and(|content| content.has(chunk.first.id)))
    }

    /// Makes a chunk that is [cached](Messages::is_cached_whole) stand in this segment. `write` is given each message with its
    /// id, and, but for older ones that stand among its frames, with the bytes of the bodies before it; it answers how
    /// far the log reaches then, in bytes ever written to it. What cannot be read any more is left behind.
    pub(crate) fn relocate(
        &mut self,
        number: u64,
        segment: u32,
        mut write: impl FnMut(u64, Option<u64>, &[u8]) -> u64,
    ) {
        self.leave_segment(self.chunk(number).segment);
        let chunk = &mut self.chunks[(number - self.front) as usize];
        let mut bytes = 0;
        let mut write = |id, before, record: &[u8]| {
            bytes += frame_bytes(MESSAGE_HEADER_BYTES + record.len()) as u64;
            chunk.rewritten_until = write(id, before, record);
        };
        // What cannot be read any more has no bytes.
        for id in chunk.rewritten.iter() {
            if let Some(record) = self.detached.get(&id).and_then(|detached| detached.record.as_deref())
                && !record.is_empty()
            {
                write(id, None, record);
            }
        }
        if let Some(content) = &chunk.content {
            for id in content.start.id..content.start.id + content.len() as u64 {
                if let Some(record) = content.bytes((id - content.start.id) as usize)
                    && !record.is_empty()
                {
                    write(id, Some(content.position_of(id).bytes), record);
                }
            }
        }
        self.log_bytes = self.log_bytes - chunk.log_bytes + bytes;
        (chunk.log_bytes, chunk.segment) = (bytes, segment);
    }

    /// About how many bytes of frames are needed, and the chunks of which only some messages are, from the oldest
    /// chunk on until one that is needed as a whole.
    pub(crate) fn needed(&self) -> (u64, Vec<u64>) {
        // Segments go from the oldest on: behind a chunk that is needed as a whole, to write messages again frees
        // nothing.
        let (mut bytes, mut sparse, mut blocked) = (0, Vec::new(), false);
        for (index, chunk) in self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.freed) {
            let number = self.front + index as u64;
            let next = self.chunks.get(index + 1).map(|next| next.first.id);
            // A cursor is there or before it, or it is retained: all of it may be read.
            let whole = number >= self.low || next.is_none_or(|next| next > self.keep);
            if whole {
                (bytes, blocked) = (bytes + chunk.log_bytes, true);
                continue;
            }
            let count = next.map_or(0, |next| next - chunk.first.id) + chunk.rewritten.len() as u64;
            let pinned = chunk.pin_counts.iter().filter(|pins| **pins > 0).count() + chunk.rewritten.len();
            // As if all were of one size: their sizes are in the log.
            bytes += chunk.log_bytes / count.max(1) * pinned as u64;
            if !blocked {
                sparse.push(number);
            }
        }
        (bytes, sparse)
    }

    /// Whether the messages of a chunk that are needed are in memory, so that they can be [written again](Messages::rewrite_chunk).
    pub(crate) fn is_cached(&self, number: u64) -> bool {
        let Some(chunk) = number.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize)) else {
            return true;
        };
        let rewritten =
            chunk.rewritten.iter().all(|id| self.detached.get(&id).is_none_or(|detached| detached.record.is_some()));
        let pinned = chunk.pins == 0 || chunk.content.as_ref().is_some_and(|content| content.has(chunk.first.id));
        chunk.freed || (rewritten && pinned)
    }

    /// Makes the messages of a chunk that are needed stand at the end of the log, and frees the chunk. `write` is given
    /// each with its id, and answers how far the log reaches then, in bytes ever written to it; what cannot be read any
    /// more is left behind. A chunk that a command waits for stays, for it would wait for ever.
    pub(crate) fn rewrite_chunk(&mut self, number: u64, mut write: impl FnMut(u64, &[u8]) -> u64) {
        let is_held = self.is_live(number) && self.chunk(number).holds > 0;
        if !self.is_live(number) || is_held || number >= self.low || number == self.tail_number() {
            return;
        }
        // They are written to the newest segment, and a chunk stands in one.
        if self.segment.is_some_and(|segment| segment != self.tail().segment) {
            self.add_chunk(0);
        }
        let tail = self.tail_number();
        let chunk = &mut self.chunks[(number - self.front) as usize];
        let (first, rewritten) = (chunk.first.id, core::mem::take(&mut chunk.rewritten));
        let pins = core::mem::take(&mut chunk.pin_counts);
        self.chunk_memory -= 4 * pins.len();
        // All that it holds is taken off what is counted here: `free` finds nothing of it any more.
        let content = chunk.content.take();
        self.chunk_memory -= content.as_ref().map_or(0, |content| content.memory());
        let mut needed = Vec::new();
        for (index, &pins) in pins.iter().enumerate().filter(|(_, pins)| **pins > 0) {
            let id = first + index as u64;
            let record = content.as_ref().and_then(|content| content.bytes(index)).filter(|record| !record.is_empty());
            // Of what cannot be read any more, nothing is left to be read again.
            let record = Some(record.map(Into::into).unwrap_or_default());
            self.detach(id, Detached { pins, record, chunk: tail });
            needed.push(id);
        }
        // These were moved here before, and are outside of the chunk already.
        needed.extend(rewritten.iter());
        let mut bytes = 0;
        for id in needed {
            let Some(detached) = self.detached.get_mut(&id) else { continue };
            let Some(record) = detached.record.as_deref().filter(|record| Record::read(record).is_some()) else {
                // No chunk would bring it.
                detached.chunk = NOWHERE;
                continue;
            };
            detached.chunk = tail;
            let until = write(id, record);
            bytes += frame_bytes(MESSAGE_HEADER_BYTES + record.len()) as u64;
            let tail = self.chunk_mut(tail);
            tail.rewritten.insert(id);
            // Until the log is durable up to there, they stay in memory: they are nowhere else for sure.
            tail.rewritten_until = until;
        }
        self.chunk_mut(tail).log_bytes += bytes;
        self.log_bytes += bytes;
        // It holds records that can be evicted now, even if its own were.
        self.fresh.push(tail);
        self.chunk_mut(number).pins = 0;
        self.free(number);
        self.pop_freed();
    }

    /// A message stands outside of its chunk from now on.
    pub(super) fn detach(&mut self, id: u64, detached: Detached) {
        self.detached_memory += detached.memory();
        if let Some(before) = self.detached.insert(id, detached) {
            self.detached_memory -= before.memory();
        }
    }

    /// The bytes of a message that stands outside of its chunk are in memory, or not.
    pub(super) fn set_record(&mut self, id: u64, record: Option<Box<[u8]>>) {
        if let Some(detached) = self.detached.get_mut(&id) {
            self.detached_memory -= detached.memory();
            detached.record = record;
            self.detached_memory += detached.memory();
        }
    }

    /// Nobody needs a message any more that was moved.
    pub(super) fn drop_detached(&mut self, id: u64) {
        let Some(detached) = self.detached.remove(&id) else { return };
        let number = detached.chunk;
        self.detached_memory -= detached.memory();
        // Without a log it stands in no chunk.
        if self.segment.is_none() {
            return;
        }
        if let Some(chunk) = number.checked_sub(self.front).and_then(|index| self.chunks.get_mut(index as usize)) {
            chunk.rewritten.remove(id);
            self.let_go(number);
            self.pop_freed();
        }
    }
}
