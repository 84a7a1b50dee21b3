//! The native server in this process: real sockets and threads, and a clock that stands still until it is moved.

use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use shelfmq_core::command::Filter;

use super::Client;
use super::host::{Event, Host, HostError, Kind, Patience, Wire, config};
use crate::http::{DEADLINE, Exchange, call};
use crate::server::Server;

/// The native server.
pub const SERVER: Kind = Kind {
    name: "server",
    start: |scenario| Ok(Box::new(ServerHost::new(Server::with_manual_clock(config(scenario)?)?))),
};

/// The native server with its topics on disk, and no room for them in memory.
pub const ON_DISK: Kind =
    Kind { name: "on disk", start: |scenario| Ok(Box::new(ServerHost::new(Server::on_disk(config(scenario)?)?))) };

struct ServerHost {
    /// Before the server: it ends at once where all its clients have gone.
    clients: BTreeMap<Client, Connection>,
    server: Server,
}

/// A client's connection, read by a thread of its own.
struct Connection {
    socket: TcpStream,
    events: Receiver<Event>,
    /// The event that was seen and not taken.
    seen: Option<Event>,
    ended: bool,
}

impl ServerHost {
    fn new(server: Server) -> Self {
        ServerHost { clients: BTreeMap::new(), server }
    }

    /// How many polls and streams wait in the broker.
    fn waiting(&self) -> u64 {
        let stats = self.server.shelf().stats(&Filter::default());
        stats.topics.iter().flat_map(|topic| &topic.channels).map(|channel| channel.waiting).sum()
    }

    /// Waits until nothing waits for the disk.
    fn settle(&self) -> Result<(), HostError> {
        until("the disk", || self.server.shelf().is_settled())
    }

    /// Whether a consumer that called from this address last is known to the broker.
    fn knows(&self, address: SocketAddr) -> bool {
        let stats = self.server.shelf().stats(&Filter { clients: true, ..Filter::default() });
        let mut clients = stats.topics.iter().flat_map(|topic| &topic.channels).flat_map(|channel| &channel.clients);
        let address = address.to_string();
        clients.any(|clients| clients.iter().any(|client| client.remote_address == address))
    }

    fn client(&mut self, client: Client) -> Result<&mut Connection, HostError> {
        self.clients.get_mut(&client).ok_or_else(|| HostError(format!("client {client} sent nothing")))
    }
}

impl Connection {
    fn open(server: &Server, wire: &Wire) -> Result<Self, HostError> {
        let mut exchange = Exchange::start(server.address(), wire)?;
        let socket = exchange.stream().try_clone()?;
        let (sender, events) = channel();
        thread::spawn(move || {
            while let Ok(event) = exchange.next_event() {
                let last = event == Event::End;
                if sender.send(event).is_err() || last {
                    return;
                }
            }
        });
        Ok(Connection { socket, events, seen: None, ended: false })
    }

    /// Whether an event is there to be taken.
    fn has_event(&mut self) -> bool {
        self.seen = self.seen.take().or_else(|| self.events.try_recv().ok());
        self.seen.is_some()
    }
}

impl Host for ServerHost {
    fn send(&mut self, client: Client, wire: &Wire) -> Result<(), HostError> {
        self.clients.remove(&client);
        let mut connection = Connection::open(&self.server, wire)?;
        let address = connection.socket.local_addr()?;
        until("the server to take a request in", || connection.has_event() || self.knows(address))?;
        self.clients.insert(client, connection);
        self.settle()
    }

    /// What must not come is given one whole request after it: the server has one thread, so that what it
    /// had to send before was sent.
    fn next(&mut self, client: Client, patience: Patience) -> Result<Option<Event>, HostError> {
        if patience == Patience::None {
            call(self.server.address(), "GET", "/ping", b"")?;
        }
        let connection = self.client(client)?;
        let wait = if patience == Patience::Long { DEADLINE } else { Duration::ZERO };
        let event = match connection.seen.take() {
            Some(event) => Ok(event),
            None => connection.events.recv_timeout(wait),
        };
        connection.ended |= event == Ok(Event::End);
        match event {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(HostError("the connection was lost".into())),
        }
    }

    fn advance(&mut self, by: Duration) -> Result<(), HostError> {
        self.server.shelf().advance(by);
        self.settle()
    }

    fn hang_up(&mut self, client: Client) -> Result<(), HostError> {
        let before = self.waiting();
        let connection = self.client(client)?;
        let ended = connection.ended;
        connection.socket.shutdown(Shutdown::Both)?;
        if !ended {
            until("the server to see that a client hung up", || self.waiting() < before)?;
        }
        self.clients.remove(&client);
        self.settle()
    }
}

/// Looks again and again until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<(), HostError> {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        if Instant::now() > deadline {
            return Err(HostError(format!("waited in vain for {what}")));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
