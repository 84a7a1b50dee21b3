//! When what was written is synced, and by whom: as soon as somebody waits for it, or when its time has come; of many logs
//! together, of few each for itself.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::flow::{Flow, Synced};
use super::tasks::{Lane, Task};
use super::together::Group;
use super::writer::Writer;
use super::{Done, Key, Outcome, Sync};

impl Writer {
    /// A log is to be synced as soon as it can be.
    pub(super) fn make_ready(&mut self, key: Key) {
        if let Some(flow) = self.flows.get_mut(&key)
            && !mem::replace(&mut flow.is_urgent, true)
            && !flow.is_syncing()
        {
            self.ready.push(key);
        }
    }

    /// A log is to be synced at this time, or before.
    pub(super) fn make_due(&mut self, key: Key, due: Instant) {
        if let Some(flow) = self.flows.get_mut(&key)
            && flow.due.is_none()
        {
            flow.due = Some(due);
            self.waiting.push_back((due, key));
        }
    }

    /// Begins the syncs whose time has come.
    pub(super) fn begin_syncs(&mut self, now: Instant, stopping: bool) {
        // As many files are open as may be: nothing can wait for its time.
        let at_once = stopping || self.held >= self.most_held;
        while let Some((due, key)) = self.waiting.front().copied() {
            if due > now && !at_once {
                break;
            }
            self.waiting.pop_front();
            if self.flows.get(&key).is_some_and(|flow| flow.due.is_some_and(|due| at_once || due <= now)) {
                self.make_ready(key);
            }
        }
        let mut alone = mem::take(&mut self.ready);
        if self.together.is_under_way() || self.together.is_worth(alone.len(), self.under_way, now) {
            let is_plain = |key: &mut Key| self.flows.get(key).is_some_and(Flow::is_plain);
            let plain: Vec<Key> = alone.extract_if(.., is_plain).collect();
            if self.together.is_under_way() {
                self.ready = plain;
            } else if self.together.is_worth(plain.len(), self.under_way, now) {
                self.begin_group(plain, now);
            } else {
                alone.extend(plain);
            }
        }
        for key in alone {
            self.begin_sync(key, now);
        }
    }

    /// Begins to sync these together.
    fn begin_group(&mut self, keys: Vec<Key>, now: Instant) {
        let mut logs = Vec::with_capacity(keys.len());
        for key in keys {
            let begun = self.flows.get_mut(&key).and_then(|flow| flow.begin_sync(now));
            logs.extend(begun.map(|(steps, upto)| (key, steps, upto)));
        }
        let Some(mounted) = self.together.begin(logs.len(), now) else { return };
        self.under_way += logs.len();
        let (group, tells) = (Group { mounted, logs }, self.sync == Sync::Always);
        let (dir, logs, results) = (Arc::clone(&self.dir), Arc::clone(&self.logs), self.troubled.results());
        self.hand_out(Box::new(move || {
            let (synced, is_well) = group.run(dir.fs(), &*logs, tells);
            results.synced_together(synced, is_well);
        }));
    }

    fn begin_sync(&mut self, key: Key, now: Instant) {
        let Some(flow) = self.flows.get_mut(&key).filter(|flow| !flow.is_syncing()) else { return };
        let Some((steps, upto)) = flow.begin_sync(now) else { return };
        self.under_way += 1;
        let tells = self.sync == Sync::Always || upto == u64::MAX;
        let (dir, logs, results) = (Arc::clone(&self.dir), Arc::clone(&self.logs), self.troubled.results());
        let task = move || {
            let result = steps.run(dir.fs());
            // By whoever synced it: the writer goes on writing while an engine makes answers and deliveries of it.
            if result.is_ok() && tells {
                logs.done(key.shard, &[Done { log: key.log, outcome: Outcome::Stored(upto) }]);
            }
            let files = steps.len();
            drop(steps);
            results.synced(Synced { key, upto, files, result });
        };
        self.hand_out(Box::new(task));
    }

    /// A thread that would only wait for another to sync does it itself.
    fn hand_out(&mut self, task: Task) {
        match &self.own {
            None => self.own = Some(task),
            Some(_) => self.tasks.push(Lane::Sync, task),
        }
    }
}
