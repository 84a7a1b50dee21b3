//! A server under the load of one kind of request, in rounds.

use std::time::{Duration, Instant};

use shelfmq_bench::table::median;

use crate::Failure;
use crate::client::{Ring, request};
use crate::server::Server;

/// How long a round lasts.
pub(crate) const ROUND: Duration = Duration::from_millis(1500);

/// A server, and what each round found.
pub(crate) struct Contender {
    server: Server,
    ring: Ring,
    /// The requests, which are sent in turns.
    requests: Vec<Vec<u8>>,
    /// What a request cost, in nanoseconds of the server's CPU time.
    costs: Vec<f64>,
    /// Requests a second.
    rates: Vec<f64>,
}

impl Contender {
    /// Warms the server up; each of the requests is sent at least once.
    pub(crate) fn new(server: Server, connections: usize, requests: Vec<Vec<u8>>) -> Result<Self, Failure> {
        let mut ring = Ring::open(server.address, connections)?;
        let mut all = requests.iter();
        ring.run(|_, out| all.next().map(|request| out.extend_from_slice(request)).is_some())?;
        let mut contender = Contender { server, ring, requests, costs: Vec::new(), rates: Vec::new() };
        contender.load(ROUND / 3)?;
        Ok(contender)
    }

    pub(crate) fn round(&mut self) -> Result<(), Failure> {
        let (cpu, start) = (self.server.cpu_nanos()?, Instant::now());
        let requests = self.load(ROUND)? as f64;
        self.rates.push(requests / start.elapsed().as_secs_f64());
        self.costs.push((self.server.cpu_nanos()? - cpu) as f64 / requests);
        Ok(())
    }

    /// Has the next round begin with an empty topic.
    pub(crate) fn delete_topic(&mut self) -> Result<(), Failure> {
        Ok(self.ring.run_once(&request("POST", "/topic/delete?topic=bench", b""))?)
    }

    /// Sends requests for this long. How many were answered.
    fn load(&mut self, duration: Duration) -> Result<u64, Failure> {
        let deadline = Instant::now() + duration;
        let mut requests = self.requests.iter().cycle();
        // A look at the clock costs little beside a request.
        let answered = self.ring.run(|_, out| {
            out.extend(requests.next().into_iter().flatten());
            Instant::now() < deadline
        })?;
        Ok(answered)
    }

    /// Nanoseconds of CPU time a request, in the middle round.
    pub(crate) fn cost(&self) -> f64 {
        median(self.costs.clone())
    }

    /// Requests a second, in the middle round.
    pub(crate) fn rate(&self) -> f64 {
        median(self.rates.clone())
    }

    /// Requests a second, in each round.
    pub(crate) fn rates(&self) -> &[f64] {
        &self.rates
    }

    /// How many times another's cost this one's is.
    pub(crate) fn cost_ratio(&self, other: &Contender) -> f64 {
        ratio(&self.costs, &other.costs)
    }
}

/// How many times another's value this one's is: in the middle round, for the machine may change between rounds.
pub(crate) fn ratio(mine: &[f64], others: &[f64]) -> f64 {
    median(mine.iter().zip(others).map(|(mine, other)| mine / other).collect())
}
