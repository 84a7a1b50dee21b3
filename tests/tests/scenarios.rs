//! Runs every scenario of `scenarios/` on every host, and prints a table of both.
//!
//! `cargo test --test scenarios -- WORDS` runs those whose file or title contains the words;
//! `-- --json` prints them all for a runner in another language, and runs none.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

use shelfmq_tests::scenario::host::Kind;
use shelfmq_tests::scenario::{Scenario, core_host, parse, run, server_host};

const HOSTS: [Kind; 4] = [core_host::ONE, core_host::SHARDED, server_host::SERVER, server_host::ON_DISK];

/// How many scenarios of a file passed on each host, and how many there are.
#[derive(Default)]
struct Row {
    passed: [usize; HOSTS.len()],
    total: usize,
}

fn main() -> ExitCode {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenarios = match parse::directory(&directory) {
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
    let (rows, failures) = run_all(&chosen);
    for failure in &failures {
        println!("{failure}\n");
    }
    print_table(&rows);
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all<'a>(scenarios: &[&'a Scenario]) -> (BTreeMap<&'a str, Row>, Vec<String>) {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for scenario in scenarios {
        let row = rows.entry(&scenario.place.file).or_default();
        row.total += 1;
        for (passed, host) in row.passed.iter_mut().zip(&HOSTS) {
            match run_caught(scenario, host) {
                Ok(()) => *passed += 1,
                Err(why) => failures.push(format!("{}: {}\n{why}", host.name, scenario.title)),
            }
        }
    }
    (rows, failures)
}

/// A panic fails its scenario, and the others go on.
fn run_caught(scenario: &Scenario, host: &Kind) -> Result<(), String> {
    let result = catch_unwind(|| run::run(scenario, host));
    result.unwrap_or_else(|_| Err(format!("{}: it panicked, as told above", scenario.place)))
}

fn print_table(rows: &BTreeMap<&str, Row>) {
    let line = |name: &str, cells: [String; HOSTS.len()]| {
        println!("{name:24}{}", cells.map(|cell| format!("{cell:>12}")).concat());
    };
    line("scenarios passed", HOSTS.map(|host| host.name.to_owned()));
    let mut sums = Row::default();
    for (file, row) in rows {
        line(file, row.passed.map(|passed| format!("{passed}/{}", row.total)));
        sums.total += row.total;
        for (sum, passed) in sums.passed.iter_mut().zip(row.passed) {
            *sum += passed;
        }
    }
    line("all", sums.passed.map(|passed| format!("{passed}/{}", sums.total)));
}
