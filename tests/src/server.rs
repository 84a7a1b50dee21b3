//! A native server in this process, on a free port of the loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use shelfmq::{Clock, DiskOptions, DiskStore, Listener, Options, Shelf, Sync, serve};
use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::time::Time;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::scenario::START_SECS;

/// A running server. It ends when it is dropped.
pub struct Server {
    shelf: Shelf,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// After the server: its files go with it.
    _directory: Option<TempDir>,
}

impl Server {
    /// A server on the system's clock.
    ///
    /// # Errors
    /// That there is no port to listen on.
    pub fn start() -> io::Result<Self> {
        Self::new(Config::default(), Clock::system(), None)
    }

    /// A server whose time stands at the scenarios' start until its shelf is told that time has passed.
    ///
    /// # Errors
    /// That there is no port to listen on.
    pub fn with_manual_clock(config: Config) -> io::Result<Self> {
        Self::new(config, Clock::manual(Time::from_secs(START_SECS)), None)
    }

    /// The same, with the topics' logs in a directory that goes with the server.
    ///
    /// # Errors
    /// That there is no port to listen on, or no place for temporary files.
    pub fn on_disk(config: Config) -> io::Result<Self> {
        let directory = TempDir::new()?;
        Self::new(config, Clock::manual(Time::from_secs(START_SECS)), Some(directory))
    }

    fn new(mut config: Config, clock: Clock, directory: Option<TempDir>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        config.identity.http_port = address.port();
        let disk = directory.as_ref().map(|directory| DiskStore {
            path: directory.path().join("data"),
            // Segments of a few messages, and no room in memory.
            log: LogOptions { segment_bytes: 4096, cache_bytes: 0 },
            trust_clock: false,
            disk: DiskOptions { sync: Sync::Always, min_free_bytes: 0 },
        });
        let options = Options { config, clock, shards: 3, seed: Some(1), disk, ..Options::default() };
        let shelf = Shelf::open(options).map_err(|error| io::Error::other(error.to_string()))?;
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let shelf = shelf.clone();
            let stopped = async move { stopped.await.unwrap_or(()) };
            std::thread::spawn(move || serve(Listener::Tcp(listener), &shelf, 1, stopped))
        };
        Ok(Server { shelf, address, stop: Some(stop), thread: Some(thread), _directory: directory })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The broker behind it.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "the server ended badly: {ended:?}");
        }
    }
}
