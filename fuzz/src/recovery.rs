//! Recovery, of any log.

use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::event::Position;
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::recovery::Recovery;
use shelfmq_core::time::Time;

use super::segment::segment;
use super::{Input, SALT};

/// Whatever a log is, its recovery comes to an end and accounts for all bytes of it.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (windows, flags) = (input.byte(), input.byte());
    let header = SegmentHeader { number: 1, index: input.number(), salt: SALT, created: Time::default() };
    let start = SEGMENT_HEADER_BYTES as u64;
    let (bytes, written) = segment(&mut input, start);
    let mut recovery = Recovery::begin(header);
    if flags & 1 == 1 {
        recovery.without_snapshot("t");
    }
    let (mut at, mut window) = (0, 1 + usize::from(windows));
    while at < bytes.len() && !recovery.is_headless() {
        let to = bytes.len().min(at + window);
        let taken = recovery.feed(&bytes[at..to]);
        if taken == 0 && to == bytes.len() {
            break;
        }
        window = if taken == 0 { 2 * window } else { 1 + usize::from(windows) };
        at += taken;
    }
    assert_eq!(recovery.offset(), start + at as u64);
    let recovered = recovery.finish("t", &bytes[at..]);
    assert!(recovered.frames <= written);
    assert_eq!(recovered.end + recovered.torn, start + bytes.len() as u64);
    for damage in &recovered.damage {
        assert!(damage.length > 0 && damage.offset + damage.length <= recovered.end);
    }
    if recovered.headless {
        let next = Position { id: header.index.clamp(1, 1 << 61), bytes: 0 };
        assert!(recovered.image.next >= next);
    }
}
