//! Each bound: what goes to it is taken, and one step beyond refused.

use super::*;
use crate::api::bounds;

#[test]
fn a_message_may_be_longer_than_other_bodies() {
    let limits = Limits { max_msg_size: 20, max_body_size: 10, ..Limits::default() };
    let code = |target: &str, bytes: usize| {
        let body = vec![b'x'; bytes];
        decode(&limits, &request("POST", target, &[], &body)).call.err().map(|error| error.code)
    };
    assert_eq!([code("/pub?topic=t", 20), code("/pub?topic=t", 21)], [None, Some(Code::MsgTooBig)]);
    assert_eq!([code("/mpub?topic=t", 10), code("/mpub?topic=t", 11)], [None, Some(Code::BodyTooBig)]);
}

#[test]
fn settled_receipts_are_bounded() {
    let limits = Limits::default();
    let decode_settle = |body: String| {
        let decoded = decode(&limits, &request("POST", "/settle?topic=t&channel=c", &[], body.as_bytes()));
        decoded.call.map(|_| ()).map_err(|error| error.code)
    };
    let list = |count: usize| vec!["\"1-1\""; count].join(",");
    let half = bounds::RECEIPTS / 2;
    let body = |more: usize| format!(r#"{{"fin":[{}],"touch":[{}]}}"#, list(half), list(half + more));
    assert_eq!(decode_settle(body(0)), Ok(()));
    assert_eq!(decode_settle(body(1)), Err(Code::TooManyReceipts));
    assert_eq!(decode_settle(format!(r#"{{"req":[{}]}}"#, list(5 * half))), Err(Code::TooManyReceipts));
    let one = |bytes: usize| format!(r#"{{"req":["{}"]}}"#, "x".repeat(bytes));
    assert_eq!(decode_settle(one(bounds::RECEIPT_BYTES)), Ok(()));
    assert_eq!(decode_settle(one(bounds::RECEIPT_BYTES + 1)), Err(Code::InvalidReceipt));
    // Query and body count together.
    let body = "1-1\n".repeat(bounds::RECEIPTS);
    let target = "/fin?topic=t&channel=c";
    let code =
        |target: &str| decode(&limits, &request("POST", target, &[], body.as_bytes())).call.err().map(|e| e.code);
    assert_eq!(code(target), None);
    assert_eq!(code(&format!("{target}&receipt=1-1")), Some(Code::TooManyReceipts));
    assert_eq!(code("/sub?topic=t&channel=c&fin=1-1"), Some(Code::TooManyReceipts));
}

#[test]
fn batches_are_bounded_in_messages() {
    let limits = Limits { max_batch: 3, ..Limits::default() };
    let code = |target: &str, headers: Headers<'_>, body: &[u8]| {
        decode(&limits, &request("POST", target, headers, body)).call.err().map(|error| error.code)
    };
    let line = b"{\"body\":\"a\"}\n";
    for (count, expected) in [(3, None), (4, Some(Code::BatchTooLong))] {
        assert_eq!(code("/mpub?topic=t", &[], &b"a\n".repeat(count)), expected);
        assert_eq!(code("/mpub?topic=t", NDJSON, &line.repeat(count)), expected);
        let body = binary(count as u32, &vec![(1, &b"a"[..]); count]);
        assert_eq!(code("/mpub?topic=t&binary=true", &[], &body), expected);
    }
}

#[test]
fn an_answer_has_a_budget() {
    let most = Limits::default().max_answer_bytes;
    let of = |query: &str| subscribe("GET", &format!("/sub?topic=t&channel=c{query}"), &[], b"").1.max_bytes;
    assert_eq!([of(""), of("&max_bytes=1"), of(&format!("&max_bytes={most}"))], [8 << 20, 1, most]);
    for target in ["/sub?topic=t&channel=c", "/peek?topic=t", "/dead?topic=t&channel=c"] {
        for bad in [0, most + 1] {
            assert_eq!(error("GET", &format!("{target}&max_bytes={bad}"), &[], b"").code, Code::InvalidMaxBytes);
        }
    }
    let small = Limits { max_answer_bytes: 10, ..Limits::default() };
    let decoded = decode(&small, &request("GET", "/peek?topic=t", &[], b""));
    assert!(matches!(decoded.call, Ok(Call::Topic(Command { verb: Verb::Peek(peek), .. })) if peek.max_bytes == 10));
}

#[test]
fn keys_and_names_are_bounded() {
    let ok =
        |target: &str, headers: Headers<'_>| decode(&limits(), &request("POST", target, headers, b"x")).call.is_ok();
    let (longest, longer) = ("k".repeat(256), "k".repeat(257));
    for param in ["/pub?topic=t&key=", "/pub?topic=t&dedup=", "/sub?topic=t&channel=c&client="] {
        assert!(ok(&format!("{param}{longest}"), &[]) && !ok(&format!("{param}{longer}"), &[]), "{param}");
    }
    let key = |bytes| ok("/pub?topic=t", &[("idempotency-key", bytes)]);
    assert!(key(longest.as_bytes()) && !key(longer.as_bytes()) && key(&[0xfc; 256]) && !key(&[0xfc; 257]));
    let headers = |bytes: usize| [("x-long", "x".repeat(bytes - "x-long".len()))];
    for (bytes, fits) in [(bounds::HEADER_BYTES, true), (bounds::HEADER_BYTES + 1, false)] {
        let headers = headers(bytes);
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_bytes()));
        assert_eq!(ok("/pub?topic=t", &headers), fits, "{bytes}");
        let fault = route(request("POST", "/pub?topic=t", &headers, b"").head()).fault().map(|fault| fault.code);
        assert_eq!(fault, (!fits).then_some(Code::HeaderFieldsTooLarge));
    }
}
