//! The component on wasmtime: every scenario, what it imports, what it remembers, and what it takes.

use std::time::{Duration, Instant};

use shelfmq_core::api::{Request, frames};
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};
use shelfmq_tests::component::{Sandbox, artifact, program, wit};
use shelfmq_tests::scenario::wasmtime_host::{LOGGED, MEMORY, Segments};
use shelfmq_tests::scenario::{START_SECS, table};

const START: u64 = START_SECS * 1_000_000_000;

#[test]
fn every_scenario_passes() {
    let scenarios = table::scenarios().unwrap_or_else(|why| panic!("{why}"));
    let all: Vec<_> = scenarios.iter().collect();
    assert!(table::run_all(&all, &[MEMORY, LOGGED]), "as told above");
}

#[test]
fn it_imports_nothing() {
    let (engine, component) = program();
    let component = component.component_type();
    assert_eq!(component.imports(engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>(), [""; 0]);
    let exports: Vec<_> = component.exports(engine).map(|(name, _)| name.to_owned()).collect();
    assert_eq!(exports, [format!("shelfmq:broker/engine@{}", "0.1.0")], "{}", artifact().display());
}

/// A request and its answer, which comes at once, with the segments of a log where there is one.
fn ask(sandbox: &mut Sandbox, segments: &mut Segments, target: &str, body: &[u8]) -> wit::Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = wit::Request {
        method: if target.starts_with("/sub") { "GET" } else { "POST" }.into(),
        path: path.into(),
        query: query.into(),
        headers: Vec::new(),
        body: body.into(),
        peer: String::new(),
    };
    let mut outputs = sandbox.call(|engine, store| engine.call_handle(store, START, 1, &request)).expect("no trap");
    let mut answer = None;
    loop {
        let mut more = Vec::new();
        for output in outputs {
            match output {
                wit::Output::Respond(found) => answer = Some(found.response),
                wit::Output::Read(read) => {
                    let part = segments.part(&read);
                    let read =
                        sandbox.call(|engine, store| engine.call_handle_read(store, START, &read, part.as_ref()));
                    more.extend(read.expect("no trap"));
                }
                other => panic!("{other:?}"),
            }
        }
        for work in sandbox.call(|engine, store| engine.call_poll_log(store)).expect("no trap") {
            more.extend(segments.work(sandbox, START, work).expect("no trap"));
        }
        if more.is_empty() {
            return answer.unwrap_or_else(|| panic!("no answer to {target}"));
        }
        outputs = more;
    }
}

/// Makes a topic with a channel.
fn create(mut ask: impl FnMut(&str) -> u16) {
    assert_eq!(ask("/topic/create?topic=t"), 200);
    assert_eq!(ask("/channel/create?topic=t&channel=c"), 200);
}

fn text(response: &wit::Response) -> String {
    format!("{} {}", response.status, String::from_utf8_lossy(&response.body))
}

#[test]
fn what_was_written_is_opened_by_another_instance() {
    let options = LogOptions { segment_bytes: 1024, cache_bytes: 0 };
    let mut segments = Segments::default();
    let mut first = Sandbox::start(&Config::default(), 1, Some(&options)).expect("it starts");
    create(|target| ask(&mut first, &mut segments, target, b"").status);
    for n in 0..100 {
        let answer = ask(&mut first, &mut segments, "/pub?topic=t", format!("message {n}").as_bytes());
        assert_eq!(text(&answer), "200 OK");
    }
    // What left memory is read back.
    assert_eq!(text(&ask(&mut first, &mut segments, "/sub?topic=t&channel=c&ack=auto", b"")), "200 message 0");
    let written = segments.of(1);
    assert!(written.len() > 2, "{} segments", written.len());

    let open = |sandbox: &mut Sandbox, topic: &str, segments: &[Vec<u8>], is_whole| {
        sandbox.call(|engine, store| engine.call_open_topic(store, START, topic, segments, is_whole)).expect("no trap")
    };
    let mut second = Sandbox::start(&Config::default(), 2, Some(&options)).expect("it starts");
    let other = open(&mut second, "u", &written, true);
    assert!(matches!(other, Err(wit::OpenError::OtherTopic(name)) if name == "t"));
    let last = written.len() - 1;
    let torn = [&written[last][..], b"torn"].concat();
    let opened = open(&mut second, "t", &[torn], false).expect("the last segment tells all");
    assert_eq!((opened.torn, opened.end), (4, written[last].len() as u64));
    assert!(!opened.headless && opened.damage.is_empty(), "{opened:?}");
    assert!(matches!(open(&mut second, "t", &written, true), Err(wit::OpenError::NotHere)));
    // A log has the number of its opening; this one goes on in the same segments, and is read back from all of them.
    for n in 1..100 {
        let answer = ask(&mut second, &mut segments, "/sub?topic=t&channel=c&ack=auto", b"");
        assert_eq!(text(&answer), format!("200 message {n}"));
    }
    assert_eq!(text(&ask(&mut second, &mut segments, "/sub?topic=t&channel=c&wait=0", b"")), "204 ");
}

#[test]
fn a_log_that_cannot_be_opened_says_why() {
    let mut sandbox = Sandbox::start(&Config::default(), 1, Some(&LogOptions::default())).expect("it starts");
    let mut open = |segments: &[Vec<u8>], is_whole| {
        sandbox.call(|engine, store| engine.call_open_topic(store, START, "t", segments, is_whole)).expect("no trap")
    };
    assert!(matches!(open(&[], true), Err(wit::OpenError::Nothing)));
    assert!(matches!(open(&[vec![0; 100]], true), Err(wit::OpenError::Nothing)));
    assert!(matches!(open(&[b"no log".into(), vec![0; 100]], true), Err(wit::OpenError::BadSegment(0))));
    let mut header = shelfmq_core::log::SegmentHeader { number: 7, ..Default::default() }.to_bytes().to_vec();
    assert!(matches!(open(&[header.clone()], true), Err(wit::OpenError::Nothing)));
    header.extend_from_slice(&[1; 100]);
    assert!(matches!(open(&[header.clone()], false), Err(wit::OpenError::NeedsEarlier)));
    assert!(matches!(open(&[header], true), Ok(wit::Opened { headless: true, segment: 7, .. })));
}

/// Messages in a batch: of a publish, of what leases them, and of what finishes them.
const BATCH: usize = 1000;

/// A message of 64 bytes and its line's end, so many times.
fn batch() -> Vec<u8> {
    [b"0123456789abcdef".repeat(4), b"\n".to_vec()].concat().repeat(BATCH)
}

/// Publishes, leases and finishes a batch by whoever answers a request.
fn round(batch: &[u8], mut ask: impl FnMut(&str, &[u8]) -> (u16, Vec<u8>)) {
    assert_eq!(ask("/mpub?topic=t", batch).0, 200);
    let (status, leased) = ask("/sub?topic=t&channel=c&max=1000&format=frames", b"");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&leased));
    let mut receipts = Vec::with_capacity(BATCH * 36);
    let mut rest = &leased[..];
    while let Some((frame, after)) = frames::read(rest) {
        receipts.extend_from_slice(frame.receipt.as_bytes());
        receipts.push(b'\n');
        rest = after;
    }
    let (status, finished) = ask("/fin?topic=t&channel=c", &receipts);
    assert_eq!((status, &finished[..]), (200, &br#"{"finished":1000}"#[..]), "{}", String::from_utf8_lossy(&finished));
}

fn sandbox_with_channel() -> Sandbox {
    let mut sandbox = Sandbox::start(&Config::default(), 1, None).expect("it starts");
    create(|target| ask(&mut sandbox, &mut Segments::default(), target, b"").status);
    sandbox
}

fn rounds_in(sandbox: &mut Sandbox, rounds: u32) -> Duration {
    let (batch, begun) = (batch(), Instant::now());
    for _ in 0..rounds {
        round(&batch, |target, body| {
            let answer = ask(sandbox, &mut Segments::default(), target, body);
            (answer.status, answer.body)
        });
    }
    begun.elapsed()
}

fn native_rounds(rounds: u32) -> Duration {
    let mut engine = Engine::new(Config::default(), 1);
    let mut ask = |target: &str, body: &[u8]| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let method = if path == "/sub" { "GET" } else { "POST" };
        let request = Request { method, path, query, body, ..Request::default() };
        engine.handle(Time::from_nanos(START), 1, &request);
        match engine.poll_output() {
            Some(Output::Respond(_, response)) => (response.status, response.body.into_bytes()),
            other => panic!("{other:?}"),
        }
    };
    create(|target| ask(target, b"").0);
    let (batch, begun) = (batch(), Instant::now());
    (0..rounds).for_each(|_| round(&batch, &mut ask));
    begun.elapsed()
}

#[test]
fn a_million_messages_that_are_finished_leave_no_memory_taken() {
    let mut sandbox = sandbox_with_channel();
    // Tables grow by doubling, and the allocator's pages with them: for a while, and no longer.
    rounds_in(&mut sandbox, 500);
    let memory = sandbox.memory();
    rounds_in(&mut sandbox, 1_000);
    println!("{} KiB of memory after 500 000 and after 1 500 000 messages", memory / 1024);
    assert_eq!(sandbox.memory(), memory);
}

/// The native core is as it was built for this test, and only with `--release` as fast as it is:
/// what is held here is that the border costs no multiple of the work.
#[test]
fn it_is_as_fast_as_that_beside_the_native_core() {
    const ROUNDS: u32 = 50;
    const TURNS: usize = 5;
    const AT_MOST: f64 = 8.0;
    let mut sandbox = sandbox_with_channel();
    rounds_in(&mut sandbox, 20);
    // In turns, so that what disturbs one disturbs the other; the best of each, for nothing makes it faster than it is.
    let turns: Vec<_> = (0..TURNS).map(|_| (rounds_in(&mut sandbox, ROUNDS), native_rounds(ROUNDS))).collect();
    let sandboxed = turns.iter().map(|turn| turn.0).min().expect("there were turns").as_secs_f64();
    let native = turns.iter().map(|turn| turn.1).min().expect("there were turns").as_secs_f64();
    let rate = |took: f64| f64::from(ROUNDS * BATCH as u32) / took / 1e6;
    println!("million messages a second, published, leased and finished in batches of {BATCH}:");
    println!("component on wasmtime {:.2}, native core {:.2}", rate(sandboxed), rate(native));
    assert!(sandboxed <= AT_MOST * native, "{:.1} times as long as the native core", sandboxed / native);
}
