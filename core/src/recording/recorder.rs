//! Writing down what comes to an engine.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;
use core::ops::Deref;

use super::input::{Input, StatsSource};
use crate::api::{ApiError, Decoded, Request, Routed};
use crate::broker::{BrokerStats, Transfer};
use crate::command::{Ticket, TopicUnwell};
use crate::engine::{Engine, Output};
use crate::log::{Loaded, LogCommand, LogId, Read, Recovered};
use crate::state;
use crate::time::Time;

/// An engine that writes down what comes to it, or just the engine.
///
/// Its methods are those of the [`Engine`], which it also is wherever nothing is changed. What a recording has no input
/// for cannot be asked of it: [`Engine::close_topic`], [`Engine::compact_topic`], [`Engine::resign`], and
/// [`Engine::handle_append_refused`].
#[derive(Debug)]
pub struct Recorder {
    engine: Engine,
    tape: Option<Tape>,
}

/// Inputs that were not taken away yet.
#[derive(Debug)]
struct Tape {
    /// Whole inputs, each with the time since the one before it.
    inputs: Vec<u8>,
    /// The time of the last of them; none where the next is the first.
    last: Time,
    /// There is no room for more than so many bytes.
    room: usize,
    /// There was no room for something, and nothing was written since. It stays so until a checkpoint is made: what
    /// comes after a missing input means nothing without one.
    torn: bool,
}

/// What was written down since the last look.
#[derive(Debug, Default)]
pub struct Taken {
    /// The payload of a frame of inputs; nothing, where nothing came.
    pub inputs: Vec<u8>,
    /// Then something came for which there was no room: only a checkpoint can go on from here.
    pub torn: bool,
}

impl Deref for Recorder {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Recorder {
    /// Just the engine, until it is told to [begin](Recorder::begin).
    pub fn new(engine: Engine) -> Self {
        Recorder { engine, tape: None }
    }

    /// All that the engine has, as the payload of a checkpoint. Inputs are written down from here on, up to so many
    /// bytes until they are [taken](Recorder::take).
    ///
    /// An engine that is read from these bytes does what this one does. `None`, and the end of the recording, where the
    /// bytes would be more than `limit`. To be called when all outputs are taken.
    pub fn begin(&mut self, limit: usize, room: usize) -> Option<Vec<u8>> {
        self.tape = None;
        // The tape before it is over in any case: where there is no room for a checkpoint, nothing can go on from it.
        let bytes = self.engine.checkpoint(limit)?;
        self.tape = Some(Tape { inputs: Vec::new(), last: Time::default(), room, torn: false });
        Some(bytes)
    }

    /// Writes nothing more down.
    pub fn stop(&mut self) {
        self.tape = None;
    }

    /// What came since the last call. `empty` takes its place, so that its memory is used again.
    pub fn take(&mut self, mut empty: Vec<u8>) -> Taken {
        let Some(tape) = &mut self.tape else { return Taken::default() };
        // The inputs taken now are a frame of their own, and each frame begins with a whole time.
        tape.last = Time::default();
        empty.clear();
        Taken { inputs: mem::replace(&mut tape.inputs, empty), torn: tape.torn }
    }

    /// Whether there is something to be taken.
    pub fn has_inputs(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.torn || !tape.inputs.is_empty())
    }

    /// How many bytes there are to be taken.
    pub fn written(&self) -> usize {
        self.tape.as_ref().map_or(0, |tape| if tape.torn { usize::MAX } else { tape.inputs.len() })
    }

    fn note<'a>(&mut self, now: Time, input: impl FnOnce() -> Input<'a>) {
        if let Some(tape) = self.tape.as_mut().filter(|tape| !tape.torn) {
            // It wraps, for a clock may go back: adding it up wraps as well.
            let since = now.as_nanos().wrapping_sub(tape.last.as_nanos());
            // What does not fit leaves no part of itself behind.
            tape.torn = !state::write(&(since, input()), &mut tape.inputs, tape.room);
            tape.last = now;
        }
    }

    /// See [`Engine::handle`].
    pub fn handle(&mut self, now: Time, ticket: Ticket, request: &Request<'_>) {
        self.note(now, || Input::Request(ticket, request.into(), StatsSource::Itself));
        self.engine.handle(now, ticket, request);
    }

    /// See [`Engine::handle_routed`].
    pub fn handle_routed<'a>(&mut self, now: Time, ticket: Ticket, routed: Routed<'a>, body: &'a [u8]) {
        // The request is written down, not what was made of it: a replay routes it again.
        self.note(now, || Input::Request(ticket, (&routed.head().with_body(body)).into(), StatsSource::Itself));
        self.engine.handle_routed(now, ticket, routed, body);
    }

    /// See [`Engine::handle_decoded`]; `request` is what was decoded.
    pub fn handle_decoded(
        &mut self,
        now: Time,
        ticket: Ticket,
        request: &Request<'_>,
        decoded: Decoded<'_>,
        stats: Option<BrokerStats>,
    ) {
        self.note(now, || {
            // What other engines told is not to be had in a replay of this one: so it is written down as well.
            let source = stats.as_ref().map_or(StatsSource::Not, |stats| StatsSource::With(Cow::Borrowed(stats)));
            Input::Request(ticket, request.into(), source)
        });
        self.engine.handle_decoded(now, ticket, decoded, stats);
    }

    /// See [`Engine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Time) {
        self.note(now, || Input::Timeout);
        self.engine.handle_timeout(now);
    }

    /// See [`Engine::handle_writable`].
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        self.note(now, || Input::Writable(ticket));
        self.engine.handle_writable(now, ticket);
    }

    /// See [`Engine::handle_transfer`].
    pub fn handle_transfer(&mut self, now: Time, transfer: Transfer) {
        self.note(now, || Input::Transfer(Cow::Borrowed(&transfer)));
        self.engine.handle_transfer(now, transfer);
    }

    /// See [`Engine::cancel`].
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.note(now, || Input::Cancel(ticket));
        self.engine.cancel(now, ticket);
    }

    /// See [`Engine::shutdown`].
    pub fn shutdown(&mut self, now: Time) {
        self.note(now, || Input::Shutdown);
        self.engine.shutdown(now);
    }

    /// See [`Engine::poll_log`]. When it is called decides where segments begin.
    pub fn poll_log(&mut self, now: Time) -> Option<LogCommand> {
        // A call that finds nothing changes nothing, and hosts make it often.
        if self.engine.has_log_work() {
            self.note(now, || Input::PollLog);
        }
        self.engine.poll_log()
    }

    /// See [`Engine::handle_appended`].
    pub fn handle_appended(&mut self, now: Time, log: LogId, upto: u64) {
        self.note(now, || Input::Appended(log, upto));
        self.engine.handle_appended(now, log, upto);
    }

    /// See [`Engine::handle_append_failed`].
    pub fn handle_append_failed(&mut self, now: Time, log: LogId) {
        self.note(now, || Input::AppendFailed(log));
        self.engine.handle_append_failed(now, log);
    }

    /// See [`Engine::handle_append_late`].
    pub fn handle_append_late(&mut self, now: Time, log: LogId) {
        self.note(now, || Input::AppendLate(log));
        self.engine.handle_append_late(now, log);
    }

    /// See [`Engine::handle_read`].
    pub fn handle_read(&mut self, now: Time, read: &Read, loaded: Option<Loaded>) {
        self.note(now, || Input::Read(Cow::Borrowed(read), loaded.as_ref().map(Cow::Borrowed)));
        self.engine.handle_read(now, read, loaded);
    }

    /// See [`Engine::handle_space`].
    pub fn handle_space(&mut self, now: Time, full: bool) {
        self.note(now, || Input::Space(full));
        self.engine.handle_space(full);
    }

    /// See [`Engine::set_unwell`].
    pub fn set_unwell(&mut self, now: Time, why: Option<String>) {
        self.note(now, || Input::Unwell(why.as_deref().map(Cow::Borrowed)));
        self.engine.set_unwell(why);
    }

    /// See [`Engine::set_topic_unwell`].
    pub fn set_topic_unwell(&mut self, now: Time, topic: &str, unwell: Option<TopicUnwell>) {
        self.note(now, || Input::TopicUnwell(topic.into(), unwell.as_ref().map(Cow::Borrowed)));
        self.engine.set_topic_unwell(topic, unwell);
    }

    /// See [`Engine::log_of`].
    pub fn log_of(&self, topic: &str) -> Option<LogId> {
        self.engine.log_of(topic)
    }

    /// See [`Engine::refuse_opening`].
    pub fn refuse_opening(&self, topic: &str) -> Option<ApiError> {
        self.engine.refuse_opening(topic)
    }

    /// See [`Engine::has_log`].
    pub fn has_log(&self, log: LogId) -> bool {
        self.engine.has_log(log)
    }

    /// See [`Engine::hold_retention`].
    pub fn hold_retention(&mut self, now: Time) {
        self.note(now, || Input::HoldRetention);
        self.engine.hold_retention(now);
    }

    /// See [`Engine::open_topic`].
    pub fn open_topic(&mut self, now: Time, recovered: Recovered) {
        self.note(now, || Input::OpenTopic(Cow::Borrowed(&recovered)));
        self.engine.open_topic(now, recovered);
    }

    /// See [`Engine::poll_output`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.engine.poll_output()
    }
}
