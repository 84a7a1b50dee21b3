//! A topic as a snapshot writes it, and back.

use alloc::boxed::Box;
use alloc::string::String;
use core::cmp::Reverse;
use core::time::Duration;

use super::Topic;
use super::apply::{Published, Replaying};
use crate::command::Refusal;
use crate::config::Limits;
use crate::ids::ChannelId;
use crate::log::Recovered;
use crate::log::event::{Event, Position};
use crate::log::image::{More, TopicImage};
use crate::log::journal::Journal;
use crate::messages::Messages;
use crate::name::Name;
use crate::slab::Key;
use crate::split_mix::SplitMix64;
use crate::time::Time;

/// A topic on its way from its log: what a snapshot told, and what happened since.
///
/// It is a whole topic that nobody is served from: the same code changes it as a running one.
#[derive(Debug)]
pub struct Replayed(Box<Topic>);

impl Replayed {
    /// Begins with what a snapshot told.
    ///
    /// # Panics
    /// Never: the name that it goes by meanwhile is one.
    pub fn new(image: &TopicImage) -> Self {
        // The log's own name may be none that a topic can have. It is only kept: whoever opens the topic decides.
        let name = Name::parse(String::from("replayed")).expect("it is a name");
        let mut topic = Topic::of(name, image, Messages::replaying(image), Time::default(), &Limits::default());
        topic.replaying = Some(Replaying::new(&image.name));
        Replayed(Box::new(topic))
    }

    /// Goes into the hashes of ordering keys.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Something happened.
    pub fn apply(&mut self, event: &Event) {
        self.0.replay(event);
    }

    /// A message was published, and stands in this segment.
    pub fn publish(&mut self, message: &Published, segment: u32) {
        self.0.replay_published(message, segment);
    }

    /// An older message was written again, to this segment, in so many bytes.
    pub fn rewritten(&mut self, id: u64, log_bytes: u64, segment: u32) {
        self.0.replay_rewritten(id, log_bytes, segment);
    }

    /// So many messages may have been published that cannot be read any more.
    pub fn skip(&mut self, messages: u64) {
        self.0.replay_skipped(messages);
    }

    /// The topic as it is now.
    pub fn image(&self) -> TopicImage {
        self.0.image()
    }
}

impl Topic {
    /// The topic as it is.
    pub(crate) fn image(&self) -> TopicImage {
        let (chunks, rewritten) = self.messages.image();
        // Ephemeral channels end with the broker.
        let logged = self.channels.iter().filter(|(_, channel)| !channel.name().is_ephemeral());
        // Those that wait to be durable are not among the others.
        let postponed = self.log.iter().flat_map(|log| &log.postponed);
        TopicImage {
            name: self.replaying.as_ref().map_or(self.name.as_str(), |replaying| &replaying.name).into(),
            settings: (&self.options).into(),
            paused: self.paused,
            next: self.messages.end(),
            high_watermark: self.high_watermark.position(),
            message_count: self.message_count,
            message_bytes: self.message_bytes,
            tombstones: self.tombstones.image(),
            backlog_tombstones: self.backlog_tombstones.image(),
            deferred: self.deferred.clone(),
            expiries: super::apply::sorted(self.expiries.iter().chain(postponed)),
            dedup: self.dedup.image(),
            chunks,
            old_segments: self.log.as_ref().map_or_else(|| self.old_segments.clone(), |log| log.journal.old_segments()),
            rewritten,
            seed: self.seed,
            more: More {
                dedup_window: crate::time::nanos(self.options.dedup_window),
                producers: self.producers.image(),
            },
            channels: logged.map(|(number, channel)| (number.number().into(), channel.image())).collect(),
        }
    }

    /// The topic that an image tells of. A log may come from somebody else, so that here, in
    /// [`Messages::recovered`] and in [`Channel::of`](crate::channel::Channel::of) what an image says is made to agree
    /// with where the messages end: no place is after that, and nothing is said of messages that are not there.
    fn of(name: Name<'static>, image: &TopicImage, mut messages: Messages, now: Time, limits: &Limits) -> Self {
        let end = messages.end();
        let from = image.high_watermark.within(messages.first_position(), end);
        let high_watermark = messages.cursor(from);
        let mut topic = Topic::with_messages(name, image.seed, messages, high_watermark);
        topic.options = (&image.settings).into();
        topic.paused = image.paused;
        topic.tombstones = image.tombstones.iter().map(|gap| gap.within(0, from)).collect();
        topic.backlog_tombstones = image.backlog_tombstones.iter().map(|gap| gap.within(from.id, end)).collect();
        // Else a depth would count what nobody can be given.
        for gap in topic.messages.unreadable(from) {
            topic.backlog_tombstones.cover_unknown(gap);
        }
        topic.deferred.clone_from(&image.deferred);
        topic.deferred.retain(|meta| (from.id..end.id).contains(&meta.id));
        // `hand_over_to` looks for a place among them by id.
        topic.deferred.sort_unstable_by_key(|deferred| deferred.id);
        topic.deferred.dedup_by_key(|meta| meta.id);
        topic.expiries = image.expiries.iter().filter(|expiry| expiry.id < end.id).copied().map(Reverse).collect();
        topic.old_segments.clone_from(&image.old_segments);
        (topic.message_count, topic.message_bytes) = (image.message_count, image.message_bytes);
        topic.dedup.open(&image.dedup);
        topic.options.dedup_window = Duration::from_nanos(image.more.dedup_window);
        topic.producers.open(&image.more.producers);
        // Last, for channels are fitted to where the messages end and what was handed over.
        for (&number, channel) in image.channels.iter() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            topic.add(ChannelId::of(number), channel, now, limits);
        }
        topic
    }

    /// The topic that a log tells of, whose end is `journal`. The seed is another at every start.
    ///
    /// # Errors
    /// [`Refusal::StorageFailed`] where its name is none.
    pub(crate) fn open(
        recovered: &Recovered,
        mut journal: Journal,
        seed: u64,
        now: Time,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let image = &recovered.image;
        let name = Name::parse(image.name.clone()).ok_or(Refusal::StorageFailed)?.into_owned();
        journal.set_old_segments(image.old_segments.clone());
        let end = Position { id: image.next.id, bytes: recovered.end };
        if recovered.header.number > u32::MAX / 2 || !image.next.is_sound() || !end.is_sound() {
            // There would be no numbers to go on with.
            return Err(Refusal::StorageFailed);
        }
        if recovered.sealed {
            journal.seal(now);
        }
        let mut messages = Messages::recovered(image, journal.segment());
        messages.fit_clock(now);
        let mut topic = Topic::of(name, image, messages, now, limits);
        topic.seeds = SplitMix64::new(seed ^ image.seed);
        // All that was read from the log is durable.
        topic.log = Some(super::LogState::new(journal, topic.messages.end()));
        for number in topic.channel_numbers() {
            let seed = topic.seeds.next();
            let (channel, mut cx) = topic.channel_cx(number, now, limits);
            channel.start(seed, &mut cx);
        }
        // Only now is it known what nobody needs: every channel has its cursor, and every entry its pin.
        topic.hold_retention(now + limits.clock_grace);
        let window = topic.options.dedup_window.max(limits.dedup_window);
        topic.dedup.keep_letters(now + window);
        topic.messages.set_keep(topic.retained_chunk(now));
        topic.messages.sweep();
        topic.hand_over(now, limits);
        if recovered.sealed && recovered.snapshot == 0 {
            // There is none that the next replay could begin with.
            let image = topic.image();
            topic.journal_mut().snapshot(&image);
        }
        Ok(topic)
    }
}

impl TopicImage {
    /// A topic of which nothing is known but its name, and that its log goes on with this message.
    pub(crate) fn bare(name: &str, next: u64) -> Self {
        // Far below what is still a sound place, so that messages can follow.
        let next = Position { id: next.clamp(1, 1 << 61), bytes: 0 };
        TopicImage { name: name.into(), next, high_watermark: next, ..TopicImage::default() }
    }
}
