//! Commands, and dead letters from other topics, that wait for messages to be read from a log.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Broker, Done, Outbox, Transfer};
use crate::command::{Command, Context, Refusal, Ticket};
use crate::ids::TopicId;
use crate::messages::NotCached;
use crate::time::Time;
use crate::topic::{Blocked, PeekProgress};

/// What is tried again once what it needs is in memory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parked {
    topic: TopicId,
    /// What it waits for.
    chunk: u64,
    /// What it waited for before, and needs as well.
    /// Invariant: these and `chunk` are held in the topic's messages for this, so that none is evicted while another is
    /// read. Whoever is done with it releases them.
    held: Vec<u64>,
    what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum What {
    Command(Ticket, Context, Command<'static>, PeekProgress),
    Transfer(Transfer),
}

impl<O: Outbox> Broker<O> {
    /// Keeps something until the chunk that its topic needs for it is here.
    pub(super) fn park(&mut self, missing: NotCached, held: Vec<u64>, what: What) {
        let name = match &what {
            What::Command(_, _, command, _) => &command.topic,
            What::Transfer(transfer) => &transfer.to,
        };
        // It is always there: it has just said what is missing.
        if let Ok(topic) = self.find_topic(name) {
            let messages = self.topics[topic].messages_mut();
            messages.hold_chunk(missing.0);
            messages.want(missing.0);
            self.parked.push(Parked { topic, chunk: missing.0, held, what });
            self.note_log(topic);
        }
    }

    /// What waited for a chunk of this topic, which is here; or for any, where the topic is gone.
    pub(super) fn retry_parked(&mut self, topic: TopicId, chunk: Option<u64>, now: Time) {
        if self.parked.is_empty() {
            return;
        }
        let ready = |parked: &mut Parked| parked.topic == topic && chunk.is_none_or(|chunk| parked.chunk == chunk);
        // All are taken out before the first is tried: what has to wait again comes back to the same list.
        for Parked { chunk, mut held, what, .. } in self.parked.extract_if(.., ready).collect::<Vec<_>>() {
            held.push(chunk);
            match what {
                What::Command(ticket, context, command, progress) => {
                    self.retry(now, topic, held, ticket, context, command, progress);
                }
                What::Transfer(transfer) => {
                    let again = self.receive_or_park(now, transfer, &held);
                    // Where it waits again, the chunks go along with it.
                    if !again {
                        self.release(topic, &held);
                    }
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the parts of what was parked")]
    fn retry(
        &mut self,
        now: Time,
        topic: TopicId,
        held: Vec<u64>,
        ticket: Ticket,
        context: Context,
        command: Command<'static>,
        mut progress: PeekProgress,
    ) {
        // It is done from the start: so far it has at most made room for itself. The topic may have changed since, and
        // the answer is that of now.
        match self.perform(now, &command.topic, &command.verb, &mut progress) {
            Err(Blocked::NotCached(missing)) => {
                // What is found of messages stays found; a change begins anew, and needs all that it needed before, and so
                // does the search for where to begin.
                let held = if progress.from.is_some() {
                    self.release(topic, &held);
                    Vec::new()
                } else {
                    held
                };
                self.park(missing, held, What::Command(ticket, context, command, progress));
            }
            Err(Blocked::Refused(refusal)) => {
                self.release(topic, &held);
                self.outbox.replied(ticket, &context, Err(refusal), None);
            }
            Ok(Done { reply, barrier }) => {
                self.release(topic, &held);
                self.outbox.replied(ticket, &context, Ok(reply), barrier);
            }
        }
    }

    fn release(&mut self, topic: TopicId, chunks: &[u64]) {
        if let Some(topic) = self.topics.get_mut(topic) {
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
            // At most it has made room for itself, which is not undone.
            self.release(parked.topic, &[parked.chunk]);
        }
    }

    /// What waits is refused: of this topic, or all. Dead letters are sent again at the next start.
    pub(super) fn refuse_parked(&mut self, topic: Option<TopicId>, refusal: Refusal) {
        let concerned = |parked: &mut Parked| topic.is_none_or(|topic| parked.topic == topic);
        // Their chunks are not released: the topic goes, or nothing is read for it any more.
        for parked in self.parked.extract_if(.., concerned).collect::<Vec<_>>() {
            match parked.what {
                What::Command(ticket, context, ..) => self.outbox.replied(ticket, &context, Err(refusal), None),
                What::Transfer(transfer) => self.outbox.forward(transfer.refused(), None),
            }
        }
    }
}
