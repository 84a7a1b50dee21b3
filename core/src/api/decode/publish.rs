//! `/pub` and `/mpub`: messages out of bodies.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use smallvec::{SmallVec, smallvec};

use super::json::{self, JsonDuration, Text};
use super::{Input, Understood, topic_call};
use crate::api::bounds;
use crate::api::errors::{ApiError, Code, name_limits};
use crate::api::headers::{self, Kept};
use crate::api::parameters::{BINARY, DEDUP, DEFER, KEY, PRODUCER, SEQ, TTL};
use crate::api::values;
use crate::api::view::View;
use crate::command::{MessageOptions, Messages, NewMessage, Numbered, Publish, Verb};
use crate::config::Limits;
use crate::sorted_fields::SortedFields;

/// The lengths that a key may have: for order, for dedup, of a producer.
const KEY_BYTES: core::ops::RangeInclusive<usize> = 1..=bounds::KEY_BYTES;

/// The shortest time to live.
const MIN_TTL: Duration = Duration::from_millis(1);

/// `POST /pub`: the body is one message.
pub(in crate::api) fn publish<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let topic = input.topic();
    let (options, dedup) = options(input)?;
    let producer = producer(input)?;
    let messages = Messages::Same(smallvec![input.body], options);
    let view = if headers::accepts_json(input.head) { View::PublishedJson } else { View::Published };
    Ok((view, topic_call(topic, Verb::Publish(Publish { messages, dedup, producer }))))
}

/// `POST /mpub`: the body is a batch in one of three forms.
pub(in crate::api) fn mpub<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let topic = input.topic();
    let (options, dedup) = options(input)?;
    let body = input.body;
    // As with nsqd, `binary` without a boolean value means yes.
    let messages = if input.params.get(&BINARY).is_some_and(|value| values::boolean(value) != Some(false)) {
        Messages::Same(binary(body, input.limits)?, options)
    } else if headers::has_content_type(input.head, "application/x-ndjson") {
        Messages::Each(json_lines(body, &options, input)?)
    } else {
        Messages::Same(text_lines(body, input.limits)?, options)
    };
    let view = if headers::accepts_json(input.head) { View::BatchJson } else { View::Batch };
    Ok((view, topic_call(topic, Verb::Publish(Publish { messages, dedup, producer: None }))))
}

type Dedup<'a> = Option<Cow<'a, str>>;

/// The options of the query, in the order in which their errors count.
fn options<'a>(input: &Input<'_, 'a>) -> Result<(MessageOptions<'a>, Dedup<'a>), ApiError> {
    let params = &input.params;
    let defer = params.duration(&DEFER, Duration::ZERO..=input.limits.max_req_timeout)?;
    let key = params.text(&KEY, KEY_BYTES)?;
    let dedup = match params.text(&DEDUP, KEY_BYTES)? {
        None => idempotency_key(input)?,
        Some(dedup) if is_ours(&dedup) => return Err(Code::InvalidDedup.into()),
        Some(dedup) => Some(values::key_text(dedup)),
    };
    let ttl = params.duration(&TTL, MIN_TTL..=Duration::MAX)?;
    Ok((MessageOptions { defer, ttl, key, headers: headers::kept(input.head)? }, dedup))
}

/// Whether a dedup key is one of those that the broker gives to dead letters: nobody else's, or a letter could be taken for
/// the repetition of what somebody published.
fn is_ours(key: &str) -> bool {
    key.starts_with('\0')
}

fn idempotency_key<'a>(input: &Input<'_, 'a>) -> Result<Dedup<'a>, Code> {
    match headers::header(input.head, "idempotency-key") {
        Some(value) if KEY_BYTES.contains(&value.len()) => Ok(Some(values::key_of_bytes(value))),
        Some(_) => Err(Code::InvalidDedup),
        None => Ok(None),
    }
}

/// The producer and its number, of the query.
fn producer<'a>(input: &Input<'_, 'a>) -> Result<Option<Numbered<'a>>, ApiError> {
    let producer = input.params.text(&PRODUCER, KEY_BYTES)?;
    let seq = input.params.number(&SEQ, 0..=u64::MAX)?;
    Ok(numbered(producer, seq)?)
}

/// A producer and its number, where both are there.
fn numbered(producer: Option<Cow<'_, str>>, seq: Option<u64>) -> Result<Option<Numbered<'_>>, Code> {
    match (producer, seq) {
        (None, None) => Ok(None),
        (Some(producer), Some(seq)) => Ok(Some((producer, seq))),
        (None, Some(_)) => Err(Code::InvalidProducer),
        (Some(_), None) => Err(Code::InvalidSeq),
    }
}

/// One message a line. Empty lines are none, as with nsqd.
fn text_lines<'a>(body: &'a [u8], limits: &Limits) -> Result<SmallVec<[&'a [u8]; 1]>, Code> {
    // As many as there are if all are as long as the first; but what a guess costs has a limit.
    let first = memchr::memchr(b'\n', body).map_or(body.len(), |end| end + 1);
    let mut messages = SmallVec::with_capacity(body.len().div_ceil(first.max(1)).min(1024));
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain(core::iter::once(body.len())) {
        let line = &body[start..end];
        start = end + 1;
        match line.len() {
            0 => {}
            length if length > limits.max_msg_size => return Err(Code::MsgTooBig),
            _ if messages.len() == limits.max_batch => return Err(Code::BatchTooLong),
            _ => messages.push(line),
        }
    }
    Ok(messages)
}

/// The binary form: u32 count, then for each message u32 size and its bytes, big endian. What follows the
/// last message is not looked at. The errors are nsqd's.
fn binary<'a>(body: &'a [u8], limits: &Limits) -> Result<SmallVec<[&'a [u8]; 1]>, Code> {
    let (count, mut rest) = body.split_first_chunk::<4>().ok_or(Code::BadBody)?;
    let count = u32::from_be_bytes(*count) as usize;
    // Each message takes 5 bytes at least: a number that no body has room for is not believed.
    if count == 0 || count > limits.max_body_size.saturating_sub(4) / 5 {
        return Err(Code::BadBody);
    }
    if count > limits.max_batch {
        return Err(Code::BatchTooLong);
    }
    let mut messages = SmallVec::with_capacity(count.min(body.len() / 5));
    for _ in 0..count {
        let (size, after) = rest.split_first_chunk::<4>().ok_or(Code::BadMessage)?;
        let size = u32::from_be_bytes(*size) as usize;
        let (message, after) = after.split_at_checked(size).ok_or(Code::BadMessage)?;
        if size == 0 || size > limits.max_msg_size {
            return Err(Code::BadMessage);
        }
        messages.push(message);
        rest = after;
    }
    Ok(messages)
}

/// A line of an `application/x-ndjson` batch. What `/sub`, `/peek` and `/dead` tell of a message beside this is passed
/// over, so that what one broker gave out can be published to another as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    body_base64: Option<Text<'a>>,
    defer: Option<JsonDuration>,
    ttl: Option<JsonDuration>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    dedup: Option<Text<'a>>,
    #[serde(borrow)]
    producer: Option<Text<'a>>,
    seq: Option<u64>,
    headers: Option<SortedFields<String>>,
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(default, rename = "receipt")]
    _receipt: IgnoredAny,
    #[serde(default, rename = "attempts")]
    _attempts: IgnoredAny,
    #[serde(default, rename = "timestamp")]
    _timestamp: IgnoredAny,
    #[serde(default, rename = "published")]
    _published: IgnoredAny,
    #[serde(default, rename = "state")]
    _state: IgnoredAny,
    #[serde(default, rename = "until")]
    _until: IgnoredAny,
    #[serde(default, rename = "ready_at")]
    _ready_at: IgnoredAny,
}

/// One JSON object a line, each with its own options over those of the query. Blank lines are none.
fn json_lines<'a>(
    body: &'a [u8],
    options: &MessageOptions<'a>,
    input: &Input<'_, 'a>,
) -> Result<Vec<NewMessage<'a>>, ApiError> {
    let lines = body.split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let mut messages = Vec::new();
    for (i, line) in lines {
        if messages.len() == input.limits.max_batch {
            return Err(Code::BatchTooLong.into());
        }
        // One bad line refuses the whole batch: a publish is all or nothing.
        messages.push(json_line(line, options, input).map_err(|fault| fault.at_line(i + 1, input.limits))?);
    }
    Ok(messages)
}

/// What is wrong with a line.
enum Fault {
    TooBig,
    Bad(String),
}

impl Fault {
    fn at_line(self, number: usize, limits: &Limits) -> ApiError {
        match self {
            Fault::TooBig => {
                let max = limits.max_msg_size;
                let sentence = format!("Line {number} is longer than the {max} bytes that max-msg-size allows.");
                ApiError::new(Code::MsgTooBig, sentence)
            }
            Fault::Bad(what) => ApiError::new(Code::BadLine, format!("Line {number}: {what}.")),
        }
    }
}

fn json_line<'a>(line: &'a [u8], common: &MessageOptions<'a>, input: &Input<'_, 'a>) -> Result<NewMessage<'a>, Fault> {
    let line: Line<'a> = json::object(line).map_err(Fault::Bad)?;
    // Its size counts as it is kept, not as it came in base64.
    let body = line_body(line.body, line.body_base64)?;
    if body.len() > input.limits.max_msg_size {
        return Err(Fault::TooBig);
    }
    let defer = line.defer.map(|defer| defer.0);
    let ttl = line.ttl.map(|ttl| ttl.0);
    let key = line.key.map(|key| key.0);
    let dedup = line.dedup.map(|dedup| dedup.0);
    let producer = line.producer.map(|producer| producer.0);
    check(!body.is_empty(), "the body is empty")?;
    // `None` is less than any, so that a line without a deferral passes.
    check(defer <= Some(input.limits.max_req_timeout), &name_limits(Code::InvalidDefer.sentence(), input.limits))?;
    check(ttl.is_none_or(|ttl| ttl >= MIN_TTL), Code::InvalidTtl.sentence())?;
    check(key.as_ref().is_none_or(|key| KEY_BYTES.contains(&key.len())), Code::InvalidKey.sentence())?;
    check(
        dedup.as_ref().is_none_or(|key| KEY_BYTES.contains(&key.len()) && !is_ours(key)),
        Code::InvalidDedup.sentence(),
    )?;
    let is_name = |name: &Cow<'_, str>| KEY_BYTES.contains(&name.len());
    check(producer.as_ref().is_none_or(is_name), Code::InvalidProducer.sentence())?;
    let producer =
        numbered(producer, line.seq).map_err(|code| Fault::Bad(code.sentence().trim_end_matches('.').into()))?;
    let options = MessageOptions {
        // The query's options are those of all lines, but for a dedup key: that is the batch's.
        defer: defer.or(common.defer),
        ttl: ttl.or(common.ttl),
        key: key.or_else(|| common.key.clone()),
        headers: line_headers(line.headers.unwrap_or_default(), &common.headers)?,
    };
    Ok(NewMessage { body, options, dedup: dedup.map(values::key_text), producer })
}

fn check(holds: bool, what: &str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault::Bad(what.trim_end_matches('.').into())) }
}

fn line_body<'a>(text: Option<Text<'a>>, base64: Option<Text<'a>>) -> Result<Cow<'a, [u8]>, Fault> {
    match (text, base64) {
        (Some(Text(Cow::Borrowed(text))), None) => Ok(Cow::Borrowed(text.as_bytes())),
        (Some(Text(Cow::Owned(text))), None) => Ok(Cow::Owned(text.into_bytes())),
        (None, Some(base64)) => match STANDARD.decode(base64.0.as_bytes()) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(error) => Err(Fault::Bad(format!("body_base64 is not base64: {error}"))),
        },
        _ => Err(Fault::Bad("it needs either `body` or `body_base64`".into())),
    }
}

/// A line's headers, and those of the request that the line does not have itself.
fn line_headers<'a>(own: SortedFields<String>, common: &Kept<'a>) -> Result<Kept<'a>, Fault> {
    let mut kept = Kept::new();
    for (name, value) in own.0 {
        let name = name.to_ascii_lowercase();
        check(headers::is_kept(&name) && headers::is_legal_name(&name), "a header is none of those that are kept")?;
        check(headers::is_legal_value(&value), "a header's value has control characters")?;
        kept.push((Cow::Owned(name), Cow::Owned(value.into_bytes())));
    }
    for header in common {
        // A line's own header takes the place of the request's: it is more particular.
        if !kept.iter().any(|(name, _)| *name == header.0) {
            kept.push(header.clone());
        }
    }
    check(headers::kept_bytes(&kept) <= bounds::KEPT_HEADER_BYTES, Code::HeadersTooBig.sentence())?;
    Ok(kept)
}
