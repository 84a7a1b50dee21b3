//! The meaning of the HTTP API: requests to commands, replies to responses, as pure functions.
//!
//! Read in this order: [`routes`] (the table of all that can be asked), [`decode`] (a request to a
//! [`Call`]), [`encode`] (a reply to a [`Response`]), [`errors`] (every code, its status and its sentence).

pub mod errors;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use smallvec::SmallVec;

use crate::command::{Command, Context, Filter};
use crate::config::Limits;
pub use errors::{ApiError, Code};

/// An HTTP request as a plain record. A host makes it of whatever its sockets speak.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `GET`, `POST` …, in capitals.
    pub method: &'a str,
    /// The path as it came, escapes and all.
    pub path: &'a str,
    /// What follows the `?`, as it came, without it.
    pub query: &'a str,
    /// The header fields in their order, with lower-case names. Fields that concern the connection may be left out.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body, of [`body_limit`] bytes at most.
    pub body: &'a [u8],
    /// Who calls, as `ip:port`, or empty.
    pub peer: &'a str,
}

/// An HTTP response as a plain record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields in their order. A host adds those of the connection (`date`, `content-length` …).
    pub headers: SmallVec<[(Field, Value); 5]>,
    /// The body. Of a stream, what comes before the first chunk.
    pub body: Body,
}

/// The name of a header field that responses carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// One of the API's own.
    Known(Known),
    /// A header that was published with the message; lower-case.
    Kept(String),
}

/// The header fields that the API itself sets. `as usize` counts from 0, for tables by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Known {
    ContentType,
    NsqContentType,
    CacheControl,
    RetryAfter,
    Allow,
    Id,
    Count,
    Duplicate,
    Receipt,
    Attempts,
    Timestamp,
    Key,
    Ignored,
    Refused,
}

impl Known {
    /// All of them, in the order of `as usize`.
    pub const ALL: [Known; 14] = [
        Known::ContentType,
        Known::NsqContentType,
        Known::CacheControl,
        Known::RetryAfter,
        Known::Allow,
        Known::Id,
        Known::Count,
        Known::Duplicate,
        Known::Receipt,
        Known::Attempts,
        Known::Timestamp,
        Known::Key,
        Known::Ignored,
        Known::Refused,
    ];

    /// The field's name, lower-case.
    pub const fn name(self) -> &'static str {
        match self {
            Known::ContentType => "content-type",
            Known::NsqContentType => "x-nsq-content-type",
            Known::CacheControl => "cache-control",
            Known::RetryAfter => "retry-after",
            Known::Allow => "allow",
            Known::Id => "shelf-id",
            Known::Count => "shelf-count",
            Known::Duplicate => "shelf-duplicate",
            Known::Receipt => "shelf-receipt",
            Known::Attempts => "shelf-attempts",
            Known::Timestamp => "shelf-timestamp",
            Known::Key => "shelf-key",
            Known::Ignored => "shelf-ignored",
            Known::Refused => "shelf-refused",
        }
    }
}

/// The value of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text known beforehand.
    Static(&'static str),
    /// A message id: 16 hex digits.
    Id(u64),
    /// A decimal number.
    Number(u64),
    /// Any bytes that are legal in a header field.
    Bytes(Vec<u8>),
}

/// A response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Bytes known beforehand; none, often.
    Static(&'static [u8]),
    /// Bytes made for this response.
    Bytes(Vec<u8>),
}

/// A request understood, or refused.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// How the answer is to be written.
    pub context: Context,
    /// What it asks.
    pub call: Result<Call<'a>, ApiError>,
}

/// What a request asks for.
#[derive(Debug)]
pub enum Call<'a> {
    /// Something of one topic.
    Topic(Command<'a>),
    /// Something of the node as a whole.
    Node(NodeCall<'a>),
}

/// Something of the node as a whole.
#[derive(Debug)]
pub enum NodeCall<'a> {
    /// `GET /ping`.
    Ping,
    /// `GET /info`.
    Info,
    /// `GET /stats`.
    Stats {
        /// As JSON, not as text.
        json: bool,
        /// Tell of memory, too.
        memory: bool,
        /// Of which topics.
        filter: Filter<'a>,
    },
    /// `GET /metrics`.
    Metrics,
    /// `GET /config/<name>`.
    GetConfig(Cow<'a, str>),
    /// `PUT /config/<name>`.
    PutConfig(Cow<'a, str>, &'a [u8]),
    /// `GET /topics`.
    Topics,
    /// `GET /channels`.
    Channels(Cow<'a, str>),
    /// `GET /lookup`.
    Lookup(Cow<'a, str>),
    /// `GET /nodes`.
    Nodes,
    /// `POST /topic/tombstone`: the topic, and the node as `address:port`.
    Tombstone(Cow<'a, str>, Cow<'a, str>),
    /// `POST /nodes/register`: another node tells this directory what it has.
    Register(&'a [u8]),
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /`: the page of commands to paste.
    Home,
}

/// Which engine a call is for, where several share the topics of one broker.
#[derive(Debug)]
pub enum Scope<'a> {
    /// The one that has this topic: [`shard_of`](crate::shard_of) says which.
    Topic(&'a str),
    /// The first one, with a [`Survey`](crate::broker::Survey) of all.
    Survey(Filter<'a>),
    /// The first one.
    Node,
}

/// Reads a request. Pure: no state, no clock.
pub fn decode<'a>(limits: &Limits, request: &Request<'a>) -> Decoded<'a> {
    let _ = (limits, request);
    Decoded { context: Context::default(), call: Err(ApiError { code: Code::NotFound, detail: None }) }
}

/// How long the body of a request to this path may be, in bytes. A host reads no further.
pub fn body_limit(limits: &Limits, path: &str) -> usize {
    let _ = path;
    limits.max_body_size
}

/// The answer to a request whose body is longer than [`body_limit`].
pub fn body_too_big(path: &str) -> Response {
    let _ = path;
    Response { status: 413, headers: SmallVec::new(), body: Body::Static(b"") }
}
