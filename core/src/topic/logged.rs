//! A topic and its log: what happens is written, and what was written makes the topic again.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Topic;
use crate::channel::Channel;
use crate::command::{Overflow, TopicOptions};
use crate::config::Limits;
use crate::log::event::{Event, Mark};
use crate::log::image::{Expiry, TopicImage, TopicSettings};
use crate::log::journal::Journal;
use crate::log::{Forget, LogId, Recovered, Work};
use crate::messages::Messages;
use crate::name::Name;
use crate::seeds::Seeds;
use crate::sort;
use crate::time::{Time, nanos};

/// The log of a topic, and what is under way there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LogState {
    journal: Journal,
    /// The first message that is not as durable as was promised.
    durable: Mark,
    /// Chunks whose messages are to be written again, the oldest first.
    moving: VecDeque<u64>,
    /// Once the log is durable up to there, segments before this one can go.
    forget: Option<(u64, u32)>,
    /// Messages that expired before they were durable.
    postponed: Vec<Expiry>,
}

impl LogState {
    pub(super) fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }
}

/// How many segments of messages that nobody needs may stand on the disk beside as many bytes as are needed.
const SLACK_SEGMENTS: u64 = 4;

impl Topic {
    /// Begins a log with the topic as it is.
    pub(super) fn begin_log(&mut self, journal: Option<Journal>) {
        let Some(journal) = journal else { return };
        let durable = self.messages.end();
        self.log = Some(LogState { journal, durable, moving: VecDeque::new(), forget: None, postponed: Vec::new() });
        let image = self.image();
        self.journal_mut().snapshot(&image);
    }

    fn journal_mut(&mut self) -> &mut Journal {
        &mut self.log.as_mut().expect("only topics with a log come here").journal
    }

    /// Writes down what happened, where there is a log.
    pub(super) fn journal(&mut self, event: impl FnOnce() -> Event) {
        if self.log.is_none() && self.heard.is_none() {
            return;
        }
        let event = event();
        if let Some(log) = &mut self.log {
            log.journal.event(&event);
        }
        if let Some(heard) = &mut self.heard {
            heard.push(event);
        }
    }

    /// The first message that cannot be handed over yet, whoever wants it.
    pub(super) fn handable(&self) -> Mark {
        self.log.as_ref().map_or(self.messages.end(), |log| log.durable)
    }

    /// The log's name, and how far it has to be durable for what was published and changed; `None` where it is, or
    /// where there is no log.
    pub(crate) fn gate(&self) -> Option<(LogId, u64)> {
        let journal = &self.log.as_ref()?.journal;
        journal.awaited().map(|upto| (journal.log(), upto))
    }

    /// The same for all that happened.
    pub(crate) fn gate_of_all(&mut self) -> Option<(LogId, u64)> {
        self.log.as_mut()?.journal.urge();
        self.gate()
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
    pub(crate) fn take_appends(&mut self, now: Time, closing: bool, work: &mut VecDeque<Work>) {
        let end = self.messages.end();
        let Some(log) = &mut self.log else { return };
        work.extend(log.journal.take(&self.name, end).map(Work::Append));
        let ends = log.journal.is_segment_full() || (closing && log.journal.is_worth_a_snapshot());
        if !ends {
            return;
        }
        log.journal.next_segment(now, end.id);
        let number = log.journal.segment();
        self.messages.start_segment(number);
        self.messages.catch_up(&mut self.flow);
        for (_, channel) in self.channels.iter_mut() {
            channel.catch_up(&mut self.messages);
            channel.tell();
        }
        let image = self.image();
        let log = self.log.as_mut().expect("it has been there a moment ago");
        log.journal.snapshot(&image);
        work.extend(log.journal.take(&self.name, end).map(Work::Append));
        self.plan_moves();
        self.move_on();
    }

    /// Finds out whether too much of the log is of no use, and which old messages to write again for it to go.
    fn plan_moves(&mut self) {
        let Some(log) = self.log.as_mut().filter(|log| log.moving.is_empty()) else { return };
        let (needed, sparse) = self.messages.needed();
        let slack = SLACK_SEGMENTS * log.journal.segment_bytes();
        if log.journal.disk_bytes() > 2 * needed + slack {
            log.moving = sparse.into();
        }
    }

    /// Writes old messages again, as far as they are in memory.
    pub(crate) fn move_on(&mut self) {
        let Some(log) = self.log.as_mut().filter(|log| !log.journal.has_failed()) else { return };
        while let Some(&chunk) = log.moving.front() {
            if !self.messages.is_here(chunk) {
                return self.messages.want(chunk);
            }
            log.moving.pop_front();
            self.messages.moved(chunk, |id, record| {
                log.journal.keep(id, record);
                log.journal.written()
            });
        }
    }

    /// The log is durable up to there. To be followed by [`Topic::hand_over`].
    pub(crate) fn appended(&mut self, upto: u64, now: Time, limits: &Limits) -> Option<Work> {
        let log = self.log.as_mut()?;
        self.messages.set_log_durable(upto);
        if let Some(durable) = log.journal.appended(upto) {
            log.durable = durable;
            self.messages.set_durable(durable.id);
            let has_expired = !log.postponed.is_empty();
            self.expiries.extend(log.postponed.drain(..).map(Reverse));
            if has_expired {
                // Before anybody is given what is durable too late.
                self.hand_over(now, limits);
                self.handle_timeout(now, limits);
            }
        }
        self.hand_over(now, limits);
        self.forget_segments()
    }

    /// Whether what it has not handed over is more than messages that are ready.
    pub(crate) fn hands_over_exceptions(&self) -> bool {
        !self.deferred.is_empty() || self.backlog_voids.ids() > 0
    }

    /// Old segments that nobody needs, once it is durable that nobody does.
    fn forget_segments(&mut self) -> Option<Work> {
        let first = self.messages.first_segment();
        let log = self.log.as_mut()?;
        let (upto, segment) = *log.forget.get_or_insert_with(|| (log.journal.written_with_run(), first));
        if log.journal.durable() < upto {
            return None;
        }
        log.forget = None;
        let (log, topic) = (log.journal.log(), &self.name);
        let forget = Forget { log, topic: topic.clone(), segment };
        self.journal_mut().forget_before(segment).then_some(Work::Forget(forget))
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
                log.postponed.push(expiry);
                true
            }
            _ => false,
        }
    }

    pub(super) fn settings(&self) -> TopicSettings {
        let options = &self.options;
        TopicSettings {
            retain: nanos(options.retain),
            retain_bytes: options.retain_bytes,
            max_bytes: options.max_bytes,
            max_messages: options.max_messages,
            drop_oldest: options.overflow == Overflow::DropOldest,
        }
    }

    /// The topic as plain data.
    pub(crate) fn image(&self) -> TopicImage {
        let (chunks, kept) = self.messages.image();
        let logged = self.channels.iter().filter(|(_, channel)| !channel.name().is_ephemeral());
        let mut expiries: Vec<Expiry> = self.expiries.iter().map(|Reverse(expiry)| *expiry).collect();
        expiries.extend(self.log.iter().flat_map(|log| &log.postponed));
        sort::by(&mut expiries, Ord::cmp);
        TopicImage {
            name: self.name.as_str().into(),
            settings: self.settings(),
            paused: self.paused,
            next: self.messages.end(),
            flow: self.flow.mark(),
            message_count: self.message_count,
            message_bytes: self.message_bytes,
            voids: self.voids.image(),
            backlog_voids: self.backlog_voids.image(),
            deferred: self.deferred.clone(),
            handed: Vec::new(),
            due_again: 0,
            expiries,
            dedup: self.dedup.image(),
            chunks,
            old_segments: self.log.as_ref().map(|log| log.journal.old_segments()).unwrap_or_default(),
            kept,
            seed: self.seed,
            channels: logged.map(|(number, channel)| (number as u64, channel.image())).collect(),
        }
    }

    /// The topic that a log tells of, whose end is `journal`. The seed is another at every start.
    pub(crate) fn open(
        name: Name<'static>,
        recovered: &Recovered,
        mut journal: Journal,
        seed: u64,
        now: Time,
        limits: &Limits,
    ) -> Self {
        let image = &recovered.image;
        journal.set_old_segments(image.old_segments.clone());
        let mut messages = Messages::recovered(image, journal.segment());
        let first = messages.first_mark();
        let mut seeds = Seeds::new(seed ^ image.seed);
        let flow = messages.cursor(image.flow.max(first));
        let mut channels: Vec<(usize, Channel)> = Vec::new();
        for (&number, channel) in image.channels.iter() {
            let cleared = channel.without_expired(now.as_nanos());
            let channel = cleared.as_ref().unwrap_or(channel);
            let Some(name) = Name::parse(channel.name.clone()) else { continue };
            let start = messages.cursor(channel.cursor.max(first));
            channels.push((
                number as usize,
                Channel::open(name, channel, start, &mut messages, flow.id(), (now, seeds.next())),
            ));
        }
        let mut names: Vec<(Name<'static>, u32)> =
            channels.iter().map(|(number, channel)| (channel.name().clone(), *number as u32)).collect();
        sort::by(&mut names, Ord::cmp);
        let settings = &image.settings;
        let options = TopicOptions {
            retain: Duration::from_nanos(settings.retain),
            retain_bytes: settings.retain_bytes,
            max_bytes: settings.max_bytes,
            max_messages: settings.max_messages,
            overflow: if settings.drop_oldest { Overflow::DropOldest } else { Overflow::Reject },
        };
        let log =
            LogState { journal, durable: image.next, moving: VecDeque::new(), forget: None, postponed: Vec::new() };
        let mut topic = Topic {
            name,
            options,
            paused: image.paused,
            messages,
            flow,
            channels: channels.into_iter().collect(),
            names,
            voids: image.voids.iter().copied().collect(),
            backlog_voids: image.backlog_voids.iter().copied().collect(),
            deferred: image.deferred.clone(),
            expiries: image.expiries.iter().copied().map(Reverse).collect(),
            message_count: image.message_count,
            message_bytes: image.message_bytes,
            seed: image.seed,
            seeds,
            log: Some(log),
            ..Topic::new(Name::parse("none").expect("it is a name"), image.seed, None)
        };
        topic.dedup.open(&image.dedup);
        topic.messages.set_keep(topic.retained_chunk(now));
        topic.messages.sweep();
        topic.hand_over(now, limits);
        topic
    }
}
