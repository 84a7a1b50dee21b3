//! What is sent and what comes back, as the document says it: schemas and media types, in JSON with its keys in their
//! order.

use super::packed::packed;
use crate::api::routes::{Answer, Payload};

/// The schemas of JSON answers and the header fields that answers have, by name.
pub(super) const COMPONENTS: &str = packed!(include_str!("components.json"));

/// What `/settle` takes.
const SETTLE: &str = packed!(
    r#"{
      "application/json": {
        "schema": {
          "properties": {
            "fin": {
              "items": {
                "properties": {"receipt": {"maxLength": 64, "type": "string"}},
                "required": ["receipt"],
                "type": ["object", "string"]
              },
              "maxItems": 10000,
              "type": ["array", "null"]
            },
            "req": {
              "items": {
                "properties": {
                  "defer": {"type": ["integer", "null", "string"]},
                  "receipt": {"maxLength": 64, "type": "string"}
                },
                "required": ["receipt"],
                "type": ["object", "string"]
              },
              "maxItems": 10000,
              "type": ["array", "null"]
            },
            "touch": {
              "items": {
                "properties": {
                  "receipt": {"maxLength": 64, "type": "string"},
                  "timeout": {"type": ["integer", "null", "string"]}
                },
                "required": ["receipt"],
                "type": ["object", "string"]
              },
              "maxItems": 10000,
              "type": ["array", "null"]
            }
          },
          "type": "object"
        }
      }
    }"#
);

/// What `/nodes/register` takes.
const REGISTRATION: &str = packed!(
    r#"{
      "application/json": {
        "schema": {
          "properties": {
            "broadcast_address": {"type": "string"},
            "hostname": {"type": "string"},
            "http_port": {"maximum": 65535, "minimum": 0, "type": "integer"},
            "tcp_port": {"maximum": 65535, "minimum": 0, "type": "integer"},
            "topics": {
              "additionalProperties": {"items": {"type": "string"}, "type": ["array", "null"]},
              "description": "The channels of each topic.",
              "type": ["null", "object"]
            },
            "topology_region": {"type": "string"},
            "topology_zone": {"type": "string"},
            "version": {"type": "string"}
          },
          "required": ["broadcast_address", "http_port", "topics"],
          "type": "object"
        }
      }
    }"#
);

/// A request's body, by media type.
pub(super) fn payload(payload: Payload) -> &'static str {
    match payload {
        Payload::None => "{}",
        Payload::Message => packed!(r#"{"*/*": {"schema": {"format": "binary", "type": "string"}}}"#),
        Payload::Batch => packed!(
            r#"{
              "application/octet-stream": {"schema": {"format": "binary", "type": "string"}},
              "application/x-ndjson": {
                "schema": {
                  "description": "One JSON object a line: `body` or `body_base64`, and any of the options.",
                  "type": "string"
                }
              },
              "text/plain": {"schema": {"description": "One message a line.", "type": "string"}}
            }"#
        ),
        Payload::Receipts => {
            packed!(
                r#"{"text/plain": {"schema": {"description": "Receipts, one a line or between commas.", "type": "string"}}}"#
            )
        }
        Payload::Settle => SETTLE,
        Payload::Registration => REGISTRATION,
        Payload::Log => packed!(r#"{"application/octet-stream": {"schema": {"format": "binary", "type": "string"}}}"#),
        Payload::Value => packed!(r#"{"text/plain": {"schema": {"description": "The value.", "type": "string"}}}"#),
    }
}

/// The body of a success, by media type, where it has one and no schema has its name.
pub(super) fn content(answer: Answer) -> &'static str {
    match answer {
        Answer::Nothing | Answer::Json(_) => "{}",
        Answer::Text => packed!(r#"{"text/plain": {"schema": {"type": "string"}}}"#),
        Answer::Published | Answer::Batch => packed!(
            r##"{
              "application/json": {"schema": {"$ref": "#/components/schemas/Published"}},
              "text/plain": {"schema": {"type": "string"}}
            }"##
        ),
        Answer::Log => {
            packed!(r#"{"application/octet-stream": {"schema": {"format": "binary", "type": "string"}}}"#)
        }
        Answer::Leased => packed!(
            r##"{
              "application/json": {"schema": {"$ref": "#/components/schemas/Messages"}},
              "application/octet-stream": {"schema": {"format": "binary", "type": "string"}},
              "application/vnd.shelfmq.frames": {"schema": {"format": "binary", "type": "string"}},
              "application/x-ndjson": {"schema": {"description": "One Message a line.", "type": "string"}},
              "text/event-stream": {
                "schema": {"description": "Events: `id` is the message's id, `data` a Message.", "type": "string"}
              }
            }"##
        ),
        Answer::Stats => packed!(
            r##"{
              "application/json": {"schema": {"$ref": "#/components/schemas/Stats"}},
              "text/plain": {"schema": {"type": "string"}}
            }"##
        ),
        Answer::Option => {
            packed!(r#"{"application/json": {"schema": {}}, "text/plain": {"schema": {"type": "string"}}}"#)
        }
        Answer::Document => packed!(r#"{"application/json": {"schema": {"type": "object"}}}"#),
    }
}

/// The header fields of a success.
pub(super) fn field_names(answer: Answer) -> &'static [&'static str] {
    match answer {
        Answer::Published => &["Shelf-Duplicate", "Shelf-Id", "Shelf-Ignored", "Shelf-Log"],
        Answer::Batch => &["Shelf-Count", "Shelf-Duplicate", "Shelf-Id", "Shelf-Ignored", "Shelf-Log"],
        Answer::Json("PeekedMessages") => &["Shelf-Ignored", "Shelf-Next"],
        Answer::Leased => &[
            "Shelf-Attempts",
            "Shelf-Id",
            "Shelf-Ignored",
            "Shelf-Key",
            "Shelf-Receipt",
            "Shelf-Refused",
            "Shelf-Refused-Count",
            "Shelf-Timestamp",
        ],
        _ => &["Shelf-Ignored"],
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn frames_have_their_media_type() {
        let leased = super::content(super::Answer::Leased);
        assert!(leased.contains(crate::api::frames::MEDIA_TYPE), "{leased}");
    }
}
