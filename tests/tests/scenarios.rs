//! Runs every scenario of `scenarios/` on every host, and prints a table of both.
//!
//! `cargo test --test scenarios -- WORDS` runs those whose file or title contains the words;
//! `-- --json` prints them all for a runner in another language, and runs none. Hosts in JavaScript need `make wasm`
//! and a browser: they are there with `SHELFMQ_HOSTS=all`, or with their names in that (`node,page`).

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

use shelfmq_tests::scenario::host::Kind;
use shelfmq_tests::scenario::{Scenario, core_host, js_host, parse, run, server_host};

const NATIVE: [Kind; 4] = [core_host::ONE, core_host::SHARDED, server_host::SERVER, server_host::ON_DISK];
const JAVASCRIPT: [Kind; 5] =
    [js_host::NODE, js_host::NODE_STORED, js_host::PAGE, js_host::WORKER, js_host::SERVICE_WORKER];

/// How many scenarios of a file passed on each host, and how many there are.
#[derive(Default)]
struct Row {
    passed: Vec<usize>,
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
    let wanted = std::env::var("SHELFMQ_HOSTS").unwrap_or_default();
    let is_wanted = |kind: &Kind| wanted == "all" || wanted.split(',').any(|name| name == kind.name);
    let hosts: Vec<_> = NATIVE.into_iter().chain(JAVASCRIPT.into_iter().filter(is_wanted)).collect();
    let (rows, failures) = run_all(&chosen, &hosts);
    for failure in &failures {
        println!("{failure}\n");
    }
    print_table(&rows, &hosts);
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all<'a>(scenarios: &[&'a Scenario], hosts: &[Kind]) -> (BTreeMap<&'a str, Row>, Vec<String>) {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for scenario in scenarios {
        let row = rows.entry(&scenario.place.file).or_default();
        row.total += 1;
        row.passed.resize(hosts.len(), 0);
        for (passed, host) in row.passed.iter_mut().zip(hosts) {
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

fn print_table(rows: &BTreeMap<&str, Row>, hosts: &[Kind]) {
    let line = |name: &str, cells: Vec<String>| {
        print!("{name:24}");
        for cell in cells {
            print!("{cell:>14}");
        }
        println!();
    };
    line("scenarios passed", hosts.iter().map(|host| host.name.to_owned()).collect());
    let mut sums = Row { passed: vec![0; hosts.len()], total: 0 };
    for (file, row) in rows {
        line(file, row.passed.iter().map(|passed| format!("{passed}/{}", row.total)).collect());
        sums.total += row.total;
        sums.passed.iter_mut().zip(&row.passed).for_each(|(sum, passed)| *sum += passed);
    }
    line("all", sums.passed.iter().map(|passed| format!("{passed}/{}", sums.total)).collect());
}
