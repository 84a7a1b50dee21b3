//! `/sub`, `/fin`, `/req`, `/touch`, `/settle`, and looking without leasing.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Deserializer};

use super::json::{self, Item, Items};
use super::{Input, Understood, topic_call};
use crate::api::bounds;
use crate::api::errors::{ApiError, Code};
use crate::api::frames;
use crate::api::headers;
use crate::api::parameters::{
    ACK, ANSWER_BYTES, CLIENT, FIN, FORMAT, FROM, MAX, PEEK_MAX, Param, RECEIPT, REQ_DEFER, STATE, STREAM, TIMEOUT,
    TOUCH_TIMEOUT, WAIT,
};
use crate::api::values::{self, Receipts};
use crate::api::view::View;
use crate::command::{Peek, ReceiptText, Settle, State, Subscribe, Verb};
use crate::config::Limits;
use crate::name::Name;
use crate::time::parse_duration;

/// How long a poll waits where it does not say.
///
/// Less than the 30 s after which many clients give up: else they would never see the 204, and lose what comes just then.
const DEFAULT_WAIT: Duration = Duration::from_secs(25);

/// How many messages a look shows where it does not say.
const DEFAULT_PEEK: u32 = 100;

/// `GET /sub` and `POST /sub`.
pub(in crate::api) fn subscribe<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    let Input { limits, head, params, .. } = &*input;
    // Parameters are read in the order in which their errors count: of two that are wrong, the first is told.
    let max = params.number(&MAX, 1..=u64::from(limits.max_messages))?.unwrap_or(1);
    let wait = params.duration(&WAIT, Duration::ZERO..=limits.max_wait)?.unwrap_or(DEFAULT_WAIT.min(limits.max_wait));
    let max_bytes = max_bytes(input)?;
    let timeout = params.duration(&TIMEOUT, lease_range(limits))?;
    let auto_finish = params.read(&ACK, acknowledges_itself)?.unwrap_or(false);
    let finish = receipts(input, &FIN)?;
    // `raw` has one message in an answer, so that the format depends on how many are asked for.
    let view = view(input, max)?;
    let client = params.text(&CLIENT, 0..=bounds::CLIENT_BYTES)?.filter(|name| !name.is_empty());
    let view = if params.boolean(&STREAM)?.unwrap_or(false) { streamed(view)? } else { view };
    let (peer, stream) = (head.peer, view.is_stream());
    let subscribe = Subscribe { channel, max, max_bytes, wait, timeout, auto_finish, finish, client, peer, stream };
    Ok((view, topic_call(topic, Verb::Subscribe(subscribe))))
}

/// About how many bytes an answer may have.
fn max_bytes(input: &Input<'_, '_>) -> Result<usize, ApiError> {
    let most = input.limits.max_answer_bytes;
    let given = input.params.number(&ANSWER_BYTES, 1..=most as u64)?;
    Ok(given.unwrap_or(bounds::ANSWER_BYTES.min(most)))
}

fn lease_range(limits: &Limits) -> core::ops::RangeInclusive<Duration> {
    Duration::from_millis(1)..=limits.max_msg_timeout
}

fn acknowledges_itself(ack: &str) -> Option<bool> {
    match ack {
        "explicit" => Some(false),
        "auto" => Some(true),
        _ => None,
    }
}

/// The format: what the parameter says, else the first that is known of what the request accepts.
fn view(input: &Input<'_, '_>, max: u32) -> Result<View, ApiError> {
    let preferred = if max == 1 { View::Raw } else { View::Json };
    if let Some(format) = input.params.read(&FORMAT, named_view)? {
        // What a parameter says is meant, and is refused where it cannot be done; what a header accepts is only passed
        // over.
        return if format == View::Raw && max > 1 { Err(Code::InvalidFormat.into()) } else { Ok(format) };
    }
    let mut accepted = headers::media_types(input.head, "accept");
    Ok(accepted.find_map(|media_type| view_of(media_type, max, preferred)).unwrap_or(preferred))
}

fn named_view(format: &str) -> Option<View> {
    match format {
        "raw" => Some(View::Raw),
        "json" => Some(View::Json),
        "ndjson" => Some(View::Ndjson),
        "sse" => Some(View::Sse),
        "frames" => Some(View::Frames),
        _ => None,
    }
}

/// The view that a media type asks for, where it is known and will do.
fn view_of(media_type: &[u8], max: u32, preferred: View) -> Option<View> {
    let known = [
        ("*/*", preferred),
        ("application/json", View::Json),
        ("application/x-ndjson", View::Ndjson),
        ("text/event-stream", View::Sse),
        (frames::MEDIA_TYPE, View::Frames),
        ("application/octet-stream", View::Raw),
        ("text/plain", View::Raw),
    ];
    let (_, view) = known.into_iter().find(|(name, _)| media_type.eq_ignore_ascii_case(name.as_bytes()))?;
    (view != View::Raw || max == 1).then_some(view)
}

fn streamed(view: View) -> Result<View, Code> {
    match view {
        View::Ndjson | View::NdjsonStream => Ok(View::NdjsonStream),
        View::Sse => Ok(View::Sse),
        _ => Err(Code::InvalidStream),
    }
}

/// `POST /fin`.
pub(in crate::api) fn fin<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    let finish = some_receipts(input)?;
    Ok((View::Finished, settle_call(topic, Settle { finish, ..no_receipts(channel) })))
}

/// `POST /req`.
pub(in crate::api) fn req<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    let given = some_receipts(input)?;
    let delay = input.params.read(&REQ_DEFER, parse_duration)?.unwrap_or_default();
    // As with nsqd, a longer delay is cut and not refused.
    let delay = delay.min(input.limits.max_req_timeout);
    let requeue = given.into_iter().map(|receipt| (receipt, delay)).collect();
    Ok((View::Requeued, settle_call(topic, Settle { requeue, ..no_receipts(channel) })))
}

/// `POST /touch`.
pub(in crate::api) fn touch<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    let given = some_receipts(input)?;
    let timeout = input.params.duration(&TOUCH_TIMEOUT, lease_range(input.limits))?;
    let touch = given.into_iter().map(|receipt| (receipt, timeout)).collect();
    Ok((View::Touched, settle_call(topic, Settle { touch, ..no_receipts(channel) })))
}

/// The receipts that there have to be.
fn some_receipts<'a>(input: &Input<'_, 'a>) -> Result<Vec<ReceiptText<'a>>, Code> {
    let receipts = receipts(input, &RECEIPT)?;
    if receipts.is_empty() { Err(Code::MissingArgReceipt) } else { Ok(receipts) }
}

/// The receipts of a parameter and then those of the body.
fn receipts<'a>(input: &Input<'_, 'a>, param: &Param) -> Result<Vec<ReceiptText<'a>>, Code> {
    let mut reader = Receipts::default();
    // One reader for both places: the bound is on the receipts of the whole request.
    let mut receipts = input.params.receipts(param, &mut reader)?;
    // What a GET has for a body means nothing.
    if input.head.method == "POST" {
        reader.read_lines(input.body, &mut receipts)?;
    }
    Ok(receipts)
}

fn no_receipts(channel: Name<'_>) -> Settle<'_> {
    Settle { channel, finish: Vec::new(), requeue: Vec::new(), touch: Vec::new() }
}

fn settle_call<'a>(topic: Name<'a>, settle: Settle<'a>) -> crate::api::Call<'a> {
    topic_call(topic, Verb::Settle(settle))
}

/// The body of `POST /settle`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow, default, deserialize_with = "finish")]
    fin: Vec<Item<'a>>,
    #[serde(borrow, default, deserialize_with = "requeue")]
    req: Vec<Item<'a>>,
    #[serde(borrow, default, deserialize_with = "touch_items")]
    touch: Vec<Item<'a>>,
}

/// Receipts to finish, each alone or in an object.
fn finish<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Vec<Item<'a>>, D::Error> {
    from.deserialize_any(Items(None))
}

/// Receipts to put back, each alone or with a `defer`.
fn requeue<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Vec<Item<'a>>, D::Error> {
    from.deserialize_any(Items(Some("defer")))
}

/// Receipts whose leases are to be longer, each alone or with a `timeout`.
fn touch_items<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Vec<Item<'a>>, D::Error> {
    from.deserialize_any(Items(Some("timeout")))
}

/// `POST /settle`.
pub(in crate::api) fn settle<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    let batch: Batch<'a> = json::object(input.body)
        .map_err(|error| ApiError::new(Code::InvalidBody, format!("The body is not what /settle takes: {error}.")))?;
    let Batch { fin, req, touch } = batch;
    // Where nothing could be settled, the answer is an error, and has to be called by one name: the first list that was
    // given.
    let view = match (fin.is_empty(), req.is_empty()) {
        (false, _) => View::SettledFin,
        (true, false) => View::SettledReq,
        (true, true) => View::SettledTouch,
    };
    let limits = input.limits;
    let mut reader = Receipts::default();
    // All three lists count as one for the bound.
    let mut read = |(text, with)| Ok::<_, Code>((reader.read(text)?, with));
    let finish = fin.into_iter().map(|item| Ok(read(item)?.0)).collect::<Result<_, Code>>()?;
    let delay = |delay: Option<Duration>| delay.unwrap_or_default().min(limits.max_req_timeout);
    let requeue = req.into_iter().map(|item| read(item).map(|(receipt, with)| (receipt, delay(with))));
    let requeue = requeue.collect::<Result<_, Code>>()?;
    let touch = touch.into_iter().map(read).collect::<Result<Vec<_>, Code>>()?;
    // A touch is refused where it is too long, as in `/touch`. A delay is cut, as in `/req`.
    if touch.iter().any(|(_, timeout)| timeout.is_some_and(|timeout| !lease_range(limits).contains(&timeout))) {
        return Err(Code::InvalidTimeout.into());
    }
    Ok((view, settle_call(topic, Settle { channel, finish, requeue, touch })))
}

/// `GET /peek`.
pub(in crate::api) fn peek<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let topic = input.topic();
    let channel = input.channel.take();
    let state = input.params.read(&STATE, state)?;
    if channel.is_none() && state.is_some() {
        return Err(Code::MissingArgChannel.into());
    }
    look(input, topic, channel, state.unwrap_or(State::Ready))
}

/// `GET /dead`.
pub(in crate::api) fn dead<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let (topic, channel) = input.topic_and_channel();
    look(input, topic, Some(channel), State::Dead)
}

fn look<'a>(input: &Input<'_, 'a>, topic: Name<'a>, channel: Option<Name<'a>>, state: State) -> Understood<'a> {
    let from = input.params.read(&FROM, values::id)?.unwrap_or(0);
    let max = input.params.number(&PEEK_MAX, 1..=u64::from(input.limits.max_messages))?.unwrap_or(DEFAULT_PEEK);
    let max_bytes = max_bytes(input)?;
    Ok((View::Plain, topic_call(topic, Verb::Peek(Peek { channel, from, max, max_bytes, state }))))
}

fn state(text: &str) -> Option<State> {
    match text {
        "ready" => Some(State::Ready),
        "in_flight" => Some(State::InFlight),
        "deferred" => Some(State::Deferred),
        "dead" => Some(State::Dead),
        _ => None,
    }
}
