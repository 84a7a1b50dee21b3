//! Clients that wait, hang up, or are there when the server goes down; other people's applications; Unix sockets.

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use axum::{Router, routing::get};
use common::{Server, rest, until};
use shelfmq::{Address, Listener, Options, Shelf};
use shelfmq_core::command::Filter;

const POLL: &str = "GET /sub?topic=t&channel=c&wait=1h HTTP/1.1\r\nhost: x\r\n\r\n";
const STREAM: &str = "GET /sub?topic=t&channel=c&format=sse HTTP/1.1\r\nhost: x\r\n\r\n";

fn waiting(server: &Server) -> u64 {
    let stats = server.shelf.stats(&Filter::default());
    stats.topics.iter().map(|topic| topic.channels.iter().map(|channel| channel.waiting).sum::<u64>()).sum()
}

#[test]
fn who_hangs_up_waits_no_more() {
    let server = Server::start();
    for request in [POLL, STREAM] {
        let stream = server.send(request);
        until("it waits", || waiting(&server) == 1);
        drop(stream);
        until("it is gone", || waiting(&server) == 0);
    }
}

#[test]
fn who_waits_is_answered_by_a_publish_or_in_time() {
    let server = Server::start();
    let mut stream = server.send(POLL);
    until("it waits", || waiting(&server) == 1);
    assert!(server.call("POST", "/pub?topic=t", "hello").starts_with("HTTP/1.1 200 "));
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    let response = server.call("GET", "/sub?topic=t&channel=c&wait=20ms", "");
    assert!(response.starts_with("HTTP/1.1 204 "), "{response}");
}

#[test]
fn a_server_that_goes_down_answers_all_who_wait() {
    let mut server = Server::start();
    let mut poll = server.send(POLL);
    let mut stream = server.send(STREAM);
    let mut idle = server.send("GET /ping HTTP/1.1\r\nhost: x\r\n\r\n");
    until("both wait", || waiting(&server) == 2);
    let mut head = [0; 12];
    idle.read_exact(&mut head).expect("an answer");
    server.stop();
    assert!(rest(&mut poll).starts_with("HTTP/1.1 204 "));
    assert!(rest(&mut stream).ends_with("\r\n0\r\n\r\n"));
    assert!(rest(&mut idle).ends_with("OK"));
    server.wait();
}

#[test]
fn a_browser_gets_a_page_and_curl_gets_commands() {
    let server = Server::start();
    let ask = |accept| {
        let close = "host: x\r\nconnection: close\r\n";
        rest(&mut server.send(&format!("GET / HTTP/1.1\r\n{close}accept: {accept}\r\n\r\n")))
    };
    assert!(ask("text/html,application/xhtml+xml,*/*;q=0.8").contains("<title>shelfmq</title>"));
    assert!(!ask("*/*").contains("<title>"));
}

#[test]
fn the_commands_on_the_page_do_what_they_say() {
    const HERE: &str = "'http://127.0.0.1:4151";
    let page = include_str!("../src/page.html").replace("&amp;", "&");
    let tour = page.split_once("<pre").and_then(|(_, rest)| rest.split_once("</pre>")).expect("there is a tour").0;
    let server = Server::start();
    let (mut receipt, mut answers) = (String::new(), Vec::new());
    for command in tour.lines().filter(|line| line.starts_with("curl ")) {
        let (options, target) = command.split_once(HERE).expect("each names the broker");
        let target = target.trim_end_matches('\'').replace("RECEIPT", &receipt);
        let body = options.split_once("-d '").map_or("", |(_, body)| body.trim_end_matches([' ', '\'']));
        let method = if body.is_empty() && !options.contains("-X POST") { "GET" } else { "POST" };
        let answer = server.call(method, &target, body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{command}: {answer}");
        if let Some(line) = answer.lines().find_map(|line| line.strip_prefix("shelf-receipt: ")) {
            receipt = line.to_owned();
        }
        answers.push(answer);
    }
    let [published, leased, finished, commands] = &answers[..] else { panic!("{tour}") };
    assert!(published.ends_with("OK") && leased.ends_with("hello"), "{published}\n{leased}");
    assert!(finished.ends_with(r#"{"finished":1}"#), "{finished}");
    assert!(commands.contains("/pub?topic="), "{commands}");
}

#[test]
fn the_api_nests_into_an_axum_application() {
    let server = Server::start_router(|shelf| {
        Router::new().route("/", get(|| async { "my own page" })).nest("/queue", shelfmq::router(shelf))
    });
    assert!(server.call("GET", "/", "").ends_with("my own page"));
    assert!(server.call("GET", "/queue/ping", "").ends_with("OK"));
    assert!(server.call("POST", "/queue/pub?topic=t", "hello").starts_with("HTTP/1.1 200 "));
    assert!(server.call("GET", "/queue/sub?topic=t&channel=c&ack=auto", "").ends_with("hello"));
    assert!(server.call("GET", "/elsewhere", "").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let path = directory.path().join("shelfmq.sock");
    let listener = Listener::bind(&Address::Unix(path.clone())).expect("a free path");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shelf = Shelf::new(Options::default());
    let server = std::thread::spawn(move || shelfmq::serve(listener, &shelf, 1, async { drop(stopped.await) }));
    let mut stream = UnixStream::connect(&path).expect("the server listens");
    stream.write_all(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").expect("the server reads");
    assert!(rest(&mut stream).ends_with("OK"));
    drop((stream, stop));
    server.join().expect("it does not panic").expect("it ends well");
    assert!(!path.exists());
}
