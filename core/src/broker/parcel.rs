//! Dead letters that go to another topic, which may be another engine's.
//!
//! The letter stays a dead letter of its channel until the word comes back that it arrived. Where the other topic
//! refuses it, it stays for good.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Broker, Event};
use crate::channel::DeadLetter;
use crate::command::{MessageOptions, Messages, Publish, Refusal};
use crate::message::Record;
use crate::messages::Found;
use crate::name::Name;
use crate::time::Time;
use crate::topic::{Halt, Scene};

/// A dead letter on its way to another topic, or the word that it arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parcel {
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
    Arrived {
        channel: Name<'static>,
        id: u64,
    },
}

impl Broker {
    /// Takes in what [`Event::Forward`] sent here.
    pub fn receive(&mut self, now: Time, parcel: Parcel) {
        match &parcel.content {
            Content::DeadLetter { topic, channel, id, delivery, attempts, record } => {
                let headers = [
                    ("shelf-dead-topic", topic.as_str().into()),
                    ("shelf-dead-channel", channel.as_str().into()),
                    ("shelf-dead-id", String::from_utf8_lossy(&crate::message::id_text(*id)).into_owned()),
                    ("shelf-dead-attempts", alloc::format!("{attempts}")),
                ];
                // A letter that is sent again after a crash arrives once.
                let dedup = alloc::format!("\0dead\0{topic}\0{channel}\0{id:x}-{delivery:x}");
                match self.publish_dead_letter(now, &parcel.to, record, &headers, &dedup) {
                    Ok(()) => {
                        let content = Content::Arrived { channel: channel.clone(), id: *id };
                        let gate = self.take_gate();
                        self.events.push_back(Event::Forward(Parcel { to: topic.clone(), content }, gate));
                    }
                    // To make room for it, the topic drops what has to be looked at first.
                    Err(Halt::Absent(absent)) => self.park_parcel(absent, parcel),
                    Err(Halt::Refused(_)) => {}
                }
            }
            Content::Arrived { channel, id } => {
                if let Ok((topic, number)) = self.find_channel(&parcel.to, channel) {
                    let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
                    channel.remove_dead(*id, &mut env);
                    self.after_channel(topic, number, now);
                }
            }
        }
    }

    fn publish_dead_letter(
        &mut self,
        now: Time,
        to: &Name<'_>,
        record: &[u8],
        more: &[(&str, String)],
        dedup: &str,
    ) -> Result<(), Halt> {
        let record = Record::read(record).ok_or(Refusal::StorageFailed)?;
        let kept = record.headers().filter(|(name, _)| !name.starts_with("shelf-dead-"));
        let kept = kept.map(|(name, value)| (name.into(), value.into()));
        let more = more.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into()));
        let options = MessageOptions {
            key: record.key.map(Into::into),
            headers: kept.chain(more).collect(),
            ..Default::default()
        };
        let messages = Messages::Same(core::iter::once(record.body).collect(), options);
        self.publish(now, to.borrow(), &Publish { messages, dedup: Some(dedup.into()), producer: None }).map(drop)
    }

    pub(super) fn forward_dead_letters(&mut self, topic: u32, number: u32) {
        let found = &mut self.topics[topic as usize];
        let outbox = core::mem::take(&mut found.channel_mut(number).effects.outbox);
        let Some(to) = found.channel(number).options().dead_letter.clone().filter(|_| !self.exiting) else { return };
        // Nothing leaves before it is durable that it died here.
        let gate = found.gate();
        for id in outbox {
            let channel = found.channel(number);
            let Some(letter) = channel.dead_letter(id) else { continue };
            let mut record = Vec::new();
            match found.messages().find(id, letter.chunk) {
                Found::Record(found) => found.write(&mut record),
                Found::Absent(chunk) => {
                    found.messages_mut().want(chunk);
                    found.channel_mut(number).effects.outbox.push(id);
                    continue;
                }
                Found::Gone => continue,
            }
            let (topic, channel) = (found.name().clone(), channel.name().clone());
            let DeadLetter { delivery, attempts, .. } = letter;
            let content = Content::DeadLetter { topic, channel, id, delivery, attempts, record };
            self.events.push_back(Event::Forward(Parcel { to: to.clone(), content }, gate));
        }
    }
}
