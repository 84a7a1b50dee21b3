//! An HTTP client that costs little: prebuilt requests, blocking sockets, and no more of the answer is understood
//! than where it ends.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use memchr::{memchr_iter, memmem};

/// How long an answer may take. All that is asked here is answered sooner or not at all.
const PATIENCE: Duration = Duration::from_secs(60);

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// A request as it goes over the wire.
pub(crate) fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A connection that is kept alive.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection { stream, buffer: Vec::new() })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)
    }

    /// The body of the next answer. An error, where it is not a 2xx.
    pub(crate) fn receive(&mut self) -> io::Result<&[u8]> {
        self.buffer.clear();
        let head = loop {
            self.read_more(4096)?;
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = content_length(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            self.read_more(head + length - self.buffer.len())?;
        }
        Ok(&self.buffer[head..])
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.send(request)?;
        self.receive()
    }

    fn read_more(&mut self, most: usize) -> io::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + most, 0);
        let count = self.stream.read(&mut self.buffer[filled..])?;
        self.buffer.truncate(filled + count);
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

/// The length of the body that follows this head: none where it names none, which holds for all servers here.
fn content_length(head: &[u8]) -> io::Result<usize> {
    if head.get(9) != Some(&b'2') {
        return Err(io::Error::other(format!("a refusal: {}", String::from_utf8_lossy(head))));
    }
    let lines = memchr_iter(b'\n', head).map(|end| &head[end + 1..]);
    let mut values = lines.filter(|line| {
        line.len() > CONTENT_LENGTH.len() && line[..CONTENT_LENGTH.len()].eq_ignore_ascii_case(CONTENT_LENGTH)
    });
    let digits = values.next().unwrap_or_default().iter().skip(CONTENT_LENGTH.len()).skip_while(|byte| **byte == b' ');
    Ok(digits.take_while(|byte| byte.is_ascii_digit()).fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

/// Connections that take turns, so that all but one always have a request under way.
pub(crate) struct Ring(Vec<Connection>);

impl Ring {
    pub(crate) fn open(address: SocketAddr, connections: usize) -> io::Result<Self> {
        (0..connections).map(|_| Connection::open(address)).collect::<io::Result<_>>().map(Ring)
    }

    /// How many there are.
    pub(crate) fn connections(&self) -> usize {
        self.0.len()
    }

    /// Makes one request.
    pub(crate) fn run_once(&mut self, request: &[u8]) -> io::Result<()> {
        self.0[0].ask(request).map(drop)
    }

    /// Sends the request over and over for this long. How many were answered.
    pub(crate) fn run_for(&mut self, duration: Duration, request: &[u8]) -> io::Result<u64> {
        let deadline = Instant::now() + duration;
        // A look at the clock costs little beside a request.
        self.run(|_, out| {
            out.extend_from_slice(request);
            Instant::now() < deadline
        })
    }

    /// Sends what `next` writes, given the body of the last answer on the same connection, until it says that there
    /// is nothing more to send. How many were answered: all that were sent.
    pub(crate) fn run(&mut self, mut next: impl FnMut(&[u8], &mut Vec<u8>) -> bool) -> io::Result<u64> {
        let mut request = Vec::new();
        let mut under_way = VecDeque::new();
        for (index, connection) in self.0.iter_mut().enumerate() {
            request.clear();
            if next(b"", &mut request) {
                connection.send(&request)?;
                under_way.push_back(index);
            }
        }
        let mut answered = 0;
        while let Some(index) = under_way.pop_front() {
            let connection = &mut self.0[index];
            let body = connection.receive()?;
            answered += 1;
            request.clear();
            if next(body, &mut request) {
                connection.send(&request)?;
                under_way.push_back(index);
            }
        }
        Ok(answered)
    }
}
