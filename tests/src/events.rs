//! Random events of a topic's log: some that fit together, many that make no sense.

use shelfmq_core::log::event::{Departed, Event, Ids, MessageMeta, Position};
use shelfmq_core::log::image::{ChannelImage, ChannelSettings, Gap, TopicSettings};

use crate::workload::Random;

/// Ids are below this one, but for some that are as large as can be.
pub const IDS: u64 = 40;

/// An event.
pub fn event(random: &mut Random) -> Event {
    let channel = random.below(4) as u32;
    match random.below(21) {
        0 => {
            let (key, first) = (format!("key-{}", random.below(3)), number(random));
            Event::Deduplicated { key, first, count: random.below(9) as u32, until: number(random) }
        }
        1 => Event::TopicConfigured(TopicSettings { retain: number(random), ..TopicSettings::default() }),
        2 => Event::TopicPaused(random.percent(30)),
        3 => Event::Tombstoned { from: position(random), to: position(random) },
        4 => Event::ChannelCreated(channel, Box::new(channel_image(random))),
        5 => Event::ChannelConfigured(channel, settings(random)),
        6 => Event::ChannelPaused(channel, random.percent(50)),
        7 => Event::ChannelDeleted(channel),
        8 => Event::Leased {
            channel,
            at: number(random),
            until: number(random),
            delivery: number(random),
            from: random.below(IDS),
            cursor: position(random),
            departed: departed(random),
            leased: ids(random),
        },
        9 => {
            let (at, from, cursor) = (number(random), random.below(IDS), position(random));
            Event::Passed { channel, at, from, cursor, departed: departed(random) }
        }
        10 => Event::Touched { channel, until: number(random), ids: ids(random) },
        11 => Event::Finished { channel, ids: ids(random) },
        12 => Event::Requeued { channel, id: number(random), due: maybe(random) },
        13 => Event::TimedOut { channel, ids: ids(random) },
        14 => Event::Died { channel, ids: ids(random), timed_out: random.percent(50) },
        15 => Event::DeadGone { channel, ids: ids(random) },
        16 => Event::Redriven { channel, at: number(random), ids: ids(random) },
        17 => {
            let (from, cursor, count) = (random.below(IDS), position(random), number(random));
            Event::Dropped { channel, from, cursor, ids: ids(random), count }
        }
        18 => Event::HandedOver { to: position(random) },
        19 => Event::Lost { channel, id: number(random) },
        _ => Event::Sought { channel, to: position(random), gaps: (0..random.below(3)).map(|_| gap(random)).collect() },
    }
}

/// A number: small, or as large as can be.
pub fn number(random: &mut Random) -> u64 {
    if random.percent(4) { u64::MAX - random.below(2) } else { random.below(IDS) }
}

/// A place, which need not be one of the topic.
pub fn position(random: &mut Random) -> Position {
    Position { id: number(random), bytes: number(random) }
}

/// What is told of a message.
pub fn meta(random: &mut Random) -> MessageMeta {
    let (id, size) = (number(random), number(random) as u32);
    MessageMeta { id, size, key: maybe(random), due: maybe(random), expires: maybe(random) }
}

/// Some ids, in no order.
pub fn ids(random: &mut Random) -> Ids {
    Ids((0..random.below(4)).map(|_| (number(random), random.below(5))).collect())
}

fn maybe(random: &mut Random) -> Option<u64> {
    if random.percent(30) { Some(number(random)) } else { None }
}

fn gap(random: &mut Random) -> Gap {
    Gap { from: number(random), to: number(random), bytes: number(random) }
}

fn departed(random: &mut Random) -> Departed {
    (0..random.below(4)).map(|_| meta(random)).collect()
}

fn settings(random: &mut Random) -> ChannelSettings {
    let dead_letter = random.percent(30).then(|| "dead".to_owned());
    ChannelSettings { ordered: random.percent(30), max_attempts: 2, dead_letter, ..ChannelSettings::default() }
}

fn channel_image(random: &mut Random) -> ChannelImage {
    let (settings, cursor, since) = (settings(random), position(random), number(random));
    let (next_delivery, gaps) = (number(random), vec![gap(random)]);
    ChannelImage { name: "c".into(), settings, cursor, since, next_delivery, gaps, ..ChannelImage::default() }
}
