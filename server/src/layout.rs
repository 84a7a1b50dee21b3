//! Where a data directory has what.
//!
//! ```text
//! <data>/lock                                 held by the broker that runs on it
//! <data>/clock                                what time it was, as the broker knew it last
//! <data>/ballast                              room on the disk that is kept for consumers
//! <data>/topics/<name>.topic/<number>.log     a segment of a topic's log; the number as 8 hex digits
//! ```
//!
//! A topic may be called `.` or `..`, hence the suffix. Some file systems take `A` and `a` for one name: each capital letter of
//! a topic's name is `+` and the small one there, and topics `Orders` and `orders` have a directory each wherever it is.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use shelfmq_core::name::Name;

use crate::disk::fs::{EntryKind, FileSystem};

/// The file that a running broker holds a lock on.
pub const LOCK: &str = "lock";
/// The file that says what time it was.
pub const CLOCK: &str = "clock";
/// The file that keeps room on the disk.
pub const BALLAST: &str = "ballast";
/// The directory that the topics are in.
pub const TOPICS: &str = "topics";

const TOPIC_SUFFIX: &str = ".topic";
const SEGMENT_SUFFIX: &str = ".log";

/// Takes the lock of a data directory, whose file this is, for as long as the file is open. Whether nobody has it:
/// one who is just going down is waited for, for a moment.
pub fn lock(file: &File) -> io::Result<bool> {
    for _ in 0..20 {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(false)
}

/// The directory of a topic, within a data directory.
pub fn topic_directory(data: &Path, topic: &Name<'_>) -> PathBuf {
    data.join(TOPICS).join(topic_directory_name(topic))
}

/// The name of a topic's directory.
pub fn topic_directory_name(topic: &Name<'_>) -> String {
    format!("{}{TOPIC_SUFFIX}", folded(topic))
}

/// A topic's name as one that no file system folds together with another's.
pub(crate) fn folded(topic: &Name<'_>) -> String {
    let mut folded = String::with_capacity(topic.as_str().len() + 8);
    for letter in topic.as_str().chars() {
        if letter.is_ascii_uppercase() {
            folded.push('+');
        }
        folded.push(letter.to_ascii_lowercase());
    }
    folded
}

/// The topic that has a directory of this name, if one may. One whose capital letters stand as they are was made by an
/// earlier version.
pub fn topic_of(directory_name: &OsStr) -> Option<Name<'static>> {
    let folded = directory_name.to_str()?.strip_suffix(TOPIC_SUFFIX)?;
    let mut name = String::with_capacity(folded.len());
    let mut letters = folded.chars();
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '+' => letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase(),
            letter => letter,
        });
    }
    Name::parse(name)
}

/// The name of a segment's file.
pub fn segment_file_name(number: u32) -> String {
    format!("{number:08x}{SEGMENT_SUFFIX}")
}

/// The number of the segment that has a file of this name, if one may.
pub fn segment_of(file_name: &OsStr) -> Option<u32> {
    let digits = file_name.to_str()?.strip_suffix(SEGMENT_SUFFIX)?;
    let number = u32::from_str_radix(digits, 16).ok()?;
    // One number, one name: neither capitals nor fewer digits.
    (file_name.to_str() == Some(&segment_file_name(number))).then_some(number)
}

/// What is in a directory without anybody's having put it there: of a new file system, of one that takes snapshots, of a
/// file manager, of what keeps an empty directory in a repository.
const NOBODYS: [&str; 5] = ["lost+found", ".snapshot", ".DS_Store", ".gitkeep", ".directory"];
/// What such names begin with.
const NOBODYS_START: [&str; 2] = [".Trash", "._"];
/// What the names end with of what starts, repairs, deletions and imports leave or are just making.
const OWN_ENDS: [&str; 6] = [".tmp", ".new", ".torn", ".bad", ".deleted", ".importing"];

/// Whether something of this name is in a directory without anybody's having put it there.
pub fn is_nobodys(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    NOBODYS.contains(&&*name) || NOBODYS_START.iter().any(|start| name.starts_with(start))
}

/// Whether something that is no topic and no segment is nothing to be told of: it is nobody's, or a broker's own.
pub fn is_known(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    is_nobodys(name) || OWN_ENDS.iter().any(|end| name.to_string_lossy().ends_with(end))
}

/// What a directory has: what belongs there, in order, and what does not.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// What belongs there, with its path.
    pub own: Vec<(T, PathBuf)>,
    /// All else, in the order of its paths.
    pub others: Vec<PathBuf>,
}

/// The topics of a data directory, by name. None where there is no directory for topics yet.
pub fn topics(fs: &dyn FileSystem, data: &Path) -> io::Result<Listing<Name<'static>>> {
    match list(fs, &data.join(TOPICS), |name, kind| topic_of(name).filter(|_| kind == EntryKind::Directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs.list(data).is_ok() => {
            Ok(Listing { own: Vec::new(), others: Vec::new() })
        }
        listed => listed,
    }
}

/// The segments in a topic's directory, by number.
pub fn segments(fs: &dyn FileSystem, topic: &Path) -> io::Result<Listing<u32>> {
    list(fs, topic, |name, kind| segment_of(name).filter(|_| kind == EntryKind::File))
}

fn list<T: Ord>(
    fs: &dyn FileSystem,
    directory: &Path,
    own: impl Fn(&OsStr, EntryKind) -> Option<T>,
) -> io::Result<Listing<T>> {
    let mut listing = Listing { own: Vec::new(), others: Vec::new() };
    for entry in fs.list(directory)? {
        let path = directory.join(&entry.name);
        match own(&entry.name, entry.kind) {
            Some(item) => listing.own.push((item, path)),
            None => listing.others.push(path),
        }
    }
    listing.own.sort();
    listing.others.sort();
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::fs::RealFileSystem;
    use std::fs;

    #[test]
    fn names_read_back_and_others_are_none() {
        for name in [".", "..", "a", "-x_1.topic", "Orders", "ABC.d"] {
            let name = Name::parse(name).expect("it is valid");
            assert_eq!(topic_of(topic_directory_name(&name).as_ref()), Some(name.into_owned()));
        }
        assert_eq!(topic_of("Orders.topic".as_ref()), Name::parse("Orders"));
        for bad in ["a", ".topic", "a b.topic", "a.topic.1.deleted", "+.topic", "+A.topic", "a+.topic"] {
            assert_eq!(topic_of(bad.as_ref()), None, "{bad}");
        }
        for number in [1, 0xabc, u32::MAX] {
            assert_eq!(segment_of(segment_file_name(number).as_ref()), Some(number));
        }
        for bad in ["1.log", "0000000A.log", "+0000001.log", "00000001.log.bad", "00000001.tmp", "000000001.log"] {
            assert_eq!(segment_of(bad.as_ref()), None, "{bad}");
        }
    }

    #[test]
    fn what_does_not_belong_is_told_apart() {
        let data = tempfile::tempdir().expect("a directory can be made");
        assert!(topics(&RealFileSystem, data.path()).expect("it is there").own.is_empty());
        assert!(topics(&RealFileSystem, &data.path().join("gone")).is_err());
        let topic = topic_directory(data.path(), &Name::parse("t").expect("it is valid"));
        fs::create_dir_all(topic.join("00000003.log")).expect("a directory can be made");
        for name in ["0000000a.log", "00000009.log", "note"] {
            fs::write(topic.join(name), "").expect("a file can be made");
        }
        fs::write(data.path().join("topics/u.topic"), "").expect("a file can be made");
        let listed = topics(&RealFileSystem, data.path()).expect("it can be listed");
        assert_eq!(listed.own, [(Name::parse("t").expect("it is valid"), topic.clone())]);
        assert_eq!(listed.others, [data.path().join("topics/u.topic")]);
        let listed = segments(&RealFileSystem, &topic).expect("it can be listed");
        assert_eq!(listed.own, [(9, topic.join("00000009.log")), (10, topic.join("0000000a.log"))]);
        assert_eq!(listed.others, [topic.join("00000003.log"), topic.join("note")]);
    }
}
