//! Between the HTTP of sockets and the core's plain records.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_DISPOSITION, HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use shelfmq_core::Output;
use shelfmq_core::api::{self, ApiError, Body as CoreBody, Code, Field, Head, Known, Response, Value};
use shelfmq_core::command::Context as View;
use shelfmq_core::message::id_text;
use shelfmq_core::name::Name;
use smallvec::SmallVec;

use crate::app;
use crate::driver::{Answer, Shelf};
use crate::transfers::Export;

/// The names of the API's own header fields, by `Known as usize`.
static NAMES: LazyLock<[HeaderName; Known::ALL.len()]> =
    LazyLock::new(|| Known::ALL.map(|known| HeaderName::from_static(known.name())));

const BROKEN: &str = "The request's body broke off, or its framing is wrong.";

impl Shelf {
    /// Answers an HTTP request. `peer` is who calls, as `ip:port`, or empty.
    ///
    /// Dropping the future, or the body of the response, tells the broker that the client hung up.
    pub async fn handle<B>(&self, request: http::Request<B>, peer: &str) -> http::Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        if let Some(file) = app::answer(&head) {
            return file.map(|bytes| Body { first: bytes, rest: Rest::Nothing });
        }
        let mut exported = None;
        // In a block of its own: nothing of the request is kept while its answer waits.
        let first = {
            let head = head;
            let headers: SmallVec<[(&str, &[u8]); 16]> =
                head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            let routed = api::route(Head {
                method: head.method.as_str(),
                path: head.uri.path(),
                query: head.uri.query().unwrap_or_default(),
                headers: &headers,
                peer,
            });
            if self.limits().log_files {
                if let Some(topic) = routed.topic().filter(|_| routed.imports()) {
                    // In a box: it does not count for every request that lives.
                    let imported = Box::pin(self.import(topic.borrow().into_owned(), body)).await;
                    return imported
                        .map_or_else(|why| last(routed.refuse(&why)), |()| respond(routed.done(), Rest::Nothing));
                }
                exported = routed.topic().filter(|_| routed.exports()).map(|topic| topic.borrow().into_owned());
            }
            match read(body, routed.body_limit(self.limits())).await {
                Ok(bytes) => self.request(routed, &bytes).map(|response| respond(response, Rest::Nothing)),
                Err(Unread::TooBig) => Ok(last(routed.body_too_big(self.limits()))),
                Err(Unread::Broken) => {
                    Ok(last(api::refuse(&View::default(), &ApiError::new(Code::InvalidRequest, BROKEN))))
                }
            }
        };
        let response = match first {
            Ok(response) => response,
            Err(mut answer) => match poll_fn(|cx| answer.poll_next(cx)).await {
                Output::Respond(_, response) => respond(response, Rest::Nothing),
                Output::Open(_, response) => respond(response, Rest::Stream(answer)),
                output => unreachable!("an answer begins with a head, not with {output:?}"),
            },
        };
        match exported.filter(|_| response.status() == StatusCode::OK) {
            Some(topic) => Box::pin(self.give(topic, response)).await,
            None => response,
        }
    }

    /// The core says that all that was answered is in the log: here it is.
    async fn give(&self, topic: Name<'static>, mut response: http::Response<Body>) -> http::Response<Body> {
        let name = HeaderValue::try_from(format!("attachment; filename=\"{topic}.shelfmq\""));
        match self.export(topic).await {
            Ok(export) => {
                response.headers_mut().insert(CONTENT_DISPOSITION, name.expect("a topic's name is plain text"));
                *response.body_mut() = Body { first: Bytes::new(), rest: Rest::Log(export) };
                response
            }
            Err(why) => respond(api::refuse(&View::default(), &why), Rest::Nothing),
        }
    }
}

/// Why there is no body.
enum Unread {
    /// It is longer than the limit, or says that it is.
    TooBig,
    /// It broke off, or its framing is wrong.
    Broken,
}

/// The whole body, if it has `limit` bytes at most. One whose announced length is more is not begun.
async fn read<B>(mut body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Unread::TooBig);
    }
    // Most bodies come in one piece, which is taken as it is; only the others are put together.
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if whole.len().max(pieces.len()) + data.len() > limit {
            return Err(Unread::TooBig);
        }
        if whole.is_empty() {
            whole = data;
        } else {
            if pieces.is_empty() {
                pieces.reserve(announced.max(whole.len() + data.len()));
                pieces.extend_from_slice(&whole);
            }
            pieces.extend_from_slice(&data);
        }
    }
    Ok(if pieces.is_empty() { whole } else { pieces.freeze() })
}

/// The response to a request whose body was not read to its end: nothing can follow it on this connection.
fn last(response: Response) -> http::Response<Body> {
    let mut response = respond(response, Rest::Nothing);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn respond(response: Response, rest: Rest) -> http::Response<Body> {
    let first = match response.body {
        CoreBody::Static(bytes) => Bytes::from_static(bytes),
        CoreBody::Bytes(bytes) => Bytes::from(bytes),
    };
    let mut out = http::Response::new(Body { first, rest });
    *out.status_mut() = StatusCode::from_u16(response.status).expect("the core's statuses are HTTP's");
    let headers = out.headers_mut();
    headers.reserve(response.headers.len());
    for (field, value) in response.headers {
        append(headers, &field, value);
    }
    out
}

fn append(headers: &mut HeaderMap, field: &Field, value: Value) {
    let name = match field {
        Field::Known(known) => Ok(NAMES[*known as usize].clone()),
        Field::Kept(name) => HeaderName::from_bytes(name.as_bytes()),
    };
    let value = match value {
        Value::Static(text) => Ok(HeaderValue::from_static(text)),
        Value::Number(number) => Ok(HeaderValue::from(number)),
        Value::Id(id) => HeaderValue::from_bytes(&id_text(id)),
        Value::Bytes(bytes) => HeaderValue::from_maybe_shared(Bytes::from(bytes)),
    };
    // What was published with a message need not be legal on this wire; such a field is left out.
    if let (Ok(name), Ok(value)) = (name, value) {
        headers.append(name, value);
    }
}

/// The body of a response: what is there at once, and then, of a stream or a log, what comes.
///
/// It holds no more than one chunk, and the broker makes the next one only when it is asked for.
#[derive(Debug)]
pub struct Body {
    first: Bytes,
    rest: Rest,
}

/// What comes after what is there at once.
#[derive(Debug)]
enum Rest {
    Nothing,
    Stream(Answer),
    Log(Export),
}

impl http_body::Body for Body {
    type Data = Bytes;
    /// A log that cannot be read to its end.
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        Poll::Ready(match &mut self.rest {
            Rest::Nothing => None,
            Rest::Log(export) => ready!(export.poll_next(cx)).map(|piece| piece.map(Frame::data)),
            Rest::Stream(stream) => match ready!(stream.poll_next(cx)) {
                Output::Chunk(_, bytes) => Some(Ok(Frame::data(bytes.into()))),
                Output::Close(_) => {
                    self.rest = Rest::Nothing;
                    None
                }
                output => unreachable!("an open answer goes on with chunks, not with {output:?}"),
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        let is_over = match &self.rest {
            Rest::Nothing => true,
            Rest::Stream(_) => false,
            Rest::Log(export) => export.left == 0,
        };
        self.first.is_empty() && is_over
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Rest::Nothing => SizeHint::with_exact(self.first.len() as u64),
            Rest::Stream(_) => SizeHint::default(),
            Rest::Log(export) => SizeHint::with_exact(export.left),
        }
    }
}
