//! Requests that say anything, to a broker with a log or without.

use std::time::Duration;

use shelfmq_core::Engine;
use shelfmq_core::api::routes::ROUTES;
use shelfmq_core::config::{Config, LogOptions};

use super::Input;
use super::host::Host;

/// What the API reads of a head, and one field that it does not know.
const HEADERS: [&str; 9] = [
    "content-type",
    "accept",
    "idempotency-key",
    "host",
    "ce-type",
    "traceparent",
    "tracestate",
    "shelf-meta-a",
    "x-unknown",
];

/// What makes a difference in some of them. Where the first is picked, the value is any bytes.
const VALUES: [&[u8]; 12] = [
    b"",
    b"application/x-ndjson",
    b"application/json",
    b"application/json;q=0, text/plain",
    b"text/event-stream, */*",
    b"application/x-www-form-urlencoded",
    b"text/csv; charset=utf-8",
    b"application/vnd.nsq; version=1.0",
    b"k",
    b"m\xfcller",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"localhost:4151",
];

const QUERIES: [&str; 8] = [
    "topic=t",
    "topic=t&channel=c",
    "topic=t&channel=c&max=3",
    "topic=t&channel=c&wait=5s",
    "topic=t&channel=c&ack=auto",
    "topic=t&key=k&dedup=d",
    "topic=t&defer=1s&ttl=5s",
    "topic=t&binary=true",
];

/// Each request is answered once or waits, whatever it says; and nothing of it is too much for the broker.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let log = LogOptions { segment_bytes: 4096, cache_bytes: 1 << 20 };
    let mut host = Host::new(if input.byte() & 1 == 1 {
        Engine::with_log(Config::default(), 1, log)
    } else {
        Engine::new(Config::default(), 1)
    });
    let mut asked = 0;
    while !input.0.is_empty() && asked < 50 {
        host.now = host.now + Duration::from_millis(input.number() & 0xff_ffff);
        ask(&mut host, &mut input);
        asked += 1;
        if asked % 5 == 0 {
            host.hang_up();
            host.pass(Duration::ZERO, true);
        }
    }
    host.end();
}

fn ask(host: &mut Host, input: &mut Input<'_>) {
    let route = usize::from(input.byte());
    let any = input.byte();
    let text = |input: &mut Input<'_>| {
        let length = input.byte();
        String::from_utf8_lossy(input.take(usize::from(length))).into_owned()
    };
    let (path, method) = match ROUTES.get(route) {
        Some(route) => {
            let methods: Vec<&str> = route.methods.iter().flatten().copied().collect();
            (route.path.to_owned(), (*methods.get(usize::from(any >> 6)).unwrap_or(&methods[0])).to_owned())
        }
        None => (text(input), text(input)),
    };
    let mut query = QUERIES[usize::from(any & 7)].to_owned();
    if any & 8 != 0 {
        // No bytes that a fuzzer comes upon are a receipt.
        query = query + "&" + &text(input).replace('@', &host.receipts());
    }
    let mut headers = Vec::new();
    for _ in 0..(any >> 4) & 3 {
        let (name, mut value) = (input.pick(&HEADERS), input.pick(&VALUES));
        if value.is_empty() {
            let length = input.byte();
            value = input.take(usize::from(length));
        }
        headers.push((name, value));
    }
    let length = input.number() as usize;
    let body = input.take(length);
    host.ask(&method, &path, &query, &headers, body);
}
