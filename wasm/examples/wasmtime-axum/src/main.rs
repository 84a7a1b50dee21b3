//! The broker in a sandbox that can reach nothing: axum in front, the component on wasmtime behind.
//!
//! `cargo run --package shelfmq-example-wasmtime-axum -- target/wasm/shelfmq.component.wasm 127.0.0.1:4151`
//!
//! One task owns the component (`Host::run`): requests come to it by a channel, and answers leave by another one for
//! each. What it keeps is in the sandbox's memory, and gone with it.

use std::collections::HashMap;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use http_body_util::channel::{Channel, Sender as Part};
use tokio::sync::{mpsc, oneshot};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use bindings::Broker;
use bindings::exports::shelfmq::broker::engine::{Answer, Chunk, Output, Request as Told, Response as Head};

/// What wasmtime makes of the world.
mod bindings {
    wasmtime::component::bindgen!({ path: "../../wit", world: "broker" });
}

/// What the task that has the component is told.
enum Input {
    /// A request, and where its answer goes.
    Request(u64, Told, oneshot::Sender<Response<Body>>),
    /// A chunk was taken; here is where the next goes.
    Writable(u64, Part<Bytes>),
    /// A client hung up.
    HungUp(u64),
}

/// The component, and who waits for what.
struct Host {
    broker: Broker,
    store: Store<()>,
    inputs: mpsc::UnboundedSender<Input>,
    waiting: HashMap<u64, oneshot::Sender<Response<Body>>>,
    /// Open answers: where the next chunk goes, unless one is on its way.
    open: HashMap<u64, Option<Part<Bytes>>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [component, address] = &arguments[..] else { return Err("usage: COMPONENT ADDRESS:PORT".into()) };
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    // A linker with nothing in it: the component imports nothing.
    let linker = Linker::new(&engine);
    let broker = Broker::instantiate(&mut store, &Component::from_file(&engine, component)?, &linker)?;
    let mut config = broker.shelfmq_broker_engine().call_default_config(&mut store)?;
    config.started = now();
    broker.shelfmq_broker_engine().call_start(&mut store, &config, RandomState::new().hash_one(now()), None)??;

    let (inputs, from_clients) = mpsc::unbounded_channel();
    let host = Host { broker, store, inputs: inputs.clone(), waiting: HashMap::new(), open: HashMap::new() };
    let limit = usize::try_from(config.limits.max_body_size)?;
    let router = Router::new().fallback(answer).with_state((inputs, limit));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    tokio::select! {
        ended = host.run(from_clients) => ended?,
        ended = axum::serve(listener, router) => ended?,
    }
    Ok(())
}

/// Nanoseconds since the Unix epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Tells the host that a client hung up, where it is dropped before the answer.
struct Waiting(u64, Option<mpsc::UnboundedSender<Input>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(inputs) = self.1.take() {
            drop(inputs.send(Input::HungUp(self.0)));
        }
    }
}

/// Brings a request to the component, and its answer back.
async fn answer(
    State((inputs, limit)): State<(mpsc::UnboundedSender<Input>, usize)>,
    request: Request<Body>,
) -> Result<Response<Body>, StatusCode> {
    static LAST_TICKET: AtomicU64 = AtomicU64::new(0);
    let (head, body) = request.into_parts();
    let body = to_bytes(body, limit).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_owned()));
    let told = Told {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.into(),
        peer: String::new(),
    };
    let ticket = LAST_TICKET.fetch_add(1, Ordering::Relaxed) + 1;
    let mut waiting = Waiting(ticket, Some(inputs.clone()));
    let (sender, answered) = oneshot::channel();
    inputs.send(Input::Request(ticket, told, sender)).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let response = answered.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    waiting.1 = None;
    Ok(response)
}

impl Host {
    /// One step after another: something happens, what it brings about is done, and then it is waited for the next.
    async fn run(mut self, mut from_clients: mpsc::UnboundedReceiver<Input>) -> wasmtime::Result<()> {
        loop {
            let due = self.broker.shelfmq_broker_engine().call_poll_timeout(&mut self.store)?;
            let wait = due.map_or(3_600_000_000_000, |due| due.saturating_sub(now()));
            let outputs = match tokio::time::timeout(Duration::from_nanos(wait), from_clients.recv()).await {
                Ok(Some(input)) => self.take(input)?,
                Ok(None) => return Ok(()),
                Err(_) => self.broker.shelfmq_broker_engine().call_handle_timeout(&mut self.store, now())?,
            };
            for output in outputs {
                self.perform(output);
            }
        }
    }

    fn take(&mut self, input: Input) -> wasmtime::Result<Vec<Output>> {
        let (engine, store) = (self.broker.shelfmq_broker_engine(), &mut self.store);
        match input {
            Input::Request(ticket, told, sender) => {
                self.waiting.insert(ticket, sender);
                if told.body.len() as u64 > engine.call_body_limit(&mut *store, &told.path)? {
                    let response = engine.call_body_too_big(store, &told.path)?;
                    return Ok(vec![Output::Respond(Answer { ticket, response })]);
                }
                engine.call_handle(store, now(), ticket, &told)
            }
            Input::Writable(ticket, part) => match self.open.get_mut(&ticket) {
                Some(open) => {
                    *open = Some(part);
                    engine.call_handle_writable(store, now(), ticket)
                }
                None => Ok(Vec::new()),
            },
            Input::HungUp(ticket) => {
                self.waiting.remove(&ticket);
                self.open.remove(&ticket);
                engine.call_cancel(store, now(), ticket)
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Respond(Answer { ticket, response }) => {
                let body = Body::from(response.body.clone());
                self.respond(ticket, &response, body);
            }
            Output::Open(Answer { ticket, response }) => {
                let (part, channel) = Channel::new(1);
                self.open.insert(ticket, Some(part));
                self.respond(ticket, &response, Body::new(channel));
                if !response.body.is_empty() {
                    self.send(ticket, response.body);
                }
            }
            Output::Chunk(Chunk { ticket, bytes }) => self.send(ticket, bytes),
            Output::Close(ticket) => drop(self.open.remove(&ticket)),
            // Without a log there is nothing to read; and options are the component's own.
            Output::Read(_) | Output::Configured(_) => {}
        }
    }

    fn respond(&mut self, ticket: u64, head: &Head, body: Body) {
        let Some(sender) = self.waiting.remove(&ticket) else { return };
        let response = Response::builder().status(head.status);
        let response = head.headers.iter().fold(response, |response, (name, value)| response.header(name, &value[..]));
        if let Ok(response) = response.body(body) {
            drop(sender.send(response));
        }
    }

    /// Sends a chunk, and tells this task when it was taken.
    fn send(&mut self, ticket: u64, bytes: Vec<u8>) {
        let Some(mut part) = self.open.get_mut(&ticket).and_then(Option::take) else { return };
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let input = match part.send_data(bytes.into()).await {
                Ok(()) => Input::Writable(ticket, part),
                Err(_) => Input::HungUp(ticket),
            };
            drop(inputs.send(input));
        });
    }
}
