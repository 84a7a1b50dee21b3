//! What happens by itself: as time passes, and after each change.

use super::answer::{Answer, Fail};
use super::channel::Channel;
use super::topic::Message;
use super::{Model, Moment, Nanos};

/// How long after a dead letter was refused it is sent again, at first.
const SEND_AGAIN: Nanos = 1_000_000_000;

impl Model {
    /// When something happens by itself next.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let of_channel = |channel: &Channel| {
            let slots = channel.next_deadline().map(|(at, ..)| at);
            slots
                .into_iter()
                .chain(channel.next_patience())
                .chain(channel.deserted_at(&self.at))
                .chain(channel.again_at)
                .min()
        };
        let expiries = self.topics.values().flat_map(|topic| &topic.messages).filter_map(|message| message.expires);
        self.channels().filter_map(of_channel).chain(expiries.filter(|at| *at > self.at.now)).min()
    }

    /// It is this time now, and nothing was due before.
    pub fn advance(&mut self, now: Nanos) {
        self.at.now = now;
        for topic in self.topics.values_mut() {
            topic.expire(now);
            for channel in topic.channels.values_mut() {
                channel.expire(now);
                channel.send_again(now);
                channel.handle_deadlines(now);
            }
        }
        self.serve();
        for topic in self.topics.values_mut() {
            for channel in topic.channels.values_mut() {
                channel.end_waits(&self.at, &mut self.events);
            }
        }
        self.settle_down();
    }

    /// Does what a change makes possible, until there is nothing left to do.
    pub(super) fn settle_down(&mut self) {
        self.serve();
        self.forward_dead_letters();
        self.remove_deserted();
    }

    fn serve(&mut self) {
        for topic in self.topics.values_mut() {
            for channel in topic.channels.values_mut() {
                channel.serve(&topic.messages, &mut self.at, &mut self.events);
            }
        }
    }

    /// Moves dead letters to the topics that their channels name, one by one.
    fn forward_dead_letters(&mut self) {
        let mut letters = Vec::new();
        for (name, topic) in &mut self.topics {
            for channel in topic.channels.values_mut() {
                let Some(to) = channel.options.dead_letter.clone() else { continue };
                for id in std::mem::take(&mut channel.outbox) {
                    letters.push((to.clone(), name.clone(), channel.name.clone(), id));
                }
            }
        }
        for (to, topic, channel, id) in &letters {
            self.forward(to, topic, channel, *id);
            self.serve();
        }
    }

    /// Publishes a dead letter elsewhere. Where that is refused, it is sent again after a while, and a longer one each time.
    fn forward(&mut self, to: &str, topic: &str, channel: &str, id: u64) {
        let from = &self.topics[topic];
        let slot = from.channels[channel].slot(id);
        if slot.place != super::channel::Place::Dead {
            return;
        }
        let letter = from.message(id);
        let mut headers = letter.headers.clone();
        headers.retain(|(name, _)| !name.starts_with("shelf-dead-"));
        let story = [("topic", topic.into()), ("channel", channel.into()), ("id", super::answer::id_text(id))];
        let story = story.into_iter().chain([("attempts", slot.attempts.to_string())]);
        headers.extend(story.map(|(what, value)| (format!("shelf-dead-{what}"), value.into_bytes())));
        let message = Message { headers, body: letter.body.clone(), key: letter.key.clone(), ..Message::default() };
        let is_taken = self.add_messages(to, vec![message]).is_ok();
        let now = self.at.now;
        let channel = self.channel(topic, channel).expect("the letter comes from there");
        if is_taken {
            channel.refusals = 0;
            channel.slot_mut(id).place = super::channel::Place::Gone;
            return;
        }
        channel.refused.push(id);
        if channel.again_at.is_none() {
            channel.again_at = Some(now + (SEND_AGAIN << channel.refusals.min(10)).min(60 * SEND_AGAIN));
            channel.refusals += 1;
        }
    }

    /// Ephemeral channels go when their consumers have gone, and ephemeral topics with their last channel.
    fn remove_deserted(&mut self) {
        let mut gone = Vec::new();
        for (name, topic) in &self.topics {
            let deserted = |channel: &&Channel| channel.deserted_at(&self.at).is_some_and(|at| at <= self.at.now);
            gone.extend(topic.channels.values().filter(deserted).map(|channel| (name.clone(), channel.name.clone())));
        }
        for (topic, channel) in gone {
            self.delete_channel(&topic, &channel);
        }
    }

    /// Takes a channel away, and an ephemeral topic with its last one.
    pub(super) fn delete_channel(&mut self, topic: &str, channel: &str) {
        let Some(found) = self.topics.get_mut(topic) else { return };
        if let Some(mut channel) = found.channels.remove(channel) {
            channel.dismiss(&Answer::error(&Fail::from("CHANNEL_NOT_FOUND")), &mut self.events);
        }
        if found.is_ephemeral() && found.channels.is_empty() {
            self.topics.remove(topic);
        }
    }
}

impl Channel {
    /// What was refused is to be sent again.
    fn send_again(&mut self, now: Nanos) {
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.outbox.append(&mut self.refused);
        }
    }

    /// When this channel is taken to be left by all: never, as long as somebody is there.
    fn deserted_at(&self, at: &Moment) -> Option<Nanos> {
        if !self.is_ephemeral() || !self.refused.is_empty() || self.clients.iter().any(|client| self.is_busy(client)) {
            return None;
        }
        self.clients.iter().map(|client| client.last_seen + at.limits.client_timeout).max()
    }
}
