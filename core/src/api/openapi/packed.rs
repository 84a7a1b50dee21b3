//! JSON that is written to be read, as it is sent: without the white space.

/// The JSON text of a constant without white space between its parts.
macro_rules! packed {
    ($json:expr) => {{
        // Two walks at compile time: the first counts, for the length is a part of the type.
        const BYTES: [u8; $crate::api::openapi::packed::length($json)] = $crate::api::openapi::packed::pack($json);
        match core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("white space is no part of a character"),
        }
    }};
}
pub(super) use packed;

/// How long it is without white space.
pub(super) const fn length(json: &str) -> usize {
    walk(json.as_bytes(), &mut [])
}

/// The text without white space, of so many bytes.
pub(super) const fn pack<const N: usize>(json: &str) -> [u8; N] {
    let mut packed = [0; N];
    walk(json.as_bytes(), &mut packed);
    packed
}

/// Copies what is no white space as far as there is room; answers how much there is.
const fn walk(json: &[u8], packed: &mut [u8]) -> usize {
    let (mut from, mut to, mut in_quotes) = (0, 0, false);
    while from < json.len() {
        let byte = json[from];
        // A quote behind a backslash would end the text too early. This fails the build, not the document.
        assert!(byte != b'\\', "escapes are not looked for");
        if byte == b'"' {
            in_quotes = !in_quotes;
        }
        if in_quotes || !byte.is_ascii_whitespace() {
            if to < packed.len() {
                packed[to] = byte;
            }
            to += 1;
        }
        from += 1;
    }
    to
}
