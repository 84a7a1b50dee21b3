//! Requests in, commands or errors out.

mod bounds;
mod head;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use super::*;
use crate::api::{NodeCall, Scope};
use crate::command::{ChannelChanges, Messages, Overflow, Publish, ReceiptText, Settle, Start, State, Subscribe};

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn limits() -> Limits {
    Limits { max_msg_size: 10, max_body_size: 60, ..Limits::default() }
}

/// A request from its target: `/pub?topic=t`.
fn request<'a>(method: &'a str, target: &'a str, headers: Headers<'a>, body: &'a [u8]) -> Request<'a> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Request { method, path, query, headers, body, peer: "10.0.0.1:5" }
}

fn error(method: &str, target: &str, headers: Headers<'_>, body: &[u8]) -> ApiError {
    match decode(&limits(), &request(method, target, headers, body)).call {
        Err(error) => error,
        Ok(call) => panic!("{method} {target}: {call:?}"),
    }
}

fn verb<'a>(method: &'a str, target: &'a str, headers: Headers<'a>, body: &'a [u8]) -> (View, Verb<'a>) {
    let decoded = decode(&limits(), &request(method, target, headers, body));
    match decoded.call {
        Ok(Call::Topic(command)) => (View::of(&decoded.context), command.verb),
        other => panic!("{method} {target}: {other:?}"),
    }
}

fn node(target: &str) -> NodeCall<'_> {
    match decode(&limits(), &request("GET", target, &[], b"")).call {
        Ok(Call::Node(call)) => call,
        other => panic!("{target}: {other:?}"),
    }
}

fn publish<'a>(target: &'a str, headers: Headers<'a>, body: &'a [u8]) -> Publish<'a> {
    match verb("POST", target, headers, body).1 {
        Verb::Publish(publish) => publish,
        other => panic!("{target}: {other:?}"),
    }
}

fn subscribe<'a>(method: &'a str, target: &'a str, headers: Headers<'a>, body: &'a [u8]) -> (View, Subscribe<'a>) {
    match verb(method, target, headers, body) {
        (view, Verb::Subscribe(subscribe)) => (view, subscribe),
        other => panic!("{target}: {other:?}"),
    }
}

fn settle<'a>(target: &'a str, body: &'a [u8]) -> (View, Settle<'a>) {
    match verb("POST", target, &[], body) {
        (view, Verb::Settle(settle)) => (view, settle),
        other => panic!("{target}: {other:?}"),
    }
}

fn bodies(publish: &Publish<'_>) -> Vec<Vec<u8>> {
    match &publish.messages {
        Messages::Same(bodies, _) => bodies.iter().map(|body| body.to_vec()).collect(),
        Messages::Each(messages) => messages.iter().map(|message| message.body.to_vec()).collect(),
    }
}

fn texts(receipts: &[ReceiptText<'_>]) -> Vec<String> {
    receipts.iter().map(|receipt| receipt.text.to_string()).collect()
}

const NDJSON: Headers<'static> = &[("content-type", b"application/x-ndjson")];

#[test]
fn a_publish_is_refused_in_nsqds_order() {
    let long = "k".repeat(257);
    let header: (&str, &[u8]) = ("shelf-meta-x", &[b'x'; 8192]);
    let cases: [(String, Headers<'_>, &[u8], Code); 14] = [
        ("/pub?%".into(), &[], b"12345678901", Code::MsgTooBig),
        ("/pub?%".into(), &[], b"", Code::MsgEmpty),
        ("/pub?%".into(), &[], b"x", Code::InvalidRequest),
        ("/pub?defer=x".into(), &[], b"x", Code::MissingArgTopic),
        ("/pub?topic=&defer=x".into(), &[], b"x", Code::InvalidTopic),
        ("/pub?topic=t&defer=x&key=".into(), &[], b"x", Code::InvalidDefer),
        ("/pub?topic=t&defer=61m".into(), &[], b"x", Code::InvalidDefer),
        ("/pub?topic=t&defer=-1".into(), &[], b"x", Code::InvalidDefer),
        ("/pub?topic=t&key=&dedup=".into(), &[], b"x", Code::InvalidKey),
        (format!("/pub?topic=t&key={long}"), &[], b"x", Code::InvalidKey),
        ("/pub?topic=t&dedup=&ttl=0".into(), &[], b"x", Code::InvalidDedup),
        ("/pub?topic=t&ttl=0".into(), &[("idempotency-key", b"")], b"x", Code::InvalidDedup),
        ("/pub?topic=t&ttl=0".into(), &[header], b"x", Code::InvalidTtl),
        ("/pub?topic=t".into(), &[header], b"x", Code::HeadersTooBig),
    ];
    for (target, headers, body, code) in cases {
        assert_eq!(error("POST", &target, headers, body).code, code, "{target}");
    }
}

#[test]
fn a_publish_has_its_options() {
    let headers: Headers<'_> =
        &[("content-type", b"text/csv"), ("idempotency-key", b"once"), ("host", b"h"), ("ce-id", b"7")];
    let target = "/pub?topic=t&defer=1500&ttl=5m&key=a%20b&channel=c";
    let decoded = decode(&limits(), &request("POST", target, headers, b"1234567890"));
    assert_eq!(decoded.context.ignored.as_deref(), Some("channel"));
    let routed = route(request("POST", target, headers, b"").head());
    assert!(matches!(routed.scope(), Scope::Topic("t")));
    let publish = publish(target, headers, b"1234567890");
    assert_eq!(bodies(&publish), [b"1234567890"]);
    assert_eq!(publish.dedup.as_deref(), Some("once"));
    let Messages::Same(_, options) = publish.messages else { panic!("one message") };
    assert_eq!(options.defer, Some(Duration::from_millis(1500)));
    assert_eq!(options.ttl, Some(Duration::from_secs(300)));
    assert_eq!(options.key.as_deref(), Some("a b"));
    let names: Vec<&str> = options.headers.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["content-type", "ce-id"]);
    assert_eq!(self::publish("/pub?topic=t&dedup=q", headers, b"x").dedup.as_deref(), Some("q"));
}

#[test]
fn json_is_answered_where_it_is_wanted() {
    let json: Headers<'_> = &[("accept", b"application/json")];
    assert_eq!(verb("POST", "/pub?topic=t", &[], b"x").0, View::Published);
    assert_eq!(verb("POST", "/pub?topic=t", json, b"x").0, View::PublishedJson);
    assert_eq!(verb("POST", "/mpub?topic=t", &[], b"x").0, View::Batch);
    assert_eq!(verb("POST", "/mpub?topic=t", json, b"x").0, View::BatchJson);
}

#[test]
fn text_batches_are_split_as_nsqd_does() {
    let cases: [(&[u8], &[&[u8]]); 6] = [
        (b"a\nb", &[b"a", b"b"]),
        (b"a\nb\n", &[b"a", b"b"]),
        (b"\n\na\n\n\nb\r\n", &[b"a", b"b\r"]),
        (b"\n\n", &[]),
        (b"", &[]),
        (b"1234567890\n1", &[b"1234567890", b"1"]),
    ];
    for (body, messages) in cases {
        assert_eq!(bodies(&publish("/mpub?topic=t", &[], body)), messages, "{body:?}");
        assert_eq!(bodies(&publish("/mpub?topic=t&binary=false", &[], body)), messages, "{body:?}");
        assert_eq!(bodies(&publish("/mpub?topic=t&binary=0", &[], body)), messages, "{body:?}");
    }
    assert_eq!(error("POST", "/mpub?topic=t", &[], b"a\n12345678901\n").code, Code::MsgTooBig);
    assert_eq!(error("POST", "/mpub?topic=t", &[], &[b'\n'; 61]).code, Code::BodyTooBig);
    assert_eq!(error("POST", "/mpub", &[], b"x").code, Code::MissingArgTopic);
}

fn binary(count: u32, messages: &[(u32, &[u8])]) -> Vec<u8> {
    let mut body = count.to_be_bytes().to_vec();
    for (size, bytes) in messages {
        body.extend_from_slice(&size.to_be_bytes());
        body.extend_from_slice(bytes);
    }
    body
}

#[test]
fn binary_batches_are_read_as_nsqd_does() {
    for target in
        ["/mpub?topic=t&binary=true", "/mpub?topic=t&binary=1", "/mpub?topic=t&binary", "/mpub?topic=t&binary=yes"]
    {
        let body = binary(2, &[(1, b"a"), (2, b"\nb"), (9, b"not looked at")]);
        assert_eq!(bodies(&publish(target, &[], &body)), [&b"a"[..], b"\nb"], "{target}");
    }
    let most = (60 - 4) / 5;
    let cases = [
        (vec![0, 0, 1], Code::BadBody),
        (binary(0, &[]), Code::BadBody),
        (binary(most + 1, &[(1, b"a")]), Code::BadBody),
        (binary(most, &[(1, b"a")]), Code::BadMessage),
        (binary(1, &[]), Code::BadMessage),
        (binary(1, &[(0, b"")]), Code::BadMessage),
        (binary(1, &[(2, b"a")]), Code::BadMessage),
        (binary(1, &[(11, b"12345678901")]), Code::BadMessage),
    ];
    for (body, code) in cases {
        let found = error("POST", "/mpub?topic=t&binary=true", &[], &body).code;
        assert_eq!((found, found.status()), (code, 413), "{body:?}");
    }
}

#[test]
fn lines_of_json_have_their_own_options_over_those_of_the_query() {
    let limits = Limits { max_body_size: 1000, ..limits() };
    let headers: Headers<'_> =
        &[("content-type", b"application/x-ndjson; charset=utf-8"), ("traceparent", b"00"), ("ce-id", b"1")];
    let body = concat!(
        r#"{"body":"a\n","defer":"2s","key":"k","dedup":"d","headers":{"CE-Id":"2","Content-Type":"text/csv"}}"#,
        "\r\n \n",
        r#"{"body_base64":"/w==","ttl":250,"id":"1","receipt":"1-2","attempts":1,"timestamp":7}"#,
    );
    let request = request("POST", "/mpub?topic=t&defer=1s&key=q&ttl=1m&dedup=all", headers, body.as_bytes());
    let Ok(Call::Topic(Command { verb: Verb::Publish(publish), .. })) = decode(&limits, &request).call else {
        panic!("a publish")
    };
    assert_eq!(publish.dedup.as_deref(), Some("all"));
    let Messages::Each(messages) = publish.messages else { panic!("messages with their own options") };
    let seconds = |s| Some(Duration::from_secs(s));
    let [first, second] = &messages[..] else { panic!("two messages") };
    assert_eq!((first.body.as_ref(), first.dedup.as_deref()), (&b"a\n"[..], Some("d")));
    assert_eq!((first.options.defer, first.options.ttl), (seconds(2), seconds(60)));
    assert_eq!(first.options.key.as_deref(), Some("k"));
    let kept: Vec<_> = first.options.headers.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    assert_eq!(kept, [("ce-id", &b"2"[..]), ("content-type", b"text/csv"), ("traceparent", b"00")]);
    assert_eq!((second.body.as_ref(), second.dedup.as_deref()), (&b"\xff"[..], None));
    assert_eq!((second.options.defer, second.options.ttl), (seconds(1), Some(Duration::from_millis(250))));
    assert_eq!(second.options.key.as_deref(), Some("q"));
    let kept: Vec<_> = second.options.headers.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
    assert_eq!(kept, [("traceparent", &b"00"[..]), ("ce-id", b"1")]);
}

#[test]
fn a_bad_line_of_json_is_named() {
    let bad: [(&str, &str); 12] = [
        ("nonsense", "Line 2: "),
        ("[]", "Line 2: "),
        ("{}", "either `body` or `body_base64`"),
        (r#"{"body":"a","body_base64":""}"#, "either `body` or `body_base64`"),
        (r#"{"body":""}"#, "the body is empty"),
        (r#"{"body_base64":"?"}"#, "not base64"),
        (r#"{"body":"a","ttll":1}"#, "unknown field `ttll`, "),
        (r#"{"body":"a","defer":"soon"}"#, "is no duration"),
        (r#"{"body":"a","defer":"2h"}"#, "from 0 to 1h (max-req-timeout)"),
        (r#"{"body":"a","ttl":0}"#, "1ms or more"),
        (r#"{"body":"a","headers":{"host":""}}"#, "none of those that are kept"),
        (r#"{"body":"a","headers":{"ce-a":"\n"}}"#, "control characters"),
    ];
    for (line, what) in bad {
        let body = format!("{{\"body\":\"fine\"}}\n{line}\n");
        let error = error("POST", "/mpub?topic=t", NDJSON, body.as_bytes());
        assert_eq!((error.code, error.code.text(), error.code.status()), (Code::BadLine, "BAD_MESSAGE", 400), "{line}");
        assert!(error.sentence().starts_with("Line 2: ") && error.sentence().contains(what), "{}", error.sentence());
    }
    let error = error("POST", "/mpub?topic=t", NDJSON, br#"{"body":"12345678901"}"#);
    assert_eq!((error.code, error.code.status()), (Code::MsgTooBig, 413));
    assert_eq!(error.sentence(), "Line 1 is longer than the 10 bytes that max-msg-size allows.");
    let cut = super::decode(&Limits::default(), &request("POST", "/mpub?topic=t", NDJSON, b"\n{\"body\""));
    let sentence = cut.call.map_err(|error| String::from(error.sentence())).err();
    assert_eq!(sentence.as_deref(), Some("Line 2: EOF while parsing an object (column 7)."));
}

#[test]
fn a_subscribe_has_defaults() {
    let (view, subscribe) = subscribe("GET", "/sub?topic=t&channel=c", &[], b"not looked at");
    assert_eq!(view, View::Raw);
    assert_eq!((subscribe.max, subscribe.wait, subscribe.timeout), (1, Duration::from_secs(25), None));
    assert!(!subscribe.auto_finish && !subscribe.stream && subscribe.finish.is_empty() && subscribe.client.is_none());
    assert_eq!((subscribe.channel.as_str(), subscribe.peer), ("c", "10.0.0.1:5"));
}

#[test]
fn a_subscribe_takes_all_it_is_told() {
    let target =
        "/sub?topic=t&channel=c&max=100&wait=0&timeout=5s&ack=auto&fin=1-1,2-2&fin=3-3&format=frames&client=me";
    let (view, subscribe) = subscribe("POST", target, &[], b"4-4\n5-5\n");
    assert_eq!(view, View::Frames);
    assert_eq!((subscribe.max, subscribe.wait), (100, Duration::ZERO));
    assert_eq!(subscribe.timeout, Some(Duration::from_secs(5)));
    assert!(subscribe.auto_finish);
    assert_eq!(texts(&subscribe.finish), ["1-1", "2-2", "3-3", "4-4", "5-5"]);
    assert_eq!(subscribe.client.as_deref(), Some("me"));
}

#[test]
fn the_format_is_chosen_by_parameter_then_by_accept() {
    let cases: [(&str, &[u8], View); 17] = [
        ("", b"", View::Raw),
        ("&max=2", b"", View::Json),
        ("&max=1&format=json", b"", View::Json),
        ("&max=1&format=raw", b"application/json", View::Raw),
        ("", b"application/json", View::Json),
        ("", b"application/x-ndjson;q=1", View::Ndjson),
        ("", b"Text/Event-Stream", View::Sse),
        ("", b"application/vnd.shelfmq.frames", View::Frames),
        ("", b"image/png, text/plain", View::Raw),
        ("&max=2", b"text/plain, application/x-ndjson", View::Ndjson),
        ("&max=2", b"application/octet-stream", View::Json),
        ("&max=2", b"*/*, application/x-ndjson", View::Json),
        ("", b"application/vnd.nsq; version=1.0", View::Raw),
        ("&format=sse", b"", View::Sse),
        ("&format=sse&stream=true", b"", View::Sse),
        ("&format=ndjson&stream=1", b"", View::NdjsonStream),
        ("&stream=false", b"application/x-ndjson", View::Ndjson),
    ];
    for (query, accept, expected) in cases {
        let target = format!("/sub?topic=t&channel=c{query}");
        let headers = [("accept", accept)];
        let (view, subscribe) = subscribe("GET", &target, &headers, b"");
        assert_eq!(view, expected, "{query} {accept:?}");
        assert_eq!(subscribe.stream, matches!(view, View::Sse | View::NdjsonStream), "{query}");
    }
}

#[test]
fn a_subscribe_is_refused_parameter_by_parameter() {
    let cases = [
        ("", Code::MissingArgTopic),
        ("topic=a%20b&channel=c", Code::InvalidArgTopic),
        ("topic=t", Code::MissingArgChannel),
        ("topic=t&channel=", Code::InvalidArgChannel),
        ("topic=t&channel=c&max=0", Code::InvalidMax),
        ("topic=t&channel=c&max=10001", Code::InvalidMax),
        ("topic=t&channel=c&max=many&wait=x", Code::InvalidMax),
        ("topic=t&channel=c&wait=61m", Code::InvalidWait),
        ("topic=t&channel=c&timeout=0", Code::InvalidTimeout),
        ("topic=t&channel=c&timeout=16m", Code::InvalidTimeout),
        ("topic=t&channel=c&ack=never", Code::InvalidAck),
        ("topic=t&channel=c&format=xml", Code::InvalidFormat),
        ("topic=t&channel=c&format=raw&max=2", Code::InvalidFormat),
        ("topic=t&channel=c&stream=maybe", Code::InvalidStream),
        ("topic=t&channel=c&stream=true", Code::InvalidStream),
        ("topic=t&channel=c&stream=true&format=frames", Code::InvalidStream),
    ];
    for (query, code) in cases {
        assert_eq!(error("GET", &format!("/sub?{query}"), &[], b"").code, code, "{query}");
    }
}

#[test]
fn receipts_come_in_the_query_and_in_the_body() {
    let (view, given) = settle("/fin?topic=t&channel=c&receipt=1-1,x&receipt=2-2", b"3-3\n");
    assert_eq!(view, View::Finished);
    assert_eq!(texts(&given.finish), ["1-1", "x", "2-2", "3-3"]);
    assert!(given.finish[1].receipt.is_none() && given.finish[3].receipt.is_some());

    let (view, given) = settle("/req?topic=t&channel=c&receipt=1-1&defer=7d", b"");
    assert_eq!((view, given.requeue[0].1), (View::Requeued, Duration::from_secs(3600)));
    let (_, given) = settle("/req?topic=t&channel=c&receipt=1-1", b"");
    assert_eq!(given.requeue[0].1, Duration::ZERO);

    let (view, given) = settle("/touch?topic=t&channel=c&timeout=5s", b"1-1");
    assert_eq!((view, given.touch[0].1), (View::Touched, Some(Duration::from_secs(5))));

    for path in ["/fin", "/req", "/touch"] {
        let target = format!("{path}?topic=t&channel=c&receipt=,");
        assert_eq!(error("POST", &target, &[], b"\n").code, Code::MissingArgReceipt);
        assert_eq!(error("POST", &format!("{path}?topic=t"), &[], b"").code, Code::MissingArgChannel);
    }
    assert_eq!(error("POST", "/req?topic=t&channel=c&defer=x", &[], b"1-1").code, Code::InvalidDefer);
    assert_eq!(error("POST", "/touch?topic=t&channel=c&timeout=0", &[], b"1-1").code, Code::InvalidTimeout);
}

#[test]
fn a_mixed_settle_is_json() {
    let decode_settle = |body: &'static str| {
        let limits = Limits::default();
        let decoded = decode(&limits, &request("POST", "/settle?topic=t&channel=c", &[], body.as_bytes()));
        let view = View::of(&decoded.context);
        decoded.call.map(|call| match call {
            Call::Topic(Command { verb: Verb::Settle(settle), .. }) => (view, settle),
            other => panic!("{other:?}"),
        })
    };
    let body = r#"{"fin":["1-1"],"req":[{"receipt":"2-2","defer":"2h"},"3-3"],"touch":["4-4",{"receipt":"5-5","timeout":10}]}"#;
    let (view, settle) = decode_settle(body).expect("a settle");
    assert_eq!((view, texts(&settle.finish)), (View::SettledFin, vec!["1-1".to_string()]));
    let requeue: Vec<_> =
        settle.requeue.iter().map(|(receipt, delay)| (receipt.text.as_ref(), delay.as_secs())).collect();
    assert_eq!(requeue, [("2-2", 3600), ("3-3", 0)]);
    let touch: Vec<_> = settle.touch.iter().map(|(receipt, timeout)| (receipt.text.as_ref(), *timeout)).collect();
    assert_eq!(touch, [("4-4", None), ("5-5", Some(Duration::from_millis(10)))]);

    let view = |body| decode_settle(body).expect("a settle").0;
    assert_eq!(view(r#"{"req":["1-1"],"touch":["1-1"]}"#), View::SettledReq);
    assert_eq!(view(r#"{"touch":["1-1"]}"#), View::SettledTouch);
    let bad = |body| decode_settle(body).expect_err("a refusal").code;
    for body in ["", "[]", "{", r#"{"finish":[]}"#, r#"{"fin":[1]}"#, r#"{"req":[{"receipt":"1-1","timeout":1}]}"#] {
        assert_eq!(bad(body), Code::InvalidBody, "{body}");
    }
    assert_eq!(bad(r#"{"touch":[{"receipt":"1-1","timeout":"16m"}]}"#), Code::InvalidTimeout);
}

#[test]
fn null_is_nothing_where_go_sends_it() {
    let (view, settle) = settle("/settle?topic=t&channel=c", br#"{"fin":[{"receipt":"1-1"}],"req":null,"touch":null}"#);
    assert_eq!((view, texts(&settle.finish)), (View::SettledFin, vec!["1-1".to_string()]));
    assert!(settle.requeue.is_empty() && settle.touch.is_empty());
    let null = br#"{"body":"a","body_base64":null,"headers":null,"key":null,"defer":null,"ttl":null,"dedup":null,"producer":null,"seq":null}"#;
    let limits = Limits { max_body_size: 1000, ..limits() };
    let decoded = decode(&limits, &request("POST", "/mpub?topic=t", NDJSON, null));
    assert!(decoded.call.is_ok(), "{decoded:?}");
}

#[test]
fn a_key_is_what_its_bytes_are() {
    let dedup = |key: &'static [u8]| {
        let headers: &'static [(&str, &[u8])] = vec![("idempotency-key", key)].leak();
        publish("/pub?topic=t", headers, b"x").dedup.expect("a key").into_owned()
    };
    assert_ne!(dedup(b"m\xfcller"), dedup(b"m\xf6ller"));
    assert_ne!(dedup(b"m\xfcller"), dedup("müller".as_bytes()));
    assert_eq!(dedup("müller".as_bytes()), "müller");
    assert_eq!(publish("/pub?topic=t&dedup=m%C3%BCller", &[], b"x").dedup.as_deref(), Some("müller"));
}

#[test]
fn a_producer_numbers_its_messages() {
    let code = |query: &str| error("POST", &format!("/pub?topic=t&{query}"), &[], b"x").code;
    assert_eq!(code("producer=p"), Code::InvalidSeq);
    assert_eq!(code("producer=p&seq=-1"), Code::InvalidSeq);
    assert_eq!(code("producer=p&seq=18446744073709551616"), Code::InvalidSeq);
    assert_eq!(code("seq=1"), Code::InvalidProducer);
    assert_eq!(code("producer=&seq=1"), Code::InvalidProducer);
    assert_eq!(code(&format!("producer={}&seq=1", "p".repeat(257))), Code::InvalidProducer);
    for line in [r#"{"body":"a","producer":"p"}"#, r#"{"body":"a","seq":1}"#, r#"{"body":"a","producer":"","seq":1}"#] {
        assert_eq!(error("POST", "/mpub?topic=t", NDJSON, line.as_bytes()).code, Code::BadLine, "{line}");
    }
}

#[test]
fn names_are_checked_in_nsqds_words() {
    let cases = [
        ("/topic/create", Code::InvalidTopic),
        ("/topic/config", Code::InvalidTopic),
        ("/topic/empty", Code::InvalidTopic),
        ("/topic/delete", Code::TopicNotFound),
        ("/topic/pause", Code::TopicNotFound),
        ("/topic/unpause", Code::TopicNotFound),
        ("/channel/create", Code::InvalidArgTopic),
        ("/channel/delete", Code::InvalidArgTopic),
        ("/channel/empty", Code::InvalidArgTopic),
        ("/channel/pause", Code::InvalidArgTopic),
        ("/channel/unpause", Code::InvalidArgTopic),
    ];
    for (path, code) in cases {
        assert_eq!(error("POST", path, &[], b"").code, Code::MissingArgTopic, "{path}");
        assert_eq!(error("POST", &format!("{path}?topic=a%20b"), &[], b"").code, code, "{path}");
        assert_eq!(error("POST", &format!("{path}?topic=%zz"), &[], b"").code, Code::InvalidRequest, "{path}");
        if path.starts_with("/channel") {
            assert_eq!(error("POST", &format!("{path}?topic=t"), &[], b"").code, Code::MissingArgChannel, "{path}");
            let target = format!("{path}?topic=t&channel=%23ephemeral");
            assert_eq!(error("POST", &target, &[], b"").code, Code::InvalidArgChannel, "{path}");
        }
    }
}

#[test]
fn topics_and_channels_take_options() {
    let (_, Verb::CreateTopic(changes)) = verb(
        "POST",
        "/topic/create?topic=t&dedup_window=24h&retain=7d&retain_bytes=1&max_bytes=2&max_messages=3&overflow=drop_oldest",
        &[],
        b"",
    ) else {
        panic!("a topic to create")
    };
    assert_eq!(changes.retain, Some(Duration::from_secs(7 * 86_400)));
    assert_eq!((changes.retain_bytes, changes.max_bytes, changes.max_messages), (Some(1), Some(2), Some(3)));
    assert_eq!(changes.overflow, Some(Overflow::DropOldest));
    assert_eq!(changes.dedup_window, Some(Duration::from_secs(86_400)));

    let target = "/channel/create?topic=t&channel=c&start=earliest&timeout=5s&max_attempts=3&max_in_flight=9&ordered=True&dead_letter=d";
    let (_, Verb::Channel(_, ChannelVerb::Create(changes))) = verb("POST", target, &[], b"") else {
        panic!("a channel to create")
    };
    let ChannelChanges { start, timeout, max_attempts, max_in_flight, ordered, dead_letter } = changes;
    assert_eq!((start, timeout), (Some(Start::Earliest), Some(Duration::from_secs(5))));
    assert_eq!((max_attempts, max_in_flight, ordered), (Some(3), Some(9), Some(true)));
    assert_eq!(dead_letter.flatten().map(|name| name.to_string()).as_deref(), Some("d"));

    let target = "/channel/config?topic=t&channel=c&dead_letter=&start=latest";
    let (_, Verb::Channel(_, ChannelVerb::Configure(changes))) = verb("POST", target, &[], b"") else {
        panic!("a channel to configure")
    };
    assert!(matches!(changes, ChannelChanges { start: None, dead_letter: Some(None), ordered: None, .. }));
}

#[test]
fn options_out_of_range_are_refused() {
    let cases = [
        ("/topic/create?topic=t&dedup_window=25h", Code::InvalidDedupWindow),
        ("/topic/create?topic=t&dedup_window=0", Code::InvalidDedupWindow),
        ("/topic/create?topic=t&retain=x", Code::InvalidRetain),
        ("/topic/config?topic=t&retain_bytes=-1", Code::InvalidRetainBytes),
        ("/topic/config?topic=t&max_bytes=1k", Code::InvalidMaxBytes),
        ("/topic/config?topic=t&max_messages=", Code::InvalidMaxMessages),
        ("/topic/config?topic=t&overflow=drop", Code::InvalidOverflow),
        ("/channel/create?topic=t&channel=c&start=now", Code::InvalidStart),
        ("/channel/create?topic=t&channel=c&timeout=x", Code::InvalidTimeout),
        ("/channel/create?topic=t&channel=c&max_attempts=65536", Code::InvalidMaxAttempts),
        ("/channel/create?topic=t&channel=c&max_in_flight=4294967296", Code::InvalidMaxInFlight),
        ("/channel/create?topic=t&channel=c&ordered=yes", Code::InvalidOrdered),
        ("/channel/create?topic=t&channel=c&dead_letter=a%20b", Code::InvalidDeadLetter),
        ("/channel/seek?topic=t&channel=c", Code::MissingArgTo),
        ("/channel/seek?topic=t&channel=c&to=then", Code::InvalidTo),
        ("/channel/redrive?topic=t&channel=c&id=0000000000000001,x", Code::InvalidId),
        ("/channel/redrive?topic=t&channel=c&id=1", Code::InvalidId),
        ("/channel/seek?topic=t&channel=c&to=1796050800", Code::InvalidTo),
        ("/channel/seek?topic=t&channel=c&to=1796050800123", Code::InvalidTo),
        ("/channel/seek?topic=t&channel=c&to=20261130", Code::InvalidTo),
        ("/channel/create?topic=t&channel=c&start=2026", Code::InvalidStart),
    ];
    for (target, code) in cases {
        assert_eq!(error("POST", target, &[], b"").code, code, "{target}");
    }
}

#[test]
fn dead_letters_and_places() {
    let of_channel = |target: &'static str| match verb("POST", target, &[], b"") {
        (view, Verb::Channel(_, verb)) => (view, verb),
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        of_channel("/channel/seek?topic=t&channel=c&to=000000000000001f"),
        (View::Plain, ChannelVerb::Seek(Start::Id(0x1f)))
    ));
    assert!(matches!(of_channel("/channel/redrive?topic=t&channel=c"), (View::Redriven, ChannelVerb::Redrive(None))));
    let (_, ChannelVerb::Redrive(ids)) =
        of_channel("/channel/redrive?topic=t&channel=c&id=0000000000000001,000000000000000A&id=00000000000000ff")
    else {
        panic!("a redrive")
    };
    assert_eq!(ids, Some(vec![1, 10, 255]));
    assert!(matches!(of_channel("/dead/empty?topic=t&channel=c"), (View::Dropped, ChannelVerb::EmptyDead)));
}

#[test]
fn looking_leases_nothing() {
    let look = |target: &'static str| match verb("GET", target, &[], b"").1 {
        Verb::Peek(peek) => (peek.channel.map(|name| name.to_string()), peek.from, peek.max, peek.state),
        other => panic!("{other:?}"),
    };
    assert_eq!(look("/peek?topic=t"), (None, 0, 100, State::Ready));
    let c = || Some("c".to_string());
    assert_eq!(
        look("/peek?topic=t&channel=c&from=000000000000001F&max=7&state=in_flight"),
        (c(), 31, 7, State::InFlight)
    );
    assert_eq!(look("/dead?topic=t&channel=c&max=1"), (c(), 0, 1, State::Dead));
    let cases = [
        ("/peek?topic=t&state=dead", Code::MissingArgChannel),
        ("/peek?topic=t&channel=", Code::InvalidArgChannel),
        ("/peek?topic=t&channel=c&state=gone", Code::InvalidState),
        ("/peek?topic=t&from=x", Code::InvalidFrom),
        ("/peek?topic=t&from=1796050800", Code::InvalidFrom),
        ("/peek?topic=t&max=0", Code::InvalidMax),
        ("/dead?topic=t", Code::MissingArgChannel),
    ];
    for (target, code) in cases {
        assert_eq!(error("GET", target, &[], b"").code, code, "{target}");
    }
}

#[test]
fn the_nodes_calls_go_where_they_should() {
    assert!(matches!(node("/ping"), NodeCall::Ping));
    assert!(matches!(node("/"), NodeCall::Home(None)));
    for (host, kept) in
        [("box:80", true), ("[::1]:4151", true), ("", false), ("a'b", false), ("a b", false), ("é", false)]
    {
        let headers: Headers<'_> = &[("host", host.as_bytes())];
        let decoded = decode(&limits(), &request("GET", "/", headers, b""));
        let Ok(Call::Node(NodeCall::Home(found))) = decoded.call else { panic!("{host}: {decoded:?}") };
        assert_eq!(found, kept.then_some(host));
    }
    let NodeCall::Stats { json, memory, filter, page: None } = node("/stats") else { panic!("stats") };
    assert!(!json && memory && filter.clients && filter.topic.is_none() && filter.channel.is_none());
    let target = "/stats?format=json&topic=t&channel=&include_clients=false&include_mem=no";
    let NodeCall::Stats { json, memory, filter, page: None } = node(target) else { panic!("stats") };
    assert!(json && memory && !filter.clients && filter.channel.is_none());
    assert_eq!(filter.topic.as_deref(), Some("t"));
    assert!(matches!(node("/config/max%5fmsg_size"), NodeCall::GetConfig(name) if name == "max_msg_size"));
    assert_eq!(error("GET", "/config/%zz", &[], b"").code, Code::InvalidRequest);
    assert!(matches!(node("/lookup?topic=any%20thing"), NodeCall::Lookup(topic) if topic == "any thing"));
    assert_eq!(error("GET", "/channels", &[], b"").code, Code::MissingArgTopic);
    assert_eq!(error("POST", "/topic/tombstone?topic=t", &[], b"").code, Code::MissingArgNode);
}

#[test]
fn a_refused_request_still_names_what_nobody_knew() {
    let decoded = decode(&limits(), &request("POST", "/pub?topic=&tpic=x", &[], b"x"));
    assert_eq!(decoded.context.ignored.as_deref(), Some("tpic"));
    assert!(decoded.call.is_err());
}
