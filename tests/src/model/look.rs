//! Looking at messages and at numbers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Fail, id_text, rfc3339};
use super::channel::{Channel, Counts, Place};
use super::request::{Query, id, is_name, number};
use super::topic::{Message, Topic};
use super::{Model, Moment, Nanos};

impl Model {
    /// `/peek`.
    pub(super) fn peek(&mut self, query: &Query) -> Result<Answer, Fail> {
        let topic = super::routes::arg_topic(query)?;
        let channel = query.read("channel", "INVALID_ARG_CHANNEL", |name| is_name(name).then(|| name.to_owned()))?;
        let states = ["ready", "in_flight", "deferred", "dead"];
        let state = query.read("state", "INVALID_STATE", |text| states.iter().position(|state| *state == text))?;
        let Some(channel) = channel else {
            if state.is_some() {
                return Err("MISSING_ARG_CHANNEL".into());
            }
            let (from, max) = window(query)?;
            let now = self.at.now;
            let (found, next) = self.topic(&topic)?.peek(from, max, now);
            return Ok(shown(found, next));
        };
        let state = state.unwrap_or(0);
        let (from, max) = window(query)?;
        let found = self.channel(&topic, &channel)?;
        let ids = [Channel::ready_ids, Channel::in_flight_ids, Channel::deferred_ids, Channel::dead_ids][state](found);
        let (ids, next) = split(ids.into_iter().filter(|id| *id >= from), max);
        Ok(shown(self.topic(&topic)?.peek_channel(&channel, ids, Some(states[state])), next))
    }

    /// `/dead`.
    pub(super) fn dead(&mut self, query: &Query) -> Result<Answer, Fail> {
        let (topic, channel) = (super::routes::arg_topic(query)?, super::routes::arg_channel(query)?);
        let (from, max) = window(query)?;
        let ids = self.channel(&topic, &channel)?.dead_ids();
        let (ids, next) = split(ids.into_iter().filter(|id| *id >= from), max);
        Ok(shown(self.topic(&topic)?.peek_channel(&channel, ids, Some("dead")), next))
    }

    /// The part of `/stats?format=json` that is foretold.
    pub(super) fn stats(&self, query: &Query) -> Answer {
        if query.get("format") != Some("json") {
            return Answer::text();
        }
        let filter = |param: &str| query.get(param).filter(|name| !name.is_empty());
        let wanted = |param: &str, name: &str| filter(param).is_none_or(|filter| filter == name);
        let mut topics = Vec::new();
        for (name, topic) in self.topics.iter().filter(|(name, _)| wanted("topic", name)) {
            let channels: Vec<_> = topic.channels.values().filter(|channel| wanted("channel", &channel.name)).collect();
            if filter("channel").is_none() || !channels.is_empty() {
                let channels: Vec<_> = channels.into_iter().map(|channel| channel.stats(&self.at)).collect();
                topics.push(topic.stats(name, &channels));
            }
        }
        let unknown = filter("topic").is_some_and(|name| !self.topics.contains_key(name));
        Answer::like(json!({ "health": "OK", "topics": if unknown { Value::Null } else { topics.into() } }))
    }
}

/// The first so many, and the one after them.
fn split(mut ids: impl Iterator<Item = u64>, max: usize) -> (Vec<u64>, Option<u64>) {
    (ids.by_ref().take(max).collect(), ids.next())
}

/// An answer that says where to go on.
fn shown(mut found: Value, next: Option<u64>) -> Answer {
    let Some(next) = next.map(id_text) else { return Answer::json(found) };
    found["next"] = json!(&next);
    Answer::json(found).with("shelf-next", next)
}

impl Topic {
    fn peek(&self, from: u64, max: usize, now: Nanos) -> (Value, Option<u64>) {
        let ids = from.max(self.earliest(now))..self.end();
        let (ids, next) = split(ids.filter(|id| !self.message(*id).lost && !self.message(*id).is_expired(now)), max);
        (json!({ "messages": ids.into_iter().map(|id| self.show(id)).collect::<Vec<_>>() }), next)
    }

    fn peek_channel(&self, channel: &str, ids: Vec<u64>, state: Option<&str>) -> Value {
        let show = |id: u64| {
            let slot = self.channels[channel].slot(id);
            let mut value = self.show(id);
            value["state"] = json!(state);
            value["attempts"] = json!(slot.attempts);
            if let Place::InFlight(until) | Place::Deferred(until) = slot.place {
                value["until"] = json!(until);
                value["ready_at"] = json!(rfc3339(until));
            }
            value
        };
        json!({ "messages": ids.into_iter().map(show).collect::<Vec<_>>() })
    }

    fn show(&self, id: u64) -> Value {
        let message = self.message(id);
        let mut value = describe(message);
        value["id"] = json!(id_text(id));
        value["attempts"] = json!(0);
        value["timestamp"] = json!(message.published);
        value["published"] = json!(rfc3339(message.published));
        value
    }

    fn stats(&self, name: &str, channels: &[Value]) -> Value {
        json!({
            "topic_name": name,
            "depth": self.kept_back().len(),
            "message_count": self.messages.len(),
            "message_bytes": self.messages.iter().map(|message| message.body.len()).sum::<usize>(),
            "paused": self.paused,
            "channels": channels,
        })
    }
}

impl Channel {
    /// Adds what happened here.
    pub(super) fn count_into(&self, counts: &mut BTreeMap<&'static str, u64>) {
        let dead = self.dead_ids().len() as u64;
        let held = self.ids(|place| *place == Place::Held).len() as u64;
        let Counts { finished, requeued, timed_out, expired, dropped, .. } = self.counts;
        let all = [
            ("finished", finished),
            ("requeued", requeued),
            ("timed out", timed_out),
            ("expired", expired),
            ("dropped", dropped),
            ("dead", dead),
            ("held behind their key", held),
        ];
        for (name, count) in all {
            *counts.entry(name).or_default() += count;
        }
    }

    fn stats(&self, at: &Moment) -> Value {
        let recent = |last_seen: Nanos| last_seen + at.limits.client_timeout > at.now;
        let clients = self.clients.iter().filter(|client| recent(client.last_seen) || self.is_busy(client));
        json!({
            "channel_name": self.name,
            "depth": self.ready_ids().len(),
            "in_flight_count": self.in_flight_ids().len(),
            "deferred_count": self.deferred_ids().len(),
            "dead_count": self.dead_ids().len(),
            "message_count": self.counts.received,
            "finish_count": self.counts.finished,
            "requeue_count": self.counts.requeued,
            "timeout_count": self.counts.timed_out,
            "expired_count": self.counts.expired,
            "dropped_count": self.counts.dropped,
            "client_count": clients.count(),
            "paused": self.paused,
        })
    }
}

/// From which id on, and how many at most.
fn window(query: &Query) -> Result<(u64, usize), Fail> {
    let from = query.read("from", "INVALID_FROM", id)?.unwrap_or(0);
    let max = query.read("max", "INVALID_MAX", |text| number(text).filter(|max| (1..=10_000).contains(max)))?;
    Ok((from, max.unwrap_or(100) as usize))
}

/// What a message carries, as JSON shows it.
fn describe(message: &Message) -> Value {
    let mut value = json!({});
    describe_into(value.as_object_mut().expect("it is one"), message.key.as_deref(), &message.headers, &message.body);
    value
}

/// Adds what a message carries to an object.
pub fn describe_into(object: &mut Map<String, Value>, key: Option<&str>, headers: &[(String, Vec<u8>)], body: &[u8]) {
    object.extend(key.map(|key| ("key".into(), key.into())));
    if !headers.is_empty() {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        object.insert("headers".into(), headers.iter().map(|(name, value)| (name.clone(), text(value))).collect());
    }
    match std::str::from_utf8(body) {
        Ok(text) => object.insert("body".into(), text.into()),
        Err(_) => object.insert("body_base64".into(), BASE64_STANDARD.encode(body).into()),
    };
}
