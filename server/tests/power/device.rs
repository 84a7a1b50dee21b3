//! A block device that remembers all that was ever asked of it: a file of a file system in user space, which the kernel has
//! as a loop device.
//!
//! The kernel's own file systems run on it unchanged. Their writes come here when they issue them, and their flushes, too:
//! what a program wrote and did not sync is still in the kernel's page cache above, and not here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
    WriteFlags,
};
use tempfile::TempDir;

use crate::image::{Image, Op, What};

/// How much a device had done: so many writes and flushes.
pub type Moment = u64;

/// The name of the one file.
const NAME: &str = "device";

/// What a device has done, and has.
pub struct Tape {
    moment: AtomicU64,
    written: Mutex<(Image, Vec<Op>)>,
}

impl Tape {
    /// All that was answered until now was written before.
    pub fn moment(&self) -> Moment {
        self.moment.load(SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, (Image, Vec<Op>)> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, what: What) {
        let (image, ops) = &mut *self.lock();
        if let What::Write { offset, bytes } = &what {
            image.write(*offset, bytes);
        }
        ops.push(Op { at: Instant::now(), what });
        self.moment.store(ops.len() as Moment, SeqCst);
    }

    pub fn take_ops(&self) -> Vec<Op> {
        std::mem::take(&mut self.lock().1)
    }
}

/// The device. Whatever is mounted from it has to go before it does.
pub struct Device {
    pub tape: Arc<Tape>,
    session: Option<BackgroundSession>,
    directory: TempDir,
}

impl Device {
    /// None where this user may not mount one.
    pub fn new(image: Image) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a place for temporary files");
        let tape = Arc::new(Tape { moment: AtomicU64::new(0), written: Mutex::new((image, Vec::new())) });
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("shelfmq-test".into())];
        let session = fuser::spawn_mount(OneFile(Arc::clone(&tape)), directory.path(), &config).ok()?;
        Some(Device { tape, session: Some(session), directory })
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let ended = self.session.take().map(BackgroundSession::umount_and_join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "{ended:?}");
    }
}

/// A mounted file system. It is unmounted when this is dropped.
pub struct Mount(TempDir);

impl Mount {
    pub fn new(device: &Path, kind: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a place for temporary files");
        let mut mount = Command::new("mount");
        mount.args(["-t", kind, "-o", "loop"]).arg(device).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        mounted.then_some(Mount(directory))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        // Where something went wrong, somebody may still be in it.
        umount.args(thread::panicking().then_some("--lazy")).arg(self.path());
        let done = umount.status();
        assert!(thread::panicking() || done.is_ok_and(|status| status.success()));
    }
}

struct OneFile(Arc<Tape>);

const FILE: INodeNo = INodeNo(2);
/// Nothing but this file system changes what it has.
const LONG: Duration = Duration::from_secs(3600);

impl OneFile {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let is_file = inode == FILE;
        FileAttr {
            ino: inode,
            size: if is_file { self.0.lock().0.bytes } else { 0 },
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for OneFile {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if name == NAME {
            reply.entry(&LONG, &self.attributes(FILE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&LONG, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Or the kernel would keep what the loop device writes, and tell of it later.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        reply.data(&self.0.lock().0.read(offset, size as usize));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.0.push(What::Write { offset, bytes: bytes.to_vec() });
        reply.written(bytes.len() as u32);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.0.push(What::Flush);
        reply.ok();
    }
}
