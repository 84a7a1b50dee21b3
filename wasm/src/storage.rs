//! Where logs are kept: what JavaScript supplies, and the words in which it is asked.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use shelfmq_core::log::LogCommand;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// A storage, as `js/storage/index.d.ts` has it, behind what `js/keeper.js` puts before it.
    #[derive(Clone)]
    pub type Storage;

    #[wasm_bindgen(method, catch)]
    fn list(this: &Storage) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn read(this: &Storage, topic: &str, segment: u32, offset: f64, length: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn write(this: &Storage, changes: &Array) -> Result<Promise, JsValue>;

    /// The same, where those topics that cannot be written are told of: an array of `[topic, kind, error]`.
    #[wasm_bindgen(method, catch, js_name = writeEach)]
    pub(crate) fn write_each(this: &Storage, changes: &Array) -> Result<Promise, JsValue>;
}

/// A topic's segments that a storage has: number and size in bytes.
pub(crate) struct Listed {
    pub(crate) topic: String,
    pub(crate) segments: Vec<(u32, u64)>,
}

impl Storage {
    /// All topics, each with its segments in order.
    pub(crate) async fn topics(&self) -> Result<Vec<Listed>, JsValue> {
        let mut all = Vec::new();
        for topic in Array::from(&JsFuture::from(self.list()?).await?) {
            let name = get(&topic, "topic")?.as_string().unwrap_or_default();
            let mut segments = Vec::new();
            for segment in Array::from(&get(&topic, "segments")?) {
                let number = get(&segment, "number")?.as_f64().unwrap_or_default() as u32;
                segments.push((number, get(&segment, "size")?.as_f64().unwrap_or_default() as u64));
            }
            segments.sort_unstable();
            all.push(Listed { topic: name, segments });
        }
        all.sort_by(|one, other| one.topic.cmp(&other.topic));
        Ok(all)
    }

    /// Some bytes of a segment; fewer where it ends before.
    pub(crate) async fn bytes(&self, topic: &str, segment: u32, offset: u64, length: u64) -> Result<Vec<u8>, JsValue> {
        let read = JsFuture::from(self.read(topic, segment, offset as f64, length as f64)?).await?;
        Ok(Uint8Array::new(&read).to_vec())
    }

    /// Makes changes, in order; they are durable then.
    pub(crate) async fn change(&self, changes: &Array) -> Result<(), JsValue> {
        JsFuture::from(self.write(changes)?).await.map(drop)
    }
}

fn get(value: &JsValue, name: &str) -> Result<JsValue, JsValue> {
    Reflect::get(value, &name.into())
}

/// What is to be done with one topic.
pub(crate) struct Change(Object);

impl Change {
    fn new(kind: &str, topic: &str) -> Self {
        let change = Change(Object::new());
        change.with("kind", kind).with("topic", topic)
    }

    fn with(self, name: &str, value: impl Into<JsValue>) -> Self {
        // To set a field of a plain object does not fail.
        let _ = Reflect::set(&self.0, &name.into(), &value.into());
        self
    }

    /// What stands from `size` on in a segment is to go.
    pub(crate) fn cut(topic: &str, segment: u32, size: u64) -> Self {
        Change::new("cut", topic).with("segment", segment).with("size", size as f64)
    }

    /// A segment is to go.
    pub(crate) fn drop(topic: &str, segment: u32) -> Self {
        Change::new("drop", topic).with("segment", segment)
    }

    /// A topic is to go, as a whole.
    pub(crate) fn delete(topic: &str) -> Self {
        Change::new("delete", topic)
    }

    /// Bytes are to stand there.
    pub(crate) fn append(topic: &str, segment: u32, offset: u64, bytes: &[u8]) -> Self {
        let bytes = Uint8Array::from(bytes);
        Change::new("append", topic).with("segment", segment).with("offset", offset as f64).with("bytes", bytes)
    }

    /// What the core wants done.
    pub(crate) fn of(work: &LogCommand) -> Self {
        match work {
            LogCommand::Append(append) => {
                Change::append(append.topic.as_str(), append.number, append.offset, &append.bytes)
            }
            LogCommand::Truncate(forget) => Change::new("forget", forget.topic.as_str()).with("before", forget.segment),
            LogCommand::Delete(delete) => Change::delete(delete.topic.as_str()),
        }
    }
}

impl From<Change> for JsValue {
    fn from(change: Change) -> Self {
        change.0.into()
    }
}
