//! The command line.

pub(crate) mod announce;
pub(crate) mod backup;
pub(crate) mod banner;
pub(crate) mod known;
pub(crate) mod log;
pub(crate) mod log_tools;
pub(crate) mod replay;
pub(crate) mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Arg, Args, Command};

use settings::Settings;

/// The whole command line. Every flag may stand before or after the subcommand, and in the environment.
pub(crate) fn command() -> Command {
    let command = Command::new("shelfmq")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Every flag can be set in the environment, as SHELFMQ_HTTP_ADDRESS, and in the file that --config names, \
             as http_address = \"…\".\nA flag wins over the environment, the environment over the file.\n\
             Durations are 30s, 5m, 1h30m … or a bare number of milliseconds. nsqd's -http-address is --http-address.",
        )
        .subcommand(Command::new("serve").about("Runs the broker. The same as no subcommand at all"))
        .subcommand(Command::new("config").about("Prints the configuration that the broker would run with, as TOML"))
        // It is looked for before these are: here it is for the list, and for whoever writes a flag before it.
        .subcommand(Command::new(log_tools::LOG).about(log_tools::ABOUT).arg(rest()))
        .subcommand(Command::new(backup::BACKUP).about(backup::ABOUT_BACKUP).arg(rest()))
        .subcommand(Command::new(backup::RESTORE).about(backup::ABOUT_RESTORE).arg(rest()))
        .subcommand(replay::command());
    let command = Settings::augment_args(command).about(env!("CARGO_PKG_DESCRIPTION"));
    command.mut_args(|arg| {
        let variable = known::variable(arg.get_id().as_str());
        arg.global(true).env(variable).hide_env(true)
    })
}

/// The subcommands that come first, and take no settings of the broker.
pub(crate) const TOOLS: [&str; 3] = [log_tools::LOG, backup::BACKUP, backup::RESTORE];

/// Runs the one of [`TOOLS`] that a command line names.
pub(crate) fn run_tool(args: Vec<OsString>) -> Result<ExitCode, String> {
    if args.get(1).is_some_and(|first| first == log_tools::LOG) {
        return log_tools::run(args);
    }
    backup::run(args).map(|()| ExitCode::SUCCESS)
}

/// Whatever follows.
fn rest() -> Arg {
    Arg::new("rest").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true).hide(true)
}

/// Takes nsqd's `-http-address` for `--http-address`. What follows `--`, and single letters, stay as they are.
pub(crate) fn normalise(args: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let mut verbatim = false;
    args.map(move |arg| {
        verbatim |= arg == "--";
        match arg.as_encoded_bytes() {
            [b'-', first, _, ..] if !verbatim && first.is_ascii_alphabetic() => {
                let mut long = OsString::from("-");
                long.push(&arg);
                long
            }
            _ => arg,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong() {
        command().debug_assert();
    }

    #[test]
    fn nsqds_single_dashes_are_taken() {
        let given = ["shelfmq", "-http-address", "0.0.0.0:1", "-data-path=x", "--a", "-h", "-1", "-", "--", "-later"];
        let normal: Vec<_> = normalise(given.iter().map(OsString::from)).collect();
        let expected =
            ["shelfmq", "--http-address", "0.0.0.0:1", "--data-path=x", "--a", "-h", "-1", "-", "--", "-later"];
        assert_eq!(normal, expected);
    }
}
