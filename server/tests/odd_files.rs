//! Data directories with what nobody expects in them; and the tools beside a broker that runs.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::panic;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use common::process::{self, Process, problems};

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.is_ok_and(|status| status.success()));
}

fn publish(broker: &Process, topic: &str, body: &str) -> u16 {
    broker.call("POST", &format!("/pub?topic={topic}"), body.as_bytes()).status
}

/// Ends a broker, and starts another.
fn again(broker: Process, data: &Path, args: &[&str]) -> Process {
    assert_eq!(broker.end().0, Some(0));
    Process::start(data, args)
}

#[test]
fn what_file_systems_and_their_users_leave_is_nobodys() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let leave = |place: &Path| {
        for name in ["lost+found", ".snapshot", ".Trash-1000"] {
            fs::create_dir(place.join(name)).expect("it can be made");
        }
        for name in [".DS_Store", ".gitkeep", ".directory", "._books.topic"] {
            fs::write(place.join(name), "").expect("it can be written");
        }
    };
    // In a directory that was never used, and then everywhere in it.
    leave(data.path());
    let broker = Process::start(data.path(), &[]);
    assert_eq!(publish(&broker, "books", "one"), 200);
    let topics = data.path().join("topics");
    leave(&topics);
    leave(&topics.join("books.topic"));
    // What starts, repairs and tools moved aside or did not finish, too.
    fs::create_dir(topics.join("films.topic.bad")).expect("it can be made");
    fs::write(topics.join("books.topic/00000009.log.bad"), "x").expect("it can be written");
    let broker = again(broker, data.path(), &[]);
    assert_eq!(publish(&broker, "books", "two"), 200);
    let (code, log) = broker.end();
    assert!(code == Some(0) && !log.contains("WARN") && !log.contains("ERROR"), "{log}");
    assert_eq!(problems(data.path()), [""; 0]);
}

#[test]
fn what_has_the_name_of_a_file_and_is_none_holds_up_nobody() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &[]);
    for topic in ["pipe", "link", "socket", "folder", "well"] {
        assert_eq!(publish(&broker, topic, "one"), 200);
    }
    let topics = data.path().join("topics");
    let broker = again(broker, data.path(), &[]);
    assert_eq!(broker.end().0, Some(0));
    let segment = |topic: &str, name: &str| topics.join(format!("{topic}.topic")).join(name);
    pipe(&segment("pipe", "00000004.log"));
    pipe(&segment("well", "00000005.log.new"));
    let elsewhere = data.path().join("elsewhere");
    fs::rename(segment("link", "00000001.log"), &elsewhere).expect("it can be moved");
    symlink(&elsewhere, segment("link", "00000001.log")).expect("it can be made");
    let _socket = UnixListener::bind(segment("socket", "00000004.log")).expect("it can be made");
    fs::create_dir(segment("folder", "00000004.log")).expect("it can be made");
    symlink(data.path(), topics.join("away.topic")).expect("it can be made");
    pipe(&topics.join("tube.topic"));

    let broker = Process::start(data.path(), &[]);
    assert_eq!(publish(&broker, "well", "two"), 200);
    for topic in ["pipe", "link", "socket", "folder", "away", "tube"] {
        assert_eq!(publish(&broker, topic, "two"), 503, "{topic}");
    }
    let (code, log) = broker.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("put the file itself there") && log.contains("put the directory itself there"), "{log}");
    // The tools come to their ends, and tell of them.
    let found = problems(data.path()).join("\n");
    for topic in ["pipe", "link", "socket", "folder", "away", "tube"] {
        assert!(found.contains(&format!("/{topic}.topic")), "{topic}: {found}");
    }
    for tool in ["ls", "dump", "repair"] {
        assert!(process::run(&["log", tool], data.path()).status.success(), "{tool}");
    }
    assert_eq!(fs::read_link(segment("link", "00000001.log")).ok(), Some(elsewhere));
    // A lock that is none.
    fs::remove_file(data.path().join("lock")).expect("it is there");
    pipe(&data.path().join("lock"));
    let refused = Process::try_spawn(&mut process::command(data.path())).err().expect("it does not start");
    assert!(refused.contains("its lock is no file"), "{refused}");
}

#[test]
fn verify_finds_nothing_wrong_beside_a_broker_that_is_busy() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &["--segment-bytes", "65536"]);
    broker.call("POST", "/topic/create?topic=books", b"").ok();
    broker.call("POST", "/channel/create?topic=books&channel=c", b"").ok();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut client, body) = (broker.client(), "x".repeat(5000));
                while !is_over.load(SeqCst) {
                    client.post("/pub?topic=books", body.as_bytes()).expect("it answers").ok();
                    client.get("/sub?topic=books&channel=c&max=10&wait=0&ack=auto&format=json").expect("it answers");
                    client.post("/pub?topic=films", b"x").expect("it answers");
                    client.post("/topic/delete?topic=films", b"").expect("it answers");
                }
            });
        }
        // Asked for later: who fails here would wait for the others for ever.
        let found = panic::catch_unwind(|| (0..15).map(|_| problems(data.path())).collect::<Vec<_>>());
        is_over.store(true, SeqCst);
        let found = found.unwrap_or_else(|panic| panic::resume_unwind(panic));
        assert!(found.iter().all(Vec::is_empty), "{found:?}");
    });
    // What is wrong is found all the same.
    let log = data.path().join("topics/books.topic");
    fs::write(log.join("note"), "x").expect("it can be written");
    let found = problems(data.path());
    assert!(found.len() == 1 && found[0].contains("foreign file"), "{found:?}");
}

#[test]
fn verify_misses_a_first_segment() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &["--segment-bytes", "65536"]);
    (0..20).for_each(|_| assert_eq!(publish(&broker, "books", &"x".repeat(20_000)), 200));
    broker.call("POST", "/channel/create?topic=books&channel=c", b"").ok();
    // Once with the snapshot of a start, and once without.
    let broker = again(broker, data.path(), &[]);
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(data.path()), [""; 0]);
    fs::remove_file(data.path().join("topics/books.topic/00000001.log")).expect("it is there");
    let found = problems(data.path());
    assert!(
        found.len() == 1 && found[0].contains("segments are missing") && found[0].contains("numbers 1:"),
        "{found:?}"
    );
}

#[test]
fn nothing_is_repaired_beside_a_broker_whose_lock_somebody_removed() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &[]);
    assert_eq!(publish(&broker, "books", "one"), 200);
    let lock = data.path().join("lock");
    fs::remove_file(&lock).expect("it is there");
    let refused = process::run(&["log", "repair"], data.path());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is running"), "{refused:?}");
    assert!(!lock.exists(), "not even the lock file is made");
    assert_eq!(broker.end().0, Some(0));
    assert!(process::run(&["log", "repair"], data.path()).status.success());
    assert!(lock.exists());
}
