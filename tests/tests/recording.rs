//! Recordings: what comes to an engine, written down and run again, gives the same to the last byte.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use shelfmq_core::api::{self, Request, Response, Scope};
use shelfmq_core::config::{Config, Limits, LogOptions};
use shelfmq_core::log::{Loaded, LogCommand, LogId, SegmentHeader};
use shelfmq_core::recording::{
    Broken, Head, Kind, Recorder, Recording, Replay, Step, TimeTravel, Unreadable, write_frame,
};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};
use shelfmq_tests::workload::{Op, Random, Template, generate};

const SEEDS: u64 = 40;
const OPERATIONS: usize = 500;
const HEADER_BYTES: usize = 44;
/// What stands before a frame's payload in a recording.
const FRAME_BYTES: usize = 17;
/// What no test's recording needs more of.
const ROOM: usize = 1 << 30;

/// A recorded engine with a disk in memory, and all that came out of it.
struct Host {
    recorder: Recorder,
    now: Time,
    random: Random,
    tickets: u64,
    waiting: Vec<u64>,
    taken: Vec<u64>,
    receipts: Vec<String>,
    segments: BTreeMap<(LogId, u32), Vec<u8>>,
    /// The recording, in parts.
    parts: Vec<Vec<u8>>,
    told: Vec<String>,
}

impl Host {
    fn new(engine: Engine, seed: u64) -> Self {
        let mut host = Host {
            recorder: Recorder::new(engine),
            now: Time::from_secs(1_800_000_000),
            random: Random::new(seed),
            tickets: 0,
            waiting: Vec::new(),
            taken: Vec::new(),
            receipts: Vec::new(),
            segments: BTreeMap::new(),
            parts: Vec::new(),
            told: Vec::new(),
        };
        host.begin_part();
        host
    }

    /// What came so far goes to the last part, and the next begins.
    fn begin_part(&mut self) {
        self.flush();
        let part = self.parts.len() as u32 + 1;
        let mut bytes = Head::new(7, part, 1).to_bytes();
        let checkpoint = self.recorder.begin(ROOM, ROOM).expect("there is room, and it reads back");
        write_frame(&mut bytes, Kind::Checkpoint, 0, &checkpoint);
        self.parts.push(bytes);
    }

    fn flush(&mut self) {
        let taken = self.recorder.take(Vec::new());
        assert!(!taken.torn);
        if let (Some(part), false) = (self.parts.last_mut(), taken.inputs.is_empty()) {
            write_frame(part, Kind::Inputs, 0, &taken.inputs);
        }
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Send(template) => self.send(template),
            Op::Step(nanos) => self.pass(self.now + std::time::Duration::from_nanos(*nanos)),
            Op::StepToDeadline(_) => {
                if let Some(at) = self.recorder.poll_timeout() {
                    self.pass(at.max(self.now));
                }
            }
            Op::HangUp(which) => {
                if let Some(ticket) = nth(&mut self.waiting, *which) {
                    self.recorder.cancel(self.now, ticket);
                }
            }
            Op::Take(which) => {
                if let Some(ticket) = nth(&mut self.taken, *which) {
                    self.recorder.handle_writable(self.now, ticket);
                }
            }
            Op::Look => self.ask("GET", "/stats", "format=json", &[], b"", ""),
        }
        self.drain();
        self.write();
    }

    fn send(&mut self, template: &Template) {
        let wire = &template.wire;
        let (query, body) = (self.fill(&wire.query), self.fill(&String::from_utf8_lossy(&wire.body)));
        let headers: Vec<_> = wire.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        self.ask(&wire.method, &wire.path, &query, &headers, body.as_bytes(), &wire.peer);
    }

    /// As a server does it: decoded before, and with a survey where one is asked for. Now and then, as others do.
    fn ask(&mut self, method: &str, path: &str, query: &str, headers: &[(&str, &[u8])], body: &[u8], peer: &str) {
        let limits = self.recorder.config().limits.clone();
        let request = Request { method, path, query, headers, body, peer };
        let routed = api::route(request.head());
        if body.len() > routed.body_limit(&limits) {
            return;
        }
        self.tickets += 1;
        self.waiting.push(self.tickets);
        if self.random.percent(10) {
            return self.recorder.handle(self.now, self.tickets, &request);
        }
        let stats = match routed.scope() {
            Scope::Stats(filter) => Some(self.recorder.stats(self.now, &filter)),
            _ => None,
        };
        let decoded = routed.decode(&limits, body);
        self.recorder.handle_decoded(self.now, self.tickets, &request, decoded, stats);
    }

    /// Puts receipts that were given out into the holes of a template.
    fn fill(&mut self, text: &str) -> String {
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('}').filter(|(hole, _)| hole.contains(':') && !hole.contains('"')) {
                Some((_, rest)) => {
                    let recent = self.receipts.len().saturating_sub(8);
                    let index = recent + self.random.below(8) as usize;
                    out += self.receipts.get(index).map_or("1-1", String::as_str);
                    out += rest;
                }
                None => _ = write!(out, "{{{part}"),
            }
        }
        out
    }

    fn pass(&mut self, target: Time) {
        while let Some(at) = self.recorder.poll_timeout().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.recorder.handle_timeout(self.now);
            self.drain();
        }
        self.now = target;
    }

    fn drain(&mut self) {
        while let Some(output) = self.recorder.poll_output() {
            self.told.push(format!("{} {}", self.now.as_nanos(), shown(&output)));
            match output {
                Output::Respond(ticket, response) => {
                    self.waiting.retain(|other| *other != ticket);
                    self.learn(&response);
                }
                Output::Chunk(ticket, bytes) => {
                    self.taken.push(ticket);
                    self.scrape(&String::from_utf8_lossy(&bytes));
                }
                Output::Forward(transfer) => self.recorder.handle_transfer(self.now, transfer),
                Output::Read(read) => {
                    let segment = self.segments.get(&(read.log, read.segment));
                    let loaded = segment.filter(|_| !self.random.percent(5)).map(|bytes| {
                        let header = SegmentHeader::read(bytes).expect("a segment begins with its header");
                        let (at, rest) = (HEADER_BYTES as u64, &bytes[HEADER_BYTES..]);
                        Loaded::decode(header.salt, at, rest, read.from, read.to)
                    });
                    self.recorder.handle_read(self.now, &read, loaded);
                }
                Output::Open(..) | Output::Close(_) | Output::Configured(..) => {}
            }
        }
    }

    fn learn(&mut self, response: &Response) {
        for (field, value) in &response.headers {
            if *field == api::Field::Known(api::Known::Receipt)
                && let api::Value::Bytes(text) = value
            {
                self.receipts.push(String::from_utf8_lossy(text).into_owned());
            }
        }
        self.scrape(&String::from_utf8_lossy(response.body.as_bytes()));
    }

    fn scrape(&mut self, text: &str) {
        let found = text.split("\"receipt\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.receipts.extend(found.map(str::to_owned));
    }

    /// What is to be written is written, most of the time, and durable.
    fn write(&mut self) {
        if self.random.percent(30) {
            return;
        }
        while let Some(work) = self.recorder.poll_log(self.now) {
            self.told.push(format!("{} {work:?}", self.now.as_nanos()));
            match work {
                LogCommand::Append(append) => {
                    let segment = self.segments.entry((append.log, append.number)).or_default();
                    assert_eq!(segment.len() as u64, append.offset);
                    segment.extend_from_slice(&append.bytes);
                    if self.random.below(2_000) == 0 {
                        self.recorder.handle_append_failed(self.now, append.log);
                    } else {
                        self.recorder.handle_appended(self.now, append.log, append.upto);
                    }
                }
                LogCommand::Truncate(forget) => {
                    self.segments.retain(|(log, number), _| *log != forget.log || *number >= forget.segment);
                }
                LogCommand::Delete(delete) => self.recorder.handle_appended(self.now, delete.log, u64::MAX),
            }
            self.drain();
        }
    }

    fn finish(mut self) -> Recorded {
        self.recorder.set_unwell(self.now, Some("tired".into()));
        self.recorder.handle_space(self.now, true);
        self.ask("POST", "/pub", "topic=r", &[], b"no room", "");
        self.ask("GET", "/ping", "", &[], b"", "");
        self.drain();
        self.recorder.shutdown(self.now);
        self.drain();
        self.flush();
        let state = self.recorder.begin(ROOM, ROOM).expect("there is room");
        Recorded { parts: self.parts, told: self.told, state }
    }
}

/// An output in words. What an answer that waited is made of does not tell whether it was known beforehand.
fn shown(output: &Output) -> String {
    match output {
        Output::Respond(ticket, response) | Output::Open(ticket, response) => {
            let mut response = response.clone();
            for (_, value) in &mut response.headers {
                *value = api::Value::Bytes(value.clone().into_bytes());
            }
            response.body = api::Body::Bytes(response.body.into_bytes());
            let how = if matches!(output, Output::Open(..)) { "Open" } else { "Respond" };
            format!("{how}({ticket}, {response:?})")
        }
        other => format!("{other:?}"),
    }
}

fn nth(list: &mut Vec<u64>, which: u64) -> Option<u64> {
    (!list.is_empty()).then(|| list.remove(which as usize % list.len()))
}

struct Recorded {
    parts: Vec<Vec<u8>>,
    told: Vec<String>,
    state: Vec<u8>,
}

fn config() -> Config {
    Config { started: Time::from_secs(1_800_000_000), ..Config::default() }
}

fn in_memory(seed: u64) -> Engine {
    Engine::new(config(), seed)
}

fn with_log(seed: u64) -> Engine {
    Engine::with_log(config(), seed, LogOptions { segment_bytes: 1_000, cache_bytes: 2_000 })
}

/// A random workload; the recording is rotated after every so many operations.
fn record(engine: fn(u64) -> Engine, seed: u64, rotate: usize) -> Recorded {
    let mut host = Host::new(engine(seed), seed);
    for (index, op) in generate(seed, OPERATIONS).iter().enumerate() {
        host.perform(op);
        if index % rotate == rotate - 1 {
            host.begin_part();
        } else if index % 7 == 0 {
            host.flush();
        }
    }
    host.finish()
}

/// Replays parts: what came out, and the state at the end.
fn replay(parts: &[Vec<u8>], until: Time) -> Result<(Vec<String>, Vec<u8>), Broken> {
    let recording = read(parts).expect("it is a recording");
    let mut replay = Replay::new(&recording, until);
    let mut told = Vec::new();
    while let Some(step) = replay.step()? {
        told.extend(told_by(step));
    }
    let state = replay.state().engines().next().expect("it has a checkpoint").checkpoint(ROOM);
    Ok((told, state.expect("there is room")))
}

fn read(parts: &[Vec<u8>]) -> Result<Recording<'_>, Unreadable> {
    Recording::read(parts.iter().map(|part| Cow::Borrowed(&part[..])).collect())
}

fn told_by(Step { at, outputs, work, .. }: Step<'_>) -> Vec<String> {
    let work = work.map(|work| format!("{} {work:?}", at.as_nanos()));
    work.into_iter().chain(outputs.iter().map(|output| format!("{} {}", at.as_nanos(), shown(output)))).collect()
}

/// The same twice, from an engine that was read from bytes, and from the one that was written.
fn assert_same(recorded: &Recorded, told: &[String], state: &[u8]) {
    for (expected, got) in recorded.told.iter().zip(told) {
        assert_eq!(got, expected);
    }
    assert_eq!(told.len(), recorded.told.len());
    assert_eq!(state, recorded.state);
}

#[test]
fn a_random_workload_replays_byte_for_byte() {
    for seed in 0..SEEDS {
        for engine in [in_memory as fn(u64) -> Engine, with_log] {
            let recorded = record(engine, seed, usize::MAX);
            let (told, state) = replay(&recorded.parts, Time::MAX).expect("it replays");
            assert_same(&recorded, &told, &state);
        }
    }
}

#[test]
fn a_rotated_recording_replays_from_each_of_its_parts() {
    for seed in 0..SEEDS {
        for engine in [in_memory as fn(u64) -> Engine, with_log] {
            let recorded = record(engine, seed, 120);
            assert_eq!(recorded.parts.len(), OPERATIONS / 120 + 1);
            let (told, state) = replay(&recorded.parts, Time::MAX).expect("it replays");
            assert_same(&recorded, &told, &state);
            for from in 1..recorded.parts.len() {
                let (later, state) = replay(&recorded.parts[from..], Time::MAX).expect("it replays");
                assert!(told.ends_with(&later), "seed {seed}, part {from}");
                assert_eq!(state, recorded.state, "seed {seed}, part {from}");
            }
        }
    }
}

#[test]
fn the_workload_comes_to_what_it_should() {
    let told: Vec<String> = (0..SEEDS).flat_map(|seed| record(with_log, seed, usize::MAX).told).collect();
    let happened = |what: &str| told.iter().any(|line| line.contains(what));
    let all = [
        "Read(Read",
        "Append(",
        "number: 2",
        "Truncate(",
        "Delete(",
        "Chunk(",
        "Close(",
        "Forward(",
        "status: 503",
        "status: 507",
        "NOK - tired",
    ];
    for what in all {
        assert!(
            happened(&what.replace("NOK - tired", &format!("{:?}", b"NOK - tired").replace(['[', ']'], ""))),
            "{what}"
        );
    }
}

#[test]
fn a_torn_recording_replays_up_to_where_it_is_whole() {
    let recorded = record(with_log, 3, usize::MAX);
    let (told, _) = replay(&recorded.parts, Time::MAX).expect("it replays");
    let whole = &recorded.parts[0];
    let mut longest = 0;
    for cut in (whole.len() / 4..whole.len()).step_by(whole.len() / 60) {
        let (part, _) = replay(&[whole[..cut].to_vec()], Time::MAX).expect("what is whole replays");
        assert!(told.starts_with(&part), "{cut}");
        assert!(part.len() >= longest);
        longest = part.len();
    }
    assert!(longest > told.len() / 2);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    let (part, _) = replay(&[damaged], Time::MAX).expect("what is before the damage replays");
    assert!(told.starts_with(&part) && part.len() < told.len());
}

#[test]
fn a_replay_stops_at_any_time_and_is_there_what_the_engine_was_then() {
    let mut host = Host::new(with_log(9), 9);
    let mut moments = Vec::new();
    for op in &generate(9, 200) {
        host.perform(op);
        host.flush();
        moments.push((host.now, host.told.len(), host.recorder.checkpoint(ROOM).expect("there is room")));
    }
    // Of several calls at one moment, the last counts.
    let last_of = |at: Time| moments.iter().rev().find(|moment| moment.0 == at).expect("it is one of them");
    for (at, ..) in moments.iter().step_by(11) {
        let (_, told, state) = last_of(*at);
        let (got, reached) = replay(&host.parts, *at).expect("it replays");
        assert_eq!(got[..], host.told[..*told]);
        assert_eq!(reached, *state);
    }
}

#[test]
fn what_diverges_is_found_and_what_is_missing_is_not_taken_for_that() {
    let Recorded { parts, .. } = record(with_log, 5, 250);
    let mut other = Host::new(with_log(5), 5);
    for op in &generate(6, 250) {
        other.perform(op);
    }
    other.flush();
    let wrong = [other.parts[0].clone(), parts[1].clone()];
    assert_eq!(replay(&wrong, Time::MAX).map(|(told, _)| told.len()), Err(Broken::Diverged(0)));
    let mut gap = other.parts[0].clone();
    write_frame(&mut gap, Kind::Gap, 0, &[]);
    assert!(replay(&[gap, parts[1].clone()], Time::MAX).is_ok());
}

#[test]
fn parts_of_several_runs_are_one_recording() {
    for engine in [in_memory as fn(u64) -> Engine, with_log] {
        let first = record(engine, 5, 120);
        let mut second = record(engine, 6, 200);
        for (part, bytes) in second.parts.iter_mut().enumerate() {
            let as_written = Head::new(7, part as u32 + 1, 1).to_bytes();
            bytes.splice(..as_written.len(), Head::new(8, part as u32 + 1, 1).to_bytes());
        }
        let runs = [&first.parts[..], &second.parts[..]].concat();
        let (told, state) = replay(&runs, Time::MAX).expect("it replays");
        let both = Recorded { parts: runs.clone(), told: [first.told, second.told].concat(), state: second.state };
        assert_same(&both, &told, &state);
        // In one file, too; what is torn within that ends it, unless another part begins there.
        let (again, state) = replay(&[runs.concat()], Time::MAX).expect("it replays");
        assert_same(&both, &again, &state);
        let cut = [&runs.concat()[..], &runs[0][..30]].concat();
        assert_eq!(read(&[cut]).map(|recording| recording.torn()), Ok(30));
        let disordered = [&first.parts[1..], &first.parts[..1]].concat();
        assert_eq!(read(&disordered).map(|_| ()), Err(Unreadable::Disordered));
        let of_two = [&first.parts[..1], &[Head::new(9, 1, 2).to_bytes()]].concat();
        assert_eq!(read(&of_two).map(|_| ()), Err(Unreadable::OtherShards));
        // A part that is not there is a gap, too.
        let (part, state) = replay(&[&first.parts[..2], &first.parts[3..]].concat(), Time::MAX).expect("it replays");
        assert!(part.len() < both.told.len());
        assert_eq!(state, first.state);
    }
}

#[test]
fn what_has_no_room_is_a_gap() {
    let mut recorder = Recorder::new(in_memory(1));
    assert_eq!(recorder.begin(10, ROOM), None, "an engine has more than ten bytes");
    recorder.begin(ROOM, 100).expect("there is room");
    let now = Time::from_secs(1_800_000_000);
    for _ in 0..10 {
        let publish =
            Request { method: "POST", path: "/pub", query: "topic=t", body: b"0123456789", ..Request::default() };
        recorder.handle(now, 1, &publish);
        while recorder.poll_output().is_some() {}
    }
    let taken = recorder.take(Vec::new());
    assert!(taken.torn && taken.inputs.len() <= 100 && taken.inputs.len() > 30);
    recorder.handle_timeout(now);
    assert!(recorder.take(Vec::new()).inputs.is_empty(), "nothing is written after a gap");
}

#[test]
fn what_is_no_recording_is_not_replayed() {
    let open = |bytes: &[u8]| read(&[bytes.to_vec()]).map(|_| ()).expect_err("it is none");
    assert_eq!(open(b""), Unreadable::Foreign);
    assert_eq!(open(b"GET / HTTP/1.1\r\n"), Unreadable::Foreign);
    let mut bytes = Head::new(1, 1, 1).to_bytes();
    bytes[8] = 9;
    assert!(matches!(open(&bytes), Unreadable::Version(_)));
    bytes = Head { made_by: "0.0.1".into(), ..Head::new(1, 1, 1) }.to_bytes();
    assert_eq!(open(&bytes), Unreadable::Version("0.0.1".into()));
    // Frames with good checksums and nonsense in them.
    bytes = Head::new(1, 1, 1).to_bytes();
    let byte = bytes.len() + FRAME_BYTES;
    write_frame(&mut bytes, Kind::Checkpoint, 0, b"nonsense");
    assert_eq!(replay(&[bytes.clone()], Time::MAX).map(|_| ()), Err(Broken::Nonsense { part: 0, byte }));
    let why =
        TimeTravel::new(read(&[bytes]).expect("it is a recording"), ROOM, 0).expect_err("there is no engine in it");
    assert_eq!(why.to_string(), format!("part 1 of the recording cannot be understood from byte {byte} on"));
    let empty = Head::new(1, 1, 1).to_bytes();
    let why =
        TimeTravel::new(read(&[empty]).expect("it is a recording"), ROOM, 0).expect_err("there is no engine in it");
    assert_eq!(why, Broken::Nothing);
}

/// What is wrong is told with its place: the first byte of what came, or of the engine.
#[test]
fn what_makes_no_sense_is_told_with_its_place() {
    let Recorded { parts, .. } = record(with_log, 5, 250);
    let mut forged = parts.clone();
    let mut inputs = Vec::new();
    for since in [1_u64, u64::MAX / 2] {
        inputs.extend(postcard::to_allocvec(&(since, 1_u8)).expect("numbers are data"));
    }
    let byte = forged[1].len() + FRAME_BYTES + 2;
    write_frame(&mut forged[1], Kind::Inputs, 0, &inputs);
    assert_eq!(replay(&forged, Time::MAX).map(|_| ()), Err(Broken::Nonsense { part: 1, byte }));
    // An engine with one more number somewhere is none, or one that can be run.
    let checkpoint = with_log(5).checkpoint(ROOM).expect("there is room");
    let mut refused = 0;
    for at in 0..checkpoint.len() {
        let mut bytes = Head::new(1, 1, 1).to_bytes();
        let byte = bytes.len() + FRAME_BYTES;
        let payload = [&checkpoint[..at], &[1], &checkpoint[at..]].concat();
        write_frame(&mut bytes, Kind::Checkpoint, 0, &payload);
        if let Err(why) = replay(&[bytes], Time::MAX) {
            assert_eq!(why, Broken::Nonsense { part: 0, byte });
            refused += 1;
        }
    }
    assert!(refused > checkpoint.len() / 2);
}

/// Wherever one comes from, a moment is the same: by images, which are made often here, and step by step.
#[test]
fn every_moment_is_the_same_however_one_comes_to_it() {
    for seed in 0..SEEDS / 4 {
        for engine in [in_memory as fn(u64) -> Engine, with_log] {
            let recorded = record(engine, seed, 200);
            let recording = read(&recorded.parts).expect("it is a recording");
            let mut replay = Replay::new(&recording, Time::MAX);
            let mut states = vec![None];
            while replay.step().expect("it replays").is_some() {
                states.push(replay.state().engines().next().expect("it is there").checkpoint(ROOM));
            }
            let mut travel =
                TimeTravel::new(read(&recorded.parts).expect("it is one"), 1 << 20, 1_000).expect("it is one");
            while !travel.run(10_000) {}
            assert_eq!((travel.steps() as usize, travel.broken()), (states.len() - 1, None));
            let mut random = Random::new(seed);
            for _ in 0..40 {
                let step = 1 + random.below(travel.steps());
                travel.seek(step).expect("it can be gone to");
                assert_eq!(travel.position().0, step);
                let state = travel.state().engines().next().and_then(|engine| engine.checkpoint(ROOM));
                assert_eq!(state, states[step as usize], "seed {seed}, step {step}");
                let (undone, done) = (travel.back().expect("it goes back"), travel.forward().expect("and on"));
                assert!(undone.is_some() && undone == done);
                let (step, at) = travel.position();
                travel.seek_time(at, 0).expect("it can be gone to");
                assert!(travel.position().0 >= step);
            }
        }
    }
}

#[test]
fn what_no_broker_recorded_comes_to_an_end() {
    let mut recorder = Recorder::new(in_memory(1));
    let mut bytes = Head::new(1, 1, u32::MAX).to_bytes();
    write_frame(&mut bytes, Kind::Checkpoint, 0, &recorder.begin(ROOM, ROOM).expect("there is room"));
    let stream = "topic=t&channel=c&stream=ndjson";
    let request = Request { method: "GET", path: "/sub", query: stream, ..Request::default() };
    recorder.handle(Time::from_secs(1_800_000_000), 1, &request);
    while recorder.poll_output().is_some() {}
    recorder.handle_writable(Time::from_secs(1_800_000_000), 1);
    write_frame(&mut bytes, Kind::Inputs, 0, &recorder.take(Vec::new()).inputs);
    assert_eq!(replay(&[bytes.clone()], Time::MAX).map(|(told, _)| told.len()), Ok(1));
    // A time at which a stream's next sign of life would be at once, and again.
    recorder.begin(ROOM, ROOM).expect("there is room");
    recorder.handle_timeout(Time::MAX - std::time::Duration::from_nanos(1));
    write_frame(&mut bytes, Kind::Inputs, 0, &recorder.take(Vec::new()).inputs);
    assert!(matches!(replay(&[bytes], Time::MAX), Err(Broken::Nonsense { part: 0, .. })));
    // No streams at all.
    let config = Config { limits: Limits { heartbeat: std::time::Duration::ZERO, ..Limits::default() }, ..config() };
    let mut bytes = Head::new(1, 1, 1).to_bytes();
    let checkpoint = Engine::new(config, 1).checkpoint(ROOM).expect("there is room");
    write_frame(&mut bytes, Kind::Checkpoint, 0, &checkpoint);
    assert!(matches!(replay(&[bytes], Time::MAX), Err(Broken::Nonsense { part: 0, .. })));
}
