//! Disks that are full or broken.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::super::{Done, Outcome, Sync};
use super::fake::{Bench, Topic, recover};

/// Has the next segment of a topic end up in a device instead of a file.
fn divert(bench: &Bench, topic: &Topic, device: &str) -> std::path::PathBuf {
    let mut making = bench.file(topic, topic.segments.len() as u32 + 1).into_os_string();
    making.push(bench.making);
    symlink(device, &making).expect("a link can be made");
    making.into()
}

#[test]
fn a_log_that_cannot_be_synced_is_opened_again_and_others_go_on() {
    for sync in [Sync::Always, Sync::Every(Duration::from_millis(5))] {
        let home = tempfile::tempdir().expect("a directory can be made");
        let bench = Bench::start(home.path(), sync);
        let (mut bad, mut good) = (Topic::new(0, 1, "bad"), Topic::new(0, 2, "good"));
        bad.publish(3, 10);
        bench.write_and_wait(&mut bad);
        // It takes all, and cannot be synced.
        let link = divert(&bench, &bad, "/dev/null");
        bad.begin();
        bench.write(&mut bad);
        let unknown = (0, Done { log: 1, outcome: Outcome::Unknown });
        bench.fake.wait("the failure", |told| told.done.contains(&unknown).then_some(()));
        let (topic, why) = bench.fake.wait("a word of it", |told| told.unwell.first().cloned());
        let why = why.expect("it is not well").why;
        assert!(topic == "bad" && why.contains("topic bad could not be synced: "), "{why}");
        good.publish(1, 1);
        bench.write_and_wait(&mut good);
        // Where nothing of it counted, that was removed.
        let _ = fs::remove_file(link);
        let (log, recovered) = bench.fake.wait("the topic again", |told| told.opened.first().cloned());
        assert_eq!((log, recovered.image.next.id, recovered.header.number), (Some(1), 4, 1));
        bench.fake.wait("a good word", |told| (told.unwell.last() == Some(&("bad".into(), None))).then_some(()));
        bad.segments.pop();
        bad.reopened(7, &recovered);
        bad.publish(1, 1);
        bench.write_and_wait(&mut bad);
        // Deleted and made again, it works.
        bad.delete();
        bench.write_and_wait(&mut bad);
        let mut again = Topic::new(0, 3, "bad");
        bench.write_and_wait(&mut again);
        bench.stop();
        assert_eq!(recover(home.path()).expect("all is well").len(), 2);
    }
}

#[test]
fn a_full_disk_is_waited_for() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let (mut topic, mut other) = (Topic::new(0, 1, "t"), Topic::new(1, 1, "other"));
    topic.publish(3, 10);
    bench.write_and_wait(&mut topic);
    bench.write_and_wait(&mut other);
    let link = divert(&bench, &topic, "/dev/full");
    topic.begin();
    topic.publish(2, 100);
    bench.write(&mut topic);
    bench.fake.wait("a full disk", |told| (told.full == [true]).then_some(()));
    // What frees space need not wait; what is to be written does.
    other.delete();
    bench.write_and_wait(&mut other);
    fs::remove_file(link).expect("it is there");
    bench.write_and_wait(&mut topic);
    bench.fake.wait("the end of it", |told| (told.full == [true, false]).then_some(()));
    bench.fake.wait("a good word", |told| (told.unwell.last() == Some(&("t".into(), None))).then_some(()));
    bench.stop();
    topic.reopened(2, &recover(home.path()).expect("all is well")[0]);
}

#[test]
fn a_topic_that_is_deleted_while_the_disk_is_full_is_gone() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    bench.write_and_wait(&mut topic);
    divert(&bench, &topic, "/dev/full");
    topic.begin();
    topic.publish(2, 100);
    bench.write(&mut topic);
    bench.fake.wait("a full disk", |told| (told.full == [true]).then_some(()));
    topic.delete();
    bench.write_and_wait(&mut topic);
    bench.fake.wait("the end of it", |told| (told.full == [true, false]).then_some(()));
    bench.stop();
    assert!(recover(home.path()).expect("all is well").is_empty());
}

#[test]
fn what_waits_for_room_does_not_keep_others_waiting_and_its_publishers_are_answered() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let (mut topic, mut other) = (Topic::new(0, 1, "t"), Topic::new(0, 2, "other"));
    bench.write_and_wait(&mut topic);
    let link = divert(&bench, &topic, "/dev/full");
    topic.begin();
    topic.publish(1, 1);
    bench.write(&mut topic);
    bench.fake.wait("a full disk", |told| (told.full == [true]).then_some(()));
    bench.write_and_wait(&mut other);
    let late = (0, Done { log: 1, outcome: Outcome::Late });
    bench.fake.wait("an answer", |told| told.done.contains(&late).then_some(()));
    fs::remove_file(link).expect("it is there");
    topic.publish(1, 1);
    bench.write_and_wait(&mut topic);
    bench.stop();
    topic.is_all_in(&recover(home.path()).expect("all is well")[1]);
}

#[test]
fn a_server_stops_although_the_disk_is_full() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    bench.write_and_wait(&mut topic);
    divert(&bench, &topic, "/dev/full");
    topic.begin();
    bench.write(&mut topic);
    bench.fake.wait("a full disk", |told| (told.full == [true]).then_some(()));
    let fake = std::sync::Arc::clone(&bench.fake);
    bench.stop();
    assert_eq!(fake.outcome(&topic), Outcome::Unknown);
}

/// A small file system of its own, until it is dropped.
struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "it stays mounted: {}", self.0.display());
    }
}

#[test]
fn a_small_file_system_fills_and_empties() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "shelfmq-test"]).arg(home.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        let listed = std::env::var("TESTS_MAY_SKIP").unwrap_or_default();
        assert!(
            std::env::var_os("CI").is_none() || listed.split(',').any(|item| item == "mount"),
            "it cannot be mounted"
        );
        eprintln!("skipped: this user may not mount a file system");
        return;
    }
    let _mount = Mount(home.path());
    let bench = Bench::start(home.path(), Sync::Always);
    let (mut large, mut small) = (Topic::new(0, 1, "large"), Topic::new(1, 1, "small"));
    bench.write_and_wait(&mut small);
    for _ in 0..30 {
        large.publish(10, 5000);
        bench.write_and_wait(&mut large);
    }
    small.publish(100, 8000);
    bench.write(&mut small);
    bench.fake.wait("a full disk", |told| (told.full == [true]).then_some(()));
    // A part of it would have had room: none of it is there.
    assert_eq!(fs::read(bench.file(&small, 1)).expect("it is there").len(), small.segments[0].frames[0].start as usize);
    large.delete();
    bench.write_and_wait(&mut large);
    bench.write_and_wait(&mut small);
    bench.fake.wait("the end of it", |told| (told.full.last() == Some(&false)).then_some(()));
    bench.stop();
    small.reopened(2, &recover(home.path()).expect("all is well")[0]);
}
