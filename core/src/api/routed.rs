//! The first of the two steps to understand a request: what its head alone says.
//!
//! So a host can refuse, authorise, bound, count or forward a request before it reads a byte of its body.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use super::errors::{ApiError, Code};
use super::params::Params;
use super::routes::{self, Answer, Belongs, Found, Payload, Right, Route};
use super::{Head, Response, Scope, bounds, encode, refuse};
use crate::command::{Context, Filter, Reply};
use crate::config::Limits;
use crate::name::Name;

/// A request's head, understood. The second step is [`Routed::decode`].
#[derive(Debug)]
pub struct Routed<'a> {
    pub(super) head: Head<'a>,
    /// `None` where there is nothing at the path, or not for the method; then there is a `fault`.
    route: Option<&'static Route>,
    /// What stands for the path's own parameter.
    pub(super) segment: &'a str,
    pub(super) params: Params<'a>,
    /// There wherever the route belongs to a topic and there is no `fault`.
    pub(super) topic: Option<Name<'a>>,
    /// There wherever the route needs one and there is no `fault`.
    pub(super) channel: Option<Name<'a>>,
    pub(super) ignored: Option<Box<str>>,
    pub(super) fault: Option<Box<ApiError>>,
}

/// Finds out what a request's head asks for. Pure: no state, no clock, no limits that a host may set.
pub fn route(head: Head<'_>) -> Routed<'_> {
    let mut routed = Routed {
        head,
        route: None,
        segment: "",
        params: Params::default(),
        topic: None,
        channel: None,
        ignored: None,
        fault: None,
    };
    match routes::find(head.method, head.path) {
        Found::Route(route, segment) => {
            (routed.route, routed.segment) = (Some(route), segment);
            routed.fault = routed.read(route).err().map(Box::new);
        }
        Found::OtherMethods(allow) => routed.fault = Some(Box::new(method_not_allowed(&head, allow))),
        Found::Nothing => routed.fault = Some(Box::new(Code::NotFound.into())),
    }
    routed
}

fn method_not_allowed(head: &Head<'_>, allow: String) -> ApiError {
    let detail = format!("{} does not go with {}: use {allow}.", head.method, head.path);
    ApiError { allow: Some(allow), ..ApiError::new(Code::MethodNotAllowed, detail) }
}

impl<'a> Routed<'a> {
    /// Reads the query as the route has it.
    fn read(&mut self, route: &Route) -> Result<(), ApiError> {
        // A constant, for what a host has set is not known here.
        let header_bytes: usize = self.head.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if header_bytes > bounds::HEADER_BYTES {
            return Err(Code::HeaderFieldsTooLarge.into());
        }
        self.params.parse(self.head.query)?;
        // Before names are read, so that a refusal for one still says which parameters nobody knew.
        self.ignored = self.params.ignored(route.params);
        if route.belongs == Belongs::Topic {
            self.topic = Some(self.params.name(route.params[0])?);
            if let Some(channel) = route.params.get(1).filter(|param| param.name == "channel") {
                let name = self.params.optional_name(channel)?;
                self.channel = name.map_or_else(|| channel.missing.map_or(Ok(None), Err), |name| Ok(Some(name)))?;
            }
        }
        Ok(())
    }

    /// The head itself.
    pub fn head(&self) -> Head<'a> {
        self.head
    }

    /// The row of the table that it asks for; `None` where there is nothing at its path, or not for its method.
    pub fn route(&self) -> Option<&'static Route> {
        self.route
    }

    /// The topic that it is about, where it is about one and names it well.
    pub fn topic(&self) -> Option<&Name<'a>> {
        self.topic.as_ref()
    }

    /// The channel that it is about, likewise.
    pub fn channel(&self) -> Option<&Name<'a>> {
        self.channel.as_ref()
    }

    /// What whoever asks must be allowed to do. To be told that there is nothing is open to all.
    pub fn right(&self) -> Right {
        self.route.map_or(Right::Open, |route| route.right)
    }

    /// Whether it changes nothing, however often it is asked.
    pub fn only_looks(&self) -> bool {
        self.route.is_none_or(|route| route.only_looks)
    }

    /// How long its body may be, in bytes. A host reads no further, and answers what is longer by
    /// [`Routed::body_too_big`].
    pub fn body_limit(&self, limits: &Limits) -> usize {
        self.route.map_or(limits.max_body_size, |route| route.body_limit(limits))
    }

    /// The answer where the body is longer than [`Routed::body_limit`].
    pub fn body_too_big(&self, limits: &Limits) -> Response {
        too_big(limits, self.route)
    }

    /// What is wrong with the head, in itself: it is refused for this, whatever its body says, unless the body is
    /// refused first.
    pub fn fault(&self) -> Option<&ApiError> {
        self.fault.as_deref()
    }

    /// Whether its body is a log that is to be a topic: that is for a host to do, if it keeps logs in files
    /// ([`Limits::log_files`]).
    pub fn imports(&self) -> bool {
        let has_log = self.topic.as_ref().is_some_and(|topic| !topic.is_ephemeral());
        has_log && self.fault.is_none() && self.route.is_some_and(|route| route.payload == Payload::Log)
    }

    /// Whether a log is asked for: where its answer says that all went well, a host that keeps logs in files
    /// ([`Limits::log_files`]) gives the file of it.
    pub fn exports(&self) -> bool {
        self.fault.is_none() && self.route.is_some_and(|route| route.answer == Answer::Log)
    }

    /// The answer of a host that did what was asked.
    pub fn done(&self) -> Response {
        encode(&self.context(), &Reply::Done)
    }

    /// The answer of a host that did not, for this reason.
    pub fn refuse(&self, why: &ApiError) -> Response {
        refuse(&self.context(), why)
    }

    fn context(&self) -> Context {
        Context { ignored: self.ignored.clone(), ..Context::default() }
    }

    /// The answer to what is wrong with the head, for a host that does not want to read the body of what is refused.
    pub fn refusal(&self) -> Option<Response> {
        self.fault.as_deref().map(|fault| self.refuse(fault))
    }

    /// Which engine it is for. What is refused is for any.
    pub fn scope(&self) -> Scope<'_> {
        // A head with a fault may lack its topic, and its answer is the same from each engine.
        match self.route.filter(|_| self.fault.is_none()) {
            Some(Route { belongs: Belongs::Topic, .. }) => {
                self.topic.as_ref().map_or(Scope::Node, |topic| Scope::Topic(topic.as_str()))
            }
            Some(route @ Route { belongs: Belongs::Everywhere, .. }) => Scope::Stats((route.filter)(&self.params)),
            Some(Route { belongs: Belongs::Node, .. }) | None => Scope::Node,
        }
    }
}

/// The answer to a body that is longer than the route's bound.
pub(super) fn too_big(limits: &Limits, route: Option<&Route>) -> Response {
    let code = match route.map(|route| route.payload) {
        Some(Payload::Message) => Code::MsgTooBig,
        Some(Payload::Log) => Code::NoLogFiles,
        _ => Code::BodyTooBig,
    };
    refuse(&Context::default(), &ApiError::from(code).with_limits(limits))
}

/// Of all topics.
pub(super) fn all_topics<'a>(_: &Params<'a>) -> Filter<'a> {
    Filter::default()
}

/// Of the topic that is named.
pub(super) fn one_topic<'a>(params: &Params<'a>) -> Filter<'a> {
    let topic: Option<&Cow<'a, str>> = params.get(&super::parameters::ANY_TOPIC);
    Filter { topic: topic.cloned(), ..Filter::default() }
}
