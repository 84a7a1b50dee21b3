//! What came against what was expected.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::http::Answer as Real;
use crate::model::answer::{ANY, Answer, Body, Format, Shown, id_text, rfc3339};
use crate::model::describe;

/// A receipt of a real answer and the delivery that it stands for.
pub type Receipts = Vec<(String, crate::model::Delivery)>;

/// Whether a real answer is what was expected; the receipts in it where it is.
pub fn answer(expected: &Answer, real: &Real) -> Result<Receipts, String> {
    if expected.status != real.status {
        return Err(format!("status {} expected, got {}", expected.status, show(real)));
    }
    headers(expected, real)?;
    let wrong = |expected: &dyn std::fmt::Debug| format!("body {expected:?} expected, got {}", show(real));
    match &expected.body {
        Body::Text => Ok(Vec::new()),
        Body::Exact(bytes) if *bytes == real.body => Ok(Vec::new()),
        Body::Exact(bytes) => Err(wrong(&String::from_utf8_lossy(bytes))),
        Body::Json(value) | Body::Like(value) => {
            let strict = matches!(expected.body, Body::Json(_));
            let got: Value = serde_json::from_slice(&real.body).map_err(|_| wrong(value))?;
            difference(value, &got, strict).map_or(Ok(Vec::new()), Err)
        }
        Body::Messages(Format::Raw, shown) => messages(shown, &[raw(real)?]),
        Body::Messages(format, shown) => messages(shown, &read(*format, &real.body)?),
    }
}

/// Whether a chunk of a stream holds these messages.
pub fn chunk(format: Format, expected: &[Shown], bytes: &[u8]) -> Result<Receipts, String> {
    messages(expected, &read(format, bytes)?)
}

/// The sign of life of a stream.
pub fn heartbeat(format: Format) -> &'static [u8] {
    if format == Format::Sse { b":\n\n" } else { b" " }
}

/// A real answer in one line.
pub fn show(real: &Real) -> String {
    let mut line = real.status.to_string();
    for (name, value) in real.headers.iter().filter(|(name, _)| is_foretold(name)) {
        let _ = write!(line, " {name}={}", String::from_utf8_lossy(value));
    }
    let body = format!("{:?}", String::from_utf8_lossy(&real.body));
    let short: String = body.chars().take(400).collect();
    if short.len() < body.len() { format!("{line} {short}…") } else { format!("{line} {body}") }
}

/// Header fields that may not be there unless they are expected.
fn is_foretold(name: &str) -> bool {
    ["retry-after", "traceparent", "tracestate"].contains(&name)
        || name.starts_with("shelf-")
        || name.starts_with("ce-")
}

fn headers(expected: &Answer, real: &Real) -> Result<(), String> {
    for (name, value) in &expected.headers {
        if !real.headers.contains(&(name.clone(), value.clone())) {
            let value = String::from_utf8_lossy(value);
            return Err(format!("header {name}: {value} expected, got {:?} in {}", real.header(name), show(real)));
        }
    }
    for (name, _) in real.headers.iter().filter(|(name, _)| is_foretold(name) && name != "shelf-receipt") {
        if expected.headers.iter().all(|(other, _)| other != name) {
            return Err(format!("no header {name} expected, got {}", show(real)));
        }
    }
    Ok(())
}

/// Where two values differ; `None` where they do not.
fn difference(expected: &Value, got: &Value, strict: bool) -> Option<String> {
    match (expected, got) {
        (Value::String(any), _) if any == ANY => None,
        (Value::Object(fields), Value::Object(others)) => {
            let extra = others.keys().find(|name| strict && !fields.contains_key(*name));
            let extra = extra.map(|name| format!("no field {name} expected"));
            extra.or_else(|| fields.iter().find_map(|(name, value)| field(name, value, others.get(name), strict)))
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => items
            .iter()
            .zip(others)
            .enumerate()
            .find_map(|(index, (a, b))| field(&index.to_string(), a, Some(b), strict)),
        _ if expected == got => None,
        _ => Some(format!("{expected} expected, got {got}")),
    }
}

fn field(name: &str, expected: &Value, got: Option<&Value>, strict: bool) -> Option<String> {
    let what = match got {
        Some(got) => difference(expected, got, strict)?,
        None => format!("{expected} expected, got nothing"),
    };
    Some(format!("{name}: {what}"))
}

/// Compares messages; answers the receipts.
fn messages(expected: &[Shown], got: &[Map<String, Value>]) -> Result<Receipts, String> {
    let wanted: Vec<Value> = expected.iter().map(|shown| Value::Object(as_json(shown))).collect();
    let mut receipts = Vec::new();
    let mut plain = Vec::new();
    for message in got {
        let mut message = message.clone();
        let receipt = message.remove("receipt").and_then(|receipt| receipt.as_str().map(str::to_owned));
        receipts.push(receipt.ok_or("a message without a receipt")?);
        plain.push(Value::Object(message));
    }
    match difference(&json!(wanted), &json!(plain), true) {
        None => Ok(receipts.into_iter().zip(expected.iter().map(|shown| shown.delivery)).collect()),
        Some(what) => Err(format!("messages: {what}\n  {} expected, got {}", json!(wanted), json!(plain))),
    }
}

fn as_json(shown: &Shown) -> Map<String, Value> {
    let mut object = Map::new();
    describe(&mut object, shown.key.as_deref(), &shown.headers, &shown.body);
    object.insert("id".into(), id_text(shown.delivery.id).into());
    object.insert("attempts".into(), shown.attempts.into());
    object.insert("timestamp".into(), shown.timestamp.into());
    object
}

/// The messages of a body.
fn read(format: Format, body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let text = || std::str::from_utf8(body).map_err(|_| "a body that is not UTF-8".to_owned());
    let object = |text: &str| serde_json::from_str(text).map_err(|error| format!("{error} in {text}"));
    match format {
        Format::Json => {
            let mut whole: Map<String, Value> = object(text()?)?;
            let messages: Vec<Map<String, Value>> =
                serde_json::from_value(whole.remove("messages").unwrap_or_default())
                    .map_err(|error| error.to_string())?;
            messages.into_iter().map(timed).collect()
        }
        Format::Sse => text()?.split_terminator("\n\n").map(|event| timed(object(event_data(event)?)?)).collect(),
        Format::Frames => frames(body).ok_or_else(|| "frames that are cut short".into()),
        Format::Raw | Format::Ndjson => text()?.lines().map(|line| timed(object(line)?)).collect(),
    }
}

/// A message of JSON, without the second form of its time, which has to be the same.
fn timed(mut message: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let told = message.remove("published");
    let timestamp = message.get("timestamp").and_then(Value::as_u64).unwrap_or_default();
    if told == Some(rfc3339(timestamp).into()) { Ok(message) } else { Err(format!("published {told:?}: {message:?}")) }
}

/// The data of a server-sent event, whose id has to be that of its message.
fn event_data(event: &str) -> Result<&str, String> {
    let parts = event.strip_prefix("id: ").and_then(|rest| rest.split_once("\ndata: "));
    let (id, data) = parts.ok_or_else(|| format!("no event: {event}"))?;
    if data.contains(&format!("\"id\":\"{id}\"")) { Ok(data) } else { Err(format!("another id: {event}")) }
}

/// The message of an answer in the raw format.
fn raw(real: &Real) -> Result<Map<String, Value>, String> {
    let need = |name: &str| real.header(name).ok_or_else(|| format!("no {name} in {}", show(real)));
    let number = |name: &str| need(name)?.parse::<u64>().map_err(|error| format!("{name}: {error}"));
    let own = |name: &str| name.starts_with("ce-") || name.starts_with("trace") || is_kept_shelf(name);
    let kept = |(name, _): &&(String, Vec<u8>)| own(name) || (name == "content-type" && is_published_type(real));
    let headers: Vec<_> = real.headers.iter().filter(kept).cloned().collect();
    let key = real.header("shelf-key").map(unescape);
    let mut object = Map::new();
    describe(&mut object, key.as_deref(), &headers, &real.body);
    object.insert("id".into(), need("shelf-id")?.into());
    object.insert("receipt".into(), need("shelf-receipt")?.into());
    object.insert("attempts".into(), number("shelf-attempts")?.into());
    object.insert("timestamp".into(), number("shelf-timestamp")?.into());
    Ok(object)
}

fn is_kept_shelf(name: &str) -> bool {
    name.starts_with("shelf-meta-") || name.starts_with("shelf-dead-")
}

/// The broker's own type for bytes of which it knows nothing is none that the workload publishes.
fn is_published_type(real: &Real) -> bool {
    real.header("content-type") != Some("application/octet-stream")
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at(2);
        text + &char::from(u8::from_str_radix(digits, 16).unwrap_or(b'?')).to_string() + rest
    })
}

/// The messages of a body of frames, by the diagram in the documentation.
fn frames(mut body: &[u8]) -> Option<Vec<Map<String, Value>>> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let length = take(&mut body, 4)?;
        let mut frame = take(&mut body, number(length))?;
        let id = number(take(&mut frame, 8)?) as u64;
        let timestamp = number(take(&mut frame, 8)?) as u64;
        let attempts = number(take(&mut frame, 2)?);
        let lengths = [number(take(&mut frame, 2)?), number(take(&mut frame, 2)?), number(take(&mut frame, 2)?)];
        let receipt = std::str::from_utf8(take(&mut frame, lengths[0])?).ok()?;
        let key = std::str::from_utf8(take(&mut frame, lengths[1])?).ok()?;
        let mut block = take(&mut frame, lengths[2])?;
        let mut headers = Vec::new();
        while !block.is_empty() {
            let [name, value] = [short(&mut block)?, short(&mut block)?];
            headers.push((String::from_utf8(name).ok()?, value));
        }
        let mut object = Map::new();
        describe(&mut object, Some(key).filter(|key| !key.is_empty()), &headers, frame);
        object.insert("id".into(), id_text(id).into());
        object.insert("receipt".into(), receipt.into());
        object.insert("attempts".into(), attempts.into());
        object.insert("timestamp".into(), timestamp.into());
        messages.push(object);
    }
    Some(messages)
}

fn short(block: &mut &[u8]) -> Option<Vec<u8>> {
    let length = number(take(block, 2)?);
    take(block, length).map(<[u8]>::to_vec)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
