//! A recording, to step through.

use std::borrow::Cow;

use js_sys::{Array, Uint8Array};
use serde_json::Value;
use shelfmq_core::message::parse_hex;
use shelfmq_core::recording::{self, Broken, TimeTravel, describe, time_travel};
use wasm_bindgen::prelude::*;
use web_sys::{Request, Response};

use crate::clock;
use crate::http::{self, Asked};
use crate::options::error;

/// A float of milliseconds since 1970 tells no more than that many nanoseconds apart.
const SLACK: u64 = 999;

/// A recording, and one moment of it.
#[wasm_bindgen]
pub struct Recording(TimeTravel<'static>);

fn broken(why: Broken) -> JsValue {
    error(&why.to_string())
}

fn read(parts: &Array) -> Result<recording::Recording<'static>, JsValue> {
    let parts = parts.iter().map(|part| Cow::Owned(Uint8Array::new(&part).to_vec())).collect();
    recording::Recording::read(parts).map_err(|why| error(&format!("this {why}")))
}

fn text(values: impl Into<Value>) -> String {
    values.into().to_string()
}

#[wasm_bindgen]
impl Recording {
    /// Reads parts; images may take so many bytes. To be [run](Recording::run) to its end first.
    pub fn open(parts: &Array, image_bytes: f64) -> Result<Recording, JsValue> {
        TimeTravel::new(read(parts)?, image_bytes as usize, time_travel::SPACING).map(Recording).map_err(broken)
    }

    /// Takes parts that have more of the same, of which only what is new is to be [run](Recording::run); whether they do.
    pub fn grow(&mut self, parts: &Array) -> Result<bool, JsValue> {
        Ok(self.0.grow(read(parts)?))
    }

    /// Runs about so many bytes more; whether it was run to its end.
    pub fn run(&mut self, bytes: f64) -> bool {
        self.0.run(bytes as u64)
    }

    /// What it is, as JSON.
    pub fn about(&self) -> String {
        let head = self.0.recording().head();
        text(serde_json::json!({
            "from": describe::ms(self.0.from()),
            "to": describe::ms(self.0.to()),
            "stepCount": self.0.steps(),
            "torn": self.0.recording().torn(),
            "broken": self.0.broken().map(|why| why.to_string()),
            "madeBy": head.made_by,
            "shards": head.shards,
        }))
    }

    /// How many steps were made to come here.
    pub fn step(&self) -> f64 {
        self.0.position().0 as f64
    }

    /// What time it is here, in milliseconds since 1970.
    pub fn at(&self) -> f64 {
        describe::ms(self.0.position().1)
    }

    /// Goes to where so many steps were made.
    pub fn seek(&mut self, step: f64) -> Result<(), JsValue> {
        self.0.seek(step as u64).map_err(broken)
    }

    /// Goes to this time.
    #[wasm_bindgen(js_name = seekTime)]
    pub fn seek_time(&mut self, at: f64) -> Result<(), JsValue> {
        self.0.seek_time(clock::time(at), SLACK).map_err(broken)
    }

    /// Goes one step on; what that was, as JSON.
    pub fn forward(&mut self) -> Result<Option<String>, JsValue> {
        Ok(self.0.forward().map_err(broken)?.map(text))
    }

    /// Goes one step back; what is undone by that, as JSON.
    pub fn back(&mut self) -> Result<Option<String>, JsValue> {
        Ok(self.0.back().map_err(broken)?.map(text))
    }

    /// Answers a request that only looks.
    pub fn fetch(&self, request: &Request) -> Result<Response, JsValue> {
        let asked = Asked::of(request, None);
        let response = asked.with(|head, body| self.0.query(&head.with_body(body)));
        http::whole(response.ok_or_else(|| broken(Broken::Nothing))?)
    }

    /// Steps from this number on, as JSON.
    pub fn steps(&mut self, from: f64, count: f64) -> Result<String, JsValue> {
        Ok(text(self.0.describe(from as u64, count as u64).map_err(broken)?))
    }

    /// What happened to a message, as JSON.
    pub fn story(&self, topic: &str, id: &str) -> Result<String, JsValue> {
        let id = parse_hex(id.as_bytes()).ok_or_else(|| error("a message's id is 16 hex digits"))?;
        Ok(text(self.0.story(topic, id).map_err(broken)?))
    }
}
