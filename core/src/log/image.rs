//! A topic as plain data: what a snapshot holds, and what replaying a log gives.
//!
//! An image is not a topic that works. It has no consumers and does nothing when time passes: what falls due or
//! expires does so once the topic is [opened](crate::Engine::open_topic) from it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use super::event::{MessageMeta, Position};
use crate::by_id::ById;

/// A whole topic at one place of its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicImage {
    /// Its name.
    pub name: String,
    /// Its options.
    pub settings: TopicSettings,
    /// Whether it hands nothing to its channels.
    pub paused: bool,
    /// Where the next message goes.
    pub next: Position,
    /// The first message that was not handed over.
    pub high_watermark: Position,
    /// Messages ever published.
    pub message_count: u64,
    /// Bytes of bodies ever published.
    pub message_bytes: u64,
    /// Handed-over messages that no channel is to get however far back it goes.
    pub tombstones: Vec<Gap>,
    /// The same among those not handed over.
    pub backlog_tombstones: Vec<Gap>,
    /// Messages not handed over that were published with a deferral.
    pub deferred: Vec<MessageMeta>,
    /// Messages with a time to live that has not run out.
    pub expiries: Vec<Expiry>,
    /// The dedup keys within their window, in the order in which they are forgotten.
    pub dedup: Vec<Accepted>,
    /// The messages that the log still has, in parts.
    pub chunks: Vec<ChunkImage>,
    /// The segments before this one that the log still has, with their bytes.
    pub old_segments: Vec<(u32, u64)>,
    /// Messages that were written again, and the number of the chunk among whose frames each stands.
    pub rewritten: ById<u64>,
    /// Goes into the hashes of ordering keys and what else is seeded.
    pub seed: u64,
    /// Its channels, by number.
    pub channels: ById<ChannelImage>,
    /// What snapshots did not have at first: none of it, in an old one.
    /// New fields go into [`More`], or behind it: postcard names none, and passes over what stands after the last it
    /// knows.
    #[serde(deserialize_with = "if_there")]
    pub more: More,
}

/// What came to snapshots later. It stands at the end, so that those of before are read as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// How long dedup keys are remembered, in nanoseconds; zero for the broker's default.
    pub dedup_window: u64,
    /// The producers that number their messages, by name.
    pub producers: Vec<ProducerImage>,
}

/// A producer, and the last of its messages that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerImage {
    /// Its name.
    pub name: String,
    /// The number it gave the message.
    pub seq: u64,
    /// The message.
    pub id: u64,
    /// When it was accepted, in nanoseconds.
    pub at: u64,
}

/// An old snapshot ends before this.
#[expect(clippy::unnecessary_wraps, reason = "serde has it so")]
fn if_there<'de, D: Deserializer<'de>>(from: D) -> Result<More, D::Error> {
    // An end is an error to postcard, as damage is. Damage does not come here: the frame's checksum was right.
    Ok(More::deserialize(from).unwrap_or_default())
}

impl TopicImage {
    /// The image of a snapshot's payload; `None` where no topic can have come so far.
    /// That its parts agree is not asked here: where a topic is made of it, each part is cut to what is there.
    pub fn read(payload: &[u8]) -> Option<Self> {
        postcard::from_bytes(payload).ok().filter(|image: &TopicImage| image.next.is_sound())
    }
}

/// The options of a topic; durations in nanoseconds, zero for none or no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSettings {
    /// How long messages are kept for replay.
    pub retain: u64,
    /// How many bytes of messages are kept for replay.
    pub retain_bytes: u64,
    /// The longest backlog of a channel, in bytes of bodies.
    pub max_bytes: u64,
    /// The longest backlog of a channel, in messages.
    pub max_messages: u64,
    /// At the limit the oldest messages are dropped, instead of refusing the new ones.
    pub drop_oldest: bool,
}

/// Ids that are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first of them.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
    /// Bytes of the bodies of their messages.
    pub bytes: u64,
}

impl Gap {
    /// The part that is not before the first of these places, nor after the second. Of a gap outside of that, an empty
    /// one is left, whose `from` may be after its `to`.
    pub(crate) fn within(self, first: u64, end: Position) -> Gap {
        Gap { from: self.from.max(first), to: self.to.min(end.id), bytes: self.bytes.min(end.bytes) }
    }
}

/// When a message's time to live runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Expiry {
    /// In nanoseconds.
    pub at: u64,
    /// The message.
    pub id: u64,
    /// Bytes of its body.
    pub size: u32,
}

/// What the dedup keys of dead letters begin with; no client's does.
pub(crate) const LETTER_KEY: &str = "\0dead\0";

/// What was published under a dedup key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The key.
    pub key: String,
    /// The first message.
    pub first: u64,
    /// How many messages.
    pub count: u32,
    /// When the key is forgotten, in nanoseconds.
    pub until: u64,
}

/// Messages in a row that are read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkImage {
    /// Counts the chunks of a topic.
    pub number: u64,
    /// The segment that has them.
    pub segment: u32,
    /// The first of them.
    pub first: Position,
    /// When the last of them was published, in nanoseconds.
    pub last_at: u64,
    /// Bytes of their frames.
    pub log_bytes: u64,
    /// Nobody needs them any more.
    pub freed: bool,
}

/// A channel at one place of its topic's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelImage {
    /// Its name.
    pub name: String,
    /// Its options.
    pub settings: ChannelSettings,
    /// Whether it leases nothing.
    pub paused: bool,
    /// The next message it reads.
    pub cursor: Position,
    /// Messages before this id were not for it.
    pub since: u64,
    /// The number of the next delivery.
    pub next_delivery: u64,
    /// What it passes over, from the cursor on.
    pub gaps: Vec<Gap>,
    /// What was leased, deferred, or is due again, by id.
    pub entries: ById<EntryImage>,
    /// What was read and waits behind another message of its key, by id.
    pub held: ById<MessageMeta>,
    /// Its dead letters, by id.
    pub dead: ById<DeadImage>,
    /// Deliveries finished.
    pub finished: u64,
    /// Deliveries put back by a consumer.
    pub requeued: u64,
    /// Leases that ran out.
    pub timed_out: u64,
    /// Messages whose time to live ran out.
    pub expired: u64,
    /// Messages dropped at a limit.
    pub dropped: u64,
}

/// The options of a channel; durations in nanoseconds, zero for the broker's default or no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// How long a lease lasts.
    pub timeout: u64,
    /// After so many failed deliveries a message is a dead letter.
    pub max_attempts: u16,
    /// At most so many messages are leased at once.
    pub max_in_flight: u32,
    /// Messages with the same key are delivered one after another.
    pub ordered: bool,
    /// Dead letters are moved to this topic.
    pub dead_letter: Option<String>,
}

/// A message that departed from its channel's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryImage {
    /// What is to be known of it.
    pub meta: MessageMeta,
    /// How often it has been delivered.
    pub attempts: u16,
    /// The number of its last delivery; zero before the first.
    pub delivery: u64,
    /// Where it is.
    pub state: EntryStateImage,
}

/// Where an entry is. Times in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryStateImage {
    /// Leased.
    InFlight {
        /// When the lease ends.
        until: u64,
        /// When it was delivered.
        at: u64,
    },
    /// Waiting for its time.
    Deferred {
        /// When that comes.
        until: u64,
    },
    /// Due again.
    Ready,
}

/// A message that came back too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadImage {
    /// What is to be known of it.
    pub meta: MessageMeta,
    /// How often it was delivered.
    pub attempts: u16,
    /// The number of its last delivery.
    pub delivery: u64,
}
