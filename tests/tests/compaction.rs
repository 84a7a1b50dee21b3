//! A host that wants the oldest part of a log to go gets it, whatever is still needed there, and nothing is lost by it: not
//! if the broker is killed at any step in between.

use serde_json::Value;
use shelfmq_core::config::{Limits, LogOptions};
use shelfmq_tests::one::One;

/// Segments of a few messages, none of which stay in memory longer than they must.
fn cold() -> LogOptions {
    LogOptions { segment_bytes: 4096, cache_bytes: 0 }
}

fn body(number: usize) -> String {
    format!("{number} {}", "x".repeat(number * 37 % 700))
}

/// A topic of so many messages, of which channel `c` has finished the third, fourth …, has some leased, deferred and dead, and
/// has yet to read the rest; channel `idle` has read none.
fn topic(messages: usize, options: &str) -> One {
    let mut one = One::with_log_of(Limits::default(), cold());
    act(&mut one, &format!("/topic/create?topic=t&{options}"), "");
    act(&mut one, "/channel/create?topic=t&channel=c&max_attempts=1", "");
    for number in 0..messages {
        act(&mut one, "/pub?topic=t", &body(number));
    }
    for (at, lease) in lease(&mut one, messages / 2).iter().enumerate() {
        let receipt = lease["receipt"].as_str().expect("a receipt");
        match at % 5 {
            0 => act(&mut one, &format!("/req?topic=t&channel=c&receipt={receipt}&timeout=0"), ""),
            1 => {}
            _ => act(&mut one, &format!("/fin?topic=t&channel=c&receipt={receipt}"), ""),
        }
    }
    one.sync();
    one
}

/// Has something done, and that is durable then.
fn act(one: &mut One, target: &str, body: &str) {
    let answer = one.ask("POST", target, body.as_bytes());
    one.sync();
    let answer = answer.or_else(|| one.answers.pop().map(|(_, status, body)| (status, body)));
    assert!(matches!(answer, Some((200, _))), "{target}: {answer:?}");
}

fn lease(one: &mut One, max: usize) -> Vec<Value> {
    let mut leased = Vec::new();
    while leased.len() < max {
        let more = one.lease(&format!("max={}&timeout=60s", max - leased.len()));
        one.sync();
        if more.is_empty() {
            break;
        }
        leased.extend(more);
    }
    leased
}

/// All that there is to tell of the messages, bodies included, without changing anything.
fn all(one: &mut One) -> Vec<Value> {
    let mut all = Vec::new();
    for target in ["topic=t", "topic=t&channel=c&state=ready", "topic=t&channel=c&state=in_flight"] {
        all.extend(shown(one, "/peek", target));
    }
    all.extend(shown(one, "/dead", "topic=t&channel=c"));
    all
}

fn shown(one: &mut One, path: &str, query: &str) -> Vec<Value> {
    let (status, text) = one.ask("GET", &format!("{path}?{query}&max=1000"), b"").expect("an answer at once");
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path} {query}: {status} {text}"));
    let mut messages = answer["messages"].as_array().unwrap_or_else(|| panic!("{status} {text}")).clone();
    for message in &mut messages {
        message.as_object_mut().expect("an object").remove("until");
    }
    messages
}

fn last_number(one: &One) -> u32 {
    *one.numbers().last().expect("a log has a segment")
}

#[test]
fn what_is_needed_of_the_oldest_segments_is_moved_and_they_go() {
    for options in ["", "retain=1h"] {
        let mut one = topic(120, options);
        let (before, numbers) = (all(&mut one), one.numbers());
        assert!(numbers.len() > 5 && before.len() > 100, "{numbers:?} {}", before.len());
        assert!(one.engine.compact_topic(one.now, "t", u32::MAX));
        one.drain();
        one.sync();
        assert!(one.numbers()[0] > *numbers.last().expect("there are some"), "{numbers:?}: {:?}", one.numbers());
        assert_eq!(all(&mut one), before);
        let mut restarted = one.restarted("t", Limits::default(), cold());
        assert_eq!(all(&mut restarted), before);
        // Once more: what was relocated is again.
        let last = last_number(&restarted);
        assert!(restarted.engine.compact_topic(one.now, "t", u32::MAX));
        restarted.drain();
        restarted.sync();
        assert!(restarted.numbers()[0] > last);
        assert_eq!(all(&mut restarted), before);
    }
}

#[test]
fn only_what_is_before_the_place_is_moved() {
    let mut one = topic(120, "");
    let (before, numbers) = (all(&mut one), one.numbers());
    let place = numbers[numbers.len() / 2];
    assert!(one.engine.compact_topic(one.now, "t", place));
    one.drain();
    one.sync();
    let left: Vec<u32> = numbers.into_iter().filter(|number| *number >= place).collect();
    assert_eq!(one.numbers()[..left.len()], left);
    assert_eq!(all(&mut one), before);
    // It is done, and to ask for it again changes nothing.
    let now = one.numbers();
    assert!(one.engine.compact_topic(one.now, "t", place));
    one.drain();
    one.sync();
    assert_eq!(one.numbers(), now);
    assert!(!one.engine.compact_topic(one.now, "other", place), "there is no such topic");
}

#[test]
fn nothing_is_lost_if_it_ends_at_any_step() {
    let mut one = topic(60, "retain=1h");
    let before = all(&mut one);
    let first = last_number(&one);
    assert!(one.engine.compact_topic(one.now, "t", u32::MAX));
    one.drain();
    let mut steps = 0;
    loop {
        let mut restarted = one.restarted("t", Limits::default(), cold());
        assert_eq!(all(&mut restarted), before, "after {steps} steps");
        if !one.sync_next() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 5 && one.numbers()[0] > first, "{steps} steps: {:?}", one.numbers());
}

#[test]
fn others_publish_and_read_meanwhile() {
    let mut one = topic(120, "");
    let (mut before, first) = (all(&mut one), last_number(&one));
    assert!(one.engine.compact_topic(one.now, "t", u32::MAX));
    one.drain();
    let mut number = 120;
    while one.sync_next() {
        if number < 150 {
            one.ask("POST", "/pub?topic=t", body(number).as_bytes());
            number += 1;
        }
    }
    one.sync();
    assert!(one.numbers()[0] > first, "{:?}", one.numbers());
    one.answers.clear();
    let after = all(&mut one);
    assert_eq!(after.len(), before.len() + 60, "each new one in the topic and in the channel");
    before.retain(|message| after.contains(message));
    assert_eq!(before.len() + 60, after.len());
    let mut restarted = one.restarted("t", Limits::default(), cold());
    assert_eq!(all(&mut restarted), after);
    // All that waits can be had.
    let waiting = restarted.stats()["channels"][0]["depth"].as_u64().expect("a number") as usize;
    assert_eq!(lease(&mut restarted, 1_000).len(), waiting);
}

#[test]
fn what_was_deferred_before_a_restart_is_moved_like_the_rest() {
    let mut one = One::with_log_of(Limits::default(), cold());
    act(&mut one, "/topic/create?topic=t", "");
    act(&mut one, "/channel/create?topic=t&channel=c", "");
    act(&mut one, "/mpub?topic=t&ttl=600s", &(0..20).map(|n| body(n) + "\n").collect::<String>());
    act(&mut one, "/mpub?topic=t&defer=1s", &(20..40).map(|n| body(n) + "\n").collect::<String>());
    let mut one = one.restarted("t", Limits::default(), cold());
    act(&mut one, "/pub?topic=t", "last");
    one.pass(std::time::Duration::from_secs(3_700));
    one.sync();
    let before = all(&mut one);
    assert!(before.len() > 20, "{}", before.len());
    assert!(one.engine.compact_topic(one.now, "t", u32::MAX));
    one.drain();
    one.sync();
    assert_eq!(all(&mut one), before);
}
