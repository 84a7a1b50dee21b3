//! Text with holes: `{name}` captures or repeats what was captured, `{_}` is anything, `{#}` the round,
//! `{x*100}` a hundred times `x`. Every other brace is itself.

use std::collections::BTreeMap;

use serde::Serialize;

/// What was captured so far, by name.
pub type Bindings = BTreeMap<String, String>;

/// The name under which the round of a repeated request is bound.
pub const ROUND: &str = "#";

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Text(Vec<Piece>);

/// A part of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece {
    /// These bytes.
    Text(String),
    /// These bytes, which are no UTF-8.
    Bytes(Vec<u8>),
    /// A text so many times.
    Repeat(String, usize),
    /// What has this name.
    Name(String),
    /// Anything.
    Any,
}

impl Text {
    /// Reads a text as it stands.
    pub fn plain(source: &str) -> Self {
        let mut text = Text::default();
        text.read(source);
        text
    }

    /// Reads a text in which `\n \r \t \0 \\ \{ \xNN` are escapes.
    ///
    /// # Errors
    /// The escape that is none of these.
    pub fn escaped(source: &str) -> Result<Self, String> {
        let mut text = Text::default();
        let mut rest = source;
        while let Some(at) = rest.find('\\') {
            text.read(&rest[..at]);
            let (byte, length) = escape(&rest[at + 1..]).ok_or_else(|| format!("no such escape: {}", &rest[at..]))?;
            text.push(&[byte]);
            rest = &rest[at + 1 + length..];
        }
        text.read(rest);
        Ok(text)
    }

    /// Appends bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut all = match self.0.pop() {
            Some(Piece::Text(last)) => last.into_bytes(),
            Some(Piece::Bytes(last)) => last,
            Some(other) => {
                self.0.push(other);
                Vec::new()
            }
            None => Vec::new(),
        };
        all.extend_from_slice(bytes);
        self.0.push(String::from_utf8(all).map_or_else(|e| Piece::Bytes(e.into_bytes()), Piece::Text));
    }

    /// Appends another text.
    pub fn append(&mut self, other: Text) {
        for piece in other.0 {
            match piece {
                Piece::Text(text) => self.push(text.as_bytes()),
                Piece::Bytes(bytes) => self.push(&bytes),
                hole => self.0.push(hole),
            }
        }
    }

    /// The text with its holes filled.
    ///
    /// # Errors
    /// The hole for which there is nothing.
    pub fn fill(&self, bindings: &Bindings) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::Any => return Err("{_} cannot be sent".into()),
                Piece::Name(name) => {
                    let value = bindings.get(name).ok_or_else(|| format!("{{{name}}} was not captured before"))?;
                    out.extend_from_slice(value.as_bytes());
                }
                piece => out.extend_from_slice(&piece.fixed()),
            }
        }
        Ok(out)
    }

    /// Whether `actual` is like this text; if so, the bindings get what was captured.
    pub fn matches(&self, actual: &[u8], bindings: &mut Bindings) -> bool {
        let mut found = bindings.clone();
        let fits = fits(&self.0, actual, &mut found);
        if fits {
            *bindings = found;
        }
        fits
    }

    /// The text for a person to read, with what the holes stand for where that is known.
    pub fn show(&self, bindings: &Bindings) -> String {
        let show = |piece: &Piece| match piece {
            Piece::Any => "{_}".into(),
            Piece::Name(name) => bindings.get(name).cloned().unwrap_or_else(|| format!("{{{name}}}")),
            Piece::Repeat(text, count) => format!("{{{text}*{count}}}"),
            Piece::Text(text) => text.clone(),
            Piece::Bytes(bytes) => bytes.escape_ascii().to_string(),
        };
        self.0.iter().map(show).collect()
    }

    fn read(&mut self, source: &str) {
        let mut rest = source;
        while let Some(at) = rest.find('{') {
            self.push(&rest.as_bytes()[..at]);
            let (piece, length) = hole(&rest[at..]).unwrap_or((Piece::Text("{".into()), 1));
            self.append(Text(vec![piece]));
            rest = &rest[at + length..];
        }
        self.push(rest.as_bytes());
    }
}

impl Piece {
    /// The bytes of a piece that is no hole.
    fn fixed(&self) -> Vec<u8> {
        match self {
            Piece::Text(text) => text.as_bytes().to_vec(),
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::Repeat(text, count) => text.repeat(*count).into_bytes(),
            Piece::Name(_) | Piece::Any => Vec::new(),
        }
    }
}

/// The hole at the start of `source`, and its length; `None` where the brace is just a brace.
fn hole(source: &str) -> Option<(Piece, usize)> {
    let end = source.find('}')?;
    let inner = &source[1..end];
    let piece = match inner.rsplit_once('*') {
        Some((text, count)) if !text.contains('"') => Piece::Repeat(text.into(), count.parse().ok()?),
        _ if inner == "_" => Piece::Any,
        _ if inner == ROUND || is_name(inner) => Piece::Name(inner.into()),
        _ => return None,
    };
    Some((piece, end + 1))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The byte that an escape stands for, and the escape's length without its backslash.
fn escape(source: &str) -> Option<(u8, usize)> {
    Some(match source.as_bytes().first()? {
        b'n' => (b'\n', 1),
        b'r' => (b'\r', 1),
        b't' => (b'\t', 1),
        b'0' => (0, 1),
        b'\\' => (b'\\', 1),
        b'{' => (b'{', 1),
        b'x' => (u8::from_str_radix(source.get(1..3)?, 16).ok()?, 3),
        _ => return None,
    })
}

/// Matches piece by piece. A hole takes as little as lets the rest match.
fn fits(pieces: &[Piece], actual: &[u8], bindings: &mut Bindings) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return actual.is_empty() };
    let known = match piece {
        Piece::Any => None,
        Piece::Name(name) => bindings.get(name).map(|value| value.clone().into_bytes()),
        piece => Some(piece.fixed()),
    };
    if let Some(known) = known {
        return actual.strip_prefix(&known[..]).is_some_and(|after| fits(rest, after, bindings));
    }
    let shortest = if rest.is_empty() { actual.len() } else { 0 };
    (shortest..=actual.len()).any(|taken| {
        let mut found = bindings.clone();
        if let Piece::Name(name) = piece {
            found.insert(name.clone(), String::from_utf8_lossy(&actual[..taken]).into_owned());
        }
        let fits = fits(rest, &actual[taken..], &mut found);
        if fits {
            *bindings = found;
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(pairs: &[(&str, &str)]) -> Bindings {
        pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn holes_capture_and_then_repeat() {
        let mut bindings = Bindings::new();
        assert!(Text::plain("a {one}, {_}!").matches(b"a b, c!", &mut bindings));
        assert_eq!(bindings, bound(&[("one", "b")]));
        assert!(Text::plain("{one}{one}").matches(b"bb", &mut bindings));
        assert!(!Text::plain("{one}").matches(b"c", &mut bindings));
        assert_eq!(Text::plain("/x?r={one}").fill(&bindings), Ok(b"/x?r=b".to_vec()));
        assert!(Text::plain("{two}").fill(&bindings).is_err());
    }

    #[test]
    fn other_braces_are_braces() {
        let text = r#"{"a":{"b":["{c}"]}} {} {"#;
        assert_eq!(Text::plain(text).fill(&bound(&[("c", "1")])), Ok(br#"{"a":{"b":["1"]}} {} {"#.to_vec()));
    }

    #[test]
    fn text_is_repeated_and_escaped() {
        assert_eq!(Text::plain("{ab*3}!").fill(&Bindings::new()), Ok(b"ababab!".to_vec()));
        let text = Text::escaped(r"\0\xff\n\{a}\\").expect("these are escapes");
        assert_eq!(text.fill(&Bindings::new()), Ok(b"\x00\xff\n{a}\\".to_vec()));
        assert!(Text::escaped(r"\q").is_err());
    }
}
