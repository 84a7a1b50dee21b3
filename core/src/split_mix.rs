//! Many seeds from one.

use serde::{Deserialize, Serialize};

/// A sequence of numbers that look random. All sequences are parts of one cycle of 2^64 numbers. Those that start at
/// each other's numbers start anywhere in it, so far apart that two which meet are not to be expected: each topic can
/// have a sequence of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence that starts here.
    pub(crate) fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    /// The next number: a step of `SplitMix64`.
    pub(crate) fn next(&mut self) -> u64 {
        // An odd step: the state comes to each of the 2^64 values before it comes to one again. The rest is a
        // bijection, so the numbers do not repeat either.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn the_seeds_of_seeds_all_differ() {
        let mut broker = SplitMix64::new(1);
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            let mut topic = SplitMix64::new(broker.next());
            assert!((0..100).all(|_| seen.insert(topic.next())));
        }
    }
}
