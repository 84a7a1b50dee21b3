//! The whole broker over a simulated disk, by seeds.
//!
//! A [`Node`](node::Node) runs engines as a host does, but its disk is in memory, loses what a disk may lose, fails as
//! a disk may fail, and the host may crash between any two steps. What clients were told is written down in a
//! [`Ledger`](ledger::Ledger), which judges everything that is delivered, looked at, and left in the end.
//!
//! `ops` makes operations from a seed, `run` performs them; `disk` (and what it is made of and suffers: `inode`, `harm`) and `node` are
//! the host.

#![expect(
    clippy::format_push_string,
    clippy::needless_for_each,
    clippy::struct_excessive_bools,
    clippy::type_complexity,
    reason = "what a ledger notes is many small things, and what a host asks is text"
)]

pub mod disk;
mod end;
mod file;
mod harm;
mod host;
mod inode;
pub mod journal;
pub mod ledger;
pub mod node;
mod ops;
mod run;
pub mod standing;

use std::collections::BTreeMap;

pub use ops::{Op, generate};
pub use run::{Runner, run};

use crate::workload::{Mismatch, Random, shrink};

/// When writes are synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before anybody is told.
    Always,
    /// In the background.
    Background,
    /// Only when the host goes down as it should.
    Never,
}

/// How a host may betray its engines and its clients, to see whether it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Syncs nothing, and says it did.
    NeverSyncs,
    /// Writes zeros instead of some appends.
    LosesAWrite,
    /// Removes segments that are needed.
    ForgetsTooMuch,
    /// Changes messages, and makes their checksums right.
    Forges,
    /// Does not answer some reads.
    LosesReads,
    /// Starts without some of what is in flight, deferred or due again.
    ForgetsEntries,
    /// Loses some answers to consumers.
    LosesAnswers,
    /// Gives some messages out twice.
    Repeats,
}

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What chance decides in the engines and beneath them.
    pub seed: u64,
    /// Over how many engines topics are spread.
    pub shards: usize,
    /// The size of a segment.
    pub segment_bytes: u64,
    /// The size of the cache.
    pub cache_bytes: usize,
    /// When writes are synced.
    pub sync: Sync,
    /// Bits are flipped.
    pub rots: bool,
    /// Writes, syncs and reads fail, and the disk is full at times.
    pub fails: bool,
    /// How the host betrays.
    pub lie: Option<Lie>,
}

impl Settings {
    /// Those of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5e77);
        Settings {
            seed,
            // The last of several has no topics.
            shards: 1 + 2 * random.below(2) as usize,
            segment_bytes: random.pick(&[2, 4, 8, 16]) << 10,
            cache_bytes: random.pick(&[0, 1 << 10, 4 << 10, 64 << 10]),
            sync: random.pick(&[Sync::Always, Sync::Always, Sync::Always, Sync::Background, Sync::Never]),
            rots: random.percent(15),
            fails: random.percent(30),
            lie: None,
        }
    }
}

/// How often each thing occurred.
pub type Counts = BTreeMap<&'static str, u64>;

/// Runs the operations of one seed.
///
/// # Errors
/// A report: how to replay it, and the shortest operations found that lead to the same.
pub fn check(seed: u64, length: usize, counts: &mut Counts) -> Result<(), String> {
    let settings = Settings::of(seed);
    let ops = generate(&settings, length);
    let Err(mismatch) = run(settings, &ops, counts) else { return Ok(()) };
    let again = |ops: &[Op]| run(settings, ops, &mut Counts::new());
    let (short, Mismatch { step, what, transcript }) = shrink(&ops[..=mismatch.step.min(ops.len() - 1)], again);
    let replay = format!("SHELFMQ_SEED={seed} SHELFMQ_OPS={length} cargo test -p shelfmq-tests --test simulation");
    Err(format!(
        "seed {seed}, operation {} of {length}: {}\n{settings:?}\n\nIn {} operations, at {step}: {what}\n{}\nTo replay: {replay}\n",
        mismatch.step,
        mismatch.what,
        short.len(),
        transcript.join("\n"),
    ))
}

/// The value of a parameter of a query, as it stands there.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value))
}

/// One of these, by number.
fn nth<T: Copy>(set: &std::collections::BTreeSet<T>, which: u64) -> Option<T> {
    set.iter().copied().nth(which as usize % set.len().max(1))
}
