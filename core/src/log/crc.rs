//! CRC-32C (Castagnoli), the checksum of the log. By the processor's own instructions where there is an operating
//! system to ask for them, from a table elsewhere; the same numbers.

/// The checksum of these bytes.
#[cfg(feature = "std")]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of these bytes.
#[cfg(not(feature = "std"))]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: crc::Crc<u32, crc::Table<16>> = crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);
    TABLE.checksum(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_castagnolis() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
    }
}
