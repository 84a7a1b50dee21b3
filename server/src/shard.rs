//! One engine, and the requests that it has not answered yet. Always behind a lock, and never waits.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

use serde_json::Value;
use shelfmq_core::api::{Decoded, Request, Response};
use shelfmq_core::broker::BrokerStats;
use shelfmq_core::command::Ticket;
use shelfmq_core::log::Read;
use shelfmq_core::recording::Recorder;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, Transfer};

pub(crate) struct Shard {
    pub(crate) engine: Recorder,
    last_ticket: Ticket,
    parked: HashMap<Ticket, Parked>,
    /// What the engine wants to be read, and the disk was not told.
    pub(crate) reads: Vec<Read>,
    /// The alarm goes off at this time or before.
    pub(crate) armed: Time,
}

/// A request that was not answered at once.
#[derive(Default)]
struct Parked {
    waker: Option<Waker>,
    /// What has come for it. The engine keeps this short: a head, one chunk, an end.
    outputs: VecDeque<Output>,
}

/// What is to be done once the lock is released.
pub(crate) enum Effect {
    Wake(Waker),
    Forward(Transfer),
    Configured(String, Value),
    Alarm(Time),
    /// To be read from the disk, for this shard.
    Read(usize, Read),
    /// Something of this shard waits to be written to the disk.
    Write(usize),
}

pub(crate) type Effects = VecDeque<Effect>;

impl Shard {
    pub(crate) fn new(engine: Engine) -> Self {
        Shard {
            engine: Recorder::new(engine),
            last_ticket: 0,
            parked: HashMap::new(),
            reads: Vec::new(),
            armed: Time::MAX,
        }
    }

    /// Takes a request: answers it at once, or gives the ticket by which its answer is [taken](Shard::take).
    pub(crate) fn request(
        &mut self,
        now: Time,
        request: &Request<'_>,
        decoded: Decoded<'_>,
        stats: Option<BrokerStats>,
        effects: &mut Effects,
    ) -> Result<Response, Ticket> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.engine.handle_decoded(now, ticket, request, decoded, stats);
        let answer = self.drain(Some(ticket), effects);
        answer.ok_or_else(|| {
            self.parked.entry(ticket).or_default();
            ticket
        })
    }

    /// The next part of a parked request's answer. `writable` says that the last chunk was taken.
    pub(crate) fn take(
        &mut self,
        now: Time,
        ticket: Ticket,
        writable: bool,
        cx: &Context<'_>,
        effects: &mut Effects,
    ) -> Poll<Output> {
        if writable {
            self.engine.handle_writable(now, ticket);
            self.drain(None, effects);
        }
        let parked = self.parked.get_mut(&ticket).expect("it is there until its answer has ended");
        let Some(output) = parked.outputs.pop_front() else {
            parked.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if matches!(output, Output::Respond(..) | Output::Close(_)) {
            self.parked.remove(&ticket);
        }
        Poll::Ready(output)
    }

    /// The client of a parked request hung up.
    pub(crate) fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.parked.remove(&ticket);
        self.engine.cancel(now, ticket);
    }

    /// Hands what the engine wants done to those whom it concerns; gives back the whole answer to `mine`.
    pub(crate) fn drain(&mut self, mine: Option<Ticket>, effects: &mut Effects) -> Option<Response> {
        let mut answer = None;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Respond(ticket, response) if mine == Some(ticket) => answer = Some(response),
                Output::Forward(transfer) => effects.push_back(Effect::Forward(transfer)),
                Output::Read(read) => self.reads.push(read),
                Output::Configured(name, value) => effects.push_back(Effect::Configured(name, value)),
                Output::Respond(ticket, _)
                | Output::Open(ticket, _)
                | Output::Chunk(ticket, _)
                | Output::Close(ticket) => {
                    if mine == Some(ticket) {
                        self.parked.entry(ticket).or_default();
                    }
                    // Whoever is not there hung up.
                    if let Some(parked) = self.parked.get_mut(&ticket) {
                        parked.outputs.push_back(output);
                        effects.extend(parked.waker.take().map(Effect::Wake));
                    }
                }
            }
        }
        answer
    }
}
