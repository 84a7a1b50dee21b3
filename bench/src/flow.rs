//! Messages by the million: put into a topic, and taken out of it.

use std::io;

use shelfmq_bench::{BATCH, BODY, frames};

use crate::Failure;
use crate::client::{Connection, Ring, request};

/// How many messages one request brings.
const LOAD: usize = 10 * BATCH;

/// Creates a topic and channels of it.
pub(crate) fn create(ring: &mut Ring, topic: &str, channels: &[&str]) -> io::Result<()> {
    ring.run_once(&request("POST", &format!("/topic/create?topic={topic}"), b""))?;
    for channel in channels {
        ring.run_once(&request("POST", &format!("/channel/create?topic={topic}&channel={channel}"), b""))?;
    }
    Ok(())
}

/// Publishes so many messages of 100 B, rounded up to whole requests.
pub(crate) fn publish(ring: &mut Ring, topic: &str, messages: usize) -> io::Result<usize> {
    let load = [BODY.as_slice(), b"\n"].concat().repeat(LOAD);
    let publish = request("POST", &format!("/mpub?topic={topic}"), &load);
    let mut asked = 0;
    let requests = messages.div_ceil(LOAD);
    ring.run(|_, out| {
        out.extend_from_slice(&publish);
        asked += 1;
        asked <= requests
    })?;
    Ok(requests * LOAD)
}

/// Takes messages of `channel`, finished as they are handed out, until there were so many or none came for a second.
/// How many came.
pub(crate) fn take(ring: &mut Ring, topic: &str, channel: &str, most: usize) -> io::Result<usize> {
    let target = format!("/sub?topic={topic}&channel={channel}&max={BATCH}&wait=1s&format=frames&ack=auto");
    let poll = request("GET", &target, b"");
    let (mut taken, mut calls, connections) = (0, 0, ring.connections());
    ring.run(|body, out| {
        taken += frames::count(body);
        calls += 1;
        out.extend_from_slice(&poll);
        taken < most && (calls <= connections || !body.is_empty())
    })?;
    Ok(taken)
}

/// Leases so many messages of `channel` and finishes them, a thousand a request, but for those whose receipts `spare`
/// takes out of each thousand (one a line).
pub(crate) fn finish(
    connection: &mut Connection,
    (topic, channel): (&str, &str),
    messages: usize,
    mut spare: impl FnMut(&mut Vec<u8>),
) -> Result<(), Failure> {
    let place = format!("topic={topic}&channel={channel}");
    let fetch = format!("/sub?{place}&max={BATCH}&wait=1s&format=frames");
    let (mut receipts, mut leased) = (Vec::new(), 0);
    while leased < messages {
        let body = connection.ask(&request("POST", &fetch, &receipts))?;
        match frames::receipts(body, &mut receipts) {
            0 => return Err(format!("{leased} messages of {place} came where {messages} were").into()),
            count => leased += count,
        }
        spare(&mut receipts);
    }
    connection.ask(&request("POST", &format!("/fin?{place}"), &receipts))?;
    Ok(())
}
