//! The second step to understand a request: its parameters and its body to a [`Call`].
//!
//! A request that is refused here has no effect at all: everything is checked before the broker hears of it.

mod consume;
mod json;
mod manage;
mod node;
mod publish;

use super::errors::{ApiError, Code};
use super::params::Params;
use super::routed::{Routed, route};
use super::routes::{Payload, Route};
use super::view::View;
use super::{Call, Decoded, Head, Request};
use crate::command::{ChannelVerb, Command, Context, Verb};
use crate::config::Limits;
use crate::name::Name;

pub(super) use super::routed::{all_topics, one_topic};
pub(super) use consume::{dead, fin, peek, req, settle, subscribe, touch};
pub(super) use manage::*;
pub(super) use node::*;
pub(super) use publish::{mpub, publish};

/// Reads a request, both steps at once. Pure: no state, no clock.
pub fn decode<'a>(limits: &Limits, request: &Request<'a>) -> Decoded<'a> {
    route(request.head()).decode(limits, request.body)
}

/// What a route's function works on.
pub(super) struct Input<'r, 'a> {
    pub(super) limits: &'r Limits,
    pub(super) head: &'r Head<'a>,
    pub(super) params: &'r Params<'a>,
    /// What stands for the path's own parameter.
    pub(super) segment: &'a str,
    pub(super) body: &'a [u8],
    topic: Option<Name<'a>>,
    /// Where the route is about a channel.
    pub(super) channel: Option<Name<'a>>,
}

/// What a route's function makes of it.
pub(super) type Understood<'a> = Result<(View, Call<'a>), ApiError>;

impl<'a> Routed<'a> {
    /// Reads the rest of the request. `body` is the whole body, of [`Routed::body_limit`] bytes at most.
    pub fn decode(mut self, limits: &Limits, body: &'a [u8]) -> Decoded<'a> {
        self.decode_here(limits, body)
    }

    /// The same, once, without moving it: it is large.
    pub(crate) fn decode_here(&mut self, limits: &Limits, body: &'a [u8]) -> Decoded<'a> {
        let mut context = Context { ignored: self.ignored.take(), ..Context::default() };
        let call = self.understand(limits, body, &mut context).map_err(|error| error.with_limits(limits));
        Decoded { context, call }
    }

    fn understand(&mut self, limits: &Limits, body: &'a [u8], context: &mut Context) -> Result<Call<'a>, ApiError> {
        let fault = self.fault.take();
        let Some(route) = self.route() else { return Err(fault.map_or(Code::NotFound.into(), |fault| *fault)) };
        // Before the head's fault is told: nsqd looks at the body first, and clients are shown the same error.
        check_body(limits, route, body)?;
        if let Some(fault) = fault {
            return Err(*fault);
        }
        let Routed { head, segment, params, topic, channel, .. } = self;
        let (topic, channel) = (topic.take(), channel.take());
        let mut input = Input { limits, head, params, segment, body, topic, channel };
        let (view, call) = (route.decode)(&mut input)?;
        context.view = view.into();
        context.settles = matches!(&call, Call::Topic(command) if command.verb.settles());
        Ok(call)
    }

    /// As [`Routed::decode`], where nothing but looking is allowed: what would change something is refused as that,
    /// whatever else is wrong with it.
    pub fn decode_query(self, limits: &Limits, body: &'a [u8]) -> Decoded<'a> {
        let only_looks = self.only_looks();
        let mut decoded = self.decode(limits, body);
        // Decoded all the same, so that the answer still names the parameters that nobody knew.
        if !only_looks {
            decoded.call = Err(Code::ReadOnly.into());
        }
        decoded
    }
}

/// As nsqd, `/pub` looks at its body before it looks at anything else.
fn check_body(limits: &Limits, route: &Route, body: &[u8]) -> Result<(), Code> {
    match route.payload {
        Payload::Message if body.is_empty() => Err(Code::MsgEmpty),
        _ if body.len() <= route.body_limit(limits) => Ok(()),
        Payload::Message => Err(Code::MsgTooBig),
        Payload::Log => Err(Code::NoLogFiles),
        _ => Err(Code::BodyTooBig),
    }
}

fn topic_call<'a>(topic: Name<'a>, verb: Verb<'a>) -> Call<'a> {
    Call::Topic(Command { topic, verb })
}

fn channel_call<'a>((topic, channel): (Name<'a>, Name<'a>), verb: ChannelVerb<'a>) -> Call<'a> {
    topic_call(topic, Verb::Channel(channel, verb))
}

impl<'a> Input<'_, 'a> {
    /// The topic, to be taken once.
    fn topic(&mut self) -> Name<'a> {
        self.topic.take().expect("a route that belongs to a topic comes here with one, and takes it once")
    }

    /// The topic and the channel, to be taken once.
    fn topic_and_channel(&mut self) -> (Name<'a>, Name<'a>) {
        let channel = self.channel.take();
        (self.topic(), channel.expect("a route that needs a channel comes here with one, and takes it once"))
    }
}

#[cfg(test)]
mod tests;
