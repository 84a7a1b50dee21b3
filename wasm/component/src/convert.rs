//! Records of the core to records of the WIT, and back.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use shelfmq_core::api::Response;
use shelfmq_core::config::{Config, Identity, Limits, LogOptions};
use shelfmq_core::log::{LogCommand, Read, Recovered};
use shelfmq_core::name::Name;
use shelfmq_core::time::{Time, nanos};
use shelfmq_core::{Output, config};

use super::wit;

/// What does not fit is as much as there can be.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(crate) fn default_config() -> wit::Config {
    let config::Config { limits, identity, started, .. } = Config::default();
    wit::Config {
        limits: wit::Limits {
            msg_timeout: nanos(limits.msg_timeout),
            max_msg_timeout: nanos(limits.max_msg_timeout),
            max_req_timeout: nanos(limits.max_req_timeout),
            max_msg_size: limits.max_msg_size as u64,
            max_body_size: limits.max_body_size as u64,
            max_batch: limits.max_batch as u64,
            max_answer_bytes: limits.max_answer_bytes as u64,
            max_wait: nanos(limits.max_wait),
            max_messages: limits.max_messages,
            dedup_window: nanos(limits.dedup_window),
            mem_queue_size: limits.mem_queue_size,
            heartbeat: nanos(limits.heartbeat),
            client_timeout: nanos(limits.client_timeout),
        },
        identity: wit::Identity {
            version: identity.version,
            broadcast_address: identity.broadcast_address,
            hostname: identity.hostname,
            http_port: identity.http_port,
            topology_zone: identity.topology_zone,
            topology_region: identity.topology_region,
            built_with: identity.built_with,
        },
        started: started.as_nanos(),
        options: Vec::new(),
    }
}

/// An error where an option is no JSON.
pub(crate) fn config(config: wit::Config) -> Result<Config, String> {
    let wit::Config { limits, identity, started, options } = config;
    let options = options.into_iter().map(|(name, value)| match serde_json::from_slice(value.as_bytes()) {
        Ok(value) => Ok((name, value)),
        Err(_) => Err(name),
    });
    Ok(Config {
        limits: Limits {
            msg_timeout: Duration::from_nanos(limits.msg_timeout),
            max_msg_timeout: Duration::from_nanos(limits.max_msg_timeout),
            max_req_timeout: Duration::from_nanos(limits.max_req_timeout),
            max_msg_size: size(limits.max_msg_size),
            max_body_size: size(limits.max_body_size),
            max_batch: size(limits.max_batch),
            max_answer_bytes: size(limits.max_answer_bytes),
            max_wait: Duration::from_nanos(limits.max_wait),
            max_messages: limits.max_messages,
            dedup_window: Duration::from_nanos(limits.dedup_window),
            mem_queue_size: limits.mem_queue_size,
            heartbeat: Duration::from_nanos(limits.heartbeat),
            client_timeout: Duration::from_nanos(limits.client_timeout),
            ..Limits::default()
        },
        identity: Identity {
            version: identity.version,
            broadcast_address: identity.broadcast_address,
            hostname: identity.hostname,
            http_port: identity.http_port,
            topology_zone: identity.topology_zone,
            topology_region: identity.topology_region,
            built_with: identity.built_with,
        },
        started: Time::from_nanos(started),
        options: options.collect::<Result<_, String>>()?,
    })
}

pub(crate) fn log_options(options: &wit::LogOptions) -> LogOptions {
    LogOptions { segment_bytes: options.segment_bytes, cache_bytes: size(options.cache_bytes) }
}

pub(crate) fn response(response: Response) -> wit::Response {
    let headers = response.headers.into_iter().map(|(field, value)| (field.name().into(), value.into_bytes()));
    wit::Response { status: response.status, headers: headers.collect(), body: response.body.into_bytes() }
}

/// None of a transfer, which is not for the host.
pub(crate) fn output(output: Output) -> Option<wit::Output> {
    let answer = |ticket, head| wit::Answer { ticket, response: response(head) };
    Some(match output {
        Output::Respond(ticket, response) => wit::Output::Respond(answer(ticket, response)),
        Output::Open(ticket, head) => wit::Output::Open(answer(ticket, head)),
        Output::Chunk(ticket, bytes) => wit::Output::Chunk(wit::Chunk { ticket, bytes }),
        Output::Close(ticket) => wit::Output::Close(ticket),
        Output::Read(read) => wit::Output::Read(wit::Read {
            log: read.log,
            topic: read.topic.as_str().into(),
            segment: read.segment,
            first: read.from,
            end: read.to,
            bytes: read.bytes,
            chunk: read.chunk,
        }),
        Output::Configured(name, value) => wit::Output::Configured((name, value.to_string())),
        Output::Forward(_) => return None,
    })
}

/// None where the topic's name is none: that was no read of the engine's.
pub(crate) fn read_back(read: wit::Read) -> Option<Read> {
    Some(Read {
        log: read.log,
        topic: Name::parse(read.topic)?,
        chunk: read.chunk,
        from: read.first,
        to: read.end,
        segment: read.segment,
        bytes: read.bytes,
    })
}

pub(crate) fn work(work: LogCommand) -> wit::Work {
    match work {
        LogCommand::Append(append) => wit::Work::Append(wit::Append {
            log: append.log,
            topic: append.topic.as_str().into(),
            segment: append.number,
            offset: append.offset,
            index: append.index,
            upto: append.upto,
            may_wait: append.lazy,
            bytes: append.bytes,
        }),
        LogCommand::Truncate(forget) => wit::Work::Forget(wit::Forget {
            log: forget.log,
            topic: forget.topic.as_str().into(),
            below: forget.segment,
        }),
        LogCommand::Delete(delete) => {
            wit::Work::Delete(wit::Delete { log: delete.log, topic: delete.topic.as_str().into() })
        }
    }
}

pub(crate) fn opened(recovered: &Recovered) -> wit::Opened {
    let damage = recovered.damage.iter();
    wit::Opened {
        segment: recovered.header.number,
        end: recovered.end,
        torn: recovered.torn,
        headless: recovered.headless,
        damage: damage
            .map(|damage| wit::Damage { segment: damage.segment, offset: damage.offset, length: damage.length })
            .collect(),
    }
}
