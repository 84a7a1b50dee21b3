//! A topic and its log: what waits to be durable, when the next segment begins, and which old ones go.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::Topic;
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
    /// Chunks whose messages are to be written again, the oldest first.
    compacting: VecDeque<u64>,
    /// Once the log is durable up to there, segments before this one can go. Both were found at one time: what made the
    /// segments of no use is in the log before that place.
    truncate: Option<(u64, u32)>,
    /// Messages that expired before they were durable: they do so once they are.
    pub(super) postponed: Vec<Reverse<Expiry>>,
}

impl LogState {
    /// A log that ends where `journal` does, and whose messages before `durable` are.
    pub(super) fn new(journal: Journal, durable: Position) -> Self {
        LogState { journal, durable, compacting: VecDeque::new(), truncate: None, postponed: Vec::new() }
    }
}

/// How many segments of messages that nobody needs may stand on the disk beside as many bytes as are needed.
const SLACK_SEGMENTS: u64 = 4;

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

    fn journal_mut(&mut self) -> &mut Journal {
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
        self.log.as_ref().is_some_and(|log| log.journal.has_unwritten())
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
        let end = self.messages.end();
        let Some(log) = &mut self.log else { return };
        // What is in the old segment has to be durable before the new one counts, so it goes first.
        work.extend(log.journal.take(&self.name, end).map(LogCommand::Append));
        let ends = log.journal.is_segment_full() || (closing && log.journal.is_worth_a_snapshot());
        if !ends {
            return;
        }
        log.journal.next_segment(now, end.id);
        let number = log.journal.segment();
        self.messages.start_segment(number);
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
        work.extend(log.journal.take(&self.name, end).map(LogCommand::Append));
        // After the snapshot, which says where messages stand: of those that are written again, a replay reads behind
        // it.
        self.plan_compaction();
        self.compact();
    }

    /// Finds out whether too much of the log is of no use, and which old messages to write again for it to go.
    fn plan_compaction(&mut self) {
        // One plan at a time: chunks that it names would be named again.
        let Some(log) = self.log.as_mut().filter(|log| log.compacting.is_empty()) else { return };
        let (needed, sparse) = self.messages.needed();
        let slack = log.journal.segment_bytes().saturating_mul(SLACK_SEGMENTS);
        if log.journal.disk_bytes() > slack.saturating_add(2 * needed) {
            log.compacting = sparse.into();
        }
    }

    /// Writes old messages again, as far as they are in memory.
    pub(crate) fn compact(&mut self) {
        let Some(log) = self.log.as_mut().filter(|log| !log.journal.has_failed()) else { return };
        while let Some(&chunk) = log.compacting.front() {
            if !self.messages.is_cached(chunk) {
                // It goes on when this one was read: the oldest segment goes first, or none does.
                return self.messages.want(chunk);
            }
            log.compacting.pop_front();
            self.messages.rewrite_chunk(chunk, |id, record| {
                log.journal.rewrite(id, record);
                log.journal.written()
            });
        }
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
        self.truncate_log()
    }

    /// Old segments that nobody needs, once it is durable that nobody does.
    fn truncate_log(&mut self) -> Option<LogCommand> {
        let first = self.messages.first_segment();
        let log = self.log.as_mut()?;
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
