//! Points in time. The core has no clock: every `handle_*` is told what time it is.

use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in nanoseconds since the Unix epoch.
///
/// The host supplies it, and should not let it run backwards. A small step back is taken as no step at all; one of more
/// than five seconds is followed, for then the clock was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(u64);

impl Time {
    /// The end of time: later than any deadline.
    pub const MAX: Time = Time(u64::MAX);

    /// The point `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// The point `secs` seconds after the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Time(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }

    /// How long after `earlier` this is; zero where it is before.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Units of durations and their milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A duration as people write it, in queries, in JSON and in options alike: a bare integer is milliseconds, as with NSQ;
/// else integers with units one after the other, `30s`, `1h30m`, of `ms`, `s`, `m`, `h` and `d`.
/// What is too long for a `u64` of milliseconds is as long as that.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut total_ms) = (text, 0u64);
    loop {
        // ASCII digits only, so that the split is between characters.
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(|byte| !byte.is_ascii_digit()).count();
        // Letters are counted in bytes and end before an ASCII digit or at the end, which is between characters too.
        let (unit, after) = after.split_at_checked(letters)?;
        // Only what stands alone may have no unit.
        let unit = if unit.is_empty() && number.len() == text.len() { "ms" } else { unit };
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.saturating_add(saturating_number(number)?.saturating_mul(*unit_ms));
        if after.is_empty() {
            return Some(Duration::from_millis(total_ms));
        }
        rest = after;
    }
}

fn saturating_number(digits: &str) -> Option<u64> {
    // Digits are no reason to refuse what a limit will refuse or cut, however many they are.
    let step = |number: u64, digit: u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    (!digits.is_empty()).then(|| digits.bytes().fold(0, step))
}

/// A span of time in nanoseconds; one of more than 584 years is as long as that.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::MAX`].
    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    /// Saturates at the epoch.
    fn sub(self, duration: Duration) -> Time {
        Time(self.0.saturating_sub(nanos(duration)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_integers_with_units() {
        let good = [
            ("0", 0),
            ("1500", 1_500),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("1h30m", 5_400_000),
            ("1m30s", 90_000),
            ("1h0m0s", 3_600_000),
            ("1d1ms", 86_400_001),
            ("99999999999999999999d", u64::MAX),
            ("18446744073709551615s1s", u64::MAX),
        ];
        for (text, ms) in good {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        let bad =
            ["", "s", "-1", "+1", "1.5s", "1 s", " 1", "1S", "1w", "1us", "1s1", "0x10", "１", "1１", "5m3", "1hh"];
        for bad in bad.into_iter().chain(["h1", "1h 30m", "1h-30m", "1s "]) {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }
}
