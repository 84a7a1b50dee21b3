//! Making a failing run short.

use std::time::{Duration, Instant};

use super::Mismatch;

/// How long a shorter run is looked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Leaves out operations, many at first and single ones in the end, as long as the same still goes wrong.
///
/// # Panics
/// Where the operations do not fail.
pub fn shrink<T: Clone>(ops: &[T], run: impl Fn(&[T]) -> Result<(), Mismatch>) -> (Vec<T>, Mismatch) {
    let began = Instant::now();
    let mut best = ops.to_vec();
    let mut mismatch = run(ops).expect_err("operations that fail are to be made shorter");
    let kind = mismatch.kind();
    let fails = |ops: &[T]| run(ops).err().filter(|found| found.kind() == kind);
    let mut size = best.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < best.len() && began.elapsed() < PATIENCE {
            let end = (at + size).min(best.len());
            let without = [&best[..at], &best[end..]].concat();
            match fails(&without) {
                Some(found) => {
                    best = without[..=found.step.min(without.len().saturating_sub(1))].to_vec();
                    mismatch = found;
                }
                None => at = end,
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    (best, mismatch)
}
