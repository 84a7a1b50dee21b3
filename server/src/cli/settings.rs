//! What can be set, where it is taken from, and whether it makes sense.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, FromArgMatches, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shelfmq::duration_arg::DurationArg;
use shelfmq::{Address, DiskOptions, DiskStore, RecordOptions, Sync};
use shelfmq_core::config::{Config, Identity, Limits, LogOptions};
use shelfmq_core::time::nanos;
use toml::Table;

use super::known;
use super::log::Level;

/// All settings. A field's name is the flag's (`--http-address`), the variable's (`SHELFMQ_HTTP_ADDRESS`) and the
/// file's (`http_address`); where nsqd has the flag, name and meaning are nsqd's.
#[derive(Args, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where to listen: host:port, :port for every address of this machine, or the path of a Unix socket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4151")]
    pub(crate) http_address: Address,
    /// Where messages are kept: disk or memory, which a restart empties
    #[arg(long, value_enum, default_value = "disk", hide_possible_values = true)]
    pub(crate) store: Store,
    /// The directory that messages are kept in
    #[arg(long, value_name = "DIRECTORY", default_value = DATA_PATH)]
    pub(crate) data_path: PathBuf,
    /// When messages are synced to the disk: always (before their publish is answered), a duration (in the background,
    /// so often), or never (as the operating system likes)
    #[arg(long, value_name = "WHEN", default_value_t = Sync::Always)]
    #[serde(with = "as_text")]
    pub(crate) sync: Sync,
    /// How large a file of a topic's log gets, in bytes, before the next is begun
    #[arg(long, value_name = "BYTES", default_value_t = LogOptions::default().segment_bytes)]
    pub(crate) segment_bytes: u64,
    /// How many bytes of messages stay in memory, of those that are on disk
    #[arg(long, value_name = "BYTES", default_value_t = LogOptions::default().cache_bytes)]
    pub(crate) cache_bytes: usize,
    /// How many bytes of the disk stay free: below, publishes are refused. A quarter of them, at most 16 MiB, is kept in a file,
    /// so that consumers can go on where others have filled the disk
    #[arg(long, value_name = "BYTES", default_value_t = MIN_FREE_BYTES)]
    pub(crate) min_free_bytes: u64,
    /// The clock is right, however far it is ahead of what the broker knew last: where it is by more than 30 days and this is not
    /// said, nothing that topics retain is deleted for its age
    #[arg(
        long,
        action = ArgAction::Set,
        num_args = 0..=1,
        default_missing_value = "true",
        default_value_t = false,
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "BOOL"
    )]
    pub(crate) trust_clock: bool,
    /// Records all that comes in to this file, for shelfmq replay; the part before is beside it, with .1 at its end
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// How many bytes the recording may have, in both files
    #[arg(long, value_name = "BYTES", default_value_t = RECORD_BYTES)]
    pub(crate) record_bytes: u64,
    /// How many threads serve connections [default: one for each core]
    #[arg(long, value_name = "NUMBER", default_value_t = cores(), hide_default_value = true)]
    pub(crate) threads: usize,
    /// What is logged: debug, info, warn, error or fatal
    #[arg(
        long,
        value_enum,
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true,
        hide_possible_values = true
    )]
    pub(crate) log_level: Level,

    /// How long a lease lasts where neither request nor channel says
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(crate) msg_timeout: DurationArg,
    /// The longest lease, touches included
    #[arg(long, value_name = "DURATION", default_value = "15m")]
    pub(crate) max_msg_timeout: DurationArg,
    /// The longest deferral, of a publish or of a requeue
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) max_req_timeout: DurationArg,
    /// The largest message, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_msg_size)]
    pub(crate) max_msg_size: usize,
    /// The largest body of any request, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_body_size)]
    pub(crate) max_body_size: usize,
    /// The longest batch, in messages
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().max_batch)]
    pub(crate) max_batch: usize,
    /// The most bytes of messages that a request may ask for in one answer
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_answer_bytes)]
    pub(crate) max_answer_bytes: usize,
    /// How many messages an #ephemeral topic or channel keeps before it drops what comes next
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().mem_queue_size)]
    pub(crate) mem_queue_size: u64,

    /// The name under which others reach this broker [default: the host's name]
    #[arg(long, value_name = "HOST")]
    pub(crate) broadcast_address: Option<String>,
    /// The port at which others reach this broker [default: the one it listens on]
    #[arg(long, value_name = "PORT")]
    pub(crate) broadcast_http_port: Option<u16>,
    /// A directory to register at, as host:port; may be given several times
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub(crate) lookupd_http_address: Vec<String>,
    /// The zone this broker is in, as the directory shows it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) topology_zone: String,
    /// The region this broker is in, as the directory shows it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) topology_region: String,

    /// A TOML file with any of these settings
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
}

/// Smaller ones would be more snapshots than messages.
const MIN_SEGMENT_BYTES: u64 = 64 << 10;
/// The bytes of a recording, where it is not said; and the least that makes sense.
const RECORD_BYTES: u64 = 256 << 20;
const MIN_RECORD_BYTES: u64 = 1 << 20;

const DATA_PATH: &str = "shelfmq-data";

/// Room for the events of consumers, so that what is on a disk that is nearly full can be finished.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// A value as the text that it is written and read as.
mod as_text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    /// In memory only.
    Memory,
    /// In files.
    Disk,
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Settings {
    /// What flags, environment and file say together. The error is a sentence for whoever typed them.
    pub(crate) fn load(matches: &ArgMatches) -> Result<Self, String> {
        let mut settings = Settings::from_arg_matches(matches).map_err(|error| error.to_string())?;
        if let Some(path) = settings.config.take() {
            settings = read(&path)
                .and_then(|file| settings.over(file, &given(matches)))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        settings.check()?;
        Ok(settings)
    }

    /// These settings where they were `given`, those of the file elsewhere.
    fn over(&self, file: Table, given: &HashSet<&str>) -> Result<Self, String> {
        let known: Vec<_> = known::names().into_iter().filter(|name| name != "config").collect();
        let mut settings = self.clone();
        for (written, value) in file {
            let key = written.replace('-', "_");
            if !known.contains(&key) {
                return Err(known::no_setting(&written, &known));
            }
            if !given.contains(key.as_str()) {
                settings = settings.with(&key, value)?;
            }
        }
        Ok(settings)
    }

    /// These settings, but for one.
    fn with(&self, key: &str, value: toml::Value) -> Result<Self, String> {
        let shown = value.to_string();
        let mut table = Table::try_from(self).expect("settings are a table");
        table.insert(key.to_owned(), value);
        table.try_into().map_err(|error: toml::de::Error| match kind(key) {
            Some(kind) => format!("{key}: {kind}, not {shown}"),
            None => format!("{key}: {}", error.message()),
        })
    }

    fn check(&self) -> Result<(), String> {
        let complaint = if self.segment_bytes < MIN_SEGMENT_BYTES {
            format!("--segment-bytes is {}: it has to be at least {MIN_SEGMENT_BYTES}", self.segment_bytes)
        } else if self.record_bytes < MIN_RECORD_BYTES {
            format!("--record-bytes is {}: it has to be at least {MIN_RECORD_BYTES}", self.record_bytes)
        } else if self.threads == 0 {
            "--threads is 0: give at least one".into()
        } else if self.max_msg_size == 0 || self.max_body_size == 0 {
            "--max-msg-size and --max-body-size are at least 1 byte".into()
        } else if self.max_batch == 0 || self.max_answer_bytes == 0 {
            "--max-batch is at least 1 message, and --max-answer-bytes at least 1 byte".into()
        } else if self.msg_timeout.0.is_zero() || self.msg_timeout > self.max_msg_timeout {
            let (lease, longest) = (self.msg_timeout, self.max_msg_timeout);
            format!("--msg-timeout is {lease}: it has to be more than 0 and at most --max-msg-timeout, {longest}")
        } else {
            return Ok(());
        };
        Err(complaint)
    }

    /// How the disk is used, where it is.
    pub(crate) fn disk_store(&self) -> Option<DiskStore> {
        (self.store == Store::Disk).then(|| DiskStore {
            path: self.data_path.clone(),
            log: LogOptions { segment_bytes: self.segment_bytes, cache_bytes: self.cache_bytes },
            disk: DiskOptions { sync: self.sync, min_free_bytes: self.min_free_bytes },
            trust_clock: self.trust_clock,
        })
    }

    /// Where what comes in is recorded, where it is.
    pub(crate) fn recording(&self) -> Option<RecordOptions> {
        self.record.clone().map(|path| RecordOptions { path, bytes: self.record_bytes })
    }

    /// As a file that `--config` reads.
    pub(crate) fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are a table")
    }

    /// What the core is to know. `port` is the one that is listened on; a Unix socket has none.
    pub(crate) fn core_config(&self, port: Option<u16>) -> Config {
        let limits = Limits {
            msg_timeout: self.msg_timeout.0,
            max_msg_timeout: self.max_msg_timeout.0,
            max_req_timeout: self.max_req_timeout.0,
            max_msg_size: self.max_msg_size,
            max_body_size: self.max_body_size,
            max_batch: self.max_batch,
            max_answer_bytes: self.max_answer_bytes,
            mem_queue_size: self.mem_queue_size,
            ..Limits::default()
        };
        let hostname = gethostname::gethostname().to_string_lossy().into_owned();
        let identity = Identity {
            version: env!("CARGO_PKG_VERSION").into(),
            broadcast_address: self.broadcast_address.clone().unwrap_or_else(|| hostname.clone()),
            hostname,
            http_port: self.broadcast_http_port.or(port).unwrap_or_default(),
            topology_zone: self.topology_zone.clone(),
            topology_region: self.topology_region.clone(),
            ..Identity::default()
        };
        let options = self.options(&identity);
        Config { limits, identity, options, ..Config::default() }
    }

    /// What `GET /config/<name>` shows, as nsqd would: durations in nanoseconds, levels as numbers.
    fn options(&self, identity: &Identity) -> Vec<(String, Value)> {
        let nanos = |span: DurationArg| Value::from(nanos(span.0));
        let store = match self.store {
            Store::Memory => "memory",
            Store::Disk => "disk",
        };
        [
            ("broadcast_address", identity.broadcast_address.as_str().into()),
            ("broadcast_http_port", identity.http_port.into()),
            ("cache_bytes", self.cache_bytes.into()),
            ("data_path", self.data_path.to_string_lossy().into()),
            ("http_address", self.http_address.to_string().into()),
            ("log_level", self.log_level.number().into()),
            ("lookupd_http_address", self.lookupd_http_address.clone().into()),
            ("max_answer_bytes", self.max_answer_bytes.into()),
            ("max_batch", self.max_batch.into()),
            ("max_body_size", self.max_body_size.into()),
            ("max_msg_size", self.max_msg_size.into()),
            ("max_msg_timeout", nanos(self.max_msg_timeout)),
            ("max_req_timeout", nanos(self.max_req_timeout)),
            ("mem_queue_size", self.mem_queue_size.into()),
            ("min_free_bytes", self.min_free_bytes.into()),
            ("msg_timeout", nanos(self.msg_timeout)),
            ("nsqlookupd_tcp_addresses", Value::Array(Vec::new())),
            ("record", self.record.as_deref().unwrap_or(Path::new("")).to_string_lossy().into()),
            ("record_bytes", self.record_bytes.into()),
            ("segment_bytes", self.segment_bytes.into()),
            ("store", store.into()),
            ("sync", self.sync.to_string().into()),
            ("threads", self.threads.into()),
            ("topology_region", self.topology_region.as_str().into()),
            ("topology_zone", self.topology_zone.as_str().into()),
            ("trust_clock", self.trust_clock.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// The settings that a flag or the environment gives; the others stand at their defaults.
fn given(matches: &ArgMatches) -> HashSet<&str> {
    let is_given = |id: &&str| matches!(matches.value_source(id), Some(source) if source != ValueSource::DefaultValue);
    matches.ids().map(clap::Id::as_str).filter(is_given).collect()
}

/// What a setting is, where its type's own complaint would speak of Rust.
fn kind(setting: &str) -> Option<&'static str> {
    match setting {
        "max_msg_size" | "max_body_size" | "max_answer_bytes" | "segment_bytes" | "cache_bytes" | "min_free_bytes"
        | "record_bytes" => Some("a number of bytes"),
        "trust_clock" => Some("true or false"),
        "sync" => Some("always, never or a duration in quotes"),
        "threads" | "mem_queue_size" | "max_batch" => Some("a whole number of at least 0"),
        "broadcast_http_port" => Some("a port, which is a number up to 65535"),
        "lookupd_http_address" => Some("a list of addresses, as [\"127.0.0.1:4161\"]"),
        _ => None,
    }
}

fn read(path: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())
}
