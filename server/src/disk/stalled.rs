//! What could not be written for a reason that passes: it waits, and is tried again, while others go on.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use shelfmq_core::command::TopicTrouble;
use shelfmq_core::log::{Append, LogCommand};

use super::flow::Stall;
use super::fs::Trouble;
use super::writer::Writer;
use super::{Key, Outcome, Unwell};

/// How long until it is tried again.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(100);
/// How long whoever waits for what cannot be written is left without an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// After this time without an answer the disk is said to be slow.
const SLOW: Duration = Duration::from_secs(5);

impl Writer {
    /// Something of a log could not be written, and nothing of it is there: it waits.
    pub(super) fn stall(&mut self, key: Key, append: Append, error: &io::Error, now: Instant) {
        let trouble = Trouble::of(error);
        if trouble == Trouble::Scarce {
            // Files that are kept open for later may be those that are missing.
            self.files.close_some();
        }
        let flow = self.flow(key, &append.topic);
        let is_news = flow.stall.is_none();
        if is_news {
            flow.stall = Some(Stall::new(now));
        }
        let topic = append.topic.clone();
        flow.pending.push_front(LogCommand::Append(append));
        if !is_news {
            return;
        }
        self.stalled.push(key);
        // What only waits for a topic of its name to go is no trouble.
        if error.raw_os_error().is_some() {
            let why = format!("the log of topic {topic} cannot be written for now: {error}");
            tracing::warn!("{why}; it is tried again until it can be");
            let state = if trouble == Trouble::Full { TopicTrouble::Full } else { TopicTrouble::Stalled };
            let unwell = Unwell { why, state };
            self.logs.unwell(key.shard, &topic, Some(unwell));
        }
    }

    /// Tries again what could not be written.
    pub(super) fn try_stalled(&mut self, now: Instant, stopping: bool) {
        for key in mem::take(&mut self.stalled) {
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            let Some(stall) = &mut flow.stall else { continue };
            if now < stall.again && !stopping {
                self.stalled.push(key);
                continue;
            }
            stall.again = now + TRY_AGAIN;
            let is_answer_due = stall.is_answer_due(now, ANSWER_WITHIN);
            let topic = flow.topic.clone();
            if is_answer_due {
                self.tell(key, Outcome::Late);
            }
            self.try_pending(key, now);
            let Some(flow) = self.flows.get_mut(&key) else { continue };
            if flow.pending.is_empty() {
                flow.stall = None;
                tracing::debug!("the log of topic {topic} can be written again");
                self.space.set_short(false);
                self.logs.unwell(key.shard, &topic, None);
            } else if stopping && !flow.is_busy() {
                self.deleted(key, &topic);
                self.fail(key, &topic, "could not be written before the end", now);
            } else {
                self.stalled.push(key);
            }
        }
        if self.stalled.is_empty() {
            self.space.set_short(false);
        }
    }

    fn try_pending(&mut self, key: Key, now: Instant) {
        let mut pending = self.flows.get_mut(&key).map(|flow| mem::take(&mut flow.pending)).unwrap_or_default();
        while let Some(work) = pending.pop_front() {
            self.perform(key, work, now);
            let Some(flow) = self.flows.get_mut(&key) else { return };
            if !flow.pending.is_empty() {
                flow.pending.append(&mut pending);
                return;
            }
        }
    }

    /// Says which topics wait for a disk that does not answer.
    pub(super) fn look_for_slow(&mut self, now: Instant) {
        if now.saturating_duration_since(self.looked_for_slow) < Duration::from_secs(1) {
            return;
        }
        self.looked_for_slow = now;
        for (key, flow) in &mut self.flows {
            if let Some(since) = flow.news_of_slow(now, SLOW) {
                let topic = &flow.topic;
                let why = format!("the disk has not synced the log of topic {topic} for {} s", since.as_secs());
                tracing::warn!("{why}: who waits for it waits on");
                self.logs.unwell(key.shard, topic, Some(Unwell { why, state: TopicTrouble::Slow }));
            } else if flow.news_of_speed() {
                tracing::info!("the disk syncs the log of topic {} again", flow.topic);
                self.logs.unwell(key.shard, &flow.topic, None);
            }
        }
    }
}
