//! `log export` and `log import`: a topic's log in one file, and back.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfmq::disk::DataDir;
use shelfmq::layout;
use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::export::{ExportError, HEAD_BYTES, PART_BYTES, read_head, read_part, write_head, write_part};
use shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
use shelfmq_core::name::{MAX_LEN, Name};

use super::Lines;
use super::place::{Place, Topic, complaint, failed};

/// What an exported file's name ends with.
const SUFFIX: &str = ".shelfmq";

#[derive(Serialize)]
struct Line<'a> {
    topic: &'a str,
    file: String,
    segments: usize,
    bytes: u64,
}

pub(super) fn run(name: &Name<'_>, path: &Path, output: Option<PathBuf>, lines: &mut Lines<'_>) -> Result<(), String> {
    let topics = Place::find(path)?.topics;
    let topic = topics.into_iter().find(|topic| topic.name == *name);
    let topic = topic.ok_or_else(|| format!("there is no topic {name} in {}", path.display()))?;
    let output = output.unwrap_or_else(|| format!("{name}{SUFFIX}").into());
    // A name that is there already is somebody's file.
    let file = File::create_new(&output).map_err(|error| failed("make", &output, &error))?;
    let mut out = BufWriter::new(file);
    let mut bytes = 0;
    let written = out.write_all(&write_head(name)).and_then(|()| {
        for (_, path) in &topic.segments {
            let segment = File::open(path)?;
            // Where a broker runs, the file may grow meanwhile; only what is there now is copied.
            let length = segment.metadata()?.len();
            if length > 0 {
                bytes += length;
                out.write_all(&write_part(length))?;
                copy(&mut segment.take(length), length, &mut out)?;
            }
        }
        out.write_all(&write_part(0))?;
        out.flush()?;
        out.get_ref().sync_all()
    });
    if let Err(error) = written {
        // Half an export is of no use.
        let _ = fs::remove_file(&output);
        return Err(failed("write", &output, &error));
    }
    let (segments, file) = (topic.segments.len(), output.to_string_lossy().into());
    lines.write(&Line { topic: name.as_str(), file, segments, bytes })
}

/// Copies exactly so many bytes.
fn copy(from: &mut impl Read, length: u64, to: &mut impl Write) -> io::Result<()> {
    if io::copy(&mut from.take(length), to)? < length {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a segment became shorter"));
    }
    Ok(())
}

pub(super) fn import(path: &Path, into: &Path, lines: &mut Lines<'_>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let mut from = BufReader::new(file);
    let name = head(&mut from).map_err(|error| format!("{}: {error}", path.display()))?;
    // Holds the lock, and makes the directory where there is none.
    let _data = DataDir::open(into).map_err(|error| error.to_string())?;
    let directory = layout::topic_directory(into, &name);
    if directory.exists() {
        return Err(format!("there is a topic {name} in {} already", into.display()));
    }
    let unfinished = into.join(layout::TOPICS).join(format!("{name}.importing"));
    let imported = segments(&mut from, &name, &unfinished).and_then(|done| {
        // It gets its name only once a broker can be expected to open it.
        check(&name, &unfinished)?;
        fs::rename(&unfinished, &directory).map_err(|error| failed("make", &directory, &error))?;
        let sync = File::open(into.join(layout::TOPICS)).and_then(|topics| topics.sync_all());
        sync.map_err(|error| failed("sync", &directory, &error))?;
        Ok(done)
    });
    let (segments, bytes) = imported.map_err(|error| {
        // What was made of it so far is of no use; another try makes it again.
        let _ = fs::remove_dir_all(&unfinished);
        format!("{}: {error}", path.display())
    })?;
    lines.write(&Line { topic: name.as_str(), file: directory.to_string_lossy().into(), segments, bytes })
}

/// Whether what was imported is the whole log of a topic of this name.
fn check(name: &Name<'_>, directory: &Path) -> Result<(), String> {
    let topic = Topic::in_directory(name, directory)?;
    if let Some(pair) = topic.segments.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
        return Err(format!("segments {} to {} are missing", pair[0].0 + 1, pair[1].0 - 1));
    }
    match topic.replay()? {
        None => Err("there is nothing in it".into()),
        Some(found) if found.image.name != name.as_str() => Err(format!("it is the log of {:?}", found.image.name)),
        Some(_) => Ok(()),
    }
}

/// The topic of an export.
fn head(from: &mut impl Read) -> Result<Name<'static>, String> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + MAX_LEN);
    loop {
        match read_head(&bytes) {
            Ok((name, _)) => return Ok(name),
            Err(ExportError::Short) => read_more(from, &mut bytes)?,
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// One more byte: heads are short, and read through a buffer.
fn read_more(from: &mut impl Read, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut byte = [0];
    from.read_exact(&mut byte).map_err(|error| short(&error))?;
    bytes.push(byte[0]);
    Ok(())
}

fn short(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof { ExportError::Short.to_string() } else { error.to_string() }
}

/// Writes the segments into a new directory; answers how many they are, and their bytes.
fn segments(from: &mut impl Read, name: &Name<'_>, directory: &Path) -> Result<(usize, u64), String> {
    // One that is there is what an import left that did not come to its end.
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| failed("remove", directory, &error))?;
    }
    fs::create_dir(directory).map_err(|error| failed("make", directory, &error))?;
    let (mut count, mut total) = (0, 0);
    loop {
        let before = HEAD_BYTES + name.as_str().len() + count * PART_BYTES;
        let place = |why: String| format!("{why}, at byte {}", before as u64 + total);
        let mut part = [0; PART_BYTES];
        from.read_exact(&mut part).map_err(|error| place(short(&error)))?;
        let length = read_part(&part).map_err(|error| place(error.to_string()))?;
        if length == 0 {
            let sync = File::open(directory).and_then(|directory| directory.sync_all());
            sync.map_err(|error| failed("sync", directory, &error))?;
            return Ok((count, total));
        }
        let mut head = vec![0; length.min(SEGMENT_HEADER_BYTES as u64) as usize];
        from.read_exact(&mut head).map_err(|error| place(short(&error)))?;
        let number =
            SegmentHeader::read(&head).map_err(|error| format!("segment {}: {}", count + 1, complaint(error)))?;
        let path = directory.join(layout::segment_file_name(number.number));
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(&head)?;
            copy(from, length - head.len() as u64, &mut file)?;
            file.sync_all()
        });
        written.map_err(|error| failed("write", &path, &error))?;
        count += 1;
        total += length;
    }
}
