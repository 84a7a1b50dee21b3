//! What clients do with a broker, as an input says.

use std::time::Duration;

use super::Input;
use super::host::Host;

/// Method, path and query of what is asked. `{}` is a number, `@` the last receipts, `~` a duration; `<topic>` and
/// `<where>`, with a channel, are what they say.
const REQUESTS: [(&str, &str, &str); 44] = [
    ("POST", "/pub", "<topic>"),
    ("POST", "/pub", "<topic>&key=k"),
    ("POST", "/pub", "<topic>&key=l&ttl=~"),
    ("POST", "/pub", "<topic>&defer=~"),
    ("POST", "/pub", "<topic>&ttl=~&defer=~"),
    ("POST", "/pub", "<topic>&dedup=d"),
    ("POST", "/mpub", "<topic>"),
    ("POST", "/mpub", "<topic>&key=k&ttl=~"),
    ("POST", "/mpub", "<topic>&defer=~"),
    ("GET", "/sub", "<where>&wait=0"),
    ("GET", "/sub", "<where>&wait=~"),
    ("GET", "/sub", "<where>&wait=0&max={}&timeout=~"),
    ("GET", "/sub", "<where>&wait=~&max={}&client=me"),
    ("GET", "/sub", "<where>&wait=0&ack=auto&max={}"),
    ("POST", "/sub", "<where>&wait=0&fin=@"),
    ("GET", "/sub", "<where>&format=sse&max={}"),
    ("GET", "/sub", "<where>&format=ndjson&stream=true&ack=auto"),
    ("POST", "/fin", "<where>&receipt=@"),
    ("POST", "/fin", "<where>&receipt=@"),
    ("POST", "/req", "<where>&receipt=@"),
    ("POST", "/req", "<where>&receipt=@&defer=~"),
    ("POST", "/touch", "<where>&receipt=@&timeout=~"),
    ("GET", "/peek", "<topic>&max={}"),
    ("GET", "/peek", "<where>&max={}&from={}"),
    ("GET", "/peek", "<where>&state=dead"),
    ("GET", "/dead", "<where>&max={}"),
    ("POST", "/channel/redrive", "<where>"),
    ("POST", "/channel/redrive", "<where>&id={},{}"),
    ("POST", "/dead/empty", "<where>"),
    ("POST", "/channel/seek", "<where>&to={}"),
    ("POST", "/channel/seek", "<where>&to=earliest"),
    ("POST", "/channel/create", "<where>&start={}"),
    ("POST", "/channel/create", "<where>&start=earliest&ordered=true"),
    ("POST", "/channel/config", "<where>&max_attempts=1&dead_letter=dead"),
    ("POST", "/channel/config", "<where>&max_attempts=2&dead_letter="),
    ("POST", "/channel/config", "<where>&ordered=true&max_in_flight={}"),
    ("POST", "/channel/config", "<where>&ordered=false&timeout=~"),
    ("POST", "/channel/pause", "<where>"),
    ("POST", "/channel/unpause", "<where>"),
    ("POST", "/channel/empty", "<where>"),
    ("POST", "/channel/delete", "<where>"),
    ("POST", "/topic/config", "<topic>&max_messages={}&overflow=drop_oldest"),
    ("POST", "/topic/config", "<topic>&max_bytes={}&max_messages=0&overflow=reject"),
    ("POST", "/topic/config", "<topic>&retain=~&retain_bytes={}"),
];

/// Those that are asked more seldom.
const SELDOM: [(&str, &str, &str); 6] = [
    ("POST", "/topic/pause", "<topic>"),
    ("POST", "/topic/unpause", "<topic>"),
    ("POST", "/topic/empty", "<topic>"),
    ("POST", "/topic/delete", "<topic>"),
    ("GET", "/stats", "format=json"),
    ("GET", "/metrics", ""),
];

/// Those that only look, at whatever there is.
const LOOKS: [(&str, &str, &str); 6] = [
    ("GET", "/stats", "format=json"),
    ("GET", "/stats", "include_clients=false"),
    ("GET", "/metrics", ""),
    ("GET", "/peek", "topic=t&max=1000"),
    ("GET", "/peek", "topic=t&channel=c&max=1000"),
    ("GET", "/dead", "topic=t&channel=c"),
];

const DURATIONS: [&str; 8] = ["0", "1ms", "300ms", "1s", "5s", "1m", "15m", "1h"];
const PASSES: [u64; 8] = [0, 1, 300, 1_000, 5_000, 60_000, 900_000, 3_600_000];

/// Does the next thing.
pub fn step(host: &mut Host, input: &mut Input<'_>) {
    match input.byte() {
        0..160 => {
            let request = input.pick(&REQUESTS);
            ask(host, input, request);
        }
        160..176 => {
            let request = input.pick(&SELDOM);
            ask(host, input, request);
        }
        176..196 => {
            let (duration, is_late) = (Duration::from_millis(input.pick(&PASSES)), input.once_in(2));
            host.pass(duration, is_late);
        }
        196..204 => host.hang_up(),
        _ => host.disk(input),
    }
}

/// Looks at all there is.
pub fn look(host: &mut Host) {
    for (method, path, query) in LOOKS {
        host.ask(method, path, query, &[], b"");
    }
}

fn ask(host: &mut Host, input: &mut Input<'_>, (method, path, query): (&str, &str, &str)) {
    let topic = if input.once_in(6) { "dead" } else { "t" };
    let channel = if input.once_in(4) { "d" } else { "c" };
    let mut text = query
        .replace("<topic>", &format!("topic={topic}"))
        .replace("<where>", &format!("topic={topic}&channel={channel}"))
        .replace('@', &host.receipts());
    while text.contains('~') {
        text = text.replacen('~', input.pick(&DURATIONS), 1);
    }
    while text.contains("{}") {
        text = text.replacen("{}", &number(input, query), 1);
    }
    let length = if path.ends_with("pub") { 1 + 4 * usize::from(input.byte() % 128) } else { 0 };
    let mut body = b"x".repeat(length);
    if path == "/mpub" {
        body.chunks_mut(9).for_each(|line| line[0] = b'\n');
    }
    host.ask(method, path, &text, &[], &body);
}

/// A number as a query has it: ids are in hex, and have their 16 digits.
fn number(input: &mut Input<'_>, query: &str) -> String {
    let is_id = ["from=", "to=", "id=", "start="].iter().any(|name| query.contains(&format!("{name}{{}}")));
    let value = input.count();
    if is_id { format!("{value:016x}") } else { (1 + value % 100).to_string() }
}
