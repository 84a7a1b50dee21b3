//! Making the old segments of a topic's log go: what is still needed of them is written again at the end.
//!
//! The topic does so by itself where only few messages are needed of much. A host that wants everything before a place to
//! go (for it shares what it stores, and can free only its oldest part) asks for [that](Topic::compact_before): then whole
//! chunks are relocated as well, the backlog of a channel that nobody reads among them.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Topic;

/// How many segments of messages that nobody needs may stand on the disk beside as many bytes as are needed.
const SLACK_SEGMENTS: u64 = 4;
/// About so many bytes of chunks are relocated at once, or as many as a segment has: what comes between is written behind
/// them, and costs the next ones a segment of their own.
const BATCH_BYTES: u64 = 4 << 20;

/// What of a log is to be written again.
#[derive(Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(super) struct Compaction {
    /// The chunks, by number.
    queue: VecDeque<u64>,
    /// So many of the first are held, so that none leaves memory before all that are relocated with it are there.
    held: usize,
    /// Everything before this segment is to go. The chunks are found once the next segment has begun, for until then
    /// the newest chunk may be one of them.
    before: Option<u32>,
    /// Chunks that are needed as a whole are relocated. The topic by itself leaves them where they are: they would be as
    /// many bytes again.
    relocates: bool,
    /// The next segment is due, whatever this one has.
    needs_segment: bool,
    /// Chunks were relocated that the last snapshot has where they stood before: that has to stay until there is another.
    is_uncovered: bool,
    /// The same, and no segment was begun since: one that could have no snapshot, for it would be too large, is not begun
    /// for it again and again.
    wants_snapshot: bool,
}

impl Compaction {
    /// Whether the next segment is due, whatever this one has.
    pub(super) fn needs_segment(&self) -> bool {
        self.needs_segment
    }

    /// Whether the last snapshot tells where everything is.
    pub(super) fn is_covered(&self) -> bool {
        !self.is_uncovered
    }

    /// Whether everything before some segment is to go, which is planned when the next one has begun.
    pub(super) fn is_asked_for(&self) -> bool {
        self.before.is_some()
    }

    /// Whether older messages may be written to the next segment.
    pub(super) fn is_pending(&self) -> bool {
        self.is_asked_for() || !self.queue.is_empty()
    }

    /// A segment was begun; `has_snapshot` says that it has a snapshot.
    pub(super) fn segment_begun(&mut self, has_snapshot: bool) {
        (self.needs_segment, self.wants_snapshot) = (false, false);
        self.is_uncovered &= !has_snapshot;
    }
}

impl Topic {
    /// Everything before this segment of the log is to go, as soon as that can be; false where there is no log, or it failed.
    /// The segments that went are [told](crate::log::Truncate) as always.
    pub(crate) fn compact_before(&mut self, segment: u32) -> bool {
        let first = self.messages.first_segment();
        let Some(log) = self.log.as_mut().filter(|log| !log.journal.has_failed()) else { return false };
        // A segment that is not there yet has nothing before it that could go sooner.
        let segment = segment.min(log.journal.segment() + 1);
        if first.min(log.journal.last_snapshot()) < segment {
            log.compaction.before = log.compaction.before.max(Some(segment));
            log.compaction.needs_segment = true;
        }
        true
    }

    /// The lowest id that a message may have which is written to the log next.
    pub(super) fn next_index(&self) -> u64 {
        let end = self.messages.end().id;
        let Some(log) = &self.log else { return end };
        let mut chunks = log.compaction.queue.iter().filter(|chunk| self.messages.is_live(**chunk));
        let first = chunks.next().map(|chunk| self.messages.first_of_chunk(*chunk));
        first.filter(|first| log.journal.takes_relocated(*first)).unwrap_or(end)
    }

    /// A segment was begun: finds out whether too much of the log is of no use, and which chunks to write again for it to go.
    pub(super) fn plan_compaction(&mut self) {
        let before = self.log.as_mut().and_then(|log| log.compaction.before.take());
        if let Some(before) = before {
            self.release_held();
            // What is relocated stands before all that is read with the messages that come: so it goes first.
            let Some(log) = &mut self.log else { return };
            log.compaction.queue.clear();
            for is_whole in [true, false] {
                let chunks = self.messages.chunks_before(before);
                log.compaction.queue.extend(chunks.filter(|&chunk| self.messages.is_needed_whole(chunk) == is_whole));
            }
            log.compaction.relocates = true;
            return;
        }
        // One plan at a time: chunks that it names would be named again.
        let Some(log) = self.log.as_mut().filter(|log| log.compaction.queue.is_empty()) else { return };
        let (needed, sparse) = self.messages.needed();
        let slack = log.journal.segment_bytes().saturating_mul(SLACK_SEGMENTS);
        if log.journal.disk_bytes() > slack.saturating_add(2 * needed) {
            (log.compaction.queue, log.compaction.relocates) = (sparse.into(), false);
        }
    }

    /// Writes chunks again, as far as they are in memory, and not more than a batch of whole ones: what is to be written then
    /// goes on once that is durable. Asks for what is not in memory.
    pub(crate) fn compact(&mut self) {
        while let Some(log) = self.log.as_mut()
            && !log.journal.has_failed()
            && !log.compaction.needs_segment
        {
            let Some(&chunk) = log.compaction.queue.front() else {
                // The old segments can go once a snapshot tells where everything is.
                log.compaction.needs_segment = log.compaction.wants_snapshot;
                return;
            };
            let is_live = self.messages.is_live(chunk);
            let is_whole = is_live && self.messages.is_needed_whole(chunk);
            if is_whole && log.compaction.relocates {
                return self.relocate_batch();
            }
            if is_whole || !is_live {
                self.next_chunk();
                continue;
            }
            if !self.messages.is_cached(chunk) {
                // It goes on when this one was read: the oldest segment goes first, or none does.
                return self.messages.want(chunk);
            }
            self.messages.rewrite_chunk(chunk, |id, record| {
                log.journal.rewrite(id, record);
                log.journal.written()
            });
            self.next_chunk();
        }
    }

    /// Relocates the first chunks, as soon as all of them are in memory, to a segment that nothing was published into.
    fn relocate_batch(&mut self) {
        let Some(log) = &mut self.log else { return };
        let most = log.journal.segment_bytes().min(BATCH_BYTES);
        let (mut batch, mut bytes, mut is_cached, mut last) = (0, 0, true, None);
        for &chunk in &log.compaction.queue {
            let is_whole = self.messages.is_live(chunk) && self.messages.is_needed_whole(chunk);
            // Ids only grow within a segment: one that has come to be needed as a whole stands behind later ones here.
            if bytes >= most || !is_whole || last > Some(chunk) {
                break;
            }
            last = Some(chunk);
            bytes += self.messages.chunk_bytes(chunk);
            if batch >= log.compaction.held {
                self.messages.hold_chunk(chunk);
            }
            batch += 1;
            if !self.messages.is_cached_whole(chunk) {
                self.messages.want(chunk);
                is_cached = false;
            }
        }
        log.compaction.held = log.compaction.held.max(batch);
        if !is_cached {
            return;
        }
        let first = log.compaction.queue.front().map_or(0, |chunk| self.messages.first_of_chunk(*chunk));
        if !log.journal.takes_relocated(first) {
            log.compaction.needs_segment = true;
            return;
        }
        let segment = log.journal.segment();
        for &chunk in log.compaction.queue.iter().take(batch) {
            self.messages.relocate(chunk, segment, |id, before, record| {
                log.journal.relocate(id, before, record);
                log.journal.written()
            });
        }
        (log.compaction.is_uncovered, log.compaction.wants_snapshot) = (true, true);
        for _ in 0..batch {
            self.next_chunk();
        }
    }

    /// The first chunk of the queue is done with.
    fn next_chunk(&mut self) {
        let Some(compaction) = self.log.as_mut().map(|log| &mut log.compaction) else { return };
        let is_held = compaction.held > 0;
        compaction.held = compaction.held.saturating_sub(1);
        if let Some(chunk) = compaction.queue.pop_front().filter(|_| is_held) {
            self.messages.release_chunk(chunk);
        }
    }

    fn release_held(&mut self) {
        while self.log.as_ref().is_some_and(|log| log.compaction.held > 0) {
            self.next_chunk();
        }
    }
}
