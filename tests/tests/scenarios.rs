//! Runs every scenario of `scenarios/` on every host but wasmtime, and prints a table of both.
//!
//! `cargo test --test scenarios -- WORDS` runs those whose file or title contains the words;
//! `-- --json` prints them all for a runner in another language, and runs none.

use std::process::ExitCode;

use shelfmq_tests::scenario::host::Kind;
use shelfmq_tests::scenario::{core_host, server_host, table};

const HOSTS: [Kind; 4] = [core_host::ONE, core_host::SHARDED, server_host::SERVER, server_host::ON_DISK];

fn main() -> ExitCode {
    let scenarios = match table::scenarios() {
        Ok(scenarios) => scenarios,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let (flags, words): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let words = words.join(" ");
    let chosen: Vec<_> =
        scenarios.iter().filter(|s| s.place.file.contains(&words) || s.title.contains(&words)).collect();
    if flags.iter().any(|flag| flag == "--json") {
        println!("{}", serde_json::to_string(&chosen).expect("scenarios have string keys"));
        return ExitCode::SUCCESS;
    }
    if table::run_all(&chosen, &HOSTS) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
