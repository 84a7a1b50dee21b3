//! What JSON bodies are made of: texts that borrow where they can, and durations.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::Deserialize;

use crate::api::values;

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

/// A duration: a number of milliseconds, or text as in a query.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct JsonDuration(pub(super) Duration);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a duration: a number of milliseconds, or text like \"30s\"")]
enum Written {
    Milliseconds(u64),
    Text(String),
}

impl TryFrom<Written> for JsonDuration {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Milliseconds(ms) => Ok(JsonDuration(Duration::from_millis(ms))),
            Written::Text(text) => match values::duration(&text) {
                Some(duration) => Ok(JsonDuration(duration)),
                None => Err(format!("{text:?} is no duration")),
            },
        }
    }
}
