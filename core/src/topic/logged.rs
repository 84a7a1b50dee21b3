//! A topic and its log: what waits to be durable, when the next segment begins, and which old ones go.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::Topic;
use super::compaction::Compaction;
use crate::config::Limits;
use crate::log::event::Position;
use crate::log::image::Expiry;
use crate::log::journal::Journal;
use crate::log::{LogCommand, LogId, Truncate};
use crate::time::Time;

/// The log of a topic, and what is under way there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogState {
    pub(super) journal: Journal,
    /// The first message that is not as durable as was promised.
    durable: Position,
    pub(super) compaction: Compaction,
    /// Once the log is durable up to there, segments before this one can go. Both were found at one time: what made the
    /// segments of no use is in the log before that place.
    truncate: Option<(u64, u32)>,
    /// Messages that expired before they were durable: they do so once they are.
    pub(super) postponed: Vec<Reverse<Expiry>>,
}

impl LogState {
    /// Whether a segment is begun at once, for older messages are to be written to it.
    fn begins_segment(&self) -> bool {
        self.compaction.needs_segment() && !self.journal.has_failed()
    }

    /// A log that ends where `journal` does, and whose messages before `durable` are.
    pub(super) fn new(journal: Journal, durable: Position) -> Self {
        LogState { journal, durable, compaction: Compaction::default(), truncate: None, postponed: Vec::new() }
    }

    /// Whether it is what it can have come to, where the topic ends with this id. Of one that was read from bytes, nobody
    /// knows.
    pub(super) fn is_sound(&self, end: u64) -> bool {
        self.durable.is_sound() && self.durable.id <= end && self.journal.is_sound(end)
    }
}

impl Topic {
    /// Begins a log with the topic as it is.
    pub(super) fn begin_log(&mut self, journal: Option<Journal>) {
        let Some(journal) = journal else { return };
        let durable = self.messages.end();
        self.log = Some(LogState::new(journal, durable));
        // A snapshot first, or there would be nothing to replay the rest onto.
        let image = self.image();
        self.journal_mut().snapshot(&image);
    }

    pub(super) fn journal_mut(&mut self) -> &mut Journal {
        &mut self.log.as_mut().expect("only topics with a log come here").journal
    }

    /// The first message that cannot be handed over yet, whoever wants it.
    pub(super) fn durable_end(&self) -> Position {
        self.log.as_ref().map_or(self.messages.end(), |log| log.durable)
    }

    /// The log's name, and how far it has to be durable for what was published and changed; `None` where it is, or
    /// where there is no log.
    pub(crate) fn barrier(&mut self) -> Option<(LogId, u64)> {
        let journal = &mut self.log.as_mut()?.journal;
        journal.awaited().map(|upto| (journal.log(), upto))
    }

    /// The same for all that happened.
    pub(crate) fn barrier_of_all(&mut self) -> Option<(LogId, u64)> {
        self.log.as_mut()?.journal.require_sync();
        self.barrier()
    }

    /// Bytes that were written to its log and are not durable, or are yet to be written.
    pub(crate) fn bytes_not_durable(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.journal.bytes_not_durable())
    }

    /// The log's name.
    pub(crate) fn log_id(&self) -> Option<LogId> {
        self.log.as_ref().map(|log| log.journal.log())
    }

    /// Whether something waits to be written.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.journal.has_unwritten() || log.begins_segment())
    }

    /// Whether an append failed, so that nothing is taken in any more.
    pub(crate) fn log_has_failed(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.journal.has_failed())
    }

    /// Bytes of its log.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.journal.disk_bytes())
    }

    /// Whether a snapshot should be the last thing in the log when the broker goes down.
    pub(crate) fn is_worth_a_snapshot(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.journal.is_worth_a_snapshot())
    }

    /// What is to be written, and then the next segment where that is due, or where the broker goes down.
    pub(crate) fn take_appends(&mut self, now: Time, closing: bool, work: &mut VecDeque<LogCommand>) {
        let (end, index) = (self.messages.end(), self.next_index());
        let Some(log) = &mut self.log else { return };
        // What is in the old segment has to be durable before the new one counts, so it goes first.
        work.extend(log.journal.take(&self.name, end, index).map(LogCommand::Append));
        let ends =
            log.journal.is_segment_full() || log.begins_segment() || (closing && log.journal.is_worth_a_snapshot());
        if !ends {
            return;
        }
        // Whatever is written there again, it is nothing older than the first message that the log has.
        let first = if log.compaction.is_pending() { self.messages.first_position().id } else { end.id };
        log.journal.next_segment(now, first);
        let number = log.journal.segment();
        self.messages.start_segment(number);
        if log.compaction.is_asked_for() {
            self.messages.begin_chunk();
        }
        // A cursor at the end may still be in an old chunk, and hold the segment of that one.
        self.messages.catch_up(&mut self.high_watermark);
        for (_, channel) in self.channels.iter_mut() {
            channel.catch_up(&mut self.messages);
            // The snapshot has it, so what is written after that begins there.
            channel.take_logged_cursor();
        }
        let image = self.image();
        let log = self.log.as_mut().expect("it has been there a moment ago");
        log.journal.snapshot(&image);
        log.compaction.segment_begun(log.journal.last_snapshot() == number);
        // After the snapshot, which says where messages stand: of those that are written again, a replay reads behind
        // it, or, of relocated ones, the next snapshot tells.
        self.plan_compaction();
        let index = self.next_index();
        let log = self.log.as_mut().expect("it has been there a moment ago");
        work.extend(log.journal.take(&self.name, end, index).map(LogCommand::Append));
        self.compact();
    }

    /// The log is durable up to there. To be followed by [`Topic::hand_over`].
    pub(crate) fn appended(&mut self, upto: u64, now: Time, limits: &Limits) -> Option<LogCommand> {
        let log = self.log.as_mut()?;
        self.messages.set_log_durable(upto);
        if let Some(durable) = log.journal.appended(upto) {
            log.durable = durable;
            self.messages.set_durable(durable.id);
            let has_expired = !log.postponed.is_empty();
            self.expiries.extend(log.postponed.drain(..));
            if has_expired {
                // Before anybody is given what is durable too late.
                self.hand_over(now, limits);
                self.handle_timeout(now, limits);
            }
        }
        self.hand_over(now, limits);
        self.compact();
        self.truncate_log()
    }

    /// Old segments that nobody needs, once it is durable that nobody does.
    fn truncate_log(&mut self) -> Option<LogCommand> {
        let first = self.messages.first_segment();
        // What was relocated stands, as far as the last snapshot tells, where it stood before.
        let log = self.log.as_mut().filter(|log| log.compaction.is_covered())?;
        // A replay begins with the last snapshot, whatever is needed of messages.
        let first = first.min(log.journal.last_snapshot());
        // What was finished or written again last may not be durable. If segments went before it is, a crash would
        // leave neither the message nor the word that nobody needs it.
        let (upto, segment) = *log.truncate.get_or_insert_with(|| (log.journal.written_with_run(), first));
        if log.journal.durable() < upto {
            return None;
        }
        log.truncate = None;
        let (log, topic) = (log.journal.log(), &self.name);
        let truncate = Truncate { log, topic: topic.clone(), segment };
        self.journal_mut().truncate_before(segment).then_some(LogCommand::Truncate(truncate))
    }

    /// An append failed: what was published and is not durable never counts.
    pub(crate) fn append_failed(&mut self) {
        if let Some(log) = &mut self.log {
            log.journal.fail();
        }
    }

    /// A message expires once it is durable.
    pub(super) fn postpone(&mut self, expiry: Expiry) -> bool {
        match &mut self.log {
            Some(log) if expiry.id >= log.durable.id => {
                log.postponed.push(Reverse(expiry));
                true
            }
            _ => false,
        }
    }
}
