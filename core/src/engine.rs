//! The front door: HTTP requests, the passing of time and hang-ups go in; responses come out.

mod outputs;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{
    self, ApiError, Call, Code, Decoded, Health, NodeCall, NodeReply, Request, Response, Routed, Scope, Stats,
};
use crate::broker::{Broker, BrokerStats, MessageTrace, Transfer};
use crate::command::{Command, Context, Filter, Ticket, TopicStats, TopicTrouble, TopicUnwell, Verb};
use crate::config::{Config, LogOptions, log_level};
use crate::directory::Directory;
use crate::log::image::TopicImage;
use crate::log::{self, Loaded, LogCommand, LogId, Read, Recovered};
use crate::message::Receipt;
use crate::state;
use crate::time::Time;
use outputs::Outputs;

/// The whole broker behind its HTTP API, as a state machine without I/O.
///
/// - `handle*`, `cancel` and `shutdown` tell it what happened, and when.
/// - `poll_output` says what is to be done, `poll_timeout` when to come back. Both change only by the former.
///
/// The same seed and the same calls give the same outputs. Calling early is harmless; calling late is late.
#[derive(Debug, Serialize, Deserialize)]
pub struct Engine {
    config: Config,
    broker: Broker<Outputs>,
    directory: Directory,
    /// What time it is: no call that came after another is earlier, unless the clock was set back by much.
    now: Time,
    /// Why the broker as a whole is not well.
    unwell: Option<String>,
    /// Topics that are not well, by name: this engine's and those of others.
    unwell_topics: Vec<(String, TopicUnwell)>,
}

/// Messages that were handed out by one answer, or one chunk of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedDelivery {
    /// The request that got them.
    pub ticket: Ticket,
    /// Their topic.
    pub topic: String,
    /// Their channel.
    pub channel: String,
    /// Each with how often it was delivered by now.
    pub messages: Vec<(Receipt, u16)>,
}

/// What an [`Engine`] wants done.
#[derive(Debug)]
pub enum Output {
    /// Answer the request with this ticket; nothing more comes for it.
    Respond(Ticket, Response),
    /// Begin to answer with this head: chunks follow.
    Open(Ticket, Response),
    /// Send this as a part of an open answer, and call [`Engine::handle_writable`] once it is taken.
    Chunk(Ticket, Vec<u8>),
    /// End an open answer.
    Close(Ticket),
    /// Give the transfer to the engine that has the topic [`Transfer::to`], by [`Engine::handle_transfer`].
    Forward(Transfer),
    /// Read this from a log, and give it to [`Engine::handle_read`].
    Read(Read),
    /// An option was set at run time, by `PUT /config/<name>`.
    Configured(String, serde_json::Value),
}

/// A clock that goes back by more than this was set, and is followed; by less, it is taken to stand still.
const CLOCK_STEP: Duration = Duration::from_secs(5);

impl Engine {
    /// A broker with nothing in it. The seed makes receipts hard to guess and hash tables hard to flood.
    pub fn new(config: Config, seed: u64) -> Self {
        Engine {
            broker: Broker::new(config.limits.clone(), seed, Outputs::default()),
            directory: Directory::default(),
            now: config.started,
            unwell: None,
            unwell_topics: Vec::new(),
            config,
        }
    }

    /// The same, with a log of every topic that is not ephemeral: what is published is answered, and handed out, once
    /// [`Engine::handle_appended`] says that it is durable.
    pub fn with_log(config: Config, seed: u64, options: LogOptions) -> Self {
        let mut engine = Engine::new(config, seed);
        engine.broker.keep_logs(options, false);
        engine
    }

    /// The same, where the host calls [`Engine::handle_appended`] only once what was appended is synced: so each append can
    /// say how far the log was durable before it, and a start tells what was torn from what was damaged.
    pub fn with_synced_log(config: Config, seed: u64, options: LogOptions) -> Self {
        let mut engine = Engine::new(config, seed);
        engine.broker.keep_logs(options, true);
        engine
    }

    /// All that this engine has, as bytes that only this version of it understands; `None` where they are more than
    /// `limit`. To be called when all outputs are taken.
    pub fn checkpoint(&self, limit: usize) -> Option<Vec<u8>> {
        debug_assert!(self.broker.outbox.queue.is_empty(), "outputs are no part of a checkpoint");
        let mut bytes = Vec::new();
        state::write(self, &mut bytes, limit).then_some(bytes)
    }

    /// The engine that a [checkpoint](Engine::checkpoint) tells of; `None` where it is none of this version.
    pub fn from_checkpoint(bytes: &[u8]) -> Option<Self> {
        let (mut engine, rest): (Engine, _) = state::read(bytes)?;
        engine.restored()?;
        rest.is_empty().then_some(engine)
    }

    /// Rebuilds derived state after deserialization; `None` where what was read is nothing that an engine can have come to.
    pub(crate) fn restored(&mut self) -> Option<()> {
        self.broker.restored()
    }

    /// A topic as its log tells of it. To be called for each before the first request.
    #[expect(clippy::needless_pass_by_value, reason = "nobody is to use it after this")]
    pub fn open_topic(&mut self, now: Time, recovered: Recovered) {
        let now = self.follow_clock(now);
        self.broker.open_topic(now, &recovered);
        self.finish(now);
    }

    /// What it was made with, but for options set at run time.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What this engine tells of its topics; see [`Scope::Stats`].
    pub fn stats(&self, now: Time, filter: &Filter<'_>) -> BrokerStats {
        self.broker.stats(now.max(self.now), filter)
    }

    /// The same of some of its topics, so that whatever guards this engine need not be held for all of them: of those in so
    /// many places from this one on. Where to go on, unless there is nothing more.
    pub fn stats_part(
        &self,
        now: Time,
        filter: &Filter<'_>,
        from: usize,
        most: usize,
    ) -> (Vec<TopicStats>, Option<usize>) {
        self.broker.stats_part(now.max(self.now), filter, from, most)
    }

    /// Takes one HTTP request. Its answer comes out of [`Engine::poll_output`], at once or later.
    pub fn handle(&mut self, now: Time, ticket: Ticket, request: &Request<'_>) {
        self.handle_routed(now, ticket, api::route(request.head()), request.body);
    }

    /// The same for a request whose head was [understood](api::route) before its body was read.
    pub fn handle_routed<'a>(&mut self, now: Time, ticket: Ticket, mut routed: Routed<'a>, body: &'a [u8]) {
        let stats = match routed.scope() {
            Scope::Stats(filter) => {
                self.pass_time(now);
                Some(self.stats(now, &filter))
            }
            Scope::Topic(_) | Scope::Node => None,
        };
        let decoded = routed.decode_here(&self.config.limits, body);
        self.handle_decoded(now, ticket, decoded, stats);
    }

    /// The same for a request that was decoded before, outside of whatever guards this engine. `stats` are those of all
    /// engines that share the broker's topics, where the request's [scope](api::Routed::scope) asks for them.
    pub fn handle_decoded(&mut self, now: Time, ticket: Ticket, decoded: Decoded<'_>, stats: Option<BrokerStats>) {
        let now = self.pass_time(now);
        let Decoded { context, call } = decoded;
        let reply = match call {
            Ok(Call::Topic(command)) => {
                self.broker.execute(now, ticket, &context, command);
                return self.finish(now);
            }
            Ok(Call::Node(call)) => Some(
                self.node(now, &context, call, &stats.unwrap_or_default())
                    .unwrap_or_else(|error| api::refuse(&context, &error)),
            ),
            Err(error) => Some(api::refuse(&context, &error)),
        };
        if let Some(response) = reply {
            self.broker.outbox.respond(ticket, response);
        }
        self.finish(now);
    }

    /// What waits to be written to logs. To be called when the host has time to write: all that came for a topic
    /// meanwhile is one piece.
    pub fn poll_log(&mut self) -> Option<LogCommand> {
        self.broker.poll_log(self.now)
    }

    /// Whether [`Engine::poll_log`] has something. Any call but the `poll_*` may change it.
    pub fn has_log_work(&self) -> bool {
        self.broker.has_log_work()
    }

    /// A log is as durable as was promised, up to there.
    pub fn handle_appended(&mut self, now: Time, log: LogId, upto: u64) {
        let now = self.pass_time(now);
        self.broker.appended(now, log, upto);
        self.finish(now);
    }

    /// A log could not be written, or not be synced: what it has at its end is not known. Its topic takes nothing
    /// in until it is [opened](Engine::open_topic) again; what is known to be durable is still delivered. What waited is
    /// answered `STORAGE_UNKNOWN`.
    pub fn handle_append_failed(&mut self, now: Time, log: LogId) {
        let now = self.pass_time(now);
        self.broker.append_failed(log);
        self.finish(now);
    }

    /// What was to be appended takes long, and may still be stored. Who waits for it is answered `STORAGE_UNKNOWN`.
    pub fn handle_append_late(&mut self, now: Time, log: LogId) {
        let now = self.pass_time(now);
        self.broker.append_late(log);
        self.finish(now);
    }

    /// Whether there is a topic with this log. One that was deleted has none any more.
    pub fn has_log(&self, log: LogId) -> bool {
        self.broker.has_log(log)
    }

    /// The log of a topic, where there is a topic of this name and it has one.
    pub fn log_of(&self, topic: &str) -> Option<LogId> {
        self.broker.log_of(topic)
    }

    /// Why no topic of this name may be [opened](Engine::open_topic) beside those that there are.
    pub fn refuse_opening(&self, topic: &str) -> Option<ApiError> {
        if !self.broker.is_free(topic) {
            return Some(Code::TopicExists.into());
        }
        self.broker.refuse_new().err().map(ApiError::from)
    }

    /// A log did not take what was to be appended, because it has another owner: the topic is closed, nothing more is
    /// written to it, and what waited is answered `NO_OWNER`.
    pub fn handle_append_refused(&mut self, now: Time, log: LogId) {
        let now = self.pass_time(now);
        self.broker.append_refused(now, log);
        self.finish(now);
    }

    /// Lets go of a topic, whose log stays as it is and is not written any more; false where there is none of this name.
    /// What waits for it is answered so that it is tried again (`STORAGE_UNKNOWN`, `NO_OWNER`), and so is whoever asks for
    /// it until it is [opened](Engine::open_topic) again.
    pub fn close_topic(&mut self, now: Time, topic: &str) -> bool {
        let now = self.pass_time(now);
        let closed = self.broker.close_topic(now, topic);
        self.finish(now);
        closed
    }

    /// Has everything before this segment of a topic's log go: a new segment is begun, and what is still needed of those
    /// before is written again there. The host is told by [`LogCommand::Truncate`] what may go, as soon as that is durable; to
    /// ask for what is done already, or for more than there is, is harmless. False where there is no topic of this name
    /// with a log that can be written. What was asked for is forgotten with a restart.
    ///
    /// That is for hosts who store many logs in one place, of which only the oldest part can be freed.
    pub fn compact_topic(&mut self, now: Time, topic: &str, before: u32) -> bool {
        let now = self.pass_time(now);
        let can = self.broker.compact_topic(now, topic, before);
        self.finish(now);
        can
    }

    /// Somebody else has the topics of this engine from now on: all that waits is answered so that it is tried again, all
    /// that comes is answered `NO_OWNER`, and nothing more is written.
    pub fn resign(&mut self, now: Time) {
        let now = self.pass_time(now);
        self.broker.resign(now);
        self.finish(now);
    }

    /// What [`Output::Read`] asked for; `None` where it could not be read, and is to be tried again.
    pub fn handle_read(&mut self, now: Time, read: &Read, loaded: Option<Loaded>) {
        let now = self.pass_time(now);
        self.broker.loaded(now, read, loaded);
        self.finish(now);
    }

    /// The disk has no room for publishes, or has room again.
    pub fn handle_space(&mut self, full: bool) {
        self.broker.set_full(full);
    }

    /// The clock may be wrong, for it leapt: for [a while](crate::config::Limits::clock_grace) nothing that a topic retains
    /// is deleted for its age. Whoever hosts an engine has a monotonic clock to tell a leap by; an engine has not.
    pub fn hold_retention(&mut self, now: Time) {
        // Before time passes: by what is due, it would be deleted.
        self.broker.hold_retention(now + self.config.limits.clock_grace);
        let now = self.pass_time(now);
        self.finish(now);
    }

    /// Why the broker as a whole is not well, for `/ping` and `/stats`.
    pub fn set_unwell(&mut self, why: Option<String>) {
        self.unwell = why;
    }

    /// What is wrong with a topic, this engine's or another's, for `/ping`, `/stats` and `/metrics`; `None` where nothing is
    /// any more. What that means for the topic holds until then, or until it is [opened](Engine::open_topic).
    pub fn set_topic_unwell(&mut self, topic: &str, unwell: Option<TopicUnwell>) {
        let stalled = unwell.as_ref().map(|unwell| unwell.state).filter(|state| *state != TopicTrouble::Slow);
        self.broker.set_stalled(topic, stalled);
        let found = self.unwell_topics.binary_search_by(|(known, _)| known.as_str().cmp(topic));
        match (found, unwell) {
            (Ok(index), Some(unwell)) => {
                let known = &mut self.unwell_topics[index].1;
                *known = TopicUnwell { since: known.since, ..unwell };
            }
            (Err(index), Some(unwell)) => self.unwell_topics.insert(index, (topic.into(), unwell)),
            (Ok(index), None) => drop(self.unwell_topics.remove(index)),
            (Err(_), None) => {}
        }
    }

    /// Whether nothing waits for a log: neither to be written, nor to be read, nor to be durable.
    pub fn is_settled(&self) -> bool {
        self.broker.is_settled()
    }

    /// What a snapshot of a topic would tell now.
    pub fn image_of(&self, topic: &str) -> Option<TopicImage> {
        self.broker.image_of(topic)
    }

    /// Keeps what happens to this topic, where there is one, until it is taken by [`Engine::take_events`]. Changes nothing
    /// else, and is no part of a checkpoint.
    pub fn trace_topic(&mut self, topic: &str) {
        self.broker.trace_topic(topic);
    }

    /// What happened to a traced topic since the last look, each with the channel's name where it happened in one.
    pub fn take_events(&mut self, topic: &str) -> Vec<(Option<String>, log::event::Event)> {
        self.broker.take_events(topic)
    }

    /// Keeps what is handed out, for [`Engine::take_deliveries`]. Changes nothing else, and is no part of a checkpoint.
    pub fn trace_deliveries(&mut self) {
        self.broker.outbox.deliveries.get_or_insert_default();
    }

    /// What was handed out since the last look, where somebody listens.
    pub fn take_deliveries(&mut self) -> Vec<TracedDelivery> {
        self.broker.outbox.deliveries.as_mut().map(core::mem::take).unwrap_or_default()
    }

    /// Answers what only looks, at once, and changes nothing; the rest is refused. Messages that are only in a log are
    /// shown without what they say. Time does not pass.
    pub fn query(&self, now: Time, request: &Request<'_>) -> Response {
        let routed = api::route(request.head());
        let stats = match routed.scope() {
            Scope::Stats(filter) => self.stats(now, &filter),
            Scope::Topic(_) | Scope::Node => BrokerStats::default(),
        };
        let decoded = routed.decode_query(&self.config.limits, request.body);
        self.query_decoded(now, decoded, &stats)
    }

    /// The same for what was [decoded](api::Routed::decode_query) before; `stats` as with [`Engine::handle_decoded`].
    pub fn query_decoded(&self, now: Time, decoded: Decoded<'_>, stats: &BrokerStats) -> Response {
        let now = self.now.max(now);
        let Decoded { context, call } = decoded;
        let done = match call {
            Ok(Call::Topic(Command { topic, verb: Verb::Peek(peek) })) => {
                let peeked = self.broker.query(now, &topic, &peek);
                peeked.map(|reply| api::encode(&context, &reply)).map_err(ApiError::from)
            }
            Ok(Call::Node(call)) => {
                self.answer_query(now, &context, &call, stats).unwrap_or(Err(Code::ReadOnly.into()))
            }
            Ok(_) => Err(Code::ReadOnly.into()),
            Err(error) => Err(error),
        };
        done.unwrap_or_else(|error| api::refuse(&context, &error))
    }

    /// Where a message is; `None` where there is no such topic.
    pub fn trace(&self, topic: &str, id: u64) -> Option<MessageTrace> {
        self.broker.trace(topic, id)
    }

    /// Time has passed. To be called when [`Engine::poll_timeout`] says.
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.follow_clock(now);
        self.broker.handle_timeout(now);
        self.make_room();
    }

    /// The last chunk of this open answer was taken: there is room for another.
    pub fn handle_writable(&mut self, now: Time, ticket: Ticket) {
        let now = self.pass_time(now);
        self.broker.handle_writable(now, ticket);
        self.finish(now);
    }

    /// A transfer that this or another engine [forwarded](Output::Forward).
    pub fn handle_transfer(&mut self, now: Time, transfer: Transfer) {
        let now = self.pass_time(now);
        self.broker.receive(now, transfer);
        self.finish(now);
    }

    /// The client hung up. Harmless for a ticket that was answered.
    pub fn cancel(&mut self, now: Time, ticket: Ticket) {
        let now = self.pass_time(now);
        self.broker.cancel(now, ticket);
        self.finish(now);
    }

    /// The broker is going down: waiting polls are answered, streams end, and from now on nothing is taken in.
    pub fn shutdown(&mut self, now: Time) {
        let now = self.pass_time(now);
        self.broker.shutdown(now);
        self.finish(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.broker.outbox.queue.pop_front()
    }

    /// When [`Engine::handle_timeout`] is to be called next. Never later than something is due; sometimes earlier.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.broker.poll_timeout()
    }

    /// What time it is, by a clock that may be set: it never runs back by little, and where it does by much, what it said
    /// before was wrong.
    fn follow_clock(&mut self, now: Time) -> Time {
        let before = self.now;
        if before.since(now) > CLOCK_STEP {
            self.now = now;
            self.broker.clock_went_back(before, now);
        } else {
            self.now = before.max(now);
        }
        self.now
    }

    /// Does what is due before what comes now.
    fn pass_time(&mut self, now: Time) -> Time {
        let now = self.follow_clock(now);
        if self.broker.poll_timeout().is_some_and(|at| at <= now) {
            // First, so that what comes now finds leases, deferrals and polls as they are at this time.
            self.broker.handle_timeout(now);
        }
        now
    }

    /// Does what became due by what was just done, such as a poll that does not wait.
    fn finish(&mut self, now: Time) {
        if self.broker.poll_timeout().is_some_and(|at| at <= now) {
            self.broker.handle_timeout(now);
        }
        self.make_room();
    }

    /// Takes out of memory what has no room there, and asks for what is wanted.
    fn make_room(&mut self) {
        self.broker.evict();
        while let Some(read) = self.broker.poll_read() {
            self.broker.outbox.queue.push_back(Output::Read(read));
        }
    }

    fn node(
        &mut self,
        now: Time,
        context: &Context,
        call: NodeCall<'_>,
        stats: &BrokerStats,
    ) -> Result<Response, ApiError> {
        if let Some(answer) = self.answer_query(now, context, &call, stats) {
            return answer;
        }
        let identity = &self.config.identity;
        match call {
            NodeCall::PutConfig(name, value) => {
                let value = self.set_option(&name, value)?;
                return Ok(api::encode_node(context, &self.config.identity, NodeReply::Config(&value)));
            }
            NodeCall::Tombstone(topic, node) => self.directory.tombstone(now, identity, stats, &topic, &node),
            NodeCall::Register(body) => {
                self.directory.register(now, body).map_err(|detail| ApiError::new(Code::InvalidBody, detail))?;
            }
            _ => {}
        }
        Ok(api::encode_node(context, identity, NodeReply::Done))
    }

    fn health(&self) -> Health<'_> {
        Health { broker: self.unwell.as_deref(), topics: &self.unwell_topics }
    }

    /// The answer to a call that only looks; `None` to another.
    fn answer_query(
        &self,
        now: Time,
        context: &Context,
        call: &NodeCall<'_>,
        stats: &BrokerStats,
    ) -> Option<Result<Response, ApiError>> {
        let identity = &self.config.identity;
        let started = self.config.started;
        let encode = |reply| Some(Ok(api::encode_node(context, identity, reply)));
        match call {
            NodeCall::Ping => encode(NodeReply::Health(self.health())),
            NodeCall::Info => encode(NodeReply::Info(started)),
            NodeCall::Stats { json, memory, filter, page } => {
                let page = page.map(|page| page.of(&stats.topics));
                let (topics, total) =
                    page.as_ref().map_or((&stats.topics, None), |(topics, total)| (topics, Some(*total)));
                let (json, memory, health) = (*json, *memory, self.health());
                encode(NodeReply::Stats(Stats { json, memory, filter, topics, total, health, started, now }))
            }
            NodeCall::Metrics => encode(NodeReply::Metrics(&stats.topics, self.health())),
            NodeCall::OpenApi => encode(NodeReply::OpenApi),
            NodeCall::Home(host) => encode(NodeReply::Home(*host)),
            NodeCall::GetConfig(name) => match self.config.options.iter().find(|option| option.0 == *name) {
                Some(option) => encode(NodeReply::Config(&option.1)),
                None => Some(Err(Code::InvalidOption.into())),
            },
            NodeCall::Topics => encode(NodeReply::Topics(self.directory.topics(now, stats))),
            NodeCall::Channels(topic) => encode(NodeReply::Channels(self.directory.channels(now, stats, topic))),
            NodeCall::Lookup(topic) => match self.directory.lookup(now, identity, stats, topic) {
                Some((channels, producers)) => encode(NodeReply::Lookup(channels, &producers)),
                None => Some(Err(Code::TopicNotFound.into())),
            },
            NodeCall::Nodes => encode(NodeReply::Nodes(&self.directory.nodes(now, identity, stats))),
            NodeCall::PutConfig(..) | NodeCall::Tombstone(..) | NodeCall::Register(_) => None,
        }
    }

    /// Sets one of the options that nsqd lets be set at run time.
    fn set_option(&mut self, name: &str, value: &[u8]) -> Result<serde_json::Value, ApiError> {
        if value.is_empty() || value.len() > self.config.limits.max_msg_size {
            return Err(Code::ValueTooBig.into());
        }
        let value = match name {
            "log_level" => core::str::from_utf8(value).ok().and_then(log_level).map(Into::into),
            "nsqlookupd_tcp_addresses" => {
                // Go writes an empty list as null.
                let list = serde_json::from_slice::<Option<Vec<String>>>(value).ok();
                list.map(|list| list.unwrap_or_default().into())
            }
            _ => return Err(Code::InvalidOption.into()),
        };
        let value: serde_json::Value = value.ok_or(Code::InvalidValue)?;
        match self.config.options.iter_mut().find(|option| option.0 == name) {
            Some(option) => option.1 = value.clone(),
            None => self.config.options.push((name.into(), value.clone())),
        }
        self.broker.outbox.queue.push_back(Output::Configured(name.into(), value.clone()));
        Ok(value)
    }
}
