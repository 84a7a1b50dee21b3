//! What the tests of shelfmq share: scenarios and the hosts they run on, and a plain HTTP client.

pub mod component;
pub mod events;
pub mod http;
pub mod instant_log;
pub mod lockstep;
pub mod model;
pub mod one;
pub mod scenario;
pub mod segments;
pub mod server;
pub mod shell;
pub mod simulation;
pub mod workload;

/// What the READMEs show in Rust, compiled and run.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../README.md")]
    struct English;
    #[doc = include_str!("../../README.zh.md")]
    struct Chinese;
}
