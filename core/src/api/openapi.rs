//! `/openapi.json`: the route table as an `OpenAPI` 3.1 document.
//!
//! It is written as text, each object's keys in their order. Measured in the component with gzip: 4.5 KB less than as a
//! tree of values.

mod answers;
mod packed;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::errors::Code;
use super::parameters::{DEDUP, Param, Shape};
use super::routes::{Answer, Payload, ROUTES, Right, Route};
use crate::config::Identity;

/// The document.
pub(super) fn document(identity: &Identity) -> String {
    let mut out = Text(String::new());
    out.put(r#"{"components":"#).put(answers::COMPONENTS);
    out.put(r#","info":{"description":"A message broker that speaks HTTP, with NSQ's topics, channels and messages.""#);
    out.put(r#","title":"shelfmq","version":"#).quoted(&identity.version);
    out.put(r#"},"openapi":"3.1.0","paths":{"#);
    let mut last = "";
    // By name without sorting: the next greater path is looked for each time, in a table that is short.
    while let Some(path) = ROUTES.iter().map(|route| route.path).filter(|path| *path > last).min() {
        out.comma().quoted(&path_template(path)).put(":{");
        for route in ROUTES.iter().filter(|route| route.path == path) {
            for method in route.methods() {
                out.comma().quoted(&method.to_ascii_lowercase()).put(":");
                operation(&mut out, route, method);
            }
        }
        out.put("}");
        last = path;
    }
    out.put("}}");
    out.0
}

/// A JSON text as it grows.
struct Text(String);

impl Text {
    /// Adds JSON, or a part of it.
    fn put(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// Adds a comma, but before the first of an object or a list.
    fn comma(&mut self) -> &mut Self {
        // What was added last tells: nothing else that is put here ends in an open bracket.
        if self.0.ends_with(['{', '[']) { self } else { self.put(",") }
    }

    /// Adds text in quotes.
    fn quoted(&mut self, text: &str) -> &mut Self {
        self.put("\"").escaped(text).put("\"")
    }

    /// Adds what stands in quotes.
    fn escaped(&mut self, text: &str) -> &mut Self {
        for char in text.chars() {
            match char {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                ..' ' => write!(self.0, "\\u{:04x}", u32::from(char)).expect("writing to a string does not fail"),
                _ => self.0.push(char),
            }
        }
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        write!(self.0, "{number}").expect("writing to a string does not fail");
        self
    }

    fn boolean(&mut self, is: bool) -> &mut Self {
        self.put(if is { "true" } else { "false" })
    }
}

/// `/config/:opt` as `OpenAPI` writes it: `/config/{opt}`.
fn path_template(path: &str) -> String {
    match path.split_once(':') {
        Some((folder, name)) => [folder, "{", name, "}"].concat(),
        None => path.into(),
    }
}

fn operation(out: &mut Text, route: &Route, method: &str) {
    out.put(r#"{"operationId":"#).quoted(&operation_id(route.path, method)).put(r#","parameters":["#);
    for param in route.params {
        parameter(out.comma(), param);
    }
    if let Some((_, name)) = route.path.split_once(':') {
        out.comma().put(r#"{"in":"path","name":"#).quoted(name).put(r#","required":true,"schema":{"type":"string"}}"#);
    }
    if route.params.iter().any(|param| param.name == DEDUP.name) {
        out.comma().put(r#"{"description":"Says the same as dedup, which comes first.","in":"header","#);
        schema(out.put(r#""name":"Idempotency-Key","schema":"#), DEDUP.shape, None);
        out.put("}");
    }
    out.put("]");
    if method != "GET" && route.payload != Payload::None {
        out.put(r#","requestBody":{"content":"#).put(answers::payload(route.payload));
        out.put(r#","required":"#).boolean(route.payload != Payload::Receipts).put("}");
    }
    responses(out.put(r#","responses":"#), route);
    out.put(r#","summary":"#).quoted(route.summary).put(r#","x-beyond-nsq":"#).boolean(route.beyond_nsq);
    if route.right != Right::Open {
        out.put(r#","x-right":"#).quoted(route.right.name());
    }
    out.put("}");
}

/// `post_channel_create`, from the method and the path.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.split(['/', '.', ':']).filter(|word| !word.is_empty());
    words.fold(method.to_ascii_lowercase(), |id, word| id + "_" + word)
}

fn parameter(out: &mut Text, param: &Param) {
    out.put(r#"{"description":"#).quoted(param.meaning).put(r#","in":"query","name":"#).quoted(param.name);
    out.put(r#","required":"#).boolean(param.missing.is_some() && !matches!(param.shape, Shape::Receipts));
    schema(out.put(r#","schema":"#), param.shape, param.default);
    out.put(r#","x-beyond-nsq":"#).boolean(param.beyond_nsq).put("}");
}

fn schema(out: &mut Text, shape: Shape, default: Option<&str>) {
    out.put("{");
    if let Some(default) = default {
        out.put(r#""default":"#);
        match shape {
            Shape::Number(..) | Shape::Boolean => out.put(default),
            _ => out.quoted(default),
        };
    }
    let kind = match shape {
        Shape::Number(from, to) => {
            out.comma().put(r#""maximum":"#).number(to).put(r#","minimum":"#).number(from);
            "integer"
        }
        Shape::Text(bytes) => {
            out.comma().put(r#""maxLength":"#).number(bytes.into());
            "string"
        }
        Shape::Word(words) => {
            out.comma().put(r#""enum":["#);
            for word in words {
                out.comma().quoted(word);
            }
            out.put("]");
            "string"
        }
        Shape::Ids | Shape::Receipts => {
            out.comma().put(r#""items":{"type":"string"}"#);
            "array"
        }
        Shape::Boolean => "boolean",
        Shape::Name => {
            out.comma().put(r#""maxLength":64,"pattern":"^[.a-zA-Z0-9_-]+(#ephemeral)?$""#);
            "string"
        }
        Shape::Duration => {
            out.comma().put(r#""pattern":"^([0-9]+|([0-9]+(ms|s|m|h|d))+)$""#);
            "string"
        }
        Shape::Id => {
            out.comma().put(r#""pattern":"^[0-9a-fA-F]{16}$""#);
            "string"
        }
        Shape::Place => {
            out.comma().put(r#""description":"earliest, latest, a message id, or an RFC 3339 time""#);
            "string"
        }
    };
    out.comma().put(r#""type":"#).quoted(kind).put("}");
}

fn responses(out: &mut Text, route: &Route) {
    out.put(r#"{"200":{"#);
    match route.answer {
        Answer::Nothing => {}
        Answer::Json(name) => {
            let reference = r##""content":{"application/json":{"schema":{"$ref":"#/components/schemas/"##;
            out.put(reference).put(name).put(r#""}}},"#);
        }
        answer => drop(out.put(r#""content":"#).put(answers::content(answer)).put(",")),
    }
    out.put(r#""description":"#).quoted(route.success);
    headers(out, answers::field_names(route.answer));
    if route.answer == Answer::Leased {
        out.put(r#"},"204":{"description":"No message came in time.""#);
        headers(out, &["Shelf-Ignored", "Shelf-Refused", "Shelf-Refused-Count"]);
    }
    let codes = codes(route);
    let mut last = 0;
    // Codes of one status share its description: a document has one answer for each status.
    while let Some(status) = codes.iter().map(|code| code.status()).filter(|status| *status > last).min() {
        out.put("},\"").number(status.into()).put("\":{");
        error_response(out, codes.iter().copied().filter(|code| code.status() == status));
        last = status;
    }
    out.put("}}");
}

/// All that can go wrong: what the parameters say, and what the route says itself.
fn codes(route: &Route) -> Vec<Code> {
    let of_params = route.params.iter().flat_map(|param| param.missing.into_iter().chain([param.invalid]));
    let mut codes = Vec::new();
    for code in core::iter::once(Code::InvalidRequest).chain(of_params).chain(route.errors.iter().copied()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

fn error_response(out: &mut Text, codes: impl Iterator<Item = Code>) {
    out.put(r##""content":{"application/json":{"schema":{"$ref":"#/components/schemas/Error"}}},"description":""##);
    let (mut is_first, mut is_full) = (true, false);
    for code in codes {
        out.put(if is_first { "`" } else { r"\n\n`" }).put(code.text()).put("`: ").escaped(code.sentence());
        is_first = false;
        is_full |= code == Code::TopicFull;
    }
    out.put("\"");
    if is_full {
        headers(out, &["Retry-After"]);
    }
}

/// The header fields of these names.
fn headers(out: &mut Text, names: &[&str]) {
    out.put(r#","headers":{"#);
    for name in names {
        out.comma().quoted(name).put(r##":{"$ref":"#/components/headers/"##).put(name).put("\"}");
    }
    out.put("}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    fn parsed() -> Value {
        serde_json::from_str(&document(&Identity::default())).expect("JSON")
    }

    #[test]
    fn it_is_compact_json_with_all_keys_in_their_order() {
        let version = String::from("1 \"\\\u{1}");
        let text = document(&Identity { version: version.clone(), ..Identity::default() });
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(alloc::format!("{document}"), text);
        assert_eq!(document["info"]["version"], version);
    }

    #[test]
    fn every_route_is_in_the_document() {
        let document = parsed();
        for route in ROUTES {
            for method in route.methods() {
                let operation = &document["paths"][path_template(route.path)][method.to_ascii_lowercase()];
                assert_eq!(operation["summary"], route.summary, "{method} {}", route.path);
                let in_path = usize::from(route.path.contains(':'));
                let in_header = usize::from(matches!(route.path, "/pub" | "/mpub"));
                let count = route.params.len() + in_path + in_header;
                assert_eq!(operation["parameters"].as_array().map(Vec::len), Some(count));
            }
        }
    }

    #[test]
    fn parameters_and_errors_are_told() {
        let document = parsed();
        let publish = &document["paths"]["/pub"]["post"];
        assert_eq!(publish["operationId"], "post_pub");
        assert_eq!(publish["parameters"][0]["required"], true);
        assert_eq!(publish["parameters"][1]["schema"]["default"], "0");
        let too_big = publish["responses"]["413"]["description"].as_str().expect("a description");
        assert!(too_big.starts_with("`MSG_TOO_BIG`: "), "{too_big}");
        let lease = &document["paths"]["/sub"]["get"];
        assert_eq!(lease["parameters"][2]["schema"]["default"], 1);
        assert!(lease.get("requestBody").is_none());
        assert!(document["paths"]["/sub"]["post"].get("requestBody").is_some());
        assert_eq!(document["paths"]["/config/{opt}"]["put"]["operationId"], "put_config_opt");
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = parsed();
        let text = alloc::format!("{document}");
        let mut references = 0;
        for part in text.split("{\"$ref\":\"#").skip(1) {
            let pointer = part.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            references += 1;
        }
        assert!(references > 50);
        let leased = &document["paths"]["/sub"]["get"]["responses"];
        assert_eq!(leased["200"]["content"].as_object().map(Map::len), Some(5));
        let full = &document["paths"]["/pub"]["post"]["responses"]["429"];
        assert!(full["headers"]["Retry-After"].is_object());
    }

    #[test]
    fn operation_ids_are_unique() {
        let mut ids: Vec<String> =
            ROUTES.iter().flat_map(|route| route.methods().map(|method| operation_id(route.path, method))).collect();
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }
}
