//! Bringing messages to those who wait for them.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::logged::READ_AGAIN;
use super::outbox::Leased;
use super::{Broker, Outbox};
use crate::channel::{Channel, ChannelCx, Search, Terms};
use crate::command::{Context, Lease, ReceiptText, Refusal, Refused, Subscribe, Ticket};
use crate::ids::{ChannelId, PollerId, TopicId};
use crate::name::Name;
use crate::pollers::Waiting;
use crate::time::Time;
use crate::topic::Blocked;

/// How soon a poll that should end by now is looked at again, while its channel does not know yet what it has.
const SCAN_AGAIN: Duration = Duration::from_millis(1);

impl<O: Outbox> Broker<O> {
    pub(super) fn subscribe(
        &mut self,
        now: Time,
        ticket: Ticket,
        context: &Context,
        name: &Name<'_>,
        subscribe: &Subscribe<'_>,
    ) -> Result<(), Refusal> {
        self.refuse_if_exiting()?;
        let &Subscribe { max, max_bytes, wait, timeout, auto_finish, peer, stream, .. } = subscribe;
        let (topic, channel) = self.find_or_add_channel(name.borrow(), &subscribe.channel, now)?;
        self.refuse_if_much_waits(topic)?;
        let (found, mut cx) = self.topics[topic].channel_cx(channel, now, &self.limits);
        let client = found.client(subscribe.client.as_deref(), peer, &cx);
        // Before it leases: what is finished makes room in flight, and for the next of an ordering key.
        let refused = finish_first(found, &subscribe.finish, &mut cx);
        // Whoever waits already comes first. A stream is answered by its head before any message, so that it always
        // waits.
        if !stream && found.pollers.is_empty() {
            let terms = Terms { timeout, client, stream: None };
            let leases = found.lease_up_to(max, max_bytes, &terms, &mut cx);
            // A search that is not at its end does not know yet that there is nothing: then even a poll that does not
            // wait does.
            if !leases.is_empty() || (wait.is_zero() && !found.is_searching()) {
                self.hand_out(topic, channel, &leases, auto_finish, now, |outbox, leased| {
                    outbox.leased(ticket, context, leased, &refused);
                });
                self.after_topic(topic, now);
                return Ok(());
            }
        }
        let until = now + if stream { self.limits.heartbeat } else { wait };
        let context = context.clone();
        let waiting =
            Waiting { ticket, topic, channel, max, max_bytes, client, timeout, auto_finish, context, refused, stream };
        self.wait(waiting, until, now);
        Ok(())
    }

    fn find_or_add_channel(
        &mut self,
        name: Name<'_>,
        channel: &Name<'_>,
        now: Time,
    ) -> Result<(TopicId, ChannelId), Refusal> {
        let topic = self.find_or_add_topic(name, now)?;
        let found = &mut self.topics[topic];
        if let Some(known) = found.find_channel(channel.as_str()) {
            return Ok((topic, known));
        }
        match found.add_channel(channel, None, now, &self.limits) {
            Ok(added) => Ok((topic, added)),
            Err(Blocked::Refused(refusal)) => Err(refusal),
            Err(Blocked::NotCached(_)) => {
                unreachable!("a channel that takes over the backlog needs nothing from the log")
            }
        }
    }

    fn wait(&mut self, waiting: Waiting, until: Time, now: Time) {
        let (topic, channel, client) = (waiting.topic, waiting.channel, waiting.client);
        if waiting.stream {
            self.outbox.opened(waiting.ticket, &waiting.context, &waiting.refused);
        }
        let number = self.pollers.add(waiting, until);
        if let Some(stream) = self.pollers.slab[number].stream_mut() {
            // The head is a sign of life: the first heartbeat is due one heartbeat later.
            stream.sent_at = now;
        }
        self.topics[topic].channel_mut(channel).poll_waits(client);
        self.enqueue_poller(number);
        self.after(topic, channel, now);
    }

    /// Gives leased messages to whoever they are for, and finishes those that are to be finished as they are handed out.
    fn hand_out(
        &mut self,
        topic: TopicId,
        number: ChannelId,
        leases: &[Lease],
        auto_finish: bool,
        now: Time,
        tell: impl FnOnce(&mut O, &Leased<'_>),
    ) {
        let found = &self.topics[topic];
        let (name, channel) = (found.name().as_str(), found.channel_name(number).unwrap_or_default());
        let messages = Some(found.messages());
        // Told before it is finished: the answer is written from the messages, which may leave memory right after that.
        tell(&mut self.outbox, &Leased { topic: name, channel, leases, messages });
        if auto_finish {
            let (channel, mut cx) = self.topics[topic].channel_cx(number, now, &self.limits);
            for lease in leases {
                let finished = channel.finish(lease.receipt, &mut cx);
                debug_assert_eq!(finished, Ok(()), "what was just leased can be finished");
            }
        }
    }

    /// Puts a poller into its channel's line, at the end.
    pub(super) fn enqueue_poller(&mut self, number: PollerId) {
        let poller = &mut self.pollers.slab[number];
        if poller.in_line || poller.room() == 0 {
            return;
        }
        poller.in_line = true;
        let topic = &mut self.topics[poller.topic];
        let channel = poller.channel;
        let line = &mut topic.channel_mut(channel).pollers;
        let was_empty = line.is_empty();
        line.push_back(&mut self.pollers.slab, number);
        // When the topic hands over, it has the channels of this set served, and no others.
        if was_empty {
            topic.with_pollers.insert(channel.number().into());
        }
    }

    fn leave_line(&mut self, number: PollerId) {
        let poller = &mut self.pollers.slab[number];
        if !core::mem::take(&mut poller.in_line) {
            return;
        }
        let channel = poller.channel;
        let topic = &mut self.topics[poller.topic];
        let line = &mut topic.channel_mut(channel).pollers;
        line.remove(&mut self.pollers.slab, number);
        if line.is_empty() {
            topic.with_pollers.remove(channel.number().into());
        }
    }

    /// Takes a poller away that was answered, or whose consumer hung up.
    pub(super) fn remove_poller(&mut self, number: PollerId, now: Time) {
        self.leave_line(number);
        let poller = &self.pollers.slab[number];
        let (topic, channel, client) = (poller.topic, poller.channel, poller.client);
        self.topics[topic].channel_mut(channel).poll_ends(client, now);
        self.pollers.remove(number);
    }

    /// Hands out messages to the pollers of a channel, as long as there are both.
    pub(super) fn serve(&mut self, topic: TopicId, number: ChannelId, now: Time) {
        while let Some(first) = self.topics[topic].channel(number).pollers.front() {
            let poller = &self.pollers.slab[first];
            let (terms, room, max_bytes) = (poller.terms(first), poller.room(), poller.max_bytes());
            // Unmarked, for this is a part of looking at a changed channel: marked again, it would be looked at without
            // end.
            let (channel, mut cx) = self.topics[topic].unmarked_channel_cx(number, now, &self.limits);
            let leases = channel.lease_up_to(room, max_bytes, &terms, &mut cx);
            // Nobody in line is without room, so that what the first does not get, no other would.
            if leases.is_empty() {
                return;
            }
            let poller = &mut self.pollers.slab[first];
            let (ticket, auto_finish) = (poller.ticket, poller.auto_finish);
            let (context, refused) = poller.take_context();
            if let Some(stream) = poller.stream_mut() {
                (stream.busy, stream.sent_at) = (true, now);
                // What is finished as it is handed out is never settled by the consumer: it takes no room of the
                // stream.
                stream.in_flight += if auto_finish { 0 } else { leases.len() as u32 };
                // It is busy from now on, and comes back to the end of the line when its chunk was taken.
                self.leave_line(first);
                self.hand_out(topic, number, &leases, auto_finish, now, |outbox, leased| {
                    outbox.streamed(ticket, &context, leased);
                });
            } else {
                self.remove_poller(first, now);
                self.hand_out(topic, number, &leases, auto_finish, now, |outbox, leased| {
                    outbox.leased(ticket, &context, leased, &refused);
                });
            }
        }
    }

    /// The consumer hung up.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        self.cancel_parked(ticket);
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &self.pollers.slab[number];
        let (topic, channel) = (poller.topic, poller.channel);
        self.remove_poller(number, now);
        self.after(topic, channel, now);
    }

    /// A stream's last chunk was taken.
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        let Some(number) = self.pollers.find(ticket) else { return };
        let poller = &mut self.pollers.slab[number];
        let (topic, channel) = (poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            stream.busy = false;
        }
        // It goes to the end of the line: the others had to wait for their turn as well.
        self.enqueue_poller(number);
        self.after(topic, channel, now);
    }

    /// Answers the polls that only waited to know whether there is something, now that it is known.
    pub(super) fn answer_overdue(&mut self, topic: TopicId, channel: ChannelId, now: Time) {
        let overdue = core::mem::take(&mut self.topics[topic].channel_mut(channel).overdue);
        for ticket in overdue {
            // It may be there more than once, or have been answered.
            if let Some(number) = self.pollers.find(ticket) {
                // A timeout begins without a timer, as if it had gone off, and may set the next one.
                self.pollers.unset_timer(number);
                self.poller_timeout(number, now);
            }
        }
    }

    /// Answers the polls that only waited to know whether there is something, now that this cannot be known: there may well be.
    pub(super) fn give_up_overdue(&mut self, topic: TopicId, channel: ChannelId, now: Time) {
        let overdue = core::mem::take(&mut self.topics[topic].channel_mut(channel).overdue);
        for ticket in overdue {
            if let Some(number) = self.pollers.find(ticket) {
                let (context, refused) = self.pollers.slab[number].take_context();
                self.outbox.refused(ticket, &context, Refusal::StorageUnreadable, &refused);
                self.remove_poller(number, now);
            }
        }
        self.after(topic, channel, now);
    }

    pub(super) fn poller_timeout(&mut self, number: PollerId, now: Time) {
        let heartbeat = self.limits.heartbeat;
        let poller = &mut self.pollers.slab[number];
        let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
        if let Some(stream) = poller.stream_mut() {
            // One timer serves all of a stream's life. It is not moved when a chunk is sent, and so may find that
            // nothing is due.
            let is_quiet = stream.sent_at + heartbeat <= now && !stream.busy;
            if is_quiet {
                (stream.sent_at, stream.busy) = (now, true);
            }
            // A stream that is busy has its consumer to wait for; nothing is due before that.
            let next = if stream.busy { now } else { stream.sent_at } + heartbeat;
            self.pollers.set_timer(number, next);
            if is_quiet {
                let (context, _) = self.pollers.slab[number].take_context();
                // The heartbeat is a chunk like any other: until it was taken, there is no room for messages.
                self.leave_line(number);
                self.outbox.heartbeat(ticket, &context);
            }
        } else if self.topics[topic].channel(channel).search == Search::Reading {
            // It is answered when that is read; the timer is for a host that forgot.
            self.pollers.set_timer(number, now + READ_AGAIN);
            let overdue = &mut self.topics[topic].channel_mut(channel).overdue;
            if !overdue.contains(&ticket) {
                overdue.push(ticket);
            }
        } else if self.topics[topic].channel(channel).search == Search::Scanning {
            self.pollers.set_timer(number, now + SCAN_AGAIN);
        } else {
            self.answer_with_nothing(number, now);
        }
    }

    fn answer_with_nothing(&mut self, number: PollerId, now: Time) {
        let poller = &mut self.pollers.slab[number];
        let (ticket, topic, channel) = (poller.ticket, poller.topic, poller.channel);
        let (context, refused) = poller.take_context();
        self.outbox.leased(ticket, &context, &Leased::none(), &refused);
        self.remove_poller(number, now);
        self.after(topic, channel, now);
    }
}

/// Finishes earlier messages of a consumer that comes for more; answers the receipts that were refused.
fn finish_first(channel: &mut Channel, receipts: &[ReceiptText<'_>], cx: &mut ChannelCx<'_>) -> Vec<(String, Refused)> {
    let mut refused = Vec::new();
    for text in receipts {
        let finished = text.read().and_then(|receipt| channel.finish(receipt, cx));
        refused.extend(finished.err().map(|reason| (text.text.as_ref().into(), reason)));
    }
    refused
}
