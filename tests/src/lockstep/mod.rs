//! The same core twice, native and as the component on wasmtime: the same calls, and all that either says, byte for
//! byte.
//!
//! The operations are those of [`workload`](crate::workload). The host beneath does what hosts do, and what disks do to
//! them: the log is written when there is time, writes and reads fail now and then, segments are damaged, and the broker
//! goes down and is started again from what was written. What chance decides is decided once, for both.
//!
//! `verbs` is what either can be told and says; `native` and `sandboxed` are the two, a `pair` compares them, and `run`
//! is the host.

mod native;
mod pair;
mod run;
mod sandboxed;
mod verbs;

use std::collections::BTreeMap;

pub use pair::Tamper;
pub use run::{Settings, run};
pub use verbs::{Input, Told};

/// How often each thing occurred.
pub type Counts = BTreeMap<String, u64>;
