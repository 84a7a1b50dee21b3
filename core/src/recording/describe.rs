//! What a replay shows, as JSON: one object for each thing that was told.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::codes::{Because, Cause, What};
use super::input::Input;
use super::replay::{Asker, Broken, State, Step, TracedEvent};
use crate::api::routes::Right;
use crate::api::{self, Field, Known, Response, Scope};
use crate::broker::BrokerStats;
use crate::command::Ticket;
use crate::engine::Output;
use crate::log::LogCommand;
use crate::log::event::{Event, Ids};
use crate::time::Time;

/// A point in time, as RFC 3339 has it, to the nanosecond.
pub fn time(at: Time) -> String {
    String::from_utf8_lossy(&api::rfc3339_nanos(at)).into_owned()
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
        LogCommand::Append(append) => json!({
            "append": append.topic.as_str(), "segment": append.number, "offset": append.offset,
            "bytes": append.bytes.len(),
        }),
        LogCommand::Truncate(forget) => json!({ "forget": forget.topic.as_str(), "before_segment": forget.segment }),
        LogCommand::Delete(delete) => json!({ "delete": delete.topic.as_str() }),
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
        Output::Forward(transfer) => json!({ "forward": transfer.to.as_str() }),
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
        Input::Request(ticket, asked, _) => request(*ticket, &asked.into()),
        Input::Timeout => "time passed".into(),
        Input::HoldRetention => "the clock leapt".into(),
        Input::Writable(ticket) => json!({ "ticket": ticket, "took": "its last chunk" }),
        Input::Transfer(transfer) => json!({ "parcel_for": transfer.to.as_str() }),
        Input::Cancel(ticket) => json!({ "ticket": ticket, "hung": "up" }),
        Input::Shutdown => "the broker went down".into(),
        Input::PollLog => "the log was written".into(),
        Input::Appended(..) => "the log was durable".into(),
        Input::AppendFailed(_) | Input::AppendLate(_) => "the log could not be written".into(),
        Input::Read(..) => "messages were read from the log".into(),
        Input::Space(_) => "the disk's room changed".into(),
        Input::Unwell(_) | Input::TopicUnwell(..) => "the broker's health changed".into(),
        Input::OpenTopic(_) => "the topic was opened from its log".into(),
    }
}

/// Who asked, where that is known when a step was just made.
pub(super) fn asker<'a>(ticket: Ticket, step: &Step<'_>, state: &'a State) -> Option<Cow<'a, Asker>> {
    match &step.input {
        Input::Request(own, asked, _) if *own == ticket => Some(Cow::Owned(Asker::from(asked))),
        _ => state.asker(step.shard, ticket).map(Cow::Borrowed),
    }
}

/// A request, in short, with the name that its consumer gives itself.
pub(super) fn request(ticket: Ticket, asker: &Asker) -> Value {
    let Asker { method, path, query, peer, .. } = asker;
    let mark = if query.is_empty() { "" } else { "?" };
    let mut value = json!({ "ticket": ticket, "request": format!("{method} {path}{mark}{query}"), "peer": peer });
    if let Some(name) = parameter(asker, "client") {
        value["client"] = name.into();
    }
    value
}

/// A parameter of a request, as it was written.
fn parameter<'a>(asker: &'a Asker, name: &str) -> Option<&'a str> {
    asker.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// What all engines have, as `/stats?format=json` tells it.
pub fn stats(state: &State, now: Time) -> Result<Value, Broken> {
    let request = api::Request { method: "GET", path: "/stats", query: "format=json", ..api::Request::default() };
    let response = query(state, now, &request).ok_or(Broken::Nothing)?;
    serde_json::from_slice(response.body.as_bytes()).map_err(|_| Broken::Nothing)
}

/// The answer to a request that only looks, at this moment; `None` where there is no engine.
pub fn query(state: &State, now: Time, request: &api::Request<'_>) -> Option<Response> {
    let node = state.engine(crate::node_of(state.shards()))?;
    let routed = api::route(request.head());
    // As in a server: the node's engine answers what concerns them all, told of what each of them has.
    let (engine, stats) = match routed.scope() {
        Scope::Stats(filter) => {
            let mut whole = BrokerStats::default();
            state.engines().for_each(|engine| whole.merge(engine.stats(now, &filter)));
            (node, whole)
        }
        Scope::Topic(topic) => {
            (state.engine(crate::shard_of(topic, state.shards())).unwrap_or(node), BrokerStats::default())
        }
        Scope::Node => (node, BrokerStats::default()),
    };
    let decoded = routed.decode_query(&node.config().limits, request.body);
    Some(engine.query_decoded(now, decoded, &stats))
}

/// How much of an answer is shown, in bytes.
const SHOWN: usize = 256;
/// How many messages that were handed out together are named.
const NAMED: usize = 100;

/// A step and what came of it, for a timeline: to be called right after it was made.
pub fn step(step: &Step<'_>, state: &State) -> Value {
    let by = match &step.input {
        Input::Request(ticket, ..) | Input::Writable(ticket) | Input::Cancel(ticket) => Some(*ticket),
        _ => None,
    };
    let who = |ticket: Ticket| who(ticket, step, state);
    let deliveries = step.deliveries.iter().map(|deliveries| {
        let named = deliveries.messages.iter().take(NAMED);
        let named = named.map(
            |(receipt, attempts)| json!({ "id": id(receipt.id), "receipt": receipt.to_string(), "attempts": attempts }),
        );
        json!({
            "topic": deliveries.topic, "channel": deliveries.channel, "to": who(deliveries.ticket),
            "messages": named.collect::<Vec<_>>(), "count": deliveries.messages.len(),
        })
    });
    let happened = step.events.iter().filter_map(happened);
    // Publishing is no event: an answer tells of it, once it is as durable as was promised.
    let published = step.outputs.iter().filter_map(|output| published(output, step, state));
    let happened: Vec<_> = published.chain(happened).collect();
    let told = step.work.iter().map(work).chain(step.outputs.iter().map(|output| summary(output, &who)));
    let mut value = json!({
        "step": state.steps(), "at": ms(step.at), "time": time(step.at), "shard": step.shard,
        "kind": kind(&step.input).code(), "told": told.collect::<Vec<_>>(), "handed": deliveries.collect::<Vec<_>>(),
        "happened": happened,
    });
    if let Some(ticket) = by {
        value["by"] = who(ticket);
    }
    if let Some(topic) = topic(step, by.and_then(|ticket| asker(ticket, step, state)).as_deref()) {
        value["topic"] = topic.into();
    }
    value
}

/// What became of messages.
fn became(what: What, topic: &str, ids: &mut dyn Iterator<Item = u64>, count: u64) -> Value {
    let ids: Vec<Value> = ids.take(NAMED).map(|number| id(number).into()).collect();
    json!({ "code": what.code(), "topic": topic, "ids": ids, "count": count })
}

fn happened(events: &TracedEvent) -> Option<Value> {
    let one;
    let (mut range, mut because) = (0..0, None);
    let (what, ids) = match &events.event {
        Event::Touched { ids, .. } => (What::Touched, ids),
        Event::Finished { ids, .. } => (What::Finished, ids),
        Event::TimedOut { ids, .. } => (What::TimedOut, ids),
        Event::DeadGone { ids, .. } => (What::DeadGone, ids),
        Event::Redriven { ids, .. } => (What::Redriven, ids),
        Event::Died { ids, timed_out, .. } => {
            because = Some(if *timed_out { Because::LeaseRanOut } else { Because::Requeued });
            (What::Died, ids)
        }
        Event::Dropped { from, cursor, ids, .. } => {
            range = *from..cursor.id;
            (What::Dropped, ids)
        }
        Event::Requeued { id, .. } | Event::Lost { id, .. } => {
            one = Ids::one(*id);
            (if matches!(events.event, Event::Lost { .. }) { What::Lost } else { What::Requeued }, &one)
        }
        _ => return None,
    };
    let count = if let Event::Dropped { count, .. } = events.event { count } else { ids.count() };
    let mut value = became(what, &events.topic, &mut ids.iter().chain(range), count);
    value["channel"] = events.channel.as_deref().into();
    if let Some(because) = because {
        value["because_code"] = because.code().into();
    }
    Some(value)
}

/// What an answer says was published.
fn published(output: &Output, step: &Step<'_>, state: &State) -> Option<Value> {
    let Output::Respond(ticket, response) = output else { return None };
    let header = |known| {
        let mut fields = response.headers.iter();
        fields.find_map(|(field, value)| (*field == Field::Known(known)).then_some(value))
    };
    let Some(api::Value::Id(first)) = header(Known::Id) else { return None };
    let asker = asker(*ticket, step, state)?;
    let Asker { method, path, query, .. } = &*asker;
    let routed = api::route(api::Head { method, path, query, ..api::Head::default() });
    // Other answers have ids as well, and that of a duplicate names what was published before.
    let topic = routed.topic().filter(|_| routed.right() == Right::Publish && header(Known::Duplicate).is_none())?;
    let count = if let Some(api::Value::Number(count)) = header(Known::Count) { *count } else { 1 };
    Some(became(What::Published, topic.as_str(), &mut (*first..first.saturating_add(count)), count))
}

/// A time as JavaScript has it: milliseconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "a float has no room for the nanoseconds of today")]
pub fn ms(at: Time) -> f64 {
    at.as_nanos() as f64 / 1e6
}

/// What came to an engine, for programs.
pub(super) fn kind(input: &Input<'_>) -> Cause {
    match input {
        Input::Request(..) => Cause::Request,
        Input::Timeout | Input::HoldRetention => Cause::Timeout,
        Input::Writable(_) => Cause::Writable,
        Input::Transfer(_) => Cause::Transfer,
        Input::Cancel(_) => Cause::HangUp,
        Input::Shutdown => Cause::Shutdown,
        Input::PollLog => Cause::Written,
        Input::Appended(..) => Cause::Appended,
        Input::AppendFailed(_) | Input::AppendLate(_) => Cause::AppendFailed,
        Input::Read(..) => Cause::Read,
        Input::Space(_) => Cause::Space,
        Input::Unwell(_) | Input::TopicUnwell(..) => Cause::Unwell,
        Input::OpenTopic(_) => Cause::OpenTopic,
    }
}

/// The topic that a step is about, where that is known.
fn topic(step: &Step<'_>, asker: Option<&Asker>) -> Option<String> {
    Some(match (&step.input, &step.work) {
        (Input::Transfer(transfer), _) => transfer.to.as_str().into(),
        (Input::Read(read, _), _) => read.topic.as_str().into(),
        (Input::OpenTopic(recovered), _) => recovered.image.name.clone(),
        (_, Some(LogCommand::Append(append))) => append.topic.as_str().into(),
        (_, Some(LogCommand::Truncate(forget))) => forget.topic.as_str().into(),
        (_, Some(LogCommand::Delete(delete))) => delete.topic.as_str().into(),
        _ => {
            let written = asker.and_then(|asker| parameter(asker, "topic"));
            // No other character of a name has to be escaped.
            written.map(|topic| topic.replace("%23", "#")).or_else(|| Some(step.deliveries.first()?.topic.clone()))?
        }
    })
}

fn who(ticket: Ticket, step: &Step<'_>, state: &State) -> Value {
    let Some(asker) = asker(ticket, step, state) else { return json!({ "ticket": ticket }) };
    let Asker { method, path, query, peer, bytes } = &*asker;
    let mut value = json!({
        "ticket": ticket, "method": method, "path": path, "query": query, "peer": peer, "bytes": bytes,
    });
    if let Some(name) = parameter(&asker, "client") {
        value["client"] = name.into();
    }
    value
}

fn work(work: &LogCommand) -> Value {
    let (kind, topic, bytes) = match work {
        LogCommand::Append(append) => ("append", &append.topic, append.bytes.len()),
        LogCommand::Truncate(forget) => ("forget", &forget.topic, 0),
        LogCommand::Delete(delete) => ("delete", &delete.topic, 0),
    };
    json!({ "kind": kind, "topic": topic.as_str(), "bytes": bytes })
}

fn summary(output: &Output, who: &dyn Fn(Ticket) -> Value) -> Value {
    let shown = |kind: &str, ticket: Ticket, bytes: &[u8], status: Option<u16>| {
        let mut value = json!({ "kind": kind, "to": who(ticket), "bytes": bytes.len() });
        if let Some(status) = status {
            value["status"] = status.into();
        }
        // The cut may go through a character: what is before that is text all the same.
        let text = match core::str::from_utf8(&bytes[..bytes.len().min(SHOWN)]) {
            Ok(text) => Some(text),
            Err(cut) if bytes.len() > SHOWN && cut.error_len().is_none() => {
                core::str::from_utf8(&bytes[..cut.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        if let Some(text) = text {
            value["body"] = text.into();
        }
        value
    };
    match output {
        Output::Respond(ticket, response) => shown("respond", *ticket, response.body.as_bytes(), Some(response.status)),
        Output::Open(ticket, response) => shown("open", *ticket, response.body.as_bytes(), Some(response.status)),
        Output::Chunk(ticket, chunk) => shown("chunk", *ticket, chunk, None),
        Output::Close(ticket) => json!({ "kind": "close", "to": who(*ticket) }),
        Output::Forward(transfer) => json!({ "kind": "forward", "topic": transfer.to.as_str() }),
        Output::Read(read) => json!({ "kind": "read", "topic": read.topic.as_str(), "bytes": read.bytes }),
        Output::Configured(name, value) => json!({ "kind": "configured", "name": name, "value": value }),
    }
}
