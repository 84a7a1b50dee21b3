//! A server that records, and `shelfmq replay` of what it recorded.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Server, until};
use serde_json::Value;
use shelfmq::{DiskOptions, DiskStore, Options, RecordOptions, Shelf, Sync};
use shelfmq_core::config::LogOptions;
use tempfile::TempDir;

/// A server on a disk whose engines are recorded, up to so many bytes.
fn recorded(directory: &TempDir, bytes: u64) -> (Server, PathBuf) {
    let log = LogOptions { segment_bytes: 64 << 10, cache_bytes: 64 << 10 };
    let store = DiskStore {
        path: directory.path().join("data"),
        log,
        disk: DiskOptions { sync: Sync::Never, min_free_bytes: 0 },
        trust_clock: false,
    };
    let shelf = Shelf::open(Options { disk: Some(store), ..Options::default() }).expect("the disk can be used");
    let path = directory.path().join("recording");
    shelf.record(RecordOptions { path: path.clone(), bytes }).expect("the file can be written");
    (Server::start_shelf(shelf), path)
}

/// What `shelfmq replay` prints.
fn replay(path: &Path, more: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_shelfmq")).arg("replay").arg(path).args(more).output();
    let output = output.expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn words<'a>(lines: &'a [Value], field: &str) -> Vec<&'a str> {
    lines.iter().map(|line| line[field].as_str().unwrap_or_default()).collect()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn receipt(answer: &str) -> &str {
    let line = answer.lines().find_map(|line| line.strip_prefix("shelf-receipt: "));
    line.expect("a message came, with its receipt")
}

#[test]
fn the_story_of_a_message_is_told() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let (mut server, path) = recorded(&directory, 64 << 20);
    server.call("POST", "/topic/create?topic=t", "");
    server.call("POST", "/channel/create?topic=t&channel=c&ordered=true&max_attempts=2", "");
    for (key, text) in [("k", "one"), ("k", "two"), ("other", "three")] {
        server.call("POST", &format!("/pub?topic=t&key={key}"), text);
    }
    let sub = |more: &str| server.call("GET", &format!("/sub?topic=t&channel=c&{more}"), "");
    sub("client=ann&timeout=400ms");
    let second = sub("client=ben&ack=auto&wait=0");
    assert_eq!(body(&second), "three", "the second is held behind the first");
    let again = sub("client=cat&wait=5s&timeout=1m");
    server.call("POST", &format!("/touch?topic=t&channel=c&receipt={}", receipt(&again)), "");
    server.call("POST", &format!("/req?topic=t&channel=c&receipt={}", receipt(&again)), "");
    let stats = server.call("GET", "/stats?format=json&include_mem=false", "");
    server.wait();

    let told = replay(&path, &["--explain", "1", "--topic", "t"]);
    let expected = ["published", "moved", "leased", "timed out", "leased", "touched", "died", "now"];
    assert_eq!(words(&told, "what"), expected, "{told:#?}");
    assert_eq!(told[0]["by"]["request"], "POST /pub?topic=t&key=k");
    assert_eq!(told[2]["to"]["client"], "ann");
    assert_eq!(told[4]["to"]["client"], "cat");
    assert_eq!(told[4]["receipt"], receipt(&again));
    assert_eq!(told[7]["channels"][0]["place"], "dead");
    assert_eq!(told[7]["channels"][0]["because"], "dead after 2 attempts");

    let until = told[5]["at"].as_str().expect("each line has its time");
    let held = replay(&path, &["--explain", "2", "--topic", "t", "--until", until]);
    let last = held.last().expect("it is told where it is");
    assert_eq!(last["channels"][0]["because"], "held behind message 0000000000000001 of its key");
    let auto = replay(&path, &["--explain", "3", "--topic", "t"]);
    assert_eq!(words(&auto, "what"), ["published", "moved", "leased", "finished", "now"]);
    assert_eq!(auto[2]["to"]["client"], "ben");
    let nothing = replay(&path, &["--explain", "99", "--topic", "t"]);
    assert!(nothing[0]["because"].as_str().is_some_and(|why| why.starts_with("no message")));

    let end = replay(&path, &[]);
    let stats: Value = serde_json::from_str(body(&stats)).expect("the numbers are JSON");
    for count in ["depth", "dead_count", "message_count", "finish_count", "requeue_count", "timeout_count"] {
        assert_eq!(end[1]["topics"][0]["channels"][0][count], stats["topics"][0]["channels"][0][count], "{count}");
    }
    let outputs = replay(&path, &["--outputs"]);
    assert!(outputs.iter().any(|line| line["respond"] == 200 && line["body"] == "three"));
}

#[test]
fn a_recording_has_two_files_at_most_and_replays_from_either() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let (mut server, path) = recorded(&directory, 1 << 20);
    let before = path.with_file_name("recording.1");
    let text = "x".repeat(30_000);
    let mut published = 0;
    until("the file becomes the one before, and another begins", || {
        server.call("POST", "/pub?topic=t", &text);
        published += 1;
        before.exists() && fs::metadata(&path).is_ok_and(|file| file.len() > 200_000)
    });
    server.wait();
    let size = |path: &Path| fs::metadata(path).expect("it is there").len();
    assert!(size(&before) + size(&path) < 3 << 19, "{} and {}", size(&before), size(&path));
    let both = replay(&path, &[]);
    assert_eq!(both[1]["topics"][0]["message_count"], published);
    fs::remove_file(&before).expect("it is there");
    let one = replay(&path, &[]);
    assert!(one[0]["inputs"].as_u64() < both[0]["inputs"].as_u64());
    assert_eq!(one[1]["topics"], both[1]["topics"]);
}

#[test]
fn what_cannot_be_recorded_or_replayed_is_said() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let shelf = Shelf::new(Options::default());
    let record = |path: PathBuf, bytes| shelf.record(RecordOptions { path, bytes }).expect_err("it cannot");
    assert!(record(directory.path().join("no/where"), 1 << 20).contains("no/where"));
    assert!(record(directory.path().join("small"), 100).contains("does not fit into a quarter"));
    let path = directory.path().join("text");
    fs::write(&path, "no recording").expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_shelfmq")).arg("replay").arg(&path).output().expect("it can be run");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no recording of shelfmq"));
}
