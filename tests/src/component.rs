//! The component on wasmtime: built, compiled once in a process, and one engine in each instance.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use shelfmq_core::config::{Config, LogOptions};
use shelfmq_core::time::nanos;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use bindings::Broker;
pub use bindings::exports::shelfmq::broker::engine as wit;

/// What wasmtime makes of the world.
#[expect(missing_docs, reason = "it is generated")]
mod bindings {
    wasmtime::component::bindgen!({ path: "../wasm/wit", world: "broker", additional_derives: [PartialEq] });
}

/// The component's file: `SHELFMQ_COMPONENT`, or what `wasm/build-component.sh` makes of the sources as they are.
///
/// # Panics
/// Where it cannot be built.
pub fn artifact() -> &'static Path {
    static ARTIFACT: OnceLock<PathBuf> = OnceLock::new();
    ARTIFACT.get_or_init(|| {
        if let Some(path) = std::env::var_os("SHELFMQ_COMPONENT") {
            return path.into();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new(root.join("wasm/build-component.sh")).status().expect("there is a shell");
        assert!(built.success(), "wasm/build-component.sh: {built}");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
        root.join(target).join("wasm/shelfmq.component.wasm")
    })
}

/// The component, compiled, and what compiled it.
///
/// # Panics
/// Where it is no component.
pub fn program() -> &'static (Engine, Component) {
    static PROGRAM: OnceLock<(Engine, Component)> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let engine = Engine::default();
        let component = Component::from_file(&engine, artifact()).expect("the artifact is a component");
        (engine, component)
    })
}

/// An engine in a sandbox.
pub struct Sandbox {
    broker: Broker,
    store: Store<Limits>,
}

/// Counts the memory that a sandbox takes.
#[derive(Debug, Default)]
pub struct Limits {
    memory: usize,
}

impl wasmtime::ResourceLimiter for Limits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.memory = desired;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}

impl Sandbox {
    /// Starts an engine in an instance of its own, which is given nothing.
    ///
    /// # Errors
    /// What the component says of the configuration, and what goes wrong in it.
    pub fn start(config: &Config, seed: u64, log: Option<&LogOptions>) -> wasmtime::Result<Self> {
        let (engine, component) = program();
        let mut store = Store::new(engine, Limits::default());
        store.limiter(|limits| limits);
        let broker = Broker::instantiate(&mut store, component, &Linker::new(engine))?;
        let mut sandbox = Sandbox { broker, store };
        let log =
            log.map(|log| wit::LogOptions { segment_bytes: log.segment_bytes, cache_bytes: log.cache_bytes as u64 });
        let started = sandbox.call(|engine, store| engine.call_start(store, &told(config), seed, log))?;
        started.map_err(|option| wasmtime::Error::msg(format!("{option} is no JSON")))?;
        Ok(sandbox)
    }

    /// Calls one of the engine's functions: `sandbox.call(|engine, store| engine.call_cancel(store, now, ticket))`.
    ///
    /// # Errors
    /// Those of the call: the sandbox is of no use after one.
    pub fn call<T>(
        &mut self,
        call: impl FnOnce(&wit::Guest, &mut Store<Limits>) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<T> {
        call(self.broker.shelfmq_broker_engine(), &mut self.store)
    }

    /// How much memory it has, in bytes: it never becomes less.
    pub fn memory(&self) -> usize {
        self.store.data().memory
    }
}

/// A configuration as the component takes it.
pub(crate) fn told(config: &Config) -> wit::Config {
    let (limits, identity) = (&config.limits, &config.identity);
    wit::Config {
        limits: wit::Limits {
            msg_timeout: nanos(limits.msg_timeout),
            max_msg_timeout: nanos(limits.max_msg_timeout),
            max_req_timeout: nanos(limits.max_req_timeout),
            max_msg_size: limits.max_msg_size as u64,
            max_body_size: limits.max_body_size as u64,
            max_batch: limits.max_batch as u64,
            max_answer_bytes: limits.max_answer_bytes as u64,
            max_wait: nanos(limits.max_wait),
            max_messages: limits.max_messages,
            dedup_window: nanos(limits.dedup_window),
            mem_queue_size: limits.mem_queue_size,
            heartbeat: nanos(limits.heartbeat),
            client_timeout: nanos(limits.client_timeout),
        },
        identity: wit::Identity {
            version: identity.version.clone(),
            broadcast_address: identity.broadcast_address.clone(),
            hostname: identity.hostname.clone(),
            http_port: identity.http_port,
            topology_zone: identity.topology_zone.clone(),
            topology_region: identity.topology_region.clone(),
            built_with: identity.built_with.clone(),
        },
        started: config.started.as_nanos(),
        options: config.options.iter().map(|(name, value)| (name.clone(), value.to_string())).collect(),
    }
}
