//! The table of chunks as a snapshot has it, and back; and how a replay goes on with it.

use alloc::vec::Vec;

use super::{CHUNK_BYTES, Chunk, Detached, Messages, NOWHERE};
use crate::by_id::ById;
use crate::log::event::Position;
use crate::log::image::{ChunkImage, Gap, TopicImage};
use crate::log::load::MOST_MESSAGES;
use crate::time::Time;

/// The segment of a chunk of messages that no log has: segments are counted from 1 on.
const LOST: u32 = 0;

impl Messages {
    /// Those that a log has, none of them in memory. What nobody needs of them is freed once all
    /// [cursors](Messages::cursor) and [pins](Messages::pin) are there, by [`Messages::set_keep`].
    pub(crate) fn recovered(image: &TopicImage, segment: u32) -> Self {
        let end = Position { id: image.next.id.max(1), ..image.next };
        let mut messages = Messages::empty(Some(segment), end);
        // All is kept until it is known what is retained: a lease that ended meanwhile lets go of its message before that.
        messages.keep = 0;
        // A snapshot may be forged: there have to be numbers left to go on with.
        messages.front = image.chunks.first().map_or(0, |chunk| chunk.number.min(u64::MAX / 2));
        let (mut first, mut last_at) = (Position { id: 1, bytes: 0 }, Time::default());
        for chunk in &image.chunks {
            // Whatever order they are told in: places and times only grow from chunk to chunk.
            first = chunk.first.within(first, end);
            last_at = last_at.max(Time::from_nanos(chunk.last_at));
            messages.chunks.push_back(Chunk {
                first,
                last_at,
                log_bytes: chunk.log_bytes.min(u32::MAX.into()),
                // It is full: what comes goes to the chunk that is made below.
                record_bytes: u32::MAX as usize,
                segment: chunk.segment,
                freed: chunk.freed,
                ..Chunk::default()
            });
        }
        for index in 0..messages.chunks.len() {
            let next = messages.chunks.get(index + 1).map_or(end.id, |next| next.first.id);
            let chunk = &mut messages.chunks[index];
            // What cannot be read because it is not there is no reason to have room for it.
            if next - chunk.first.id > MOST_MESSAGES {
                chunk.freed = true;
            }
            if chunk.freed {
                chunk.log_bytes = 0;
            }
            messages.log_bytes += chunk.log_bytes;
        }
        // From the last one that was freed on; or, where none was, from the first that the log still has. What was lost was
        // not freed: what stands before it is retained all the same.
        if let Some(freed) = messages.chunks.iter().rposition(|chunk| chunk.freed && chunk.segment != LOST) {
            messages.whole = messages.chunks.get(freed + 1).map_or(end.id, |chunk| chunk.first.id);
        } else {
            messages.whole = messages.chunks.front().map_or(end.id, |chunk| chunk.first.id);
        }
        for (&id, &number) in image.rewritten.iter() {
            if let Some(chunk) = number.checked_sub(messages.front).and_then(|i| messages.chunks.get_mut(i as usize)) {
                chunk.rewritten.insert(id);
                // Who needs it pins it when channels are made; what nobody pinned goes with `sweep`.
                messages.detach(id, Detached { pins: 0, record: None, chunk: number });
            }
        }
        // A table has a last chunk that takes what comes; what comes does not go to one that was recovered.
        messages.add_chunk(0);
        // No cursor is there yet: each that comes takes it down to where it stands.
        messages.low = messages.tail_number();
        messages
    }

    /// No message was published later than now, whatever clock said so: chunks of times to come would be kept until then.
    pub(crate) fn fit_clock(&mut self, now: Time) {
        self.chunks.iter_mut().for_each(|chunk| chunk.last_at = chunk.last_at.min(now));
    }

    /// Ids from this place on that cannot be read, in rows.
    pub(crate) fn unreadable(&self, from: Position) -> Vec<Gap> {
        let mut rows: Vec<Gap> = Vec::new();
        for index in self.chunks.partition_point(|chunk| chunk.first.id <= from.id).saturating_sub(1)..self.chunks.len()
        {
            let to = self.chunks.get(index + 1).map_or(self.end.id, |next| next.first.id);
            let start = self.chunks[index].first.id.max(from.id);
            match rows.last_mut() {
                _ if !self.chunks[index].freed || start >= to => {}
                Some(last) if last.to == start => last.to = to,
                _ => rows.push(Gap { from: start, to, bytes: 0 }),
            }
        }
        rows
    }

    /// The same, for a replay to go on with.
    pub(crate) fn replaying(image: &TopicImage) -> Self {
        let mut messages = Messages::recovered(image, 0);
        // The log says by itself where its next chunk begins.
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
        self.end = Position { id: end.id.saturating_add(1), bytes: end.bytes.saturating_add(size.into()) };
    }

    /// Messages up to this place were published, and the log does not have them.
    pub(crate) fn append_lost(&mut self, to: Position) {
        let to = Position { bytes: to.bytes.max(self.end.bytes), ..to };
        // A chunk of its own that is freed: whoever comes there passes over it in one step.
        let last_at = self.chunks.back().map_or_else(Time::default, |last| last.last_at);
        self.chunks.push_back(Chunk { first: self.end, last_at, segment: LOST, freed: true, ..Chunk::default() });
        self.end = to;
    }

    /// An older message was written again, to this segment, in so many bytes.
    pub(crate) fn append_rewritten(&mut self, id: u64, log_bytes: u64, segment: u32) {
        let chunk = self.stored_chunk(segment);
        chunk.log_bytes = chunk.log_bytes.saturating_add(log_bytes);
        let number = self.tail_number();
        self.detach(id, Detached { pins: 0, record: None, chunk: number });
    }

    /// The chunk for what a log has next.
    fn stored_chunk(&mut self, segment: u32) -> &mut Chunk {
        let last = self.chunks.back();
        // The limit of a running topic is not known here: chunks need not be the same after a start.
        let fits = |last: &Chunk| !last.freed && last.segment == segment && last.log_bytes < CHUNK_BYTES as u64;
        if !last.is_some_and(fits) {
            let last_at = last.map_or(Time::default(), |last| last.last_at);
            self.chunks.push_back(Chunk { first: self.end, last_at, segment, ..Chunk::default() });
        }
        self.chunks.back_mut().expect("there is one now")
    }

    /// What a snapshot tells of the chunks, and where rewritten messages are.
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
        // What is nowhere cannot be read again, and after a start it is not looked for.
        let rewritten = self.detached.iter().filter(|(_, detached)| detached.chunk != NOWHERE);
        (chunks.collect(), rewritten.map(|(&id, detached)| (id, detached.chunk)).collect())
    }

    /// Lets go of all that nobody needs: to be called once all cursors and pins of a recovered topic are there, for
    /// until then everything looks as if nobody needed it.
    pub(crate) fn sweep(&mut self) {
        for id in self.detached.iter().filter(|(_, detached)| detached.pins == 0).map(|(id, _)| *id).collect::<Vec<_>>()
        {
            self.drop_detached(id);
        }
        // After the detached ones, which hold the chunks that they stand in.
        for number in self.front..self.low {
            self.let_go(number);
        }
        self.pop_freed();
    }
}
