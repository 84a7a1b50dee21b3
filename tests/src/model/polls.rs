//! Those who wait for messages: polls, which are answered once, and streams, which go on.

use super::answer::{Answer, Event, Format, Shown, header_text};
use super::channel::{Channel, Client};
use super::leases::Terms;
use super::topic::Message;
use super::{Delivery, Moment, Nanos, Ticket};

/// Somebody who waits.
#[derive(Clone, Debug)]
pub(super) struct Poller {
    pub(super) ticket: Ticket,
    pub(super) max: u64,
    /// When it is answered whatever there is; of a stream, when it is looked whether it should give a sign of life.
    pub(super) until: Nanos,
    pub(super) timeout: Option<Nanos>,
    pub(super) client: String,
    pub(super) auto_finish: bool,
    pub(super) format: Format,
    pub(super) ignored: Option<String>,
    pub(super) refused: Vec<String>,
    pub(super) is_stream: bool,
    /// Its last chunk was not taken yet.
    pub(super) busy: bool,
    /// When a stream was sent something last.
    pub(super) sent_at: Nanos,
}

type Events = Vec<(Ticket, Event)>;

impl Poller {
    /// An answer with what belongs to this poll's.
    fn dress(&self, answer: Answer) -> Answer {
        let answer = answer.with_ignored(self.ignored.as_deref());
        let refused: Vec<_> = self.refused.iter().map(|receipt| header_text(receipt.as_bytes())).collect();
        if refused.is_empty() {
            return answer;
        }
        let named = refused.iter().take(20).cloned().collect::<Vec<_>>().join(",");
        answer.with("shelf-refused", named).with("shelf-refused-count", refused.len())
    }

    /// The answer that there is nothing.
    pub(super) fn in_vain(&self) -> Answer {
        self.dress(Answer::nothing())
    }
}

impl Channel {
    /// Somebody asks for messages: served at once, or put into the line.
    pub(super) fn poll(&mut self, poller: Poller, messages: &[Message], at: &mut Moment, events: &mut Events) {
        let (ticket, at_once) = (poller.ticket, !poller.is_stream && poller.until == at.now);
        self.see(&poller.client, at.now);
        self.line.push(ticket);
        if poller.is_stream {
            let head = poller.dress(Answer::stream(poller.format));
            events.push((ticket, Event::Open(head)));
        }
        self.pollers.push(poller);
        self.serve(messages, at, events);
        if at_once {
            self.end_poll(ticket, at.now, events);
        }
    }

    /// Remembers that a consumer was here.
    fn see(&mut self, name: &str, now: Nanos) {
        match self.clients.iter_mut().find(|client| client.name == name) {
            Some(client) => client.last_seen = now,
            None => self.clients.push(Client { name: name.into(), last_seen: now }),
        }
    }

    /// Whether a consumer waits or holds a message.
    pub(super) fn is_busy(&self, client: &Client) -> bool {
        let holds = |id: &u64| self.slot(*id).client == client.name;
        self.pollers.iter().any(|poller| poller.client == client.name) || self.in_flight_ids().iter().any(holds)
    }

    /// A poll that is still there is answered that there is nothing.
    pub(super) fn end_poll(&mut self, ticket: Ticket, now: Nanos, events: &mut Events) {
        let found = self.pollers.iter().find(|poller| poller.ticket == ticket).map(Poller::in_vain);
        if let Some(answer) = found {
            events.push((ticket, Event::Answer(answer)));
            self.hang_up(ticket, now);
        }
    }

    /// A poller is gone.
    pub(super) fn hang_up(&mut self, ticket: Ticket, now: Nanos) {
        self.line.retain(|other| *other != ticket);
        let Some(index) = self.pollers.iter().position(|poller| poller.ticket == ticket) else { return };
        let poller = self.pollers.remove(index);
        self.see(&poller.client, now);
    }

    /// A stream has room again.
    pub(super) fn chunk_taken(&mut self, ticket: Ticket) {
        if let Some(poller) = self.pollers.iter_mut().find(|poller| poller.ticket == ticket) {
            poller.busy = false;
        }
    }

    /// How many messages a poller may be handed now.
    fn room(&self, poller: &Poller) -> u64 {
        if !poller.is_stream {
            return poller.max;
        }
        let holds = |id: &&u64| self.slot(**id).stream == Some(poller.ticket);
        let held = self.in_flight_ids().iter().filter(holds).count() as u64;
        if poller.busy { 0 } else { poller.max.saturating_sub(held) }
    }

    /// Hands out all that can be, in the order of the line.
    pub(super) fn serve(&mut self, messages: &[Message], at: &mut Moment, events: &mut Events) {
        self.line_up();
        while let Some(&ticket) = self.line.first() {
            if !self.serve_one(ticket, messages, at, events) {
                break;
            }
        }
    }

    /// Puts into the line who has room and is not in it.
    fn line_up(&mut self) {
        let others: Vec<_> = self.pollers.iter().map(|poller| poller.ticket).collect();
        for ticket in std::mem::take(&mut self.released).into_iter().chain(others) {
            let has_room = self.pollers.iter().any(|poller| poller.ticket == ticket && self.room(poller) > 0);
            if has_room && !self.line.contains(&ticket) {
                self.line.push(ticket);
            }
        }
    }

    /// Serves the first in the line. Whether there was anything for it.
    fn serve_one(&mut self, ticket: Ticket, messages: &[Message], at: &mut Moment, events: &mut Events) -> bool {
        let found = self.pollers.iter().find(|poller| poller.ticket == ticket);
        let poller = found.expect("who is in the line is there").clone();
        let timeout = poller.timeout.unwrap_or_else(|| self.timeout(&at.limits));
        let stream = (poller.is_stream && !poller.auto_finish).then_some(ticket);
        let terms = Terms { timeout, client: poller.client.clone(), stream };
        let room = self.room(&poller);
        let mut shown = Vec::new();
        while (shown.len() as u64) < room {
            // What may die is handed out alone.
            let last = shown.last().is_some_and(|last: &Shown| self.is_last_attempt(last.attempts));
            if !shown.is_empty() && (last || self.next_is_last_attempt(at)) {
                break;
            }
            let Some((delivery, attempts)) = self.lease(&terms, at) else { break };
            shown.push(show(delivery, attempts, &messages[delivery.id as usize - 1]));
        }
        if shown.is_empty() {
            return false;
        }
        let handed: Vec<_> = shown.iter().map(|shown| shown.delivery.id).collect();
        self.give(&poller, shown, at, events);
        if poller.auto_finish {
            for id in handed {
                self.finish(id);
            }
        }
        true
    }

    /// Sends a poller what it was handed.
    fn give(&mut self, poller: &Poller, shown: Vec<Shown>, at: &Moment, events: &mut Events) {
        if !poller.is_stream {
            self.hang_up(poller.ticket, at.now);
            return events.push((poller.ticket, Event::Answer(poller.dress(Answer::messages(poller.format, shown)))));
        }
        events.push((poller.ticket, Event::Messages(shown)));
        self.sent(poller.ticket, at);
    }

    /// A stream was sent something: it has to take it before there is more.
    fn sent(&mut self, ticket: Ticket, at: &Moment) {
        self.line.retain(|other| *other != ticket);
        for poller in self.pollers.iter_mut().filter(|poller| poller.ticket == ticket) {
            (poller.busy, poller.sent_at) = (true, at.now);
        }
    }

    /// When the first of those who wait has waited long enough.
    pub(super) fn next_patience(&self) -> Option<Nanos> {
        self.pollers.iter().map(|poller| poller.until).min()
    }

    /// Answers those who have waited long enough.
    pub(super) fn end_waits(&mut self, at: &Moment, events: &mut Events) {
        for poller in self.pollers.clone().into_iter().filter(|poller| poller.until <= at.now) {
            if poller.is_stream {
                self.give_sign_of_life(&poller, at, events);
            } else {
                self.end_poll(poller.ticket, at.now, events);
            }
        }
    }

    /// A stream that was sent nothing for a while is sent nothing in particular, unless it is behind anyway.
    fn give_sign_of_life(&mut self, poller: &Poller, at: &Moment, events: &mut Events) {
        let is_quiet = poller.sent_at + at.limits.heartbeat <= at.now && !poller.busy;
        if is_quiet {
            events.push((poller.ticket, Event::Heartbeat));
            self.sent(poller.ticket, at);
        }
        let from = if is_quiet || poller.busy { at.now } else { poller.sent_at };
        for found in self.pollers.iter_mut().filter(|found| found.ticket == poller.ticket) {
            found.until = from + at.limits.heartbeat;
        }
    }

    /// All that wait here are told that there is nothing to wait for.
    pub(super) fn dismiss(&mut self, answer: &Answer, events: &mut Events) {
        for poller in self.pollers.drain(..) {
            let refusal = || Event::Answer(poller.dress(answer.clone()));
            let event = if poller.is_stream { Event::Close } else { refusal() };
            events.push((poller.ticket, event));
        }
    }
}

fn show(delivery: Delivery, attempts: u16, message: &Message) -> Shown {
    Shown {
        delivery,
        attempts,
        timestamp: message.published,
        key: message.key.clone(),
        headers: message.headers.clone(),
        body: message.body.clone(),
    }
}
