//! Where one message is in a channel, and what keeps it there.

use alloc::string::{String, ToString};

use serde::Serialize;

use super::Channel;
use super::departed::{Entry, State};
use crate::message::Receipt;
use crate::time::Time;

/// Where a message is in a channel. Ids are numbers, times nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum MessageState {
    /// The topic has not handed it over.
    InTopic,
    /// Waiting for a consumer, as it was published.
    Backlog,
    /// Waiting for a consumer, for another time.
    Ready {
        /// How often it was delivered.
        attempts: u16,
    },
    /// A consumer has it.
    InFlight {
        /// How often it was delivered, this time included.
        attempts: u16,
        /// What settles it.
        receipt: String,
        /// Who has it: the name it gives itself, or its host.
        client: String,
        /// The address that it called from last.
        address: String,
        /// When the lease ends.
        until: Time,
    },
    /// Waiting for its time.
    Deferred {
        /// How often it was delivered.
        attempts: u16,
        /// When that comes.
        until: Time,
    },
    /// Behind another message of its key.
    Held {
        /// The first message of the key.
        behind: u64,
    },
    /// A dead letter.
    Dead {
        /// How often it was delivered.
        attempts: u16,
    },
    /// Finished, expired, dropped, or never for this channel.
    Done,
}

/// A channel, as far as it matters to one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelTrace {
    /// The channel.
    pub channel: String,
    /// Where the message is.
    #[serde(flatten)]
    pub place: MessageState,
    /// The next message that the channel reads of its backlog.
    pub reads_next: u64,
    /// It leases nothing.
    pub paused: bool,
    /// Messages leased.
    pub in_flight: u32,
    /// How many may be leased at once; zero for no limit.
    pub max_in_flight: u32,
    /// Polls and streams that wait.
    pub waiting: u32,
    /// Where its dead letters go.
    pub dead_letter: Option<String>,
}

impl Channel {
    /// Where this message is.
    pub(crate) fn trace(&self, id: u64, high_watermark: u64) -> ChannelTrace {
        ChannelTrace {
            channel: self.name.as_str().into(),
            place: self.place(id, high_watermark),
            reads_next: self.backlog.id(),
            paused: self.paused,
            in_flight: self.departed.in_flight(),
            max_in_flight: self.options.max_in_flight,
            waiting: self.pollers.len(),
            dead_letter: self.options.dead_letter.as_ref().map(|topic| topic.as_str().into()),
        }
    }

    fn place(&self, id: u64, high_watermark: u64) -> MessageState {
        // Entries stand on either side of the cursor, and some in gaps: nothing else tells where they are.
        if let Some(entry) = self.departed.entry(id) {
            return self.place_of_entry(entry);
        }
        match id {
            id if id >= high_watermark => MessageState::InTopic,
            id if self.backlog.is_ahead(id) => MessageState::Backlog,
            // Before the cursor, or in a gap: why it is done with is not kept.
            _ => MessageState::Done,
        }
    }

    fn place_of_entry(&self, entry: &Entry) -> MessageState {
        let attempts = entry.attempts;
        let until = self.departed.until(entry).unwrap_or_default();
        match entry.state() {
            State::InFlight(_) => {
                let (client, address) = self.departed.clients.names(entry.client);
                let receipt = Receipt { id: entry.id, delivery: entry.delivery }.to_string();
                MessageState::InFlight { attempts, receipt, client: client.into(), address: address.into(), until }
            }
            State::Deferred(_) => MessageState::Deferred { attempts, until },
            State::Ready => MessageState::Ready { attempts },
            State::Held => MessageState::Held { behind: self.departed.first_of_key(entry).unwrap_or_default() },
            State::Dead => MessageState::Dead { attempts },
        }
    }
}
