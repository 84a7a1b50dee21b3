//! What a command does to its topic.

use alloc::vec::Vec;

use super::Broker;
use crate::command::{ChannelVerb, Messages, Peek, Publish, Refusal, Refused, Reply, Settle, Settled, Verb};
use crate::name::Name;
use crate::time::Time;
use crate::topic::Scene;

impl Broker {
    pub(super) fn publish(&mut self, now: Time, name: Name<'_>, publish: &Publish<'_>) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let number = self.find_or_add_topic(name);
        let published = self.topics[number as usize].publish(publish, now, &self.limits)?;
        let deferred = match &publish.messages {
            Messages::Same(_, options) => options.defer.is_some(),
            Messages::Each(messages) => messages.iter().any(|message| message.options.defer.is_some()),
        };
        self.after_topic(number, deferred, now);
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
            let receipt = text.receipt.ok_or(Refused::Malformed);
            finished += count(receipt.and_then(|receipt| channel.finish(receipt, &mut env)), &text.text);
        }
        for (text, delay) in &settle.requeue {
            let receipt = text.receipt.ok_or(Refused::Malformed);
            requeued += count(receipt.and_then(|receipt| channel.requeue(receipt, *delay, &mut env)), &text.text);
        }
        for (text, timeout) in &settle.touch {
            let receipt = text.receipt.ok_or(Refused::Malformed);
            touched += count(receipt.and_then(|receipt| channel.touch(receipt, *timeout, &env)), &text.text);
        }
        (settled.finished, settled.requeued, settled.touched) = (finished, requeued, touched);
        self.after_channel(topic, number, now);
        Ok(Reply::Settled(settled))
    }

    pub(super) fn peek(&mut self, now: Time, name: &Name<'_>, peek: &Peek<'_>) -> Result<Reply, Refusal> {
        let max = peek.max as usize;
        let peeked = match &peek.channel {
            Some(channel) => {
                let (topic, channel) = self.find_channel(name, channel)?;
                self.topics[topic as usize].peek_channel(channel, peek.state, peek.from, max)
            }
            None => self.topics[self.find_topic(name)? as usize].peek(peek.from, max, now),
        };
        Ok(Reply::Peeked(peeked))
    }

    pub(super) fn topic_verb(&mut self, now: Time, name: Name<'_>, verb: Verb<'_>) -> Result<Reply, Refusal> {
        if let Verb::CreateTopic(changes) = &verb {
            let number = self.find_or_add_topic(name);
            self.topics[number as usize].configure(changes, now);
            self.after_topic(number, false, now);
            return Ok(Reply::Done);
        }
        let number = self.find_topic(&name)?;
        let topic = &mut self.topics[number as usize];
        match verb {
            Verb::ConfigureTopic(changes) => topic.configure(&changes, now),
            Verb::EmptyTopic => topic.empty(),
            Verb::PauseTopic(paused) => topic.pause(paused, now, &self.limits),
            Verb::DeleteTopic => {
                self.delete_topic(number, now);
                return Ok(Reply::Done);
            }
            _ => unreachable!("the other verbs do not come here"),
        }
        self.after_topic(number, true, now);
        Ok(Reply::Done)
    }

    pub(super) fn channel_verb(
        &mut self,
        now: Time,
        name: &Name<'_>,
        channel: &Name<'_>,
        verb: ChannelVerb<'_>,
    ) -> Result<Reply, Refusal> {
        if let ChannelVerb::Create(changes) = verb {
            let topic = self.find_topic(name)?;
            let found = &mut self.topics[topic as usize];
            let number = match found.find_channel(channel.as_str()) {
                Some(number) => number,
                None => found.add_channel(channel.clone().into_owned(), changes.start, now, &self.limits),
            };
            let Scene { channel, mut env } = found.scene(number, now, &self.limits);
            channel.configure(changes, &mut env);
            self.after_topic(topic, true, now);
            return Ok(Reply::Done);
        }
        let (topic, number) = self.find_channel(name, channel)?;
        let reply = match verb {
            ChannelVerb::Delete => {
                self.delete_channel(topic, number, now);
                return Ok(Reply::Done);
            }
            ChannelVerb::Seek(to) => Reply::Position(self.topics[topic as usize].seek(number, to, now, &self.limits)),
            verb => {
                let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
                match verb {
                    ChannelVerb::Configure(changes) => channel.configure(changes, &mut env),
                    ChannelVerb::Empty => channel.empty(&mut env),
                    ChannelVerb::Pause(paused) => channel.paused = paused,
                    ChannelVerb::Redrive(ids) => return Ok(Reply::Count(self.redrive(topic, number, ids, now))),
                    ChannelVerb::EmptyDead => return Ok(Reply::Count(channel.drop_dead(&mut env))),
                    _ => unreachable!("the other verbs do not come here"),
                }
                Reply::Done
            }
        };
        self.after_channel(topic, number, now);
        Ok(reply)
    }

    fn redrive(&mut self, topic: u32, number: u32, ids: Option<Vec<u64>>, now: Time) -> u64 {
        let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
        let count = channel.redrive(ids, &mut env);
        self.after_channel(topic, number, now);
        count
    }
}
