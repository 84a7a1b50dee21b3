//! Running a recording again.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::file::{Kind, Recording};
use super::input::{Asked, Input};
use crate::api;
use crate::command::{Filter, Ticket};
use crate::engine::{Engine, Output, TracedDelivery};
use crate::log::LogCommand;
use crate::log::event::Event;
use crate::state;
use crate::time::Time;

/// No clock says this, in nanoseconds since 1970, or more: that is in the year 2262. Times in a recording are sums that
/// may wrap, so that nonsense among them would pass for a time.
const NEVER: u64 = 1 << 63;

/// A recording, and its engines as they were.
///
/// [`Replay::step`] makes one call after another, in the order of their times; each engine comes exactly to what the
/// recorded one came to.
#[derive(Debug)]
pub struct Replay<'a> {
    recording: &'a Recording<'a>,
    until: Time,
    state: State,
}

/// The engines at one moment, and where in the recording that is.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    shards: Vec<Shard>,
    steps: u64,
    /// When the last step was; no step is before another.
    at: Time,
    /// Requests that are not answered to their end, and those that the last step ended: who looks at that step wants to
    /// know of them.
    askers: BTreeMap<(usize, Ticket), Asker>,
    #[serde(skip)]
    gone: Vec<(usize, Ticket)>,
}

/// One of the engines, and where its next input is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Shard {
    engine: Option<Engine>,
    /// Its frame, and how many bytes of the frame's payload are done with.
    frame: usize,
    read: usize,
    /// When the last input was, as far as this frame tells.
    last: Time,
    /// When the next input is, where that was looked up. Invariant: then `frame` and `read` are those of this input.
    next: Option<Time>,
    /// Something is missing here: what the engine came to is not known until the next checkpoint, and need not be like
    /// it.
    gap: bool,
    /// The topics whose events are kept, by name, once somebody [traces](Replay::trace): whatever is kept is taken at each step.
    #[serde(skip)]
    traced: Option<Vec<String>>,
}

/// Who asked something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query.
    pub query: String,
    /// Who called.
    pub peer: String,
    /// Bytes of the body.
    pub bytes: u64,
}

/// One call, and what came of it.
#[derive(Debug)]
pub struct Step<'a> {
    /// Which of the engines.
    pub shard: usize,
    /// When.
    pub at: Time,
    /// What came to it.
    pub input: Input<'a>,
    /// What it wanted done then.
    pub outputs: Vec<Output>,
    /// What it gave to be written to a log, where it was asked for that.
    pub work: Option<LogCommand>,
    /// What it handed out, where the replay [traces](Replay::trace).
    pub deliveries: Vec<TracedDelivery>,
    /// What happened to topics that were there before, likewise.
    pub events: Vec<TracedEvent>,
}

/// Something that happened to a topic.
#[derive(Debug)]
pub struct TracedEvent {
    /// The topic.
    pub topic: String,
    /// The channel, where it happened in one.
    pub channel: Option<String>,
    /// What.
    pub event: Event,
}

/// Why a replay cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A frame has a good checksum and makes no sense, or tells of an engine that there cannot be.
    Nonsense {
        /// The place among the parts that were read, from 0 on.
        part: usize,
        /// The first byte of it that is not understood: of an engine, the first.
        byte: usize,
    },
    /// There is no engine in it.
    Nothing,
    /// An engine came to something else than was recorded.
    Diverged(usize),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Nonsense { part, byte } => {
                write!(f, "part {} of the recording cannot be understood from byte {byte} on", part + 1)
            }
            Broken::Nothing => f.write_str("the recording has no engine to begin with"),
            Broken::Diverged(shard) => write!(f, "engine {shard} came to something else than was recorded"),
        }
    }
}

impl From<&Asked<'_>> for Asker {
    fn from(asked: &Asked<'_>) -> Self {
        Asker {
            method: asked.method.into(),
            path: asked.path.into(),
            query: asked.query.into(),
            peer: asked.peer.into(),
            bytes: asked.body.len() as u64,
        }
    }
}

impl State {
    /// The beginning of a recording.
    pub fn new(recording: &Recording<'_>) -> Self {
        State {
            shards: core::iter::repeat_with(Shard::default).take(recording.shards()).collect(),
            steps: 0,
            at: Time::default(),
            askers: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// How many calls were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When the last of them was.
    pub fn at(&self) -> Time {
        self.at
    }

    /// How many bytes of the frames that the engines are in are done with.
    pub(super) fn read(&self) -> u64 {
        self.shards.iter().map(|shard| shard.read as u64).sum()
    }

    /// All of it as bytes; `None` where they are more than `limit`.
    pub(super) fn to_bytes(&self, limit: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        state::write(self, &mut bytes, limit).then_some(bytes)
    }

    /// What was made bytes before.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (mut state, _): (State, _) = state::read(bytes)?;
        // An image is read as a whole: an engine in it was not rebuilt by `Engine::from_checkpoint`.
        state.shards.iter_mut().filter_map(|shard| shard.engine.as_mut()).try_for_each(Engine::restored)?;
        Some(state)
    }

    /// The engines, each where there is one yet.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.shards.iter().filter_map(|shard| shard.engine.as_ref())
    }

    /// How many engines there are.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// One of the engines.
    pub(super) fn engine(&self, shard: usize) -> Option<&Engine> {
        self.shards.get(shard)?.engine.as_ref()
    }

    /// Who asked this, where the answer was not at its end before the last step.
    pub fn asker(&self, shard: usize, ticket: Ticket) -> Option<&Asker> {
        self.askers.get(&(shard, ticket))
    }
}

impl<'a> Replay<'a> {
    /// Begins at the start of a recording, and goes up to this time.
    pub fn new(recording: &'a Recording<'a>, until: Time) -> Self {
        Replay::resume(recording, State::new(recording), until)
    }

    /// Goes on where another replay of the same recording was.
    pub fn resume(recording: &'a Recording<'a>, state: State, until: Time) -> Self {
        Replay { recording, until, state }
    }

    /// Where it is, to go on from there.
    pub fn pause(self) -> State {
        self.state
    }

    /// Where it is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// One of the engines, to look at or to have it [trace](Engine::trace_topic) a topic.
    pub fn engine_mut(&mut self, shard: usize) -> Option<&mut Engine> {
        self.state.shards.get_mut(shard)?.engine.as_mut()
    }

    /// Steps tell what was handed out and what happened, if the engines are told before each of them.
    pub fn trace(&mut self) {
        let now = self.state.at;
        self.state.shards.iter_mut().for_each(|shard| shard.trace(now));
    }

    /// Which engine is called next, and when; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<(usize, Time)>, Broken> {
        let mut first: Option<(Time, usize)> = None;
        for (index, shard) in self.state.shards.iter_mut().enumerate() {
            // Over a gap, tickets may be used again by others.
            if shard.advance(self.recording, index)? {
                self.state.askers.retain(|(of, _), _| *of != index);
            }
            let at = shard.next.filter(|at| *at <= self.until);
            // Of equal times, the engine with the lower number comes first: always the same order, whatever it was.
            first = first.into_iter().chain(at.map(|at| (at, index))).min();
        }
        Ok(first.map(|(at, index)| (index, at)))
    }

    /// Makes the next call; `None` at the end.
    pub fn step(&mut self) -> Result<Option<Step<'a>>, Broken> {
        let Some((index, at)) = self.peek()? else { return Ok(None) };
        let State { shards, steps, at: latest, askers, gone } = &mut self.state;
        let shard = &mut shards[index];
        let nonsense = shard.nonsense(self.recording, index);
        let (Some(engine), Some((_, inputs))) = (&mut shard.engine, self.recording.frame(index, shard.frame)) else {
            return Err(nonsense);
        };
        let ((_, input), rest): ((u64, Input<'a>), _) =
            state::read(inputs.get(shard.read..).unwrap_or_default()).ok_or(nonsense)?;
        (shard.read, shard.last, shard.next) = (inputs.len() - rest.len(), at, None);
        *steps += 1;
        // Clocks may be set back. This one is not, for images are searched by it.
        *latest = at.max(*latest);
        // Those that the step before this ended were kept for whoever looked at it.
        for ended in gone.drain(..) {
            askers.remove(&ended);
        }
        let work = input.clone().apply(engine, at);
        // All are taken, for an engine that keeps outputs cannot be written down.
        let outputs: Vec<Output> = core::iter::from_fn(|| engine.poll_output()).collect();
        let deliveries = engine.take_deliveries();
        let events = shard.traced.as_mut().map(|traced| take_events(engine, traced, &input)).unwrap_or_default();
        let answered = |ticket: Ticket| matches!(outputs[..], [Output::Respond(other, _)] if other == ticket);
        match &input {
            // Most are answered at once, and it is known who asked as long as the step is.
            Input::Request(ticket, asked, _) if !answered(*ticket) => {
                askers.insert((index, *ticket), asked.into());
            }
            Input::Cancel(ticket) => gone.push((index, *ticket)),
            _ => {}
        }
        for output in &outputs {
            if let Output::Respond(ticket, _) | Output::Close(ticket) = output {
                gone.push((index, *ticket));
            }
        }
        Ok(Some(Step { shard: index, at, input, outputs, work, deliveries, events }))
    }
}

/// Takes what happened. What a step makes is watched from then on, as it would be by who begins to listen there.
fn take_events(engine: &mut Engine, traced: &mut Vec<String>, input: &Input<'_>) -> Vec<TracedEvent> {
    let mut events = Vec::new();
    for topic in &*traced {
        let of_topic = engine.take_events(topic).into_iter();
        events.extend(of_topic.map(|(channel, event)| TracedEvent { topic: topic.clone(), channel, event }));
    }
    // Last, so that the events that made a topic are never told: who begins to trace after this step has none of them,
    // either.
    if let Some(topic) = named(input) {
        engine.trace_topic(&topic);
        if let Err(at) = traced.binary_search(&topic) {
            traced.insert(at, topic);
        }
    }
    events
}

/// The topic that an input may make.
fn named(input: &Input<'_>) -> Option<String> {
    match input {
        Input::Request(_, asked, _) => {
            let Asked { method, path, query, .. } = *asked;
            let routed = api::route(api::Head { method, path, query, ..api::Head::default() });
            routed.topic().map(|topic| topic.as_str().into())
        }
        Input::Transfer(transfer) => Some(transfer.to.as_str().into()),
        Input::OpenTopic(recovered) => Some(recovered.image.name.clone()),
        _ => None,
    }
}

impl Shard {
    fn trace(&mut self, now: Time) {
        let Some(engine) = &mut self.engine else { return };
        engine.trace_deliveries();
        // The engine that this was asked of may have been replaced by a checkpoint, which knows of no tracing.
        if self.traced.is_none() {
            let topics = engine.stats(now, &Filter::default()).topics;
            for topic in &topics {
                engine.trace_topic(&topic.name);
            }
            self.traced = Some(topics.into_iter().map(|topic| topic.name).collect());
        }
    }

    /// Finds when the next input is, by way of whatever stands before it. Whether something is missing there: then nobody
    /// knows which requests were answered meanwhile, and another engine counts them anew.
    fn advance(&mut self, recording: &Recording<'_>, index: usize) -> Result<bool, Broken> {
        let mut missed = false;
        while self.next.is_none() {
            let Some((kind, payload)) = recording.frame(index, self.frame) else { break };
            match kind {
                Kind::Inputs => {
                    let inputs = payload.get(self.read..).unwrap_or_default();
                    // Only the time is read: the input itself is, when it is its turn.
                    if !inputs.is_empty() {
                        let since = state::read(inputs).map(|(since, _): (u64, _)| since);
                        let at = since.map(|since| self.last.as_nanos().wrapping_add(since));
                        self.next = at.filter(|at| *at < NEVER).map(Time::from_nanos);
                        return self.next.map(|_| missed).ok_or_else(|| self.nonsense(recording, index));
                    }
                }
                Kind::Head => return Err(self.nonsense(recording, index)),
                Kind::Gap => self.gap = true,
                Kind::Checkpoint => {
                    // Asked before it is loaded, which ends the gap.
                    missed |= self.gap;
                    self.load(recording, index, payload)?;
                }
            }
            (self.frame, self.read, self.last) = (self.frame + 1, 0, Time::default());
        }
        Ok(missed)
    }

    /// What comes next makes no sense.
    fn nonsense(&self, recording: &Recording<'_>, index: usize) -> Broken {
        let (part, byte) = recording.place(index, self.frame, self.read);
        Broken::Nonsense { part, byte }
    }

    /// The engine becomes what the recorded one was, which it is already where nothing is missing.
    fn load(&mut self, recording: &Recording<'_>, index: usize, checkpoint: &[u8]) -> Result<(), Broken> {
        if let Some(engine) = self.engine.as_ref().filter(|_| !self.gap)
            // Compared as bytes: a replay is worth something only where it comes to exactly what the recorded engine
            // was.
            && engine.checkpoint(usize::MAX).as_deref() != Some(checkpoint)
        {
            return Err(Broken::Diverged(index));
        }
        let engine = Engine::from_checkpoint(checkpoint);
        self.engine = Some(engine.ok_or_else(|| self.nonsense(recording, index))?);
        self.traced = None;
        self.gap = false;
        Ok(())
    }
}
