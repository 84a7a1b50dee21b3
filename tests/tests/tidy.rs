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
    ("directory", &["api", "broker", "config", "name", "sorted_fields", "sort", "time"]),
    ("api", &["command", "config", "message", "name", "sorted_fields", "state", "sort", "time"]),
    (
        "broker",
        &[
            "by_id",
            "ids",
            "pollers",
            "topic",
            "channel",
            "command",
            "config",
            "log",
            "messages",
            "message",
            "schedule",
            "split_mix",
            "slab",
            "state",
            "name",
            "sort",
            "time",
        ],
    ),
    ("recovery", &["log", "message", "topic"]),
    (
        "topic",
        &[
            "by_id",
            "ids",
            "channel",
            "command",
            "dedup",
            "config",
            "gaps",
            "log",
            "messages",
            "message",
            "schedule",
            "split_mix",
            "slab",
            "name",
            "sort",
            "time",
        ],
    ),
    ("pollers", &["by_id", "ids", "channel", "command", "schedule", "list", "slab", "state", "sort", "time"]),
    (
        "channel",
        &[
            "by_id", "ids", "command", "config", "gaps", "log", "messages", "message", "schedule", "list", "slab",
            "name", "state", "sort", "time",
        ],
    ),
    ("command", &["message", "name", "time"]),
    ("dedup", &["log", "state", "time"]),
    ("gaps", &["log", "by_id"]),
    ("messages", &["by_id", "log", "message", "state", "time"]),
    ("log", &["by_id", "config", "message", "split_mix", "name", "state", "sort", "time"]),
    ("config", &["state", "time"]),
    ("message", &["time"]),
    ("schedule", &["list", "slab", "time"]),
    ("list", &["slab"]),
    ("by_id", &["slab", "state"]),
    ("ids", &["slab"]),
    ("slab", &[]),
    ("sorted_fields", &["sort"]),
    ("split_mix", &[]),
    ("state", &["sort"]),
    ("sort", &[]),
    ("name", &[]),
    ("time", &[]),
];

/// What stands at core's root itself, and uses nothing: anybody may use it.
const AT_THE_ROOT: &[&str] = &["shard_of", "node_of"];

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

    /// What is left of it without layout, comments and what stands in quotes: words and marks, each with its line.
    fn tokens(&self) -> Vec<(usize, &str)> {
        tokens(&self.text)
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
        for (number, used) in uses(source) {
            let used = used.as_str();
            if used != *module && !may_use.contains(&used) && !AT_THE_ROOT.contains(&used) {
                wrong.push(format!("{}:{number} uses {used}", source.path));
            }
        }
    }
    assert_none(&wrong);
}

/// A word or a mark, with its line.
type Token<'a> = (usize, &'a str);

/// The tokens of a source that compiles. A number is a word, and each other sign for itself.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            quoted(rest)
        } else if let Some(hashes) = raw_hashes(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            start + rest[start..].find(&end).map_or(0, |at| at + end.len())
        } else if first == '\'' {
            character(rest)
        } else {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
            if !first.is_whitespace() {
                found.push((line, &rest[..length]));
            }
            length
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// The length of the string that begins here.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !is_escaped;
        is_escaped = *c == '\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// How many `#` the raw string has that begins here, if one does.
fn raw_hashes(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let opening = rest.trim_start_matches('#');
    opening.starts_with('"').then(|| rest.len() - opening.len())
}

/// The length of the character that begins here, or of a lifetime's tick.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(1, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1),
        None => 1,
    }
}

/// Where what opens with the first of these tokens is closed: the index after that, or past all.
fn closed(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0;
    let end = tokens.iter().position(|(_, token)| {
        depth += i32::from(matches!(*token, "{" | "(" | "["));
        depth -= i32::from(matches!(*token, "}" | ")" | "]"));
        depth == 0
    });
    end.map_or(tokens.len(), |end| end + 1)
}

/// What a source takes from the crate's root, and in which lines: however it is written, by `crate::` or `super::`, in one
/// line or in many.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let path = source.path.strip_prefix("core/src/").unwrap_or(&source.path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let place: Vec<&str> = path.split('/').filter(|part| *part != "mod").collect();
    let mut found = Vec::new();
    find_uses(&source.tokens(), &place, &mut found);
    found
}

/// What the tokens of the module at this place, a path from the root, take from there.
fn find_uses<'a>(tokens: &[Token<'a>], place: &[&'a str], found: &mut Vec<(usize, String)>) {
    let mut at = 0;
    while let Some((_, token)) = tokens.get(at) {
        match (*token, &tokens[at + 1..]) {
            ("mod", [(_, name), body @ ..]) if body.first().is_some_and(|(_, open)| *open == "{") => {
                let end = closed(body);
                find_uses(&body[1..end - 1], &[place, &[*name]].concat(), found);
                at += 1 + end;
            }
            // What stands behind a name is a part of that one.
            ("crate" | "super", _) if at == 0 || tokens[at - 1].1 != ":" => find_path(&tokens[at..], place, found),
            _ => {}
        }
        at += 1;
    }
}

/// The names at the root that the path (or each of a list of paths) at the start of these tokens begins with, if it comes
/// to the root at all.
fn find_path<'a>(tokens: &[Token<'a>], place: &[&'a str], found: &mut Vec<(usize, String)>) {
    let Some((line, first)) = tokens.first() else { return };
    let up = match *first {
        "{" => {
            let list = &tokens[1..closed(tokens) - 1];
            let mut at = 0;
            while at < list.len() {
                find_path(&list[at..], place, found);
                let mut end = at;
                while end < list.len() && list[end].1 != "," {
                    end += closed(&list[end..]);
                }
                at = end + 1;
            }
            return;
        }
        "crate" => &[],
        "super" => &place[..place.len().saturating_sub(1)],
        "self" => place,
        // Not at the root: this is a part of the module that it is in.
        _ if !place.is_empty() => return,
        name => return found.push((*line, name.to_owned())),
    };
    if let [_, (_, ":"), (_, ":"), rest @ ..] = tokens {
        find_path(rest, up, found);
    }
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
    for source in ["core/src", "server/src", "tests/src", "wasm/src", "bench/src", "fuzz/src"]
        .iter()
        .flat_map(|directory| sources(directory))
    {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES && !LONG_FILES.contains(&source.path.as_str()) {
            wrong.push(format!("{} has {lines} lines", source.path));
        }
        for (number, name, length) in functions(&source.tokens()) {
            let full = format!("{}::{name}", source.path);
            if length > MAX_FUNCTION_LINES && !LONG_FUNCTIONS.contains(&full.as_str()) {
                wrong.push(format!("{}:{number} {name} has {length} lines", source.path));
            }
        }
    }
    assert_none(&wrong);
}

/// The functions of a source, whatever stands before their names: line, name and length of each.
fn functions<'a>(tokens: &[Token<'a>]) -> Vec<(usize, &'a str, usize)> {
    let mut found = Vec::new();
    for (at, (line, _)) in tokens.iter().enumerate().filter(|(_, (_, word))| *word == "fn") {
        // Without a name it is a type.
        let Some((_, name)) = tokens.get(at + 1).filter(|(_, name)| *name != "(") else { continue };
        // In a trait there may be no body.
        let mut end = at + 2;
        while end < tokens.len() && !matches!(tokens[end].1, "{" | ";") {
            end += closed(&tokens[end..]);
        }
        let last = (end + closed(&tokens[end.min(tokens.len())..])).min(tokens.len()) - 1;
        found.push((*line, *name, tokens[last].0 + 1 - line));
    }
    found
}

#[test]
fn the_rules_see_what_is_written_in_other_ways() {
    let see = |text: &str| {
        let source = Source { path: "core/src/api/decode/x.rs".into(), text: text.into() };
        uses(&source).into_iter().map(|(line, name)| format!("{line} {name}")).collect::<Vec<_>>()
    };
    assert_eq!(see("use crate::log;"), ["1 log"]);
    assert_eq!(see("use crate::{\n    broker::Broker,\n    log::{self, event},\n};"), ["2 broker", "3 log"]);
    assert_eq!(
        see("use super::super::super::broker;\nuse super::{super::api, super::super::topic};"),
        ["1 broker", "2 topic"]
    );
    assert!(see("use super::super::errors;\nuse super::json;\nuse self::x;\npub(crate) fn f() {}").is_empty());
    assert_eq!(see("fn f() -> crate::log::LogId { vec![crate::topic::X; super::super::super::gaps::Y] }").len(), 3);
    assert_eq!(see("mod inner {\n    use super::super::super::super::broker;\n}\nuse crate::*;"), ["2 broker", "4 *"]);
    assert_eq!(see("pub(in crate::api) fn f() {}"), ["1 api"]);

    let text = "impl X {\n    pub(in crate::api) const unsafe fn long(\n        of: fn(u8) -> u8,\n    ) {\n        fn inner() {}\n    }\n    fn none();\n}";
    let source = Source { path: String::new(), text: text.into() };
    assert_eq!(functions(&source.tokens()), [(2, "long", 5), (5, "inner", 1), (7, "none", 1)]);
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
/// core is asked, what recordings answer, and what only hosts with files do.
const NOT_IN_SCENARIOS: &[Code] = &[
    Code::InternalError,
    Code::Exiting,
    Code::StorageFull,
    Code::StorageFailed,
    Code::TlsRequired,
    Code::Unauthorized,
    Code::Forbidden,
    Code::ReadOnly,
    Code::StorageUnknown,
    Code::StorageUnreadable,
    Code::NoOwner,
    Code::Overloaded,
    Code::TooManyProducers,
    Code::TopicExists,
    Code::InvalidLog,
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
