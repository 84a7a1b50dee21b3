//! Looking at all there is, and what must be there in the end.

use std::collections::BTreeMap;

use serde_json::Value;

use super::deliver::Delivery;
use super::{Fate, Ledger, Message, Place, Status};

impl Ledger {
    /// Somebody looked at all that a channel has, and nothing happened meanwhile: each message that is owed is there,
    /// in one place.
    pub fn looked(&mut self, place: &Place, found: &[Delivery]) -> Result<(), String> {
        let mut there: BTreeMap<usize, &str> = BTreeMap::new();
        for delivery in found {
            let number = self.identify(&place.topic, delivery)?;
            if let Some(other) = there.insert(number, &delivery.state) {
                let (state, name) = (&delivery.state, format!("{} of {}", place.channel, place.topic));
                return Err(format!("message {number} is in two places of {name}: {other} and {state}"));
            }
        }
        self.count("looks");
        self.is_whole(place, &there)?;
        let now = self.now;
        let Some(topic) = self.topics.get(&place.topic) else { return Ok(()) };
        let Some(channel) = self.channel(place) else { return Ok(()) };
        for (number, fate) in &channel.fates {
            let moved = (channel.forwards && channel.may_be_dead(fate)) || topic.kept_back.contains(number);
            if is_owed(fate, &self.messages[*number], now) && !moved && !topic.limited && !there.contains_key(number) {
                let (name, fate) = (format!("{} of {}", place.channel, place.topic), format!("{fate:?}"));
                return Err(format!("message {number} is nowhere in {name}: {fate}"));
            }
            let dead = there.get(number) == Some(&"dead");
            if dead && !channel.may_be_dead(fate) && !topic.shaken {
                return Err(format!("message {number} is a dead letter after {} attempts", fate.attempts));
            }
        }
        Ok(())
    }

    /// Of each publish, all is there or was, or nothing: whether it was answered or not.
    fn is_whole(&self, place: &Place, there: &BTreeMap<usize, &str>) -> Result<(), String> {
        let (Some(topic), Some(channel)) = (self.topics.get(&place.topic), self.channel(place)) else { return Ok(()) };
        let is_sure = self.sync == super::Sync::Always && topic.damaged.is_empty() && topic.kept_back.is_empty();
        if !is_sure || topic.shaken || topic.limited || channel.forwards {
            return Ok(());
        }
        let batches = self.batches.iter().filter(|batch| batch.topic == place.topic && batch.life == topic.life);
        for batch in batches.filter(|batch| batch.seq > channel.made) {
            let is_seen = |number: &usize| {
                there.contains_key(number) || channel.fates.get(number).is_some_and(|fate| fate.delivered)
            };
            let is_missing = |number: &usize| {
                let is_owed = channel.fates.get(number).is_some_and(|fate| fate.owed);
                is_owed && !is_seen(number) && self.messages[*number].expires > self.now
            };
            if let (Some(seen), Some(missing)) = (batch.numbers().find(is_seen), batch.numbers().find(is_missing)) {
                let (channel, topic) = (&place.channel, &place.topic);
                return Err(format!("of one publish, message {seen} is in {channel} of {topic}, and {missing} is not"));
            }
        }
        Ok(())
    }

    /// What is still owed by a channel that was drained; nothing may be.
    pub fn drained(&self, place: &Place) -> Result<(), String> {
        let now = self.now;
        let (Some(topic), Some(channel)) = (self.topics.get(&place.topic), self.channel(place)) else { return Ok(()) };
        for (number, fate) in &channel.fates {
            let owed = is_owed(fate, &self.messages[*number], now) && !topic.limited;
            let key = (place.topic.clone(), place.channel.clone(), *number);
            if owed && !self.copies.contains_key(&key) {
                let message = &self.messages[*number];
                return Err(format!(
                    "message {number} (id {:?}) of {} is lost in {}: {fate:?}, {message:?}",
                    message.id, place.topic, place.channel
                ));
            }
        }
        Ok(())
    }

    /// Compares what the broker says of its topics and channels with what was asked of it.
    pub fn compare(&self, stats: &Value) -> Result<(), String> {
        let none = Vec::new();
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or(none.clone());
        let topics = list(stats, "topics");
        let named = |list: &[Value], field: &str, name: &str| list.iter().find(|value| value[field] == name).cloned();
        for (name, topic) in self.topics.iter().filter(|(_, topic)| !topic.shaken) {
            let found = named(&topics, "topic_name", name).ok_or(format!("topic {name} is gone"))?;
            if found["paused"] != topic.paused {
                return Err(format!("topic {name} is paused: {}", found["paused"]));
            }
            let channels = list(&found, "channels");
            for (channel, expected) in &topic.channels {
                let place = format!("channel {channel} of {name}");
                let found = named(&channels, "channel_name", channel).ok_or(format!("{place} is gone"))?;
                if found["paused"] != expected.paused {
                    return Err(format!("{place} is paused: {}", found["paused"]));
                }
                for (option, text) in &expected.options {
                    let value = &found["options"][option];
                    let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if shown != *text && !(text.is_empty() && value.is_null()) {
                        return Err(format!("{place} has {option}={shown}, not {text}"));
                    }
                }
            }
            let extra = channels.iter().find(|found| {
                found["channel_name"].as_str().is_none_or(|channel| !topic.channels.contains_key(channel))
            });
            // Where nothing was synced, what was deleted may be back.
            if let Some(extra) = extra.filter(|_| self.sync == super::Sync::Always) {
                return Err(format!("channel {} of {name} is there", extra["channel_name"]));
            }
        }
        let extra = topics
            .iter()
            .find(|found| found["topic_name"].as_str().is_none_or(|topic| !self.topics.contains_key(topic)));
        extra.map_or(Ok(()), |extra| Err(format!("topic {} is there", extra["topic_name"])))
    }
}

/// Whether a message must be somewhere.
fn is_owed(fate: &Fate, message: &Message, now: u64) -> bool {
    fate.owed && message.status == Status::Acked && message.expires > now
}
