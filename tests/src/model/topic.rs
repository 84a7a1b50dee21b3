//! A topic: the list of all messages it ever had.

use std::collections::BTreeMap;

use super::channel::{Channel, Place};
use super::{Moment, Nanos};

/// A message.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    pub(super) body: Vec<u8>,
    pub(super) key: Option<String>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) published: Nanos,
    pub(super) due: Option<Nanos>,
    pub(super) expires: Option<Nanos>,
    /// Emptied out of the topic, or dropped at a limit, or expired, before any channel had it.
    pub(super) lost: bool,
}

impl Message {
    pub(super) fn is_expired(&self, now: Nanos) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// What was said of a topic.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) retain: Nanos,
    pub(super) retain_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) max_messages: u64,
    pub(super) drop_oldest: bool,
}

/// What was accepted under a dedup key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accepted {
    pub(super) at: Nanos,
    pub(super) first: u64,
    pub(super) count: u64,
}

#[derive(Debug)]
pub(super) struct Topic {
    name: String,
    /// The message with id `n` stands at `n - 1`.
    pub(super) messages: Vec<Message>,
    /// The messages with lower ids were handed to the channels.
    pub(super) flow: u64,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) paused: bool,
    pub(super) options: Options,
    pub(super) dedup: BTreeMap<String, Accepted>,
}

impl Topic {
    pub(super) fn new(name: &str) -> Self {
        Topic {
            name: name.into(),
            messages: Vec::new(),
            flow: 1,
            channels: BTreeMap::new(),
            paused: false,
            options: Options::default(),
            dedup: BTreeMap::new(),
        }
    }

    pub(super) fn message(&self, id: u64) -> &Message {
        &self.messages[id as usize - 1]
    }

    /// The id that the next message gets.
    pub(super) fn end(&self) -> u64 {
        self.messages.len() as u64 + 1
    }

    pub(super) fn is_ephemeral(&self) -> bool {
        self.name.ends_with("#ephemeral")
    }

    /// The ids of what the topic has not handed over.
    pub(super) fn kept_back(&self) -> Vec<u64> {
        (self.flow..self.end()).filter(|&id| !self.message(id).lost).collect()
    }

    pub(super) fn bytes(&self, ids: &[u64]) -> u64 {
        ids.iter().map(|&id| self.message(id).body.len() as u64).sum()
    }

    /// Adds a message; answers its id.
    pub(super) fn add(&mut self, mut message: Message, at: &Moment) -> u64 {
        let to_nobody = self.paused || self.channels.is_empty();
        message.lost = to_nobody && self.is_ephemeral() && self.kept_back().len() as u64 >= at.limits.mem_queue_size;
        self.messages.push(message);
        self.end() - 1
    }

    /// Hands over what may be.
    pub(super) fn hand_over(&mut self, at: &mut Moment) {
        if self.paused || self.channels.is_empty() {
            return;
        }
        for id in self.flow..self.end() {
            let message = self.messages[id as usize - 1].clone();
            for channel in self.channels.values_mut() {
                channel.receive(&message, at);
            }
        }
        self.flow = self.end();
    }

    /// The oldest message that a channel can go back to.
    pub(super) fn earliest(&self, now: Nanos) -> u64 {
        let cursors = self.channels.values().map(|channel| channel.cursor);
        cursors.chain([self.flow, self.retained_from(now)]).min().expect("there are at least two")
    }

    /// The first message of those that are kept for replay.
    fn retained_from(&self, now: Nanos) -> u64 {
        let Options { retain, retain_bytes, .. } = self.options;
        let young = |id: &u64| now - self.message(*id).published <= retain;
        let near = |id: &u64| self.bytes(&(*id..self.end()).collect::<Vec<_>>()) <= retain_bytes;
        let by_age = (1..self.end()).find(young).unwrap_or(self.end());
        let by_size = (1..self.end()).find(near).unwrap_or(self.end());
        match (retain, retain_bytes) {
            (0, 0) => self.end(),
            (_, 0) => by_age,
            (0, _) => by_size,
            _ => by_age.max(by_size),
        }
    }

    /// The first message published then or later.
    pub(super) fn at_time(&self, time: Nanos) -> u64 {
        (1..self.end()).find(|&id| self.message(id).published >= time).unwrap_or(self.end())
    }

    /// Moves a channel; the place must be one that it can go to.
    pub(super) fn seek(&mut self, channel: &str, to: u64, at: &mut Moment) {
        let Some(channel) = self.channels.get_mut(channel) else { return };
        channel.seek(to, &self.messages, at);
    }

    /// What the topic still has is lost when its time to live runs out.
    pub(super) fn expire(&mut self, now: Nanos) {
        let kept_back = self.flow as usize - 1..;
        let mut newly = false;
        for message in self.messages[kept_back].iter_mut().filter(|message| message.is_expired(now)) {
            newly |= !message.lost;
            message.lost = true;
        }
        while newly && self.channels.is_empty() && self.flow < self.end() && self.messages[self.flow as usize - 1].lost
        {
            self.flow += 1;
        }
    }

    /// Drops what was not handed over: no channel ever sees it.
    pub(super) fn empty(&mut self, at: &mut Moment) {
        for id in self.flow..self.end() {
            self.messages[id as usize - 1].lost = true;
            let message = self.message(id).clone();
            for channel in self.channels.values_mut() {
                channel.receive(&message, at);
            }
        }
        self.flow = self.end();
    }

    /// Makes room for so many messages of so many bytes. Nothing changes where there cannot be room.
    pub(super) fn make_room(&mut self, count: u64, bytes: u64, at: &mut Moment) -> bool {
        if count == 0 {
            return true;
        }
        let backlogs: Vec<_> = self.backlogs().collect();
        let drops: Option<Vec<_>> = backlogs.iter().map(|backlog| self.drops(backlog, count, bytes)).collect();
        let Some(drops) = drops else { return false };
        let flow = self.flow;
        for (channel, drops) in self.channels.values_mut().zip(&drops) {
            for id in drops.iter().filter(|id| **id < flow) {
                channel.drop_oldest(*id);
            }
        }
        // What is dropped of what was not handed over, no channel has.
        let last = drops.into_iter().flatten().filter(|id| *id >= flow).max();
        for id in flow..last.map_or(flow, |last| last + 1) {
            self.messages[id as usize - 1].lost = true;
            let message = self.message(id).clone();
            for channel in self.channels.values_mut() {
                channel.receive(&message, at);
            }
            self.flow = id + 1;
        }
        true
    }

    /// For each channel, or for the topic alone, what it has and which of it may be dropped.
    fn backlogs(&self) -> impl Iterator<Item = (Vec<u64>, Vec<u64>)> + '_ {
        let kept_back = self.kept_back();
        let alone = self.channels.is_empty().then(|| (kept_back.clone(), kept_back.clone()));
        let of_channel = move |channel: &Channel| {
            let live = |place: &Place| !matches!(place, Place::Dead | Place::Gone);
            let all = channel.ids(live).into_iter().chain(kept_back.iter().copied()).collect();
            (all, channel.ready_ids().into_iter().chain(kept_back.iter().copied()).collect())
        };
        self.channels.values().map(of_channel).chain(alone)
    }

    /// What is to be dropped of a backlog for a publish to fit; `None` where it cannot.
    fn drops(&self, (all, droppable): &(Vec<u64>, Vec<u64>), count: u64, bytes: u64) -> Option<Vec<u64>> {
        let Options { max_messages, max_bytes, drop_oldest, .. } = self.options;
        let (mut messages, mut size) = (all.len() as u64 + count, self.bytes(all) + bytes);
        let mut drops = Vec::new();
        let mut droppable = droppable.iter().filter(|_| drop_oldest);
        while (max_messages > 0 && messages > max_messages) || (max_bytes > 0 && size > max_bytes) {
            let oldest = *droppable.next()?;
            messages -= 1;
            size -= self.bytes(&[oldest]);
            drops.push(oldest);
        }
        Some(drops)
    }
}
