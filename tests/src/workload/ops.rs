//! Making operations.

use super::Random;
use crate::model::{Nanos, Wire};

/// One step of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sends a request.
    Send(Template),
    /// Time passes.
    Step(Nanos),
    /// Time passes until something is due, and so many nanoseconds less or more.
    StepToDeadline(i64),
    /// One of those who wait hangs up.
    HangUp(u64),
    /// One of the slow readers takes a chunk.
    Take(u64),
    /// The numbers of all topics, and the messages of all channels, are compared.
    Look,
}

/// A request in which `{live:n}`, `{any:n}` and `{other:n}` stand for receipts: one of the requested channel whose
/// lease runs, any of that channel, any of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The request.
    pub wire: Wire,
    /// Whether its consumer reads a stream's chunks only when told to.
    pub slow: bool,
}

/// The operations of a seed.
pub fn generate(seed: u64, length: usize) -> Vec<Op> {
    let mut maker = Maker { random: Random::new(seed), ops: Vec::with_capacity(length), elapsed: 0 };
    maker.prepare();
    while maker.ops.len() < length {
        maker.step();
        maker.request();
    }
    maker.ops.truncate(length);
    maker.ops
}

/// Nanoseconds of a millisecond.
const MS: Nanos = 1_000_000;

/// When a run begins: 2026-01-01T00:00:00Z, in seconds.
pub(super) const START_SECS: u64 = 1_767_225_600;

const TOPICS: [&str; 10] = ["t", "t", "t", "t", "t", "u", "u", "r", "e%23ephemeral", "d"];
const CHANNELS: [&str; 7] = ["a", "a", "a", "a", "b", "b", "x%23ephemeral"];
const NAMES: [&str; 6] = ["", "a%20b", "%23ephemeral", "a%23", "%zz", "nobody"];
const JUNK: [&str; 13] =
    ["", "-1", "abc", "1.5s", "99999999999", "%zz", "true", "0", "70000", "1e3", "a;b", "+5", "30s%20"];
const DURATIONS: [&str; 9] = ["0", "1", "500ms", "1s", "5000", "30s", "2m", "15m", "1h"];

struct Maker {
    random: Random,
    ops: Vec<Op>,
    elapsed: Nanos,
}

/// What makes one kind of request.
type Kind = fn(&mut Maker) -> Template;

/// The kinds of requests, with their weights.
const KINDS: [(u64, Kind); 23] = [
    (26, Maker::publish),
    (8, Maker::batch),
    (6, Maker::json_batch),
    (3, Maker::binary_batch),
    (30, Maker::subscribe),
    (6, Maker::stream),
    (12, Maker::fin),
    (12, Maker::req),
    (5, Maker::touch),
    (6, Maker::settle),
    (3, Maker::topic_options),
    (6, Maker::channel_options),
    (1, Maker::delete_topic),
    (2, Maker::delete_channel),
    (4, Maker::pause),
    (1, Maker::empty),
    (4, Maker::seek),
    (4, Maker::redrive),
    (1, Maker::empty_dead),
    (4, Maker::peek),
    (2, Maker::stats),
    (1, Maker::lists),
    (1, Maker::nonsense),
];

impl Maker {
    /// What most seeds begin with. How much is kept for replay is only said of new topics: what a broker still has
    /// of the messages that it was not told to keep is nobody's business.
    fn prepare(&mut self) {
        if self.random.percent(80) {
            let retain =
                self.random.pick(&["retain=10m", "retain=1h&retain_bytes=60", "retain_bytes=100", "retain=5s"]);
            self.send("POST", "/topic/create", &format!("topic=r&{retain}"));
        }
        if self.random.percent(50) {
            let overflow = self.random.pick(&["reject", "drop_oldest"]);
            let limit = self.random.pick(&["max_messages=8", "max_bytes=60", "max_messages=10&max_bytes=200"]);
            self.send("POST", "/topic/create", &format!("topic=u&{limit}&overflow={overflow}"));
        }
        if self.random.percent(70) {
            let options = self.random.pick(&[
                "max_attempts=2",
                "max_attempts=1&dead_letter=d",
                "ordered=true",
                "ordered=1&max_in_flight=2",
                "",
            ]);
            self.send("POST", "/topic/create", "topic=t");
            self.send("POST", "/channel/create", &format!("topic=t&channel=a&{options}"));
        }
    }

    fn send(&mut self, method: &str, path: &str, query: &str) {
        let template = plain(method, path, query);
        self.ops.push(Op::Send(template));
    }

    /// Time passes between most requests, so that few things happen at the same moment.
    fn step(&mut self) {
        let jitter = self.random.below(1_000);
        let nanos = match self.random.below(20) {
            0 => 0,
            1..=9 => jitter + 1,
            10..=12 => self.random.below(1_000) * MS + jitter,
            13 | 14 => self.random.pick(&[1_000, 5_000]) * MS + jitter,
            15 => self.random.pick(&[15_000, 30_000, 60_000]) * MS + jitter,
            16 if self.random.percent(50) => self.random.pick(&[120_000, 300_000, 600_000, 3_600_000]) * MS + jitter,
            17 | 18 => return self.ops.push(Op::StepToDeadline(self.random.pick(&[-1, 0, 0, 1]))),
            _ => return self.other(),
        };
        self.elapsed += nanos;
        self.ops.push(Op::Step(nanos));
    }

    fn other(&mut self) {
        let op = match self.random.below(10) {
            0..=3 => Op::HangUp(self.random.below(8)),
            4..=7 => Op::Take(self.random.below(4)),
            _ => Op::Look,
        };
        self.ops.push(op);
    }

    fn request(&mut self) {
        let sum = KINDS.iter().map(|(weight, _)| weight).sum();
        let mut at = self.random.below(sum);
        let found = KINDS.iter().find(|(weight, _)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let (_, kind) = found.expect("the number is below the sum of the weights");
        let mut template = kind(self);
        template.wire.peer = format!("10.0.0.{}:{}", self.random.below(3), 1_000 + self.random.below(1_000));
        if self.random.percent(6) {
            self.spoil(&mut template.wire);
        }
        self.ops.push(Op::Send(template));
    }

    /// Makes something wrong with a request, most of the time.
    fn spoil(&mut self, wire: &mut Wire) {
        let mut pairs: Vec<String> = wire.query.split('&').map(Into::into).collect();
        let index = self.random.below(pairs.len() as u64) as usize;
        let name = pairs[index].split('=').next().unwrap_or_default().to_owned();
        match self.random.below(7) {
            0 | 1 => pairs[index] = format!("{name}={}", self.random.pick(&JUNK)),
            2 => pairs[index] = format!("{name}={}", self.random.pick(&NAMES)),
            3 => drop(pairs.remove(index)),
            4 => pairs.insert(index, pairs[index].clone()),
            5 => pairs.extend(["colour=red".into(), "channel=a".into(), "colour=blue".into()]),
            _ => wire.method = self.random.pick(&["GET", "POST", "PUT"]).into(),
        }
        wire.query = pairs.join("&");
    }

    fn topic(&mut self) -> &'static str {
        self.random.pick(&TOPICS)
    }

    /// A topic and a channel, as a query.
    fn place(&mut self) -> String {
        format!("topic={}&channel={}", self.topic(), self.random.pick(&CHANNELS))
    }

    /// A parameter, so many times in a hundred.
    fn maybe(&mut self, percent: u64, name: &str, values: &[&str]) -> String {
        if self.random.percent(percent) { format!("&{name}={}", self.random.pick(values)) } else { String::new() }
    }

    fn body(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => Vec::new(),
            1 => vec![b'x'; 200],
            2 => vec![b'x'; 201],
            3 => vec![0xff, 0x00, b'\n'],
            n => format!("m{}{}", self.ops.len(), "-".repeat(n as usize % 12)).into_bytes(),
        }
    }

    fn message_options(&mut self) -> String {
        let mut options = self.maybe(12, "defer", &DURATIONS);
        options += &self.maybe(30, "key", &["k", "k", "l", "a%20b%25%2C"]);
        options += &self.maybe(12, "ttl", &["1", "1s", "10s", "2m", "1h"]);
        options + &self.maybe(6, "dedup", &["p", "q", "s"])
    }

    fn message_headers(&mut self) -> Vec<(String, String)> {
        let known = [
            ("content-type", "text/plain"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("traceparent", "00-1-2-03"),
            ("ce-id", "7"),
            ("shelf-meta-a", "b c"),
            ("idempotency-key", "s"),
            ("accept", "application/json"),
            ("user-agent", "curl"),
        ];
        let mut headers = Vec::new();
        while self.random.percent(25) {
            let (name, value) = self.random.pick(&known);
            if headers.iter().all(|(other, _)| other != name) {
                headers.push((name.into(), value.into()));
            }
        }
        headers
    }

    fn publish(&mut self) -> Template {
        let query = format!("topic={}{}", self.topic(), self.message_options());
        let (headers, body) = (self.message_headers(), self.body());
        with_body(plain("POST", "/pub", &query), headers, body)
    }

    fn batch(&mut self) -> Template {
        let query = format!("topic={}{}{}", self.topic(), self.message_options(), self.maybe(5, "binary", &["0"]));
        let mut body = Vec::new();
        for _ in 0..self.random.below(8) {
            body.extend(self.body());
            body.push(b'\n');
        }
        let headers = self.message_headers();
        with_body(plain("POST", "/mpub", &query), headers, body)
    }

    fn binary_batch(&mut self) -> Template {
        let query = format!("topic={}&binary=true{}", self.topic(), self.message_options());
        let count = self.random.below(5) as u32;
        let mut body = count.to_be_bytes().to_vec();
        for _ in 0..count {
            let message = self.body();
            body.extend((message.len() as u32).to_be_bytes());
            body.extend(message);
        }
        if self.random.percent(10) {
            body.truncate(self.random.below(body.len() as u64 + 1) as usize);
        }
        with_body(plain("POST", "/mpub", &query), Vec::new(), body)
    }

    fn json_batch(&mut self) -> Template {
        let query = format!("topic={}{}", self.topic(), self.message_options());
        let lines: Vec<_> = (0..self.random.below(6)).map(|_| self.json_line()).collect();
        let mut headers = self.message_headers();
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".into(), "application/x-ndjson".into()));
        with_body(plain("POST", "/mpub", &query), headers, lines.join("\n").into_bytes())
    }

    fn json_line(&mut self) -> String {
        let at = self.ops.len();
        let body = match self.random.below(40) {
            0 => "".into(),
            1 => "{\"body\":".into(),
            2 => "{\"key\":\"k\"}".into(),
            3 => "{\"body\":\"\"}".into(),
            4 => "{\"body\":\"x\",\"headers\":{\"Authorization\":\"x\"}}".into(),
            5 => "[1]".into(),
            6..=9 => "{\"body_base64\":\"AP8=\"".into(),
            _ => format!("{{\"body\":\"j{at}\""),
        };
        if body.is_empty() || body.ends_with([':', '}', ']']) {
            return body;
        }
        let fields = [
            ",\"defer\":1000",
            ",\"defer\":\"5s\"",
            ",\"key\":\"k\"",
            ",\"ttl\":\"10s\"",
            ",\"ttl\":\"soon\"",
            ",\"headers\":{\"Ce-Type\":\"z\"}",
            ",\"dedup\":\"p\"",
            ",\"dedup\":\"q\"",
            ",\"key\":\"l\"",
        ];
        let field = if self.random.percent(50) { self.random.pick(&fields) } else { "" };
        format!("{body}{field}}}")
    }

    fn subscribe(&mut self) -> Template {
        let mut query = self.place();
        query += &self.maybe(50, "max", &["1", "2", "3", "10"]);
        query += &self.maybe(70, "wait", &["0", "0", "0", "1", "1s", "20s", "2m"]);
        query += &self.maybe(40, "timeout", &["1", "1s", "5s", "2m", "15m"]);
        query += &self.maybe(10, "ack", &["auto", "explicit"]);
        query += &self.maybe(15, "fin", &["{live:0}", "{any:1}", "{live:0},{any:3}", "1-1", "x"]);
        query += &self.maybe(20, "format", &["raw", "json", "ndjson", "frames"]);
        query += &self.maybe(20, "client", &["anna", "bert"]);
        let mut template = plain(self.random.pick(&["GET", "POST"]), "/sub", &query);
        if self.random.percent(15) {
            let accept =
                self.random.pick(&["application/x-ndjson", "image/png, application/json;q=0.5", "*/*", "text/plain"]);
            template.wire.headers.push(("accept".into(), accept.into()));
        }
        if template.wire.method == "POST" && self.random.percent(20) {
            template.wire.body = b"{live:0}\n{any:2}\n".into();
        }
        template
    }

    fn stream(&mut self) -> Template {
        let mut query = self.place();
        query +=
            self.random.pick(&["&format=sse", "&format=ndjson&stream=true", "&format=sse&stream=true", "&stream=true"]);
        query += &self.maybe(60, "max", &["1", "2", "5"]);
        query += &self.maybe(30, "ack", &["auto"]);
        query += &self.maybe(30, "timeout", &["1s", "5s"]);
        let slow = self.random.percent(30);
        Template { slow, ..plain("GET", "/sub", &query) }
    }

    fn receipts(&mut self) -> String {
        let n = self.random.below(6);
        match self.random.below(12) {
            0..=4 => format!("{{live:{n}}}"),
            5 => format!("{{live:0}},{{live:{n}}}"),
            6..=8 => format!("{{any:{}}}", self.random.below(40)),
            9 => format!("{{other:{n}}},{{live:1}}"),
            10 => self.random.pick(&["nonsense", "1-1", "2-", "99-1,{live:0}"]).into(),
            _ => format!("{{live:{n}}},{{live:{n}}}"),
        }
    }

    fn fin(&mut self) -> Template {
        let query = format!("{}&receipt={}", self.place(), self.receipts());
        plain("POST", "/fin", &query)
    }

    fn req(&mut self) -> Template {
        let defer = self.maybe(50, "defer", &["0", "1s", "1m", "2h", "500"]);
        let query = format!("{}&receipt={}{defer}", self.place(), self.receipts());
        plain("POST", "/req", &query)
    }

    fn touch(&mut self) -> Template {
        let timeout = self.maybe(60, "timeout", &["1", "10s", "15m", "16m", "5m"]);
        let mut template = plain("POST", "/touch", &format!("{}{timeout}", self.place()));
        template.wire.body = self.receipts().replace(',', "\n").into_bytes();
        template
    }

    fn settle(&mut self) -> Template {
        let body = self.random.pick(&[
            "{\"fin\":[\"{live:0}\"],\"req\":[{\"receipt\":\"{live:1}\",\"defer\":\"5s\"}],\"touch\":[\"{live:2}\"]}",
            "{\"req\":[{\"receipt\":\"{any:5}\"},\"{live:0}\"],\"touch\":[{\"receipt\":\"{any:1}\",\"timeout\":90000}]}",
            "{\"fin\":[\"{live:0}\",\"{any:3}\",\"x\"]}",
            "{\"touch\":[{\"receipt\":\"{live:0}\",\"timeout\":\"1d\"}]}",
            "{}",
            "{\"fin\":\"{live:0}\"}",
            "fin it",
        ]);
        let place = self.place();
        with_body(plain("POST", "/settle", &place), Vec::new(), body.into())
    }

    fn topic_options(&mut self) -> Template {
        let mut query = format!("topic={}", self.random.pick(&["t", "u", "u", "e%23ephemeral", "d"]));
        query += &self.maybe(50, "max_messages", &["0", "5", "12", "0"]);
        query += &self.maybe(40, "max_bytes", &["0", "50", "200"]);
        query += &self.maybe(50, "overflow", &["reject", "drop_oldest"]);
        plain("POST", self.random.pick(&["/topic/create", "/topic/config"]), &query)
    }

    fn channel_options(&mut self) -> Template {
        let mut query = self.place();
        query += &self.maybe(30, "timeout", &["1s", "10s", "2m"]);
        query += &self.maybe(40, "max_attempts", &["0", "1", "2", "3"]);
        query += &self.maybe(30, "max_in_flight", &["0", "0", "1", "3"]);
        query += &self.maybe(40, "ordered", &["true", "true", "false"]);
        query += &self.maybe(25, "dead_letter", &["d", "d", "", "u"]);
        let path = self.random.pick(&["/channel/create", "/channel/config"]);
        if path == "/channel/create" && self.random.percent(50) {
            query += &format!("&start={}", self.start());
        }
        plain("POST", path, &query)
    }

    /// A place to start at or to go to.
    fn start(&mut self) -> String {
        match self.random.below(6) {
            0 | 1 => "earliest".into(),
            2 => "latest".into(),
            3 | 4 => format!("{:016x}", self.random.below(60)),
            _ => {
                let seconds = self.random.below(self.elapsed / 1_000_000_000 + 2);
                let (minutes, hours) = (seconds / 60, seconds / 3600);
                let day = 1 + hours / 24;
                format!("2026-01-{day:02}T{:02}:{:02}:{:02}.5Z", hours % 24, minutes % 60, seconds % 60)
            }
        }
    }

    fn delete_topic(&mut self) -> Template {
        let topic = self.random.pick(&["u", "e%23ephemeral", "t", "d", "nobody"]);
        plain("POST", "/topic/delete", &format!("topic={topic}"))
    }

    fn delete_channel(&mut self) -> Template {
        let place = self.place();
        plain("POST", "/channel/delete", &place)
    }

    /// More is unpaused than paused.
    fn pause(&mut self) -> Template {
        let path = self.random.pick(&[
            "/topic/pause",
            "/channel/pause",
            "/topic/unpause",
            "/channel/unpause",
            "/topic/unpause",
            "/channel/unpause",
        ]);
        let place = self.place();
        plain("POST", path, &place)
    }

    fn empty(&mut self) -> Template {
        let place = self.place();
        plain("POST", self.random.pick(&["/topic/empty", "/channel/empty"]), &place)
    }

    fn seek(&mut self) -> Template {
        let query = format!("{}&to={}", self.place(), self.start());
        plain("POST", "/channel/seek", &query)
    }

    fn redrive(&mut self) -> Template {
        let query = self.place() + &self.maybe(40, "id", &["1,2,3", "4", "0000000000000007", "9&id=a,b", "x"]);
        plain("POST", "/channel/redrive", &query)
    }

    fn empty_dead(&mut self) -> Template {
        let place = self.place();
        plain("POST", "/dead/empty", &place)
    }

    fn peek(&mut self) -> Template {
        if self.random.percent(20) {
            let query = self.place() + &self.maybe(50, "max", &["1", "3"]);
            return plain("GET", "/dead", &query);
        }
        let mut query = format!("topic={}", self.topic());
        query += &self.maybe(70, "channel", &["a", "b", "nobody"]);
        query += &self.maybe(50, "from", &["1", "a", "0000000000000010"]);
        query += &self.maybe(30, "max", &["1", "2", "100"]);
        query += &self.maybe(60, "state", &["ready", "in_flight", "deferred", "dead"]);
        plain("GET", "/peek", &query)
    }

    fn stats(&mut self) -> Template {
        let mut query = String::from("format=json");
        query += &self.maybe(50, "topic", &["t", "u", "nobody"]);
        query += &self.maybe(40, "channel", &["a", "b", "nobody"]);
        plain("GET", "/stats", &query)
    }

    fn lists(&mut self) -> Template {
        let topic = self.topic();
        self.random.pick(&[("/topics", ""), ("/channels", "topic=")]);
        if self.random.percent(50) {
            plain("GET", "/topics", "")
        } else {
            plain("GET", "/channels", &format!("topic={topic}"))
        }
    }

    fn nonsense(&mut self) -> Template {
        let (method, path) = self.random.pick(&[
            ("GET", "/nothing"),
            ("POST", "/stats"),
            ("PUT", "/pub"),
            ("GET", "/fin"),
            ("POST", "/pub/"),
        ]);
        plain(method, path, "topic=t&channel=a")
    }
}

fn plain(method: &str, path: &str, query: &str) -> Template {
    let peer = "10.0.0.9:99".into();
    let wire = Wire { method: method.into(), path: path.into(), query: query.into(), peer, ..Wire::default() };
    Template { wire, slow: false }
}

fn with_body(mut template: Template, headers: Vec<(String, String)>, body: Vec<u8>) -> Template {
    (template.wire.headers, template.wire.body) = (headers, body);
    template
}
