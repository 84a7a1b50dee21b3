//! Where a server listens: a TCP address, or the path of a Unix socket.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::IntErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address as nsqd's `-http-address` takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// `host:port`, or `:port` for every address of this machine.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Ok(Address::Unix(text.into()));
        }
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        match port {
            Some(Ok(_)) => Ok(Address::Tcp(text.into())),
            Some(Err(error)) if *error.kind() == IntErrorKind::PosOverflow => {
                Err(format!("{text:?}: a port is at most {}", u16::MAX))
            }
            _ => Err(format!("{text:?} is neither host:port nor :port nor a path with a / (like ./shelfmq.sock)")),
        }
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => f.write_str(address),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A socket that listens. Dropping it closes it; a Unix socket's file goes with it.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP address.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket that this process made.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Whoever took it away before us did what we wanted.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Begins to listen.
    pub fn bind(address: &Address) -> io::Result<Self> {
        let listener = match address {
            Address::Tcp(address) => Listener::Tcp(bind_tcp(address)?),
            Address::Unix(path) => {
                remove_stale(path)?;
                Listener::Unix(UnixListener::bind(path)?, SocketFile(path.clone()))
            }
        };
        match &listener {
            Listener::Tcp(tcp) => tcp.set_nonblocking(true)?,
            Listener::Unix(unix, _) => unix.set_nonblocking(true)?,
        }
        Ok(listener)
    }

    /// Its address; none, where it is a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(tcp) => tcp.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// Its path, where it is a Unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Listener::Tcp(_) => None,
            Listener::Unix(_, SocketFile(path)) => Some(path),
        }
    }

    /// How curl reaches it from this machine: the command with its options, and the base of the URL.
    pub fn curl(&self) -> (String, String) {
        let url = match self.tcp_address() {
            Some(address) if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
            Some(address) => format!("http://{address}"),
            None => "http://localhost".into(),
        };
        let socket = self.unix_path().map(|path| format!(" --unix-socket {}", path.display())).unwrap_or_default();
        (format!("curl{socket}"), url)
    }
}

fn bind_tcp(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        // A socket of all IPv6 addresses takes IPv4 as well, unless this machine has no IPv6.
        Some(port) => TcpListener::bind(format!("[::]:{port}")).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => TcpListener::bind(format!("0.0.0.0:{port}")),
        }),
        None => TcpListener::bind(address),
    }
}

/// Takes away the socket that a broker left behind which did not end cleanly. Leaves anything else alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    let is_dead = || matches!(UnixStream::connect(path), Err(e) if e.kind() == io::ErrorKind::ConnectionRefused);
    if is_socket && is_dead() { std::fs::remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_nsqds() {
        for tcp in ["127.0.0.1:4151", ":4151", "[::1]:0", "localhost:80"] {
            assert_eq!(tcp.parse(), Ok(Address::Tcp(tcp.into())));
        }
        for unix in ["/run/shelfmq.sock", "./x"] {
            assert_eq!(unix.parse(), Ok(Address::Unix(unix.into())));
        }
        for bad in ["", "localhost", "4151", "a:b", "a:99999"] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let too_high = "127.0.0.1:99999".parse::<Address>().expect_err("there is no such port");
        assert!(too_high.ends_with("a port is at most 65535"), "{too_high}");
    }

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("a place for temporary files");
        let path = dir.path().join("s.sock");
        drop(UnixListener::bind(&path).expect("a new socket"));
        let address = Address::Unix(path.clone());
        let live = Listener::bind(&address).expect("the stale one is replaced");
        assert_eq!(Listener::bind(&address).map_err(|e| e.kind()).err(), Some(io::ErrorKind::AddrInUse));
        drop(live);
        assert!(!path.exists());
    }
}
