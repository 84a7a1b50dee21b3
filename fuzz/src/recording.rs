//! Recordings that were forged: frames with good checksums in which other numbers stand than were written, run again to
//! their end, gone back and forth in, and worked with where they end.

use std::borrow::Cow;
use std::time::Duration;

use shelfmq_core::Engine;
use shelfmq_core::api::Request;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::recording::input::{Asked, StatsSource};
use shelfmq_core::recording::{
    Head, Input as Came, Kind, Recorder, Recording, Replay, TimeTravel, describe, write_frame,
};
use shelfmq_core::time::Time;

use super::any::any;
use super::host::{Host, recover};
use super::work;
use super::{Input, START_SECS};

/// More than any recording here has.
const ROOM: usize = 1 << 26;
/// Images are made often, so that going back and forth is by way of them.
const IMAGES: (usize, u64) = (1 << 17, 600);

/// What every recording has in it: method, path, query and body. `@` are the last receipts.
const BEGINNING: [(&str, &str, &str, &str); 22] = [
    ("POST", "/topic/create", "topic=t", ""),
    ("POST", "/channel/create", "topic=t&channel=c&ordered=true", ""),
    ("POST", "/channel/create", "topic=t&channel=d&max_attempts=1&dead_letter=dead", ""),
    ("GET", "/sub", "topic=t&channel=e%23ephemeral&wait=0&client=gone", ""),
    ("POST", "/pub", "topic=t&key=k", "one"),
    ("POST", "/pub", "topic=t&key=k&ttl=1h", "two"),
    ("POST", "/pub", "topic=t&key=l&dedup=d", "three"),
    ("POST", "/pub", "topic=t&producer=p&seq=1", "four"),
    ("POST", "/pub", "topic=t&defer=10s&producer=q&seq=1", "five"),
    ("POST", "/mpub", "topic=t", "six\nseven\neight\nnine"),
    ("GET", "/sub", "topic=t&channel=d&wait=0&max=3&client=me", ""),
    ("POST", "/req", "topic=t&channel=d&receipt=@", ""),
    ("GET", "/sub", "topic=t&channel=d&wait=0&max=1&client=me", ""),
    ("GET", "/sub", "topic=t&channel=c&wait=0&max=4&timeout=20s&client=you", ""),
    ("POST", "/req", "topic=t&channel=c&receipt=@&defer=30s", ""),
    ("GET", "/sub", "topic=t&channel=c&wait=0&max=2&timeout=15m", ""),
    ("POST", "/pub", "topic=kept", "ten"),
    ("POST", "/pub", "topic=kept&defer=1m&ttl=1h", "eleven"),
    ("GET", "/sub", "topic=t&channel=e%23ephemeral&wait=1m&client=me", ""),
    ("GET", "/sub", "topic=t&channel=f&wait=1m&client=me&max=2", ""),
    ("GET", "/sub", "topic=t&channel=c&format=sse&max=3", ""),
    ("POST", "/pub", "topic=t&defer=10s", "twelve"),
];

const LOOKS: [(&str, &str); 10] = [
    ("/stats", "format=json&include_mem=true"),
    ("/stats", "format=json&limit=1&sort=depth"),
    ("/stats", ""),
    ("/metrics", ""),
    ("/peek", "topic=t&max=100"),
    ("/peek", "topic=t&channel=c&state=ready"),
    ("/peek", "topic=t&channel=c&state=in_flight"),
    ("/peek", "topic=t&channel=c&state=deferred"),
    ("/dead", "topic=t&channel=d"),
    ("/nodes", ""),
];

/// Frames of one part, after its head.
struct Part {
    head: Head,
    frames: Vec<(Kind, Vec<u8>)>,
}

/// Whatever a recording says, it is run to where it makes no sense, or to its end; and what it came to can be worked with.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut parts = genuine(&mut input);
    let is_forged = forge(&mut input, &mut parts);
    let bytes: Vec<Vec<u8>> = parts.iter().map(Part::to_bytes).collect();
    let read = || Recording::read(bytes.iter().map(|part| Cow::Borrowed(&part[..])).collect());
    let Ok(recording) = read() else { return };
    let mut replay = Replay::new(&recording, Time::MAX);
    let broken = loop {
        let _ = replay.peek();
        replay.trace();
        match replay.step() {
            Ok(Some(step)) => {
                describe::outputs(&step);
                describe::step(&step, replay.state());
            }
            Ok(None) => break None,
            Err(broken) => break Some(broken),
        }
    };
    assert!(is_forged || broken.is_none(), "nothing is wrong with it, and yet {broken:?}");
    if let Ok(recording) = read() {
        scrub(&mut input, recording, replay.state().steps());
    }
    let state = replay.pause();
    for engine in state.engines() {
        let restored = engine.checkpoint(ROOM).and_then(|bytes| Engine::from_checkpoint(&bytes));
        assert!(is_forged || restored.is_some(), "it was just written");
        if let Some(engine) = restored {
            work_on(&mut input, engine, state.at());
        }
    }
}

/// What an engine wrote down.
fn genuine(input: &mut Input<'_>) -> Vec<Part> {
    let options = LogOptions { segment_bytes: input.pick(&[700, 4096]), cache_bytes: input.pick(&[0, 1000]) };
    let (is_logged, is_slow) = (input.once_in(2), input.once_in(2));
    let engine = |seed| {
        if is_logged {
            Engine::with_log(Config::default(), seed, options.clone())
        } else {
            Engine::new(Config::default(), seed)
        }
    };
    let mut host = Host::new(engine(1));
    let mut parts = Vec::new();
    begin(&mut host, &mut parts, 1);
    for (number, (method, path, query, body)) in BEGINNING.into_iter().enumerate() {
        host.ask(method, path, &query.replace('@', &host.receipts()), &[], body.as_bytes());
        if number % 8 == 7 {
            begin(&mut host, &mut parts, 1);
        }
    }
    host.pass(Duration::from_secs(11), false);
    host.is_slow = is_slow;
    begin(&mut host, &mut parts, 1);
    let mut run = 1;
    for _ in 0..input.byte() % 40 {
        work::step(&mut host, input);
        if input.once_in(8) {
            begin(&mut host, &mut parts, run);
        }
        if is_logged && input.once_in(24) {
            run += 1;
            host = restarted(host, engine(run), &mut parts, run);
        }
    }
    host.pass(Duration::from_secs(60), false);
    flush(&mut host, &mut parts);
    parts
}

/// Killed, and started again: a recording of its own.
fn restarted(mut killed: Host, engine: Engine, parts: &mut Vec<Part>, run: u64) -> Host {
    flush(&mut killed, parts);
    let mut host = Host::new(engine);
    (host.now, host.logs, host.is_slow) = (killed.now, killed.logs, killed.is_slow);
    begin(&mut host, parts, run);
    for topic in host.logs.keys().cloned().collect::<Vec<_>>() {
        let log = host.logs.get_mut(&topic).expect("its name was found there");
        if let Some(recovered) = recover(&topic, log, 512) {
            host.engine.open_topic(host.now, recovered);
        }
    }
    host.settle();
    host
}

fn begin(host: &mut Host, parts: &mut Vec<Part>, run: u64) {
    flush(host, parts);
    let part = parts.last().map_or(1, |last| if last.head.run == run { last.head.part + 1 } else { 1 });
    let checkpoint = host.engine.begin(ROOM, ROOM).expect("it is not that large");
    parts.push(Part { head: Head::new(run, part, 1), frames: vec![(Kind::Checkpoint, checkpoint)] });
}

fn flush(host: &mut Host, parts: &mut [Part]) {
    let taken = host.engine.take(Vec::new());
    if let (Some(part), false) = (parts.last_mut(), taken.inputs.is_empty()) {
        part.frames.push((Kind::Inputs, taken.inputs));
    }
}

impl Part {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.to_bytes();
        for (kind, payload) in &self.frames {
            write_frame(&mut bytes, *kind, 0, payload);
        }
        bytes
    }
}

/// Writes other numbers into some frames; whether it did. Of what then follows, some is taken for what was missed.
fn forge(input: &mut Input<'_>, parts: &mut Vec<Part>) -> bool {
    if input.once_in(32) {
        return false;
    }
    let first = usize::from(input.byte()) % parts.len();
    parts.drain(..first);
    for _ in 0..=input.byte() % 3 {
        let number = usize::from(input.byte() / 64) % parts.len();
        let part = &mut parts[number];
        let count = part.frames.len();
        let frame = if input.once_in(3) { usize::from(input.byte()) % count } else { 0 };
        if !part.frames[frame].1.is_empty() {
            alter(input, &mut part.frames[frame].1);
        }
        if input.once_in(4)
            && let Some(payload) = made_up(input)
        {
            part.frames.insert(1 + usize::from(input.byte()) % count, (Kind::Inputs, payload));
        }
        if input.once_in(8) {
            let again = part.frames[frame].clone();
            part.frames.insert(usize::from(input.byte()) % count, again);
        }
    }
    for part in parts.iter_mut().skip(1) {
        if !input.once_in(8) {
            part.frames.insert(0, (Kind::Gap, Vec::new()));
        }
    }
    true
}

/// Something that may come to an engine, and did not.
fn made_up(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let asked = Asked { method: "GET", path: "/stats", query: "format=json&limit=2&sort=depth", ..Asked::default() };
    let made_up = match input.byte() % 5 {
        0 => Came::OpenTopic(Cow::Owned(any(input)?)),
        1 => Came::Read(Cow::Owned(any(input)?), Some(Cow::Owned(any(input)?))),
        2 => Came::Transfer(Cow::Owned(any(input)?)),
        3 => Came::Request(1000, asked, StatsSource::With(Cow::Owned(any(input)?))),
        _ => Came::Appended(input.count(), input.count()),
    };
    Some(postcard::to_allocvec(&(Time::from_secs(START_SECS + 12).as_nanos(), made_up)).expect("an input is data"))
}

/// Another number anywhere: of a byte, or of as many as it takes.
fn alter(input: &mut Input<'_>, payload: &mut Vec<u8>) {
    for _ in 0..=input.byte() % 2 {
        let at = (usize::from(input.byte()) << 8 | usize::from(input.byte())) % payload.len();
        let number = if input.once_in(2) { u64::from(payload[at] ^ 1 << (input.byte() % 3)) } else { input.count() };
        let number = postcard::to_allocvec(&number).expect("a number is data");
        payload.splice(at..=at, number);
    }
}

/// Goes back and forth in a recording, and looks at it.
fn scrub(input: &mut Input<'_>, recording: Recording<'_>, steps: u64) {
    let (room, spacing) = IMAGES;
    let Ok(mut scrub) = TimeTravel::new(recording, room, spacing) else { return };
    while !scrub.run(10_000) {}
    assert_eq!(scrub.steps(), steps, "it is run as far as it was before");
    for _ in 0..3 {
        let step = input.number() % (steps + 1);
        scrub.seek(step).expect("it was there before");
        let here =
            |scrub: &TimeTravel<'_>| scrub.state().engines().map(|engine| engine.checkpoint(ROOM)).collect::<Vec<_>>();
        let before = here(&scrub);
        for (path, query) in LOOKS {
            scrub.query(&Request { method: "GET", path, query, ..Request::default() });
        }
        assert!(here(&scrub) == before, "whoever looks changes nothing");
        scrub.back().expect("it was there before");
        scrub.forward().expect("it was there before");
        scrub.describe(step, 10).expect("it was there before");
        let (_, at) = scrub.position();
        scrub.seek_time(at, 1000).expect("it was there before");
    }
    scrub.story("t", input.number() % 16).expect("it was there before");
}

/// What was read serves others than those who were there.
fn work_on(input: &mut Input<'_>, engine: Engine, now: Time) {
    let mut host = Host::new(engine);
    (host.now, host.is_forged) = (now, true);
    host.settle();
    work::look(&mut host);
    for _ in 0..20 {
        work::step(&mut host, input);
    }
    work::look(&mut host);
    host.catch_up();
    host.pass(Duration::from_secs(3600), false);
    host.engine = Recorder::new(Engine::new(Config::default(), 1));
}
