//! A request to a [`Call`]: find its route, read its parameters, let the route's own function make the call.
//!
//! A request that is refused here has no effect at all: everything is checked before the broker hears of it.

mod consume;
mod json;
mod manage;
mod node;
mod publish;

use alloc::borrow::Cow;
use alloc::format;

use super::errors::{ApiError, Code};
use super::params::Params;
use super::routes::{self, Found, Payload, Route};
use super::view::View;
use super::{Call, Decoded, NodeCall, Request, Scope};
use crate::command::{ChannelVerb, Command, Context, Filter, Verb};
use crate::config::Limits;
use crate::name::Name;

pub(super) use consume::{dead, fin, peek, req, settle, subscribe, touch};
pub(super) use manage::*;
pub(super) use node::*;
pub(super) use publish::{mpub, publish};

/// Reads a request. Pure: no state, no clock.
pub fn decode<'a>(limits: &Limits, request: &Request<'a>) -> Decoded<'a> {
    let mut context = Context::default();
    let call = understand(limits, request, &mut context).map_err(|error| error.with_limits(limits));
    Decoded { context, call }
}

/// As [`decode`], where nothing but looking is allowed: what would change something is refused as that, whatever else is
/// wrong with it.
pub fn decode_look<'a>(limits: &Limits, request: &Request<'a>) -> Decoded<'a> {
    let mut decoded = decode(limits, request);
    if let Err(error) = &mut decoded.call
        && request.method != "GET"
        && !matches!(error.code, Code::NotFound | Code::MethodNotAllowed)
    {
        *error = Code::ReadOnly.into();
    }
    decoded
}

/// What a route's function works on.
pub(super) struct Input<'r, 'a> {
    pub(super) limits: &'r Limits,
    pub(super) request: &'r Request<'a>,
    pub(super) params: Params<'a>,
    /// What stands for the path's own parameter.
    pub(super) segment: &'a str,
}

/// What a route's function makes of it.
pub(super) type Understood<'a> = Result<(View, Call<'a>), ApiError>;

fn understand<'a>(limits: &Limits, request: &Request<'a>, context: &mut Context) -> Result<Call<'a>, ApiError> {
    let (route, segment) = match routes::find(request.method, request.path) {
        Found::Route(route, segment) => (route, segment),
        Found::OtherMethods(allow) => return Err(method_not_allowed(request, allow)),
        Found::Nothing => return Err(Code::NotFound.into()),
    };
    check_body(limits, route, request.body)?;
    let params = Params::parse(request.query)?;
    context.ignored = params.ignored(route.params);
    let (view, call) = (route.decode)(&Input { limits, request, params, segment })?;
    context.view = view.into();
    Ok(call)
}

fn method_not_allowed(request: &Request<'_>, allow: alloc::string::String) -> ApiError {
    let detail = format!("{} does not go with {}: use {allow}.", request.method, request.path);
    ApiError { allow: Some(allow), ..ApiError::new(Code::MethodNotAllowed, detail) }
}

/// As nsqd, `/pub` looks at its body before it looks at anything else.
fn check_body(limits: &Limits, route: &Route, body: &[u8]) -> Result<(), Code> {
    match route.payload {
        Payload::Message if body.len() > limits.max_msg_size => Err(Code::MsgTooBig),
        Payload::Message if body.is_empty() => Err(Code::MsgEmpty),
        _ if body.len() > limits.max_body_size => Err(Code::BodyTooBig),
        _ => Ok(()),
    }
}

impl Decoded<'_> {
    /// Which engine this is for.
    pub fn scope(&self) -> Scope<'_> {
        let of_topic = |topic| Filter { topic: Some(Cow::Borrowed(topic)), ..Filter::default() };
        match &self.call {
            Ok(Call::Topic(command)) => Scope::Topic(command.topic.as_str()),
            Ok(Call::Node(NodeCall::Stats { filter, .. })) => Scope::Survey(filter.clone()),
            Ok(Call::Node(NodeCall::Metrics | NodeCall::Topics | NodeCall::Nodes)) => Scope::Survey(Filter::default()),
            Ok(Call::Node(NodeCall::Channels(topic) | NodeCall::Lookup(topic) | NodeCall::Tombstone(topic, _))) => {
                Scope::Survey(of_topic(topic))
            }
            Ok(Call::Node(_)) | Err(_) => Scope::Node,
        }
    }
}

fn topic_call<'a>(topic: Name<'a>, verb: Verb<'a>) -> Call<'a> {
    Call::Topic(Command { topic, verb })
}

fn channel_call<'a>((topic, channel): (Name<'a>, Name<'a>), verb: ChannelVerb<'a>) -> Call<'a> {
    topic_call(topic, Verb::Channel(channel, verb))
}

impl<'a> Input<'_, 'a> {
    /// The topic and the channel, in the words that nsqd has where both are asked for.
    fn topic_and_channel(&self) -> Result<(Name<'a>, Name<'a>), ApiError> {
        Ok((self.params.name(&super::parameters::ARG_TOPIC)?, self.params.name(&super::parameters::CHANNEL)?))
    }
}

#[cfg(test)]
mod tests;
