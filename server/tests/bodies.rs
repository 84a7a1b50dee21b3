//! No client makes the server read or keep more than the limits say.

mod common;

use std::io::Write;

use common::{Server, rest, until};
use shelfmq_core::command::Filter;

#[test]
fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let server = Server::start();
    let mut stream = server.send("POST /pub?topic=t HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n");
    let response = rest(&mut stream);
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("connection: close\r\n"), "{response}");
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_not_told() {
    let server = Server::start();
    let head = "POST /pub?topic=t HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9999999999\r\n\r\n";
    assert!(rest(&mut server.send(head)).starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_body_in_chunks_is_read_as_far_as_the_limit() {
    let server = Server::start();
    let mut stream = server.send("POST /pub?topic=t HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    // The limit is 16 such chunks. All that comes after it is thrown away, and the refusal gets through.
    for _ in 0..20 {
        stream.write_all(chunk.as_bytes()).expect("the server reads, or throws away");
    }
    assert!(rest(&mut stream).starts_with("HTTP/1.1 413 "));
}

#[test]
fn a_body_that_breaks_off_is_no_message() {
    let server = Server::start();
    let broken = "POST /pub?topic=t HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    assert!(rest(&mut server.send(broken)).starts_with("HTTP/1.1 400 "));
    drop(server.send("POST /pub?topic=t HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhello"));
    assert!(server.call("GET", "/ping", "").starts_with("HTTP/1.1 200 "));
    assert!(server.shelf.stats(&Filter::default()).topics.is_empty());
}

#[test]
fn a_body_in_pieces_is_put_together() {
    let server = Server::start();
    let pieces = "3\r\nabc\r\n4\r\ndefg\r\n1\r\nh\r\n0\r\n\r\n";
    let head = "POST /pub?topic=t HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    assert!(rest(&mut server.send(&format!("{head}{pieces}"))).starts_with("HTTP/1.1 200 "));
    let response = server.call("GET", "/sub?topic=t&channel=c&ack=auto", "");
    assert!(response.ends_with("\r\n\r\nabcdefgh"), "{response}");
}

#[test]
fn a_stream_that_nobody_reads_stops() {
    const MESSAGES: u64 = 32;
    let server = Server::start();
    let body = "x".repeat(1024 * 1024);
    for _ in 0..MESSAGES {
        assert!(server.call("POST", "/pub?topic=t", &body).starts_with("HTTP/1.1 200 "));
    }
    let mut stream =
        server.send("GET /sub?topic=t&channel=c&ack=auto&format=ndjson&stream=true HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut depths = vec![MESSAGES];
    until("the stream stops", || {
        depths.push(depth(&server));
        let last = depths.iter().rev().take(100);
        depths.len() > 100 && last.clone().all(|depth| Some(depth) == last.clone().next())
    });
    // The sockets of both sides take a few megabytes. The rest is still the broker's.
    assert!(depth(&server) > MESSAGES / 2, "{} left", depth(&server));
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        let mut buffer = vec![0; 64 * 1024];
        while seen < MESSAGES as usize * 1024 * 1024 {
            seen += std::io::Read::read(&mut stream, &mut buffer).expect("the stream goes on");
        }
    });
    reader.join().expect("all messages come");
    assert_eq!(depth(&server), 0);
}

fn depth(server: &Server) -> u64 {
    let stats = server.shelf.stats(&Filter::default());
    stats.topics.iter().map(|topic| topic.channels.iter().map(|channel| channel.depth).sum::<u64>()).sum()
}
