//! A plain HTTP/1.1 client on a blocking socket: one connection, one request, the answer as it comes.
//!
//! It is here so that tests see every byte of an answer's head and body, and can hang up when they like.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::scenario::Event;
use crate::scenario::host::Wire;

/// How long a server that owes an answer is waited for.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields, with lower-case names.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the first header field of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The body as text, with what is no UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request without header fields of its own, and waits for the whole answer.
///
/// # Errors
/// What the socket says, or that the answer is no HTTP.
pub fn call(address: SocketAddr, method: &str, target: &str, body: &[u8]) -> io::Result<Answer> {
    let wire = Wire { method: method.into(), target: target.into(), headers: Vec::new(), body: body.into() };
    call_with(address, &wire)
}

/// Sends a request, and waits for the whole answer.
///
/// # Errors
/// What the socket says, or that the answer is no HTTP.
pub fn call_with(address: SocketAddr, wire: &Wire) -> io::Result<Answer> {
    let mut exchange = Exchange::start(address, wire)?;
    exchange.stream().set_read_timeout(Some(DEADLINE))?;
    let mut answer = Answer { status: 0, headers: Vec::new(), body: Vec::new() };
    loop {
        match exchange.next_event()? {
            Event::Head { status, headers } => (answer.status, answer.headers) = (status, headers),
            Event::Data(data) => answer.body.extend_from_slice(&data),
            Event::End => return Ok(answer),
        }
    }
}

/// A request that was sent, and its answer as far as it was read.
#[derive(Debug)]
pub struct Exchange {
    reader: BufReader<TcpStream>,
    state: State,
}

/// Where in an answer the reader is.
#[derive(Debug)]
enum State {
    Head,
    /// So many bytes of the body are to come.
    Sized(u64),
    /// Before a chunk's size.
    Chunked,
    Done,
}

impl Exchange {
    /// Connects and sends.
    ///
    /// # Errors
    /// What the socket says.
    pub fn start(address: SocketAddr, wire: &Wire) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
        stream.set_nodelay(true)?;
        let mut out = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", wire.method, wire.target).into_bytes();
        for (name, value) in &wire.headers {
            out.extend_from_slice(format!("{name}: ").as_bytes());
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        if !wire.body.is_empty() || wire.method != "GET" {
            out.extend_from_slice(format!("Content-Length: {}\r\n", wire.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&wire.body);
        match stream.write_all(&out) {
            // A server may answer and close before it has read a body that is too long.
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Err(error),
            _ => Ok(Exchange { reader: BufReader::new(stream), state: State::Head }),
        }
    }

    /// The socket beneath.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The next part of the answer, which is waited for.
    ///
    /// # Errors
    /// What the socket says, or that the answer is no HTTP.
    pub fn next_event(&mut self) -> io::Result<Event> {
        match self.state {
            State::Head => self.head(),
            State::Sized(0) | State::Done => {
                self.state = State::Done;
                Ok(Event::End)
            }
            State::Sized(left) => {
                let data = self.reader.fill_buf()?;
                let taken = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if taken == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                let data = data[..taken].to_vec();
                self.reader.consume(taken);
                self.state = State::Sized(left - taken as u64);
                Ok(Event::Data(data))
            }
            State::Chunked => self.chunk(),
        }
    }

    fn head(&mut self) -> io::Result<Event> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status: u16 = status.ok_or_else(|| wrong("no status line"))?;
        let mut headers = Vec::new();
        self.state = State::Sized(0);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(Event::Head { status, headers });
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("a header without a colon"))?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "content-length" => {
                    self.state = State::Sized(value.parse().map_err(|_| wrong("a bad content-length"))?);
                }
                "transfer-encoding" => self.state = State::Chunked,
                _ => {}
            }
            headers.push((name, value.as_bytes().to_vec()));
        }
    }

    fn chunk(&mut self) -> io::Result<Event> {
        let line = self.line()?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| wrong("a bad chunk size"))?;
        let mut data = vec![0; size];
        self.reader.read_exact(&mut data)?;
        self.line()?;
        if size == 0 {
            self.state = State::Done;
            return Ok(Event::End);
        }
        Ok(Event::Data(data))
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(line)
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
