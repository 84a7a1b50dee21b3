//! Messages a second that one core of the server takes in by `/mpub`, and hands out and finishes by `/sub`.

use shelfmq_bench::table::{Limit, median, row};
use shelfmq_bench::{BATCH, batch, frames};

use crate::Failure;
use crate::client::{Ring, request};
use crate::server::{Cores, Server};

const CONNECTIONS: usize = 4;
const ROUNDS: usize = 5;
/// 3 million messages: half a second or so of work, half a gigabyte or so of memory.
const BATCHES: usize = 3_000;

/// `/mpub` of a thousand messages of 100 B.
pub(crate) fn publish(cores: &Cores) -> Result<(), Failure> {
    let rate = rate(cores, |bench| bench.timed(Bench::fill))?;
    row("/mpub of 1,000 x 100 B: messages a second of server CPU", rate, "/s", Limit::AtLeast(8e6));
    Ok(())
}

/// Ack and fetch: each request finishes the last thousand and leases the next.
pub(crate) fn consume(cores: &Cores) -> Result<(), Failure> {
    let rate = rate(cores, |bench| {
        bench.fill()?;
        bench.timed(Bench::drain)
    })?;
    row("/sub max=1000 with fin, frames: messages a second of server CPU", rate, "/s", Limit::AtLeast(3e6));
    Ok(())
}

struct Bench {
    server: Server,
    ring: Ring,
}

/// Messages a second of CPU time in the middle round. The first round is not counted.
fn rate(cores: &Cores, mut round: impl FnMut(&mut Bench) -> Result<f64, Failure>) -> Result<f64, Failure> {
    let server = Server::shelfmq(cores)?;
    let ring = Ring::open(server.address, CONNECTIONS)?;
    let mut bench = Bench { server, ring };
    let mut rates = Vec::new();
    for _ in 0..=ROUNDS {
        bench.ask("/topic/create?topic=bench")?;
        bench.ask("/channel/create?topic=bench&channel=c")?;
        rates.push(round(&mut bench)?);
        bench.ask("/topic/delete?topic=bench")?;
    }
    Ok(median(rates.split_off(1)))
}

impl Bench {
    fn ask(&mut self, target: &str) -> Result<(), Failure> {
        Ok(self.ring.run_once(&request("POST", target, b""))?)
    }

    fn timed(&mut self, act: impl FnOnce(&mut Bench) -> Result<(), Failure>) -> Result<f64, Failure> {
        let before = self.server.cpu_nanos()?;
        act(self)?;
        let seconds = (self.server.cpu_nanos()? - before) as f64 / 1e9;
        Ok((BATCHES * BATCH) as f64 / seconds)
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let publish = request("POST", "/mpub?topic=bench", &batch());
        let mut asked = 0;
        self.ring.run(|_, out| {
            out.extend_from_slice(&publish);
            asked += 1;
            asked <= BATCHES
        })?;
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Failure> {
        let target = format!("/sub?topic=bench&channel=c&max={BATCH}&wait=0&format=frames");
        let mut receipts = Vec::new();
        let (mut asked, mut leased) = (0, 0);
        self.ring.run(|body, out| {
            leased += frames::receipts(body, &mut receipts);
            out.extend_from_slice(&request("POST", &target, &receipts));
            asked += 1;
            // The last request on each connection finishes what the one before it leased.
            asked <= BATCHES + CONNECTIONS
        })?;
        if leased == BATCHES * BATCH { Ok(()) } else { Err(format!("only {leased} messages came").into()) }
    }
}
