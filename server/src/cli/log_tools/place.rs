//! From a path to the topics and segments that it names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use shelfmq::disk::fs::RealFileSystem;
use shelfmq::disk::{Segment, replay};
use shelfmq::layout;
use shelfmq_core::log::frame::{HeaderError, SEGMENT_HEADER_BYTES};
use shelfmq_core::log::{Recovered, SegmentHeader};
use shelfmq_core::name::Name;

/// What a path names.
pub(crate) struct Place {
    /// Its topics, by name.
    pub(crate) topics: Vec<Topic>,
    /// What does not belong there.
    pub(crate) others: Vec<PathBuf>,
    /// The data directory, where the path names one or a topic in it.
    pub(crate) root: Option<PathBuf>,
}

/// A topic's files.
pub(crate) struct Topic {
    pub(crate) name: Name<'static>,
    pub(crate) directory: PathBuf,
    /// Segments by number, as their files are called.
    pub(crate) segments: Vec<(u32, PathBuf)>,
    pub(crate) others: Vec<PathBuf>,
}

/// A sentence about a file that cannot be used.
pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

impl Place {
    /// What a path names: a data directory, a topic's directory or a segment's file.
    pub(crate) fn find(path: &Path) -> Result<Place, String> {
        let path = &path.canonicalize().map_err(|error| failed("find", path, &error))?;
        if path.is_file() {
            return Place::of_segment(path);
        }
        if path.file_name().is_some_and(|name| layout::topic_of(name).is_some()) {
            let topics = vec![Topic::read(path)?];
            let root = path.ancestors().nth(2).filter(|root| is_data(root)).map(Path::to_owned);
            return Ok(Place { topics, others: Vec::new(), root });
        }
        if !is_data(path) {
            return Err(format!("{} is neither a data directory nor a topic's: it has no topics", path.display()));
        }
        let listed = layout::topics(&RealFileSystem, path).map_err(|error| failed("read", path, &error))?;
        // One that a broker deletes while this looks is not there.
        let read = listed.own.iter().map(|(_, path)| Topic::read(path)).zip(&listed.own);
        let is_there =
            |(topic, (_, path)): &(Result<Topic, String>, &(Name<'_>, PathBuf))| topic.is_ok() || path.exists();
        let topics = read.filter(is_there).map(|(topic, _)| topic).collect::<Result<_, _>>()?;
        Ok(Place { topics, others: listed.others, root: Some(path.clone()) })
    }

    fn of_segment(path: &Path) -> Result<Place, String> {
        let number = path.file_name().and_then(layout::segment_of);
        let number = match (number, read_header(path).map_err(|error| failed("read", path, &error))?) {
            (Some(number), _) => number,
            (None, Ok(header)) => header.number,
            (None, Err(_)) => return Err(format!("{} is no segment of a log", path.display())),
        };
        let directory = path.parent().unwrap_or(path).to_owned();
        let name = directory.file_name().and_then(layout::topic_of);
        let name = name.unwrap_or_else(|| Name::parse("-").expect("it is valid"));
        let segments = vec![(number, path.to_owned())];
        let topics = vec![Topic { name, directory, segments, others: Vec::new() }];
        Ok(Place { topics, others: Vec::new(), root: None })
    }
}

fn is_data(path: &Path) -> bool {
    path.join(layout::TOPICS).is_dir() || path.join(layout::LOCK).is_file()
}

impl Topic {
    /// The topic in a directory.
    pub(crate) fn read(directory: &Path) -> Result<Topic, String> {
        let name = directory.file_name().and_then(layout::topic_of);
        let name = name.ok_or_else(|| format!("{} is no topic's directory", directory.display()))?;
        Topic::in_directory(&name, directory)
    }

    /// The topic of this name in a directory, whatever that is called.
    pub(crate) fn in_directory(name: &Name<'_>, directory: &Path) -> Result<Topic, String> {
        let listed = layout::segments(&RealFileSystem, directory).map_err(|error| failed("read", directory, &error))?;
        let name = name.borrow().into_owned();
        Ok(Topic { name, directory: directory.to_owned(), segments: listed.own, others: listed.others })
    }

    /// The segments that have a good header, in order.
    pub(crate) fn good_segments(&self) -> Result<Vec<Segment>, String> {
        let mut good = Vec::with_capacity(self.segments.len());
        for (_, path) in &self.segments {
            // What the device does not give at all is as good as gone: verify and repair say so.
            let Ok(header) = read_header(path) else { continue };
            let size = length(path)?;
            good.extend(header.ok().map(|header| Segment { path: path.clone(), header, size }));
        }
        Ok(good)
    }

    /// The topic as its log tells; none where there is nothing in it.
    pub(crate) fn replay(&self) -> Result<Option<Recovered>, String> {
        let found = replay(&RealFileSystem, &self.name, &self.good_segments()?, true);
        found.map_err(|error| failed("read the segments in", &self.directory, &error))
    }
}

/// The header of a segment.
pub(crate) fn read_header(path: &Path) -> io::Result<Result<SegmentHeader, HeaderError>> {
    first_bytes(path).map(|bytes| SegmentHeader::read(&bytes))
}

/// The bytes where a segment's header is.
pub(crate) fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
    File::open(path)?.take(SEGMENT_HEADER_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a file has no header, in words.
pub(crate) fn complaint(error: HeaderError) -> String {
    match error {
        HeaderError::Short => "it is shorter than a segment's header".into(),
        HeaderError::Foreign => "it is no segment of a log, or its first bytes are damaged".into(),
        HeaderError::Version(version) => format!("it has version {version}, which this program does not know"),
        HeaderError::Damaged => "its header is damaged".into(),
    }
}

/// How many bytes a file has.
pub(crate) fn length(path: &Path) -> Result<u64, String> {
    fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| failed("read", path, &error))
}
