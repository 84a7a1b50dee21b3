//! What a host may set, and the limits that follow from it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// Channels that a topic may have at once.
pub const MAX_CHANNELS: u32 = 1 << 16;
/// Producers that number their messages, in one topic.
pub const MAX_PRODUCERS: usize = 100_000;
/// Consumers' names that a channel remembers; beyond, only those that wait or hold a message.
pub const MAX_CLIENTS: usize = 10_000;
/// Messages that a channel holds behind others of their ordering key before it waits for those.
pub const MAX_HELD: u64 = 1_000_000;
/// Messages that one search for something to hand out passes over.
pub const SCAN: u32 = 4096;
/// Bytes of memory that the names of all nodes of a directory may take.
pub const MAX_DIRECTORY_BYTES: usize = 64 << 20;
/// A larger snapshot of a topic is not written: its log is replayed from the one before.
pub const MAX_SNAPSHOT_BYTES: usize = 1 << 30;

/// Logs that a server exports and imports at once.
pub const MAX_TRANSFERS: usize = 8;

/// The limits of the API. NSQ's flags of the same names have the same meaning and defaults.
/// All of it is a part of a checkpoint, so that a replay has the limits of the engine that was recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// How long a lease lasts where neither the request nor the channel says.
    pub msg_timeout: Duration,
    /// The longest lease, touches included, counted from the delivery.
    /// It bounds leases that a log tells of, too, or that were made by a clock that was wrong.
    pub max_msg_timeout: Duration,
    /// The longest deferral, of a publish or of a requeue.
    /// Likewise for those of a log, or of a clock that was wrong.
    pub max_req_timeout: Duration,
    /// The largest message body, in bytes.
    #[serde(with = "crate::state::size")]
    pub max_msg_size: usize,
    /// The largest body of any request, in bytes.
    #[serde(with = "crate::state::size")]
    pub max_body_size: usize,
    /// The longest batch, in messages.
    #[serde(with = "crate::state::size")]
    pub max_batch: usize,
    /// The most bytes of messages that a request may ask for in one answer.
    #[serde(with = "crate::state::size")]
    pub max_answer_bytes: usize,
    /// The longest a poll may wait.
    pub max_wait: Duration,
    /// The longest list of messages in one answer.
    pub max_messages: u32,
    /// How long a `dedup` key is remembered.
    pub dedup_window: Duration,
    /// The deepest an ephemeral topic or channel gets before it drops what comes next, in messages.
    pub mem_queue_size: u64,
    /// How often a stream that has nothing to say says so.
    pub heartbeat: Duration,
    /// How many messages one call takes back or drops whose time has come, before others are served: the rest is due at
    /// once.
    pub slice: u32,
    /// How many bytes a topic may have written that its log does not have for sure; beyond that publishes are refused.
    pub max_not_durable: u64,
    /// How many dead letters of a channel are on their way to another topic at once.
    pub dead_letters_under_way: u32,
    /// For so long after a topic was opened from its log nothing of it is deleted for its age: a clock that is wrong at
    /// the start of a machine has been set by then.
    pub clock_grace: Duration,
    /// How long a consumer that polls no more counts as a client; then its ephemeral channel goes.
    pub client_timeout: Duration,
    /// Whether the host keeps logs in files of their own, and gives and takes them as such.
    pub log_files: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            msg_timeout: Duration::from_secs(60),
            max_msg_timeout: Duration::from_secs(15 * 60),
            max_req_timeout: Duration::from_secs(60 * 60),
            max_msg_size: 1024 * 1024,
            max_body_size: 5 * 1024 * 1024,
            max_batch: 100_000,
            max_answer_bytes: 64 << 20,
            max_wait: Duration::from_secs(60 * 60),
            max_messages: 10_000,
            dedup_window: Duration::from_secs(5 * 60),
            mem_queue_size: 10_000,
            heartbeat: Duration::from_secs(15),
            slice: 1_000,
            max_not_durable: 256 << 20,
            dead_letters_under_way: 32,
            clock_grace: Duration::from_secs(60 * 60),
            client_timeout: Duration::from_secs(60),
            log_files: false,
        }
    }
}

/// How an engine keeps a log of its topics.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogOptions {
    /// About how many bytes a segment of a log has: then the next begins, and those before can go once nobody needs
    /// them.
    pub segment_bytes: u64,
    /// How many bytes of messages stay in memory, of those that can be read back.
    #[serde(with = "crate::state::size")]
    pub cache_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions { segment_bytes: 64 << 20, cache_bytes: 64 << 20 }
    }
}

/// Who this broker is, as `/info`, `/stats` and the directory endpoints tell it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The version of the broker, as semver without a `v`.
    pub version: String,
    /// The name under which others reach it.
    pub broadcast_address: String,
    /// The name of the machine.
    pub hostname: String,
    /// The port of its HTTP listener.
    pub http_port: u16,
    /// NSQ's topology labels; empty where unused.
    pub topology_zone: String,
    /// NSQ's topology labels; empty where unused.
    pub topology_region: String,
    /// What the broker was built with, for the first line of `/stats`.
    pub built_with: String,
}

impl Default for Identity {
    fn default() -> Self {
        Identity {
            version: env!("CARGO_PKG_VERSION").into(),
            broadcast_address: "localhost".into(),
            hostname: "localhost".into(),
            http_port: 4151,
            topology_zone: String::new(),
            topology_region: String::new(),
            built_with: "rust".into(),
        }
    }
}

/// All that an [`Engine`](crate::Engine) is told when it is made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Config {
    /// The limits.
    pub limits: Limits,
    /// Who this is.
    pub identity: Identity,
    /// When the broker started.
    pub started: Time,
    /// What `GET /config/<name>` answers, by name (`max_msg_size`), in the order of the names.
    #[serde(with = "crate::state::json")]
    pub options: Vec<(String, serde_json::Value)>,
}

/// The log levels by name; nsqd's number for each is its place, from 1 on.
pub const LOG_LEVELS: [&str; 5] = ["debug", "info", "warn", "error", "fatal"];

/// The number of a log level.
pub fn log_level(name: &str) -> Option<usize> {
    LOG_LEVELS.iter().position(|level| level.eq_ignore_ascii_case(name)).map(|index| index + 1)
}
