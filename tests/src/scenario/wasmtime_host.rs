//! The core as a component on wasmtime, driven as any host of the component drives it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shelfmq_core::config::LogOptions;
use shelfmq_core::time::Time;

use super::host::{Event, Host, HostError, Kind, Patience, Wire, config};
use super::{Client, START_SECS, Scenario};
use crate::component::{Sandbox, wit};

/// Without a log.
pub const MEMORY: Kind = Kind { name: "wasmtime", start: |scenario| Ok(Box::new(WasmtimeHost::new(scenario, None)?)) };

/// With a log, in this process's memory: segments of a few messages, which leave the sandbox and are read back.
pub const LOGGED: Kind =
    Kind { name: "with a log", start: |scenario| Ok(Box::new(WasmtimeHost::new(scenario, Some(&SMALL))?)) };

const SMALL: LogOptions = LogOptions { segment_bytes: 4096, cache_bytes: 0 };

/// The component in this process.
struct WasmtimeHost {
    sandbox: Sandbox,
    log: Segments,
    now: Time,
    last_ticket: u64,
    /// The ticket that each client's last request has.
    tickets: BTreeMap<Client, u64>,
    /// What came under each ticket and was not looked at.
    events: BTreeMap<u64, VecDeque<Event>>,
}

/// The segments of all logs, by log and number.
#[derive(Debug, Default)]
pub struct Segments(BTreeMap<(u64, u32), Segment>);

/// A segment, and where which messages are in it: offset and index of each append.
#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    appends: Vec<(usize, u64)>,
}

/// Bytes of a segment before its frames.
const HEAD: usize = 44;

impl Segments {
    /// Does what is to be done with a log, at once; tells of it, and gives the outputs of that.
    ///
    /// # Errors
    /// Those of the sandbox.
    ///
    /// # Panics
    /// Where an append does not begin where the last one ended.
    pub fn work(&mut self, sandbox: &mut Sandbox, now: u64, work: wit::Work) -> wasmtime::Result<Vec<wit::Output>> {
        match work {
            wit::Work::Append(append) => {
                let segment = self.0.entry((append.log, append.segment)).or_default();
                let offset = segment.bytes.len();
                assert_eq!(offset as u64, append.offset, "appends follow each other");
                segment.appends.push((offset.max(HEAD), append.index));
                segment.bytes.extend_from_slice(&append.bytes);
                sandbox.call(|engine, store| engine.call_handle_appended(store, now, append.log, append.upto))
            }
            wit::Work::Forget(forget) => {
                self.0.retain(|(log, number), _| *log != forget.log || *number >= forget.below);
                Ok(Vec::new())
            }
            wit::Work::Delete(delete) => {
                self.0.retain(|(log, _), _| *log != delete.log);
                sandbox.call(|engine, store| engine.call_handle_deleted(store, now, delete.log))
            }
        }
    }

    /// What the engine wants to read, and not much more; none where that is gone.
    pub fn part(&self, read: &wit::Read) -> Option<wit::Part> {
        let Segment { bytes, appends } = self.0.get(&(read.log, read.segment))?;
        let begin = appends.iter().rfind(|(_, index)| *index < read.first).map_or(HEAD, |(offset, _)| *offset);
        let end = appends.iter().find(|(_, index)| *index > read.end).map_or(bytes.len(), |(offset, _)| *offset);
        Some(wit::Part { head: bytes[..HEAD].into(), offset: begin as u64, bytes: bytes[begin..end].into() })
    }

    /// The segments of one log, the first of the log first.
    pub fn of(&self, log: u64) -> Vec<Vec<u8>> {
        self.0.range((log, 0)..=(log, u32::MAX)).map(|(_, segment)| segment.bytes.clone()).collect()
    }
}

impl WasmtimeHost {
    fn new(scenario: &Scenario, log: Option<&LogOptions>) -> Result<Self, HostError> {
        Ok(WasmtimeHost {
            sandbox: Sandbox::start(&config(scenario)?, 1, log).map_err(failed)?,
            log: Segments::default(),
            now: Time::from_secs(START_SECS),
            last_ticket: 0,
            tickets: BTreeMap::new(),
            events: BTreeMap::new(),
        })
    }

    /// Does what the engine wants done, and has it write its log, until it wants nothing more.
    fn finish(&mut self, outputs: wasmtime::Result<Vec<wit::Output>>) -> Result<(), HostError> {
        let mut outputs = VecDeque::from(outputs.map_err(failed)?);
        loop {
            while let Some(output) = outputs.pop_front() {
                outputs.extend(self.perform(output).map_err(failed)?);
            }
            let work = self.sandbox.call(|engine, store| engine.call_poll_log(store)).map_err(failed)?;
            if work.is_empty() {
                return Ok(());
            }
            for work in work {
                outputs.extend(self.log.work(&mut self.sandbox, self.now.as_nanos(), work).map_err(failed)?);
            }
        }
    }

    fn perform(&mut self, output: wit::Output) -> wasmtime::Result<Vec<wit::Output>> {
        let now = self.now.as_nanos();
        match output {
            wit::Output::Respond(wit::Answer { ticket, response }) => {
                self.head(ticket, response);
                self.push(ticket, Event::End);
            }
            wit::Output::Open(wit::Answer { ticket, response }) => self.head(ticket, response),
            wit::Output::Chunk(wit::Chunk { ticket, bytes }) => {
                self.push(ticket, Event::Data(bytes));
                return self.sandbox.call(|engine, store| engine.call_handle_writable(store, now, ticket));
            }
            wit::Output::Close(ticket) => self.push(ticket, Event::End),
            wit::Output::Read(read) => {
                let part = self.log.part(&read);
                return self.sandbox.call(|engine, store| engine.call_handle_read(store, now, &read, part.as_ref()));
            }
            wit::Output::Configured(_) => {}
        }
        Ok(Vec::new())
    }

    fn head(&mut self, ticket: u64, response: wit::Response) {
        self.push(ticket, Event::Head { status: response.status, headers: response.headers });
        if !response.body.is_empty() {
            self.push(ticket, Event::Data(response.body));
        }
    }

    fn push(&mut self, ticket: u64, event: Event) {
        self.events.entry(ticket).or_default().push_back(event);
    }

    fn next_deadline(&mut self) -> Result<Option<Time>, HostError> {
        let deadline = self.sandbox.call(|engine, store| engine.call_poll_timeout(store)).map_err(failed)?;
        Ok(deadline.map(Time::from_nanos))
    }
}

impl Host for WasmtimeHost {
    fn send(&mut self, client: Client, wire: &Wire) -> Result<(), HostError> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.tickets.insert(client, ticket);
        let (path, query) = wire.target.split_once('?').unwrap_or((&wire.target, ""));
        let limit = self.sandbox.call(|engine, store| engine.call_body_limit(store, path)).map_err(failed)?;
        if wire.body.len() as u64 > limit {
            let response = self.sandbox.call(|engine, store| engine.call_body_too_big(store, path)).map_err(failed)?;
            self.head(ticket, response);
            self.push(ticket, Event::End);
            return Ok(());
        }
        let request = wit::Request {
            method: wire.method.clone(),
            path: path.into(),
            query: query.into(),
            headers: wire.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
            body: wire.body.clone(),
            peer: format!("127.0.0.1:{}", 50_000 + client),
        };
        let now = self.now.as_nanos();
        let outputs = self.sandbox.call(|engine, store| engine.call_handle(store, now, ticket, &request));
        self.finish(outputs)
    }

    fn next(&mut self, client: Client, _patience: Patience) -> Result<Option<Event>, HostError> {
        let ticket = self.tickets.get(&client).ok_or_else(|| HostError(format!("client {client} sent nothing")))?;
        Ok(self.events.get_mut(ticket).and_then(VecDeque::pop_front))
    }

    fn advance(&mut self, by: Duration) -> Result<(), HostError> {
        let end = self.now + by;
        while let Some(deadline) = self.next_deadline()?.filter(|&deadline| deadline <= end) {
            self.now = self.now.max(deadline);
            let now = self.now.as_nanos();
            let outputs = self.sandbox.call(|engine, store| engine.call_handle_timeout(store, now));
            self.finish(outputs)?;
            if self.next_deadline()? == Some(deadline) {
                return Err(HostError("the engine wants to be called again at once, for ever".into()));
            }
        }
        self.now = end;
        Ok(())
    }

    fn hang_up(&mut self, client: Client) -> Result<(), HostError> {
        let ticket = self.tickets.remove(&client).ok_or_else(|| HostError(format!("client {client} sent nothing")))?;
        self.events.remove(&ticket);
        let now = self.now.as_nanos();
        let outputs = self.sandbox.call(|engine, store| engine.call_cancel(store, now, ticket));
        self.finish(outputs)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: wasmtime::Error) -> HostError {
    HostError(format!("{error:#}"))
}
