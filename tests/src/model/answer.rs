//! What is expected to come back.

use std::fmt::Display;

use serde_json::{Value, json};

use super::{Delivery, Nanos};

/// Stands for any value where JSON is expected.
pub const ANY: &str = "\u{0}any";

/// Something that is expected under a ticket.
#[derive(Clone, Debug)]
pub enum Event {
    /// The whole answer.
    Answer(Answer),
    /// The head of a stream.
    Open(Answer),
    /// Messages in a stream.
    Messages(Vec<Shown>),
    /// A stream that says it is there.
    Heartbeat,
    /// The end of a stream.
    Close,
}

/// An expected answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The header fields that are foretold: those that the contract names. Others are not looked at.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Body,
}

/// An expected body.
#[derive(Clone, Debug)]
pub enum Body {
    /// Text that is not foretold.
    Text,
    /// These bytes.
    Exact(Vec<u8>),
    /// JSON of this meaning; [`ANY`] stands for any value.
    Json(Value),
    /// JSON whose objects may have more fields than these.
    Like(Value),
    /// Messages.
    Messages(Format, Vec<Shown>),
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One message as it is.
    Raw,
    /// One object with a list.
    Json,
    /// An object a line.
    Ndjson,
    /// Server-sent events.
    Sse,
    /// Binary frames.
    Frames,
}

/// A message as a consumer sees it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The model's own name for the delivery.
    pub delivery: Delivery,
    /// How often it has been delivered.
    pub attempts: u16,
    /// When it was published.
    pub timestamp: Nanos,
    /// Its ordering key.
    pub key: Option<String>,
    /// Its kept headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// A refusal.
#[derive(Clone, Debug)]
pub struct Fail {
    code: &'static str,
    status: u16,
    refused: Option<Value>,
}

impl From<&'static str> for Fail {
    fn from(code: &'static str) -> Self {
        let status = match code {
            "NOT_FOUND" | "TOPIC_NOT_FOUND" | "CHANNEL_NOT_FOUND" | "FIN_FAILED" | "REQ_FAILED" | "TOUCH_FAILED" => 404,
            "METHOD_NOT_ALLOWED" => 405,
            "MSG_TOO_BIG" | "BODY_TOO_BIG" | "BAD_BODY" => 413,
            "TOPIC_FULL" => 429,
            _ => 400,
        };
        Fail { code, status, refused: None }
    }
}

impl Fail {
    /// The status that goes with the code where that is not the usual one.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        Fail { status, ..self }
    }

    /// Names the refused receipts in the body.
    #[must_use]
    pub fn refused(self, refused: Value) -> Self {
        Fail { refused: Some(refused), ..self }
    }
}

impl Answer {
    fn new(status: u16, body: Body) -> Self {
        let headers = vec![
            ("x-nsq-content-type".into(), b"nsq; version=1.0".into()),
            ("cache-control".into(), b"no-store".into()),
        ];
        Answer { status, headers, body }
    }

    /// 200 and nothing more.
    pub fn done() -> Self {
        Answer::new(200, Body::Exact(Vec::new()))
    }

    /// 200 and `OK`.
    pub fn ok() -> Self {
        Answer::new(200, Body::Exact(b"OK".into()))
    }

    /// Text that is for people.
    pub fn text() -> Self {
        Answer::new(200, Body::Text).with("content-type", "text/plain; charset=utf-8")
    }

    /// 204: no message came.
    pub fn nothing() -> Self {
        Answer::new(204, Body::Exact(Vec::new()))
    }

    /// JSON of this meaning.
    pub fn json(value: Value) -> Self {
        Answer::new(200, Body::Json(value)).json_type()
    }

    /// JSON that has at least this meaning.
    pub fn like(value: Value) -> Self {
        Answer::new(200, Body::Like(value)).json_type()
    }

    /// A refusal.
    pub fn error(fail: &Fail) -> Self {
        let mut value = json!({ "message": fail.code, "detail": ANY });
        if let Some(refused) = &fail.refused {
            value["refused"] = refused.clone();
            value["refused_count"] = refused.as_array().map(Vec::len).into();
        }
        let answer = Answer::new(fail.status, Body::Json(value)).json_type();
        if fail.code == "TOPIC_FULL" { answer.with("retry-after", "1") } else { answer }
    }

    /// Leased messages.
    pub fn messages(format: Format, shown: Vec<Shown>) -> Self {
        let mut answer = Answer::new(200, Body::Exact(Vec::new())).typed(format);
        if let (Format::Raw, [one]) = (format, &shown[..]) {
            answer = answer.with("shelf-attempts", one.attempts).with("shelf-timestamp", one.timestamp);
            answer = answer.with("shelf-id", id_text(one.delivery.id));
            answer.headers.extend(one.key.iter().map(|key| ("shelf-key".into(), header_text(key.as_bytes()).into())));
            answer.headers.extend(one.headers.iter().cloned());
        }
        Answer { body: Body::Messages(format, shown), ..answer }
    }

    /// The head of a stream.
    pub fn stream(format: Format) -> Self {
        Answer::new(200, Body::Exact(Vec::new())).typed(format)
    }

    fn typed(self, format: Format) -> Self {
        match format {
            Format::Raw => self,
            Format::Json => self.json_type(),
            Format::Ndjson => self.with("content-type", "application/x-ndjson"),
            Format::Sse => self.with("content-type", "text/event-stream"),
            Format::Frames => self.with("content-type", "application/vnd.shelfmq.frames"),
        }
    }

    fn json_type(self) -> Self {
        self.with("content-type", "application/json; charset=utf-8")
    }

    /// The same with a header field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Display) -> Self {
        self.headers.push((name.into(), value.to_string().into()));
        self
    }

    /// The same with a body of this meaning.
    #[must_use]
    pub fn with_json(self, value: Value) -> Self {
        Answer { body: Body::Json(value), ..self }.json_type()
    }

    /// The same, naming the parameters that nobody knew.
    #[must_use]
    pub fn with_ignored(self, ignored: Option<&str>) -> Self {
        match ignored {
            Some(names) => self.with("shelf-ignored", names),
            None => self,
        }
    }
}

/// A message id as all the world sees it.
pub fn id_text(id: u64) -> String {
    format!("{id:016x}")
}

/// A time to the nanosecond, day by day from 1970 on.
pub fn rfc3339(at: Nanos) -> String {
    let (mut days, second) = (at / 86_400_000_000_000, at / 1_000_000_000 % 86_400);
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (hour, minute, nanos) = (second / 3600, second / 60 % 60, at % 1_000_000_000);
    format!("{year}-{:02}-{:02}T{hour:02}:{minute:02}:{:02}.{nanos:09}Z", month + 1, days + 1, second % 60)
}

/// Text as a header field can carry it: what is not plain is percent-encoded.
pub fn header_text(text: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"%,".contains(&byte);
    let piece = |&byte: &u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.iter().map(piece).collect()
}
