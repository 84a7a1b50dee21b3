//! The story of one message: what happened to it, by whom, and why it is where it is.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::replay::{Broken, Replay, State, Step};
use super::told;
use crate::broker::{Place, Sighting, Whereabouts};
use crate::log::event::Event;
use crate::message::Receipt;
use crate::time::Time;

/// Follows one message through a replay.
#[derive(Debug)]
pub struct Story {
    topic: String,
    id: u64,
    shard: usize,
    seen: Option<Sighting>,
    now: Time,
}

impl Story {
    /// The story of this message, among so many engines.
    pub fn new(topic: &str, id: u64, shards: usize) -> Self {
        let shard = crate::shard_of(topic, shards);
        Story { topic: topic.into(), id, shard, seen: None, now: Time::default() }
    }

    /// Whether the message was published by then.
    pub(super) fn is_published(&self, state: &State) -> bool {
        let sight = state.engine(self.shard).and_then(|engine| engine.sight(&self.topic, self.id));
        sight.is_some_and(|sight| sight.published)
    }

    /// Makes the replay's next call; what it was to the message, as objects of JSON. `None` at the end.
    pub fn step(&mut self, replay: &mut Replay<'_>) -> Result<Option<Vec<Value>>, Broken> {
        let Some((next, at)) = replay.peek()? else { return Ok(None) };
        if next == self.shard
            && let Some(engine) = replay.engine_mut(next)
        {
            engine.watch(&self.topic);
            engine.listen();
            self.seen = self.seen.take().or_else(|| engine.sight(&self.topic, self.id));
        }
        self.now = at;
        let Some(step) = replay.step()? else { return Ok(None) };
        Ok(Some(if step.shard == self.shard { self.after(&step, replay) } else { Vec::new() }))
    }

    fn after(&mut self, step: &Step<'_>, replay: &mut Replay<'_>) -> Vec<Value> {
        let Some(engine) = replay.engine_mut(step.shard) else { return Vec::new() };
        let sight = engine.sight(&self.topic, self.id);
        let mut lines = Vec::new();
        let was_published = self.seen.as_ref().is_some_and(|seen| seen.published);
        if !was_published && sight.as_ref().is_some_and(|sight| sight.published) {
            lines.push(json!({ "what": "published" }));
        }
        for (channel, event) in engine.heard(&self.topic) {
            if let Some(mut line) = self.tell(&event, step, replay) {
                line["channel"] = channel.into();
                lines.push(line);
            }
        }
        lines.extend(self.moves(sight.as_ref(), &lines));
        for line in &mut lines {
            line["at"] = told::time(step.at).into();
            line["by"] = told::cause(&step.input);
        }
        self.seen = sight;
        lines
    }

    /// What an event was to the message.
    fn tell(&self, event: &Event, step: &Step<'_>, replay: &Replay<'_>) -> Option<Value> {
        let has = |ids: &crate::log::event::Ids| ids.iter().any(|id| id == self.id);
        let when = |nanos: u64| told::time(Time::from_nanos(nanos));
        Some(match event {
            Event::Leased { until, delivery, departed, leased, .. } => {
                let all: Vec<u64> = departed.iter().map(|facts| facts.id).collect();
                let ids = if leased.0.is_empty() { all } else { leased.iter().collect() };
                let place = ids.iter().position(|id| *id == self.id)?;
                let receipt = Receipt { id: self.id, delivery: delivery + place as u64 };
                let to = receiver(receipt, step, replay);
                json!({ "what": "leased", "receipt": receipt.to_string(), "until": when(*until), "to": to })
            }
            Event::Touched { until, ids, .. } if has(ids) => json!({ "what": "touched", "until": when(*until) }),
            Event::Finished { ids, .. } if has(ids) => json!({ "what": "finished" }),
            Event::Requeued { id, due, .. } if *id == self.id => {
                json!({ "what": "requeued", "until": due.map(when) })
            }
            Event::TimedOut { ids, .. } if has(ids) => json!({ "what": "timed out" }),
            Event::Died { ids, timed_out, .. } if has(ids) => {
                json!({ "what": "died", "because": if *timed_out { "its lease ran out" } else { "it was requeued" } })
            }
            Event::DeadGone { ids, .. } if has(ids) => {
                json!({ "what": "no dead letter any more", "because": "it was moved to another topic, or dropped" })
            }
            Event::Redriven { ids, .. } if has(ids) => json!({ "what": "redriven" }),
            Event::Dropped { from, cursor, ids, .. } if has(ids) || (*from..cursor.id).contains(&self.id) => {
                json!({ "what": "dropped", "because": "the topic was full" })
            }
            Event::Sought { to, .. } => json!({ "what": "channel moved", "to": told::id(to.id) }),
            Event::Lost { id, .. } if *id == self.id => json!({ "what": "lost", "because": "it cannot be read" }),
            _ => return None,
        })
    }

    /// What no event tells: time alone did it, or what happened to others.
    fn moves(&self, sight: Option<&Sighting>, told: &[Value]) -> Vec<Value> {
        let Some(sight) = sight.filter(|sight| sight.published) else {
            let was = self.seen.as_ref().is_some_and(|seen| seen.published);
            return if was { alloc::vec![json!({ "what": "topic deleted" })] } else { Vec::new() };
        };
        let before = self.seen.as_ref().filter(|seen| seen.published);
        let mut lines = Vec::new();
        if sight.void && before.is_some_and(|seen| !seen.void) {
            lines.push(json!({ "what": "expired, or dropped with the topic's backlog" }));
        }
        for now in &sight.channels {
            let was = before.and_then(|seen| seen.channels.iter().find(|was| was.channel == now.channel));
            let is_told = told.iter().any(|line| line["channel"] == *now.channel);
            let is_new = was.is_none() && matches!(now.place, Place::InTopic | Place::Backlog | Place::Done);
            if !is_told && !is_new && was.is_none_or(|was| was.place != now.place) {
                let mut line = json!({ "what": "moved", "because": why(now, sight) });
                add_place(&mut line, now);
                lines.push(line);
            }
        }
        lines
    }

    /// Where the message is at the end, and why.
    pub fn end(&self, replay: &Replay<'_>) -> Value {
        self.end_at(replay.state(), self.now)
    }

    /// Where the message is at this moment, and why.
    pub fn end_at(&self, state: &State, now: Time) -> Value {
        let sight = state.engine(self.shard).and_then(|engine| engine.sight(&self.topic, self.id));
        let head = json!({ "what": "now", "at": told::time(now), "topic": self.topic, "id": told::id(self.id) });
        let Some(sight) = sight.filter(|sight| sight.published) else {
            let mut line = head;
            line["because"] = "no message of this id was published to this topic, as far as is recorded".into();
            return line;
        };
        let mut line = head;
        if sight.channels.is_empty() {
            line["because"] = "the topic has no channel: the first one gets it".into();
        }
        let channels = sight.channels.iter().map(|channel| {
            let mut line = json!({ "because": why(channel, &sight) });
            add_place(&mut line, channel);
            line
        });
        line["channels"] = channels.collect();
        line
    }
}

/// The request that got the message with this receipt.
fn receiver(receipt: Receipt, step: &Step<'_>, replay: &Replay<'_>) -> Value {
    let mut handed = step.handed.iter().filter(|handed| handed.messages.iter().any(|message| message.0 == receipt));
    let Some(ticket) = handed.next().map(|handed| handed.ticket) else { return Value::Null };
    match told::asker(ticket, step, replay.state()) {
        Some(asker) => told::request(ticket, &asker),
        None => json!({ "ticket": ticket }),
    }
}

fn add_place(line: &mut Value, at: &Whereabouts) {
    line["channel"] = at.channel.as_str().into();
    if let Ok(Value::Object(place)) = serde_json::to_value(&at.place) {
        for (name, value) in place {
            line[name.as_str()] = match (name.as_str(), value.as_u64()) {
                ("until", Some(nanos)) => told::time(Time::from_nanos(nanos)).into(),
                ("behind", Some(id)) => told::id(id).into(),
                _ => value,
            };
        }
    }
}

/// Why a message is where it is, in a sentence.
fn why(at: &Whereabouts, sight: &Sighting) -> String {
    let waits = || match at {
        Whereabouts { paused: true, .. } => "the channel is paused".into(),
        Whereabouts { max_in_flight, in_flight, .. } if *max_in_flight > 0 && in_flight >= max_in_flight => {
            format!("the channel has {in_flight} messages in flight, as many as max_in_flight lets it")
        }
        Whereabouts { waiting: 0, .. } => "no consumer waits".into(),
        Whereabouts { reads_next, .. } => {
            format!("the channel reads on at {}, and its consumers have no room", told::id(*reads_next))
        }
    };
    match &at.place {
        Place::InTopic if sight.topic_paused => "the topic is paused".into(),
        Place::InTopic if !sight.durable => "it is not as durable as was promised".into(),
        Place::InTopic => "the topic has not handed it over".into(),
        Place::Backlog | Place::Ready { .. } => waits(),
        Place::InFlight { client, until, .. } => format!("leased to {client} until {}", told::time(*until)),
        Place::Deferred { until, .. } => format!("deferred until {}", told::time(*until)),
        Place::Held { behind } => format!("held behind message {} of its key", told::id(*behind)),
        Place::Dead { attempts } => match &at.dead_letter {
            Some(topic) => format!("dead after {attempts} attempts, and not taken by {topic} yet"),
            None => format!("dead after {attempts} attempts"),
        },
        Place::Done if sight.void => "expired, or dropped".into(),
        Place::Done => "finished, dropped, or passed over".into(),
    }
}
