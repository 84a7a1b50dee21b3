//! `log export` and `log import`: a topic's log in one file, and back.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfmq::disk::{DataDir, LogCopy};
use shelfmq::layout;
use shelfmq_core::name::Name;

use super::Lines;
use super::place::{Place, failed, length};

/// What an exported file's name ends with.
pub(crate) const SUFFIX: &str = ".shelfmq";

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
    // Where a broker runs, the files may grow meanwhile; only what is there now is copied.
    let segments = topic.segments.iter().map(|(_, path)| Ok((path.clone(), length(path)?)));
    let segments = segments.collect::<Result<Vec<_>, String>>()?;
    let bytes = segments.iter().map(|(_, bytes)| bytes).sum();
    let mut log = LogCopy::of_stopped(name, segments);
    // A name that is there already is somebody's file.
    let mut file = File::create_new(&output).map_err(|error| failed("make", &output, &error))?;
    if let Err(error) = io::copy(&mut log, &mut file).and_then(|_| file.sync_all()) {
        // Half an export is of no use.
        let _ = fs::remove_file(&output);
        return Err(failed("write", &output, &error));
    }
    let (segments, file) = (topic.segments.len(), output.to_string_lossy().into());
    lines.write(&Line { topic: topic.name.as_str(), file, segments, bytes })
}

pub(super) fn import(path: &Path, into: &Path, lines: &mut Lines<'_>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| failed("open", path, &error))?;
    // Holds the lock, and makes the directory where there is none.
    let data = DataDir::open(into).map_err(|error| error.to_string())?;
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let import = data.import(None, &mut BufReader::new(file), 0).map_err(|why| wrong(&why))?;
    let (name, segments, bytes) = (import.name().clone(), import.segments, import.bytes);
    import.place().map_err(|why| wrong(&why))?;
    let directory = layout::topic_directory(into, &name);
    lines.write(&Line { topic: name.as_str(), file: directory.to_string_lossy().into(), segments, bytes })
}
