//! The log's code against random events, images and bytes. `SHELFMQ_SEED=<seed>` runs one seed.

use std::ops::Range;

use shelfmq_core::log::Recovered;
use shelfmq_core::log::event::{Event, Ids, Position};
use shelfmq_core::log::frame::{Found, Frames, Kind, SegmentHeader, write_frame};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::log::load::Loaded;
use shelfmq_core::message::Record;
use shelfmq_core::recovery::{Published, Recovery, Replayed};
use shelfmq_core::time::Time;
use shelfmq_tests::events;
use shelfmq_tests::segments::{Segment, TOPIC, recover};
use shelfmq_tests::workload::Random;

fn seeds(count: u64) -> Range<u64> {
    let one = std::env::var("SHELFMQ_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or(0..count, |seed| seed..seed + 1)
}

/// Says which seed it was when a test fails.
fn for_seeds(count: u64, run: impl Fn(&mut Random)) {
    struct Told(u64);
    impl Drop for Told {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("to replay: SHELFMQ_SEED={} cargo test -p shelfmq-tests --test log_random", self.0);
            }
        }
    }
    for seed in seeds(count) {
        let told = Told(seed);
        run(&mut Random::new(seed));
        drop(told);
    }
}

fn empty_topic() -> Replayed {
    Replayed::new(&TopicImage { name: TOPIC.into(), ..TopicImage::default() })
}

#[test]
fn no_sequence_of_events_is_too_much_for_an_image() {
    for_seeds(3000, |random| {
        let mut topic = empty_topic();
        for _ in 0..60 {
            match random.below(5) {
                0 => {
                    let [before, at] = [events::number(random), events::number(random)];
                    let message = Published { before, meta: events::meta(random), at, log_bytes: at };
                    topic.publish(&message, random.below(4) as u32);
                }
                1 => topic.rewritten(events::number(random), events::number(random), random.below(4) as u32),
                _ => topic.apply(&events::event(random)),
            }
            let image = topic.image();
            let next = image.next;
            assert!(image.high_watermark.id <= next.id, "what was handed over is past what there is: {image:?}");
            let ahead = image.channels.values().find(|channel| channel.cursor.id > next.id);
            assert!(ahead.is_none(), "a channel is past what there is: {image:?}");
        }
        let image = topic.image();
        let bytes = postcard::to_allocvec(&image).expect("an image is data");
        assert_eq!(TopicImage::read(&bytes), Some(image));
    });
}

#[test]
fn events_read_back() {
    for_seeds(5000, |random| {
        let event = events::event(random);
        let bytes = postcard::to_allocvec(&event).expect("an event is data");
        assert_eq!(postcard::from_bytes::<Event>(&bytes), Ok(event));
    });
}

#[test]
fn ids_are_those_that_were_given_in_fewer_rows() {
    for_seeds(3000, |random| {
        let mut id = random.below(1 << 40);
        let given: Vec<u64> = (0..random.below(50))
            .map(|_| {
                id += if random.percent(70) { 1 } else { 1 + random.below(9) };
                id
            })
            .collect();
        let ids: Ids = given.iter().copied().collect();
        assert!(ids.iter().eq(given.iter().copied()));
        let gaps = given.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count();
        assert_eq!(ids.0.len(), gaps + usize::from(!given.is_empty()));
    });
}

#[test]
fn a_log_of_random_events_is_recovered_as_they_came() {
    for_seeds(300, |random| {
        let start = TopicImage { name: TOPIC.into(), ..TopicImage::default() };
        let mut segments = vec![Segment::begin(1, &start)];
        for _ in 0..random.below(60) {
            let count = segments.len();
            let last = &mut segments[count - 1];
            match random.below(8) {
                0..3 => {
                    let next = last.image().next;
                    let body = vec![b'x'; random.below(30) as usize];
                    let record = Record { timestamp: Time::from_nanos(7), body: &body, ..empty() };
                    last.message(next, &record, random.percent(30));
                }
                3 if count < 4 => {
                    let segment = Segment::begin(count as u32 + 1, &last.image());
                    segments.push(segment);
                }
                _ => {
                    // What says more than any log has is damage.
                    let event = events::event(random);
                    if Event::read(&postcard::to_allocvec(&event).expect("an event is data")).is_some() {
                        last.event(&event);
                    }
                }
            }
        }
        let files: Vec<_> = segments.iter().map(|segment| segment.bytes.clone()).collect();
        let recovered = recover(&files, 1 + random.below(300) as usize).expect("headers are good");
        let last = segments.last().expect("there is one");
        assert_eq!((recovered.damage.len(), recovered.headless), (0, false));
        if recovered.torn == 0 {
            assert_eq!(recovered.image, last.image());
        } else {
            assert!(last.pieces.last().is_some_and(|piece| piece.more), "nothing else is unfinished");
        }
    });
}

fn empty() -> Record<'static> {
    Record { timestamp: Time::default(), due: None, expires: None, key: None, header_block: &[], body: b"" }
}

#[test]
fn any_bytes_are_recovered_from() {
    for_seeds(3000, |random| {
        let header = SegmentHeader { number: 1, index: events::number(random), salt: 9, created: Time::default() };
        let (bytes, written) = noise(random, header.salt, 44);
        let mut recovery = Recovery::begin(header);
        if random.percent(50) {
            recovery.without_snapshot(TOPIC);
        }
        let (mut at, mut window) = (0, 1);
        while at < bytes.len() && !recovery.is_headless() {
            let to = (at + window).min(bytes.len());
            let taken = recovery.feed(&bytes[at..to]);
            if taken == 0 && to == bytes.len() {
                break;
            }
            at += taken;
            window = if taken == 0 { 2 * window } else { 1 + random.below(80) as usize };
        }
        assert_eq!(recovery.offset(), 44 + at as u64);
        let Recovered { damage, end, torn, frames, .. } = recovery.finish(TOPIC, &bytes[at..]);
        assert!(frames <= written, "there are frames that nobody wrote");
        assert_eq!(end + torn, 44 + bytes.len() as u64);
        assert!(damage.iter().all(|damage| damage.offset + damage.length <= end), "{damage:?}");
    });
}

#[test]
fn any_part_of_a_log_is_loaded_from() {
    for_seeds(3000, |random| {
        let (bytes, _) = noise(random, 9, 500);
        let whole = Frames::new(9, 500, &bytes).filter_map(|found| match found {
            Found::Frame(frame) => Some(frame.offset as usize - 500),
            Found::Damage { .. } => None,
        });
        let starts: Vec<usize> = whole.chain([0]).collect();
        let start = random.pick(&starts);
        let part = &bytes[start..start + random.below((bytes.len() - start) as u64 + 1) as usize];
        let (from, to) = (random.below(events::IDS), random.below(events::IDS));
        let loaded = Loaded::decode(9, (500 + start) as u64, part, from, to);
        assert!(loaded.missing() <= to.saturating_sub(from) as usize);
        let all = Loaded::decode(9, 500, &bytes, from, to);
        assert!(all.missing() <= loaded.missing(), "more bytes tell of more messages");
    });
}

/// Frames of all kinds with bytes between them that are none, and how many frames they are.
fn noise(random: &mut Random, salt: u64, base: u64) -> (Vec<u8>, u64) {
    let mut bytes = Vec::new();
    let count = random.below(20);
    let mut id = 0;
    for _ in 0..count {
        let kinds = [
            Kind::Message,
            Kind::Rewritten,
            Kind::Snapshot,
            Kind::Event,
            Kind::SnapshotCopy,
            Kind::EventCopy,
            Kind::Padding,
        ];
        let (kind, more, offset) = (random.pick(&kinds), random.percent(20), base + bytes.len() as u64);
        id += random.below(3);
        let payload = payload(random, kind, id);
        write_frame(&mut bytes, salt, offset, kind, more, |out| out.extend_from_slice(&payload));
        if random.percent(10) {
            let zeros = random.percent(50);
            let length = random.below(700);
            bytes.extend((0..length).map(|_| if zeros { 0 } else { random.below(256) as u8 }));
        }
        if random.percent(10) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << random.below(8);
        }
    }
    bytes.truncate(if random.percent(30) { random.below(bytes.len() as u64 + 1) as usize } else { bytes.len() });
    (bytes, count)
}

/// What a frame of this kind holds, or anything.
fn payload(random: &mut Random, kind: Kind, id: u64) -> Vec<u8> {
    match kind {
        _ if random.percent(10) => (0..random.below(60)).map(|_| random.below(256) as u8).collect(),
        Kind::Message | Kind::Rewritten => {
            let Position { bytes, .. } = events::position(random);
            let mut payload = [id.to_le_bytes(), bytes.to_le_bytes()].concat();
            Record { body: b"body", ..empty() }.write(&mut payload);
            payload
        }
        Kind::Snapshot | Kind::SnapshotCopy => {
            let mut topic = empty_topic();
            (0..10).for_each(|_| topic.apply(&events::event(random)));
            postcard::to_allocvec(&topic.image()).expect("an image is data")
        }
        Kind::Padding => vec![0; random.below(60) as usize],
        Kind::Durable => random.below(3000).to_le_bytes().to_vec(),
        Kind::Event | Kind::EventCopy => postcard::to_allocvec(&events::event(random)).expect("an event is data"),
    }
}
