//! `log verify`: whether every byte of every log is as it was written.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use shelfmq::{Clock, layout};
use shelfmq_core::Engine;
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::log::event::Event;
use shelfmq_core::log::frame::{Found, Frame, Kind, durable_until, split_message};
use shelfmq_core::log::image::{ChunkImage, TopicImage};
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::message::Record;

use super::dump::kind_name;
use super::place::{Place, Topic, complaint, failed, length, read_header};
use super::{Lines, scan};

#[derive(Clone, PartialEq, Serialize)]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
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

impl Problem {
    fn new(topic: Option<&str>, what: &'static str, file: &Path) -> Self {
        let file = file.to_string_lossy().into_owned();
        let topic = topic.map(str::to_owned);
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
#[derive(Clone, Copy, Default, Serialize)]
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
    /// What is wrong, where it is not known yet whether it lasts.
    found: Option<Vec<Problem>>,
}

/// Beside a broker that runs, what is wrong in each of so many looks is wrong; the rest was just being written.
const LOOKS: u32 = 4;
/// How long after one another: a write, or a file that is removed, takes less.
const APART: Duration = Duration::from_millis(200);

/// Whether nothing is wrong.
pub(super) fn run(path: &Path, lines: &mut Lines<'_>) -> Result<bool, String> {
    let place = Place::find(path)?;
    let mut verify = Verify { lines, summary: Summary::default(), found: None };
    for other in place.others.iter().filter(|path| !layout::is_known(path)) {
        verify.wrong(&Problem::new(None, "foreign file", other))?;
    }
    let is_running = place.root.as_deref().is_some_and(is_running);
    for topic in &place.topics {
        if is_running {
            verify.beside(topic)?;
        } else {
            verify.topic(topic)?;
        }
    }
    let Verify { lines, summary, .. } = verify;
    lines.write(&summary)?;
    Ok(summary.problems == 0)
}

/// Whether a broker has a data directory.
fn is_running(root: &Path) -> bool {
    let locks = [root.join(layout::TOPICS), root.join(layout::LOCK)];
    // The lock is given back at once: one that starts meanwhile waits for it longer than that.
    locks
        .iter()
        .filter_map(|path| File::open(path).ok())
        .any(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

impl Verify<'_, '_> {
    fn wrong(&mut self, problem: &Problem) -> Result<(), String> {
        if let Some(found) = &mut self.found {
            found.push(problem.clone());
            return Ok(());
        }
        self.summary.problems += 1;
        self.lines.write(problem)
    }

    /// Looks at a topic that a broker has: more than once, where something seems to be wrong.
    fn beside(&mut self, topic: &Topic) -> Result<(), String> {
        let before = self.summary;
        let directory = || fs::metadata(&topic.directory).map(|directory| directory.ino()).ok();
        let first = directory();
        let mut lasting: Option<Vec<Problem>> = None;
        for look in 0..LOOKS {
            if look > 0 {
                thread::sleep(APART);
            }
            self.summary = before;
            self.found = Some(Vec::new());
            // Its files come and go.
            let seen = Topic::read(&topic.directory).and_then(|topic| self.topic(&topic));
            let found = self.found.take().unwrap_or_default();
            if seen.is_err() && (first.is_none() || directory() != first) {
                // It was deleted, and perhaps made again.
                self.summary = before;
                return Ok(());
            }
            match (seen, &mut lasting) {
                (Err(why), _) if look + 1 == LOOKS => return Err(why),
                // A file went while it was read.
                (Err(_), _) => continue,
                (Ok(()), None) => lasting = Some(found),
                (Ok(()), Some(lasting)) => lasting.retain(|problem| found.contains(problem)),
            }
            if lasting.as_ref().is_some_and(Vec::is_empty) {
                break;
            }
        }
        lasting.unwrap_or_default().iter().try_for_each(|problem| self.wrong(problem))
    }

    fn topic(&mut self, topic: &Topic) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        self.summary.topics += 1;
        // What starts and repairs left for people to look at is nobody's damage; nor is what a broker is just making.
        for other in topic.others.iter().filter(|path| !layout::is_known(path)) {
            self.wrong(&Problem::new(name, "foreign file", other))?;
        }
        for pair in topic.segments.windows(2).filter(|pair| pair[0].0 + 1 != pair[1].0) {
            let detail = format!("numbers {} to {}", pair[0].0 + 1, pair[1].0 - 1);
            self.wrong(&Problem::new(name, "segments are missing", &topic.directory).saying(detail))?;
        }
        let recovered = topic.replay()?;
        for (number, path) in &topic.segments {
            self.summary.segments += 1;
            self.summary.bytes += length(path)?;
            let header = match read_header(path) {
                // Of a running broker's files, those that nobody needs go.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(failed("read", path, &error)),
                Err(error) => {
                    self.wrong(&Problem::new(name, "cannot be read", path).saying(error.to_string()))?;
                    continue;
                }
                Ok(header) => header,
            };
            let header = match header {
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
            let end = recovered.as_ref().filter(|recovered| recovered.header.number == *number);
            self.segment(topic, path, &header, end.map_or(u64::MAX, |recovered| recovered.end))?;
        }
        self.whole(topic, recovered)
    }

    /// Reads a segment. What stands from `end` on is what a crash left: the next start cuts it off.
    fn segment(&mut self, topic: &Topic, path: &Path, header: &SegmentHeader, end: u64) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        let wrong = |offset: u64| if offset >= end { "torn end" } else { "damage" };
        // Ids grow within a segment; those of a later one may be lower where messages were relocated to it.
        let mut next_id = 0;
        let mut said = Ok(());
        let walked = scan::walk::<io::Error>(path, header, &mut |found| {
            let problem = match found {
                Found::Damage { offset, length, kind } => {
                    let problem = Problem::new(name, wrong(offset), path).at(offset, length);
                    Some(Problem { kind: kind.map(kind_name), ..problem })
                }
                Found::Frame(frame) => {
                    self.summary.frames += 1;
                    self.summary.messages += u64::from(frame.kind == Kind::Message);
                    let complaint = complaint_of(&frame, &mut next_id);
                    let at = |wrong| Problem::new(name, wrong, path).at(frame.offset, frame.end() - frame.offset);
                    complaint.map(|wrong| Problem { kind: Some(kind_name(frame.kind)), ..at(wrong) })
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
            self.wrong(&Problem::new(name, wrong(rest.offset), path).at(rest.offset, rest.length))?;
        }
        Ok(())
    }

    /// What shows only once the whole topic is put together.
    fn whole(&mut self, topic: &Topic, recovered: Option<Recovered>) -> Result<(), String> {
        let name = Some(topic.name.as_str());
        match recovered {
            None => self.wrong(&Problem::new(name, "nothing in it", &topic.directory)),
            Some(recovered) if recovered.headless => {
                let detail = "no snapshot can be read: the channels are lost".into();
                self.wrong(&Problem::new(name, "no snapshot", &topic.directory).saying(detail))
            }
            Some(recovered) if recovered.image.name != topic.name.as_str() && name != Some("-") => {
                let detail = format!("it is the log of {:?}", recovered.image.name);
                self.wrong(&Problem::new(name, "wrong name", &topic.directory).saying(detail))
            }
            Some(recovered) => self.first(topic, recovered),
        }
    }

    /// Whether the segments are there that the log needs before the first that is there.
    fn first(&mut self, topic: &Topic, recovered: Recovered) -> Result<(), String> {
        let Some((first, _)) = topic.segments.first().filter(|_| topic.name.as_str() != "-") else { return Ok(()) };
        let missing = missing_before(*first, recovered);
        if missing.is_empty() {
            return Ok(());
        }
        let numbers: Vec<_> = missing.iter().map(u32::to_string).collect();
        let detail = format!("numbers {}: the log begins there", numbers.join(", "));
        self.wrong(&Problem::new(Some(topic.name.as_str()), "segments are missing", &topic.directory).saying(detail))
    }
}

/// The segments before this one that have messages which somebody still needs.
fn missing_before(first: u32, recovered: Recovered) -> BTreeSet<u32> {
    let named = |chunks: &[ChunkImage]| {
        let needed = chunks.iter().filter(|chunk| !chunk.freed && chunk.segment < first);
        needed.map(|chunk| chunk.segment).collect::<BTreeSet<_>>()
    };
    if named(&recovered.image.chunks).is_empty() {
        return BTreeSet::new();
    }
    // A snapshot is older than what was freed since. What nobody needs, a broker lets go of as it opens the topic.
    let (name, now) = (recovered.image.name.clone(), Clock::system().now());
    let mut engine = Engine::with_log(Config::default(), 0, LogOptions::default());
    engine.open_topic(now, recovered);
    engine.image_of(&name).map_or_else(BTreeSet::new, |image| named(&image.chunks))
}

/// What is wrong with a frame whose checksums are right.
fn complaint_of(frame: &Frame<'_>, next_id: &mut u64) -> Option<&'static str> {
    let is_readable = match frame.kind {
        Kind::Event | Kind::EventCopy => Event::read(frame.payload).is_some(),
        Kind::Snapshot | Kind::SnapshotCopy => TopicImage::read(frame.payload).is_some(),
        Kind::Durable => durable_until(frame.payload).is_some(),
        Kind::Padding => true,
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
