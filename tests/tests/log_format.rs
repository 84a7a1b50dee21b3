//! The log's format against what disks and crashes do to it: small logs, made by hand, cut at each of their bytes and
//! with each of their bits flipped.

use shelfmq_core::log::Recovered;
use shelfmq_core::log::event::{Departed, Event, Ids, MessageMeta, Position};
use shelfmq_core::log::frame::{Kind, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::image::{ChannelImage, ChannelSettings, TopicImage, TopicSettings};
use shelfmq_core::log::load::Loaded;
use shelfmq_core::message::{Record, write_header};
use shelfmq_core::recovery::{Outcome, Replayed};
use shelfmq_core::time::Time;
use shelfmq_tests::segments::{Segment, TOPIC, outcome, recover, replay, served};

/// A record of a message with this body.
fn plain(body: &[u8]) -> Record<'_> {
    let timestamp = Time::from_nanos(1_800_000_000_123_456_789);
    Record { timestamp, due: None, expires: None, key: None, header_block: &[], body }
}

/// A topic with one channel, and two messages that are gone already.
fn start() -> TopicImage {
    let next = Position { id: 3, bytes: 20 };
    let channel = ChannelImage { name: "readers".into(), cursor: next, next_delivery: 77, ..ChannelImage::default() };
    TopicImage {
        name: TOPIC.into(),
        next,
        high_watermark: next,
        message_count: 2,
        message_bytes: 20,
        channels: [(1, channel)].into_iter().collect(),
        ..TopicImage::default()
    }
}

/// Publishes of each kind: alone, a batch, with all options, with a dedup key; and what channels do with them.
fn busy() -> Segment {
    let mut headers = Vec::new();
    write_header(&mut headers, "ce-type", b"book.returned");
    let (due, expires) = (Some(Time::from_secs(1_800_000_900)), Some(Time::from_secs(1_800_009_000)));
    let rich = Record { due, expires, key: Some("shelf-7"), header_block: &headers, ..plain(b"with everything") };
    let mut segment = Segment::begin(1, &start());
    let at = |id, bytes| Position { id, bytes };
    segment
        .message(at(3, 20), &plain(b"alone"), false)
        .message(at(4, 25), &plain(b"first of three"), true)
        .message(at(5, 39), &plain(b""), true)
        .message(at(6, 39), &plain(b"last of three"), false)
        .event(&leased(at(3, 20), at(5, 39), &[(3, 5), (4, 14)]))
        .vital_event(&Event::ChannelCreated(2, Box::new(ChannelImage { cursor: at(7, 52), ..other() })))
        .message(at(7, 52), &rich, false)
        .event(&Event::Finished { channel: 1, ids: [3].into_iter().collect() })
        .dedup_event(&Event::Deduplicated { key: "order-1".into(), first: 8, count: 2, until: 1_900_000_000 })
        .message(at(8, 67), &plain(b"only once"), true)
        .message(at(9, 76), &plain(b"and this"), false)
        .event(&Event::Requeued { channel: 1, id: 4, due: Some(1_800_000_100_000_000_000) })
        .vital_event(&Event::TopicConfigured(TopicSettings { max_messages: 1000, ..TopicSettings::default() }));
    segment
}

fn other() -> ChannelImage {
    let settings = ChannelSettings { max_attempts: 3, ordered: true, ..ChannelSettings::default() };
    ChannelImage { name: "others".into(), settings, next_delivery: 5, ..ChannelImage::default() }
}

fn leased(from: Position, cursor: Position, messages: &[(u64, u32)]) -> Event {
    let departed = messages.iter().map(|&(id, size)| MessageMeta { id, size, ..MessageMeta::default() }).collect();
    let (at, until) = (1_800_000_001_000_000_000, 1_800_000_061_000_000_000);
    Event::Leased { channel: 1, at, until, delivery: 77, from: from.id, cursor, departed, leased: Ids::default() }
}

/// The segment after it, which begins with what the topic is by then, and keeps an old message.
fn busy_next(first: &Segment) -> Segment {
    let image = first.image();
    let next = image.next;
    let mut segment = Segment::begin(2, &image);
    segment
        .kept(Position { id: 4, bytes: 25 }, &plain(b"first of three"))
        .message(next, &plain(b"one more"), false)
        .event(&Event::TimedOut { channel: 1, ids: [4].into_iter().collect() });
    segment
}

/// A publish that ends the log, so that the end is one that can be torn.
fn batch_last() -> Segment {
    let mut segment = Segment::begin(1, &start());
    segment
        .message(Position { id: 3, bytes: 20 }, &plain(b"before"), false)
        .message(Position { id: 4, bytes: 26 }, &plain(b"a batch's first"), true)
        .message(Position { id: 5, bytes: 41 }, &plain(b"a batch's last"), false);
    segment
}

/// Logs in which the last message is followed by something that names a place after it.
fn message_and(events: &[Event]) -> Segment {
    let mut segment = Segment::begin(1, &start());
    segment.message(Position { id: 3, bytes: 20 }, &plain(b"last one"), false);
    events.iter().fold(&mut segment, |segment, event| segment.event(event));
    segment
}

fn places_after_the_last() -> [Segment; 4] {
    let to = Position { id: 4, bytes: 28 };
    [
        message_and(&[leased(Position { id: 3, bytes: 20 }, to, &[(3, 8)])]),
        message_and(&[Event::Passed { channel: 1, at: 5, from: 3, cursor: to, departed: Departed::new() }]),
        message_and(&[Event::ChannelCreated(2, Box::new(ChannelImage { cursor: to, ..other() }))]),
        message_and(&[
            Event::Sought { channel: 1, to, gaps: Vec::new() },
            Event::Tombstoned { from: Position { id: 3, bytes: 20 }, to },
        ]),
    ]
}

/// Where the publish begins that has this frame, and the frame after its last.
fn publish_of(segment: &Segment, index: usize) -> (usize, usize) {
    let first = (0..index).rev().take_while(|at| segment.pieces[*at].more).last().unwrap_or(index);
    let last = (index..segment.pieces.len()).find(|at| !segment.pieces[*at].more).unwrap_or(index);
    (first, last + 1)
}

#[test]
fn what_was_written_reads_back() {
    let first = busy();
    let second = busy_next(&first);
    for window in [1, 7, 64, 1 << 20] {
        let recovered = recover(&[first.bytes.clone(), second.bytes.clone()], window).expect("headers are good");
        assert_eq!((&recovered.damage[..], recovered.torn, recovered.headless), (&[][..], 0, false));
        assert_eq!(recovered.end, second.bytes.len() as u64);
        assert_eq!(recovered.image, second.image());
        assert_eq!(recovered.frames, second.pieces.len() as u64);
    }
    let image = second.image();
    assert_eq!((image.next.id, image.message_count, image.dedup.len()), (11, 10, 1));
    assert_eq!((image.channels[&1].entries.len(), image.channels[&2].entries.len()), (2, 1));
    assert_eq!(image.rewritten.len(), 1);
}

#[test]
fn a_log_cut_at_any_byte_has_all_before_the_cut() {
    for segment in [busy(), batch_last()] {
        for cut in SEGMENT_HEADER_BYTES..segment.bytes.len() {
            let outcome = outcome(&[segment.bytes[..cut].to_vec()], 64).expect("the header is good");
            check_cut(&segment, cut as u64, outcome);
        }
    }
}

#[test]
fn a_last_segment_cut_at_any_byte_has_all_before_the_cut() {
    let first = busy();
    let second = busy_next(&first);
    for cut in SEGMENT_HEADER_BYTES..second.bytes.len() {
        let files = [first.bytes.clone(), second.bytes[..cut].to_vec()];
        let outcome = match outcome(&files, 64).expect("the headers are good") {
            // There is nothing in the second: what there is ends with the first.
            Outcome::Topic(recovered) if recovered.header == first.header => {
                assert_eq!((recovered.end, recovered.torn), (first.bytes.len() as u64, 0), "cut at {cut}");
                Outcome::Nothing
            }
            outcome => outcome,
        };
        check_cut(&second, cut as u64, outcome);
    }
}

/// What is left of a segment that was cut is all that was whole before the cut, unfinished publishes apart: nothing,
/// where the first frame was not.
fn check_cut(segment: &Segment, cut: u64, outcome: Outcome) {
    let whole = segment.pieces.iter().take_while(|piece| piece.place.end <= cut).count();
    let whole = match whole.checked_sub(1) {
        Some(last) if segment.pieces[last].more => publish_of(segment, last).0,
        _ => whole,
    };
    let (recovered, last) = match (outcome, whole.checked_sub(1)) {
        (Outcome::Topic(recovered), Some(last)) => (recovered, last),
        (Outcome::Nothing, None) => return,
        (outcome, _) => panic!("cut at {cut}: {outcome:?}"),
    };
    let end = segment.pieces[last].place.end;
    assert_eq!((recovered.header.number, recovered.headless), (segment.header.number, false), "cut at {cut}");
    assert_eq!((recovered.end, recovered.torn), (end, cut - end), "cut at {cut}");
    assert_eq!(recovered.damage, [], "cut at {cut}");
    let image = replay(std::slice::from_ref(segment), &|_, index| index < whole, false);
    assert_eq!(recovered.image, image.expect("it begins with a snapshot"), "cut at {cut}");
}

#[test]
fn a_flipped_bit_costs_the_frame_it_hits() {
    for segment in [busy(), batch_last()].into_iter().chain(places_after_the_last()) {
        for bit in 8 * SEGMENT_HEADER_BYTES..8 * segment.bytes.len() {
            let mut bytes = segment.bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            check_served(&segment, bit / 8, &bytes);
            let recovered = recover(&[bytes], 64).expect("the header is good");
            check_flip(std::slice::from_ref(&segment), 0, bit / 8, &recovered);
        }
    }
}

#[test]
fn a_flipped_bit_in_any_of_two_segments_costs_the_frame_it_hits() {
    let first = busy();
    let segments = [first.clone(), busy_next(&first)];
    for bit in 8 * SEGMENT_HEADER_BYTES..8 * segments[1].bytes.len() {
        let mut files = segments.clone().map(|segment| segment.bytes);
        files[1][bit / 8] ^= 1 << (bit % 8);
        let recovered = recover(&files, 64).expect("the headers are good");
        check_flip(&segments[1..], 0, bit / 8, &recovered);
    }
}

#[test]
fn where_both_snapshots_are_hit_the_segment_before_tells() {
    let first = busy();
    let segments = [first.clone(), busy_next(&first)];
    let heads = [&segments[1].pieces[0].place, &segments[1].pieces[1].place].map(Clone::clone);
    for (a, b) in heads[0].clone().zip(heads[1].clone()) {
        let mut files = segments.clone().map(|segment| segment.bytes);
        files[1][a as usize] ^= 4;
        files[1][b as usize] ^= 32;
        let recovered = recover(&files, 64).expect("the headers are good");
        assert!(!recovered.headless);
        assert_eq!(recovered.image, replay(&segments, &|at, index| at == 0 || index > 1, true).expect("there is one"));
        assert!(is_reported(&recovered, 2, a) && is_reported(&recovered, 2, b), "{a} {b}: {:?}", recovered.damage);

        // And while one more bit is wrong in the segment before, only what that one hits is lost.
        for (at, piece) in segments[0].pieces.iter().enumerate() {
            let mut files = files.clone();
            files[0][piece.place.start as usize + 15] ^= 1;
            let recovered = recover(&files, 64).expect("the headers are good");
            let image = replay(&segments, &|segment, index| if segment == 0 { index != at } else { index > 1 }, true);
            assert_eq!(recovered.image, image.expect("there is one"), "frame {at}");
            assert!(is_reported(&recovered, 1, piece.place.start + 15), "frame {at}: {:?}", recovered.damage);
        }
    }
}

#[test]
fn where_no_snapshot_is_left_the_messages_are() {
    let first = busy();
    let mut bytes = first.bytes.clone();
    for piece in &first.pieces[..2] {
        bytes[piece.place.start as usize + 20] ^= 1;
    }
    let recovered = recover(std::slice::from_ref(&bytes), 64).expect("the header is good");
    assert_eq!(recovered.image.name, TOPIC);
    assert_eq!((recovered.image.next.id, recovered.image.message_count), (10, 7));
    assert_eq!(recovered.damage.len(), 2);
    check_served(&first, first.pieces[0].place.start as usize, &bytes);
}

fn is_reported(recovered: &Recovered, segment: u32, byte: u64) -> bool {
    let is_torn = segment == recovered.header.number && (recovered.end..recovered.end + recovered.torn).contains(&byte);
    let mut damage = recovered.damage.iter().filter(|damage| damage.segment == segment);
    is_torn || damage.any(|damage| (damage.offset..damage.offset + damage.length).contains(&byte))
}

/// The topic is as if the frame that was hit had not been written, and the place is told.
fn check_flip(segments: &[Segment], hit: usize, byte: usize, recovered: &Recovered) {
    let byte = byte as u64;
    let number = segments[hit].header.number;
    assert!(is_reported(recovered, number, byte), "byte {byte}: {:?}, torn {}", recovered.damage, recovered.torn);
    let image = replay(segments, &|at, index| at != hit || !segments[at].pieces[index].place.contains(&byte), true);
    let mut image = image.expect("one snapshot is good");
    let skipped = recovered.image.next.id - image.next.id;
    if skipped > 0 {
        // Nothing tells what the last frame was: ids that may have been in it are given to nobody else.
        let last = segments.last().and_then(|segment| segment.pieces.last()).expect("there are some");
        assert!(
            hit + 1 == segments.len()
                && last.place.contains(&byte)
                && skipped <= 1 + (last.place.end - last.place.start) / 29
        );
        let mut topic = Replayed::new(&image);
        topic.skip(skipped);
        image = topic.image();
    }
    assert_eq!(recovered.image, image, "byte {byte}");
    let image = &recovered.image;
    let marks = image.channels.values().map(|channel| channel.cursor).chain([image.high_watermark]);
    assert!(marks.max() <= Some(image.next), "byte {byte}: a channel is past the next message");
}

/// All messages are served but, at most, the one that was hit; and none that was not written.
fn check_served(segment: &Segment, byte: usize, bytes: &[u8]) {
    let written = served(&segment.bytes);
    let read = served(bytes);
    let hit = segment.pieces.iter().find(|piece| piece.place.contains(&(byte as u64))).expect("it is in one");
    let lost = usize::from(matches!(hit.kind, Kind::Message | Kind::Rewritten));
    assert_eq!(read.len(), written.len() - lost, "byte {byte}");
    assert!(read.iter().all(|message| written.contains(message)), "byte {byte}");

    let ids = 3..segment.image().next.id;
    let frames = &bytes[SEGMENT_HEADER_BYTES..];
    let loaded = Loaded::decode(segment.header.salt, SEGMENT_HEADER_BYTES as u64, frames, ids.start, ids.end);
    assert_eq!(loaded.missing(), usize::from(hit.kind == Kind::Message), "byte {byte}");
}
