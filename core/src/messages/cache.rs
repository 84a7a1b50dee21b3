//! Which messages of a log are in memory: what is wanted is asked for and loaded, what has room no more is evicted.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::content::are_places;
use super::{Content, Messages};
use crate::log::Loaded;

/// A chunk to be read from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) chunk: u64,
    pub(crate) segment: u32,
    /// Its first message, and the one after the last that the log has for sure.
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Bytes of its frames.
    pub(crate) bytes: u64,
}

impl Messages {
    /// Somebody waits for this chunk: it is asked for, unless it was.
    pub(crate) fn want(&mut self, chunk: u64) {
        // One read serves all who wait for it.
        if self.is_live(chunk) && !core::mem::replace(&mut self.chunk_mut(chunk).asked, true) {
            self.wanted.push(chunk);
        }
    }

    /// Asks for the chunk after this one, if a reader will come there soon and it is not here.
    pub(crate) fn want_after(&mut self, chunk: u64) {
        let next = chunk + 1;
        if self.is_live(next) && self.chunk(next).content.is_none() && next != self.tail_number() {
            self.want(next);
        }
    }

    /// Whether somebody waits for a chunk that was not asked for.
    pub(crate) fn wants(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The chunks to be asked for now.
    pub(crate) fn take_wanted(&mut self) -> Vec<Wanted> {
        let wanted = core::mem::take(&mut self.wanted);
        // No further than is durable: what is not in the log yet would come back as missing.
        let wanted = wanted.into_iter().filter(|&chunk| self.is_live(chunk)).map(|number| {
            let (chunk, next) = (self.chunk(number), self.chunks.get((number + 1 - self.front) as usize));
            let to = next.map_or(self.end.id, |next| next.first.id).min(self.durable).max(chunk.first.id);
            Wanted { chunk: number, segment: chunk.segment, from: chunk.first.id, to, bytes: chunk.log_bytes }
        });
        wanted.collect()
    }

    /// What was asked for is here.
    pub(crate) fn load(&mut self, number: u64, loaded: Loaded) {
        // It was freed while it was read.
        if !self.is_live(number) {
            return;
        }
        for (id, record) in &loaded.rewritten {
            // A message that was written again once more stands in another chunk now, and one that nobody needs in
            // none.
            if self.detached.get(id).is_some_and(|detached| detached.chunk == number) {
                self.set_record(*id, Some(record.clone()));
            }
        }
        for id in self.chunk(number).rewritten.iter().collect::<Vec<_>>() {
            if self.detached.get(&id).is_some_and(|detached| detached.record.is_none()) {
                // It should have been there: it cannot be read any more.
                self.set_record(id, Some(Box::default()));
            }
        }
        let to = loaded.from.saturating_add(loaded.offsets.len() as u64);
        let end = self.chunks.get((number + 1 - self.front) as usize).map_or(self.end.id, |next| next.first.id);
        let chunk = self.chunk_mut(number);
        chunk.asked = false;
        if loaded.from != chunk.first.id || to > end || !are_places(&loaded.offsets, &loaded.records) {
            // Nobody asked for that.
            return;
        }
        chunk.used.set(true);
        if to < chunk.content.as_ref().map_or(end, |newer| newer.start.id) {
            // More came, and was evicted, since it was asked for: without that there would be a hole.
            return self.want(number);
        }
        let before = chunk.memory();
        let mut content = Content::loaded(chunk.first, loaded);
        // The newest chunk may have gone on meanwhile.
        if let Some(newer) = &chunk.content {
            // What both have is the same; the read has what comes before, the newer what comes after.
            for id in to..newer.start.id + newer.len() as u64 {
                match newer.record(id) {
                    Some(record) => content.push(&record),
                    None => content.push_missing(),
                }
            }
        }
        chunk.record_bytes = chunk.record_bytes.max(content.record_bytes());
        chunk.content = Some(Box::new(content));
        let after = chunk.memory();
        self.chunk_memory = self.chunk_memory + after - before;
        self.fresh.push(number);
    }

    /// Looks at messages, and leaves no trace of that: what of them goes out of memory next is what it was.
    pub(crate) fn unseen<R>(&self, look: impl FnOnce() -> R) -> R {
        let used: Vec<bool> = self.chunks.iter().map(|chunk| chunk.used.get()).collect();
        let looked = look();
        self.chunks.iter().zip(used).for_each(|(chunk, used)| chunk.used.set(used));
        looked
    }

    /// It could not be read; it may be asked for again.
    pub(crate) fn load_failed(&mut self, number: u64) {
        if self.is_live(number) {
            // The next who wants it asks again.
            self.chunk_mut(number).asked = false;
        }
    }

    /// A command needs this chunk to stay until it is [released](Messages::release_chunk).
    pub(crate) fn hold_chunk(&mut self, number: u64) {
        if self.is_live(number) {
            self.chunk_mut(number).holds += 1;
        }
    }

    /// A command is done with this chunk.
    pub(crate) fn release_chunk(&mut self, number: u64) {
        if self.is_live(number) && self.chunk(number).holds > 0 {
            self.chunk_mut(number).holds -= 1;
            self.let_go(number);
            self.pop_freed();
        }
    }

    /// Messages before this one can be read back from the log.
    pub(crate) fn set_durable(&mut self, id: u64) {
        self.durable = self.durable.max(id);
    }

    /// The log is durable up to there, in bytes ever written to it.
    pub(crate) fn set_log_durable(&mut self, upto: u64) {
        self.log_durable = self.log_durable.max(upto);
    }

    /// From now on, messages go to this segment of the log.
    pub(crate) fn start_segment(&mut self, number: u32) {
        self.segment = Some(number);
    }

    /// Chunks that came into memory since the last call.
    pub(crate) fn take_fresh(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.fresh)
    }

    /// Whether anything of a chunk is, or may come to be, in memory that could be taken out.
    pub(crate) fn is_resident(&self, number: u64) -> bool {
        self.is_live(number) && (self.chunk(number).content.is_some() || !self.chunk(number).rewritten.is_empty())
    }

    /// Takes a chunk out of memory. `Some(false)` where it has to stay for now; `None` where there is nothing of it.
    pub(crate) fn evict(&mut self, number: u64) -> Option<bool> {
        if !self.is_live(number) {
            return None;
        }
        let (tail, end, durable) = (self.tail_number(), self.end.id, self.durable);
        let chunk = &self.chunks[(number - self.front) as usize];
        if chunk.content.is_none() && chunk.rewritten.is_empty() {
            return None;
        }
        let next = if number == tail { end } else { self.chunks[(number + 1 - self.front) as usize].first.id };
        // Only what can be read back may go: its own messages, and those that were written again among them.
        let is_durable = next <= durable && chunk.rewritten_until <= self.log_durable;
        // A read that was begun before something was written again does not bring it.
        let is_read = chunk.asked && !chunk.rewritten.is_empty();
        // The last question is asked only of a chunk that could go: one that was looked at since stays for one round
        // more.
        if chunk.holds > 0 || is_read || !is_durable || chunk.used.replace(false) {
            return Some(false);
        }
        let chunk = self.chunk_mut(number);
        let before = chunk.memory();
        chunk.content = None;
        let freed = before - chunk.memory();
        self.chunk_memory -= freed;
        for id in self.chunk(number).rewritten.iter().collect::<Vec<_>>() {
            self.set_record(id, None);
        }
        Some(true)
    }
}
