//! The table of chunks as a snapshot has it, and back.

use alloc::vec::Vec;

use super::{Aside, Chunk, Messages, NOWHERE};
use crate::by_id::ById;
use crate::log::image::{ChunkImage, TopicImage};
use crate::time::Time;

impl Messages {
    /// Those that a log has, none of them in memory. What nobody needs of them is freed once all
    /// [cursors](Messages::cursor) and [pins](Messages::pin) are there, by [`Messages::set_keep`].
    pub(crate) fn recovered(image: &TopicImage, segment: u32) -> Self {
        let mut messages = Messages::empty(Some(segment), image.next);
        messages.front = image.chunks.first().map_or(0, |chunk| chunk.number);
        for chunk in &image.chunks {
            let missing = chunk.number - (messages.front + messages.chunks.len() as u64);
            debug_assert_eq!(missing, 0, "chunks are numbered in a row");
            messages.chunks.push_back(Chunk {
                first: chunk.first,
                last_at: Time::from_nanos(chunk.last_at),
                log_bytes: chunk.log_bytes,
                record_bytes: u32::MAX as usize,
                segment: chunk.segment,
                freed: chunk.freed,
                ..Chunk::default()
            });
            messages.log_bytes += chunk.log_bytes;
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
