//! The server: one loop accepts, one thread per core serves, and all of them end well.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::mem::replace;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::{BoxError, Router};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::driver::Shelf;
use crate::listen::{Listener, SocketFile};

/// When the kernel asks after a peer that says nothing: after a minute, and then four times. So a poll whose
/// consumer vanished without a word does not wait for ever, and neither does an idle connection.
///
/// hyper's own timeout for the head of a request would set a timer for every one of them: that is 7% of what a
/// `/pub` costs, for no more than this. A client that sends slowly holds nothing but its connection.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);

/// How long the answers that are under way in a shutdown are waited for.
const GRACE: Duration = Duration::from_secs(5);
/// Before that: how long those who hold messages may still settle them, and how often it is looked whether anybody does.
const SETTLE: Duration = Duration::from_secs(2);
const SETTLE_LOOK: Duration = Duration::from_millis(20);

/// How long a client that was refused may still send what nobody reads.
const LINGER: Duration = Duration::from_secs(1);

/// This part of the file descriptors that the process may have is kept back from connections, for the logs' files: a storm of
/// connections costs no topic anything.
const KEPT_BACK: u64 = 2;
/// How soon it is looked again whether a connection ended, where there are as many as may be.
const CROWDED_WAIT: Duration = Duration::from_millis(20);

/// How many connections may wait for a worker that is busy.
const HANDOVER: usize = 64;

/// Serves a broker until `shutdown` is over; then all who wait are answered, and connections end.
/// `shutdown` runs on the calling thread, and so may what goes on beside the serving.
pub fn serve(listener: Listener, shelf: &Shelf, threads: usize, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    serve_and_settle(listener, shelf, threads, Duration::ZERO, (shutdown, pending()))
}

/// The same for a program of its own: after `shutdown`, whoever holds messages may settle them for a moment more. When `hasten`
/// is over as well, nobody is waited for but the disk.
pub fn serve_until(
    listener: Listener,
    shelf: &Shelf,
    threads: usize,
    shutdown: impl Future<Output = ()>,
    hasten: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_and_settle(listener, shelf, threads, SETTLE, (shutdown, hasten))
}

fn serve_and_settle(
    listener: Listener,
    shelf: &Shelf,
    threads: usize,
    settle: Duration,
    (shutdown, hasten): (impl Future<Output = ()>, impl Future<Output = ()>),
) -> io::Result<()> {
    // Not through axum's router: the core routes, and a future that need not be boxed is cheaper to make.
    let app = {
        let shelf = shelf.clone();
        move |peer: Option<SocketAddr>| {
            let caller = Arc::new((shelf.clone(), peer.map(|peer| peer.to_string()).unwrap_or_default()));
            service_fn(move |request| {
                let caller = caller.clone();
                async move { Ok::<_, Infallible>(caller.0.handle(request, &caller.1).await) }
            })
        }
    };
    let stop = async {
        shutdown.await;
        shelf.shutdown();
    };
    // Whoever was just handed a message can still say that it is done: it would come again otherwise.
    let settled = async {
        let _ = timeout(settle, async {
            while shelf.has_in_flight() {
                sleep(SETTLE_LOOK).await;
            }
        })
        .await;
    };
    run(listener, threads, app, (stop, settled, hasten))?;
    shelf.close();
    Ok(())
}

/// Serves any axum application in the same way: the same threads, limits and shutdown.
pub fn serve_router(
    listener: Listener,
    router: Router,
    threads: usize,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    run(listener, threads, move |_| TowerToHyperService::new(router.clone()), (shutdown, ready(()), pending()))
}

/// What answers the requests of one connection.
trait App:
    Service<Request<Incoming>, Response = Response<Self::Body>, Error = Infallible, Future: Send> + Send + 'static
{
    type Body: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static;
}

impl<S, B> App for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Body = B;
}

/// An accepted connection, and what tells it to end; while it lives, the other side counts it.
struct Handed {
    socket: Socket,
    closing: watch::Receiver<()>,
}

enum Socket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// A thread that serves connections, as the accepting loop sees it.
struct Worker {
    sockets: mpsc::Sender<Handed>,
    closing: Arc<watch::Sender<()>>,
    thread: thread::JoinHandle<()>,
}

/// Serves until the first of these is over, and from then on until the second is; the third cuts short what comes after the
/// first.
fn run<S: App>(
    listener: Listener,
    threads: usize,
    app: impl Fn(Option<SocketAddr>) -> S + Clone + Send + 'static,
    (stop, settle, hasten): (impl Future<Output = ()>, impl Future<Output = ()>, impl Future<Output = ()>),
) -> io::Result<()> {
    let hastened = Arc::new(watch::Sender::new(false));
    let start = |index| start_worker(index, app.clone(), hastened.subscribe());
    let workers = (0..threads.max(1)).map(start).collect::<io::Result<Vec<_>>>()?;
    let mut workers = Some(workers);
    let threads = new_runtime()?.block_on(async {
        let mut hasten = pin!(hasten);
        let served = {
            let mut accepting = pin!(accept(listener, workers.as_deref().unwrap_or_default()));
            tokio::select! {
                () = stop => {}
                Err(error) = accepting.as_mut() => return Err(error),
            }
            tokio::select! {
                () = settle => false,
                () = hasten.as_mut() => true,
                Err(error) = accepting.as_mut() => return Err(error),
            }
        };
        // A worker that gets no more connections lets those it has come to their end.
        let (closing, threads): (Vec<_>, Vec<_>) =
            workers.take().into_iter().flatten().map(|worker| (worker.closing, worker.thread)).unzip();
        let ended = async {
            for closing in &closing {
                closing.closed().await;
            }
        };
        let is_hastened = served
            || tokio::select! {
                () = ended => false,
                () = sleep(GRACE) => false,
                () = hasten.as_mut() => true,
            };
        if is_hastened {
            tracing::warn!("told twice to go down: connections are cut off");
            hastened.send_replace(true);
        }
        Ok(threads)
    })?;
    threads.into_iter().try_for_each(thread::JoinHandle::join).map_err(|_| io::Error::other("a worker panicked"))
}

fn new_runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

fn start_worker<S: App>(
    index: usize,
    app: impl Fn(Option<SocketAddr>) -> S + Send + 'static,
    mut hastened: watch::Receiver<bool>,
) -> io::Result<Worker> {
    let (sockets, mut handed) = mpsc::channel::<Handed>(HANDOVER);
    let closing = Arc::new(watch::Sender::new(()));
    let runtime = new_runtime()?;
    let work = {
        let closing = closing.clone();
        async move {
            while let Some(Handed { socket, closing }) = handed.recv().await {
                if let Err(error) = spawn_connection(socket, &app, closing) {
                    tracing::debug!(%error, "a connection was lost before it began");
                }
            }
            closing.send_replace(());
            tokio::select! {
                () = closing.closed() => {}
                () = sleep(GRACE) => tracing::warn!("connections that did not end in time were cut off"),
                _ = hastened.wait_for(|hastened| *hastened) => {}
            }
        }
    };
    let name = format!("shelfmq-{index}");
    let thread = thread::Builder::new().name(name).spawn(move || runtime.block_on(work))?;
    Ok(Worker { sockets, closing, thread })
}

/// Hands each new connection to the worker that has the fewest.
///
/// One loop accepts for all: listeners that share a port (`SO_REUSEPORT`) leave it to a hash, by which
/// 64 connections fell on two threads as 29 and 35 on average, and one time in ten as 25 and 39. The fuller
/// thread sets the pace.
async fn accept(listener: Listener, workers: &[Worker]) -> io::Result<()> {
    let listener = AsyncListener::new(listener)?;
    let most = most_connections();
    let mut is_crowded = false;
    loop {
        // Those that are not accepted wait in the listener's backlog, which has no descriptors.
        while workers.iter().map(|worker| worker.closing.receiver_count()).sum::<usize>() >= most {
            if !replace(&mut is_crowded, true) {
                tracing::warn!(connections = most, "there are as many connections as may be: more have to wait");
            }
            sleep(CROWDED_WAIT).await;
        }
        is_crowded = false;
        let socket = match listener.accept().await {
            Ok(socket) => socket,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Out of file descriptors, most likely: some come free as connections end.
                tracing::error!(%error, "cannot accept connections");
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let fewest = workers.iter().min_by_key(|worker| worker.closing.receiver_count());
        let worker = fewest.expect("there is at least one worker");
        let handed = Handed { socket, closing: worker.closing.subscribe() };
        worker.sockets.send(handed).await.map_err(|_| io::Error::other("a worker is gone"))?;
    }
}

fn most_connections() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors - descriptors / KEPT_BACK).unwrap_or(usize::MAX)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

enum AsyncListener {
    Tcp(TcpListener),
    Unix(UnixListener, #[expect(dead_code, reason = "it goes when the listener goes")] SocketFile),
}

impl AsyncListener {
    fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(tcp) => AsyncListener::Tcp(TcpListener::from_std(tcp)?),
            Listener::Unix(unix, file) => AsyncListener::Unix(UnixListener::from_std(unix)?, file),
        })
    }

    async fn accept(&self) -> io::Result<Socket> {
        match self {
            AsyncListener::Tcp(tcp) => Ok(Socket::Tcp(tcp.accept().await?.0.into_std()?)),
            AsyncListener::Unix(unix, _) => Ok(Socket::Unix(unix.accept().await?.0.into_std()?)),
        }
    }
}

fn spawn_connection<S: App>(
    socket: Socket,
    app: &impl Fn(Option<SocketAddr>) -> S,
    closing: watch::Receiver<()>,
) -> io::Result<()> {
    match socket {
        Socket::Tcp(tcp) => {
            tcp.set_nodelay(true)?;
            SockRef::from(&tcp).set_tcp_keepalive(&KEEPALIVE)?;
            let service = app(Some(tcp.peer_addr()?));
            tokio::spawn(connection(TcpStream::from_std(tcp)?, service, closing));
        }
        Socket::Unix(unix) => {
            tokio::spawn(connection(UnixStream::from_std(unix)?, app(None), closing));
        }
    }
    Ok(())
}

async fn connection(mut io: impl AsyncRead + AsyncWrite + Unpin, service: impl App, mut closing: watch::Receiver<()>) {
    let ended = {
        let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(&mut io), service));
        tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            _ = closing.changed() => {
                connection.as_mut().graceful_shutdown();
                // How it ends does not matter any more.
                return drop(connection.await);
            }
        }
    };
    match ended {
        Ok(()) => linger(&mut io).await,
        Err(error) => tracing::debug!(%error, "a connection broke"),
    }
}

/// Reads on, for a moment, what a client sends to a connection that has ended.
///
/// Closing at once would make the kernel answer the bytes that nobody read with a reset, and the reset would
/// overtake the refusal that the client is about to read. Where the client has closed too, this ends at once.
async fn linger(io: &mut (impl AsyncRead + Unpin)) {
    // On the heap, so that it does not count for every connection that lives.
    let mut waste = vec![0; 16 * 1024];
    let drained = async { while io.read(&mut waste).await.is_ok_and(|count| count > 0) {} };
    // Whether it was enough is the client's affair.
    let _ = timeout(LINGER, drained).await;
}
