//! What a command does to its topic.

use super::{Barrier, Broker, Done, Outbox};
use crate::command::{ChannelVerb, Messages, Peek, Publish, Refusal, Refused, Reply, Settle, Settled, Verb};
use crate::ids::{ChannelId, TopicId};
use crate::name::Name;
use crate::time::Time;
use crate::topic::{Blocked, PeekProgress, Topic};

impl<O: Outbox> Broker<O> {
    /// Does what a command asks, but for a poll. Where it needs messages that are not in memory, it has done nothing,
    /// or has dropped messages to make room; it is to be asked again from the start.
    pub(super) fn perform(
        &mut self,
        now: Time,
        name: &Name<'_>,
        verb: &Verb<'_>,
        progress: &mut PeekProgress,
    ) -> Result<Done, Blocked> {
        match verb {
            Verb::Publish(publish) => self.publish(now, name, publish),
            Verb::Settle(settle) => Ok(self.settle(now, name, settle)?.into()),
            Verb::Peek(peek) => Ok(self.peek(now, name, peek, progress)?.into()),
            Verb::Channel(channel, verb) => self.channel_verb(now, name, channel, verb),
            Verb::CreateTopic(changes) => {
                let topic = self.find_or_add_topic(name.borrow(), now)?;
                self.refuse_if_failed(topic)?;
                self.with_topic(topic, now, |topic, limits| topic.configure(changes, now, limits));
                Ok(self.done_durably(topic, Reply::Done))
            }
            Verb::DeleteTopic => {
                let topic = self.find_topic(name)?;
                let log = self.topics[topic].log_id();
                self.delete_topic(topic, now);
                // A host says that a log is gone by saying that it is durable up to there.
                Ok(Done { reply: Reply::Done, barrier: log.map(|log| (log, u64::MAX)) })
            }
            Verb::ConfigureTopic(_) | Verb::EmptyTopic | Verb::PauseTopic(_) => {
                let topic = self.find_topic(name)?;
                self.refuse_if_failed(topic)?;
                self.with_topic(topic, now, |topic, limits| match verb {
                    Verb::ConfigureTopic(changes) => topic.configure(changes, now, limits),
                    Verb::PauseTopic(paused) => topic.pause(*paused, now, limits),
                    _ => topic.empty(now, limits),
                });
                Ok(self.done_durably(topic, Reply::Done))
            }
            Verb::Export => self.export(name),
            Verb::Subscribe(_) => unreachable!("a poll is answered by whoever comes by a message"),
        }
    }

    /// The reply to a command, which waits for all that happened to its topic so far.
    /// An ephemeral topic may be gone with the channel that was deleted, and has no log to wait for.
    fn done_durably(&mut self, topic: TopicId, reply: Reply) -> Done {
        let barrier = self.topics.get_mut(topic).and_then(Topic::barrier_of_all);
        Done { reply, barrier }
    }

    /// Waits until all that was answered before is in the topic's log. Changes nothing.
    fn export(&mut self, name: &Name<'_>) -> Result<Done, Blocked> {
        self.refuse_if_exiting()?;
        let topic = self.find_topic(name)?;
        self.refuse_if_failed(topic)?;
        if self.topics[topic].log_id().is_none() {
            return Err(Refusal::NoLogFiles.into());
        }
        match self.refuse_if_stalled(topic) {
            // What could not be written for want of room is nothing that was promised: a full disk can be copied.
            Err(Refusal::StorageFull) => Ok(Reply::Done.into()),
            Err(refusal) => Err(refusal.into()),
            Ok(()) => Ok(self.done_durably(topic, Reply::Done)),
        }
    }

    pub(super) fn publish(&mut self, now: Time, name: &Name<'_>, publish: &Publish<'_>) -> Result<Done, Blocked> {
        self.refuse_if_exiting()?;
        // Before the topic is made: what is refused leaves nothing behind.
        self.refuse_if_full()?;
        let topic = self.find_or_add_topic(name.borrow(), now)?;
        self.refuse_if_failed(topic)?;
        self.refuse_if_stalled(topic)?;
        self.refuse_if_behind(topic, publish)?;
        let published = self.with_topic(topic, now, |topic, limits| topic.publish(publish, now, limits))?;
        // Leases and finishes behind the publish are not waited for. A duplicate waits as the first did, which may not
        // be durable yet.
        let barrier: Option<Barrier> = self.topics[topic].barrier();
        Ok(Done { reply: Reply::Published(published), barrier })
    }

    /// Refuses what a topic would have to keep in memory because its log does not follow.
    fn refuse_if_behind(&self, topic: TopicId, publish: &Publish<'_>) -> Result<(), Refusal> {
        let bytes: usize = match &publish.messages {
            Messages::Same(bodies, _) => bodies.iter().map(|body| body.len()).sum(),
            Messages::Each(messages) => messages.iter().map(|message| message.body.len()).sum(),
        };
        let behind = self.topics[topic].bytes_not_durable();
        // One publish is let in however large it is, or it never could be.
        let is_behind = behind > 0 && behind.saturating_add(bytes as u64) > self.limits.max_not_durable;
        if is_behind { Err(Refusal::Overloaded) } else { Ok(()) }
    }

    /// The same for what consumers do, which adds little each time, and is let in for longer than publishes.
    pub(super) fn refuse_if_much_waits(&self, topic: TopicId) -> Result<(), Refusal> {
        let most = self.limits.max_not_durable.saturating_mul(2);
        if self.topics[topic].bytes_not_durable() > most { Err(Refusal::Overloaded) } else { Ok(()) }
    }

    fn settle(&mut self, now: Time, name: &Name<'_>, settle: &Settle<'_>) -> Result<Reply, Refusal> {
        self.refuse_if_resigned()?;
        // A log that failed stops nobody from settling: what was handed out is still to be finished, if only in memory.
        // Nor does a shutdown: until its connections end, what was handed out before it would otherwise come again.
        let (topic, number) = self.find_channel(name, &settle.channel)?;
        self.refuse_if_much_waits(topic)?;
        let mut settled = Settled::default();
        // One change for all receipts: pollers are served once, when all of them made room.
        self.with_topic(topic, now, |topic, limits| {
            let (channel, mut cx) = topic.channel_cx(number, now, limits);
            let refused = &mut settled.refused;
            let mut count = |result: Result<(), Refused>, text: &str| match result {
                Ok(()) => 1,
                Err(reason) => {
                    refused.push((text.into(), reason));
                    0
                }
            };
            for text in &settle.finish {
                let finished = text.read().and_then(|receipt| channel.finish(receipt, &mut cx));
                settled.finished += count(finished, &text.text);
            }
            for (text, delay) in &settle.requeue {
                let requeued = text.read().and_then(|receipt| channel.requeue(receipt, *delay, &mut cx));
                settled.requeued += count(requeued, &text.text);
            }
            for (text, timeout) in &settle.touch {
                let touched = text.read().and_then(|receipt| channel.touch(receipt, *timeout, &mut cx));
                settled.touched += count(touched, &text.text);
            }
        });
        // No barrier: where this is lost with the power, a message comes once more.
        Ok(Reply::Settled(settled))
    }

    fn peek(&self, now: Time, name: &Name<'_>, peek: &Peek<'_>, progress: &mut PeekProgress) -> Result<Reply, Blocked> {
        let (topic, channel) = self.find_peeked(name, peek)?;
        // What was found so far stays in `progress` where a message is not in memory, so that a long look gets on
        // however little room there is.
        let next = topic.peek(channel, peek, now, progress)?;
        Ok(Reply::Peeked(core::mem::take(&mut progress.found), next))
    }

    /// The same, with what is in memory; of what is not, only where it is.
    pub(crate) fn query(&self, now: Time, name: &Name<'_>, peek: &Peek<'_>) -> Result<Reply, Refusal> {
        let (topic, channel) = self.find_peeked(name, peek)?;
        let (found, next) = topic.look(channel, peek, now);
        Ok(Reply::Peeked(found, next))
    }

    fn find_peeked(&self, name: &Name<'_>, peek: &Peek<'_>) -> Result<(&Topic, Option<ChannelId>), Refusal> {
        let topic = self.find_topic(name)?;
        let channel = peek.channel.as_ref().map(|channel| self.find_channel(name, channel)).transpose()?;
        Ok((&self.topics[topic], channel.map(|(_, channel)| channel)))
    }

    fn channel_verb(
        &mut self,
        now: Time,
        name: &Name<'_>,
        channel: &Name<'_>,
        verb: &ChannelVerb<'_>,
    ) -> Result<Done, Blocked> {
        let topic = self.find_topic(name)?;
        self.refuse_if_failed(topic)?;
        let reply = match verb {
            ChannelVerb::Create(changes) => {
                self.with_topic(topic, now, |topic, limits| {
                    // `start` is for a new channel only: one that is there stays where it is.
                    let number = match topic.find_channel(channel.as_str()) {
                        Some(number) => number,
                        None => topic.add_channel(channel, changes.start, now, limits)?,
                    };
                    let (channel, mut cx) = topic.channel_cx(number, now, limits);
                    channel.configure(changes.clone(), &mut cx);
                    Ok::<(), Blocked>(())
                })?;
                Reply::Done
            }
            ChannelVerb::Delete => {
                let (topic, number) = self.find_channel(name, channel)?;
                self.delete_channel(topic, number, now);
                Reply::Done
            }
            verb => self.change_channel(now, self.find_channel(name, channel)?, verb)?,
        };
        Ok(self.done_durably(topic, reply))
    }

    fn change_channel(
        &mut self,
        now: Time,
        (topic, number): (TopicId, ChannelId),
        verb: &ChannelVerb<'_>,
    ) -> Result<Reply, Blocked> {
        self.with_topic(topic, now, |topic, limits| {
            if let ChannelVerb::Seek(to) = verb {
                return Ok(Reply::Position(topic.seek(number, *to, now, limits)?));
            }
            let (channel, mut cx) = topic.channel_cx(number, now, limits);
            Ok(match verb {
                ChannelVerb::Redrive(ids) => Reply::Count(channel.redrive(ids.clone(), &mut cx)),
                ChannelVerb::EmptyDead => Reply::Count(channel.drop_dead(None, &mut cx)),
                ChannelVerb::Configure(changes) => {
                    channel.configure(changes.clone(), &mut cx);
                    Reply::Done
                }
                ChannelVerb::Empty => {
                    channel.empty(&mut cx);
                    Reply::Done
                }
                ChannelVerb::Pause(paused) => {
                    channel.pause(*paused, &mut cx);
                    Reply::Done
                }
                _ => unreachable!("the other verbs do not come here"),
            })
        })
    }
}
