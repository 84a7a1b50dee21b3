//! The words of the query string: every parameter, its shape, what it means, and the codes that go with it.
//! The [route table](super::routes) says which path takes which.

use super::errors::Code;

/// A parameter of the query string.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// What holds where it is not given, if anything definite does.
    pub default: Option<&'static str>,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Whether nsqd does not have it.
    pub beyond_nsq: bool,
    /// The error where it is not given; `None` where it need not be.
    pub missing: Option<Code>,
    /// The error where its value is not of the shape, or out of range.
    pub invalid: Code,
}

/// What the value of a parameter looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// The name of a topic or a channel.
    Name,
    /// Any text of at most so many bytes.
    Text(u16),
    /// `1500` (milliseconds), `500ms`, `30s`, `5m`, `2h`, `7d`, `1h30m`.
    Duration,
    /// A number from one bound to the other.
    Number(u64, u64),
    /// `true`, `false`, `1` or `0`, in either case.
    Boolean,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A message id: 16 hex digits.
    Id,
    /// Message ids: a comma list, or repeated.
    Ids,
    /// Receipts: a comma list, or repeated.
    Receipts,
    /// `earliest`, `latest`, a message id or an RFC 3339 time.
    Place,
}

impl Param {
    const fn new(name: &'static str, shape: Shape, meaning: &'static str) -> Param {
        Param { name, shape, default: None, meaning, beyond_nsq: false, missing: None, invalid: Code::InvalidRequest }
    }

    /// A parameter that nsqd does not have.
    const fn plus(name: &'static str, shape: Shape, invalid: Code, meaning: &'static str) -> Param {
        Param { beyond_nsq: true, ..Param::new(name, shape, meaning).or(invalid) }
    }

    const fn or(self, invalid: Code) -> Param {
        Param { invalid, ..self }
    }

    const fn required(self, missing: Code) -> Param {
        Param { missing: Some(missing), ..self }
    }

    const fn default(self, default: &'static str) -> Param {
        Param { default: Some(default), ..self }
    }
}

const U64: Shape = Shape::Number(0, u64::MAX);

/// The topic, where nsqd says `INVALID_TOPIC`.
pub static TOPIC: Param =
    Param::new("topic", Shape::Name, "The topic.").required(Code::MissingArgTopic).or(Code::InvalidTopic);
/// The topic, where nsqd says `INVALID_ARG_TOPIC`.
pub static ARG_TOPIC: Param =
    Param::new("topic", Shape::Name, "The topic.").required(Code::MissingArgTopic).or(Code::InvalidArgTopic);
/// The topic, where nsqd does not check its name: one that cannot be is one that is not there.
pub static KNOWN_TOPIC: Param =
    Param::new("topic", Shape::Name, "The topic.").required(Code::MissingArgTopic).or(Code::TopicNotFound);
/// The topic, where any text will do.
pub static ANY_TOPIC: Param = Param::new("topic", Shape::Text(u16::MAX), "The topic.").required(Code::MissingArgTopic);
/// The channel.
pub static CHANNEL: Param =
    Param::new("channel", Shape::Name, "The channel.").required(Code::MissingArgChannel).or(Code::InvalidArgChannel);
/// The channel, where it may be left out.
pub static PEEK_CHANNEL: Param = Param::plus(
    "channel",
    Shape::Name,
    Code::InvalidArgChannel,
    "The channel; without one, the messages that the topic keeps.",
);

/// Publish later.
pub static DEFER: Param = Param::new("defer", Shape::Duration, "Not delivered before this long from now.")
    .or(Code::InvalidDefer)
    .default("0");
/// The ordering key.
pub static KEY: Param =
    Param::plus("key", Shape::Text(256), Code::InvalidKey, "The ordering key, for channels that are ordered.");
/// Accept once.
pub static DEDUP: Param = Param::plus(
    "dedup",
    Shape::Text(256),
    Code::InvalidDedup,
    "Accepted once within the window under this key, compared byte by byte; the Idempotency-Key header says the same.",
);
/// Who numbers its messages.
pub static PRODUCER: Param = Param::plus(
    "producer",
    Shape::Text(256),
    Code::InvalidProducer,
    "Whose message this is: of each producer, a message is accepted once and in order, by its seq.",
);
/// The number that a producer gives a message.
pub static SEQ: Param = Param::plus(
    "seq",
    U64,
    Code::InvalidSeq,
    "The number of the producer's message: one more than the last that was accepted; of a new producer, any.",
);
/// Time to live.
pub static TTL: Param =
    Param::plus("ttl", Shape::Duration, Code::InvalidTtl, "Not delivered after this long from now.");
/// The binary form of a batch. nsqd takes any value but `false` and `0` for true.
pub static BINARY: Param =
    Param::new("binary", Shape::Boolean, "The body is a batch in the binary form.").default("false");

/// How many messages to lease.
pub static MAX: Param = Param::plus(
    "max",
    Shape::Number(1, 10_000),
    Code::InvalidMax,
    "Messages at most in one answer; of a stream, in flight.",
)
.default("1");
/// How many messages to look at.
pub static PEEK_MAX: Param =
    Param::plus("max", Shape::Number(1, 10_000), Code::InvalidMax, "Messages at most.").default("100");
/// The long poll.
pub static WAIT: Param = Param::plus(
    "wait",
    Shape::Duration,
    Code::InvalidWait,
    "Answer as soon as one message is there; 204 when none came for so long. 0 answers at once.",
)
.default("25s");
/// The lease of a subscribe.
pub static TIMEOUT: Param = Param::plus(
    "timeout",
    Shape::Duration,
    Code::InvalidTimeout,
    "How long the lease lasts before the message is delivered again; by default the channel's.",
);
/// Automatic finishing.
pub static ACK: Param = Param::plus(
    "ack",
    Shape::Word(&["explicit", "auto"]),
    Code::InvalidAck,
    "auto: finished as it is handed out (at most once).",
)
.default("explicit");
/// Ack and fetch.
pub static FIN: Param = Param {
    beyond_nsq: true,
    ..Param::new(
        "fin",
        Shape::Receipts,
        "Receipts of earlier messages, finished first: ack and fetch in one round trip.",
    )
};
/// How much of an answer.
pub static ANSWER_BYTES: Param = Param::plus(
    "max_bytes",
    Shape::Number(1, 64 << 20),
    Code::InvalidMaxBytes,
    "The answer ends before the message that would make it longer, but has at least one.",
)
.default("8388608");
/// The format of the messages.
pub static FORMAT: Param = Param::plus(
    "format",
    Shape::Word(&["raw", "json", "ndjson", "sse", "frames"]),
    Code::InvalidFormat,
    "How the messages are written; the Accept header says the same. By default raw for max=1, else json.",
);
/// The consumer's name.
pub static CLIENT: Param =
    Param::plus("client", Shape::Text(256), Code::InvalidClient, "A name for this consumer, shown in /stats.");
/// Streaming.
pub static STREAM: Param = Param::plus(
    "stream",
    Shape::Boolean,
    Code::InvalidStream,
    "With ndjson: the answer stays open and messages keep coming. sse always does.",
)
.default("false");

/// What to settle.
pub static RECEIPT: Param = Param {
    beyond_nsq: true,
    ..Param::new("receipt", Shape::Receipts, "The receipts, here or in the body, one a line or between commas.")
        .required(Code::MissingArgReceipt)
};
/// Requeue later.
pub static REQ_DEFER: Param = Param::plus(
    "defer",
    Shape::Duration,
    Code::InvalidDefer,
    "Delivered again after this long; cut to max-req-timeout, as nsqd does.",
)
.default("0");
/// The lease of a touch.
pub static TOUCH_TIMEOUT: Param = Param::plus(
    "timeout",
    Shape::Duration,
    Code::InvalidTimeout,
    "How long the lease lasts from now; by default the channel's.",
);

/// Where a new channel starts.
pub static START: Param = Param::plus(
    "start",
    Shape::Place,
    Code::InvalidStart,
    "Where a new channel starts; by default the first takes the topic's backlog, later ones what comes next.",
);
/// Where a seek goes.
pub static TO: Param =
    Param::plus("to", Shape::Place, Code::InvalidTo, "The place to replay from.").required(Code::MissingArgTo);
/// A channel's lease.
pub static CHANNEL_TIMEOUT: Param = Param::plus(
    "timeout",
    Shape::Duration,
    Code::InvalidTimeout,
    "How long the channel's leases last; 0: as long as the broker's.",
);
/// A channel's patience.
pub static MAX_ATTEMPTS: Param = Param::plus(
    "max_attempts",
    Shape::Number(0, u16::MAX as u64),
    Code::InvalidMaxAttempts,
    "After so many failed deliveries a message is a dead letter; 0: never.",
);
/// A channel's width.
pub static MAX_IN_FLIGHT: Param = Param::plus(
    "max_in_flight",
    Shape::Number(0, u32::MAX as u64),
    Code::InvalidMaxInFlight,
    "At most so many messages are leased at once; 0: no limit.",
);
/// A channel's order.
pub static ORDERED: Param = Param::plus(
    "ordered",
    Shape::Boolean,
    Code::InvalidOrdered,
    "Messages with the same key are delivered one after another.",
);
/// Where dead letters go.
pub static DEAD_LETTER: Param = Param::plus(
    "dead_letter",
    Shape::Name,
    Code::InvalidDeadLetter,
    "The topic that dead letters are published to; empty: they stay with the channel.",
);

/// Retention by age.
pub static RETAIN: Param = Param::plus(
    "retain",
    Shape::Duration,
    Code::InvalidRetain,
    "How long messages are kept after all channels finished them, so that a channel can start in the past.",
);
/// Retention by size.
pub static RETAIN_BYTES: Param = Param::plus(
    "retain_bytes",
    U64,
    Code::InvalidRetainBytes,
    "How many bytes of messages are kept likewise; with retain too, the stricter one holds.",
);
/// The limit in bytes.
pub static MAX_BYTES: Param = Param::plus(
    "max_bytes",
    U64,
    Code::InvalidMaxBytes,
    "The longest backlog of a channel, in bytes of bodies; 0: no limit.",
);
/// The limit in messages.
pub static MAX_MESSAGES: Param = Param::plus(
    "max_messages",
    U64,
    Code::InvalidMaxMessages,
    "The longest backlog of a channel, in messages; 0: no limit.",
);
/// How long dedup keys are remembered.
pub static DEDUP_WINDOW: Param = Param::plus(
    "dedup_window",
    Shape::Duration,
    Code::InvalidDedupWindow,
    "How long a dedup key is remembered, up to 24h.",
)
.default("5m");
/// What happens at the limit.
pub static OVERFLOW: Param = Param::plus(
    "overflow",
    Shape::Word(&["reject", "drop_oldest"]),
    Code::InvalidOverflow,
    "What a full topic does with a publish.",
);

/// Which dead letters.
pub static DEAD_IDS: Param =
    Param::plus("id", Shape::Ids, Code::InvalidId, "Only the dead letters with these ids; by default all.");
/// Where to look from.
pub static FROM: Param =
    Param::plus("from", Shape::Id, Code::InvalidFrom, "From this message id on.").default("0000000000000000");
/// What to look at.
pub static STATE: Param = Param::plus(
    "state",
    Shape::Word(&["ready", "in_flight", "deferred", "dead"]),
    Code::InvalidState,
    "The channel's messages in this state.",
)
.default("ready");

/// The form of the statistics.
pub static STATS_FORMAT: Param =
    Param::new("format", Shape::Word(&["text", "json"]), "json, or else text.").default("text");
/// One topic's statistics.
pub static STATS_TOPIC: Param = Param::new("topic", Shape::Text(u16::MAX), "Only this topic.");
/// One channel's statistics.
pub static STATS_CHANNEL: Param =
    Param::new("channel", Shape::Text(u16::MAX), "Only this channel, and only topics that have it.");
/// Statistics with consumers.
pub static INCLUDE_CLIENTS: Param =
    Param::new("include_clients", Shape::Boolean, "List the consumers.").default("true");
/// Statistics with memory.
pub static INCLUDE_MEM: Param = Param::new("include_mem", Shape::Boolean, "Tell of memory.").default("true");
/// Topics whose names have a text in them.
pub static STATS_SEARCH: Param = Param::plus(
    "search",
    Shape::Text(64),
    Code::InvalidSearch,
    "Only topics with this in their names; large and small letters are the same.",
);
/// The order of topics.
pub static STATS_SORT: Param = Param::plus(
    "sort",
    Shape::Word(&["name", "depth", "in_flight", "deferred", "dead", "messages"]),
    Code::InvalidSort,
    "By what topics are ordered; equal ones come by name.",
)
.default("name");
/// The direction of the order of topics.
pub static STATS_ORDER: Param = Param::plus(
    "order",
    Shape::Word(&["asc", "desc"]),
    Code::InvalidOrder,
    "asc: from the least; desc: from the greatest.",
)
.default("asc");
/// Topics passed over.
pub static STATS_OFFSET: Param = Param::plus(
    "offset",
    Shape::Number(0, 4_294_967_295),
    Code::InvalidOffset,
    "How many topics of that order are passed over.",
)
.default("0");
/// Topics at most.
pub static STATS_MAX: Param =
    Param::plus("max", Shape::Number(1, 10_000), Code::InvalidMax, "Topics at most; by default all.");
/// A node of the directory.
pub static NODE: Param = Param::new("node", Shape::Text(u16::MAX), "The node, as broadcast_address:http_port.")
    .required(Code::MissingArgNode);
