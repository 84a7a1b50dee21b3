//! The shapes that parameter values have: durations, booleans, numbers, places, receipts.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

use crate::command::{ReceiptText, Start};
use crate::message::{Receipt, parse_hex};
use crate::time::Time;

/// A duration: a bare integer is milliseconds, as with NSQ; `ms`, `s`, `m`, `h` and `d` may follow it.
/// What is too long for a `u64` of milliseconds is as long as that.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let ms_per_unit = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(saturating_number(number)?.saturating_mul(ms_per_unit)))
}

fn saturating_number(digits: &str) -> Option<u64> {
    let step = |number: u64, digit: u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    (!digits.is_empty()).then(|| digits.bytes().fold(0, step))
}

/// A duration as [`duration`] reads it, in the largest unit that it is a multiple of.
pub(super) fn duration_text(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms)) {
        Some((unit, unit_ms)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

/// A boolean, in the four ways to write it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal number of digits only: no sign, no spaces.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A message id, in hex.
pub(super) fn id(text: &str) -> Option<u64> {
    parse_hex(text.as_bytes())
}

/// A place in a topic: `earliest`, `latest`, an id or an RFC 3339 time.
pub(super) fn start(text: &str) -> Option<Start> {
    match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        _ => id(text).map(Start::Id).or_else(|| instant(text).map(Start::Time)),
    }
}

/// An RFC 3339 time. What is before 1970 counts as 1970.
pub fn instant(text: &str) -> Option<Time> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    Some(Time::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)))
}

/// A receipt, whether it is one or not: the broker refuses it by its text.
pub(super) fn receipt<'a>(text: impl Into<Cow<'a, str>>) -> ReceiptText<'a> {
    let text = text.into();
    ReceiptText { receipt: Receipt::parse(text.as_bytes()), text }
}

/// The receipts of a body that has one a line. Blank lines are none.
pub(super) fn receipt_lines(body: &[u8]) -> Vec<ReceiptText<'_>> {
    // As many as there are if all are as long as the first; but what a guess costs has a limit.
    let first = memchr::memchr(b'\n', body).map_or(body.len(), |end| end + 1);
    let mut receipts = Vec::with_capacity(body.len().div_ceil(first.max(1)).min(1024));
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain(core::iter::once(body.len())) {
        let line = body[start..end].trim_ascii();
        start = end + 1;
        if !line.is_empty() {
            receipts.push(receipt(String::from_utf8_lossy(line)));
        }
    }
    receipts
}

/// The parts of a comma list. An empty value has none.
pub(super) fn comma_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_integers_with_a_unit() {
        let good = [
            ("0", 0),
            ("1500", 1_500),
            ("500ms", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("99999999999999999999d", u64::MAX),
            ("18446744073709551615s", u64::MAX),
        ];
        for (text, ms) in good {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "-1", "+1", "1.5s", "1 s", " 1", "1S", "1w", "1us", "1s1", "0x10", "１"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_read() {
        for text in ["0ms", "1500ms", "61s", "15m", "1h", "25h", "7d"] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Some(text));
        }
        assert_eq!(duration("120s").map(duration_text).as_deref(), Some("2m"));
    }

    #[test]
    fn numbers_and_booleans_have_one_form() {
        assert_eq!(number("007"), Some(7));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", " 1", "1e3", "18446744073709551616"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(["true", "1", "false", "0"].map(boolean), [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!(["", "yes", "TRUE", "2"].map(boolean), [None; 4]);
    }

    #[test]
    fn a_place_is_a_word_an_id_or_a_time() {
        let at = |nanos| Some(Start::Time(Time::from_nanos(nanos)));
        assert_eq!(start("earliest"), Some(Start::Earliest));
        assert_eq!(start("latest"), Some(Start::Latest));
        assert_eq!(start("000000000000001F"), Some(Start::Id(31)));
        assert_eq!(start("1970-01-01T00:00:01.5Z"), at(1_500_000_000));
        assert_eq!(start("1970-01-01T01:00:00+01:00"), at(0));
        assert_eq!(start("1969-01-01T00:00:00Z"), at(0));
        assert_eq!(start("9999-01-01T00:00:00Z"), at(u64::MAX));
        for bad in ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "00000000000000001"] {
            assert_eq!(start(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn receipts_come_one_a_line() {
        let texts =
            |body| receipt_lines(body).into_iter().map(|r| (r.text.into_owned(), r.receipt)).collect::<Vec<_>>();
        let one = Some(Receipt { id: 1, delivery: 2 });
        assert_eq!(texts(b"1-2\r\n\n  nonsense \n"), [("1-2".into(), one), ("nonsense".into(), None)]);
        assert_eq!(texts(b"\xff\n1-2"), [("\u{fffd}".into(), None), ("1-2".into(), one)]);
        assert!(texts(b"").is_empty());
    }
}
