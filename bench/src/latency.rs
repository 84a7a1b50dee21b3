//! How long a message takes from its `/pub` to a poll that waits for it, in round trips of a bare server.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use shelfmq_bench::BODY;
use shelfmq_bench::table::{Limit, median, row};

use crate::Failure;
use crate::client::{Connection, request};
use crate::server::{Cores, Server};

const REPEATS: usize = 3000;
/// Long enough for the poll to be waiting, and for both servers to be asleep alike when they are timed.
const PAUSE: Duration = Duration::from_millis(1);

/// Both in turns.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    let (shelfmq, bare) = (Server::shelfmq(cores)?, Server::bare(cores)?);
    let (mut consumer, mut producer) = (Connection::open(shelfmq.address)?, Connection::open(shelfmq.address)?);
    let mut other = Connection::open(bare.address)?;
    let (mut deliveries, mut round_trips) = (Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        deliveries.push(delivery(&mut consumer, &mut producer)?);
        round_trips.push(two_round_trips(&mut other)?);
    }
    let (delivery, round_trips) = (median(deliveries), median(round_trips));
    row("/pub to a waiting poll: until the poll has it", delivery, "us", Limit::None);
    row("two requests to a bare axum handler", round_trips, "us", Limit::None);
    row("/pub to a waiting poll : two bare requests", delivery / round_trips, "x", Limit::AtMost(2.0));
    Ok(())
}

fn delivery(consumer: &mut Connection, producer: &mut Connection) -> io::Result<f64> {
    consumer.send(&request("GET", "/sub?topic=bench&channel=c&ack=auto", b""))?;
    sleep(PAUSE);
    let publish = request("POST", "/pub?topic=bench", BODY);
    let start = Instant::now();
    producer.send(&publish)?;
    consumer.receive()?;
    let micros = start.elapsed().as_secs_f64() * 1e6;
    producer.receive()?;
    Ok(micros)
}

fn two_round_trips(connection: &mut Connection) -> io::Result<f64> {
    let publish = request("POST", "/pub?topic=bench", BODY);
    sleep(PAUSE);
    let start = Instant::now();
    connection.ask(&publish)?;
    connection.ask(&publish)?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}
