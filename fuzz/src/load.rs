//! Messages that are read back from any log.

use shelfmq_core::log::load::Loaded;

use super::segment::segment;
use super::{Input, SALT};

/// More bytes of a log never tell of fewer messages.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let (from, count, part, base) =
        (input.number() >> 16, u64::from(input.byte()), input.number(), input.number() >> 1);
    let to = from + count;
    let (bytes, _) = segment(&mut input, base);
    let whole = Loaded::decode(SALT, base, &bytes, from, to);
    assert!(whole.missing() as u64 <= count);
    let part = Loaded::decode(SALT, base, &bytes[..bytes.len().min(part as usize)], from, to);
    assert!(whole.missing() <= part.missing());
    let _ = Loaded::decode(SALT, base, &bytes, to, from);
}
