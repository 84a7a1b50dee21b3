//! What a command does to its topic.

use super::Broker;
use crate::command::{ChannelVerb, Messages, Peek, Publish, Refusal, Refused, Reply, Settle, Settled, Verb};
use crate::name::Name;
use crate::time::Time;
use crate::topic::{Halt, Scene, Topic};

impl Broker {
    pub(super) fn publish(&mut self, now: Time, name: Name<'_>, publish: &Publish<'_>) -> Result<Reply, Halt> {
        self.refuse_if_exiting()?;
        self.refuse_if_full()?;
        let number = self.find_or_add_topic(name, now);
        self.refuse_if_failed(number)?;
        let published = self.topics[number as usize].publish(publish, now, &self.limits)?;
        let deferred = match &publish.messages {
            Messages::Same(_, options) => options.defer.is_some(),
            Messages::Each(messages) => messages.iter().any(|message| message.options.defer.is_some()),
        };
        self.after_topic(number, deferred, now);
        self.gate = self.topics[number as usize].gate();
        Ok(Reply::Published(published))
    }

    pub(super) fn settle(&mut self, now: Time, name: &Name<'_>, settle: &Settle<'_>) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let (topic, number) = self.find_channel(name, &settle.channel)?;
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        let mut settled = Settled::default();
        let mut count = |result: Result<(), Refused>, text: &str| match result {
            Ok(()) => 1,
            Err(reason) => {
                settled.refused.push((text.into(), reason));
                0
            }
        };
        let (mut finished, mut requeued, mut touched) = (0, 0, 0);
        for text in &settle.finish {
            finished += count(text.read().and_then(|receipt| channel.finish(receipt, &mut env)), &text.text);
        }
        for (text, delay) in &settle.requeue {
            requeued += count(text.read().and_then(|receipt| channel.requeue(receipt, *delay, &mut env)), &text.text);
        }
        for (text, timeout) in &settle.touch {
            touched += count(text.read().and_then(|receipt| channel.touch(receipt, *timeout, &mut env)), &text.text);
        }
        (settled.finished, settled.requeued, settled.touched) = (finished, requeued, touched);
        self.after_channel(topic, number, now);
        Ok(Reply::Settled(settled))
    }

    pub(super) fn peek(&self, now: Time, name: &Name<'_>, peek: &Peek<'_>) -> Result<Reply, Halt> {
        let max = peek.max as usize;
        let peeked = match &peek.channel {
            Some(channel) => {
                let (topic, channel) = self.find_channel(name, channel)?;
                self.topics[topic as usize].peek_channel(channel, peek.state, peek.from, max)
            }
            None => self.topics[self.find_topic(name)? as usize].peek(peek.from, max, now),
        };
        Ok(Reply::Peeked(peeked?, None))
    }

    /// The same, with what is in memory; of what is not, only where it is.
    pub(crate) fn look(&self, now: Time, name: &Name<'_>, peek: &Peek<'_>) -> Result<Reply, Refusal> {
        let topic = &self.topics[self.find_topic(name)? as usize];
        let channel = match &peek.channel {
            Some(channel) => Some(self.find_channel(name, channel)?.1),
            None => None,
        };
        Ok(Reply::Peeked(topic.look(channel, peek, now), None))
    }

    pub(super) fn topic_verb(&mut self, now: Time, name: Name<'_>, verb: Verb<'_>) -> Result<Reply, Refusal> {
        if let Verb::CreateTopic(changes) = &verb {
            let number = self.find_or_add_topic(name, now);
            self.refuse_if_failed(number)?;
            self.topics[number as usize].configure(changes, now);
            self.after_topic(number, false, now);
            self.gate = self.topics[number as usize].gate_of_all();
            return Ok(Reply::Done);
        }
        let number = self.find_topic(&name)?;
        if !matches!(verb, Verb::DeleteTopic) {
            self.refuse_if_failed(number)?;
        }
        let topic = &mut self.topics[number as usize];
        match verb {
            Verb::ConfigureTopic(changes) => topic.configure(&changes, now),
            Verb::EmptyTopic => topic.empty(),
            Verb::PauseTopic(paused) => topic.pause(paused, now, &self.limits),
            Verb::DeleteTopic => {
                let log = topic.log_id();
                self.delete_topic(number, now);
                self.gate = log.map(|log| (log, u64::MAX));
                return Ok(Reply::Done);
            }
            _ => unreachable!("the other verbs do not come here"),
        }
        self.after_topic(number, true, now);
        self.gate = self.topics[number as usize].gate_of_all();
        Ok(Reply::Done)
    }

    pub(super) fn channel_verb(
        &mut self,
        now: Time,
        name: &Name<'_>,
        channel: &Name<'_>,
        verb: ChannelVerb<'_>,
    ) -> Result<Reply, Halt> {
        let topic = self.find_topic(name)?;
        self.refuse_if_failed(topic)?;
        let reply = self.change_channel(now, topic, channel, verb);
        self.gate = self.topics.get_mut(topic as usize).and_then(Topic::gate_of_all);
        reply
    }

    fn change_channel(
        &mut self,
        now: Time,
        topic: u32,
        channel: &Name<'_>,
        verb: ChannelVerb<'_>,
    ) -> Result<Reply, Halt> {
        if let ChannelVerb::Create(changes) = verb {
            let found = &mut self.topics[topic as usize];
            let number = match found.find_channel(channel.as_str()) {
                Some(number) => number,
                None => found.add_channel(channel.clone().into_owned(), changes.start, now, &self.limits)?,
            };
            let Scene { channel, mut env } = found.scene(number, now, &self.limits);
            channel.configure(changes, &mut env);
            self.after_topic(topic, true, now);
            return Ok(Reply::Done);
        }
        let number = self.topics[topic as usize].find_channel(channel.as_str()).ok_or(Refusal::ChannelNotFound)?;
        if let ChannelVerb::Delete = verb {
            self.delete_channel(topic, number, now);
            return Ok(Reply::Done);
        }
        let found = &mut self.topics[topic as usize];
        let mut reply = Reply::Done;
        if let ChannelVerb::Seek(to) = verb {
            reply = Reply::Position(found.seek(number, to, now, &self.limits)?);
        } else {
            let Scene { channel, mut env } = found.scene(number, now, &self.limits);
            match verb {
                ChannelVerb::Configure(changes) => channel.configure(changes, &mut env),
                ChannelVerb::Empty => channel.empty(&mut env),
                ChannelVerb::Pause(paused) => channel.pause(paused, &mut env),
                ChannelVerb::Redrive(ids) => reply = Reply::Count(channel.redrive(ids, &mut env)),
                ChannelVerb::EmptyDead => reply = Reply::Count(channel.drop_dead(&mut env)),
                _ => unreachable!("the other verbs do not come here"),
            }
        }
        self.after_channel(topic, number, now);
        Ok(reply)
    }
}
