//! Commands, and dead letters from other topics, that wait for messages to be read from a log.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Broker, Event, Parcel};
use crate::command::{Command, Context, Refusal, Reply, Ticket};
use crate::messages::Absent;
use crate::time::Time;

/// What is tried again once what it needs is in memory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parked {
    topic: u32,
    /// What it waits for.
    chunk: u64,
    /// What it waited for before, and needs as well.
    held: Vec<u64>,
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
enum What {
    Command(Ticket, Context, Command<'static>),
    Parcel(Parcel),
}

impl Broker {
    /// Keeps a command until the chunk that it needs is here.
    pub(super) fn park(
        &mut self,
        absent: Absent,
        ticket: Ticket,
        context: &Context,
        command: Command<'static>,
    ) -> Reply {
        if let Ok(topic) = self.find_topic(&command.topic) {
            self.park_at(topic, absent, What::Command(ticket, context.clone(), command));
        }
        Reply::Waiting
    }

    /// Keeps a dead letter until the chunk that its topic needs for it is here.
    pub(super) fn park_parcel(&mut self, absent: Absent, parcel: Parcel) {
        if let Ok(topic) = self.find_topic(&parcel.to) {
            self.park_at(topic, absent, What::Parcel(parcel));
        }
    }

    fn park_at(&mut self, topic: u32, absent: Absent, what: What) {
        let messages = self.topics[topic as usize].messages_mut();
        messages.hold_chunk(absent.0);
        messages.want(absent.0);
        self.parked.push(Parked { topic, chunk: absent.0, held: Vec::new(), what });
        self.note_log(topic);
    }

    /// What commands of this topic waited for is here: for those that wait for this chunk, or for all.
    pub(super) fn retry_parked(&mut self, topic: u32, chunk: Option<u64>, now: Time) {
        let ready = |parked: &mut Parked| parked.topic == topic && chunk.is_none_or(|chunk| parked.chunk == chunk);
        for Parked { chunk, mut held, what, .. } in self.parked.extract_if(.., ready).collect::<Vec<_>>() {
            held.push(chunk);
            let before = self.parked.len();
            let reply = match what {
                What::Command(ticket, context, command) => {
                    let result = self.execute(now, ticket, &context, command);
                    Some((ticket, context, result))
                }
                What::Parcel(parcel) => {
                    self.receive(now, parcel);
                    None
                }
            };
            if let Some(again) = self.parked.get_mut(before) {
                // It needs more, and what it had must not go meanwhile.
                again.held = held;
                continue;
            }
            let gate = self.take_gate();
            self.release(topic, &held);
            if let Some((ticket, context, result)) = reply {
                self.events.push_back(Event::Replied(ticket, context, result, gate));
            }
        }
    }

    /// The topic is gone.
    pub(super) fn retry_parked_of(&mut self, topic: u32, now: Time) {
        if !self.parked.is_empty() {
            self.retry_parked(topic, None, now);
        }
    }

    fn release(&mut self, topic: u32, chunks: &[u64]) {
        if let Some(topic) = self.topics.get_mut(topic as usize) {
            for chunk in chunks {
                topic.messages_mut().release_chunk(*chunk);
            }
        }
    }

    /// The client of a parked command hung up.
    pub(super) fn cancel_parked(&mut self, ticket: Ticket) {
        let is_its = |parked: &mut Parked| matches!(parked.what, What::Command(other, ..) if other == ticket);
        for parked in self.parked.extract_if(.., is_its).collect::<Vec<_>>() {
            self.release(parked.topic, &parked.held);
            self.release(parked.topic, &[parked.chunk]);
        }
    }

    /// The broker is going down. Dead letters are sent again at the next start.
    pub(super) fn refuse_parked(&mut self) {
        for parked in core::mem::take(&mut self.parked) {
            if let What::Command(ticket, context, _) = parked.what {
                self.events.push_back(Event::Replied(ticket, context, Err(Refusal::Exiting), None));
            }
        }
    }
}
