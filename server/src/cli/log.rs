//! The log, to stderr, and its level, which can be changed at run time.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// nsqd's log levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
    /// Only what ends the process.
    Fatal,
}

impl Level {
    /// The number by which `/config/log_level` knows it: 1 is debug, 5 is fatal.
    pub(crate) fn number(self) -> u64 {
        self as u64 + 1
    }

    fn from_number(number: u64) -> Option<Self> {
        Self::value_variants().iter().copied().find(|level| level.number() == number)
    }

    fn filter(self) -> LevelFilter {
        match self {
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Fatal => LevelFilter::OFF,
        }
    }
}

/// The process's log.
#[derive(Clone, Debug)]
pub(crate) struct Logging(reload::Handle<LevelFilter, Registry>);

impl Logging {
    /// Begins to log. To be called once.
    pub(crate) fn start(level: Level) -> Self {
        let (filter, handle) = reload::Layer::new(level.filter());
        let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
        tracing_subscriber::registry().with(filter).with(lines).init();
        Logging(handle)
    }

    /// Does what `PUT /config/log_level` asks. Other options are none of the log's.
    pub(crate) fn configured(&self, name: &str, value: &Value) {
        let level = value.as_u64().filter(|_| name == "log_level").and_then(Level::from_number);
        if let Some(level) = level {
            self.0.reload(level.filter()).expect("the log lives as long as the process");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_nsqds_numbers() {
        assert_eq!((Level::Debug.number(), Level::Fatal.number()), (1, 5));
        assert_eq!(Level::from_number(3), Some(Level::Warn));
        assert_eq!(Level::from_number(0), None);
    }
}
