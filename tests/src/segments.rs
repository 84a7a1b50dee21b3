//! Logs made by hand: segments frame by frame, what stands in each frame, and what a topic is after some of them.

use std::ops::Range;

use shelfmq_core::log::Recovered;
use shelfmq_core::log::event::{Event, Position};
use shelfmq_core::log::frame::{
    Found, Frames, HeaderError, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, split_message, write_frame,
};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::message::Record;
use shelfmq_core::recovery::replay::{self, Outcome, Replay, Wanted};
use shelfmq_core::recovery::{Published, Replayed};
use shelfmq_core::time::Time;

/// The topic of all of them.
pub const TOPIC: &str = "books";

/// One frame, as it was written.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where it stands in its segment.
    pub place: Range<u64>,
    /// What it holds.
    pub kind: Kind,
    /// The next belongs to the same publish.
    pub more: bool,
    /// The same, decoded.
    pub what: What,
}

/// What a frame holds.
#[derive(Clone, Debug)]
pub enum What {
    /// The topic, once or again.
    Snapshot(Box<TopicImage>),
    /// What happened to it, once or again.
    Event(Event),
    /// A message of the topic.
    Message(Published),
    /// An older message, with its id.
    Kept(u64),
}

/// A segment, and what was written into it.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its header.
    pub header: SegmentHeader,
    /// Header and frames.
    pub bytes: Vec<u8>,
    /// The frames.
    pub pieces: Vec<Piece>,
}

impl Segment {
    /// A segment that begins with two copies of this image.
    ///
    /// # Panics
    /// Where the image has 4 GiB or more.
    pub fn begin(number: u32, image: &TopicImage) -> Self {
        let (salt, created) = (0x5eed_0000 + u64::from(number), Time::from_secs(1_800_000_000));
        let header = SegmentHeader { number, index: image.next.id, salt, created };
        let mut segment = Segment { header, bytes: header.to_bytes().to_vec(), pieces: Vec::new() };
        let payload = postcard::to_allocvec(image).expect("an image is data");
        // Some of an image is only for replay, and not in a snapshot.
        let told = TopicImage::read(&payload).expect("it was just written");
        for kind in [Kind::Snapshot, Kind::SnapshotCopy] {
            segment.write(kind, false, What::Snapshot(Box::new(told.clone())), &payload);
        }
        segment
    }

    fn write(&mut self, kind: Kind, more: bool, what: What, payload: &[u8]) {
        let start = self.bytes.len() as u64;
        let Segment { header, bytes, .. } = self;
        write_frame(bytes, header.salt, start, kind, more, |out| out.extend_from_slice(payload));
        self.pieces.push(Piece { place: start..self.bytes.len() as u64, kind, more, what });
    }

    /// Appends an event.
    pub fn event(&mut self, event: &Event) -> &mut Self {
        self.event_of(Kind::Event, false, event)
    }

    /// Appends an event twice, as those are written that must not be lost.
    pub fn vital_event(&mut self, event: &Event) -> &mut Self {
        self.event_of(Kind::Event, false, event).event_of(Kind::EventCopy, false, event)
    }

    /// Appends the event that a publish with a dedup key begins with.
    pub fn dedup_event(&mut self, event: &Event) -> &mut Self {
        self.event_of(Kind::Event, true, event)
    }

    fn event_of(&mut self, kind: Kind, more: bool, event: &Event) -> &mut Self {
        let payload = postcard::to_allocvec(event).expect("an event is data");
        self.write(kind, more, What::Event(event.clone()), &payload);
        self
    }

    /// Appends a message that is published.
    pub fn message(&mut self, at: Position, record: &Record<'_>, more: bool) -> &mut Self {
        let what = What::Message(Published::of(at.id, at.bytes, record, 0));
        self.write(Kind::Message, more, what, &message_payload(at, record));
        self
    }

    /// Appends a message that was published long ago.
    pub fn kept(&mut self, at: Position, record: &Record<'_>) -> &mut Self {
        self.write(Kind::Rewritten, false, What::Kept(at.id), &message_payload(at, record));
        self
    }

    /// The topic after this segment.
    ///
    /// # Panics
    /// Where the snapshot was taken out of it.
    pub fn image(&self) -> TopicImage {
        replay(std::slice::from_ref(self), &|_, _| true, true).expect("it begins with a snapshot")
    }
}

fn message_payload(at: Position, record: &Record<'_>) -> Vec<u8> {
    let mut payload = [at.id.to_le_bytes(), at.bytes.to_le_bytes()].concat();
    record.write(&mut payload);
    payload
}

/// What the frames that are `left` (by segment and index) make of the topic; none where no snapshot is among them.
/// Where the last publish is not `whole`, it does not count.
pub fn replay(segments: &[Segment], left: &dyn Fn(usize, usize) -> bool, whole: bool) -> Option<TopicImage> {
    let mut topic: Option<Replayed> = None;
    let mut batch: Vec<(&What, u32)> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        for (index, piece) in segment.pieces.iter().enumerate().filter(|(index, _)| left(at, *index)) {
            let is_told = matches!(piece.kind, Kind::EventCopy | Kind::SnapshotCopy) && left(at, index - 1);
            match &piece.what {
                What::Snapshot(told) => topic = topic.or_else(|| Some(Replayed::new(told))),
                _ if is_told || topic.is_none() => {}
                what => {
                    batch.push((what, segment.header.number));
                    if !piece.more {
                        batch.drain(..).for_each(|(what, number)| tell(topic.as_mut(), what, number, piece));
                    }
                }
            }
        }
    }
    if whole {
        // A publish whose last message was hit has its others.
        let any = segments.last()?.pieces.last()?;
        batch.drain(..).for_each(|(what, number)| tell(topic.as_mut(), what, number, any));
    }
    topic.map(|topic| topic.image())
}

fn tell(topic: Option<&mut Replayed>, what: &What, segment: u32, piece: &Piece) {
    let Some(topic) = topic else { return };
    match what {
        What::Snapshot(_) => {}
        What::Event(event) => topic.apply(event),
        What::Message(message) => topic.publish(message, segment),
        What::Kept(id) => topic.rewritten(*id, piece.place.end - piece.place.start, segment),
    }
}

/// What a host does at its start. The bytes are fed in windows of `window` at a time, which grow where a frame does not
/// fit.
///
/// # Errors
/// A segment's header is none.
///
/// # Panics
/// Where there is nothing in the last one.
pub fn recover(segments: &[Vec<u8>], window: usize) -> Result<Recovered, HeaderError> {
    match outcome(segments, window)? {
        Outcome::Topic(recovered) => Ok(recovered),
        other => panic!("{other:?}"),
    }
}

/// The same, whatever comes of it.
///
/// # Errors
/// A segment's header is none.
///
/// # Panics
/// Where there are no segments.
pub fn outcome(segments: &[Vec<u8>], window: usize) -> Result<Outcome, HeaderError> {
    outcome_of(TOPIC, segments, window)
}

/// The same, where the topic is another.
///
/// # Errors
/// A segment's header is none.
///
/// # Panics
/// Where there are no segments.
pub fn outcome_of(topic: &str, segments: &[Vec<u8>], window: usize) -> Result<Outcome, HeaderError> {
    let headed = segments
        .iter()
        .map(|bytes| Ok(replay::Segment { header: SegmentHeader::read(bytes)?, size: bytes.len() as u64 }));
    let replay = Replay::new(topic, headed.collect::<Result<_, _>>()?, true, window as u64);
    let mut replay = replay.expect("there is a segment");
    loop {
        let Wanted { segment, offset, bytes } = replay.wanted();
        if let Some(outcome) = replay.feed(&segments[segment][offset as usize..][..bytes as usize]) {
            return Ok(outcome);
        }
    }
}

/// The messages that a segment's bytes serve, kept ones included: kind, id and record.
pub fn served(bytes: &[u8]) -> Vec<(Kind, u64, Vec<u8>)> {
    let Ok(header) = SegmentHeader::read(bytes) else { return Vec::new() };
    let frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
    frames
        .filter_map(|found| match found {
            Found::Frame(frame) if matches!(frame.kind, Kind::Message | Kind::Rewritten) => {
                let (id, _, record) = split_message(frame.payload)?;
                Some((frame.kind, id, record.to_vec()))
            }
            _ => None,
        })
        .collect()
}
