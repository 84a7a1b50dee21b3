//! What is written stays, in all ways to sync.

use std::fs;
use std::time::Duration;

use super::super::{DiskOptions, Outcome, Sync};
use super::fake::{Bench, SHARDS, Topic, file, recover};

const WAYS: [Sync; 3] = [Sync::Always, Sync::Every(Duration::from_millis(5)), Sync::Never];

/// Writes topics of the same log ids in both shards, over several segments.
fn write_some(bench: &Bench) -> Vec<Topic> {
    let names = ["a", ".", "..", "b.topic"];
    let mut topics: Vec<Topic> =
        names.iter().enumerate().map(|(index, name)| Topic::new(index % SHARDS, 1 + index as u64 / 2, name)).collect();
    for round in 0..60 {
        for topic in &mut topics {
            topic.publish(1 + round % 3, 300);
            if round % 20 == 19 {
                topic.begin();
                topic.publish(1, 10);
            }
            bench.write(topic);
        }
    }
    topics
}

#[test]
fn what_was_written_is_there_after_a_restart_and_goes_on() {
    for sync in WAYS {
        let home = tempfile::tempdir().expect("a directory can be made");
        let path = home.path().join("deep/data");
        let bench = Bench::start(&path, sync);
        let mut topics = write_some(&bench);
        for topic in &topics {
            assert_eq!(bench.fake.outcome(topic), Outcome::Stored(topic.upto));
        }
        bench.stop();
        for restart in 1..3 {
            let found = recover(&path).expect("all is well");
            let names: Vec<_> = found.iter().map(|recovered| recovered.image.name.as_str()).collect();
            assert_eq!(names, [".", "..", "a", "b.topic"]);
            let bench = Bench::start(&path, sync);
            for (log, topic) in (100 * restart..).zip(&mut topics) {
                let mine = found.iter().find(|recovered| recovered.image.name == topic.name.as_str());
                topic.reopened(log, mine.expect("it is among the names"));
                topic.publish(2, 100);
                topic.begin();
                topic.publish(3, 100);
                bench.write_and_wait(topic);
            }
            bench.stop();
            for topic in &topics {
                for segment in &topic.segments {
                    let written = fs::read(file(&path, topic, segment.header.number)).expect("it is there");
                    assert!(written == segment.bytes, "{}: {:?}", topic.name, segment.header);
                }
            }
        }
    }
}

#[test]
fn room_is_made_in_a_busy_segment_and_cut_off_when_it_is_left() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "busy");
    for _ in 0..40 {
        topic.publish(1, 50);
        bench.write_and_wait(&mut topic);
    }
    let length = |number| fs::metadata(bench.file(&topic, number)).expect("it is there").len();
    assert!(length(1) > 64 * 1024, "{}", length(1));
    topic.begin();
    bench.write_and_wait(&mut topic);
    assert_eq!(fs::read(bench.file(&topic, 1)).expect("it is there"), topic.segments[0].bytes);
    for _ in 0..40 {
        topic.publish(1, 50);
        bench.write_and_wait(&mut topic);
    }
    // As after a kill: nothing was cut off.
    let killed = tempfile::tempdir().expect("a directory can be made");
    let directory = killed.path().join("topics/busy.topic");
    fs::create_dir_all(&directory).expect("a directory can be made");
    fs::write(killed.path().join("lock"), "").expect("a file can be made");
    for number in [1, 2] {
        fs::copy(bench.file(&topic, number), directory.join(format!("{number:08x}.log"))).expect("it can be copied");
    }
    bench.stop();
    assert_eq!(fs::read(file(home.path(), &topic, 2)).expect("it is there"), topic.segments[1].bytes);
    let found = recover(killed.path()).expect("all is well");
    assert!(found[0].torn > 32 * 1024);
    topic.reopened(1, &found[0]);
    assert_eq!(fs::read(file(killed.path(), &topic, 2)).expect("it is there"), topic.segments[1].bytes);
}

#[test]
fn what_is_told_to_be_written_is_found_after_a_kill() {
    let home = tempfile::tempdir().expect("there is room");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    for segment in 1..20 {
        topic.publish(1, 10);
        // Nobody waits for it to be durable.
        topic.hurry_not();
        let before = bench.fake.look(|told| told.written.len());
        bench.write(&mut topic);
        bench.fake.wait("that it is written", |told| (told.written.len() > before).then_some(()));
        assert!(bench.file(&topic, segment).exists(), "nobody looks for segment {segment} by another name");
        topic.begin();
    }
    bench.stop();
}

#[test]
fn forgotten_segments_go() {
    for sync in WAYS {
        let home = tempfile::tempdir().expect("a directory can be made");
        let bench = Bench::start(home.path(), sync);
        let mut topic = Topic::new(0, 1, "t");
        for _ in 0..5 {
            topic.publish(3, 100);
            topic.begin();
        }
        bench.write_and_wait(&mut topic);
        topic.forget(4);
        topic.publish(1, 1);
        bench.write_and_wait(&mut topic);
        bench.stop();
        let mut left: Vec<_> = fs::read_dir(home.path().join("topics/t.topic"))
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is plain"))
            .collect();
        left.sort();
        assert_eq!(left, ["00000004.log", "00000005.log", "00000006.log"]);
        topic.reopened(1, &recover(home.path()).expect("all is well")[0]);
    }
}

#[test]
fn a_deleted_topic_is_gone_and_one_of_its_name_is_another() {
    for sync in WAYS {
        let home = tempfile::tempdir().expect("a directory can be made");
        let bench = Bench::start(home.path(), sync);
        let mut old = Topic::new(0, 1, "t");
        old.publish(5, 100);
        old.begin();
        bench.write_and_wait(&mut old);
        // All of this in one group: written, deleted, made again, deleted, and once more.
        old.publish(1, 100);
        old.delete();
        let mut between = Topic::new(0, 2, "t");
        between.publish(7, 7);
        between.delete();
        let mut new = Topic::new(0, 3, "t");
        new.publish(2, 20);
        let work = [&mut old, &mut between, &mut new].into_iter().flat_map(Topic::take_said).collect::<Vec<_>>();
        bench.push(0, work);
        assert_eq!(bench.fake.outcome(&old), Outcome::Stored(u64::MAX));
        assert_eq!(bench.fake.outcome(&between), Outcome::Stored(u64::MAX));
        assert_eq!(bench.fake.outcome(&new), Outcome::Stored(new.upto));
        // One that never was written can be deleted, too.
        let mut none = Topic::new(1, 1, "none");
        drop(none.take_said());
        none.delete();
        bench.write_and_wait(&mut none);
        bench.stop();
        let found = recover(home.path()).expect("all is well");
        assert_eq!(found.len(), 1);
        new.reopened(4, &found[0]);
        // What the end did not wait for has another name.
        let names = fs::read_dir(home.path().join("topics")).expect("it is there");
        let names = names.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is plain"));
        assert_eq!(names.filter(|name| !name.ends_with(".deleted")).collect::<Vec<_>>(), ["t.topic"]);
    }
}

#[test]
fn what_a_removal_left_goes_at_the_next_start() {
    let home = tempfile::tempdir().expect("a directory can be made");
    Bench::start(home.path(), Sync::Always).stop();
    let left = home.path().join("topics/t.0.deleted");
    fs::create_dir(&left).expect("a directory can be made");
    fs::write(left.join("00000001.log"), "x").expect("a file can be made");
    assert!(recover(home.path()).expect("all is well").is_empty());
    let bench = Bench::start(home.path(), Sync::Always);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while left.exists() {
        assert!(std::time::Instant::now() < end, "it is still there");
        std::thread::sleep(Duration::from_millis(2));
    }
    bench.stop();
}

#[test]
fn more_topics_than_files_may_be_open() {
    for sync in WAYS {
        let home = tempfile::tempdir().expect("a directory can be made");
        let bench = Bench::start(home.path(), sync);
        let count = super::super::files::open_limit() + 20;
        let mut topics: Vec<Topic> =
            (0..count).map(|index| Topic::new(index % SHARDS, index as u64, &format!("t{index}"))).collect();
        for _ in 0..2 {
            let mut work = [Vec::new(), Vec::new()];
            for topic in &mut topics {
                topic.publish(1, 10);
                work[topic.shard].extend(topic.take_said());
            }
            for (shard, work) in work.into_iter().enumerate() {
                bench.push(shard, work);
            }
            for topic in &topics {
                assert_eq!(bench.fake.outcome(topic), Outcome::Stored(topic.upto));
            }
        }
        bench.stop();
        assert_eq!(recover(home.path()).expect("all is well").len(), count);
    }
}

#[test]
fn a_disk_below_its_reserve_is_full() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let options = DiskOptions { sync: Sync::Always, min_free_bytes: u64::MAX / 4 };
    let bench = Bench::start_with(home.path(), options);
    bench.fake.wait("the news", |told| (told.full == [true]).then_some(()));
    let mut topic = Topic::new(0, 1, "t");
    bench.write_and_wait(&mut topic);
    bench.stop();
}

#[test]
fn sync_reads_and_writes() {
    for (text, sync) in [
        ("always", Sync::Always),
        ("never", Sync::Never),
        ("500ms", Sync::Every(Duration::from_millis(500))),
        ("2s", Sync::Every(Duration::from_secs(2))),
    ] {
        assert_eq!(text.parse(), Ok(sync));
        assert_eq!(sync.to_string(), text);
    }
    assert_eq!("0".parse(), Ok(Sync::Always));
    assert!("sometimes".parse::<Sync>().is_err());
}
