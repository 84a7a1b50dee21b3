//! `shelfmq backup` and `shelfmq restore`: the logs of all topics of a broker as files, and back.
//!
//! A backup is a directory: an exported log for each topic, and `backup.json`, which says which. It has its name only when
//! all of it is there, was read back, and is on the disk. [`remote`] is a broker that runs, at its URL; a directory is that of
//! one that does not. What belongs to a topic (options, channels, pauses, leases, dead letters) is in its log.

mod remote;
mod write;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{CommandFactory, FromArgMatches, Parser};
use serde::{Deserialize, Serialize};
use shelfmq::disk::{DataDir, Import, replay_export};
use shelfmq_core::name::Name;

use super::log_tools::Lines;
use super::log_tools::place::failed;
use remote::Remote;

/// The names of the two subcommands.
pub(crate) const BACKUP: &str = "backup";
pub(crate) const RESTORE: &str = "restore";
/// What they do, for the list of subcommands.
pub(crate) const ABOUT_BACKUP: &str =
    "Copies all topics of a broker, running or not, to a directory, and reads them back";
pub(crate) const ABOUT_RESTORE: &str = "Makes topics of a backup, in a broker that runs or in a data directory";

/// What says which files a backup has.
const MANIFEST: &str = "backup.json";
/// The version of its layout.
const VERSION: u32 = 1;
/// What the name of a backup that is being made ends with.
const UNFINISHED: &str = ".unfinished";

/// Copies all topics of a broker to a directory. The copy of each topic is consistent, and has all that was answered before
#[derive(Parser)]
#[command(name = "shelfmq backup", bin_name = "shelfmq backup")]
struct Backup {
    /// The URL of a broker that runs, `http://…`; or the data directory of one that does not
    from: String,
    /// The directory to make
    to: PathBuf,
    /// Only this topic; may be given more than once
    #[arg(long = "topic", value_name = "TOPIC", value_parser = super::log_tools::topic)]
    topics: Vec<Name<'static>>,
}

/// Makes topics of a backup. Nothing that is there is written over
#[derive(Parser)]
#[command(name = "shelfmq restore", bin_name = "shelfmq restore")]
struct Restore {
    /// The backup
    from: PathBuf,
    /// The URL of a broker that runs; or a data directory on which none does, which is made if it is not there
    to: String,
    /// Only this topic; may be given more than once
    #[arg(long = "topic", value_name = "TOPIC", value_parser = super::log_tools::topic)]
    topics: Vec<Name<'static>>,
}

/// What a backup has.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    shelfmq_backup: u32,
    topics: Vec<Entry>,
}

/// A topic of a backup.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    topic: String,
    /// The file's name.
    file: String,
    segments: usize,
    bytes: u64,
    messages_published: u64,
}

#[derive(Serialize)]
struct Restored<'a> {
    topic: &'a str,
    to: &'a str,
    bytes: u64,
}

/// Runs the subcommand that a command line names.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<(), String> {
    let args: Vec<OsString> = args.into_iter().skip(1).collect();
    let mut lines = Lines::new();
    let version = env!("CARGO_PKG_VERSION");
    let done = if args.first().is_some_and(|first| first == BACKUP) {
        let matches = Backup::command().version(version).get_matches_from(args);
        let Backup { from, to, topics } = Backup::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        write::backup(&from, &to, &topics, &mut lines)
    } else {
        let matches = Restore::command().version(version).get_matches_from(args);
        let Restore { from, to, topics } = Restore::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        restore(&from, &to, &topics, &mut lines)
    };
    done.and(lines.finish())
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

/// Which of these topics were asked for.
fn is_wanted(wanted: &[Name<'_>], topic: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted.as_str() == topic)
}

fn complain_of_missing(wanted: &[Name<'_>], place: &str, has: impl Fn(&str) -> bool) -> Result<(), String> {
    match wanted.iter().find(|wanted| !has(wanted.as_str())) {
        Some(missing) => Err(format!("there is no topic {missing} in {place}")),
        None => Ok(()),
    }
}

fn restore(from: &Path, to: &str, wanted: &[Name<'_>], lines: &mut Lines<'_>) -> Result<(), String> {
    let mut manifest = manifest(from)?;
    complain_of_missing(wanted, &from.display().to_string(), |topic| {
        manifest.topics.iter().any(|entry| entry.topic == topic)
    })?;
    manifest.topics.retain(|entry| is_wanted(wanted, &entry.topic));
    // All of it is looked at before anything is made of it.
    for entry in &manifest.topics {
        check(&from.join(&entry.file), entry)?;
    }
    if is_url(to) {
        restore_to_broker(from, &Remote::new(to)?, to, &manifest, lines)
    } else {
        restore_to_directory(from, Path::new(to), &manifest, lines)
    }
}

/// What a backup says of itself.
fn manifest(from: &Path) -> Result<Manifest, String> {
    let path = from.join(MANIFEST);
    let text = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("{} is no backup: it has no {MANIFEST}", from.display()),
        _ => failed("read", &path, &error),
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| format!("{} is damaged: {error}", path.display()))?;
    if manifest.shelfmq_backup != VERSION {
        let version = manifest.shelfmq_backup;
        return Err(format!("{} has version {version}, which this program does not know", path.display()));
    }
    // A name that leads elsewhere was not written by a backup.
    match manifest.topics.iter().find(|entry| Path::new(&entry.file).file_name() != Some(entry.file.as_ref())) {
        Some(entry) => Err(format!("{} is damaged: {:?} is no file of a backup", path.display(), entry.file)),
        None => Ok(manifest),
    }
}

/// Whether a file of a backup is what was written to it.
fn check(path: &Path, entry: &Entry) -> Result<(), String> {
    let (recovered, segments, bytes) = replay_export(path).map_err(|why| format!("{}: {why}", path.display()))?;
    if (recovered.image.name.as_str(), segments, bytes) != (&entry.topic, entry.segments, entry.bytes) {
        return Err(format!("{} is not the file that {MANIFEST} tells of", path.display()));
    }
    Ok(())
}

fn restore_to_broker(
    from: &Path,
    broker: &Remote,
    url: &str,
    manifest: &Manifest,
    lines: &mut Lines<'_>,
) -> Result<(), String> {
    let there = broker.topics()?;
    if let Some(entry) = manifest.topics.iter().find(|entry| there.contains(&entry.topic)) {
        return Err(format!("there is a topic {} at {url} already: nothing was restored", entry.topic));
    }
    for entry in &manifest.topics {
        let mut progress = Progress::new(&entry.topic);
        broker.import(&entry.topic, &from.join(&entry.file), &mut progress)?;
        progress.end();
        lines.write(&Restored { topic: &entry.topic, to: url, bytes: entry.bytes })?;
    }
    Ok(())
}

/// Restores all or nothing: no topic has its name before all of them are read, looked at and on the disk.
fn restore_to_directory(from: &Path, into: &Path, manifest: &Manifest, lines: &mut Lines<'_>) -> Result<(), String> {
    let data = DataDir::open(into).map_err(|error| error.to_string())?;
    let mut imports: Vec<(Import<'_>, u64)> = Vec::new();
    for entry in &manifest.topics {
        let path = from.join(&entry.file);
        let file = File::open(&path).map_err(|error| failed("open", &path, &error))?;
        let name = Name::parse(entry.topic.as_str());
        let import = data.import(name.as_ref(), &mut BufReader::new(file), 0);
        let import = import.map_err(|why| format!("topic {}: {why}: nothing was restored", entry.topic))?;
        imports.push((import, entry.bytes));
    }
    for (import, bytes) in imports {
        let name = import.name().clone();
        import.place().map_err(|why| format!("topic {name}: {why}"))?;
        lines.write(&Restored { topic: name.as_str(), to: &into.to_string_lossy(), bytes })?;
    }
    Ok(())
}

/// Says on a terminal how far a file is.
struct Progress<'a> {
    topic: &'a str,
    is_seen: bool,
    bytes: u64,
    said: Instant,
}

impl<'a> Progress<'a> {
    fn new(topic: &'a str) -> Self {
        Progress { topic, is_seen: io::stderr().is_terminal(), bytes: 0, said: Instant::now() }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.is_seen && self.said.elapsed().as_millis() > 200 {
            self.said = Instant::now();
            // Only for whoever looks on.
            let _ = write!(io::stderr(), "\r\x1b[K{}: {} MiB", self.topic, self.bytes >> 20);
        }
    }

    fn end(&self) {
        if self.is_seen {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
