//! The rules of the source that the compiler does not keep. `ARCHITECTURE.md` says why they are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use shelfmq_core::api::routes::ROUTES;
use shelfmq_core::api::{Code, Known, bounds};
use shelfmq_core::config::Limits;
use shelfmq_tests::scenario::{Action, Answer, Bindings, parse};

const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 600;

/// Functions that may be longer: `path::name`, each with its reason.
const LONG_FUNCTIONS: &[&str] = &[];

/// Files that may be longer, each with its reason.
const LONG_FILES: &[&str] = &[];

/// Whom each module of core may use, in the order of reading: only those further down.
const MAY_USE: &[(&str, &[&str])] = &[
    ("embed", &["engine", "api", "command", "config", "time"]),
    ("recording", &["engine", "api", "broker", "command", "log", "message", "name", "state", "time"]),
    (
        "engine",
        &["by_id", "api", "broker", "command", "config", "directory", "log", "message", "name", "state", "time"],
    ),
    ("directory", &["api", "broker", "config", "name", "pairs", "sort", "time"]),
    ("api", &["command", "config", "message", "name", "pairs", "state", "sort", "time"]),
    (
        "broker",
        &[
            "by_id", "pollers", "topic", "channel", "command", "config", "log", "messages", "message", "schedule",
            "seeds", "slab", "state", "name", "sort", "time",
        ],
    ),
    (
        "topic",
        &[
            "by_id", "channel", "command", "dedup", "config", "gaps", "log", "messages", "message", "schedule",
            "seeds", "slab", "name", "sort", "time",
        ],
    ),
    ("pollers", &["by_id", "channel", "command", "schedule", "list", "slab", "state", "sort", "time"]),
    (
        "channel",
        &[
            "by_id", "command", "config", "gaps", "log", "messages", "message", "schedule", "list", "slab", "name",
            "state", "sort", "time",
        ],
    ),
    ("command", &["message", "name", "time"]),
    ("config", &["state", "time"]),
    ("dedup", &["log", "state", "time"]),
    ("gaps", &["log", "by_id"]),
    ("messages", &["by_id", "log", "message", "state", "time"]),
    ("log", &["by_id", "message", "seeds", "name", "state", "sort", "time"]),
    ("message", &["time"]),
    ("schedule", &["list", "slab", "time"]),
    ("list", &["slab"]),
    ("by_id", &["slab", "state"]),
    ("slab", &[]),
    ("pairs", &["sort"]),
    ("seeds", &[]),
    ("state", &["sort"]),
    ("sort", &[]),
    ("name", &[]),
    ("time", &[]),
];

/// The modules that know HTTP, for it is their business, and those that only name the node's ports.
const KNOW_HTTP: &[&str] = &["embed", "recording", "engine", "directory", "api", "config", "lib"];

/// What gives away that somebody knows HTTP.
const HTTP_WORDS: &[&str] =
    &["http", "status", "uri", "url", "mime", "api::", "content-type", "\"get", "\"post", "\"put", "\"delete"];

/// A source file without its tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module of core that it belongs to.
    fn module(&self) -> &str {
        let path = self.path.strip_prefix("core/src/").unwrap_or(&self.path);
        path.split(['/', '.']).next().unwrap_or(path)
    }

    /// Its lines, numbered from 1, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, if line.trim_start().starts_with("//") { "" } else { line }))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust sources below a directory of the project, without what stands behind `#[cfg(test)]`.
fn sources(directory: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no sources in {directory}");
    found
}

fn source(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let own = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
    let path = path.strip_prefix(root()).expect("it was found below the root");
    Source { path: path.to_string_lossy().into_owned(), text: own }
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn below_the_api_nobody_knows_http() {
    let headers = Known::ALL.map(|known| format!("\"{}", known.name()));
    let words: Vec<&str> = HTTP_WORDS.iter().copied().chain(headers.iter().map(String::as_str)).collect();
    let mut wrong = Vec::new();
    for source in sources("core/src").iter().filter(|source| !KNOW_HTTP.contains(&source.module())) {
        for (number, line) in source.code() {
            let line = line.to_lowercase();
            let said = words.iter().filter(|word| line.contains(**word));
            wrong.extend(said.map(|word| format!("{}:{number} says {word}", source.path)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn dependencies_point_one_way() {
    let modules: Vec<&str> = MAY_USE.iter().map(|(module, _)| *module).collect();
    for (index, (module, used)) in MAY_USE.iter().enumerate() {
        let above = used.iter().find(|used| !modules[index + 1..].contains(used));
        assert_eq!(above, None, "the table lets {module} use what does not stand below it");
    }
    let mut wrong = Vec::new();
    for source in sources("core/src").iter().filter(|source| source.module() != "lib") {
        let Some((module, may_use)) = MAY_USE.iter().find(|(module, _)| *module == source.module()) else {
            wrong.push(format!("{}: the table does not say whom it may use", source.path));
            continue;
        };
        for (number, line) in source.code() {
            let used = uses(line).into_iter().filter(|used| used != module && modules.contains(&used.as_str()));
            let bad = used.filter(|used| !may_use.contains(&used.as_str()));
            wrong.extend(bad.map(|used| format!("{}:{number} uses {used}", source.path)));
        }
    }
    assert_none(&wrong);
}

/// What a line takes from the crate's root.
fn uses(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, prefix) in line.match_indices("crate::") {
        let rest = &line[at + prefix.len()..];
        let names = rest.strip_prefix('{').map_or(rest, |list| list.split('}').next().unwrap_or(list));
        for name in if rest.starts_with('{') { names.split(',').collect() } else { vec![names] } {
            let name: String = name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            found.push(name);
        }
    }
    found
}

#[test]
fn core_has_no_std_and_no_unsafe() {
    let sources = sources("core/src");
    let lib = sources.iter().find(|source| source.path == "core/src/lib.rs").expect("core has a lib.rs");
    for attribute in ["\n#![no_std]\n", "\n#![forbid(unsafe_code)]\n"] {
        assert!(lib.text.contains(attribute), "{attribute}");
    }
    let std = ["std::", "extern crate std", "println!", "dbg!"];
    let mut wrong = Vec::new();
    for source in &sources {
        for (number, line) in source.code() {
            let said = std.iter().filter(|word| line.contains(**word));
            wrong.extend(said.map(|word| format!("{}:{number} says {word}", source.path)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn core_lists_its_modules_in_the_order_to_read_them() {
    let lib = source(&root().join("core/src/lib.rs"));
    let listed: Vec<&str> = lib.code().filter_map(|(_, line)| line.split_once("mod ")?.1.strip_suffix(';')).collect();
    let story = ["engine", "api", "broker", "topic", "channel", "log"];
    let places: Vec<_> = story.iter().map(|module| listed.iter().position(|listed| listed == module)).collect();
    assert!(places.is_sorted() && !places.contains(&None), "lib.rs lists {listed:?}");
    let all: BTreeSet<&str> = listed.into_iter().collect();
    assert_eq!(all, MAY_USE.iter().map(|(module, _)| *module).collect(), "the modules, and those of the table above");
}

#[test]
fn functions_and_files_are_short() {
    let mut wrong = Vec::new();
    for source in ["core/src", "server/src", "tests/src"].iter().flat_map(|directory| sources(directory)) {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES && !LONG_FILES.contains(&source.path.as_str()) {
            wrong.push(format!("{} has {lines} lines", source.path));
        }
        for (number, name, length) in functions(&source.text) {
            let full = format!("{}::{name}", source.path);
            if length > MAX_FUNCTION_LINES && !LONG_FUNCTIONS.contains(&full.as_str()) {
                wrong.push(format!("{}:{number} {name} has {length} lines", source.path));
            }
        }
    }
    assert_none(&wrong);
}

/// The functions of a source that rustfmt laid out: line, name and length of each.
fn functions(text: &str) -> Vec<(usize, &str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let modifiers = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "];
        let bare = modifiers.iter().fold(trimmed, |line, modifier| line.strip_prefix(modifier).unwrap_or(line));
        let Some(name) = bare.strip_prefix("fn ") else { continue };
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let length = lines[index..].iter().position(|line| *line == end).map_or(1, |last| last + 1);
        // A body on the same line, or none, as in a trait.
        let length = if line.ends_with('}') || line.ends_with(';') { 1 } else { length };
        found.push((index + 1, name.split(['(', '<']).next().unwrap_or(name), length));
    }
    found
}

#[test]
fn the_readme_names_every_path() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    // A path ends where no other path could go on.
    let is_named = |path: &str| {
        let mut ends = readme.match_indices(path).map(|(at, path)| readme[at + path.len()..].chars().next());
        ends.any(|next| next.is_none_or(|next| !next.is_alphanumeric() && next != '/'))
    };
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    let missing: Vec<_> = paths.into_iter().filter(|path| !is_named(path)).collect();
    assert!(missing.is_empty(), "README.md does not name {missing:?}");
}

#[test]
fn the_contract_and_the_route_table_say_the_same() {
    let Ok(contract) = std::fs::read_to_string(root().join("../shared/http-api.md")) else {
        println!("the contract is not beside this checkout: not compared");
        return;
    };
    let written = paths_of_contract(&contract);
    // What the next issues add may be missing until they are done.
    let next = std::fs::read_to_string(root().join("../shared/http-api-next.md")).unwrap_or_default();
    let expected: BTreeSet<_> = written.union(&paths_of_contract(&next)).cloned().collect();
    let routes = ROUTES.iter().flat_map(|route| route.methods.iter().flatten().map(|method| (*method, route.path)));
    let routed: BTreeSet<_> = routes.map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    let unrouted: Vec<_> = written.difference(&routed).collect();
    assert!(unrouted.is_empty(), "in the contract, and without a route: {unrouted:?}");
    // A node tells a directory of itself by this one; the contract leaves open how.
    let unwritten: Vec<_> = routed.difference(&expected).filter(|(_, path)| path != "/nodes/register").collect();
    assert!(unwritten.is_empty(), "routed, and not in the contract: {unwritten:?}");
}

#[test]
fn the_bounds_in_the_documentation_are_those_of_the_source() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("there is one");
    let (_, rest) = architecture.split_once("<!-- bounds -->").expect("the table of bounds begins there");
    let (table, _) = rest.split_once("<!-- /bounds -->").expect("the table of bounds ends there");
    let written: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let rows: Vec<String> = bounds::table(&Limits::default()).iter().map(bounds::Bound::row).collect();
    assert_eq!(written, rows, "ARCHITECTURE.md has to have these rows:\n{}", rows.join("\n"));
}

/// Each `METHOD /path …` in backquotes, with `/a/{b,c}` for two paths and ` /d` for another of the same method.
fn paths_of_contract(contract: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::from([("POST".into(), "/sub".into()), ("PUT".into(), "/config/:opt".into())]);
    // What stands in backquotes without a method has that of the code before it.
    let mut method = None;
    for code in contract.split('`').skip(1).step_by(2) {
        let mut words = code.split_whitespace().peekable();
        if let Some(said) = words.next_if(|word| ["GET", "POST", "PUT"].contains(word)) {
            method = Some(said);
        }
        let (Some(method), Some(first)) = (method, words.peek()) else { continue };
        if !first.starts_with('/') {
            continue;
        }
        for word in words {
            let path = word.split(['?', '[']).next().unwrap_or(word);
            found.extend(expand(path).into_iter().map(|path| (method.to_owned(), path)));
        }
    }
    found
}

/// `/a/{b,c}` as `/a/b` and `/a/c`.
fn expand(path: &str) -> Vec<String> {
    match path.split_once('{').and_then(|(start, rest)| Some((start, rest.split_once('}')?))) {
        Some((start, (list, end))) => list.split(',').map(|item| format!("{start}{item}{end}")).collect(),
        None => vec![path.to_owned()],
    }
}

/// Codes of what no scenario can bring about: the broker's own mistakes, its disk, its end, what hosts check before the
/// core is asked, and what recordings answer.
const NOT_IN_SCENARIOS: &[Code] = &[
    Code::InternalError,
    Code::Exiting,
    Code::StorageFull,
    Code::StorageFailed,
    Code::TlsRequired,
    Code::Unauthorized,
    Code::Forbidden,
    Code::ReadOnly,
    // As long as topics do not keep the numbers of producers, they are refused; then there are gaps to be told of.
    Code::ProducersNotKept,
    Code::SeqGap,
];

#[test]
fn every_error_has_a_scenario() {
    let answers: BTreeSet<_> = scenarios().filter_map(|(_, answer)| Some((answer.status, answer.code?))).collect();
    let codes = Code::ALL.iter().filter(|code| !NOT_IN_SCENARIOS.contains(code));
    let missing: Vec<_> = codes.filter(|code| !answers.contains(&(code.status(), code.text().to_owned()))).collect();
    assert!(missing.is_empty(), "no scenario shows {missing:?}");
}

#[test]
fn every_route_has_a_scenario() {
    let targets: Vec<_> = scenarios().map(|(request, _)| request).collect();
    let is_asked = |method: &str, path: &str| {
        let (path, any) = path.split_once(':').map_or((path, false), |(path, _)| (path, true));
        let start = format!("{method} {path}");
        let rest = targets.iter().filter_map(|target| target.strip_prefix(&start));
        rest.into_iter().any(|rest| any || rest.is_empty() || rest.starts_with('?'))
    };
    let routes = ROUTES.iter().flat_map(|route| route.methods.iter().flatten().map(|method| (*method, route.path)));
    let missing: Vec<_> = routes.filter(|(method, path)| !is_asked(method, path)).collect();
    assert!(missing.is_empty(), "no scenario asks {missing:?}");
}

/// Every request of the scenarios as `METHOD target`, with its answer where it stands beside it.
fn scenarios() -> impl Iterator<Item = (String, Answer)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let scenarios = parse::directory(&directory).unwrap_or_else(|why| panic!("{why}"));
    scenarios.into_iter().flat_map(|scenario| scenario.steps).filter_map(|step| match step.action {
        Action::Call { request, answer, .. } => {
            Some((format!("{} {}", request.method, request.target.show(&Bindings::new())), answer))
        }
        _ => None,
    })
}

#[test]
fn no_tracked_file_names_a_path_of_some_machine() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        println!("this is no git checkout: not looked at");
        return;
    };
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut wrong = Vec::new();
    for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        // A file that git lists may have been removed, or be no text.
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        let named = places.iter().filter(|place| text.contains(place.as_str()));
        wrong.extend(named.map(|place| format!("{path} names {place}")));
    }
    assert_none(&wrong);
}
