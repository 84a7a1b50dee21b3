//! `/stats` as text, laid out as nsqd does.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Write as _};
use core::time::Duration;

use super::Stats;
use super::stats::{CLIENT_STATE, CLIENT_VERSION, Memory, health, host_and_port};
use super::values;
use crate::command::{ChannelStats, ClientStats, TopicStats};
use crate::config::Identity;
use crate::time::Time;

/// The page.
pub(super) fn page(identity: &Identity, stats: &Stats<'_>) -> String {
    let mut page = String::new();
    write_page(&mut page, identity, stats).expect("writing to a string does not fail");
    page
}

fn write_page(page: &mut String, identity: &Identity, stats: &Stats<'_>) -> fmt::Result {
    writeln!(page, "shelfmq v{} (built w/{})", identity.version, identity.built_with)?;
    writeln!(page, "start_time {}", rfc3339(stats.started))?;
    writeln!(page, "uptime {}", GoDuration(stats.now.since(stats.started)))?;
    writeln!(page, "\nHealth: {}", health(stats.health))?;
    if stats.memory {
        write_memory(page, &Memory::of(stats.topics))?;
    }
    page.push_str(if stats.shown().next().is_none() { "\nTopics: None\n" } else { "\nTopics:" });
    for topic in stats.shown() {
        write_topic(page, topic)?;
        for channel in &topic.channels {
            write_channel(page, channel)?;
            for client in channel.clients.iter().flatten() {
                write_client(page, client, stats.now)?;
            }
        }
    }
    page.write_str("\nProducers: None\n")
}

fn write_memory(page: &mut String, memory: &Memory) -> fmt::Result {
    page.write_str("\nMemory:\n")?;
    let lines = [
        ("heap_objects", memory.heap_objects),
        ("heap_idle_bytes", memory.heap_idle_bytes),
        ("heap_in_use_bytes", memory.heap_in_use_bytes),
        ("heap_released_bytes", memory.heap_released_bytes),
        ("gc_pause_usec_100", memory.gc_pause_usec_100),
        ("gc_pause_usec_99", memory.gc_pause_usec_99),
        ("gc_pause_usec_95", memory.gc_pause_usec_95),
        ("next_gc_bytes", memory.next_gc_bytes),
        ("gc_total_runs", memory.gc_total_runs.into()),
    ];
    lines.iter().try_for_each(|(name, value)| writeln!(page, "   {name:<25}\t{value}"))
}

fn write_topic(page: &mut String, topic: &TopicStats) -> fmt::Result {
    let TopicStats { name, depth, message_count, .. } = topic;
    let mark = if topic.paused { "*P " } else { "   " };
    writeln!(page, "\n{mark}[{name:<15}] depth: {depth:<5} be-depth: {:<5} msgs: {message_count:<8} e2e%: ", 0)
}

fn write_channel(page: &mut String, channel: &ChannelStats) -> fmt::Result {
    let ChannelStats { name, depth, in_flight, deferred, requeue_count, timeout_count, message_count, .. } = channel;
    let mark = if channel.paused { "   *P " } else { "      " };
    write!(page, "{mark}[{name:<25}] depth: {depth:<5} be-depth: {:<5} inflt: {in_flight:<4} def: {deferred:<4} ", 0)?;
    writeln!(page, "re-q: {requeue_count:<5} timeout: {timeout_count:<5} msgs: {message_count:<8} e2e%: ")
}

fn write_client(page: &mut String, client: &ClientStats, now: Time) -> fmt::Result {
    let ClientStats { name, waiting, in_flight, message_count, finish_count, requeue_count, .. } = client;
    let (host, port) = host_and_port(client);
    let id = format!("{host}:{port} {name}");
    let connected = GoDuration(Duration::from_secs(now.since(client.connected).as_secs()));
    write!(page, "        [{CLIENT_VERSION} {id:<21}] state: {CLIENT_STATE} inflt: {in_flight:<4} rdy: {waiting:<4} ")?;
    writeln!(page, "fin: {finish_count:<8} re-q: {requeue_count:<8} msgs: {message_count:<8} connected: {connected}")
}

/// A point in time as RFC 3339 has it, to the second.
pub(super) fn rfc3339(time: Time) -> String {
    // Its first 19 bytes are always the same fields: every number has all its digits.
    let text = values::rfc3339_nanos(time);
    String::from_utf8_lossy(&text[..19]).into_owned() + "Z"
}

/// A duration as Go writes it: `1h2m3.5s`, `1.5ms`, `0s`.
struct GoDuration(Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Longer ones than Go can say are cut.
        let nanos = u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX);
        match nanos {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", Fraction(nanos, 1_000)),
            1_000_000..1_000_000_000 => write!(f, "{}ms", Fraction(nanos, 1_000_000)),
            _ => {
                let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
                let (hours, minutes) = (minutes / 60, minutes % 60);
                match (hours, minutes) {
                    (0, 0) => {}
                    (0, _) => write!(f, "{minutes}m")?,
                    _ => write!(f, "{hours}h{minutes}m")?,
                }
                write!(f, "{}s", Fraction(rest, 1_000_000_000))
            }
        }
    }
}

/// A number of units, with as many decimals as it takes.
struct Fraction(u64, u64);

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fraction(number, unit) = *self;
        write!(f, "{}", number / unit)?;
        let digits = unit.ilog10() as usize;
        let decimals = format!("{:0digits$}", number % unit);
        match decimals.trim_end_matches('0') {
            "" => Ok(()),
            decimals => write!(f, ".{decimals}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Health;
    use crate::command::Filter;
    use alloc::string::ToString;
    use alloc::vec;

    fn text(topics: &[TopicStats], memory: bool) -> String {
        let identity = Identity { version: "1.2.3".into(), built_with: "rustc 1".into(), ..Identity::default() };
        let (started, now) = (Time::from_secs(1_700_000_000), Time::from_secs(1_700_003_723));
        let filter = Filter::default();
        page(
            &identity,
            &Stats {
                json: false,
                memory,
                filter: &filter,
                topics,
                total: None,
                health: Health::default(),
                started,
                now,
            },
        )
    }

    const HEAD: &str =
        "shelfmq v1.2.3 (built w/rustc 1)\nstart_time 2023-11-14T22:13:20Z\nuptime 1h2m3s\n\nHealth: OK\n";

    #[test]
    fn a_broker_with_nothing_in_it() {
        assert_eq!(text(&[], false), alloc::format!("{HEAD}\nTopics: None\n\nProducers: None\n"));
        let memory = text(&[], true);
        assert!(memory.starts_with(&alloc::format!("{HEAD}\nMemory:\n   heap_objects             \t0\n")), "{memory}");
        assert!(memory.contains("\n   gc_total_runs            \t0\n\nTopics: None\n"), "{memory}");
    }

    #[test]
    fn topics_channels_and_clients_are_laid_out_as_nsqd_does() {
        let client = ClientStats {
            name: "w".into(),
            remote_address: "10.0.0.1:99".into(),
            waiting: 1,
            in_flight: 2,
            message_count: 3,
            finish_count: 4,
            requeue_count: 5,
            connected: Time::from_secs(1_700_003_633),
        };
        let channel = ChannelStats {
            name: "c".into(),
            depth: 1,
            in_flight: 2,
            deferred: 3,
            requeue_count: 4,
            timeout_count: 5,
            message_count: 6,
            clients: Some(vec![client]),
            ..ChannelStats::default()
        };
        let paused = ChannelStats { name: "d".into(), paused: true, ..ChannelStats::default() };
        let topic =
            TopicStats { name: "t".into(), message_count: 7, channels: vec![channel, paused], ..TopicStats::default() };
        let other = TopicStats { name: "u".into(), paused: true, ..TopicStats::default() };
        let expected = concat!(
            "\nTopics:\n",
            "   [t              ] depth: 0     be-depth: 0     msgs: 7        e2e%: \n",
            "      [c                        ] depth: 1     be-depth: 0     inflt: 2    def: 3    re-q: 4     timeout: 5     msgs: 6        e2e%: \n",
            "        [V2 10.0.0.1:99 w        ] state: 3 inflt: 2    rdy: 1    fin: 4        re-q: 5        msgs: 3        connected: 1m30s\n",
            "   *P [d                        ] depth: 0     be-depth: 0     inflt: 0    def: 0    re-q: 0     timeout: 0     msgs: 0        e2e%: \n",
            "\n*P [u              ] depth: 0     be-depth: 0     msgs: 0        e2e%: \n",
            "\nProducers: None\n",
        );
        assert_eq!(text(&[topic, other], false), alloc::format!("{HEAD}{expected}"));
    }

    #[test]
    fn durations_are_written_as_go_does() {
        let cases = [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_000_000_000, "1s"),
            (3_000_000_120, "3.00000012s"),
            (60_000_000_000, "1m0s"),
            (3_600_500_000_000, "1h0m0.5s"),
            (90_061_000_000_000, "25h1m1s"),
        ];
        for (nanos, text) in cases {
            assert_eq!(GoDuration(Duration::from_nanos(nanos)).to_string(), text);
        }
    }
}
