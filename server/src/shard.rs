//! One engine, and the requests that it has not answered yet. Always behind a lock, and never waits.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

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
    /// What is sent once the engine's log is written.
    pub(crate) held: Arc<Held>,
    /// When to look whether something is held for too long.
    held_until: Option<Time>,
    /// Something is held since the writer was told last.
    pub(crate) held_news: bool,
}

/// How long an answer waits for a write. The file system takes it at once, unless it hangs; then messages that were settled
/// may come again if the process is killed before it goes on, which is better than that nobody is answered.
const HOLD: Duration = Duration::from_secs(1);

/// Answers that say of messages that they are settled. Nobody waits for that to be durable; but they are sent only once it is
/// written, so that it is not undone when the process is killed.
#[derive(Debug, Default)]
pub(crate) struct Held {
    lists: Mutex<HeldLists>,
    /// The disk does not answer: nothing is held.
    hangs: AtomicBool,
}

#[derive(Debug, Default)]
struct HeldLists {
    answers: VecDeque<HeldAnswer>,
    /// How often the writer took what the engine wants written.
    takes: u64,
}

#[derive(Debug)]
struct HeldAnswer {
    since: Time,
    /// With which the writer has, or will have, taken what it tells of.
    take: u64,
    mailbox: Arc<Mailbox>,
    output: Output,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HeldLists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, since: Time, mailbox: Arc<Mailbox>, output: Output) {
        mailbox.lock().held += 1;
        let mut lists = self.lock();
        let take = lists.takes + 1;
        lists.answers.push_back(HeldAnswer { since, take, mailbox, output });
    }

    /// The writer takes all that the engine wants written: how often it did. To be called under the shard's lock.
    pub(crate) fn taken(&self) -> u64 {
        let mut lists = self.lock();
        lists.takes += 1;
        lists.takes
    }

    /// What it took up to this time outlives the process.
    pub(crate) fn written(&self, take: u64) {
        self.hangs.store(false, SeqCst);
        let mut lists = self.lock();
        let count = lists.answers.partition_point(|answer| answer.take <= take);
        let later = lists.answers.split_off(count);
        let written = mem::replace(&mut lists.answers, later);
        drop(lists);
        Held::send(written);
    }

    /// Sends all where something is held for too long. When to look again.
    fn look(&self, now: Time) -> Option<Time> {
        let mut lists = self.lock();
        let until = lists.answers.front()?.since + HOLD;
        if now < until {
            return Some(until);
        }
        self.hangs.store(true, SeqCst);
        let answers = mem::take(&mut lists.answers);
        drop(lists);
        Held::send(answers);
        None
    }

    fn send(answers: VecDeque<HeldAnswer>) {
        for HeldAnswer { mailbox, output, .. } in answers {
            if let Some(waker) = mailbox.release(output) {
                waker.wake();
            }
        }
    }
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
    /// So many of what comes before the next are held.
    held: u32,
    /// What came meanwhile.
    /// Invariant: empty where nothing is held.
    behind: VecDeque<Output>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something comes; whom to wake.
    fn put(&self, output: Output) -> Option<Waker> {
        let mut mail = self.lock();
        if mail.held > 0 {
            mail.behind.push_back(output);
            return None;
        }
        mail.outputs.push_back(output);
        mail.waker.take()
    }

    /// Something that was held comes; whom to wake.
    fn release(&self, output: Output) -> Option<Waker> {
        let mut mail = self.lock();
        let Mail { outputs, held, behind, .. } = &mut *mail;
        outputs.push_back(output);
        *held -= 1;
        if *held == 0 {
            outputs.append(behind);
        }
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
    /// Something of this shard waits to be written to the disk; an answer may wait for it.
    Write {
        shard: usize,
        awaited: bool,
    },
}

pub(crate) type Effects = VecDeque<Effect>;

impl Shard {
    pub(crate) fn new(engine: Engine) -> Self {
        Shard {
            engine: Recorder::new(engine),
            last_ticket: 0,
            parked: HashMap::new(),
            reads: Vec::new(),
            held: Arc::default(),
            held_until: None,
            held_news: false,
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        [self.engine.poll_timeout(), self.held_until].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn pass_time(&mut self, now: Time) {
        if self.held_until.is_some_and(|until| until <= now) {
            self.held_until = self.held.look(now);
        }
        self.engine.handle_timeout(now);
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
        self.drain(now, Some(&mut mine), effects);
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
    pub(crate) fn drain(&mut self, now: Time, mut mine: Option<&mut Mine>, effects: &mut Effects) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Forward(transfer) => effects.push_back(Effect::Forward(transfer)),
                Output::Read(read) => self.reads.push(read),
                Output::Configured(name, value) => effects.push_back(Effect::Configured(name, value)),
                Output::Respond(ticket, response) => match &mut mine {
                    Some(mine) if mine.ticket == ticket && !(response.settles && self.holds()) => {
                        mine.answer = Some(response);
                    }
                    mine => {
                        let mine = mine.as_deref_mut().filter(|mine| mine.ticket == ticket);
                        self.post(now, ticket, Output::Respond(ticket, response), mine, effects);
                    }
                },
                Output::Open(ticket, _) | Output::Chunk(ticket, _) | Output::Close(ticket) => {
                    let mine = mine.as_deref_mut().filter(|mine| mine.ticket == ticket);
                    self.post(now, ticket, output, mine, effects);
                }
            }
        }
    }

    /// Whether what says that something is settled has to wait.
    fn holds(&self) -> bool {
        self.engine.has_log_work() && !self.held.hangs.load(SeqCst)
    }

    fn post(&mut self, now: Time, ticket: Ticket, output: Output, mine: Option<&mut Mine>, effects: &mut Effects) {
        if let Some(mine) = mine {
            mine.mailbox.get_or_insert_with(|| Arc::clone(self.parked.entry(ticket).or_default()));
        }
        let is_last = matches!(output, Output::Respond(..) | Output::Close(_));
        let settles = match &output {
            Output::Respond(_, response) => response.settles,
            // It may; a stream is never asked for in a hurry.
            Output::Chunk(..) => true,
            _ => false,
        };
        let holds = settles && self.holds();
        // Whoever is not there hung up.
        let Some(mailbox) = self.parked.get(&ticket) else { return };
        if holds {
            self.held.hold(now, Arc::clone(mailbox), output);
            self.held_until.get_or_insert(now + HOLD);
            self.held_news = true;
        } else {
            effects.extend(mailbox.put(output).map(Effect::Wake));
        }
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
