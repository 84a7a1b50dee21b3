//! The core's words in the model's, and in those of any client.

use std::time::Duration;

use shelfmq_core::api::Response;
use shelfmq_core::config::Limits;

use crate::http::Answer as Real;
use crate::model;

/// Limits that small numbers of small messages reach.
pub(super) fn limits() -> Limits {
    Limits { max_msg_size: 200, max_body_size: 600, mem_queue_size: 5, ..Limits::default() }
}

/// The same for the model.
pub(super) fn model_limits(limits: &Limits) -> model::Limits {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).expect("limits are below centuries");
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
