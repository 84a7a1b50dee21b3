//! `/openapi.json`: the route table as an `OpenAPI` 3.1 document.

mod answers;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::errors::Code;
use super::parameters::{DEDUP, Param, Shape};
use super::routes::{Answer, Payload, ROUTES, Route};
use crate::config::Identity;

/// The document.
pub(super) fn document(identity: &Identity) -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(path_template(route.path)).or_insert_with(|| json!({}));
        for method in route.methods() {
            path[method.to_ascii_lowercase()] = operation(route, method);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "shelfmq",
            "version": identity.version,
            "description": "A message broker that speaks HTTP, with NSQ's topics, channels and messages.",
        },
        "paths": paths,
        "components": {
            "schemas": answers::schemas(),
            "headers": answers::fields(),
        },
    })
}

/// `/config/:opt` as `OpenAPI` writes it: `/config/{opt}`.
fn path_template(path: &str) -> String {
    match path.split_once(':') {
        Some((folder, name)) => alloc::format!("{folder}{{{name}}}"),
        None => path.into(),
    }
}

fn operation(route: &Route, method: &str) -> Value {
    let mut parameters: Vec<Value> = route.params.iter().map(|param| parameter(param)).collect();
    if let Some((_, name)) = route.path.split_once(':') {
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    if route.params.iter().any(|param| param.name == DEDUP.name) {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Says the same as dedup, which comes first.",
            "schema": schema(DEDUP.shape),
        }));
    }
    let mut operation = json!({
        "operationId": operation_id(route.path, method),
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses(route),
        "x-beyond-nsq": route.beyond_nsq,
    });
    if method != "GET" && route.payload != Payload::None {
        operation["requestBody"] = request_body(route.payload);
    }
    operation
}

/// `post_channel_create`, from the method and the path.
fn operation_id(path: &str, method: &str) -> String {
    let words = path.split(['/', '.', ':']).filter(|word| !word.is_empty());
    words.fold(method.to_ascii_lowercase(), |id, word| id + "_" + word)
}

fn parameter(param: &Param) -> Value {
    let mut schema = schema(param.shape);
    if let Some(default) = param.default {
        schema["default"] = typed(param.shape, default);
    }
    json!({
        "name": param.name,
        "in": "query",
        "required": param.missing.is_some() && !matches!(param.shape, Shape::Receipts),
        "description": param.meaning,
        "schema": schema,
        "x-beyond-nsq": param.beyond_nsq,
    })
}

fn schema(shape: Shape) -> Value {
    match shape {
        Shape::Name => json!({ "type": "string", "maxLength": 64, "pattern": "^[.a-zA-Z0-9_-]+(#ephemeral)?$" }),
        Shape::Text(bytes) => json!({ "type": "string", "maxLength": bytes }),
        Shape::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)?$" }),
        Shape::Number(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Word(words) => json!({ "type": "string", "enum": words }),
        Shape::Id => json!({ "type": "string", "pattern": "^[0-9a-fA-F]{1,16}$" }),
        Shape::Ids | Shape::Receipts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Place => json!({
            "type": "string",
            "description": "earliest, latest, a message id, or an RFC 3339 time",
        }),
    }
}

/// A default as a value of its schema's type.
fn typed(shape: Shape, default: &str) -> Value {
    match shape {
        Shape::Number(..) | Shape::Boolean => serde_json::from_str(default).unwrap_or(Value::Null),
        _ => default.into(),
    }
}

fn responses(route: &Route) -> Value {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes(route) {
        let codes = by_status.entry(code.status()).or_default();
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    let mut responses = Map::new();
    responses.insert("200".into(), answers::success(route.answer, route.success));
    if route.answer == Answer::Leased {
        responses.insert("204".into(), answers::no_message());
    }
    for (status, codes) in by_status {
        responses.insert(alloc::format!("{status}"), error_response(&codes));
    }
    responses.into()
}

/// All that can go wrong: what the parameters say, and what the route says itself.
fn codes(route: &Route) -> impl Iterator<Item = Code> {
    let of_params = route.params.iter().flat_map(|param| param.missing.into_iter().chain([param.invalid]));
    core::iter::once(Code::InvalidRequest).chain(of_params).chain(route.errors.iter().copied())
}

fn error_response(codes: &[Code]) -> Value {
    let lines: Vec<String> =
        codes.iter().map(|code| alloc::format!("`{}`: {}", code.text(), code.sentence())).collect();
    let mut response = json!({
        "description": lines.join("\n\n"),
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    if codes.contains(&Code::TopicFull) {
        response["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
    }
    response
}

fn request_body(payload: Payload) -> Value {
    let bytes = || json!({ "schema": { "type": "string", "format": "binary" } });
    let text = |meaning: &str| json!({ "schema": { "type": "string", "description": meaning } });
    let content = match payload {
        Payload::None => json!({}),
        Payload::Message => json!({ "*/*": bytes() }),
        Payload::Batch => json!({
            "text/plain": text("One message a line."),
            "application/octet-stream": bytes(),
            "application/x-ndjson": text("One JSON object a line: `body` or `body_base64`, and any of the options."),
        }),
        Payload::Receipts => json!({ "text/plain": text("Receipts, one a line.") }),
        Payload::Value => json!({ "text/plain": text("The value.") }),
        Payload::Settle => json!({ "application/json": { "schema": settle_schema() } }),
        Payload::Registration => json!({ "application/json": { "schema": registration_schema() } }),
    };
    json!({ "required": payload != Payload::Receipts, "content": content })
}

fn settle_schema() -> Value {
    let item = |option: &str| {
        json!({
            "type": "object",
            "required": ["receipt"],
            "properties": { "receipt": { "type": "string" }, option: { "type": ["integer", "string"] } },
        })
    };
    json!({
        "type": "object",
        "properties": {
            "fin": { "type": "array", "items": { "type": "string" } },
            "req": { "type": "array", "items": item("defer") },
            "touch": { "type": "array", "items": item("timeout") },
        },
    })
}

fn registration_schema() -> Value {
    let text = || json!({ "type": "string" });
    let port = || json!({ "type": "integer", "minimum": 0, "maximum": 65_535 });
    json!({
        "type": "object",
        "required": ["broadcast_address", "http_port", "topics"],
        "properties": {
            "broadcast_address": text(),
            "hostname": text(),
            "http_port": port(),
            "tcp_port": port(),
            "version": text(),
            "topology_zone": text(),
            "topology_region": text(),
            "topics": {
                "type": "object",
                "description": "The channels of each topic.",
                "additionalProperties": { "type": "array", "items": { "type": "string" } },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_document() {
        let document = document(&Identity::default());
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
        let document = document(&Identity::default());
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
        let document = document(&Identity::default());
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
