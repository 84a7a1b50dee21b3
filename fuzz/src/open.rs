//! Logs that were forged: frames with good checksums that say whatever the input says, opened in an engine, and served
//! from.

use shelfmq_core::Engine;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::event::Event;
use shelfmq_core::log::frame::{Found, Frames, Kind, SEGMENT_HEADER_BYTES, write_frame};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::message::Record;
use shelfmq_core::recording::Recorder;
use shelfmq_core::time::Time;

use super::any::any;
use super::host::{Host, Segments, recover};
use super::work;
use super::{Input, SALT, START_SECS};

const TOPIC: &str = "t";

/// Whatever a log says, it is opened or refused; what was opened can be written down, looked at and worked with.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (options, mut log) = forged(&mut input);
    let window = 1 + input.count() % 4096;
    let Some(recovered) = recover(TOPIC, &mut log, window) else { return };
    let mut host = Host::new(Engine::with_log(Config::default(), 1, options));
    host.logs.insert(TOPIC.into(), log);
    host.engine.open_topic(host.now, recovered);
    host.settle();
    work::look(&mut host);
    restore(&mut host);
    for _ in 0..20 {
        work::step(&mut host, &mut input);
    }
    work::look(&mut host);
    restore(&mut host);
    host.end();
}

/// The log that an input says, and how the engine is to go on with it.
pub fn forged(input: &mut Input<'_>) -> (LogOptions, Segments) {
    let options = LogOptions { segment_bytes: input.pick(&[512, 4096]), cache_bytes: input.pick(&[0, 1 << 16]) };
    let mut log = if input.once_in(3) { Segments::new() } else { genuine(input, &options) };
    if input.once_in(2) {
        log = altered(input, &log);
    }
    forge(input, &mut log);
    (options, log)
}

fn restore(host: &mut Host) {
    let bytes = host.engine.checkpoint(1 << 26).expect("it is not that large");
    host.engine = Recorder::new(Engine::from_checkpoint(&bytes).expect("it was just written"));
}

/// What an engine wrote.
fn genuine(input: &mut Input<'_>, options: &LogOptions) -> Segments {
    let mut host = Host::new(Engine::with_log(Config::default(), 1, options.clone()));
    host.ask("POST", "/topic/create", "topic=t", &[], b"");
    host.ask("POST", "/channel/create", "topic=t&channel=c", &[], b"");
    for _ in 0..input.byte() % 30 {
        work::step(&mut host, input);
    }
    host.logs.remove(TOPIC).unwrap_or_default()
}

/// The same frames, some of which say something else, or are not there, or come twice.
fn altered(input: &mut Input<'_>, log: &Segments) -> Segments {
    let mut made = Segments::new();
    for (number, bytes) in log {
        let Ok(header) = SegmentHeader::read(bytes) else { continue };
        let start = SEGMENT_HEADER_BYTES;
        let mut out = header.to_bytes().to_vec();
        for found in Frames::new(header.salt, start as u64, &bytes[start..]) {
            let Found::Frame(frame) = found else { continue };
            let mut payload = frame.payload.to_vec();
            let how = input.byte();
            if how & 3 == 3 && !payload.is_empty() {
                alter(input, &mut payload);
            }
            for _ in 0..[1, 1, 1, 1, 1, 1, 0, 2][usize::from(how >> 2) % 8] {
                let at = out.len() as u64;
                write_frame(&mut out, header.salt, at, frame.kind, frame.more, |out| out.extend_from_slice(&payload));
            }
        }
        made.insert(*number, out);
    }
    made
}

/// Another number somewhere: of a byte, or of as many as it takes.
fn alter(input: &mut Input<'_>, payload: &mut Vec<u8>) {
    for _ in 0..=input.byte() % 3 {
        let at = input.number() as usize % payload.len();
        let number = postcard::to_allocvec(&input.count()).expect("a number is data");
        payload.splice(at..=at, number);
    }
}

/// Adds what nobody wrote.
fn forge(input: &mut Input<'_>, log: &mut Segments) {
    for _ in 0..=input.byte() % 12 {
        if log.is_empty() || input.once_in(8) {
            begin(input, log);
        }
        let Some(mut last) = log.last_entry() else { return };
        let Ok(header) = SegmentHeader::read(last.get()) else { return };
        add(input, header.salt, last.get_mut());
    }
}

/// Another segment, with a snapshot of any topic.
fn begin(input: &mut Input<'_>, log: &mut Segments) {
    let number = log.last_key_value().map_or(1, |(number, _)| number.saturating_add(1));
    let created = Time::from_secs(START_SECS);
    let header = SegmentHeader { number, index: input.count(), salt: SALT + u64::from(number), created };
    let mut bytes = header.to_bytes().to_vec();
    let image = match any::<TopicImage>(input) {
        Some(image) if input.once_in(2) => TopicImage { name: TOPIC.into(), ..image },
        _ => TopicImage { name: TOPIC.into(), ..TopicImage::default() },
    };
    let payload = postcard::to_allocvec(&image).expect("an image is data");
    for kind in [Kind::Snapshot, Kind::SnapshotCopy] {
        let at = bytes.len() as u64;
        write_frame(&mut bytes, header.salt, at, kind, false, |out| out.extend_from_slice(&payload));
    }
    log.insert(number, bytes);
}

/// A frame, or what is none.
fn add(input: &mut Input<'_>, salt: u64, out: &mut Vec<u8>) {
    let (kind, payload) = match input.byte() % 16 {
        0..8 => {
            let Some(event) = any::<Event>(input) else { return };
            (Kind::Event, postcard::to_allocvec(&event).expect("an event is data"))
        }
        what @ 8..13 => {
            let mut payload = [input.count().to_le_bytes(), input.count().to_le_bytes()].concat();
            let maybe = |input: &mut Input<'_>| input.once_in(3).then(|| Time::from_nanos(input.count()));
            let (due, expires) = (maybe(input), maybe(input));
            let record = Record {
                timestamp: Time::from_nanos(input.count()),
                due,
                expires,
                key: input.once_in(3).then_some("k"),
                header_block: &[],
                body: b"forged",
            };
            record.write(&mut payload);
            (if what == 12 { Kind::Rewritten } else { Kind::Message }, payload)
        }
        13 => {
            let length = input.byte().into();
            let noise = input.take(length);
            return out.extend_from_slice(noise);
        }
        14 => return out.resize(out.len() + 8 * usize::from(input.byte()), 0),
        _ => {
            let index = input.number() as usize % out.len();
            if index >= SEGMENT_HEADER_BYTES {
                out[index] ^= 1 << (input.byte() % 8);
            }
            return;
        }
    };
    let (at, more) = (out.len() as u64, input.once_in(8));
    write_frame(out, salt, at, kind, more, |out| out.extend_from_slice(&payload));
}
