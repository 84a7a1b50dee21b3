//! Reading a request.

use super::Nanos;
use super::answer::{Fail, Format};

/// A request as it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// `GET`, `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// What follows the `?`.
    pub query: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Who calls, as `ip:port`.
    pub peer: String,
}

impl Wire {
    /// The first header field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The parameters of a request.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string; `None` where it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let pairs = text.split('&').filter(|piece| !piece.is_empty());
        let pair = |piece: &str| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            if piece.contains(';') { None } else { Some((unescape(name)?, unescape(value)?)) }
        };
        pairs.map(pair).collect::<Option<_>>().map(Query)
    }

    /// The first value of a parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter, comma lists taken apart.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(n, _)| n == name);
        values
            .flat_map(|(_, value)| value.split(',').map(str::trim))
            .filter(|item| !item.is_empty())
            .map(Into::into)
            .collect()
    }

    /// The names that are not among these, as a header field tells them.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<String> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.0.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let text = |name: &&str| super::answer::header_text(name.as_bytes());
        Some(names.iter().map(text).collect::<Vec<_>>().join(", ")).filter(|list| !list.is_empty())
    }

    /// A parameter read in some way, or the refusal that says it cannot be.
    pub(super) fn read<T>(
        &self,
        name: &str,
        code: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Fail> {
        self.get(name).map(|text| read(text).ok_or(Fail::from(code))).transpose()
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?].map(char::from);
                (digits[0].to_digit(16)? * 16 + digits[1].to_digit(16)?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

const MS: Nanos = 1_000_000;

/// A length of time: a number of milliseconds, or numbers with units.
pub(super) fn duration(text: &str) -> Option<Nanos> {
    if let Some(millis) = number(text) {
        return Some(millis.saturating_mul(MS));
    }
    let units = [("ms", MS), ("s", 1_000 * MS), ("m", 60_000 * MS), ("h", 3_600_000 * MS), ("d", 86_400_000 * MS)];
    let (digits, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let (unit, rest) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
    let (_, nanos) = units.iter().find(|(name, _)| *name == unit)?;
    let first = number(digits)?.saturating_mul(*nanos);
    if rest.is_empty() {
        Some(first)
    } else {
        duration(rest).filter(|_| number(rest).is_none()).map(|more| first.saturating_add(more))
    }
}

/// A number of decimal digits and nothing else.
pub(super) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `true` or `false`, in letters of either case, also as `1` or `0`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A message id: 16 hex digits.
pub(super) fn id(text: &str) -> Option<u64> {
    if text.len() == 16 { hex(text) } else { None }
}

/// A number of up to 16 hex digits.
pub(super) fn hex(text: &str) -> Option<u64> {
    let legal = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if legal { u64::from_str_radix(text, 16).ok() } else { None }
}

/// Whether this may be the name of a topic or a channel.
pub(super) fn is_name(text: &str) -> bool {
    let stem = text.strip_suffix("#ephemeral").unwrap_or(text);
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    !stem.is_empty() && text.len() <= 64 && stem.chars().all(legal)
}

/// The format of those who do not say.
pub(super) fn usual(max: u64) -> Format {
    if max == 1 { Format::Raw } else { Format::Json }
}

/// The first media type of an `Accept` that stands for a format.
pub(super) fn accepted(accept: &str, max: u64) -> Option<Format> {
    let known = |media: &str| match media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" => Some(Format::Json),
        "application/x-ndjson" => Some(Format::Ndjson),
        "text/event-stream" => Some(Format::Sse),
        "application/vnd.shelfmq.frames" => Some(Format::Frames),
        "application/octet-stream" | "text/plain" if max == 1 => Some(Format::Raw),
        "*/*" => Some(usual(max)),
        _ => None,
    };
    accept.split(',').find_map(known)
}
