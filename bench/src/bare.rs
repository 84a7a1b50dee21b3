//! The least that an axum server can do, on the threads that shelfmq's own server has.

use std::future;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use shelfmq::Listener;

use crate::Failure;

/// Serves for ever: `POST /pub` reads its body and answers `OK`; `GET /sub` waits for longer than any measurement.
pub(crate) fn serve(address: &str) -> Result<(), Failure> {
    let router = Router::new().route("/pub", post(publish)).route("/sub", get(subscribe));
    let threads = std::thread::available_parallelism()?.get();
    let listener = Listener::bind(&address.parse()?)?;
    Ok(shelfmq::serve_router(listener, router, threads, future::pending())?)
}

async fn publish(body: Bytes) -> &'static str {
    std::hint::black_box(body);
    "OK"
}

async fn subscribe() {
    tokio::time::sleep(Duration::from_secs(3600)).await;
}
