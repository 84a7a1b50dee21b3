//! A broker: drives the core by requests, timers and what the storage says.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use js_sys::{Array, Function, Promise, Uint8Array};
use shelfmq_core::by_id::ById;
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::log::{Loaded, Read, SegmentHeader, export};
use shelfmq_core::name::Name;
use shelfmq_core::recording::{Recorder, describe};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, api};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortSignal, Request, Response};

use crate::clock::Clock;
use crate::http::{self, Asked};
use crate::input_log::InputLog;
use crate::memory;
use crate::options::{Host, Options, error};
use crate::recovery::recover;
use crate::storage::{Change, Storage};
use crate::stream::{Stream, promise, send};
use crate::writing::Writing;

/// A whole broker. What it has in memory goes with it; what was answered with `OK` is in the storage, if there is one.
#[wasm_bindgen]
pub struct Broker(Rc<Inner>);

pub(crate) struct Inner {
    pub(crate) state: RefCell<State>,
    pub(crate) clock: Clock,
    pub(crate) storage: Option<Storage>,
    /// What JavaScript does for a broker beside time and storage.
    host: Host,
    tick: Closure<dyn FnMut()>,
    /// Beyond so many bytes of memory publishes are refused.
    memory_limit: usize,
}

pub(crate) struct State {
    pub(crate) engine: Recorder,
    /// What is written down of what comes to it.
    input_log: Option<InputLog>,
    pending: ById<Pending>,
    last_ticket: u64,
    timer: Option<(Time, JsValue)>,
    pub(crate) writing: Writing,
    /// There is no room in memory for more messages.
    memory_full: bool,
    /// What the engine was told of both.
    is_full: bool,
    /// How many requests' bodies are being read.
    reading_bodies: usize,
    /// Who waits until nothing waits for the storage.
    settling: Vec<Function>,
    closed: bool,
}

/// A request that is not answered to its end.
struct Pending {
    resolve: Function,
    reject: Function,
    /// With the request that it is of: in Node, a request's signal is not told any more once its request was collected.
    signal: (Request, AbortSignal, Closure<dyn FnMut()>),
    stream: Option<Stream>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (_, signal, closure) = &self.signal;
        let _ = signal.remove_event_listener_with_callback("abort", closure.as_ref().unchecked_ref());
    }
}

#[wasm_bindgen]
impl Broker {
    /// Opens a broker, with all topics that the storage has.
    pub async fn open(options: Options) -> Result<Broker, JsValue> {
        let (clock, storage) = (options.clock(), options.storage());
        let now = clock.now();
        let config = options.config(now)?;
        let mut engine = Recorder::new(match &storage {
            Some(_) => Engine::with_log(config, options.seed(), options.log()),
            None => Engine::new(config, options.seed()),
        });
        let input_log = match options.record_bytes() {
            Some(bytes) => {
                // Others that begin at this moment have another number.
                let input_log = InputLog::begin(&mut engine, bytes as usize, now.as_nanos() ^ options.seed());
                Some(input_log.ok_or_else(|| error("record.bytes is too little for any recording"))?)
            }
            None => None,
        };
        let mut is_empty = true;
        if let Some(storage) = &storage {
            for listed in storage.topics().await? {
                if let Some(recovered) = recover(storage, &listed).await? {
                    engine.open_topic(now, recovered);
                    is_empty = false;
                }
            }
        }
        let state = State {
            engine,
            input_log,
            pending: ById::default(),
            last_ticket: 0,
            timer: None,
            writing: Writing::default(),
            memory_full: false,
            is_full: false,
            reading_bodies: 0,
            settling: Vec::new(),
            closed: false,
        };
        let inner = Rc::new_cyclic(|weak: &Weak<Inner>| {
            let weak = weak.clone();
            let tick = Closure::new(move || {
                if let Some(inner) = weak.upgrade() {
                    inner.tick();
                }
            });
            let memory_limit = options.memory() as usize;
            Inner { state: RefCell::new(state), clock, storage, host: options.host(), tick, memory_limit }
        });
        inner.pump();
        if !is_empty {
            // What was recorded begins with all topics, rather than with opening them.
            let State { engine, input_log, .. } = &mut *inner.state.borrow_mut();
            if let Some(input_log) = input_log {
                input_log.begin_anew(engine);
            }
        }
        Ok(Broker(inner))
    }

    /// Answers a request as a server does. The promise is kept once there is an answer, however long that takes; it
    /// is broken by the request's own signal, and by a request whose body cannot be read. `peer` is who asks, as
    /// `ip:port`, where that is known.
    pub fn fetch(&self, request: Request, peer: Option<String>) -> Promise {
        let (promise, resolve, reject) = promise();
        let inner = Rc::clone(&self.0);
        let mut asked = Asked::of(&request, peer);
        // The platform lets these two have no body.
        if matches!(request.method().as_str(), "GET" | "HEAD") {
            inner.ask(&asked, request, resolve, reject);
        } else {
            inner.state.borrow_mut().reading_bodies += 1;
            let limit = {
                let state = inner.state.borrow();
                asked.with(|head, _| api::route(head).body_limit(&state.engine.config().limits))
            };
            spawn_local(async move {
                let read = asked.read_body(&request, limit).await;
                inner.state.borrow_mut().reading_bodies -= 1;
                match read {
                    Ok(()) => inner.ask(&asked, request, resolve, reject),
                    Err(error) => drop(reject.call1(&JsValue::NULL, &error)),
                }
                inner.pump();
            });
        }
        promise
    }

    /// Answers a request that only looks, at once, from what is in memory; `403` to another. It is nothing that happens:
    /// no recording has it.
    pub fn look(&self, request: &Request) -> Result<Response, JsValue> {
        let now = self.0.clock.now();
        let state = self.0.state.borrow();
        http::whole(Asked::of(request, None).with(|head, body| state.engine.query(now, &head.with_body(body))))
    }

    /// Comes back when every request was taken in, and nothing waits for the storage.
    pub fn settled(&self) -> Promise {
        let (promise, resolve, _) = promise();
        self.0.state.borrow_mut().settling.push(resolve);
        self.0.pump();
        promise
    }

    /// What was recorded after so many bytes of this part, to the last call: parts' numbers, from 1 on, where in them the
    /// bytes belong, and the bytes. Nothing where nothing is recorded.
    pub fn recording(&self, part: u32, bytes: f64) -> Array {
        let State { engine, input_log, .. } = &mut *self.0.state.borrow_mut();
        input_log.as_mut().map_or_else(Array::new, |input_log| input_log.since(engine, part, bytes as usize))
    }

    /// When something is due next, in milliseconds since 1970.
    #[wasm_bindgen(js_name = nextTimeout)]
    pub fn next_timeout(&self) -> Option<f64> {
        let at = self.0.state.borrow().engine.poll_timeout()?;
        Some(describe::ms(at.max(self.0.clock.now())))
    }

    /// Answers who waits, writes what is to be written, and ends. Nothing is to be asked of it after. An error where
    /// something could not be written: who waited for it was told so.
    pub async fn close(&self) -> Result<(), JsValue> {
        let now = self.0.clock.now();
        {
            let mut state = self.0.state.borrow_mut();
            state.engine.shutdown(now);
            state.writing.end();
        }
        JsFuture::from(self.settled()).await?;
        let (timer, unwritten) = {
            let mut state = self.0.state.borrow_mut();
            state.closed = true;
            (state.timer.take(), state.writing.take_unwritten())
        };
        if let Some((_, timer)) = timer {
            self.0.clock.clear_timeout(&timer);
        }
        unwritten.map_or(Ok(()), Err)
    }

    /// A topic's whole log as one file, as `shelfmq log export` makes it.
    #[wasm_bindgen(js_name = exportLog)]
    pub async fn export_log(&self, topic: String) -> Result<Uint8Array, JsValue> {
        let name = Name::parse(topic.clone()).ok_or_else(|| error("this is no name of a topic"))?;
        let storage = self.0.storage.as_ref().ok_or_else(|| error("without a storage there are no logs"))?;
        JsFuture::from(self.settled()).await?;
        let mut listed = segments(storage, &topic).await?;
        'listed: loop {
            let mut bytes = export::write_head(&name);
            for &(number, size) in &listed {
                match storage.bytes(&topic, number, 0, size).await {
                    Ok(part) if part.len() as u64 == size => {
                        bytes.extend_from_slice(&export::write_part(size));
                        bytes.extend(part);
                    }
                    // Since it was listed it may have been forgotten.
                    part => {
                        let now = segments(storage, &topic).await?;
                        if now == listed {
                            return Err(part.err().unwrap_or_else(|| error("a segment is shorter than listed")));
                        }
                        listed = now;
                        continue 'listed;
                    }
                }
            }
            bytes.extend_from_slice(&export::write_part(0));
            return Ok(Uint8Array::from(&bytes[..]));
        }
    }

    /// Puts a log that was exported into a storage that no broker has open; answers the topic's name.
    #[wasm_bindgen(js_name = importLog)]
    pub async fn import_log(storage: Storage, bytes: Vec<u8>) -> Result<String, JsValue> {
        let (name, segments) = export::read(&bytes)
            .map_err(|(why, at)| error(&format!("this is no exported log: {why}, at byte {at}")))?;
        let topic = name.as_str();
        if storage.topics().await?.iter().any(|listed| listed.topic == topic) {
            return Err(error(&format!("there is a topic {topic} already")));
        }
        let changes = Array::new();
        for segment in segments {
            let header = SegmentHeader::read(segment).map_err(|why| error(&format!("a segment is bad: {why:?}")))?;
            changes.push(&Change::append(topic, header.number, 0, segment).into());
        }
        storage.change(&changes).await?;
        Ok(topic.into())
    }
}

impl State {
    /// Publishes are refused while the storage or the memory has no room for them.
    pub(crate) fn note_space(&mut self, now: Time) {
        let full = self.memory_full || self.writing.is_full();
        if full != self.is_full {
            self.is_full = full;
            self.engine.handle_space(now, full);
        }
    }
}

impl Inner {
    fn ask(self: &Rc<Self>, asked: &Asked, request: Request, resolve: Function, reject: Function) {
        let signal = request.signal();
        if signal.aborted() {
            return drop(reject.call1(&JsValue::NULL, &signal.reason()));
        }
        let now = self.clock.now();
        self.note_memory();
        let mut state = self.state.borrow_mut();
        if state.closed {
            return drop(reject.call1(&JsValue::NULL, &error("this broker is closed")));
        }
        if asked.is_too_long {
            let limits = &state.engine.config().limits;
            let response = asked.with(|head, _| api::route(head).body_too_big(limits));
            drop(state);
            return settle(&resolve, &reject, http::whole(response));
        }
        state.last_ticket += 1;
        let ticket = state.last_ticket;
        let (weak, reason) = (Rc::downgrade(self), signal.clone());
        let abort = Closure::<dyn FnMut()>::new(move || {
            if let Some(inner) = weak.upgrade() {
                inner.abort(ticket, &reason.reason());
            }
        });
        let _ = signal.add_event_listener_with_callback("abort", abort.as_ref().unchecked_ref());
        let signal = (request, signal, abort);
        state.pending.insert(ticket, Pending { resolve, reject, signal, stream: None });
        asked.with(|head, body| state.engine.handle_routed(now, ticket, api::route(head), body));
        drop(state);
        self.pump();
    }

    /// Refuses publishes from where memory has no room for more, until an eighth of it is free again: so that what is still
    /// needed then, to hand messages out and to finish them, finds room.
    fn note_memory(&self) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let limit = if state.memory_full { self.memory_limit - self.memory_limit / 8 } else { self.memory_limit };
        state.memory_full = memory::allocated() > limit;
        state.note_space(now);
    }

    /// A client hung up.
    fn abort(self: &Rc<Self>, ticket: u64, reason: &JsValue) {
        let Some(pending) = self.cancel(ticket) else { return };
        match &pending.stream {
            Some(stream) => stream.controller().error_with_e(reason),
            None => drop(pending.reject.call1(&JsValue::NULL, reason)),
        }
        self.pump();
    }

    fn cancel(&self, ticket: u64) -> Option<Pending> {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let pending = state.pending.remove(&ticket)?;
        state.engine.cancel(now, ticket);
        Some(pending)
    }

    fn tick(self: &Rc<Self>) {
        let now = self.clock.now();
        {
            let mut state = self.state.borrow_mut();
            state.timer = None;
            if state.closed {
                return;
            }
            state.engine.handle_timeout(now);
        }
        self.pump();
    }

    /// Does what the core wants done, until it wants nothing.
    pub(crate) fn pump(self: &Rc<Self>) {
        loop {
            let output = self.state.borrow_mut().engine.poll_output();
            match output {
                Some(output) => self.perform(output),
                None => break,
            }
        }
        self.write();
        self.set_timer();
        let settled = {
            let mut state = self.state.borrow_mut();
            let State { engine, input_log, .. } = &mut *state;
            if let Some(input_log) = input_log {
                input_log.note(engine);
            }
            let is_settled = state.writing.is_settled() && state.reading_bodies == 0 && state.engine.is_settled();
            if is_settled { std::mem::take(&mut state.settling) } else { Vec::new() }
        };
        for resolve in settled {
            let _ = resolve.call0(&JsValue::NULL);
        }
    }

    fn perform(self: &Rc<Self>, output: Output) {
        match output {
            Output::Respond(ticket, response) => {
                let pending = self.state.borrow_mut().pending.remove(&ticket);
                if let Some(pending) = pending {
                    settle(&pending.resolve, &pending.reject, http::whole(response));
                }
            }
            Output::Open(ticket, response) => self.begin(ticket, response),
            Output::Chunk(ticket, bytes) => {
                let sender = self
                    .state
                    .borrow()
                    .pending
                    .get(&ticket)
                    .and_then(|pending| Some(pending.stream.as_ref()?.sender()));
                if let Some(sender) = sender {
                    send(&sender, &bytes);
                }
            }
            Output::Close(ticket) => {
                let pending = self.state.borrow_mut().pending.remove(&ticket);
                if let Some(stream) = pending.as_ref().and_then(|pending| pending.stream.as_ref()) {
                    let _ = stream.controller().close();
                }
            }
            Output::Forward(transfer) => {
                let now = self.clock.now();
                self.state.borrow_mut().engine.handle_transfer(now, transfer);
            }
            Output::Read(read) => {
                let inner = Rc::clone(self);
                spawn_local(async move { inner.read(read).await });
            }
            Output::Configured(..) => {}
        }
    }

    /// Begins an answer that stays open.
    fn begin(self: &Rc<Self>, ticket: u64, response: api::Response) {
        let (taken, cancelled) = (Rc::downgrade(self), Rc::downgrade(self));
        let (stream, body) = Stream::new(
            &self.host,
            move || {
                if let Some(inner) = taken.upgrade() {
                    let now = inner.clock.now();
                    inner.state.borrow_mut().engine.handle_writable(now, ticket);
                    inner.pump();
                }
            },
            move || {
                if let Some(inner) = cancelled.upgrade() {
                    drop(inner.cancel(ticket));
                    inner.pump();
                }
            },
        );
        let opened = http::open(response, &body).map(|response| (stream, response));
        let mut state = self.state.borrow_mut();
        let Some(pending) = state.pending.get_mut(&ticket) else { return };
        let (resolve, reject) = (pending.resolve.clone(), pending.reject.clone());
        let response = opened.map(|(stream, response)| {
            pending.stream = Some(stream);
            response
        });
        drop(state);
        settle(&resolve, &reject, response);
    }

    /// Has the timer go off when the core says.
    fn set_timer(&self) {
        let mut state = self.state.borrow_mut();
        let Some(at) = state.engine.poll_timeout().filter(|_| !state.closed) else { return };
        if state.timer.as_ref().is_none_or(|(set, _)| *set > at) {
            if let Some((_, timer)) = state.timer.take() {
                self.clock.clear_timeout(&timer);
            }
            let timer = self.clock.call_at(at, self.tick.as_ref().unchecked_ref());
            state.timer = Some((at, timer));
        }
        if let Some((_, timer)) = &state.timer {
            self.clock.is_needed(timer, !state.pending.is_empty());
        }
    }

    /// Reads messages back: from a whole segment, which is not large.
    async fn read(self: Rc<Self>, read: Read) {
        let Some(storage) = &self.storage else { return };
        let bytes = storage.bytes(read.topic.as_str(), read.segment, 0, u32::MAX.into()).await;
        let loaded = match bytes {
            Ok(bytes) => SegmentHeader::read(&bytes).ok().map(|header| {
                let start = SEGMENT_HEADER_BYTES;
                Loaded::decode(header.salt, start as u64, &bytes[start..], read.from, read.to)
            }),
            Err(why) => {
                web_sys::console::error_2(&"shelfmq: messages cannot be read back:".into(), &why);
                None
            }
        };
        let now = self.clock.now();
        self.state.borrow_mut().engine.handle_read(now, &read, loaded);
        self.pump();
    }
}

/// The segments of a topic that a storage has, with their sizes.
async fn segments(storage: &Storage, topic: &str) -> Result<Vec<(u32, u64)>, JsValue> {
    let listed = storage.topics().await?.into_iter().find(|listed| listed.topic == topic);
    listed.map(|listed| listed.segments).ok_or_else(|| error(&format!("topic {topic} has no log")))
}

/// Keeps a promise, or breaks it.
fn settle(resolve: &Function, reject: &Function, response: Result<Response, JsValue>) {
    let _ = match response {
        Ok(response) => resolve.call1(&JsValue::NULL, &response),
        Err(error) => reject.call1(&JsValue::NULL, &error),
    };
}
