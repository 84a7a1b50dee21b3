//! What happens to a topic, as the log has it.
//!
//! Only what cannot be told from the time is here: a deferral that is over or a time to live that ran out is the same
//! at every reading. Variants and fields are only ever added at the end, with a new
//! [version](super::frame::VERSION): postcard has no names.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::image::{ChannelImage, ChannelSettings, Gap, TopicSettings};
pub use crate::message::Facts;

/// A place in a topic's messages: before the message with this id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The id of the next message.
    pub id: u64,
    /// Bytes of the bodies of all messages before it.
    pub bytes: u64,
}

/// Ids in ascending order, as (first, how many in a row).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids(pub Vec<(u64, u64)>);

impl Ids {
    /// The ids, one by one.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(first, count)| first..first.saturating_add(count))
    }
}

impl Ids {
    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, row| sum.saturating_add(row.1))
    }
}

impl FromIterator<u64> for Ids {
    /// In the order given; rows are found where ids follow each other.
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut rows: Vec<(u64, u64)> = Vec::new();
        for id in ids {
            match rows.last_mut() {
                Some((first, count)) if first.checked_add(*count) == Some(id) => *count += 1,
                _ => rows.push((id, 1)),
            }
        }
        Ids(rows)
    }
}

/// Something that happened to a topic. Channels go by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The messages after this, `count` from `first` on, were published under a dedup key, remembered until then.
    Deduplicated {
        /// The key.
        key: String,
        /// The first message.
        first: u64,
        /// How many messages.
        count: u32,
        /// When the key is forgotten, in nanoseconds.
        until: u64,
    },
    /// The topic has these options now.
    TopicConfigured(TopicSettings),
    /// The topic hands nothing (or something again) to its channels.
    TopicPaused(bool),
    /// What the topic had not handed over is delivered to nobody.
    Voided {
        /// The first of it.
        from: Mark,
        /// The next that is handed over.
        to: Mark,
    },
    /// Only channels that are not in the log got what is before this place.
    HandedOver {
        /// The next that is handed over.
        to: Mark,
    },
    /// There is a channel with this number.
    ChannelCreated(u32, Box<ChannelImage>),
    /// The channel has these options now.
    ChannelConfigured(u32, ChannelSettings),
    /// The channel leases nothing (or something again).
    ChannelPaused(u32, bool),
    /// The channel is gone.
    ChannelDeleted(u32),
    /// Messages were leased, with delivery numbers from `delivery` on, in the order of `leased`.
    Leased {
        /// The channel.
        channel: u32,
        /// When, in nanoseconds.
        at: u64,
        /// When the leases end, in nanoseconds.
        until: u64,
        /// The first of the delivery numbers.
        delivery: u64,
        /// The next message that the channel read before.
        from: u64,
        /// The next message that the channel reads.
        cursor: Mark,
        /// What the channel read on its way there, but for gaps.
        departed: Vec<Facts>,
        /// Which messages were leased; where empty, all that departed.
        leased: Ids,
    },
    /// The channel read on, and leased nothing of it.
    Passed {
        /// The channel.
        channel: u32,
        /// When, in nanoseconds.
        at: u64,
        /// The next message that the channel read before.
        from: u64,
        /// The next message that the channel reads.
        cursor: Mark,
        /// What it read, but for gaps.
        departed: Vec<Facts>,
    },
    /// Leases end at another time.
    Touched {
        /// The channel.
        channel: u32,
        /// When, in nanoseconds.
        until: u64,
        /// The messages.
        ids: Ids,
    },
    /// Messages are done with.
    Finished {
        /// The channel.
        channel: u32,
        /// The messages, dead letters among them.
        ids: Ids,
    },
    /// A consumer put a message back.
    Requeued {
        /// The channel.
        channel: u32,
        /// The message.
        id: u64,
        /// When it is due again, in nanoseconds; at once where it is not said.
        due: Option<u64>,
    },
    /// Leases ran out, and the messages are due again.
    TimedOut {
        /// The channel.
        channel: u32,
        /// The messages.
        ids: Ids,
    },
    /// Messages became dead letters.
    Died {
        /// The channel.
        channel: u32,
        /// The messages.
        ids: Ids,
        /// Whether their leases ran out; a consumer put them back otherwise.
        timed_out: bool,
    },
    /// Dead letters are gone: moved to another topic, or dropped.
    DeadGone {
        /// The channel.
        channel: u32,
        /// The messages.
        ids: Ids,
    },
    /// Dead letters are ready again, or expired by then.
    Redriven {
        /// The channel.
        channel: u32,
        /// When, in nanoseconds.
        at: u64,
        /// The messages.
        ids: Ids,
    },
    /// Messages that waited for a consumer were dropped to make room, and the channel read on to `cursor`.
    Dropped {
        /// The channel.
        channel: u32,
        /// The next message that the channel read before.
        from: u64,
        /// The next message that the channel reads.
        cursor: Mark,
        /// What it dropped of what it had read before.
        ids: Ids,
        /// How many messages were dropped in all.
        count: u64,
    },
    /// The channel goes on at another place; what was leased, deferred or due again is dropped, dead letters stay.
    Sought {
        /// The channel.
        channel: u32,
        /// The next message that the channel reads.
        to: Mark,
        /// What it passes over from there.
        gaps: Vec<Gap>,
    },
    /// A message could not be read any more, and the channel goes without it.
    Lost {
        /// The channel.
        channel: u32,
        /// The message.
        id: u64,
    },
}

impl Event {
    /// The event of a frame's payload.
    pub fn read(payload: &[u8]) -> Option<Self> {
        postcard::from_bytes(payload).ok()
    }

    /// Whether it is written twice: what is said once, and needed for long.
    pub(crate) fn is_vital(&self) -> bool {
        matches!(
            self,
            Event::TopicConfigured(_)
                | Event::TopicPaused(_)
                | Event::ChannelCreated(..)
                | Event::ChannelConfigured(..)
                | Event::ChannelPaused(..)
                | Event::ChannelDeleted(_)
                | Event::Sought { .. }
        )
    }

    /// Whether nobody waits for it to be durable: where it is lost with the power, a message comes once more.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(
            self,
            Event::Leased { .. }
                | Event::Passed { .. }
                | Event::Touched { .. }
                | Event::Finished { .. }
                | Event::Requeued { .. }
                | Event::TimedOut { .. }
                | Event::DeadGone { .. }
        )
    }

    /// A place up to which messages must have been published for this to happen.
    pub(crate) fn reaches(&self) -> Option<Mark> {
        match self {
            Event::Leased { cursor: mark, .. }
            | Event::Passed { cursor: mark, .. }
            | Event::Dropped { cursor: mark, .. }
            | Event::Sought { to: mark, .. }
            | Event::Voided { to: mark, .. }
            | Event::HandedOver { to: mark } => Some(*mark),
            Event::ChannelCreated(_, image) => Some(image.cursor),
            _ => None,
        }
    }

    /// The channel that it concerns.
    pub fn channel(&self) -> Option<u32> {
        match self {
            Event::ChannelCreated(channel, _)
            | Event::ChannelConfigured(channel, _)
            | Event::ChannelPaused(channel, _)
            | Event::ChannelDeleted(channel)
            | Event::Leased { channel, .. }
            | Event::Passed { channel, .. }
            | Event::Touched { channel, .. }
            | Event::Finished { channel, .. }
            | Event::Requeued { channel, .. }
            | Event::TimedOut { channel, .. }
            | Event::Died { channel, .. }
            | Event::DeadGone { channel, .. }
            | Event::Redriven { channel, .. }
            | Event::Dropped { channel, .. }
            | Event::Sought { channel, .. }
            | Event::Lost { channel, .. } => Some(*channel),
            _ => None,
        }
    }
}
