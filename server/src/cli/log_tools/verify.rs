//! `log verify`: whether every byte of every log is as it was written.

use std::io;
use std::path::Path;

use serde::Serialize;
use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::event::Event;
use shelfmq_core::log::frame::{Found, Frame, Kind, durable_until, split_message};
use shelfmq_core::log::image::TopicImage;
use shelfmq_core::message::Record;

use super::dump::kind_name;
use super::place::{Place, Topic, complaint, failed, length, read_header};
use super::{Lines, scan};

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(rename = "problem")]
    what: &'static str,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl<'a> Problem<'a> {
    fn new(topic: Option<&'a str>, what: &'static str, file: &Path) -> Self {
        let file = file.to_string_lossy().into_owned();
        Problem { topic, what, file, offset: None, length: None, kind: None, detail: None }
    }

    fn at(self, offset: u64, length: u64) -> Self {
        Problem { offset: Some(offset), length: Some(length), ..self }
    }

    fn saying(self, detail: String) -> Self {
        Problem { detail: Some(detail), ..self }
    }
}

/// What was read.
#[derive(Default, Serialize)]
struct Summary {
    topics: u64,
    segments: u64,
    bytes: u64,
    frames: u64,
    messages: u64,
    problems: u64,
}

struct Verify<'a, 'b> {
    lines: &'a mut Lines<'b>,
    summary: Summary,
}

/// Whether nothing is wrong.
pub(super) fn run(path: &Path, lines: &mut Lines<'_>) -> Result<bool, String> {
    let place = Place::find(path)?;
    let mut verify = Verify { lines, summary: Summary::default() };
    for other in &place.others {
        verify.wrong(&Problem::new(None, "foreign file", other))?;
    }
    for topic in &place.topics {
        verify.topic(topic)?;
    }
    let Verify { lines, summary } = verify;
    lines.write(&summary)?;
    Ok(summary.problems == 0)
}

impl Verify<'_, '_> {
    fn wrong(&mut self, problem: &Problem<'_>) -> Result<(), String> {
        self.summary.problems += 1;
        self.lines.write(problem)
    }

    fn topic(&mut self, topic: &Topic) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        self.summary.topics += 1;
        // What starts and repairs left for people to look at is nobody's damage; nor is what a broker is just making.
        let is_known =
            |path: &Path| [".tmp", ".new", ".torn", ".bad"].iter().any(|end| path.to_string_lossy().ends_with(end));
        for other in topic.others.iter().filter(|path| !is_known(path)) {
            self.wrong(&Problem::new(name, "foreign file", other))?;
        }
        for pair in topic.segments.windows(2).filter(|pair| pair[0].0 + 1 != pair[1].0) {
            let detail = format!("numbers {} to {}", pair[0].0 + 1, pair[1].0 - 1);
            self.wrong(&Problem::new(name, "segments are missing", &topic.directory).saying(detail))?;
        }
        for (at, (number, path)) in topic.segments.iter().enumerate() {
            self.summary.segments += 1;
            self.summary.bytes += length(path)?;
            let header = match read_header(path).map_err(|error| failed("read", path, &error))? {
                Ok(header) if header.number == *number => header,
                Ok(header) => {
                    let detail = format!("it says that it is number {}", header.number);
                    self.wrong(&Problem::new(name, "bad header", path).saying(detail))?;
                    continue;
                }
                Err(error) => {
                    self.wrong(&Problem::new(name, "bad header", path).saying(complaint(error)))?;
                    continue;
                }
            };
            let is_last = at + 1 == topic.segments.len();
            self.segment(topic, path, &header, is_last)?;
        }
        self.whole(topic)
    }

    /// Reads a segment.
    fn segment(&mut self, topic: &Topic, path: &Path, header: &SegmentHeader, is_last: bool) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        // Ids grow within a segment; those of a later one may be lower where messages were relocated to it.
        let mut next_id = 0;
        let mut said = Ok(());
        let walked = scan::walk::<io::Error>(path, header, &mut |found| {
            let problem = match found {
                Found::Damage { offset, length, kind } => {
                    let problem = Problem::new(name, "damage", path).at(offset, length);
                    Some(Problem { kind: kind.map(kind_name), ..problem })
                }
                Found::Frame(frame) => {
                    self.summary.frames += 1;
                    self.summary.messages += u64::from(frame.kind == Kind::Message);
                    let wrong = complaint_of(&frame, &mut next_id);
                    let at = |wrong| Problem::new(name, wrong, path).at(frame.offset, frame.end() - frame.offset);
                    wrong.map(|wrong| Problem { kind: Some(kind_name(frame.kind)), ..at(wrong) })
                }
            };
            if let (Some(problem), Ok(())) = (problem, &said) {
                said = self.wrong(&problem);
            }
            Ok(())
        });
        let rest = walked.map_err(|error| failed("read", path, &error))?;
        said?;
        // Room that was made and not used is left by a crash, and by a broker that runs.
        if rest.length > 0 && !rest.is_unused {
            let what = if is_last && rest.is_cut { "torn end" } else { "damage" };
            self.wrong(&Problem::new(name, what, path).at(rest.offset, rest.length))?;
        }
        Ok(())
    }

    /// What shows only once the whole topic is put together.
    fn whole(&mut self, topic: &Topic) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        match topic.replay()? {
            None => self.wrong(&Problem::new(name, "nothing in it", &topic.directory)),
            Some(recovered) if recovered.headless => {
                let detail = "no snapshot can be read: the channels are lost".into();
                self.wrong(&Problem::new(name, "no snapshot", &topic.directory).saying(detail))
            }
            Some(recovered) if recovered.image.name != topic.name.as_str() && name != Some("-") => {
                let detail = format!("it is the log of {:?}", recovered.image.name);
                self.wrong(&Problem::new(name, "wrong name", &topic.directory).saying(detail))
            }
            Some(_) => Ok(()),
        }
    }
}

/// What is wrong with a frame whose checksums are right.
fn complaint_of(frame: &Frame<'_>, next_id: &mut u64) -> Option<&'static str> {
    let is_readable = match frame.kind {
        Kind::Event | Kind::EventCopy => Event::read(frame.payload).is_some(),
        Kind::Snapshot | Kind::SnapshotCopy => TopicImage::read(frame.payload).is_some(),
        Kind::Durable => durable_until(frame.payload).is_some(),
        Kind::Message | Kind::Rewritten => {
            split_message(frame.payload).is_some_and(|(.., record)| Record::read(record).is_some())
        }
    };
    if !is_readable {
        return Some("cannot be decoded");
    }
    if frame.kind == Kind::Message {
        let (id, ..) = split_message(frame.payload)?;
        if id < *next_id {
            return Some("an id that was used before");
        }
        *next_id = id.saturating_add(1);
    }
    None
}
