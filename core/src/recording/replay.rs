//! Running a recording again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use super::file::{self, Frame, Head, Kind, Unreadable};
use super::input::Input;
use crate::engine::{Engine, Output};
use crate::log::Work;
use crate::state;
use crate::time::Time;

/// A recording, and its engines as they were.
///
/// [`Replay::step`] makes one call after another, in the order of their times; each engine comes exactly to what the
/// recorded one came to.
#[derive(Debug)]
pub struct Replay<'a> {
    head: Head,
    shards: Vec<Shard<'a>>,
    until: Time,
    /// Bytes at the end of the parts that are no whole frame.
    torn: usize,
    steps: u64,
}

/// One of the engines, and what is to come to it.
#[derive(Debug, Default)]
struct Shard<'a> {
    engine: Option<Engine>,
    frames: VecDeque<Frame<'a>>,
    /// What is left of the frame of inputs that it is in, and when the last of them came.
    inputs: &'a [u8],
    last: Time,
    next: Option<(Time, Input<'a>)>,
    /// Something is missing here: the next checkpoint need not be what it has come to.
    gap: bool,
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
    pub work: Option<Work>,
}

/// Why a replay cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A frame has a good checksum and makes no sense.
    Nonsense,
    /// An engine came to something else than was recorded.
    Diverged(usize),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Nonsense => f.write_str("a part of the recording cannot be understood"),
            Broken::Diverged(shard) => write!(f, "engine {shard} came to something else than was recorded"),
        }
    }
}

impl<'a> Replay<'a> {
    /// Begins at the start of a recording, of which these are parts that follow each other: up to this time.
    pub fn open(parts: &[&'a [u8]], until: Time) -> Result<Self, Unreadable> {
        let mut replay: Option<Replay<'a>> = None;
        for part in parts {
            let (head, frames, torn) = file::read(part)?;
            let replay = replay.get_or_insert_with(|| {
                let shards = (0..head.shards).map(|_| Shard::default()).collect();
                Replay { head, shards, until, torn: 0, steps: 0 }
            });
            replay.torn += torn;
            for frame in frames {
                if let Some(shard) = replay.shards.get_mut(frame.shard as usize) {
                    shard.frames.push_back(frame);
                }
            }
        }
        replay.ok_or(Unreadable::Foreign)
    }

    /// What the recording says of itself.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many bytes at its end were not wholly written.
    pub fn torn(&self) -> usize {
        self.torn
    }

    /// How many calls were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The engines, each where there is one yet.
    pub fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.shards.iter().filter_map(|shard| shard.engine.as_ref())
    }

    /// One of the engines, to look at or to have it [watch](Engine::watch) a message.
    pub fn engine_mut(&mut self, shard: usize) -> Option<&mut Engine> {
        self.shards.get_mut(shard)?.engine.as_mut()
    }

    /// Which engine is called next, and when; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<(usize, Time)>, Broken> {
        let mut first: Option<(Time, usize)> = None;
        for (index, shard) in self.shards.iter_mut().enumerate() {
            shard.advance(index)?;
            let at = shard.next.as_ref().map(|next| next.0).filter(|at| *at <= self.until);
            first = first.into_iter().chain(at.map(|at| (at, index))).min();
        }
        Ok(first.map(|(at, index)| (index, at)))
    }

    /// Makes the next call; `None` at the end.
    pub fn step(&mut self) -> Result<Option<Step<'a>>, Broken> {
        let Some((index, _)) = self.peek()? else { return Ok(None) };
        let shard = &mut self.shards[index];
        let (Some((at, input)), Some(engine)) = (shard.next.take(), &mut shard.engine) else {
            return Err(Broken::Nonsense);
        };
        self.steps += 1;
        let work = input.clone().apply(engine, at);
        let outputs = core::iter::from_fn(|| engine.poll_output()).collect();
        Ok(Some(Step { shard: index, at, input, outputs, work }))
    }
}

impl Shard<'_> {
    /// Finds the next input, by way of whatever stands before it.
    fn advance(&mut self, index: usize) -> Result<(), Broken> {
        while self.next.is_none() {
            if !self.inputs.is_empty() {
                let ((since, input), rest) = state::read(self.inputs).ok_or(Broken::Nonsense)?;
                self.last = Time::from_nanos(self.last.as_nanos().wrapping_add(since));
                (self.next, self.inputs) = (Some((self.last, input)), rest);
                return Ok(());
            }
            let Some(frame) = self.frames.pop_front() else { return Ok(()) };
            match frame.kind {
                Kind::Head => return Err(Broken::Nonsense),
                Kind::Gap => self.gap = true,
                Kind::Checkpoint => self.load(index, frame.payload)?,
                Kind::Inputs => (self.inputs, self.last) = (frame.payload, Time::default()),
            }
        }
        Ok(())
    }

    /// The engine becomes what the recorded one was, which it is already where nothing is missing.
    fn load(&mut self, index: usize, checkpoint: &[u8]) -> Result<(), Broken> {
        if let Some(engine) = self.engine.take().filter(|_| !self.gap)
            && engine.checkpoint(usize::MAX).as_deref() != Some(checkpoint)
        {
            return Err(Broken::Diverged(index));
        }
        self.gap = false;
        self.engine = Some(Engine::from_checkpoint(checkpoint).ok_or(Broken::Nonsense)?);
        Ok(())
    }
}
