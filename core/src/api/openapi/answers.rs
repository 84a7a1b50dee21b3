//! What the answers look like: their bodies by media type, their header fields, and the schemas of both.

use alloc::format;
use alloc::string::String;

use serde_json::{Map, Value, json};

use super::super::frames;
use super::super::routes::Answer;

/// A success, described.
pub(super) fn success(answer: Answer, meaning: &str) -> Value {
    let mut response = json!({ "description": meaning, "headers": headers(field_names(answer)) });
    let content = content(answer);
    if content.as_object().is_some_and(|types| !types.is_empty()) {
        response["content"] = content;
    }
    response
}

/// What `/sub` says where there is nothing to lease.
pub(super) fn no_message() -> Value {
    json!({ "description": "No message came in time.", "headers": headers(&["Shelf-Refused"]) })
}

/// The header fields of these names, and the one that any answer may have.
fn headers(names: &[&str]) -> Map<String, Value> {
    let all = names.iter().copied().chain(["Shelf-Ignored"]);
    all.map(|name| (name.into(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect()
}

fn field_names(answer: Answer) -> &'static [&'static str] {
    match answer {
        Answer::Published => &["Shelf-Id", "Shelf-Duplicate"],
        Answer::Batch => &["Shelf-Id", "Shelf-Count", "Shelf-Duplicate"],
        Answer::Leased => {
            &["Shelf-Id", "Shelf-Receipt", "Shelf-Attempts", "Shelf-Timestamp", "Shelf-Key", "Shelf-Refused"]
        }
        _ => &[],
    }
}

fn content(answer: Answer) -> Value {
    let text = || json!({ "schema": { "type": "string" } });
    let bytes = || json!({ "schema": { "type": "string", "format": "binary" } });
    let object = |name: &str| json!({ "schema": schema(name) });
    match answer {
        Answer::Nothing => json!({}),
        Answer::Text => json!({ "text/plain": text() }),
        Answer::Published | Answer::Batch => json!({ "text/plain": text(), "application/json": object("Published") }),
        Answer::Leased => json!({
            "application/octet-stream": bytes(),
            "application/json": object("Messages"),
            "application/x-ndjson": { "schema": described("One Message a line.") },
            "text/event-stream": { "schema": described("Events: `id` is the message's id, `data` a Message.") },
            frames::MEDIA_TYPE: bytes(),
        }),
        Answer::Stats => json!({ "text/plain": text(), "application/json": object("Stats") }),
        Answer::Option => json!({ "text/plain": text(), "application/json": { "schema": {} } }),
        Answer::Document => json!({ "application/json": { "schema": { "type": "object" } } }),
        Answer::Json(name) => json!({ "application/json": object(name) }),
    }
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn described(meaning: &str) -> Value {
    json!({ "type": "string", "description": meaning })
}

/// The header fields that answers have, by name.
pub(super) fn fields() -> Value {
    let field = |schema: Value, meaning: &str| json!({ "description": meaning, "schema": schema });
    let text = || json!({ "type": "string" });
    json!({
        "Shelf-Id": field(id(), "The message's id; of a batch, the first one's."),
        "Shelf-Count": field(count(), "How many messages there were."),
        "Shelf-Duplicate": field(json!({ "type": "boolean" }), "true where the message had been accepted before."),
        "Shelf-Receipt": field(text(), "What settles the message. With a raw message, as are those that follow."),
        "Shelf-Attempts": field(count(), "How often the message has been delivered, this time included."),
        "Shelf-Timestamp": field(count(), "When the message was published, in nanoseconds since 1970."),
        "Shelf-Key": field(text(), "The message's ordering key, percent-encoded."),
        "Shelf-Refused": field(text(), "The receipts of `fin` that were refused, percent-encoded."),
        "Shelf-Ignored": field(text(), "The parameters that nobody knows here."),
        "Retry-After": field(count(), "When to try again, in seconds from now."),
    })
}

/// The schemas of JSON answers, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let texts = || list(text());
    let all = [
        ("Error", of(&["message", "detail"], json!({ "message": text(), "detail": text(), "refused": refused() }))),
        ("Published", of(&[], json!({ "id": id(), "count": count(), "duplicate": { "type": "boolean" } }))),
        ("Message", message("receipt", text())),
        ("Messages", of(&["messages"], json!({ "messages": list(schema("Message")) }))),
        ("PeekedMessage", peeked()),
        ("PeekedMessages", of(&["messages"], json!({ "messages": list(schema("PeekedMessage")) }))),
        ("Settled", settled()),
        ("Position", of(&["position"], json!({ "position": id() }))),
        ("Redriven", of(&["redriven"], json!({ "redriven": count() }))),
        ("Dropped", of(&["dropped"], json!({ "dropped": count() }))),
        ("Stats", json!({ "type": "object", "additionalProperties": true })),
        ("Info", json!({ "type": "object", "additionalProperties": true })),
        ("Topics", of(&["topics"], json!({ "topics": texts() }))),
        ("Channels", of(&["channels"], json!({ "channels": texts() }))),
        ("Lookup", of(&["channels", "producers"], json!({ "channels": texts(), "producers": list(producer()) }))),
        ("Nodes", of(&["producers"], json!({ "producers": list(node()) }))),
    ];
    all.into_iter().map(|(name, schema)| (name.into(), schema)).collect()
}

/// An object with these fields, of which some are always there.
fn of(required: &[&str], properties: Value) -> Value {
    Value::from_iter([("type", "object".into()), ("required", required.into()), ("properties", properties)])
}

fn list(items: Value) -> Value {
    Value::from_iter([("type", "array".into()), ("items", items)])
}

fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

/// A message, with a field of its own beside those that all have.
fn message(own: &str, schema: Value) -> Value {
    let mut properties = json!({
        "id": id(),
        "attempts": count(),
        "timestamp": { "type": "integer", "description": "When it was published, in nanoseconds since 1970." },
        "key": { "type": "string" },
        "headers": { "type": "object", "additionalProperties": { "type": "string" } },
        "body": described("The body, where it is UTF-8."),
        "body_base64": described("The body in base64, where it is not."),
    });
    properties[own] = schema;
    of(&["id", "attempts", "timestamp"], properties)
}

fn peeked() -> Value {
    let mut peeked = message("state", json!({ "type": "string", "enum": ["ready", "in_flight", "deferred", "dead"] }));
    peeked["properties"]["until"] = json!({
        "type": "integer",
        "description": "When it is ready again, in nanoseconds since 1970.",
    });
    peeked
}

fn settled() -> Value {
    let counts = json!({ "finished": count(), "requeued": count(), "touched": count(), "refused": refused() });
    of(&[], counts)
}

fn refused() -> Value {
    let reasons = ["malformed", "not_in_flight", "lease_expired", "leased_again"];
    let properties = json!({ "receipt": { "type": "string" }, "reason": { "type": "string", "enum": reasons } });
    list(of(&["receipt", "reason"], properties))
}

fn producer() -> Value {
    let text = || json!({ "type": "string" });
    let properties = json!({
        "remote_address": text(),
        "hostname": text(),
        "broadcast_address": text(),
        "tcp_port": count(),
        "http_port": count(),
        "version": text(),
        "topology_zone": text(),
        "topology_region": text(),
    });
    of(&["broadcast_address", "http_port"], properties)
}

fn node() -> Value {
    let mut node = producer();
    node["properties"]["topics"] = list(json!({ "type": "string" }));
    node["properties"]["tombstones"] = list(json!({ "type": "boolean" }));
    node
}
