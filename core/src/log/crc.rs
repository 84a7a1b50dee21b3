//! CRC-32C (Castagnoli), the checksum of the log. By the processor's own instructions where there is an operating
//! system to ask for them, from tables elsewhere; the same numbers. Measured in the component with gzip: `crc-fast`
//! would be 17.8 KB more.

/// The checksum of these bytes.
#[cfg(feature = "std")]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

#[cfg(not(feature = "std"))]
pub(crate) use tables::crc32c;

#[cfg(any(test, not(feature = "std")))]
mod tables {
    use core::sync::atomic::AtomicU32;
    use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

    /// How many bytes one step takes.
    const STEP: usize = 8;
    const POLYNOMIAL: u32 = 0x82f6_3b78;

    /// What each byte does to the checksum when so many bytes follow it. Made at first use, for they do not
    /// compress. Measured in the component with gzip: as constants they would be 8.5 KB more.
    static TABLES: [[AtomicU32; 256]; STEP] = [const { [const { AtomicU32::new(0) }; 256] }; STEP];

    /// The checksum of these bytes.
    pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
        // The last entry to be made is no zero.
        if TABLES[STEP - 1][255].load(Acquire) == 0 {
            make();
        }
        let at = |place: usize, byte: u32| TABLES[place][(byte & 0xff) as usize].load(Relaxed);
        let (steps, rest) = bytes.as_chunks::<STEP>();
        let crc = steps.iter().fold(!0, |crc: u32, &[a, b, c, d, e, f, g, h]| {
            let first = crc ^ u32::from_le_bytes([a, b, c, d]);
            let last = u32::from_le_bytes([e, f, g, h]);
            at(7, first)
                ^ at(6, first >> 8)
                ^ at(5, first >> 16)
                ^ at(4, first >> 24)
                ^ at(3, last)
                ^ at(2, last >> 8)
                ^ at(1, last >> 16)
                ^ at(0, last >> 24)
        });
        !rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ at(0, crc ^ u32::from(*byte)))
    }

    /// Makes the tables. Two threads that do this at once write the same numbers.
    #[cold]
    fn make() {
        let step = |crc: u32| (0..8).fold(crc, |crc, _| (crc >> 1) ^ if crc & 1 == 0 { 0 } else { POLYNOMIAL });
        let [others @ .., last] = &TABLES;
        for (byte, entry) in last.iter().enumerate() {
            let mut crc = byte as u32;
            for table in others {
                // One byte more: of the message at first, and then zeros.
                crc = step(crc);
                table[byte].store(crc, Relaxed);
            }
            // Whoever sees the last entry sees all others: so it is stored once, behind them.
            entry.store(step(crc), Release);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_castagnolis() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn the_tables_give_the_same() {
        let bytes: alloc::vec::Vec<u8> = (0..100_u8).map(|n| n.wrapping_mul(151)).collect();
        for end in 0..bytes.len() {
            let bitwise = bytes[..end].iter().fold(!0, |crc: u32, byte| {
                (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
            });
            assert_eq!(super::tables::crc32c(&bytes[..end]), !bitwise, "{end} bytes");
        }
    }
}
