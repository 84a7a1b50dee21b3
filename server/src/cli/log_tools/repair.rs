//! `log repair`: makes damaged logs such that a broker starts on them. Nothing that may be of use is deleted: files
//! that cannot be used are moved aside, under names that end with `.bad`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use shelfmq::layout;
use shelfmq_core::log::SegmentHeader;
use shelfmq_core::log::frame::HeaderError;
use shelfmq_core::name::Name;

use super::Lines;
use super::place::{Place, Topic, complaint, failed, first_bytes, read_header};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    file: String,
    /// What was done, or would be.
    did: &'static str,
    why: String,
}

#[derive(Serialize)]
struct Summary {
    repairs: u64,
    dry_run: bool,
}

struct Repair<'a, 'b> {
    lines: &'a mut Lines<'b>,
    is_dry: bool,
    repairs: u64,
}

pub(super) fn run(path: &Path, is_dry: bool, lines: &mut Lines<'_>) -> Result<(), String> {
    if path.is_file() {
        return Err(format!("{} is a file: repair takes a data directory or a topic's directory", path.display()));
    }
    let place = Place::find(path)?;
    let mut repair = Repair { lines, is_dry, repairs: 0 };
    let _locks = place.root.as_ref().map(|root| repair.lock(root)).transpose()?;
    for topic in &place.topics {
        repair.topic(topic)?;
    }
    let (repairs, dry_run) = (repair.repairs, is_dry);
    lines.write(&Summary { repairs, dry_run })
}

impl Repair<'_, '_> {
    /// Does something, and says so.
    fn act(
        &mut self,
        topic: Option<&Topic>,
        file: &Path,
        (did, why): (&'static str, String),
        act: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), String> {
        if !self.is_dry {
            act().map_err(|error| failed("repair", file, &error))?;
        }
        self.repairs += 1;
        let topic = topic.map(|topic| topic.name.as_str());
        self.lines.write(&Line { topic, file: file.to_string_lossy().into(), did, why })
    }

    /// Sees to it that no broker runs on a data directory; the files keep the locks.
    fn lock(&mut self, root: &Path) -> Result<Vec<File>, String> {
        // Before anything is written: whoever runs beside a lock file that was removed has a lock on the directory still.
        let mut locks = locked(root, "stop it first")?;
        let path = root.join(layout::LOCK);
        if !path.exists() {
            let done = ("made the lock file", "without one, a directory is none of a broker's".into());
            self.act(None, &path, done, || File::create_new(&path)?.sync_all().and_then(|()| sync(root)))?;
            if !self.is_dry {
                locks.push(take(root, &path, "stop it first")?);
            }
        }
        Ok(locks)
    }

    fn topic(&mut self, topic: &Topic) -> Result<(), String> {
        // Files by their numbers as they will be.
        let mut good: Vec<(u32, PathBuf, SegmentHeader)> = Vec::new();
        for (number, path) in &topic.segments {
            if let Some(header) = self.header(topic, *number, path)? {
                good.push((*number, path.clone(), header));
            }
        }
        for pair in good.windows(2) {
            let [(before, ..), (after, _, header)] = pair else { continue };
            for missing in before + 1..*after {
                self.fill(topic, missing, header)?;
            }
        }
        let Some((_, last, _)) = good.last() else { return Ok(()) };
        let as_good = Topic {
            name: topic.name.clone(),
            directory: topic.directory.clone(),
            segments: good.iter().map(|(number, path, _)| (*number, path.clone())).collect(),
            others: Vec::new(),
        };
        let Some(recovered) = as_good.replay()? else { return Ok(()) };
        if recovered.torn > 0 && recovered.header.number == good[good.len() - 1].0 {
            let why = format!("{} bytes after offset {} were not written wholly", recovered.torn, recovered.end);
            self.act(Some(topic), last, ("cut off the torn end", why), || {
                let file = OpenOptions::new().write(true).open(last)?;
                file.set_len(recovered.end)?;
                file.sync_all()
            })?;
        }
        if recovered.image.name != topic.name.as_str() {
            self.rename(topic, &recovered.image.name)?;
        }
        Ok(())
    }

    /// The header of a segment, where it has one or can be given one again.
    fn header(&mut self, topic: &Topic, number: u32, path: &Path) -> Result<Option<SegmentHeader>, String> {
        let why = match read_header(path).map_err(|error| failed("read", path, &error))? {
            Ok(header) if header.number == number => return Ok(Some(header)),
            Ok(header) => format!("it says that it is segment {}", header.number),
            Err(error @ HeaderError::Version(_)) => {
                // Some other version can read it: it is not damaged.
                return Err(format!("{}: {}", path.display(), complaint(error)));
            }
            Err(error) => {
                let bytes = first_bytes(path).map_err(|error| failed("read", path, &error))?;
                if let Some(header) = corrected(&bytes, number) {
                    let done = ("corrected the header", "one bit of it was wrong".into());
                    self.act(Some(topic), path, done, || {
                        let file = OpenOptions::new().write(true).open(path)?;
                        file.write_all_at(&header.to_bytes(), 0)?;
                        file.sync_all()
                    })?;
                    return Ok(Some(header));
                }
                complaint(error)
            }
        };
        let aside = free_name(path);
        self.act(Some(topic), path, ("moved aside", why), || {
            fs::rename(path, &aside)?;
            sync(&topic.directory)
        })?;
        Ok(None)
    }

    /// Makes an empty segment in the place of one that is missing: the others keep their numbers, and what was in it is
    /// lost, and known to be.
    fn fill(&mut self, topic: &Topic, number: u32, next: &SegmentHeader) -> Result<(), String> {
        let path = topic.directory.join(layout::segment_file_name(number));
        let header = SegmentHeader { number, index: next.index, ..*next };
        let done = ("made an empty segment", "it is missing, and there are others before and after it".into());
        self.act(Some(topic), &path, done, || {
            let file = File::create_new(&path)?;
            file.write_all_at(&header.to_bytes(), 0)?;
            file.sync_all()?;
            sync(&topic.directory)
        })
    }

    /// A log in the directory of a topic of another name goes where it belongs, or aside.
    fn rename(&mut self, topic: &Topic, name: &str) -> Result<(), String> {
        let own = Name::parse(name.to_owned())
            .map(|name| topic.directory.with_file_name(layout::topic_directory_name(&name)));
        let (to, did) = match own.filter(|path| !path.exists()) {
            Some(path) => (path, "gave the directory its topic's name"),
            None => (free_name(&topic.directory), "moved aside"),
        };
        self.act(Some(topic), &topic.directory, (did, format!("it is the log of {name:?}")), || {
            fs::rename(&topic.directory, &to)?;
            topic.directory.parent().map_or(Ok(()), sync)
        })
    }
}

/// The locks of a data directory, as files that hold them; an error where a broker has them, which says to do this. Nothing is
/// written.
pub(crate) fn locked(root: &Path, advice: &str) -> Result<Vec<File>, String> {
    let paths = [root.join(layout::TOPICS), root.join(layout::LOCK)];
    paths.iter().filter(|path| path.exists()).map(|path| take(root, path, advice)).collect()
}

fn take(root: &Path, path: &Path, advice: &str) -> Result<File, String> {
    let file = File::open(path).map_err(|error| failed("open", path, &error))?;
    match layout::lock(&file) {
        Ok(true) => Ok(file),
        Ok(false) => Err(format!("a broker is running on the data directory {}: {advice}", root.display())),
        Err(error) => Err(failed("lock", path, &error)),
    }
}

/// The header that these bytes were before one of their bits was flipped.
fn corrected(bytes: &[u8], number: u32) -> Option<SegmentHeader> {
    let mut bytes = bytes.to_vec();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(header) = SegmentHeader::read(&bytes)
            && header.number == number
        {
            return Some(header);
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    None
}

/// A name that ends with `.bad` and is not taken.
fn free_name(path: &Path) -> PathBuf {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let numbered = (2u32..).map(|number| named(&format!(".{number}.bad")));
    std::iter::once(named(".bad")).chain(numbered).find(|name| !name.exists()).expect("there are many names")
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
