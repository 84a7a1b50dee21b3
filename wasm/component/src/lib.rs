//! The shelfmq broker as a WebAssembly component that imports nothing: [`shelfmq_core`] behind `wasm/wit/shelfmq.wit`,
//! which says what each function does.
//!
//! Read in this order: this file (the verbs), `convert` (records of the core to records of the WIT, and back), `open`
//! (a topic from the bytes of its log), `bare` (instead of `std`).
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod bare;
mod convert;
mod open;

use alloc::string::String;
use alloc::vec::Vec;

use shelfmq_core::log::{Loaded, SegmentHeader};
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output, api};

use bare::Only;
use bindings::exports::shelfmq::broker::engine as wit;

/// What `wit-bindgen` makes of the world.
#[expect(clippy::same_length_and_capacity, reason = "it is generated")]
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "broker" });
    use super::Component;
    export!(Component);
}

/// What the component exports.
struct Component;

/// The engine of this instance, and whether it keeps logs.
static ENGINE: Only<Option<(Engine, bool)>> = Only::new(None);

/// Does something to the engine.
fn with<T>(act: impl FnOnce(&mut Engine) -> T) -> T {
    ENGINE.with(|engine| act(&mut engine.as_mut().expect("a host calls `start` first").0))
}

/// Does something to the engine, at a time, and takes what it wants done.
fn step(now: u64, act: impl FnOnce(&mut Engine, Time)) -> Vec<wit::Output> {
    with(|engine| {
        let now = Time::from_nanos(now);
        act(engine, now);
        outputs(engine, now)
    })
}

/// Once for all steps, which are small.
#[inline(never)]
fn outputs(engine: &mut Engine, now: Time) -> Vec<wit::Output> {
    let mut outputs = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            // All topics are here.
            Output::Forward(transfer) => engine.handle_transfer(now, transfer),
            output => outputs.extend(convert::output(output)),
        }
    }
    outputs
}

impl wit::Guest for Component {
    fn default_config() -> wit::Config {
        convert::default_config()
    }

    fn start(config: wit::Config, seed: u64, log: Option<wit::LogOptions>) -> Result<(), String> {
        let config = convert::config(config)?;
        let has_log = log.is_some();
        let engine = match log {
            Some(options) => Engine::with_log(config, seed, convert::log_options(&options)),
            None => Engine::new(config, seed),
        };
        ENGINE.with(|old| *old = Some((engine, has_log)));
        Ok(())
    }

    fn handle(now: u64, ticket: u64, request: wit::Request) -> Vec<wit::Output> {
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let request = api::Request {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            headers: &headers,
            body: &request.body,
            peer: &request.peer,
        };
        step(now, |engine, now| engine.handle(now, ticket, &request))
    }

    fn handle_timeout(now: u64) -> Vec<wit::Output> {
        step(now, Engine::handle_timeout)
    }

    fn handle_writable(now: u64, ticket: u64) -> Vec<wit::Output> {
        step(now, |engine, now| engine.handle_writable(now, ticket))
    }

    fn cancel(now: u64, ticket: u64) -> Vec<wit::Output> {
        step(now, |engine, now| engine.cancel(now, ticket))
    }

    fn shutdown(now: u64) -> Vec<wit::Output> {
        step(now, Engine::shutdown)
    }

    fn poll_timeout() -> Option<u64> {
        with(|engine| engine.poll_timeout().map(Time::as_nanos))
    }

    fn body_limit(path: String) -> u64 {
        with(|engine| api::body_limit(&engine.config().limits, &path) as u64)
    }

    fn body_too_big(path: String) -> wit::Response {
        with(|engine| convert::response(api::body_too_big(&engine.config().limits, &path)))
    }

    fn set_unwell(why: Option<String>) {
        with(|engine| engine.set_unwell(why));
    }

    fn open_topic(
        now: u64,
        topic: String,
        segments: Vec<Vec<u8>>,
        is_whole: bool,
    ) -> Result<wit::Opened, wit::OpenError> {
        ENGINE.with(|engine| {
            let (engine, has_log) = engine.as_mut().expect("a host calls `start` first");
            if !*has_log || engine.trace(&topic, 0).is_some() {
                return Err(wit::OpenError::NotHere);
            }
            let recovered = open::recover(&topic, &segments, is_whole)?;
            let opened = convert::opened(&recovered);
            engine.open_topic(Time::from_nanos(now), recovered);
            Ok(opened)
        })
    }

    fn poll_log() -> Vec<wit::Work> {
        with(|engine| core::iter::from_fn(|| engine.poll_log()).map(convert::work).collect())
    }

    fn handle_appended(now: u64, log: u64, upto: u64) -> Vec<wit::Output> {
        step(now, |engine, now| engine.handle_appended(now, log, upto))
    }

    fn handle_append_failed(now: u64, log: u64) -> Vec<wit::Output> {
        step(now, |engine, now| engine.handle_append_failed(now, log))
    }

    fn handle_deleted(now: u64, log: u64) -> Vec<wit::Output> {
        step(now, |engine, now| engine.handle_appended(now, log, u64::MAX))
    }

    fn handle_read(now: u64, read: wit::Read, part: Option<wit::Part>) -> Vec<wit::Output> {
        let loaded = part.and_then(|part| {
            let salt = SegmentHeader::read(&part.head).ok()?.salt;
            Some(Loaded::decode(salt, part.offset, &part.bytes, read.first, read.end))
        });
        let Some(read) = convert::read_back(read) else { return Vec::new() };
        step(now, |engine, now| engine.handle_read(now, &read, loaded))
    }

    fn handle_space(is_full: bool) {
        with(|engine| engine.handle_space(is_full));
    }

    fn is_settled() -> bool {
        with(|engine| engine.is_settled())
    }
}
