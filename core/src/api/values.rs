//! The shapes that values have: booleans, numbers, places, times, receipts, keys.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

use super::bounds;
use super::errors::Code;
use crate::command::{ReceiptText, Start};
use crate::message::{Receipt, parse_hex};
use crate::time::Time;

/// A duration as [`parse_duration`](crate::time::parse_duration) reads it, in the largest unit that it is a multiple of.
pub(super) fn duration_text(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms)) {
        Some((unit, unit_ms)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

/// A boolean: `true`, `false`, `1` or `0`, in letters of either case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1"]) { Some(true) } else { is_one_of(["false", "0"]).then_some(false) }
}

/// A decimal number of digits only: no sign, no spaces.
pub(super) fn number(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A message id: 16 hex digits, as ids are given out. A shorter number is more likely a date, or seconds since 1970.
pub(super) fn id(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| parse_hex(text.as_bytes())).flatten()
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

/// A point in time as RFC 3339 has it, to the nanosecond: what JavaScript's numbers cannot hold.
pub fn rfc3339_nanos(time: Time) -> [u8; 30] {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    // By hand from here on, for the crate's own formatting needs std.
    let ((year, month, day), (hour, minute, second)) = (date.to_calendar_date(), date.to_hms());
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    let fields = [
        (0..4, u64::from(year.unsigned_abs())),
        (5..7, u8::from(month).into()),
        (8..10, day.into()),
        (11..13, hour.into()),
        (14..16, minute.into()),
        (17..19, second.into()),
        (20..29, time.as_nanos() % 1_000_000_000),
    ];
    for (place, mut number) in fields {
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    text
}

/// A receipt, whether it is one or not: the broker refuses it by its text.
fn receipt<'a>(text: impl Into<Cow<'a, str>>) -> ReceiptText<'a> {
    let text = text.into();
    ReceiptText { receipt: Receipt::parse(text.as_bytes()), text }
}

/// The receipts of one request, as they come: no more of them, and none longer, than [`bounds`] says. So what a request
/// makes the broker keep does not grow with its body.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    count: usize,
}

impl Receipts {
    /// One more.
    pub(super) fn read<'a>(&mut self, text: impl Into<Cow<'a, str>>) -> Result<ReceiptText<'a>, Code> {
        let text = text.into();
        self.count += 1;
        if self.count > bounds::RECEIPTS {
            Err(Code::TooManyReceipts)
        } else if text.len() > bounds::RECEIPT_BYTES {
            Err(Code::InvalidReceipt)
        } else {
            Ok(receipt(text))
        }
    }

    /// Those of a body that has them one a line, or between commas. Blank ones are none.
    pub(super) fn read_lines<'a>(&mut self, body: &'a [u8], to: &mut Vec<ReceiptText<'a>>) -> Result<(), Code> {
        // As many as there are if all are as long as the first; but what a guess costs has a limit.
        let first = memchr::memchr2(b'\n', b',', body).map_or(body.len(), |end| end + 1);
        to.reserve(body.len().div_ceil(first.max(1)).min(1024));
        let mut start = 0;
        for end in memchr::memchr2_iter(b'\n', b',', body).chain(core::iter::once(body.len())) {
            let line = body[start..end].trim_ascii();
            start = end + 1;
            // Before it is made text: a line that is no UTF-8 would be copied, however long it is.
            if line.len() > bounds::RECEIPT_BYTES {
                return Err(Code::InvalidReceipt);
            }
            if !line.is_empty() {
                // Where it is text, to know that first is quicker.
                let text = core::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
                to.push(self.read(text)?);
            }
        }
        Ok(())
    }
}

/// A key that came as bytes: text where it is UTF-8, else a text of its own, so that two keys are one only where their
/// bytes are. No other key begins with U+FFFD: [`key_text`] sees to that too.
pub(super) fn key_of_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => key_text(Cow::Borrowed(text)),
        Err(_) => Cow::Owned(escaped_key(bytes)),
    }
}

/// A key that came as text.
pub(super) fn key_text(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.starts_with(char::REPLACEMENT_CHARACTER) { Cow::Owned(escaped_key(text.as_bytes())) } else { text }
}

/// Each byte as the character of its number, behind a mark.
fn escaped_key(bytes: &[u8]) -> String {
    core::iter::once(char::REPLACEMENT_CHARACTER).chain(bytes.iter().map(|&byte| char::from(byte))).collect()
}

/// A header's value as text: UTF-8 where it is that, else Latin-1, which is what clients send that do not send UTF-8.
pub(super) fn header_value(bytes: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
    }
}

/// The parts of a comma list. An empty value has none.
pub(super) fn comma_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_duration;

    #[test]
    fn durations_are_shown_as_they_are_read() {
        for text in ["0ms", "1500ms", "61s", "15m", "1h", "25h", "7d"] {
            assert_eq!(parse_duration(text).map(duration_text).as_deref(), Some(text));
        }
        assert_eq!(parse_duration("120s").map(duration_text).as_deref(), Some("2m"));
    }

    #[test]
    fn numbers_and_booleans_have_one_form() {
        assert_eq!(number("007"), Some(7));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "+1", "-1", " 1", "1e3", "18446744073709551616"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(["true", "1", "false", "0"].map(boolean), [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!(["True", "TRUE", "False", "FALSE"].map(boolean), [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!(["", "yes", "on", "2", "t", "01"].map(boolean), [None; 6]);
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
        let bad =
            ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "00000000000000001", "1f", "1796050800", "20261130"];
        for bad in bad.into_iter().chain(["1796050800123", "000000000000001g", "+00000000000001f"]) {
            assert_eq!(start(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn times_are_told_to_the_nanosecond() {
        let text = |nanos| String::from_utf8_lossy(&rfc3339_nanos(Time::from_nanos(nanos))).into_owned();
        assert_eq!(text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(text(1_796_061_600_123_456_789), "2026-11-30T18:00:00.123456789Z");
        assert_eq!(text(951_827_696_000_000_001), "2000-02-29T12:34:56.000000001Z");
        assert_eq!(text(u64::MAX), "2554-07-21T23:34:33.709551615Z");
        for days in 0..200_000u64 {
            let time = Time::from_secs(days * 86_400 + days % 86_400);
            let text = rfc3339_nanos(time);
            assert_eq!(instant(core::str::from_utf8(&text).expect("ASCII")), Some(time));
        }
    }

    fn texts(body: &[u8]) -> Result<Vec<(String, Option<Receipt>)>, Code> {
        let mut found = Vec::new();
        Receipts::default().read_lines(body, &mut found)?;
        Ok(found.into_iter().map(|found| (found.text.into_owned(), found.receipt)).collect())
    }

    #[test]
    fn receipts_come_one_a_line_or_between_commas() {
        let one = Some(Receipt { id: 1, delivery: 2 });
        assert_eq!(texts(b"1-2\r\n\n  nonsense \n"), Ok(alloc::vec![("1-2".into(), one), ("nonsense".into(), None)]));
        assert_eq!(texts(b"1-2, 1-2,,\n1-2").map(|found| found.len()), Ok(3));
        assert_eq!(texts(b"\xff\n1-2"), Ok(alloc::vec![("\u{fffd}".into(), None), ("1-2".into(), one)]));
        assert_eq!(texts(b""), Ok(Vec::new()));
    }

    #[test]
    fn receipts_are_bounded_in_number_and_length() {
        let lines = |count| b"1-2\n".repeat(count);
        assert_eq!(texts(&lines(bounds::RECEIPTS)).map(|found| found.len()), Ok(bounds::RECEIPTS));
        assert_eq!(texts(&lines(bounds::RECEIPTS + 1)), Err(Code::TooManyReceipts));
        assert!(texts(&[b'x'; bounds::RECEIPT_BYTES]).is_ok());
        assert_eq!(texts(&[b'x'; bounds::RECEIPT_BYTES + 1]), Err(Code::InvalidReceipt));
    }

    #[test]
    fn keys_are_one_only_where_their_bytes_are() {
        let keys: [&[u8]; 8] = [
            b"m\xfcller",
            b"m\xf6ller",
            "müller".as_bytes(),
            b"\xff",
            b"\xfe",
            "\u{fffd}".as_bytes(),
            "ÿ".as_bytes(),
            b"a",
        ];
        let of_bytes: Vec<_> = keys.iter().map(|key| key_of_bytes(key)).collect();
        for (i, key) in of_bytes.iter().enumerate() {
            assert!(!of_bytes[..i].contains(key), "{key}");
        }
        assert_eq!((&*of_bytes[2], &*of_bytes[7]), ("müller", "a"));
        // Text that looks like the key of other bytes is none.
        let forged = of_bytes[0].clone();
        assert_ne!(key_text(forged.clone()), forged);
        assert_eq!(key_text(Cow::Borrowed("\u{fffd}")), key_of_bytes("\u{fffd}".as_bytes()));
    }
}
