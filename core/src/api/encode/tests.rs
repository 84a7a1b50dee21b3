//! Replies in, bytes out.

use alloc::format;
use alloc::vec;
use core::fmt::Write as _;

use super::*;
use crate::api::{body_limit, body_too_big};
use crate::command::Refusal;
use crate::config::Limits;
use crate::time::Time;

fn context(view: View) -> Context {
    Context { view: view.into(), ..Context::default() }
}

/// A response as it would stand on the wire, without the two fields that (nearly) all have.
fn shown(response: &Response) -> String {
    let mut text = format!("{}", response.status);
    let mut decorations = 0;
    for (field, value) in &response.headers {
        if (field, value) == (&NSQ.0, &NSQ.1) || (field, value) == (&NO_STORE.0, &NO_STORE.1) {
            decorations += 1;
            continue;
        }
        let name = match field {
            Field::Known(known) => known.name(),
            Field::Kept(name) => name,
        };
        let value = match value {
            Value::Static(text) => (*text).into(),
            Value::Id(id) => String::from_utf8_lossy(&id_text(*id)).into_owned(),
            Value::Number(number) => format!("{number}"),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        write!(text, " {name}={value}").expect("writing to a string does not fail");
    }
    assert_eq!(decorations, 2, "{response:?}");
    format!("{text} | {}", String::from_utf8_lossy(response.body.as_bytes()))
}

fn answer(view: View, reply: &Reply) -> String {
    shown(&encode(&context(view), reply)).replace(" content-type=application/json; charset=utf-8", " json")
}

const OK: &str = "200 content-type=text/plain; charset=utf-8";

#[test]
fn nothing_to_tell_is_an_empty_body_without_a_type() {
    assert_eq!(answer(View::Plain, &Reply::Done), "200 | ");
    assert_eq!(answer(View::Raw, &Reply::Nothing), "204 | ");
}

#[test]
fn a_publish_is_answered_as_nsqd_does_with_the_id_beside_it() {
    let published = |first, count, duplicate| Reply::Published(Published { first, count, duplicate, log: None });
    let (new, again, none) = (published(31, 1, false), published(31, 0, true), published(0, 0, false));
    let id = "shelf-id=000000000000001f";
    assert_eq!(answer(View::Published, &new), format!("{OK} {id} | OK"));
    assert_eq!(answer(View::Published, &again), format!("{OK} {id} shelf-duplicate=true | OK"));
    let batch = published(31, 100, false);
    assert_eq!(answer(View::Batch, &batch), format!("{OK} {id} shelf-count=100 | OK"));
    assert_eq!(answer(View::Batch, &none), format!("{OK} shelf-count=0 | OK"));
    assert_eq!(
        answer(View::Batch, &published(31, 100, true)),
        format!("{OK} {id} shelf-count=100 shelf-duplicate=true | OK")
    );
    assert_eq!(answer(View::PublishedJson, &new), format!("200 json {id} | {{\"id\":\"000000000000001f\"}}"));
    let json = r#"{"id":"000000000000001f","count":0,"duplicate":true}"#;
    assert_eq!(answer(View::BatchJson, &again), format!("200 json {id} shelf-count=0 shelf-duplicate=true | {json}"));
    assert_eq!(answer(View::BatchJson, &none), "200 json shelf-count=0 | {\"count\":0}");
}

#[test]
fn a_publish_names_the_life_of_its_log() {
    let published = Published { first: 1, count: 1, duplicate: false, log: Some(0xabc) };
    let found = answer(View::Published, &Reply::Published(published));
    assert_eq!(found, format!("{OK} shelf-id=0000000000000001 shelf-log=0000000000000abc | OK"));
}

#[test]
fn a_publish_costs_one_allocation() {
    let reply = Reply::Published(Published { first: 1, count: 1, duplicate: false, log: None });
    let response = encode(&context(View::Published), &reply);
    assert!(response.headers.capacity() == 5 && matches!(response.body, Body::Static(_)), "made once");
    assert!(response.headers.iter().all(|(_, value)| !matches!(value, Value::Bytes(_))));
}

fn settled(finished: u32, requeued: u32, touched: u32, refused: &[(&str, Refused)]) -> Reply {
    let refused = refused.iter().map(|(text, why)| ((*text).into(), *why)).collect();
    Reply::Settled(Settled { finished, requeued, touched, refused })
}

#[test]
fn a_settle_counts_and_names_what_was_refused() {
    assert_eq!(answer(View::Finished, &settled(1, 0, 0, &[])), r#"200 json | {"finished":1}"#);
    assert_eq!(answer(View::Requeued, &settled(0, 1, 0, &[])), r#"200 json | {"requeued":1}"#);
    assert_eq!(answer(View::Touched, &settled(0, 0, 2, &[])), r#"200 json | {"touched":2}"#);
    let some = settled(2, 0, 0, &[("x", Refused::Malformed), ("1-1", Refused::NotInFlight)]);
    let refused = r#""refused":[{"receipt":"x","reason":"malformed"},{"receipt":"1-1","reason":"not_in_flight"}],"refused_count":2"#;
    assert_eq!(answer(View::Finished, &some), format!(r#"200 json | {{"finished":2,{refused}}}"#));
    let mixed = r#"{"finished":1,"requeued":2,"touched":0}"#;
    assert_eq!(answer(View::SettledFin, &settled(1, 2, 0, &[])), format!("200 json | {mixed}"));
    let nothing = r#"{"finished":0,"requeued":0,"touched":0}"#;
    assert_eq!(answer(View::SettledTouch, &settled(0, 0, 0, &[])), format!("200 json | {nothing}"));
}

#[test]
fn a_settle_of_nothing_failed() {
    let reply = settled(0, 0, 0, &[("1-1", Refused::LeaseExpired), ("2-2", Refused::LeasedAgain)]);
    let refused = r#""refused":[{"receipt":"1-1","reason":"lease_expired"},{"receipt":"2-2","reason":"leased_again"}],"refused_count":2"#;
    for (view, code) in [
        (View::Finished, Code::FinFailed),
        (View::SettledFin, Code::FinFailed),
        (View::Requeued, Code::ReqFailed),
        (View::SettledReq, Code::ReqFailed),
        (View::Touched, Code::TouchFailed),
        (View::SettledTouch, Code::TouchFailed),
    ] {
        let body = format!(r#"{{"message":"{}","detail":"{}",{refused}}}"#, code.text(), code.sentence());
        assert_eq!(answer(view, &reply), format!("404 json | {body}"));
    }
}

#[test]
fn counts_and_places_are_json() {
    assert_eq!(answer(View::Plain, &Reply::Position(255)), r#"200 json | {"position":"00000000000000ff"}"#);
    assert_eq!(answer(View::Redriven, &Reply::Count(3)), r#"200 json | {"redriven":3}"#);
    assert_eq!(answer(View::Dropped, &Reply::Count(3)), r#"200 json | {"dropped":3}"#);
}

#[test]
fn messages_looked_at_tell_their_state() {
    let text = Peeked {
        absent: false,
        id: 1,
        state: Some(State::InFlight),
        attempts: 2,
        until: Some(Time::from_nanos(9)),
        timestamp: Time::from_nanos(7),
        key: Some("k".into()),
        headers: vec![("ce-id".into(), b"\xff1".to_vec())],
        body: b"\"hi\"".to_vec(),
    };
    let bytes = Peeked { state: None, until: None, key: None, headers: vec![], body: vec![0xff], ..text.clone() };
    let expected = concat!(
        r#"{"messages":[{"id":"0000000000000001","state":"in_flight","attempts":2,"until":9,"#,
        r#""ready_at":"1970-01-01T00:00:00.000000009Z","timestamp":7,"published":"1970-01-01T00:00:00.000000007Z","#,
        "\"key\":\"k\",\"headers\":{\"ce-id\":\"ÿ1\"},\"body\":\"\\\"hi\\\"\"},",
        r#"{"id":"0000000000000001","attempts":2,"timestamp":7,"published":"1970-01-01T00:00:00.000000007Z","body_base64":"/w=="}]}"#,
    );
    assert_eq!(answer(View::Plain, &Reply::Peeked(vec![text, bytes], None)), format!("200 json | {expected}"));
    let more = answer(View::Plain, &Reply::Peeked(Vec::new(), Some(31)));
    assert_eq!(more, r#"200 json shelf-next=000000000000001f | {"messages":[],"next":"000000000000001f"}"#);
}

#[test]
fn an_error_is_nsqds_with_a_sentence() {
    let refused = |error: ApiError| shown(&refuse(&Context::default(), &error));
    let json = "content-type=application/json; charset=utf-8";
    let sentence = Code::MsgEmpty.sentence();
    assert_eq!(
        refused(Code::MsgEmpty.into()),
        format!(r#"400 {json} | {{"message":"MSG_EMPTY","detail":"{sentence}"}}"#)
    );
    assert!(refused(Refusal::TopicFull.into()).starts_with(&format!("429 {json} retry-after=1 | ")));
    let gap = refused(Refusal::SeqGap { last: 7 }.into());
    assert!(gap.starts_with(&format!(r#"409 {json} | {{"message":"SEQ_GAP","detail":"#)), "{gap}");
    assert!(gap.ends_with(r#" is 7: the next is 8.","last_seq":7}"#), "{gap}");
    let other = ApiError { allow: Some("GET, PUT".into()), ..Code::MethodNotAllowed.into() };
    assert!(refused(other).starts_with(&format!("405 {json} allow=GET, PUT | ")));
}

#[test]
fn unknown_parameters_are_named_in_every_answer() {
    let context = Context { ignored: Some("a, b".into()), ..Context::default() };
    assert_eq!(shown(&encode(&context, &Reply::Done)), "200 shelf-ignored=a, b | ");
    assert!(shown(&refuse(&context, &Code::MsgEmpty.into())).contains(" shelf-ignored=a, b | "));
}

#[test]
fn refused_receipts_are_listed_but_not_without_end() {
    let list = |refused: &[(String, Refused)]| shown(&Response::empty(204).with_refused(refused));
    let receipt = |text: &str| (String::from(text), Refused::NotInFlight);
    assert_eq!(list(&[]), "204 | ");
    assert_eq!(
        list(&[receipt("1-1"), receipt("a\r\nb,c é")]),
        "204 shelf-refused=1-1,a%0D%0Ab%2Cc%20%C3%A9 shelf-refused-count=2 | "
    );
    let many = vec![receipt("1-1"); REFUSED_NAMED + 1];
    let named = |count| ["1-1"; REFUSED_NAMED].join(",") + &format!(" shelf-refused-count={count} | ");
    assert_eq!(list(&many[..REFUSED_NAMED]), format!("204 shelf-refused={}", named(REFUSED_NAMED)));
    assert_eq!(list(&many), format!("204 shelf-refused={}", named(REFUSED_NAMED + 1)));
    // However long the receipts are, proxies with 4 KiB for a head let it through.
    let longest = vec![receipt(&"é".repeat(crate::api::bounds::RECEIPT_BYTES / 2)); REFUSED_NAMED];
    assert!(list(&longest).len() < 4000);
}

#[test]
fn bodies_have_limits_by_path() {
    let limits = Limits { max_msg_size: 1, max_body_size: 2, ..Limits::default() };
    assert_eq!([body_limit(&limits, "/pub"), body_limit(&limits, "/mpub")], [1, 2]);
    assert!(shown(&body_too_big(&limits, "/pub")).contains("longer than the 1 bytes that max-msg-size allows."));
    assert!(shown(&body_too_big(&limits, "/mpub")).contains("longer than the 2 bytes that max-body-size allows"));
}
