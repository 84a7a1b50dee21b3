//! A broker that runs, by its URL.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Request, Response, StatusCode, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};

use super::Progress;

/// How much of a file is sent at once, in bytes.
const PIECE: usize = 256 * 1024;

/// A broker.
pub(super) struct Remote {
    url: String,
    /// `host:port`.
    authority: String,
    /// What stands before the paths of the API.
    prefix: String,
    authorization: Option<String>,
    runtime: Runtime,
}

/// Why there is no copy of a topic.
pub(super) enum Unexported {
    /// There is no such topic.
    NotThere,
    Failed(String),
}

impl fmt::Display for Unexported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unexported::NotThere => f.write_str("there is no such topic"),
            Unexported::Failed(why) => f.write_str(why),
        }
    }
}

impl From<String> for Unexported {
    fn from(why: String) -> Self {
        Unexported::Failed(why)
    }
}

#[derive(Deserialize)]
struct Stats {
    topics: Vec<Topic>,
    #[serde(default)]
    unwell: Vec<Unwell>,
}

#[derive(Deserialize)]
struct Topic {
    topic_name: String,
}

#[derive(Deserialize)]
struct Unwell {
    topic: String,
}

/// What the broker says where it says no.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    detail: String,
}

impl Remote {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{url:?} is no URL of a broker, as http://127.0.0.1:4151: {why}");
        let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| wrong(&error.to_string()))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("it is to begin with http://"));
        }
        let whole = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        let user = whole.as_str().rsplit_once('@').map(|(user, _)| user);
        let authority = format!("{}:{}", whole.host(), whole.port_u16().unwrap_or(80));
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        Ok(Remote {
            url: url.into(),
            authority,
            prefix: uri.path().trim_end_matches('/').into(),
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(user))),
            runtime: runtime.map_err(|error| format!("cannot connect to {url}: {error}"))?,
        })
    }

    /// Sends a request, and waits for the head of the answer.
    async fn send<B>(&self, method: &str, target: &str, body: B) -> Result<Response<Incoming>, String>
    where
        B: Body<Data = Bytes, Error = io::Error> + Send + 'static,
    {
        let failed = |error: &dyn fmt::Display| format!("cannot reach the broker at {}: {error}", self.url);
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // Its errors come out of the request, too.
        tokio::spawn(connection);
        let request = Request::builder().method(method).uri(format!("{}{target}", self.prefix));
        let request = request.header(HOST, &self.authority);
        let request = self.authorization.iter().fold(request, |request, value| request.header(AUTHORIZATION, value));
        let request = request.body(body).map_err(|error| failed(&error))?;
        sender.send_request(request).await.map_err(|error| failed(&error))
    }

    async fn get(&self, target: &str) -> Result<Response<Incoming>, String> {
        self.send("GET", target, Empty::new().map_err(|never| match never {})).await
    }

    /// The topics that it has, those that it cannot open included.
    pub(super) fn topics(&self) -> Result<Vec<String>, String> {
        self.runtime.block_on(async {
            let response = self.get("/stats?format=json&include_clients=false").await?;
            let (status, body) = whole(response).await?;
            let stats: Stats = match status {
                StatusCode::OK => serde_json::from_slice(&body)
                    .map_err(|error| format!("{} is no broker that this program knows: {error}", self.url))?,
                status => return Err(format!("{}: {}", self.url, said(status, &body))),
            };
            let unwell = stats.unwell.into_iter().map(|unwell| unwell.topic);
            let mut topics: Vec<String> =
                stats.topics.into_iter().map(|topic| topic.topic_name).chain(unwell).collect();
            topics.sort();
            topics.dedup();
            Ok(topics)
        })
    }

    /// Copies a topic's log.
    pub(super) fn export(&self, topic: &str, to: &mut File, progress: &mut Progress<'_>) -> Result<(), Unexported> {
        self.runtime.block_on(async {
            let mut response = self.get(&format!("/export?topic={}", escaped(topic))).await?;
            if response.status() == StatusCode::OK {
                while let Some(frame) = response.body_mut().frame().await {
                    let frame = frame.map_err(|error| format!("it broke off: {error}"))?;
                    if let Ok(data) = frame.into_data() {
                        to.write_all(&data).map_err(|error| format!("cannot be written: {error}"))?;
                        progress.add(data.len());
                    }
                }
                return Ok(());
            }
            let (status, body) = whole(response).await?;
            match refusal(&body) {
                Some(Refusal { message, .. }) if message == "TOPIC_NOT_FOUND" => Err(Unexported::NotThere),
                _ => Err(Unexported::Failed(said(status, &body))),
            }
        })
    }

    /// Opens an exported log as this topic.
    pub(super) fn import(&self, topic: &str, path: &Path, progress: &mut Progress<'_>) -> Result<(), String> {
        let file = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (left, file) = file.map_err(|error| super::failed("open", path, &error))?;
        progress.add(0);
        self.runtime.block_on(async {
            let target = format!("/import?topic={}", escaped(topic));
            let (status, body) = whole(self.send("POST", &target, Upload { file, left }).await?).await?;
            match status {
                StatusCode::OK => Ok(()),
                status => Err(format!("topic {topic}: {}", said(status, &body))),
            }
        })
    }
}

/// A topic's name in a query: of what one may have, only the suffix means something there.
fn escaped(topic: &str) -> String {
    topic.replace('#', "%23")
}

async fn whole(response: Response<Incoming>) -> Result<(StatusCode, Bytes), String> {
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| format!("the answer broke off: {error}"))?;
    Ok((status, body.to_bytes()))
}

fn refusal(body: &[u8]) -> Option<Refusal> {
    serde_json::from_slice(body).ok()
}

fn said(status: StatusCode, body: &[u8]) -> String {
    match refusal(body) {
        Some(Refusal { message, detail }) => format!("the broker says {message}: {detail}"),
        None => format!("the answer is {status}"),
    }
}

/// A file as a body.
struct Upload {
    file: File,
    left: u64,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // This waits for the disk, and nobody waits for this but the one connection.
        let mut piece = vec![0; self.left.min(PIECE as u64) as usize];
        let read = self.file.read_exact(&mut piece);
        self.left -= piece.len() as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
