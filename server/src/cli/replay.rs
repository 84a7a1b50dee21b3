//! `shelfmq replay`: runs a recording again, and tells what happened.

use std::borrow::Cow;
use std::fs;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Value, json};
use shelfmq::recording::before_path;
use shelfmq_core::api;
use shelfmq_core::message::parse_hex;
use shelfmq_core::recording::{MessageHistory, Recording, Replay, describe, file};
use shelfmq_core::time::Time;

/// The subcommand and its arguments.
pub(super) fn command() -> Command {
    Command::new("replay")
        .about("Runs what --record has recorded again, and tells what happened, as lines of JSON")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The recording. The part before it, <FILE>.1, is replayed first where it is there"),
        )
        .arg(
            Arg::new("until")
                .long("until")
                .value_name("TIME")
                .value_parser(instant)
                .help("Up to this time: as 2026-01-31T12:00:00.5Z, or nanoseconds since 1970"),
        )
        .arg(
            Arg::new("outputs")
                .long("outputs")
                .action(ArgAction::SetTrue)
                .help("All that was answered, sent or asked of the disk, one by one"),
        )
        .arg(
            Arg::new("explain")
                .long("explain")
                .value_name("ID")
                .value_parser(id)
                .requires("topic")
                .conflicts_with("outputs")
                .help("What happened to the message with this id, by whom, and why it is where it is"),
        )
        .arg(Arg::new("topic").long("topic").value_name("NAME").requires("explain").help("Its topic"))
}

fn instant(text: &str) -> Result<Time, &'static str> {
    let nanos = text.parse().ok().map(Time::from_nanos);
    nanos.or_else(|| api::instant(text)).ok_or("a time is 2026-01-31T12:00:00Z, or a number of nanoseconds")
}

fn id(text: &str) -> Result<u64, &'static str> {
    parse_hex(text.as_bytes()).ok_or("an id is 16 hex digits")
}

/// Does what was asked. The error is a sentence.
pub(crate) fn run(asked: &ArgMatches) -> Result<(), String> {
    let path = asked.get_one::<PathBuf>("file").expect("clap requires it");
    let until = asked.get_one::<Time>("until").copied().unwrap_or(Time::MAX);
    let parts = read(path)?;
    let parts = parts.into_iter().map(Cow::Owned).collect();
    let recording = Recording::read(parts).map_err(|why| format!("{} {why}", path.display()))?;
    let replay = Replay::new(&recording, until);
    let mut out = Lines(BufWriter::new(io::stdout().lock()));
    let done = match (asked.get_one::<u64>("explain"), asked.get_one::<String>("topic")) {
        (Some(id), Some(topic)) => explain(&recording, replay, topic, *id, &mut out),
        _ => tell(&recording, replay, asked.get_flag("outputs"), until, &mut out),
    };
    match done.and_then(|()| out.0.flush().map_err(Failure::Io)) {
        Ok(()) => Ok(()),
        // Whoever reads has read enough.
        Err(Failure::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Failure::Io(error)) => Err(format!("cannot write to stdout: {error}")),
        Err(Failure::Broken(why)) => Err(format!("{}: {why}", path.display())),
    }
}

/// The parts of a recording: the one before, where there is one and it is of the same recording, and this one.
fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let this = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let head = file::head(&this).map_err(|why| format!("{} {why}", path.display()))?;
    let before = fs::read(before_path(path)).ok();
    let is_before =
        |bytes: &Vec<u8>| file::head(bytes).is_ok_and(|other| (other.run, other.part + 1) == (head.run, head.part));
    Ok(before.filter(is_before).into_iter().chain([this]).collect())
}

enum Failure {
    Io(io::Error),
    Broken(shelfmq_core::recording::Broken),
}

impl From<shelfmq_core::recording::Broken> for Failure {
    fn from(why: shelfmq_core::recording::Broken) -> Self {
        Failure::Broken(why)
    }
}

/// Where lines of JSON go.
struct Lines<W: Write>(W);

impl<W: Write> Lines<W> {
    fn add(&mut self, line: &Value) -> Result<(), Failure> {
        writeln!(self.0, "{line}").map_err(Failure::Io)
    }
}

/// What was told, if asked for, and what there is in the end.
fn tell<W: Write>(
    recording: &Recording<'_>,
    mut replay: Replay<'_>,
    outputs: bool,
    until: Time,
    out: &mut Lines<W>,
) -> Result<(), Failure> {
    let (mut first, mut last) = (None, Time::default());
    while let Some(step) = replay.step()? {
        first = first.or(Some(step.at));
        last = step.at;
        if outputs {
            describe::outputs(&step).iter().try_for_each(|line| out.add(line))?;
        }
    }
    let head = recording.head();
    out.add(&json!({
        "recorded_by": head.made_by,
        "shards": head.shards,
        "from": first.map(describe::time),
        "to": first.map(|_| describe::time(last)),
        "inputs": replay.state().steps(),
        "torn_bytes": recording.torn(),
    }))?;
    let now = if until == Time::MAX { last } else { until };
    let stats = describe::stats(replay.state(), now)?;
    out.add(&stats)
}

fn explain<W: Write>(
    recording: &Recording<'_>,
    mut replay: Replay<'_>,
    topic: &str,
    id: u64,
    out: &mut Lines<W>,
) -> Result<(), Failure> {
    let mut story = MessageHistory::new(topic, id, recording.head().shards as usize);
    while let Some(lines) = story.step(&mut replay)? {
        lines.iter().try_for_each(|line| out.add(line))?;
    }
    let end = story.end(&replay);
    out.add(&end)
}
