//! The web app that is in the program, where it was built before.

mod common;

use std::io::Read;
use std::path::Path;

use common::Server;

/// The head of the answer, and its body.
fn get(server: &Server, path: &str, headers: &str) -> (String, Vec<u8>) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    let mut answer = Vec::new();
    server.send(&request).read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).into_owned(), answer.split_off(end + 4))
}

#[test]
fn a_browser_gets_the_console_with_all_it_needs_or_else_a_page_of_commands() {
    let server = Server::start();
    let (head, page) = get(&server, "/", "accept: text/html,*/*\r\n");
    assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
    let page = String::from_utf8(page).expect("text");
    if !Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../www/dist/app/index.html")).exists() {
        assert!(page.contains("curl -d"), "{page}");
        assert!(get(&server, "/assets/index.js", "").0.starts_with("HTTP/1.1 404"));
        return;
    }
    assert!(page.contains(r#"data-life="console""#), "{page}");
    assert!(head.contains("content-security-policy: default-src 'self'"), "{head}");
    assert!(head.contains("cache-control: no-cache"), "{head}");
    let files: Vec<&str> = page.split('"').filter(|part| part.starts_with("./")).map(|part| &part[1..]).collect();
    assert!(files.iter().any(|path| path.starts_with("/assets/index")), "{page}");
    for path in files {
        let (head, plain) = get(&server, path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff") && !head.contains("content-encoding"), "{head}");
        let (head, packed) = get(&server, path, "accept-encoding: gzip, br\r\n");
        if path.starts_with("/assets/") {
            assert!(head.contains("cache-control: public, max-age=31536000, immutable"), "{head}");
            assert!(head.contains("content-encoding: gzip"), "{head}");
            assert!(packed.len() < plain.len() && packed.starts_with(&[0x1f, 0x8b]), "{path}");
        }
    }
}

#[test]
fn files_stand_in_the_way_of_nothing() {
    let server = Server::start();
    assert!(get(&server, "/openapi.json", "").0.contains("application/json"));
    assert!(get(&server, "/assets/../Cargo.toml", "").0.starts_with("HTTP/1.1 404"));
    assert!(get(&server, "/topic/create?topic=a.b", "").0.starts_with("HTTP/1.1 405"));
    let (head, body) = get(&server, "/", "accept: */*\r\n");
    assert!(head.contains("text/plain") && String::from_utf8_lossy(&body).contains("curl"), "{head}");
}
