//! What one `/pub` costs, beside a bare handler and nchan.

use std::time::Duration;

use shelfmq_bench::BODY;
use shelfmq_bench::table::{Limit, median, missing, row};

use crate::Failure;
use crate::client::{Ring, request};
use crate::server::{Cores, Server};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1500);

/// A server under load, and what a request cost in each round, in nanoseconds of CPU time.
struct Contender {
    server: Server,
    ring: Ring,
    costs: Vec<f64>,
}

impl Contender {
    fn new(server: Server) -> Result<Self, Failure> {
        let mut ring = Ring::open(server.address, CONNECTIONS)?;
        ring.run_for(ROUND / 3, &publish())?;
        Ok(Contender { server, ring, costs: Vec::new() })
    }

    fn round(&mut self) -> Result<(), Failure> {
        let before = self.server.cpu_nanos()?;
        let requests = self.ring.run_for(ROUND, &publish())?;
        self.costs.push((self.server.cpu_nanos()? - before) as f64 / requests as f64);
        Ok(())
    }

    /// How many times another's cost this one's is: in the middle round, for the machine may change between rounds.
    fn ratio(&self, other: &Contender) -> f64 {
        median(self.costs.iter().zip(&other.costs).map(|(mine, others)| mine / others).collect())
    }

    fn print(&self, name: &str, place: &str) {
        row(format!("/pub of 100 B, 64 connections, {place}: {name}"), self.cost() / 1000.0, "us", Limit::None);
    }

    fn cost(&self) -> f64 {
        median(self.costs.clone())
    }
}

fn publish() -> Vec<u8> {
    request("POST", "/pub?topic=bench", BODY)
}

/// On one core, and with a thread (or a worker process) on each, as one would run them.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    measure_on(cores, "1 core")?;
    let all = cores.shared();
    if all.of_servers() > 1 { measure_on(&all, &format!("{} cores", all.of_servers())) } else { Ok(()) }
}

/// What it costs to record what comes in, in turns with the same server that does not.
pub(crate) fn measure_recorded(cores: &Cores) -> Result<(), Failure> {
    let mut plain = Contender::new(Server::shelfmq(cores)?)?;
    let mut recorded = Contender::new(Server::shelfmq_recorded(cores)?)?;
    for _ in 0..ROUNDS {
        for contender in [&mut plain, &mut recorded] {
            contender.round()?;
            contender.ring.run_once(&request("POST", "/topic/delete?topic=bench", b""))?;
        }
    }
    plain.print("shelfmq", "1 core, again");
    recorded.print("shelfmq --record", "1 core");
    row("/pub, 1 core, shelfmq --record : shelfmq", recorded.ratio(&plain), "x", Limit::AtMost(1.05));
    Ok(())
}

/// Rounds in turns, so that what disturbs one disturbs all.
fn measure_on(cores: &Cores, place: &str) -> Result<(), Failure> {
    let mut shelfmq = Contender::new(Server::shelfmq(cores)?)?;
    let mut bare = Contender::new(Server::bare(cores)?)?;
    let mut nchan = Server::nchan(cores).and_then(Contender::new);
    for _ in 0..ROUNDS {
        shelfmq.round()?;
        bare.round()?;
        if let Ok(nchan) = &mut nchan {
            nchan.round()?;
        }
        // Every round begins with an empty topic.
        shelfmq.ring.run_once(&request("POST", "/topic/delete?topic=bench", b""))?;
    }
    shelfmq.print("shelfmq", place);
    bare.print("a bare axum handler", place);
    row(format!("/pub, {place}, shelfmq : bare axum handler"), shelfmq.ratio(&bare), "x", Limit::AtMost(1.15));
    match nchan {
        Ok(nchan) => {
            nchan.print("nginx with nchan", place);
            row(format!("/pub, {place}, shelfmq : nginx with nchan"), shelfmq.ratio(&nchan), "x", Limit::AtMost(0.8));
        }
        Err(why) => missing(format!("/pub, {place}, shelfmq : nginx with nchan"), why),
    }
    Ok(())
}
