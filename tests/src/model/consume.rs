//! `/sub`, and settling what it leased.

use serde_json::{Value, json};

use super::answer::{Answer, Fail, Format};
use super::leases::Verb;
use super::polls::Poller;
use super::request::{Query, Wire, accepted, boolean, duration, number, usual};
use super::{Model, Nanos, Ticket};

/// What became of some receipts.
#[derive(Debug, Default)]
struct Settled {
    done: [u64; 3],
    refused: Vec<(String, &'static str)>,
}

impl Settled {
    fn refused(&self) -> Value {
        self.refused.iter().map(|(receipt, reason)| json!({ "receipt": receipt, "reason": reason })).collect()
    }

    /// What is told of the counts of these names.
    fn told(&self, names: &[&str], counts: &[u64]) -> Answer {
        let mut value: Value =
            names.iter().zip(counts).map(|(name, count)| (String::from(*name), json!(count))).collect();
        if !self.refused.is_empty() {
            value["refused"] = self.refused();
            value["refused_count"] = self.refused.len().into();
        }
        Answer::json(value)
    }
}

/// One thing to settle: its place among `fin`, `req` and `touch`, its receipt, and what is to be done.
type Task = (usize, String, Verb);

const FAILED: [&str; 3] = ["FIN_FAILED", "REQ_FAILED", "TOUCH_FAILED"];

impl Model {
    pub(super) fn subscribe(
        &mut self,
        ticket: Ticket,
        query: &Query,
        wire: &Wire,
        ignored: Option<&str>,
    ) -> Result<(), Fail> {
        let (topic, name) = (super::routes::arg_topic(query)?, super::routes::arg_channel(query)?);
        let mut poller = self.poller(ticket, query, wire)?;
        poller.ignored = ignored.map(Into::into);
        let receipts = receipts(query, "fin", wire);
        self.create_channel(&topic, &name);
        let tasks = receipts.into_iter().map(|receipt| (0, receipt, Verb::Finish)).collect();
        let settled = self.settle_tasks(&topic, &name, tasks)?;
        poller.refused = settled.refused.into_iter().map(|(receipt, _)| receipt).collect();
        let topic = self.topics.get_mut(&topic).expect("it was just made");
        let channel = topic.channels.get_mut(&name).expect("it was just made");
        channel.poll(poller, &topic.messages, &mut self.at, &mut self.events);
        Ok(())
    }

    /// What a poll asks for.
    fn poller(&self, ticket: Ticket, query: &Query, wire: &Wire) -> Result<Poller, Fail> {
        let limits = &self.at.limits;
        let max = query.read("max", "INVALID_MAX", |text| number(text).filter(|max| (1..=10_000).contains(max)))?;
        let wait = |text: &str| duration(text).filter(|wait| *wait <= limits.max_wait);
        let wait = query.read("wait", "INVALID_WAIT", wait)?.unwrap_or(25_000_000_000);
        let timeout = self.timeout_param(query)?;
        let auto = |text: &str| ["explicit", "auto"].iter().position(|known| *known == text);
        let auto_finish = query.read("ack", "INVALID_ACK", auto)? == Some(1);
        let max = max.unwrap_or(1);
        let format = format(query, wire, max)?;
        let client = |text: &str| Some(text.to_owned()).filter(|text| text.len() <= 256);
        let client = query.read("client", "INVALID_CLIENT", client)?.filter(|name| !name.is_empty());
        let is_stream = match (format, query.read("stream", "INVALID_STREAM", boolean)?) {
            (Format::Sse, _) | (Format::Ndjson, Some(true)) => true,
            (_, Some(true)) => return Err("INVALID_STREAM".into()),
            _ => false,
        };
        let host = || wire.peer.rsplit_once(':').map_or(wire.peer.as_str(), |(host, _)| host).to_owned();
        Ok(Poller {
            ticket,
            max,
            until: self.at.now + if is_stream { limits.heartbeat } else { wait },
            timeout,
            client: client.unwrap_or_else(host),
            auto_finish,
            format,
            ignored: None,
            refused: Vec::new(),
            is_stream,
            busy: false,
            sent_at: self.at.now,
        })
    }

    fn timeout_param(&self, query: &Query) -> Result<Option<Nanos>, Fail> {
        let max = self.at.limits.max_msg_timeout;
        query.read("timeout", "INVALID_TIMEOUT", |text| duration(text).filter(|at| *at > 0 && *at <= max))
    }

    /// `/fin`, `/req` and `/touch`.
    pub(super) fn settle_some(&mut self, which: usize, query: &Query, wire: &Wire) -> Result<Answer, Fail> {
        let (topic, channel) = (super::routes::arg_topic(query)?, super::routes::arg_channel(query)?);
        let receipts = receipts(query, "receipt", wire);
        if receipts.is_empty() {
            return Err("MISSING_ARG_RECEIPT".into());
        }
        let verb = match which {
            0 => Verb::Finish,
            1 => Verb::Requeue(query.read("defer", "INVALID_DEFER", duration)?.unwrap_or(0)),
            _ => Verb::Touch(self.timeout_param(query)?),
        };
        let tasks = receipts.into_iter().map(|receipt| (which, receipt, verb)).collect();
        let settled = self.settle_tasks(&topic, &channel, tasks)?;
        if settled.done[which] == 0 {
            return Err(Fail::from(FAILED[which]).refused(settled.refused()));
        }
        let name = ["finished", "requeued", "touched"][which];
        Ok(settled.told(&[name], &[settled.done[which]]))
    }

    /// `/settle`.
    pub(super) fn settle_all(&mut self, query: &Query, wire: &Wire) -> Result<Answer, Fail> {
        let (topic, channel) = (super::routes::arg_topic(query)?, super::routes::arg_channel(query)?);
        let tasks = read_tasks(&wire.body).ok_or(Fail::from("INVALID_BODY"))?;
        let max = self.at.limits.max_msg_timeout;
        let too_long = |verb: &Verb| matches!(verb, Verb::Touch(Some(timeout)) if *timeout == 0 || *timeout > max);
        if tasks.iter().any(|(.., verb)| too_long(verb)) {
            return Err("INVALID_TIMEOUT".into());
        }
        let first = tasks.first().map(|(which, ..)| *which);
        let settled = self.settle_tasks(&topic, &channel, tasks)?;
        match first {
            Some(which) if settled.done == [0; 3] => Err(Fail::from(FAILED[which]).refused(settled.refused())),
            _ => Ok(settled.told(&["finished", "requeued", "touched"], &settled.done)),
        }
    }

    fn settle_tasks(&mut self, topic: &str, channel: &str, tasks: Vec<Task>) -> Result<Settled, Fail> {
        self.channel(topic, channel)?;
        let mut settled = Settled::default();
        for (which, receipt, verb) in tasks {
            match self.settle_one(topic, channel, &receipt, verb) {
                Ok(()) => settled.done[which] += 1,
                Err(reason) => settled.refused.push((receipt, reason)),
            }
        }
        Ok(settled)
    }

    fn settle_one(&mut self, topic: &str, channel: &str, receipt: &str, verb: Verb) -> Result<(), &'static str> {
        let known = self.receipts.get(receipt).copied();
        let found = self.topics.get_mut(topic).and_then(|topic| topic.channels.get_mut(channel));
        let channel = found.expect("it was looked for before");
        match known.filter(|delivery| delivery.channel == channel.uid) {
            Some(delivery) => channel.settle(delivery, verb, &mut self.at),
            None if is_receipt(receipt) => Err(super::answer::ANY),
            None => Err("malformed"),
        }
    }
}

/// What a body of `/settle` asks for; `None` where it is none.
fn read_tasks(body: &[u8]) -> Option<Vec<Task>> {
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else { return None };
    let none = Vec::new();
    let list = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Some(&none),
        Some(value) => value.as_array(),
    };
    let mut tasks = Vec::new();
    for item in list("fin")? {
        tasks.push((0, read_item(item, "")?.0, Verb::Finish));
    }
    for item in list("req")? {
        let (receipt, defer) = read_item(item, "defer")?;
        tasks.push((1, receipt, Verb::Requeue(defer.unwrap_or(0))));
    }
    for item in list("touch")? {
        let (receipt, timeout) = read_item(item, "timeout")?;
        tasks.push((2, receipt, Verb::Touch(timeout)));
    }
    Some(tasks)
}

/// Receipts of a parameter, and those that stand one a line or between commas in the body.
fn receipts(query: &Query, name: &str, wire: &Wire) -> Vec<String> {
    let body = String::from_utf8_lossy(if wire.method == "POST" { &wire.body } else { b"" }).into_owned();
    let lines = body.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty()).map(Into::into);
    query.list(name).into_iter().chain(lines).collect()
}

/// A receipt alone, or with a length of time.
fn read_item(item: &Value, name: &str) -> Option<(String, Option<Nanos>)> {
    if let Some(receipt) = item.as_str() {
        return Some((receipt.into(), None));
    }
    let time = match item.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(duration(text)?),
        Some(value) => Some(value.as_u64()?.saturating_mul(1_000_000)),
    };
    Some((item.get("receipt")?.as_str()?.into(), time))
}

/// Whether this may be a receipt: all that is known is that some text is not.
fn is_receipt(text: &str) -> bool {
    let hex = |part: &str| super::request::hex(part).is_some();
    text.split_once('-').is_some_and(|(id, delivery)| hex(id) && hex(delivery))
}

/// In which format the messages are to come.
fn format(query: &Query, wire: &Wire, max: u64) -> Result<Format, Fail> {
    let known = |text: &str| match text {
        "raw" if max == 1 => Some(Format::Raw),
        "json" => Some(Format::Json),
        "ndjson" => Some(Format::Ndjson),
        "sse" => Some(Format::Sse),
        "frames" => Some(Format::Frames),
        _ => None,
    };
    let accept = || wire.header("accept").and_then(|accept| accepted(accept, max));
    let format = query.read("format", "INVALID_FORMAT", known)?.or_else(accept).unwrap_or(usual(max));
    Ok(format)
}
