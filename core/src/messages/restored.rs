//! Messages as a checkpoint has them. Who reads and pins them follows from the channels, and what they take from what they
//! are: none of that is in it.

use super::{Chunk, Cursor, Messages};
use crate::log::event::Position;
use crate::log::load::MOST_MESSAGES;

impl Messages {
    /// What is not in a checkpoint, and follows from what is, but for [cursors](Messages::cursor_restored) and
    /// [pins](Messages::pin_restored); `None` where that is nothing they can have come to.
    pub(crate) fn restored(&mut self, is_logged: bool) -> Option<()> {
        let Messages { chunks, front, low, end, detached, segment, durable, .. } = self;
        let tail = front.checked_add(chunks.len() as u64)?.checked_sub(1)?;
        let is_taken_in = *front < u64::MAX / 4 * 3 && (*front..=tail).contains(low) && !chunks.back()?.freed;
        if !is_taken_in || segment.is_some() != is_logged || !end.is_sound() {
            return None;
        }
        let (mut next, mut memory, mut log_bytes) = (end.id, 0_usize, Position::default());
        for chunk in chunks.iter_mut().rev() {
            chunk.restored(next, *durable)?;
            next = chunk.first.id;
            memory = memory.checked_add(chunk.memory())?;
            log_bytes.bytes = log_bytes.bytes.checked_add(chunk.log_bytes)?;
        }
        (self.chunk_memory, self.log_bytes) = (memory, log_bytes.bytes);
        self.detached_memory = detached.values().map(super::Detached::memory).sum();
        log_bytes.is_sound().then_some(())
    }

    /// A reader that a checkpoint tells of is there again; `None` where it stands nowhere.
    pub(crate) fn cursor_restored(&mut self, cursor: &Cursor) -> Option<()> {
        let index = cursor.chunk.checked_sub(self.front)?;
        let chunk = self.chunks.get_mut(index as usize)?;
        chunk.cursors += 1;
        (cursor.chunk >= self.low && cursor.position.is_sound() && cursor.position.id <= self.end.id).then_some(())
    }

    /// A message that a checkpoint tells of is pinned again, where it was; `None` where it was not.
    pub(crate) fn pin_restored(&mut self, id: u64, chunk: u64) -> Option<()> {
        if id >= self.end.id {
            return None;
        }
        if let Some(detached) = self.detached.get_mut(&id) {
            detached.pins += 1;
            return Some(());
        }
        let chunk = self.chunks.get_mut(chunk.checked_sub(self.front)? as usize)?;
        let offset = id.checked_sub(chunk.first.id)?;
        *chunk.pin_counts.get_mut(offset as usize)? += 1;
        chunk.pins += 1;
        Some(())
    }
}

impl Chunk {
    /// The same of one, whose last message is before the first of these ids; the log has those before the second.
    fn restored(&mut self, next: u64, durable: u64) -> Option<()> {
        let count = next.checked_sub(self.first.id)?;
        // What is not in memory can be read.
        let here = self.content.as_ref().map_or(next, |content| content.start.id);
        let is_readable = here == self.first.id || here <= durable;
        if let Some(content) = &mut self.content {
            content.restored(next)?;
            if content.start.id < self.first.id {
                return None;
            }
        }
        // There are as many counts as there were, and nothing is counted.
        self.pin_counts.fill(0);
        let is_empty = self.content.is_none() && self.pin_counts.is_empty() && self.log_bytes == 0;
        let is_read_at_once = is_readable && count <= MOST_MESSAGES && self.pin_counts.len() as u64 <= count;
        // Of what may still be added to, there is an end.
        let has_room = self.limit < usize::MAX && self.holds < u32::MAX / 2;
        let is_sound = if self.freed { is_empty } else { is_read_at_once };
        (is_sound && has_room && self.first.is_sound()).then_some(())
    }
}
