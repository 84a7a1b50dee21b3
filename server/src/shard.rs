//! One engine, and the requests that it has not answered yet. Always behind a lock, and never waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    /// Invariant: those whose answer has not come to its end.
    parked: HashMap<Ticket, Arc<Mailbox>>,
    /// What the engine wants to be read, and the disk was not told.
    pub(crate) reads: Vec<Read>,
}

/// Where the answer to a request comes that was not answered at once, for whoever waits for it: with a lock of its own, so
/// that nobody has to come to the engine again to fetch it.
#[derive(Debug, Default)]
pub(crate) struct Mailbox(Mutex<Mail>);

#[derive(Debug, Default)]
struct Mail {
    waker: Option<Waker>,
    /// What has come. The engine keeps this short: a head, one chunk, an end.
    outputs: VecDeque<Output>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something comes; whom to wake.
    fn put(&self, output: Output) -> Option<Waker> {
        let mut mail = self.lock();
        mail.outputs.push_back(output);
        mail.waker.take()
    }

    /// The next of what came, in order.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Output> {
        let mut mail = self.lock();
        let Some(output) = mail.outputs.pop_front() else {
            mail.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(output)
    }
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
        Shard { engine: Recorder::new(engine), last_ticket: 0, parked: HashMap::new(), reads: Vec::new() }
    }

    /// Takes a request: answers it at once, or gives its ticket, and where its answer comes.
    pub(crate) fn request(
        &mut self,
        now: Time,
        request: &Request<'_>,
        decoded: Decoded<'_>,
        stats: Option<BrokerStats>,
        effects: &mut Effects,
    ) -> Result<Response, (Ticket, Arc<Mailbox>)> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.engine.handle_decoded(now, ticket, request, decoded, stats);
        let mut mine = Mine { ticket, answer: None, mailbox: None };
        self.drain(Some(&mut mine), effects);
        let Mine { answer, mailbox, .. } = mine;
        answer.ok_or_else(|| {
            // What came of it at once, and all that comes.
            let mailbox = mailbox.unwrap_or_else(|| Arc::clone(self.parked.entry(ticket).or_default()));
            (ticket, mailbox)
        })
    }

    /// The client of a parked request hung up.
    pub(crate) fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.parked.remove(&ticket);
        self.engine.cancel(now, ticket);
    }

    /// Hands what the engine wants done to those whom it concerns.
    pub(crate) fn drain(&mut self, mut mine: Option<&mut Mine>, effects: &mut Effects) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Forward(transfer) => effects.push_back(Effect::Forward(transfer)),
                Output::Read(read) => self.reads.push(read),
                Output::Configured(name, value) => effects.push_back(Effect::Configured(name, value)),
                Output::Respond(ticket, response) => match &mut mine {
                    Some(mine) if mine.ticket == ticket => mine.answer = Some(response),
                    _ => self.post(ticket, Output::Respond(ticket, response), None, effects),
                },
                Output::Open(ticket, _) | Output::Chunk(ticket, _) | Output::Close(ticket) => {
                    let mine = mine.as_deref_mut().filter(|mine| mine.ticket == ticket);
                    self.post(ticket, output, mine, effects);
                }
            }
        }
    }

    fn post(&mut self, ticket: Ticket, output: Output, mine: Option<&mut Mine>, effects: &mut Effects) {
        if let Some(mine) = mine {
            mine.mailbox.get_or_insert_with(|| Arc::clone(self.parked.entry(ticket).or_default()));
        }
        let is_last = matches!(output, Output::Respond(..) | Output::Close(_));
        // Whoever is not there hung up.
        let Some(mailbox) = self.parked.get(&ticket) else { return };
        effects.extend(mailbox.put(output).map(Effect::Wake));
        if is_last {
            self.parked.remove(&ticket);
        }
    }
}

/// The request that is just being taken in, and what came of it.
pub(crate) struct Mine {
    ticket: Ticket,
    answer: Option<Response>,
    mailbox: Option<Arc<Mailbox>>,
}
