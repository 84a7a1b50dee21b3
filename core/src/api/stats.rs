//! `/stats?format=json`: nsqd's fields in nsqd's order, then our own.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::Serialize;

use super::stats_page::Total;
use super::stats_text::rfc3339;
use super::{Health, Stats};
use crate::command::{
    ChannelOptions, ChannelStats, ClientStats, Latency, Overflow, TopicOptions, TopicStats, TopicTrouble, TopicUnwell,
};
use crate::config::Identity;

/// The answer's body.
pub(super) fn body<'a>(identity: &'a Identity, stats: &Stats<'a>) -> impl Serialize + use<'a> {
    // As with nsqd, a topic that is not there is `null`, and a broker without topics an empty list.
    let unknown = stats.filter.topic.is_some() && stats.topics.is_empty();
    StatsBody {
        version: &identity.version,
        health: health(stats.health),
        start_time: stats.started.as_secs(),
        topics: (!unknown).then(|| stats.shown().map(TopicBody::of).collect()),
        memory: stats.memory.then(|| Memory::of(stats.topics)),
        producers: None,
        total: stats.total,
        unwell: stats.health.topics.iter().map(|(topic, unwell)| UnwellTopic::of(topic, unwell)).collect(),
    }
}

/// The state of the broker, as nsqd words it. One topic that is not well is no reason to start the whole broker again: it
/// is told behind the `OK`.
pub(super) fn health(health: Health<'_>) -> Cow<'static, str> {
    let mut topics = health.topics.iter();
    match (health.broker, topics.next()) {
        (None, None) => Cow::Borrowed("OK"),
        (Some(why), _) => Cow::Owned(alloc::format!("NOK - {why}")),
        (None, Some(first)) => {
            let others = topics.len();
            let more = if others > 0 { alloc::format!("; and {others} more, see /stats") } else { String::new() };
            Cow::Owned(alloc::format!("OK - {}{more}", first.1.why))
        }
    }
}

/// A topic that is not well.
#[derive(Serialize)]
struct UnwellTopic<'a> {
    topic: &'a str,
    why: &'a str,
    /// RFC 3339.
    since: String,
    state: TopicTrouble,
}

impl<'a> UnwellTopic<'a> {
    fn of(topic: &'a str, unwell: &'a TopicUnwell) -> Self {
        UnwellTopic { topic, why: &unwell.why, since: rfc3339(unwell.since), state: unwell.state }
    }
}

impl<'a> Stats<'a> {
    /// The topics to be listed: where a channel was asked for, those that have it.
    pub(super) fn shown(&self) -> impl Iterator<Item = &'a TopicStats> + use<'a> {
        let all = self.filter.channel.is_none();
        self.topics.iter().filter(move |topic| all || !topic.channels.is_empty())
    }
}

#[derive(Serialize)]
struct StatsBody<'a> {
    version: &'a str,
    health: Cow<'static, str>,
    start_time: u64,
    /// `null` where a topic was asked for and there is none such.
    topics: Option<Vec<TopicBody<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Memory>,
    /// nsqd's connections that only publish. Over HTTP there is nothing of the kind: always `null`.
    producers: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Total>,
    /// Topics that are not well; left out where all are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unwell: Vec<UnwellTopic<'a>>,
}

/// Memory, in the words of Go's runtime: nsqd's fields are all there, those that only a garbage collector
/// could fill are zero.
#[derive(Default, Serialize)]
pub(super) struct Memory {
    pub(super) heap_objects: u64,
    pub(super) heap_idle_bytes: u64,
    pub(super) heap_in_use_bytes: u64,
    pub(super) heap_released_bytes: u64,
    pub(super) gc_pause_usec_100: u64,
    pub(super) gc_pause_usec_99: u64,
    pub(super) gc_pause_usec_95: u64,
    pub(super) next_gc_bytes: u64,
    pub(super) gc_total_runs: u32,
}

impl Memory {
    pub(super) fn of(topics: &[TopicStats]) -> Memory {
        let bytes = topics.iter().fold(0, |sum: u64, topic| sum.saturating_add(topic.memory_bytes));
        Memory { heap_in_use_bytes: bytes, ..Memory::default() }
    }
}

#[derive(Serialize)]
struct TopicBody<'a> {
    topic_name: &'a str,
    channels: Vec<ChannelBody<'a>>,
    depth: u64,
    backend_depth: u64,
    message_count: u64,
    message_bytes: u64,
    paused: bool,
    e2e_processing_latency: LatencyBody,
    memory_bytes: u64,
    disk_bytes: u64,
    options: TopicOptionsBody,
}

impl<'a> TopicBody<'a> {
    fn of(topic: &'a TopicStats) -> Self {
        // Percentiles of channels cannot be put together: their buckets can.
        let mut latency = Latency::default();
        topic.channels.iter().for_each(|channel| latency.merge(&channel.latency));
        TopicBody {
            topic_name: &topic.name,
            channels: topic.channels.iter().map(ChannelBody::of).collect(),
            depth: topic.depth,
            backend_depth: 0,
            message_count: topic.message_count,
            message_bytes: topic.message_bytes,
            paused: topic.paused,
            e2e_processing_latency: LatencyBody::of(&latency),
            memory_bytes: topic.memory_bytes,
            disk_bytes: topic.disk_bytes,
            options: TopicOptionsBody::of(&topic.options),
        }
    }
}

/// The percentiles that are told, in percent.
const PERCENTILES: [u8; 3] = [99, 95, 50];

/// It has to be an object: nsqadmin falls over a `null`.
#[derive(Serialize)]
struct LatencyBody {
    count: u64,
    percentiles: Option<[Percentile; 3]>,
}

#[derive(Serialize)]
struct Percentile {
    quantile: f32,
    /// In nanoseconds.
    value: u64,
}

impl LatencyBody {
    fn of(latency: &Latency) -> Self {
        let percentile = |percent: u8| Percentile {
            quantile: f32::from(percent) / 100.0,
            value: latency.percentile(percent.into()),
        };
        let count = latency.count();
        LatencyBody { count, percentiles: (count > 0).then(|| PERCENTILES.map(percentile)) }
    }
}

#[derive(Serialize)]
struct TopicOptionsBody {
    retain_ms: u64,
    retain_bytes: u64,
    max_bytes: u64,
    max_messages: u64,
    overflow: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    dedup_window_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde has it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TopicOptionsBody {
    fn of(options: &TopicOptions) -> Self {
        TopicOptionsBody {
            dedup_window_ms: milliseconds(options.dedup_window),
            retain_ms: milliseconds(options.retain),
            retain_bytes: options.retain_bytes,
            max_bytes: options.max_bytes,
            max_messages: options.max_messages,
            overflow: match options.overflow {
                Overflow::Reject => "reject",
                Overflow::DropOldest => "drop_oldest",
            },
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct ChannelBody<'a> {
    channel_name: &'a str,
    depth: u64,
    backend_depth: u64,
    in_flight_count: u64,
    deferred_count: u64,
    message_count: u64,
    requeue_count: u64,
    timeout_count: u64,
    client_count: u64,
    clients: Option<Vec<ClientBody<'a>>>,
    paused: bool,
    e2e_processing_latency: LatencyBody,
    dead_count: u64,
    finish_count: u64,
    expired_count: u64,
    dropped_count: u64,
    waiting_count: u64,
    position: super::encode::Hex,
    options: ChannelOptionsBody<'a>,
}

impl<'a> ChannelBody<'a> {
    fn of(channel: &'a ChannelStats) -> Self {
        ChannelBody {
            channel_name: &channel.name,
            depth: channel.depth,
            backend_depth: 0,
            in_flight_count: channel.in_flight,
            deferred_count: channel.deferred,
            message_count: channel.message_count,
            requeue_count: channel.requeue_count,
            timeout_count: channel.timeout_count,
            client_count: channel.client_count,
            clients: channel.clients.as_ref().map(|clients| clients.iter().map(ClientBody::of).collect()),
            paused: channel.paused,
            e2e_processing_latency: LatencyBody::of(&channel.latency),
            dead_count: channel.dead,
            finish_count: channel.finish_count,
            expired_count: channel.expired_count,
            dropped_count: channel.dropped_count,
            waiting_count: channel.waiting,
            position: super::encode::Hex(channel.position),
            options: ChannelOptionsBody::of(&channel.options),
        }
    }
}

#[derive(Serialize)]
struct ChannelOptionsBody<'a> {
    timeout_ms: u64,
    max_attempts: u16,
    max_in_flight: u32,
    ordered: bool,
    dead_letter: Option<&'a str>,
}

impl<'a> ChannelOptionsBody<'a> {
    fn of(options: &'a ChannelOptions) -> Self {
        ChannelOptionsBody {
            timeout_ms: milliseconds(options.timeout),
            max_attempts: options.max_attempts,
            max_in_flight: options.max_in_flight,
            ordered: options.ordered,
            dead_letter: options.dead_letter.as_ref().map(crate::name::Name::as_str),
        }
    }
}

/// A consumer. nsqd's protocol version and its state "subscribed" stand in for what HTTP has not.
pub(super) const CLIENT_VERSION: &str = "V2";
/// nsqd's number for a client that is subscribed.
pub(super) const CLIENT_STATE: u8 = 3;

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are nsqd's")]
struct ClientBody<'a> {
    client_id: &'a str,
    hostname: &'a str,
    version: &'static str,
    remote_address: &'a str,
    state: u8,
    ready_count: u64,
    in_flight_count: u64,
    message_count: u64,
    finish_count: u64,
    requeue_count: u64,
    connect_ts: u64,
    sample_rate: u8,
    deflate: bool,
    snappy: bool,
    user_agent: &'static str,
    topology_zone: &'static str,
    topology_region: &'static str,
    tls: bool,
    tls_cipher_suite: &'static str,
    tls_version: &'static str,
    tls_negotiated_protocol: &'static str,
    tls_negotiated_protocol_is_mutual: bool,
}

impl<'a> ClientBody<'a> {
    fn of(client: &'a ClientStats) -> Self {
        ClientBody {
            client_id: &client.name,
            hostname: host_and_port(client).0,
            version: CLIENT_VERSION,
            remote_address: &client.remote_address,
            state: CLIENT_STATE,
            ready_count: client.waiting,
            in_flight_count: client.in_flight,
            message_count: client.message_count,
            finish_count: client.finish_count,
            requeue_count: client.requeue_count,
            connect_ts: client.connected.as_secs(),
            sample_rate: 0,
            deflate: false,
            snappy: false,
            user_agent: "",
            topology_zone: "",
            topology_region: "",
            tls: false,
            tls_cipher_suite: "",
            tls_version: "",
            tls_negotiated_protocol: "",
            tls_negotiated_protocol_is_mutual: false,
        }
    }
}

/// Where a consumer calls from. One that came without an address has its name for a host.
pub(super) fn host_and_port(client: &ClientStats) -> (&str, &str) {
    client.remote_address.rsplit_once(':').unwrap_or((&client.name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Filter;
    use crate::time::Time;
    use alloc::vec;

    fn json(topics: &[TopicStats], filter: &Filter<'_>, memory: bool) -> String {
        let identity = Identity { version: "1.2.3".into(), ..Identity::default() };
        let (started, now) = (Time::from_secs(5), Time::from_secs(9));
        let stats = Stats { json: true, memory, filter, topics, total: None, health: Health::default(), started, now };
        serde_json::to_string(&body(&identity, &stats)).expect("JSON")
    }

    const NO_LATENCY: &str = r#""e2e_processing_latency":{"count":0,"percentiles":null}"#;

    #[test]
    fn a_broker_with_nothing_in_it() {
        let expected = r#"{"version":"1.2.3","health":"OK","start_time":5,"topics":[],"producers":null}"#;
        assert_eq!(json(&[], &Filter::default(), false), expected);
        let filter = Filter { topic: Some("t".into()), ..Filter::default() };
        assert_eq!(json(&[], &filter, false), expected.replace("[]", "null"));
        let unwell = |topic: &str| TopicUnwell {
            why: alloc::format!("{topic} is odd"),
            since: Time::from_secs(7),
            state: TopicTrouble::Full,
        };
        let topics = [("a".into(), unwell("a")), ("b".into(), unwell("b"))];
        assert_eq!(health(Health { broker: Some("disk"), topics: &topics }), "NOK - disk");
        assert_eq!(health(Health { broker: None, topics: &topics }), "OK - a is odd; and 1 more, see /stats");
        let told = serde_json::to_string(&UnwellTopic::of("a", &topics[0].1)).expect("JSON");
        assert_eq!(told, r#"{"topic":"a","why":"a is odd","since":"1970-01-01T00:00:07Z","state":"full"}"#);
    }

    #[test]
    fn memory_has_all_of_nsqds_fields() {
        let topics = [
            TopicStats { memory_bytes: 3, ..TopicStats::default() },
            TopicStats { memory_bytes: 4, ..TopicStats::default() },
        ];
        let expected = concat!(
            r#""memory":{"heap_objects":0,"heap_idle_bytes":0,"heap_in_use_bytes":7,"heap_released_bytes":0,"#,
            r#""gc_pause_usec_100":0,"gc_pause_usec_99":0,"gc_pause_usec_95":0,"next_gc_bytes":0,"gc_total_runs":0}"#,
        );
        assert!(json(&topics, &Filter::default(), true).contains(expected));
    }

    #[test]
    fn topics_channels_and_clients_have_nsqds_fields_and_then_ours() {
        let client = ClientStats {
            name: "worker".into(),
            remote_address: "[::1]:99".into(),
            waiting: 1,
            in_flight: 2,
            message_count: 3,
            finish_count: 4,
            requeue_count: 5,
            connected: Time::from_secs(6),
        };
        let channel = ChannelStats {
            name: "c".into(),
            depth: 1,
            position: 31,
            clients: Some(vec![client]),
            ..ChannelStats::default()
        };
        let topic = TopicStats {
            name: "t".into(),
            depth: 2,
            message_bytes: 9,
            channels: vec![channel],
            ..TopicStats::default()
        };
        let found = json(&[topic], &Filter::default(), false);
        let client = concat!(
            r#"{"client_id":"worker","hostname":"[::1]","version":"V2","remote_address":"[::1]:99","state":3,"ready_count":1,"#,
            r#""in_flight_count":2,"message_count":3,"finish_count":4,"requeue_count":5,"connect_ts":6,"sample_rate":0,"#,
            r#""deflate":false,"snappy":false,"user_agent":"","topology_zone":"","topology_region":"","tls":false,"#,
            r#""tls_cipher_suite":"","tls_version":"","tls_negotiated_protocol":"","tls_negotiated_protocol_is_mutual":false}"#,
        );
        let channel = alloc::format!(
            concat!(
                r#"{{"channel_name":"c","depth":1,"backend_depth":0,"in_flight_count":0,"deferred_count":0,"message_count":0,"#,
                r#""requeue_count":0,"timeout_count":0,"client_count":0,"clients":[{}],"paused":false,{},"#,
                r#""dead_count":0,"finish_count":0,"expired_count":0,"dropped_count":0,"waiting_count":0,"#,
                r#""position":"000000000000001f","options":{{"timeout_ms":0,"max_attempts":0,"max_in_flight":0,"#,
                r#""ordered":false,"dead_letter":null}}}}"#,
            ),
            client,
            NO_LATENCY
        );
        let topic = alloc::format!(
            concat!(
                r#"{{"topic_name":"t","channels":[{}],"depth":2,"backend_depth":0,"message_count":0,"message_bytes":9,"#,
                r#""paused":false,{},"memory_bytes":0,"disk_bytes":0,"options":{{"retain_ms":0,"retain_bytes":0,"max_bytes":0,"#,
                r#""max_messages":0,"overflow":"reject"}}}}"#,
            ),
            channel,
            NO_LATENCY
        );
        assert!(found.contains(&topic), "{found}\n{topic}");
        let without = [TopicStats { channels: vec![ChannelStats::default()], ..TopicStats::default() }];
        assert!(json(&without, &Filter::default(), false).contains(r#""clients":null"#));
    }
}
