//! What the publishes of one topic notice of another topic's backlog that is read from the disk.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use shelfmq_bench::BODY;
use shelfmq_bench::table::{Limit, row};

use crate::Failure;
use crate::baseline::{cool, files};
use crate::client::{Connection, Ring, request};
use crate::flow;
use crate::server::{Cores, Server};

/// About a gigabyte in the log.
const BACKLOG: usize = 7_000_000;
const QUIET: Duration = Duration::from_secs(3);

/// With and without a sync for each publish; and without a disk, for what the readers cost as such.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    let cores = cores.shared();
    beside(&Server::shelfmq(&cores)?, "memory")?;
    for sync in ["never", "always"] {
        let server = Server::on_disk(&cores, &["--sync", sync])?;
        beside(&server, sync)?;
    }
    Ok(())
}

fn beside(server: &Server, store: &str) -> Result<(), Failure> {
    let mut readers = Ring::open(server.address, 1)?;
    flow::create(&mut readers, "cold", &["c"])?;
    flow::create(&mut readers, "bench", &["c"])?;
    flow::publish(&mut readers, "cold", BACKLOG)?;
    if store != "memory" {
        cool(&files(server.home())?)?;
    }
    let mut publisher = Connection::open(server.address)?;
    let deadline = Instant::now() + QUIET;
    let quiet = latencies(&mut publisher, || Instant::now() < deadline)?;
    let (busy, seconds) = thread::scope(|scope| {
        let start = Instant::now();
        let reading = scope.spawn(|| flow::take(&mut readers, "cold", "c", BACKLOG));
        let busy = latencies(&mut publisher, || !reading.is_finished())?;
        let taken = reading.join().expect("a reader does not panic")?;
        if taken < BACKLOG {
            Err(io::Error::other(format!("only {taken} messages came")))
        } else {
            Ok((busy, start.elapsed()))
        }
    })?;
    print(store, "nobody reads", &quiet, None);
    print(store, "backlog read", &busy, Some(&quiet));
    row(
        format!("1 GB of another topic read meanwhile, {store}: messages"),
        BACKLOG as f64 / seconds.as_secs_f64(),
        "/s",
        Limit::None,
    );
    Ok(())
}

/// How long each publish took, in microseconds, the shortest first.
fn latencies(publisher: &mut Connection, mut on: impl FnMut() -> bool) -> io::Result<Vec<f64>> {
    let publish = request("POST", "/pub?topic=bench", BODY);
    let mut found = Vec::new();
    while on() || found.is_empty() {
        let start = Instant::now();
        publisher.ask(&publish)?;
        found.push(start.elapsed().as_secs_f64() * 1e6);
    }
    found.sort_unstable_by(f64::total_cmp);
    Ok(found)
}

fn print(store: &str, while_: &str, found: &[f64], beside: Option<&[f64]>) {
    for (name, per_mille) in [("p50", 500), ("p99", 990), ("longest", 1000)] {
        let at = |found: &[f64]| found[(found.len() * per_mille / 1000).min(found.len() - 1)];
        row(format!("/pub to one topic, {store}, {while_}: {name}"), at(found), "us", Limit::None);
        if let Some(beside) = beside {
            row(
                format!("/pub, {store}, backlog read : nobody reads, {name}"),
                at(found) / at(beside),
                "x",
                Limit::None,
            );
        }
    }
}
