//! A message as the log keeps it, and the receipt of one delivery.
//!
//! A record is the bytes of one message with all that is said of it, little endian:
//!
//! ```text
//! +-------+-----------+- - - - -+- - - - - - -+- - - - - - - - - +- - - - - - - - - - - - -+------+
//! | flags | timestamp |   due   |   expires   | key length, key  | headers length, headers | body |
//! |  u8   |  u64 ns   | u64 ns  |   u64 ns    |  u16             |  u16                    |      |
//! +-------+-----------+- - - - -+- - - - - - -+- - - - - - - - - +- - - - - - - - - - - - -+------+
//! ```
//!
//! The dashed fields are there where their flag is set: 1 due, 2 expires, 4 key, 8 headers. Headers are a list of
//! (u16 length, name, u16 length, value). The body goes on to the record's end, which whoever keeps it knows.

use alloc::vec::Vec;
use core::fmt;
use core::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use crate::time::Time;

/// What of a message decides where it goes, beside its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMeta {
    /// The message.
    pub id: u64,
    /// Bytes of its body.
    pub size: u32,
    /// The hash of its ordering key, by the topic's seed.
    pub key: Option<u64>,
    /// Not delivered before, in nanoseconds.
    pub due: Option<u64>,
    /// Not delivered from then on, in nanoseconds.
    pub expires: Option<u64>,
}

/// What settles one delivery of one message. Opaque to consumers, and written `<id>-<delivery>` in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// The message.
    pub id: u64,
    /// The delivery: a number that its channel uses once.
    pub delivery: u64,
}

impl Receipt {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let dash = memchr::memchr(b'-', text)?;
        Some(Receipt { id: parse_hex(&text[..dash])?, delivery: parse_hex(&text[dash + 1..])? })
    }

    /// Appends the receipt's text, 33 bytes at most.
    pub fn write(self, out: &mut Vec<u8>) {
        write_hex(out, self.id);
        out.push(b'-');
        write_hex(out, self.delivery);
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.id, self.delivery)
    }
}

/// The number that 1 to 16 hex digits of either case write.
pub fn parse_hex(text: &[u8]) -> Option<u64> {
    // Sixteen digits fill the number: with more, the first would be lost without a word.
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |value, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

/// A message id as all the world sees it: 16 hex digits.
pub fn id_text(id: u64) -> [u8; 16] {
    let mut text = [0; 16];
    text[..8].copy_from_slice(&hex_digits((id >> 32) as u32));
    text[8..].copy_from_slice(&hex_digits(id as u32));
    text
}

/// The digits of a number, all eight at once: each half byte is spread to a byte of its own, and those above
/// nine are moved on to the letters.
fn hex_digits(value: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut spread = u64::from(value);
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Each byte is 15 at most, so that nothing is carried into the next one: 6 more sets the bit 4 of those above 9.
    let letters = (spread + 6 * ONES) >> 4 & ONES;
    (spread + u64::from(b'0') * ONES + letters * u64::from(b'a' - b'0' - 10)).to_be_bytes()
}

fn write_hex(out: &mut Vec<u8>, value: u64) {
    // All sixteen digits, those that are not wanted at the end: so many as are known beforehand are written at once. Zero
    // itself has one digit.
    let zeros = (value.leading_zeros() / 4).min(15);
    out.extend_from_slice(&id_text(value << (4 * zeros)));
    out.truncate(out.len() - zeros as usize);
}

/// The bytes that every record has beside its body and its optional fields.
pub(crate) const PLAIN_BYTES: usize = 9;

const DUE: u8 = 1;
const EXPIRES: u8 = 2;
const KEY: u8 = 4;
const HEADERS: u8 = 8;

/// A message read from the log. See the module for how its bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was published.
    pub timestamp: Time,
    /// Not delivered before.
    pub due: Option<Time>,
    /// Not delivered from then on.
    pub expires: Option<Time>,
    /// The ordering key.
    pub key: Option<&'a str>,
    /// The kept headers as they lie; [`Record::headers`] lists them.
    pub header_block: &'a [u8],
    /// The message's bytes.
    pub body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The bytes that its optional fields take.
    pub(crate) fn option_bytes(&self) -> usize {
        let times = usize::from(self.due.is_some()) + usize::from(self.expires.is_some());
        let headers = if self.header_block.is_empty() { 0 } else { 2 + self.header_block.len() };
        8 * times + self.key.map_or(0, |key| 2 + key.len()) + headers
    }

    /// Appends the record's bytes. A key, or headers, of 64 KiB or more are left out.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let mut flags = 0;
        // The flags are known once the fields are written: the place is filled at the end.
        out.push(0);
        out.extend_from_slice(&self.timestamp.as_nanos().to_le_bytes());
        if let Some(due) = self.due {
            flags |= DUE;
            out.extend_from_slice(&due.as_nanos().to_le_bytes());
        }
        if let Some(expires) = self.expires {
            flags |= EXPIRES;
            out.extend_from_slice(&expires.as_nanos().to_le_bytes());
        }
        if let Some(key) = self.key {
            flags |= KEY;
            write_short(out, key.as_bytes());
        }
        if !self.header_block.is_empty() {
            flags |= HEADERS;
            write_short(out, self.header_block);
        }
        out.extend_from_slice(self.body);
        out[start] = flags;
    }

    /// The record that these bytes are, or `None` where they are none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&flags, mut rest) = bytes.split_first()?;
        let timestamp = read_time(&mut rest)?;
        // A flag that this version does not know is not seen, and its field would be taken for a part of what follows:
        // so a new one takes a new version of the log.
        let due = if flags & DUE == 0 { None } else { Some(read_time(&mut rest)?) };
        let expires = if flags & EXPIRES == 0 { None } else { Some(read_time(&mut rest)?) };
        let key = if flags & KEY == 0 { None } else { Some(core::str::from_utf8(read_short(&mut rest)?).ok()?) };
        let header_block = if flags & HEADERS == 0 { &[] } else { read_short(&mut rest)? };
        Some(Record { timestamp, due, expires, key, header_block, body: rest })
    }

    /// What decides where the message goes; its id and its topic's seed are not in the record.
    pub(crate) fn meta(&self, id: u64, seed: u64) -> MessageMeta {
        let key = self.key.map(|key| {
            // A hash that stays the same from version to version: it stands in logs.
            let mut hasher = SipHasher13::new_with_keys(seed, 0);
            hasher.write(key.as_bytes());
            // Zero means that there is no key, where keys are kept in a word.
            hasher.finish().max(1)
        });
        let nanos = Time::as_nanos;
        MessageMeta {
            id,
            size: self.body.len() as u32,
            key,
            due: self.due.map(nanos),
            expires: self.expires.map(nanos),
        }
    }

    /// The kept headers, in the order they came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut rest = self.header_block;
        core::iter::from_fn(move || {
            let name = core::str::from_utf8(read_short(&mut rest)?).ok()?;
            Some((name, read_short(&mut rest)?))
        })
    }
}

/// About how many bytes a message's bytes take in an answer: as text with escapes, or in base64. Of small ones, what
/// escapes take is left out of account.
pub(crate) fn encoded_bytes(body: &[u8]) -> usize {
    const SMALL: usize = 4096;
    // Most messages are small, and are not looked at. What that leaves out is five times a small body at most.
    if body.len() < SMALL {
        return body.len();
    }
    let escaped = |sum: usize, &byte: &u8| {
        sum + match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
            0..0x20 => 6,
            _ => 1,
        }
    };
    if core::str::from_utf8(body).is_ok() { body.iter().fold(0, escaped) } else { body.len().div_ceil(3) * 4 }
}

/// Appends one kept header to a record's header block.
pub fn write_header(block: &mut Vec<u8>, name: &str, value: &[u8]) {
    write_short(block, name.as_bytes());
    write_short(block, value);
}

fn write_short(out: &mut Vec<u8>, bytes: &[u8]) {
    // The API's limits are far below. What a log or a recording made up may be longer, and is left out.
    let (length, bytes) = u16::try_from(bytes.len()).map_or((0, &[][..]), |length| (length, bytes));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

fn read_short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (bytes, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    *rest = after;
    Some(bytes)
}

fn read_time(rest: &mut &[u8]) -> Option<Time> {
    let (nanos, after) = rest.split_first_chunk::<8>()?;
    *rest = after;
    Some(Time::from_nanos(u64::from_le_bytes(*nanos)))
}

/// A leased message, to be shown to its consumer.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// What settles it, its id included.
    pub receipt: Receipt,
    /// How often it has been delivered, this time included.
    pub attempts: u16,
    /// The message.
    pub record: Record<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_record_reads_back_and_no_part_of_it_does() {
        let mut header_block = Vec::new();
        write_header(&mut header_block, "ce-type", b"x");
        write_header(&mut header_block, "shelf-meta-a", b"");
        let record = Record {
            timestamp: Time::from_nanos(7),
            due: Some(Time::from_nanos(8)),
            expires: Some(Time::from_nanos(9)),
            key: Some("k"),
            header_block: &header_block,
            body: b"body",
        };
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        assert_eq!(Record::read(&bytes), Some(record));
        assert_eq!(bytes.len(), PLAIN_BYTES + record.option_bytes() + record.body.len());
        assert_eq!(record.headers().collect::<Vec<_>>(), [("ce-type", &b"x"[..]), ("shelf-meta-a", b"")]);
        for cut in 0..bytes.len() - record.body.len() {
            assert_eq!(Record::read(&bytes[..cut]), None);
        }
        let plain = Record { due: None, expires: None, key: None, header_block: &[], ..record };
        bytes.clear();
        plain.write(&mut bytes);
        assert_eq!(Record::read(&bytes), Some(plain));
        assert_eq!(bytes.len(), PLAIN_BYTES + 4);
    }

    #[test]
    fn what_is_too_long_for_a_record_is_left_out() {
        let (key, header_block) = ("k".repeat(1 << 16), alloc::vec![1; 1 << 16]);
        let (key, header_block) = (Some(key.as_str()), &header_block[..]);
        let time = Time::from_nanos(7);
        let mut bytes = Vec::new();
        Record { timestamp: time, due: None, expires: None, key, header_block, body: b"body" }.write(&mut bytes);
        let record = Record::read(&bytes).expect("it is one");
        assert_eq!((record.key, record.header_block, record.body), (Some(""), &[][..], &b"body"[..]));
    }

    #[test]
    fn what_an_answer_has_of_a_message_counts_escapes() {
        assert_eq!(encoded_bytes(b"\x01"), 1);
        assert_eq!(encoded_bytes(&[1; 5000]), 30_000);
        assert_eq!(encoded_bytes(&[b'"'; 5000]), 10_000);
        assert_eq!(encoded_bytes(&[b'x'; 5000]), 5000);
        assert_eq!(encoded_bytes(&[0xff; 6000]), 8000);
    }

    #[test]
    fn a_receipt_reads_back() {
        for (id, delivery) in [(0, 0), (1, 0xabc), (u64::MAX, u64::MAX)] {
            let receipt = Receipt { id, delivery };
            let mut text = Vec::new();
            receipt.write(&mut text);
            assert_eq!(text, receipt.to_string().as_bytes());
            assert_eq!(Receipt::parse(&text), Some(receipt));
        }
        for bad in ["", "-", "1", "1-", "-1", "g-1", "1-1-1", "00000000000000001-1"] {
            assert_eq!(Receipt::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(&id_text(0x1f), b"000000000000001f");
    }
}
