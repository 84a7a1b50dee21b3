//! What the disk code asks of a file system: about a dozen calls, so that the same code runs on the real one and on one
//! that tests simulate.
//!
//! A call may do less than it was asked, be interrupted, or fail for a reason that passes. What is to be made of that stands
//! here, once: `read_exact`, `write_all`, `Trouble`.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate};
use rustix::io::Errno;

/// A file system. Paths are as the operating system has them.
///
/// Each call is one call of the operating system, or a few that belong together; none waits for another, and any of them
/// may come from any thread.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, how: How) -> io::Result<Arc<dyn DiskFile>>;
    /// What is in a directory, in no order.
    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>>;
    /// Makes a directory, in one that is there.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Gives a file or directory another name, which replaces a file of that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable. It may say that it does not know how to: then they are as durable as can be.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes everything durable in the file system that has this directory.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;
    /// The file system that has this directory, where it is one that can be synced as a whole, and tells what failed.
    fn mounted(&self, path: &Path) -> io::Result<Arc<dyn Mounted>>;
    /// How many bytes may still be written in the file system that has this directory.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// A whole file system.
pub trait Mounted: fmt::Debug + Send + Sync {
    /// Has all that was written to files written to the device. An error where something since the last call, or since this is
    /// there, could not be: now or before, of any file; it is told once.
    fn sync(&self) -> io::Result<()>;
    /// From how many files on it is better than to sync each.
    fn worth_from(&self) -> usize;
}

/// A file that is open. It is closed when the last of those who have it drops it.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads some of what stands there; nothing behind the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes some of this there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Makes what was written durable, and the length as far as it takes to read it.
    fn sync_data(&self) -> io::Result<()>;
    /// The same with all that is known of the file.
    fn sync_all(&self) -> io::Result<()>;
    /// Cuts the file off, or lengthens it with zeros.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Makes room, which reads as zeros, so that writing there is quick and finds room.
    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()>;
    /// How long it is.
    fn length(&self) -> io::Result<u64>;
    /// Whether it still has a name.
    fn has_name(&self) -> io::Result<bool>;
    /// What is read next comes from the device, where it can be had from there, and was not only in memory.
    fn forget_cached(&self);
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// To be read.
    Read,
    /// To be read and written; it is there.
    Write,
    /// To be read and written; it is made, and empty.
    Create,
}

/// What a directory has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name there.
    pub name: OsString,
    /// What it is.
    pub kind: EntryKind,
}

/// What something in a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file with bytes in it.
    File,
    /// A directory.
    Directory,
    /// A pipe, a socket, a device, or a link to anything.
    Other,
}

/// What an error means for whoever may try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is no room.
    Full,
    /// Something is used up that others give back: file descriptors, memory.
    Scarce,
    /// It may be anything.
    Broken,
}

impl Trouble {
    /// Whether it is worth to try again.
    pub(super) fn passes(self) -> bool {
        self != Trouble::Broken
    }

    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Trouble::Full,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS | Errno::AGAIN) => Trouble::Scarce,
            None if error.kind() == io::ErrorKind::WouldBlock => Trouble::Scarce,
            _ => Trouble::Broken,
        }
    }
}

/// Does something until nothing interrupts it.
fn uninterrupted<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Fills all of `bytes` from there.
pub(super) fn read_exact(file: &dyn DiskFile, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.read_at(bytes, offset))? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                bytes = &mut bytes[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// How large the parts are that a device gives or does not give.
const BLOCK_BYTES: u64 = 4096;
/// What stands in place of a block that cannot be read: neither the start of a frame, nor what was never written.
const UNREADABLE: u8 = 0xee;

/// The same, where a block that cannot be read is damaged like any other: it is filled with what is no frame.
pub fn read_around(file: &dyn DiskFile, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    if read_exact(file, bytes, offset).is_ok() {
        return Ok(());
    }
    while !bytes.is_empty() {
        let to_next = usize::try_from(BLOCK_BYTES - offset % BLOCK_BYTES).unwrap_or(usize::MAX);
        let (block, rest) = bytes.split_at_mut(to_next.min(bytes.len()));
        match read_exact(file, block, offset) {
            // What is behind the end is not there, which is something else.
            Err(error) if Trouble::of(&error) == Trouble::Broken && error.kind() != io::ErrorKind::UnexpectedEof => {
                block.fill(UNREADABLE);
            }
            read => read?,
        }
        offset += block.len() as u64;
        bytes = rest;
    }
    Ok(())
}

/// Writes all of `bytes` there. With an error, some of it may be.
pub(super) fn write_all(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match uninterrupted(|| file.write_at(bytes, offset))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => {
                bytes = &bytes[count..];
                offset += count as u64;
            }
        }
    }
    Ok(())
}

/// Makes what was written to a file durable; `whole` where its length or its name is new.
///
/// Not tried again where it was interrupted: the kernel tells an error once, so that the next answer says less.
pub(super) fn sync(file: &dyn DiskFile, whole: bool) -> io::Result<()> {
    if whole { file.sync_all() } else { file.sync_data() }
}

/// Makes the names in a directory durable, as far as the file system can do that.
pub(super) fn sync_names(fs: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    match fs.sync_directory(directory) {
        // Some file systems, those of other machines above all, know no such thing: names there are as durable as their
        // servers make them.
        Err(error) if is_unsupported(&error) => Ok(()),
        synced => synced,
    }
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFileSystem;

/// Files are nobody's business but their owner's.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

impl FileSystem for RealFileSystem {
    fn open(&self, path: &Path, how: How) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        // A pipe that has the name of a file is not waited for.
        options.read(true).mode(FILE_MODE).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        match how {
            How::Read => {}
            How::Write => drop(options.write(true)),
            How::Create => drop(options.write(true).create(true).truncate(true)),
        }
        Ok(Arc::new(options.open(path)?))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<Entry>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let kind = entry.file_type()?;
            let kind = match (kind.is_file(), kind.is_dir()) {
                (true, _) => EntryKind::File,
                (_, true) => EntryKind::Directory,
                _ => EntryKind::Other,
            };
            Ok(Entry { name: entry.file_name(), kind })
        };
        directory.read_dir()?.map(entry).collect()
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        // Nothing is in doubt before it is open.
        let mut left = 100;
        loop {
            match File::open(path) {
                Err(error) if Trouble::of(&error) == Trouble::Scarce && left > 0 => {
                    left -= 1;
                    thread::sleep(Duration::from_millis(20));
                }
                opened => return opened?.sync_all(),
            }
        }
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        return Ok(rustix::fs::syncfs(File::open(path)?)?);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        {
            let _ = path;
            rustix::fs::sync();
            Ok(())
        }
    }

    fn mounted(&self, path: &Path) -> io::Result<Arc<dyn Mounted>> {
        #[cfg(target_os = "linux")]
        return mounted::find(path);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = path;
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(path)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[cfg(target_os = "linux")]
mod mounted {
    use super::{Arc, File, Mounted, Path, io};

    /// Those of which it is known that a sync of the whole writes all files and tells what failed: ext4 and its elders, XFS.
    /// One that lies upon another (overlayfs) is not told of the other's failures.
    const KNOWN: [i64; 2] = [0xef53, 0x5846_5342];
    /// Before this version, Linux told nobody who synced a whole file system what failed.
    const TELLS_SINCE: (u32, u32) = (5, 8);
    /// Measured on ext4: as quick as sixteen threads with a file each, at a third of their time on processors.
    const WORTH_FROM: usize = 8;

    #[derive(Debug)]
    struct Whole(File);

    pub(super) fn find(path: &Path) -> io::Result<Arc<dyn Mounted>> {
        let directory = File::open(path)?;
        let kind = rustix::fs::fstatfs(&directory)?.f_type;
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if KNOWN.into_iter().any(|known| i128::from(known) == i128::from(kind)) && version >= TELLS_SINCE {
            Ok(Arc::new(Whole(directory)))
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    impl Mounted for Whole {
        fn sync(&self) -> io::Result<()> {
            Ok(rustix::fs::syncfs(&self.0)?)
        }

        fn worth_from(&self) -> usize {
            WORTH_FROM
        }
    }
}

/// Whether an error says that a call is not known there.
fn is_unsupported(error: &io::Error) -> bool {
    let known = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(known, Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS | Errno::NOTTY))
}

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        File::set_len(self, bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        Ok(fallocate(self, FallocateFlags::empty(), offset, bytes)?)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }

    fn forget_cached(&self) {
        // A hint: a file system that has no device beneath it has nothing to forget.
        let _ = fadvise(self, 0, None, Advice::DontNeed);
    }
}
