//! Leased messages in the formats that a consumer may ask for.

use alloc::format;
use alloc::vec::Vec;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::encode::{Hex, Instant, NO_STORE, NSQ, content, fields, header_text};
use super::frames;
use super::view::View;
use super::{Body, Field, Known, Response, Value};
use crate::command::Context;
use crate::message::{Delivery, Receipt};

/// The answer with leased messages. For a stream this is [`stream_head`] and [`stream_chunk`].
pub fn encode_leased<'a>(
    context: &Context,
    deliveries: impl ExactSizeIterator<Item = Delivery<'a>> + Clone,
) -> Response {
    let response = match View::of(context) {
        // `raw` goes with `max=1` only, so that there is one at most.
        View::Raw => match deliveries.clone().next() {
            Some(delivery) => raw(&delivery),
            None => Response::empty(204),
        },
        View::Frames => Response::of(200, frames::MEDIA_TYPE, Body::Bytes(frames::write_all(deliveries))),
        View::Ndjson => Response::of(200, NDJSON, Body::Bytes(json_lines(deliveries))),
        _ => Response::json(200, &Messages { messages: List(deliveries) }),
    };
    response.in_context(context)
}

const NDJSON: &str = "application/x-ndjson";

/// How a stream's answer begins. Its chunks are [`stream_chunk`]s and [`heartbeat`]s.
pub fn stream_head(context: &Context) -> Response {
    let content_type = if View::of(context) == View::Sse { "text/event-stream" } else { NDJSON };
    Response::of(200, content_type, Body::Static(b"")).in_context(context)
}

/// The messages as a part of a stream.
pub fn stream_chunk<'a>(context: &Context, deliveries: impl ExactSizeIterator<Item = Delivery<'a>> + Clone) -> Vec<u8> {
    if View::of(context) == View::Sse { events(deliveries) } else { json_lines(deliveries) }
}

/// What a stream says when it has nothing to say: a comment, or white space before the next line's JSON. An empty line
/// would break readers that take each line for a document.
pub fn heartbeat(context: &Context) -> &'static [u8] {
    if View::of(context) == View::Sse { b":\n\n" } else { b" " }
}

/// One message as it was published, with what is said of it in header fields.
fn raw(delivery: &Delivery<'_>) -> Response {
    let record = &delivery.record;
    let headers = fields([
        (Field::Known(Known::ContentType), Value::Static("application/octet-stream")),
        NSQ,
        NO_STORE,
        (Field::Known(Known::Id), Value::Id(delivery.receipt.id)),
        (Field::Known(Known::Receipt), Value::Bytes(receipt_bytes(delivery.receipt))),
        (Field::Known(Known::Attempts), Value::Number(delivery.attempts.into())),
        (Field::Known(Known::Timestamp), Value::Number(record.timestamp.as_nanos())),
    ]);
    let mut response = Response { status: 200, headers, body: Body::Bytes(record.body.into()), settles: false };
    if let Some(key) = record.key {
        response = response.with(Known::Key, header_text(key));
    }
    for (name, value) in record.headers() {
        // The publisher's type takes the place of ours: a response has one.
        if name == Known::ContentType.name() {
            response.headers[0].1 = Value::Bytes(value.into());
        } else {
            response.headers.push((Field::Kept(name.into()), Value::Bytes(value.into())));
        }
    }
    response
}

fn receipt_bytes(receipt: Receipt) -> Vec<u8> {
    let mut text = Vec::with_capacity(33);
    receipt.write(&mut text);
    text
}

/// Messages as JSON objects, one a line.
fn json_lines<'a>(deliveries: impl Iterator<Item = Delivery<'a>>) -> Vec<u8> {
    let mut lines = Vec::new();
    for delivery in deliveries {
        // JSON escapes line feeds, so that one line is one message whatever is in it.
        lines.extend_from_slice(&json(delivery));
        lines.push(b'\n');
    }
    lines
}

/// Messages as server-sent events. JSON has no line breaks of its own, so that each is one `data:` line.
fn events<'a>(deliveries: impl Iterator<Item = Delivery<'a>>) -> Vec<u8> {
    let mut events = Vec::new();
    for delivery in deliveries {
        events.extend_from_slice(b"id: ");
        events.extend_from_slice(&crate::message::id_text(delivery.receipt.id));
        events.extend_from_slice(b"\ndata: ");
        events.extend_from_slice(&json(delivery));
        events.extend_from_slice(b"\n\n");
    }
    events
}

fn json(delivery: Delivery<'_>) -> Vec<u8> {
    serde_json::to_vec(&Message(delivery)).expect("a message's JSON has string keys and cannot fail")
}

#[derive(Serialize)]
struct Messages<I> {
    messages: I,
}

/// Deliveries as a JSON list, one after the other: no list of objects is built first.
struct List<I>(I);

impl<'a, I: ExactSizeIterator<Item = Delivery<'a>> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Cloned, for `serialize` only borrows; deliveries are a view of leases, and cost nothing to go through again.
        serializer.collect_seq(self.0.clone().map(Message))
    }
}

/// A delivery as a JSON object.
struct Message<'a>(Delivery<'a>);

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Delivery { receipt, attempts, record } = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &Hex(receipt.id))?;
        map.serialize_entry("receipt", &format!("{receipt}"))?;
        map.serialize_entry("attempts", attempts)?;
        map.serialize_entry("timestamp", &record.timestamp.as_nanos())?;
        map.serialize_entry("published", &Instant(record.timestamp))?;
        content(&mut map, record.key, || record.headers(), record.body)?;
        map.end()
    }
}

#[cfg(test)]
mod tests;
