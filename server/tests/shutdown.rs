//! A broker that is told to go down, once or twice, while somebody holds messages or is slow.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use common::process::Process;
use common::{rest, until};

fn terminate(broker: &Process) {
    let told = Command::new("kill").arg(broker.id().to_string()).status();
    assert!(told.is_ok_and(|status| status.success()));
}

fn goes_down(broker: &Process) {
    until("it goes down", || broker.log().contains("going down"));
}

/// A request whose body is still to come.
fn half(broker: &Process, target: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(broker.address).expect("it listens");
    let head = format!("POST {target} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    // It waits for the body from here on.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).expect("it asks for the body");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[test]
fn what_was_handed_out_can_be_finished_while_it_goes_down() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &[]);
    for body in ["one", "two"] {
        broker.call("POST", "/pub?topic=books", body.as_bytes()).ok();
    }
    let lease = || {
        let leased = broker.call("GET", "/sub?topic=books&channel=c&wait=0&timeout=15m", b"").ok();
        leased.header("shelf-receipt").expect("there is one").to_owned()
    };
    let receipts = [lease(), lease()];
    let mut finishing = half(&broker, "/fin?topic=books&channel=c", receipts[0].len());
    let mut publishing = half(&broker, "/pub?topic=books", 5);
    let mut polling = half(&broker, "/sub?topic=books&channel=c", 1);
    terminate(&broker);
    goes_down(&broker);
    publishing.write_all(b"three").expect("it reads");
    assert!(rest(&mut publishing).contains("EXITING"));
    polling.write_all(b"\n").expect("it reads");
    assert!(rest(&mut polling).contains("EXITING"));
    finishing.write_all(receipts[0].as_bytes()).expect("it reads");
    assert!(rest(&mut finishing).contains("{\"finished\":1}"));
    assert_eq!(broker.end().0, Some(0));
    // It is so after a restart.
    let broker = Process::start(data.path(), &[]);
    let target = format!("/fin?topic=books&channel=c&receipt={}", receipts[1]);
    broker.call("POST", &target, b"").ok();
    let stats = broker.call("GET", "/stats?format=json&topic=books", b"").ok().json();
    let channel = &stats["topics"][0]["channels"][0];
    assert_eq!((channel["depth"].as_u64(), channel["in_flight_count"].as_u64()), (Some(0), Some(0)), "{stats}");
}

#[test]
fn who_tells_it_twice_is_not_kept_waiting_for_others() {
    let data = tempfile::tempdir().expect("a place for temporary files");
    let broker = Process::start(data.path(), &[]);
    broker.call("POST", "/pub?topic=books", b"one").ok();
    broker.call("GET", "/sub?topic=books&channel=c&wait=0&timeout=15m", b"").ok();
    let _slow = half(&broker, "/pub?topic=books", 5);
    terminate(&broker);
    goes_down(&broker);
    let (code, log) = broker.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("told twice") && !log.contains("did not end in time"), "{log}");
    let broker = Process::start(data.path(), &[]);
    assert_eq!(broker.end().0, Some(0));
}
