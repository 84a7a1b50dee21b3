#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use shelfmq_core::api::routes::ROUTES;
use shelfmq_core::api::{Field, Known, Request, Value};
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::Work;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};
use shelfmq_fuzz::Input;

const HEADERS: [&str; 8] =
    ["content-type", "accept", "shelf-key", "shelf-defer", "shelf-ttl", "ce-type", "x-unknown", "shelf-meta-a"];
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

// Each request is answered once or waits, whatever it says; and nothing of it is too much for the broker.
fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let log = LogOptions { segment_bytes: 4096, cache_bytes: 1 << 20 };
    let mut engine = if input.byte() & 1 == 1 {
        Engine::with_log(Config::default(), 1, log)
    } else {
        Engine::new(Config::default(), 1)
    };
    let mut now = Time::from_secs(1_800_000_000);
    let (mut open, mut ticket) = (Open::default(), 0);
    while !input.0.is_empty() && ticket < 50 {
        now = now + Duration::from_millis(input.number() & 0xff_ffff);
        ticket += 1;
        open.tickets.insert(ticket);
        ask(&mut engine, now, ticket, &mut input, &open.receipts);
        settle(&mut engine, now, &mut open);
        if ticket % 5 == 0 {
            engine.cancel(now, ticket - 1);
            open.tickets.remove(&(ticket - 1));
            engine.handle_timeout(now);
            settle(&mut engine, now, &mut open);
        }
    }
    // Nobody waits longer than a day.
    for _ in 0..48 {
        now = now + Duration::from_secs(3600);
        engine.handle_timeout(now);
        settle(&mut engine, now, &mut open);
    }
});

/// Who waits, and the last receipts that were given.
#[derive(Default)]
struct Open {
    tickets: HashSet<u64>,
    receipts: Vec<u8>,
}

fn ask(engine: &mut Engine, now: Time, ticket: u64, input: &mut Input<'_>, receipts: &[u8]) {
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
        let said = text(input);
        // No bytes that a fuzzer comes upon are a receipt.
        let receipts = String::from_utf8_lossy(receipts);
        query = query + "&" + &said.replace('@', &receipts);
    }
    let mut headers = Vec::new();
    for _ in 0..(any >> 4) & 3 {
        let name = HEADERS[usize::from(input.byte()) % HEADERS.len()];
        let length = input.byte();
        headers.push((name, input.take(usize::from(length))));
    }
    let length = input.number() as usize;
    let body = input.take(length);
    let request = Request { method: &method, path: &path, query: &query, headers: &headers, body, peer: "127.0.0.1:9" };
    engine.handle(now, ticket, &request);
}

/// Does what is to be done; everything that is written is durable at once.
fn settle(engine: &mut Engine, now: Time, open: &mut Open) {
    loop {
        let mut is_quiet = true;
        while let Some(work) = engine.poll_log() {
            is_quiet = false;
            match work {
                Work::Append(append) => engine.handle_appended(now, append.log, append.upto),
                Work::Delete(delete) => engine.handle_appended(now, delete.log, u64::MAX),
                Work::Forget(_) => {}
            }
        }
        while let Some(output) = engine.poll_output() {
            is_quiet = false;
            match output {
                Output::Respond(ticket, response) => {
                    assert!(open.tickets.remove(&ticket), "{ticket} was answered before");
                    assert!((200..600).contains(&response.status));
                    for (field, value) in response.headers {
                        if let (Field::Known(Known::Receipt), Value::Bytes(receipts)) = (field, value) {
                            open.receipts = receipts;
                        }
                    }
                }
                Output::Forward(parcel) => engine.handle_parcel(now, parcel),
                Output::Read(read) => engine.handle_read(now, &read, None),
                _ => {}
            }
        }
        if is_quiet {
            return;
        }
    }
}
