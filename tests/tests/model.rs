//! The core against the naive model, by seeded workloads; and whether the comparison notices what is wrong.
//!
//! `SHELFMQ_SEED=<seed>` runs one seed, `SHELFMQ_SOAK=<seeds>` so many, `SHELFMQ_OPS=<operations>` says how long
//! each is. With `-- --nocapture` it tells how often each kind of outcome occurred.

use std::ops::Range;

use shelfmq_tests::http::Answer;
use shelfmq_tests::model::Wire;
use shelfmq_tests::workload::{Coverage, Mismatch, Op, Tamper, check, generate, run, shrink};

/// How many seeds run without further ado, and how many operations each has.
const SEEDS: u64 = 100;
const OPERATIONS: usize = 400;

/// Outcomes that a workload must have come to, or it proves less than it should.
const OUTCOMES: &[&str] = &[
    "/pub 200 ",
    "/pub 429 TOPIC_FULL",
    "/mpub 200 ",
    "/mpub 400 BAD_MESSAGE",
    "/mpub 413 BAD_MESSAGE",
    "/mpub 413 BAD_BODY",
    "/sub 200 ",
    "/sub 204 ",
    "/sub 404 CHANNEL_NOT_FOUND",
    "/sub 404 TOPIC_NOT_FOUND",
    "/fin 200 ",
    "/fin 404 FIN_FAILED",
    "/req 200 ",
    "/req 404 REQ_FAILED",
    "/touch 200 ",
    "/touch 404 TOUCH_FAILED",
    "/settle 200 ",
    "/settle 400 INVALID_BODY",
    "/channel/seek 200 ",
    "/channel/redrive 200 ",
    "/dead/empty 200 ",
    "chunk",
    "heartbeat",
    "hang up",
    "header shelf-dead-id",
    "header shelf-duplicate",
    "header shelf-ignored",
    "header shelf-refused",
    "messages dead",
    "messages dropped",
    "messages expired",
    "messages held behind their key",
    "messages requeued",
    "messages timed out",
    "refused lease_expired",
    "refused leased_again",
    "refused malformed",
    "refused not_in_flight",
    "stream closed",
];

#[test]
fn the_core_does_what_the_model_foretells() {
    let mut coverage = Coverage::new();
    let length = number("SHELFMQ_OPS").map_or(OPERATIONS, |n| n as usize);
    for seed in seeds() {
        check(seed, length, &mut coverage).unwrap_or_else(|report| panic!("{report}"));
    }
    for (outcome, count) in &coverage {
        println!("{count:9} {outcome}");
    }
    if seeds().end - seeds().start >= SEEDS && length >= OPERATIONS {
        let missing: Vec<_> =
            OUTCOMES.iter().filter(|outcome| coverage.get(**outcome).is_none_or(|n| *n == 0)).collect();
        assert!(missing.is_empty(), "no workload came to {missing:?}");
    }
}

#[test]
fn what_is_wrong_with_an_answer_is_noticed() {
    let tampers: [(&str, Tamper<'_>); 8] = [
        ("a status", &|_, answer| answer.status = 202),
        ("a missing header", &|_, answer| answer.headers.retain(|(name, _)| name != "shelf-id")),
        ("an id", &|_, answer| replace(answer, "shelf-id", "0000000000000000")),
        ("a header that should not be", &|_, answer| answer.headers.push(("shelf-duplicate".into(), b"true".into()))),
        ("the number of attempts", &|_, answer| replace(answer, "shelf-attempts", "77")),
        ("the body of a message", &on("/sub", |answer| answer.body.insert(0, b'm'))),
        ("a count in the stats", &on("/stats", |answer| swap(answer, "\"depth\":0", "\"depth\":1"))),
        ("a reason", &|_, answer| swap(answer, "lease_expired", "malformed")),
    ];
    for (what, tamper) in tampers {
        assert!(
            (0..20).any(|seed| run(seed, &generate(seed, 300), &mut Coverage::new(), Some(tamper)).is_err()),
            "{what}"
        );
    }
}

#[test]
fn a_failing_run_is_made_short() {
    let tamper: Tamper<'_> = &on("/channel/seek", |answer| answer.body.clear());
    let again = |ops: &[Op]| run(1, ops, &mut Coverage::new(), Some(tamper));
    let ops = generate(1, 400);
    assert!(again(&ops).is_err());
    let (short, Mismatch { transcript, .. }) = shrink(&ops, again);
    assert!(short.len() <= 3, "{short:?}");
    assert!(transcript.iter().any(|line| line.contains("/channel/seek")), "{transcript:?}");
}

#[test]
fn a_seed_always_makes_the_same_and_another_seed_something_else() {
    assert_eq!(generate(7, 100), generate(7, 100));
    assert_ne!(generate(7, 100)[50..], generate(8, 100)[50..]);
}

/// Tampers with the answers to one path.
fn on(path: &str, change: impl Fn(&mut Answer)) -> impl Fn(&Wire, &mut Answer) {
    move |wire, answer| {
        if wire.path == path && answer.status == 200 {
            change(answer);
        }
    }
}

fn replace(answer: &mut Answer, name: &str, value: &str) {
    for (_, found) in answer.headers.iter_mut().filter(|(n, _)| n == name) {
        *found = value.into();
    }
}

fn swap(answer: &mut Answer, from: &str, to: &str) {
    answer.body = answer.text().replace(from, to).into_bytes();
}

fn seeds() -> Range<u64> {
    match (number("SHELFMQ_SEED"), number("SHELFMQ_SOAK")) {
        (Some(seed), _) => seed..seed + 1,
        (None, soak) => 0..soak.unwrap_or(SEEDS),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
