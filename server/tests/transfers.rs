//! Logs over HTTP, of the real broker: out of one that runs, and into one; backups of all topics.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use common::process::{self, Process, problems};
use common::until;
use shelfmq::disk::replay_export;
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a place for temporary files")
}

fn small_segments(data: &Path) -> Process {
    Process::start(data, &["--segment-bytes", "65536", "--cache-bytes", "1000000"])
}

fn publish(broker: &Process, topic: &str, body: &str) {
    broker.call("POST", &format!("/pub?topic={topic}"), body.as_bytes()).ok();
}

fn export(broker: &Process, topic: &str) -> Vec<u8> {
    broker.call("GET", &format!("/export?topic={topic}"), b"").ok().body
}

/// The status of an import and its code.
fn import(broker: &Process, topic: &str, log: &[u8]) -> (u16, String) {
    let answer = broker.call("POST", &format!("/import?topic={topic}"), log);
    let text = answer.text();
    (answer.status, text.split('"').nth(3).unwrap_or_default().to_owned())
}

/// Takes all that a channel has, for good.
fn take_all(broker: &Process, topic: &str, channel: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let target = format!("/sub?topic={topic}&channel={channel}&max=1000&wait=1ms&format=json&ack=auto");
        let answer = broker.call("GET", &target, b"").ok();
        if answer.status == 204 {
            return bodies;
        }
        let json = answer.json();
        let messages = json["messages"].as_array().expect("messages are a list");
        bodies.extend(messages.iter().map(|message| message["body"].as_str().expect("it is text").to_owned()));
    }
}

fn topics_of(data: &Path) -> Vec<PathBuf> {
    let entries = data.join("topics").read_dir().expect("it is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn shelfmq(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shelfmq")).args(args).output().expect("it can be run")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

#[test]
fn an_export_is_the_file_that_the_tool_writes() {
    let (data, elsewhere) = (directory(), directory());
    let broker = small_segments(data.path());
    broker.call("POST", "/channel/create?topic=Books&channel=c", b"");
    publish(&broker, "Books", "one");
    broker.call("POST", "/channel/create?topic=Books&channel=c", b"").ok();
    let large = "x".repeat(20_000);
    (0..20).for_each(|_| publish(&broker, "Books", &large));
    let answer = broker.call("GET", "/export?topic=Books", b"").ok();
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"Books.shelfmq\""));
    assert_eq!(broker.end().0, Some(0));
    let file = elsewhere.path().join("books.shelfmq");
    let said = shelfmq(&["log", "export", "--topic", "Books", "--output", text(&file), text(data.path())]);
    assert!(said.status.success(), "{said:?}");
    assert!(answer.body == fs::read(&file).expect("it is there"));
}

#[test]
fn an_imported_log_is_the_topic() {
    let (one, two) = (directory(), directory());
    let broker = small_segments(one.path());
    publish(&broker, "Books", "one");
    broker.call("POST", "/channel/create?topic=Books&channel=c&max_attempts=7", b"").ok();
    let large = "y".repeat(30_000);
    (0..10).for_each(|_| publish(&broker, "Books", &large));
    let leased = broker.call("GET", "/sub?topic=Books&channel=c&wait=0", b"").ok();
    broker
        .call(
            "POST",
            &format!("/fin?topic=Books&channel=c&receipt={}", leased.header("shelf-receipt").expect("there is one")),
            b"",
        )
        .ok();
    let log = export(&broker, "Books");

    let other = small_segments(two.path());
    assert_eq!(import(&other, "Books", &log), (200, String::new()));
    assert_eq!(import(&other, "Books", &log), (409, "TOPIC_EXISTS".into()));
    assert_eq!(import(&broker, "Books", &log).0, 409);
    assert_eq!(import(&other, "books", &log).1, "INVALID_LOG");
    publish(&other, "Books", "after");
    let mut expected = vec![large; 10];
    expected.push("after".into());
    // What was finished before it was exported is: an answer before is in the export.
    assert_eq!(take_all(&other, "Books", "c"), expected);
    let stats = other.call("GET", "/stats?format=json&topic=Books", b"").ok().text();
    assert!(stats.contains("\"max_attempts\":7"), "{stats}");
    // It is there after a power cut as well, in a directory that no file system folds together with another.
    other.kill();
    let names: Vec<_> =
        topics_of(two.path()).iter().map(|path| path.file_name().expect("it has one").to_owned()).collect();
    assert_eq!(names, ["+books.topic"]);
    let other = small_segments(two.path());
    publish(&other, "Books", "later");
    assert_eq!(take_all(&other, "Books", "c"), ["later"]);
    // A name that was deleted is free at once.
    for _ in 0..5 {
        other.call("POST", "/topic/delete?topic=Books", b"").ok();
        assert_eq!(import(&other, "Books", &log), (200, String::new()));
    }
    assert_eq!(other.end().0, Some(0));
    assert_eq!(problems(two.path()), [""; 0]);
}

#[test]
fn what_is_no_log_is_refused_with_its_place_and_leaves_nothing() {
    let data = directory();
    let broker = small_segments(data.path());
    publish(&broker, "books", "one");
    let log = export(&broker, "books");
    broker.call("POST", "/topic/delete?topic=books", b"").ok();
    let detail = |bytes: &[u8]| {
        let answer = broker.call("POST", "/import?topic=books", bytes);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json()["message"], "INVALID_LOG");
        answer.json()["detail"].as_str().expect("it is a sentence").to_owned()
    };
    assert!(detail(b"something else entirely").contains("it is no exported log, at byte 0"));
    assert!(detail(&log[..log.len() - 1]).contains("it ends too soon"), "{}", detail(&log[..log.len() - 1]));
    assert!(
        detail(&[&log[..], b"x"].concat()).contains(&format!("there is more behind its end, at byte {}", log.len()))
    );
    let mut header = log.clone();
    header[16 + 5 + 12 + 20] ^= 1;
    assert!(detail(&header).contains("header is damaged, at byte 33"), "{}", detail(&header));
    for cut in (0..log.len()).step_by(7) {
        detail(&log[..cut]);
    }
    assert!(topics_of(data.path()).is_empty());
    assert_eq!(import(&broker, "books", &log), (200, String::new()));
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let data = directory();
    let broker = small_segments(data.path());
    publish(&broker, "books", &"z".repeat(500_000));
    let log = export(&broker, "books");
    broker.call("POST", "/topic/delete?topic=books", b"").ok();
    let mut stream = TcpStream::connect(broker.address).expect("it listens");
    let head = format!("POST /import?topic=books HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", log.len());
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(&log[..log.len() - 10]).expect("it reads");
    until("it is being written", || !topics_of(data.path()).is_empty());
    drop(stream);
    until("nothing of it is left", || topics_of(data.path()).is_empty());
    assert_eq!(import(&broker, "books", &log), (200, String::new()));
    // What a kill leaves is removed by the next start.
    fs::create_dir(data.path().join("topics/films.0.importing")).expect("it can be made");
    broker.kill();
    let broker = small_segments(data.path());
    until("it is removed", || topics_of(data.path()).len() == 1);
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn an_export_has_all_that_was_answered_before_it() {
    let (data, elsewhere) = (directory(), directory());
    let broker = small_segments(data.path());
    broker.call("POST", "/topic/create?topic=books", b"").ok();
    broker.call("POST", "/channel/create?topic=books&channel=c", b"").ok();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..3 {
            let (broker, is_over) = (&broker, &is_over);
            scope.spawn(move || {
                let mut client = broker.client();
                let padding = "-".repeat(4000);
                for number in 0.. {
                    if is_over.load(SeqCst) {
                        break;
                    }
                    let body = format!("{writer} {number} {padding}");
                    client.post("/pub?topic=books", body.as_bytes()).expect("it answers").ok();
                }
            });
        }
        // Somebody takes them out, so that segments go all the time.
        scope.spawn(|| {
            let mut client = broker.client();
            while !is_over.load(SeqCst) {
                client.get("/sub?topic=books&channel=c&max=100&wait=50ms&ack=auto&format=json").expect("it answers");
            }
        });
        for round in 0..12 {
            let id = broker.call("POST", "/pub?topic=books", format!("mark {round}").as_bytes()).ok();
            let id = u64::from_str_radix(id.header("shelf-id").expect("it has one"), 16).expect("it is a number");
            let log = export(&broker, "books");
            let file = elsewhere.path().join(format!("{round}.shelfmq"));
            fs::write(&file, log).expect("it can be written");
            let (recovered, ..) = replay_export(&file).expect("it is whole");
            assert!(recovered.image.next.id > id, "round {round}");
            assert_eq!((recovered.torn, recovered.damage.len(), recovered.headless), (0, 0, false), "round {round}");
            let target = format!("{round}");
            let copy = elsewhere.path().join(target);
            let imported = shelfmq(&["log", "import", "--into", text(&copy), text(&file)]);
            assert!(imported.status.success(), "{imported:?}");
            assert_eq!(problems(&copy), [""; 0], "round {round}");
        }
        is_over.store(true, SeqCst);
    });
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(data.path()), [""; 0]);
}

/// Begins an export and reads only its head.
fn half_read(broker: &Process) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address).expect("it listens");
    stream.write_all(b"GET /export?topic=books HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("it answers");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

fn segments(data: &Path) -> usize {
    let entries = data.join("topics/books.topic").read_dir();
    entries.map_or(0, |entries| entries.filter_map(Result::ok).count())
}

#[test]
fn what_is_copied_stays_until_it_is_and_goes_then() {
    let data = directory();
    let broker = small_segments(data.path());
    broker.call("POST", "/topic/create?topic=books", b"").ok();
    broker.call("POST", "/channel/create?topic=books&channel=c", b"").ok();
    let large = "x".repeat(60_000);
    // More than the sockets between take.
    (0..400).for_each(|_| publish(&broker, "books", &large));
    let before = segments(data.path());
    let mut stream = half_read(&broker);
    assert_eq!(take_all(&broker, "books", "c").len(), 400);
    (0..20).for_each(|_| publish(&broker, "books", &large));
    assert!(segments(data.path()) > before, "nothing that is copied was removed");
    let mut rest = Vec::new();
    while !rest.ends_with(&[0, 0, 0, 0, 0, 0, 0, 0]) && rest.len() < 24_000_000 {
        let mut piece = vec![0; 65_536];
        let count = stream.read(&mut piece).expect("it comes");
        rest.extend_from_slice(&piece[..count]);
    }
    drop(stream);
    until("what nobody needs is removed", || segments(data.path()) < 60);

    // A topic that is deleted meanwhile ends the copy of it, and its successor is none of it.
    (0..400).for_each(|_| publish(&broker, "books", &large));
    let mut stream = half_read(&broker);
    broker.call("POST", "/topic/delete?topic=books", b"").ok();
    publish(&broker, "books", "another");
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest);
    assert!(ended.is_err() || rest.len() < 24_000_000, "{ended:?}");
    assert!(!rest.windows(7).any(|part| part == b"another"));
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn who_cannot_export_or_import_says_why() {
    let data = directory();
    let broker = small_segments(data.path());
    let code = |broker: &Process, method: &str, target: &str| {
        let answer = broker.call(method, target, b"");
        (answer.status, answer.json()["message"].as_str().expect("it has one").to_owned())
    };
    let said = |status: u16, text: &str| (status, text.to_owned());
    assert_eq!(code(&broker, "GET", "/export"), said(400, "MISSING_ARG_TOPIC"));
    assert_eq!(code(&broker, "GET", "/export?topic=none"), said(404, "TOPIC_NOT_FOUND"));
    assert_eq!(code(&broker, "POST", "/export?topic=none"), said(405, "METHOD_NOT_ALLOWED"));
    assert_eq!(code(&broker, "POST", "/import?topic=a%20b"), said(400, "INVALID_ARG_TOPIC"));
    publish(&broker, "here%23ephemeral", "x");
    assert_eq!(code(&broker, "GET", "/export?topic=here%23ephemeral"), said(501, "NO_LOG_FILES"));
    drop(broker);
    // One that cannot be opened is somebody's all the same.
    fs::create_dir_all(data.path().join("topics/films.topic")).expect("it can be made");
    fs::write(data.path().join("topics/films.topic/00000001.log"), "no segment at all, but longer than its header is")
        .expect("it can be written");
    let broker = small_segments(data.path());
    assert_eq!(code(&broker, "GET", "/export?topic=films"), said(503, "STORAGE_FAILED"));
    assert_eq!(code(&broker, "POST", "/import?topic=films"), said(409, "TOPIC_EXISTS"));
    let memory = Process::start(data.path(), &["--store", "memory"]);
    publish(&memory, "books", "x");
    assert_eq!(code(&memory, "GET", "/export?topic=books"), said(501, "NO_LOG_FILES"));
    assert_eq!(code(&memory, "POST", "/import?topic=other"), said(501, "NO_LOG_FILES"));
    let answer = memory.call("POST", "/import?topic=other", &[7; 100]);
    assert_eq!((answer.status, answer.json()["message"].as_str()), (501, Some("NO_LOG_FILES")));
}

fn all_messages(broker: &Process) -> BTreeSet<String> {
    ["Orders", "orders"].iter().flat_map(|topic| take_all(broker, topic, "c")).collect()
}

#[test]
fn a_backup_is_restored_by_one_command() {
    let (data, elsewhere) = (directory(), directory());
    let place = |name: &str| elsewhere.path().join(name);
    let broker = small_segments(data.path());
    for topic in ["Orders", "orders"] {
        publish(&broker, topic, &format!("first of {topic}"));
        broker.call("POST", &format!("/channel/create?topic={topic}&channel=c"), b"").ok();
    }
    publish(&broker, "gone%23ephemeral", "x");
    let url = format!("http://{}", broker.address);
    let backup = |from: &str, to: &str| shelfmq(&["backup", from, text(&place(to))]);
    let restore = |from: &str, to: &str| shelfmq(&["restore", text(&place(from)), to]);
    let is_refused = |output: &Output, why: &str| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(why), "{output:?}");
    };
    let done = backup(&url, "one");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().count(), 2);
    is_refused(&backup(&url, "one"), "is there already");
    is_refused(&backup(text(data.path()), "two"), "a broker is running");
    assert!(!place("two").exists() && !place("two.unfinished").exists());
    is_refused(&restore("one", &url), "there is a topic Orders");

    // Into a broker that runs, into a directory, and from a directory.
    let (other, third) = (directory(), place("data"));
    let running = small_segments(other.path());
    let done = restore("one", &format!("http://{}/", running.address));
    assert!(done.status.success(), "{done:?}");
    let expected: BTreeSet<String> = ["first of Orders", "first of orders"].map(String::from).into();
    assert_eq!(all_messages(&running), expected);
    assert_eq!(broker.end().0, Some(0));
    assert!(backup(text(data.path()), "two").status.success());
    assert!(restore("two", text(&third)).status.success());
    is_refused(&restore("two", text(&third)), "there is a topic of this name already: nothing was restored");
    let started = small_segments(&third);
    assert_eq!(all_messages(&started), expected);
    drop(started);

    // What is damaged, cut short or nothing of a backup is none, and makes nothing.
    let file = place("one").join("orders.shelfmq");
    let whole = fs::read(&file).expect("it is there");
    let fourth = place("fourth");
    fs::write(&file, &whole[..whole.len() - 1]).expect("it can be written");
    is_refused(&restore("one", text(&fourth)), "it ends too soon");
    fs::remove_file(&file).expect("it is there");
    is_refused(&restore("one", text(&fourth)), "orders.shelfmq");
    fs::remove_file(place("one").join("backup.json")).expect("it is there");
    is_refused(&restore("one", text(&fourth)), "is no backup");
    assert!(!fourth.exists());
    // One that was killed is made anew.
    fs::create_dir(place("three.unfinished")).expect("it can be made");
    fs::write(place("three.unfinished/orders.shelfmq"), "half").expect("it can be written");
    assert!(backup(text(data.path()), "three").status.success());
    assert!(!place("three.unfinished").exists());
    is_refused(&shelfmq(&["backup", "http://127.0.0.1:1", text(&place("x"))]), "cannot reach the broker");
    is_refused(&shelfmq(&["backup", "ftp://x", text(&place("x"))]), "is to begin with http://");
    let _ = process::run;
}
