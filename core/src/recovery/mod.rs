//! From the bytes of a topic's last segment to the topic as it was.
//!
//! ```text
//! begin(header) ── feed(bytes) … ──┬── image found ── finish
//!                                  └── no snapshot can be read: begin with the segment before, then next_segment
//! ```

pub mod replay;

use alloc::vec::Vec;

use crate::log::event::{Event, Position};
use crate::log::frame::{
    FRAME_HEADER_BYTES, Found, Frame, Frames, Kind, MESSAGE_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
    durable_until, is_followed, split_message,
};
use crate::log::image::TopicImage;
use crate::log::{Damage, Recovered};
use crate::message::Record;

pub use crate::topic::apply::Published;
pub use crate::topic::snapshot::Replayed;
pub use replay::{Outcome, Replay, Segment, Wanted};

/// No message takes less of a log.
const LEAST_MESSAGE_BYTES: usize = FRAME_HEADER_BYTES + MESSAGE_HEADER_BYTES;
/// What a disk writes whole or not at all, at least.
const SECTOR_BYTES: usize = 512;

/// Replays the frames of a log onto a topic.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Recovery {
    header: SegmentHeader,
    offset: u64,
    topic: Option<Replayed>,
    /// Frames came, and no snapshot before them that can be read.
    headless: bool,
    /// There is no snapshot anywhere.
    snapshotless: bool,
    /// The messages of a publish whose last frame was not read yet. They count all together once it is, and not at all
    /// where a crash cut the log off before it.
    batch: Vec<Published>,
    /// Where the first frame of that publish begins, be it a message or an event: where a cut takes all of it.
    batch_start: u64,
    /// Events that hold if that publish does.
    dedup: Vec<Event>,
    /// The frame right before was an event that could be read. Its copy, if that comes next, says nothing new, and must
    /// not happen twice.
    copied: bool,
    damage: Vec<Damage>,
    /// Where sectors begin that were never written, unless a whole frame follows them. At the end of the log that is
    /// what a crash left of the last write; before other frames it is damage.
    hole: Option<u64>,
    /// The segment says how far it was durable at each append.
    vouches: bool,
    /// Before this offset all of the segment was durable: what is wrong there is damage. What is wrong behind it may be what a
    /// crash left of writes that were not synced, each sector for itself; whatever stands after that was no more durable.
    vouched: u64,
    /// From there on, sectors were never written, and nothing is known yet that vouches for them: until then, what follows is
    /// only looked through for that.
    /// Invariant: not before `vouched`.
    unvouched: Option<u64>,
    /// What follows it vouches for it: all from there on is to be fed again.
    rewound: bool,
    /// Frames replayed.
    frames: u64,
    /// The segment whose snapshot was read; zero as long as none was.
    snapshot: u32,
}

impl Recovery {
    /// Begins with this segment.
    pub fn begin(header: SegmentHeader) -> Self {
        Recovery {
            header,
            offset: SEGMENT_HEADER_BYTES as u64,
            topic: None,
            headless: false,
            snapshotless: false,
            batch: Vec::new(),
            batch_start: 0,
            dedup: Vec::new(),
            copied: false,
            damage: Vec::new(),
            hole: None,
            vouches: false,
            vouched: 0,
            unvouched: None,
            rewound: false,
            frames: 0,
            snapshot: 0,
        }
    }

    /// Where in the segment the next bytes to be fed stand.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether there were frames and no snapshot that can be read: to feed more of the segment makes no sense.
    pub fn is_headless(&self) -> bool {
        self.headless && self.topic.is_none()
    }

    /// Whether a snapshot was found. Where there is none once a segment was fed to its end, the segment before is
    /// needed: this one's snapshots are damaged, or a crash came before they were on the disk.
    pub fn has_image(&self) -> bool {
        self.topic.is_some()
    }

    /// The segment is not the last: all of it was durable before the next was begun.
    pub fn vouch_for_all(&mut self) {
        self.vouched = u64::MAX;
    }

    /// Whether what was fed last is to be fed again, from [`Recovery::offset`] on, which is before it.
    pub fn take_rewound(&mut self) -> bool {
        core::mem::take(&mut self.rewound)
    }

    /// Goes on in the next segment, once the one before was fed to its end.
    pub fn next_segment(&mut self, header: SegmentHeader, end_of_last: u64) {
        // Nobody can go back to it, who feeds without being asked.
        self.offset = self.unvouched.take().unwrap_or(self.offset);
        if end_of_last > self.offset {
            let (offset, length) = (self.offset, end_of_last - self.offset);
            self.damage.push(Damage { segment: self.header.number, offset, length, kind: None });
        }
        // A segment counts only once all before it is durable. So a publish at the end of the last one was whole, and
        // what is missing of it was damaged later.
        self.end_batch();
        // Places are of the segment that is read: a hole in the one before is damage there, and no end of this one.
        (self.header, self.offset, self.hole) = (header, SEGMENT_HEADER_BYTES as u64, None);
        (self.vouches, self.vouched) = (false, 0);
    }

    /// Takes the bytes of the segment from [`Recovery::offset`] on, as many as there are at hand; answers how many
    /// of them are done with. The others are to be given again with more behind them.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let start = self.offset;
        let mut frames = Frames::new(self.header.salt, start, bytes);
        while let Some(found) = frames.next() {
            if let Some(hole) = self.unvouched {
                self.offset = frames.offset();
                if !self.is_vouched_for(hole, &found) {
                    continue;
                }
                (self.unvouched, self.offset) = (None, hole);
                let Some(at) = hole.checked_sub(start) else {
                    self.rewound = true;
                    return 0;
                };
                frames = Frames::new(self.header.salt, hole, &bytes[at as usize..]);
                continue;
            }
            match found {
                Found::Frame(frame) => {
                    self.hole = None;
                    self.frame(&frame);
                }
                Found::Damage { offset, length, kind } => {
                    let bytes = &bytes[(offset - start) as usize..][..length as usize];
                    if self.vouches && offset >= self.vouched && has_hole(offset, bytes) {
                        self.unvouched = Some(offset);
                        self.offset = frames.offset();
                        continue;
                    }
                    self.damaged(Damage { segment: self.header.number, offset, length, kind }, bytes);
                }
            }
            self.offset = frames.offset();
            // Without a snapshot the rest of the segment says nothing: the host begins again with the one before.
            if self.is_headless() {
                break;
            }
        }
        (self.offset - start) as usize
    }

    /// Whether this says that the log was durable behind this place.
    fn is_vouched_for(&mut self, hole: u64, found: &Found<'_>) -> bool {
        let Found::Frame(Frame { kind: Kind::Durable, payload, .. }) = found else { return false };
        let until = durable_until(payload).filter(|until| *until > hole);
        self.vouched = self.vouched.max(until.unwrap_or_default());
        until.is_some()
    }

    fn damaged(&mut self, damage: Damage, bytes: &[u8]) {
        self.copied = false;
        // What was never written may be the end of a publish that nobody was told had succeeded: its messages still
        // wait for the next frame to decide.
        if damage.offset >= self.vouched && has_hole(damage.offset, bytes) {
            self.hole = self.hole.or(Some(damage.offset));
        } else if damage.kind.is_none() || !is_followed(bytes) {
            // It was written once and rotted. Unless a good header says that more followed, it may have been the last
            // frame of a publish. That one was kept as a whole then, and what is left of it counts.
            self.end_batch();
        }
        self.damage.push(damage);
    }

    fn frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        let copied = core::mem::replace(&mut self.copied, false);
        match frame.kind {
            Kind::Snapshot | Kind::SnapshotCopy => {
                // Later snapshots say what the replay has come to by itself. Where the first copy cannot be read as a
                // topic, the second has its turn.
                if self.topic.is_none() {
                    self.topic = TopicImage::read(frame.payload).as_ref().map(Replayed::new);
                    self.snapshot = if self.topic.is_some() { self.header.number } else { 0 };
                    self.headless |= self.topic.is_none() && frame.kind == Kind::SnapshotCopy;
                }
            }
            Kind::Padding => {}
            // An event or a message means nothing without the state before it.
            _ if frame.kind != Kind::Durable && self.topic.is_none() => self.headless = true,
            Kind::Message => self.message(frame),
            Kind::Rewritten => {
                // The frames of a publish stand in a row. If one is open here, its last frame was damaged, and what is
                // left of it counts.
                self.end_batch();
                // One that was relocated stands where it stood before, until the next snapshot tells.
                if let (Some(topic), Some((id, ..)), false) =
                    (&mut self.topic, split_message(frame.payload), frame.more)
                {
                    topic.rewritten(id, frame.end() - frame.offset, self.header.number);
                }
            }
            Kind::Durable => {
                self.vouches = true;
                self.vouched = self.vouched.max(durable_until(frame.payload).unwrap_or_default());
            }
            // A copy happens only where the event before it could not be read.
            Kind::EventCopy if copied => {}
            Kind::Event | Kind::EventCopy => self.event(frame),
        }
    }

    fn event(&mut self, frame: &Frame<'_>) {
        let Some(event) = Event::read(frame.payload) else {
            return self.unreadable(frame);
        };
        self.copied = true;
        if frame.more {
            // It holds if the publish after it does.
            self.go_on_batch(frame);
            return self.dedup.push(event);
        }
        self.end_batch();
        if let Some(topic) = &mut self.topic {
            topic.apply(&event);
        }
    }

    fn message(&mut self, frame: &Frame<'_>) {
        // The hash of an ordering key is not in a record: it is made again with the topic's seed, which the snapshot
        // has.
        let seed = self.topic.as_ref().map_or(0, Replayed::seed);
        let read = split_message(frame.payload)
            .and_then(|(id, before, record)| Some(Published::of(id, before, &Record::read(record)?, seed)));
        let is_sound = |message: &Published| Position { id: message.meta.id, bytes: message.before }.is_sound();
        let Some(message) = read.filter(is_sound) else {
            return self.unreadable(frame);
        };
        self.go_on_batch(frame);
        self.batch.push(message);
        if !frame.more {
            self.end_batch();
        }
    }

    /// A frame is whole, but nothing that this version knows.
    fn unreadable(&mut self, frame: &Frame<'_>) {
        let length = frame.end() - frame.offset;
        let kind = Some(frame.kind);
        self.damage.push(Damage { segment: self.header.number, offset: frame.offset, length, kind });
    }

    /// A frame belongs to a publish, perhaps as its first.
    fn go_on_batch(&mut self, frame: &Frame<'_>) {
        if self.batch.is_empty() && self.dedup.is_empty() {
            self.batch_start = frame.offset;
        }
    }

    /// What was read of a publish counts.
    fn end_batch(&mut self) {
        let Some(topic) = &mut self.topic else { return };
        for event in self.dedup.drain(..) {
            topic.apply(&event);
        }
        for message in self.batch.drain(..) {
            topic.publish(&message, self.header.number);
        }
    }

    /// No more bytes come. `rest` are those after [`Recovery::offset`].
    ///
    /// Where the last bytes are a frame that ends too soon, or were never written and read as zeros, they are what a
    /// crash left of a write that nobody was told had succeeded: they are to be cut off, with what is there of
    /// the same publish. Anything else is damage, and stays where it is.
    pub fn finish(mut self, name: &str, rest: &[u8]) -> Recovered {
        let mut end = self.offset + rest.len() as u64;
        let mut torn = 0;
        // Room that was made for more reads as zeros, and is neither.
        let used = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let lost = &rest[..used];
        // Before a hole, all frames were whole or damaged for good.
        let last_good = self.unvouched.or(self.hole).unwrap_or(self.offset);
        let cut_short = match rest {
            // No whole frame came after the hole: the last of all is a header without the payload that it promises.
            [] => self.hole.is_some() || self.unvouched.is_some(),
            _ if self.unvouched.is_some() => true,
            rest => {
                // Of a write that was cut short there is less than a header; or a good header and less than its
                // payload; or sectors that were never written.
                let is_short = used < FRAME_HEADER_BYTES;
                is_short
                    || Frames::new(self.header.salt, self.offset, rest).announced().is_some()
                    || has_hole(self.offset, lost)
            }
        };
        let unfinished = !self.batch.is_empty() || !self.dedup.is_empty();
        if cut_short || (unfinished && rest.is_empty()) {
            // The whole publish goes: without its last message it was not acknowledged, and a batch is all or nothing.
            let from = if unfinished { self.batch_start } else { last_good };
            self.batch.clear();
            self.dedup.clear();
            torn = end - from;
            end = from;
            // What is cut off is no damage any more.
            self.damage.retain(|damage| damage.segment != self.header.number || damage.offset < from);
        } else {
            if !rest.is_empty() {
                let (offset, length) = (self.offset, rest.len() as u64);
                self.damage.push(Damage { segment: self.header.number, offset, length, kind: None });
            }
            self.end_batch();
            if let Some(topic) = &mut self.topic {
                // What stands there may have been told to be kept: its ids are given to nobody else.
                topic.skip(lost.len().div_ceil(LEAST_MESSAGE_BYTES) as u64);
            }
        }
        let headless = self.snapshotless || self.topic.is_none();
        let image = self.topic.map_or_else(|| TopicImage::bare(name, self.header.index), |topic| topic.image());
        let Recovery { header, snapshot, damage, frames, .. } = self;
        Recovered { image, header, end, snapshot, damage, torn, headless, frames, sealed: false }
    }

    /// Goes on without a snapshot: the topic begins where this segment does.
    pub fn without_snapshot(&mut self, name: &str) {
        self.topic = Some(Replayed::new(&TopicImage::bare(name, self.header.index)));
        self.snapshotless = true;
    }
}

/// Whether a sector in this, or what of it is here, was never written: those read as zeros.
fn has_hole(offset: u64, bytes: &[u8]) -> bool {
    // Sectors are those of the file. A message of zeros looks the same, which matters only where its checksum is wrong
    // and no whole frame follows: then it is cut off as unwritten instead of reported as damaged.
    let to_next = SECTOR_BYTES - offset as usize % SECTOR_BYTES;
    let (first, others) = bytes.split_at(to_next.min(bytes.len()));
    let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == 0);
    is_zero(first) && !first.is_empty() || others.chunks(SECTOR_BYTES).any(is_zero)
}
