//! What JavaScript has of the core without its module is what the core says.

use std::collections::BTreeSet;
use std::path::Path;

use shelfmq_core::api::routes::{Belongs, ROUTES, Route};
use shelfmq_core::recording::codes::{Because, Cause, What};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn row(route: &Route) -> String {
    let methods: Vec<_> = route.methods().map(|method| format!("'{method}'")).collect();
    let of = match route.belongs {
        Belongs::Topic => "topic",
        Belongs::Node => "node",
        Belongs::Everywhere => "all",
    };
    let Route { path, only_looks, right, .. } = route;
    let (methods, right) = (methods.join(", "), right.name());
    format!("  {{ methods: [{methods}], path: '{path}', looks: {only_looks}, right: '{right}', of: '{of}' }},")
}

#[test]
fn the_routes_that_javascript_knows_are_those_of_the_core() {
    let written = read("wasm/js/routes.js");
    let rows = written.lines().skip_while(|line| !line.contains("<routes>")).skip(1);
    let rows: Vec<_> = rows.take_while(|line| !line.contains("</routes>")).collect();
    let expected: Vec<_> = ROUTES.iter().map(row).collect();
    assert_eq!(rows, expected, "wasm/js/routes.js has to have these rows:\n{}", expected.join("\n"));
}

/// The codes that a type of TypeScript has.
fn declared(types: &str, name: &str) -> BTreeSet<String> {
    let (_, rest) = types.split_once(&format!("export type {name} =")).unwrap_or_else(|| panic!("there is no {name}"));
    let (codes, _) = rest.split_once(';').expect("it ends");
    codes.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_codes_that_typescript_knows_are_those_of_the_core() {
    let types = read("wasm/js/recording.d.ts");
    let all = [
        ("WhatCode", What::ALL.iter().map(|what| what.code().to_owned()).collect::<BTreeSet<_>>()),
        ("BecauseCode", Because::ALL.iter().map(|because| because.code().to_owned()).collect()),
        ("StepKind", Cause::ALL.iter().map(|cause| cause.code().to_owned()).collect()),
    ];
    for (name, codes) in all {
        assert_eq!(declared(&types, name), codes, "wasm/js/recording.d.ts: {name}");
    }
}
