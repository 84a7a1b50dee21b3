//! The native host of shelfmq: the [core](shelfmq_core)'s engines behind hyper and tokio, and axum for those who
//! bring their own application.
//!
//! A request is read, and made a plain record, in `http.rs`. [`driver`] hands it to the engine of its topic, which
//! stands in `shard.rs` beside those who wait for an answer, and is told the time by [`clock`].
//! [`serve`](mod@serve) is the server around it, [`listen`] where it listens.
//!
//! # In your own axum application
//!
//! ```
//! use axum::{Router, routing::get};
//! use shelfmq::{Options, Shelf, router};
//!
//! let shelf = Shelf::new(Options::default());
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "my own page" }))
//!     .nest("/queue", router(shelf));
//! // POST /queue/pub?topic=books publishes.
//! ```
#![forbid(unsafe_code)]

mod app;
pub mod clock;
mod deletions;
pub mod disk;
pub mod driver;
pub mod duration_arg;
mod http;
pub mod layout;
pub mod listen;
pub mod recording;
pub mod serve;
mod shard;
mod transfers;

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};

pub use clock::Clock;
pub use disk::{DiskOptions, Sync, Unusable};
pub use driver::{DiskStore, Options, Shelf};
pub use http::Body;
pub use listen::{Address, Listener};
pub use recording::RecordOptions;
pub use serve::{serve, serve_router, serve_until};

/// The whole API of a broker, to be nested in an axum application.
///
/// Consumers are shown by their address where the application is served with
/// [connect info](axum::Router::into_make_service_with_connect_info).
pub fn router(shelf: Shelf) -> Router {
    Router::new().fallback(handle).with_state(shelf)
}

async fn handle(State(shelf): State<Shelf>, request: Request) -> ::http::Response<Body> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string());
    shelf.handle(request, &peer.unwrap_or_default()).await
}
