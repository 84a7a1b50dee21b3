//! How much room a log takes beside what is needed of it, where most of what flows through is finished.

use std::thread::sleep;
use std::time::Duration;

use shelfmq_bench::table::{Limit, row};
use shelfmq_bench::{BATCH, BODY, FRAME};

use crate::Failure;
use crate::baseline::usage;
use crate::client::{Connection, Ring, request};
use crate::flow;
use crate::server::{Cores, Server};

/// Two gigabytes in the log, so many messages at a time.
const FLOW: usize = 14_000_000;
const TURN: usize = 100_000;
/// One dead letter in so many messages.
const DEAD: usize = 10_000;
/// Small ones, so that many come and go.
const SEGMENT: f64 = (4 << 20) as f64;
const MIB: f64 = (1 << 20) as f64;

/// What is left behind.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Nothing,
    /// A channel that finishes nine messages of ten.
    Slow,
    /// Dead letters all along the way.
    Dead,
    /// The first message, for an hour.
    Deferred,
    /// The first message, in a consumer's hands all the while.
    Leased,
}

/// One kind of message after another that is left behind.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    let cores = cores.shared();
    for (left, name) in [
        (Left::Nothing, "nothing left"),
        (Left::Slow, "a channel 10% behind"),
        (Left::Dead, "a dead letter in 10,000"),
        (Left::Deferred, "one deferred by 1 h"),
        (Left::Leased, "one leased all the while"),
    ] {
        one(&cores, left, name)?;
    }
    Ok(())
}

fn one(cores: &Cores, left: Left, name: &str) -> Result<(), Failure> {
    let server = Server::on_disk(cores, &["--sync", "never", "--segment-bytes", &format!("{SEGMENT}")])?;
    let mut publishers = Ring::open(server.address, 2)?;
    let mut consumer = Connection::open(server.address)?;
    begin(&mut publishers, left)?;
    let mut peak = 0;
    for _ in 0..FLOW / TURN {
        flow::publish(&mut publishers, "bench", TURN)?;
        peak = peak.max(usage(server.home())?.1);
        consume(&mut consumer, left)?;
    }
    let kept = match left {
        Left::Nothing => 0,
        Left::Slow => FLOW / 10,
        Left::Dead => FLOW / DEAD,
        Left::Deferred | Left::Leased => 1,
    };
    let needed = (kept * FRAME) as f64;
    let found = settled(&server)? as f64;
    row(format!("2 GB gone through, {name}: needed"), needed / MIB, "MiB", Limit::None);
    row(format!("2 GB gone through, {name}: the most meanwhile"), peak as f64 / MIB, "MiB", Limit::None);
    let most = (2.0 * needed + 8.0 * SEGMENT) / MIB;
    row(format!("2 GB gone through, {name}: on the disk"), found / MIB, "MiB", Limit::AtMost(most));
    Ok(())
}

fn begin(ring: &mut Ring, left: Left) -> Result<(), Failure> {
    let channels: &[&str] = if left == Left::Slow { &["c", "slow"] } else { &["c"] };
    flow::create(ring, "bench", channels)?;
    let requests = match left {
        Left::Nothing | Left::Slow => vec![],
        Left::Dead => vec![request("POST", "/channel/config?topic=bench&channel=c&max_attempts=1", b"")],
        Left::Deferred => vec![request("POST", "/pub?topic=bench&defer=1h", BODY)],
        Left::Leased => vec![
            request("POST", "/pub?topic=bench", BODY),
            request("GET", "/sub?topic=bench&channel=c&timeout=15m", b""),
        ],
    };
    requests.iter().try_for_each(|request| ring.run_once(request))?;
    Ok(())
}

/// Finishes what a turn brought, but for what is to be left.
fn consume(consumer: &mut Connection, left: Left) -> Result<(), Failure> {
    let mut thousands = 0;
    let mut spared = Vec::new();
    flow::finish(consumer, ("bench", "c"), TURN, |receipts| {
        thousands += 1;
        if left == Left::Dead && (thousands * BATCH).is_multiple_of(DEAD) {
            let last = receipts[..receipts.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            spared.extend(receipts.drain(last..));
        }
    })?;
    if !spared.is_empty() {
        consumer.ask(&request("POST", "/req?topic=bench&channel=c", &spared))?;
    }
    if left == Left::Slow {
        flow::finish(consumer, ("bench", "slow"), TURN * 9 / 10, |_| {})?;
    }
    Ok(())
}

/// The room that the log takes once that changes no more.
fn settled(server: &Server) -> Result<u64, Failure> {
    let mut last = u64::MAX;
    for _ in 0..20 {
        sleep(Duration::from_millis(500));
        let now = usage(server.home())?.1;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}
