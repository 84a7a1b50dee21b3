//! A broker that was read from a checkpoint: what is not in it, and follows from what is, is made again, and the rest is
//! looked at before anybody relies on it. Bytes may come from somebody else.

use hashbrown::HashMap;

use super::{Broker, Outbox, Owner};
use crate::ids::{ChannelId, TopicId};
use crate::pollers::Poller;
use crate::schedule::Handle;
use crate::time::Time;

/// More than this no call does, whatever a checkpoint says of its limits.
const MOST_AT_ONCE: u32 = 1 << 20;

impl<O: Outbox> Broker<O> {
    /// Makes what is not in a checkpoint; `None` where what is there is nothing that a broker can have come to.
    pub(crate) fn restored(&mut self) -> Option<()> {
        self.pollers.restored()?;
        let is_sound = self.topics.is_sound() && self.deadlines.is_sound() && self.logs.has_numbers();
        if !is_sound || !self.can_run() {
            return None;
        }
        let seeded = || foldhash::fast::FixedState::with_seed(self.seed);
        // A table that was read from bytes hashes by a seed that everybody knows.
        let closed = core::mem::replace(&mut self.closed, HashMap::with_hasher(seeded()));
        self.closed.extend(closed);
        self.names = HashMap::with_hasher(seeded());
        let (mut armed, mut in_line) = (0, 0);
        for (number, topic) in self.topics.iter_mut() {
            topic.restored()?;
            self.logs.restored(number, topic)?;
            if self.names.insert(topic.name().as_str().into(), number).is_some() {
                return None;
            }
            let mut is_armed = |deadline: Option<(Time, Handle)>, owner| {
                armed += usize::from(deadline.is_some());
                deadline.is_none_or(|(at, handle)| self.deadlines.get(handle) == Some((at, &owner)))
            };
            if !is_armed(topic.armed, Owner::Topic(number)) {
                return None;
            }
            for channel in topic.channel_numbers() {
                let found = topic.channel(channel);
                let line = found.pollers;
                let is_its =
                    |poller: &Poller| (poller.topic, poller.channel, poller.in_line) == (number, channel, true);
                if !is_armed(found.armed, Owner::Channel(number, channel))
                    || !line.is_sound(&mut self.pollers.slab, is_its)
                {
                    return None;
                }
                if !line.is_empty() {
                    in_line += line.len();
                    topic.with_pollers.insert(channel.number().into());
                }
            }
        }
        let owners = self.deadlines.values().filter(|owner| !matches!(owner, Owner::Reads(_)));
        let is_whole = owners.count() == armed && self.are_pollers(in_line);
        (is_whole && self.scans.iter().all(|scan| self.is_channel(*scan))).then_some(())
    }

    /// Whether it comes to an end with whatever is due: what is due again at once would be due for ever.
    fn can_run(&self) -> bool {
        !self.limits.heartbeat.is_zero() && (1..=MOST_AT_ONCE).contains(&self.limits.slice)
    }

    /// Whether all who wait do so somewhere, and those who stand in a line, which are so many, are not gone.
    fn are_pollers(&self, mut in_line: u32) -> bool {
        let mut is_somewhere = |poller: &Poller| {
            in_line = in_line.wrapping_sub(poller.in_line.into());
            let is_closed = poller.stream().is_some_and(|stream| stream.closed);
            if is_closed { !poller.in_line } else { self.is_channel((poller.topic, poller.channel)) }
        };
        self.pollers.slab.iter().all(|(_, poller)| is_somewhere(poller)) && in_line == 0
    }

    fn is_channel(&self, (topic, channel): (TopicId, ChannelId)) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.channel_name(channel).is_some())
    }
}
