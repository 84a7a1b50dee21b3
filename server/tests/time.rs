//! A broker in process, without sockets, on a clock that is moved by hand.

use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use shelfmq::{Clock, DiskOptions, DiskStore, Options, Shelf};
use shelfmq_core::config::LogOptions;
use shelfmq_core::time::Time;

fn get(target: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(target).body(Empty::new()).expect("a valid request")
}

#[test]
fn a_poll_waits_for_as_long_as_it_says_and_no_longer() {
    let clock = Clock::manual(Time::from_secs(1_800_000_000));
    let shelf = Shelf::new(Options { clock, ..Options::default() });
    let mut cx = Context::from_waker(Waker::noop());
    let mut answer = pin!(shelf.handle(get("/sub?topic=t&channel=c&wait=30s"), "10.0.0.1:1234"));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    shelf.advance(Duration::from_millis(29_999));
    assert!(answer.as_mut().poll(&mut cx).is_pending());
    shelf.advance(Duration::from_millis(1));
    let Poll::Ready(response) = answer.poll(&mut cx) else { panic!("time is up") };
    assert_eq!(response.status(), 204);
    assert_eq!(shelf.now(), Time::from_secs(1_800_000_030));
}

#[test]
fn the_last_clone_ends_the_broker() {
    let token = Arc::new(());
    let kept = token.clone();
    let configured = Box::new(move |_: &str, _: &serde_json::Value| drop(kept.clone()));
    let shelf = Shelf::new(Options { configured, ..Options::default() });
    drop((shelf.clone(), shelf));
    assert_eq!(Arc::strong_count(&token), 1);
}

/// The clock of the machine is set back by a day, and later forward: leases and polls end when they should.
#[test]
fn a_broker_lives_with_a_clock_that_is_set() {
    let shelf = Shelf::new(Options::default());
    let ask = |target: &str| wait(shelf.handle(get(target), "10.0.0.1:1234")).status().as_u16();
    let publish = http::Request::post("/pub?topic=t").body(Full::new(Bytes::from("hello"))).expect("a valid request");
    assert_eq!(wait(shelf.handle(publish, "10.0.0.1:1234")).status(), 200);
    let day = 24 * 3_600_000_000_000;
    for by in [-day, day] {
        assert_eq!(ask("/sub?topic=t&channel=c&timeout=2s"), 200);
        shelf.step_clock(by);
        // The lease ends, although by the clock that made it that is a day away.
        assert_eq!(ask("/sub?topic=t&channel=c&wait=30s&timeout=10ms"), 200);
        assert_eq!(ask("/sub?topic=t&channel=c&wait=30s&timeout=1ms"), 200);
    }
}

/// What was known of the time is kept beside the logs: a clock that is behind goes on from there, and one that is far ahead is in
/// doubt until somebody says that it is right, however often the broker is started.
#[test]
fn a_start_knows_what_time_it_was() {
    let data = tempfile::tempdir().expect("a directory can be made");
    let file = data.path().join("clock");
    // Opens and closes it. What time it was, and what is known of the time after it.
    let run = |trust_clock: bool| {
        let (log, disk) = (LogOptions::default(), DiskOptions::default());
        let disk = Some(DiskStore { path: data.path().into(), log, disk, trust_clock });
        let shelf = Shelf::open(Options { disk, ..Options::default() }).expect("it opens");
        let now = shelf.now();
        shelf.close();
        let noted: serde_json::Value =
            serde_json::from_slice(&fs::read(&file).expect("it is noted")).expect("it is JSON");
        (now, Time::from_nanos(noted["sure"].as_u64().expect("it is a time")))
    };
    let note = |sure: Time| fs::write(&file, format!("{{\"sure\":{}}}", sure.as_nanos())).expect("it can be written");
    let (day, (first, known)) = (Duration::from_secs(24 * 60 * 60), run(false));
    assert!(known >= first);
    note(first + day);
    let (now, known) = run(false);
    assert!(now >= first + day && known >= now && known < now + day);
    note(first - 40 * day);
    for _ in 0..2 {
        let (now, known) = run(false);
        assert!(now < first + day && known == first - 40 * day);
    }
    assert!(run(true).1 >= first);
    fs::write(&file, "nonsense").expect("it can be written");
    assert!(run(false).1 >= first);
}

fn wait<F: Future>(answer: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(answer)
}
