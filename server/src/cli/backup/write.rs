//! `shelfmq backup`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use shelfmq::disk::{LogCopy, replay_export};
use shelfmq::layout;
use shelfmq_core::name::Name;

use super::remote::{Remote, Unexported};
use super::{Entry, MANIFEST, Manifest, Progress, UNFINISHED, VERSION, complain_of_missing, is_url, is_wanted};
use crate::cli::log_tools::place::{Place, Topic, failed, length};
use crate::cli::log_tools::{Lines, SUFFIX, repair};

/// How much is copied at once, in bytes.
const PIECE: usize = 256 * 1024;

pub(super) fn backup(from: &str, to: &Path, wanted: &[Name<'_>], lines: &mut Lines<'_>) -> Result<(), String> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(format!("{} is there already: a backup writes over nothing", to.display()));
    }
    let unfinished = unfinished(to)?;
    let made = if is_url(from) {
        of_broker(&Remote::new(from)?, from, &unfinished, wanted)
    } else {
        of_directory(Path::new(from), &unfinished, wanted)
    };
    let done = made.and_then(|topics| {
        let manifest = Manifest { shelfmq_backup: VERSION, topics };
        finish(&unfinished, to, &manifest)?;
        manifest.topics.iter().try_for_each(|entry| lines.write(entry))
    });
    if done.is_err() && fs::symlink_metadata(to).is_err() {
        // What there is of it is of no use; its name says so where it cannot be removed.
        let _ = fs::remove_dir_all(&unfinished);
    }
    done
}

/// The directory that becomes the backup. One that a backup left that was cut short is made anew.
fn unfinished(to: &Path) -> Result<PathBuf, String> {
    let mut name = to.as_os_str().to_owned();
    name.push(UNFINISHED);
    let path = PathBuf::from(name);
    let is_ours = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy();
        name == MANIFEST || name.ends_with(SUFFIX)
    };
    match path.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", &path, &error)),
        Ok(entries) => {
            if !entries.filter_map(Result::ok).all(|entry| is_ours(&entry.file_name())) {
                return Err(format!("{} has files that are of no backup: name another directory", path.display()));
            }
            fs::remove_dir_all(&path).map_err(|error| failed("remove", &path, &error))?;
        }
    }
    fs::create_dir(&path).map_err(|error| failed("make", &path, &error))?;
    Ok(path)
}

fn of_broker(broker: &Remote, url: &str, to: &Path, wanted: &[Name<'_>]) -> Result<Vec<Entry>, String> {
    let topics = broker.topics()?;
    complain_of_missing(wanted, url, |topic| topics.iter().any(|known| known == topic))?;
    let mut entries = Vec::new();
    for topic in topics.iter().filter(|topic| is_wanted(wanted, topic)) {
        // What is only in memory, and goes with those who use it, is nothing to keep.
        let Some(name) = Name::parse(topic.as_str()).filter(|name| !name.is_ephemeral()) else { continue };
        let copied = copy(to, &name, |out, progress| broker.export(topic, out, progress));
        match copied {
            Ok(entry) => entries.push(entry),
            // It was deleted since the list was made.
            Err(Unexported::NotThere) if wanted.is_empty() => {}
            Err(why) => return Err(format!("topic {topic}: {why}")),
        }
    }
    Ok(entries)
}

fn of_directory(from: &Path, to: &Path, wanted: &[Name<'_>]) -> Result<Vec<Entry>, String> {
    let place = Place::find(from)?;
    let Some(root) = &place.root else {
        return Err(format!("{} is no data directory", from.display()));
    };
    let _locks = repair::locked(root, "give the broker's URL instead of its directory, or stop it first")?;
    complain_of_missing(wanted, &from.display().to_string(), |topic| {
        place.topics.iter().any(|known| known.name.as_str() == topic)
    })?;
    let topics = place.topics.iter().filter(|topic| is_wanted(wanted, topic.name.as_str()));
    let entry = |topic: &Topic| {
        let segments = topic.segments.iter().map(|(_, path)| Ok((path.clone(), length(path)?)));
        let segments = segments.collect::<Result<Vec<_>, String>>()?;
        let copied = copy(to, &topic.name, |out, progress| {
            let mut log = LogCopy::of_stopped(&topic.name, segments);
            let mut piece = vec![0; PIECE];
            loop {
                let count = log.read(&mut piece).map_err(|error| Unexported::Failed(error.to_string()))?;
                if count == 0 {
                    return Ok(());
                }
                out.write_all(&piece[..count]).map_err(|error| Unexported::Failed(error.to_string()))?;
                progress.add(count);
            }
        });
        copied.map_err(|why| format!("topic {}: {why}", topic.name))
    };
    topics.map(entry).collect()
}

/// Writes a topic's file, has it on the disk, and reads it back from there.
fn copy(
    to: &Path,
    name: &Name<'_>,
    write: impl FnOnce(&mut File, &mut Progress<'_>) -> Result<(), Unexported>,
) -> Result<Entry, Unexported> {
    // As a topic's directory is called, for some file systems take `A` and `a` for one name.
    let directory = layout::topic_directory_name(name);
    let file_name = format!("{}{SUFFIX}", directory.strip_suffix(".topic").unwrap_or(&directory));
    let path = to.join(&file_name);
    let wrong = |what: &str, error: &io::Error| Unexported::Failed(failed(what, &path, error));
    let mut file = File::create_new(&path).map_err(|error| wrong("make", &error))?;
    let mut progress = Progress::new(name.as_str());
    let written = write(&mut file, &mut progress);
    progress.end();
    if written.is_err() {
        // A topic that is gone leaves no file.
        let _ = fs::remove_file(&path);
    }
    written?;
    file.flush().and_then(|()| file.sync_all()).map_err(|error| wrong("sync", &error))?;
    let read = replay_export(&path);
    let (recovered, segments, bytes) =
        read.map_err(|why| Unexported::Failed(format!("what was copied is no whole log: {why}")))?;
    let messages_published = recovered.image.message_count;
    Ok(Entry { topic: name.as_str().into(), file: file_name, segments, bytes, messages_published })
}

/// Gives a backup its name, once all of it is on the disk.
fn finish(unfinished: &Path, to: &Path, manifest: &Manifest) -> Result<(), String> {
    let path = unfinished.join(MANIFEST);
    let written = File::create_new(&path).and_then(|mut file| {
        serde_json::to_writer_pretty(&mut file, manifest)?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.map_err(|error| failed("write", &path, &error))?;
    let sync = |directory: &Path| File::open(directory)?.sync_all();
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = sync(unfinished).and_then(|()| fs::rename(unfinished, to)).and_then(|()| sync(parent));
    named.map_err(|error| failed("make", to, &error))
}
