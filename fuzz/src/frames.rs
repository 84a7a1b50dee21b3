//! Frames, from the bytes of a segment.

use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::frame::{Found, Frames, split_message};
use shelfmq_core::message::Record;

use super::segment::segment;
use super::{Input, SALT};

/// Frames follow each other without a gap, end within the bytes, and are no more than were written.
pub fn run(data: &[u8]) {
    let _ = SegmentHeader::read(data);
    let mut input = Input(data);
    let is_raw = input.byte() & 1 == 1;
    let base = input.number() >> 1;
    let (made, written) = if is_raw { (input.0.to_vec(), 0) } else { segment(&mut input, base) };
    let mut frames = Frames::new(SALT, base, &made);
    let (mut at, mut count) = (base, 0);
    while let Some(found) = frames.next() {
        match found {
            Found::Frame(frame) => {
                assert_eq!(frame.offset, at);
                at = frame.end();
                count += 1;
                if let Some((.., record)) = split_message(frame.payload)
                    && let Some(record) = Record::read(record)
                {
                    record.headers().count();
                }
            }
            Found::Damage { offset, length, .. } => {
                assert_eq!(offset, at);
                assert!(length > 0);
                at += length;
            }
        }
        assert_eq!(frames.offset(), at);
    }
    assert!(count <= written, "a frame that nobody wrote");
    assert_eq!(at + frames.rest().len() as u64, base + made.len() as u64);
    frames.announced();
}
