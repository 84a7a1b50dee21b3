//! Where messages stand: by id, by time, by bytes.

use super::content::Content;
use super::{Chunk, Messages, NotCached};
use crate::log::event::Position;
use crate::time::Time;

impl Messages {
    /// The place of the first message that may still be there. In a replay, all may.
    pub(crate) fn first_position(&self) -> Position {
        if self.replaying {
            return Position::default();
        }
        self.chunks.iter().find(|chunk| !chunk.freed).map_or(self.end, |chunk| chunk.first)
    }

    /// The oldest id that may still be there.
    pub(crate) fn first_id(&self) -> u64 {
        self.chunks.front().map_or(self.end.id, |chunk| chunk.first.id)
    }

    /// The number of the chunk that has or had this id, or will have it. O(log chunks).
    pub(crate) fn chunk_of(&self, id: u64) -> u64 {
        // Chunks without a message begin where the next one does: the last of them is found, which will have it.
        let after = self.chunks.partition_point(|chunk| chunk.first.id <= id);
        // What is older than the first chunk stands aside, if anywhere: the number is that of a chunk that is gone.
        (self.front + after as u64).saturating_sub(1)
    }

    /// The place of a message that was not freed.
    pub(crate) fn position_of(&self, id: u64) -> Result<Position, NotCached> {
        if id >= self.end.id {
            return Ok(self.end);
        }
        let number = self.chunk_of(id);
        let Some(chunk) = number.checked_sub(self.front).and_then(|index| self.chunks.get(index as usize)) else {
            // It is gone: the next that may be there is the first of all.
            return Ok(self.chunks.front().map_or(self.end, |chunk| chunk.first));
        };
        if chunk.first.id >= id || chunk.freed {
            return Ok(chunk.first);
        }
        // Only within a chunk the records have to be looked at.
        let content = chunk.content.as_ref().filter(|content| content.has(id)).ok_or(NotCached(number))?;
        Ok(content.position_of(id))
    }

    /// The place of a message, or, where that is not at hand, one near it that is; in any case one after `from`.
    pub(crate) fn place_near(&self, id: u64, from: u64) -> Position {
        if let Some(exact) = self.position_of(id).ok().filter(|exact| exact.id > from) {
            return exact;
        }
        // Where a chunk begins is known, whether it is in memory or not.
        let index = self.chunk_of(id).saturating_sub(self.front) as usize;
        let mut starts = self.chunks.iter().skip(index).map(|chunk| chunk.first);
        starts.find(|start| start.id > from).unwrap_or(self.end)
    }

    /// The first message published at this time or later, or the next one. O(log messages), where not many in a row
    /// cannot be read.
    pub(crate) fn find_time(&self, at: Time) -> Result<u64, NotCached> {
        let index = self.chunks.partition_point(|chunk| chunk.last_at < at);
        let Some(chunk) = self.chunks.get(index) else { return Ok(self.end.id) };
        let content = self.whole_content(index, chunk)?;
        Ok(content.map_or(chunk.first.id, |content| content.find_time(at)))
    }

    /// The first message such that it and all after it have at most so many bytes. O(log messages).
    pub(crate) fn find_last_bytes(&self, bytes: u64) -> Result<u64, NotCached> {
        let from = self.end.bytes.saturating_sub(bytes);
        // The chunk before the first that begins late enough may have a message that does.
        let index = self.chunks.partition_point(|chunk| chunk.first.bytes < from).saturating_sub(1);
        let chunk = &self.chunks[index];
        if chunk.first.bytes >= from {
            return Ok(chunk.first.id);
        }
        let content = self.whole_content(index, chunk)?;
        Ok(content.map_or(chunk.first.id, |content| content.partition(|position| position.bytes < from)))
    }

    /// The messages of a chunk from its first on, unless it is freed or has none.
    fn whole_content<'a>(&self, index: usize, chunk: &'a Chunk) -> Result<Option<&'a Content>, NotCached> {
        let next = self.chunks.get(index + 1).map_or(self.end.id, |next| next.first.id);
        // Nothing would be read of it.
        if chunk.freed || next == chunk.first.id {
            return Ok(None);
        }
        let content = chunk.content.as_deref().filter(|content| content.has(chunk.first.id));
        content.map(Some).ok_or(NotCached(self.front + index as u64))
    }

    /// The first message of the chunk in which the first one of this age stands: nothing younger is before it.
    pub(crate) fn find_chunk_by_time(&self, at: Time) -> u64 {
        let index = self.chunks.partition_point(|chunk| chunk.last_at < at);
        self.chunks.get(index).map_or(self.end.id, |chunk| chunk.first.id)
    }

    /// The first message of the chunk with which so many bytes of bodies begin.
    pub(crate) fn find_chunk_by_bytes(&self, bytes: u64) -> u64 {
        let from = self.end.bytes.saturating_sub(bytes);
        let index = self.chunks.partition_point(|chunk| chunk.first.bytes <= from).saturating_sub(1);
        self.chunks[index].first.id
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
}
