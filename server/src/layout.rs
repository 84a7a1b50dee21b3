//! Where a data directory has what.
//!
//! ```text
//! <data>/lock                                 held by the broker that runs on it
//! <data>/topics/<name>.topic/<number>.log     a segment of a topic's log; the number as 8 hex digits
//! ```
//!
//! A topic may be called `.` or `..`, hence the suffix.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use shelfmq_core::name::Name;

/// The file that a running broker holds a lock on.
pub const LOCK: &str = "lock";
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
    format!("{topic}{TOPIC_SUFFIX}")
}

/// The topic that has a directory of this name, if one may.
pub fn topic_of(directory_name: &OsStr) -> Option<Name<'static>> {
    let name = directory_name.to_str()?.strip_suffix(TOPIC_SUFFIX)?;
    Name::parse(name.to_owned())
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

/// What a directory has: what belongs there, in order, and what does not.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// What belongs there, with its path.
    pub own: Vec<(T, PathBuf)>,
    /// All else, in the order of its paths.
    pub others: Vec<PathBuf>,
}

/// The topics of a data directory, by name. None where there is no directory for topics yet.
pub fn topics(data: &Path) -> io::Result<Listing<Name<'static>>> {
    match list(&data.join(TOPICS), |name, is_directory| topic_of(name).filter(|_| is_directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && data.is_dir() => {
            Ok(Listing { own: Vec::new(), others: Vec::new() })
        }
        listed => listed,
    }
}

/// The segments in a topic's directory, by number.
pub fn segments(topic: &Path) -> io::Result<Listing<u32>> {
    list(topic, |name, is_directory| segment_of(name).filter(|_| !is_directory))
}

fn list<T: Ord>(directory: &Path, own: impl Fn(&OsStr, bool) -> Option<T>) -> io::Result<Listing<T>> {
    let mut listing = Listing { own: Vec::new(), others: Vec::new() };
    for entry in directory.read_dir()? {
        let entry = entry?;
        match own(&entry.file_name(), entry.file_type()?.is_dir()) {
            Some(item) => listing.own.push((item, entry.path())),
            None => listing.others.push(entry.path()),
        }
    }
    listing.own.sort();
    listing.others.sort();
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_read_back_and_others_are_none() {
        for name in [".", "..", "a", "-x_1.topic"] {
            let name = Name::parse(name).expect("it is valid");
            assert_eq!(topic_of(topic_directory_name(&name).as_ref()), Some(name.into_owned()));
        }
        for bad in ["a", ".topic", "a b.topic", "a.topic.1.deleted"] {
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
        assert!(topics(data.path()).expect("it is there").own.is_empty());
        assert!(topics(&data.path().join("gone")).is_err());
        let topic = topic_directory(data.path(), &Name::parse("t").expect("it is valid"));
        fs::create_dir_all(topic.join("00000003.log")).expect("a directory can be made");
        for name in ["0000000a.log", "00000009.log", "note"] {
            fs::write(topic.join(name), "").expect("a file can be made");
        }
        fs::write(data.path().join("topics/u.topic"), "").expect("a file can be made");
        let listed = topics(data.path()).expect("it can be listed");
        assert_eq!(listed.own, [(Name::parse("t").expect("it is valid"), topic.clone())]);
        assert_eq!(listed.others, [data.path().join("topics/u.topic")]);
        let listed = segments(&topic).expect("it can be listed");
        assert_eq!(listed.own, [(9, topic.join("00000009.log")), (10, topic.join("0000000a.log"))]);
        assert_eq!(listed.others, [topic.join("00000003.log"), topic.join("note")]);
    }
}
