//! What a poll that waits costs as a connection, in the server's memory.

use std::thread::sleep;
use std::time::Duration;

use shelfmq_bench::table::{Limit, row};

use crate::Failure;
use crate::client::{Connection, Ring, request};
use crate::server::{Cores, Server};

const CONNECTIONS: usize = 8_000;

/// Beside a handler that only sleeps.
pub(crate) fn measure(cores: &Cores) -> Result<(), Failure> {
    let shelfmq = bytes_each(&Server::shelfmq(cores)?, "/sub?topic=bench&channel=c&wait=1h")?;
    let bare = bytes_each(&Server::bare(cores)?, "/sub")?;
    row("a waiting poll's connection (8,000 of them): shelfmq", shelfmq / 1024.0, "KiB", Limit::None);
    row("a waiting connection: a bare axum handler", bare / 1024.0, "KiB", Limit::None);
    row("a waiting connection, shelfmq : bare", shelfmq / bare, "x", Limit::AtMost(1.15));
    Ok(())
}

fn bytes_each(server: &Server, target: &str) -> Result<f64, Failure> {
    // What a server allocates once is not a connection's.
    Ring::open(server.address, 8)?.run_for(Duration::from_millis(100), &request("POST", "/pub?topic=warm", b"x"))?;
    let before = server.resident_bytes()?;
    let wait = request("GET", target, b"");
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(server.address)?;
        connection.send(&wait)?;
        waiting.push(connection);
    }
    let after = settled_bytes(server)?;
    Ok(after.saturating_sub(before) as f64 / CONNECTIONS as f64)
}

/// The memory in use once it grows no more.
fn settled_bytes(server: &Server) -> Result<u64, Failure> {
    let mut last = 0;
    for _ in 0..50 {
        sleep(Duration::from_millis(200));
        let now = server.resident_bytes()?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}
