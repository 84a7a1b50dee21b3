//! The meaning of the HTTP API: requests to commands, replies to responses, as pure functions.
//!
//! Read in this order: [`routes`] and [`parameters`] (the table of all that can be asked), [`route`] (what a request's
//! head says), [`Routed::decode`] (the rest, to a [`Call`]), [`encode()`] and [`encode_leased`] (a reply to a [`Response`]), [`encode_node`] (what concerns
//! the node as a whole), [`errors`] (every code, its status and its sentence).

pub mod bounds;
mod decode;
mod encode;
pub mod errors;
mod formats;
pub mod frames;
mod headers;
mod home;
mod metrics;
mod node;
mod openapi;
pub mod parameters;
mod params;
mod routed;
pub mod routes;
mod stats;
mod stats_page;
mod stats_text;
mod stored;
mod values;
mod view;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::command::{Command, Context, Filter, TopicStats, TopicUnwell};
use crate::config::Limits;
use crate::time::Time;
pub use decode::decode;
pub use encode::{encode, refuse};
pub use errors::{ApiError, Code};
pub use formats::{encode_leased, heartbeat, stream_chunk, stream_head};
pub use node::encode_node;
pub use routed::{Routed, route};
pub use stats_page::{Page, Sort, Total};
pub use values::{instant, rfc3339_nanos};
pub use view::View;

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
    /// The whole body, of [`Routed::body_limit`] bytes at most.
    pub body: &'a [u8],
    /// Who calls, as `ip:port`, or empty.
    pub peer: &'a str,
}

/// What comes before the body of a [`Request`]: all that [`route`] wants to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// See [`Request::method`].
    pub method: &'a str,
    /// See [`Request::path`].
    pub path: &'a str,
    /// See [`Request::query`].
    pub query: &'a str,
    /// See [`Request::headers`].
    pub headers: &'a [(&'a str, &'a [u8])],
    /// See [`Request::peer`].
    pub peer: &'a str,
}

impl<'a> Request<'a> {
    /// All but the body.
    pub fn head(&self) -> Head<'a> {
        let Request { method, path, query, headers, peer, .. } = *self;
        Head { method, path, query, headers, peer }
    }
}

impl<'a> Head<'a> {
    /// The whole request, with its body.
    pub fn with_body(self, body: &'a [u8]) -> Request<'a> {
        let Head { method, path, query, headers, peer } = self;
        Request { method, path, query, headers, body, peer }
    }
}

/// An HTTP response as a plain record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields in their order. A host adds those of the connection (`date`, `content-length` …).
    pub headers: Vec<(Field, Value)>,
    /// The body. Of a stream, what comes before the first chunk.
    pub body: Body,
    /// It says that messages are settled, and nobody waited for that to be durable. A host whose process may be killed sends
    /// it once all that [`Engine::poll_log`](crate::Engine::poll_log) has by now is written: synced it need not be.
    pub settles: bool,
}

/// The name of a header field that responses carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Field {
    /// One of the API's own.
    Known(Known),
    /// A header that was published with the message; lower-case.
    Kept(String),
}

/// The header fields that the API itself sets. `as usize` counts from 0, for tables by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    RefusedCount,
    Next,
    Log,
}

impl Known {
    /// All of them, in the order of `as usize`.
    pub const ALL: [Known; 17] = [
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
        Known::RefusedCount,
        Known::Next,
        Known::Log,
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
            Known::RefusedCount => "shelf-refused-count",
            Known::Next => "shelf-next",
            Known::Log => "shelf-log",
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
        /// Only a page of them, with sums over all.
        page: Option<Page>,
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
    /// `GET /`: the page of commands to paste, and the `host:port` that the client reached it by.
    Home(Option<&'a str>),
}

/// Which engine a request is for, where several share the topics of one broker.
#[derive(Debug)]
pub enum Scope<'a> {
    /// The one that has this topic: [`shard_of`](crate::shard_of) says which.
    Topic(&'a str),
    /// The [node's](crate::node_of), with a [`BrokerStats`](crate::broker::BrokerStats) of all.
    Stats(Filter<'a>),
    /// The [node's](crate::node_of).
    Node,
}

/// What is told of the node as a whole: the answer to a [`NodeCall`].
#[derive(Debug)]
pub enum NodeReply<'a> {
    /// How it is, to `/ping`.
    Health(Health<'a>),
    /// Done, and there is nothing to tell.
    Done,
    /// Who this is, and since when.
    Info(Time),
    /// The topics in numbers.
    Stats(Stats<'a>),
    /// The topics in numbers, for Prometheus.
    Metrics(&'a [TopicStats], Health<'a>),
    /// The value of an option.
    Config(&'a serde_json::Value),
    /// The names of topics.
    Topics(Vec<&'a str>),
    /// The names of a topic's channels.
    Channels(Vec<&'a str>),
    /// A topic's channels, and who has it.
    Lookup(Vec<&'a str>, &'a [Producer]),
    /// All nodes.
    Nodes(&'a [Producer]),
    /// The API's own description.
    OpenApi,
    /// The page of commands to paste, for a client that reached it by this `host:port`.
    Home(Option<&'a str>),
}

/// What is wrong, where anything is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Health<'a> {
    /// With the broker as a whole.
    pub broker: Option<&'a str>,
    /// With topics, by name.
    pub topics: &'a [(String, TopicUnwell)],
}

/// What `/stats` tells.
#[derive(Debug)]
pub struct Stats<'a> {
    /// As JSON, not as text.
    pub json: bool,
    /// Tell of memory, too.
    pub memory: bool,
    /// What was asked for.
    pub filter: &'a Filter<'a>,
    /// The topics, by name.
    pub topics: &'a [TopicStats],
    /// Sums over all that there are, where these are only a page of them.
    pub total: Option<Total>,
    /// What is wrong with the broker, where anything is.
    pub health: Health<'a>,
    /// When the broker started.
    pub started: Time,
    /// What time it is.
    pub now: Time,
}

/// A node as a directory knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producer {
    /// The address it registered from, `ip:port`.
    pub remote_address: String,
    /// The name of its machine.
    pub hostname: String,
    /// The name under which others reach it.
    pub broadcast_address: String,
    /// What tells it from its neighbours for nsqadmin: there is no TCP protocol, so this is the `http_port`.
    pub tcp_port: u16,
    /// The port of its HTTP listener.
    pub http_port: u16,
    /// Its version.
    pub version: String,
    /// NSQ's topology labels; empty where unused.
    pub topology_zone: String,
    /// NSQ's topology labels; empty where unused.
    pub topology_region: String,
    /// Its topics, and whether each is tombstoned: not to be found there for a while.
    pub topics: Vec<(String, bool)>,
}

/// How long the body of a request to this path may be, in bytes, for a host that asks before it knows the method: by the
/// same table as [`Routed::body_limit`].
pub fn body_limit(limits: &Limits, path: &str) -> usize {
    routes::at_path(path).map_or(limits.max_body_size, |route| route.body_limit(limits))
}

/// The answer to a request whose body is longer than [`body_limit`].
pub fn body_too_big(limits: &Limits, path: &str) -> Response {
    routed::too_big(limits, routes::at_path(path))
}
