//! `/pub` and `/mpub`.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answer::{Answer, Fail, id_text};
use super::request::{Query, Wire, duration, is_name};
use super::topic::{Accepted, Message};
use super::{Limits, Model, Nanos};

/// What may be said of a message.
#[derive(Clone, Debug, Default)]
struct Options {
    defer: Option<Nanos>,
    key: Option<String>,
    ttl: Option<Nanos>,
    headers: Vec<(String, Vec<u8>)>,
}

/// A message that is to be published, under its dedup key.
type New = (Message, Option<String>);

/// What a publish did.
struct Published {
    first: u64,
    count: u64,
    duplicate: bool,
}

impl Model {
    pub(super) fn publish(&mut self, query: Option<Query>, wire: &Wire) -> Result<Answer, Fail> {
        let query = query.ok_or(Fail::from("INVALID_REQUEST"))?;
        let topic = named(&query)?;
        let (options, dedup) = self.options(&query, wire)?;
        let message = self.message(wire.body.clone(), &options);
        let published = self.publish_once(&topic, dedup, &[(message, None)])?;
        let id = id_text(published.first);
        let json = json!({ "id": &id });
        Ok(told(wire, json, published.duplicate).with("shelf-id", id))
    }

    pub(super) fn publish_many(&mut self, query: Option<Query>, wire: &Wire) -> Result<Answer, Fail> {
        let query = query.ok_or(Fail::from("INVALID_REQUEST"))?;
        let topic = named(&query)?;
        let (options, dedup) = self.options(&query, wire)?;
        let binary = query.get("binary").is_some_and(|value| value != "false" && value != "0");
        let media = wire.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let new = if binary {
            self.same(read_binary(&wire.body, &self.at.limits)?, &options)
        } else if media == "application/x-ndjson" {
            self.read_ndjson(&wire.body, &options)?
        } else {
            let lines = wire.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            self.same(lines.map(<[u8]>::to_vec).collect(), &options)
        };
        if new.iter().any(|(message, _)| message.body.len() > self.at.limits.max_msg_size) {
            return Err("MSG_TOO_BIG".into());
        }
        let published = self.publish_once(&topic, dedup, &new)?;
        let id = Some(id_text(published.first)).filter(|_| published.first > 0);
        let mut json = json!({ "count": published.count });
        json.as_object_mut().expect("it is one").extend(id.iter().map(|id| ("id".into(), id.as_str().into())));
        let answer = told(wire, json, published.duplicate).with("shelf-count", published.count);
        Ok(match id {
            Some(id) => answer.with("shelf-id", id),
            None => answer,
        })
    }

    fn same(&self, bodies: Vec<Vec<u8>>, options: &Options) -> Vec<New> {
        bodies.into_iter().map(|body| (self.message(body, options), None)).collect()
    }

    fn message(&self, body: Vec<u8>, options: &Options) -> Message {
        let now = self.at.now;
        Message {
            body,
            key: options.key.clone(),
            headers: options.headers.clone(),
            published: now,
            due: options.defer.filter(|defer| *defer > 0).map(|defer| now + defer),
            expires: options.ttl.map(|ttl| now.saturating_add(ttl)),
            lost: false,
        }
    }

    /// The options of a request, and its dedup key.
    fn options(&self, query: &Query, wire: &Wire) -> Result<(Options, Option<String>), Fail> {
        let max_defer = self.at.limits.max_req_timeout;
        let short = |text: &str| Some(text.to_owned()).filter(|text| (1..=256).contains(&text.len()));
        let defer = query.read("defer", "INVALID_DEFER", |text| duration(text).filter(|defer| *defer <= max_defer))?;
        let key = query.read("key", "INVALID_KEY", short)?;
        let mut dedup =
            query.read("dedup", "INVALID_DEDUP", |text| short(text).filter(|key| !key.starts_with('\0')))?;
        if let (None, Some(header)) = (&dedup, wire.header("idempotency-key")) {
            dedup = Some(short(header).ok_or(Fail::from("INVALID_DEDUP"))?);
        }
        let ttl = query.read("ttl", "INVALID_TTL", |text| duration(text).filter(|ttl| *ttl > 0))?;
        let headers: Vec<_> = wire.headers.iter().filter(|(name, value)| is_kept(name, value)).collect();
        if headers.iter().map(|(name, value)| 4 + name.len() + value.len()).sum::<usize>() > 8192 {
            return Err("HEADERS_TOO_BIG".into());
        }
        let headers = headers.into_iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
        Ok((Options { defer, key, ttl, headers }, dedup))
    }

    /// One JSON object a line.
    fn read_ndjson(&self, body: &[u8], options: &Options) -> Result<Vec<New>, Fail> {
        let blank = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
        let lines = body.split(|byte| *byte == b'\n').filter(|line| !blank(line));
        lines.map(|line| self.read_line(line, options).ok_or(Fail::from("BAD_MESSAGE"))).collect()
    }

    fn read_line(&self, line: &[u8], options: &Options) -> Option<New> {
        let Ok(Value::Object(line)) = serde_json::from_slice(line) else { return None };
        let said = |name: &str| line.get(name).filter(|value| !value.is_null());
        let body = match (said("body"), said("body_base64")) {
            (Some(text), None) => text.as_str()?.as_bytes().to_vec(),
            (None, Some(text)) => BASE64_STANDARD.decode(text.as_str()?).ok()?,
            _ => return None,
        };
        let mut options = options.clone();
        let mut dedup = None;
        for (name, value) in &line {
            match name.as_str() {
                _ if value.is_null() => {}
                "defer" => options.defer = Some(json_duration(value).filter(|d| *d <= self.at.limits.max_req_timeout)?),
                "ttl" => options.ttl = Some(json_duration(value).filter(|ttl| *ttl > 0)?),
                "key" => options.key = Some(short_text(value)?),
                "dedup" => dedup = Some(short_text(value)?),
                "headers" => options.headers.extend(json_headers(value)?),
                _ => {}
            }
        }
        Some((self.message(body, &options), dedup)).filter(|(message, _)| !message.body.is_empty())
    }

    /// Publishes unless the batch, or each message of it, was published before.
    fn publish_once(&mut self, name: &str, dedup: Option<String>, new: &[New]) -> Result<Published, Fail> {
        let known = |key: &String| self.accepted(name, key);
        if let Some(Accepted { first, count, .. }) = dedup.as_ref().and_then(known) {
            return Ok(Published { first, count, duplicate: true });
        }
        let mut seen = BTreeSet::new();
        let mut is_new = |key: &String| known(key).is_none() && seen.insert(key.clone());
        let fresh: Vec<_> = new.iter().filter(|(_, key)| key.as_ref().is_none_or(&mut is_new)).cloned().collect();
        if let (true, Some((_, Some(key)))) = (fresh.is_empty(), new.first()) {
            let first = known(key).map_or(0, |accepted| accepted.first);
            return Ok(Published { first, count: 0, duplicate: true });
        }
        let (messages, keys): (Vec<_>, Vec<_>) = fresh.into_iter().unzip();
        let count = messages.len() as u64;
        let first = self.add_messages(name, messages)?;
        let of_each = keys.into_iter().enumerate().filter_map(|(index, key)| Some((key?, first + index as u64, 1)));
        let all: Vec<_> = of_each.chain(dedup.filter(|_| count > 0).map(|key| (key, first, count))).collect();
        let at = self.at.now;
        for (key, first, count) in all {
            self.create_topic(name).dedup.insert(key, Accepted { at, first, count });
        }
        Ok(Published { first: if count == 0 { 0 } else { first }, count, duplicate: false })
    }

    fn accepted(&self, topic: &str, key: &str) -> Option<Accepted> {
        let found = self.topics.get(topic)?.dedup.get(key)?;
        Some(*found).filter(|found| self.at.now - found.at < self.at.limits.dedup_window)
    }

    /// Adds messages to a topic that may be new; answers the first id.
    pub(super) fn add_messages(&mut self, name: &str, mut messages: Vec<Message>) -> Result<u64, Fail> {
        let bytes = messages.iter().map(|message| message.body.len() as u64).sum();
        self.create_topic(name);
        let topic = self.topics.get_mut(name).expect("it was just made");
        if !topic.make_room(messages.len() as u64, bytes, &mut self.at) {
            return Err("TOPIC_FULL".into());
        }
        let first = topic.end();
        for mut message in messages.drain(..) {
            message.published = self.at.now;
            topic.add(message, &self.at);
        }
        topic.hand_over(&mut self.at);
        Ok(first)
    }
}

/// `OK`, or for those who accept JSON what there is to tell.
fn told(wire: &Wire, mut json: Value, duplicate: bool) -> Answer {
    let accept = wire.header("accept").unwrap_or_default();
    if duplicate {
        json["duplicate"] = true.into();
    }
    let answer = if accept.starts_with("application/json") { Answer::done().with_json(json) } else { Answer::ok() };
    if duplicate { answer.with("shelf-duplicate", "true") } else { answer }
}

fn named(query: &Query) -> Result<String, Fail> {
    let name = query.get("topic").ok_or(Fail::from("MISSING_ARG_TOPIC"))?;
    if is_name(name) { Ok(name.into()) } else { Err("INVALID_TOPIC".into()) }
}

/// Whether a header field is kept with the message. What curl says by itself is not, nor the type of a batch.
fn is_kept(name: &str, value: &str) -> bool {
    let of_no_message = ["application/x-www-form-urlencoded", "application/x-ndjson"];
    if name == "content-type" { !of_no_message.iter().any(|media| value.starts_with(media)) } else { is_own(name) }
}

fn is_own(name: &str) -> bool {
    ["traceparent", "tracestate"].contains(&name) || name.starts_with("ce-") || name.starts_with("shelf-meta-")
}

fn short_text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| (1..=256).contains(&text.len())).map(Into::into)
}

fn json_duration(value: &Value) -> Option<Nanos> {
    match value {
        Value::String(text) => duration(text),
        value => value.as_u64().map(|millis| millis.saturating_mul(1_000_000)),
    }
}

fn json_headers(value: &Value) -> Option<Vec<(String, Vec<u8>)>> {
    let header = |(name, value): (&String, &Value)| {
        let name = name.to_ascii_lowercase();
        let legal = is_own(&name) || name == "content-type";
        Some((name, value.as_str()?.as_bytes().to_vec())).filter(|_| legal)
    };
    value.as_object()?.iter().map(header).collect()
}

/// The binary form of a batch.
fn read_binary(body: &[u8], limits: &Limits) -> Result<Vec<Vec<u8>>, Fail> {
    let bad_body = Fail::from("BAD_BODY");
    let bad_message = || Fail::from("BAD_MESSAGE").status(413);
    let most = (limits.max_body_size - 4) / 5;
    let (count, mut rest) = body.split_first_chunk::<4>().ok_or_else(|| bad_body.clone())?;
    let count = u32::from_be_bytes(*count) as usize;
    if count == 0 || count > most {
        return Err(bad_body);
    }
    let mut bodies = Vec::new();
    for _ in 0..count {
        let (size, after) = rest.split_first_chunk::<4>().ok_or_else(bad_message)?;
        let size = u32::from_be_bytes(*size) as usize;
        if size == 0 || size > limits.max_msg_size || size > after.len() {
            return Err(bad_message());
        }
        bodies.push(after[..size].to_vec());
        rest = &after[size..];
    }
    Ok(bodies)
}
