//! What a body must be like: a text, or JSON compared by meaning.

use serde::Serialize;
use serde_json::{Deserializer, Value};

use super::text::{Bindings, Text};

/// What a body must be like.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// These bytes.
    Text(Text),
    /// These JSON documents and nothing else in them. Strings may have holes; a string that is one hole
    /// stands for any value.
    Json(Vec<Value>),
    /// The same, but objects may have more fields.
    JsonSubset(Vec<Value>),
}

impl Expected {
    /// Whether `actual` is like this; if so, the bindings get what was captured.
    ///
    /// # Errors
    /// What is different, for a person to read.
    pub fn check(&self, actual: &[u8], bindings: &mut Bindings) -> Result<(), String> {
        match self {
            Expected::Text(text) if text.matches(actual, bindings) => Ok(()),
            Expected::Text(text) => Err(difference(&text.show(bindings), &show(actual))),
            Expected::Json(documents) => check_documents(documents, actual, false, bindings),
            Expected::JsonSubset(documents) => check_documents(documents, actual, true, bindings),
        }
    }
}

/// Reads the JSON documents that stand one after another in `text`.
///
/// # Errors
/// What is wrong with them.
pub fn documents(text: &[u8]) -> Result<Vec<Value>, String> {
    Deserializer::from_slice(text).into_iter().collect::<Result<_, _>>().map_err(|error| format!("not JSON: {error}"))
}

/// Bytes for a person to read.
pub fn show(bytes: &[u8]) -> String {
    const LONGEST: usize = 4000;
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= LONGEST => text.into(),
        _ => {
            let cut = &bytes[..bytes.len().min(LONGEST)];
            format!("{} ({} bytes)", cut.escape_ascii(), bytes.len())
        }
    }
}

/// Says what was expected and what came.
pub fn difference(expected: &str, actual: &str) -> String {
    format!("expected: {}\n     got: {}", indent(expected), indent(actual))
}

fn indent(text: &str) -> String {
    text.replace('\n', "\n          ")
}

fn check_documents(wanted: &[Value], actual: &[u8], subset: bool, bindings: &mut Bindings) -> Result<(), String> {
    let all = || wanted.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let found = documents(actual).map_err(|error| format!("{error}\n{}", difference(&all(), &show(actual))))?;
    if found.len() != wanted.len() {
        return Err(difference(&all(), &show(actual)));
    }
    for (wanted, found) in wanted.iter().zip(&found) {
        compare("", wanted, found, subset, bindings).map_err(|why| format!("{why}\n     in: {found}"))?;
    }
    Ok(())
}

fn compare(path: &str, wanted: &Value, found: &Value, subset: bool, bindings: &mut Bindings) -> Result<(), String> {
    let differ = || Err(format!("at {path}: {}", difference(&wanted.to_string(), &found.to_string())));
    match (wanted, found) {
        (Value::String(pattern), found) => {
            let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            let is_hole = pattern.starts_with('{') && pattern.ends_with('}');
            let fits = (found.is_string() || is_hole) && Text::plain(pattern).matches(text.as_bytes(), bindings);
            if fits { Ok(()) } else { differ() }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            wanted.iter().zip(found).enumerate().try_for_each(|(index, (wanted, found))| {
                compare(&format!("{path}[{index}]"), wanted, found, subset, bindings)
            })
        }
        (Value::Object(wanted), Value::Object(found)) => {
            if let Some(name) = found.keys().find(|name| !subset && !wanted.contains_key(*name)) {
                return Err(format!("at {path}: there is a field {name:?}"));
            }
            wanted.iter().try_for_each(|(name, wanted)| match found.get(name) {
                Some(found) => compare(&format!("{path}.{name}"), wanted, found, subset, bindings),
                None => Err(format!("at {path}: there is no field {name:?}")),
            })
        }
        (wanted, found) if wanted == found => Ok(()),
        _ => differ(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(wanted: &str, actual: &str, subset: bool) -> Result<Bindings, String> {
        let wanted = documents(wanted.as_bytes()).expect("the test's JSON is JSON");
        let mut bindings = Bindings::new();
        let expected = if subset { Expected::JsonSubset(wanted) } else { Expected::Json(wanted) };
        expected.check(actual.as_bytes(), &mut bindings).map(|()| bindings)
    }

    #[test]
    fn a_subset_leaves_out_fields_and_nothing_else() {
        assert!(check(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1,"c":2}],"d":3}"#, true).is_ok());
        assert!(check(r#"{"a":[{"b":1}]}"#, r#"{"a":[{"b":1},{"b":1}]}"#, true).is_err());
        assert!(check(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false).is_err());
        assert!(check(r#"{"a":1}"#, r#"{"b":1}"#, true).is_err());
    }

    #[test]
    fn documents_stand_one_after_another() {
        assert!(check("{\"a\":1}\n{\"a\":2}", "{\"a\":1}{\"a\":2}\n", false).is_ok());
        assert!(check("{\"a\":1}", "{\"a\":1}{\"a\":2}", false).is_err());
    }

    #[test]
    fn a_hole_takes_values_of_every_kind() {
        let bindings = check(r#"{"n":"{n}","s":"x{s}"}"#, r#"{"n":12,"s":"xyz"}"#, false).expect("it is like that");
        assert_eq!((bindings["n"].as_str(), bindings["s"].as_str()), ("12", "yz"));
        assert!(check(r#"{"n":"12"}"#, r#"{"n":12}"#, false).is_err());
    }
}
