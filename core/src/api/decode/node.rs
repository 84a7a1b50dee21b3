//! What concerns the node as a whole: numbers, options, the directory.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the route table has functions of one type, and some of these cannot fail"
)]

use alloc::borrow::Cow;

use super::{Input, Understood};
use crate::api::errors::{ApiError, Code};
use crate::api::headers;
use crate::api::parameters::{
    ANY_TOPIC, INCLUDE_CLIENTS, INCLUDE_MEM, NODE, Param, STATS_CHANNEL, STATS_FORMAT, STATS_MAX, STATS_OFFSET,
    STATS_ORDER, STATS_SEARCH, STATS_SORT, STATS_TOPIC,
};
use crate::api::params::{Params, unescape};
use crate::api::stats_page::{Page, Sort};
use crate::api::values;
use crate::api::view::View;
use crate::api::{Call, NodeCall};
use crate::command::Filter;

/// `GET /ping`.
pub(in crate::api) fn ping<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Ping))
}

/// `GET /info`.
pub(in crate::api) fn info<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Info))
}

/// `GET /stats`. As with nsqd, a boolean that is none counts as not given.
pub(in crate::api) fn stats<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let params = &input.params;
    let json = params.get(&STATS_FORMAT).is_some_and(|format| format == "json");
    // The filter below was made of the head alone, where no error can be told: so this is where it is refused.
    params.text(&STATS_SEARCH, SEARCH_BYTES)?;
    let (filter, memory) = (stats_filter(params), flag(params, &INCLUDE_MEM));
    Ok(node(NodeCall::Stats { json, memory, filter, page: page(params)? }))
}

/// The topics that `/stats` is asked of.
pub(in crate::api) fn stats_filter<'a>(params: &Params<'a>) -> Filter<'a> {
    let given = |param: &Param| params.get(param).filter(|text| !text.is_empty()).cloned();
    Filter {
        topic: given(&STATS_TOPIC),
        channel: given(&STATS_CHANNEL),
        clients: flag(params, &INCLUDE_CLIENTS),
        // One of another length is refused.
        search: params.text(&STATS_SEARCH, SEARCH_BYTES).unwrap_or_default(),
    }
}

fn flag(params: &Params<'_>, param: &Param) -> bool {
    // As with nsqd, clients are listed and memory is told where nothing is said.
    params.get(param).and_then(|text| values::boolean(text)).unwrap_or(true)
}

/// The lengths that a text to search for may have.
const SEARCH_BYTES: core::ops::RangeInclusive<usize> = 1..=64;

/// The page that is asked for, where one is.
fn page(params: &Params<'_>) -> Result<Option<Page>, ApiError> {
    let order = |word: &str| match word {
        "asc" => Some(false),
        "desc" => Some(true),
        _ => None,
    };
    let page = Page {
        sort: params.read(&STATS_SORT, Sort::named)?.unwrap_or(Sort::Name),
        descending: params.read(&STATS_ORDER, order)?.unwrap_or_default(),
        offset: params.number(&STATS_OFFSET, 0..=u32::MAX.into())?.unwrap_or(0),
        max: params.number(&STATS_MAX, 1..=10_000)?.unwrap_or(usize::MAX),
    };
    let asked = [&STATS_SEARCH, &STATS_SORT, &STATS_ORDER, &STATS_OFFSET, &STATS_MAX];
    Ok(asked.iter().any(|param| params.get(param).is_some()).then_some(page))
}

/// `GET /metrics`.
pub(in crate::api) fn metrics<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Metrics))
}

/// `GET /config/:opt`.
pub(in crate::api) fn get_config<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::GetConfig(option(input)?)))
}

/// `PUT /config/:opt`.
pub(in crate::api) fn put_config<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::PutConfig(option(input)?, input.body)))
}

/// The option's name. A `+` in a path is a plus.
fn option<'a>(input: &Input<'_, 'a>) -> Result<Cow<'a, str>, ApiError> {
    // `unescape` is for queries, where these two mean something: no option has them in its name.
    if input.segment.contains(['+', ';']) { Err(Code::InvalidOption.into()) } else { unescape(input.segment) }
}

/// `GET /topics`.
pub(in crate::api) fn topics<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Topics))
}

/// `GET /channels`.
pub(in crate::api) fn channels<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Channels(input.params.required(&ANY_TOPIC)?)))
}

/// `GET /lookup`.
pub(in crate::api) fn lookup<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Lookup(input.params.required(&ANY_TOPIC)?)))
}

/// `GET /nodes`.
pub(in crate::api) fn nodes<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Nodes))
}

/// `POST /topic/tombstone`.
pub(in crate::api) fn tombstone<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Tombstone(input.params.required(&ANY_TOPIC)?, input.params.required(&NODE)?)))
}

/// `POST /nodes/register`.
pub(in crate::api) fn register<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::Register(input.body)))
}

/// `GET /openapi.json`.
pub(in crate::api) fn openapi<'a>(_: &mut Input<'_, 'a>) -> Understood<'a> {
    Ok(node(NodeCall::OpenApi))
}

/// `GET /`.
pub(in crate::api) fn home<'a>(input: &mut Input<'_, 'a>) -> Understood<'a> {
    let host = headers::header(input.head, "host").and_then(|host| core::str::from_utf8(host).ok());
    Ok(node(NodeCall::Home(host.filter(|host| is_plausible_host(host)))))
}

/// Whether a `Host` may stand in a command to paste: nothing in it means anything to a shell.
fn is_plausible_host(host: &str) -> bool {
    (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
}

/// The longest `host:port` there can be: a name of 253 bytes and a port.
const MAX_HOST: usize = 259;

fn node(call: NodeCall<'_>) -> (View, Call<'_>) {
    (View::Plain, Call::Node(call))
}
