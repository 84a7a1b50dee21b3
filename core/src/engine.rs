//! The front door: HTTP requests, the passing of time and hang-ups go in; responses come out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::api::{Decoded, Request, Response, Scope};
use crate::broker::Survey;
use crate::command::{Filter, Ticket};
use crate::config::Config;
use crate::name::Name;
use crate::time::Time;

/// The whole broker behind its HTTP API, as a state machine without I/O.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    outputs: VecDeque<Output>,
}

/// What an [`Engine`] wants done.
#[derive(Debug)]
pub enum Output {
    /// Answer the request with this ticket; nothing more comes for it.
    Respond(Ticket, Response),
    /// Begin to answer with this head: chunks follow.
    Open(Ticket, Response),
    /// Send this as a part of an open answer, and call [`Engine::handle_writable`] once it is taken.
    Chunk(Ticket, Vec<u8>),
    /// End an open answer.
    Close(Ticket),
    /// Give the parcel to the engine that has the topic `to`, by [`Engine::handle_parcel`].
    Forward(Parcel),
    /// An option was set at run time, by `PUT /config/<name>`.
    Configured(alloc::string::String, serde_json::Value),
}

/// A dead letter on its way to another topic, or the word that it arrived.
#[derive(Debug)]
pub struct Parcel {
    /// The topic whose engine is to have it.
    pub to: Name<'static>,
}

impl Engine {
    /// A broker with nothing in it. The seed makes receipts hard to guess and hash tables hard to flood;
    /// the same seed and the same calls give the same outputs.
    pub fn new(config: Config, _seed: u64) -> Self {
        Engine { config, outputs: VecDeque::new() }
    }

    /// What it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes one HTTP request. Its answer comes out of [`Engine::poll_output`], at once or later.
    ///
    /// Can change what `poll_output` and `poll_timeout` answer.
    pub fn handle(&mut self, now: Time, ticket: Ticket, request: &Request<'_>) {
        let _ = (now, ticket, request);
    }

    /// The same for a request that was decoded before, outside of whatever guards this engine.
    /// `survey` is that of all engines that share the broker's topics, where the decoded request's
    /// [scope](Decoded::scope) asks for one.
    pub fn handle_decoded(&mut self, now: Time, ticket: Ticket, decoded: Decoded<'_>, survey: Option<Survey>) {
        let _ = (now, ticket, decoded, survey);
    }

    /// Time has passed. To be called when [`Engine::poll_timeout`] says; early is harmless.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }

    /// The last chunk of this open answer was taken: there is room for another.
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        let _ = (now, ticket);
    }

    /// A parcel that this or another engine [forwarded](Output::Forward).
    pub fn handle_parcel(&mut self, now: Time, parcel: Parcel) {
        let _ = (now, parcel);
    }

    /// The client hung up. Harmless for a ticket that was answered.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        let _ = (now, ticket);
    }

    /// The broker is going down: waiting polls are answered, streams end, and from now on nothing is taken in.
    pub fn shutdown(&mut self, now: Time) {
        let _ = now;
    }

    /// What this engine tells of its topics; see [`Scope::Survey`].
    pub fn survey(&self, now: Time, filter: &Filter<'_>) -> Survey {
        let _ = (now, filter);
        Survey::default()
    }

    /// The next thing to do, until there is none. Only `handle*`, `cancel` and `shutdown` add to it.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Engine::handle_timeout`] is to be called next. Changed by all that adds outputs, `poll_output` not.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }
}

impl Decoded<'_> {
    /// Which engine this is for.
    pub fn scope(&self) -> Scope<'_> {
        Scope::Node
    }
}
