//! All scenarios on some hosts, and a table of both.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;

use super::host::Kind;
use super::{Scenario, parse, run};

/// How many scenarios of a file passed on each host, and how many there are.
struct Row {
    passed: Vec<usize>,
    total: usize,
}

/// The scenarios of the project.
///
/// # Errors
/// Where one is no scenario, and why.
pub fn scenarios() -> Result<Vec<Scenario>, String> {
    parse::directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))
}

/// Runs scenarios on hosts, and prints what failed and the table. Whether all passed.
pub fn run_all(scenarios: &[&Scenario], hosts: &[Kind]) -> bool {
    let (rows, failures) = rows(scenarios, hosts);
    for failure in &failures {
        println!("{failure}\n");
    }
    print_table(&rows, hosts);
    failures.is_empty()
}

fn rows<'a>(scenarios: &[&'a Scenario], hosts: &[Kind]) -> (BTreeMap<&'a str, Row>, Vec<String>) {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut failures = Vec::new();
    for scenario in scenarios {
        let row = rows.entry(&scenario.place.file).or_insert_with(|| Row { passed: vec![0; hosts.len()], total: 0 });
        row.total += 1;
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
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>14}")).collect();
        println!("{name:24}{}", cells.concat());
    };
    let cells = |row: &Row| row.passed.iter().map(|passed| format!("{passed}/{}", row.total)).collect();
    line("scenarios passed", hosts.iter().map(|host| host.name.to_owned()).collect());
    let mut sums = Row { passed: vec![0; hosts.len()], total: 0 };
    for (file, row) in rows {
        line(file, cells(row));
        sums.total += row.total;
        for (sum, passed) in sums.passed.iter_mut().zip(&row.passed) {
            *sum += passed;
        }
    }
    line("all", cells(&sums));
}
