//! The table of chunks as a snapshot has it, and back; and how a replay goes on with it.

use alloc::vec::Vec;

use super::{Aside, CHUNK_BYTES, Chunk, Messages, NOWHERE};
use crate::by_id::ById;
use crate::log::event::Mark;
use crate::log::image::{ChunkImage, TopicImage};
use crate::time::Time;

/// More messages than any chunk has: of a log that says otherwise, they cannot be read.
const MOST_MESSAGES: u64 = 1 << 22;

impl Messages {
    /// Those that a log has, none of them in memory. What nobody needs of them is freed once all
    /// [cursors](Messages::cursor) and [pins](Messages::pin) are there, by [`Messages::set_keep`].
    pub(crate) fn recovered(image: &TopicImage, segment: u32) -> Self {
        let mut messages = Messages::empty(Some(segment), image.next);
        messages.front = image.chunks.first().map_or(0, |chunk| chunk.number.min(u64::MAX / 2));
        let ends = image.chunks.iter().skip(1).map(|next| next.first.id).chain([image.next.id]);
        for (chunk, end) in image.chunks.iter().zip(ends) {
            let first = chunk.first.max(messages.chunks.back().map_or(Mark::default(), |last: &Chunk| last.first));
            messages.chunks.push_back(Chunk {
                first: first.min(image.next),
                last_at: Time::from_nanos(chunk.last_at),
                log_bytes: chunk.log_bytes,
                record_bytes: u32::MAX as usize,
                segment: chunk.segment,
                // What cannot be read because it is not there is no reason to have room for it.
                freed: chunk.freed || end.saturating_sub(chunk.first.id) > MOST_MESSAGES,
                ..Chunk::default()
            });
            messages.log_bytes = messages.log_bytes.saturating_add(chunk.log_bytes);
        }
        if let Some(freed) = messages.chunks.iter().rposition(|chunk| chunk.freed) {
            messages.whole = messages.chunks.get(freed + 1).map_or(image.next.id, |chunk| chunk.first.id);
        } else {
            messages.whole = messages.chunks.front().map_or(image.next.id, |chunk| chunk.first.id);
        }
        for (&id, &number) in image.kept.iter() {
            if let Some(chunk) = number.checked_sub(messages.front).and_then(|i| messages.chunks.get_mut(i as usize)) {
                chunk.kept.insert(id);
                messages.set_aside(id, Aside { pins: 0, record: None, chunk: number });
            }
        }
        // A table has a last chunk that takes what comes; what comes does not go to one that was recovered.
        messages.add_chunk(0);
        messages.low = messages.tail_number();
        messages
    }

    /// The same, for a replay to go on with.
    pub(crate) fn replaying(image: &TopicImage) -> Self {
        let mut messages = Messages::recovered(image, 0);
        messages.chunks.pop_back();
        (messages.replaying, messages.low) = (true, messages.front);
        messages
    }

    /// A message was published; the log has it in this segment, in so many bytes.
    pub(crate) fn append_stored(&mut self, at: Time, size: u32, log_bytes: u64, segment: u32) {
        let end = self.end;
        let chunk = self.stored_chunk(segment);
        chunk.log_bytes = chunk.log_bytes.saturating_add(log_bytes);
        chunk.last_at = chunk.last_at.max(at);
        self.end = Mark { id: end.id.saturating_add(1), bytes: end.bytes.saturating_add(size.into()) };
    }

    /// Messages up to this place were published, and the log does not have them.
    pub(crate) fn append_lost(&mut self, to: Mark) {
        let (segment, last_at) = self.chunks.back().map_or_else(Default::default, |last| (last.segment, last.last_at));
        self.chunks.push_back(Chunk { first: self.end, last_at, segment, freed: true, ..Chunk::default() });
        self.end = to;
    }

    /// An older message was written again, to this segment, in so many bytes.
    pub(crate) fn rewritten(&mut self, id: u64, log_bytes: u64, segment: u32) {
        let chunk = self.stored_chunk(segment);
        chunk.log_bytes = chunk.log_bytes.saturating_add(log_bytes);
        let number = self.tail_number();
        self.set_aside(id, Aside { pins: 0, record: None, chunk: number });
    }

    /// The chunk for what a log has next.
    fn stored_chunk(&mut self, segment: u32) -> &mut Chunk {
        let last = self.chunks.back();
        let fits = |last: &Chunk| !last.freed && last.segment == segment && last.log_bytes < CHUNK_BYTES as u64;
        if !last.is_some_and(fits) {
            let last_at = last.map_or(Time::default(), |last| last.last_at);
            self.chunks.push_back(Chunk { first: self.end, last_at, segment, ..Chunk::default() });
        }
        self.chunks.back_mut().expect("there is one now")
    }

    /// What a snapshot tells of the chunks, and where kept messages are.
    pub(crate) fn image(&self) -> (Vec<ChunkImage>, ById<u64>) {
        let numbers = self.front..;
        let chunks = self.chunks.iter().zip(numbers);
        let chunks = chunks.map(|(chunk, number)| ChunkImage {
            number,
            segment: chunk.segment,
            first: chunk.first,
            last_at: chunk.last_at.as_nanos(),
            log_bytes: chunk.log_bytes,
            freed: chunk.freed,
        });
        let kept = self.aside.iter().filter(|(_, aside)| aside.chunk != NOWHERE);
        (chunks.collect(), kept.map(|(&id, aside)| (id, aside.chunk)).collect())
    }

    /// Lets go of all that nobody needs: to be called once all cursors and pins of a recovered topic are there.
    pub(crate) fn sweep(&mut self) {
        for id in self.aside.iter().filter(|(_, aside)| aside.pins == 0).map(|(id, _)| *id).collect::<Vec<_>>() {
            self.forget_aside(id);
        }
        for number in self.front..self.low {
            self.let_go(number);
        }
        self.pop_freed();
    }
}
