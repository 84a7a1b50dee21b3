//! Going to any moment of a recording, and back.
//!
//! All of it is run once. On the way, the engines are written down now and then (*images*), so that any moment is not
//! far after one of them. There is room for so many bytes of images: when it is full, every other one goes, and the
//! next are farther apart.

use alloc::vec::Vec;

use serde_json::Value;

use super::describe;
use super::file::Recording;
use super::history::MessageHistory;
use super::replay::{Broken, Replay, State};
use crate::api::{Request, Response};
use crate::time::Time;

/// What a step costs beside its bytes, where running it takes as long as that many bytes.
const STEP_COST: u64 = 256;
/// What is run between two images, at least, where nothing else is wanted.
pub const SPACING: u64 = 64 * 1024;
/// How many steps are told at once.
const MAX_STEPS: u64 = 10_000;
/// How many lines a story has; the last ones are what matters.
const MAX_LINES: usize = 10_000;

/// A recording, and one moment of it.
#[derive(Debug)]
pub struct TimeTravel<'a> {
    recording: Recording<'a>,
    images: Images,
    /// How far it was run: to its end, once `is_whole`. When the first and the last of those steps were.
    steps: u64,
    from: Option<Time>,
    to: Time,
    /// It was run as far as it goes: to its end, or to where something makes no sense.
    is_whole: bool,
    broken: Option<Broken>,
    here: State,
    /// What time it is here: that of the last step, or later.
    now: Time,
    /// Where telling steps goes on: engines apart from those of `here`, so that a list of steps can be read without
    /// moving.
    teller: Option<State>,
}

#[derive(Debug)]
struct Images {
    /// Invariant: in the order of their steps, and so of their times.
    list: Vec<Image>,
    /// Invariant: the sum of their bytes.
    bytes: usize,
    room: usize,
    spacing: u64,
    /// What was run since the last one, as [`STEP_COST`] counts it.
    cost: u64,
}

#[derive(Debug)]
struct Image {
    steps: u64,
    at: Time,
    bytes: Vec<u8>,
}

impl<'a> TimeTravel<'a> {
    /// A recording at its beginning. Images may take so many bytes; so many are run between two of them, at least.
    pub fn new(recording: Recording<'a>, room: usize, spacing: u64) -> Result<Self, Broken> {
        let mut replay = Replay::new(&recording, Time::MAX);
        let wrong = replay.peek().err();
        let here = replay.pause();
        // Without a checkpoint at its start, there is nothing to ask at its first moment.
        if here.engines().next().is_none() {
            return Err(wrong.unwrap_or(Broken::Nothing));
        }
        Ok(TimeTravel {
            images: Images { list: Vec::new(), bytes: 0, room, spacing, cost: 0 },
            recording,
            steps: 0,
            from: None,
            to: Time::default(),
            is_whole: false,
            broken: None,
            here,
            now: Time::default(),
            teller: None,
        })
    }

    /// Runs about so many more bytes of it; whether it came to the end, and is at its beginning again.
    pub fn run(&mut self, bytes: u64) -> bool {
        let mut left = bytes;
        while left > 0 && !self.is_whole {
            // The engines are lent to the replay and come back with it. Where it breaks they do not, and this stands at
            // the beginning.
            let state = core::mem::replace(&mut self.here, State::new(&self.recording));
            let mut replay = Replay::resume(&self.recording, state, Time::MAX);
            let before = replay.state().read();
            match replay.step() {
                Ok(Some(step)) => {
                    self.from = self.from.or(Some(step.at));
                    let cost = STEP_COST + replay.state().read().saturating_sub(before);
                    self.here = settled(&self.recording, replay.pause());
                    (self.steps, self.to) = (self.here.steps(), self.here.at());
                    self.images.add(&self.here, cost);
                    left = left.saturating_sub(cost);
                }
                Ok(None) => self.is_whole = true,
                Err(broken) => (self.broken, self.is_whole) = (Some(broken), true),
            }
        }
        if self.is_whole && left > 0 {
            self.here = settled(&self.recording, State::new(&self.recording));
            self.now = self.from();
        }
        self.is_whole && left > 0
    }

    /// Takes a longer recording in its place, of which only what is new is to be [run](TimeTravel::run), before anything else
    /// is asked; whether it is that, and nothing has changed where it is not.
    ///
    /// Where engines share topics, what is new of one may be older than what is known of another: such a one is not taken.
    pub fn grow(&mut self, recording: Recording<'a>) -> bool {
        // What is broken does not get better by what comes after it.
        let is_run = self.is_whole && self.broken.is_none();
        if !is_run || recording.shards() != 1 || !recording.goes_on(&self.recording) {
            return false;
        }
        // It came to its end before, so it does again.
        if self.seek(self.steps).is_err() {
            return false;
        }
        self.recording = recording;
        self.is_whole = false;
        true
    }

    /// What it is.
    pub fn recording(&self) -> &Recording<'a> {
        &self.recording
    }

    /// How many steps there are.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When the first step was.
    pub fn from(&self) -> Time {
        self.from.unwrap_or_default()
    }

    /// When the last step was.
    pub fn to(&self) -> Time {
        self.to
    }

    /// Why it goes no further, where something in it makes no sense.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// How many steps were made to come here, and what time it is.
    pub fn position(&self) -> (u64, Time) {
        (self.here.steps(), self.now)
    }

    /// The engines here.
    pub fn state(&self) -> &State {
        &self.here
    }

    /// Goes to where so many steps were made.
    pub fn seek(&mut self, steps: u64) -> Result<(), Broken> {
        // What is behind was not run yet, or makes no sense.
        let steps = steps.min(self.steps);
        let here = core::mem::replace(&mut self.here, State::new(&self.recording));
        self.here = self.state_at(Some(here), steps)?;
        self.now = if steps == 0 { self.from() } else { self.here.at() };
        Ok(())
    }

    /// Goes to this time: all that was until then has happened, and all that was less than `slack` nanoseconds later.
    pub fn seek_time(&mut self, at: Time, slack: u64) -> Result<(), Broken> {
        let at = at.clamp(self.from(), self.to);
        let until = Time::from_nanos(at.as_nanos().saturating_add(slack));
        let near = self.images.list.partition_point(|image| image.at <= until);
        let near = near.checked_sub(1).map_or(0, |near| self.images.list[near].steps);
        // From here it is only forward: where this moment is later, or an image is nearer, that comes first.
        if self.here.steps() < near.max(1) || self.here.at() > until {
            self.seek(near)?;
        }
        let state = core::mem::replace(&mut self.here, State::new(&self.recording));
        let mut replay = Replay::resume(&self.recording, state, until);
        while replay.state().steps() < self.steps && replay.peek()?.is_some() {
            replay.step()?;
        }
        self.here = settled(&self.recording, replay.pause());
        self.now = at.max(self.here.at());
        Ok(())
    }

    /// The engines after so many steps: by way of these, or of the nearest image.
    fn state_at(&self, by: Option<State>, steps: u64) -> Result<State, Broken> {
        let images = &self.images.list;
        let near = images.partition_point(|image| image.steps <= steps).checked_sub(1).map(|near| &images[near]);
        let from = near.map_or(0, |image| image.steps);
        // The engines that were given serve where they are between the image and the goal: then they are nearer.
        let state = match (by.filter(|by| (from..=steps).contains(&by.steps())), near) {
            (Some(by), _) => by,
            (None, Some(image)) => self.image(image),
            (None, None) => State::new(&self.recording),
        };
        let mut replay = Replay::resume(&self.recording, state, Time::MAX);
        while replay.state().steps() < steps && replay.step()?.is_some() {}
        Ok(settled(&self.recording, replay.pause()))
    }

    /// The engines of an image. Where they are none that there can be (what was recorded is somebody's making), the
    /// beginning, from which one comes there as well.
    fn image(&self, image: &Image) -> State {
        State::from_bytes(&image.bytes).unwrap_or_else(|| State::new(&self.recording))
    }

    /// The answer to a request that only looks, from the engines as they are here.
    pub fn query(&self, request: &Request<'_>) -> Option<Response> {
        describe::query(&self.here, self.now, request)
    }

    /// Steps as JSON, beginning with that of this number; the first has number 1.
    pub fn describe(&mut self, first: u64, count: u64) -> Result<Vec<Value>, Broken> {
        let before = first.max(1) - 1;
        let count = count.min(MAX_STEPS).min(self.steps.saturating_sub(before));
        let mut described = Vec::new();
        if count == 0 {
            return Ok(described);
        }
        let teller = self.teller.take();
        let state = self.state_at(teller, before)?;
        let mut replay = Replay::resume(&self.recording, state, Time::MAX);
        while (described.len() as u64) < count {
            replay.peek()?;
            // Asked before each step: a checkpoint on the way takes the tracing with the engine that it replaces.
            replay.trace();
            let Some(step) = replay.step()? else { break };
            described.push(describe::step(&step, replay.state()));
        }
        self.teller = Some(replay.pause());
        Ok(described)
    }

    /// Goes one step on; what that was.
    pub fn forward(&mut self) -> Result<Option<Value>, Broken> {
        if self.here.steps() == self.steps {
            return Ok(None);
        }
        let state = core::mem::replace(&mut self.here, State::new(&self.recording));
        let mut replay = Replay::resume(&self.recording, state, Time::MAX);
        replay.trace();
        let Some(step) = replay.step()? else { return Ok(None) };
        let described = describe::step(&step, replay.state());
        self.here = settled(&self.recording, replay.pause());
        self.now = self.here.at();
        Ok(Some(described))
    }

    /// Goes one step back; what is undone by that.
    pub fn back(&mut self) -> Result<Option<Value>, Broken> {
        let steps = self.here.steps();
        self.seek(steps.saturating_sub(1))?;
        if steps == 0 {
            return Ok(None);
        }
        // To tell the step it has to be made, and these engines are to stay where it was not: a copy of them makes it.
        let copy = self.here.to_bytes(self.images.room / 4).and_then(|bytes| State::from_bytes(&bytes));
        self.teller = copy.or_else(|| self.teller.take());
        Ok(self.describe(steps, 1)?.pop())
    }

    /// What happened to a message until here, and where it is.
    pub fn story(&self, topic: &str, id: u64) -> Result<Vec<Value>, Broken> {
        let mut story = MessageHistory::new(topic, id, self.here.shards());
        let mut low = 0;
        let mut high = self.images.list.partition_point(|image| image.steps <= self.here.steps());
        let image = |index: usize| self.image(&self.images.list[index]);
        if !story.is_published(&self.here) {
            // Its topic may have been deleted since: the last image that has the message tells that it was there. Where
            // none does, it came and went between two of them, if it ever came.
            while high > 0 && !story.is_published(&image(high - 1)) {
                high -= 1;
            }
        }
        let mut state = None;
        // The story begins at the last image without the message, which is found by halves: as long as its topic is there,
        // a message stays published.
        while low < high {
            let middle = usize::midpoint(low, high);
            let found = image(middle);
            if story.is_published(&found) {
                high = middle;
            } else {
                (low, state) = (middle + 1, Some(found));
            }
        }
        let state = state.unwrap_or_else(|| State::new(&self.recording));
        let mut replay = Replay::resume(&self.recording, state, Time::MAX);
        let mut lines = Vec::new();
        while replay.state().steps() < self.here.steps() {
            let Some(more) = story.step(&mut replay)? else { break };
            lines.extend(more);
            if lines.len() > 2 * MAX_LINES {
                // The first line stays, for it tells of the publish. Twice as many are let come before any go, so that
                // each is moved few times.
                lines.drain(1..=MAX_LINES);
            }
        }
        lines.push(story.end_at(&self.here, self.now));
        Ok(lines)
    }
}

/// The same moment, with all loaded that the recording has for it: so it is the same however one comes to it.
fn settled(recording: &Recording<'_>, state: State) -> State {
    let mut replay = Replay::resume(recording, state, Time::MAX);
    // What is wrong here is told by the step that comes to it.
    let _ = replay.peek();
    replay.pause()
}

impl Images {
    /// One more step was made, which cost so much.
    fn add(&mut self, state: &State, cost: u64) {
        self.cost += cost;
        let last = self.list.last().map_or(0, |image| image.bytes.len());
        // An image costs about its bytes to make: so about as much goes into images as into running, at most.
        if self.cost < self.spacing.max(last as u64) {
            return;
        }
        self.cost = 0;
        let Some(bytes) = state.to_bytes(self.room / 4) else {
            // The next try is later.
            self.spacing = self.spacing.saturating_mul(2);
            return;
        };
        self.bytes += bytes.len();
        self.list.push(Image { steps: state.steps(), at: state.at(), bytes });
        // Every other one goes, so that those left are spread evenly, and the next are as far apart as they.
        while self.bytes > self.room {
            self.spacing = self.spacing.saturating_mul(2);
            let mut nth = 0;
            self.list.retain(|_| {
                nth += 1;
                nth % 2 == 0
            });
            self.bytes = self.list.iter().map(|image| image.bytes.len()).sum();
        }
    }
}
