//! The background notes' curl commands, as they are written there, by a real bash and curl on a real server.

use std::path::Path;

use serde_json::Value;
use shelfmq_tests::http::call;
use shelfmq_tests::server::Server;
use shelfmq_tests::shell::{bash, with_port};

const COMMANDS: &str = include_str!("../fixtures/notes.sh");

fn commands() -> Vec<&'static str> {
    COMMANDS.lines().filter(|line| !line.starts_with('#')).collect()
}

#[test]
fn the_fixture_has_the_commands_of_the_notes() {
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/background-message-queues-and-nsq.zh.md");
    let Ok(notes) = std::fs::read_to_string(notes) else {
        println!("the notes are not beside this checkout: not compared");
        return;
    };
    let mut inside = false;
    let lines = notes.lines().filter(|line| {
        inside ^= line.starts_with("```");
        inside
    });
    let commands: Vec<&str> = lines
        .map(|line| line.trim_start_matches("➜  nsq ").trim_end())
        .filter(|line| line.starts_with("curl ") || line.starts_with("for "))
        .collect();
    assert_eq!(self::commands(), commands);
}

#[test]
fn the_commands_of_the_notes_work_as_written() {
    let server = Server::start().expect("the loopback has a free port");
    for command in commands() {
        let output = bash(&with_port(command, server.address().port())).expect("the command runs");
        let expected = match command {
            _ if command.starts_with("for ") => "OK".repeat(100),
            _ if command.contains("/create") => String::new(),
            _ => "OK".into(),
        };
        assert_eq!(output, expected, "{command}");
    }

    let public = topic(&server, "public");
    assert_eq!((&public["depth"], &public["message_count"]), (&0.into(), &600.into()));
    let depths: Vec<_> = channels(&public).map(|channel| format!("{}: {}", name(channel), channel["depth"])).collect();
    let wanted = ["xx1: 600", "xx2: 500", "xx3: 500", "xx4: 500", "xx5: 500", "xx6: 500", "xx7: 500", "xx8: 500"];
    assert_eq!(depths, wanted);

    // `channel=` in a publish means nothing, with nsqd as here.
    assert_eq!(
        (&topic(&server, "channel_test")["depth"], &topic(&server, "new_topic")["depth"]),
        (&3.into(), &1.into())
    );
    assert_eq!(channels(&topic(&server, "channel_test")).count(), 0);
}

#[test]
fn what_one_channel_consumed_is_still_there_for_the_others() {
    let server = Server::start().expect("the loopback has a free port");
    let port = server.address().port();
    for command in commands().iter().filter(|command| command.starts_with("curl ") || command.contains("xx4")) {
        bash(&with_port(command, port)).expect("the command runs");
    }
    let target = "/sub?topic=public&channel=xx1&max=1000&ack=auto&wait=0";
    let consumed: Value =
        serde_json::from_slice(&call(server.address(), "GET", target, b"").expect("the server answers").body)
            .expect("it is JSON");
    assert_eq!(consumed["messages"].as_array().map(Vec::len), Some(100));
    let public = topic(&server, "public");
    for channel in channels(&public) {
        let depth = if name(channel) == "xx1" { 0 } else { 100 };
        assert_eq!(channel["depth"], depth, "{channel}");
    }
}

fn topic(server: &Server, topic: &str) -> Value {
    let target = format!("/stats?format=json&topic={topic}");
    let answer = call(server.address(), "GET", &target, b"").expect("the server answers");
    let mut stats: Value = serde_json::from_slice(&answer.body).expect("it is JSON");
    stats["topics"][0].take()
}

fn channels(topic: &Value) -> impl Iterator<Item = &Value> {
    topic["channels"].as_array().into_iter().flatten()
}

fn name(channel: &Value) -> &str {
    channel["channel_name"].as_str().expect("a channel has a name")
}
