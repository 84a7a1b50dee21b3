//! The package for JavaScript, wherever that runs: a process of Node serves the broker, in itself or in a browser.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::host::{Event, Host, HostError, Kind, Patience, Wire};
use super::{Client, START_SECS, Scenario};

/// In Node, in memory.
pub const NODE: Kind = Kind { name: "node", start: |scenario| start(scenario, "node", false) };
/// In Node, with a storage and no room in memory.
pub const NODE_STORED: Kind = Kind { name: "node-stored", start: |scenario| start(scenario, "node", true) };
/// In Node, with a module in two parts.
pub const NODE_SPLIT: Kind = Kind { name: "node-split", start: |scenario| start(scenario, "node-split", true) };
/// In a page of a browser.
pub const PAGE: Kind = Kind { name: "page", start: |scenario| start(scenario, "page", false) };
/// In a dedicated worker, with a module in two parts.
pub const WORKER: Kind = Kind { name: "worker", start: |scenario| start(scenario, "worker", true) };
/// In a service worker.
pub const SERVICE_WORKER: Kind = Kind { name: "sw", start: |scenario| start(scenario, "service-worker", false) };

/// A process that serves hosts, one at a time.
struct Process {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

thread_local! {
    /// Those that were started, by place.
    static PROCESSES: RefCell<BTreeMap<&'static str, Rc<RefCell<Process>>>> = const { RefCell::new(BTreeMap::new()) };
}

impl Process {
    fn start(place: &str) -> Result<Self, HostError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/test/host.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| HostError(format!("node cannot be started: {error}")))?;
        let (to, from) = (child.stdin.take(), child.stdout.take());
        let from = from.ok_or_else(|| HostError("node has no output".into()))?;
        let mut process = Process { child, to, from: BufReader::new(from) };
        let ready = process.line()?;
        if ready["ready"] == true { Ok(process) } else { Err(HostError(format!("node said {ready}"))) }
    }

    fn line(&mut self) -> Result<Value, HostError> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(HostError("node ended".into()));
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn call(&mut self, call: &Value) -> Result<Value, HostError> {
        let to = self.to.as_mut().ok_or_else(|| HostError("node has no input".into()))?;
        writeln!(to, "{call}")?;
        to.flush()?;
        let mut answer = self.line()?;
        match answer["error"].as_str() {
            Some(error) => Err(HostError(error.into())),
            None => Ok(answer["value"].take()),
        }
    }
}

impl Drop for Process {
    /// Its input ends, and so does it.
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}

struct JsHost(Rc<RefCell<Process>>);

fn start(scenario: &Scenario, place: &'static str, stored: bool) -> Result<Box<dyn Host>, HostError> {
    let process = PROCESSES.with_borrow_mut(|processes| -> Result<_, HostError> {
        if let Some(process) = processes.get(place) {
            return Ok(Rc::clone(process));
        }
        let process = Rc::new(RefCell::new(Process::start(place)?));
        processes.insert(place, Rc::clone(&process));
        Ok(process)
    })?;
    let mut limits = serde_json::Map::new();
    for (name, value) in &scenario.options {
        let name = match name.as_str() {
            "max-msg-size" => "maxMsgSize",
            "max-body-size" => "maxBodySize",
            "max-batch" => "maxBatch",
            "max-answer-bytes" => "maxAnswerBytes",
            "mem-queue-size" => "memQueueSize",
            _ => return Err(HostError(format!("no scenario can set {name}"))),
        };
        limits.insert(name.into(), value.parse::<u64>()?.into());
    }
    let now = START_SECS * 1000;
    process.borrow_mut().call(&json!({ "verb": "start", "now": now, "limits": limits, "stored": stored }))?;
    Ok(Box::new(JsHost(process)))
}

impl JsHost {
    fn call(&self, call: &Value) -> Result<Value, HostError> {
        self.0.borrow_mut().call(call)
    }
}

impl Host for JsHost {
    fn send(&mut self, client: Client, wire: &Wire) -> Result<(), HostError> {
        let headers: Vec<_> = wire.headers.iter().map(|(name, value)| json!([name, BASE64.encode(value)])).collect();
        self.call(&json!({
            "verb": "send",
            "client": client,
            "method": wire.method,
            "target": wire.target,
            "headers": headers,
            "body": BASE64.encode(&wire.body),
        }))
        .map(drop)
    }

    fn next(&mut self, client: Client, patience: Patience) -> Result<Option<Event>, HostError> {
        let told = self.call(&json!({ "verb": "next", "client": client, "patient": patience == Patience::Long }))?;
        event(&told)
    }

    fn advance(&mut self, by: Duration) -> Result<(), HostError> {
        self.call(&json!({ "verb": "advance", "ms": by.as_secs_f64() * 1000.0 })).map(drop)
    }

    fn hang_up(&mut self, client: Client) -> Result<(), HostError> {
        self.call(&json!({ "verb": "hangUp", "client": client })).map(drop)
    }
}

fn event(told: &Value) -> Result<Option<Event>, HostError> {
    let bytes = |value: &Value| {
        BASE64.decode(value.as_str().unwrap_or_default()).map_err(|error| HostError(format!("{error}: {value}")))
    };
    if told.is_null() {
        return Ok(None);
    }
    if let Some(head) = told.get("head") {
        let status = head["status"].as_u64().unwrap_or_default() as u16;
        let mut headers = Vec::new();
        for field in head["headers"].as_array().into_iter().flatten() {
            headers.push((field[0].as_str().unwrap_or_default().into(), bytes(&field[1])?));
        }
        return Ok(Some(Event::Head { status, headers }));
    }
    if let Some(data) = told.get("data") {
        return Ok(Some(Event::Data(bytes(data)?)));
    }
    Ok(Some(Event::End))
}
