//! What happens to a topic, as the log has it.
//!
//! Only what cannot be told from the time and from what is before it is written. What can ([implied](Event::is_implied)
//! events: a deferral that is over, a time to live that ran out) happens by an event as well, so that a topic changes in
//! one way, but is the same at every reading. Variants and fields are only ever added at the end: postcard has no names.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::image::{ChannelImage, ChannelSettings, Expiry, Gap, TopicSettings};
pub use crate::message::MessageMeta;

/// A place in a topic's messages: before the message with this id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The id of the next message.
    pub id: u64,
    /// Bytes of the bodies of all messages before it.
    pub bytes: u64,
}

/// No log has so many messages or bytes. A few numbers below this can be added up, with one more for each, without an
/// overflow.
const MOST: u64 = 1 << 62;

impl Position {
    /// Whether a log can come to this place.
    pub(crate) fn is_sound(self) -> bool {
        self.id < MOST && self.bytes < MOST
    }

    /// The nearest place that is not before `first`, nor after `end`: in ids, and in bytes.
    pub(crate) fn within(self, first: Position, end: Position) -> Position {
        let position = self.max(first);
        // At the end, id and bytes are those of the end: a place whose id is past it cannot be trusted about its bytes,
        // either.
        if position.id < end.id { Position { bytes: position.bytes.min(end.bytes), ..position } } else { end }
    }
}

/// Ids in ascending order, as (first, how many in a row).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids(pub SmallVec<[(u64, u64); 1]>);

impl Ids {
    /// The ids, one by one.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        // A forged log may name rows that go on beyond the last number.
        self.0.iter().flat_map(|&(first, count)| first..first.saturating_add(count))
    }
}

impl Ids {
    /// One.
    pub fn one(id: u64) -> Self {
        Ids(SmallVec::from_buf([(id, 1)]))
    }

    /// Adds one at the end.
    pub fn push(&mut self, id: u64) {
        self.push_row(id, 1);
    }

    /// Adds others at the end.
    fn append(&mut self, other: &Ids) {
        other.0.iter().for_each(|&(from, more)| self.push_row(from, more));
    }

    fn push_row(&mut self, from: u64, more: u64) {
        match self.0.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(from) => *count += more,
            _ => self.0.push((from, more)),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, row| sum.saturating_add(row.1))
    }
}

impl FromIterator<u64> for Ids {
    /// In the order given; rows are found where ids follow each other.
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut all = Ids::default();
        ids.into_iter().for_each(|id| all.push(id));
        all
    }
}

/// What a channel read on its way to another place, but for gaps: often one message.
pub type Departed = SmallVec<[MessageMeta; 1]>;

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
    Tombstoned {
        /// The first of it.
        from: Position,
        /// The next that is handed over.
        to: Position,
    },
    /// Only channels that are not in the log got what is before this place.
    HandedOver {
        /// The next that is handed over.
        to: Position,
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
        cursor: Position,
        /// What the channel read on its way there, but for gaps.
        departed: Departed,
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
        cursor: Position,
        /// What it read, but for gaps.
        departed: Departed,
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
        cursor: Position,
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
        to: Position,
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
    /// The message after this is this producer's, with its number.
    Produced {
        /// The producer.
        producer: String,
        /// Its number.
        seq: u64,
        /// The message.
        id: u64,
        /// When, in nanoseconds.
        at: u64,
    },
    /// Dedup keys are remembered so long from now on, in nanoseconds; zero for the broker's default.
    DedupWindow(u64),
    /// Never written: the cursor came past what the channel had said before that it passes over.
    Advanced {
        /// The channel.
        channel: u32,
        /// The next message that the channel reads.
        cursor: Position,
    },
    /// Never written: a deferral is over.
    FellDue {
        /// The channel.
        channel: u32,
        /// The message.
        id: u64,
    },
    /// Never written: a message's time to live ran out, and the channel goes without it, unless it is in flight or dead.
    Expired {
        /// The channel.
        channel: u32,
        /// The message.
        id: u64,
        /// Bytes of its body.
        size: u32,
    },
    /// Never written: a message's time to live ran out, for all channels, those to come included.
    TimeToLiveOver(Expiry),
}

/// How many messages an event says were leased. It names none of them where that is all that departed.
fn count_leased(departed: &[MessageMeta], leased: &Ids) -> u64 {
    if leased.is_empty() { departed.len() as u64 } else { leased.count() }
}

/// Names what was leased, where that is all that departed.
fn name_leased(departed: &[MessageMeta], leased: &mut Ids) {
    if leased.is_empty() {
        for meta in departed {
            leased.push(meta.id);
        }
    }
}

impl Event {
    /// The event of a frame's payload; `None` where it is none that is ever written.
    pub fn read(payload: &[u8]) -> Option<Self> {
        postcard::from_bytes(payload).ok().filter(Event::is_sound)
    }

    /// Whether it can have happened. A log with an event that is never written is damaged or forged; and a topic's
    /// numbers grow to where its events [reach](Event::reaches), so that this is bounded.
    pub(crate) fn is_sound(&self) -> bool {
        !self.is_implied() && self.reaches().is_none_or(Position::is_sound)
    }

    /// What a channel read, where it did.
    pub(crate) fn departed(&self) -> &[MessageMeta] {
        match self {
            Event::Leased { departed, .. } | Event::Passed { departed, .. } => departed,
            _ => &[],
        }
    }

    /// Whether it follows from what was written before, and from the time, and so is not written itself.
    pub fn is_implied(&self) -> bool {
        use Event::{Advanced, Expired, FellDue, TimeToLiveOver};
        matches!(self, Advanced { .. } | FellDue { .. } | Expired { .. } | TimeToLiveOver(_))
    }

    /// Makes one event of this and the one right after it, where that says the same; answers whether it did.
    ///
    /// What consumers do comes message by message, and is written by batches: of a thousand messages that were leased,
    /// finished or timed out one after another, the log has one event.
    /// The times of a lease are in the event once, and so is the first of its delivery numbers: what has other times,
    /// or another number than the next, begins a new event.
    pub(crate) fn join(&mut self, next: &Event) -> bool {
        use Event::{Died, Dropped, Finished, Leased, Passed, TimedOut};
        match (self, next) {
            (Finished { channel, ids }, Finished { channel: other, ids: more })
            | (TimedOut { channel, ids }, TimedOut { channel: other, ids: more })
                if channel == other =>
            {
                ids.append(more);
            }
            (Died { channel, ids, timed_out }, Died { channel: other, ids: more, timed_out: why })
                if channel == other && timed_out == why =>
            {
                ids.append(more);
            }
            (
                Dropped { channel, cursor, ids, count, .. },
                Dropped { channel: other, cursor: to, ids: more, count: plus, .. },
            ) if channel == other => {
                ids.append(more);
                (*cursor, *count) = (*to, count.saturating_add(*plus));
            }
            (
                Leased { channel, at, until, delivery, cursor, departed, leased, .. },
                Leased {
                    channel: other,
                    at: now,
                    until: end,
                    delivery: number,
                    cursor: to,
                    departed: more,
                    leased: one,
                    ..
                },
            ) if (*channel, *at, *until) == (*other, *now, *end)
                && *number == delivery.wrapping_add(count_leased(departed, leased)) =>
            {
                // No names mean that all that departed was leased. Where that is not so of one of the two, both have to
                // name theirs before they are put together.
                if !(leased.is_empty() && one.is_empty()) {
                    name_leased(departed, leased);
                    let mut one = one.clone();
                    name_leased(more, &mut one);
                    leased.append(&one);
                }
                more.iter().for_each(|meta| departed.push(*meta));
                *cursor = *to;
            }
            (
                Passed { channel, at, cursor, departed, .. },
                Passed { channel: other, at: now, cursor: to, departed: more, .. },
            ) if (*channel, *at) == (*other, *now) => {
                more.iter().for_each(|meta| departed.push(*meta));
                *cursor = *to;
            }
            _ => return false,
        }
        true
    }

    /// Whether the next of its kind may be [joined](Event::join) to it.
    pub(crate) fn can_join(&self) -> bool {
        use Event::{Died, Dropped, Finished, Leased, Passed, TimedOut};
        matches!(self, Finished { .. } | TimedOut { .. } | Died { .. } | Dropped { .. } | Leased { .. } | Passed { .. })
    }

    /// Whether it is written twice: what is said once, and needed for long.
    pub(crate) fn is_vital(&self) -> bool {
        matches!(
            self,
            Event::TopicConfigured(_)
                | Event::DedupWindow(_)
                | Event::TopicPaused(_)
                | Event::ChannelCreated(..)
                | Event::ChannelConfigured(..)
                | Event::ChannelPaused(..)
                | Event::ChannelDeleted(_)
                | Event::Sought { .. }
        )
    }

    /// Whether nobody waits for it to be durable: where it is lost with the power, a message comes once more.
    /// `Died` is not lazy: a dead letter leaves for its other topic only once it is durable that it died here.
    pub(crate) fn is_lazy(&self) -> bool {
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
    pub(crate) fn reaches(&self) -> Option<Position> {
        match self {
            Event::Leased { cursor: position, .. }
            | Event::Passed { cursor: position, .. }
            | Event::Dropped { cursor: position, .. }
            | Event::Sought { to: position, .. }
            | Event::Tombstoned { to: position, .. }
            | Event::HandedOver { to: position } => Some(*position),
            Event::ChannelCreated(_, image) => Some(image.cursor),
            _ => None,
        }
    }

    /// Whether the topic had handed over all that is before where it [reaches](Event::reaches): a channel read it, or was
    /// counted as one that had gone by it.
    pub(crate) fn is_handed_over(&self) -> bool {
        match self {
            Event::Leased { .. } | Event::Passed { .. } | Event::Dropped { .. } => true,
            Event::ChannelCreated(_, image) => {
                let passed =
                    image.gaps.iter().fold(0_u64, |sum, gap| sum.saturating_add(gap.to.saturating_sub(gap.from)));
                image.since.saturating_sub(passed) >= image.cursor.id
            }
            _ => false,
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
            | Event::Lost { channel, .. }
            | Event::Advanced { channel, .. }
            | Event::FellDue { channel, .. }
            | Event::Expired { channel, .. } => Some(*channel),
            _ => None,
        }
    }
}
