//! The example, started as it is, and asked over a socket.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use shelfmq_tests::component::artifact;
use shelfmq_tests::http::{Exchange, call};
use shelfmq_tests::scenario::Event;
use shelfmq_tests::scenario::host::Wire;

/// The example, until it is dropped.
struct Example(Child, SocketAddr);

impl Example {
    fn start() -> Self {
        let mut example = Command::new(env!("CARGO_BIN_EXE_shelfmq-example-wasmtime-axum"));
        example.arg(artifact()).arg("127.0.0.1:0").stdout(Stdio::piped());
        let mut child = example.spawn().expect("it was built");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        Example(child, address.unwrap_or_else(|| panic!("{line:?}")))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn it_serves_the_broker_from_the_sandbox() {
    let example = Example::start();
    let address = example.1;
    let ask = |method, target, body: &[u8]| {
        let answer = call(address, method, target, body).expect("an answer");
        format!("{} {}", answer.status, answer.text())
    };
    assert_eq!(ask("GET", "/ping", b""), "200 OK");
    assert_eq!(ask("POST", "/pub?topic=t", b"hello"), "200 OK");
    assert_eq!(ask("GET", "/sub?topic=t&channel=c&ack=auto", b""), "200 hello");
    assert!(ask("POST", "/pub?topic=t", &vec![0; 1 << 21]).starts_with("413 {\"message\":\"MSG_TOO_BIG\""));

    let get = |target: &str| {
        let wire = Wire { method: "GET".into(), target: target.into(), headers: Vec::new(), body: Vec::new() };
        Exchange::start(address, &wire).expect("it listens")
    };
    // Who waits is answered by who comes later; who hung up is given nothing.
    drop(get("/sub?topic=t&channel=c&ack=auto&wait=30s"));
    let mut waiting = get("/sub?topic=t&channel=c&ack=auto&wait=30s");
    let mut stream = get("/sub?topic=t&channel=d&ack=auto&stream=true&format=ndjson");
    assert!(matches!(stream.next_event(), Ok(Event::Head { status: 200, .. })));
    for body in ["one", "two"] {
        assert_eq!(ask("POST", "/pub?topic=t", body.as_bytes()), "200 OK");
    }
    assert!(matches!(waiting.next_event(), Ok(Event::Head { status: 200, .. })));
    assert_eq!(waiting.next_event().ok(), Some(Event::Data(b"one".into())));
    let mut streamed = String::new();
    while !streamed.contains("two") {
        match stream.next_event() {
            Ok(Event::Data(data)) => streamed += &String::from_utf8_lossy(&data),
            other => panic!("{other:?} after {streamed}"),
        }
    }
    assert!(streamed.contains(r#""body":"one""#), "{streamed}");
}
