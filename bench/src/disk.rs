//! Publishes that are on the disk when they are answered, beside the same server without a disk and beside what the
//! disk does by itself.

use shelfmq_bench::table::{Limit, median, row};
use shelfmq_bench::{BATCH, BODY, FRAME, batch};

use crate::Failure;
use crate::baseline::Appender;
use crate::client::request;
use crate::contender::{Contender, ROUND, ratio};
use crate::server::{Cores, Server};

const MANY: usize = 64;
const FEW: usize = 4;
const ROUNDS: usize = 7;
const TOPICS: usize = 1_000;

/// `/pub` of 100 B: as many as without a disk where many wait for one sync, as many as there are syncs where one does.
pub(crate) fn publish(cores: &Cores) -> Result<(), Failure> {
    many(&cores.shared())?;
    one(&cores.shared())?;
    costs(cores, "1 core")?;
    let all = cores.shared();
    if all.of_servers() > 1 { costs(&all, &format!("{} cores", all.of_servers())) } else { Ok(()) }
}

fn publishes() -> Vec<Vec<u8>> {
    vec![request("POST", "/pub?topic=bench", BODY)]
}

fn many(cores: &Cores) -> Result<(), Failure> {
    let mut disk = Contender::new(Server::on_disk(cores, &["--sync", "always"])?, MANY, publishes())?;
    let mut memory = Contender::new(Server::shelfmq(cores)?, MANY, publishes())?;
    let mut syncs = Appender::new(FRAME * MANY, 1)?;
    let mut bounds = Vec::new();
    for _ in 0..ROUNDS {
        disk.round()?;
        memory.round()?;
        bounds.push(syncs.run_for(ROUND)? * MANY as f64);
        disk.delete_topic()?;
        memory.delete_topic()?;
    }
    let (within_disk, within_memory) = (ratio(disk.rates(), &bounds), ratio(disk.rates(), memory.rates()));
    row("/pub of 100 B, fsynced, 64 connections", disk.rate(), "/s", Limit::None);
    row("/pub of 100 B, --store memory, 64 connections", memory.rate(), "/s", Limit::None);
    row("64 times the machine's own append + fdatasync", median(bounds), "/s", Limit::None);
    row("/pub, fsynced, 64 connections : --store memory", within_memory, "x", Limit::AtLeast(0.7));
    row("/pub, fsynced, 64 connections : 64 x append + fdatasync", within_disk, "x", Limit::None);
    Ok(())
}

fn one(cores: &Cores) -> Result<(), Failure> {
    let mut disk = Contender::new(Server::on_disk(cores, &["--sync", "always"])?, 1, publishes())?;
    let mut own = Appender::new(FRAME, 1)?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        disk.round()?;
        rates.push(own.run_for(ROUND)?);
    }
    let ratio = ratio(disk.rates(), &rates);
    row("/pub of 100 B, fsynced, 1 connection", disk.rate(), "/s", Limit::None);
    row("the machine's own append of 140 B + fdatasync", median(rates), "/s", Limit::None);
    row("/pub, fsynced, 1 connection : append + fdatasync", ratio, "x", Limit::AtLeast(0.7));
    Ok(())
}

/// The server's CPU time, which does not depend on the disk.
fn costs(cores: &Cores, place: &str) -> Result<(), Failure> {
    let mut memory = Contender::new(Server::shelfmq(cores)?, MANY, publishes())?;
    let mut never = Contender::new(Server::on_disk(cores, &["--sync", "never"])?, MANY, publishes())?;
    let mut always = Contender::new(Server::on_disk(cores, &["--sync", "always"])?, MANY, publishes())?;
    for _ in 0..ROUNDS {
        for contender in [&mut memory, &mut never, &mut always] {
            contender.round()?;
            contender.delete_topic()?;
        }
    }
    for (name, contender) in [("--store memory", &memory), ("--sync never", &never), ("--sync always", &always)] {
        row(format!("/pub, {place}: server CPU, {name}"), contender.cost() / 1000.0, "us", Limit::None);
    }
    row(format!("/pub, {place}: CPU, --sync never : memory"), never.cost_ratio(&memory), "x", Limit::None);
    row(format!("/pub, {place}: CPU, --sync always : memory"), always.cost_ratio(&memory), "x", Limit::None);
    Ok(())
}

/// `/mpub` of a thousand messages of 100 B, beside a plain file that is written in as large pieces.
pub(crate) fn batches(cores: &Cores) -> Result<(), Failure> {
    let cores = cores.shared();
    batches_from(&cores, 1)?;
    batches_from(&cores, FEW)
}

fn batches_from(cores: &Cores, connections: usize) -> Result<(), Failure> {
    let publish = vec![request("POST", "/mpub?topic=bench", &batch())];
    let mut disk = Contender::new(Server::on_disk(cores, &["--sync", "always"])?, connections, publish)?;
    let bytes = FRAME * BATCH;
    // Of what comes in while a sync is under way, all goes into the next: at best every connection's.
    let mut file = Appender::new(bytes, connections as u32)?;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        disk.round()?;
        disk.delete_topic()?;
        rates.push(file.run_for(ROUND)?);
    }
    let ratio = ratio(disk.rates(), &rates);
    let (from, messages) = (format!("{connections} conn."), BATCH as f64);
    row(format!("/mpub of 1,000 x 100 B, fsynced, {from}: messages"), disk.rate() * messages, "/s", Limit::None);
    row(
        format!("a plain file, {bytes} B x {connections} + fdatasync: messages"),
        median(rates) * messages,
        "/s",
        Limit::None,
    );
    row(format!("/mpub, fsynced, {from} : a plain file"), ratio, "x", Limit::AtLeast(0.6));
    Ok(())
}

/// Each `/pub` to another topic, beside all of them to one.
pub(crate) fn topics(cores: &Cores) -> Result<(), Failure> {
    let cores = cores.shared();
    let many = (0..TOPICS).map(|index| request("POST", &format!("/pub?topic=t{index}"), BODY)).collect();
    let mut many = Contender::new(Server::on_disk(&cores, &["--sync", "always"])?, MANY, many)?;
    let mut one = Contender::new(Server::on_disk(&cores, &["--sync", "always"])?, MANY, publishes())?;
    for _ in 0..ROUNDS {
        many.round()?;
        one.round()?;
    }
    let ratio = ratio(many.rates(), one.rates());
    row("/pub, fsynced, 64 connections, 1,000 topics", many.rate(), "/s", Limit::None);
    row("/pub, fsynced, 64 connections, one topic", one.rate(), "/s", Limit::None);
    row("/pub, fsynced, 64 connections, 1,000 topics : one topic", ratio, "x", Limit::AtLeast(1.0 / 3.0));
    Ok(())
}
