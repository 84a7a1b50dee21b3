//! The broker is killed under load, over and over, and started again on what it left: every OK is delivered, and nothing that
//! was answered to be finished is delivered again.
//!
//! `SHELFMQ_KILLS` says how often, `SHELFMQ_SEED` which random numbers are taken.

#![allow(unreachable_pub, reason = "what a module of a test offers, it offers to the others")]

#[path = "../common/mod.rs"]
mod common;
mod ledger;
mod load;

use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use common::process::{Process, problems};
use common::random::Random;
use common::until;
use ledger::AUTO;
use load::{Consumer, Place, Publisher, Stage};

const CHANNELS: [Place; 5] = [("plain", "a"), ("plain", "b"), AUTO, ("keyed", "ordered"), ("dying", "d")];
const ARGS: &[&str] =
    &["--segment-bytes", "65536", "--cache-bytes", "65536", "--min-free-bytes", "0", "--log-level", "warn"];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_ok_is_delivered_however_often_it_is_killed() {
    let kills = number("SHELFMQ_KILLS").unwrap_or(30);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let seed = number("SHELFMQ_SEED").unwrap_or(now.as_millis() as u64);
    let data = tempfile::tempdir().expect("a place for temporary files");
    let stage = Stage::new();
    let mut random = Random(seed);
    set_up(data.path());
    thread::scope(|scope| {
        // Whatever goes wrong here, the clients end.
        let _end = End(&stage);
        start_clients(scope, &stage, seed);
        let mut held: Option<String> = None;
        for life in 0..kills {
            let broker = Process::start(data.path(), ARGS);
            late(&broker, held.as_deref());
            stage.set(Some(broker.address));
            thread::sleep(Duration::from_millis(random.below(200)));
            held = Some(hold(&broker, random.below(2) == 0));
            stop(broker, &stage, life % 5 == 4, data.path());
        }
    });
    let broker = Process::start(data.path(), ARGS);
    drain(&broker, &stage, kills + 1);
    let published = {
        let mut ledger = stage.ledger();
        let published = ledger.close(&CHANNELS);
        let wrong = &ledger.wrong;
        assert!(wrong.is_empty(), "seed {seed}: {} wrong, such as\n{:.2000}", wrong.len(), wrong.join("\n"));
        published
    };
    println!("killed {kills} times (seed {seed}), {published} messages published with OK and found");
    assert!(published as u64 > 10 * kills, "only {published}");
    assert_eq!(broker.end().0, Some(0));
    assert_eq!(problems(data.path()), [""; 0]);
}

struct End<'a>(&'a Stage);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn set_up(data: &Path) {
    let broker = Process::start(data, ARGS);
    for (topic, channel, more) in [
        ("plain", "a", ""),
        ("plain", "b", ""),
        (AUTO.0, AUTO.1, ""),
        ("keyed", "ordered", "&ordered=true"),
        ("dying", "d", "&max_attempts=3&dead_letter=graves"),
        ("graves", "g", ""),
        ("late", "l", ""),
    ] {
        broker.call("POST", &format!("/topic/create?topic={topic}"), b"").ok();
        broker.call("POST", &format!("/channel/create?topic={topic}&channel={channel}{more}"), b"").ok();
    }
    assert_eq!(broker.end().0, Some(0));
}

fn start_clients<'s>(scope: &'s thread::Scope<'s, '_>, stage: &'s Stage, seed: u64) {
    for name in 0..4 {
        scope.spawn(move || Publisher::new(stage, name, seed).run());
    }
    let mut name = 100;
    for place in CHANNELS {
        for (max, is_lazy) in [(1, false), (20, false), (5, true)] {
            name += 1;
            let random = Random(seed ^ name << 40);
            scope.spawn(move || Consumer { stage, place, max, is_lazy, random }.run());
        }
    }
}

/// Leases a message, and publishes another, so that the lease is on the disk when that is answered. The receipt.
fn hold(broker: &Process, is_short: bool) -> String {
    let publish = || broker.call("POST", "/pub?topic=late", b"late").ok();
    publish();
    let lease = if is_short { "1ms" } else { "60s" };
    let leased = broker.call("GET", &format!("/sub?topic=late&channel=l&timeout={lease}"), b"").ok();
    publish();
    leased.header("shelf-receipt").expect("it has a receipt").to_owned()
}

/// Finishes what was leased before the broker was killed. Nobody else got it, so that works although it took long.
fn late(broker: &Process, held: Option<&str>) {
    if let Some(receipt) = held {
        let answer = broker.call("POST", &format!("/fin?topic=late&channel=l&receipt={receipt}"), b"");
        assert_eq!(answer.text(), r#"{"finished":1}"#, "{receipt}");
    }
    broker.call("GET", "/sub?topic=late&channel=l&max=100&wait=0&ack=auto", b"").ok();
}

/// Ends a broker, well or not.
fn stop(broker: Process, stage: &Stage, is_well: bool, data: &Path) {
    let log = if is_well {
        let (code, log) = broker.end();
        assert_eq!(code, Some(0), "{log}");
        stage.set(None);
        assert_eq!(problems(data), [""; 0]);
        log
    } else {
        let log = broker.kill();
        stage.set(None);
        stage.crashed();
        log
    };
    assert!(!log.contains("damaged") && !log.contains("panicked") && !log.contains("ERROR"), "{log}");
}

/// Consumes all that is left.
fn drain(broker: &Process, stage: &Stage, epoch: u64) {
    for place in CHANNELS {
        let random = Random(1);
        Consumer { stage, place, max: 100, is_lazy: false, random }.drain(broker.client(), epoch);
    }
    until("the dead letters leave", || {
        let dead = broker.call("GET", "/dead?topic=dying&channel=d&max=10000", b"").ok().json();
        dead["messages"].as_array().is_some_and(Vec::is_empty)
    });
    let place = ("graves", "g");
    Consumer { stage, place, max: 100, is_lazy: false, random: Random(1) }.drain(broker.client(), epoch);
}
