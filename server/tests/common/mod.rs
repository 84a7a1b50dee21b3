//! A server on a free port of the loopback, and the plainest of clients.

#![allow(dead_code, unreachable_pub, reason = "each test file takes what it needs")]

pub mod client;
pub mod process;
pub mod random;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use shelfmq::{Address, Listener, Options, Shelf};
use tokio::sync::oneshot;

/// How long anything may take that is bound to happen.
pub const DEADLINE: Duration = Duration::from_secs(10);

pub struct Server {
    pub address: SocketAddr,
    pub shelf: Shelf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_shelf(Shelf::new(Options::default()))
    }

    /// Serves this broker.
    pub fn start_shelf(shelf: Shelf) -> Self {
        Self::start_with(shelf, shelfmq::serve)
    }

    /// The same, served by an axum application around the broker.
    pub fn start_router(app: impl FnOnce(Shelf) -> Router + Send + 'static) -> Self {
        Self::start_with(Shelf::new(Options::default()), |listener, shelf, threads, stop| {
            shelfmq::serve_router(listener, app(shelf.clone()), threads, stop)
        })
    }

    fn start_with<F>(shelf: Shelf, serve: F) -> Self
    where
        F: FnOnce(Listener, &Shelf, usize, Stop) -> io::Result<()> + Send + 'static,
    {
        let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".into())).expect("a free port");
        let address = listener.tcp_address().expect("it is TCP");
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let shelf = shelf.clone();
            thread::spawn(move || serve(listener, &shelf, 2, Box::pin(async { drop(stopped.await) })))
        };
        Server { address, shelf, stop: Some(stop), thread: Some(thread) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout that is not zero");
        stream
    }

    /// Sends this, and leaves the connection open.
    pub fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the server reads");
        stream
    }

    /// The whole response to a request without a body, as text.
    pub fn call(&self, method: &str, target: &str, body: &str) -> String {
        let length = body.len();
        let close = "host: x\r\nconnection: close\r\n";
        rest(&mut self.send(&format!("{method} {target} HTTP/1.1\r\n{close}content-length: {length}\r\n\r\n{body}")))
    }

    /// Tells it to go down; [`Server::wait`] waits until it has.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub fn wait(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic").expect("it ends well");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// All that comes until the connection ends.
pub fn rest(stream: &mut (impl Read + ?Sized)) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).expect("the response comes in time, and no reset");
    String::from_utf8_lossy(&text).into_owned()
}

/// A test that cannot run here says so. Where nobody reads that, it fails, unless `TESTS_MAY_SKIP` lists what is missing.
pub fn skipped(missing: &str, why: &str) {
    let listed = std::env::var("TESTS_MAY_SKIP").unwrap_or_default();
    assert!(std::env::var_os("CI").is_none() || listed.split(',').any(|item| item == missing), "skipped: {why}");
    eprintln!("skipped: {why}");
}

/// Waits until something has come true.
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}
