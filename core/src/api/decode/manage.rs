//! Topics and channels: made, changed, emptied, deleted.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the route table has functions of one type, and some of these cannot fail"
)]

use alloc::vec::Vec;
use core::time::Duration;

use super::{Input, Understood, channel_call, topic_call};
use crate::api::Call;
use crate::api::bounds;
use crate::api::errors::{ApiError, Code};
use crate::api::parameters::{
    ARG_TOPIC, CHANNEL_TIMEOUT, DEAD_IDS, DEAD_LETTER, DEDUP_WINDOW, MAX_ATTEMPTS, MAX_BYTES, MAX_IN_FLIGHT,
    MAX_MESSAGES, ORDERED, OVERFLOW, RETAIN, RETAIN_BYTES, START, TO,
};
use crate::api::values;
use crate::api::view::View;
use crate::command::{ChannelChanges, ChannelVerb, Overflow, TopicChanges, Verb};
use crate::name::Name;
use crate::time::parse_duration;

/// `POST /topic/create`.
pub(in crate::api) fn create_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let topic = input.topic();
    Ok(plain(topic_call(topic, Verb::CreateTopic(topic_changes(input)?))))
}

/// `POST /topic/config`.
pub(in crate::api) fn configure_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let topic = input.topic();
    Ok(plain(topic_call(topic, Verb::ConfigureTopic(topic_changes(input)?))))
}

fn topic_changes(input: &Input<'_, '_>) -> Result<TopicChanges, ApiError> {
    let params = &input.params;
    Ok(TopicChanges {
        retain: params.read(&RETAIN, parse_duration)?,
        retain_bytes: params.read(&RETAIN_BYTES, values::number)?,
        max_bytes: params.read(&MAX_BYTES, values::number)?,
        max_messages: params.read(&MAX_MESSAGES, values::number)?,
        overflow: params.read(&OVERFLOW, overflow)?,
        dedup_window: params.duration(&DEDUP_WINDOW, MIN_DEDUP_WINDOW..=bounds::DEDUP_WINDOW)?,
    })
}

/// The shortest time that a dedup key is remembered.
const MIN_DEDUP_WINDOW: Duration = Duration::from_secs(1);

fn overflow(text: &str) -> Option<Overflow> {
    match text {
        "reject" => Some(Overflow::Reject),
        "drop_oldest" => Some(Overflow::DropOldest),
        _ => None,
    }
}

/// `POST /topic/delete`.
pub(in crate::api) fn delete_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(topic_call(input.topic(), Verb::DeleteTopic)))
}

/// `POST /topic/empty`.
pub(in crate::api) fn empty_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(topic_call(input.topic(), Verb::EmptyTopic)))
}

/// `GET /export`.
pub(in crate::api) fn export<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    if !input.limits.log_files {
        return Err(Code::NoLogFiles.into());
    }
    Ok((View::Exported, topic_call(input.topic(), Verb::Export)))
}

/// `POST /import`, which is a host's to do: whoever comes here has one that cannot.
pub(in crate::api) fn import<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Err(Code::NoLogFiles.into())
}

/// `POST /topic/pause`.
pub(in crate::api) fn pause_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(topic_call(input.topic(), Verb::PauseTopic(true))))
}

/// `POST /topic/unpause`.
pub(in crate::api) fn unpause_topic<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(topic_call(input.topic(), Verb::PauseTopic(false))))
}

/// `POST /channel/create`.
pub(in crate::api) fn create_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let names = input.topic_and_channel();
    let start = input.params.read(&START, values::start)?;
    let changes = ChannelChanges { start, ..channel_changes(input)? };
    Ok(plain(channel_call(names, ChannelVerb::Create(changes))))
}

/// `POST /channel/config`.
pub(in crate::api) fn configure_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let names = input.topic_and_channel();
    Ok(plain(channel_call(names, ChannelVerb::Configure(channel_changes(input)?))))
}

fn channel_changes<'a>(input: &Input<'_, 'a>) -> Result<ChannelChanges<'a>, ApiError> {
    let params = &input.params;
    Ok(ChannelChanges {
        start: None,
        timeout: params.duration(&CHANNEL_TIMEOUT, Duration::ZERO..=input.limits.max_msg_timeout)?,
        max_attempts: params.number(&MAX_ATTEMPTS, 0..=u64::MAX)?,
        max_in_flight: params.number(&MAX_IN_FLIGHT, 0..=u64::MAX)?,
        ordered: params.boolean(&ORDERED)?,
        dead_letter: match params.get(&DEAD_LETTER) {
            None => None,
            // An empty name takes it away; no parameter leaves it as it is.
            Some(text) if text.is_empty() => Some(None),
            // Where they come from they would only die again, and again.
            text if text == params.get(&ARG_TOPIC) => return Err(DEAD_LETTER.invalid.into()),
            Some(text) => Some(Some(Name::parse(text.clone()).ok_or(DEAD_LETTER.invalid)?)),
        },
    })
}

/// `POST /channel/delete`.
pub(in crate::api) fn delete_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(channel_call(input.topic_and_channel(), ChannelVerb::Delete)))
}

/// `POST /channel/empty`.
pub(in crate::api) fn empty_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(channel_call(input.topic_and_channel(), ChannelVerb::Empty)))
}

/// `POST /channel/pause`.
pub(in crate::api) fn pause_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(channel_call(input.topic_and_channel(), ChannelVerb::Pause(true))))
}

/// `POST /channel/unpause`.
pub(in crate::api) fn unpause_channel<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(plain(channel_call(input.topic_and_channel(), ChannelVerb::Pause(false))))
}

/// `POST /channel/seek`.
pub(in crate::api) fn seek<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let names = input.topic_and_channel();
    let to = input.params.read(&TO, values::start)?.ok_or(Code::MissingArgTo)?;
    Ok(plain(channel_call(names, ChannelVerb::Seek(to))))
}

/// `POST /channel/redrive`.
pub(in crate::api) fn redrive<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let names = input.topic_and_channel();
    let ids = input
        .params
        .list(&DEAD_IDS)
        .map(|id| values::id(&id).ok_or(DEAD_IDS.invalid))
        .collect::<Result<Vec<_>, _>>()?;
    // A list that names nobody is not all of them: somebody who fills it by a program may come with none.
    let named = input.params.get(&DEAD_IDS).is_some();
    Ok((View::Redriven, channel_call(names, ChannelVerb::Redrive(named.then_some(ids)))))
}

/// `POST /dead/empty`.
pub(in crate::api) fn empty_dead<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok((View::Dropped, channel_call(input.topic_and_channel(), ChannelVerb::EmptyDead)))
}

fn plain(call: Call<'_>) -> (View, Call<'_>) {
    (View::Plain, call)
}
