//! The shelfmq broker as a state machine without I/O.
//!
//! An [`Engine`] is a whole broker with its HTTP API. It has no clock, no chance, no threads and no sockets: the
//! host tells it of each request and of the time, does what it asks for, and comes back when it says. So the same
//! broker runs in a server, in a browser, on the edge, and in a test at the speed of thought.
//!
//! # In a program of one's own
//!
//! ```
//! use shelfmq_core::{Local, config::Config, time::Time};
//! # let (now, seed) = (Time::from_secs(1_800_000_000), 42);
//!
//! let mut broker = Local::new(Config::default(), seed);
//! broker.call(now, "POST", "/pub?topic=books", b"The Dispossessed");
//! let book = broker.call(now, "GET", "/sub?topic=books&channel=readers", b"").expect("there is one");
//! # assert_eq!(book.body.as_bytes(), b"The Dispossessed");
//! # assert!(broker.call(now, "GET", "/sub?topic=books&channel=readers", b"").is_none());
//! ```
//!
//! The [API](api) is the server's, all of it, without a socket, and without `std`: `core/examples/bare_metal.rs` is built for
//! a machine that has no operating system. [`Local`] has the rest: what to do about time, and about answers that come
//! later.
//!
//! # The driver loop
//!
//! What [`Local`] does, and a host with sockets and disks does as well:
//!
//! One step of a host: something happens (1), what it brings about is done (2), and then there is nothing to do
//! until something else happens or the time has come (3).
//!
//! ```
//! use shelfmq_core::api::{Body, Request};
//! use shelfmq_core::config::Config;
//! use shelfmq_core::time::Time;
//! use shelfmq_core::{Engine, Output};
//! # use std::collections::BTreeMap;
//!
//! let mut engine = Engine::new(Config::default(), 42);
//! let mut answers = BTreeMap::new();
//! let mut step = |now: Time, ticket: u64, request: Option<Request<'_>>| {
//!     // 1. A request came, or the time that `poll_timeout` named. (Or a client hung up: `cancel`.)
//!     match request {
//!         Some(request) => engine.handle(now, ticket, &request),
//!         None => engine.handle_timeout(now),
//!     }
//!     // 2. Do what is to be done, until nothing is.
//!     while let Some(output) = engine.poll_output() {
//!         match output {
//!             Output::Respond(ticket, response) => drop(answers.insert(ticket, response)),
//!             Output::Forward(transfer) => engine.handle_transfer(now, transfer),
//!             // Streams, and options set at run time: nobody asks for them here.
//!             _ => {}
//!         }
//!     }
//!     // 3. Wait for the next request, but no longer than this.
//!     (engine.poll_timeout(), answers.remove(&ticket))
//! };
//!
//! let (noon, get, post) = (Time::from_secs(1_800_000_000), "GET", "POST");
//! let poll = Request { method: get, path: "/sub", query: "topic=t&channel=c&wait=30s", ..Request::default() };
//! let (deadline, answer) = step(noon, 1, Some(poll));
//! assert!(answer.is_none(), "nothing there yet: the poll waits");
//! assert_eq!(deadline, Some(Time::from_secs(1_800_000_030)));
//!
//! let publish = Request { method: post, path: "/pub", query: "topic=t", body: b"hello", ..Request::default() };
//! let (_, answer) = step(noon, 2, Some(publish));
//! assert_eq!(answer.expect("a publish is answered at once").body, Body::Static(b"OK"));
//! assert_eq!(answers.remove(&1).expect("the poll is answered").body, Body::Bytes(b"hello".into()));
//! ```
//!
//! # What this crate does not do
//!
//! Sockets, TLS, HTTP framing, compression, CORS, static files, secrets, disks, logging, metrics of the host: all
//! that is the host's. Several engines may share the topics of one broker, each with some ([`shard_of`]), but for the last,
//! which answers what concerns them all ([`node_of`]); the host brings requests to the right one.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod embed;
pub mod engine;
pub mod recording;

pub mod api;
pub mod command;
pub mod config;

pub mod broker;
mod directory;
mod pollers;
pub mod recovery;
mod topic;

mod channel;
mod dedup;
mod gaps;

pub mod log;
mod messages;

pub mod message;

pub mod by_id;
mod ids;
mod list;
pub mod name;
mod schedule;
mod slab;
mod sort;
mod sorted_fields;
mod split_mix;
mod state;
pub mod time;

pub use broker::Transfer;
pub use embed::Local;
pub use engine::{Engine, Output};

/// Which of so many engines has the topic of this name: where there are several, never the last, which is the
/// [node's](node_of). Stable, so that every part of a host agrees.
pub fn shard_of(topic: &str, engines: usize) -> usize {
    let shards = engines.saturating_sub(1).max(1);
    let fnv = topic.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // The last characters, in which names differ most, have not reached the upper bits yet.
    let hash = (fnv ^ fnv >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(hash) * shards as u128) >> 64) as usize
}

/// Which of so many engines answers what concerns the node as a whole. Where there are several it has no topics, so that
/// nobody who publishes or consumes waits for an answer that tells of all of them.
pub fn node_of(engines: usize) -> usize {
    engines.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    #[test]
    fn names_that_differ_little_are_spread() {
        for shards in [2, 3, 8, 64] {
            for names in ["t", "orders-", "a.b."] {
                let mut topics = alloc::vec![0; shards];
                (0..1000).for_each(|n| topics[super::shard_of(&format!("{names}{n}"), shards + 1)] += 1);
                let even = 1000 / shards;
                assert!(topics.iter().all(|count| (even / 3..even * 2 + 8).contains(count)), "{names}: {topics:?}");
            }
        }
        assert_eq!([0, 1, 2].map(|engines| super::shard_of("t", engines)), [0; 3]);
        assert_eq!([0, 1, 2].map(super::node_of), [0, 0, 1]);
    }
}
