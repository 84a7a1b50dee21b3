//! What an engine has to tell: at once, or once a log is durable so far.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Output, TracedDelivery};
use crate::api::{self, Response};
use crate::broker::{Barrier, Leased, Outbox, Transfer};
use crate::by_id::ById;
use crate::command::{Context, Refusal, Refused, Reply, Ticket};
use crate::log::LogId;

/// What the broker has to tell, written as the API has it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Outputs {
    #[serde(skip)]
    pub(super) queue: VecDeque<Output>,
    /// What was handed out since somebody listens.
    #[serde(skip)]
    pub(super) deliveries: Option<Vec<TracedDelivery>>,
    /// What is told once a log is durable so far, by log. Invariant: each log's stand in the order of the numbers.
    held: ById<VecDeque<(u64, Held)>>,
}

impl Outputs {
    pub(super) fn respond(&mut self, ticket: Ticket, response: Response) {
        self.queue.push_back(Output::Respond(ticket, response));
    }

    fn note_handed(&mut self, ticket: Ticket, leased: &Leased<'_>) {
        if let Some(noted) = &mut self.deliveries {
            let messages = leased.deliveries().map(|delivery| (delivery.receipt, delivery.attempts)).collect();
            noted.push(TracedDelivery { ticket, topic: leased.topic.into(), channel: leased.channel.into(), messages });
        }
    }
}

impl Outbox for Outputs {
    fn replied(&mut self, ticket: Ticket, context: &Context, reply: Result<Reply, Refusal>, barrier: Option<Barrier>) {
        let response = match reply {
            Ok(reply) => api::encode(context, &reply),
            Err(refusal) => return self.respond(ticket, api::refuse(context, &refusal.into())),
        };
        match barrier {
            Some((log, upto)) => {
                let held = Held::Response(ticket, context.clone(), response);
                self.held.or_default(log).push_back((upto, held));
            }
            None => self.respond(ticket, response),
        }
    }

    fn leased(&mut self, ticket: Ticket, context: &Context, leased: &Leased<'_>, refused: &[(String, Refused)]) {
        // No barrier: messages are durable before they are leased, and a lease that is lost costs a delivery more.
        let response = if leased.is_empty() {
            api::encode(context, &Reply::Nothing)
        } else {
            self.note_handed(ticket, leased);
            api::encode_leased(context, leased.deliveries())
        };
        self.respond(ticket, response.with_refused(refused));
    }

    fn opened(&mut self, ticket: Ticket, context: &Context, refused: &[(String, Refused)]) {
        let head = api::stream_head(context).with_refused(refused);
        self.queue.push_back(Output::Open(ticket, head));
    }

    fn streamed(&mut self, ticket: Ticket, context: &Context, leased: &Leased<'_>) {
        self.note_handed(ticket, leased);
        let chunk = api::stream_chunk(context, leased.deliveries());
        self.queue.push_back(Output::Chunk(ticket, chunk));
    }

    fn heartbeat(&mut self, ticket: Ticket, context: &Context) {
        self.queue.push_back(Output::Chunk(ticket, api::heartbeat(context).into()));
    }

    fn closed(&mut self, ticket: Ticket) {
        self.queue.push_back(Output::Close(ticket));
    }

    fn refused(&mut self, ticket: Ticket, context: &Context, refusal: Refusal, refused: &[(String, Refused)]) {
        self.respond(ticket, api::refuse(context, &refusal.into()).with_refused(refused));
    }

    fn forward(&mut self, transfer: Transfer, barrier: Option<Barrier>) {
        match barrier {
            Some((log, upto)) => self.held.or_default(log).push_back((upto, Held::Transfer(transfer))),
            None => self.queue.push_back(Output::Forward(transfer)),
        }
    }

    fn durable(&mut self, log: LogId, upto: u64) {
        let Some(held) = self.held.get_mut(&log) else { return };
        while held.front().is_some_and(|held| held.0 <= upto) {
            self.queue.extend(held.pop_front().map(|(_, held)| match held {
                Held::Response(ticket, _, response) => Output::Respond(ticket, response),
                Held::Transfer(transfer) => Output::Forward(transfer),
            }));
        }
        if held.is_empty() {
            self.held.remove(&log);
        }
    }

    fn abandoned(&mut self, log: LogId, refusal: Refusal) {
        for (_, held) in self.held.remove(&log).into_iter().flatten() {
            match held {
                Held::Response(ticket, context, _) => self.respond(ticket, api::refuse(&context, &refusal.into())),
                // Its letter stays where it died, and is not waited for any more.
                Held::Transfer(transfer) => self.queue.push_back(Output::Forward(transfer.refused())),
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.held.is_empty()
    }
}

/// What waits for a log to be durable.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Held {
    Response(Ticket, Context, Response),
    Transfer(Transfer),
}
