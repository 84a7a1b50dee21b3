//! Recording what comes in: a thread takes from the shards what they wrote down, and writes it to a file.
//!
//! There are two files at most: the one that is written, and `.1`, the one before it. Each begins with all that the
//! engines have, so that each can be replayed alone.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shelfmq_core::recording::{Head, Kind, Recorder, Taken, write_frame};

/// How often what was written down is taken from the shards.
const TAKE_EVERY: Duration = Duration::from_millis(10);
/// So much of all bytes may a checkpoint take, so that the larger part of a file is what came in.
const CHECKPOINTS: u64 = 4;
/// A shard writes down so much between two looks; what comes beyond is lost, up to a checkpoint made for that.
const MAX_ROOM: u64 = 64 << 20;

/// Where what comes in is recorded.
#[derive(Clone, Debug)]
pub struct RecordOptions {
    /// The file. The part of the recording before it is beside it, with `.1` behind its name.
    pub path: PathBuf,
    /// How many bytes both may have together.
    pub bytes: u64,
}

/// Does something with the recorder of a shard; false where there is none any more.
pub(crate) type Visit = Box<dyn Fn(usize, &mut dyn FnMut(&mut Recorder)) -> bool + Send>;

/// A recording under way.
pub(crate) struct Recording(Mutex<Option<(Sender<()>, JoinHandle<()>)>>);

/// Why a recording cannot begin, or go on.
#[derive(Debug)]
pub(crate) enum Failure {
    Io(PathBuf, io::Error),
    TooLarge(u64),
    /// There are no shards any more.
    Gone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Failure::TooLarge(bytes) => {
                write!(f, "what the broker has in memory does not fit into a quarter of --record-bytes, {bytes}")
            }
            Failure::Gone => f.write_str("the broker is gone"),
        }
    }
}

impl Recording {
    /// Begins to record so many shards. A file that is there is the one before from now on.
    pub(crate) fn start(options: RecordOptions, shards: usize, visit: Visit) -> Result<Self, Failure> {
        let mut writer = Writer::begin(options, shards, visit)?;
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            while stopped.recv_timeout(TAKE_EVERY) == Err(RecvTimeoutError::Timeout) {
                if writer.run_once() == Err(()) {
                    return;
                }
            }
            // The last look; where even that fails, it was said.
            let _ = writer.run_once();
        };
        let thread = thread::Builder::new().name("shelfmq-record".into()).spawn(run);
        let thread = thread.expect("a machine that runs a broker can run one more thread");
        Ok(Recording(Mutex::new(Some((stop, thread)))))
    }

    /// Writes what came so far, and ends.
    pub(crate) fn stop(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = running {
            drop(stop);
            // It is its own thread that lets go of the last shard where nobody else has one.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Writer {
    options: RecordOptions,
    visit: Visit,
    file: File,
    head: Head,
    /// Bytes of the file.
    written: u64,
    /// What is to be written next, and what shards can write into.
    frames: Vec<u8>,
    spare: Vec<u8>,
}

impl Writer {
    fn begin(options: RecordOptions, shards: usize, visit: Visit) -> Result<Self, Failure> {
        let run = RandomState::new().hash_one(shards);
        let head = Head::new(run, 0, u32::try_from(shards).expect("there are a few shards"));
        let file = next_file(&options.path)?;
        let mut writer = Writer { options, visit, file, head, written: 0, frames: Vec::new(), spare: Vec::new() };
        writer.begin_part(None)?;
        Ok(writer)
    }

    /// Takes and writes; an error, which is logged, ends the recording.
    fn run_once(&mut self) -> Result<(), ()> {
        let done = self.take().and_then(|torn| {
            if !torn && self.written <= self.options.bytes / 2 {
                return Ok(());
            }
            let file = next_file(&self.options.path)?;
            let before = mem::replace(&mut self.file, file);
            self.begin_part(Some(before))
        });
        done.map_err(|failure| {
            if !matches!(failure, Failure::Gone) {
                tracing::error!("the recording ends: {failure}");
            }
            for shard in 0..self.head.shards as usize {
                (self.visit)(shard, &mut Recorder::stop);
            }
        })
    }

    /// Writes what came to the shards; whether something was lost.
    fn take(&mut self) -> Result<bool, Failure> {
        let mut lost = false;
        for shard in 0..self.head.shards {
            let mut taken = Taken::default();
            let spare = &mut self.spare;
            let is_there = (self.visit)(shard as usize, &mut |recorder| {
                if recorder.has_inputs() {
                    taken = recorder.take(mem::take(spare));
                }
            });
            if !is_there {
                return Err(Failure::Gone);
            }
            lost |= taken.torn;
            add(&mut self.frames, shard, &taken);
            if taken.inputs.capacity() > 0 {
                self.spare = taken.inputs;
            }
        }
        self.write()?;
        Ok(lost)
    }

    fn write(&mut self) -> Result<(), Failure> {
        let done = self.file.write_all(&self.frames).map_err(|error| Failure::Io(self.options.path.clone(), error));
        self.written += self.frames.len() as u64;
        self.frames.clear();
        done
    }

    /// Begins a part with the engines as they are. The one before gets what came to them until then.
    fn begin_part(&mut self, mut before: Option<File>) -> Result<(), Failure> {
        self.head.part += 1;
        self.frames = self.head.to_bytes();
        self.written = 0;
        let room = (self.options.bytes / CHECKPOINTS).min(MAX_ROOM) as usize;
        for shard in 0..self.head.shards {
            let limit = (self.options.bytes / CHECKPOINTS).saturating_sub(self.written) as usize;
            let (mut taken, mut checkpoint) = (Taken::default(), None);
            let is_there = (self.visit)(shard as usize, &mut |recorder| {
                taken = recorder.take(Vec::new());
                checkpoint = recorder.begin(limit, room);
            });
            if !is_there {
                return Err(Failure::Gone);
            }
            if let Some(before) = &mut before {
                let mut frames = Vec::new();
                add(&mut frames, shard, &taken);
                before.write_all(&frames).map_err(|error| Failure::Io(before_path(&self.options.path), error))?;
            }
            let checkpoint = checkpoint.ok_or(Failure::TooLarge(self.options.bytes))?;
            write_frame(&mut self.frames, Kind::Checkpoint, shard, &checkpoint);
            self.write()?;
        }
        Ok(())
    }
}

fn add(frames: &mut Vec<u8>, shard: u32, taken: &Taken) {
    if !taken.inputs.is_empty() {
        write_frame(frames, Kind::Inputs, shard, &taken.inputs);
    }
    if taken.torn {
        tracing::warn!("the recording has a gap: more came in than was written in time");
        write_frame(frames, Kind::Gap, shard, &[]);
    }
}

/// Makes the file for the next part; the one that is there becomes the one before.
fn next_file(path: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::Io(path.to_owned(), error);
    match fs::rename(path, before_path(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // All messages are in it: it is nobody else's to read.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)
}

/// The name of the part before this one.
pub fn before_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    name.into()
}
