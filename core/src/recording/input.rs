//! What can come to an engine: every call that changes one.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::{self, Request};
use crate::broker::{BrokerStats, Transfer};
use crate::command::{Ticket, TopicUnwell};
use crate::engine::Engine;
use crate::log::{Loaded, LogCommand, LogId, Read, Recovered};
use crate::time::Time;

/// One call of an engine's method of that name, but for the time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and the large one is the one that is frequent")]
pub enum Input<'a> {
    /// [`Engine::handle`], or [`Engine::handle_decoded`] of the same request, and where its stats came from.
    Request(Ticket, #[serde(borrow)] Asked<'a>, StatsSource<'a>),
    /// [`Engine::handle_timeout`].
    Timeout,
    /// [`Engine::handle_writable`].
    Writable(Ticket),
    /// [`Engine::handle_transfer`].
    Transfer(Cow<'a, Transfer>),
    /// [`Engine::cancel`].
    Cancel(Ticket),
    /// [`Engine::shutdown`].
    Shutdown,
    /// [`Engine::poll_log`], while there was something to write.
    PollLog,
    /// [`Engine::handle_appended`].
    Appended(LogId, u64),
    /// [`Engine::handle_append_failed`].
    AppendFailed(LogId),
    /// [`Engine::handle_read`].
    Read(Cow<'a, Read>, Option<Cow<'a, Loaded>>),
    /// [`Engine::handle_space`].
    Space(bool),
    /// [`Engine::set_unwell`].
    Unwell(Option<Cow<'a, str>>),
    /// [`Engine::open_topic`].
    OpenTopic(Cow<'a, Recovered>),
    /// [`Engine::hold_retention`].
    HoldRetention,
    /// [`Engine::handle_append_late`].
    AppendLate(LogId),
    /// [`Engine::set_topic_unwell`].
    TopicUnwell(Cow<'a, str>, Option<Cow<'a, TopicUnwell>>),
}

/// How a request was given to an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum StatsSource<'a> {
    /// The engine makes its own stats, where the request asks for some.
    Itself,
    /// It was given none.
    Not,
    /// It was given this one.
    With(Cow<'a, BrokerStats>),
}

/// A [`Request`], as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query.
    pub query: &'a str,
    /// The header fields.
    #[serde(borrow)]
    pub headers: Headers<'a>,
    /// The body.
    #[serde(serialize_with = "crate::state::bytes::serialize")]
    pub body: &'a [u8],
    /// Who called.
    pub peer: &'a str,
}

/// Header fields, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(pub Cow<'a, [(&'a str, &'a [u8])]>);

impl<'a> From<&Request<'a>> for Asked<'a> {
    fn from(request: &Request<'a>) -> Self {
        let Request { method, path, query, headers, body, peer } = *request;
        Asked { method, path, query, headers: Headers(Cow::Borrowed(headers)), body, peer }
    }
}

impl Asked<'_> {
    /// The request again.
    pub fn request(&self) -> Request<'_> {
        let Asked { method, path, query, ref headers, body, peer } = *self;
        Request { method, path, query, headers: &headers.0, body, peer }
    }
}

/// Bytes that are written in one piece, and borrowed from the recording when they are read: a slice of `u8` would be
/// taken one by one.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = &'de [u8];

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                Ok(bytes)
            }
        }
        from.deserialize_bytes(Borrowed).map(Bytes)
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|(name, value)| (name, Bytes(value))))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let fields = Vec::<(&str, Bytes<'_>)>::deserialize(from)?;
        Ok(Headers(fields.into_iter().map(|(name, value)| (name, value.0)).collect()))
    }
}

impl Input<'_> {
    /// Makes the call. What [`Engine::poll_log`] gave, where that is it.
    pub fn apply(self, engine: &mut Engine, now: Time) -> Option<LogCommand> {
        match self {
            Input::Request(ticket, asked, source) => {
                let request = asked.request();
                let stats = match source {
                    StatsSource::Itself => {
                        // The engine lets time pass before it makes its stats, which `handle_decoded` would leave to
                        // the caller.
                        engine.handle(now, ticket, &request);
                        return None;
                    }
                    StatsSource::Not => None,
                    StatsSource::With(stats) => Some(stats.into_owned()),
                };
                // The limits are those that the engine was made with, as they were when it was recorded.
                let decoded = api::decode(&engine.config().limits.clone(), &request);
                engine.handle_decoded(now, ticket, decoded, stats);
            }
            Input::Timeout => engine.handle_timeout(now),
            Input::Writable(ticket) => engine.handle_writable(now, ticket),
            Input::Transfer(transfer) => engine.handle_transfer(now, transfer.into_owned()),
            Input::Cancel(ticket) => engine.cancel(now, ticket),
            Input::Shutdown => engine.shutdown(now),
            Input::PollLog => return engine.poll_log(),
            Input::Appended(log, upto) => engine.handle_appended(now, log, upto),
            Input::AppendFailed(log) => engine.handle_append_failed(now, log),
            Input::Read(read, loaded) => engine.handle_read(now, &read, loaded.map(Cow::into_owned)),
            Input::Space(full) => engine.handle_space(full),
            Input::HoldRetention => engine.hold_retention(now),
            Input::AppendLate(log) => engine.handle_append_late(now, log),
            Input::TopicUnwell(topic, unwell) => engine.set_topic_unwell(&topic, unwell.map(Cow::into_owned)),
            Input::Unwell(why) => engine.set_unwell(why.map(|why| String::from(&*why))),
            Input::OpenTopic(recovered) => engine.open_topic(now, recovered.into_owned()),
        }
        None
    }
}
