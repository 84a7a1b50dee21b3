//! The story of one message: what happened to it, by whom, and why it is where it is.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Value, json};

use super::codes::{Because, What};
use super::describe;
use super::replay::{Broken, Replay, State, Step};
use crate::broker::{ChannelTrace, MessageState, MessageTrace};
use crate::log::event::Event;
use crate::message::Receipt;
use crate::time::Time;

/// Follows one message through a replay.
#[derive(Debug)]
pub struct MessageHistory {
    topic: String,
    id: u64,
    shard: usize,
    /// Where the message was after the last step of its engine.
    seen: Option<MessageTrace>,
    now: Time,
}

impl MessageHistory {
    /// The story of this message, among so many engines.
    pub fn new(topic: &str, id: u64, shards: usize) -> Self {
        let shard = crate::shard_of(topic, shards);
        MessageHistory { topic: topic.into(), id, shard, seen: None, now: Time::default() }
    }

    /// Whether the message was published by then.
    pub(super) fn is_published(&self, state: &State) -> bool {
        let trace = state.engine(self.shard).and_then(|engine| engine.trace(&self.topic, self.id));
        trace.is_some_and(|trace| trace.published)
    }

    /// Makes the replay's next call; what it was to the message, as objects of JSON. `None` at the end.
    pub fn step(&mut self, replay: &mut Replay<'_>) -> Result<Option<Vec<Value>>, Broken> {
        let Some((next, at)) = replay.peek()? else { return Ok(None) };
        if next == self.shard
            && let Some(engine) = replay.engine_mut(next)
        {
            // Before each step: one of those before may have made the topic, or a checkpoint may have brought another
            // engine.
            engine.trace_topic(&self.topic);
            engine.trace_deliveries();
            self.seen = self.seen.take().or_else(|| engine.trace(&self.topic, self.id));
        }
        self.now = at;
        let Some(step) = replay.step()? else { return Ok(None) };
        Ok(Some(if step.shard == self.shard { self.after(&step, replay) } else { Vec::new() }))
    }

    fn after(&mut self, step: &Step<'_>, replay: &mut Replay<'_>) -> Vec<Value> {
        let Some(engine) = replay.engine_mut(step.shard) else { return Vec::new() };
        let trace = engine.trace(&self.topic, self.id);
        let mut lines = Vec::new();
        let was_published = self.seen.as_ref().is_some_and(|seen| seen.published);
        // Publishing is no event: only that the message is there now tells of it.
        if !was_published && trace.as_ref().is_some_and(|trace| trace.published) {
            lines.push(happened(What::Published, "published"));
        }
        for (channel, event) in engine.take_events(&self.topic) {
            if let Some(mut line) = self.describe(&event, step, replay) {
                line["channel"] = channel.into();
                lines.push(line);
            }
        }
        // What no line tells of yet, time or others did.
        lines.extend(self.moves(trace.as_ref(), &lines));
        for line in &mut lines {
            line["at"] = describe::time(step.at).into();
            line["by"] = describe::cause(&step.input);
            line["by_code"] = describe::kind(&step.input).code().into();
        }
        self.seen = trace;
        lines
    }

    /// What an event was to the message.
    fn describe(&self, event: &Event, step: &Step<'_>, replay: &Replay<'_>) -> Option<Value> {
        let has = |ids: &crate::log::event::Ids| ids.iter().any(|id| id == self.id);
        let when = |nanos: u64| describe::time(Time::from_nanos(nanos));
        Some(match event {
            Event::Leased { until, delivery, departed, leased, .. } => {
                let all: Vec<u64> = departed.iter().map(|facts| facts.id).collect();
                // An event names what was leased only where that is not all that departed.
                let ids = if leased.0.is_empty() { all } else { leased.iter().collect() };
                // Delivery numbers were given in this order, from the event's on.
                let place = ids.iter().position(|id| *id == self.id)?;
                let receipt = Receipt { id: self.id, delivery: delivery + place as u64 };
                let mut line = happened(What::Leased, "leased");
                line["receipt"] = receipt.to_string().into();
                line["until"] = when(*until).into();
                line["to"] = receiver(receipt, step, replay);
                line
            }
            Event::Touched { until, ids, .. } if has(ids) => with(What::Touched, "touched", "until", when(*until)),
            Event::Finished { ids, .. } if has(ids) => happened(What::Finished, "finished"),
            Event::Requeued { id, due, .. } if *id == self.id => {
                with(What::Requeued, "requeued", "until", due.map(when))
            }
            Event::TimedOut { ids, .. } if has(ids) => happened(What::TimedOut, "timed out"),
            Event::Died { ids, timed_out: true, .. } if has(ids) => {
                because(happened(What::Died, "died"), Because::LeaseRanOut, "its lease ran out")
            }
            Event::Died { ids, .. } if has(ids) => {
                because(happened(What::Died, "died"), Because::Requeued, "it was requeued")
            }
            Event::DeadGone { ids, .. } if has(ids) => {
                let line = happened(What::DeadGone, "no dead letter any more");
                because(line, Because::MovedOrDropped, "it was moved to another topic, or dropped")
            }
            Event::Redriven { ids, .. } if has(ids) => happened(What::Redriven, "redriven"),
            Event::Dropped { from, cursor, ids, .. } if has(ids) || (*from..cursor.id).contains(&self.id) => {
                because(happened(What::Dropped, "dropped"), Because::TopicFull, "the topic was full")
            }
            Event::Sought { to, .. } => with(What::ChannelMoved, "channel moved", "to", describe::id(to.id)),
            Event::Lost { id, .. } if *id == self.id => {
                because(happened(What::Lost, "lost"), Because::Unreadable, "it cannot be read")
            }
            _ => return None,
        })
    }

    /// What no event tells: time alone did it, or what happened to others.
    fn moves(&self, trace: Option<&MessageTrace>, described: &[Value]) -> Vec<Value> {
        let Some(trace) = trace.filter(|trace| trace.published) else {
            // Where it was there before, only its topic's end can have taken it: freed messages still count as
            // published.
            let was = self.seen.as_ref().is_some_and(|seen| seen.published);
            return if was { alloc::vec![happened(What::TopicDeleted, "topic deleted")] } else { Vec::new() };
        };
        let before = self.seen.as_ref().filter(|seen| seen.published);
        let mut lines = Vec::new();
        if trace.void && before.is_some_and(|seen| !seen.void) {
            lines.push(happened(What::Expired, "expired, or dropped with the topic's backlog"));
        }
        for now in &trace.channels {
            let was = before.and_then(|seen| seen.channels.iter().find(|was| was.channel == now.channel));
            let is_told = described.iter().any(|line| line["channel"] == *now.channel);
            // A message that was just published is where new ones are: that is no move.
            let is_new = was.is_none()
                && matches!(now.place, MessageState::InTopic | MessageState::Backlog | MessageState::Done);
            if !is_told && !is_new && was.is_none_or(|was| was.place != now.place) {
                lines.push(at_place(happened(What::Moved, "moved"), now, trace));
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
        let trace = state.engine(self.shard).and_then(|engine| engine.trace(&self.topic, self.id));
        let mut line = happened(What::Now, "now");
        line["at"] = describe::time(now).into();
        line["topic"] = self.topic.as_str().into();
        line["id"] = describe::id(self.id).into();
        let Some(trace) = trace.filter(|trace| trace.published) else {
            let text = "no message of this id was published to this topic, as far as is recorded";
            return because(line, Because::Unknown, text);
        };
        if trace.channels.is_empty() {
            line = because(line, Because::NoChannel, "the topic has no channel: the first one gets it");
        }
        line["channels"] = trace.channels.iter().map(|channel| at_place(json!({}), channel, &trace)).collect();
        line
    }
}

/// A line of a story: its code, and its sentence.
fn happened(what: What, text: &str) -> Value {
    json!({ "what": text, "code": what.code() })
}

fn with(what: What, text: &str, field: &str, value: impl Into<Value>) -> Value {
    let mut line = happened(what, text);
    line[field] = value.into();
    line
}

fn because(mut line: Value, code: Because, text: impl Into<Value>) -> Value {
    line["because"] = text.into();
    line["because_code"] = code.code().into();
    line
}

/// The request that got the message with this receipt.
fn receiver(receipt: Receipt, step: &Step<'_>, replay: &Replay<'_>) -> Value {
    let mut deliveries =
        step.deliveries.iter().filter(|deliveries| deliveries.messages.iter().any(|message| message.0 == receipt));
    let Some(ticket) = deliveries.next().map(|deliveries| deliveries.ticket) else { return Value::Null };
    match describe::asker(ticket, step, replay.state()) {
        Some(asker) => describe::request(ticket, &asker),
        None => json!({ "ticket": ticket }),
    }
}

/// Where a message is in a channel, and why.
fn at_place(line: Value, at: &ChannelTrace, trace: &MessageTrace) -> Value {
    let (code, text) = why(at, trace);
    let mut line = because(line, code, text);
    match code {
        Because::InFlightLimit => line["in_flight"] = at.in_flight.into(),
        Because::NoRoom => line["reads_next"] = describe::id(at.reads_next).into(),
        Because::DeadWaits => line["dead_letter"] = at.dead_letter.as_deref().into(),
        _ => {}
    }
    line["channel"] = at.channel.as_str().into();
    if let Ok(Value::Object(place)) = serde_json::to_value(&at.place) {
        for (name, value) in place {
            line[name.as_str()] = match (name.as_str(), value.as_u64()) {
                ("until", Some(nanos)) => describe::time(Time::from_nanos(nanos)).into(),
                ("behind", Some(id)) => describe::id(id).into(),
                _ => value,
            };
        }
    }
    line
}

/// Why a message is where it is: for programs, and in a sentence.
fn why(at: &ChannelTrace, trace: &MessageTrace) -> (Because, String) {
    let (code, text) = match &at.place {
        MessageState::InTopic if trace.topic_paused => (Because::TopicPaused, "the topic is paused"),
        MessageState::InTopic if !trace.durable => (Because::NotDurable, "it is not as durable as was promised"),
        MessageState::InTopic => (Because::InTopic, "the topic has not handed it over"),
        MessageState::Backlog | MessageState::Ready { .. } => return why_ready(at),
        MessageState::InFlight { client, until, .. } => {
            return (Because::Leased, format!("leased to {client} until {}", describe::time(*until)));
        }
        MessageState::Deferred { until, .. } => {
            return (Because::Deferred, format!("deferred until {}", describe::time(*until)));
        }
        MessageState::Held { behind } => {
            return (Because::Held, format!("held behind message {} of its key", describe::id(*behind)));
        }
        MessageState::Dead { attempts } => {
            return match &at.dead_letter {
                Some(topic) => {
                    (Because::DeadWaits, format!("dead after {attempts} attempts, and not taken by {topic} yet"))
                }
                None => (Because::Dead, format!("dead after {attempts} attempts")),
            };
        }
        MessageState::Done if trace.void => (Because::Expired, "expired, or dropped"),
        MessageState::Done => (Because::Done, "finished, dropped, or passed over"),
    };
    (code, text.into())
}

/// Why a message waits for a consumer.
fn why_ready(at: &ChannelTrace) -> (Because, String) {
    match at {
        ChannelTrace { paused: true, .. } => (Because::ChannelPaused, "the channel is paused".into()),
        ChannelTrace { max_in_flight, in_flight, .. } if *max_in_flight > 0 && in_flight >= max_in_flight => {
            let text = format!("the channel has {in_flight} messages in flight, as many as max_in_flight lets it");
            (Because::InFlightLimit, text)
        }
        ChannelTrace { waiting: 0, .. } => (Because::NoConsumer, "no consumer waits".into()),
        ChannelTrace { reads_next, .. } => {
            let next = describe::id(*reads_next);
            (Because::NoRoom, format!("the channel reads on at {next}, and its consumers have no room"))
        }
    }
}
