//! `shelfmq log …`: looks into a data directory while no broker runs on it, or beside one that does.
//!
//! [`place`] finds the files, [`scan`] walks one; [`ls`], [`dump`], [`verify`], [`repair`] and [`export`] are the
//! subcommands. All answer in JSON, one object a line.

mod dump;
mod export;
mod ls;
pub(crate) mod place;
pub(crate) mod repair;
mod scan;
mod verify;

pub(crate) use export::SUFFIX;

use std::ffi::OsString;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;
use shelfmq_core::name::Name;

/// The name of the subcommand that all of these belong to.
pub(crate) const LOG: &str = "log";
/// What it does, for the list of subcommands.
pub(crate) const ABOUT: &str = "Looks into a data directory: log ls, dump, verify, repair, export, import";

/// Looks into the logs of a data directory
#[derive(Parser)]
#[command(name = "shelfmq log", bin_name = "shelfmq log", disable_help_subcommand = true)]
struct Tools {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    /// Says of each topic what it has: segments, next id, channels with their depth, damage
    Ls {
        /// A data directory, a topic's directory in it, or a segment's file
        path: PathBuf,
    },
    /// Shows every frame: messages with all that is said of them, events, snapshots, damage
    Dump {
        /// A data directory, a topic's directory in it, or a segment's file
        path: PathBuf,
        #[command(flatten)]
        filter: dump::Filter,
    },
    /// Reads every byte, and says what is wrong; ends with 1 where anything is
    Verify {
        /// A data directory, a topic's directory in it, or a segment's file
        path: PathBuf,
    },
    /// Makes damaged logs such that a broker starts on them, and says what was done; no bytes of frames are deleted
    Repair {
        /// A data directory or a topic's directory in it. No broker may run on it
        path: PathBuf,
        /// Only says what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Writes the whole log of one topic to one file
    Export {
        /// The topic
        #[arg(long, value_parser = topic)]
        topic: Name<'static>,
        /// A data directory
        path: PathBuf,
        /// The file to write [default: <topic>.shelfmq]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Makes a topic of such a file
    Import {
        /// The file
        file: PathBuf,
        /// The data directory. No broker may run on it
        #[arg(long, value_name = "DIRECTORY")]
        into: PathBuf,
    },
}

pub(crate) fn topic(text: &str) -> Result<Name<'static>, String> {
    Name::parse(text.to_owned()).ok_or_else(|| format!("{text:?} is no name of a topic"))
}

/// Runs the tool that a command line names, which is `shelfmq log …`. Ends the process where that makes no sense.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Result<ExitCode, String> {
    let command = Tools::command().version(env!("CARGO_PKG_VERSION"));
    let matches = command.get_matches_from(args.into_iter().skip(1));
    let Tools { tool } = Tools::from_arg_matches(&matches).map_err(|error| error.to_string())?;
    let mut lines = Lines::new();
    let is_well = match tool {
        Tool::Ls { path } => ls::run(&path, &mut lines).map(|()| true),
        Tool::Dump { path, filter } => dump::run(&path, &filter, &mut lines).map(|()| true),
        Tool::Verify { path } => verify::run(&path, &mut lines),
        Tool::Repair { path, dry_run } => repair::run(&path, dry_run, &mut lines).map(|()| true),
        Tool::Export { topic, path, output } => export::run(&topic, &path, output, &mut lines).map(|()| true),
        Tool::Import { file, into } => export::import(&file, &into, &mut lines).map(|()| true),
    };
    let flushed = lines.finish();
    let code = |is_well| if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    is_well.map(code).and_then(|code| flushed.map(|()| code))
}

/// Where the answers go.
pub(crate) struct Lines<'a>(BufWriter<StdoutLock<'a>>);

impl Lines<'_> {
    pub(crate) fn new() -> Self {
        Lines(BufWriter::new(io::stdout().lock()))
    }

    /// Nothing more comes.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        self.0.flush().map_err(|error| Self::failed(&error))
    }

    pub(crate) fn write(&mut self, line: &impl Serialize) -> Result<(), String> {
        serde_json::to_writer(&mut self.0, line).map_err(|error| Self::failed(&error.into()))?;
        self.0.write_all(b"\n").map_err(|error| Self::failed(&error))
    }

    fn failed(error: &io::Error) -> String {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has seen enough.
            std::process::exit(0);
        }
        format!("cannot write to stdout: {error}")
    }
}
