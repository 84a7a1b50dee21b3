//! The frames format: leased messages for consumers in a hurry. All numbers are big endian, as NSQ's are.
//!
//! ```text
//! +--------+--------+-----------+----------+---------------+------------+----------------+
//! | length |   id   | timestamp | attempts | receipt bytes | key bytes  | headers bytes  |
//! |  u32   |  u64   |  u64 ns   |   u16    |     u16       |    u16     |      u16       |
//! +--------+--------+-----------+----------+---------------+------------+----------------+
//! | receipt (text) | key (UTF-8) | headers | body: what is left of `length`              |
//! +----------------+-------------+---------+---------------------------------------------+
//! ```
//!
//! `length` counts the bytes after itself. A message without a key has a key of no bytes. The headers are a
//! list of (u16 length, name, u16 length, value). Frames follow each other without a gap.

use alloc::vec::Vec;

use crate::message::Delivery;
use crate::time::Time;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "application/vnd.shelfmq.frames";

/// The bytes of a frame before its receipt, the length included.
const HEAD: usize = 28;

/// A guess at a receipt's length, to make room for it.
const RECEIPT: usize = 33;

/// The most room that is made on a guess, in bytes.
const MAX_GUESS: usize = 1 << 20;

/// A message read from a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its id.
    pub id: u64,
    /// When it was published.
    pub timestamp: Time,
    /// How often it has been delivered, this time included.
    pub attempts: u16,
    /// What settles it.
    pub receipt: &'a str,
    /// Its ordering key.
    pub key: Option<&'a str>,
    /// The headers kept with it, as they lie; [`Frame::headers`] lists them.
    pub header_block: &'a [u8],
    /// Its bytes.
    pub body: &'a [u8],
}

/// The first frame of `bytes` and what follows it; `None` where they do not begin with a whole frame.
pub fn read(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let mut rest = bytes;
    let length = u32::from_be_bytes(*take(&mut rest)?);
    let (mut rest, after) = rest.split_at_checked(length as usize)?;
    let id = u64::from_be_bytes(*take(&mut rest)?);
    let timestamp = Time::from_nanos(u64::from_be_bytes(*take(&mut rest)?));
    let attempts = u16::from_be_bytes(*take(&mut rest)?);
    let lengths: [usize; 3] = [take_length(&mut rest)?, take_length(&mut rest)?, take_length(&mut rest)?];
    let receipt = core::str::from_utf8(split(&mut rest, lengths[0])?).ok()?;
    let key = core::str::from_utf8(split(&mut rest, lengths[1])?).ok()?;
    let header_block = split(&mut rest, lengths[2])?;
    let key = (!key.is_empty()).then_some(key);
    Some((Frame { id, timestamp, attempts, receipt, key, header_block, body: rest }, after))
}

impl<'a> Frame<'a> {
    /// The headers kept with the message, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let mut rest = self.header_block;
        core::iter::from_fn(move || {
            let length = take_length(&mut rest)?;
            let name = core::str::from_utf8(split(&mut rest, length)?).ok()?;
            let length = take_length(&mut rest)?;
            Some((name, split(&mut rest, length)?))
        })
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(bytes)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*take(rest)?)))
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

/// The frames of all these deliveries.
pub(super) fn write_all<'a>(deliveries: impl ExactSizeIterator<Item = Delivery<'a>> + Clone) -> Vec<u8> {
    // As many bytes as there are if all are as long as the first; but what a guess costs has a limit.
    let first = deliveries.clone().next().map_or(0, |delivery| HEAD + RECEIPT + delivery.record.body.len());
    let mut frames = Vec::with_capacity(deliveries.len().saturating_mul(first).min(MAX_GUESS));
    for delivery in deliveries {
        write(&mut frames, &delivery);
    }
    frames
}

/// Appends one frame.
fn write(out: &mut Vec<u8>, delivery: &Delivery<'_>) {
    let record = &delivery.record;
    let key = record.key.unwrap_or_default();
    let start = out.len();
    let mut head = [0; HEAD];
    head[4..12].copy_from_slice(&delivery.receipt.id.to_be_bytes());
    head[12..20].copy_from_slice(&record.timestamp.as_nanos().to_be_bytes());
    head[20..22].copy_from_slice(&delivery.attempts.to_be_bytes());
    head[24..26].copy_from_slice(&short(key.len()));
    head[26..28].copy_from_slice(&short(record.header_block.len()));
    out.extend_from_slice(&head);
    delivery.receipt.write(out);
    // The receipt is written first and measured then: its text has as many digits as it takes.
    let receipt = short(out.len() - start - HEAD);
    out.extend_from_slice(key.as_bytes());
    // They are written anew, for a record's lengths are little endian. The block as a whole is as long either way.
    for (name, value) in record.headers() {
        out.extend_from_slice(&short(name.len()));
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&short(value.len()));
        out.extend_from_slice(value);
    }
    out.extend_from_slice(record.body);
    let length = u32::try_from(out.len() - start - 4).expect("a message is under 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    out[start + 22..start + 24].copy_from_slice(&receipt);
}

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("keys, headers and receipts are under 64 KiB").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Receipt, Record, write_header};

    #[test]
    fn a_frame_reads_back_and_no_part_of_it_does() {
        let mut header_block = Vec::new();
        write_header(&mut header_block, "ce-id", b"1");
        write_header(&mut header_block, "shelf-meta-x", b"\xff");
        let record = Record {
            timestamp: Time::from_nanos(7),
            due: None,
            expires: None,
            key: Some("order-7"),
            header_block: &header_block,
            body: b"hello",
        };
        let full = Delivery { receipt: Receipt { id: 0x1f, delivery: u64::MAX }, attempts: 2, record };
        let plain = Delivery { record: Record { key: None, header_block: &[], body: b"", ..record }, ..full };
        let bytes = write_all([full, plain].into_iter());

        let (frame, rest) = read(&bytes).expect("a whole frame");
        assert_eq!((frame.id, frame.timestamp, frame.attempts), (0x1f, Time::from_nanos(7), 2));
        assert_eq!((frame.receipt, frame.key, frame.body), ("1f-ffffffffffffffff", Some("order-7"), &b"hello"[..]));
        assert_eq!(frame.headers().collect::<Vec<_>>(), [("ce-id", &b"1"[..]), ("shelf-meta-x", b"\xff")]);
        let (frame, rest) = read(rest).expect("a second frame");
        assert_eq!((frame.key, frame.body, rest), (None, &b""[..], &b""[..]));
        assert_eq!(frame.headers().next(), None);

        let first = bytes.len() - (HEAD + frame.receipt.len());
        for cut in 0..first {
            assert_eq!(read(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn the_bytes_lie_as_the_diagram_says() {
        let record = Record {
            timestamp: Time::from_nanos(0x0102_0304_0506_0708),
            due: None,
            expires: None,
            key: Some("k"),
            header_block: &[],
            body: b"B",
        };
        let delivery = Delivery { receipt: Receipt { id: 1, delivery: 2 }, attempts: 3, record };
        let bytes = write_all([delivery].into_iter());
        let expected = [
            &[0, 0, 0, 29][..],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &[0, 3, 0, 3, 0, 1, 0, 0],
            b"1-2kB",
        ];
        assert_eq!(bytes, expected.concat());
    }
}
