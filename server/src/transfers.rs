//! Logs over HTTP: a topic's log as one file, out of a broker that runs and into one.
//!
//! What is asked and what is answered is the core's to say; here is what only a host with files can do. Each transfer has a
//! thread of its own, for it reads and writes as much as there is, and no connection waits for it but its own.

use std::future::poll_fn;
use std::io::{self, Read};
use std::pin::pin;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body;
use shelfmq_core::api::{ApiError, Code};
use shelfmq_core::command::{TopicTrouble, TopicUnwell};
use shelfmq_core::config::MAX_TRANSFERS;
use shelfmq_core::name::Name;
use tokio::sync::{mpsc, oneshot};

use crate::disk::{Import, ImportError, LogCopy};
use crate::driver::Shelf;

/// How much of a log is read at once, in bytes.
const PIECE: usize = 256 * 1024;
/// How many pieces wait for a client that is slower than the disk, or the other way round.
const WAITING: usize = 2;
/// How often a log is looked for that is just being opened again.
const TRIES: u32 = 3;
/// How long the files of a topic of the same name that was deleted are waited for.
const DELETED_WAIT: Duration = Duration::from_secs(10);

/// Why an import that is complete is not kept.
const HUNG_UP: &str = "The client hung up.";

/// One of the transfers that may be at once, until it is dropped.
struct Permit(Shelf);

impl Permit {
    fn of(shelf: &Shelf) -> Result<Self, ApiError> {
        let mine = Permit(shelf.clone());
        if shelf.transfers().fetch_add(1, SeqCst) < MAX_TRANSFERS {
            return Ok(mine);
        }
        let detail = format!("{MAX_TRANSFERS} logs are being exported or imported already: try again shortly.");
        Err(ApiError::new(Code::Overloaded, detail))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.transfers().fetch_sub(1, SeqCst);
    }
}

/// A log on its way to a client. Dropping it says that nobody wants it any more.
#[derive(Debug)]
pub(crate) struct Export {
    /// How many bytes are still to come.
    pub(crate) left: u64,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

impl Export {
    /// The next piece. An error where the log cannot be read on: what was given of it is no whole file.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(cx).map(|piece| {
            let piece = piece.unwrap_or_else(|| Err(io::Error::other("the log cannot be read on")));
            self.left -= piece.as_ref().map_or(self.left, |piece| piece.len() as u64);
            Some(piece)
        })
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), ApiError> {
    let started = thread::Builder::new().name(format!("shelfmq-{name}")).spawn(run);
    started.map(drop).map_err(|error| ApiError::new(Code::Overloaded, format!("There is no thread for it: {error}.")))
}

impl Shelf {
    /// The log of a topic, from what is written of it now on.
    pub(crate) async fn export(&self, topic: Name<'static>) -> Result<Export, ApiError> {
        let permit = Permit::of(self)?;
        let (tell, told) = oneshot::channel();
        let (give, pieces) = mpsc::channel(WAITING);
        spawn("export", move || {
            let copy = permit.0.copy(&topic);
            let is_wanted = tell.send(copy.as_ref().map(LogCopy::length).map_err(Clone::clone)).is_ok();
            if let Ok(copy) = copy
                && is_wanted
            {
                give_out(&topic, copy, &give);
            }
        })?;
        let left = told.await.unwrap_or_else(|_| Err(Code::InternalError.into()))?;
        Ok(Export { left, pieces })
    }

    fn copy(&self, topic: &Name<'static>) -> Result<LogCopy, ApiError> {
        let disk = self.disk().ok_or(Code::NoLogFiles)?;
        let shard = self.shard_of(topic);
        let log = || self.drive(shard, |shard, _, _| shard.engine.log_of(topic.as_str()));
        let mut before = log();
        for _ in 0..TRIES {
            let copy = disk.copy(shard, before.ok_or(Code::TopicNotFound)?, topic);
            let after = log();
            // One that was opened again meanwhile has written elsewhere than was looked.
            if after != before {
                before = after;
                continue;
            }
            return copy
                .map_err(|error| ApiError::new(Code::StorageFailed, format!("The log cannot be read: {error}.")));
        }
        Err(Code::StorageFailed.into())
    }

    /// Takes in an exported log as this topic, and serves it.
    pub(crate) async fn import<B>(&self, topic: Name<'static>, body: B) -> Result<(), ApiError>
    where
        B: Body<Data = Bytes>,
    {
        let permit = Permit::of(self)?;
        // Before anything is read; and once more when all is read.
        let shard = self.shard_of(&topic);
        self.drive(shard, |shard, _, _| shard.engine.refuse_opening(topic.as_str())).map_or(Ok(()), Err)?;
        let (pieces, from) = mpsc::channel(WAITING);
        let (tell, told) = oneshot::channel();
        spawn("import", move || {
            let mut from = Pieces { from, piece: Bytes::new(), is_over: false };
            let result = permit.0.take_in(&topic, &mut from, || tell.is_closed());
            // Before it is told: whoever is told may ask for the next.
            drop(permit);
            let _ = tell.send(result);
        })?;
        pass_on(body, pieces).await;
        told.await.unwrap_or_else(|_| Err(Code::InternalError.into()))
    }

    fn take_in(
        &self,
        topic: &Name<'static>,
        from: &mut dyn Read,
        is_unwanted: impl Fn() -> bool,
    ) -> Result<(), ApiError> {
        let disk = self.disk().ok_or(Code::NoLogFiles)?;
        let import = disk.import(topic, from).map_err(refusal)?;
        if is_unwanted() {
            return Err(ApiError::new(Code::InvalidRequest, HUNG_UP));
        }
        self.serve(topic, import)
    }

    /// Makes a topic of a log that was read. Nobody else makes one of its name meanwhile: until it is opened, it is set aside
    /// for whoever asks for it.
    fn serve(&self, topic: &Name<'static>, import: Import<'_>) -> Result<(), ApiError> {
        let shard = self.shard_of(topic);
        let refused = self.drive(shard, |shard, now, _| {
            let refused = shard.engine.refuse_opening(topic.as_str());
            if refused.is_none() {
                let why = format!("topic {topic} is being imported");
                let aside = TopicUnwell { why, since: now, state: TopicTrouble::SetAside };
                shard.engine.set_topic_unwell(now, topic.as_str(), Some(aside));
            }
            refused
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let disk = self.disk().ok_or(Code::NoLogFiles)?;
        let is_free = self.deletions().wait(shard, topic, DELETED_WAIT, || disk.wake(shard, false));
        let placed = if is_free { import.place().map_err(refusal) } else { Err(still_deleted()) };
        let opened = placed.and_then(|recovered| {
            self.drive(shard, |shard, now, _| {
                shard.engine.open_topic(now, recovered);
                // One with numbers that leave none to go on with is not served.
                shard.engine.log_of(topic.as_str()).map(drop).ok_or(())
            })
            .map_err(|()| {
                disk.remove(topic);
                ApiError::new(Code::InvalidLog, "The log's numbers are none that a topic can go on with.")
            })
        });
        // Where it was not opened, its name is free from here on.
        self.drive(shard, |shard, now, _| shard.engine.set_topic_unwell(now, topic.as_str(), None));
        opened
    }
}

fn still_deleted() -> ApiError {
    ApiError::new(
        Code::Overloaded,
        "A topic of this name was deleted, and its files are not out of the way yet: try again shortly.",
    )
}

fn refusal(why: ImportError) -> ApiError {
    match why {
        ImportError::Refused(why) => ApiError::new(Code::InvalidLog, format!("This log cannot be a topic: {why}.")),
        ImportError::BrokenOff => ApiError::new(Code::InvalidRequest, "The request's body broke off."),
        ImportError::Exists => Code::TopicExists.into(),
        ImportError::Full => Code::StorageFull.into(),
        ImportError::Failed(why) => {
            tracing::error!("a log could not be imported: {why}");
            ApiError::new(Code::StorageFailed, format!("The log could not be kept: {why}."))
        }
    }
}

/// Reads a log to its end, as long as somebody takes it.
fn give_out(topic: &Name<'_>, mut copy: LogCopy, to: &mpsc::Sender<io::Result<Bytes>>) {
    let mut left = copy.length();
    while left > 0 {
        let mut piece = vec![0; left.min(PIECE as u64) as usize];
        let read = copy.read_exact(&mut piece).map(|()| Bytes::from(piece));
        if let Err(error) = &read {
            tracing::warn!(%topic, %error, "an export was broken off");
        }
        left -= read.as_ref().map_or(left, |piece| piece.len() as u64);
        if to.blocking_send(read).is_err() {
            return;
        }
    }
}

/// Passes a body on, and its end if it has one: where it breaks off, it has none.
async fn pass_on<B: Body<Data = Bytes>>(body: B, to: mpsc::Sender<Option<Bytes>>) {
    let mut body = pin!(body);
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else { return };
        // Whoever reads may have seen enough.
        let is_wanted = match frame.into_data() {
            Ok(data) if !data.is_empty() => to.send(Some(data)).await.is_ok(),
            _ => true,
        };
        if !is_wanted {
            return;
        }
    }
    let _ = to.send(None).await;
}

/// A body, for a thread that reads it.
struct Pieces {
    from: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    is_over: bool,
}

impl Read for Pieces {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.is_over {
            match self.from.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.is_over = true,
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = self.piece.len().min(bytes.len());
        self.piece.copy_to_slice(&mut bytes[..count]);
        Ok(count)
    }
}
