//! The broker over a simulated disk that crashes, tears, loses and rots; and whether the checker notices what is wrong.
//!
//! `SHELFMQ_SEED=<seed>` runs one seed, `SHELFMQ_SOAK=<seeds>` so many, `SHELFMQ_OPS=<operations>` says how long
//! each is. With `-- --nocapture` it tells how often each thing occurred.

use std::ops::Range;

use shelfmq_tests::simulation::{Counts, Lie, Settings, Sync, check, generate, journal, run};
use shelfmq_tests::workload;

/// How many seeds run without further ado, and how many operations each has.
const SEEDS: u64 = 150;
const OPERATIONS: usize = 400;

/// What runs must have come to, or they prove less than they should.
const OCCURRENCES: &[&str] = &[
    "appends",
    "bits flipped",
    "blocks spoilt",
    "compactions",
    "crashes",
    "damaged places found at a start",
    "deliveries",
    "disk full",
    "duplicates",
    "failed reads",
    "failures",
    "frames replayed",
    "looks",
    "publishes acknowledged",
    "publishes refused",
    "reads",
    "receipts accepted",
    "receipts refused",
    "restarts",
    "topics set aside",
    "torn tails",
    "transfers",
];

#[test]
fn whatever_crashes_what_was_acknowledged_is_there() {
    let mut counts = Counts::new();
    let length = number("SHELFMQ_OPS").map_or(OPERATIONS, |n| n as usize);
    for seed in seeds(SEEDS) {
        check(seed, length, &mut counts).unwrap_or_else(|report| panic!("{report}"));
    }
    for (what, count) in &counts {
        println!("{count:9} {what}");
    }
    println!("{:9} operations", (seeds(SEEDS).end - seeds(SEEDS).start) * length as u64);
    if seeds(SEEDS).end - seeds(SEEDS).start >= SEEDS && length >= OPERATIONS {
        let missing: Vec<_> = OCCURRENCES.iter().filter(|what| counts.get(**what).is_none_or(|n| *n == 0)).collect();
        assert!(missing.is_empty(), "no run came to {missing:?}");
    }
}

#[test]
fn a_log_tells_all_that_its_topic_is() {
    let length = number("SHELFMQ_OPS").map_or(200, |n| n as usize);
    for seed in seeds(60) {
        let settings = Settings { sync: Sync::Always, rots: false, fails: false, ..Settings::of(seed) };
        let ops = workload::generate(seed, length);
        let Err(mismatch) = journal::run(settings, &ops) else { continue };
        let again = |ops: &[workload::Op]| journal::run(settings, ops);
        let (short, shortest) = workload::shrink(&ops[..=mismatch.step], again);
        let replay = format!("SHELFMQ_SEED={seed} SHELFMQ_OPS={length}");
        panic!("seed {seed}: {}\n\nIn {} operations:\n{shortest}\nTo replay: {replay}\n", mismatch.what, short.len());
    }
}

#[test]
fn a_host_that_betrays_is_noticed() {
    let lies = [
        Lie::NeverSyncs,
        Lie::LosesAWrite,
        Lie::ForgetsTooMuch,
        Lie::Forges,
        Lie::LosesReads,
        Lie::ForgetsEntries,
        Lie::LosesAnswers,
        Lie::Repeats,
    ];
    for lie in lies {
        let noticed = (0..120).any(|seed| {
            let honest = Settings { sync: Sync::Always, rots: false, fails: false, ..Settings::of(seed) };
            let settings = Settings { lie: Some(lie), segment_bytes: 2 << 10, cache_bytes: 0, ..honest };
            run(settings, &generate(&settings, 300), &mut Counts::new()).is_err()
        });
        assert!(noticed, "{lie:?}");
    }
}

#[test]
fn a_seed_always_makes_the_same_and_another_seed_something_else() {
    let ops = |seed| generate(&Settings::of(seed), 100);
    assert_eq!(ops(7), ops(7));
    assert_ne!(ops(7)[50..], ops(8)[50..]);
}

fn seeds(usual: u64) -> Range<u64> {
    match (number("SHELFMQ_SEED"), number("SHELFMQ_SOAK")) {
        (Some(seed), _) => seed..seed + 1,
        (None, soak) => 0..soak.unwrap_or(usual),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}
