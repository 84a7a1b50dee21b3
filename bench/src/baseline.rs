//! What the machine's own disk does, on the file system of the servers' data: a file appended to, files read.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise, statfs, statvfs};
use tempfile::TempDir;

use crate::Failure;

/// The magic number of tmpfs, which has no disk.
const TMPFS: i64 = 0x0102_1994;

/// As much as is read from a file at once.
const BLOCK: usize = 1 << 20;

/// A directory on a real disk, beside this program, that goes with the value. An error where there is only memory.
pub(crate) fn disk() -> Result<TempDir, Failure> {
    let program = std::env::current_exe()?;
    let place = program.parent().ok_or("a program stands in a directory")?;
    // The field's type is another on each architecture.
    if i128::from(statfs(place)?.f_type) == i128::from(TMPFS) {
        return Err(format!("{} is in memory, not on a disk", place.display()).into());
    }
    Ok(TempDir::with_prefix_in("shelfmq-bench-", place)?)
}

/// How many bytes may still be written where the servers' data is.
pub(crate) fn free_bytes() -> Result<u64, Failure> {
    let found = statvfs(disk()?.path())?;
    Ok(found.f_bavail * found.f_frsize)
}

/// A file that is appended to and synced.
pub(crate) struct Appender {
    file: File,
    bytes: Vec<u8>,
    /// How often the bytes are written before each sync.
    writes: u32,
    _home: TempDir,
}

impl Appender {
    pub(crate) fn new(bytes: usize, writes: u32) -> Result<Self, Failure> {
        let home = disk()?;
        let file = File::options().create_new(true).append(true).open(home.path().join("file"))?;
        Ok(Appender { file, bytes: vec![b'x'; bytes], writes, _home: home })
    }

    /// Begins with an empty file and goes on for this long. How often the bytes were written, a second.
    pub(crate) fn run_for(&mut self, duration: Duration) -> io::Result<f64> {
        self.file.set_len(0)?;
        self.file.sync_all()?;
        let start = Instant::now();
        let mut written = 0;
        while start.elapsed() < duration {
            for _ in 0..self.writes {
                self.file.write_all(&self.bytes)?;
            }
            self.file.sync_data()?;
            written += self.writes;
        }
        Ok(f64::from(written) / start.elapsed().as_secs_f64())
    }
}

/// All files below a directory, in the order of their names. Those that vanish meanwhile are left out.
pub(crate) fn files(home: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![home.to_path_buf()];
    while let Some(place) = waiting.pop() {
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// What the files below a directory take: their length, and their room on the disk, in bytes.
pub(crate) fn usage(home: &Path) -> io::Result<(u64, u64)> {
    let kept = files(home)?.into_iter().filter_map(|path| fs::metadata(path).ok());
    Ok(kept.fold((0, 0), |(length, room), found| (length + found.len(), room + found.blocks() * 512)))
}

/// Has the files go from the system's page cache, so that they are read from the disk.
pub(crate) fn cool(files: &[PathBuf]) -> io::Result<()> {
    for path in files {
        let file = match File::options().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        // What was not written yet would stay.
        file.sync_data()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Reads the files from their beginning to their end. Bytes a second.
pub(crate) fn read(files: &[PathBuf]) -> io::Result<f64> {
    let mut buffer = vec![0; BLOCK];
    let (start, mut sum) = (Instant::now(), 0);
    for path in files {
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => sum += count,
            }
        }
    }
    Ok(sum as f64 / start.elapsed().as_secs_f64())
}
