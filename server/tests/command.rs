//! The `shelfmq` command, as a process.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use common::{Server, rest, until};

const SHELFMQ: &str = env!("CARGO_BIN_EXE_shelfmq");

/// Runs to the end, with nothing in the environment but these variables.
fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(SHELFMQ).args(args).env_clear().envs(variables.iter().copied()).output().expect("it can be run")
}

fn config(args: &[&str], variables: &[(&str, &str)]) -> toml::Table {
    let output = run(&[&["config"], args].concat(), variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).parse().expect("it prints TOML")
}

/// The exit code and the complaint of a command line that is refused.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = run(args, &[]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_flag_wins_over_the_environment_the_environment_over_the_file() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let file = directory.path().join("shelfmq.toml");
    let text = "max-msg-size = 1\nmax_body_size = 2\nmsg_timeout = 3000\nmem_queue_size = 4\nthreads = 5\n";
    fs::write(&file, text).expect("the file can be written");
    let path = file.to_str().expect("the path is text");
    let variables = [("SHELFMQ_CONFIG", path), ("SHELFMQ_MAX_BODY_SIZE", "20"), ("SHELFMQ_MSG_TIMEOUT", "30s")];
    for args in [["-msg-timeout", "5m"], ["--msg-timeout=5m", "--threads=5"]] {
        let settings = config(&args, &variables);
        assert_eq!(settings["max_msg_size"].as_integer(), Some(1));
        assert_eq!(settings["max_body_size"].as_integer(), Some(20));
        assert_eq!(settings["msg_timeout"].as_str(), Some("5m"));
        assert_eq!(settings["mem_queue_size"].as_integer(), Some(4));
        assert_eq!(settings["max_msg_timeout"].as_str(), Some("15m"));
    }
}

#[test]
fn flags_stand_before_or_after_the_subcommand() {
    for args in [["--topology-zone=z", "config"], ["config", "-topology-zone=z"]] {
        assert!(String::from_utf8_lossy(&run(&args, &[]).stdout).contains("topology_zone = \"z\""));
    }
}

#[test]
fn what_config_prints_config_reads() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let file = directory.path().join("printed.toml");
    let args = ["--lookupd-http-address=a:1,b:2", "--http-address=./s.sock", "--data-path=x", "--log-level=WARN"];
    let printed = config(&args, &[]);
    fs::write(&file, printed.to_string()).expect("the file can be written");
    assert_eq!(config(&["--config", file.to_str().expect("the path is text")], &[]), printed);
}

#[test]
fn mistakes_are_named_and_end_with_2() {
    let directory = tempfile::tempdir().expect("a place for temporary files");
    let file = directory.path().join("wrong.toml");
    let path = file.to_str().expect("the path is text");
    for (text, complaint) in [
        ("tcp_address = ':4150'", "tcp_address"),
        ("http-adress = ':1'", "http-adress is no setting: did you mean http_address?"),
        ("config = 'other.toml'", "config is no setting"),
        ("max_msg_size = 'x'", "max_msg_size: a number of bytes, not \"x\""),
        ("sync = 'often'", "sync: "),
        ("cache_bytes = 'x'", "cache_bytes: a number of bytes"),
        ("threads = -1", "threads: a whole number of at least 0, not -1"),
        ("broadcast_http_port = 65536", "broadcast_http_port: a port"),
        ("lookupd_http_address = ':4161'", "lookupd_http_address: a list of addresses"),
        ("http_address = 1", "http_address: "),
        ("store = 'tape'", "store: "),
        ("msg_timeout = '5 parsecs'", "5 parsecs"),
        ("= 1", "wrong.toml"),
    ] {
        fs::write(&file, text).expect("the file can be written");
        let (code, error) = refused(&["--config", path]);
        assert!(code == Some(2) && error.contains(complaint), "{text}: {code:?} {error}");
    }
    for (args, complaint) in [
        (&["--segment-bytes", "1"][..], "--segment-bytes"),
        (&["--sync", "often"], "often"),
        (&["--msg-timeout", "1h"], "--max-msg-timeout"),
        (&["--threads", "0"], "--threads"),
        (&["--config", "/no/such/file"], "/no/such/file"),
        (&["--http-address", "nonsense"], "nonsense"),
        (&["--http-address", "127.0.0.1:99999"], "a port is at most 65535"),
        (&["--tcp-address", ":1"], "--tcp-address"),
    ] {
        let (code, error) = refused(args);
        assert!(code == Some(2) && error.contains(complaint), "{args:?}: {code:?} {error}");
    }
}

#[test]
fn a_variable_that_is_no_setting_is_a_warning() {
    let output = run(&["config"], &[("SHELFMQ_HTTP_ADRESS", ":1"), ("SHELFMQ_SEED", "1")]);
    let warnings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && warnings.lines().count() == 1, "{warnings}");
    assert!(warnings.contains("SHELFMQ_HTTP_ADRESS is no setting: did you mean SHELFMQ_HTTP_ADDRESS?"), "{warnings}");
}

#[test]
fn an_address_in_use_is_one_line_and_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let (code, error) = refused(&["--http-address", &address]);
    assert_eq!(code, Some(1));
    assert!(error.contains("Choose another port: --http-address 127.0.0.1:"), "{error}");
    assert!(error.contains(&address) && error.lines().count() == 1, "{error}");
}

/// A broker on a free port, and its address.
fn start(args: &[&str]) -> (Child, String) {
    let mut broker = Command::new(SHELFMQ)
        .args(["serve", "--http-address", "127.0.0.1:0", "--log-level", "error", "--store", "memory"])
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let mut line = String::new();
    let mut banner = BufReader::new(broker.stdout.take().expect("it is piped"));
    banner.read_line(&mut line).expect("it prints a banner");
    let address = line.rsplit_once("http://").expect("the banner names the address").1.trim().to_owned();
    (broker, address)
}

/// Tells it to end, and gives its exit code.
fn end(mut broker: Child) -> Option<i32> {
    let kill = Command::new("kill").arg(broker.id().to_string()).status();
    assert!(kill.is_ok_and(|status| status.success()));
    broker.wait().expect("it ends").code()
}

#[test]
fn it_says_where_it_is_and_ends_well_when_told() {
    let (broker, address) = start(&[]);
    TcpStream::connect(address).expect("it listens there");
    assert_eq!(end(broker), Some(0));
}

#[test]
fn it_ends_well_however_soon_it_is_told() {
    for _ in 0..10 {
        let (broker, _) = start(&[]);
        assert_eq!(end(broker), Some(0));
    }
}

#[test]
fn a_directory_learns_of_topics_as_they_come() {
    let directory = Server::start();
    // The second one is never there, which does not matter.
    let directories = format!("--lookupd-http-address={},127.0.0.1:1", directory.address);
    let (broker, address) = start(&[&directories, "--broadcast-address", "broker.test"]);
    until("it registers", || directory.call("GET", "/nodes", "").contains("broker.test"));
    let mut stream = TcpStream::connect(address).expect("it listens there");
    let create = "POST /topic/create?topic=books HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(create.as_bytes()).expect("it reads");
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200 "));
    until("the topic is known", || directory.call("GET", "/lookup?topic=books", "").contains("broker.test"));
    assert_eq!(end(broker), Some(0));
}
