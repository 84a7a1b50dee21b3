//! The core against the naive model, by seeded workloads.
//!
//! `SHELFMQ_SEED=<seed>` runs one seed, `SHELFMQ_SOAK=<seeds>` so many, `SHELFMQ_OPS=<operations>` says how long
//! each is. With `-- --nocapture` it tells how often each kind of outcome occurred.

use std::ops::Range;

use shelfmq_tests::workload::{Coverage, check};

/// How many seeds run without further ado, and how many operations each has.
const SEEDS: u64 = 300;
const OPERATIONS: usize = 400;

#[test]
fn the_core_does_what_the_model_foretells() {
    let mut coverage = Coverage::new();
    for seed in seeds() {
        if let Err(report) = check(seed, number("SHELFMQ_OPS").map_or(OPERATIONS, |n| n as usize), &mut coverage) {
            panic!("{report}");
        }
    }
    for (outcome, count) in &coverage {
        println!("{count:9} {outcome}");
    }
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
