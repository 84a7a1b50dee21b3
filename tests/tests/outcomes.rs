//! What becomes of a topic whose log could not be written, which is closed, or is somebody else's; and of a broker whose
//! clock is wrong.

use std::time::Duration;

use shelfmq_core::Output;
use shelfmq_core::api::Request;
use shelfmq_core::config::{Limits, LogOptions};
use shelfmq_core::log::LogId;
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_tests::one::{self, One};

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

#[test]
fn a_topic_that_was_deleted_as_the_engine_resigns_is_answered() {
    let mut one = with_message();
    one.ticket += 1;
    let request = Request { method: "POST", path: "/topic/delete", query: "topic=t", ..Request::default() };
    one.engine.handle(one.now, one.ticket, &request);
    one.engine.resign(one.now);
    one.drain();
    assert_eq!(answer(&mut one), (503, "STORAGE_UNKNOWN".into()));
    assert!(one.engine.is_settled());
}

#[test]
fn a_dead_letter_whose_target_is_closed_is_not_waited_for_for_ever() {
    let mut one = One::with_log(Limits { dead_letters_under_way: 1, ..Limits::default() });
    act(&mut one, "/topic/create?topic=t");
    act(&mut one, "/channel/create?topic=t&channel=c&max_attempts=1&dead_letter=dead");
    act(&mut one, "/topic/create?topic=dead");
    for _ in 0..2 {
        act(&mut one, "/pub?topic=t");
        let receipt = one.lease("max=1")[0]["receipt"].as_str().expect("a receipt").to_owned();
        let _ = one.ask("POST", &format!("/req?topic=t&channel=c&receipt={receipt}"), b"");
        // It has arrived, and the word of it waits for the log that is closed now.
        while one.appends.front().is_some_and(|append| append.topic.as_str() == "t") {
            one.sync_next();
        }
        one.engine.close_topic(one.now, "dead");
        one.drain();
        one.appends.clear();
        one.answers.clear();
    }
    act(&mut one, "/channel/config?topic=t&channel=c&dead_letter=elsewhere");
    one.sync();
    let (_, topics) = one.ask("GET", "/stats?format=json&topic=elsewhere", b"").expect("statistics");
    assert!(topics.contains(r#""depth":2"#), "{topics}");
}

#[test]
fn a_closed_topic_leaves_nothing_of_its_streams_behind() {
    let mut one = with_message();
    let before = one.engine.checkpoint(usize::MAX).expect("there is room").len();
    for _ in 0..50 {
        let stream = "/sub?topic=t&channel=c&stream=true&format=ndjson&max=10";
        assert_eq!(one.ask("GET", stream, b""), None);
        one.sync();
        one.engine.close_topic(one.now, "t");
        one.drain();
        let recovered = one.recovered("t");
        one.engine.open_topic(one.now, recovered);
        one.sync();
        one.pass(2 * DAY);
        one.sync();
    }
    let after = one.engine.checkpoint(usize::MAX).expect("there is room").len();
    assert!(after < before + 2_000, "{before} bytes before, {after} now");
}

#[test]
fn keys_that_a_clock_from_the_future_remembered_are_forgotten_in_time() {
    let mut one = One::new(Limits::default());
    let now = one.now;
    one.now = now + 365 * DAY;
    one.done("/pub?topic=t&dedup=future", b"x");
    one.now = now;
    for number in 0..100 {
        one.done(&format!("/pub?topic=t&dedup={number}"), b"x");
        one.pass(600 * SECOND);
    }
    let (_, stats) = one.ask("GET", "/stats?format=json", b"").expect("statistics");
    assert!(!stats.is_empty());
    let kept = one.engine.image_of("t").expect("there is such a topic").dedup;
    assert!(kept.len() <= 1, "{} keys", kept.len());
}

#[test]
fn a_read_that_failed_is_tried_again_although_the_clock_went_back_by_a_day() {
    let mut one = with_message();
    let recovered = one.recovered("t");
    let mut one = {
        let mut cold = One::with_log(Limits::default());
        cold.segments.clone_from(&one.segments);
        cold.engine.open_topic(one.now, recovered);
        std::mem::swap(&mut one, &mut cold);
        one
    };
    one.now = one.now + DAY;
    one.ticket += 1;
    let request = Request { method: "GET", path: "/sub", query: "topic=t&channel=c&wait=1m", ..Request::default() };
    one.engine.handle(one.now, one.ticket, &request);
    let Some(Output::Read(read)) = one.engine.poll_output() else { panic!("it is to be read") };
    one.engine.handle_read(one.now, &read, None);
    one.now = one::start();
    one.engine.handle_timeout(one.now);
    one.drain();
    one.pass(2 * SECOND);
    assert_eq!(answer(&mut one), (200, "before".into()));
}

/// Has something done that a log waits for.
fn act(one: &mut One, target: &str) {
    act_on(one, target, b"x");
}

fn act_on(one: &mut One, target: &str, body: &[u8]) {
    let answer = one.ask("POST", target, body);
    one.sync();
    let answer = answer.or_else(|| one.answers.pop().map(|(_, status, body)| (status, body)));
    assert!(matches!(answer, Some((200, _))), "{target}: {answer:?}");
}

#[test]
fn a_clock_that_is_years_ahead_at_the_start_deletes_nothing_that_is_retained_before_it_can_be_set() {
    for is_set in [true, false] {
        let mut one = One::with_log_of(Limits::default(), LogOptions { segment_bytes: 4096, cache_bytes: 1 << 20 });
        act(&mut one, "/topic/create?topic=t&retain=1d");
        act(&mut one, "/channel/create?topic=t&channel=c");
        for _ in 0..100 {
            act_on(&mut one, "/pub?topic=t", &[b'x'; 500]);
        }
        act(&mut one, "/channel/empty?topic=t&channel=c");
        let right = one.now;
        one.now = right + 3_650 * DAY;
        let mut one = one.restarted("t", Limits::default(), LogOptions { segment_bytes: 4096, cache_bytes: 1 << 20 });
        one.sync();
        one.pass(59 * 60 * SECOND);
        if is_set {
            one.now = right + 3_600 * SECOND;
            one.engine.handle_timeout(one.now);
        }
        one.pass(7_200 * SECOND);
        let (_, kept) = one.ask("GET", "/peek?topic=t&max=1000", b"").expect("an answer at once");
        let kept = serde_json::from_str::<serde_json::Value>(&kept).expect("JSON")["messages"].as_array().map(Vec::len);
        assert!(if is_set { kept == Some(100) } else { kept < Some(20) }, "{kept:?}");
    }
}

#[test]
fn no_block_of_a_device_has_both_copies_of_a_snapshot() {
    let mut one = One::with_log(Limits::default());
    act(&mut one, "/topic/create?topic=t");
    for number in 0..40 {
        act(&mut one, &format!("/channel/create?topic=t&channel=channel-{number}"));
    }
    let mut one = one.restarted("t", Limits::default(), LogOptions { segment_bytes: 1 << 20, cache_bytes: 0 });
    one.engine.compact_topic(one.now, "t", u32::MAX);
    one.sync();
    act(&mut one, "/pub?topic=t");
    let last = one.segments.len() - 1;
    let whole = one.segments[last].clone();
    assert!(last > 0 && whole.len() > 4096 + 2048, "{last}, {}", whole.len());
    for start in (0..whole.len() - 4096).step_by(512) {
        one.segments = vec![whole.clone()];
        one.segments[0][start.max(SEGMENT_HEADER_BYTES)..start + 4096].fill(0xee);
        let recovered = one.recovered("t");
        assert!(
            !recovered.headless && recovered.image.channels.iter().count() == 40,
            "{start}: {:?}",
            recovered.damage
        );
    }
}

/// A message that is damaged takes nothing along that is retained before it, nor what of that is not finished.
#[test]
fn what_stands_before_a_damaged_message_can_be_gone_back_to() {
    let options = LogOptions { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };
    let mut one = One::with_log_of(Limits::default(), options.clone());
    act(&mut one, "/topic/create?topic=t&retain=1d");
    act(&mut one, "/channel/create?topic=t&channel=c");
    for body in ["the first", "the damaged", "the last"] {
        act_on(&mut one, "/pub?topic=t", body.as_bytes());
    }
    // The channel has passed the first, and is not done with it.
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=c&timeout=10m", b"").expect("an answer at once").0, 200);
    one.sync();
    let segment = one.segments.last_mut().expect("a log has a segment");
    let place = segment.windows(11).position(|bytes| bytes == b"the damaged").expect("it is in the log");
    segment[place] ^= 1;
    for _ in 0..2 {
        one = one.restarted("t", Limits::default(), options.clone());
        one.sync();
        act(&mut one, "/channel/seek?topic=t&channel=c&to=earliest");
        let depth = one.stats()["channels"][0]["depth"].as_u64();
        assert_eq!(depth, Some(2));
        let (_, all) = one.ask("GET", "/peek?topic=t&channel=c&max=10", b"").expect("an answer at once");
        assert!(all.contains("the first") && all.contains("the last"), "{all}");
    }
}

#[test]
fn a_host_that_saw_the_clock_leap_keeps_what_is_retained_for_a_while() {
    let mut one = One::new(Limits::default());
    one.done("/topic/create?topic=t&retain=1d", b"");
    for _ in 0..100 {
        one.done("/pub?topic=t", &[b'x'; 5000]);
    }
    let memory = |one: &mut One| one.stats()["memory_bytes"].as_u64().expect("a number");
    let before = memory(&mut one);
    one.done("/channel/create?topic=t&channel=c", b"");
    one.done("/channel/empty?topic=t&channel=c", b"");
    one.engine.hold_retention(one.now + 30 * DAY);
    assert_eq!(memory(&mut one), before);
    one.now = one.now + 30 * DAY;
    one.pass(7_200 * SECOND);
    assert!(memory(&mut one) < before / 2);
}
