//! `log dump`: every frame.

use std::ops::Not;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde::Serialize;
use shelfmq_core::log::event::Event;
use shelfmq_core::log::frame::{Found, Frame, Kind, durable_until, split_message};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::message::Record;
use shelfmq_core::name::Name;
use shelfmq_core::time::Time;

use super::place::{Place, Topic, complaint, failed, read_header};
use super::{Lines, scan, topic};

#[derive(Args)]
pub(super) struct Filter {
    /// Only this topic
    #[arg(long, value_parser = topic)]
    topic: Option<Name<'static>>,
    /// Only from the message with this id on, in the order of the log
    #[arg(long, value_name = "ID")]
    from: Option<u64>,
    /// Only the segment with this number
    #[arg(long, value_name = "NUMBER")]
    segment: Option<u32>,
}

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    segment: u32,
    offset: u64,
    length: u64,
    kind: Option<&'static str>,
    /// The next frame belongs to the same publish.
    #[serde(skip_serializing_if = "Not::not")]
    more: bool,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Message(Box<Message<'a>>),
    Event { event: Box<Event> },
    Snapshot { snapshot: Box<TopicImage> },
    Nothing {},
    Durable { durable_until: u64 },
    Damage { damage: &'static str },
}

/// Times are in nanoseconds since the epoch.
#[derive(Serialize)]
struct Message<'a> {
    id: u64,
    /// Bytes of the bodies of all messages before it.
    bytes_before: u64,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(&'a str, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// What a kind of frame is called.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Message => "message",
        Kind::Rewritten => "rewritten",
        Kind::Snapshot => "snapshot",
        Kind::Event => "event",
        Kind::SnapshotCopy => "snapshot_copy",
        Kind::EventCopy => "event_copy",
        Kind::Durable => "durable",
        Kind::Padding => "padding",
    }
}

/// What ends a walk.
enum End {
    Io(std::io::Error),
    Said(String),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        End::Io(error)
    }
}

pub(super) fn run(path: &Path, filter: &Filter, lines: &mut Lines<'_>) -> Result<(), String> {
    let mut topics = Place::find(path)?.topics;
    if let Some(name) = &filter.topic {
        topics.retain(|topic| topic.name == *name);
        if topics.is_empty() {
            return Err(format!("there is no topic {name} in {}", path.display()));
        }
    }
    topics.iter().try_for_each(|topic| dump(topic, filter, lines))
}

fn dump(topic: &Topic, filter: &Filter, lines: &mut Lines<'_>) -> Result<(), String> {
    let mut is_before = filter.from.is_some();
    let wanted = |number: &u32| filter.segment.is_none_or(|wanted| wanted == *number);
    for (at, (number, path)) in topic.segments.iter().enumerate() {
        let header = |path| read_header(path).map_err(|error| failed("read", path, &error));
        let next = topic.segments.get(at + 1).map(|(_, path)| header(path)).transpose()?.and_then(Result::ok);
        if !wanted(number) || is_before && next.is_some_and(|next| filter.from.is_some_and(|from| next.index <= from)) {
            continue;
        }
        let place = Line {
            topic: topic.name.as_str(),
            segment: *number,
            offset: 0,
            length: 0,
            kind: None,
            more: false,
            content: Content::Nothing {},
        };
        let header = match header(path)? {
            Ok(header) => header,
            Err(error) => {
                #[derive(Serialize)]
                struct NoHeader<'a> {
                    topic: &'a str,
                    segment: u32,
                    damage: String,
                }
                let damage = complaint(error);
                lines.write(&NoHeader { topic: place.topic, segment: place.segment, damage })?;
                continue;
            }
        };
        let walked = scan::walk(path, &header, &mut |found| {
            is_before = is_before && !is_at(&found, filter.from);
            if is_before { Ok(()) } else { lines.write(&line(&found, &place)).map_err(End::Said) }
        });
        let rest = walked.map_err(|end| match end {
            End::Io(error) => failed("read", path, &error),
            End::Said(said) => said,
        })?;
        if rest.length > 0 && !is_before {
            let damage = match (rest.is_unused, rest.is_cut) {
                (true, _) => "unused",
                (_, true) => "cut short",
                _ => "damaged",
            };
            let (offset, length) = (rest.offset, rest.length);
            lines.write(&Line { offset, length, content: Content::Damage { damage }, ..place })?;
        }
    }
    Ok(())
}

/// Whether this is the message that is looked for, or one after it.
fn is_at(found: &Found<'_>, from: Option<u64>) -> bool {
    let Found::Frame(frame) = found else { return false };
    let id = split_message(frame.payload).map(|(id, ..)| id);
    frame.kind == Kind::Message && id >= from
}

fn line<'a>(found: &Found<'a>, place: &Line<'a>) -> Line<'a> {
    let (topic, segment) = (place.topic, place.segment);
    match found {
        Found::Damage { offset, length, kind } => {
            let content = Content::Damage { damage: "damaged" };
            Line { topic, segment, offset: *offset, length: *length, kind: kind.map(kind_name), more: false, content }
        }
        Found::Frame(frame) => {
            let content = content(frame).unwrap_or(Content::Damage { damage: "cannot be decoded" });
            let length = frame.end() - frame.offset;
            Line {
                topic,
                segment,
                offset: frame.offset,
                length,
                kind: Some(kind_name(frame.kind)),
                more: frame.more,
                content,
            }
        }
    }
}

fn content<'a>(frame: &Frame<'a>) -> Option<Content<'a>> {
    Some(match frame.kind {
        Kind::Message | Kind::Rewritten => Content::Message(Box::new(message(frame.payload)?)),
        Kind::Event => Content::Event { event: Box::new(Event::read(frame.payload)?) },
        Kind::Snapshot => Content::Snapshot { snapshot: Box::new(TopicImage::read(frame.payload)?) },
        Kind::SnapshotCopy | Kind::EventCopy | Kind::Padding => Content::Nothing {},
        Kind::Durable => Content::Durable { durable_until: durable_until(frame.payload)? },
    })
}

fn message(payload: &[u8]) -> Option<Message<'_>> {
    let (id, bytes_before, record) = split_message(payload)?;
    let record = Record::read(record)?;
    let body = std::str::from_utf8(record.body).ok();
    Some(Message {
        id,
        bytes_before,
        timestamp: record.timestamp.as_nanos(),
        due: record.due.map(Time::as_nanos),
        expires: record.expires.map(Time::as_nanos),
        key: record.key,
        headers: record.headers().map(|(name, value)| (name, String::from_utf8_lossy(value).into())).collect(),
        body,
        body_base64: body.is_none().then(|| STANDARD.encode(record.body)),
    })
}
