//! What is found at a start: whole, unfinished, damaged, or not ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::dir::{MAKING, beside, open_segment};
use super::super::fs::{DiskFile, Entry, FileSystem, How, Mounted, RealFileSystem};
use super::super::{DataDir, Found, Sync};
use super::fake::{Bench, Topic, file, recover};

/// A topic in two segments, written and left in peace.
fn written(path: &Path) -> Topic {
    let bench = Bench::start(path, Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    topic.publish(10, 100);
    topic.begin();
    topic.publish(10, 100);
    bench.write_and_wait(&mut topic);
    bench.stop();
    topic
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory can be made");
    let path = home.path().join("data");
    (home, path)
}

fn refusal(path: &Path) -> String {
    DataDir::open(path).expect_err("it is not to be used").to_string()
}

#[test]
fn a_second_server_is_told_so() {
    let (_home, path) = home();
    let bench = Bench::start(&path, Sync::Always);
    let said = refusal(&path);
    assert!(said.contains("another server") && said.contains(path.to_str().expect("it is plain")), "{said}");
    bench.stop();
    DataDir::open(&path).expect("it is free again");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let (_home, path) = home();
    fs::create_dir(&path).expect("a directory can be made");
    fs::write(path.join("letter"), "").expect("a file can be made");
    assert!(refusal(&path).contains("letter"));
    assert!(refusal(&path.join("letter")).contains("is a file"));
    fs::write(path.join("lock"), "shelfmq data 2\n").expect("a file can be made");
    assert!(refusal(&path).contains("version 2"));
    fs::write(path.join("lock"), "ours").expect("a file can be made");
    assert!(refusal(&path).contains("something else"));
    fs::remove_file(path.join("lock")).expect("it is there");
    fs::rename(path.join("letter"), path.join("lost+found")).expect("it can be renamed");
    DataDir::open(&path).expect("a new file system is as good as empty");
}

#[test]
fn a_torn_end_is_cut_off() {
    let (_home, path) = home();
    let mut topic = written(&path);
    let last = file(&path, &topic, 2);
    let whole = fs::read(&last).expect("it is there");
    let start = topic.segments[1].frames.last().expect("it has some").start as usize;
    for cut in [start + 1, start + 20, whole.len() - 1] {
        fs::write(&last, &whole[..cut]).expect("it can be written");
        let found = recover(&path).expect("it can be opened");
        assert_eq!((found[0].end, found[0].torn), (start as u64, (cut - start) as u64));
        assert!(found[0].damage.is_empty());
        assert_eq!(fs::read(&last).expect("it is there"), whole[..start]);
    }
    fs::write(&last, [&whole[..], &vec![0; 3_000_000]].concat()).expect("it can be written");
    topic.reopened(1, &recover(&path).expect("it can be opened")[0]);
    assert_eq!(fs::read(&last).expect("it is there"), whole);
}

#[test]
fn damage_in_the_middle_is_reported_and_stays() {
    let (_home, path) = home();
    let topic = written(&path);
    let last = file(&path, &topic, 2);
    let mut bytes = fs::read(&last).expect("it is there");
    let hit = topic.segments[1].frames[4];
    bytes[hit.start as usize + 40] ^= 1;
    fs::write(&last, &bytes).expect("it can be written");
    let found = recover(&path).expect("it can be opened");
    let damage = found[0].damage.first().expect("it was found");
    assert_eq!((damage.segment, damage.offset, damage.length), (2, hit.start, hit.end - hit.start));
    assert_eq!((found[0].image.next.id, found[0].torn), (topic.next, 0));
}

#[test]
fn without_the_last_snapshot_the_segment_before_is_read() {
    let (_home, path) = home();
    let topic = written(&path);
    let last = file(&path, &topic, 2);
    let mut bytes = fs::read(&last).expect("it is there");
    let first = topic.segments[1].frames[0].start as usize;
    (44..first).step_by(8).for_each(|at| bytes[at] ^= 1);
    fs::write(&last, &bytes).expect("it can be written");
    let found = recover(&path).expect("it can be opened");
    assert_eq!((found[0].image.next.id, found[0].headless), (topic.next, false));
    assert_eq!((found[0].header.number, found[0].end), (2, bytes.len() as u64));
    fs::remove_file(file(&path, &topic, 1)).expect("it is there");
    let found = recover(&path).expect("it can be opened");
    assert_eq!((found[0].image.next.id, found[0].headless), (topic.next, true));
}

#[test]
fn what_was_only_begun_is_removed() {
    let (_home, path) = home();
    let mut topic = written(&path);
    let directory = path.join("topics/t.topic");
    let third = file(&path, &topic, 3);
    // Nothing, a part of a header, unwritten bytes, a header alone, a snapshot that ends too soon.
    let mut header = topic.segments[1].header;
    header.number = 3;
    let header = header.to_bytes();
    let unsynced = [&[][..], &header[..20], &[0; 44], &[0; 4096]];
    for begun in unsynced.into_iter().chain([&header[..], &[&header[..], &[0; 4096]].concat()]) {
        for end in [".tmp", ".new"] {
            fs::write(directory.join(format!("00000003.log{end}")), begun).expect("a file can be made");
            topic.is_all_in(&recover(&path).expect("it can be opened")[0]);
            assert_eq!(fs::read_dir(&directory).expect("it is there").count(), 2, "{end} {begun:?}");
        }
    }
    // It has its name because it was durable.
    for damaged in unsynced {
        fs::write(&third, damaged).expect("a file can be made");
        let said = recover(&path).expect_err("it is set aside");
        assert!(said.contains("00000003.log: it has no header"), "{said}");
    }
    fs::remove_file(&third).expect("it is there");
    let begun = path.join("topics/begun.topic");
    fs::create_dir(&begun).expect("a directory can be made");
    fs::write(begun.join("00000001.log.tmp"), &header[..20]).expect("a file can be made");
    assert_eq!(recover(&path).expect("it can be opened").len(), 1);
    assert!(!begun.exists());
}

#[test]
fn what_counted_before_it_was_synced_counts_after_a_kill() {
    let (_home, path) = home();
    let mut topic = written(&path);
    let second = file(&path, &topic, 2);
    let unnamed = second.with_extension("log.new");
    fs::rename(&second, &unnamed).expect("it can be renamed");
    topic.is_all_in(&recover(&path).expect("it can be opened")[0]);
    assert!(second.exists() && !unnamed.exists());
}

#[test]
fn what_counted_and_was_lost_is_the_end_of_the_log() {
    let (_home, path) = home();
    let topic = written(&path);
    let [second, third] = [2, 3].map(|number| file(&path, &topic, number));
    fs::copy(&second, third.with_extension("log.new")).expect("it can be copied");
    fs::remove_file(&second).expect("it can be removed");
    fs::write(second.with_extension("log.new"), []).expect("it can be written");
    let opened = recover(&path).expect("it can be opened");
    assert_eq!(opened[0].header.number, 1);
    assert!(!second.exists() && !third.exists() && third.with_extension("log.torn").exists());
    assert_eq!(recover(&path).expect("it can be opened again").len(), 1);
}

/// What a segment says that was not synced may be on the device before what it speaks of.
#[test]
fn what_was_begun_behind_a_segment_that_is_not_whole_is_kept_beside_the_log() {
    let (_home, path) = home();
    let topic = written(&path);
    let [first, second] = [1, 2].map(|number| file(&path, &topic, number));
    fs::rename(&second, second.with_extension("log.new")).expect("it can be renamed");
    let mut bytes = fs::read(&first).expect("it can be read");
    let end = bytes.len();
    bytes[end - 600..end - 300].fill(0);
    fs::write(&first, bytes).expect("it can be written");
    let opened = recover(&path).expect("it can be opened");
    assert_eq!(opened[0].header.number, 1);
    assert!(!second.exists() && second.with_extension("log.torn").exists());
}

#[test]
fn one_topic_that_cannot_be_opened_keeps_no_other_down() {
    let (_home, path) = home();
    let topic = written(&path);
    let other = path.join("topics/other.topic");
    fs::create_dir(&other).expect("a directory can be made");
    fs::write(other.join("00000001.log"), [1; 100]).expect("a file can be made");
    let dir = DataDir::open(&path).expect("it can be opened");
    let found = dir.recover().expect("the directory can be read");
    assert!(matches!(&found[0], Found::Aside(name, why) if name.as_str() == "other" && why.contains("damaged")));
    assert!(matches!(&found[1], Found::Topic(recovered) if recovered.image.next.id == topic.next));
}

#[test]
fn directories_of_an_earlier_version_get_their_names() {
    let (_home, path) = home();
    let bench = Bench::start(&path, Sync::Always);
    let mut topics = ["Orders", "orders"].map(|name| Topic::new(0, u64::from(name == "orders"), name));
    for topic in &mut topics {
        topic.publish(3, 10);
        bench.write_and_wait(topic);
    }
    bench.stop();
    let names = |path: &Path| {
        let entries = fs::read_dir(path.join("topics")).expect("it is there");
        let names = entries.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is plain"));
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let own = ["+orders.topic", "orders.topic"].map(str::to_owned).into();
    assert_eq!(names(&path), own);
    fs::rename(path.join("topics/+orders.topic"), path.join("topics/Orders.topic")).expect("it can be renamed");
    for (topic, recovered) in topics.iter_mut().zip(recover(&path).expect("all is well")) {
        topic.is_all_in(&recovered);
    }
    assert_eq!(names(&path), own);
}

#[test]
fn a_log_that_cannot_be_told_is_an_error_that_names_the_file() {
    let cases = [
        ("00000001.log", 0, "first bytes are damaged"),
        ("00000002.log", 20, "header is damaged"),
        ("00000001.log", 99, "no header"),
    ];
    for (name, hit, why) in cases {
        let (_home, path) = home();
        written(&path);
        let file = path.join("topics/t.topic").join(name);
        let mut bytes = fs::read(&file).expect("it is there");
        match hit {
            99 => bytes.truncate(30),
            bit => bytes[bit] ^= 1,
        }
        fs::write(&file, bytes).expect("it can be written");
        let said = recover(&path).expect_err("it cannot be opened");
        assert!(said.contains(name) && said.contains(why) && said.contains("log repair"), "{said}");
    }
}

#[test]
fn a_missing_or_misnamed_segment_is_an_error() {
    let (_home, path) = home();
    let mut topic = written(&path);
    topic.reopened(7, &recover(&path).expect("it can be opened")[0]);
    let bench = Bench::start(&path, Sync::Always);
    topic.begin();
    bench.write_and_wait(&mut topic);
    bench.stop();
    fs::rename(file(&path, &topic, 2), path.join("aside")).expect("it can be renamed");
    let said = recover(&path).expect_err("it cannot be opened");
    assert!(said.contains("00000002 is missing"), "{said}");
    fs::copy(file(&path, &topic, 1), file(&path, &topic, 2)).expect("it can be copied");
    let said = recover(&path).expect_err("it cannot be opened");
    assert!(said.contains("00000002.log: it says that it is segment 00000001"), "{said}");
    fs::rename(path.join("aside"), file(&path, &topic, 2)).expect("it can be renamed");
    fs::rename(path.join("topics/t.topic"), path.join("topics/u.topic")).expect("it can be renamed");
    let said = recover(&path).expect_err("it cannot be opened");
    assert!(said.contains("another name, \"t\""), "{said}");
}

/// A file system in which a segment is given its name right after somebody did not find it.
#[derive(Debug)]
struct Late(RealFileSystem);

impl FileSystem for Late {
    fn open(&self, path: &Path, how: How) -> io::Result<Arc<dyn DiskFile>> {
        let opened = self.0.open(path, how);
        let making = beside(path, MAKING);
        if opened.is_err() && making.exists() {
            fs::rename(making, path)?;
        }
        opened
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        self.0.list(directory)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.0.remove_directory(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.0.sync_directory(path)
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        self.0.sync_file_system(path)
    }

    fn mounted(&self, path: &Path) -> io::Result<Arc<dyn Mounted>> {
        self.0.mounted(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.0.free_bytes(path)
    }
}

#[test]
fn a_segment_that_is_just_given_its_name_is_found() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let path = home.path().join("00000001.log");
    fs::write(beside(&path, MAKING), "x").expect("a file can be made");
    let file = open_segment(&Late(RealFileSystem), &path, How::Read).expect("it is there");
    assert_eq!(file.length().expect("it can be told"), 1);
}
