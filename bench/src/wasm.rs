//! The core as WebAssembly beside the core as it is: publish, lease and finish, in Node and in a page of Chromium.
//!
//! `make wasm` has to have been there before.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use shelfmq_bench::table::{Limit, median, missing, row};
use shelfmq_core::api::Request;
use shelfmq_core::config::Config;
use shelfmq_core::time::Time;
use shelfmq_core::{Engine, Output};

use crate::Failure;
use crate::contender::ratio;
use crate::server::Cores;

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(500);
/// How many messages one request has.
const BATCH: usize = 1000;

pub(crate) fn measure(_: &Cores) -> Result<(), Failure> {
    for (place, limit) in [("node", 0.5), ("page", 0.5)] {
        match Script::start(place) {
            Ok(script) => measure_in(place, script, limit)?,
            Err(why) => missing(format!("publish, lease, finish in {place}"), why),
        }
    }
    Ok(())
}

fn measure_in(place: &str, mut script: Script, limit: f64) -> Result<(), Failure> {
    let mut native = Native::new();
    let (mut here, mut there, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        here.push(native.rounds());
        there.push(script.ask("rounds")?);
        single.push(script.ask("single")?);
    }
    let ratio = ratio(&there, &here);
    row("publish, lease, finish by 1,000, native: messages", median(here), "/s", Limit::None);
    row(format!("publish, lease, finish by 1,000, {place}: messages"), median(there), "/s", Limit::None);
    row(format!("publish, lease, finish by 1,000, {place} : native"), ratio, "x", Limit::AtLeast(limit));
    row(format!("one /pub by one fetch, {place}"), median(single), "/s", Limit::None);
    Ok(())
}

/// The core in this process.
struct Native {
    engine: Engine,
    ticket: u64,
    start: Instant,
    body: Vec<u8>,
}

impl Native {
    fn new() -> Self {
        let mut body = (BATCH as u32).to_be_bytes().to_vec();
        for _ in 0..BATCH {
            body.extend(100u32.to_be_bytes());
            body.extend([b'x'; 100]);
        }
        Native { engine: Engine::new(Config::default(), 1), ticket: 0, start: Instant::now(), body }
    }

    fn call(&mut self, method: &str, path: &str, query: &str, body: &[u8]) -> Vec<u8> {
        self.ticket += 1;
        let now = Time::from_secs(1_800_000_000) + self.start.elapsed();
        self.engine.handle(now, self.ticket, &Request { method, path, query, body, ..Request::default() });
        match self.engine.poll_output() {
            Some(Output::Respond(_, response)) => response.body.into_bytes(),
            other => panic!("{path} was answered with {other:?}"),
        }
    }

    /// Messages a second.
    fn rounds(&mut self) -> f64 {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < ROUND {
            let body = std::mem::take(&mut self.body);
            self.call("POST", "/mpub", "topic=t&binary=true", &body);
            self.body = body;
            let leased = self.call("GET", "/sub", "topic=t&channel=c&max=1000&format=json", b"");
            let leased = String::from_utf8(leased).expect("JSON is text");
            let receipts: Vec<_> =
                leased.split("\"receipt\":\"").skip(1).filter_map(|part| part.split('"').next()).collect();
            assert_eq!(receipts.len(), BATCH);
            self.call("POST", "/fin", "topic=t&channel=c", receipts.join("\n").as_bytes());
            count += BATCH;
        }
        count as f64 / start.elapsed().as_secs_f64()
    }
}

/// The package, served by a process of Node.
struct Script {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Script {
    fn start(place: &str) -> Result<Self, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wasm/bench/speed.mjs");
        let mut child =
            Command::new("node").arg(script).arg(place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (to, from) = (child.stdin.take(), child.stdout.take().ok_or("it has an output")?);
        let mut script = Script { child, to, from: BufReader::new(from) };
        match script.line()?.as_str() {
            "ready" => Ok(script),
            other => Err(format!("node said {other:?}; make wasm builds what it needs").into()),
        }
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn ask(&mut self, what: &str) -> Result<f64, Failure> {
        let to = self.to.as_mut().ok_or("it has an input")?;
        writeln!(to, "{what} {}", ROUND.as_millis())?;
        to.flush()?;
        let line = self.line()?;
        line.parse().map_err(|_| format!("node said {line:?}").into())
    }
}

impl Drop for Script {
    /// Its input ends, and so does it.
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}
