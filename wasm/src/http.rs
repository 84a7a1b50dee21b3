//! Requests and responses of the web platform as plain records, and back.

use js_sys::{Array, Uint8Array};
use shelfmq_core::api;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, Response, ResponseInit};

/// A request as far as the core wants to know it.
pub(crate) struct Asked {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    peer: String,
    body: Vec<u8>,
    /// The body was longer than its bound, and was not taken in.
    pub(crate) is_too_long: bool,
}

impl Asked {
    /// Reads all but the body.
    pub(crate) fn of(request: &Request, peer: Option<String>) -> Self {
        let mut url = request.url();
        if let Some(hash) = url.find('#') {
            url.truncate(hash);
        }
        let start = url.find("://").map_or(0, |at| at + 3);
        let host = url[start..].split(['/', '?']).next().unwrap_or_default().to_owned();
        url.drain(..start + host.len());
        let mut headers = Vec::new();
        for entry in js_sys::try_iter(&request.headers()).ok().flatten().into_iter().flatten().flatten() {
            let entry: Array = entry.unchecked_into();
            let value = entry.get(1).as_string().unwrap_or_default();
            // A field's value is bytes, each shown as the character of that number.
            headers
                .push((entry.get(0).as_string().unwrap_or_default(), value.chars().map(|char| char as u8).collect()));
        }
        if !headers.iter().any(|(name, _)| name == "host") {
            headers.push(("host".into(), host.into_bytes()));
        }
        Asked {
            method: request.method(),
            url,
            headers,
            peer: peer.unwrap_or_default(),
            body: Vec::new(),
            is_too_long: false,
        }
    }

    /// Reads the body, of so many bytes at most: what is longer stays with JavaScript, for memory that this module has
    /// once taken it never gives back.
    pub(crate) async fn read_body(&mut self, request: &Request, limit: usize) -> Result<(), JsValue> {
        let buffer = Uint8Array::new(&JsFuture::from(request.array_buffer()?).await?);
        self.is_too_long = buffer.length() as usize > limit;
        if !self.is_too_long {
            self.body = buffer.to_vec();
        }
        Ok(())
    }

    /// The path and the query.
    fn target(&self) -> (&str, &str) {
        let (path, query) = self.url.split_once('?').unwrap_or((&self.url, ""));
        (if path.is_empty() { "/" } else { path }, query)
    }

    /// Gives the core what it wants to know first, and the body.
    pub(crate) fn with<T>(&self, then: impl for<'a> FnOnce(api::Head<'a>, &'a [u8]) -> T) -> T {
        let (path, query) = self.target();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        let Asked { method, body, peer, .. } = self;
        then(api::Head { method, path, query, headers: &headers, peer }, body)
    }
}

/// The head of a response.
fn head(response: &mut api::Response) -> Result<ResponseInit, JsValue> {
    let headers = Headers::new()?;
    for (field, value) in core::mem::take(&mut response.headers) {
        let value: String = value.into_bytes().into_iter().map(char::from).collect();
        headers.append(field.name(), &value)?;
    }
    let init = ResponseInit::new();
    init.set_status(response.status);
    init.set_headers(&headers);
    Ok(init)
}

/// A whole response.
pub(crate) fn whole(mut response: api::Response) -> Result<Response, JsValue> {
    let init = head(&mut response)?;
    let body = core::mem::replace(&mut response.body, api::Body::Static(b"")).into_bytes();
    // To some answers, no body may be given, not even an empty one.
    if matches!(response.status, 204 | 205 | 304) {
        return Response::new_with_opt_buffer_source_and_init(None, &init);
    }
    Response::new_with_opt_js_u8_array_and_init(Some(&Uint8Array::from(&body[..])), &init)
}

/// A response whose body follows.
pub(crate) fn open(mut response: api::Response, body: &web_sys::ReadableStream) -> Result<Response, JsValue> {
    let init = head(&mut response)?;
    Response::new_with_opt_readable_stream_and_init(Some(body), &init)
}
