//! The broker on a disk that is full, that fails, or that changed what was on it.

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::process::{self, Process, is_installed, problems};
use common::{skipped, until};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a place for temporary files")
}

/// The answer to a publish, with its status.
fn publish(broker: &Process, topic: &str, body: &str) -> String {
    let answer = broker.call("POST", &format!("/pub?topic={topic}"), body.as_bytes());
    let text = answer.text();
    let code = text.split('"').nth(3).unwrap_or(&text);
    format!("{} {code}", answer.status)
}

/// Creates a topic with one channel, `c`.
fn create(broker: &Process, topic: &str) {
    broker.call("POST", &format!("/topic/create?topic={topic}"), b"").ok();
    broker.call("POST", &format!("/channel/create?topic={topic}&channel=c"), b"").ok();
}

/// Takes and finishes all that a topic has. The bodies.
fn take_all(broker: &Process, topic: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    loop {
        let target = format!("/sub?topic={topic}&channel=c&max=100&wait=1ms&format=json");
        let answer = broker.call("GET", &target, b"").ok();
        if answer.status == 204 {
            return bodies;
        }
        let mut receipts = Vec::new();
        for message in answer.json()["messages"].as_array().expect("messages are a list") {
            bodies.push(message["body"].as_str().expect("it is text").to_owned());
            receipts.push(message["receipt"].as_str().expect("it is text").to_owned());
        }
        let answer = broker.call("POST", &format!("/fin?topic={topic}&channel=c"), receipts.join("\n").as_bytes());
        assert_eq!(answer.ok().json()["finished"], receipts.len());
    }
}

fn ping(broker: &Process) -> String {
    let answer = broker.call("GET", "/ping", b"");
    format!("{} {}", answer.status, answer.text())
}

/// A file system in memory, of a size that can be changed.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where this user may not mount one.
    fn mount(megabytes: u64) -> Option<Self> {
        let directory = directory();
        let options = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "shelfmq-test"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            skipped("mount", "this user may not mount a file system");
        }
        mounted.then_some(SmallDisk(directory))
    }

    fn resize(&self, megabytes: u64) {
        let options = format!("remount,size={megabytes}m");
        let done = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status();
        assert!(done.is_ok_and(|status| status.success()));
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(self.0.path()).expect("it is mounted");
        disk.f_bavail * disk.f_frsize
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
        assert!(thread::panicking() || done.is_ok_and(|status| status.success()));
    }
}

/// Publishes until the disk is full. The bodies that were OK.
fn fill(broker: &Process, topic: &str) -> Vec<String> {
    let mut client = broker.client();
    let mut bodies = Vec::new();
    for number in 0.. {
        let body = format!("{topic} {number} {}", "x".repeat(10_000));
        let answer = client.post(&format!("/pub?topic={topic}"), body.as_bytes()).expect("it answers");
        if answer.status == 507 {
            assert!(answer.text().contains("STORAGE_FULL"), "{}", answer.text());
            break;
        }
        answer.ok();
        bodies.push(body);
    }
    bodies
}

/// Waits until a publish is taken in again. Its body.
fn publish_again(broker: &Process, topic: &str, body: &str) -> String {
    until("publishes work again", || publish(broker, topic, body) == "200 OK");
    body.to_owned()
}

#[test]
fn a_reserve_stays_free_so_that_consumers_make_room() {
    const RESERVE: u64 = 4 << 20;
    let Some(disk) = SmallDisk::mount(24) else { return };
    let reserve = RESERVE.to_string();
    let args = ["--min-free-bytes", &reserve, "--segment-bytes", "524288", "--cache-bytes", "1048576"];
    let broker = Process::start(&disk.data(), &args);
    create(&broker, "books");
    create(&broker, "other");
    let mut ok = fill(&broker, "books");
    assert!(ok.len() > 1000, "{}", ok.len());
    // Some room was made ahead, and what was under way when it was noticed comes after.
    assert!(disk.free() > RESERVE / 2, "{} bytes are free", disk.free());
    assert_eq!(publish(&broker, "other", "x"), "507 STORAGE_FULL");
    assert_eq!(ping(&broker), "200 OK");
    assert!(take_all(&broker, "books") == ok);
    ok = vec![publish_again(&broker, "books", "after finishing")];
    ok.extend(fill(&broker, "books"));
    disk.resize(48);
    ok.push(publish_again(&broker, "books", "after growing"));
    let log = broker.kill();
    assert!(!log.contains("damaged"), "{log}");
    let broker = Process::start(&disk.data(), &args);
    let found = take_all(&broker, "books");
    assert!(found == ok, "{} of {}", found.len(), ok.len());
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(&disk.data()), [""; 0]);
}

/// Somebody else fills the disk: what consumers say has its room all the same, so that it can be emptied.
#[test]
fn where_others_fill_the_disk_consumers_finish_what_is_there() {
    let Some(disk) = SmallDisk::mount(32) else { return };
    let args = ["--min-free-bytes", "4194304", "--segment-bytes", "524288", "--sync", "100ms"];
    let broker = Process::start(&disk.data(), &args);
    create(&broker, "books");
    let bodies: Vec<String> = (0..2000).map(|number| format!("{number} {}", "x".repeat(1000))).collect();
    let mut client = broker.client();
    for body in &bodies {
        client.post("/pub?topic=books", body.as_bytes()).expect("it answers").ok();
    }
    let foreign = disk.0.path().join("foreign");
    let mut file = fs::File::create(&foreign).expect("a file can be made");
    while file.write_all(&[1; 4096]).is_ok() {}
    assert_eq!(disk.free(), 0);
    until("it is noticed", || publish(&broker, "other", "too much") == "507 STORAGE_FULL");
    let mut found = take_all(&broker, "books");
    assert!(found == bodies, "{} of {}", found.len(), bodies.len());
    broker.kill();
    // On a disk that is still full, what was finished stays finished.
    let broker = Process::start(&disk.data(), &args);
    found = take_all(&broker, "books");
    assert!(found.is_empty(), "{} come again", found.len());
    drop(file);
    fs::remove_file(foreign).expect("it is there");
    publish_again(&broker, "books", "after it is gone");
    let ballast = fs::metadata(disk.data().join("ballast")).map(|file| file.len());
    assert_eq!(ballast.expect("there is room for it"), 1 << 20);
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn where_no_room_is_left_at_all_nothing_that_was_ok_is_lost() {
    let Some(disk) = SmallDisk::mount(8) else { return };
    let args = ["--min-free-bytes", "0", "--segment-bytes", "1048576"];
    let broker = Process::start(&disk.data(), &args);
    create(&broker, "books");
    let mut client = broker.client();
    let filler = thread::spawn(move || {
        let mut ok = Vec::new();
        // The publish that finds no room waits for it, and fails with the server.
        for number in 0.. {
            let body = format!("{number} {}", "x".repeat(10_000));
            match client.post("/pub?topic=books", body.as_bytes()) {
                Ok(answer) if answer.status == 200 => ok.push(body),
                _ => break,
            }
        }
        ok
    });
    until("the disk is full", || publish(&broker, "other", "x") == "507 STORAGE_FULL");
    assert!(disk.free() < 1 << 20);
    broker.kill();
    let mut ok = filler.join().expect("it does not panic");
    assert!(ok.len() > 500, "{}", ok.len());
    disk.resize(16);
    let broker = Process::start(&disk.data(), &args);
    ok.push(publish_again(&broker, "books", "after growing"));
    let mut found = take_all(&broker, "books");
    // The one that waited may have been kept.
    found.retain(|body| ok.contains(body));
    assert!(found == ok, "{} of {}", found.len(), ok.len());
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(&disk.data()), [""; 0]);
}

/// A broker among whose calls of the operating system some fail.
struct Faulty {
    broker: Process,
    control: TempDir,
}

impl Faulty {
    /// None where libfiu is not installed.
    fn start(data: &Path) -> Option<Self> {
        if !is_installed("fiu-run", "-h") {
            skipped("fiu", "fiu-run is not installed (Debian: fiu-utils)");
            return None;
        }
        let control = directory();
        let mut fiu = Command::new("fiu-run");
        fiu.arg("-x").arg("-f").arg(control.path().join("ctl"));
        process::command_under(&mut fiu, data);
        fiu.args(["--segment-bytes", "65536", "--cache-bytes", "0"]);
        Some(Faulty { broker: Process::spawn(&mut fiu), control })
    }

    /// Lets calls fail, or lets them be: `enable name=posix/io/sync/fsync`. An error is one of input and output.
    fn control(&self, command: &str) {
        let pid = self.broker.id().to_string();
        let told = Command::new("fiu-ctrl")
            .arg("-f")
            .arg(self.control.path().join("ctl"))
            .args(["-c", command, &pid])
            .output()
            .expect("it comes with fiu-run");
        assert!(told.status.success(), "{told:?}");
    }
}

/// What the operating system may say: input or output failed, there is no room, too many files are open, there is no memory.
const ERRORS: [(u32, &str); 4] =
    [(5, "Input/output"), (28, "No space left"), (24, "Too many open"), (12, "Cannot allocate")];

#[test]
fn whatever_call_fails_once_the_topic_is_well_again_by_itself() {
    let points = ["sync/fdatasync", "sync/fsync", "rw/pwrite", "dir/rename", "oc/open", "dir/mkdir"];
    let data = directory();
    let Some(faulty) = Faulty::start(data.path()) else { return };
    let broker = &faulty.broker;
    create(broker, "other");
    let mut told = Vec::new();
    for (number, (point, (errno, _))) in
        points.into_iter().flat_map(|point| ERRORS.map(|error| (point, error))).enumerate()
    {
        let topic = format!("t{number}");
        create(broker, &topic);
        let mut ok = vec!["before".to_owned()];
        assert_eq!(publish(broker, &topic, "before"), "200 OK");
        faulty.control(&format!("enable name=posix/io/{point},failinfo={errno},onetime"));
        // A new topic needs all calls but that for a directory that is there.
        broker.call("POST", &format!("/topic/create?topic=new{number}"), b"");
        for body in 0..100 {
            let body = format!("{body} {}", "x".repeat(1000));
            let answer = publish(broker, &topic, &body);
            match answer.as_str() {
                "200 OK" => ok.push(body),
                "503 STORAGE_UNKNOWN" | "503 STORAGE_FAILED" | "507 STORAGE_FULL" => {}
                _ => panic!("{point} {errno}: {answer}"),
            }
        }
        faulty.control(&format!("disable name=posix/io/{point}"));
        until("it is well again", || publish(broker, &topic, "after") == "200 OK");
        until("the new topic works", || publish(broker, &format!("new{number}"), "x") == "200 OK");
        until("all is well", || ping(broker) == "200 OK");
        told.push((topic, ok));
    }
    assert_eq!(publish(broker, "other", "last"), "200 OK");
    let log = faulty.broker.kill();
    for (_, sentence) in ERRORS {
        assert!(log.contains(sentence), "{sentence}: {log}");
    }
    let broker = Process::start(data.path(), &[]);
    assert_eq!(ping(&broker), "200 OK");
    for (topic, ok) in told {
        // What was not OK may be there: it was not refused for good.
        let found = take_all(&broker, &topic);
        let mut rest = found.iter();
        assert!(ok.iter().all(|body| rest.any(|other| other == body)), "{topic}: {} of {}", found.len(), ok.len());
    }
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(data.path()), [""; 0]);
}

#[test]
fn where_every_write_and_sync_fails_nothing_pretends_and_all_is_well_once_they_do_not() {
    let data = directory();
    let Some(faulty) = Faulty::start(data.path()) else { return };
    let broker = &faulty.broker;
    for topic in ["a", "b"] {
        create(broker, topic);
        assert_eq!(publish(broker, topic, "before"), "200 OK");
    }
    for point in ["sync/*", "rw/pwrite"] {
        faulty.control(&format!("enable name=posix/io/{point},failinfo=5"));
    }
    for topic in ["a", "b", "new"] {
        assert_eq!(publish(broker, topic, "lost"), "503 STORAGE_UNKNOWN", "{topic}");
    }
    // One topic is no reason to start the whole broker again: what is wrong is told, and why.
    until("it is told", || ping(broker).starts_with("200 OK - the log of topic a could not be "));
    let stats = broker.call("GET", "/stats?format=json", b"").ok().json();
    assert_eq!(stats["unwell"].as_array().map(Vec::len), Some(3), "{stats}");
    let metrics = broker.call("GET", "/metrics", b"").ok().text();
    assert!(metrics.contains("shelfmq_topic_unwell{topic=\"b\"} 1"), "{metrics}");
    let refused = broker.call("POST", "/pub?topic=a", b"lost");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    for point in ["sync/*", "rw/pwrite"] {
        faulty.control(&format!("disable name=posix/io/{point}"));
    }
    for topic in ["a", "b", "new", "newer"] {
        until("it is well again", || publish(broker, topic, "kept") == "200 OK");
    }
    until("all is well", || ping(broker) == "200 OK");
    faulty.broker.kill();
    let broker = Process::start(data.path(), &[]);
    for topic in ["a", "b"] {
        let mut found = take_all(&broker, topic);
        found.retain(|body| body != "lost");
        assert_eq!(found, ["before", "kept"], "{topic}");
    }
    assert_eq!(take_all(&broker, "newer"), ["kept"]);
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(data.path()), [""; 0]);
}

#[test]
fn a_storm_of_connections_takes_no_file_from_a_topic() {
    let data = directory();
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 160; exec \"$@\"", "sh"]);
    process::command_under(&mut few, data.path());
    let broker = Process::spawn(&mut few);
    let mut client = broker.client();
    // More than there are descriptors, and not more than wait without one.
    let silent: Vec<_> = (0..170).map(|_| TcpStream::connect(broker.address).expect("it may wait")).collect();
    for topic in 0..60 {
        client.post(&format!("/pub?topic=t{topic}"), b"x").expect("it answers").ok();
    }
    assert_eq!(client.get("/ping").expect("it answers").text(), "OK");
    drop(silent);
    until("others are let in", || ping(&broker) == "200 OK");
    assert_eq!(broker.end().0, Some(0));
}

#[test]
fn what_cannot_be_read_for_a_while_is_delivered_after() {
    let data = directory();
    let Some(faulty) = Faulty::start(data.path()) else { return };
    let broker = &faulty.broker;
    create(broker, "cold");
    let bodies: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(2000))).collect();
    for body in &bodies {
        assert_eq!(publish(broker, "cold", body), "200 OK");
    }
    faulty.control("enable name=posix/io/rw/pread,failinfo=5");
    let answer = broker.call("GET", "/sub?topic=cold&channel=c&wait=50ms", b"");
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("STORAGE_UNREADABLE"), "{}", answer.text());
    assert_eq!(publish(broker, "cold", "last"), "200 OK");
    faulty.control("disable name=posix/io/rw/pread");
    let mut found = Vec::new();
    until("it is read again", || {
        found.extend(take_all(broker, "cold"));
        found.len() > bodies.len()
    });
    assert!(found[..bodies.len()] == bodies && found[bodies.len()..] == ["last"]);
    assert_eq!(faulty.broker.end().0, Some(0));
}

#[test]
fn a_flipped_bit_is_reported_and_only_that_message_is_missing() {
    let data = directory();
    let args = ["--segment-bytes", "65536", "--cache-bytes", "0"];
    let broker = Process::start(data.path(), &args);
    create(&broker, "books");
    let bodies: Vec<String> = (0..200).map(|number| format!("body {number:03} {}", "x".repeat(1000))).collect();
    for body in &bodies {
        assert_eq!(publish(&broker, "books", body), "200 OK");
    }
    assert_eq!(broker.end().0, Some(0));
    // One that is read only when it is wanted, and one that is read at the start.
    let (cold, last) = ("body 007", "body 199");
    let places = [cold, last].map(|body| flip(data.path(), "books", body));
    assert_eq!(problems(data.path()).len(), 2);
    let broker = Process::start(data.path(), &args);
    let found = take_all(&broker, "books");
    let expected: Vec<&String> =
        bodies.iter().filter(|body| !body.starts_with(cold) && !body.starts_with(last)).collect();
    assert!(found.iter().eq(expected), "{} of {}", found.len(), bodies.len());
    assert_eq!(publish(&broker, "books", "after"), "200 OK");
    assert_eq!(take_all(&broker, "books"), ["after"]);
    let (code, log) = broker.end();
    assert_eq!(code, Some(0));
    for (file, offset) in places {
        let reported = log.lines().any(|line| {
            let field = |name: &str| line.split(&format!("{name}=")).nth(1)?.split(' ').next()?.parse::<u64>().ok();
            let frame = field("offset").zip(field("length"));
            line.contains("is damaged")
                && line.contains("topic=books")
                && line.contains(&file)
                && frame.is_some_and(|(start, length)| (start..start + length).contains(&offset))
        });
        assert!(reported, "{file} {offset}: {log}");
    }
}

/// Flips a bit in a message's body. The file, and where.
fn flip(data: &Path, topic: &str, body: &str) -> (String, u64) {
    let directory = data.join(format!("topics/{topic}.topic"));
    for entry in fs::read_dir(directory).expect("the topic has a directory") {
        let path = entry.expect("it can be listed").path();
        let mut bytes = fs::read(&path).expect("it can be read");
        if let Some(at) = bytes.windows(body.len()).position(|window| window == body.as_bytes()) {
            bytes[at + 2] ^= 1;
            fs::write(&path, bytes).expect("it can be written");
            return (path.to_string_lossy().into_owned(), at as u64 + 2);
        }
    }
    panic!("{body} is nowhere");
}

#[test]
fn a_second_server_and_what_is_no_data_directory_are_told_in_a_line() {
    let data = directory();
    let first = Process::start(data.path(), &[]);
    let refused = |path: &Path, why: &str| {
        let said = Process::try_spawn(&mut process::command(path)).err().expect("it does not start");
        let ends = said.starts_with("Some(1) shelfmq: ") && said.lines().count() == 1;
        assert!(ends && said.contains(why) && said.contains(&*path.to_string_lossy()), "{said}");
    };
    refused(data.path(), "another server is running on the data directory");
    assert_eq!(publish(&first, "a", "x"), "200 OK");
    first.kill();
    // A lock goes with its process, however that ends.
    assert_eq!(Process::start(data.path(), &[]).end().0, Some(0));
    let file = data.path().join("lock");
    refused(&file, "is a file");
    fs::write(&file, "shelfmq data 2\n").expect("it can be written");
    refused(data.path(), "has version 2, and this server knows version 1 only");
    let foreign = directory();
    fs::write(foreign.path().join("letter"), "Dear").expect("it can be written");
    refused(foreign.path(), "is no data directory of shelfmq");
    assert_eq!(fs::read_dir(foreign.path()).expect("it is there").count(), 1);
}

#[test]
fn a_server_that_is_told_to_end_leaves_nothing_to_be_recovered() {
    let data = directory();
    for sync in ["always", "1h", "never"] {
        let broker = Process::start(data.path(), &["--sync", sync]);
        create(&broker, sync);
        let mut client = broker.client();
        let publisher = thread::spawn({
            let target = format!("/pub?topic={sync}");
            move || {
                let mut count = 0;
                while client.post(&target, b"x").is_ok_and(|answer| answer.status == 200) {
                    count += 1;
                }
                count
            }
        });
        thread::sleep(Duration::from_millis(100));
        let (code, log) = broker.end();
        assert_eq!(code, Some(0), "{log}");
        let published = publisher.join().expect("it does not panic");
        assert!(published > 0);
        assert_eq!(problems(data.path()), [""; 0]);
        let broker = Process::start(data.path(), &["--sync", sync]);
        assert_eq!(take_all(&broker, sync).len(), published);
        let (_, log) = broker.end();
        assert!(!log.contains("cut off"), "{log}");
    }
}
