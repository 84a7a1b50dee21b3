//! What JSON bodies are made of: texts that borrow where they can, and durations.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::api::bounds;
use crate::time::parse_duration;

/// Reads a JSON object. (Left to itself, serde takes a list of the fields' values for one, too.)
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    if json.trim_ascii_start().first() == Some(&b'{') {
        serde_json::from_slice(json).map_err(|error| fault(&error))
    } else {
        Err("a JSON object is expected".into())
    }
}

/// What is wrong, and where: serde's own words for the place would count the one line there is.
fn fault(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let text = format!("{error}");
    let what = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    match line {
        0 => what.into(),
        1 => format!("{what} (column {column})"),
        _ => format!("{what} (line {line}, column {column})"),
    }
}

/// Text that borrows from the body where it has no escapes, also within an option or a list.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A value that may be of more than one kind. Unlike `serde_json::Value` it borrows, drops what nobody takes, and keeps
/// both of two fields with one name. Measured in the component with gzip: 2.3 KB less than with serde's untagged enums.
pub(super) enum JsonValue<'a> {
    Null,
    Number(u64),
    Text(Cow<'a, str>),
    Object(Vec<(Cow<'a, str>, JsonValue<'a>)>),
    /// What nobody takes.
    Other,
}

impl<'a> Deserialize<'a> for JsonValue<'a> {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Anything)
    }
}

/// How many fields an object has at most.
const MAX_FIELDS: usize = 2;

struct Anything;

impl<'a> Visitor<'a> for Anything {
    type Value = JsonValue<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Other)
    }

    fn visit_u64<E>(self, number: u64) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Text(Cow::Owned(text.into())))
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<JsonValue<'a>, E> {
        Ok(JsonValue::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<JsonValue<'a>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsonValue::Other)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<JsonValue<'a>, A::Error> {
        let mut fields = Vec::new();
        while let Some((Text(name), value)) = object.next_entry()? {
            // One more than anybody takes is kept, to show that there are too many. The rest is read and dropped.
            if fields.len() <= MAX_FIELDS {
                fields.push((name, value));
            }
        }
        Ok(if fields.len() > MAX_FIELDS { JsonValue::Other } else { JsonValue::Object(fields) })
    }
}

/// A duration: a number of milliseconds, or text as in a query.
pub(super) struct JsonDuration(pub(super) Duration);

impl<'a> Deserialize<'a> for JsonDuration {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        JsonValue::deserialize(from).and_then(|value| duration(&value).map(JsonDuration).map_err(D::Error::custom))
    }
}

fn duration(value: &JsonValue<'_>) -> Result<Duration, String> {
    match value {
        JsonValue::Number(ms) => Ok(Duration::from_millis(*ms)),
        JsonValue::Text(text) => parse_duration(text).ok_or_else(|| format!("{text:?} is no duration")),
        _ => Err("a duration: a number of milliseconds, or text like \"30s\"".into()),
    }
}

/// A receipt and the duration that goes with it.
pub(super) type Item<'a> = (Cow<'a, str>, Option<Duration>);

/// A receipt, alone or in an object, there with a duration by this name where there is one.
fn item<'a>(value: JsonValue<'a>, word: Option<&str>) -> Option<Item<'a>> {
    let fields = match value {
        JsonValue::Text(receipt) => return Some((receipt, None)),
        JsonValue::Object(fields) => fields,
        _ => return None,
    };
    let (mut receipt, mut with) = (None, None);
    for (name, value) in fields {
        let place = match &*name {
            "receipt" => &mut receipt,
            name if Some(name) == word => &mut with,
            _ => return None,
        };
        // Twice the same is none.
        if place.replace(value).is_some() {
            return None;
        }
    }
    let duration = match with {
        None | Some(JsonValue::Null) => None,
        Some(value) => Some(duration(&value).ok()?),
    };
    if let Some(JsonValue::Text(receipt)) = receipt { Some((receipt, duration)) } else { None }
}

/// What is wrong with what is neither.
const NO_ITEM: &str = "a receipt, or an object with a `receipt` and, to req, a `defer`, to touch, a `timeout`";

/// Receipts, each alone or in an object with a duration by the name that is given here. `null` is none of them, as Go
/// writes an empty list. Of a list that is longer than any may be, as much is kept as shows that.
pub(super) struct Items(pub(super) Option<&'static str>);

impl<'a> Visitor<'a> for Items {
    type Value = Vec<Item<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<Item<'a>>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Vec<Item<'a>>, A::Error> {
        let mut items = Vec::new();
        // One more than the bound is kept, for whoever counts them to refuse it. A body of empty texts would
        // take many times its size otherwise.
        while items.len() <= bounds::RECEIPTS {
            match list.next_element_seed(OneItem(self.0))? {
                Some(item) => items.push(item),
                None => return Ok(items),
            }
        }
        // The rest is still read: what is no JSON is refused as that.
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(items)
    }
}

/// One of the items.
struct OneItem(Option<&'static str>);

impl<'a> DeserializeSeed<'a> for OneItem {
    type Value = Item<'a>;

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<Item<'a>, D::Error> {
        // Each list takes its own word beside the receipt, so that a `defer` to finish is a mistake that shows.
        item(JsonValue::deserialize(from)?, self.0).ok_or_else(|| D::Error::custom(NO_ITEM))
    }
}
