//! A hundred million messages on the disk: what they take in memory, what a restart takes, and how fast they come back.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use shelfmq_bench::table::{Limit, missing, row};

use crate::Failure;
use crate::baseline::{cool, files, free_bytes, read, usage};
use crate::client::{Connection, Ring, request};
use crate::flow;
use crate::server::{Cores, Server};

const CONNECTIONS: usize = 8;
const READERS: usize = 4;
const GIB: u64 = 1 << 30;
const MIB: f64 = (1 << 20) as f64;

/// How many messages there is room for, with as much again left for others.
fn affordable() -> Result<Option<usize>, Failure> {
    Ok(match free_bytes()? / GIB {
        40.. => Some(100_000_000),
        10.. => Some(20_000_000),
        5.. => Some(10_000_000),
        _ => None,
    })
}

/// Fills, kills, starts and reads.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    let cores = cores.shared();
    let Some(messages) = affordable()? else {
        missing("100 million messages queued on disk", "less than 5 GiB are free");
        return Ok(());
    };
    if messages < 100_000_000 {
        missing("100 million messages queued on disk", format!("not enough room, so {messages} are"));
    }
    let millions = format!("{} M queued", messages / 1_000_000);
    let server = filled(&cores, messages, &millions)?;
    let server = restarted(&cores, server, &millions)?;
    row(
        format!("{millions}: resident memory after the restart"),
        server.resident_bytes()? as f64 / MIB,
        "MiB",
        Limit::AtMost(256.0),
    );
    let taken = oldest(&server, messages, &millions)?;
    let start = Instant::now();
    let rest = flow::take(&mut Ring::open(server.address, READERS)?, "bench", "c", usize::MAX)?;
    row("the rest of them, by 4 connections: messages", rest as f64 / start.elapsed().as_secs_f64(), "/s", Limit::None);
    row(
        format!("{millions}: peak of resident memory while read"),
        server.peak_bytes()? as f64 / MIB,
        "MiB",
        Limit::AtMost(256.0),
    );
    let whole = taken + rest;
    if whole == messages { Ok(()) } else { Err(format!("{messages} were published and {whole} came back").into()) }
}

fn filled(cores: &Cores, messages: usize, millions: &str) -> Result<Server, Failure> {
    let server = Server::on_disk(cores, &["--sync", "always"])?;
    let mut ring = Ring::open(server.address, CONNECTIONS)?;
    flow::create(&mut ring, "bench", &["c"])?;
    let start = Instant::now();
    flow::publish(&mut ring, "bench", messages)?;
    row(format!("{millions}: published, fsynced"), messages as f64 / start.elapsed().as_secs_f64(), "/s", Limit::None);
    let each = usage(server.home())?.1 as f64 / messages as f64;
    row("a message of 100 B on the disk", each, "B", Limit::None);
    row(format!("{millions}: resident memory"), server.resident_bytes()? as f64 / MIB, "MiB", Limit::AtMost(256.0));
    row(format!("{millions}: peak of resident memory"), server.peak_bytes()? as f64 / MIB, "MiB", Limit::AtMost(256.0));
    Ok(server)
}

/// Twice: with what the system still has of the files in memory, and without.
fn restarted(cores: &Cores, server: Server, millions: &str) -> Result<Server, Failure> {
    let warm = server.kill()?;
    let (server, millis) = timed_start(cores, warm)?;
    row(format!("{millions}: kill -9, start, until /ping"), millis, "ms", Limit::AtMost(1000.0));
    let cold = server.kill()?;
    cool(&files(cold.path())?)?;
    let (server, millis) = timed_start(cores, cold)?;
    row(format!("{millions}: the same with cold files"), millis, "ms", Limit::AtMost(1000.0));
    Ok(server)
}

fn timed_start(cores: &Cores, home: tempfile::TempDir) -> Result<(Server, f64), Failure> {
    let start = Instant::now();
    let server = Server::on_disk_in(cores, &["--sync", "always"], home)?;
    Connection::open(server.address)?.ask(&request("GET", "/ping", b""))?;
    Ok((server, start.elapsed().as_secs_f64() * 1000.0))
}

/// Reads the oldest tenth by one connection and the next by several, beside the bare files of the newest tenth: each
/// once, and none of them in the system's page cache. How many messages came.
fn oldest(server: &Server, messages: usize, millions: &str) -> Result<usize, Failure> {
    let (tenth, all) = (messages / 10, files(server.home())?);
    let each = usage(server.home())?.0 as f64 / messages as f64;
    cool(&all)?;
    // What the system still writes would be read beside.
    sleep(Duration::from_secs(1));
    let newest: Vec<PathBuf> = all[all.len() - all.len().div_ceil(10)..].to_vec();
    let bare = read(&newest)?;
    row("the files of the newest tenth, by read()", bare / MIB, "MiB/s", Limit::None);
    let mut taken = 0;
    for connections in [1, READERS] {
        let mut ring = Ring::open(server.address, connections)?;
        let start = Instant::now();
        let came = flow::take(&mut ring, "bench", "c", tenth)?;
        let rate = came as f64 * each / start.elapsed().as_secs_f64();
        taken += came;
        row(format!("{millions}: a tenth by /sub, {connections} conn., of the log"), rate / MIB, "MiB/s", Limit::None);
        row(format!("{millions}: /sub, {connections} conn. : read() of the files"), rate / bare, "x", Limit::None);
    }
    Ok(taken)
}
