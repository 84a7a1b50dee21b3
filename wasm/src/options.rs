//! What a broker is opened with.

use std::time::Duration;

use shelfmq_core::config::{Config, Identity, Limits, LogOptions};
use shelfmq_core::time::Time;
use wasm_bindgen::prelude::*;

use crate::clock::Clock;
use crate::storage::Storage;

#[wasm_bindgen]
extern "C" {
    /// Options, as `js/broker.js` fills them in.
    pub type Options;

    /// The clock.
    #[wasm_bindgen(method, getter)]
    pub fn clock(this: &Options) -> Clock;

    /// Where the logs are kept; without it, all is in memory.
    #[wasm_bindgen(method, getter)]
    pub fn storage(this: &Options) -> Option<Storage>;

    /// What JavaScript does beside.
    #[wasm_bindgen(method, getter)]
    pub fn host(this: &Options) -> Host;

    /// From how many bytes of memory on nothing more is taken in.
    #[wasm_bindgen(method, getter)]
    pub fn memory(this: &Options) -> f64;

    /// What makes receipts hard to guess.
    #[wasm_bindgen(method, getter)]
    pub fn seed(this: &Options) -> u64;

    /// How many bytes what is recorded may have; without it, nothing is recorded.
    #[wasm_bindgen(method, getter, js_name = recordBytes)]
    pub fn record_bytes(this: &Options) -> Option<f64>;

    #[wasm_bindgen(method, getter)]
    fn limits(this: &Options) -> JsValue;

    #[wasm_bindgen(method, getter, js_name = segmentBytes)]
    fn segment_bytes(this: &Options) -> Option<f64>;

    #[wasm_bindgen(method, getter, js_name = cacheBytes)]
    fn cache_bytes(this: &Options) -> Option<f64>;

    /// What a broker has in JavaScript, as `js/host.js` has it.
    pub type Host;

    /// A stream that calls back when a chunk was taken, and when the reader wants no more: its controller, and itself.
    #[wasm_bindgen(method)]
    pub(crate) fn stream(this: &Host, pull: &js_sys::Function, cancel: &js_sys::Function) -> js_sys::Array;
}

/// About how many bytes a segment of a log has, where nothing else is said: one is read whole to read a message back.
const SEGMENT_BYTES: u64 = 1 << 20;
/// How many bytes of messages stay in memory, where nothing else is said.
const CACHE_BYTES: usize = 16 << 20;

impl Options {
    /// What the core is told.
    pub(crate) fn config(&self, now: Time) -> Result<Config, JsValue> {
        let mut limits = Limits::default();
        let given = self.limits();
        if given.is_object() {
            for entry in js_sys::Object::entries(&given.unchecked_into()) {
                let entry: js_sys::Array = entry.unchecked_into();
                let (name, value) = (entry.get(0).as_string().unwrap_or_default(), entry.get(1));
                if value.is_undefined() {
                    continue;
                }
                let number = value.as_f64().filter(|number| *number >= 0.0);
                let number = number.ok_or_else(|| error(&format!("limits.{name} is not a number, zero or more")))?;
                set(&mut limits, &name, number).ok_or_else(|| error(&format!("there is no limit {name}")))?;
            }
        }
        let options = vec![
            ("log_level".into(), 2.into()),
            ("max_msg_size".into(), limits.max_msg_size.into()),
            ("nsqlookupd_tcp_addresses".into(), Vec::<String>::new().into()),
        ];
        let identity = Identity { built_with: "wasm".into(), ..Identity::default() };
        Ok(Config { limits, identity, started: now, options })
    }

    /// How logs are kept.
    pub(crate) fn log(&self) -> LogOptions {
        LogOptions {
            segment_bytes: self.segment_bytes().map_or(SEGMENT_BYTES, |bytes| bytes as u64),
            cache_bytes: self.cache_bytes().map_or(CACHE_BYTES, |bytes| bytes as usize),
        }
    }
}

/// Sets a limit: sizes in bytes, times in milliseconds.
fn set(limits: &mut Limits, name: &str, number: f64) -> Option<()> {
    let time = Duration::from_secs_f64((number / 1000.0).min(1e9));
    match name {
        "msgTimeout" => limits.msg_timeout = time,
        "maxMsgTimeout" => limits.max_msg_timeout = time,
        "maxReqTimeout" => limits.max_req_timeout = time,
        "maxMsgSize" => limits.max_msg_size = number as usize,
        "maxBodySize" => limits.max_body_size = number as usize,
        "maxBatch" => limits.max_batch = number as usize,
        "maxAnswerBytes" => limits.max_answer_bytes = number as usize,
        "maxWait" => limits.max_wait = time,
        "maxMessages" => limits.max_messages = number as u32,
        "dedupWindow" => limits.dedup_window = time,
        "memQueueSize" => limits.mem_queue_size = number as u64,
        "heartbeat" => limits.heartbeat = time,
        "clientTimeout" => limits.client_timeout = time,
        _ => return None,
    }
    Some(())
}

/// An error for JavaScript.
pub(crate) fn error(message: &str) -> JsValue {
    js_sys::Error::new(&format!("shelfmq: {message}")).into()
}
