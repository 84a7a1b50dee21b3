//! The web app, as `make www` built it: within the program, at `/`. Where it was not built, a page of commands stands in.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, request};
use rust_embed::Embed;

#[derive(Embed)]
#[folder = "../www/dist/app"]
#[allow_missing = true]
struct Files;

/// The app's page, in its life as a server's console; or what is shown where it is not in this program.
static PAGE: LazyLock<Bytes> = LazyLock::new(|| match Files::get("index.html") {
    Some(file) => {
        let page = String::from_utf8_lossy(&file.data);
        Bytes::from(page.replacen(r#"data-life="playground""#, r#"data-life="console""#, 1))
    }
    None => Bytes::from_static(include_bytes!("page.html")),
});

/// Everything comes from here, and nothing is run that came with a message.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
);

/// A file of the app, where one is asked for. To `/`, a browser gets its page, and everybody else the core's page of
/// commands.
pub(crate) fn answer(head: &request::Parts) -> Option<Response<Bytes>> {
    if head.method != Method::GET {
        return None;
    }
    match head.uri.path() {
        "/" => accepts(&head.headers, &ACCEPT, "text/html").then(page),
        // No path of the API has a dot in its last part, but for one.
        path if path.contains('.') => file(&path[1..], &head.headers),
        _ => None,
    }
}

fn page() -> Response<Bytes> {
    let mut response = Response::new(PAGE.clone());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if Files::get("index.html").is_some() {
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    }
    response
}

fn file(path: &str, asked: &HeaderMap) -> Option<Response<Bytes>> {
    let file = Files::get(path)?;
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let packed = accepts(asked, &ACCEPT_ENCODING, "gzip").then(|| Files::get(&format!("{path}.gz"))).flatten();
    let is_packed = packed.is_some();
    let mut response = Response::new(bytes(packed.unwrap_or(file).data));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind.as_ref()).ok()?);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    // What stands in assets has a hash of itself in its name.
    let cached = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

fn bytes(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    }
}

fn accepts(headers: &HeaderMap, name: &HeaderName, what: &str) -> bool {
    let has = |value: &HeaderValue| value.as_bytes().windows(what.len()).any(|part| part == what.as_bytes());
    headers.get_all(name).iter().any(has)
}
