//! What a request asks for.

use super::answer::{Answer, Fail};
use super::channel::Channel;
use super::request::{Query, Wire, boolean, duration, id, is_name, number};
use super::{Model, Nanos, Ticket};

type Outcome = Result<Option<Answer>, Fail>;

/// A place in a topic.
#[derive(Clone, Copy, Debug)]
enum Start {
    Earliest,
    Latest,
    Id(u64),
    Time(Nanos),
}

/// The methods and parameters of a path.
fn route(path: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    const GET: &[&str] = &["GET"];
    const POST: &[&str] = &["POST"];
    const TOPIC: &[&str] =
        &["topic", "retain", "retain_bytes", "max_bytes", "max_messages", "overflow", "dedup_window"];
    const CREATE: &[&str] =
        &["topic", "channel", "timeout", "max_attempts", "max_in_flight", "ordered", "dead_letter", "start"];
    const SUB: &[&str] =
        &["topic", "channel", "max", "max_bytes", "wait", "timeout", "ack", "fin", "format", "client", "stream"];
    Some(match path {
        "/pub" => (POST, &["topic", "defer", "key", "dedup", "ttl", "producer", "seq"]),
        "/mpub" => (POST, &["topic", "binary", "defer", "key", "dedup", "ttl"]),
        "/sub" => (&["GET", "POST"], SUB),
        "/fin" => (POST, &["topic", "channel", "receipt"]),
        "/req" => (POST, &["topic", "channel", "receipt", "defer"]),
        "/touch" => (POST, &["topic", "channel", "receipt", "timeout"]),
        "/topic/create" | "/topic/config" => (POST, TOPIC),
        "/topic/delete" | "/topic/empty" | "/topic/pause" | "/topic/unpause" => (POST, &["topic"]),
        "/channel/create" => (POST, CREATE),
        "/channel/config" => (POST, &CREATE[..7]),
        "/settle" | "/dead/empty" | "/channel/delete" | "/channel/empty" | "/channel/pause" | "/channel/unpause" => {
            (POST, &["topic", "channel"])
        }
        "/channel/seek" => (POST, &["topic", "channel", "to"]),
        "/channel/redrive" => (POST, &["topic", "channel", "id"]),
        "/dead" => (GET, &["topic", "channel", "from", "max", "max_bytes"]),
        "/peek" => (GET, &["topic", "channel", "from", "max", "max_bytes", "state"]),
        "/stats" => (
            GET,
            &[
                "format",
                "topic",
                "channel",
                "include_clients",
                "include_mem",
                "search",
                "sort",
                "order",
                "offset",
                "max",
            ],
        ),
        "/channels" => (GET, &["topic"]),
        "/topics" => (GET, &[]),
        _ => return None,
    })
}

impl Model {
    /// Does what a request asks. The names of its parameters that nobody knows go with the answer.
    pub(super) fn route(&mut self, ticket: Ticket, wire: &Wire) -> (Option<String>, Outcome) {
        if let Err(too_big) = self.limit_body(wire) {
            return (None, Err(too_big));
        }
        let Some((methods, known)) = route(&wire.path) else { return (None, Err("NOT_FOUND".into())) };
        if !methods.contains(&wire.method.as_str()) {
            return (None, Err("METHOD_NOT_ALLOWED".into()));
        }
        if wire.path == "/pub" && wire.body.is_empty() {
            return (None, Err("MSG_EMPTY".into()));
        }
        let query = Query::parse(&wire.query);
        let ignored = query.as_ref().and_then(|query| query.unknown(known));
        let outcome = match (wire.path.as_str(), query) {
            ("/pub", query) => self.publish(query, wire).map(Some),
            ("/mpub", query) => self.publish_many(query, wire).map(Some),
            (_, None) => Err("INVALID_REQUEST".into()),
            ("/sub", Some(query)) => self.subscribe(ticket, &query, wire, ignored.as_deref()).map(|()| None),
            (_, Some(query)) => self.simple(&query, wire).map(Some),
        };
        (ignored, outcome)
    }

    /// What is too long is refused before anything else is looked at: a host does not even read it.
    fn limit_body(&self, wire: &Wire) -> Result<(), Fail> {
        match wire.path.as_str() {
            "/pub" if wire.body.len() > self.at.limits.max_msg_size => Err("MSG_TOO_BIG".into()),
            "/pub" => Ok(()),
            _ if wire.body.len() > self.at.limits.max_body_size => Err("BODY_TOO_BIG".into()),
            _ => Ok(()),
        }
    }

    fn simple(&mut self, query: &Query, wire: &Wire) -> Result<Answer, Fail> {
        match wire.path.as_str() {
            "/fin" => self.settle_some(0, query, wire),
            "/req" => self.settle_some(1, query, wire),
            "/touch" => self.settle_some(2, query, wire),
            "/settle" => self.settle_all(query, wire),
            "/peek" => self.peek(query),
            "/dead" => self.dead(query),
            "/stats" => Ok(self.stats(query)),
            "/topics" => Ok(Answer::json(serde_json::json!({ "topics": self.topics.keys().collect::<Vec<_>>() }))),
            "/channels" => self.list_channels(query),
            path if path.starts_with("/topic/") => self.topic_verb(path, query),
            path => self.channel_verb(path, query),
        }
    }

    fn list_channels(&self, query: &Query) -> Result<Answer, Fail> {
        let name = query.get("topic").ok_or(Fail::from("MISSING_ARG_TOPIC"))?;
        let channels: Vec<_> = self.topics.get(name).iter().flat_map(|topic| topic.channels.keys()).collect();
        Ok(Answer::json(serde_json::json!({ "channels": channels })))
    }

    fn topic_verb(&mut self, path: &str, query: &Query) -> Result<Answer, Fail> {
        let name = query.get("topic").ok_or(Fail::from("MISSING_ARG_TOPIC"))?.to_owned();
        if ["/topic/create", "/topic/empty", "/topic/config"].contains(&path) && !is_name(&name) {
            return Err("INVALID_TOPIC".into());
        }
        match path {
            "/topic/create" | "/topic/config" => return self.configure_topic(path, &name, query),
            "/topic/empty" => {
                self.topic(&name)?;
                let topic = self.topics.get_mut(&name).expect("it was just found");
                topic.empty(&mut self.at);
            }
            "/topic/delete" => self.delete_topic(&name)?,
            _ => {
                self.topic(&name)?.paused = path == "/topic/pause";
                let topic = self.topics.get_mut(&name).expect("it was just found");
                topic.hand_over(&mut self.at);
            }
        }
        Ok(Answer::done())
    }

    fn configure_topic(&mut self, path: &str, name: &str, query: &Query) -> Result<Answer, Fail> {
        let retain = query.read("retain", "INVALID_RETAIN", duration)?;
        let retain_bytes = query.read("retain_bytes", "INVALID_RETAIN_BYTES", number)?;
        let max_bytes = query.read("max_bytes", "INVALID_MAX_BYTES", number)?;
        let max_messages = query.read("max_messages", "INVALID_MAX_MESSAGES", number)?;
        let overflow = |text: &str| ["reject", "drop_oldest"].iter().position(|known| *known == text);
        let overflow = query.read("overflow", "INVALID_OVERFLOW", overflow)?;
        let topic = if path == "/topic/create" { self.create_topic(name) } else { self.topic(name)? };
        let options = &mut topic.options;
        options.retain = retain.unwrap_or(options.retain);
        options.retain_bytes = retain_bytes.unwrap_or(options.retain_bytes);
        options.max_bytes = max_bytes.unwrap_or(options.max_bytes);
        options.max_messages = max_messages.unwrap_or(options.max_messages);
        options.drop_oldest = overflow.map_or(options.drop_oldest, |which| which == 1);
        Ok(Answer::done())
    }

    fn delete_topic(&mut self, name: &str) -> Result<(), Fail> {
        let mut topic = self.topics.remove(name).ok_or(Fail::from("TOPIC_NOT_FOUND"))?;
        for channel in topic.channels.values_mut() {
            channel.dismiss(&Answer::error(&"TOPIC_NOT_FOUND".into()), &mut self.events);
        }
        Ok(())
    }

    fn channel_verb(&mut self, path: &str, query: &Query) -> Result<Answer, Fail> {
        let (topic, name) = (arg_topic(query)?, arg_channel(query)?);
        match path {
            "/channel/create" | "/channel/config" => return self.configure_channel(path, &topic, &name, query),
            "/channel/seek" => return self.seek(&topic, &name, query),
            "/channel/redrive" => return self.redrive(&topic, &name, query),
            "/dead/empty" => {
                let dropped = self.channel(&topic, &name)?.drop_dead();
                return Ok(Answer::json(serde_json::json!({ "dropped": dropped })));
            }
            _ => {}
        }
        let channel = self.channel(&topic, &name)?;
        match path {
            "/channel/delete" => self.delete_channel(&topic, &name),
            "/channel/empty" => channel.empty(),
            _ => channel.paused = path == "/channel/pause",
        }
        Ok(Answer::done())
    }

    fn seek(&mut self, topic: &str, name: &str, query: &Query) -> Result<Answer, Fail> {
        let to = query.get("to").ok_or(Fail::from("MISSING_ARG_TO"))?;
        let to = start(to).ok_or(Fail::from("INVALID_TO"))?;
        self.channel(topic, name)?;
        let topic = self.topics.get_mut(topic).expect("it was just found");
        let position = topic.resolve(to, self.at.now)?;
        topic.seek(name, position, &mut self.at);
        Ok(Answer::json(serde_json::json!({ "position": super::answer::id_text(position) })))
    }

    fn redrive(&mut self, topic: &str, name: &str, query: &Query) -> Result<Answer, Fail> {
        let ids: Option<Vec<u64>> = query.list("id").iter().map(|text| id(text)).collect();
        let ids = ids.ok_or(Fail::from("INVALID_ID"))?;
        let now = self.at.now;
        let wanted = query.get("id").map(|_| ids.as_slice());
        let redriven = self.channel(topic, name)?.redrive(wanted, now);
        Ok(Answer::json(serde_json::json!({ "redriven": redriven })))
    }

    fn configure_channel(&mut self, path: &str, topic: &str, name: &str, query: &Query) -> Result<Answer, Fail> {
        let start_at = query.read("start", "INVALID_START", start)?.filter(|_| path == "/channel/create");
        let max = self.at.limits.max_msg_timeout;
        let timeout =
            query.read("timeout", "INVALID_TIMEOUT", |text| duration(text).filter(|at| *at > 0 && *at <= max))?;
        let small = |text: &str| number(text).and_then(|n| u16::try_from(n).ok());
        let max_attempts = query.read("max_attempts", "INVALID_MAX_ATTEMPTS", small)?;
        let medium = |text: &str| number(text).filter(|n| u32::try_from(*n).is_ok());
        let max_in_flight = query.read("max_in_flight", "INVALID_MAX_IN_FLIGHT", medium)?;
        let ordered = query.read("ordered", "INVALID_ORDERED", boolean)?;
        let letters = |text: &str| (text.is_empty() || (is_name(text) && text != topic)).then(|| text.to_owned());
        let dead_letter = query.read("dead_letter", "INVALID_DEAD_LETTER", letters)?;
        self.topic(topic)?;
        if path == "/channel/create" {
            self.create_channel_at(topic, name, start_at)?;
        }
        let channel = self.channel(topic, name)?;
        let options = &mut channel.options;
        options.timeout = timeout.unwrap_or(options.timeout);
        options.max_attempts = max_attempts.unwrap_or(options.max_attempts);
        options.max_in_flight = max_in_flight.unwrap_or(options.max_in_flight);
        if let Some(to) = dead_letter {
            let before = options.dead_letter.take();
            options.dead_letter = Some(to).filter(|to| !to.is_empty());
            if options.dead_letter != before {
                (channel.outbox, channel.again_at, channel.refusals) = (channel.dead_ids(), None, 0);
                channel.refused.clear();
            }
        }
        if let Some(ordered) = ordered {
            channel.set_ordered(ordered);
        }
        Ok(Answer::done())
    }

    /// Makes sure that topic and channel are there.
    pub(super) fn create_channel(&mut self, topic: &str, name: &str) {
        self.create_topic(topic);
        self.create_channel_at(topic, name, None).expect("the topic's own place is one");
    }

    fn create_channel_at(&mut self, topic: &str, name: &str, start: Option<Start>) -> Result<(), Fail> {
        let topic = self.topics.get_mut(topic).expect("the topic is there");
        if topic.channels.contains_key(name) {
            return Ok(());
        }
        let position = start.map_or(Ok(topic.flow), |start| topic.resolve(start, self.at.now))?;
        let mut channel = Channel::new(name, self.at.count());
        channel.start(position, &topic.messages[..topic.flow as usize - 1], &mut self.at);
        topic.channels.insert(name.into(), channel);
        topic.hand_over(&mut self.at);
        Ok(())
    }
}

impl super::topic::Topic {
    /// Where a place is, among the messages that a channel can have.
    fn resolve(&self, start: Start, now: Nanos) -> Result<u64, Fail> {
        let latest = self.end();
        let id = match start {
            Start::Earliest => 0,
            Start::Latest => latest,
            Start::Id(id) if id > latest => return Err("ID_PAST_END".into()),
            Start::Id(id) => id,
            Start::Time(time) => self.at_time(time),
        };
        Ok(id.clamp(self.earliest(now), latest))
    }
}

fn start(text: &str) -> Option<Start> {
    match text {
        "earliest" => Some(Start::Earliest),
        "latest" => Some(Start::Latest),
        text => id(text).map(Start::Id).or_else(|| rfc3339(text).map(Start::Time)),
    }
}

/// A time as the workload writes it: always in UTC, with or without a fraction.
fn rfc3339(text: &str) -> Option<Nanos> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts = |text: &str, by: char| text.split(by).map(number).collect::<Option<Vec<u64>>>();
    let [year, month, day]: [u64; 3] = parts(date, '-')?.try_into().ok()?;
    let [hour, minute, second]: [u64; 3] = parts(clock, ':')?.try_into().ok()?;
    let leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let years: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(month.checked_sub(1)? as usize).sum();
    let seconds = ((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + number(&format!("{fraction:0<9}"))?)
}

pub(super) fn arg_topic(query: &Query) -> Result<String, Fail> {
    let name = query.get("topic").ok_or(Fail::from("MISSING_ARG_TOPIC"))?;
    if is_name(name) { Ok(name.into()) } else { Err("INVALID_ARG_TOPIC".into()) }
}

pub(super) fn arg_channel(query: &Query) -> Result<String, Fail> {
    let name = query.get("channel").ok_or(Fail::from("MISSING_ARG_CHANNEL"))?;
    if is_name(name) { Ok(name.into()) } else { Err("INVALID_ARG_CHANNEL".into()) }
}
