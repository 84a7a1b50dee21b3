//! From the text of a scenario file to scenarios.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::json::documents;
use super::{Action, Answer, Client, Expected, Line, Place, Request, Scenario, Step, Text};

/// All scenarios of the `.http` files in a directory, in the order of the file names.
///
/// # Errors
/// What cannot be read, with its place.
pub fn directory(directory: &Path) -> Result<Vec<Scenario>, String> {
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "http"));
    paths.sort();
    let mut scenarios = Vec::new();
    for path in paths {
        let source = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        scenarios.extend(file(&name, &source)?);
    }
    Ok(scenarios)
}

/// The scenarios of one file.
///
/// # Errors
/// What cannot be read, with its place.
pub fn file(name: &str, source: &str) -> Result<Vec<Scenario>, String> {
    let file: Arc<str> = name.into();
    let lines = source.lines().enumerate().map(|(index, text)| Source {
        place: Place { file: Arc::clone(&file), line: index + 1 },
        text: text.trim_end(),
        kind: Kind::of(text.trim_end()),
    });
    let mut reader = Reader { lines: lines.filter(|line| line.kind != Kind::Comment).collect(), at: 0 };
    let mut scenarios = Vec::new();
    while let Some(line) = reader.after_blanks() {
        scenarios.push(reader.scenario().map_err(|(place, why)| format!("{}: {why}", place.unwrap_or(line.place)))?);
    }
    Ok(scenarios)
}

/// What is wrong, and where if not at the line at hand.
type Failure = (Option<Place>, String);

#[derive(Clone, Debug)]
struct Source<'a> {
    place: Place,
    text: &'a str,
    kind: Kind,
}

/// What a line is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Blank,
    Comment,
    Title,
    Option,
    Times,
    Advance,
    /// A line of a request: `>`.
    Request(Option<Client>),
    /// A line of an answer: `<`.
    Answer(Option<Client>),
    /// A line of a stream: `1+`.
    More(Client),
    /// `1?`
    Quiet(Client),
    /// `1.`
    Ended(Client),
    /// `1x`
    HangUp(Client),
    Unknown,
}

impl Kind {
    fn of(line: &str) -> Kind {
        let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let client: Option<Client> = line[..digits].parse().ok();
        match (client, line[digits..].chars().next()) {
            (None, None) => Kind::Blank,
            (None, Some('/')) if line.starts_with("//") => Kind::Comment,
            (None, Some('#')) => Kind::Title,
            (None, Some('-')) => Kind::Option,
            (None, Some('*')) => Kind::Times,
            (None, Some('@')) => Kind::Advance,
            (client, Some('>')) => Kind::Request(client),
            (client, Some('<')) => Kind::Answer(client),
            (Some(client), Some('+')) => Kind::More(client),
            (Some(client), Some('?')) => Kind::Quiet(client),
            (Some(client), Some('.')) => Kind::Ended(client),
            (Some(client), Some('x')) => Kind::HangUp(client),
            _ => Kind::Unknown,
        }
    }
}

/// One line of a body, by the mark after its arrow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Plain,
    Escaped,
    Json,
    JsonSubset,
}

impl<'a> Source<'a> {
    /// What stands after the arrow and one space, and the mark between them.
    fn content(&self) -> (Mark, &'a str) {
        let after = self.text.trim_start_matches(|c: char| c.is_ascii_digit());
        let after = after.get(1..).unwrap_or("");
        let (mark, rest) = match after.as_bytes().first() {
            Some(b'\\') => (Mark::Escaped, &after[1..]),
            Some(b'=') => (Mark::Json, &after[1..]),
            Some(b'~') => (Mark::JsonSubset, &after[1..]),
            _ => (Mark::Plain, after),
        };
        (mark, rest.strip_prefix(' ').unwrap_or(rest))
    }

    fn fail<T>(&self, why: impl Into<String>) -> Result<T, Failure> {
        Err((Some(self.place.clone()), why.into()))
    }
}

struct Reader<'a> {
    lines: Vec<Source<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&Source<'a>> {
        self.lines.get(self.at)
    }

    /// The next line that is not blank, not yet taken.
    fn after_blanks(&mut self) -> Option<Source<'a>> {
        while self.peek()?.kind == Kind::Blank {
            self.at += 1;
        }
        self.peek().cloned()
    }

    /// Takes the lines of the same kind that follow one another.
    fn block(&mut self, kind: Kind) -> Vec<Source<'a>> {
        let rest = &self.lines[self.at..];
        let block: Vec<_> = rest.iter().take_while(|line| line.kind == kind).cloned().collect();
        self.at += block.len();
        block
    }

    fn scenario(&mut self) -> Result<Scenario, Failure> {
        let Some(first) = self.after_blanks().filter(|line| line.kind == Kind::Title) else {
            return Err((None, "a scenario begins with its title: `# A sentence`".into()));
        };
        self.at += 1;
        let mut scenario = Scenario {
            title: first.text.trim_start_matches('#').trim().into(),
            place: first.place,
            options: Vec::new(),
            steps: Vec::new(),
        };
        self.after_blanks();
        for line in self.block(Kind::Option) {
            let pair = line.text.trim_start_matches('-').split_once('=');
            let Some((name, value)) = pair else { return line.fail("an option is `- name = value`") };
            scenario.options.push((name.trim().into(), value.trim().into()));
        }
        while let Some(line) = self.after_blanks().filter(|line| line.kind != Kind::Title) {
            let action = self.action(&line)?;
            scenario.steps.push(Step { place: line.place, action });
        }
        Ok(scenario)
    }

    fn action(&mut self, line: &Source<'a>) -> Result<Action, Failure> {
        match line.kind {
            Kind::Request(None) => self.call(1),
            Kind::Request(Some(client)) => Ok(Action::Send { client, request: request(&self.block(line.kind))? }),
            Kind::Answer(Some(client)) => Ok(Action::Receive { client, answer: answer(&self.block(line.kind))? }),
            Kind::More(client) => {
                let lines = self.block(line.kind).iter().map(stream_line).collect::<Result<_, _>>()?;
                Ok(Action::Lines { client, lines })
            }
            _ => {
                self.at += 1;
                self.short_action(line)
            }
        }
    }

    fn short_action(&mut self, line: &Source<'a>) -> Result<Action, Failure> {
        match line.kind {
            Kind::Times => match line.text[1..].trim().parse() {
                Ok(times) => self.call(times),
                Err(_) => line.fail("a repetition is `* 100`"),
            },
            Kind::Advance => match line.text[1..].trim().strip_prefix('+').and_then(duration) {
                Some(by) => Ok(Action::Advance { by }),
                None => line.fail("a step of the clock is `@ +61s` (ms, s, m, h or d)"),
            },
            Kind::Quiet(client) => Ok(Action::Quiet { client }),
            Kind::Ended(client) => Ok(Action::Ended { client }),
            Kind::HangUp(client) => Ok(Action::HangUp { client }),
            Kind::Answer(None) => line.fail("there is no request before this answer"),
            _ => line.fail("this line is of no known kind"),
        }
    }

    fn call(&mut self, times: u32) -> Result<Action, Failure> {
        let sent = self.block(Kind::Request(None));
        let request = request(&sent)?;
        let got = self.block(Kind::Answer(None));
        let last = sent.last().expect("a request that was read has a line");
        if got.is_empty() {
            return last.fail("no answer follows this request");
        }
        Ok(Action::Call { request, answer: answer(&got)?, times })
    }
}

fn request(lines: &[Source<'_>]) -> Result<Request, Failure> {
    let Some((first, rest)) = lines.split_first() else { return Err((None, "there is no request here".into())) };
    let Some((method, target)) = first.content().1.split_once(' ') else {
        return first.fail("a request begins with `> METHOD /path`");
    };
    let (head, body) = split_at_blank(rest);
    let mut headers = Vec::new();
    for line in head {
        let Some((name, value)) = line.content().1.split_once(':') else {
            return line.fail("a header is `Name: value`");
        };
        let value = value.trim();
        let value = match line.content().0 {
            Mark::Escaped => Text::escaped(value).or_else(|why| line.fail(why))?,
            _ => Text::plain(value),
        };
        headers.push((name.trim().into(), value));
    }
    let body = body_text(body.unwrap_or_default())?;
    Ok(Request { method: method.into(), target: Text::plain(target.trim()), headers, body })
}

fn answer(lines: &[Source<'_>]) -> Result<Answer, Failure> {
    let (first, rest) = lines.split_first().expect("the caller saw an answer's line");
    let (status, word) = first.content().1.split_once(' ').unwrap_or((first.content().1, ""));
    let Ok(status) = status.parse() else { return first.fail("an answer begins with its status: `< 200`") };
    let (head, lines) = split_at_blank(rest);
    let mut headers = Vec::new();
    for line in head {
        headers.push(match line.content().1.split_once(':') {
            Some((name, value)) => (name.trim().into(), Some(Text::plain(value.trim()))),
            None => match line.content().1.strip_prefix('!') {
                Some(name) => (name.trim().into(), None),
                None => return line.fail("a header is `Name: value`, and `!Name` one that must not be there"),
            },
        });
    }
    let code = (status >= 400 && !word.is_empty()).then(|| word.to_owned());
    let body = match lines {
        Some(lines) => Some(expected_body(lines)?),
        None if code.is_none() && !word.is_empty() => Some(Expected::Text(Text::plain(word))),
        None => None,
    };
    Ok(Answer { status, code, headers, body })
}

/// Splits at the first line without content: a head, and the body where there is such a line.
fn split_at_blank<'l, 'a>(lines: &'l [Source<'a>]) -> (&'l [Source<'a>], Option<&'l [Source<'a>]>) {
    match lines.iter().position(|line| line.content().1.is_empty()) {
        Some(at) => (&lines[..at], Some(&lines[at + 1..])),
        None => (lines, None),
    }
}

fn expected_body(lines: &[Source<'_>]) -> Result<Expected, Failure> {
    let mark = lines.first().map_or(Mark::Plain, |line| line.content().0);
    if matches!(mark, Mark::Plain | Mark::Escaped) {
        return Ok(Expected::Text(body_text(lines)?));
    }
    let source: Vec<_> = lines.iter().map(|line| line.content().1).collect();
    let documents = documents(source.join("\n").as_bytes()).or_else(|why| lines[0].fail(why))?;
    Ok(if mark == Mark::Json { Expected::Json(documents) } else { Expected::JsonSubset(documents) })
}

/// Joins the lines of a body by line feeds, of which the last line has none. A backslash at the end of an
/// escaped line joins it to the next without one.
fn body_text(lines: &[Source<'_>]) -> Result<Text, Failure> {
    let mut body = Text::default();
    for (index, line) in lines.iter().enumerate() {
        let (mark, content) = line.content();
        let (content, glued) = match content.strip_suffix('\\') {
            Some(content) if mark == Mark::Escaped && !content.ends_with('\\') => (content, true),
            _ => (content, false),
        };
        let text = match mark {
            Mark::Escaped => Text::escaped(content).or_else(|why| line.fail(why))?,
            _ => Text::plain(content),
        };
        body.append(text);
        if !glued && index + 1 < lines.len() {
            body.push(b"\n");
        }
    }
    Ok(body)
}

fn stream_line(line: &Source<'_>) -> Result<Line, Failure> {
    let (mark, content) = line.content();
    let place = line.place.clone();
    if matches!(mark, Mark::Plain | Mark::Escaped) {
        let text = Text::plain(content);
        return Ok(Line { place, prefix: String::new(), rest: Expected::Text(text) });
    }
    let (prefix, json) = content.split_at(content.find('{').unwrap_or(0));
    let documents = documents(json.as_bytes()).or_else(|why| line.fail(why))?;
    let rest = if mark == Mark::Json { Expected::Json(documents) } else { Expected::JsonSubset(documents) };
    Ok(Line { place, prefix: prefix.into(), rest })
}

fn duration(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let count: u64 = text[..text.len() - unit.len()].parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Bindings;

    const EXAMPLE: &str = "\
// About nothing.
# A message is published
- max-msg-size = 3

> POST /pub?topic=t
> Shelf-Meta-A: 1
>
> hello
>\\ \\x00\\
>\\ b
< 200 OK
< Shelf-Id: {id}
< !Shelf-Duplicate

1> GET /sub?topic=t
@ +61s
1< 200
<
1+~ data: {\"id\":\"{id}\"}
1.
# Another
* 3
> GET /x
< 404 NOT_FOUND
";

    #[test]
    fn a_file_reads_as_it_is_written() {
        let error = file("a.http", EXAMPLE).expect_err("an answer stands alone");
        assert_eq!(error, "a.http:18: there is no request before this answer");
        let scenarios = file("a.http", &EXAMPLE.replace("\n<\n", "\n1<\n")).expect("it is well written");
        assert_eq!(scenarios.len(), 2);
        let first = &scenarios[0];
        assert_eq!(first.title, "A message is published");
        assert_eq!(first.options, [("max-msg-size".to_owned(), "3".to_owned())]);
        assert_eq!(first.steps.len(), 6);
        let Action::Call { request, answer, times: 1 } = &first.steps[0].action else { panic!("{first:?}") };
        assert_eq!(request.body.fill(&Bindings::new()), Ok(b"hello\n\x00b".to_vec()));
        assert_eq!(answer.headers[1], ("Shelf-Duplicate".into(), None));
        assert_eq!(first.steps[2].place.to_string(), "a.http:16");
        let Action::Call { answer, times: 3, .. } = &scenarios[1].steps[0].action else { panic!("{scenarios:?}") };
        assert_eq!(answer.code.as_deref(), Some("NOT_FOUND"));
    }

    #[test]
    fn a_scenario_goes_out_as_json() {
        let scenarios =
            file("a.http", "# T\n> POST /pub?topic={t}\n>\n> {x*3}\n< 200 OK\n@ +1s\n").expect("it is fine");
        let json = serde_json::to_value(&scenarios[0].steps).expect("scenarios have string keys");
        assert_eq!(json[0]["do"], "call");
        assert_eq!(json[0]["request"]["target"], serde_json::json!([{"text": "/pub?topic="}, {"name": "t"}]));
        assert_eq!(json[0]["request"]["body"], serde_json::json!([{"repeat": ["x", 3]}]));
        assert_eq!(
            json[1],
            serde_json::json!({"do": "advance", "milliseconds": 1000, "place": {"file": "a.http", "line": 6}})
        );
    }
}
