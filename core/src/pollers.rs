//! Requests that wait for messages: long polls, answered once, and streams, which go on.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::by_id::IdSet;
use crate::channel::{ClientId, Terms};
use crate::command::{Context, Refused, Ticket};
use crate::ids::{ChannelId, PollerId, TopicId};
use crate::list::{Linked, Links};
use crate::schedule::{Handle, Schedule};
use crate::slab::{Key, Slab};
use crate::time::Time;

/// All that wait, whatever for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pollers {
    /// Those that wait, and streams that are closed and have messages in flight. Their places are not taken meanwhile:
    /// entries name them, and another poller would be told that its messages are settled.
    pub(crate) slab: Slab<Poller, PollerId>,
    /// Invariant: all that are not closed, each by its ticket.
    #[serde(skip)]
    tickets: HashMap<Ticket, PollerId, foldhash::fast::FixedState>,
    /// Invariant: what falls due here is not closed, and has the handle of its timer.
    timers: Schedule<PollerId>,
    /// Those that are streams and not closed.
    #[serde(skip)]
    streams: IdSet,
}

/// One that waits. Kept small, for there may be many.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Poller {
    pub(crate) ticket: Ticket,
    pub(crate) topic: TopicId,
    pub(crate) channel: ChannelId,
    pub(crate) max: u32,
    /// Bytes of messages that one answer may have.
    max_bytes: u32,
    pub(crate) client: ClientId,
    /// Nanoseconds; zero for the channel's own.
    timeout: u64,
    /// Its place in its channel's line, as long as `in_line` says that it is there.
    links: Links,
    timer: Option<Handle>,
    pub(crate) auto_finish: bool,
    /// See [`Context`].
    settles: bool,
    /// Whether it stands in its channel's line.
    pub(crate) in_line: bool,
    /// How its answer is to be written: [`Context::view`], which means nothing here.
    view: u8,
    extra: Option<Box<Extra>>,
}

/// What few of them have.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Extra {
    ignored: Option<Box<str>>,
    refused: Vec<(String, Refused)>,
    stream: Option<Stream>,
}

/// An answer that goes on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// Messages it was sent that are not settled, or whose settling the broker has yet to be told of. None of a stream
    /// that finishes as it sends.
    pub(crate) in_flight: u32,
    /// Its last chunk was not taken yet.
    pub(crate) busy: bool,
    /// When it was sent something last.
    pub(crate) sent_at: Time,
    /// Its consumer is gone. It is kept until its messages are settled.
    pub(crate) closed: bool,
}

impl Linked for Poller {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// What a request that waits is made of.
pub(crate) struct Waiting {
    pub(crate) ticket: Ticket,
    pub(crate) topic: TopicId,
    pub(crate) channel: ChannelId,
    pub(crate) max: u32,
    pub(crate) max_bytes: usize,
    pub(crate) client: ClientId,
    pub(crate) timeout: Option<Duration>,
    pub(crate) auto_finish: bool,
    pub(crate) context: Context,
    pub(crate) refused: Vec<(String, Refused)>,
    pub(crate) stream: bool,
}

impl Poller {
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.extra.as_ref()?.stream.as_ref()
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.extra.as_mut()?.stream.as_mut()
    }

    /// How many messages it may be handed now.
    pub(crate) fn room(&self) -> u32 {
        match self.stream() {
            Some(stream) if stream.busy || stream.closed => 0,
            Some(stream) => self.max.saturating_sub(stream.in_flight),
            None => self.max,
        }
    }

    /// How many bytes one answer to it may have.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_bytes as usize
    }

    pub(crate) fn terms(&self, number: PollerId) -> Terms {
        let timeout = (self.timeout > 0).then(|| Duration::from_nanos(self.timeout));
        // What is finished as it is handed out is never in flight with the stream: nothing is counted, nor released.
        let stream = self.stream().filter(|_| !self.auto_finish).map(|_| number);
        Terms { timeout, client: self.client, stream }
    }

    /// What goes back with the answer.
    pub(crate) fn take_context(&mut self) -> (Context, Vec<(String, Refused)>) {
        let extra = self.extra.as_mut();
        let (ignored, refused) =
            extra.map_or((None, Vec::new()), |extra| (extra.ignored.take(), core::mem::take(&mut extra.refused)));
        (Context { view: self.view, settles: self.settles, ignored }, refused)
    }
}

impl Pollers {
    /// What is not in a checkpoint, and follows from what is; `None` where that is nothing they can have come to.
    pub(crate) fn restored(&mut self) -> Option<()> {
        if !self.slab.is_sound() || !self.timers.is_sound() {
            return None;
        }
        let mut timers = 0;
        for (number, poller) in self.slab.iter() {
            let is_closed = poller.stream().is_some_and(|stream| stream.closed);
            if let Some(timer) = poller.timer {
                self.timers.get(timer).filter(|(_, of)| **of == number && !is_closed)?;
                timers += 1;
            }
            if !is_closed {
                self.tickets.insert(poller.ticket, number);
                if poller.stream().is_some() {
                    self.streams.insert(number.number().into());
                }
            }
        }
        (timers == self.timers.len()).then_some(())
    }

    /// Adds one that waits until `until`, or gives a sign of life then, and every time it is told to.
    pub(crate) fn add(&mut self, waiting: Waiting, until: Time) -> PollerId {
        let stream = waiting.stream.then(Stream::default);
        let extra = Extra { ignored: waiting.context.ignored, refused: waiting.refused, stream };
        let is_plain = extra.ignored.is_none() && extra.refused.is_empty() && extra.stream.is_none();
        let number = self.slab.insert(Poller {
            ticket: waiting.ticket,
            topic: waiting.topic,
            channel: waiting.channel,
            max: waiting.max,
            max_bytes: u32::try_from(waiting.max_bytes).unwrap_or(u32::MAX),
            client: waiting.client,
            timeout: waiting.timeout.map_or(0, |timeout| timeout.as_nanos() as u64),
            links: Links::default(),
            timer: None,
            auto_finish: waiting.auto_finish,
            settles: waiting.context.settles,
            in_line: false,
            view: waiting.context.view,
            extra: (!is_plain).then(|| Box::new(extra)),
        });
        self.tickets.insert(waiting.ticket, number);
        if waiting.stream {
            self.streams.insert(number.number().into());
        }
        self.set_timer(number, until);
        number
    }

    pub(crate) fn find(&self, ticket: Ticket) -> Option<PollerId> {
        self.tickets.get(&ticket).copied()
    }

    /// The numbers of all that are not closed.
    pub(crate) fn numbers(&self) -> Vec<PollerId> {
        // A hash table has another order after a checkpoint; what is answered in which order has to be the same.
        let mut numbers: Vec<PollerId> = self.tickets.values().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// The streams of a channel.
    pub(crate) fn streams_of(&self, topic: TopicId, channel: ChannelId) -> Vec<PollerId> {
        let here = |number: &PollerId| {
            let poller = &self.slab[*number];
            (poller.topic, poller.channel) == (topic, channel)
        };
        self.streams.iter().map(|number| PollerId::of(number as u32)).filter(here).collect()
    }

    /// Wakes it at this time. It must have no timer now: one that is overwritten would still fall due, perhaps for
    /// whoever has the number by then.
    pub(crate) fn set_timer(&mut self, number: PollerId, at: Time) {
        self.slab[number].timer = Some(self.timers.insert(at, number));
    }

    pub(crate) fn unset_timer(&mut self, number: PollerId) {
        if let Some(timer) = self.slab[number].timer.take() {
            self.timers.remove(timer);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Time> {
        self.timers.next()
    }

    /// All timers fall due so much sooner: the clock that set them was wrong.
    pub(crate) fn shift_timers(&mut self, by: Duration) {
        // In an order that is the same wherever this runs. Closed ones have no timer.
        let numbers: Vec<PollerId> = self.slab.iter().map(|(number, _)| number).collect();
        for number in numbers {
            if let Some(timer) = self.slab[number].timer {
                let at = self.timers.deadline(timer) - by;
                self.unset_timer(number);
                self.set_timer(number, at);
            }
        }
    }

    /// One whose time has come.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<PollerId> {
        let number = self.timers.pop_due(now)?;
        self.slab[number].timer = None;
        Some(number)
    }

    /// Takes one out. A stream some of whose messages are not settled stays, closed.
    pub(crate) fn remove(&mut self, number: PollerId) {
        self.unset_timer(number);
        let poller = &mut self.slab[number];
        self.tickets.remove(&poller.ticket);
        self.streams.remove(number.number().into());
        match poller.stream_mut() {
            // Entries in flight still name this number: [`Pollers::release`] takes it out with the last of them.
            Some(stream) if stream.in_flight > 0 => stream.closed = true,
            _ => {
                self.slab.remove(number);
            }
        }
    }

    /// A stream's message was settled. Whether the stream goes on.
    pub(crate) fn release(&mut self, number: PollerId) -> bool {
        let Some(stream) = self.slab.get_mut(number).and_then(Poller::stream_mut) else { return false };
        stream.in_flight = stream.in_flight.saturating_sub(1);
        if stream.closed && stream.in_flight == 0 {
            self.slab.remove(number);
            return false;
        }
        !stream.closed
    }
}
