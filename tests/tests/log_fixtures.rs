//! Logs that older versions wrote stay readable: `tests/fixtures/log/<version>` has segments as they were written, and
//! what the topic is by them.
//!
//! A fixture is never made again once its version was released. Of a version that was not,
//! `cargo test -p shelfmq-tests --test log_fixtures -- --ignored` makes it, where its directory was removed before.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shelfmq_core::api::Request;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::frame::VERSION;
use shelfmq_core::log::{Damage, LogCommand};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};
use shelfmq_tests::segments::{TOPIC, recover, served};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log")
}

/// The segments of a fixture, in order.
fn segments(fixture: &Path) -> Vec<Vec<u8>> {
    let entries = fixture.read_dir().unwrap_or_else(|error| panic!("{}: {error}", fixture.display()));
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("it can be read")).collect()
}

#[test]
fn every_layout_that_was_ever_written_is_read() {
    let mut versions = 0;
    for entry in directory().read_dir().expect("there are fixtures") {
        let fixture = entry.expect("it can be read").path();
        let segments = segments(&fixture);
        let recovered = recover(&segments, 1 << 16).unwrap_or_else(|error| panic!("{}: {error:?}", fixture.display()));
        assert_eq!((&recovered.damage[..], recovered.torn, recovered.headless), (&[] as &[Damage], 0, false));
        let expected = fs::read_to_string(fixture.join("image.json")).expect("it says what the topic is");
        let expected: Value = serde_json::from_str(&expected).expect("it is JSON");
        let image = serde_json::to_value(&recovered.image).expect("an image is data");
        assert_is_kept(&expected, &image, &fixture.display().to_string());

        let bodies = fs::read_to_string(fixture.join("messages.txt")).expect("it says what the messages are");
        assert_eq!(messages(&segments), bodies, "{}", fixture.display());
        versions += 1;
    }
    assert_eq!(versions, usize::from(VERSION), "each version has its fixture");
}

/// All that an old version said is said still; a new one may say more.
fn assert_is_kept(old: &Value, new: &Value, place: &str) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                assert_is_kept(value, new.get(name).unwrap_or(&Value::Null), &format!("{place} {name}"));
            }
            let place = ["channels", "entries", "held", "dead", "rewritten"].iter().any(|end| place.ends_with(end));
            assert!(!place || old.len() == new.len(), "{new:?}");
        }
        (Value::Array(old), Value::Array(new)) => {
            assert_eq!(old.len(), new.len(), "{place}");
            old.iter().zip(new).for_each(|(old, new)| assert_is_kept(old, new, place));
        }
        _ => assert_eq!(old, new, "{place}"),
    }
}

/// Each message of the segments as kind, id and record.
fn messages(segments: &[Vec<u8>]) -> String {
    let all = segments.iter().flat_map(|bytes| served(bytes));
    let lines = all.map(|(kind, id, record)| format!("{kind:?} {id} {}\n", record.escape_ascii()));
    lines.collect()
}

/// What is asked of a broker, at which second, for its log to have something of everything.
const STORY: &[(u64, &str, &str, &[u8])] = &[
    (0, "/pub", "", b"for nobody yet"),
    (1, "/channel/create", "channel=readers&max_attempts=2&timeout=30s", b""),
    (1, "/channel/create", "channel=ordered&ordered=true", b""),
    (2, "/mpub", "", b"one\ntwo\nthree"),
    (2, "/pub", "defer=1h&key=shelf-7", b"later"),
    (2, "/pub", "ttl=40m&key=shelf-7", b"not for ever"),
    (3, "/pub", "dedup=order-1", b"only once"),
    (4, "/sub", "channel=readers&max=3&wait=0", b""),
    (4, "/sub", "channel=ordered&max=2&wait=0", b""),
    (40, "/sub", "channel=readers&max=2&wait=0", b""),
    (80, "/sub", "channel=readers&max=9&wait=0&ack=auto", b""),
    (81, "/topic/create", "retain=1h&max_messages=1000", b""),
    (82, "/channel/pause", "channel=readers", b""),
    (83, "/pub", "", b"the end \xff"),
];

/// Makes the fixture of this version, by an engine that is told the [`STORY`].
#[test]
#[ignore = "a fixture is made once for each version of the layout"]
fn make_the_fixture_of_this_version() {
    let fixture = directory().join(format!("v{VERSION}"));
    assert!(!fixture.exists(), "{} is there: it stays as it is", fixture.display());
    fs::create_dir_all(&fixture).expect("it can be made");
    let log = LogOptions { segment_bytes: 900, ..LogOptions::default() };
    let mut engine = Engine::with_log(Config::default(), 7, log);
    let mut files: Vec<Vec<u8>> = Vec::new();
    for (ticket, (second, path, query, body)) in (1..).zip(STORY) {
        let now = Time::from_secs(1_800_000_000 + second);
        engine.handle_timeout(now);
        write(&mut engine, now, &mut files);
        let query = format!("topic={TOPIC}&{query}");
        let headers: &[(&str, &[u8])] = if *path == "/pub" { &[("ce-type", b"book.returned")] } else { &[] };
        let request = Request { method: "POST", path, query: &query, body, headers, ..Request::default() };
        engine.handle(now, ticket, &request);
        write(&mut engine, now, &mut files);
        while let Some(output) = engine.poll_output() {
            if let Output::Respond(_, response) = output {
                assert!(response.status < 300, "{path}?{query}: {response:?}");
            }
        }
    }
    for (number, bytes) in (1..).zip(&files) {
        fs::write(fixture.join(format!("{number:08x}.log")), bytes).expect("it can be written");
    }
    let recovered = recover(&files, 1 << 16).expect("headers are good");
    let image = serde_json::to_string_pretty(&recovered.image).expect("an image is data");
    fs::write(fixture.join("image.json"), image + "\n").expect("it can be written");
    fs::write(fixture.join("messages.txt"), messages(&files)).expect("it can be written");
}

/// Does what is to be done with the log; segments are kept though nobody needs them.
fn write(engine: &mut Engine, now: Time, files: &mut Vec<Vec<u8>>) {
    while let Some(work) = engine.poll_log() {
        if let LogCommand::Append(append) = work {
            if append.segment.is_some() {
                files.push(Vec::new());
            }
            files.last_mut().expect("a log begins with a segment").extend_from_slice(&append.bytes);
            engine.handle_appended(now, append.log, append.upto);
        }
    }
}
