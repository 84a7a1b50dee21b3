//! Writing a topic's log: what happens becomes frames, which wait here until the host takes them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use serde::{Deserialize, Serialize};

use super::event::{Event, Position};
use super::frame::{FRAME_HEADER_BYTES, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, write_frame};
use super::image::TopicImage;
use super::{Append, LogId};
use crate::config::MAX_SNAPSHOT_BYTES;
use crate::name::Name;
use crate::split_mix::SplitMix64;
use crate::time::Time;

/// Less than this after a snapshot is replayed in no time.
const MUCH_TO_REPLAY: u64 = 64 * 1024;
/// What a device gives or does not give as a whole, at most.
const BLOCK_BYTES: usize = 4096;
/// So many segments without a snapshot are enough.
const FAR_FROM_SNAPSHOT: u32 = 4;

/// The end of a topic's log.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(crate) struct Journal {
    log: LogId,
    header: SegmentHeader,
    /// Where in the segment the next byte goes.
    /// Invariant: it is `unwritten_from` plus the length of `unwritten`, until the log has failed.
    offset: u64,
    /// Frames that the host has not taken, and where they begin.
    /// Invariant: all of them belong to the segment of `header`; they are taken before the next segment begins.
    #[serde(with = "crate::state::bytes")]
    unwritten: Vec<u8>,
    unwritten_from: u64,
    /// The id of the next message at the first of them.
    index: u64,
    /// The header is among them, or goes before the first of them.
    begins: bool,
    /// The header of this segment is not among them yet: it is written with the first frame.
    unbegun: bool,
    /// The lowest id of a message that may be [relocated](Journal::relocate) to this segment: ids only grow within one. None
    /// where none may be, for messages were published into it, or others stand in it that are read with those.
    relocates_from: Option<u64>,
    /// The host syncs what it says is appended: so the log says how far it was durable at each append, for whoever has to
    /// tell later what was torn from what was damaged.
    vouches: bool,
    /// How far that was said of this segment; none before its first frame.
    vouched: Option<u64>,
    /// Something is among them that somebody may wait for.
    needs_sync: bool,
    /// How far the log reaches with the last of what somebody may wait for.
    /// Invariant: it is never above `written`.
    sync_until: u64,
    /// Bytes written to the log, taken by the host or not, and how far they are durable. Both count from the start of
    /// the segment in which this life of the log began, so that they mean something only beside its `LogId`.
    written: u64,
    durable: u64,
    /// A segment has about so many bytes, and a few times those of its snapshot.
    segment_bytes: u64,
    snapshot_bytes: u64,
    /// The segment that has the last snapshot; where it is not known, that which was read from.
    last_snapshot: u32,
    /// Bytes of the segments before this one that are not forgotten.
    old: VecDeque<(u32, u64)>,
    seeds: SplitMix64,
    /// An append failed: what the log has at its end is not known, and nothing more goes there.
    failed: bool,
    /// For each append under way, how far the log and the messages reach with it.
    /// Invariant: both only grow from front to back, for appends are taken in the order of the log.
    under_way: VecDeque<(u64, Position)>,
    /// What happened last, where it may become one with what happens next.
    /// Invariant: nothing was written after it. Whoever writes a frame ends the run first, so that the log has
    /// everything in the order in which it happened. `written` does not count it yet.
    open: Option<Event>,
}

impl Journal {
    /// A log that begins now.
    pub(crate) fn new(log: LogId, segment_bytes: u64, now: Time, seed: u64) -> Self {
        let mut journal = Journal::at(log, SegmentHeader::default(), 0, (0, 0), segment_bytes, seed);
        journal.begin_segment(now, 1);
        journal
    }

    /// A log that goes on at this offset, with a message of this id.
    pub(crate) fn at(
        log: LogId,
        header: SegmentHeader,
        snapshot: u32,
        (offset, index): (u64, u64),
        segment_bytes: u64,
        seed: u64,
    ) -> Self {
        Journal {
            log,
            header,
            offset,
            unwritten: Vec::new(),
            unwritten_from: offset,
            index,
            begins: false,
            unbegun: false,
            relocates_from: None,
            vouches: false,
            vouched: None,
            needs_sync: false,
            sync_until: offset,
            written: offset,
            durable: offset,
            segment_bytes,
            snapshot_bytes: 0,
            last_snapshot: snapshot,
            old: VecDeque::new(),
            seeds: SplitMix64::new(seed),
            failed: false,
            under_way: VecDeque::new(),
            open: None,
        }
    }

    /// What the host says is appended is on the disk.
    #[must_use]
    pub(crate) fn vouching(mut self, vouches: bool) -> Self {
        self.vouches = vouches;
        self
    }

    /// Nothing more goes to the segment that it ended with: the next begins with the first frame that is written, without a
    /// snapshot, so that a topic to which nothing happens writes nothing. A replay begins with a segment before it.
    pub(crate) fn seal(&mut self, now: Time) {
        if self.header.number > 0 {
            self.old.push_back((self.header.number, self.offset));
        }
        let index = self.index;
        self.number_segment(now, index);
        (self.unbegun, self.begins) = (true, true);
    }

    /// Whether it is what it can have come to, of a topic that ends with this id: a little more can be written. Of one that
    /// was read from bytes, nobody knows.
    pub(crate) fn is_sound(&self, end: u64) -> bool {
        let counts = [self.offset, self.written, self.sync_until, self.snapshot_bytes];
        let is_sound = |position: Position| position.is_sound() && position.id <= end;
        let has_numbers = self.header.number <= u32::MAX / 4 * 3 && counts.iter().all(|count| *count < 1 << 58);
        has_numbers && self.under_way.iter().all(|append| is_sound(append.1))
    }

    pub(crate) fn log(&self) -> LogId {
        self.log
    }

    /// About how large a segment gets.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// The number of the segment that is written to.
    pub(crate) fn segment(&self) -> u32 {
        self.header.number
    }

    /// The segments before it that the log still has, with their bytes.
    pub(crate) fn old_segments(&self) -> Vec<(u32, u64)> {
        self.old.iter().copied().collect()
    }

    pub(crate) fn set_old_segments(&mut self, old: Vec<(u32, u64)>) {
        self.old = old.into();
    }

    /// Bytes of all segments.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.old.iter().fold(self.offset, |sum, segment| sum.saturating_add(segment.1))
    }

    /// How far the log reaches.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How far it reaches with all that happened until now.
    pub(crate) fn written_with_run(&mut self) -> u64 {
        self.end_run();
        self.written
    }

    /// How far it has to be durable for all that somebody may wait for; `None` where it is.
    pub(crate) fn awaited(&mut self) -> Option<u64> {
        // A lazy event stays open: nobody waits for it, and what comes next may still join it.
        if self.open.as_ref().is_some_and(|event| !event.is_lazy()) {
            self.end_run();
        }
        (self.sync_until > self.durable).then_some(self.sync_until)
    }

    /// Somebody waits for all that happened until now.
    pub(crate) fn require_sync(&mut self) {
        self.end_run();
        self.sync_until = self.written;
        // What was taken as a lazy append stays lazy: the host syncs it a little later by itself, and the answer waits
        // so long.
        self.needs_sync = !self.unwritten.is_empty();
    }

    /// Bytes that the log does not have for sure.
    pub(crate) fn bytes_not_durable(&self) -> u64 {
        self.written - self.durable.min(self.written)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) fn fail(&mut self) {
        self.failed = true;
        // What was not taken never gets to the disk. The topic goes on in memory, so that consumers still get what is
        // durable, and from now on nothing that happens to it is written.
        (self.unwritten, self.open) = (Vec::new(), None);
    }

    /// Whether the host has something to take.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty() || self.open.is_some()
    }

    /// Something happened. What consumers do to one message after another becomes one event.
    pub(crate) fn event(&mut self, event: &Event) {
        if event.is_implied() || self.failed {
            return;
        }
        // Only the event right before is asked: the order of what happened in different channels stays.
        if self.open.as_mut().is_some_and(|open| open.join(event)) {
            return;
        }
        self.end_run();
        if event.can_join() {
            self.open = Some(event.clone());
        } else {
            self.write_event(event);
        }
    }

    fn end_run(&mut self) {
        if let Some(event) = self.open.take() {
            self.write_event(&event);
        }
    }

    fn write_event(&mut self, event: &Event) {
        if event.is_lazy() {
            return self.lazy_frame(Kind::Event, false, |out| write_postcard(event, out));
        }
        self.frame(Kind::Event, false, |out| write_postcard(event, out));
        // The copy stands right behind, so that a replay that could read the first passes over it.
        if event.is_vital() {
            self.frame(Kind::EventCopy, false, |out| write_postcard(event, out));
        }
    }

    /// Something that holds if the publish after it does: a dedup key, or a producer's number. Its frame is a part of
    /// the publish, for if a crash left the key without the message, a retry would be taken for a duplicate of what is
    /// not there.
    pub(crate) fn event_of_publish(&mut self, event: &Event) {
        self.frame(Kind::Event, true, |out| write_postcard(event, out));
    }

    /// A message was published; `more` says that another of the same publish comes next.
    pub(crate) fn message(&mut self, id: u64, before: u64, record: &[u8], more: bool) {
        self.relocates_from = None;
        self.frame(Kind::Message, more, |out| write_message(id, before, record, out));
    }

    /// An older message is written again, to be read with those that are published next.
    pub(crate) fn rewrite(&mut self, id: u64, record: &[u8]) {
        self.relocates_from = None;
        self.frame(Kind::Rewritten, false, |out| write_message(id, 0, record, out));
    }

    /// Whether older messages, from this id on, can be [relocated](Journal::relocate) to this segment.
    pub(crate) fn takes_relocated(&self, id: u64) -> bool {
        self.relocates_from.is_some_and(|from| from <= id)
    }

    /// An older message is written again, to be read as if it had been published here; without the bytes `before` it, as one
    /// that stands among the frames of the next that has them. A replay knows the messages already; where they stand, the
    /// next snapshot tells. Nobody waits for it.
    pub(crate) fn relocate(&mut self, id: u64, before: Option<u64>, record: &[u8]) {
        let kind = if before.is_some() { Kind::Message } else { Kind::Rewritten };
        if before.is_some() {
            debug_assert!(self.takes_relocated(id), "ids only grow within a segment");
            self.relocates_from = Some(id + 1);
        }
        // Marked as part of what follows, so that a replay does not take it for one that is read with what is published next.
        self.lazy_frame(kind, before.is_none(), |out| write_message(id, before.unwrap_or_default(), record, out));
    }

    fn frame(&mut self, kind: Kind, more: bool, write: impl FnOnce(&mut Vec<u8>)) {
        self.lazy_frame(kind, more, write);
        if !self.failed {
            (self.needs_sync, self.sync_until) = (true, self.written);
        }
    }

    fn lazy_frame(&mut self, kind: Kind, more: bool, write: impl FnOnce(&mut Vec<u8>)) {
        self.end_run();
        if self.failed {
            return;
        }
        if mem::take(&mut self.unbegun) {
            self.write_header();
        }
        self.vouch();
        let before = self.unwritten.len();
        write_frame(&mut self.unwritten, self.header.salt, self.offset, kind, more, write);
        self.wrote(before);
    }

    /// Before the first frame of an append: says how far the segment is durable, where that is news.
    fn vouch(&mut self) {
        let is_first = self.unwritten.is_empty() || self.vouched.is_none();
        if !self.vouches || !is_first {
            return;
        }
        let durable = self.durable.saturating_sub(self.written - self.offset);
        if self.vouched.is_none_or(|vouched| vouched < durable) {
            self.vouched = Some(durable);
            let before = self.unwritten.len();
            write_frame(&mut self.unwritten, self.header.salt, self.offset, Kind::Durable, false, |out| {
                out.extend_from_slice(&durable.to_le_bytes());
            });
            self.wrote(before);
        }
    }

    fn wrote(&mut self, before: usize) {
        let bytes = (self.unwritten.len() - before) as u64;
        self.offset += bytes;
        self.written += bytes;
    }

    /// Whether the next segment is due.
    pub(crate) fn is_segment_full(&self) -> bool {
        // Both copies count, so that what segments begin with takes about an eighth of a log at most, however much
        // state a topic has.
        !self.failed && self.offset >= self.segment_bytes.max(8 * self.snapshot_bytes)
    }

    /// Whether so much stands after the snapshot that a new one makes the next start quicker.
    pub(crate) fn is_worth_a_snapshot(&self) -> bool {
        let is_long = self.offset >= SEGMENT_HEADER_BYTES as u64 + self.snapshot_bytes + MUCH_TO_REPLAY;
        // Each start begins a segment that has none, and a replay reads all of them.
        let is_far =
            self.offset > 0 && self.header.number - self.last_snapshot.min(self.header.number) >= FAR_FROM_SNAPSHOT;
        !self.failed && (is_long || is_far)
    }

    /// What the host has to write; `next` is where the next message after it goes, and `index` the lowest id that one may have
    /// which comes after it, be it an older one.
    pub(crate) fn take(&mut self, topic: &Name<'_>, next: Position, index: u64) -> Option<Append> {
        self.end_run();
        if self.unwritten.is_empty() {
            return None;
        }
        let append = Append {
            log: self.log,
            topic: topic.clone().into_owned(),
            segment: mem::take(&mut self.begins).then_some(self.header),
            number: self.header.number,
            offset: self.unwritten_from,
            // All messages until now are among these bytes: the next append begins with the one after them, or with an
            // older one that is relocated.
            index: mem::replace(&mut self.index, index.min(next.id)),
            upto: self.written,
            // One frame that somebody waits for makes the whole append urgent: a log is durable from its start on only.
            lazy: !mem::take(&mut self.needs_sync),
            bytes: mem::take(&mut self.unwritten),
        };
        self.unwritten_from = self.offset;
        self.under_way.push_back((self.written, next));
        Some(append)
    }

    /// It is durable up to there. Answers the place of the first message that is not.
    pub(crate) fn appended(&mut self, upto: u64) -> Option<Position> {
        self.durable = self.durable.max(upto);
        let mut next = None;
        while self.under_way.front().is_some_and(|append| append.0 <= upto) {
            next = self.under_way.pop_front().map(|append| append.1);
        }
        next
    }

    /// Begins the next segment, with what the topic is now. All before must be [taken](Journal::take).
    pub(crate) fn next_segment(&mut self, now: Time, index: u64) {
        debug_assert!(self.unwritten.is_empty(), "the last segment is written first");
        if mem::take(&mut self.unbegun) {
            // Nobody has seen that one: its number is free.
            self.header.number -= 1;
        } else {
            self.old.push_back((self.header.number, self.offset));
        }
        self.begin_segment(now, index);
    }

    fn begin_segment(&mut self, now: Time, index: u64) {
        self.number_segment(now, index);
        self.begins = true;
        self.write_header();
    }

    fn number_segment(&mut self, now: Time, index: u64) {
        // Each segment has a salt of its own: no frame of one can be read as one of another, although offsets begin
        // anew.
        let number = self.header.number + 1;
        self.header = SegmentHeader { number, index, salt: self.seeds.next(), created: now };
        (self.offset, self.unwritten_from, self.index, self.vouched) = (0, 0, index, None);
        self.relocates_from = Some(0);
    }

    fn write_header(&mut self) {
        self.unwritten.extend_from_slice(&self.header.to_bytes());
        // Nobody waits for a header alone; the snapshot behind it is what makes the append urgent.
        self.wrote(self.unwritten.len() - SEGMENT_HEADER_BYTES);
    }

    /// The topic as it is now, twice, and a block of the device apart: what a segment begins with. One that would be too
    /// large for a frame is left out: then a replay begins with a segment before, and none from that on may go.
    pub(crate) fn snapshot(&mut self, image: &TopicImage) {
        let mut bytes = Vec::new();
        // It is made beside the frames, for it shows only at its end whether it is too large. `last_snapshot` stays in
        // that case, which keeps the older segments.
        if !crate::state::write(image, &mut bytes, MAX_SNAPSHOT_BYTES) {
            return;
        }
        let before = self.offset;
        self.frame(Kind::Snapshot, false, |out| out.extend_from_slice(&bytes));
        self.snapshot_bytes = 2 * (self.offset - before);
        // Segments that have not much more than that do without.
        if self.segment_bytes >= 8 * BLOCK_BYTES as u64 {
            self.frame(Kind::Padding, false, |out| out.resize(out.len() + BLOCK_BYTES - FRAME_HEADER_BYTES, 0));
        }
        self.frame(Kind::SnapshotCopy, false, |out| out.extend_from_slice(&bytes));
        self.last_snapshot = self.header.number;
    }

    /// The segment of the last snapshot: this one and those after it are needed for a replay.
    pub(crate) fn last_snapshot(&self) -> u32 {
        self.last_snapshot
    }

    /// Segments before this one are not needed; answers whether there were any.
    pub(crate) fn truncate_before(&mut self, segment: u32) -> bool {
        let had = self.old.len();
        while self.old.front().is_some_and(|old| old.0 < segment) {
            self.old.pop_front();
        }
        self.old.len() < had
    }
}

fn write_message(id: u64, before: u64, record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&before.to_le_bytes());
    out.extend_from_slice(record);
}

fn write_postcard(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    *out = postcard::to_extend(value, mem::take(out)).expect("writing to memory does not fail");
}
