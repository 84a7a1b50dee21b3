//! Bringing messages to those who wait for them.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::logged::READ_AGAIN;
use super::{Broker, Event};
use crate::channel::{Channel, Env, Search, Terms};
use crate::command::{Context, Lease, ReceiptText, Refusal, Refused, Reply, Subscribe, Ticket};
use crate::message::Delivery;
use crate::name::Name;
use crate::pollers::Waiting;
use crate::time::Time;
use crate::topic::{Scene, Topic};

/// How soon a poll that should end by now is looked at again, while its channel does not know yet what it has.
const SCAN_AGAIN: Duration = Duration::from_millis(1);

/// Messages that were just leased, until they are encoded.
#[derive(Debug)]
pub struct Handed {
    topic: u32,
    channel: u32,
    leases: Vec<Lease>,
    auto_finish: bool,
}

impl Handed {
    pub(super) fn nothing(topic: u32, channel: u32) -> Self {
        Handed { topic, channel, leases: Vec::new(), auto_finish: false }
    }

    /// Whether no message came.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }
}

impl Broker {
    pub(super) fn subscribe(
        &mut self,
        now: Time,
        ticket: Ticket,
        context: &Context,
        name: Name<'_>,
        subscribe: Subscribe<'_>,
    ) -> Result<Reply, Refusal> {
        self.refuse_if_exiting()?;
        let Subscribe { channel, max, wait, timeout, auto_finish, finish, client, peer, stream, .. } = subscribe;
        let (topic, channel) = self.find_or_add_channel(name, channel, now);
        let Scene { channel: found, mut env } = self.topics[topic as usize].scene(channel, now, &self.limits);
        let client = found.client(client.as_deref(), peer, &env);
        let refused = finish_first(found, &finish, &mut env);
        if !stream && found.pollers.is_empty() {
            let terms = Terms { timeout, client, stream: None };
            let leases = found.lease_up_to(max, &terms, &mut env);
            if !leases.is_empty() || (wait.is_zero() && !found.is_searching()) {
                let handed = Handed { topic, channel, leases, auto_finish };
                self.events.push_back(Event::Leased(ticket, context.clone(), handed, refused));
                self.after_channel(topic, channel, now);
                return Ok(Reply::Waiting);
            }
        }
        let until = now + if stream { self.limits.heartbeat } else { wait };
        let context = context.clone();
        let waiting = Waiting { ticket, topic, channel, max, client, timeout, auto_finish, context, refused, stream };
        self.wait(waiting, until, now);
        Ok(Reply::Waiting)
    }

    fn find_or_add_channel(&mut self, name: Name<'_>, channel: Name<'_>, now: Time) -> (u32, u32) {
        let topic = self.find_or_add_topic(name, now);
        let found = &mut self.topics[topic as usize];
        if let Some(known) = found.find_channel(channel.as_str()) {
            return (topic, known);
        }
        let added = found.add_channel(channel.into_owned(), None, now, &self.limits);
        (topic, added.expect("a channel that takes over the backlog needs nothing from the log"))
    }

    fn wait(&mut self, waiting: Waiting, until: Time, now: Time) {
        let (topic, channel, client) = (waiting.topic, waiting.channel, waiting.client);
        if waiting.stream {
            self.events.push_back(Event::Opened(waiting.ticket, waiting.context.clone()));
        }
        let number = self.pollers.add(waiting, until);
        if let Some(stream) = self.pollers.slab[number as usize].stream_mut() {
            stream.sent_at = now;
        }
        let Scene { channel: found, .. } = self.topics[topic as usize].scene(channel, now, &self.limits);
        found.poll_waits(client);
        self.line_up(number);
        self.after_channel(topic, channel, now);
    }

    /// Puts a poller into its channel's line, at the end.
    pub(super) fn line_up(&mut self, number: u32) {
        let poller = &mut self.pollers.slab[number as usize];
        if poller.in_line || poller.room() == 0 {
            return;
        }
        poller.in_line = true;
        let topic = &mut self.topics[poller.topic as usize];
        let channel = poller.channel;
        let line = &mut topic.channel_mut(channel).pollers;
        let was_empty = line.is_empty();
        line.push_back(&mut self.pollers.slab, number);
        if was_empty {
            topic.hungry.insert(channel.into());
        }
    }

    fn leave_line(&mut self, number: u32) {
        let poller = &mut self.pollers.slab[number as usize];
        if !core::mem::take(&mut poller.in_line) {
            return;
        }
        let channel = poller.channel;
        let topic = &mut self.topics[poller.topic as usize];
        let line = &mut topic.channel_mut(channel).pollers;
        line.remove(&mut self.pollers.slab, number);
        if line.is_empty() {
            topic.hungry.remove(channel.into());
        }
    }

    /// Takes a poller away that was answered, or whose consumer hung up.
    pub(super) fn remove_poller(&mut self, number: u32, now: Time) {
        self.leave_line(number);
        let poller = &self.pollers.slab[number as usize];
        let (topic, channel, client) = (poller.topic, poller.channel, poller.client);
        self.topics[topic as usize].channel_mut(channel).poll_ends(client, now);
        self.pollers.remove(number);
    }

    /// Hands out messages to the pollers of a channel, as long as there are both.
    pub(super) fn serve(&mut self, topic: u32, number: u32, now: Time) {
        while let Some(first) = self.topics[topic as usize].channel(number).pollers.front() {
            let poller = &self.pollers.slab[first as usize];
            let (terms, room) = (poller.terms(first), poller.room());
            let Scene { channel, mut env } = self.topics[topic as usize].scene(number, now, &self.limits);
            let leases = channel.lease_up_to(room, &terms, &mut env);
            if leases.is_empty() {
                return;
            }
            let poller = &mut self.pollers.slab[first as usize];
            let handed = Handed { topic, channel: number, auto_finish: poller.auto_finish, leases };
            let (ticket, (context, refused)) = (poller.ticket, poller.take_context());
            if let Some(stream) = poller.stream_mut() {
                (stream.busy, stream.sent_at) = (true, now);
                stream.in_flight += if handed.auto_finish { 0 } else { handed.leases.len() as u32 };
                self.leave_line(first);
                self.events.push_back(Event::Streamed(ticket, context, handed));
            } else {
                self.remove_poller(first, now);
                self.events.push_back(Event::Leased(ticket, context, handed, refused));
            }
        }
    }

    /// Shows the messages of a lease, until it is completed.
    ///
    /// # Panics
    /// Where the lease was completed, or its topic is gone.
    pub fn deliveries<'a>(&'a self, handed: &'a Handed) -> impl ExactSizeIterator<Item = Delivery<'a>> + Clone {
        let log = self.topics.get(handed.topic as usize).map(Topic::messages);
        handed.leases.iter().map(move |lease| Delivery {
            receipt: lease.receipt,
            attempts: lease.attempts,
            record: log.expect("a topic outlives what it handed out").record(lease.receipt.id, lease.chunk),
        })
    }

    /// The topic and the channel of a lease.
    pub fn names_of(&self, handed: &Handed) -> (String, String) {
        let topic = self.topics.get(handed.topic as usize);
        let channel = topic.and_then(|topic| topic.channel_name(handed.channel));
        let topic = topic.map_or("", |topic| topic.name().as_str());
        (topic.into(), channel.unwrap_or_default().into())
    }

    /// The messages of a lease are encoded: those to be finished as they are handed out are finished.
    pub fn complete(&mut self, handed: &Handed, now: Time) {
        if !handed.auto_finish {
            return;
        }
        let Scene { channel, mut env } = self.topics[handed.topic as usize].scene(handed.channel, now, &self.limits);
        for lease in &handed.leases {
            let finished = channel.finish(lease.receipt, &mut env);
            debug_assert_eq!(finished, Ok(()), "what was just leased can be finished");
        }
        self.after_channel(handed.topic, handed.channel, now);
    }

    /// The consumer hung up.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.cancel_parked(ticket);
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &self.pollers.slab[number as usize];
        let (topic, channel) = (poller.topic, poller.channel);
        self.remove_poller(number, now);
        self.after_channel(topic, channel, now);
    }

    /// A stream's last chunk was taken.
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &mut self.pollers.slab[number as usize];
        let (topic, channel) = (poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            stream.busy = false;
        }
        self.line_up(number);
        self.after_channel(topic, channel, now);
    }

    /// Answers the polls that only waited to know whether there is something, now that it is known.
    pub(super) fn answer_overdue(&mut self, topic: u32, channel: u32, now: Time) {
        let overdue = core::mem::take(&mut self.topics[topic as usize].channel_mut(channel).overdue);
        for ticket in overdue {
            // It may be there more than once, or have been answered.
            if let Some(number) = self.pollers.find(ticket) {
                self.pollers.unset_timer(number);
                self.poller_timeout(number, now);
            }
        }
    }

    /// Answers the polls that only waited to know whether there is something, now that this cannot be known.
    pub(super) fn give_up_overdue(&mut self, topic: u32, channel: u32, now: Time) {
        let overdue = core::mem::take(&mut self.topics[topic as usize].channel_mut(channel).overdue);
        for ticket in overdue {
            if let Some(number) = self.pollers.find(ticket) {
                self.answer_with_nothing(number, now);
            }
        }
    }

    pub(super) fn poller_timeout(&mut self, number: u32, now: Time) {
        let heartbeat = self.limits.heartbeat;
        let poller = &mut self.pollers.slab[number as usize];
        let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            let is_quiet = stream.sent_at + heartbeat <= now && !stream.busy;
            if is_quiet {
                (stream.sent_at, stream.busy) = (now, true);
            }
            // A stream that is busy has its consumer to wait for; nothing is due before that.
            let next = if stream.busy { now } else { stream.sent_at } + heartbeat;
            self.pollers.set_timer(number, next);
            if is_quiet {
                let (context, _) = self.pollers.slab[number as usize].take_context();
                self.leave_line(number);
                self.events.push_back(Event::Heartbeat(ticket, context));
            }
        } else if self.topics[topic as usize].channel(channel).search == Search::Reading {
            // It is answered when that is read; the timer is for a host that forgot.
            self.pollers.set_timer(number, now + READ_AGAIN);
            let overdue = &mut self.topics[topic as usize].channel_mut(channel).overdue;
            if !overdue.contains(&ticket) {
                overdue.push(ticket);
            }
        } else if self.topics[topic as usize].channel(channel).search == Search::Scanning {
            self.pollers.set_timer(number, now + SCAN_AGAIN);
        } else {
            self.answer_with_nothing(number, now);
        }
    }

    fn answer_with_nothing(&mut self, number: u32, now: Time) {
        let poller = &mut self.pollers.slab[number as usize];
        let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
        let (context, refused) = poller.take_context();
        self.events.push_back(Event::Leased(ticket, context, Handed::nothing(topic, channel), refused));
        self.remove_poller(number, now);
        self.after_channel(topic, channel, now);
    }
}

/// Finishes earlier messages of a consumer that comes for more; answers the receipts that were refused.
fn finish_first(channel: &mut Channel, receipts: &[ReceiptText<'_>], env: &mut Env<'_>) -> Vec<(String, Refused)> {
    let mut refused = Vec::new();
    for text in receipts {
        let finished = text.read().and_then(|receipt| channel.finish(receipt, env));
        refused.extend(finished.err().map(|reason| (text.text.as_ref().into(), reason)));
    }
    refused
}
