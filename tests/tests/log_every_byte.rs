//! A small log that the engine wrote: cut at each of its bytes, and each of its bits flipped. Whatever is left of it,
//! the engine opens it, and the ledger of the simulation accepts what comes out.
//!
//! `SHELFMQ_SOAK` set to anything flips all bits; without it, one of each byte.

use std::sync::atomic::{AtomicUsize, Ordering};

use shelfmq_core::log::frame::{Found, Frames, Kind, SEGMENT_HEADER_BYTES, SegmentHeader, split_message};
use shelfmq_tests::simulation::disk::SimDisk;
use shelfmq_tests::simulation::ledger::{Draft, Ledger};
use shelfmq_tests::simulation::node::Node;
use shelfmq_tests::simulation::standing::{Standing, standing};
use shelfmq_tests::simulation::{Op, Runner, Settings, Sync};

const SECOND: u64 = 1_000_000_000;

/// What the log holds, and what clients were told of it.
struct Told {
    disk: SimDisk,
    ledger: Ledger,
    now: u64,
    bytes: Vec<u8>,
}

fn settings() -> Settings {
    Settings {
        sync: Sync::Always,
        shards: 1,
        segment_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        rots: true,
        fails: false,
        ..Settings::of(1)
    }
}

fn publish(count: usize, key: &str, defer: u64) -> Op {
    let key = Some(key.to_owned()).filter(|key| !key.is_empty());
    Op::Publish(Draft { topic: "t".into(), count, key, defer, ..Draft::default() })
}

fn subscribe(channel: &'static str, max: u64) -> Op {
    let (topic, wait, timeout) = ("t", 0, SECOND);
    Op::Subscribe { topic, channel, max, wait, timeout, auto: false, stream: false, fin: None }
}

fn settle(channel: &'static str, verb: u64, which: &[usize]) -> Op {
    Op::Settle { topic: "t", channel, verb, which: which.to_vec(), time: 10 * SECOND }
}

/// Some of everything: channels, keys, deferred messages, a batch, a dedup key, leases that end in each way, dead
/// letters that stay and some that move on, pauses.
fn story() -> Vec<Op> {
    let dedup = Draft { topic: "t".into(), count: 2, dedup: Some("p".into()), ttl: 9_000 * SECOND, ..Draft::default() };
    let administer = |path, query: &str| Op::Administer(path, query.into());
    vec![
        administer("/topic/create", "topic=t"),
        administer("/topic/create", "topic=d"),
        administer("/channel/create", "topic=d&channel=a"),
        publish(1, "", 0),
        administer("/channel/create", "topic=t&channel=a&max_attempts=2"),
        publish(2, "k", 0),
        administer("/channel/create", "topic=t&channel=b&ordered=true"),
        publish(1, "k", 30 * SECOND),
        publish(4, "l", 0),
        Op::Publish(dedup),
        subscribe("a", 3),
        settle("a", 0, &[1]),
        settle("a", 1, &[0]),
        subscribe("b", 5),
        settle("b", 2, &[0]),
        settle("b", 0, &[1]),
        Op::Step(2 * SECOND),
        subscribe("a", 5),
        Op::Step(2 * SECOND),
        administer("/channel/config", "topic=t&channel=a&max_attempts=1&dead_letter=d"),
        subscribe("a", 2),
        Op::Step(2 * SECOND),
        administer("/topic/pause", "topic=t"),
        publish(2, "", 0),
        administer("/channel/pause", "topic=t&channel=b"),
        administer("/topic/unpause", "topic=t"),
        administer("/channel/redrive", "topic=t&channel=a"),
        publish(1, "k", 0),
        subscribe("a", 1),
    ]
}

fn told() -> Told {
    let mut runner = Runner::new(settings());
    for op in story() {
        runner.perform(&op).and_then(|()| runner.perform(&Op::Work(200))).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    runner.node.disk.sync_all();
    assert_eq!(runner.node.disk.segments("t"), [1], "the log is one segment");
    for topic in ["t", "d"] {
        // Room that was made for more is looked through at each start, which here are thousands.
        let bytes = runner.node.disk.read(topic, 1).expect("the segment is there");
        let header = SegmentHeader::read(&bytes).expect("the header is whole");
        let mut frames = Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]);
        assert!(frames.by_ref().all(|found| matches!(found, Found::Frame(_))));
        runner.node.disk.truncate(topic, 1, frames.offset());
    }
    let bytes = runner.node.disk.read("t", 1).expect("the segment is there");
    Told { now: runner.node.now, disk: runner.node.disk, ledger: runner.ledger, bytes }
}

/// The messages of each publish, and where that ends.
fn publishes(bytes: &[u8]) -> Vec<(Vec<u64>, usize)> {
    let header = SegmentHeader::read(bytes).expect("the header is whole");
    let mut found = Vec::new();
    let mut ids = Vec::new();
    for frame in Frames::new(header.salt, SEGMENT_HEADER_BYTES as u64, &bytes[SEGMENT_HEADER_BYTES..]) {
        let Found::Frame(frame) = frame else { panic!("the log is whole") };
        if frame.kind == Kind::Message {
            ids.extend(split_message(frame.payload).map(|(id, ..)| id));
            if !frame.more {
                found.push((std::mem::take(&mut ids), frame.end() as usize));
            }
        }
    }
    found
}

impl Told {
    /// Opens what is left, with these messages lost, and something else where `shaken`; `what` says what was done to it.
    fn check(&self, what: &str, lost: &[u64], shaken: bool, harm: impl FnOnce(&SimDisk)) {
        let (disk, mut ledger) = (self.disk.copy(), self.ledger.clone());
        harm(&disk);
        for id in lost {
            ledger.damaged("t", *id);
        }
        if shaken {
            ledger.shaken("t");
        }
        ledger.crashed(shelfmq_tests::simulation::disk::Crash::Process, false);
        let mut runner = Runner::with(settings(), Node::at(settings(), disk, self.now), ledger);
        let outcome = runner.drain();
        assert_eq!(outcome, Ok(()), "{what}");
    }
}

/// Does this for all numbers below `end`, on two threads.
fn each(end: usize, check: impl Fn(usize) + core::marker::Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= end {
                break;
            }
            check(at);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        other.join().expect("the other thread found nothing wrong");
    });
}

#[test]
fn a_log_that_is_whole_is_accepted() {
    told().check("nothing", &[], false, |_| {});
}

#[test]
fn a_message_too_few_is_noticed() {
    let told = told();
    let (_, end) = publishes(&told.bytes).pop().expect("there are some");
    let noticed = std::panic::catch_unwind(|| {
        told.check("a cut that is not told", &[], true, |disk| disk.truncate("t", 1, end as u64 - 1));
    });
    assert!(noticed.is_err());
}

#[test]
fn a_log_cut_at_any_byte_has_all_before_the_cut() {
    let told = told();
    let publishes = publishes(&told.bytes);
    // Without its header it is no log, and is set aside.
    each(told.bytes.len() + 1 - SEGMENT_HEADER_BYTES, |cut| {
        let cut = cut + SEGMENT_HEADER_BYTES;
        let after = publishes.iter().filter(|(_, end)| *end > cut);
        let lost: Vec<u64> = after.flat_map(|(ids, _)| ids.iter().copied()).collect();
        told.check(&format!("cut at {cut}"), &lost, true, |disk| disk.truncate("t", 1, cut as u64));
    });
}

#[test]
fn a_flipped_bit_costs_no_more_than_the_message_it_hits() {
    let told = told();
    let all = std::env::var_os("SHELFMQ_SOAK").is_some();
    let bits = if all { 8 } else { 1 };
    each((told.bytes.len() - SEGMENT_HEADER_BYTES) * bits, |number| {
        let place = SEGMENT_HEADER_BYTES + number / bits;
        let bit = 8 * place + if all { number % 8 } else { place % 8 };
        let lost = match standing(&told.bytes, place) {
            Standing::Message(id) => vec![id],
            _ => Vec::new(),
        };
        told.check(&format!("bit {bit}, at byte {place}"), &lost, lost.is_empty(), |disk| {
            disk.flip("t", 1, bit);
        });
    });
}
