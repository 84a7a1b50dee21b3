//! One engine, spoken to as a host does, with a clock that stands still.

use shelfmq_core::api::{Known, Request, Response, Value};
use shelfmq_core::command::Ticket;
use shelfmq_core::config::Config;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, api::Field};

use crate::{BATCH, BODY, batch};

/// The header fields that an ordinary client sends, so that reading them counts.
const HEADERS: &[(&str, &[u8])] = &[("host", b"127.0.0.1:4151"), ("user-agent", b"bench"), ("accept", b"*/*")];

/// An engine and the last ticket it was given.
#[derive(Debug)]
pub struct Broker {
    engine: Engine,
    now: Time,
    ticket: Ticket,
}

impl Default for Broker {
    fn default() -> Self {
        Broker { engine: Engine::new(Config::default(), 1), now: Time::from_secs(1_800_000_000), ticket: 0 }
    }
}

impl Broker {
    /// Makes a request that is answered at once.
    ///
    /// # Panics
    ///
    /// If it is not, or if the answer is a refusal: what is measured must have happened.
    pub fn ask(&mut self, path: &str, query: &str, body: &[u8]) -> Response {
        let ticket = self.request(path, query, body);
        let mut answer = None;
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Respond(to, response) if to == ticket => answer = Some(response),
                _ => {}
            }
        }
        let answer = answer.unwrap_or_else(|| panic!("{path}?{query} was not answered"));
        assert!(answer.status < 300, "{path}?{query} was refused: {answer:?}");
        answer
    }

    /// Makes a request that is answered later, and gives its ticket.
    ///
    /// # Panics
    ///
    /// If it is answered at once.
    pub fn wait(&mut self, path: &str, query: &str) -> Ticket {
        let ticket = self.request(path, query, b"");
        assert!(self.engine.poll_output().is_none(), "{path}?{query} did not wait");
        ticket
    }

    /// Hangs up.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.engine.cancel(self.now, ticket);
        while self.engine.poll_output().is_some() {}
    }

    /// Publishes so many messages, in batches.
    pub fn fill(&mut self, query: &str, messages: usize) {
        let batch = batch();
        for _ in 0..messages / BATCH {
            self.ask("/mpub", query, &batch);
        }
        for _ in 0..messages % BATCH {
            self.ask("/pub", query, BODY);
        }
    }

    fn request(&mut self, path: &str, query: &str, body: &[u8]) -> Ticket {
        self.ticket += 1;
        let method = if body.is_empty() && path == "/sub" { "GET" } else { "POST" };
        let request = Request { method, path, query, headers: HEADERS, body, peer: "127.0.0.1:50000" };
        self.engine.handle(self.now, self.ticket, &request);
        self.ticket
    }
}

/// The receipt of the one message in a raw answer.
///
/// # Panics
///
/// If there is none.
pub fn receipt(response: &Response) -> String {
    let value = response.headers.iter().find(|(field, _)| *field == Field::Known(Known::Receipt));
    match value {
        Some((_, Value::Bytes(bytes))) => String::from_utf8_lossy(bytes).into_owned(),
        _ => panic!("an answer with one message has its receipt: {response:?}"),
    }
}
