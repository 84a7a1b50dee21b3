//! The query string: parsed as Go's `url.ParseQuery` does, then read by the shapes of [`parameters`](super::parameters).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::RangeInclusive;
use core::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use smallvec::SmallVec;

use super::errors::{ApiError, Code};
use super::parameters::Param;
use super::{bounds, values};
use crate::command::ReceiptText;
use crate::name::Name;
use crate::sort;
use crate::time::parse_duration;

/// What needs no escape in a parameter's name.
const NOT_PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters of a request, in their order.
#[derive(Debug, Default)]
pub(super) struct Params<'a> {
    pairs: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 4]>,
}

impl<'a> Params<'a> {
    /// Reads those of a query string. Malformed escapes, `;` and what is not UTF-8 are `INVALID_REQUEST`.
    pub(super) fn parse(&mut self, query: &'a str) -> Result<(), ApiError> {
        // First, for what is made of it takes some times as much memory.
        if query.len() > bounds::QUERY_BYTES {
            return Err(Code::QueryTooLong.into());
        }
        let mut rest = query;
        while !rest.is_empty() {
            let (pair, after) = split_at_byte(rest, b'&');
            rest = after;
            if !pair.is_empty() {
                let (name, value) = split_at_byte(pair, b'=');
                self.pairs.push((unescape(name)?, unescape(value)?));
            }
        }
        Ok(())
    }

    /// The value; of several, the first.
    pub(super) fn get(&self, param: &Param) -> Option<&Cow<'a, str>> {
        self.pairs.iter().find(|(name, _)| name == param.name).map(|(_, value)| value)
    }

    /// What [`Params::get`] finds, as `read` reads it; the parameter's own error where it cannot.
    pub(super) fn read<T>(&self, param: &Param, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
        match self.get(param) {
            Some(value) => read(value).map(Some).ok_or_else(|| param.invalid.into()),
            None => Ok(None),
        }
    }

    /// Text of any kind that has to be there.
    pub(super) fn required(&self, param: &Param) -> Result<Cow<'a, str>, ApiError> {
        self.get(param).cloned().ok_or_else(|| param.missing.unwrap_or(param.invalid).into())
    }

    /// A name that has to be there.
    pub(super) fn name(&self, param: &Param) -> Result<Name<'a>, ApiError> {
        Name::parse(self.required(param)?).ok_or_else(|| param.invalid.into())
    }

    /// A name, where there is one.
    pub(super) fn optional_name(&self, param: &Param) -> Result<Option<Name<'a>>, ApiError> {
        if self.get(param).is_some() { self.name(param).map(Some) } else { Ok(None) }
    }

    /// Text of a length in bytes.
    pub(super) fn text(&self, param: &Param, bytes: RangeInclusive<usize>) -> Result<Option<Cow<'a, str>>, ApiError> {
        match self.get(param) {
            Some(value) if !bytes.contains(&value.len()) => Err(param.invalid.into()),
            value => Ok(value.cloned()),
        }
    }

    /// A duration in a range.
    pub(super) fn duration(
        &self,
        param: &Param,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, ApiError> {
        self.read(param, |text| parse_duration(text).filter(|duration| range.contains(duration)))
    }

    /// A boolean.
    pub(super) fn boolean(&self, param: &Param) -> Result<Option<bool>, ApiError> {
        self.read(param, values::boolean)
    }

    /// A number in a range, as narrow as its field.
    pub(super) fn number<N: TryFrom<u64>>(
        &self,
        param: &Param,
        range: RangeInclusive<u64>,
    ) -> Result<Option<N>, ApiError> {
        self.read(param, |text| values::number(text).filter(|n| range.contains(n)).and_then(|n| N::try_from(n).ok()))
    }

    /// All that the comma lists of a parameter hold together.
    pub(super) fn list<'s>(&'s self, param: &'s Param) -> impl Iterator<Item = Cow<'a, str>> + use<'s, 'a> {
        self.pairs.iter().filter(|(name, _)| name == param.name).flat_map(|(_, value)| split_list(value))
    }

    /// The receipts of a parameter.
    pub(super) fn receipts(
        &self,
        param: &Param,
        receipts: &mut values::Receipts,
    ) -> Result<Vec<ReceiptText<'a>>, Code> {
        self.list(param).map(|text| receipts.read(text)).collect()
    }

    /// The names that are not among the known ones, each once, as `shelf-ignored` lists them: as many as
    /// [`bounds`] allows, and how many more.
    pub(super) fn ignored(&self, known: &[&Param]) -> Option<Box<str>> {
        let numbered = self.pairs.iter().enumerate().map(|(i, (name, _))| (&**name, i));
        // By sorting, for a query may have tens of thousands of names: to compare each with all before it would take
        // its time.
        let names = sort::firsts(numbered.filter(|(name, _)| !known.iter().any(|param| param.name == *name)).collect());
        let mut list = String::new();
        for (shown, &i) in names.iter().enumerate() {
            let (before, separator) = (list.len(), if list.is_empty() { "" } else { ", " });
            list.extend(core::iter::once(separator).chain(utf8_percent_encode(&self.pairs[i].0, NOT_PLAIN)));
            if list.len() > bounds::IGNORED_BYTES {
                // A name is there as a whole or counted, so that nobody is told of a parameter that was not sent.
                list.truncate(before);
                write!(list, "{separator}+{}", names.len() - shown).expect("writing to a string does not fail");
                break;
            }
        }
        (!list.is_empty()).then(|| list.into_boxed_str())
    }
}

/// What stands before and after the first such ASCII character; all and nothing where there is none. Byte by byte, for
/// what searches long texts fast is slow to begin.
fn split_at_byte(text: &str, byte: u8) -> (&str, &str) {
    match text.bytes().position(|found| found == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// The parts of a comma list, borrowing from the request where the list does.
fn split_list<'s, 'a>(value: &'s Cow<'a, str>) -> impl Iterator<Item = Cow<'a, str>> + use<'s, 'a> {
    // Two lists of which one is empty: parts of what the request has live as long as that, and those of what was
    // unescaped have to be copied.
    let (borrowed, owned) = match value {
        Cow::Borrowed(text) => (*text, ""),
        Cow::Owned(text) => ("", text.as_str()),
    };
    let owned = values::comma_list(owned).map(|part| Cow::Owned(part.into()));
    values::comma_list(borrowed).map(Cow::Borrowed).chain(owned)
}

/// A name or a value without its escapes: `%41` is `A`, `+` is a space.
pub(super) fn unescape(text: &str) -> Result<Cow<'_, str>, ApiError> {
    let bytes = text.as_bytes();
    let Some(first) = memchr::memchr3(b'%', b'+', b';', bytes) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut plain = Vec::with_capacity(bytes.len());
    plain.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        plain.push(match byte {
            b'+' => b' ',
            // As Go: a `;` was once a separator, and is refused rather than taken for one or for a part of a value.
            b';' => return Err(Code::InvalidRequest.into()),
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>().ok_or(Code::InvalidRequest)?;
                rest = after;
                crate::message::parse_hex(digits).ok_or(Code::InvalidRequest)? as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(plain).map(Cow::Owned).map_err(|_| Code::InvalidRequest.into())
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{CHANNEL, DEFER, FIN, MAX, TOPIC};
    use super::*;

    fn parse(query: &str) -> Params<'_> {
        let mut params = Params::default();
        params.parse(query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        params
    }

    #[test]
    fn a_query_is_parsed_as_go_does() {
        let cases = [
            ("", &[][..]),
            ("&&", &[]),
            ("topic=a", &[("topic", "a")]),
            ("topic=a&&defer=1&", &[("topic", "a"), ("defer", "1")]),
            ("topic", &[("topic", "")]),
            ("=x", &[("", "x")]),
            ("a=b=c", &[("a", "b=c")]),
            ("k=a+b%2B%26%3b", &[("k", "a b+&;")]),
            ("%74opic=%C3%A9", &[("topic", "é")]),
        ];
        for (query, pairs) in cases {
            let params = parse(query);
            let found: Vec<_> = params.pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
            assert_eq!(found, pairs, "{query}");
        }
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "%=1", "a;b", "a=1;b=2", "a=%ff"] {
            assert_eq!(Params::default().parse(bad), Err(Code::InvalidRequest.into()), "{bad}");
        }
    }

    #[test]
    fn a_query_is_bounded() {
        let query = "x".repeat(bounds::QUERY_BYTES + 1);
        assert!(Params::default().parse(&query[1..]).is_ok());
        assert_eq!(Params::default().parse(&query), Err(Code::QueryTooLong.into()));
    }

    #[test]
    fn plain_values_are_borrowed() {
        let params = parse("topic=a&fin=1-2,3-4&fin=5%2d6,7-8");
        assert!(matches!(params.get(&TOPIC), Some(Cow::Borrowed("a"))));
        let parts: Vec<_> = params.list(&FIN).collect();
        assert_eq!(parts, ["1-2", "3-4", "5-6", "7-8"]);
        assert!(parts[..2].iter().all(|part| matches!(part, Cow::Borrowed(_))));
    }

    #[test]
    fn the_first_value_counts_and_each_has_its_own_error() {
        let params = parse("topic=a&topic=!&channel=b%23ephemeral&defer=2h&max=10001");
        assert_eq!(params.name(&TOPIC).map(|n| n.to_string()), Ok("a".into()));
        assert_eq!(params.name(&CHANNEL).map(|n| n.is_ephemeral()), Ok(true));
        let hour = Duration::from_secs(3600);
        assert_eq!(params.duration(&DEFER, Duration::ZERO..=hour), Err(Code::InvalidDefer.into()));
        assert_eq!(params.duration(&DEFER, Duration::ZERO..=hour * 2), Ok(Some(hour * 2)));
        assert_eq!(params.number::<u32>(&MAX, 1..=10_000), Err(Code::InvalidMax.into()));
        assert_eq!(parse("").name(&TOPIC), Err(Code::MissingArgTopic.into()));
        assert_eq!(parse("topic=").name(&TOPIC), Err(Code::InvalidTopic.into()));
        assert_eq!(parse("").number::<u32>(&MAX, 1..=1), Ok(None));
    }

    #[test]
    fn unknown_names_are_told_once_in_their_order() {
        let known = [&TOPIC];
        assert_eq!(parse("topic=a").ignored(&known), None);
        let params = parse("b=1&topic=a&channel=x&b=2&a%0d%0ab=&%C3%A9=");
        assert_eq!(params.ignored(&known).as_deref(), Some("b, channel, a%0D%0Ab, %C3%A9"));
        let many: String = (0..500).flat_map(|n| [String::from("x"), n.to_string(), String::from("&")]).collect();
        let list = parse(&many).ignored(&known).unwrap_or_default();
        let (named, more) = list.rsplit_once(", +").unwrap_or_default();
        assert_eq!((named.split(", ").count() + more.parse::<usize>().unwrap_or(0), named.len() > 1000), (500, true));
        let long = ["x".repeat(bounds::IGNORED_BYTES), "y".repeat(bounds::IGNORED_BYTES + 1)];
        assert_eq!(parse(&long[0]).ignored(&known).as_deref(), Some(&*long[0]));
        assert_eq!(parse(&long[1]).ignored(&known).as_deref(), Some("+1"));
        assert_eq!(parse(&["a&", &long[1]].concat()).ignored(&known).as_deref(), Some("a, +1"));
    }

    use alloc::string::ToString;
}
