//! What one `/pub` costs, beside a bare handler and nchan.

use shelfmq_bench::BODY;
use shelfmq_bench::table::{Limit, missing, row};

use crate::Failure;
use crate::client::request;
use crate::contender::Contender;
use crate::server::{Cores, Server};

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 9;

fn contender(server: Server) -> Result<Contender, Failure> {
    Contender::new(server, CONNECTIONS, vec![request("POST", "/pub?topic=bench", BODY)])
}

fn print(contender: &Contender, name: &str, place: &str) {
    let micros = contender.cost() / 1000.0;
    row(format!("/pub of 100 B, 64 connections, {place}: {name}"), micros, "us", Limit::None);
}

/// On one core, and with a thread (or a worker process) on each, as one would run them.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    measure_on(cores, "1 core")?;
    let all = cores.shared();
    if all.of_servers() > 1 { measure_on(&all, &format!("{} cores", all.of_servers())) } else { Ok(()) }
}

/// What it costs to record what comes in, in turns with the same server that does not.
pub(crate) fn measure_recorded(cores: &Cores) -> Result<(), Failure> {
    let mut plain = contender(Server::shelfmq(cores)?)?;
    let mut recorded = contender(Server::shelfmq_recorded(cores)?)?;
    for _ in 0..ROUNDS {
        for contender in [&mut plain, &mut recorded] {
            contender.round()?;
            contender.delete_topic()?;
        }
    }
    print(&plain, "shelfmq", "1 core, again");
    print(&recorded, "shelfmq --record", "1 core");
    row("/pub, 1 core, shelfmq --record : shelfmq", recorded.cost_ratio(&plain), "x", Limit::AtMost(1.05));
    Ok(())
}

/// Rounds in turns, so that what disturbs one disturbs all.
fn measure_on(cores: &Cores, place: &str) -> Result<(), Failure> {
    let mut shelfmq = contender(Server::shelfmq(cores)?)?;
    let mut bare = contender(Server::bare(cores)?)?;
    let mut nchan = Server::nchan(cores).and_then(contender);
    for _ in 0..ROUNDS {
        shelfmq.round()?;
        bare.round()?;
        if let Ok(nchan) = &mut nchan {
            nchan.round()?;
        }
        shelfmq.delete_topic()?;
    }
    print(&shelfmq, "shelfmq", place);
    print(&bare, "a bare axum handler", place);
    row(format!("/pub, {place}, shelfmq : bare axum handler"), shelfmq.cost_ratio(&bare), "x", Limit::AtMost(1.15));
    match nchan {
        Ok(nchan) => {
            print(&nchan, "nginx with nchan", place);
            row(
                format!("/pub, {place}, shelfmq : nginx with nchan"),
                shelfmq.cost_ratio(&nchan),
                "x",
                Limit::AtMost(0.8),
            );
        }
        Err(why) => missing(format!("/pub, {place}, shelfmq : nginx with nchan"), why),
    }
    Ok(())
}
