//! How long messages took from their publishing to their finishing: a histogram of the last minutes.
//!
//! A bucket spans an eighth of a power of two, so what it tells is at most an eighth too much. Only buckets with
//! something in them take room: a dozen, where messages take similar times.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::Latency;
use crate::time::Time;

/// How long one half is filled. What is told is of the last one to two of these where messages are finished all the
/// time, as nsqd's is of its window; of the last three at most, where there were pauses.
const HALF: Duration = Duration::from_secs(300);
/// Times below this are one: a microsecond or so.
const LEAST_BITS: u32 = 10;
/// The parts of a power of two, as bits.
const PART_BITS: u32 = 3;

/// Two histograms, of which one is filled and the other was.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Latencies {
    /// When the current one began.
    since: Time,
    current: Vec<Bucket>,
    /// What the current one was before it was begun anew: told until the current one is as long.
    before: Vec<Bucket>,
}

/// A bucket's number, and how many are in it.
type Bucket = (u16, u32);

impl Latencies {
    /// A message was finished.
    pub(crate) fn add(&mut self, published: Time, now: Time) {
        self.turn(now);
        let number = number(now.since(published));
        match self.current.iter_mut().find(|bucket| bucket.0 == number) {
            Some(bucket) => bucket.1 = bucket.1.saturating_add(1),
            None => self.current.push((number, 1)),
        }
    }

    /// Whether all buckets are some that a time can be in.
    pub(crate) fn is_sound(&self) -> bool {
        self.current.iter().chain(&self.before).all(|bucket| bucket.0 <= number(Duration::MAX))
    }

    fn turn(&mut self, now: Time) {
        let age = now.since(self.since);
        if age >= HALF {
            self.before = core::mem::take(&mut self.current);
            // Nothing was finished for so long that what was current is too old as well.
            if age >= 2 * HALF {
                self.before.clear();
            }
            self.since = now;
        }
    }

    /// What there is of the last minutes.
    pub(crate) fn report(&self, now: Time) -> Latency {
        let mut report = Latency::default();
        let age = now.since(self.since);
        // Halves turn only when something is finished: what is too old without that is left out here.
        let current = if age < 2 * HALF { &self.current[..] } else { &[] };
        let before = if age < HALF { &self.before[..] } else { &[] };
        for &(number, count) in current.iter().chain(before) {
            report.add(upper_bound(number), count.into());
        }
        report
    }
}

fn number(took: Duration) -> u16 {
    let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1 << LEAST_BITS);
    let power = nanos.ilog2();
    // The bits right after the highest one.
    let part = (nanos >> (power - PART_BITS)) & ((1 << PART_BITS) - 1);
    (((power - LEAST_BITS) << PART_BITS) | part as u32) as u16
}

/// The longest time that is in a bucket, in nanoseconds.
fn upper_bound(number: u16) -> u64 {
    let (power, part) = (LEAST_BITS + u32::from(number >> PART_BITS), u64::from(number) & ((1 << PART_BITS) - 1));
    let width = 1_u64 << (power - PART_BITS);
    (1_u64 << power) + part * width + (width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_an_eighth_wide() {
        let mut nanos = 1_u64;
        while nanos < u64::MAX / 3 {
            let bound = upper_bound(number(Duration::from_nanos(nanos)));
            assert!(bound >= nanos, "{nanos} {bound}");
            assert!(bound <= (nanos + nanos / 8).max(1 << LEAST_BITS) + 128, "{nanos} {bound}");
            nanos += nanos / 16 + 1;
        }
        assert_eq!(upper_bound(number(Duration::MAX)), u64::MAX);
    }

    #[test]
    fn what_is_old_is_not_told() {
        let mut latencies = Latencies::default();
        let report = |latencies: &Latencies, at| latencies.report(Time::from_secs(at)).count();
        latencies.add(Time::from_secs(1_000), Time::from_secs(1_001));
        assert_eq!(report(&latencies, 1_599), 1);
        assert_eq!(report(&latencies, 1_601), 0);
        latencies.add(Time::from_secs(1_000), Time::from_secs(1_400));
        assert_eq!(report(&latencies, 1_401), 2);
        assert_eq!(report(&latencies, 1_701), 1);
        assert_eq!(report(&latencies, 2_001), 0);
    }
}
