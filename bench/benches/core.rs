//! Times the core alone, with criterion: publish, lease and finish, and that none of them grows with the number of
//! messages, topics or waiting polls. Then prints the medians and how they grow.
//!
//! What counts is the thread's CPU time, so that what else the machine does counts little.
#![expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use shelfmq_bench::broker::{self, Broker};
use shelfmq_bench::table::{Limit, row};
use shelfmq_bench::{BATCH, BODY, batch, frames};

/// How much slower than on little an operation may be on much: caches miss, algorithms must not.
const GROWTH: f64 = 1.5;

/// Operations between two looks at the clock. What they change is undone, untimed, before the next.
const GROUP: usize = 256;

const FEW_QUEUED: &str = "1,000 queued";
const MANY_QUEUED: &str = "10,000,000 queued";
const ONE_TOPIC: &str = "1 topic";
const MANY_TOPICS: &str = "100,000 topics";
const ONE_WAITER: &str = "1 waiting";
const MANY_WAITERS: &str = "100,000 waiting";

/// Where criterion keeps what it found.
const KEPT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/criterion");

fn main() {
    let mut criterion = Criterion::default()
        .output_directory(Path::new(KEPT))
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
        .configure_from_args();
    for (queued, size) in [(1_000, FEW_QUEUED), (10_000_000, MANY_QUEUED)] {
        let mut broker = one_topic(queued);
        singles(&mut criterion, size, &mut broker);
        batches(&mut criterion, size, &mut broker);
    }
    for (topics, size) in [(1, ONE_TOPIC), (100_000, MANY_TOPICS)] {
        let mut broker = many_topics(topics);
        singles(&mut criterion, size, &mut broker);
        scattered(&mut criterion, size, &mut broker, topics);
    }
    for (waiters, size) in [(1, ONE_WAITER), (100_000, MANY_WAITERS)] {
        polls(&mut criterion, size, waiters);
    }
    criterion.final_summary();
    report();
}

fn one_topic(queued: usize) -> Broker {
    let mut broker = Broker::default();
    broker.ask("/topic/create", "topic=t0", b"");
    broker.ask("/channel/create", "topic=t0&channel=c", b"");
    broker.fill("topic=t0", queued);
    broker
}

fn many_topics(topics: usize) -> Broker {
    let mut broker = one_topic(1);
    for topic in 1..topics {
        broker.ask("/topic/create", &format!("topic=t{topic}"), b"");
        broker.ask("/channel/create", &format!("topic=t{topic}&channel=c"), b"");
        broker.ask("/pub", &format!("topic=t{topic}"), BODY);
    }
    broker
}

fn publish(broker: &mut Broker) {
    broker.ask("/pub", "topic=t0", BODY);
}

fn lease(broker: &mut Broker) -> String {
    broker::receipt(&broker.ask("/sub", "topic=t0&channel=c&wait=0", b""))
}

fn finish_all(broker: &mut Broker, queries: &[String]) {
    for query in queries {
        broker.ask("/fin", query, b"");
    }
}

/// What finishes each of these, as the query of a request.
fn queries(receipts: &[String]) -> Vec<String> {
    receipts.iter().map(|receipt| format!("topic=t0&channel=c&receipt={receipt}")).collect()
}

/// One message a request. The depth stays what it is, give or take a group.
fn singles(criterion: &mut Criterion, size: &str, broker: &mut Broker) {
    let publish_all = |broker: &mut Broker, count: usize| (0..count).for_each(|_| publish(broker));
    let lease_all = |broker: &mut Broker, count: usize| -> Vec<_> { (0..count).map(|_| lease(broker)).collect() };
    time(criterion, "publish", size, 1, |group| {
        let (spent, ()) = clock(|| publish_all(broker, group));
        let receipts = lease_all(broker, group);
        finish_all(broker, &queries(&receipts));
        spent
    });
    time(criterion, "lease", size, 1, |group| {
        publish_all(broker, group);
        let (spent, receipts) = clock(|| lease_all(broker, group));
        finish_all(broker, &queries(&receipts));
        spent
    });
    time(criterion, "finish", size, 1, |group| {
        publish_all(broker, group);
        let receipts = lease_all(broker, group);
        let queries = queries(&receipts);
        clock(|| finish_all(broker, &queries)).0
    });
}

/// A thousand messages a request: `/mpub`, and `/sub` that finishes the last thousand and leases the next.
fn batches(criterion: &mut Criterion, size: &str, broker: &mut Broker) {
    let lines = batch();
    let fetch = format!("topic=t0&channel=c&max={BATCH}&wait=0&format=frames");
    let mut receipts = Vec::new();
    frames::receipts(broker.ask("/sub", &fetch, b"").body.as_bytes(), &mut receipts);
    time(criterion, "publish in batches", size, BATCH, |_| {
        let (spent, _) = clock(|| broker.ask("/mpub", "topic=t0", &lines));
        frames::receipts(broker.ask("/sub", &fetch, &receipts).body.as_bytes(), &mut receipts);
        spent
    });
    time(criterion, "finish and lease in batches", size, BATCH, |_| {
        broker.ask("/mpub", "topic=t0", &lines);
        let (spent, answer) = clock(|| broker.ask("/sub", &fetch, &receipts));
        frames::receipts(answer.body.as_bytes(), &mut receipts);
        spent
    });
}

/// Each message to another topic: what this grows by is what the processor's caches do not hold.
fn scattered(criterion: &mut Criterion, size: &str, broker: &mut Broker, topics: usize) {
    // A step that has no divisor in common with the number of topics visits them all, and none twice in a row.
    let queries: Vec<_> = (0..topics).map(|index| format!("topic=t{}", index * 7919 % topics)).collect();
    let fetch: Vec<_> = queries.iter().map(|query| format!("{query}&channel=c&wait=0&ack=auto")).collect();
    let mut first = 0;
    time(criterion, "publish to another topic each", size, 1, |group| {
        let turn = first..first + group;
        first += group;
        let (spent, ()) = clock(|| {
            for index in turn.clone() {
                broker.ask("/pub", &queries[index % topics], BODY);
            }
        });
        for index in turn {
            broker.ask("/sub", &fetch[index % topics], b"");
        }
        spent
    });
}

/// Polls that wait: to begin one, to hang up, and a publish that the first of them takes.
fn polls(criterion: &mut Criterion, size: &str, waiters: usize) {
    let mut broker = one_topic(0);
    let wait = |broker: &mut Broker| broker.wait("/sub", "topic=t0&channel=c&wait=1h&ack=auto");
    let begin = |broker: &mut Broker, count: usize| -> Vec<_> { (0..count).map(|_| wait(broker)).collect() };
    let hang_up = |broker: &mut Broker, tickets: &[_]| tickets.iter().for_each(|ticket| broker.cancel(*ticket));
    begin(&mut broker, waiters);
    time(criterion, "poll that waits", size, 1, |group| {
        let (spent, tickets) = clock(|| begin(&mut broker, group));
        hang_up(&mut broker, &tickets);
        spent
    });
    time(criterion, "hang-up of a poll", size, 1, |group| {
        let tickets = begin(&mut broker, group);
        clock(|| hang_up(&mut broker, &tickets)).0
    });
    time(criterion, "publish to a waiting poll", size, 1, |group| {
        begin(&mut broker, group);
        clock(|| (0..group).for_each(|_| publish(&mut broker))).0
    });
}

/// How long this takes. What it gives is dropped untimed.
fn clock<R>(act: impl FnOnce() -> R) -> (Duration, R) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("CPU time is not negative");
    let start = now();
    let result = act();
    (now().saturating_sub(start), result)
}

/// Has criterion time an operation, given what does a group of them and says how long they took.
fn time(
    criterion: &mut Criterion,
    operation: &str,
    size: &str,
    messages: usize,
    mut act: impl FnMut(usize) -> Duration,
) {
    let mut group = criterion.benchmark_group(operation);
    group.throughput(Throughput::Elements(messages as u64));
    group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
        bencher.iter_custom(|iterations| {
            let step = if messages == 1 { GROUP } else { 1 };
            let mut spent = Duration::ZERO;
            let mut left = usize::try_from(iterations).expect("nobody waits for so many");
            while left > 0 {
                let group = left.min(step);
                spent += act(group);
                left -= group;
            }
            spent
        });
    });
    group.finish();
}

/// Prints what criterion found.
fn report() {
    for operation in ["publish", "lease", "finish"] {
        value(operation, FEW_QUEUED, 1);
        growth(operation, FEW_QUEUED, MANY_QUEUED, Limit::AtMost(GROWTH));
        growth(operation, ONE_TOPIC, MANY_TOPICS, Limit::AtMost(GROWTH));
    }
    growth("publish to another topic each", ONE_TOPIC, MANY_TOPICS, Limit::None);
    for operation in ["publish in batches", "finish and lease in batches"] {
        value(operation, FEW_QUEUED, BATCH);
        growth(operation, FEW_QUEUED, MANY_QUEUED, Limit::AtMost(GROWTH));
    }
    for operation in ["poll that waits", "hang-up of a poll", "publish to a waiting poll"] {
        value(operation, ONE_WAITER, 1);
        growth(operation, ONE_WAITER, MANY_WAITERS, Limit::AtMost(GROWTH));
    }
}

/// What one message costs.
fn value(operation: &str, size: &str, messages: usize) {
    if let Some(nanos) = median(operation, size) {
        row(format!("core: {operation}, {size}: a message"), nanos / messages as f64, "ns", Limit::None);
    }
}

fn growth(operation: &str, small: &str, large: &str, limit: Limit) {
    if let (Some(few), Some(many)) = (median(operation, small), median(operation, large)) {
        row(format!("core: {operation}, {large} : {small}"), many / few, "x", limit);
    }
}

/// Nanoseconds, as criterion keeps them beside its build. None where the command line left it out.
fn median(operation: &str, size: &str) -> Option<f64> {
    let file = fs::read(format!("{KEPT}/{operation}/{size}/new/estimates.json")).ok()?;
    serde_json::from_slice::<Value>(&file).ok()?["median"]["point_estimate"].as_f64()
}
