//! The core's words in the model's, and in those of any client.

use shelfmq_core::Engine;
use shelfmq_core::api::{self, Response};
use shelfmq_core::config::Limits;
use shelfmq_core::time::{Time, nanos};

use crate::http::Answer as Real;
use crate::model::{self, Ticket, Wire};

/// Gives the core a request of the model's.
pub fn ask(engine: &mut Engine, now: Time, ticket: Ticket, wire: &Wire) {
    let headers: Vec<_> = wire.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let Wire { method, path, query, body, peer, .. } = wire;
    engine.handle(now, ticket, &api::Request { method, path, query, headers: &headers, body, peer });
}

/// Limits that small numbers of small messages reach.
pub fn limits() -> Limits {
    Limits { max_msg_size: 200, max_body_size: 600, mem_queue_size: 5, ..Limits::default() }
}

/// The same for the model.
pub(super) fn model_limits(limits: &Limits) -> model::Limits {
    model::Limits {
        msg_timeout: nanos(limits.msg_timeout),
        max_msg_timeout: nanos(limits.max_msg_timeout),
        max_req_timeout: nanos(limits.max_req_timeout),
        max_msg_size: limits.max_msg_size,
        max_body_size: limits.max_body_size,
        max_wait: nanos(limits.max_wait),
        dedup_window: nanos(limits.dedup_window),
        mem_queue_size: limits.mem_queue_size,
        heartbeat: nanos(limits.heartbeat),
        client_timeout: nanos(limits.client_timeout),
    }
}

/// A response of the core as any client would see it.
pub fn real(response: Response) -> Real {
    let headers = response.headers.into_iter().map(|(field, value)| (field.name().into(), value.into_bytes()));
    Real { status: response.status, headers: headers.collect(), body: response.body.into_bytes() }
}
