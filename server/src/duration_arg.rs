//! Durations as the command line writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shelfmq_core::time::parse_duration;

/// A duration that reads `1500` (milliseconds, as everywhere in NSQ), `30s`, `7d` and Go's `1h30m0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct DurationArg(pub Duration);

/// Units and their milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for DurationArg {
    type Err = String;

    /// As the API reads durations; but one that is beyond all numbers is a slip.
    fn from_str(text: &str) -> Result<Self, String> {
        let duration = parse_duration(text).filter(|duration| *duration < Duration::from_millis(u64::MAX));
        let complaint = || format!("{text:?} is no duration: write 1500 (milliseconds), 30s, 5m or 1h");
        duration.map(DurationArg).ok_or_else(complaint)
    }
}

impl fmt::Display for DurationArg {
    /// In the longest unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis() as u64;
        let (unit, millis) =
            UNITS.iter().find(|(_, millis)| total > 0 && total.is_multiple_of(*millis)).unwrap_or(&("s", 1000));
        write!(f, "{}{unit}", total / millis)
    }
}

impl Serialize for DurationArg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DurationArg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = DurationArg;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration: \"30s\", or a number of milliseconds")
    }

    fn visit_i64<E: de::Error>(self, millis: i64) -> Result<DurationArg, E> {
        let millis = u64::try_from(millis).map_err(|_| E::custom("a duration is not negative"))?;
        Ok(DurationArg(Duration::from_millis(millis)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<DurationArg, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        let cases = [("1500", "1500ms"), ("60s", "1m"), ("1m0s", "1m"), ("1h30m", "90m"), ("7d", "7d"), ("0", "0s")];
        for (given, written) in cases {
            assert_eq!(given.parse::<DurationArg>().map(|span| span.to_string()), Ok(written.into()));
        }
        for bad in ["", "s", "-1s", "1.5s", "1x", "5m3", "99999999999999999d"] {
            assert!(bad.parse::<DurationArg>().is_err(), "{bad}");
        }
    }
}
