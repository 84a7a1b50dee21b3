//! All that can be asked of the broker, as a table. What is known of a request by its head alone stands here once:
//! [`route`](super::route), `/openapi.json`, the hosts and the tests of the documentation read it.

use alloc::string::String;

use super::decode::{self, Input, Understood};
use super::errors::Code;
use super::parameters::{
    ACK, ANSWER_BYTES, ANY_TOPIC, ARG_TOPIC, BINARY, CHANNEL, CHANNEL_TIMEOUT, CLIENT, DEAD_IDS, DEAD_LETTER, DEDUP,
    DEDUP_WINDOW, DEFER, FIN, FORMAT, FROM, INCLUDE_CLIENTS, INCLUDE_MEM, KEY, KNOWN_TOPIC, MAX, MAX_ATTEMPTS,
    MAX_BYTES, MAX_IN_FLIGHT, MAX_MESSAGES, NODE, ORDERED, OVERFLOW, PEEK_CHANNEL, PEEK_MAX, PRODUCER, Param, RECEIPT,
    REQ_DEFER, RETAIN, RETAIN_BYTES, SEQ, START, STATE, STATS_CHANNEL, STATS_FORMAT, STATS_MAX, STATS_OFFSET,
    STATS_ORDER, STATS_SEARCH, STATS_SORT, STATS_TOPIC, STREAM, TIMEOUT, TO, TOPIC, TOUCH_TIMEOUT, TTL, WAIT,
};
use super::params::Params;
use crate::command::Filter;
use crate::config::Limits;

/// The table. The busiest paths come first, for it is searched from the top.
pub static ROUTES: &[Route] = &[
    post("/pub", decode::publish, "Publish the body as one message.")
        .needs(Right::Publish)
        .takes(&[&TOPIC, &DEFER, &KEY, &DEDUP, &TTL, &PRODUCER, &SEQ])
        .body(Payload::Message)
        .answers(Answer::Published, "OK, once the message is kept; Shelf-Id has its id. As JSON where that is accepted.")
        .fails(&[Code::MsgTooBig, Code::MsgEmpty, Code::HeadersTooBig, Code::SeqGap, Code::TopicFull, Code::StorageFull, Code::Exiting]),
    post("/mpub", decode::mpub, "Publish the body's messages, all or none.")
        .needs(Right::Publish)
        .takes(&[&TOPIC, &BINARY, &DEFER, &KEY, &DEDUP, &TTL])
        .body(Payload::Batch)
        .answers(Answer::Batch, "OK, once the messages are kept; Shelf-Id has the first id, Shelf-Count how many. As JSON where that is accepted.")
        .fails(&[
            Code::BodyTooBig,
            Code::BatchTooLong,
            Code::MsgTooBig,
            Code::BadBody,
            Code::BadMessage,
            Code::BadLine,
            Code::HeadersTooBig,
            Code::SeqGap,
            Code::TopicFull,
            Code::StorageFull,
            Code::Exiting,
        ]),
    get("/sub", decode::subscribe, "Lease messages of a channel, waiting for the first.")
        .needs(Right::Consume).of_topic().changes()
        .also("POST")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &MAX, &ANSWER_BYTES, &WAIT, &TIMEOUT, &ACK, &FIN, &FORMAT, &CLIENT, &STREAM])
        .body(Payload::Receipts)
        .answers(Answer::Leased, "The messages in the chosen format.")
        .fails(&[Code::TooManyReceipts, Code::InvalidReceipt, Code::StorageUnreadable, Code::Exiting]),
    post("/fin", decode::fin, "Finish leased messages.")
        .needs(Right::Consume)
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &RECEIPT])
        .body(Payload::Receipts)
        .answers(Answer::Json("Settled"), SETTLED)
        .fails(&[Code::TooManyReceipts, Code::InvalidReceipt, Code::FinFailed, Code::TopicNotFound, Code::ChannelNotFound]),
    post("/req", decode::req, "Requeue leased messages.")
        .needs(Right::Consume)
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &RECEIPT, &REQ_DEFER])
        .body(Payload::Receipts)
        .answers(Answer::Json("Settled"), SETTLED)
        .fails(&[Code::TooManyReceipts, Code::InvalidReceipt, Code::ReqFailed, Code::TopicNotFound, Code::ChannelNotFound]),
    post("/touch", decode::touch, "Extend the leases of messages, up to max-msg-timeout from their delivery.")
        .needs(Right::Consume)
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &RECEIPT, &TOUCH_TIMEOUT])
        .body(Payload::Receipts)
        .answers(Answer::Json("Settled"), SETTLED)
        .fails(&[Code::TooManyReceipts, Code::InvalidReceipt, Code::TouchFailed, Code::TopicNotFound, Code::ChannelNotFound]),
    post("/settle", decode::settle, "Finish, requeue and touch in one call.")
        .needs(Right::Consume)
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL])
        .body(Payload::Settle)
        .answers(Answer::Json("Settled"), SETTLED)
        .fails(&[
            Code::InvalidBody,
            Code::TooManyReceipts,
            Code::InvalidReceipt,
            Code::InvalidTimeout,
            Code::FinFailed,
            Code::ReqFailed,
            Code::TouchFailed,
            Code::TopicNotFound,
            Code::ChannelNotFound,
        ]),
    post("/topic/create", decode::create_topic, "Create a topic, or set options of the one there is.")
        .takes(&[&TOPIC, &RETAIN, &RETAIN_BYTES, &MAX_BYTES, &MAX_MESSAGES, &OVERFLOW, &DEDUP_WINDOW]),
    post("/topic/config", decode::configure_topic, "Set options of a topic.")
        .beyond_nsq()
        .takes(&[&TOPIC, &RETAIN, &RETAIN_BYTES, &MAX_BYTES, &MAX_MESSAGES, &OVERFLOW, &DEDUP_WINDOW])
        .fails(&[Code::TopicNotFound]),
    post("/topic/delete", decode::delete_topic, "Delete a topic with its channels and messages.").takes(&[&KNOWN_TOPIC]),
    post("/topic/empty", decode::empty_topic, "Drop what a topic has not handed to its channels.")
        .takes(&[&TOPIC])
        .fails(&[Code::TopicNotFound]),
    post("/topic/pause", decode::pause_topic, "Stop handing a topic's messages to its channels.").takes(&[&KNOWN_TOPIC]),
    post("/topic/unpause", decode::unpause_topic, "Hand a topic's messages to its channels again.").takes(&[&KNOWN_TOPIC]),
    post("/topic/tombstone", decode::tombstone, "Keep a node from being looked up for a topic, for a while.")
        .everywhere(decode::one_topic)
        .takes(&[&ANY_TOPIC, &NODE]),
    post("/channel/create", decode::create_channel, "Create a channel, or set options of the one there is.")
        .takes(&[&ARG_TOPIC, &CHANNEL, &START, &CHANNEL_TIMEOUT, &MAX_ATTEMPTS, &MAX_IN_FLIGHT, &ORDERED, &DEAD_LETTER])
        .fails(&[Code::TopicNotFound]),
    post("/channel/config", decode::configure_channel, "Set options of a channel.")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &CHANNEL_TIMEOUT, &MAX_ATTEMPTS, &MAX_IN_FLIGHT, &ORDERED, &DEAD_LETTER])
        .fails(NO_CHANNEL),
    post("/channel/delete", decode::delete_channel, "Delete a channel with all it has.").of_channel(),
    post("/channel/empty", decode::empty_channel, "Drop what is ready, in flight and deferred.").of_channel(),
    post("/channel/pause", decode::pause_channel, "Stop leasing a channel's messages.").of_channel(),
    post("/channel/unpause", decode::unpause_channel, "Lease a channel's messages again.").of_channel(),
    post("/channel/seek", decode::seek, "Move a channel to another place in its topic: replay, or skip.")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &TO])
        .answers(Answer::Json("Position"), "The id of the channel's next message, as JSON.")
        .fails(NO_CHANNEL),
    post("/channel/redrive", decode::redrive, "Make dead letters ready again.")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &DEAD_IDS])
        .answers(Answer::Json("Redriven"), "How many, as JSON.")
        .fails(NO_CHANNEL),
    get("/dead", decode::dead, "List a channel's dead letters.")
        .needs(Right::Consume).of_topic()
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL, &FROM, &PEEK_MAX, &ANSWER_BYTES])
        .answers(Answer::Json("PeekedMessages"), "The dead letters, as JSON.")
        .fails(NO_CHANNEL),
    post("/dead/empty", decode::empty_dead, "Drop a channel's dead letters.")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &CHANNEL])
        .answers(Answer::Json("Dropped"), "How many, as JSON.")
        .fails(NO_CHANNEL),
    get("/peek", decode::peek, "Look at messages without leasing them.")
        .needs(Right::Consume).of_topic()
        .beyond_nsq()
        .takes(&[&ARG_TOPIC, &PEEK_CHANNEL, &FROM, &PEEK_MAX, &ANSWER_BYTES, &STATE])
        .answers(Answer::Json("PeekedMessages"), "The messages, as JSON.")
        .fails(&[Code::MissingArgChannel, Code::TopicNotFound, Code::ChannelNotFound]),
    get("/export", decode::export, "Give the whole log of a topic as one file.")
        .needs(Right::Admin).of_topic()
        .beyond_nsq()
        .takes(&[&ARG_TOPIC])
        .answers(Answer::Log, "The file, with all that was answered before this was asked: shelfmq log import and POST /import take it.")
        .fails(NO_COPY),
    post("/import", decode::import, "Open an exported log as a topic.")
        .beyond_nsq()
        .takes(&[&ARG_TOPIC])
        .body(Payload::Log)
        .fails(&[
            Code::TopicExists,
            Code::InvalidLog,
            Code::NoLogFiles,
            Code::Overloaded,
            Code::StorageFull,
            Code::StorageFailed,
            Code::Exiting,
        ]),
    get("/ping", decode::ping, "Whether the broker is well.")
        .needs(Right::Open).answers(Answer::Text, "OK."),
    get("/info", decode::info, "Who this broker is.").answers(Answer::Json("Info"), "Version, addresses and start, as JSON."),
    get("/stats", decode::stats, "Topics, channels and consumers in numbers.")
        .everywhere(decode::stats_filter)
        .takes(&[
            &STATS_FORMAT,
            &STATS_TOPIC,
            &STATS_CHANNEL,
            &INCLUDE_CLIENTS,
            &INCLUDE_MEM,
            &STATS_SEARCH,
            &STATS_SORT,
            &STATS_ORDER,
            &STATS_OFFSET,
            &STATS_MAX,
        ])
        .answers(Answer::Stats, "The numbers, as text or as JSON."),
    get("/metrics", decode::metrics, "Topics and channels in numbers, for Prometheus.")
        .everywhere(decode::all_topics).beyond_nsq().answers(Answer::Text, "Prometheus text."),
    get("/config/:opt", decode::get_config, "The value of an option.").answers(Answer::Option, OPTION).fails(&[Code::InvalidOption]),
    put("/config/:opt", decode::put_config, "Set an option until the broker restarts.")
        .body(Payload::Value)
        .answers(Answer::Option, OPTION)
        .fails(&[Code::InvalidOption, Code::InvalidValue, Code::ValueTooBig]),
    get("/topics", decode::topics, "The names of all topics.")
        .everywhere(decode::all_topics).answers(Answer::Json("Topics"), "The names, as JSON."),
    get("/channels", decode::channels, "The names of a topic's channels.")
        .everywhere(decode::one_topic).takes(&[&ANY_TOPIC]).answers(Answer::Json("Channels"), "The names, as JSON."),
    get("/lookup", decode::lookup, "The nodes that have a topic, and its channels.")
        .everywhere(decode::one_topic)
        .takes(&[&ANY_TOPIC])
        .answers(Answer::Json("Lookup"), "Channels and nodes, as JSON.")
        .fails(&[Code::TopicNotFound]),
    get("/nodes", decode::nodes, "All nodes and their topics.")
        .everywhere(decode::all_topics).answers(Answer::Json("Nodes"), "The nodes, as JSON."),
    post("/nodes/register", decode::register, "Tell this directory what another node has.")
        .of_node()
        .beyond_nsq()
        .body(Payload::Registration)
        .fails(&[Code::InvalidBody]),
    get("/openapi.json", decode::openapi, "This API, described.")
        .needs(Right::Open).beyond_nsq().answers(Answer::Document, "An OpenAPI 3.1 document."),
    get("/", decode::home, "A page of commands to paste.")
        .needs(Right::Open).beyond_nsq().answers(Answer::Text, "Text."),
];

const SETTLED: &str = "How many messages were settled and which receipts were refused and why, as JSON.";
const OPTION: &str = "The value: text as it is, anything else as JSON.";
const NO_COPY: &[Code] = &[
    Code::TopicNotFound,
    Code::NoLogFiles,
    Code::Overloaded,
    Code::StorageFailed,
    Code::StorageUnknown,
    Code::Exiting,
];
const NO_CHANNEL: &[Code] = &[Code::TopicNotFound, Code::ChannelNotFound];

static OF_CHANNEL: [&Param; 2] = [&ARG_TOPIC, &CHANNEL];

/// One thing that can be asked.
#[derive(Debug)]
pub struct Route {
    /// The methods.
    pub methods: [Option<&'static str>; 2],
    /// The path; a last segment that begins with `:` stands for any.
    pub path: &'static str,
    /// How much of the path stands before its own parameter, where it has one. Known beforehand, for each request is
    /// compared with many paths.
    folder_bytes: Option<usize>,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Whether neither nsqd nor nsqlookupd has it.
    pub beyond_nsq: bool,
    /// The parameters that it knows.
    pub params: &'static [&'static Param],
    /// What its body is.
    pub payload: Payload,
    /// What the body of a success is.
    pub answer: Answer,
    /// What a success says.
    pub success: &'static str,
    /// What can go wrong beside what its parameters say.
    pub errors: &'static [Code],
    /// What whoever asks must be allowed to do.
    pub right: Right,
    /// Whether it changes nothing, however often it is asked.
    pub only_looks: bool,
    /// Which engine it is for.
    pub belongs: Belongs,
    /// Of which topics it is to be told, where it belongs everywhere.
    pub(super) filter: for<'a> fn(&Params<'a>) -> Filter<'a>,
    /// What makes the call of it.
    pub(super) decode: Decode,
}

/// What whoever asks must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing: it is open to all.
    Open,
    /// To add messages to the topic.
    Publish,
    /// To read messages of the topic, and to settle them.
    Consume,
    /// To change topics, channels, options and the directory.
    Admin,
    /// To see how things stand, messages apart.
    Watch,
}

impl Right {
    /// As it is written in grants: `publish`. Nothing for what is open.
    pub const fn name(self) -> &'static str {
        match self {
            Right::Open => "",
            Right::Publish => "publish",
            Right::Consume => "consume",
            Right::Admin => "admin",
            Right::Watch => "watch",
        }
    }
}

/// Which engine a request is for, where several share the topics of one broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// The one that has its topic: the first of its parameters, with the channel next where it is about one.
    Topic,
    /// Any one, always the same.
    Node,
    /// The same, told of what all of them have.
    Everywhere,
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: it is not looked at.
    None,
    /// One message.
    Message,
    /// Messages, in one of three forms.
    Batch,
    /// Receipts, one a line. May be empty.
    Receipts,
    /// The JSON of `/settle`.
    Settle,
    /// The JSON of `/nodes/register`.
    Registration,
    /// The value of an option.
    Value,
    /// An exported log. It is the host's to take in, as it comes: it is not to be had as a whole.
    Log,
}

/// What the body of a success is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// Text.
    Text,
    /// `OK`, or what became of one message.
    Published,
    /// `OK`, or what became of a batch.
    Batch,
    /// Leased messages, in any of their formats.
    Leased,
    /// Numbers, as text or as JSON.
    Stats,
    /// The value of an option.
    Option,
    /// The description of the API.
    Document,
    /// An exported log.
    Log,
    /// JSON with the schema of this name.
    Json(&'static str),
}

/// What a method and a path lead to.
pub(super) enum Found<'a> {
    /// To this route, with what stands for the path's own parameter.
    Route(&'static Route, &'a str),
    /// To routes for these methods only.
    OtherMethods(String),
    /// To nothing.
    Nothing,
}

/// The route of a request.
pub(super) fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let mut allow = String::new();
    for route in ROUTES {
        // One path may stand in several rows, each with its methods: so the search goes on until one has this method.
        let Some(segment) = route.matches(path) else { continue };
        if route.methods().any(|m| m == method) {
            return Found::Route(route, segment);
        }
        for method in route.methods() {
            allow.push_str(if allow.is_empty() { "" } else { ", " });
            allow.push_str(method);
        }
    }
    if allow.is_empty() { Found::Nothing } else { Found::OtherMethods(allow) }
}

/// The route that a path leads to by any method.
pub(super) fn at_path(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.matches(path).is_some())
}

impl Route {
    /// The methods.
    pub fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.methods.into_iter().flatten()
    }

    /// What stands for the path's own parameter, or nothing for none; `None` where the path is another.
    fn matches<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.folder_bytes {
            None => (self.path == path).then_some(""),
            Some(bytes) => {
                path.strip_prefix(&self.path[..bytes]).filter(|last| !last.is_empty() && !last.contains('/'))
            }
        }
    }

    /// How long the body may be, in bytes.
    pub fn body_limit(&self, limits: &Limits) -> usize {
        match self.payload {
            Payload::Message => limits.max_msg_size,
            // A host that has files takes it in without asking; another has no use for any of it.
            Payload::Log => 0,
            _ => limits.max_body_size,
        }
    }

    const fn needs(self, right: Right) -> Route {
        Route { right, ..self }
    }

    const fn changes(self) -> Route {
        Route { only_looks: false, ..self }
    }

    const fn of_topic(self) -> Route {
        Route { belongs: Belongs::Topic, ..self }
    }

    const fn of_node(self) -> Route {
        Route { belongs: Belongs::Node, ..self }
    }

    const fn everywhere(self, filter: for<'a> fn(&Params<'a>) -> Filter<'a>) -> Route {
        Route { belongs: Belongs::Everywhere, filter, ..self }
    }

    const fn takes(self, params: &'static [&'static Param]) -> Route {
        Route { params, ..self }
    }

    const fn also(self, method: &'static str) -> Route {
        Route { methods: [self.methods[0], Some(method)], ..self }
    }

    const fn beyond_nsq(self) -> Route {
        Route { beyond_nsq: true, ..self }
    }

    const fn body(self, payload: Payload) -> Route {
        Route { payload, ..self }
    }

    const fn answers(self, answer: Answer, success: &'static str) -> Route {
        Route { answer, success, ..self }
    }

    const fn fails(self, errors: &'static [Code]) -> Route {
        Route { errors, ..self }
    }

    const fn of_channel(self) -> Route {
        self.takes(&OF_CHANNEL).fails(NO_CHANNEL)
    }
}

type Decode = for<'a> fn(&mut Input<'_, 'a>) -> Understood<'a>;

/// What is got looks at the node, unless it says otherwise.
const fn get(path: &'static str, decode: Decode, summary: &'static str) -> Route {
    Route { right: Right::Watch, only_looks: true, belongs: Belongs::Node, ..route("GET", path, decode, summary) }
}

/// What is posted changes a topic, unless it says otherwise.
const fn post(path: &'static str, decode: Decode, summary: &'static str) -> Route {
    route("POST", path, decode, summary)
}

const fn put(path: &'static str, decode: Decode, summary: &'static str) -> Route {
    route("PUT", path, decode, summary).of_node()
}

const fn folder_bytes(path: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < path.len() {
        if path[at] == b':' {
            return Some(at);
        }
        at += 1;
    }
    None
}

const fn route(method: &'static str, path: &'static str, decode: Decode, summary: &'static str) -> Route {
    Route {
        methods: [Some(method), None],
        path,
        folder_bytes: folder_bytes(path.as_bytes()),
        summary,
        beyond_nsq: false,
        params: &[],
        payload: Payload::None,
        answer: Answer::Nothing,
        success: "Nothing.",
        errors: &[],
        right: Right::Admin,
        only_looks: false,
        belongs: Belongs::Topic,
        filter: decode::all_topics,
        decode,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::parameters::Shape;
    use super::*;

    #[test]
    fn a_path_and_a_method_lead_to_one_route() {
        for (i, route) in ROUTES.iter().enumerate() {
            for method in route.methods() {
                assert!(
                    matches!(find(method, route.path), Found::Route(found, _) if core::ptr::eq(found, route)),
                    "{i}"
                );
            }
        }
        assert!(matches!(find("GET", "/config/max_msg_size"), Found::Route(_, "max_msg_size")));
    }

    #[test]
    fn other_paths_and_methods_do_not() {
        for path in ["", "/nothing", "/pub/", "/config", "/config/", "/config/a/b", "pub", "//"] {
            assert!(matches!(find("GET", path), Found::Nothing), "{path}");
        }
        let allow = |method, path| match find(method, path) {
            Found::OtherMethods(allow) => allow,
            _ => String::new(),
        };
        assert_eq!(allow("GET", "/pub"), "POST");
        assert_eq!(allow("DELETE", "/sub"), "GET, POST");
        assert_eq!(allow("POST", "/config/x"), "GET, PUT");
        assert_eq!(allow("get", "/ping"), "GET");
    }

    #[test]
    fn what_belongs_to_a_topic_names_it_first_and_then_its_channel() {
        for route in ROUTES {
            let names: Vec<_> = route.params.iter().take(2).map(|param| param.name).collect();
            let place = |name| route.params.iter().position(|param| param.name == name);
            assert_eq!(route.belongs == Belongs::Topic, matches!(route.params, [Param { shape: Shape::Name, .. }, ..]));
            if route.belongs == Belongs::Topic {
                assert_eq!(names.first(), Some(&"topic"), "{}", route.path);
                assert!(matches!(place("channel"), None | Some(1)), "{}", route.path);
            }
        }
    }

    #[test]
    fn what_only_looks_is_got_and_what_is_open_only_looks() {
        for route in ROUTES {
            assert!(!route.only_looks || route.methods().all(|method| method == "GET"), "{}", route.path);
            assert!(route.right != Right::Open || route.only_looks, "{}", route.path);
            assert!(!route.only_looks || matches!(route.payload, Payload::None), "{}", route.path);
        }
        let changes: Vec<_> =
            ROUTES.iter().filter(|r| r.methods().any(|m| m == "GET") && !r.only_looks).map(|r| r.path).collect();
        assert_eq!(changes, ["/sub"]);
    }

    #[test]
    fn the_table_is_written_with_care() {
        for route in ROUTES {
            for text in [route.summary, route.success] {
                assert!(
                    text.ends_with('.') && text.starts_with(|c: char| c.is_ascii_uppercase()),
                    "{}: {text}",
                    route.path
                );
            }
            for (i, param) in route.params.iter().enumerate() {
                assert!(!route.params[..i].iter().any(|p| p.name == param.name), "{} {}", route.path, param.name);
                assert!(param.meaning.ends_with('.'), "{} {}", route.path, param.name);
            }
        }
    }
}
