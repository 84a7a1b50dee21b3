//! What is written to the storage: all that waits at once, and what could not be written of a topic again later.

use std::rc::Rc;

use js_sys::{Array, Reflect};
use shelfmq_core::command::{TopicTrouble, TopicUnwell};
use shelfmq_core::log::{LogCommand, LogId};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::broker::Inner;
use crate::storage::{Change, Storage};
use crate::stream::promise;

/// How long to wait before what could not be written is tried again, in milliseconds.
const AGAIN_MS: f64 = 500.0;

/// Something to be written.
struct Piece {
    topic: String,
    change: JsValue,
    /// The log that is told, and up to where it is durable then.
    told: Option<(LogId, u64)>,
}

/// What is under way to the storage.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub(crate) struct Writing {
    is_under_way: bool,
    /// What could not be written for now, in its order; what comes for the same topics waits behind it.
    waiting: Vec<Piece>,
    /// The storage said that it has no room.
    is_full: bool,
    /// Topics that the engine was told of as stalled.
    stalled: Vec<String>,
    /// Somebody comes back to what waits.
    is_to_come: bool,
    /// What cannot be written now never will be.
    is_ending: bool,
    /// Why something was not written then.
    unwritten: Option<JsValue>,
}

impl Writing {
    pub(crate) fn is_settled(&self) -> bool {
        !self.is_under_way && self.waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// What waits is tried once more, and then given up.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
    }

    pub(crate) fn take_unwritten(&mut self) -> Option<JsValue> {
        self.unwritten.take()
    }

    /// Takes in what the core wants done.
    fn add(&mut self, work: &LogCommand) -> Option<Piece> {
        let (topic, told, waits) = match work {
            LogCommand::Append(append) => (append.topic.as_str(), Some((append.log, append.upto)), true),
            LogCommand::Delete(delete) => {
                // What of it could not be written need not be; and it makes room.
                self.waiting.retain(|piece| piece.topic != delete.topic.as_str());
                (delete.topic.as_str(), Some((delete.log, u64::MAX)), true)
            }
            // Something behind it that stays is durable already: it waits for nothing, for it makes room.
            LogCommand::Truncate(forget) => (forget.topic.as_str(), None, false),
        };
        let piece = Piece { topic: topic.into(), change: Change::of(work).into(), told };
        if waits && self.waiting.iter().any(|waiting| waiting.topic == piece.topic) {
            self.waiting.push(piece);
            return None;
        }
        Some(piece)
    }
}

/// How a topic could not be written.
enum Failure {
    /// There is no room: nothing else is wrong.
    Full,
    /// It could not be begun for now: nothing is in doubt.
    Busy,
    /// What the storage has of it now is not known.
    Unknown,
}

impl Inner {
    /// Writes what waits to be written, unless that is being done: then all that comes meanwhile is the next piece.
    pub(crate) fn write(self: &Rc<Self>) {
        let Some(storage) = self.storage.clone() else { return };
        let mut state = self.state.borrow_mut();
        if state.writing.is_under_way {
            return;
        }
        let now = self.clock.now();
        let mut pieces = Vec::new();
        while let Some(work) = state.engine.poll_log(now) {
            pieces.extend(state.writing.add(&work));
        }
        let writing = &mut state.writing;
        if !writing.is_to_come || writing.is_ending {
            // What comes for a topic that waits is behind what waits, so that the order of each topic is kept.
            let again = std::mem::take(&mut writing.waiting);
            pieces.splice(0..0, again);
        }
        if pieces.is_empty() {
            return;
        }
        writing.is_under_way = true;
        drop(state);
        let inner = Rc::clone(self);
        spawn_local(async move {
            let changes: Array = pieces.iter().map(|piece| &piece.change).collect();
            let failures = storage.change_each(&changes).await;
            inner.written(pieces, &failures);
        });
    }

    /// Takes in what became of it: `failures` has those topics that could not be written, as `[topic, kind, error]`.
    fn written(self: &Rc<Self>, pieces: Vec<Piece>, failures: &Array) {
        let now = self.clock.now();
        {
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let mut is_full = false;
            state.writing.stalled.retain(|topic| {
                let stays = !pieces.iter().any(|piece| piece.topic == *topic);
                if !stays {
                    state.engine.set_topic_unwell(now, topic, None);
                }
                stays
            });
            let mut failed = Vec::new();
            for failure in failures.iter() {
                let [topic, kind, why] = [0, 1, 2].map(|at| Reflect::get_u32(&failure, at).unwrap_or_default());
                let kind = match kind.as_string().as_deref() {
                    _ if state.writing.is_ending => Failure::Unknown,
                    Some("full") => Failure::Full,
                    Some("busy") => Failure::Busy,
                    _ => Failure::Unknown,
                };
                let topic = topic.as_string().unwrap_or_default();
                match kind {
                    Failure::Full => is_full = true,
                    Failure::Busy => {
                        let why = format!("its log cannot be written for now: {why:?}");
                        let unwell = TopicUnwell { why, since: now, state: TopicTrouble::Stalled };
                        state.engine.set_topic_unwell(now, &topic, Some(unwell));
                        state.writing.stalled.push(topic.clone());
                    }
                    Failure::Unknown => {
                        web_sys::console::error_2(&"shelfmq: logs could not be written:".into(), &why);
                        if state.writing.is_ending {
                            state.writing.unwritten = Some(why);
                        } else {
                            state.engine.set_unwell(now, Some(format!("the storage failed: {why:?}")));
                        }
                    }
                }
                failed.push((topic, kind));
            }
            let mut again = Vec::new();
            for piece in pieces {
                let failure = failed.iter().find(|(topic, _)| *topic == piece.topic);
                match (failure, piece.told) {
                    (None, Some((log, upto))) => state.engine.handle_appended(now, log, upto),
                    (Some((_, Failure::Unknown)), Some((log, _))) => state.engine.handle_append_failed(now, log),
                    (Some((_, Failure::Full | Failure::Busy)), _) => again.push(piece),
                    (None | Some(_), None) => {}
                }
            }
            let writing = &mut state.writing;
            writing.is_under_way = false;
            writing.waiting.splice(0..0, again);
            // What was not tried again may still have no room.
            writing.is_full = is_full || (writing.is_full && !writing.waiting.is_empty());
            state.note_space(now);
        }
        self.come_back();
        self.pump();
    }

    /// Has what waits tried again.
    fn come_back(self: &Rc<Self>) {
        let mut state = self.state.borrow_mut();
        if state.writing.waiting.is_empty() || state.writing.is_to_come || state.writing.is_ending {
            return;
        }
        state.writing.is_to_come = true;
        drop(state);
        let (later, resolve, _) = promise();
        self.clock.call_after(AGAIN_MS, &resolve);
        let inner = Rc::clone(self);
        spawn_local(async move {
            if JsFuture::from(later).await.is_ok() {
                inner.state.borrow_mut().writing.is_to_come = false;
                inner.pump();
            }
        });
    }
}

impl Storage {
    /// Makes changes, those of each topic in order; answers which topics they could not be made to.
    async fn change_each(&self, changes: &Array) -> Array {
        let made = match self.write_each(changes) {
            Ok(promise) => JsFuture::from(promise).await,
            Err(why) => Err(why),
        };
        // It does not fail: what the package hands in as a storage sees to that.
        match made {
            Ok(failures) => Array::from(&failures),
            Err(why) => Array::of1(&Array::of3(&"".into(), &"".into(), &why).into()),
        }
    }
}
