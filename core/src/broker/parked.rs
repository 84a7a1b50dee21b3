//! Commands that wait for messages to be read from a log.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Broker, Event};
use crate::command::{Command, Context, Refusal, Reply, Ticket};
use crate::messages::Absent;
use crate::time::Time;

/// A command that is tried again once what it needs is in memory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parked {
    topic: u32,
    /// What it waits for.
    chunk: u64,
    /// What it waited for before, and needs as well.
    held: Vec<u64>,
    ticket: Ticket,
    context: Context,
    command: Command<'static>,
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
            let messages = self.topics[topic as usize].messages_mut();
            messages.hold_chunk(absent.0);
            messages.want(absent.0);
            let context = context.clone();
            self.parked.push(Parked { topic, chunk: absent.0, held: Vec::new(), ticket, context, command });
            self.note_log(topic);
        }
        Reply::Waiting
    }

    /// What commands of this topic waited for is here: for those that wait for this chunk, or for all.
    pub(super) fn retry_parked(&mut self, topic: u32, chunk: Option<u64>, now: Time) {
        let ready = |parked: &mut Parked| parked.topic == topic && chunk.is_none_or(|chunk| parked.chunk == chunk);
        for mut parked in self.parked.extract_if(.., ready).collect::<Vec<_>>() {
            parked.held.push(parked.chunk);
            let before = self.parked.len();
            let result = self.execute(now, parked.ticket, &parked.context, parked.command);
            match self.parked.get_mut(before) {
                // It needs more, and what it had must not go meanwhile.
                Some(again) if again.ticket == parked.ticket => again.held = parked.held,
                _ => {
                    let gate = self.take_gate();
                    self.release(topic, &parked.held);
                    self.events.push_back(Event::Replied(parked.ticket, parked.context, result, gate));
                }
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
        for parked in self.parked.extract_if(.., |parked| parked.ticket == ticket).collect::<Vec<_>>() {
            self.release(parked.topic, &parked.held);
            self.release(parked.topic, &[parked.chunk]);
        }
    }

    /// The broker is going down.
    pub(super) fn refuse_parked(&mut self) {
        for parked in core::mem::take(&mut self.parked) {
            self.events.push_back(Event::Replied(parked.ticket, parked.context, Err(Refusal::Exiting), None));
        }
    }
}
