//! What a replay shows, as JSON: one object for each thing that was told.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::input::{Asked, Input};
use super::replay::{Broken, Replay, Step};
use crate::api::{self, Field, Response};
use crate::broker::Survey;
use crate::command::Filter;
use crate::engine::Output;
use crate::log::Work;
use crate::time::Time;

/// A point in time, as RFC 3339 has it, to the nanosecond.
pub fn time(at: Time) -> String {
    let whole = api::rfc3339(at);
    format!("{}.{:09}Z", whole.trim_end_matches('Z'), at.as_nanos() % 1_000_000_000)
}

/// Bytes as text where they are that, in base64 elsewhere.
fn bytes(bytes: &[u8]) -> Value {
    match core::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    }
}

/// All that an engine wanted done after one call.
pub fn outputs(step: &Step<'_>) -> Vec<Value> {
    let work = step.work.iter().map(|work| match work {
        Work::Append(append) => json!({
            "append": append.topic.as_str(), "segment": append.number, "offset": append.offset,
            "bytes": append.bytes.len(),
        }),
        Work::Forget(forget) => json!({ "forget": forget.topic.as_str(), "before_segment": forget.segment }),
        Work::Delete(delete) => json!({ "delete": delete.topic.as_str() }),
    });
    let stamped = |mut value: Value| {
        value["at"] = time(step.at).into();
        value["shard"] = step.shard.into();
        value
    };
    work.chain(step.outputs.iter().map(output)).map(stamped).collect()
}

fn output(output: &Output) -> Value {
    match output {
        Output::Respond(ticket, response) => answer(*ticket, response, "respond"),
        Output::Open(ticket, response) => answer(*ticket, response, "open"),
        Output::Chunk(ticket, chunk) => json!({ "chunk": bytes(chunk), "ticket": ticket }),
        Output::Close(ticket) => json!({ "close": true, "ticket": ticket }),
        Output::Forward(parcel) => json!({ "forward": parcel.to.as_str() }),
        Output::Read(read) => json!({ "read": read.topic.as_str(), "segment": read.segment, "from": id(read.from) }),
        Output::Configured(name, value) => json!({ "configured": name, "value": value }),
    }
}

fn answer(ticket: u64, response: &Response, how: &str) -> Value {
    let mut headers = Map::new();
    for (field, value) in &response.headers {
        let name = match field {
            Field::Known(known) => known.name(),
            Field::Kept(name) => name,
        };
        headers.insert(name.into(), bytes(&value.clone().into_bytes()));
    }
    json!({ how: response.status, "ticket": ticket, "headers": headers, "body": bytes(response.body.as_bytes()) })
}

/// A message's id as all the world sees it.
pub(super) fn id(id: u64) -> String {
    String::from_utf8_lossy(&crate::message::id_text(id)).into_owned()
}

/// What came to an engine, in short.
pub(super) fn cause(input: &Input<'_>) -> Value {
    match input {
        Input::Request(ticket, asked, _) => request(*ticket, asked),
        Input::Timeout => "time passed".into(),
        Input::Writable(ticket) => json!({ "ticket": ticket, "took": "its last chunk" }),
        Input::Parcel(parcel) => json!({ "parcel_for": parcel.to.as_str() }),
        Input::Cancel(ticket) => json!({ "ticket": ticket, "hung": "up" }),
        Input::Shutdown => "the broker went down".into(),
        Input::PollLog => "the log was written".into(),
        Input::Appended(..) => "the log was durable".into(),
        Input::AppendFailed(_) => "the log could not be written".into(),
        Input::Read(..) => "messages were read from the log".into(),
        Input::Space(_) => "the disk's room changed".into(),
        Input::Unwell(_) => "the broker's health changed".into(),
        Input::OpenTopic(_) => "the topic was opened from its log".into(),
    }
}

/// A request, in short.
pub(super) fn request(ticket: u64, asked: &Asked<'_>) -> Value {
    let Asked { method, path, query, peer, .. } = asked;
    let mark = if query.is_empty() { "" } else { "?" };
    json!({ "ticket": ticket, "request": format!("{method} {path}{mark}{query}"), "peer": peer })
}

/// What all engines have, as `/stats?format=json` tells it, at the end of a replay. To be called last: asking is a
/// call as well.
pub fn stats(replay: &mut Replay<'_>, now: Time) -> Result<Value, Broken> {
    let filter = Filter { clients: true, ..Filter::default() };
    let mut whole = Survey::default();
    replay.engines().for_each(|engine| whole.merge(engine.survey(now, &filter)));
    let engine = replay.engine_mut(0).ok_or(Broken::Nonsense)?;
    let asked = api::Request { method: "GET", path: "/stats", query: "format=json", ..api::Request::default() };
    let decoded = api::decode(&engine.config().limits.clone(), &asked);
    engine.handle_decoded(now, u64::MAX, decoded, Some(whole));
    let answers = core::iter::from_fn(|| engine.poll_output());
    let body = answers.filter_map(|output| match output {
        Output::Respond(u64::MAX, response) => serde_json::from_slice(response.body.as_bytes()).ok(),
        _ => None,
    });
    body.last().ok_or(Broken::Nonsense)
}
