//! Runs every scenario of `scenarios/` on every host but wasmtime, and prints a table of both.
//!
//! `cargo test --test scenarios -- WORDS` runs those whose file or title contains the words;
//! `-- --json` prints them all for a runner in another language, and runs none. Hosts in JavaScript need `make wasm`
//! and a browser: they are there with `SCENARIO_HOSTS=all`, or with their names in that (`node,page`).

use std::process::ExitCode;

use shelfmq_tests::scenario::host::Kind;
use shelfmq_tests::scenario::{core_host, js_host, server_host, table};

const NATIVE: [Kind; 4] = [core_host::ONE, core_host::SHARDED, server_host::SERVER, server_host::ON_DISK];
const JAVASCRIPT: [Kind; 6] =
    [js_host::NODE, js_host::NODE_STORED, js_host::NODE_SPLIT, js_host::PAGE, js_host::WORKER, js_host::SERVICE_WORKER];

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
    let wanted = std::env::var("SCENARIO_HOSTS").unwrap_or_default();
    let is_wanted = |kind: &Kind| wanted == "all" || wanted.split(',').any(|name| name == kind.name);
    let hosts: Vec<_> = NATIVE.into_iter().chain(JAVASCRIPT.into_iter().filter(is_wanted)).collect();
    if table::run_all(&chosen, &hosts) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
