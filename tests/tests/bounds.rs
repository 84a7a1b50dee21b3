//! What one call does, what an answer has, and what is kept in memory are bounded: each bound at it, and beyond it.

use std::time::Duration;

use serde_json::Value;
use shelfmq_core::api::Request;
use shelfmq_core::config::Limits;
use shelfmq_tests::one::One;

const SECOND: Duration = Duration::from_secs(1);

/// Few enough that tests are quick; the mechanism does not know the number.
fn limits() -> Limits {
    Limits { slice: 100, ..Limits::default() }
}

fn with_channels(limits: Limits, channels: usize) -> One {
    let mut one = One::new(limits);
    one.done("/topic/create?topic=t", b"");
    for channel in 0..channels {
        one.done(&format!("/channel/create?topic=t&channel=c{channel}"), b"");
    }
    one
}

fn lines(count: usize) -> Vec<u8> {
    b"x\n".repeat(count)
}

fn of_first_channel(one: &mut One, what: &str) -> u64 {
    one.stats()["channels"][0][what].as_u64().expect("a number")
}

#[test]
fn leases_that_end_at_one_instant_end_in_slices_between_which_others_are_served() {
    let mut one = with_channels(limits(), 1);
    one.done("/mpub?topic=t", &lines(1000));
    one.ask("GET", "/sub?topic=t&channel=c0&max=1000&format=json&timeout=10s", b"").expect("messages");
    assert_eq!(of_first_channel(&mut one, "in_flight_count"), 1000);
    one.now = one.now + 10 * SECOND;
    one.engine.handle_timeout(one.now);
    one.drain();
    assert_eq!(one.engine.poll_timeout().filter(|at| *at > one.now), None, "there is more to do at once");
    // This request does a slice before, and one after it.
    let left = of_first_channel(&mut one, "in_flight_count");
    assert!((600..=900).contains(&left), "{left} are in flight after one call");
    one.done("/pub?topic=other", b"served");
    one.calls_until_done(|_| {});
    assert_eq!((of_first_channel(&mut one, "in_flight_count"), of_first_channel(&mut one, "depth")), (0, 1000));
    assert_eq!(of_first_channel(&mut one, "timeout_count"), 1000);
}

#[test]
fn deferrals_that_end_at_one_instant_end_in_slices() {
    let mut one = with_channels(limits(), 1);
    one.done("/mpub?topic=t&defer=10s", &lines(1000));
    one.calls_until_done(|_| {});
    assert_eq!(of_first_channel(&mut one, "deferred_count"), 1000);
    one.now = one.now + 10 * SECOND;
    let mut published = 0;
    let calls = one.calls_until_done(|one| {
        one.done("/pub?topic=other", b"served");
        published += 1;
    });
    // Each call that comes in between does a slice as well.
    assert!((4..=11).contains(&calls), "{calls} calls for 1,000 messages in slices of 100, with {published} publishes");
    assert_eq!((of_first_channel(&mut one, "deferred_count"), of_first_channel(&mut one, "depth")), (0, 1000));
}

#[test]
fn what_is_deferred_is_handed_to_many_channels_in_slices_and_none_is_lost() {
    let mut one = with_channels(limits(), 10);
    one.done("/mpub?topic=t&defer=10s", &lines(1000));
    let first = of_first_channel(&mut one, "deferred_count");
    assert!(first < 1000, "a publish of 1,000 to ten channels hands over {first} at once");
    one.calls_until_done(|_| {});
    let stats = one.stats();
    let channels = stats["channels"].as_array().expect("channels");
    assert!(channels.iter().all(|channel| channel["deferred_count"] == 1000), "{channels:?}");
    assert_eq!(stats["depth"], 0);
}

#[test]
fn messages_that_expire_at_one_instant_expire_in_slices() {
    let mut one = with_channels(limits(), 2);
    one.done("/mpub?topic=t&ttl=10s", &lines(1000));
    one.now = one.now + 10 * SECOND;
    one.engine.handle_timeout(one.now);
    one.drain();
    let left = of_first_channel(&mut one, "depth");
    assert!((1..1000).contains(&left), "{left} are left after one call");
    one.calls_until_done(|_| {});
    assert_eq!((of_first_channel(&mut one, "depth"), of_first_channel(&mut one, "expired_count")), (0, 1000));
}

#[test]
fn polls_that_end_at_one_instant_end_in_slices() {
    let mut one = with_channels(limits(), 1);
    for _ in 0..1000 {
        assert_eq!(one.ask("GET", "/sub?topic=t&channel=c0&wait=10s", b""), None);
    }
    one.now = one.now + 10 * SECOND;
    one.engine.handle_timeout(one.now);
    one.drain();
    assert_eq!(one.answers.len(), 100);
    one.calls_until_done(|_| {});
    assert_eq!(one.answers.len(), 1000);
}

#[test]
fn only_so_many_dead_letters_are_on_their_way_at_once() {
    let mut one = with_channels(Limits { dead_letters_under_way: 8, ..Limits::default() }, 1);
    one.done("/channel/config?topic=t&channel=c0&max_attempts=1", b"");
    one.done("/mpub?topic=t", &lines(100));
    let (_, body) = one.ask("GET", "/sub?topic=t&channel=c0&max=100&format=json&timeout=1s", b"").expect("messages");
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON")["messages"].as_array().map(Vec::len), Some(100));
    one.pass(2 * SECOND);
    one.delivers = false;
    one.done("/channel/config?topic=t&channel=c0&dead_letter=dead", b"");
    assert_eq!(one.transfers.len(), 8);
    // One arrives, and the word of it makes room for the next.
    let transfer = one.transfers.pop_front().expect("there are eight");
    one.engine.handle_transfer(one.now, transfer);
    one.drain();
    assert_eq!(one.transfers.len(), 8, "seven, and the word that one arrived");
    one.delivers = true;
    while let Some(transfer) = one.transfers.pop_front() {
        one.engine.handle_transfer(one.now, transfer);
        one.drain();
    }
    let (_, topics) = one.ask("GET", "/stats?format=json&topic=dead", b"").expect("statistics");
    assert!(topics.contains(r#""depth":100"#), "{topics}");
}

#[test]
fn an_answer_stops_before_the_message_that_would_exceed_its_bytes_but_has_one() {
    let mut one = with_channels(Limits::default(), 1);
    one.done("/channel/create?topic=t&channel=c", b"");
    for _ in 0..4 {
        one.done("/pub?topic=t", &[b'x'; 1000]);
    }
    // Each takes its body and some hundred bytes beside.
    assert_eq!(one.lease("max=10&max_bytes=2500").len(), 2);
    assert_eq!(one.lease("max=10&max_bytes=1").len(), 1);
    assert_eq!(one.lease("max=10").len(), 1);
}

#[test]
fn pages_of_messages_have_all_of_them_whatever_a_page_may_have() {
    for log in [false, true] {
        let mut one = if log { One::with_log(Limits::default()) } else { One::new(Limits::default()) };
        one.ask("POST", "/topic/create?topic=t", b"");
        one.sync();
        for _ in 0..5 {
            one.ask("POST", "/pub?topic=t", &[b'x'; 1000]);
            one.sync();
        }
        let (mut from, mut ids) = (String::from("0000000000000000"), Vec::new());
        loop {
            let target = format!("/peek?topic=t&max_bytes=2500&from={from}");
            let (status, body) = one.ask("GET", &target, b"").expect("an answer at once");
            assert_eq!(status, 200, "{body}");
            let page: Value = serde_json::from_str(&body).expect("JSON");
            let messages = page["messages"].as_array().expect("a list");
            assert!((1..=2).contains(&messages.len()), "{} messages", messages.len());
            ids.extend(messages.iter().map(|message| message["id"].as_str().expect("an id").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            next.clone_into(&mut from);
        }
        assert_eq!(ids, (1..=5).map(|id| format!("{id:016x}")).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_not_durable_is_bounded_and_the_topic_goes_on_once_it_is() {
    let mut one = One::with_log(Limits { max_not_durable: 10_000, ..Limits::default() });
    let mut waiting = 0;
    let refusal = loop {
        match one.ask("POST", "/pub?topic=t", &[b'x'; 1000]) {
            None => waiting += 1,
            Some(answer) => break answer,
        }
        assert!(waiting < 20, "nothing was durable yet");
    };
    // A segment begins with a snapshot twice, a block of 4,096 bytes apart.
    assert!((4..=6).contains(&waiting), "{waiting} publishes of 1,000 bytes within 10,000");
    assert!(refusal.0 == 503 && refusal.1.contains("OVERLOADED"), "{refusal:?}");
    one.sync();
    assert_eq!(one.answers.iter().filter(|answer| answer.1 == 200).count(), waiting);
    assert_eq!(one.ask("POST", "/pub?topic=t", b"goes on"), None);
    one.sync();
    assert_eq!(one.answers.last().map(|answer| answer.1), Some(200));
}

#[test]
fn emptying_a_topic_gives_back_its_memory_though_nobody_polls() {
    let mut one = with_channels(Limits::default(), 2);
    one.done("/topic/pause?topic=t", b"");
    for _ in 0..50 {
        one.done("/pub?topic=t", &vec![b'x'; 200_000]);
    }
    assert!(one.stats()["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 9_000_000));
    one.done("/topic/empty?topic=t", b"");
    let left = one.stats()["memory_bytes"].as_u64().expect("a number");
    assert!(left < 1_000_000, "{left} bytes are left");
}

#[test]
fn an_ephemeral_channel_keeps_no_more_deferred_messages_than_it_may_have_ready() {
    let mut one = One::new(Limits { mem_queue_size: 10, ..Limits::default() });
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=c%23ephemeral&wait=0", b"").map(|answer| answer.0), Some(204));
    one.done("/mpub?topic=t&defer=300ms", &lines(1000));
    one.calls_until_done(|_| {});
    assert_eq!(of_first_channel(&mut one, "deferred_count"), 10);
    one.pass(SECOND);
    assert_eq!((of_first_channel(&mut one, "depth"), of_first_channel(&mut one, "dropped_count")), (10, 990));
}

#[test]
fn what_is_deferred_counts_as_memory() {
    let mut one = with_channels(Limits::default(), 10);
    let before = one.stats()["memory_bytes"].as_u64().expect("a number");
    one.done("/mpub?topic=t&defer=1h", &lines(1000));
    one.calls_until_done(|_| {});
    let more = one.stats()["memory_bytes"].as_u64().expect("a number") - before;
    assert!(more > 10 * 1000 * 100, "{more} bytes for 1,000 messages in each of ten channels");
}

#[test]
fn names_of_consumers_are_bounded() {
    let mut one = with_channels(Limits::default(), 1);
    for name in 0..10_001 {
        one.ask("GET", &format!("/sub?topic=t&channel=c0&wait=0&client=n{name}"), b"");
        if name == 9_999 {
            assert_eq!(of_first_channel(&mut one, "client_count"), 10_000);
        }
    }
    assert_eq!(of_first_channel(&mut one, "client_count"), 1, "those who are not here are forgotten");
}

#[test]
fn one_search_in_an_ordered_channel_passes_over_so_many_messages_whatever_max_is() {
    let mut one = One::new(Limits::default());
    one.done("/topic/create?topic=t", b"");
    one.done("/channel/create?topic=t&channel=c&ordered=true", b"");
    for _ in 0..40 {
        one.done("/mpub?topic=t&key=k", &lines(1000));
    }
    one.done("/pub?topic=t&key=other", b"the last");
    // The first of the key is leased, and the search for another goes on in calls to come.
    assert_eq!(one.lease("max=10000").len(), 1);
    assert_eq!(one.ask("GET", "/sub?topic=t&channel=c&max=100&format=json&wait=1m", b""), None);
    let calls = one.calls_until_done(|_| {});
    assert!(calls >= 3, "{calls} calls for 40,000 messages, 4,096 at most in each");
    assert!(one.answers.iter().any(|answer| answer.2.contains("the last")), "{:?}", one.answers);
}

#[test]
fn letters_on_their_way_are_not_sent_to_another_topic_as_well() {
    let mut one = with_channels(Limits::default(), 1);
    one.done("/channel/config?topic=t&channel=c0&max_attempts=1", b"");
    one.done("/mpub?topic=t", &lines(5));
    one.ask("GET", "/sub?topic=t&channel=c0&max=100&format=json&timeout=1s", b"").expect("messages");
    one.pass(2 * SECOND);
    one.delivers = false;
    one.done("/channel/config?topic=t&channel=c0&dead_letter=first", b"");
    one.done("/channel/config?topic=t&channel=c0&dead_letter=second", b"");
    assert_eq!(one.transfers.len(), 5);
    one.delivers = true;
    while let Some(transfer) = one.transfers.pop_front() {
        one.engine.handle_transfer(one.now, transfer);
        one.drain();
    }
    let (_, topics) = one.ask("GET", "/stats?format=json", b"").expect("statistics");
    assert!(topics.contains(r#""topic_name":"first""#) && !topics.contains(r#""topic_name":"second""#), "{topics}");
}

#[test]
fn producers_that_were_silent_for_long_make_room_for_others() {
    let mut one = One::new(Limits::default());
    for batch in 0..100 {
        let line = |number| format!("{{\"body\":\"x\",\"producer\":\"{batch}-{number}\",\"seq\":1}}\n");
        let lines: String = (0..1000).map(line).collect();
        one.ticket += 1;
        let head = [("content-type", &b"application/x-ndjson"[..])];
        let request = Request {
            method: "POST",
            path: "/mpub",
            query: "topic=t",
            headers: &head,
            body: lines.as_bytes(),
            ..Request::default()
        };
        one.engine.handle(one.now, one.ticket, &request);
        one.drain();
        assert_eq!(one.answers.pop().map(|answer| answer.1), Some(200));
    }
    assert_eq!(one.refused("/pub?topic=t&producer=new&seq=1", b"x").1, "TOO_MANY_PRODUCERS");
    one.pass(Duration::from_secs(31 * 24 * 60 * 60));
    one.done("/pub?topic=t&producer=new&seq=1", b"x");
    assert_eq!(one.engine.image_of("t").expect("there is such a topic").more.producers.len(), 1);
}
