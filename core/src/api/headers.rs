//! What is read from a request's header fields: the media types that it accepts, and the fields that are
//! kept with a message.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::Head;
use super::bounds::KEPT_HEADER_BYTES;
use super::errors::Code;
use crate::command::KeptHeader;

/// The headers kept with a message: lower-case names and values.
pub(super) type Kept<'a> = Vec<KeptHeader<'a>>;

/// The value of a header field.
pub(super) fn header<'a>(head: &Head<'a>, name: &str) -> Option<&'a [u8]> {
    head.headers.iter().find(|(n, _)| *n == name).map(|&(_, value)| value)
}

/// The media types of an `accept` header or the one of a `content-type`, without their parameters.
pub(super) fn media_types<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let list = header(head, name).unwrap_or_default();
    list.split(|&b| b == b',').map(|item| {
        let end = memchr::memchr(b';', item).unwrap_or(item.len());
        item[..end].trim_ascii()
    })
}

/// Whether the request would rather have JSON than text.
pub(super) fn accepts_json(head: &Head<'_>) -> bool {
    // Weights (`q=`) are not looked at: the first that is known is the choice. `*/*` alone gets text, as from nsqd.
    let known: [&[u8]; 3] = [b"application/json", b"text/plain", b"*/*"];
    let first = media_types(head, "accept").find_map(|item| known.iter().position(|k| item.eq_ignore_ascii_case(k)));
    first == Some(0)
}

/// Whether the request's content type is this one.
pub(super) fn has_content_type(head: &Head<'_>, media_type: &str) -> bool {
    media_types(head, "content-type").next().is_some_and(|found| found.eq_ignore_ascii_case(media_type.as_bytes()))
}

/// Whether a header field of this (lower-case) name is kept with a message.
pub(super) fn is_kept(name: &str) -> bool {
    match name.as_bytes().first() {
        // By its first byte, for this is asked of each field of each publish.
        Some(b'c') => name == "content-type" || name.strip_prefix("ce-").is_some_and(|rest| !rest.is_empty()),
        Some(b't') => matches!(name, "traceparent" | "tracestate"),
        Some(b's') => name.strip_prefix("shelf-meta-").is_some_and(|rest| !rest.is_empty()),
        _ => false,
    }
}

/// The header fields of a publish that are kept with its messages. The content type that `curl -d` sends by
/// itself is not, nor is that of a batch of JSON lines, for it is the batch's and not the messages'.
pub(super) fn kept<'a>(head: &Head<'a>) -> Result<Kept<'a>, Code> {
    let mut kept = Kept::new();
    for &(name, value) in head.headers.iter().filter(|(name, _)| is_kept(name)) {
        if name == "content-type" && !says_what_messages_are(head) {
            continue;
        }
        keep(&mut kept, Cow::Borrowed(name), Cow::Borrowed(value));
    }
    if kept_bytes(&kept) > KEPT_HEADER_BYTES { Err(Code::HeadersTooBig) } else { Ok(kept) }
}

fn says_what_messages_are(head: &Head<'_>) -> bool {
    !["application/x-www-form-urlencoded", "application/x-ndjson"].iter().any(|t| has_content_type(head, t))
}

/// Adds a header. One that comes twice is one with both values, as HTTP has it.
fn keep<'a>(kept: &mut Kept<'a>, name: Cow<'a, str>, value: Cow<'a, [u8]>) {
    match kept.iter_mut().find(|(n, _)| *n == name) {
        Some((_, first)) => {
            let both: Vec<u8> = [first, b", ".as_slice(), &value].concat();
            *first = Cow::Owned(both);
        }
        None => kept.push((name, value)),
    }
}

/// How long kept headers are together, each with 4 bytes for the lengths of its parts.
pub(super) fn kept_bytes(kept: &Kept<'_>) -> usize {
    kept.iter().map(|(name, value)| 4 + name.len() + value.len()).sum()
}

/// Whether a name can be that of a header field: a kept one is sent as such on delivery.
pub(super) fn is_legal_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether a value can be that of a header field.
pub(super) fn is_legal_value(value: &str) -> bool {
    !value.bytes().any(|b| b.is_ascii_control() && b != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'a>(headers: &'a [(&'a str, &'a [u8])]) -> Head<'a> {
        Head { headers, ..Head::default() }
    }

    fn kept_of(headers: &[(&str, &[u8])]) -> Vec<(alloc::string::String, Vec<u8>)> {
        let kept = kept(&request(headers)).unwrap_or_else(|code| panic!("{code:?}"));
        kept.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
    }

    #[test]
    fn some_headers_are_kept() {
        let all: [(&str, &[u8]); 8] = [
            ("host", b"x"),
            ("content-type", b"text/csv"),
            ("traceparent", b"00-1"),
            ("tracestate", b"a=1"),
            ("ce-id", b"1"),
            ("shelf-meta-a", b"\xff"),
            ("shelf-meta-", b"x"),
            ("tracestate", b"b=2"),
        ];
        let kept = kept_of(&all);
        let names: Vec<_> = kept.iter().map(|(n, _)| n.as_str()).collect();
        assert_eq!(names, ["content-type", "traceparent", "tracestate", "ce-id", "shelf-meta-a"]);
        assert_eq!(kept[2].1, b"a=1, b=2");
        assert!(kept_of(&[("content-type", b"Application/X-WWW-form-urlencoded; charset=utf-8")]).is_empty());
        assert!(kept_of(&[("content-type", b"application/x-ndjson")]).is_empty());
    }

    #[test]
    fn kept_headers_have_a_limit() {
        let value = alloc::vec![b'x'; KEPT_HEADER_BYTES - 4 - "ce-a".len()];
        assert_eq!(kept_of(&[("ce-a", &value)]).len(), 1);
        assert_eq!(kept(&request(&[("ce-a", &value), ("ce-b", b"")])).err(), Some(Code::HeadersTooBig));
    }

    #[test]
    fn json_is_chosen_by_the_first_known_media_type() {
        let accept = |value: &[u8]| accepts_json(&request(&[("accept", value)]));
        assert!(accept(b"application/json"));
        assert!(accept(b"image/png, Application/JSON; q=0.9, */*"));
        assert!(!accept(b"*/*"));
        assert!(!accept(b"text/plain, application/json"));
        assert!(!accept(b"application/vnd.nsq; version=1.0"));
        assert!(!accepts_json(&request(&[])));
    }
}
