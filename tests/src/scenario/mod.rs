//! Scenarios: HTTP transcripts with steps of a virtual clock, run on every host of the core.
//!
//! `tests/scenarios/README.md` says how they are written. Read in this order: this file (what a scenario
//! is), `parse` (from the files), `text` and `json` (patterns with captures), `host` (what runs
//! them), `run` (the runner), `table` (all on all), `core_host`, `server_host` and `wasmtime_host` (the hosts).
//!
//! A parsed [`Scenario`] serializes to JSON, so that a runner in another language takes the same list.

pub mod core_host;
pub mod host;
pub mod js_host;
pub mod json;
pub mod parse;
pub mod run;
pub mod server_host;
pub mod table;
pub mod text;
pub mod wasmtime_host;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use host::{Event, Host, HostError, Patience};
pub use json::Expected;
pub use text::{Bindings, Text};

/// When the clock of every scenario starts: 2026-01-01T00:00:00Z, in seconds since the Unix epoch.
pub const START_SECS: u64 = 1_767_225_600;

/// One scenario: what is asked of a fresh broker, and what must come back.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// What it shows, as a sentence.
    pub title: String,
    /// Where its title stands.
    pub place: Place,
    /// Limits of the broker that differ from the defaults, by flag name.
    pub options: Vec<(String, String)>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    #[serde(flatten)]
    pub action: Action,
}

/// What happens in a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// A request is sent and answered at once, so many times.
    Call {
        /// The request.
        request: Request,
        /// Its answer.
        answer: Answer,
        /// How often; `{#}` in the request and the answer stands for the round, from 1.
        times: u32,
    },
    /// A request is sent in the background.
    Send {
        /// The client that sends it.
        client: Client,
        /// The request.
        request: Request,
    },
    /// The answer to a background request is there.
    Receive {
        /// The client that sent it.
        client: Client,
        /// The answer. Of a stream: its head.
        answer: Answer,
    },
    /// An open answer has gone on by these lines.
    Lines {
        /// The client that reads it.
        client: Client,
        /// The lines, each ended by a line feed.
        lines: Vec<Line>,
    },
    /// An open answer has ended, with nothing after the lines seen so far.
    Ended {
        /// The client that reads it.
        client: Client,
    },
    /// Nothing has come to a client since the last step that speaks of it.
    Quiet {
        /// The client.
        client: Client,
    },
    /// A client closes its connection.
    HangUp {
        /// The client.
        client: Client,
    },
    /// The clock moves on.
    Advance {
        /// By so much.
        #[serde(rename = "milliseconds", serialize_with = "as_millis")]
        by: Duration,
    },
}

/// Names a client that sends in the background.
pub type Client = u32;

/// A request to send.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// Path and query, as they go over the wire.
    pub target: Text,
    /// The header fields that matter.
    pub headers: Vec<(String, Text)>,
    /// The body.
    pub body: Text,
}

/// What an answer must be like.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The error code that its JSON body must name.
    pub code: Option<String>,
    /// Header fields that must be there, and like this; `None`: that must not be there.
    pub headers: Vec<(String, Option<Text>)>,
    /// What the body must be like; `None`: it does not matter.
    pub body: Option<Expected>,
}

/// What a line of an open answer must be like.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Where it stands.
    pub place: Place,
    /// What it must start with, before the JSON; empty for lines that are all text.
    pub prefix: String,
    /// What must follow.
    pub rest: Expected,
}

/// A line of a file.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Place {
    /// The file's path, as it was given.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

fn as_millis<S: serde::Serializer>(by: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(by.as_millis()).unwrap_or(u64::MAX))
}
