//! A broker in process, without sockets, on a clock that is moved by hand.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use shelfmq::{Clock, Options, Shelf};
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

fn wait<F: Future>(answer: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(answer)
}
