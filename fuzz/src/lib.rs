//! What the fuzz targets do with bytes that nobody would think of: a function each, `run`, that panics where something is
//! wrong. `tests/tests/fuzz.rs` calls the same functions, so that each has run in every test.

pub mod any;
pub mod cold;
pub mod frames;
pub mod host;
pub mod load;
pub mod open;
pub mod recording;
pub mod recovery;
pub mod request;
pub mod segment;
pub mod work;

/// The salt of the segments.
pub const SALT: u64 = 0x5eed;

/// When all of it begins, in seconds.
pub const START_SECS: u64 = 1_800_000_000;

/// Numbers of which something may be made that should not: sizes, counts and sums that are too large.
const LARGE: [u64; 10] = [
    1 << 16,
    1 << 20,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    1 << 59,
    START_SECS * 1_000_000_000,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];

/// Takes bytes from the front.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next byte, or zero.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// So many bytes, or as many as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number of one byte, or of eight.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            255 => self.take(8).iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            small => u64::from(small),
        }
    }

    /// A number: mostly a small one, sometimes one of the large, seldom any.
    pub fn count(&mut self) -> u64 {
        match self.byte() {
            255 => self.take(8).iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
            large @ 236..255 => LARGE[usize::from(large - 236) % LARGE.len()],
            small => u64::from(small % 40),
        }
    }

    /// Whether something is so that is so once in so many times.
    pub fn once_in(&mut self, times: u8) -> bool {
        self.byte() % times == times - 1
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }
}
