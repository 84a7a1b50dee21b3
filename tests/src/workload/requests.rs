//! The kinds of requests.

use super::ops::{Maker, Template};
use crate::model::Wire;

const TOPICS: [&str; 10] = ["t", "t", "t", "t", "t", "u", "u", "r", "e%23ephemeral", "d"];
const CHANNELS: [&str; 7] = ["a", "a", "a", "a", "b", "b", "x%23ephemeral"];
const DURATIONS: [&str; 9] = ["0", "1", "500ms", "1s", "5000", "30s", "2m", "15m", "1h"];

/// What makes one kind of request.
pub(super) type Kind = fn(&mut Maker) -> Template;

/// The kinds of requests, with their weights.
pub(super) const KINDS: [(u64, Kind); 23] = [
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
        with_body(Template::plain("POST", "/pub", &query), headers, body)
    }

    fn batch(&mut self) -> Template {
        let query = format!("topic={}{}{}", self.topic(), self.message_options(), self.maybe(5, "binary", &["0"]));
        let mut body = Vec::new();
        for _ in 0..self.random.below(8) {
            body.extend(self.body());
            body.push(b'\n');
        }
        let headers = self.message_headers();
        with_body(Template::plain("POST", "/mpub", &query), headers, body)
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
        with_body(Template::plain("POST", "/mpub", &query), Vec::new(), body)
    }

    fn json_batch(&mut self) -> Template {
        let query = format!("topic={}{}", self.topic(), self.message_options());
        let lines: Vec<_> = (0..self.random.below(6)).map(|_| self.json_line()).collect();
        let mut headers = self.message_headers();
        headers.retain(|(name, _)| name != "content-type");
        headers.push(("content-type".into(), "application/x-ndjson".into()));
        with_body(Template::plain("POST", "/mpub", &query), headers, lines.join("\n").into_bytes())
    }

    fn json_line(&mut self) -> String {
        let at = self.ops.len();
        let body = match self.random.below(40) {
            0 => String::new(),
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
        let mut template = Template::plain(self.random.pick(&["GET", "POST"]), "/sub", &query);
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
        query += &self.maybe(30, "timeout", &["5s", "30s"]);
        let slow = self.random.percent(30);
        Template { slow, ..Template::plain("GET", "/sub", &query) }
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
        Template::plain("POST", "/fin", &query)
    }

    fn req(&mut self) -> Template {
        let defer = self.maybe(50, "defer", &["0", "1s", "1m", "2h", "1m30s", "500"]);
        let query = format!("{}&receipt={}{defer}", self.place(), self.receipts());
        Template::plain("POST", "/req", &query)
    }

    fn touch(&mut self) -> Template {
        let timeout = self.maybe(60, "timeout", &["1", "10s", "15m", "16m", "5m"]);
        let mut template = Template::plain("POST", "/touch", &format!("{}{timeout}", self.place()));
        let separator = self.random.pick(&["\n", ",", " , \n"]);
        template.wire.body = self.receipts().replace(',', separator).into_bytes();
        template
    }

    fn settle(&mut self) -> Template {
        let body = self.random.pick(&[
            "{\"fin\":[\"{live:0}\"],\"req\":[{\"receipt\":\"{live:1}\",\"defer\":\"5s\"}],\"touch\":[\"{live:2}\"]}",
            "{\"req\":[{\"receipt\":\"{any:5}\"},\"{live:0}\"],\"touch\":[{\"receipt\":\"{any:1}\",\"timeout\":90000}]}",
            "{\"fin\":[\"{live:0}\",\"{any:3}\",\"x\"]}",
            "{\"touch\":[{\"receipt\":\"{live:0}\",\"timeout\":\"1d\"}]}",
            "{}",
            "{\"fin\":[{\"receipt\":\"{live:0}\"},\"{any:2}\"],\"req\":null,\"touch\":null}",
            "{\"fin\":\"{live:0}\"}",
            "fin it",
        ]);
        let place = self.place();
        with_body(Template::plain("POST", "/settle", &place), Vec::new(), body.into())
    }

    fn topic_options(&mut self) -> Template {
        let mut query = format!("topic={}", self.random.pick(&["t", "u", "u", "e%23ephemeral", "d"]));
        query += &self.maybe(50, "max_messages", &["0", "5", "12", "0"]);
        query += &self.maybe(40, "max_bytes", &["0", "50", "200"]);
        query += &self.maybe(50, "overflow", &["reject", "drop_oldest"]);
        Template::plain("POST", self.random.pick(&["/topic/create", "/topic/config"]), &query)
    }

    fn channel_options(&mut self) -> Template {
        let mut query = self.place();
        query += &self.maybe(30, "timeout", &["1s", "10s", "2m"]);
        query += &self.maybe(40, "max_attempts", &["0", "1", "2", "3"]);
        query += &self.maybe(30, "max_in_flight", &["0", "0", "1", "3"]);
        query += &self.maybe(40, "ordered", &["true", "True", "false"]);
        // One channel alone: in which order the dead letters of several arrive that die at one moment is not said.
        if query.starts_with("topic=t&channel=a") {
            query += &self.maybe(40, "dead_letter", &["d", "d", "", "u"]);
        }
        let path = self.random.pick(&["/channel/create", "/channel/config"]);
        if path == "/channel/create" && self.random.percent(50) {
            query = format!("{query}&start={}", self.start());
        }
        Template::plain("POST", path, &query)
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
        Template::plain("POST", "/topic/delete", &format!("topic={topic}"))
    }

    fn delete_channel(&mut self) -> Template {
        let place = self.place();
        Template::plain("POST", "/channel/delete", &place)
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
        Template::plain("POST", path, &place)
    }

    fn empty(&mut self) -> Template {
        let place = self.place();
        Template::plain("POST", self.random.pick(&["/topic/empty", "/channel/empty"]), &place)
    }

    fn seek(&mut self) -> Template {
        let query = format!("{}&to={}", self.place(), self.start());
        Template::plain("POST", "/channel/seek", &query)
    }

    fn redrive(&mut self) -> Template {
        let query = self.place()
            + &self.maybe(
                40,
                "id",
                &[
                    "0000000000000001,0000000000000002,0000000000000003",
                    "0000000000000004",
                    "0000000000000009&id=000000000000000A,000000000000000b",
                    "7",
                    "x",
                ],
            );
        Template::plain("POST", "/channel/redrive", &query)
    }

    fn empty_dead(&mut self) -> Template {
        let place = self.place();
        Template::plain("POST", "/dead/empty", &place)
    }

    fn peek(&mut self) -> Template {
        if self.random.percent(20) {
            let query = self.place() + &self.maybe(50, "max", &["1", "3"]);
            return Template::plain("GET", "/dead", &query);
        }
        let mut query = format!("topic={}", self.topic());
        query += &self.maybe(70, "channel", &["a", "b", "nobody"]);
        query += &self.maybe(50, "from", &["0000000000000001", "000000000000000A", "0000000000000010", "10"]);
        query += &self.maybe(30, "max", &["1", "2", "100"]);
        query += &self.maybe(60, "state", &["ready", "in_flight", "deferred", "dead"]);
        Template::plain("GET", "/peek", &query)
    }

    fn stats(&mut self) -> Template {
        let mut query = String::from("format=json");
        query += &self.maybe(50, "topic", &["t", "u", "nobody"]);
        query += &self.maybe(40, "channel", &["a", "b", "nobody"]);
        Template::plain("GET", "/stats", &query)
    }

    fn lists(&mut self) -> Template {
        let topic = self.topic();
        if self.random.percent(50) {
            Template::plain("GET", "/topics", "")
        } else {
            Template::plain("GET", "/channels", &format!("topic={topic}"))
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
        Template::plain(method, path, "topic=t&channel=a")
    }
}

impl Template {
    /// A request without header fields and body.
    pub(super) fn plain(method: &str, path: &str, query: &str) -> Template {
        let peer = "10.0.0.9:99".into();
        let wire = Wire { method: method.into(), path: path.into(), query: query.into(), peer, ..Wire::default() };
        Template { wire, slow: false }
    }
}

fn with_body(mut template: Template, headers: Vec<(String, String)>, body: Vec<u8>) -> Template {
    (template.wire.headers, template.wire.body) = (headers, body);
    template
}
