//! Dead letters that go to another topic, which may be another engine's.
//!
//! The letter stays a dead letter of its channel until the word comes back that it arrived. Where the other topic
//! refuses it, it stays, and is sent again only when the channel is given another dead letter topic, or when its topic
//! is opened the next time. Only so many of a channel are on their way at once.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::parked::What;
use super::{Barrier, Broker, Outbox};
use crate::channel::DeadLetter;
use crate::command::{MessageOptions, Messages, Publish, Refusal};
use crate::ids::{ChannelId, TopicId};
use crate::log::image::LETTER_KEY;
use crate::message::Record;
use crate::messages::Found;
use crate::name::Name;
use crate::time::Time;
use crate::topic::Blocked;

/// A dead letter on its way to another topic, or the word of what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// The topic whose engine is to have it.
    pub to: Name<'static>,
    content: Content,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Content {
    DeadLetter {
        topic: Name<'static>,
        channel: Name<'static>,
        id: u64,
        delivery: u64,
        attempts: u16,
        #[serde(with = "crate::state::bytes")]
        record: Vec<u8>,
    },
    Acknowledged {
        channel: Name<'static>,
        id: u64,
        delivery: u64,
    },
    Refused {
        channel: Name<'static>,
        id: u64,
        /// The topic that did so; none where it is not known what became of the letter.
        by: Option<Name<'static>>,
    },
}

impl Transfer {
    /// The word to the channel that the letter comes from that it does not arrive, or that nobody knows whether it did.
    pub(crate) fn refused(self) -> Transfer {
        match self.content {
            Content::DeadLetter { topic, channel, id, .. } => {
                Transfer { to: topic, content: Content::Refused { channel, id, by: None } }
            }
            Content::Acknowledged { channel, id, .. } => {
                Transfer { to: self.to, content: Content::Refused { channel, id, by: None } }
            }
            content @ Content::Refused { .. } => Transfer { to: self.to, content },
        }
    }
}

impl<O: Outbox> Broker<O> {
    /// Takes in what [`Outbox::forward`] sent here.
    pub fn receive(&mut self, now: Time, transfer: Transfer) {
        self.receive_or_park(now, transfer, &[]);
    }

    /// The same; whether it has to wait for messages that its topic drops to make room for it. `held` are the chunks
    /// that it waited for before.
    pub(super) fn receive_or_park(&mut self, now: Time, transfer: Transfer, held: &[u64]) -> bool {
        match &transfer.content {
            Content::DeadLetter { topic, channel, id, delivery, attempts, record } => {
                let headers = [
                    ("shelf-dead-topic", topic.as_str().into()),
                    ("shelf-dead-channel", channel.as_str().into()),
                    ("shelf-dead-id", String::from_utf8_lossy(&crate::message::id_text(*id)).into_owned()),
                    ("shelf-dead-attempts", alloc::format!("{attempts}")),
                ];
                // A crash after the letter is kept here, and before it is gone from there, has it sent again. This key
                // lets it in once, as long as the topic remembers dedup keys.
                let dedup = alloc::format!("{LETTER_KEY}{topic}\0{channel}\0{id:x}-{delivery:x}");
                let (back, barrier) = match self.publish_dead_letter(now, &transfer.to, record, &headers, &dedup) {
                    Ok(barrier) => {
                        (Content::Acknowledged { channel: channel.clone(), id: *id, delivery: *delivery }, barrier)
                    }
                    Err(Blocked::NotCached(missing)) => {
                        self.park(missing, held.into(), What::Transfer(transfer));
                        return true;
                    }
                    // Nothing was kept, so that this word has nothing to wait for.
                    Err(Blocked::Refused(_)) => {
                        (Content::Refused { channel: channel.clone(), id: *id, by: Some(transfer.to.clone()) }, None)
                    }
                };
                // Not before the letter is durable here: until then, a crash has to find it where it died.
                self.outbox.forward(Transfer { to: topic.clone(), content: back }, barrier);
            }
            Content::Acknowledged { channel, id, delivery } => {
                if let Ok((topic, number)) = self.find_channel(&transfer.to, channel) {
                    self.with_topic(topic, now, |topic, limits| {
                        let (channel, mut cx) = topic.channel_cx(number, now, limits);
                        channel.effects.under_way.remove(*id);
                        channel.effects.arrived();
                        // It may have been redriven and have died again meanwhile, or be of a channel that was deleted: a
                        // delivery is of one death.
                        if channel.dead_letter(*id).is_some_and(|letter| letter.delivery == *delivery) {
                            channel.remove_dead(*id, &mut cx);
                        }
                    });
                }
            }
            Content::Refused { channel, id, by } => {
                // Whatever the reason is, it may pass: where it was kept nevertheless, its key keeps it from coming twice.
                if let Ok((topic, number)) = self.find_channel(&transfer.to, channel) {
                    self.with_topic(topic, now, |topic, limits| {
                        let (channel, _) = topic.channel_cx(number, now, limits);
                        channel.effects.under_way.remove(*id);
                        // Where dead letters go somewhere else by now, it goes there.
                        let to = channel.options().dead_letter.as_ref();
                        match to {
                            None => channel.effects.send_nothing(),
                            Some(to) if by.as_ref().is_some_and(|by| by != to) => {
                                channel.effects.pending_transfers.push_back(*id);
                            }
                            Some(_) => channel.effects.send_again(*id, now),
                        }
                    });
                }
            }
        }
        false
    }

    fn publish_dead_letter(
        &mut self,
        now: Time,
        to: &Name<'_>,
        record: &[u8],
        more: &[(&str, String)],
        dedup: &str,
    ) -> Result<Option<Barrier>, Blocked> {
        let record = Record::read(record).ok_or(Refusal::StorageFailed)?;
        // Of a letter that died once before, in another channel, only the last death is told.
        let kept = record.headers().filter(|(name, _)| !name.starts_with("shelf-dead-"));
        let kept = kept.map(|(name, value)| (name.into(), value.into()));
        let more = more.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into()));
        // It is neither deferred again, nor does its time to live go on: it came to stay until somebody looks at it.
        let options = MessageOptions {
            key: record.key.map(Into::into),
            headers: kept.chain(more).collect(),
            ..Default::default()
        };
        let messages = Messages::Same(core::iter::once(record.body).collect(), options);
        Ok(self.publish(now, to, &Publish { messages, dedup: Some(dedup.into()), producer: None })?.barrier)
    }

    /// Sends dead letters on their way, as many as may be there at once: what comes back makes room for more.
    pub(super) fn forward_dead_letters(&mut self, topic: TopicId, number: ChannelId) {
        let found = &mut self.topics[topic];
        if !found.channel(number).has_pending_transfers() {
            return;
        }
        let Some(to) = found.channel(number).options().dead_letter.clone().filter(|_| !self.is_exiting()) else {
            let found = &mut self.topics[topic];
            // They stay dead letters. Where a topic for them is named later, or at the next start, all of them are
            // sent.
            return found.channel_mut(number).effects.send_nothing();
        };
        let found = &mut self.topics[topic];
        // Nothing leaves before it is durable that it died here.
        let barrier = found.barrier();
        let most = self.limits.dead_letters_under_way;
        while let Some(id) = found.channel_mut(number).effects.next_transfer(most) {
            let channel = found.channel(number);
            // It was redriven or dropped since.
            let Some(letter) = channel.dead_letter(id) else { continue };
            let mut record = Vec::new();
            match found.messages().find(id, letter.chunk) {
                Found::Record(found) => found.write(&mut record),
                Found::NotCached(chunk) => {
                    found.messages_mut().want(chunk);
                    // It keeps its place, and is tried again when the chunk is here.
                    found.channel_mut(number).effects.pending_transfers.push_front(id);
                    return;
                }
                // There is nothing to send: it stays where it is, and its loss can be seen there.
                Found::Unreadable => continue,
            }
            let (topic, channel) = (found.name().clone(), channel.name().clone());
            let DeadLetter { delivery, attempts, .. } = letter;
            let content = Content::DeadLetter { topic, channel, id, delivery, attempts, record };
            self.outbox.forward(Transfer { to: to.clone(), content }, barrier);
            found.channel_mut(number).effects.under_way.insert(id);
        }
    }
}
