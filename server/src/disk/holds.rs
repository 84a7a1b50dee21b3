//! Topics whose files are being copied: what nobody else needs of them stays until that is done.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use shelfmq_core::log::Truncate;
use shelfmq_core::name::Name;

use super::Key;

/// Old segments that were to be removed while somebody copied them.
#[derive(Debug)]
pub(super) struct Postponed {
    pub(super) key: Key,
    pub(super) truncate: Truncate,
    /// The topic's directory was taken away since.
    is_gone: Arc<AtomicBool>,
}

impl Postponed {
    /// Whether the topic that these were of is still there: another may have its name.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_gone.load(SeqCst)
    }
}

/// Which topics are held, and of which segments are being removed: one at a time.
#[derive(Debug, Default)]
pub(super) struct Holds {
    state: Mutex<State>,
    removed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By topic. Invariant: each is held, or something of it is being removed.
    topics: HashMap<Box<str>, Held>,
    /// What holds that ended kept from being removed, for the writer to take up again.
    due: Vec<Postponed>,
}

#[derive(Debug, Default)]
struct Held {
    holds: usize,
    is_removing: bool,
    is_gone: Arc<AtomicBool>,
    postponed: Option<(Key, Truncate)>,
}

/// The segments that a topic has now stay until this is dropped, unless the topic is deleted.
#[derive(Debug)]
pub(super) struct Hold {
    holds: Arc<Holds>,
    topic: Box<str>,
    is_gone: Arc<AtomicBool>,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a topic. Waits for what is just being removed of it: what was there before that need not be held, and what is
    /// listed after it stays.
    pub(super) fn hold(self: &Arc<Self>, topic: &Name<'_>) -> Hold {
        let topic: Box<str> = topic.as_str().into();
        let mut state = self.lock();
        while state.topics.get(&topic).is_some_and(|held| held.is_removing) {
            state = self.removed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let held = state.topics.entry(topic.clone()).or_default();
        held.holds += 1;
        let is_gone = Arc::clone(&held.is_gone);
        drop(state);
        Hold { holds: Arc::clone(self), topic, is_gone }
    }

    /// Removes old segments by `remove`, or not before nobody copies them any more.
    pub(super) fn remove(&self, key: Key, truncate: Truncate, remove: impl FnOnce(&Truncate)) {
        let mut state = self.lock();
        let held = state.topics.entry(truncate.topic.as_str().into()).or_default();
        if held.holds > 0 {
            // Each goes further than the one before.
            held.postponed = Some((key, truncate));
            return;
        }
        held.is_removing = true;
        drop(state);
        remove(&truncate);
        self.lock().topics.remove(truncate.topic.as_str());
        self.removed.notify_all();
    }

    /// The directory of a topic was taken away: what is held is another's now, if there is one of its name.
    pub(super) fn taken_away(&self, topic: &Name<'_>) {
        let mut state = self.lock();
        if let Some(held) = state.topics.remove(topic.as_str()) {
            held.is_gone.store(true, SeqCst);
        }
        for postponed in state.due.iter().filter(|postponed| postponed.truncate.topic.as_str() == topic.as_str()) {
            postponed.is_gone.store(true, SeqCst);
        }
    }

    /// What is to be removed after all.
    pub(super) fn take_due(&self) -> Vec<Postponed> {
        mem::take(&mut self.lock().due)
    }
}

impl Hold {
    /// Whether the topic was deleted since. Asked after a file of it was opened: false says that it is the topic's own.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.holds.lock();
        if self.is_gone() {
            return;
        }
        let Some(held) = state.topics.get_mut(&self.topic) else { return };
        held.holds -= 1;
        if held.holds > 0 {
            return;
        }
        let (is_gone, postponed) = (Arc::clone(&held.is_gone), held.postponed.take());
        state.topics.remove(&self.topic);
        state.due.extend(postponed.map(|(key, truncate)| Postponed { key, truncate, is_gone }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> Name<'static> {
        Name::parse(text).expect("it is valid")
    }

    fn truncate() -> (Key, Truncate) {
        (Key { shard: 0, log: 1 }, Truncate { log: 1, topic: name("books"), segment: 5 })
    }

    fn removes(holds: &Holds) -> bool {
        let ((key, truncate), mut removed) = (truncate(), false);
        holds.remove(key, truncate, |_| removed = true);
        removed
    }

    #[test]
    fn what_is_held_is_removed_when_the_last_hold_ends() {
        let holds = Arc::new(Holds::default());
        assert!(removes(&holds));
        let (one, other) = (holds.hold(&name("books")), holds.hold(&name("books")));
        assert!(!removes(&holds));
        drop(one);
        assert!(!removes(&holds) && holds.take_due().is_empty());
        drop(other);
        let due = holds.take_due();
        assert_eq!(due.iter().map(|due| (due.truncate.segment, due.is_wanted())).collect::<Vec<_>>(), [(5, true)]);
        assert!(removes(&holds) && holds.take_due().is_empty());
    }

    #[test]
    fn a_topic_that_takes_the_name_of_one_that_is_held_is_not() {
        let holds = Arc::new(Holds::default());
        let hold = holds.hold(&name("books"));
        assert!(!removes(&holds) && !hold.is_gone());
        holds.taken_away(&name("books"));
        assert!(hold.is_gone() && removes(&holds));
        drop(hold);
        assert!(holds.take_due().is_empty());
        // Nor what was postponed and is not taken up yet.
        let hold = holds.hold(&name("books"));
        assert!(!removes(&holds));
        drop(hold);
        holds.taken_away(&name("books"));
        assert!(holds.take_due().iter().all(|due| !due.is_wanted()));
    }
}
