//! What a consumer that finishes all it is given needs of the frames format.

use shelfmq_core::api::frames;

/// Puts the receipts of all messages in `body` into `receipts`, one a line, in place of what was there.
/// How many there are.
///
/// # Panics
///
/// If `body` is not a list of whole frames.
pub fn receipts(mut body: &[u8], receipts: &mut Vec<u8>) -> usize {
    receipts.clear();
    let mut count = 0;
    while !body.is_empty() {
        let (frame, rest) = frames::read(body).expect("whole frames");
        receipts.extend_from_slice(frame.receipt.as_bytes());
        receipts.push(b'\n');
        body = rest;
        count += 1;
    }
    count
}

/// How many messages there are in `body`.
///
/// # Panics
///
/// If it is not a list of whole frames.
pub fn count(mut body: &[u8]) -> usize {
    let mut count = 0;
    while !body.is_empty() {
        body = frames::read(body).expect("whole frames").1;
        count += 1;
    }
    count
}
