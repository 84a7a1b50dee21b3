//! The README's tour, in every language, run as a reader would run it.
//!
//! The tour stands between `<!-- tour -->` and `<!-- /tour -->`. Its `sh` blocks are run in their order by one
//! bash, on a fresh server; where a `text` block follows one, it is what that block prints, `…` being anything.

use std::path::Path;

use shelfmq_tests::server::Server;
use shelfmq_tests::shell::{bash, with_port};

const READMES: [&str; 2] = ["README.md", "README.zh.md"];

/// Printed between the blocks.
const END: &str = "\u{1}end of a block\u{1}";

/// Commands, and what they print where the tour says so.
#[derive(Debug, Default)]
struct Stop {
    commands: String,
    output: Option<String>,
}

fn tour(file: &str) -> Vec<Stop> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (_, tour) = text.split_once("<!-- tour -->").unwrap_or_else(|| panic!("{file} has no <!-- tour -->"));
    let (tour, _) = tour.split_once("<!-- /tour -->").unwrap_or_else(|| panic!("{file} has no <!-- /tour -->"));
    let mut stops: Vec<Stop> = Vec::new();
    let mut lines = tour.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (language, stops.last_mut()) {
            ("sh", _) => stops.push(Stop { commands: block, output: None }),
            ("text", Some(last)) if last.output.is_none() => last.output = Some(block),
            _ => panic!("{file}: a ```{language} block where ```sh, or ```text after it, is expected"),
        }
    }
    assert!(!stops.is_empty(), "{file} has a tour without commands");
    stops
}

#[test]
fn the_tour_prints_what_it_says() {
    for file in READMES {
        let server = Server::start().expect("the loopback has a free port");
        let port = server.address().port();
        let stops = tour(file);
        let blocks: Vec<&str> = stops.iter().map(|stop| stop.commands.as_str()).collect();
        let script = blocks.join(&format!("\nprintf '{END}'\n"));
        let output = bash(&with_port(&script, port)).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (stop, output) in stops.iter().zip(output.split(END)) {
            let Some(expected) = &stop.output else { continue };
            let expected = with_port(expected, port);
            let same = is_like(output.trim_end(), expected.trim_end());
            assert!(same, "{file}:\n{}\nprints\n{output}\nand not\n{expected}", stop.commands);
        }
    }
}

#[test]
fn the_tours_of_all_languages_have_the_same_commands() {
    let [first, others @ ..] = READMES.map(|file| tour(file).iter().map(commands_only).collect::<Vec<_>>());
    for other in others {
        assert_eq!(first, other);
    }
}

/// A block's commands without its comments, which may be in another language.
fn commands_only(stop: &Stop) -> String {
    let lines =
        stop.commands.lines().map(|line| line.split_once(" # ").map_or(line, |(command, _)| command).trim_end());
    lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// Whether `text` is `pattern`, in which `…` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else { return text == pattern };
    let Some(text) = text.strip_prefix(start) else { return false };
    let places = (0..=text.len()).filter(|&at| text.is_char_boundary(at));
    places.into_iter().any(|at| is_like(&text[at..], rest))
}

#[test]
fn an_ellipsis_is_anything() {
    assert!(is_like("Shelf-Id: 00ff, done", "Shelf-Id: …, done"));
    assert!(is_like("a\nb", "a…"));
    assert!(!is_like("a b", "a…c"));
}
