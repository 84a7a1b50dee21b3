//! What a scenario runs on.

use std::fmt;
use std::time::Duration;

use shelfmq_core::config::{Config, Limits};
use shelfmq_core::time::Time;

use super::{Client, START_SECS, Scenario};

/// Something that answers HTTP requests by the core, with a clock that the scenario sets.
///
/// Every scenario has a fresh one. The clock starts at [`START_SECS`].
pub trait Host {
    /// Sends a request, and returns once the broker has taken it in: it was answered, or it waits.
    fn send(&mut self, client: Client, request: &Wire) -> Result<(), HostError>;

    /// What has come to this client next; `None` where nothing has.
    fn next(&mut self, client: Client, patience: Patience) -> Result<Option<Event>, HostError>;

    /// Moves the clock on, and returns once the broker has done what was due.
    fn advance(&mut self, by: Duration) -> Result<(), HostError>;

    /// Closes a client's connection, and returns once the broker knows.
    fn hang_up(&mut self, client: Client) -> Result<(), HostError>;
}

/// A way to make hosts, with its name.
pub struct Kind {
    /// The name of the column.
    pub name: &'static str,
    /// Makes a host with a scenario's options.
    pub start: fn(&Scenario) -> Result<Box<dyn Host>, HostError>,
}

/// How long to wait for what has not come yet, where waiting is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It must come: until it does, or for as long as a broken broker is given.
    Long,
    /// It must not come: only for what is on its way already.
    None,
}

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The answer began.
    Head {
        /// Its status.
        status: u16,
        /// Its header fields, with lower-case names.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// Some bytes of its body.
    Data(Vec<u8>),
    /// It is complete.
    End,
}

/// A request with nothing left to fill in.
#[derive(Clone, Debug)]
pub struct Wire {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields, with names as written.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a host could not do what it was told.
#[derive(Debug)]
pub struct HostError(pub String);

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for HostError {
    fn from(error: E) -> Self {
        HostError(error.to_string())
    }
}

/// What a host is made with: the defaults with a scenario's options in them.
///
/// # Errors
/// The option that is none.
pub fn config(scenario: &Scenario) -> Result<Config, HostError> {
    let mut config = default_config();
    for (name, value) in &scenario.options {
        match name.as_str() {
            "max-msg-size" => config.limits.max_msg_size = value.parse()?,
            "max-body-size" => config.limits.max_body_size = value.parse()?,
            "max-batch" => config.limits.max_batch = value.parse()?,
            "max-answer-bytes" => config.limits.max_answer_bytes = value.parse()?,
            "mem-queue-size" => config.limits.mem_queue_size = value.parse()?,
            _ => return Err(HostError(format!("no scenario can set {name}"))),
        }
    }
    Ok(config)
}

/// The defaults, started with the scenarios' clock, and of what `/config` tells as much as tests ask for.
pub fn default_config() -> Config {
    let options = vec![
        ("log_level".into(), 2.into()),
        ("max_msg_size".into(), Limits::default().max_msg_size.into()),
        ("nsqlookupd_tcp_addresses".into(), serde_json::Value::Array(Vec::new())),
    ];
    Config { started: Time::from_secs(START_SECS), options, ..Config::default() }
}
