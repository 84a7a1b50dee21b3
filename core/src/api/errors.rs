//! Every error code, its status and its sentence, in one table.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use super::values;
use crate::command::Refusal;
use crate::config::Limits;

/// Writes the table out as the enum and what can be asked of it.
macro_rules! codes {
    ($($variant:ident $text:literal $status:literal $sentence:literal;)*) => {
        /// An error code of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`, with status ", $status, ".")] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the table.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// The code as it stands in the body: `TOPIC_NOT_FOUND`.
            pub const fn text(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The HTTP status it comes with.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// What a person can do about it, where no more is known than the code.
            pub const fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence,)* }
            }
        }
    };
}

codes! {
    // Any request.
    InvalidRequest "INVALID_REQUEST" 400 "The query string is malformed: check its percent-escapes, which are UTF-8, and write `;` as %3B.";
    QueryTooLong "QUERY_TOO_LONG" 414 "The query is longer than 64000 bytes: what is long goes into the body.";
    HeaderFieldsTooLarge "HEADER_FIELDS_TOO_LARGE" 431 "The request's header fields are longer than 65536 bytes together: what is long goes into the body.";
    NotFound "NOT_FOUND" 404 "There is nothing at this path: GET /openapi.json lists all there is.";
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 "The path exists, but not for this method: the Allow header names those it takes.";
    InternalError "INTERNAL_ERROR" 500 "The broker made a mistake: its log says more.";
    Exiting "EXITING" 503 "The broker is going down: try again on the next one, or in a moment.";
    TlsRequired "TLS_REQUIRED" 403 "This broker is spoken to over HTTPS only.";
    Unauthorized "UNAUTHORIZED" 401 "A valid token is needed: send it as `Authorization: Bearer <token>`.";
    Forbidden "FORBIDDEN" 403 "The token does not allow this.";
    ReadOnly "READ_ONLY" 403 "This is a recording: it can be looked at, by GET, and not be changed.";

    // Names.
    MissingArgTopic "MISSING_ARG_TOPIC" 400 "Say which topic: add ?topic=<name>.";
    MissingArgChannel "MISSING_ARG_CHANNEL" 400 "Say which channel: add channel=<name>.";
    MissingArgReceipt "MISSING_ARG_RECEIPT" 400 "Say which messages: add receipt=<receipt>, or give receipts one a line in the body.";
    MissingArgNode "MISSING_ARG_NODE" 400 "Say which node: add node=<broadcast_address>:<http_port>.";
    MissingArgTo "MISSING_ARG_TO" 400 "Say where to: add to=earliest, latest, a message id or an RFC 3339 time.";
    InvalidTopic "INVALID_TOPIC" 400 "A topic's name has 1 to 64 of the characters a-z A-Z 0-9 . _ - and may end in #ephemeral, sent as %23ephemeral.";
    InvalidArgTopic "INVALID_ARG_TOPIC" 400 "A topic's name has 1 to 64 of the characters a-z A-Z 0-9 . _ - and may end in #ephemeral, sent as %23ephemeral.";
    InvalidArgChannel "INVALID_ARG_CHANNEL" 400 "A channel's name has 1 to 64 of the characters a-z A-Z 0-9 . _ - and may end in #ephemeral, sent as %23ephemeral.";
    TopicNotFound "TOPIC_NOT_FOUND" 404 "There is no such topic: publish to it, or POST /topic/create.";
    ChannelNotFound "CHANNEL_NOT_FOUND" 404 "There is no such channel: subscribe to it, or POST /channel/create.";

    // Publishing.
    MsgEmpty "MSG_EMPTY" 400 "The message is the request's body, and it is empty.";
    MsgTooBig "MSG_TOO_BIG" 413 "A message is longer than max-msg-size allows.";
    BodyTooBig "BODY_TOO_BIG" 413 "The request's body is longer than max-body-size allows: send fewer messages at once.";
    BatchTooLong "BATCH_TOO_LONG" 413 "The batch is longer than max-batch allows: send the rest in another.";
    BadBody "BAD_BODY" 413 "The body is not a batch in the binary form: a big-endian u32 count, then for each message a u32 size and its bytes.";
    BadMessage "BAD_MESSAGE" 413 "A message of the binary batch is empty, too long or cut short.";
    BadLine "BAD_MESSAGE" 400 "A line of the batch is not a JSON object with a `body` or a `body_base64`.";
    HeadersTooBig "HEADERS_TOO_BIG" 400 "The headers to keep with the message are too long: 8192 bytes together, with 4 for each.";
    TopicFull "TOPIC_FULL" 429 "The topic's backlog is at its limit: try again once consumers have caught up.";
    SeqGap "SEQ_GAP" 409 "seq is not one more than the last that was accepted of this producer: `last_seq` says which that is.";
    StorageFull "STORAGE_FULL" 507 "The broker's disk is full: try again once there is room.";
    StorageFailed "STORAGE_FAILED" 503 "The topic's log cannot be used for now, and is tried again until it can be: GET /stats says why.";

    StorageUnknown "STORAGE_UNKNOWN" 503 "Whether this was kept is not known: try again, with the same Idempotency-Key where it was a publish.";
    StorageUnreadable "STORAGE_UNREADABLE" 503 "There are messages that cannot be read from the disk now, which is tried again: come back shortly.";
    NoOwner "NO_OWNER" 503 "Nobody serves this topic at this moment: try again shortly.";
    Overloaded "OVERLOADED" 503 "More waits to be written than the topic's log takes: try again shortly.";

    TopicExists "TOPIC_EXISTS" 409 "There is a topic of this name already: delete it first, or keep it.";
    InvalidLog "INVALID_LOG" 400 "The body is no exported log: GET /export and shelfmq log export make one.";
    NoLogFiles "NO_LOG_FILES" 501 "There are no log files to export from or import to: a server with --data-path has them, for topics that are not ephemeral.";

    PastEnd "ID_PAST_END" 400 "There is no message with this id yet: give one of a message, or a time as 2026-01-01T00:00:00Z.";

    // Parameters out of range or not readable.
    InvalidDefer "INVALID_DEFER" 400 "defer is a duration from 0 to max-req-timeout: 1500 (milliseconds), 30s, 5m.";
    InvalidKey "INVALID_KEY" 400 "key has 1 to 256 bytes.";
    InvalidDedup "INVALID_DEDUP" 400 "dedup (or Idempotency-Key) has 1 to 256 bytes, the first of which is not zero.";
    InvalidProducer "INVALID_PRODUCER" 400 "producer has 1 to 256 bytes and comes with seq.";
    InvalidSeq "INVALID_SEQ" 400 "seq is a number from 0 to 18446744073709551615 and comes with producer.";
    TooManyProducers "TOO_MANY_PRODUCERS" 429 "The topic knows 100,000 producers already: one that is silent for 30 days is forgotten.";
    InvalidTtl "INVALID_TTL" 400 "ttl is a duration of 1ms or more: 1500 (milliseconds), 30s, 5m.";
    InvalidMax "INVALID_MAX" 400 "max is a number from 1 to 10000.";
    InvalidWait "INVALID_WAIT" 400 "wait is a duration from 0 to 1h: 1500 (milliseconds), 30s, 5m.";
    InvalidTimeout "INVALID_TIMEOUT" 400 "timeout is a duration from 1ms to max-msg-timeout: 1500 (milliseconds), 30s, 5m.";
    InvalidAck "INVALID_ACK" 400 "ack is explicit or auto.";
    InvalidFormat "INVALID_FORMAT" 400 "format is raw (for max=1), json, ndjson, sse or frames.";
    InvalidStream "INVALID_STREAM" 400 "stream is true or false, and only ndjson and sse can stream.";
    InvalidClient "INVALID_CLIENT" 400 "client has at most 256 bytes.";
    InvalidStart "INVALID_START" 400 "start is earliest, latest, a message id of 16 hex digits or an RFC 3339 time.";
    InvalidTo "INVALID_TO" 400 "to is earliest, latest, a message id of 16 hex digits or an RFC 3339 time.";
    InvalidFrom "INVALID_FROM" 400 "from is a message id of 16 hex digits.";
    InvalidId "INVALID_ID" 400 "id is a list of message ids of 16 hex digits each.";
    InvalidState "INVALID_STATE" 400 "state is ready, in_flight, deferred or dead.";
    InvalidSearch "INVALID_SEARCH" 400 "search has 1 to 64 bytes.";
    InvalidSort "INVALID_SORT" 400 "sort is name, depth, in_flight, deferred, dead or messages.";
    InvalidOrder "INVALID_ORDER" 400 "order is asc or desc.";
    InvalidOffset "INVALID_OFFSET" 400 "offset is a number from 0 to 4294967295.";
    InvalidMaxAttempts "INVALID_MAX_ATTEMPTS" 400 "max_attempts is a number from 0 (no limit) to 65535.";
    InvalidMaxInFlight "INVALID_MAX_IN_FLIGHT" 400 "max_in_flight is a number from 0 (no limit) to 4294967295.";
    InvalidOrdered "INVALID_ORDERED" 400 "ordered is true or false.";
    InvalidDeadLetter "INVALID_DEAD_LETTER" 400 "dead_letter is the name of a topic, or empty for none.";
    InvalidRetain "INVALID_RETAIN" 400 "retain is a duration: 30s, 5m, 7d; 0 for none.";
    InvalidRetainBytes "INVALID_RETAIN_BYTES" 400 "retain_bytes is a number of bytes; 0 for none.";
    InvalidMaxBytes "INVALID_MAX_BYTES" 400 "max_bytes is a number of bytes: of a topic, 0 for no limit; of an answer, from 1 to max-answer-bytes.";
    InvalidDedupWindow "INVALID_DEDUP_WINDOW" 400 "dedup_window is a duration from 1s to 24h: 30s, 5m.";
    InvalidMaxMessages "INVALID_MAX_MESSAGES" 400 "max_messages is a number of messages; 0 for no limit.";
    InvalidOverflow "INVALID_OVERFLOW" 400 "overflow is reject or drop_oldest.";
    InvalidBody "INVALID_BODY" 400 "The body is not the JSON that this path takes: GET /openapi.json shows it.";

    // Settling.
    TooManyReceipts "TOO_MANY_RECEIPTS" 413 "A request has at most 10000 receipts: send the rest in another.";
    InvalidReceipt "INVALID_RECEIPT" 400 "A receipt has at most 64 bytes: give it as it came, several of them one a line or between commas.";
    FinFailed "FIN_FAILED" 404 "No message was finished: `refused` says why for each receipt.";
    ReqFailed "REQ_FAILED" 404 "No message was requeued: `refused` says why for each receipt.";
    TouchFailed "TOUCH_FAILED" 404 "No message was touched: `refused` says why for each receipt.";

    // Configuration.
    InvalidOption "INVALID_OPTION" 400 "There is no such option, or it cannot be set at run time.";
    InvalidValue "INVALID_VALUE" 400 "The option does not take this value.";
    ValueTooBig "INVALID_VALUE" 413 "The option's value is the request's body: it is empty, or too long.";
}

/// A refusal with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The code.
    pub code: Code,
    /// One sentence a person can act on, where the table's own is not enough.
    pub detail: Option<String>,
    /// The methods that the path takes, where that was the mistake.
    pub(super) allow: Option<String>,
    /// The last number that was accepted of a producer, where that was the mistake.
    pub(super) last_seq: Option<u64>,
}

impl ApiError {
    /// A refusal that says more than its code does.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        ApiError { code, detail: Some(detail.into()), allow: None, last_seq: None }
    }

    /// The same, with the values of the limits that the code's sentence names.
    pub(super) fn with_limits(mut self, limits: &Limits) -> Self {
        if self.detail.is_none()
            && let Cow::Owned(sentence) = name_limits(self.code.sentence(), limits)
        {
            self.detail = Some(sentence);
        }
        self
    }

    /// The sentence for the person who has to act.
    pub fn sentence(&self) -> &str {
        self.detail.as_deref().unwrap_or(self.code.sentence())
    }
}

/// A sentence that gives the value of the limit that it names.
pub(super) fn name_limits<'a>(sentence: &'a str, limits: &Limits) -> Cow<'a, str> {
    let bytes = |name: &'static str, max: usize| (name, format!("the {max} bytes that {name}"));
    let duration = |name: &'static str, max| (name, format!("{} ({name})", values::duration_text(max)));
    let limits = [
        bytes("max-msg-size", limits.max_msg_size),
        bytes("max-body-size", limits.max_body_size),
        ("max-batch", format!("the {} messages that max-batch", limits.max_batch)),
        ("max-answer-bytes", format!("{} (max-answer-bytes)", limits.max_answer_bytes)),
        duration("max-msg-timeout", limits.max_msg_timeout),
        duration("max-req-timeout", limits.max_req_timeout),
    ];
    // A sentence names one limit at most.
    match limits.iter().find(|(name, _)| sentence.contains(name)) {
        Some((name, value)) => Cow::Owned(sentence.replace(name, value)),
        None => Cow::Borrowed(sentence),
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        ApiError { code, detail: None, allow: None, last_seq: None }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::TopicNotFound => Code::TopicNotFound,
            Refusal::ChannelNotFound => Code::ChannelNotFound,
            Refusal::TopicFull => Code::TopicFull,
            Refusal::SeqGap { last } => {
                let detail = format!(
                    "The last seq that was accepted of this producer is {last}: the next is {}.",
                    last.saturating_add(1)
                );
                return ApiError { last_seq: Some(last), ..ApiError::new(Code::SeqGap, detail) };
            }
            Refusal::Exiting => Code::Exiting,
            Refusal::StorageFull => Code::StorageFull,
            Refusal::StorageFailed => Code::StorageFailed,
            Refusal::StorageUnknown => Code::StorageUnknown,
            Refusal::StorageUnreadable => Code::StorageUnreadable,
            Refusal::NoOwner => Code::NoOwner,
            Refusal::TooManyProducers => Code::TooManyProducers,
            Refusal::PastEnd => Code::PastEnd,
            Refusal::NoLogFiles => Code::NoLogFiles,
            Refusal::Overloaded => Code::Overloaded,
        };
        code.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_an_error_and_says_something_that_can_be_acted_on() {
        for code in Code::ALL {
            let text = code.text();
            assert!((400..=599).contains(&code.status()), "{text}");
            assert!(text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{text}");
            assert!(code.sentence().len() > 20 && code.sentence().ends_with('.'), "{text}");
        }
    }

    #[test]
    fn a_code_comes_twice_only_where_nsqd_has_two_statuses_for_it() {
        for (i, a) in Code::ALL.iter().enumerate() {
            for b in &Code::ALL[..i] {
                let same = a.text() == b.text();
                assert!(!same || a.status() != b.status(), "{}", a.text());
                assert!(!same || matches!(a.text(), "BAD_MESSAGE" | "INVALID_VALUE"), "{}", a.text());
            }
        }
    }

    #[test]
    fn a_limit_is_named_with_its_value() {
        let limits = Limits::default();
        let sentence = |code: Code| String::from(ApiError::from(code).with_limits(&limits).sentence());
        for (code, expected) in [
            (Code::MsgTooBig, "A message is longer than the 1048576 bytes that max-msg-size allows."),
            (Code::InvalidDefer, "defer is a duration from 0 to 1h (max-req-timeout): 1500 (milliseconds), 30s, 5m."),
            (
                Code::InvalidTimeout,
                "timeout is a duration from 1ms to 15m (max-msg-timeout): 1500 (milliseconds), 30s, 5m.",
            ),
            (Code::InvalidKey, Code::InvalidKey.sentence()),
        ] {
            assert_eq!(sentence(code), expected);
        }
        assert!(sentence(Code::BodyTooBig).contains(" longer than the 5242880 bytes that max-body-size allows: "));
        let own = ApiError::new(Code::MsgTooBig, "max-msg-size is what it is.");
        assert_eq!(own.clone().with_limits(&limits), own);
    }

    #[test]
    fn a_detail_stands_in_for_the_sentence() {
        assert_eq!(ApiError::from(Code::Exiting).sentence(), Code::Exiting.sentence());
        assert_eq!(ApiError::new(Code::BadLine, "Line 3 is empty.").sentence(), "Line 3 is empty.");
        assert_eq!(ApiError::from(Refusal::TopicFull).code.status(), 429);
    }
}
