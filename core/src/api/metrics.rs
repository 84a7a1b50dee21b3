//! `/metrics`: topics and channels in the text format of Prometheus.

use alloc::string::String;
use core::fmt::{self, Write as _};

use super::Health;
use crate::command::{ChannelStats, TopicStats};
use crate::config::Identity;

/// The media type of the format.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A number that each topic has.
type OfTopic = Metric<fn(&TopicStats) -> u64>;

/// A number that each channel has.
type OfChannel = Metric<fn(&ChannelStats) -> u64>;

/// A number, by its name, its kind and what it means. Counters end in `_total`.
struct Metric<F>(&'static str, &'static str, F);

const TOPIC_METRICS: [OfTopic; 6] = [
    Metric("shelfmq_topic_depth", "Messages not yet handed to the topic's channels.", |t| t.depth),
    Metric("shelfmq_topic_messages_total", "Messages published to the topic.", |t| t.message_count),
    Metric("shelfmq_topic_message_bytes_total", "Bytes of bodies published to the topic.", |t| t.message_bytes),
    Metric("shelfmq_topic_memory_bytes", "Bytes that the topic holds in memory.", |t| t.memory_bytes),
    Metric("shelfmq_topic_disk_bytes", "Bytes of the topic's log.", |t| t.disk_bytes),
    Metric("shelfmq_topic_paused", "1 where the topic is paused.", |t| t.paused.into()),
];

const CHANNEL_METRICS: [OfChannel; 13] = [
    Metric("shelfmq_channel_depth", "Messages waiting for a consumer.", |c| c.depth),
    Metric("shelfmq_channel_in_flight", "Messages leased.", |c| c.in_flight),
    Metric("shelfmq_channel_deferred", "Messages waiting for their time.", |c| c.deferred),
    Metric("shelfmq_channel_dead", "Dead letters.", |c| c.dead),
    Metric("shelfmq_channel_messages_total", "Messages that the channel got.", |c| c.message_count),
    Metric("shelfmq_channel_finished_total", "Deliveries finished.", |c| c.finish_count),
    Metric("shelfmq_channel_requeued_total", "Deliveries put back by a consumer.", |c| c.requeue_count),
    Metric("shelfmq_channel_timed_out_total", "Leases that ran out.", |c| c.timeout_count),
    Metric("shelfmq_channel_expired_total", "Messages whose time to live ran out.", |c| c.expired_count),
    Metric("shelfmq_channel_dropped_total", "Messages dropped at a limit.", |c| c.dropped_count),
    Metric("shelfmq_channel_waiting", "Polls and streams waiting for messages.", |c| c.waiting),
    Metric("shelfmq_channel_clients", "Consumers.", |c| c.client_count),
    Metric("shelfmq_channel_paused", "1 where the channel is paused.", |c| c.paused.into()),
];

/// The page.
pub(super) fn page(identity: &Identity, topics: &[TopicStats], health: Health<'_>) -> String {
    let mut page = String::new();
    write_page(&mut page, identity, topics, health).expect("writing to a string does not fail");
    page
}

fn write_page(page: &mut String, identity: &Identity, topics: &[TopicStats], health: Health<'_>) -> fmt::Result {
    write_head(page, "shelfmq_info", "The broker, as labels.")?;
    writeln!(page, "shelfmq_info{{version=\"{}\"}} 1", Label(&identity.version))?;
    write_head(page, "shelfmq_topics", "Topics.")?;
    writeln!(page, "shelfmq_topics {}", topics.len())?;
    write_head(page, "shelfmq_topics_unwell", "Topics that are not well: see /stats for why.")?;
    writeln!(page, "shelfmq_topics_unwell {}", health.topics.len())?;
    if !health.topics.is_empty() {
        write_head(page, "shelfmq_topic_unwell", "1 where the topic is not well.")?;
        for (topic, _) in health.topics {
            writeln!(page, "shelfmq_topic_unwell{{topic=\"{}\"}} 1", Label(topic))?;
        }
    }
    // Metric by metric: all lines of one have to stand together below their head.
    for Metric(name, help, value) in TOPIC_METRICS {
        write_head(page, name, help)?;
        for topic in topics {
            writeln!(page, "{name}{{topic=\"{}\"}} {}", Label(&topic.name), value(topic))?;
        }
    }
    for Metric(name, help, value) in CHANNEL_METRICS {
        write_head(page, name, help)?;
        for topic in topics {
            for channel in &topic.channels {
                let (topic, of) = (Label(&topic.name), Label(&channel.name));
                writeln!(page, "{name}{{topic=\"{topic}\",channel=\"{of}\"}} {}", value(channel))?;
            }
        }
    }
    Ok(())
}

fn write_head(page: &mut String, name: &str, help: &str) -> fmt::Result {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

/// The value of a label: backslash, quote and line feed are escaped.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{TopicTrouble, TopicUnwell};
    use crate::time::Time;
    use alloc::format;
    use alloc::vec;

    #[test]
    fn every_number_has_its_head_and_its_labels() {
        let channel = ChannelStats { name: "c#ephemeral".into(), depth: 3, finish_count: 4, ..ChannelStats::default() };
        let topic = TopicStats {
            name: "t".into(),
            message_count: 5,
            paused: true,
            channels: vec![channel],
            ..TopicStats::default()
        };
        let unwell = TopicUnwell { why: String::new(), since: Time::default(), state: TopicTrouble::Slow };
        let health = Health { broker: None, topics: &[("t".into(), unwell)] };
        let page = page(&Identity::default(), &[topic], health);
        for line in [
            "shelfmq_topics 1",
            "shelfmq_topics_unwell 1",
            "shelfmq_topic_unwell{topic=\"t\"} 1",
            "# HELP shelfmq_topic_messages_total Messages published to the topic.",
            "# TYPE shelfmq_topic_messages_total counter",
            "shelfmq_topic_messages_total{topic=\"t\"} 5",
            "shelfmq_topic_paused{topic=\"t\"} 1",
            "# TYPE shelfmq_channel_depth gauge",
            "shelfmq_channel_depth{topic=\"t\",channel=\"c#ephemeral\"} 3",
            "shelfmq_channel_finished_total{topic=\"t\",channel=\"c#ephemeral\"} 4",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
        assert!(page.ends_with('\n'));
        assert_eq!(page.matches("# TYPE").count(), 4 + TOPIC_METRICS.len() + CHANNEL_METRICS.len());
    }

    #[test]
    fn labels_are_escaped() {
        assert_eq!(format!("{}", Label("a\"b\\c\nd")), "a\\\"b\\\\c\\nd");
    }
}
