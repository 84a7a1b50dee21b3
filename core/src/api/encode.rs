//! A reply to a [`Response`].

use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::bounds::REFUSED_NAMED;
use super::errors::{ApiError, Code};
use super::values::{header_value, rfc3339_nanos};
use super::view::View;
use super::{Body, Field, Known, Response, Value};
use crate::command::{Context, Peeked, Published, Refused, Reply, Settled, State};
use crate::message::id_text;
use crate::time::Time;

/// The answer to a command, leased messages apart: those are for [`encode_leased`](super::encode_leased).
pub fn encode(context: &Context, reply: &Reply) -> Response {
    let response = match (reply, View::of(context)) {
        (Reply::Done, View::Exported) => Response::of(200, "application/octet-stream", Body::Static(b"")),
        (Reply::Done, _) => Response::empty(200),
        (Reply::Nothing, _) => Response::empty(204),
        (Reply::Published(published), view) => published_response(*published, view),
        (Reply::Settled(settled), view) => settled_response(settled, view),
        (Reply::Position(id), _) => Response::json(200, &Position { position: Hex(*id) }),
        (Reply::Count(dropped), View::Dropped) => Response::json(200, &Dropped { dropped: *dropped }),
        (Reply::Count(redriven), _) => Response::json(200, &Redriven { redriven: *redriven }),
        (Reply::Peeked(messages, next), _) => peeked_response(messages, *next),
        // Nobody is answered while waiting: the engine does not ask.
    };
    response.in_context(context)
}

/// The answer that says no.
pub fn refuse(context: &Context, error: &ApiError) -> Response {
    error_response(error).in_context(context)
}

fn error_response(error: &ApiError) -> Response {
    let body = ErrorBody { last_seq: error.last_seq, ..ErrorBody::of(error.code, error.sentence()) };
    let mut response = Response::json(error.code.status(), &body);
    // Whatever passes by itself.
    if error.code == Code::TopicFull || matches!(error.code.status(), 503 | 507) {
        response = response.with(Known::RetryAfter, Value::Static("1"));
    }
    if let Some(allow) = &error.allow {
        response = response.with(Known::Allow, Value::Bytes(allow.clone().into_bytes()));
    }
    response
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    refused: &'a [RefusedBody<'a>],
    #[serde(skip_serializing_if = "is_zero")]
    refused_count: usize,
}

impl<'a> ErrorBody<'a> {
    fn of(code: Code, detail: &'a str) -> Self {
        ErrorBody { message: code.text(), detail, last_seq: None, refused: &[], refused_count: 0 }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn peeked_response(messages: &[Peeked], next: Option<u64>) -> Response {
    let response = Response::json(200, &Messages { messages, next: next.map(Hex) });
    match next {
        Some(next) => response.with(Known::Next, Value::Id(next)),
        None => response,
    }
}

fn published_response(published: Published, view: View) -> Response {
    let Published { first, count, duplicate, log } = published;
    // Ids begin at 1: zero is that of nothing, an empty batch or a duplicate that is not known any more.
    let id = (first != 0).then_some(first);
    let batch = !matches!(view, View::Published | View::PublishedJson);
    let mut response = if matches!(view, View::PublishedJson | View::BatchJson) {
        Response::json(200, &PublishedBody { id: id.map(Hex), count: batch.then_some(count), duplicate })
    } else {
        Response::text(200, Body::Static(b"OK"))
    };
    if let Some(id) = id {
        response = response.with(Known::Id, Value::Id(id));
    }
    if batch {
        response = response.with(Known::Count, Value::Number(count.into()));
    }
    if duplicate {
        response = response.with(Known::Duplicate, Value::Static("true"));
    }
    if let Some(log) = log {
        response = response.with(Known::Log, Value::Id(log));
    }
    response
}

#[derive(Serialize)]
struct PublishedBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Hex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    duplicate: bool,
}

fn settled_response(settled: &Settled, view: View) -> Response {
    let Settled { finished, requeued, touched, refused } = settled;
    if refused.is_empty() && *finished + *requeued + *touched == 1 {
        // One message settled, and nothing else to say: by far the most frequent answer.
        match view {
            View::Finished => return Response::json_bytes(200, Body::Static(b"{\"finished\":1}")),
            View::Requeued => return Response::json_bytes(200, Body::Static(b"{\"requeued\":1}")),
            View::Touched => return Response::json_bytes(200, Body::Static(b"{\"touched\":1}")),
            _ => {}
        }
    }
    let refused: Vec<RefusedBody<'_>> = refused.iter().map(RefusedBody::of).collect();
    // Where anything was done it is a success, with what was refused beside it: an error would have it all tried again.
    if finished + requeued + touched == 0 && !refused.is_empty() {
        let code = failure(view);
        let refused_count = refused.len();
        let body = ErrorBody { refused: &refused, refused_count, ..ErrorBody::of(code, code.sentence()) };
        return Response::json(code.status(), &body);
    }
    // A count that was not asked for is left out, a zero that was is told.
    let shown = |own: View, n: u32| (view == own || is_mixed(view)).then_some(n);
    let body = SettledBody {
        finished: shown(View::Finished, *finished),
        requeued: shown(View::Requeued, *requeued),
        touched: shown(View::Touched, *touched),
        refused_count: refused.len(),
        refused,
    };
    Response::json(200, &body)
}

fn is_mixed(view: View) -> bool {
    !matches!(view, View::Finished | View::Requeued | View::Touched)
}

fn failure(view: View) -> Code {
    match view {
        View::Requeued | View::SettledReq => Code::ReqFailed,
        View::Touched | View::SettledTouch => Code::TouchFailed,
        _ => Code::FinFailed,
    }
}

#[derive(Serialize)]
struct SettledBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requeued: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<RefusedBody<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    refused_count: usize,
}

#[derive(Serialize)]
struct RefusedBody<'a> {
    receipt: &'a str,
    reason: &'static str,
}

impl<'a> RefusedBody<'a> {
    fn of((receipt, reason): &'a (String, Refused)) -> Self {
        let reason = match reason {
            Refused::Malformed => "malformed",
            Refused::NotInFlight => "not_in_flight",
            Refused::LeaseExpired => "lease_expired",
            Refused::LeasedAgain => "leased_again",
        };
        RefusedBody { receipt, reason }
    }
}

#[derive(Serialize)]
struct Position {
    position: Hex,
}

#[derive(Serialize)]
struct Redriven {
    redriven: u64,
}

#[derive(Serialize)]
struct Dropped {
    dropped: u64,
}

#[derive(Serialize)]
struct Messages<'a> {
    messages: &'a [Peeked],
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Hex>,
}

impl Serialize for Peeked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &Hex(self.id))?;
        if let Some(state) = self.state {
            map.serialize_entry("state", state_text(state))?;
        }
        map.serialize_entry("attempts", &self.attempts)?;
        if let Some(until) = self.until {
            map.serialize_entry("until", &until.as_nanos())?;
            map.serialize_entry("ready_at", &Instant(until))?;
        }
        // What is only in a log has nothing more to show, and no empty body either, which would be a lie.
        if self.absent {
            map.serialize_entry("absent", &true)?;
            return map.end();
        }
        map.serialize_entry("timestamp", &self.timestamp.as_nanos())?;
        map.serialize_entry("published", &Instant(self.timestamp))?;
        let headers = || self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        content(&mut map, self.key.as_deref(), headers, &self.body)?;
        map.end()
    }
}

fn state_text(state: State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::InFlight => "in_flight",
        State::Deferred => "deferred",
        State::Dead => "dead",
    }
}

/// What the publisher said, as all JSON forms of a message end: key, headers, and the body as text where it
/// is UTF-8 and in base64 where it is not.
pub(super) fn content<'a, M: SerializeMap, I: Iterator<Item = (&'a str, &'a [u8])>>(
    map: &mut M,
    key: Option<&str>,
    headers: impl Fn() -> I,
    body: &[u8],
) -> Result<(), M::Error> {
    if let Some(key) = key {
        map.serialize_entry("key", key)?;
    }
    if headers().next().is_some() {
        map.serialize_entry("headers", &Headers(headers))?;
    }
    match core::str::from_utf8(body) {
        Ok(text) => map.serialize_entry("body", text),
        Err(_) => map.serialize_entry("body_base64", &STANDARD.encode(body)),
    }
}

/// A point in time in JSON, in a form that JavaScript does not round.
pub(super) struct Instant(pub(super) Time);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(core::str::from_utf8(&rfc3339_nanos(self.0)).expect("digits are ASCII"))
    }
}

/// Kept headers as a JSON object.
struct Headers<F>(F);

impl<'a, I: Iterator<Item = (&'a str, &'a [u8])>, F: Fn() -> I> Serialize for Headers<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)().map(|(name, value)| (name, header_value(value))))
    }
}

/// A message id in JSON.
#[derive(Clone, Copy)]
pub(super) struct Hex(pub(super) u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(core::str::from_utf8(&id_text(self.0)).expect("hex digits are ASCII"))
    }
}

/// What stands for itself in a header that carries a consumer's or a publisher's own text.
const NOT_PLAIN: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b',');

/// Text from outside as the value of a header field, percent-encoded where a header could not carry it.
pub(super) fn header_text(text: &str) -> Value {
    Value::Bytes(utf8_percent_encode(text, NOT_PLAIN).collect::<String>().into_bytes())
}

/// Header fields, with room for those that most responses add. On the heap, for a response is moved more often
/// than it is made.
pub(super) fn fields<const N: usize>(fields: [(Field, Value); N]) -> Vec<(Field, Value)> {
    let mut headers = Vec::with_capacity(N + 2);
    headers.extend(fields);
    headers
}

impl Response {
    /// A response without a body.
    pub(super) fn empty(status: u16) -> Response {
        Response { status, headers: fields([NSQ, NO_STORE]), body: Body::Static(b""), settles: false }
    }

    /// A response with text. As with Go, where the text is empty it has no content type.
    pub(super) fn text(status: u16, body: Body) -> Response {
        if body.as_bytes().is_empty() {
            Response::empty(status)
        } else {
            Response::of(status, "text/plain; charset=utf-8", body)
        }
    }

    /// A response with JSON.
    pub(super) fn json(status: u16, value: &impl Serialize) -> Response {
        let body = serde_json::to_vec(value).expect("the API's own types have string keys and cannot fail");
        Response::json_bytes(status, Body::Bytes(body))
    }

    /// A response with JSON that is written already.
    pub(super) fn json_bytes(status: u16, body: Body) -> Response {
        Response::of(status, "application/json; charset=utf-8", body)
    }

    /// A response with a body of this type.
    pub(super) fn of(status: u16, content_type: &'static str, body: Body) -> Response {
        let content_type = (Field::Known(Known::ContentType), Value::Static(content_type));
        Response { status, headers: fields([content_type, NSQ, NO_STORE]), body, settles: false }
    }

    /// One more header field.
    #[must_use]
    pub(super) fn with(mut self, field: Known, value: Value) -> Response {
        self.headers.push((Field::Known(field), value));
        self
    }

    /// The same, with what the context of the request adds.
    #[must_use]
    pub(super) fn in_context(mut self, context: &Context) -> Response {
        self.settles = context.settles;
        match &context.ignored {
            Some(names) => self.with(Known::Ignored, Value::Bytes(names.as_bytes().into())),
            None => self,
        }
    }

    /// Names the first receipts that an ack-and-fetch could not finish, in `shelf-refused`, and says how many there
    /// were, in `shelf-refused-count`. Nothing for none.
    #[must_use]
    pub fn with_refused(self, refused: &[(String, Refused)]) -> Response {
        if refused.is_empty() {
            return self;
        }
        // A header has room for some only; the count says how many more there are.
        let mut list = String::new();
        for (receipt, _) in refused.iter().take(REFUSED_NAMED) {
            let separator = if list.is_empty() { "" } else { "," };
            list.extend(core::iter::once(separator).chain(utf8_percent_encode(receipt, NOT_PLAIN)));
        }
        self.with(Known::Refused, Value::Bytes(list.into_bytes()))
            .with(Known::RefusedCount, Value::Number(refused.len() as u64))
    }
}

pub(super) const NSQ: (Field, Value) = (Field::Known(Known::NsqContentType), Value::Static("nsq; version=1.0"));
pub(super) const NO_STORE: (Field, Value) = (Field::Known(Known::CacheControl), Value::Static("no-store"));

impl Field {
    /// The field's name, lower-case.
    pub fn name(&self) -> &str {
        match self {
            Field::Known(known) => known.name(),
            Field::Kept(name) => name,
        }
    }
}

impl Value {
    /// The bytes that stand in the header.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Value::Static(text) => text.into(),
            Value::Id(id) => id_text(id).into(),
            Value::Number(number) => alloc::format!("{number}").into_bytes(),
            Value::Bytes(bytes) => bytes,
        }
    }
}

impl Body {
    /// The body's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Body::Static(bytes) => bytes,
            Body::Bytes(bytes) => bytes,
        }
    }

    /// The body's bytes, which are copied only where they were known beforehand.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Body::Static(bytes) => bytes.into(),
            Body::Bytes(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests;
