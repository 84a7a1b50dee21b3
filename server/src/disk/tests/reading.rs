//! Reading back, beside the writer, in any order.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use shelfmq_core::log::Loaded;

use super::super::Sync;
use super::fake::{Bench, Topic};

/// Numbers that look random, and are the same at each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A topic with kept messages here and there, and bodies of all sizes.
fn varied(numbers: &mut Numbers) -> Topic {
    let mut topic = Topic::new(1, 5, "varied");
    for round in 1..400 {
        let size = if round % 50 == 0 { 400_000 } else { numbers.below(3000) as usize };
        topic.publish(1 + numbers.below(4), size);
        if numbers.below(3) == 0 {
            topic.keep(numbers.below(topic.next - 1) + 1, 50);
        }
        if round % 150 == 0 {
            topic.begin();
        }
    }
    topic
}

fn ids(topic: &Topic, segment: usize) -> (u64, u64) {
    let end = topic.segments.get(segment + 1).map_or(topic.next, |next| next.header.index);
    (topic.segments[segment].header.index, end)
}

#[test]
fn any_part_reads_as_it_was_written() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let mut numbers = Numbers(1);
    let mut topic = varied(&mut numbers);
    let bench = Bench::start(home.path(), Sync::Always);
    bench.write_and_wait(&mut topic);
    for round in 0..600 {
        let segment = numbers.below(topic.segments.len() as u64) as usize;
        let (first, end) = ids(&topic, segment);
        let from = first + numbers.below(end - first);
        let to = from + if round % 10 == 0 { 0 } else { numbers.below(end - from + 1).min(100) };
        let whole = &topic.segments[segment];
        let loaded = bench.read(&topic, whole.header.number, from, to, numbers.below(300_000));
        assert!(loaded == Some(whole.expected(from, to)), "segment {segment}, {from} to {to}");
    }
    bench.stop();
}

#[test]
fn chunk_after_chunk_reads_all() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let mut topic = varied(&mut Numbers(2));
    let bench = Bench::start(home.path(), Sync::Always);
    bench.write_and_wait(&mut topic);
    for (segment, whole) in topic.segments.iter().enumerate() {
        let (mut from, end) = ids(&topic, segment);
        while from < end {
            let to = (from + 70).min(end);
            let loaded = bench.read(&topic, whole.header.number, from, to, 100_000).expect("it can be read");
            assert!(loaded == whole.expected(from, to) && loaded.missing() == 0, "{from} to {to}");
            from = to;
        }
    }
    bench.stop();
}

#[test]
fn damage_costs_what_it_hit_and_nothing_else() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    topic.publish(50, 2000);
    topic.begin();
    bench.write_and_wait(&mut topic);
    let file = bench.file(&topic, 1);
    let whole = fs::read(&file).expect("it is there");
    // In the length, the header's checksum, the id (which must not be believed), the body.
    for (at, bit) in [(1, 1), (10, 4), (13, 2), (14, 1), (20, 128), (100, 1)] {
        for hit in [0, 20, 49] {
            let frame = topic.segments[0].frames[hit];
            let mut bytes = whole.clone();
            bytes[frame.start as usize + at] ^= bit;
            fs::write(&file, bytes).expect("it can be written");
            // A log of another id has nothing remembered.
            topic.log += 1;
            for (from, to) in [(1, 10), (10, 21), (21, 22), (22, 40), (40, 51), (1, 51), (15, 30)] {
                let loaded = bench.read(&topic, 1, from, to, 1000).expect("it can be read");
                let is_hit = (from..to).contains(&frame.id);
                assert_eq!(loaded.missing(), usize::from(is_hit), "byte {at} of message {}: {from} to {to}", frame.id);
                if is_hit {
                    assert_eq!(loaded.damage, [(frame.start, frame.end - frame.start)], "byte {at}, {from} to {to}");
                }
            }
        }
    }
    bench.stop();
}

#[test]
fn what_was_in_a_removed_segment_is_missing_and_not_waited_for() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Always);
    let mut topic = Topic::new(0, 1, "t");
    topic.publish(3, 10);
    topic.begin();
    topic.publish(3, 10);
    topic.begin();
    topic.publish(3, 10);
    bench.write_and_wait(&mut topic);
    // As after a restart: nothing is remembered of the log, and it begins with its second segment.
    topic.log += 1;
    fs::remove_file(bench.file(&topic, 1)).expect("it is there");
    let loaded = bench.read(&topic, 1, 1, 4, 100).expect("nobody needs to ask again");
    assert_eq!(loaded.missing(), 3);
    // One that is missing in the middle may come back.
    fs::remove_file(bench.file(&topic, 3)).expect("it is there");
    assert_eq!(bench.read(&topic, 3, 7, 10, 100), None);
    bench.stop();
}

#[test]
fn what_is_written_meanwhile_does_not_disturb() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let bench = Bench::start(home.path(), Sync::Never);
    let mut topic = Topic::new(0, 1, "t");
    topic.publish(20, 500);
    bench.write_and_wait(&mut topic);
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // Reads of all that there is, by another name, so as not to share the log that is written to.
        let reader = Topic::new(topic.shard, topic.log, "t");
        let (bench, stop, count) = (&bench, &stop, &count);
        let reads = scope.spawn(move || {
            let mut reads = Vec::new();
            while !stop.load(Relaxed) {
                reads.push(bench.read(&reader, 1, 1, 100_000, 1000).expect("it can be read"));
                count.store(reads.len(), Relaxed);
            }
            reads
        });
        // However late the reader gets its turn, it reads while this goes on. One that failed is found by joining it.
        let mut appends = 0;
        while appends < 300 || (count.load(Relaxed) < 20 && !reads.is_finished()) {
            topic.publish(3, 700);
            bench.write_and_wait(&mut topic);
            appends += 1;
        }
        stop.store(true, Relaxed);
        let reads: Vec<Loaded> = reads.join().expect("it does not panic");
        let damage: Vec<_> = reads.iter().map(|loaded| &loaded.damage).filter(|damage| !damage.is_empty()).collect();
        assert!(damage.is_empty(), "{} of {} reads found damage: {:?}", damage.len(), reads.len(), damage.first());
    });
    let loaded = bench.read(&topic, 1, 1, topic.next, 1000);
    assert!(loaded == Some(topic.segments[0].expected(1, topic.next)));
    bench.stop();
}
