//! What concerns the node as a whole: who it is, what it has, whom it knows.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use super::{Body, NodeReply, Producer, Response, home, metrics, openapi, stats, stats_text};
use crate::command::Context;
use crate::config::Identity;
use crate::time::Time;

/// The answer to a call of the node.
pub fn encode_node(context: &Context, identity: &Identity, reply: NodeReply<'_>) -> Response {
    let response = match reply {
        NodeReply::Health(health) => match stats::health(health) {
            Cow::Borrowed(well) => undecorated(200, Body::Static(well.as_bytes())),
            Cow::Owned(why) => {
                let status = if health.broker.is_some() { 500 } else { 200 };
                undecorated(status, Body::Bytes(why.into_bytes()))
            }
        },
        NodeReply::Done => Response::empty(200),
        NodeReply::Info(started) => Response::json(200, &Info::of(identity, started)),
        NodeReply::Stats(stats) if stats.json => Response::json(200, &stats::body(identity, &stats)),
        NodeReply::Stats(stats) => Response::text(200, text(stats_text::page(identity, &stats))),
        NodeReply::Metrics(topics, health) => {
            Response::of(200, metrics::MEDIA_TYPE, text(metrics::page(identity, topics, health)))
        }
        // As with nsqd, text is told as it is, and only what is not text as JSON.
        NodeReply::Config(serde_json::Value::String(value)) => Response::text(200, text(value.clone())),
        NodeReply::Config(value) => Response::json(200, value),
        NodeReply::Topics(topics) => Response::json(200, &Topics { topics }),
        NodeReply::Channels(channels) => Response::json(200, &Channels { channels }),
        NodeReply::Lookup(channels, nodes) => {
            Response::json(200, &Lookup { channels, producers: nodes.iter().map(Peer::of).collect() })
        }
        NodeReply::Nodes(nodes) => Response::json(200, &Nodes { producers: nodes.iter().map(Node::of).collect() }),
        NodeReply::OpenApi => Response::json_bytes(200, Body::Bytes(openapi::document(identity).into_bytes())),
        NodeReply::Home(host) => Response::text(200, text(home::page(identity, host))),
    };
    response.in_context(context)
}

fn text(text: String) -> Body {
    Body::Bytes(text.into_bytes())
}

/// nsqd answers `/ping` without its own header.
fn undecorated(status: u16, body: Body) -> Response {
    let mut response = Response::text(status, body);
    response.headers.retain(|(field, _)| *field != super::Field::Known(super::Known::NsqContentType));
    response
}

/// `/info`, field for field as nsqd's. What concerns only NSQ's TCP protocol has nsqd's default.
#[derive(Serialize)]
struct Info<'a> {
    version: &'a str,
    broadcast_address: &'a str,
    hostname: &'a str,
    http_port: u16,
    tcp_port: u16,
    start_time: u64,
    max_heartbeat_interval: u64,
    max_output_buffer_size: u32,
    max_output_buffer_timeout: u64,
    max_deflate_level: u8,
    topology_zone: &'a str,
    topology_region: &'a str,
}

impl<'a> Info<'a> {
    fn of(identity: &'a Identity, started: Time) -> Self {
        Info {
            version: &identity.version,
            broadcast_address: &identity.broadcast_address,
            hostname: &identity.hostname,
            http_port: identity.http_port,
            // There is no TCP protocol; but nsqadmin tells nodes apart by this port.
            tcp_port: identity.http_port,
            start_time: started.as_secs(),
            max_heartbeat_interval: 60_000_000_000,
            max_output_buffer_size: 65_536,
            max_output_buffer_timeout: 30_000_000_000,
            max_deflate_level: 6,
            topology_zone: &identity.topology_zone,
            topology_region: &identity.topology_region,
        }
    }
}

#[derive(Serialize)]
struct Topics<'a> {
    topics: Vec<&'a str>,
}

#[derive(Serialize)]
struct Channels<'a> {
    channels: Vec<&'a str>,
}

#[derive(Serialize)]
struct Lookup<'a> {
    channels: Vec<&'a str>,
    producers: Vec<Peer<'a>>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    producers: Vec<Node<'a>>,
}

/// A node in `/lookup`.
#[derive(Serialize)]
struct Peer<'a> {
    remote_address: &'a str,
    hostname: &'a str,
    broadcast_address: &'a str,
    tcp_port: u16,
    http_port: u16,
    version: &'a str,
    topology_zone: &'a str,
    topology_region: &'a str,
}

impl<'a> Peer<'a> {
    fn of(producer: &'a Producer) -> Self {
        Peer {
            remote_address: &producer.remote_address,
            hostname: &producer.hostname,
            broadcast_address: &producer.broadcast_address,
            tcp_port: producer.tcp_port,
            http_port: producer.http_port,
            version: &producer.version,
            topology_zone: &producer.topology_zone,
            topology_region: &producer.topology_region,
        }
    }
}

/// A node in `/nodes`. The two lists are of one length: nsqadmin reads them side by side and does not check.
#[derive(Serialize)]
struct Node<'a> {
    #[serde(flatten)]
    peer: Peer<'a>,
    tombstones: Vec<bool>,
    topics: Vec<&'a str>,
}

impl<'a> Node<'a> {
    fn of(producer: &'a Producer) -> Self {
        Node {
            peer: Peer::of(producer),
            tombstones: producer.topics.iter().map(|(_, tombstoned)| *tombstoned).collect(),
            topics: producer.topics.iter().map(|(topic, _)| topic.as_str()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Health;
    use crate::api::{Field, Known, Value};
    use alloc::format;
    use alloc::vec;

    fn answer(reply: NodeReply<'_>) -> (u16, Option<&'static str>, String) {
        let response = encode_node(&Context::default(), &Identity::default(), reply);
        let content_type = response.headers.iter().find_map(|(field, value)| match (field, value) {
            (Field::Known(Known::ContentType), Value::Static(text)) => Some(*text),
            _ => None,
        });
        let body = String::from_utf8_lossy(response.body.as_bytes()).into_owned();
        (response.status, content_type, body)
    }

    fn json(reply: NodeReply<'_>) -> String {
        let (status, content_type, body) = answer(reply);
        assert_eq!((status, content_type), (200, Some("application/json; charset=utf-8")));
        body
    }

    const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

    #[test]
    fn ping_is_plain() {
        let well = || NodeReply::Health(Health::default());
        assert_eq!(answer(well()), (200, TEXT, "OK".into()));
        let unwell = Health { broker: Some("disk gone"), topics: &[] };
        assert_eq!(answer(NodeReply::Health(unwell)), (500, TEXT, "NOK - disk gone".into()));
        let response = encode_node(&Context::default(), &Identity::default(), well());
        assert!(!response.headers.iter().any(|(field, _)| *field == Field::Known(Known::NsqContentType)));
        assert_eq!(answer(NodeReply::Done), (200, None, String::new()));
    }

    #[test]
    fn info_is_nsqds_field_for_field() {
        let expected = concat!(
            r#"{"version":"0.1.0","broadcast_address":"localhost","hostname":"localhost","http_port":4151,"#,
            r#""tcp_port":4151,"start_time":7,"max_heartbeat_interval":60000000000,"max_output_buffer_size":65536,"#,
            r#""max_output_buffer_timeout":30000000000,"max_deflate_level":6,"topology_zone":"","topology_region":""}"#,
        );
        let version = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");
        let found = json(NodeReply::Info(Time::from_secs(7)));
        assert_eq!(found.replace(version, "\"version\":\"0.1.0\""), expected);
    }

    #[test]
    fn the_directory_is_nsqlookupds_field_for_field() {
        let node = Producer {
            remote_address: "10.0.0.1:5".into(),
            hostname: "h".into(),
            broadcast_address: "b".into(),
            tcp_port: 1,
            http_port: 2,
            version: "1.2.3".into(),
            topics: vec![("t".into(), false), ("u".into(), true)],
            ..Producer::default()
        };
        let address = concat!(
            r#"{"remote_address":"10.0.0.1:5","hostname":"h","broadcast_address":"b","tcp_port":1,"http_port":2,"#,
            r#""version":"1.2.3","topology_zone":"","topology_region":"""#,
        );
        let nodes = [node];
        let lists = r#","tombstones":[false,true],"topics":["t","u"]}]}"#;
        assert_eq!(json(NodeReply::Nodes(&nodes)), format!(r#"{{"producers":[{address}{lists}"#));
        let lookup = json(NodeReply::Lookup(vec!["c"], &nodes));
        assert_eq!(lookup, format!(r#"{{"channels":["c"],"producers":[{address}}}]}}"#));
        assert_eq!(json(NodeReply::Topics(vec!["t", "u"])), r#"{"topics":["t","u"]}"#);
        assert_eq!(json(NodeReply::Channels(vec![])), r#"{"channels":[]}"#);
        assert_eq!(json(NodeReply::Nodes(&[])), r#"{"producers":[]}"#);
    }

    #[test]
    fn an_option_is_text_as_it_is_and_json_else() {
        assert_eq!(answer(NodeReply::Config(&"a\"b".into())), (200, TEXT, "a\"b".into()));
        assert_eq!(answer(NodeReply::Config(&"".into())), (200, None, String::new()));
        assert_eq!(json(NodeReply::Config(&5.into())), "5");
        assert_eq!(json(NodeReply::Config(&serde_json::json!(["a"]))), r#"["a"]"#);
    }
}
