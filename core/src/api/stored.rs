//! Responses that wait to be sent, as plain data: what was known beforehand owns its bytes when it comes back.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Body, Value};

/// The value of a header field.
#[derive(Serialize, Deserialize)]
enum Stored {
    Id(u64),
    Number(u64),
    Bytes(#[serde(with = "crate::state::bytes")] Vec<u8>),
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let stored = match self {
            // Read back it is a copy with the same bytes: only where they come from is not kept.
            Value::Static(text) => Stored::Bytes(text.as_bytes().into()),
            Value::Id(id) => Stored::Id(*id),
            Value::Number(number) => Stored::Number(*number),
            Value::Bytes(bytes) => Stored::Bytes(bytes.clone()),
        };
        stored.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Stored::deserialize(from).map(|stored| match stored {
            Stored::Id(id) => Value::Id(id),
            Stored::Number(number) => Value::Number(number),
            Stored::Bytes(bytes) => Value::Bytes(bytes),
        })
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.as_bytes())
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::state::bytes::deserialize(from).map(Body::Bytes)
    }
}
