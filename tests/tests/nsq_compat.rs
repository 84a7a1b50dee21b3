//! nsqd's and nsqlookupd's HTTP, byte for byte: what NSQ v1.3.0 answers, and what its tools stumble over.

use std::collections::BTreeSet;

use serde_json::Value;
use shelfmq_tests::http::{Answer, call, call_with};
use shelfmq_tests::scenario::host::{Wire, default_config};
use shelfmq_tests::scenario::{Bindings, Text};
use shelfmq_tests::server::Server;

const NSQ: &str = "nsq; version=1.0";
const JSON: &str = "application/json; charset=utf-8";

fn server() -> Server {
    Server::with_manual_clock(default_config()).expect("the loopback has a free port")
}

fn ask(server: &Server, method: &str, target: &str, body: &[u8]) -> Answer {
    call(server.address(), method, target, body).unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

fn json(server: &Server, target: &str) -> Value {
    let answer = ask(server, "GET", target, b"");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{target}: {error}: {}", answer.text()))
}

/// A broker with a topic, a paused channel, a client, and one message in every state that `/stats` counts.
fn furnished() -> Server {
    let server = server();
    for (method, target, body) in [
        ("POST", "/topic/create?topic=t", &b""[..]),
        ("POST", "/channel/create?topic=t&channel=c", b""),
        ("POST", "/mpub?topic=t", b"leased\nready"),
        ("POST", "/pub?topic=t&defer=60000", b"deferred"),
        ("GET", "/sub?topic=t&channel=c&client=anna", b""),
        ("POST", "/channel/pause?topic=t&channel=c", b""),
        ("POST", "/topic/create?topic=paused", b""),
        ("POST", "/topic/pause?topic=paused", b""),
    ] {
        let answer = ask(&server, method, target, body);
        assert_eq!(answer.status, 200, "{method} {target}: {}", answer.text());
    }
    server
}

/// One request to a broker that has the topic `t` with the channel `c`, and what nsqd answers.
struct Row {
    request: (&'static str, &'static str, &'static [u8]),
    status: u16,
    /// The body of a success; the code of an error.
    says: &'static str,
}

const fn row(method: &'static str, target: &'static str, body: &'static [u8], status: u16, says: &'static str) -> Row {
    Row { request: (method, target, body), status, says }
}

const ONE_TOO_LONG: &[u8] = &[b'x'; 1024 * 1024 + 1];
const LONGEST: &[u8] = &[b'x'; 1024 * 1024];
const BODY_TOO_LONG: &[u8] = &[b'x'; 5 * 1024 * 1024 + 1];

/// nsqd's table, in its order (`nsqd/http.go`).
const ROWS: &[Row] = &[
    row("POST", "/pub?topic=t", b"m", 200, "OK"),
    row("POST", "/pub?topic=t&defer=0", b"m", 200, "OK"),
    row("POST", "/pub?topic=t&defer=3600000", b"m", 200, "OK"),
    row("POST", "/pub?topic=t", LONGEST, 200, "OK"),
    row("POST", "/pub?topic=t", ONE_TOO_LONG, 413, "MSG_TOO_BIG"),
    row("POST", "/pub", ONE_TOO_LONG, 413, "MSG_TOO_BIG"),
    row("POST", "/pub", b"", 400, "MSG_EMPTY"),
    row("POST", "/pub?topic=%zz", b"m", 400, "INVALID_REQUEST"),
    row("POST", "/pub", b"m", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/pub?topic=a%20b", b"m", 400, "INVALID_TOPIC"),
    row("POST", "/pub?topic=t&defer=3600001", b"m", 400, "INVALID_DEFER"),
    row("POST", "/pub?topic=t&defer=x", b"m", 400, "INVALID_DEFER"),
    row("POST", "/mpub?topic=t", b"a\nb\n", 200, "OK"),
    row("POST", "/mpub?topic=t", b"\n\n", 200, "OK"),
    row("POST", "/mpub?topic=t&binary=true", b"\0\0\0\x01\0\0\0\x01a", 200, "OK"),
    row("POST", "/mpub?topic=t", BODY_TOO_LONG, 413, "BODY_TOO_BIG"),
    row("POST", "/mpub?topic=%zz", b"a", 400, "INVALID_REQUEST"),
    row("POST", "/mpub", b"a", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/mpub?topic=a%20b", b"a", 400, "INVALID_TOPIC"),
    row("POST", "/mpub?topic=t", ONE_TOO_LONG, 413, "MSG_TOO_BIG"),
    row("POST", "/mpub?topic=t&binary=true", b"\0\0\0\0", 413, "BAD_BODY"),
    row("POST", "/mpub?topic=t&binary=true", b"\0\0\0\x01\0\0\0\0", 413, "BAD_MESSAGE"),
    row("GET", "/stats?format=%zz", b"", 400, "INVALID_REQUEST"),
    row("POST", "/topic/create?topic=t", b"", 200, ""),
    row("POST", "/topic/create?topic=%zz", b"", 400, "INVALID_REQUEST"),
    row("POST", "/topic/create", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/create?topic=a%20b", b"", 400, "INVALID_TOPIC"),
    row("POST", "/topic/empty?topic=t", b"", 200, ""),
    row("POST", "/topic/empty?topic=%zz", b"", 400, "INVALID_REQUEST"),
    row("POST", "/topic/empty", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/empty?topic=a%20b", b"", 400, "INVALID_TOPIC"),
    row("POST", "/topic/empty?topic=u", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/topic/pause?topic=t", b"", 200, ""),
    row("POST", "/topic/pause", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/pause?topic=u", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/topic/pause?topic=a%20b", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/topic/unpause?topic=t", b"", 200, ""),
    row("POST", "/topic/unpause?topic=u", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/channel/create?topic=t&channel=c", b"", 200, ""),
    row("POST", "/channel/create?topic=%zz", b"", 400, "INVALID_REQUEST"),
    row("POST", "/channel/create", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/channel/create?topic=a%20b", b"", 400, "INVALID_ARG_TOPIC"),
    row("POST", "/channel/create?topic=t", b"", 400, "MISSING_ARG_CHANNEL"),
    row("POST", "/channel/create?topic=t&channel=a%20b", b"", 400, "INVALID_ARG_CHANNEL"),
    row("POST", "/channel/create?topic=u&channel=c", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/channel/empty?topic=t&channel=c", b"", 200, ""),
    row("POST", "/channel/empty?topic=a%20b&channel=c", b"", 400, "INVALID_ARG_TOPIC"),
    row("POST", "/channel/empty?topic=t&channel=d", b"", 404, "CHANNEL_NOT_FOUND"),
    row("POST", "/channel/empty?topic=u&channel=c", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/channel/pause?topic=t&channel=c", b"", 200, ""),
    row("POST", "/channel/pause?topic=t&channel=d", b"", 404, "CHANNEL_NOT_FOUND"),
    row("POST", "/channel/unpause?topic=t&channel=c", b"", 200, ""),
    row("POST", "/channel/unpause?topic=t", b"", 400, "MISSING_ARG_CHANNEL"),
    row("GET", "/config/nsqlookupd_tcp_addresses", b"", 200, "[]"),
    row("GET", "/config/max_msg_size", b"", 200, "1048576"),
    row("GET", "/config/nothing", b"", 400, "INVALID_OPTION"),
    row("PUT", "/config/log_level", b"", 413, "INVALID_VALUE"),
    row("PUT", "/config/log_level", ONE_TOO_LONG, 413, "INVALID_VALUE"),
    row("PUT", "/config/log_level", b"loud", 400, "INVALID_VALUE"),
    row("PUT", "/config/max_msg_size", b"1", 400, "INVALID_OPTION"),
    row("GET", "/nothing", b"", 404, "NOT_FOUND"),
    row("GET", "/pub", b"", 405, "METHOD_NOT_ALLOWED"),
    row("POST", "/ping", b"", 405, "METHOD_NOT_ALLOWED"),
    // nsqlookupd's, where nsqd has no such path.
    row("GET", "/topics", b"", 200, r#"{"topics":["t"]}"#),
    row("GET", "/channels?topic=t", b"", 200, r#"{"channels":["c"]}"#),
    row("GET", "/channels?topic=u", b"", 200, r#"{"channels":[]}"#),
    row("GET", "/channels?topic=%zz", b"", 400, "INVALID_REQUEST"),
    row("GET", "/channels", b"", 400, "MISSING_ARG_TOPIC"),
    row("GET", "/lookup?topic=u", b"", 404, "TOPIC_NOT_FOUND"),
    row("GET", "/lookup", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/tombstone?topic=t", b"", 400, "MISSING_ARG_NODE"),
    row("POST", "/topic/tombstone", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/tombstone?topic=t&node=elsewhere:1", b"", 200, ""),
    // What deletes comes last.
    row("POST", "/channel/delete?topic=t&channel=d", b"", 404, "CHANNEL_NOT_FOUND"),
    row("POST", "/channel/delete?topic=t&channel=c", b"", 200, ""),
    row("POST", "/channel/delete?topic=t&channel=c", b"", 404, "CHANNEL_NOT_FOUND"),
    row("POST", "/topic/delete", b"", 400, "MISSING_ARG_TOPIC"),
    row("POST", "/topic/delete?topic=a%20b", b"", 404, "TOPIC_NOT_FOUND"),
    row("POST", "/topic/delete?topic=t", b"", 200, ""),
    row("POST", "/topic/delete?topic=t", b"", 404, "TOPIC_NOT_FOUND"),
];

#[test]
fn every_endpoint_answers_as_nsqd_does() {
    let server = server();
    ask(&server, "POST", "/topic/create?topic=t", b"");
    ask(&server, "POST", "/channel/create?topic=t&channel=c", b"");
    let mut wrong = Vec::new();
    for Row { request: (method, target, body), status, says } in ROWS {
        let answer = ask(&server, method, target, body);
        let fits = answer.status == *status
            && answer.header("x-nsq-content-type") == Some(NSQ)
            && if *status == 200 { answer.text() == *says } else { is_error(&answer, says) };
        if !fits {
            wrong.push(format!("{method} {target}: {status} {says}, not {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An error is nsqd's body with one field more at its end.
fn is_error(answer: &Answer, code: &str) -> bool {
    let start = format!("{{\"message\":\"{code}\",\"detail\":\"");
    answer.header("content-type") == Some(JSON) && answer.text().starts_with(&start) && answer.text().ends_with("\"}")
}

#[test]
fn successes_have_nsqds_content_types() {
    let server = furnished();
    for (method, target, content_type) in [
        ("GET", "/info", JSON),
        ("GET", "/stats?format=json", JSON),
        ("GET", "/topics", JSON),
        ("GET", "/channels?topic=t", JSON),
        ("GET", "/lookup?topic=t", JSON),
        ("GET", "/nodes", JSON),
        ("GET", "/config/nsqlookupd_tcp_addresses", JSON),
        ("GET", "/stats", "text/plain; charset=utf-8"),
    ] {
        let answer = ask(&server, method, target, b"");
        assert_eq!(answer.header("content-type"), Some(content_type), "{target}");
        assert_eq!(answer.header("x-nsq-content-type"), Some(NSQ), "{target}");
    }
    let ping = ask(&server, "GET", "/ping", b"");
    assert_eq!((ping.text().as_str(), ping.header("x-nsq-content-type")), ("OK", None));
}

#[test]
fn nsqs_own_client_is_answered_the_same() {
    let server = furnished();
    for (method, target) in
        [("GET", "/stats?format=json&include_mem=false"), ("GET", "/info"), ("POST", "/pub?topic=t")]
    {
        let headers = vec![("Accept".into(), b"application/vnd.nsq; version=1.0".to_vec())];
        let body = if method == "POST" { b"m".to_vec() } else { Vec::new() };
        let wire = Wire { method: method.into(), target: target.into(), headers, body: body.clone() };
        let answer = call_with(server.address(), &wire).expect("the server answers");
        let plain = ask(&server, method, target, &body);
        assert_eq!((answer.status, answer.body), (200, plain.body), "{target}");
    }
}

/// A JSON document's shape: the names of its fields in the order they stand in.
#[derive(Debug)]
struct Shape(Vec<(String, Shape)>);

impl Shape {
    fn of(text: &str) -> Self {
        serde_json::from_str(text).expect("it is JSON")
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    fn at(&self, name: &str) -> &Shape {
        let found = self.0.iter().find(|(n, _)| n == name);
        &found.unwrap_or_else(|| panic!("no {name} in {:?}", self.names())).1
    }
}

impl<'de> serde::Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

/// An object has its fields, an array those of its first item, all else none.
impl<'de> serde::de::Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Shape(fields))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut first = None;
        while let Some(item) = items.next_element::<Shape>()? {
            first.get_or_insert(item);
        }
        Ok(first.unwrap_or(Shape(Vec::new())))
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape(Vec::new()))
    }
}

/// nsqd's fields, in nsqd's order; others may stand between them.
fn assert_fields(what: &str, shape: &Shape, wanted: &str) {
    let names = shape.names();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let known: BTreeSet<&str> = wanted.iter().copied().collect();
    let found: Vec<&str> = names.iter().copied().filter(|name| known.contains(name)).collect();
    assert_eq!(found, wanted, "{what} has {names:?}");
}

#[test]
fn stats_have_nsqds_fields_in_its_order() {
    let server = furnished();
    let stats = Shape::of(&ask(&server, "GET", "/stats?format=json&topic=t", b"").text());
    assert_fields("stats", &stats, "version health start_time topics memory producers");
    assert_fields(
        "memory",
        stats.at("memory"),
        "heap_objects heap_idle_bytes heap_in_use_bytes heap_released_bytes gc_pause_usec_100 gc_pause_usec_99 \
         gc_pause_usec_95 next_gc_bytes gc_total_runs",
    );
    let topic = stats.at("topics");
    assert_fields(
        "a topic",
        topic,
        "topic_name channels depth backend_depth message_count message_bytes paused e2e_processing_latency",
    );
    let channel = topic.at("channels");
    assert_fields(
        "a channel",
        channel,
        "channel_name depth backend_depth in_flight_count deferred_count message_count requeue_count timeout_count \
         client_count clients paused e2e_processing_latency",
    );
    assert_fields(
        "a client",
        channel.at("clients"),
        "client_id hostname version remote_address state ready_count in_flight_count message_count finish_count \
         requeue_count connect_ts sample_rate deflate snappy user_agent topology_zone topology_region tls \
         tls_cipher_suite tls_version tls_negotiated_protocol tls_negotiated_protocol_is_mutual",
    );
    for latency in [topic.at("e2e_processing_latency"), channel.at("e2e_processing_latency")] {
        assert_fields("a latency", latency, "count percentiles");
    }
}

#[test]
fn info_and_the_directory_have_nsqs_fields_in_its_order() {
    let server = furnished();
    let shape = |target: &str| Shape::of(&ask(&server, "GET", target, b"").text());
    assert_fields(
        "info",
        &shape("/info"),
        "version broadcast_address hostname http_port tcp_port start_time max_heartbeat_interval \
         max_output_buffer_size max_output_buffer_timeout max_deflate_level topology_zone topology_region",
    );
    let producer = "remote_address hostname broadcast_address tcp_port http_port version topology_zone topology_region";
    assert_fields("lookup", &shape("/lookup?topic=t"), "channels producers");
    assert_fields("a producer of a topic", shape("/lookup?topic=t").at("producers"), producer);
    assert_fields("a node", shape("/nodes").at("producers"), &format!("{producer} tombstones topics"));
}

#[test]
fn stats_count_as_nsqd_does() {
    let stats = json(&furnished(), "/stats?format=json&topic=t");
    let channel = &stats["topics"][0]["channels"][0];
    let counts = ["depth", "backend_depth", "in_flight_count", "deferred_count", "message_count", "client_count"];
    assert_eq!(counts.map(|count| channel[count].as_u64()), [1, 0, 1, 1, 3, 1].map(Some), "{channel}");
    assert_eq!(stats["topics"][0]["message_bytes"], "leasedreadydeferred".len());
}

#[test]
fn stats_without_what_was_not_asked_for() {
    let server = furnished();
    let memoryless = Shape::of(&ask(&server, "GET", "/stats?format=json&include_mem=false", b"").text());
    assert!(!memoryless.names().contains(&"memory"));
    let stats = json(&server, "/stats?format=json&include_clients=false&topic=t");
    assert_eq!(stats["topics"][0]["channels"][0]["clients"], Value::Null);
    assert_eq!(stats["topics"][0]["channels"][0]["client_count"], 1);
    assert_eq!(stats["producers"], Value::Null);
    let unknown = json(&server, "/stats?format=json&topic=unknown");
    assert_eq!((&unknown["topics"], &unknown["producers"]), (&Value::Null, &Value::Null));
}

#[test]
fn stats_as_text_are_laid_out_as_nsqds() {
    let server = furnished();
    let text = ask(&server, "GET", "/stats", b"").text();
    let layout = "\
{program} v{version} (built w/{_})
start_time 2026-01-01T00:00:00Z
uptime {_}

Health: OK

Memory:
   heap_objects             \t{_}
{_}
Topics:
*P [paused         ] depth: 0     be-depth: 0     msgs: 0        e2e%: 

   [t              ] depth: 0     be-depth: 0     msgs: 3        e2e%: 
   *P [c                        ] depth: 1     be-depth: 0     inflt: 1    def: 1    re-q: 0     timeout: 0     msgs: 3        e2e%: 
{clients}";
    assert!(Text::plain(layout).matches(text.as_bytes(), &mut Bindings::new()), "{text}");
    let empty = ask(&self::server(), "GET", "/stats", b"").text();
    assert!(empty.contains("\n\nTopics: None\n"), "{empty}");
}

/// `nsq-facts.md` 7: what nsqadmin and `nsq_stat` stumble over, by its letters.
mod traps_of_nsqadmin {
    use super::*;

    #[test]
    fn a_a_latency_is_always_an_object() {
        let server = furnished();
        for target in ["/stats?format=json", "/stats?format=json&include_clients=false&topic=t&channel=c"] {
            for topic in json(&server, target)["topics"].as_array().expect("there are topics") {
                assert!(topic["e2e_processing_latency"].is_object(), "{topic}");
                for channel in topic["channels"].as_array().expect("a list, empty or not") {
                    assert!(channel["e2e_processing_latency"].is_object(), "{channel}");
                }
            }
        }
    }

    #[test]
    fn b_a_node_has_a_tombstone_for_each_topic() {
        for server in [server(), furnished()] {
            let node = &json(&server, "/nodes")["producers"][0];
            let (topics, tombstones) = (node["topics"].as_array(), node["tombstones"].as_array());
            assert_eq!(topics.expect("a list").len(), tombstones.expect("a list").len(), "{node}");
        }
    }

    #[test]
    fn c_the_node_can_be_called_back() {
        let server = furnished();
        let producers = [&json(&server, "/lookup?topic=t")["producers"][0], &json(&server, "/nodes")["producers"][0]]
            .map(Clone::clone);
        for told in producers.into_iter().chain([json(&server, "/info")]) {
            assert_eq!(told["http_port"], server.address().port());
            assert_eq!(told["broadcast_address"], default_config().identity.broadcast_address);
            assert_ne!(told["broadcast_address"], "");
        }
    }

    #[test]
    fn d_the_version_is_semver() {
        let server = server();
        for target in ["/info", "/stats?format=json"] {
            let version = json(&server, target)["version"].as_str().expect("a string").to_owned();
            let numbers = version.split(['-', '+']).next().expect("a split has a first part").split('.');
            assert!(numbers.clone().count() == 3 && numbers.clone().all(|n| n.parse::<u32>().is_ok()), "{version}");
        }
    }

    #[test]
    fn e_a_channel_that_was_asked_for_is_there_or_its_topic_is_not() {
        let server = furnished();
        let stats = json(&server, "/stats?format=json&topic=t&channel=c");
        assert_eq!(stats["topics"][0]["channels"][0]["channel_name"], "c");
        let stats = json(&server, "/stats?format=json&topic=t&channel=unknown");
        assert!(stats["topics"].as_array().is_none_or(Vec::is_empty), "{stats}");
    }

    #[test]
    fn f_numbers_are_integers_and_clients_have_addresses() {
        fn assert_integers(value: &Value) {
            match value {
                Value::Number(number) => assert!(number.is_i64(), "{number}"),
                Value::Array(items) => items.iter().for_each(assert_integers),
                Value::Object(fields) => fields.values().for_each(assert_integers),
                _ => {}
            }
        }
        let server = furnished();
        for target in ["/stats?format=json", "/info", "/nodes", "/lookup?topic=t"] {
            assert_integers(&json(&server, target));
        }
        let stats = json(&server, "/stats?format=json&topic=t");
        let client = &stats["topics"][0]["channels"][0]["clients"][0];
        assert_eq!(client["client_id"], "anna");
        assert_ne!(client["hostname"].as_str(), Some(""));
        assert!(client["remote_address"].as_str().is_some_and(|address| address.contains(':')), "{client}");
    }

    #[test]
    fn g_a_topic_can_be_made_where_nsqlookupd_is_expected() {
        let server = server();
        assert_eq!(ask(&server, "POST", "/topic/create?topic=t", b"").status, 200);
        assert_eq!(ask(&server, "POST", "/channel/create?topic=t&channel=c", b"").status, 200);
        assert_eq!(json(&server, "/lookup?topic=t")["channels"][0], "c");
    }

    #[test]
    fn h_the_second_of_two_deletions_is_a_plain_404() {
        let server = furnished();
        for target in ["/channel/delete?topic=t&channel=c", "/topic/delete?topic=t"] {
            assert_eq!(ask(&server, "POST", target, b"").status, 200, "{target}");
            assert_eq!(ask(&server, "POST", target, b"").status, 404, "{target}");
        }
    }
}
