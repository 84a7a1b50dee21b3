//! What can be asked of the broker, and what it answers. Knows no HTTP.

mod stats;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::message::Receipt;
use crate::name::Name;
use crate::time::Time;

pub use stats::{ChannelStats, ClientStats, Filter, Latency, TopicStats};

/// Names one request, so that its answer finds the way back. Chosen by the host, never used twice.
pub type Ticket = u64;

/// A request to one topic.
#[derive(Debug, Serialize, Deserialize)]
pub struct Command<'a> {
    /// The topic it is about.
    pub topic: Name<'a>,
    /// What is to be done.
    pub verb: Verb<'a>,
}

/// What is to be done with a topic.
#[derive(Debug, Serialize, Deserialize)]
pub enum Verb<'a> {
    /// Adds messages, all or none. Creates the topic.
    Publish(Publish<'a>),
    /// Finishes, requeues and touches leased messages of a channel.
    Settle(Settle<'a>),
    /// Looks at messages without leasing them.
    Peek(Peek<'a>),
    /// Creates the topic, or changes the options of the one there is.
    CreateTopic(TopicChanges),
    /// Changes the options of a topic.
    ConfigureTopic(TopicChanges),
    /// Deletes the topic with its channels and messages.
    DeleteTopic,
    /// Drops what the topic has not handed to its channels.
    EmptyTopic,
    /// Stops (or starts) handing messages to the channels.
    PauseTopic(bool),
    /// Waits until all that happened to the topic is in its log, so that the host can copy that.
    Export,
    /// Something that concerns one channel.
    Channel(Name<'a>, ChannelVerb<'a>),
    /// Leases messages, and waits for one. Creates the topic and the channel.
    #[serde(skip)]
    Subscribe(Subscribe<'a>),
}

impl Verb<'_> {
    /// Whether its answer says of messages that they are settled.
    pub fn settles(&self) -> bool {
        match self {
            Verb::Settle(_) => true,
            Verb::Subscribe(subscribe) => subscribe.auto_finish || !subscribe.finish.is_empty(),
            _ => false,
        }
    }

    /// The same, owning what it has.
    pub(crate) fn into_owned(self) -> Verb<'static> {
        match self {
            Verb::Publish(publish) => Verb::Publish(publish.into_owned()),
            Verb::Peek(peek) => Verb::Peek(peek.into_owned()),
            Verb::Channel(channel, verb) => Verb::Channel(channel.into_owned(), verb.into_owned()),
            Verb::CreateTopic(changes) => Verb::CreateTopic(changes),
            Verb::ConfigureTopic(changes) => Verb::ConfigureTopic(changes),
            Verb::DeleteTopic => Verb::DeleteTopic,
            Verb::EmptyTopic => Verb::EmptyTopic,
            Verb::Export => Verb::Export,
            Verb::PauseTopic(paused) => Verb::PauseTopic(paused),
            Verb::Settle(_) | Verb::Subscribe(_) => unreachable!("these never wait for messages to be read"),
        }
    }
}

/// What is to be done with a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ChannelVerb<'a> {
    /// Creates the channel, or changes the options of the one there is. The topic must exist.
    Create(ChannelChanges<'a>),
    /// Changes the options of a channel.
    Configure(ChannelChanges<'a>),
    /// Deletes the channel with all it has.
    Delete,
    /// Drops what is ready, in flight and deferred. Dead letters stay.
    Empty,
    /// Stops (or starts) leasing.
    Pause(bool),
    /// Moves the channel to another place in the topic; its leases and deferrals are dropped.
    Seek(Start),
    /// Makes dead letters ready again: those named, or all.
    Redrive(Option<Vec<u64>>),
    /// Drops the dead letters.
    EmptyDead,
}

impl ChannelVerb<'_> {
    /// The same, owning what it has.
    pub(crate) fn into_owned(self) -> ChannelVerb<'static> {
        match self {
            ChannelVerb::Create(changes) => ChannelVerb::Create(changes.into_owned()),
            ChannelVerb::Configure(changes) => ChannelVerb::Configure(changes.into_owned()),
            ChannelVerb::Delete => ChannelVerb::Delete,
            ChannelVerb::Empty => ChannelVerb::Empty,
            ChannelVerb::Pause(paused) => ChannelVerb::Pause(paused),
            ChannelVerb::Seek(to) => ChannelVerb::Seek(to),
            ChannelVerb::Redrive(ids) => ChannelVerb::Redrive(ids),
            ChannelVerb::EmptyDead => ChannelVerb::EmptyDead,
        }
    }
}

/// Messages to add to a topic.
#[derive(Debug, Serialize, Deserialize)]
pub struct Publish<'a> {
    /// The messages.
    pub messages: Messages<'a>,
    /// The whole batch is accepted once within the window under this key.
    pub dedup: Option<Cow<'a, str>>,
    /// The one message is its producer's with this number: accepted where that is one more than the last.
    pub producer: Option<Numbered<'a>>,
}

/// A producer's name, and the number that it gives a message.
pub type Numbered<'a> = (Cow<'a, str>, u64);

/// The messages of a publish.
#[derive(Debug, Serialize, Deserialize)]
pub enum Messages<'a> {
    /// Each with its own.
    Each(Vec<NewMessage<'a>>),
    /// All with the same options.
    #[serde(skip)]
    Same(SmallVec<[&'a [u8]; 1]>, MessageOptions<'a>),
}

impl Publish<'_> {
    /// The same, owning what it has.
    pub(crate) fn into_owned(self) -> Publish<'static> {
        let messages = match self.messages {
            Messages::Same(bodies, options) => {
                let options = options.into_owned();
                let message = |body: &[u8]| NewMessage {
                    body: Cow::Owned(body.into()),
                    options: options.clone(),
                    dedup: None,
                    producer: None,
                };
                // What borrows from the request cannot be kept, nor be a part of a checkpoint: each message owns its
                // own then.
                bodies.into_iter().map(message).collect()
            }
            Messages::Each(messages) => messages.into_iter().map(NewMessage::into_owned).collect(),
        };
        let producer = self.producer.map(|(name, seq)| (owned(name), seq));
        Publish { messages: Messages::Each(messages), dedup: self.dedup.map(owned), producer }
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// One message with its own options.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewMessage<'a> {
    /// Its bytes.
    pub body: Cow<'a, [u8]>,
    /// Its options.
    pub options: MessageOptions<'a>,
    /// It is accepted once within the window under this key.
    pub dedup: Option<Cow<'a, str>>,
    /// It is its producer's with this number: accepted where that is one more than the last.
    pub producer: Option<Numbered<'a>>,
}

impl NewMessage<'_> {
    fn into_owned(self) -> NewMessage<'static> {
        let (body, options) = (Cow::Owned(self.body.into_owned()), self.options.into_owned());
        let producer = self.producer.map(|(name, seq)| (owned(name), seq));
        NewMessage { body, options, dedup: self.dedup.map(owned), producer }
    }
}

impl MessageOptions<'_> {
    fn into_owned(self) -> MessageOptions<'static> {
        let header = |(name, value): KeptHeader<'_>| (owned(name), Cow::Owned(value.into_owned()));
        MessageOptions {
            defer: self.defer,
            ttl: self.ttl,
            key: self.key.map(owned),
            headers: self.headers.into_iter().map(header).collect(),
        }
    }
}

/// What may be said of a message beside its bytes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MessageOptions<'a> {
    /// Not delivered before this long from now.
    pub defer: Option<Duration>,
    /// Not delivered after this long from now.
    pub ttl: Option<Duration>,
    /// The ordering key.
    pub key: Option<Cow<'a, str>>,
    /// Kept with the message and given back on delivery; lower-case names, in the order they came.
    pub headers: Vec<KeptHeader<'a>>,
}

/// The name and the value of a header that is kept with a message.
pub type KeptHeader<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// A consumer asking a channel for messages.
#[derive(Debug)]
pub struct Subscribe<'a> {
    /// The channel.
    pub channel: Name<'a>,
    /// At most so many at once: in the answer, or, for a stream, in flight.
    pub max: u32,
    /// About so many bytes of messages at once: an answer ends before the message that would exceed it, but has at
    /// least one.
    pub max_bytes: usize,
    /// How long to wait for the first. Streams wait for ever.
    pub wait: Duration,
    /// How long the leases last; the channel's timeout where it is not said.
    pub timeout: Option<Duration>,
    /// Finish the messages as they are handed out.
    pub auto_finish: bool,
    /// Finish these first.
    pub finish: Vec<ReceiptText<'a>>,
    /// The consumer's name for itself.
    pub client: Option<Cow<'a, str>>,
    /// The address it calls from, `ip:port`, or empty.
    pub peer: &'a str,
    /// Messages keep coming until the consumer hangs up.
    pub stream: bool,
}

/// A receipt as the consumer wrote it: its text, and what it says where it says anything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiptText<'a> {
    /// As it came.
    pub text: Cow<'a, str>,
    /// What it says; `None` where it is no receipt.
    pub receipt: Option<Receipt>,
}

impl ReceiptText<'_> {
    /// The receipt, or why it is refused.
    pub(crate) fn read(&self) -> Result<Receipt, Refused> {
        self.receipt.ok_or(Refused::Malformed)
    }
}

/// Leased messages to finish, requeue and touch.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settle<'a> {
    /// The channel that leased them.
    pub channel: Name<'a>,
    /// To finish.
    pub finish: Vec<ReceiptText<'a>>,
    /// To put back, each after a delay.
    pub requeue: Vec<(ReceiptText<'a>, Duration)>,
    /// To lease for longer: so long from now, or the channel's timeout.
    pub touch: Vec<(ReceiptText<'a>, Option<Duration>)>,
}

/// What to look at.
#[derive(Debug, Serialize, Deserialize)]
pub struct Peek<'a> {
    /// The channel; without one, the messages that the topic keeps.
    pub channel: Option<Name<'a>>,
    /// From this id on.
    pub from: u64,
    /// At most so many.
    pub max: u32,
    /// About so many bytes of messages, likewise, but at least one.
    pub max_bytes: usize,
    /// The messages of a channel in this state.
    pub state: State,
}

impl Peek<'_> {
    /// The same, owning what it has.
    pub(crate) fn into_owned(self) -> Peek<'static> {
        Peek { channel: self.channel.map(Name::into_owned), ..self }
    }
}

/// Where a message of a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Waiting for a consumer.
    Ready,
    /// Leased.
    InFlight,
    /// Waiting for its time.
    Deferred,
    /// A dead letter.
    Dead,
}

/// A place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The oldest message that the topic keeps.
    Earliest,
    /// The next message to be published.
    Latest,
    /// The message with this id, or the next after it.
    Id(u64),
    /// The first message published at this time or later.
    Time(Time),
}

/// What a full topic does with a publish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// Refuses it.
    #[default]
    Reject,
    /// Drops the oldest messages to make room.
    DropOldest,
}

/// The options of a topic. Zero means none or no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicOptions {
    /// How long a message is kept for replay after all channels finished it.
    pub retain: Duration,
    /// How many bytes of messages are kept for replay. With `retain` too, the stricter one holds.
    pub retain_bytes: u64,
    /// The longest backlog of a channel, in bytes of bodies.
    pub max_bytes: u64,
    /// The longest backlog of a channel, in messages.
    pub max_messages: u64,
    /// What happens at the limit.
    pub overflow: Overflow,
    /// How long dedup keys are remembered; zero for the broker's default.
    pub dedup_window: Duration,
}

/// Options of a topic to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TopicChanges {
    /// See [`TopicOptions::retain`].
    pub retain: Option<Duration>,
    /// See [`TopicOptions::retain_bytes`].
    pub retain_bytes: Option<u64>,
    /// See [`TopicOptions::max_bytes`].
    pub max_bytes: Option<u64>,
    /// See [`TopicOptions::max_messages`].
    pub max_messages: Option<u64>,
    /// See [`TopicOptions::overflow`].
    pub overflow: Option<Overflow>,
    /// How long a `dedup` key is remembered.
    pub dedup_window: Option<Duration>,
}

/// The options of a channel. Zero means the broker's default or no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelOptions {
    /// How long a lease lasts.
    pub timeout: Duration,
    /// After so many failed deliveries a message is a dead letter.
    pub max_attempts: u16,
    /// At most so many messages are leased at once.
    pub max_in_flight: u32,
    /// Messages with the same key are delivered one after another.
    pub ordered: bool,
    /// Dead letters are moved to this topic.
    pub dead_letter: Option<Name<'static>>,
}

/// Options of a channel to change; `None` leaves one as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChannelChanges<'a> {
    /// Where a new channel starts. By default the first channel takes the topic's backlog and later
    /// ones start with what comes next.
    pub start: Option<Start>,
    /// See [`ChannelOptions::timeout`].
    pub timeout: Option<Duration>,
    /// See [`ChannelOptions::max_attempts`].
    pub max_attempts: Option<u16>,
    /// See [`ChannelOptions::max_in_flight`].
    pub max_in_flight: Option<u32>,
    /// See [`ChannelOptions::ordered`].
    pub ordered: Option<bool>,
    /// See [`ChannelOptions::dead_letter`]; `Some(None)` takes it away.
    pub dead_letter: Option<Option<Name<'a>>>,
}

impl ChannelChanges<'_> {
    fn into_owned(self) -> ChannelChanges<'static> {
        ChannelChanges {
            start: self.start,
            timeout: self.timeout,
            max_attempts: self.max_attempts,
            max_in_flight: self.max_in_flight,
            ordered: self.ordered,
            dead_letter: self.dead_letter.map(|topic| topic.map(Name::into_owned)),
        }
    }
}

/// What the API wants back with the answer to a request. The broker keeps it and does not look inside.
/// It is kept beside each request that waits, so that it is small.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// How the answer is to be written.
    pub view: u8,
    /// It settles: what it says is done is not to be undone by the end of the process.
    pub settles: bool,
    /// Names of parameters that nobody knew.
    pub ignored: Option<Box<str>>,
}

/// The broker's answer to a [`Command`].
#[derive(Debug)]
pub enum Reply {
    /// Done, and there is nothing to tell.
    Done,
    /// The messages are kept.
    Published(Published),
    /// No message came in time.
    Nothing,
    /// What became of each receipt.
    Settled(Settled),
    /// The channel's next message has this id.
    Position(u64),
    /// So many messages were moved or dropped.
    Count(u64),
    /// The messages that were asked for, and where to go on where there may be more: the id to look from.
    Peeked(Vec<Peeked>, Option<u64>),
}

/// What a publish did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The id of the first message; zero where there was none.
    pub first: u64,
    /// How many messages were added; of a batch that was accepted before, how many were then.
    pub count: u32,
    /// Nothing was added, for the dedup keys were known.
    pub duplicate: bool,
    /// The life of the topic's log: another one means that it began anew. `None` where the topic has none.
    pub log: Option<u64>,
}

/// A message that was just leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What settles it, its message's id included.
    pub receipt: Receipt,
    /// How often it has been delivered, this time included.
    pub attempts: u16,
    /// Where the topic's log has it.
    pub(crate) chunk: u64,
}

/// What a settle did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// So many were finished.
    pub finished: u32,
    /// So many were put back.
    pub requeued: u32,
    /// So many were leased for longer.
    pub touched: u32,
    /// The receipts that were refused, in the order given.
    pub refused: Vec<(String, Refused)>,
}

/// Why a receipt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// It is not a receipt.
    Malformed,
    /// The message is finished, dropped or dead, or never was.
    NotInFlight,
    /// The lease ran out (to requeue and touch, that is too late).
    LeaseExpired,
    /// The message has been handed to somebody else since.
    LeasedAgain,
}

/// A message that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Its id.
    pub id: u64,
    /// Where it is; `None` when a topic was looked at, not a channel.
    pub state: Option<State>,
    /// How often it has been delivered.
    pub attempts: u16,
    /// When its state ends by itself: the lease's end or the deferral's.
    pub until: Option<Time>,
    /// It is only in a log: what follows is not known here.
    pub absent: bool,
    /// When it was published.
    pub timestamp: Time,
    /// Its ordering key.
    pub key: Option<String>,
    /// The headers kept with it.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// Why the broker did not do what a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such topic.
    TopicNotFound,
    /// There is no such channel.
    ChannelNotFound,
    /// The backlog is at its limit.
    TopicFull,
    /// The number that a producer gives the message is not one more than the last that was accepted, which is this.
    SeqGap {
        /// The last number that was accepted.
        last: u64,
    },
    /// The topic knows as many producers as it can.
    TooManyProducers,
    /// There is no message with this id yet.
    PastEnd,
    /// The topic's log is in no files.
    NoLogFiles,
    /// The broker is going down.
    Exiting,
    /// Nobody serves the topic at this moment.
    NoOwner,
    /// What is not durable yet is too much already.
    Overloaded,
    /// Messages are there that cannot be read back now.
    StorageUnreadable,
    /// Whether it was kept cannot be known now.
    StorageUnknown,
    /// There is no room on the disk.
    StorageFull,
    /// The topic's log could not be written, and takes nothing more until the topic is opened again.
    StorageFailed,
}

/// What is wrong with a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicUnwell {
    /// In a sentence that names it.
    pub why: String,
    /// Since when.
    pub since: Time,
    /// What that means for it.
    pub state: TopicTrouble,
}

/// What it means for a topic that something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicTrouble {
    /// All takes longer.
    Slow,
    /// There is no room for what would be published to it: that is refused.
    Full,
    /// Its log cannot be written for now: what would be published to it is refused.
    Stalled,
    /// Its log cannot be opened: it is not served, and not made anew either.
    SetAside,
}
