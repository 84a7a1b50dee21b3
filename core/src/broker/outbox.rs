//! What the broker has to tell: it goes out as it happens, to whoever knows how such things are said.

use alloc::string::String;

use super::Transfer;
use crate::command::{Context, Lease, Refusal, Refused, Reply, Ticket};
use crate::log::LogId;
use crate::message::Delivery;
use crate::messages::Messages;

/// A log, and how far it has to be durable before something is told. What is told without one is told at once.
/// Of one log, the numbers of later barriers are never lower, so that what waits for them is told in order.
pub type Barrier = (LogId, u64);

/// Where the broker puts what it has to tell.
///
/// What it is lent is there for the call only.
pub trait Outbox {
    /// The answer to a command, once this is durable.
    fn replied(&mut self, ticket: Ticket, context: &Context, reply: Result<Reply, Refusal>, barrier: Option<Barrier>);
    /// The answer to a poll: messages were leased, or none came. With the receipts that its `fin` got refused.
    fn leased(&mut self, ticket: Ticket, context: &Context, leased: &Leased<'_>, refused: &[(String, Refused)]);
    /// A stream begins. With the receipts that its `fin` got refused.
    fn opened(&mut self, ticket: Ticket, context: &Context, refused: &[(String, Refused)]);
    /// Messages for a stream.
    fn streamed(&mut self, ticket: Ticket, context: &Context, leased: &Leased<'_>);
    /// A stream has nothing to say.
    fn heartbeat(&mut self, ticket: Ticket, context: &Context);
    /// A stream ends.
    fn closed(&mut self, ticket: Ticket);
    /// A poll is in vain. With the receipts that its `fin` got refused.
    fn refused(&mut self, ticket: Ticket, context: &Context, refusal: Refusal, refused: &[(String, Refused)]);
    /// Something for another topic, perhaps another engine's, once this is durable.
    fn forward(&mut self, transfer: Transfer, barrier: Option<Barrier>);
    /// A log is durable so far: what waited for it is told.
    fn durable(&mut self, log: LogId, upto: u64);
    /// It is not known, or known not to be, that a log has what was last written to it: what waits for it is refused.
    fn abandoned(&mut self, log: LogId, refusal: Refusal);
    /// Whether nothing waits for a log.
    fn is_settled(&self) -> bool;
}

/// Messages that were just leased.
#[derive(Clone, Copy, Debug)]
pub struct Leased<'a> {
    /// Their topic.
    pub topic: &'a str,
    /// Their channel.
    pub channel: &'a str,
    pub(super) leases: &'a [Lease],
    /// Invariant: they are there wherever there are leases.
    pub(super) messages: Option<&'a Messages>,
}

impl<'a> Leased<'a> {
    /// None came.
    pub(super) fn none() -> Self {
        Leased { topic: "", channel: "", leases: &[], messages: None }
    }

    /// Whether none came.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// The messages, in the order in which they were leased.
    ///
    /// # Panics
    /// Where one is not in memory: what was leased is, as long as this is lent.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = Delivery<'a>> + Clone + use<'a> {
        let messages = self.messages;
        self.leases.iter().map(move |lease| Delivery {
            receipt: lease.receipt,
            attempts: lease.attempts,
            record: messages.expect("where there are leases there are messages").record(lease.receipt.id, lease.chunk),
        })
    }
}
