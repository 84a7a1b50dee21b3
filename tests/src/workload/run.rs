//! Running operations against the core and the model at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shelfmq_core::api;
use shelfmq_core::config::Config;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use super::ops::START_SECS;
use super::sides::{ask, limits, model_limits, real};
use super::{Coverage, Mismatch, Op, Template, compare};
use crate::http::Answer as Real;
use crate::instant_log::InstantLog;
use crate::model::answer::{Answer, Event, Format};
use crate::model::{Model, Nanos, Ticket, Wire};

/// Changes a real answer before it is looked at, to see whether it is noticed.
pub type Tamper<'a> = &'a dyn Fn(&Wire, &mut Real);

/// Runs operations; a mismatch ends the run.
///
/// # Errors
/// The first mismatch.
pub fn run(seed: u64, ops: &[Op], coverage: &mut Coverage, tamper: Option<Tamper<'_>>) -> Result<(), Mismatch> {
    let mut runner = Runner::new(seed, coverage, tamper);
    for (step, op) in ops.iter().chain([&Op::Look]).enumerate() {
        if step % 32 == 31 {
            runner.copy();
        }
        let outcome = runner.perform(op);
        let looked = outcome.and_then(|()| if step % 16 == 0 { runner.look(false) } else { Ok(()) });
        if let Err(what) = looked {
            return Err(Mismatch { step, what, transcript: runner.transcript });
        }
    }
    Ok(())
}

/// Something that the core sent.
enum Got {
    Answer(Real),
    Open(Real),
    Chunk(Vec<u8>),
    Close,
}

/// A request that may still be answered.
struct Pending {
    wire: Wire,
    /// Its topic and channel, by which its receipts are remembered.
    place: Place,
    slow: bool,
    /// The format of its stream, once that is open.
    stream: Option<Format>,
}

type Place = (String, String);

struct Runner<'a> {
    engine: Engine,
    /// The log of the core, for one that has one.
    log: Option<InstantLog>,
    model: Model,
    now: Nanos,
    last_ticket: Ticket,
    pending: BTreeMap<Ticket, Pending>,
    got: BTreeMap<Ticket, VecDeque<Got>>,
    /// Chunks that are to be taken at once, in the order they were sent, and those of slow readers.
    untaken: Vec<Ticket>,
    slow: BTreeSet<Ticket>,
    receipts: BTreeMap<Place, Vec<String>>,
    transcript: Vec<String>,
    coverage: &'a mut Coverage,
    tamper: Option<Tamper<'a>>,
}

impl<'a> Runner<'a> {
    fn new(seed: u64, coverage: &'a mut Coverage, tamper: Option<Tamper<'a>>) -> Self {
        let limits = limits();
        let model = Model::new(model_limits(&limits));
        let config = Config { limits, started: Time::from_secs(START_SECS), ..Config::default() };
        // A log changes nothing of what the core answers: every other seed has one.
        let logged = seed % 2 == 1;
        Runner {
            engine: if logged {
                Engine::with_log(config, seed, InstantLog::small())
            } else {
                Engine::new(config, seed)
            },
            log: logged.then(InstantLog::default),
            model,
            now: Time::from_secs(START_SECS).as_nanos(),
            last_ticket: 0,
            pending: BTreeMap::new(),
            got: BTreeMap::new(),
            untaken: Vec::new(),
            slow: BTreeSet::new(),
            receipts: BTreeMap::new(),
            transcript: Vec::new(),
            coverage,
            tamper,
        }
    }

    /// The core goes on as what its checkpoint tells of: nobody is to notice.
    fn copy(&mut self) {
        let checkpoint = self.engine.checkpoint(usize::MAX).expect("there is room");
        self.engine = Engine::from_checkpoint(&checkpoint).expect("what was written reads back");
        // What memory there is differs from the original's, but not from another copy's.
        let copy = self.engine.checkpoint(usize::MAX).expect("there is room");
        let again = Engine::from_checkpoint(&copy).and_then(|engine| engine.checkpoint(usize::MAX));
        assert!(again == Some(copy), "a copy of a copy is the same");
    }

    fn perform(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Send(template) => self.send(template),
            Op::Step(nanos) => self.step_to(self.now + nanos),
            Op::StepToDeadline(offset) => match self.model.next_deadline() {
                Some(deadline) => self.step_to(deadline.saturating_add_signed(*offset).max(self.now)),
                None => Ok(()),
            },
            Op::HangUp(which) => self.hang_up(*which),
            Op::Take(which) => match nth(&self.slow, *which) {
                Some(ticket) => self.take(ticket),
                None => Ok(()),
            },
            Op::Look => self.look(true),
        }
    }

    fn send(&mut self, template: &Template) -> Result<(), String> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let place = place(&template.wire.query);
        let mut wire = template.wire.clone();
        wire.query = self.fill(&wire.query, &place);
        if let Ok(text) = std::str::from_utf8(&wire.body) {
            wire.body = self.fill(text, &place).into_bytes();
        }
        let body = String::from_utf8_lossy(&wire.body).into_owned();
        self.tell(format!("{ticket}> {} {}?{} {:?} {body:?}", wire.method, wire.path, wire.query, wire.headers));
        self.model.handle(self.now, ticket, &wire);
        self.ask(ticket, &wire);
        self.pending.insert(ticket, Pending { wire, place, slow: template.slow, stream: None });
        self.compare()
    }

    /// Gives a request to the core.
    fn ask(&mut self, ticket: Ticket, wire: &Wire) {
        if wire.body.len() > api::body_limit(&self.engine.config().limits, &wire.path) {
            let response = real(api::body_too_big(&self.engine.config().limits, &wire.path));
            self.got.entry(ticket).or_default().push_back(Got::Answer(response));
            return;
        }
        ask(&mut self.engine, Time::from_nanos(self.now), ticket, wire);
    }

    /// Puts receipts in the places of a template that are for them.
    fn fill(&self, text: &str, place: &Place) -> String {
        let none = Vec::new();
        let here = self.receipts.get(place).unwrap_or(&none);
        let live: Vec<_> = here.iter().filter(|receipt| self.model.is_live(receipt)).cloned().collect();
        let all: Vec<_> = self.receipts.values().flatten().cloned().collect();
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let hole = part.split_once('}').and_then(|(hole, rest)| Some((hole.split_once(':')?, rest)));
            let list = match hole {
                Some((("live", _), _)) if !live.is_empty() => &live,
                Some((("live" | "any", _), _)) => here,
                Some((("other", _), _)) => &all,
                _ => {
                    out = format!("{out}{{{part}");
                    continue;
                }
            };
            let ((_, index), rest) = hole.expect("only holes come here");
            let index: usize = index.parse().expect("the workload numbers its holes");
            out += list.iter().rev().nth(index % list.len().max(1)).map_or("1-1", String::as_str);
            out += rest;
        }
        out
    }

    fn hang_up(&mut self, which: u64) -> Result<(), String> {
        let waiting = self.pending.keys().copied().collect();
        let Some(ticket) = nth(&waiting, which) else { return Ok(()) };
        self.tell(format!("{ticket}x"));
        self.count("hang up".into());
        self.pending.remove(&ticket);
        self.slow.remove(&ticket);
        self.model.cancel(self.now, ticket);
        self.engine.cancel(Time::from_nanos(self.now), ticket);
        self.compare()
    }

    /// A stream's reader takes its last chunk.
    fn take(&mut self, ticket: Ticket) -> Result<(), String> {
        self.slow.remove(&ticket);
        self.model.writable(self.now, ticket);
        self.engine.handle_writable(Time::from_nanos(self.now), ticket);
        self.compare()
    }

    /// Lets time pass, stopping wherever the core or the model has something to do.
    fn step_to(&mut self, target: Nanos) -> Result<(), String> {
        loop {
            let core = self.engine.poll_timeout().map(Time::as_nanos);
            let next = core.into_iter().chain(self.model.next_deadline()).min().filter(|next| *next <= target);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.catch_up()?;
        }
        self.now = target;
        self.tell(self.time());
        Ok(())
    }

    /// It is `now`: whoever has something to do does it.
    fn catch_up(&mut self) -> Result<(), String> {
        self.model.advance(self.now);
        let before = self.transcript.len();
        let outcome = self.wake_core().and_then(|()| self.compare());
        if self.transcript.len() > before || outcome.is_err() {
            self.transcript.insert(before, self.time());
        }
        outcome
    }

    fn time(&self) -> String {
        format!("@ {} ns", self.now - START_SECS * 1_000_000_000)
    }

    /// Calls the core as long as it wants to be called now.
    fn wake_core(&mut self) -> Result<(), String> {
        let now = Time::from_nanos(self.now);
        for _ in 0..1_000 {
            self.drain();
            match self.engine.poll_timeout() {
                Some(deadline) if deadline <= now => self.engine.handle_timeout(now),
                _ => return Ok(()),
            }
        }
        Err("the core wants to be called again and again".into())
    }

    /// Takes out what the core wants done.
    fn drain(&mut self) {
        loop {
            if let Some(log) = &mut self.log {
                log.write(&mut self.engine, Time::from_nanos(self.now));
            }
            let Some(output) = self.engine.poll_output() else { return };
            let (ticket, got) = match output {
                Output::Respond(ticket, response) => (ticket, Got::Answer(real(response))),
                Output::Open(ticket, response) => (ticket, Got::Open(real(response))),
                Output::Chunk(ticket, bytes) => {
                    self.untaken.push(ticket);
                    (ticket, Got::Chunk(bytes))
                }
                Output::Close(ticket) => (ticket, Got::Close),
                Output::Forward(transfer) => {
                    self.engine.handle_transfer(Time::from_nanos(self.now), transfer);
                    continue;
                }
                Output::Read(read) => {
                    let loaded = self.log.as_ref().and_then(|log| log.read(&read));
                    let loaded = Some(loaded.expect("what the core needs is in its log"));
                    self.engine.handle_read(Time::from_nanos(self.now), &read, loaded);
                    continue;
                }
                Output::Configured(..) => continue,
            };
            self.got.entry(ticket).or_default().push_back(got);
        }
    }

    /// Compares all that the core sent with all that the model foretold, then lets streams take their chunks.
    fn compare(&mut self) -> Result<(), String> {
        loop {
            self.wake_core()?;
            for (ticket, event) in self.model.take_events() {
                self.expect(ticket, &event)?;
            }
            self.got.retain(|_, got| !got.is_empty());
            if let Some((ticket, _)) = self.got.first_key_value() {
                return Err(format!("nothing expected for request {ticket}, got {}", self.describe_got(*ticket)));
            }
            let Some(ticket) = self.untaken.first().copied() else { return Ok(()) };
            self.untaken.remove(0);
            if self.pending.get(&ticket).is_some_and(|pending| pending.slow) {
                self.slow.insert(ticket);
                continue;
            }
            self.model.writable(self.now, ticket);
            self.engine.handle_writable(Time::from_nanos(self.now), ticket);
        }
    }

    fn describe_got(&self, ticket: Ticket) -> String {
        match self.got[&ticket].front() {
            Some(Got::Answer(real)) => compare::show(real),
            Some(Got::Open(real)) => format!("the head of a stream: {}", compare::show(real)),
            Some(Got::Chunk(bytes)) => format!("a chunk: {:?}", String::from_utf8_lossy(bytes)),
            Some(Got::Close) => "the end of a stream".into(),
            None => "nothing".into(),
        }
    }

    /// What the model foretold must have come.
    fn expect(&mut self, ticket: Ticket, event: &Event) -> Result<(), String> {
        let described = self.got.contains_key(&ticket).then(|| self.describe_got(ticket));
        let got = self.got.get_mut(&ticket).and_then(VecDeque::pop_front);
        let receipts = match (event, got) {
            (Event::Answer(answer), Some(Got::Answer(real))) => return self.expect_answer(ticket, answer, real),
            (Event::Open(answer), Some(Got::Open(real))) => {
                self.count("stream".into());
                let is_sse = real.header("content-type") == Some("text/event-stream");
                let format = if is_sse { Format::Sse } else { Format::Ndjson };
                self.pending.entry(ticket).and_modify(|pending| pending.stream = Some(format));
                compare::answer(answer, &real)
            }
            (Event::Messages(shown), Some(Got::Chunk(bytes))) => {
                self.count("chunk".into());
                self.tell(format!("{ticket}+ {}", String::from_utf8_lossy(&bytes).trim_end()));
                compare::chunk(self.format(ticket), shown, &bytes)
            }
            (Event::Heartbeat, Some(Got::Chunk(bytes))) if compare::heartbeat(self.format(ticket)) == bytes => {
                self.count("heartbeat".into());
                Ok(Vec::new())
            }
            (Event::Close, Some(Got::Close)) => {
                self.count("stream closed".into());
                self.pending.remove(&ticket);
                self.slow.remove(&ticket);
                Ok(Vec::new())
            }
            _ => Err(format!("{event:?} expected, got {}", described.unwrap_or("nothing".into()))),
        };
        let receipts = receipts.map_err(|what| format!("request {ticket}: {what}"))?;
        let place = self.pending.get(&ticket).map(|pending| pending.place.clone());
        self.learn(place.as_ref(), receipts)
    }

    fn expect_answer(&mut self, ticket: Ticket, expected: &Answer, mut real: Real) -> Result<(), String> {
        let Some(pending) = self.pending.remove(&ticket) else { return Err(format!("{ticket} is answered twice")) };
        if let Some(tamper) = self.tamper {
            tamper(&pending.wire, &mut real);
        }
        self.answered(ticket, &pending.wire.path, &real);
        let receipts = compare::answer(expected, &real).map_err(|what| format!("request {ticket}: {what}"))?;
        self.learn(Some(&pending.place), receipts)
    }

    fn format(&self, ticket: Ticket) -> Format {
        self.pending.get(&ticket).and_then(|pending| pending.stream).unwrap_or(Format::Ndjson)
    }

    fn learn(&mut self, place: Option<&Place>, receipts: compare::Receipts) -> Result<(), String> {
        for (receipt, delivery) in receipts {
            self.model.learn(&receipt, delivery)?;
            self.receipts.entry(place.cloned().unwrap_or_default()).or_default().push(receipt);
        }
        Ok(())
    }

    /// Writes down what came.
    fn answered(&mut self, ticket: Ticket, path: &str, real: &Real) {
        self.tell(format!("{ticket}< {}", compare::show(real)));
        let body: serde_json::Value = serde_json::from_slice(&real.body).unwrap_or_default();
        let code = body["message"].as_str().unwrap_or_default();
        self.count(format!("{} {} {code}", path, real.status));
        for (name, _) in real.headers.iter().filter(|(name, _)| name.starts_with("shelf-")) {
            self.count(format!("header {name}"));
        }
        for refused in body["refused"].as_array().into_iter().flatten() {
            self.count(format!("refused {}", refused["reason"].as_str().unwrap_or_default()));
        }
    }

    /// Compares the numbers of all topics and, if asked to, all messages of all channels.
    fn look(&mut self, closely: bool) -> Result<(), String> {
        self.send(&get("/stats", "format=json&include_clients=false&include_mem=false".into()))?;
        if !closely {
            return Ok(());
        }
        for (topic, channel) in self.model.places() {
            let place = format!("topic={topic}&channel={channel}").replace('#', "%23");
            for state in ["ready", "in_flight", "deferred", "dead"] {
                self.send(&get("/peek", format!("{place}&state={state}")))?;
            }
        }
        self.model.counts().into_iter().for_each(|(name, count)| {
            *self.coverage.entry(format!("messages {name}")).or_default() += count;
        });
        Ok(())
    }

    fn tell(&mut self, line: String) {
        self.transcript.push(line);
    }

    fn count(&mut self, what: String) {
        *self.coverage.entry(what).or_default() += 1;
    }
}

/// A request that changes nothing.
fn get(path: &str, query: String) -> Template {
    let wire = Wire { method: "GET".into(), path: path.into(), query, ..Wire::default() };
    Template { wire, slow: false }
}

fn nth(set: &BTreeSet<Ticket>, which: u64) -> Option<Ticket> {
    set.iter().copied().nth(which as usize % set.len().max(1))
}

/// The topic and the channel of a query, as they stand there.
fn place(query: &str) -> Place {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default().to_owned();
    (value("topic="), value("channel="))
}
