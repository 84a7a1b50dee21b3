//! What becomes of a topic whose log could not be written, which is closed, or is somebody else's; and of a broker whose
//! clock is wrong.

use std::time::Duration;

use shelfmq_core::config::Limits;
use shelfmq_core::log::LogId;
use shelfmq_tests::one::One;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One with topic `t`, channel `c` and a durable message in it.
fn with_message() -> One {
    let mut one = One::with_log(Limits::default());
    for target in ["/topic/create?topic=t", "/channel/create?topic=t&channel=c", "/pub?topic=t"] {
        assert_eq!(one.ask("POST", target, b"before"), None);
        one.sync();
    }
    assert_eq!(one.answers.drain(..).filter(|answer| answer.1 == 200).count(), 3);
    one
}

/// The log of the append that waits.
fn log(one: &One) -> LogId {
    one.appends.front().expect("something is to be appended").log
}

/// The one answer that came since the last look.
fn answer(one: &mut One) -> (u16, String) {
    assert_eq!(one.answers.len(), 1, "{:?}", one.answers);
    let (_, status, body) = one.answers.remove(0);
    (
        status,
        serde_json::from_str::<serde_json::Value>(&body)
            .map_or(body.clone(), |error| error["message"].as_str().unwrap_or_default().into()),
    )
}

#[test]
fn an_append_of_which_nothing_is_known_leaves_the_outcome_open_and_the_topic_can_be_opened_again() {
    let mut one = with_message();
    assert_eq!(one.ask("POST", "/pub?topic=t", b"lost?"), None);
    let log = log(&one);
    one.engine.handle_append_failed(one.now, log);
    one.drain();
    assert_eq!(answer(&mut one), (503, "STORAGE_UNKNOWN".into()));
    assert_eq!(one.refused("/pub?topic=t", b"later"), (503, "STORAGE_FAILED".into()));
    // Opened again from what the log has, without that append, it goes on.
    one.appends.clear();
    let recovered = one.recovered("t");
    one.engine.open_topic(one.now, recovered);
    assert_eq!(one.ask("POST", "/pub?topic=t", b"after"), None);
    one.sync();
    assert_eq!(one.answers.pop().map(|answer| answer.1), Some(200));
    let bodies: Vec<_> = (0..2).flat_map(|_| one.lease("max=10")).map(|message| message["body"].clone()).collect();
    assert!(bodies.contains(&"before".into()) && !bodies.contains(&"lost?".into()), "{bodies:?}");
}

#[test]
fn a_refused_append_means_another_owner() {
    let mut one = with_message();
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=d&wait=1m", b""), None);
    one.sync();
    assert_eq!(one.ask("POST", "/pub?topic=t", b"his?"), None);
    let log = log(&one);
    one.engine.handle_append_refused(one.now, log);
    one.drain();
    let mut codes: Vec<_> =
        one.answers.drain(..).map(|(_, status, body)| (status, body.contains("NO_OWNER"))).collect();
    codes.sort_unstable();
    assert_eq!(codes, [(503, true), (503, true)], "the publish and the poll");
    assert_eq!(one.refused("/pub?topic=t", b"later"), (503, "NO_OWNER".into()));
    assert_eq!(one.refused("/topic/create?topic=t", b""), (503, "NO_OWNER".into()));
    assert!(one.engine.poll_log().is_none(), "nothing is written to his log");
}

#[test]
fn a_closed_topic_is_not_made_anew_and_goes_on_when_it_is_opened() {
    let mut one = with_message();
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=d&wait=1m", b""), None);
    one.sync();
    assert_eq!(one.ask("POST", "/pub?topic=t", b"open?"), None);
    one.appends.clear();
    assert!(one.engine.close_topic(one.now, "t") && !one.engine.close_topic(one.now, "t"));
    one.drain();
    let mut codes: Vec<_> =
        one.answers.drain(..).map(|answer| answer.2.split('"').nth(3).unwrap_or_default().to_owned()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["NO_OWNER", "STORAGE_UNKNOWN"]);
    for target in ["/pub?topic=t", "/sub?topic=t&channel=c&wait=0", "/channel/create?topic=t&channel=c"] {
        assert_eq!(one.refused(target, b"x"), (503, "NO_OWNER".into()), "{target}");
    }
    let recovered = one.recovered("t");
    one.engine.open_topic(one.now, recovered);
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=c&wait=1m", b""), Some((200, "before".into())));
}

#[test]
fn an_engine_that_resigns_answers_all_and_writes_nothing() {
    let mut one = with_message();
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=d&wait=1m", b""), None);
    one.sync();
    assert_eq!(one.ask("POST", "/pub?topic=t", b"his?"), None);
    one.appends.clear();
    assert_eq!(one.ask("POST", "/pub?topic=another", b"his?"), None);
    one.engine.resign(one.now);
    assert!(one.engine.poll_log().is_none(), "nothing is written");
    one.drain();
    assert_eq!(one.answers.drain(..).filter(|answer| answer.1 == 503).count(), 3);
    assert_eq!(one.refused("/pub?topic=new", b"x"), (503, "NO_OWNER".into()));
    assert!(one.engine.is_settled());
}

#[test]
fn the_oldest_is_dropped_of_what_waits_to_be_durable_too() {
    let mut one = One::with_log(Limits::default());
    assert_eq!(one.ask("POST", "/topic/create?topic=t&max_messages=1&overflow=drop_oldest", b""), None);
    assert_eq!(one.ask("POST", "/channel/create?topic=t&channel=c", b""), None);
    one.sync();
    one.answers.clear();
    for number in 0..50 {
        assert_eq!(one.ask("POST", "/pub?topic=t", format!("{number}").as_bytes()), None);
    }
    one.sync();
    assert!(one.answers.len() == 50 && one.answers.iter().all(|answer| answer.1 == 200), "{:?}", one.answers);
    let left = one.lease("max=10");
    assert_eq!(left.iter().map(|message| message["body"].clone()).collect::<Vec<_>>(), ["49"]);
}

#[test]
fn no_lease_or_deferral_that_a_log_tells_of_outlives_what_one_may_last() {
    let mut one = with_message();
    assert_eq!(one.ask("POST", "/pub?topic=t&defer=30m", b"deferred"), None);
    one.sync();
    assert_eq!(one.lease("timeout=30s").len(), 1);
    one.drain();
    one.sync();
    // The broker starts again on a machine whose clock is a day behind.
    let recovered = one.recovered("t");
    let mut behind = One::with_log(Limits::default());
    behind.now = one.now - DAY;
    behind.engine.open_topic(behind.now, recovered);
    behind.drain();
    assert_eq!(behind.stats()["channels"][0]["in_flight_count"], 1);
    behind.pass(31 * SECOND);
    assert_eq!(behind.stats()["channels"][0]["in_flight_count"], 0, "a lease of 30 s that began in the future");
    behind.pass(Duration::from_secs(60 * 60));
    assert_eq!(behind.stats()["channels"][0]["deferred_count"], 0, "a deferral lasts an hour at most");
}

#[test]
fn a_clock_that_is_an_hour_ahead_for_one_request_freezes_nobody() {
    let mut one = One::new(Limits::default());
    one.done("/topic/create?topic=t", b"");
    one.done("/channel/create?topic=t&channel=c", b"");
    one.done("/pub?topic=t", b"hello");
    let right = one.now;
    one.now = one.now + 60 * 60 * SECOND;
    assert_eq!(one.lease("timeout=2s").len(), 1);
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=d&wait=3s", b""), None);
    // It is set right.
    one.now = right + SECOND;
    assert!(one.lease("").is_empty());
    one.pass(3 * SECOND);
    assert_eq!(one.lease("").len(), 1, "the lease of 2 s has ended");
    assert!(one.answers.iter().any(|answer| answer.1 == 204), "the poll of 3 s has ended: {:?}", one.answers);
}

#[test]
fn a_clock_that_goes_back_by_little_stands_still() {
    let mut one = One::new(Limits::default());
    one.done("/topic/create?topic=t", b"");
    one.done("/channel/create?topic=t&channel=c", b"");
    one.done("/pub?topic=t", b"hello");
    assert_eq!(one.lease("timeout=10s").len(), 1);
    one.now = one.now - SECOND;
    assert!(one.lease("").is_empty());
    one.pass(12 * SECOND);
    assert_eq!(one.lease("").len(), 1);
}

#[test]
fn the_last_attempt_of_a_message_is_made_alone_so_that_no_other_dies_with_it() {
    let mut one = One::new(Limits::default());
    one.done("/topic/create?topic=t", b"");
    one.done("/channel/create?topic=t&channel=c&max_attempts=2", b"");
    one.done("/mpub?topic=t", b"good\npoison\ngood too\n");
    assert_eq!(one.lease("max=10&timeout=1s").len(), 3, "a consumer takes them, and breaks by the second");
    one.pass(2 * SECOND);
    let mut died = 0;
    for _ in 0..3 {
        let alone = one.lease("max=10&timeout=1s");
        assert_eq!(alone.len(), 1);
        if alone[0]["body"] == "poison" {
            died += 1;
        } else {
            let receipt = alone[0]["receipt"].as_str().expect("a receipt");
            one.done(&format!("/fin?topic=t&channel=c&receipt={receipt}"), b"");
        }
        one.pass(2 * SECOND);
    }
    assert_eq!((died, one.stats()["channels"][0]["dead_count"].as_u64()), (1, Some(1)));
}
