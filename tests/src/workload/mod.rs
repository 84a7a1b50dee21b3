//! A seeded workload: requests of every kind, right and wrong, and steps of a virtual clock.
//!
//! It runs against the core in this process and against the naive [`model`](crate::model), which predicts every
//! outcome, errors and the moment of each answer included. The same seed always makes the same operations. One
//! that fails is made as short as possible and printed.
//!
//! `ops` makes the operations, most of them `requests`, whose `receipts` it leaves open; `run` runs them, `compare` looks
//! at the answers, `shrink` makes a failing run short.

pub mod compare;
mod ops;
mod receipts;
mod requests;
mod run;
mod shrink;
mod sides;

use std::collections::BTreeMap;
use std::fmt;

pub use ops::{Op, START_SECS, Template, generate};
pub use receipts::Receipts;
pub use run::{Tamper, run};
pub use shrink::shrink;
pub use sides::{ask, limits, real};

/// How often each kind of outcome occurred.
pub type Coverage = BTreeMap<String, u64>;

/// Where the core did something else than the model foretold.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The index of the operation.
    pub step: usize,
    /// What was expected, and what came.
    pub what: String,
    /// All that was sent and received up to there.
    pub transcript: Vec<String>,
}

impl Mismatch {
    /// What tells this mismatch from others, numbers apart.
    fn kind(&self) -> String {
        self.what.chars().filter(|c| !c.is_ascii_digit()).take(40).collect()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.transcript {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "at operation {}: {}", self.step, self.what)
    }
}

/// Runs the workload of one seed.
///
/// # Errors
/// A report of the first mismatch: how to replay it, and the shortest operations found that lead to one.
pub fn check(seed: u64, length: usize, coverage: &mut Coverage) -> Result<(), String> {
    let ops = generate(seed, length);
    let Err(mismatch) = run(seed, &ops, coverage, None) else { return Ok(()) };
    let again = |ops: &[Op]| run(seed, ops, &mut Coverage::new(), None);
    let (short, shortest) = shrink(&ops[..=mismatch.step.min(ops.len() - 1)], again);
    let replay = format!("SHELFMQ_SEED={seed} cargo test -p shelfmq-tests --test model");
    Err(format!(
        "seed {seed}, operation {} of {length}: {}\n\nThe same in {} operations:\n{shortest}\nTo replay: {replay}\n",
        mismatch.step,
        mismatch.what,
        short.len(),
    ))
}

/// A little generator of pseudo-random numbers (`SplitMix64`). Never to be changed, so that seeds keep their meaning.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        // Seeds that follow each other must not give sequences that do.
        let mut random = Random(seed);
        random.0 = random.next();
        random
    }

    /// A number below this one.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }
}
