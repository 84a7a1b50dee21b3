//! A broker within a program, without a host around it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::api::{self, Body, Request, Response};
use crate::command::Ticket;
use crate::config::Config;
use crate::engine::{Engine, Output};
use crate::time::Time;

/// A whole broker in memory, driven by the program that has it.
///
/// [`Local::call`] is for what is answered at once. What may take a while, such as a long poll, is asked by
/// [`Local::request`], and its [`Local::answer`] fetched when it is there: after another request, or after a
/// [`Local::tick`].
///
/// Nothing is kept on a disk; whoever wants that drives an [`Engine`].
#[derive(Debug)]
pub struct Local {
    engine: Engine,
    /// The latest time that was told, for what is done in between without one.
    now: Time,
    last_ticket: Ticket,
    /// What was not fetched. It stays until it is, or until somebody hangs up.
    answers: BTreeMap<Ticket, Answer>,
}

/// What came for a request.
#[derive(Debug)]
enum Answer {
    Whole(Response),
    /// A stream: its head, the chunk that was not fetched yet, and whether more can come.
    Stream {
        head: Response,
        chunk: Option<Vec<u8>>,
        is_open: bool,
    },
}

impl Local {
    /// A broker with nothing in it. The seed makes receipts hard to guess and hash tables hard to flood.
    pub fn new(config: Config, seed: u64) -> Self {
        let now = config.started;
        Local { engine: Engine::new(config, seed), now, last_ticket: 0, answers: BTreeMap::new() }
    }

    /// The answer to a request, if there is one at once. None where it would have to wait (a poll that finds nothing),
    /// or never ends (a stream): then the request is over, as if its client had hung up.
    ///
    /// `target` is a path and what follows it: `"/sub?topic=books&channel=readers&wait=0"`.
    pub fn call(&mut self, now: Time, method: &str, target: &str, body: &[u8]) -> Option<Response> {
        let ticket = self.request(now, method, target, body);
        if let Some(Answer::Whole(response)) = self.answers.remove(&ticket) {
            return Some(response);
        }
        // What waits would be answered later, with messages leased to nobody.
        self.cancel(now, ticket);
        None
    }

    /// Takes a request in. Its answer is to be had by [`Local::answer`], or not wanted any more by [`Local::cancel`].
    pub fn request(&mut self, now: Time, method: &str, target: &str, body: &[u8]) -> Ticket {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        self.request_with(now, &Request { method, path, query, body, ..Request::default() })
    }

    /// The same for a request with header fields, or with somebody who sent it.
    pub fn request_with(&mut self, now: Time, request: &Request<'_>) -> Ticket {
        self.last_ticket += 1;
        let (ticket, limits) = (self.last_ticket, &self.engine.config().limits);
        let routed = api::route(request.head());
        // The engine trusts its host to have bounded the body.
        if request.body.len() > routed.body_limit(limits) {
            let refused = routed.body_too_big(limits);
            self.answers.insert(ticket, Answer::Whole(refused));
        } else {
            self.engine.handle_routed(now, ticket, routed, request.body);
            self.finish(now);
        }
        ticket
    }

    /// The answer to a request, once it is there; it is given once. Of a stream, what came since the last look, as the
    /// body beneath its head: nothing more comes until that was fetched.
    pub fn answer(&mut self, ticket: Ticket) -> Option<Response> {
        let (found, is_taken) = match self.answers.remove(&ticket)? {
            Answer::Whole(response) => return Some(response),
            Answer::Stream { head, chunk, is_open } => {
                let is_taken = chunk.is_some();
                let found = chunk.map(|chunk| Response { body: Body::Bytes(chunk), ..head.clone() });
                // Put back before the engine is told: the next chunk may come in the same call.
                if is_open {
                    self.answers.insert(ticket, Answer::Stream { head, chunk: None, is_open });
                }
                (found, is_taken && is_open)
            }
        };
        // Only a chunk that was fetched makes room for the next. A stream that ended takes none.
        if is_taken {
            self.engine.handle_writable(self.now, ticket);
            self.finish(self.now);
        }
        found
    }

    /// Nobody waits for this request any more. Harmless where it was answered.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.answers.remove(&ticket);
        self.engine.cancel(now, ticket);
        self.finish(now);
    }

    /// Time has passed: polls end, leases run out, deferred messages come. Answers when it is to be called next; to call
    /// it early, late or not at all does no harm, but what is due waits for it, or for the next request.
    pub fn tick(&mut self, now: Time) -> Option<Time> {
        self.engine.handle_timeout(now);
        self.finish(now);
        self.engine.poll_timeout()
    }

    /// Does what the engine wants done.
    fn finish(&mut self, now: Time) {
        self.now = self.now.max(now);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Respond(ticket, response) => drop(self.answers.insert(ticket, Answer::Whole(response))),
                Output::Open(ticket, head) => {
                    self.answers.insert(ticket, Answer::Stream { head, chunk: None, is_open: true });
                }
                Output::Chunk(ticket, bytes) => {
                    if let Some(Answer::Stream { chunk, .. }) = self.answers.get_mut(&ticket) {
                        // There is none yet: the engine makes the next when the last was taken.
                        *chunk = Some(bytes);
                    }
                }
                Output::Close(ticket) => {
                    if let Some(Answer::Stream { is_open, .. }) = self.answers.get_mut(&ticket) {
                        *is_open = false;
                    }
                }
                // What comes of it is among the outputs that this loop goes on with.
                Output::Forward(transfer) => self.engine.handle_transfer(now, transfer),
                // There is no log, and an option that is set is read where it is asked for.
                Output::Read(_) | Output::Configured(..) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_secs(1_800_000_000);

    fn local() -> Local {
        Local::new(Config { started: NOON, ..Config::default() }, 42)
    }

    fn text(response: &Response) -> &str {
        core::str::from_utf8(response.body.as_bytes()).expect("it is text")
    }

    #[test]
    fn a_poll_waits_until_it_is_answered() {
        let mut broker = local();
        let poll = broker.request(NOON, "GET", "/sub?topic=t&channel=c&wait=30s", b"");
        assert_eq!(broker.answer(poll), None);
        assert_eq!(text(&broker.call(NOON, "POST", "/pub?topic=t", b"hello").expect("it is answered")), "OK");
        assert_eq!(text(&broker.answer(poll).expect("it is there")), "hello");
        assert_eq!(broker.answer(poll), None, "it is given once");

        let poll = broker.request(NOON, "GET", "/sub?topic=t&channel=c&wait=30s", b"");
        let end = broker.tick(NOON).expect("a poll ends some time");
        assert_eq!(end, Time::from_secs(1_800_000_030));
        broker.tick(end);
        assert_eq!(broker.answer(poll).expect("it ended").status, 204);
    }

    #[test]
    fn what_would_wait_is_over_where_nobody_waits() {
        let mut broker = local();
        assert_eq!(broker.call(NOON, "GET", "/sub?topic=t&channel=c", b""), None);
        broker.call(NOON, "POST", "/pub?topic=t", b"hello");
        let found = broker.call(NOON, "GET", "/sub?topic=t&channel=c", b"").expect("nobody else has it");
        assert_eq!(text(&found), "hello");
        assert_eq!(broker.call(NOON, "GET", "/sub?topic=t&channel=c&format=ndjson&stream=true", b""), None);
        assert!(broker.answers.is_empty());
    }

    #[test]
    fn a_stream_goes_on_when_its_chunks_are_fetched() {
        let mut broker = local();
        let stream = broker.request(NOON, "GET", "/sub?topic=t&channel=c&format=ndjson&stream=true&ack=auto", b"");
        assert_eq!(broker.answer(stream), None);
        broker.call(NOON, "POST", "/pub?topic=t", b"one");
        broker.call(NOON, "POST", "/pub?topic=t", b"two");
        let one = broker.answer(stream).expect("a chunk");
        assert!(one.status == 200 && text(&one).contains("\"one\"") && !text(&one).contains("two"), "{}", text(&one));
        assert!(text(&broker.answer(stream).expect("another")).contains("\"two\""));
        assert_eq!(broker.answer(stream), None);
        broker.cancel(NOON, stream);
        assert!(broker.answers.is_empty());
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let limits = crate::config::Limits { max_msg_size: 4, ..crate::config::Limits::default() };
        let mut broker = Local::new(Config { limits, ..Config::default() }, 1);
        assert_eq!(broker.call(NOON, "POST", "/pub?topic=t", b"hello").expect("it is answered").status, 413);
        assert_eq!(broker.call(NOON, "POST", "/pub?topic=t", b"hell").expect("it is answered").status, 200);
    }
}
