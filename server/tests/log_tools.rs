//! `shelfmq log …` on data directories that are well, damaged, incomplete or in use.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use shelfmq::disk::{DataDir, Found};
use shelfmq_core::by_id::ById;
use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::event::{Event, Ids, MessageMeta, Position};
use shelfmq_core::log::frame::{Kind, write_frame};
use shelfmq_core::log::image::{ChannelImage, TopicImage};
use shelfmq_core::message::{Record, write_header};
use shelfmq_core::time::Time;
use tempfile::TempDir;

/// A segment in the making.
struct Segment {
    header: SegmentHeader,
    bytes: Vec<u8>,
    /// Where each frame begins.
    starts: Vec<usize>,
}

impl Segment {
    fn begin(number: u32, image: &TopicImage) -> Self {
        let header = SegmentHeader { number, index: image.next.id, salt: 40 + u64::from(number), created: Time::MAX };
        let mut segment = Segment { header, bytes: header.to_bytes().to_vec(), starts: Vec::new() };
        let payload = postcard::to_allocvec(image).expect("an image is data");
        segment.frame(Kind::Snapshot, false, &payload).frame(Kind::SnapshotCopy, false, &payload);
        segment
    }

    fn frame(&mut self, kind: Kind, more: bool, payload: &[u8]) -> &mut Self {
        let offset = self.bytes.len();
        self.starts.push(offset);
        let write = |out: &mut Vec<u8>| out.extend_from_slice(payload);
        write_frame(&mut self.bytes, self.header.salt, offset as u64, kind, more, write);
        self
    }

    fn event(&mut self, event: &Event) -> &mut Self {
        self.frame(Kind::Event, false, &postcard::to_allocvec(event).expect("an event is data"))
    }

    fn message(&mut self, id: u64, body: &[u8], more: bool) -> &mut Self {
        let mut header_block = Vec::new();
        write_header(&mut header_block, "ce-type", b"x");
        let key = (id == 2).then_some("shelf-7");
        let header_block = if id == 2 { &header_block[..] } else { &[] };
        let timestamp = Time::from_nanos(9);
        let record = Record { timestamp, due: None, expires: None, key, header_block, body };
        let mut payload = [id.to_le_bytes(), (10 * id).to_le_bytes()].concat();
        record.write(&mut payload);
        self.frame(Kind::Message, more, &payload)
    }
}

fn image(next: u64) -> TopicImage {
    let next = Position { id: next, bytes: 10 * next };
    let (first, start) = (Position { id: 1, bytes: 10 }, Position { id: 3, bytes: 30 });
    let channel =
        ChannelImage { name: "readers".into(), cursor: first.min(next).max(start), ..ChannelImage::default() };
    TopicImage {
        name: "books".into(),
        next,
        high_watermark: next,
        channels: [(1, channel)].into_iter().collect(),
        ..TopicImage::default()
    }
}

/// Three segments: messages 1 to 3, an event; 4 and 5; 6.
fn log() -> [Segment; 3] {
    let mut first = Segment::begin(1, &TopicImage { channels: ById::default(), ..image(1) });
    first.message(1, b"one", false).message(2, b"with all", true).message(3, b"\xff", false);
    first.event(&Event::TopicPaused(false));
    let mut second = Segment::begin(2, &image(4));
    second.message(4, b"four", false).message(5, b"five", false);
    let mut third = Segment::begin(3, &image(6));
    let leased = Event::Leased {
        channel: 1,
        at: 10,
        until: 20,
        delivery: 5,
        from: 3,
        cursor: Position { id: 4, bytes: 40 },
        departed: [MessageMeta { id: 3, size: 1, ..MessageMeta::default() }].into_iter().collect(),
        leased: Ids::default(),
    };
    third.message(6, b"six", false).event(&leased);
    [first, second, third]
}

/// A data directory with that log.
fn data() -> (TempDir, [Segment; 3]) {
    let data = tempfile::tempdir().expect("a directory can be made");
    fs::create_dir_all(topic(&data)).expect("a directory can be made");
    fs::write(data.path().join("lock"), "").expect("a file can be made");
    let segments = log();
    for segment in &segments {
        fs::write(file(&data, segment.header.number), &segment.bytes).expect("a file can be made");
    }
    (data, segments)
}

fn topic(data: &TempDir) -> PathBuf {
    data.path().join("topics/books.topic")
}

fn file(data: &TempDir, number: u32) -> PathBuf {
    topic(data).join(format!("{number:08x}.log"))
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("it is there");
    change(&mut bytes);
    fs::write(path, bytes).expect("it can be written");
}

fn run(args: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shelfmq"));
    command.arg("log").args(args).arg(path).output().expect("the command can be run")
}

/// The lines that it answers, and its code.
fn lines(args: &[&str], path: &Path) -> (Vec<Value>, Option<i32>) {
    let output = run(args, path);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("it is text");
    (text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect(), output.status.code())
}

/// The problems that verify finds, without the file.
fn problems(data: &TempDir) -> Vec<Value> {
    let (mut lines, code) = lines(&["verify"], data.path());
    let summary = lines.pop().expect("the last line says how much was read");
    assert_eq!(summary["problems"], lines.len());
    assert_eq!(code, Some(i32::from(!lines.is_empty())));
    lines
}

/// What repair does, in its words, after it said the same with `--dry-run`.
fn repairs(data: &TempDir) -> Vec<String> {
    let said = |args: &[&str]| {
        let (lines, code) = lines(args, data.path());
        assert_eq!(code, Some(0));
        let did = lines.iter().filter_map(|line| line["did"].as_str().map(str::to_owned));
        did.collect::<Vec<_>>()
    };
    let before = listing(data.path());
    let would = said(&["repair", "--dry-run"]);
    assert_eq!(listing(data.path()), before, "a dry run changes nothing");
    let did = said(&["repair"]);
    assert_eq!(did, would);
    assert_eq!(said(&["repair"]), [""; 0], "a second repair has nothing to do");
    did
}

/// All files with their bytes.
fn listing(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in path.read_dir().expect("it is a directory") {
        let path = entry.expect("it can be read").path();
        found.extend(if path.is_dir() {
            listing(&path)
        } else {
            vec![(path.clone(), fs::read(&path).expect("it can be read"))]
        });
    }
    found.sort();
    found
}

/// The id of the next message once a broker has started on it; an error where none does.
fn start(data: &TempDir) -> Result<Vec<u64>, String> {
    let data = DataDir::open(data.path()).map_err(|error| error.to_string())?;
    let recovered = data.recover().map_err(|error| error.to_string())?;
    let next = |found: Found| match found {
        Found::Topic(recovered) => Ok(recovered.image.next.id),
        Found::Aside(_, why) => Err(why),
    };
    recovered.into_iter().map(next).collect()
}

#[test]
fn ls_tells_what_each_topic_has() {
    let (data, segments) = data();
    let (lines, code) = lines(&["ls"], data.path());
    let bytes = segments.each_ref().map(|segment| segment.bytes.len());
    let expected = json!({
        "topic": "books",
        "segments": [
            { "number": 1, "first_id": 1, "bytes": bytes[0] },
            { "number": 2, "first_id": 4, "bytes": bytes[1] },
            { "number": 3, "first_id": 6, "bytes": bytes[2] },
        ],
        "bytes": bytes.iter().sum::<usize>(),
        "next_id": 7,
        "messages_published": 1,
        "paused": false,
        "channels": [{
            "channel": "readers", "next_id": 4, "depth": 3, "in_flight": 1, "deferred": 0, "dead": 0, "paused": false,
        }],
        "damage": 0,
        "torn_bytes": 0,
        "snapshot": true,
    });
    assert_eq!((lines, code), (vec![expected], Some(0)));
}

#[test]
fn dump_shows_every_frame_and_what_is_none() {
    let (data, segments) = data();
    let (all, _) = lines(&["dump"], data.path());
    let kinds: Vec<_> = all.iter().map(|line| line["kind"].as_str().expect("it is a frame")).collect();
    let first = ["snapshot", "snapshot_copy", "message", "message", "message", "event"];
    assert_eq!(kinds[..6], first);
    assert_eq!(kinds.len(), segments.iter().map(|segment| segment.starts.len()).sum::<usize>());
    let rich = json!({
        "topic": "books", "segment": 1, "offset": segments[0].starts[3], "length": 13 + 16 + 9 + 9 + 14 + 8,
        "kind": "message", "more": true, "id": 2, "bytes_before": 20, "timestamp": 9, "key": "shelf-7",
        "headers": [["ce-type", "x"]], "body": "with all",
    });
    assert_eq!(all[3], rich);
    assert_eq!((&all[4]["body"], &all[4]["body_base64"]), (&Value::Null, &json!("/w==")));
    assert_eq!(all[5]["event"], json!({ "TopicPaused": false }));
    assert_eq!(all[0]["snapshot"]["name"], "books");

    let ids = |args: &[&str], path: &Path| -> Vec<u64> {
        lines(args, path).0.iter().filter_map(|line| line["id"].as_u64()).collect()
    };
    assert_eq!(ids(&["dump", "--from", "5"], data.path()), [5, 6]);
    assert_eq!(ids(&["dump", "--segment", "2"], data.path()), [4, 5]);
    assert_eq!(ids(&["dump", "--topic", "books"], &topic(&data)), [1, 2, 3, 4, 5, 6]);
    assert_eq!(ids(&["dump"], &file(&data, 3)), [6]);
    assert_eq!(run(&["dump", "--topic", "none"], data.path()).status.code(), Some(1));

    change(&file(&data, 2), |bytes| bytes[segments[1].starts[2] + 14] ^= 1);
    let (damaged, _) = lines(&["dump", "--segment", "2"], data.path());
    let hit = json!({
        "topic": "books", "segment": 2, "offset": segments[1].starts[2], "length": 42, "kind": "message",
        "damage": "damaged",
    });
    assert_eq!(damaged[2], hit);
    assert_eq!(damaged[3]["id"], 5);
}

#[test]
fn verify_finds_each_flipped_bit() {
    let (data, segments) = data();
    assert_eq!(problems(&data), [Value::Null; 0]);
    // Room that was made for more is nothing wrong.
    change(&file(&data, 3), |bytes| bytes.resize(bytes.len() + 5000, 0));
    assert_eq!(problems(&data), [Value::Null; 0]);
    for (at, segment) in segments.iter().enumerate() {
        for byte in (0..segment.bytes.len()).step_by(7) {
            let path = file(&data, at as u32 + 1);
            change(&path, |bytes| bytes[byte] ^= 1 << (byte % 8));
            let found = problems(&data);
            let place = |problem: &Value| Some((problem["offset"].as_u64()?, problem["length"].as_u64()?));
            let is_told = |problem: &Value| match place(problem) {
                Some((offset, length)) => (offset..offset + length).contains(&(byte as u64)),
                None => byte < 44 && problem["problem"] == "bad header",
            };
            assert!(found.iter().any(is_told), "byte {byte} of segment {at}: {found:?}");
            change(&path, |bytes| bytes[byte] ^= 1 << (byte % 8));
        }
    }
}

#[test]
fn verify_tells_of_torn_ends_missing_segments_and_foreign_files() {
    let (data, segments) = data();
    change(&file(&data, 3), |bytes| bytes.truncate(segments[2].starts[3] + 20));
    fs::remove_file(file(&data, 2)).expect("it is there");
    fs::write(topic(&data).join("note"), "x").expect("it can be written");
    fs::write(data.path().join("topics/other"), "x").expect("it can be written");
    let kinds: Vec<_> = problems(&data).iter().map(|problem| problem["problem"].clone()).collect();
    assert_eq!(kinds, ["foreign file", "foreign file", "segments are missing", "torn end"]);
}

/// What nothing vouches for was lost with the power: the next start cuts it off, and the log is well before and after.
#[test]
fn a_hole_that_nothing_vouches_for_is_a_torn_end() {
    let (data, [.., mut last]) = data();
    let durable = last.bytes.len() as u64;
    last.frame(Kind::Durable, false, &durable.to_le_bytes());
    let hole = last.bytes.len();
    last.event(&Event::TopicPaused(true)).event(&Event::TopicPaused(false));
    let behind = last.starts[last.starts.len() - 1];
    last.bytes[hole..behind].fill(0);
    fs::write(file(&data, 3), &last.bytes).expect("it can be written");
    let told = problems(&data);
    assert!(!told.is_empty() && told.iter().all(|problem| problem["problem"] == "torn end"), "{told:?}");
    start(&data).expect("it starts");
    assert_eq!(problems(&data), [Value::Null; 0]);
}

#[test]
fn repair_leaves_alone_what_is_well_or_in_use() {
    let (data, _) = data();
    assert_eq!(repairs(&data), [""; 0]);
    assert_eq!(start(&data), Ok(vec![7]));
    let used = DataDir::open(data.path()).expect("nobody else uses it");
    for path in [data.path().to_owned(), topic(&data)] {
        let refused = run(&["repair"], &path);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is running"), "{refused:?}");
    }
    drop(used);
    assert_eq!(run(&["repair"], &file(&data, 1)).status.code(), Some(1));
}

#[test]
fn what_keeps_a_broker_from_starting_is_repaired() {
    // A segment that is missing.
    let (one, _) = data();
    fs::remove_file(file(&one, 2)).expect("it is there");
    assert!(start(&one).is_err_and(|error| error.contains("missing")));
    assert_eq!(repairs(&one), ["made an empty segment"]);
    assert_eq!(start(&one), Ok(vec![7]));

    // A header with one wrong bit: nothing is lost.
    let (one, segments) = data();
    change(&file(&one, 2), |bytes| bytes[20] ^= 4);
    assert!(start(&one).is_err_and(|error| error.contains("header")));
    assert_eq!(repairs(&one), ["corrected the header"]);
    assert_eq!(fs::read(file(&one, 2)).ok().as_ref(), Some(&segments[1].bytes));
    assert_eq!(start(&one), Ok(vec![7]));

    // A header that is gone, in the middle and at the end.
    for (number, did, next) in [(2, &["moved aside", "made an empty segment"][..], 7), (3, &["moved aside"], 6)] {
        let (one, segments) = data();
        change(&file(&one, number), |bytes| bytes[..40].copy_from_slice(&[7; 40]));
        assert!(start(&one).is_err());
        assert_eq!(repairs(&one), did);
        let aside = fs::read(topic(&one).join(format!("{number:08x}.log.bad"))).expect("it is there");
        assert_eq!(aside[44..], segments[number as usize - 1].bytes[44..]);
        assert_eq!(start(&one), Ok(vec![next]));
    }

    // A log in another topic's directory, and a directory without a lock file.
    let (one, _) = data();
    fs::rename(topic(&one), one.path().join("topics/films.topic")).expect("it can be renamed");
    fs::remove_file(one.path().join("lock")).expect("it is there");
    assert!(start(&one).is_err());
    assert!(run(&["repair", "--dry-run"], one.path()).status.success());
    assert_eq!(repairs(&one), ["made the lock file", "gave the directory its topic's name"]);
    assert_eq!(start(&one), Ok(vec![7]));
}

#[test]
fn a_torn_end_is_cut_off() {
    let (data, segments) = data();
    change(&file(&data, 3), |bytes| bytes.truncate(segments[2].starts[3] + 20));
    assert_eq!(repairs(&data), ["cut off the torn end"]);
    assert_eq!(fs::read(file(&data, 3)).map(|bytes| bytes.len()).ok(), Some(segments[2].starts[3]));
    assert_eq!(problems(&data), [Value::Null; 0]);
}

#[test]
fn an_exported_topic_is_the_same_elsewhere() {
    let (data, _) = data();
    let elsewhere = tempfile::tempdir().expect("a directory can be made");
    let (exported, into) = (elsewhere.path().join("books.shelfmq"), elsewhere.path().join("data"));
    let texts = [&exported, &into].map(|path| path.to_str().expect("it is text").to_owned());
    let export = ["export", "--topic", "books", "--output", &texts[0]];
    let (said, _) = lines(&export, data.path());
    assert_eq!((&said[0]["topic"], &said[0]["segments"]), (&json!("books"), &json!(3)));
    assert_eq!(run(&export, data.path()).status.code(), Some(1), "it overwrites nothing");

    let import = ["import", "--into", &texts[1]];
    let (said, _) = lines(&import, &exported);
    assert_eq!(said[0]["segments"], 3);
    let names = |path: &Path| {
        let files = listing(path).into_iter();
        files.map(|(path, bytes)| (path.file_name().map(ToOwned::to_owned), bytes)).collect::<Vec<_>>()
    };
    assert_eq!(names(&topic(&data)), names(&into.join("topics/books.topic")));
    assert_eq!(run(&import, &exported).status.code(), Some(1), "there is one already");

    let whole = fs::read(&exported).expect("it is there");
    for cut in [0, 5, 20, 40, whole.len() - 1] {
        fs::write(&exported, &whole[..cut]).expect("it can be written");
        let into = elsewhere.path().join(format!("cut-{cut}"));
        let refused = run(&["import", "--into", into.to_str().expect("it is text")], &exported);
        assert_eq!(refused.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("ends too soon"), "{refused:?}");
        let left = into.join("topics").read_dir().map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing of it stays");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (data, _) = data();
    let nothing = data.path().join("nothing");
    assert_eq!(run(&["ls"], &nothing).status.code(), Some(1));
    fs::create_dir(&nothing).expect("a directory can be made");
    assert_eq!(run(&["verify"], &nothing).status.code(), Some(1));
    assert_eq!(run(&["sing"], data.path()).status.code(), Some(2));
    File::create(nothing.join("file")).expect("a file can be made");
    assert_eq!(run(&["dump"], &nothing.join("file")).status.code(), Some(1));
    let misplaced =
        Command::new(env!("CARGO_BIN_EXE_shelfmq")).args(["--log-level", "error", "log", "ls", "."]).output();
    let misplaced = misplaced.expect("the command can be run");
    assert!(String::from_utf8_lossy(&misplaced.stderr).contains("log comes first"), "{misplaced:?}");
}
