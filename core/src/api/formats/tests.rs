//! Deliveries in each format, byte for byte.

use alloc::string::String;

use super::*;
use crate::message::{Record, write_header};
use crate::time::Time;

fn context(view: View) -> Context {
    Context { view: view.into(), ..Context::default() }
}

fn header_block() -> Vec<u8> {
    let mut block = Vec::new();
    write_header(&mut block, "content-type", b"text/csv");
    write_header(&mut block, "ce-id", b"1");
    block
}

fn text(block: &[u8]) -> Delivery<'_> {
    let timestamp = Time::from_nanos(7);
    let record = Record { timestamp, due: None, expires: None, key: Some("a b\n"), header_block: block, body: b"h\ni" };
    Delivery { receipt: Receipt { id: 31, delivery: 2 }, attempts: 3, record }
}

fn bytes() -> Delivery<'static> {
    let timestamp = Time::from_nanos(8);
    let record = Record { timestamp, due: None, expires: None, key: None, header_block: &[], body: b"\xff" };
    Delivery { receipt: Receipt { id: 32, delivery: 4 }, attempts: 1, record }
}

const TEXT: &str = concat!(
    r#"{"id":"000000000000001f","receipt":"1f-2","attempts":3,"timestamp":7,"published":"1970-01-01T00:00:00.000000007Z","#,
    r#""key":"a b\n","headers":{"content-type":"text/csv","ce-id":"1"},"body":"h\ni"}"#,
);
const BYTES: &str = concat!(
    r#"{"id":"0000000000000020","receipt":"20-4","attempts":1,"timestamp":8,"#,
    r#""published":"1970-01-01T00:00:00.000000008Z","body_base64":"/w=="}"#,
);

fn body(view: View) -> String {
    let block = header_block();
    let response = encode_leased(&context(view), [text(&block), bytes()].into_iter());
    String::from_utf8_lossy(response.body.as_bytes()).into_owned()
}

fn content_type(response: &Response) -> &Value {
    let found = response.headers.iter().find(|(field, _)| *field == Field::Known(Known::ContentType));
    &found.expect("a content type").1
}

#[test]
fn json_and_its_lines() {
    assert_eq!(body(View::Json), format!("{{\"messages\":[{TEXT},{BYTES}]}}"));
    assert_eq!(body(View::Ndjson), format!("{TEXT}\n{BYTES}\n"));
}

#[test]
fn streams() {
    let block = header_block();
    let chunk = |view| {
        let chunk = stream_chunk(&context(view), [text(&block), bytes()].into_iter());
        String::from_utf8_lossy(&chunk).into_owned()
    };
    assert_eq!(chunk(View::NdjsonStream), format!("{TEXT}\n{BYTES}\n"));
    let events = format!("id: 000000000000001f\ndata: {TEXT}\n\nid: 0000000000000020\ndata: {BYTES}\n\n");
    assert_eq!(chunk(View::Sse), events);
    assert_eq!(heartbeat(&context(View::Sse)), b":\n\n");
    assert_eq!(heartbeat(&context(View::NdjsonStream)), b" ");
    assert_eq!(content_type(&stream_head(&context(View::Sse))), &Value::Static("text/event-stream"));
    assert_eq!(content_type(&stream_head(&context(View::NdjsonStream))), &Value::Static("application/x-ndjson"));
}

#[test]
fn frames_are_all_in_one_body() {
    let block = header_block();
    let response = encode_leased(&context(View::Frames), [text(&block), bytes()].into_iter());
    assert_eq!(content_type(&response), &Value::Static(frames::MEDIA_TYPE));
    let (first, rest) = frames::read(response.body.as_bytes()).expect("a frame");
    let (second, rest) = frames::read(rest).expect("a second frame");
    assert_eq!((first.receipt, first.body, second.receipt, second.body), ("1f-2", &b"h\ni"[..], "20-4", &b"\xff"[..]));
    assert!(rest.is_empty());
}

#[test]
fn raw_is_the_message_with_header_fields() {
    let block = header_block();
    let response = encode_leased(&context(View::Raw), [text(&block)].into_iter());
    assert_eq!((response.status, response.body.as_bytes()), (200, &b"h\ni"[..]));
    assert_eq!(content_type(&response), &Value::Bytes(b"text/csv".to_vec()));
    let expected = [
        (Field::Known(Known::Id), Value::Id(31)),
        (Field::Known(Known::Receipt), Value::Bytes(b"1f-2".to_vec())),
        (Field::Known(Known::Attempts), Value::Number(3)),
        (Field::Known(Known::Timestamp), Value::Number(7)),
        (Field::Known(Known::Key), Value::Bytes(b"a%20b%0A".to_vec())),
        (Field::Kept("ce-id".into()), Value::Bytes(b"1".to_vec())),
    ];
    assert_eq!(response.headers[3..], expected);
    let response = encode_leased(&context(View::Raw), [bytes()].into_iter());
    assert_eq!(content_type(&response), &Value::Static("application/octet-stream"));
    assert_eq!(encode_leased(&context(View::Raw), core::iter::empty()).status, 204);
}
