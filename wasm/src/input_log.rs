//! What comes to a broker, written down in memory, in parts of which the oldest go.

use std::collections::VecDeque;

use js_sys::{Array, Uint8Array};
use shelfmq_core::recording::{Head, Kind, Recorder, Taken, write_frame};

/// So much of all bytes has a part before the next begins, unless its checkpoint alone is that much.
const PARTS: usize = 8;
/// Inputs are taken from the recorder when there are so many bytes of them, or half a part.
const TAKE: usize = 64 * 1024;

/// A recording in memory.
pub(crate) struct InputLog {
    run: u64,
    last: u32,
    parts: VecDeque<Vec<u8>>,
    /// How many bytes the last part's checkpoint has.
    checkpoint: usize,
    /// How many bytes all parts may have together.
    limit: usize,
    /// It could not go on: what was before that is there.
    ended: bool,
}

impl InputLog {
    /// Begins with the engine as it is; `None` where there is no room for that.
    pub(crate) fn begin(recorder: &mut Recorder, limit: usize, run: u64) -> Option<Self> {
        let (parts, checkpoint) = (VecDeque::new(), 0);
        let mut input_log = InputLog { run, last: 0, parts, checkpoint, limit, ended: false };
        input_log.begin_part(recorder);
        (!input_log.ended).then_some(input_log)
    }

    /// Something came, and all that it brought about was done.
    pub(crate) fn note(&mut self, recorder: &mut Recorder) {
        if recorder.written() < TAKE.min(self.limit / (2 * PARTS)) {
            return;
        }
        self.go_on(recorder);
    }

    /// Takes what was written down, and begins the next part where this one has enough.
    fn go_on(&mut self, recorder: &mut Recorder) {
        if self.ended {
            return;
        }
        let lost = self.take(recorder);
        let size = self.parts.back().map_or(0, Vec::len);
        if lost || size >= (self.limit / PARTS).max(2 * self.checkpoint) {
            self.begin_part(recorder);
        }
    }

    /// Begins anew, with the engine as it is now; where there is no room for that, nothing is recorded.
    pub(crate) fn begin_anew(&mut self, recorder: &mut Recorder) {
        self.parts.clear();
        self.last = 0;
        self.begin_part(recorder);
    }

    /// What there is after so many bytes of this part, the first of which has number 1: for each part its number, where
    /// the bytes belong in it, and the bytes.
    pub(crate) fn since(&mut self, recorder: &mut Recorder, part: u32, bytes: usize) -> Array {
        self.go_on(recorder);
        let first = self.last + 1 - self.parts.len() as u32;
        let parts = (first..).zip(&self.parts).filter(|(number, _)| *number >= part);
        parts
            .filter_map(|(number, all)| {
                let at = if number == part { bytes } else { 0 };
                let new = all.get(at..).filter(|new| !new.is_empty())?;
                Some(Array::of3(&number.into(), &(at as f64).into(), &Uint8Array::from(new)))
            })
            .collect()
    }

    /// Takes what was written down; whether something was lost.
    fn take(&mut self, recorder: &mut Recorder) -> bool {
        let Taken { inputs, torn } = recorder.take(Vec::new());
        let Some(part) = self.parts.back_mut() else { return false };
        if !inputs.is_empty() {
            write_frame(part, Kind::Inputs, 0, &inputs);
        }
        if torn {
            write_frame(part, Kind::Gap, 0, &[]);
        }
        self.trim();
        torn
    }

    fn begin_part(&mut self, recorder: &mut Recorder) {
        let room = self.limit / 2;
        let Some(checkpoint) = recorder.begin(room, room) else {
            self.ended = true;
            return;
        };
        self.last += 1;
        let mut bytes = Head::new(self.run, self.last, 1).to_bytes();
        write_frame(&mut bytes, Kind::Checkpoint, 0, &checkpoint);
        self.checkpoint = checkpoint.len();
        self.parts.push_back(bytes);
        self.trim();
    }

    /// The oldest parts go, until the others have room.
    fn trim(&mut self) {
        let mut bytes: usize = self.parts.iter().map(Vec::len).sum();
        while bytes > self.limit && self.parts.len() > 1 {
            bytes -= self.parts.pop_front().map_or(0, |part| part.len());
        }
    }
}
