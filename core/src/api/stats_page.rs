//! A page of `/stats`: some of the topics in a chosen order, and sums over all of them. So a watcher's poll costs the
//! same to send and to draw however many topics there are.

use alloc::vec::Vec;
use core::cmp::Ordering;

use serde::Serialize;

use crate::command::TopicStats;

/// Which topics of those that were found are told, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// By what they are ordered.
    pub sort: Sort,
    /// From the greatest to the least.
    pub descending: bool,
    /// How many are passed over.
    pub offset: usize,
    /// How many are told at most.
    pub max: usize,
}

/// By what the topics of a page are ordered. Equal ones come by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Their names.
    Name,
    /// What waits, in the topic and in its channels.
    Depth,
    /// What is leased.
    InFlight,
    /// What waits for its time.
    Deferred,
    /// Dead letters.
    Dead,
    /// What was ever published.
    Messages,
}

impl Sort {
    /// What a word stands for.
    pub(super) fn named(word: &str) -> Option<Sort> {
        Some(match word {
            "name" => Sort::Name,
            "depth" => Sort::Depth,
            "in_flight" => Sort::InFlight,
            "deferred" => Sort::Deferred,
            "dead" => Sort::Dead,
            "messages" => Sort::Messages,
            _ => return None,
        })
    }
}

/// Sums over all topics that were found, on the page or not. A topic's own backlog counts into the depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    topics: u64,
    channels: u64,
    depth: u64,
    in_flight_count: u64,
    deferred_count: u64,
    dead_count: u64,
    message_count: u64,
    finish_count: u64,
    requeue_count: u64,
    timeout_count: u64,
    client_count: u64,
}

impl Total {
    fn add(&mut self, topic: &TopicStats) {
        self.topics += 1;
        add(&mut self.depth, topic.depth);
        add(&mut self.message_count, topic.message_count);
        for channel in &topic.channels {
            self.channels += 1;
            add(&mut self.depth, channel.depth);
            add(&mut self.in_flight_count, channel.in_flight);
            add(&mut self.deferred_count, channel.deferred);
            add(&mut self.dead_count, channel.dead);
            add(&mut self.finish_count, channel.finish_count);
            add(&mut self.requeue_count, channel.requeue_count);
            add(&mut self.timeout_count, channel.timeout_count);
            add(&mut self.client_count, channel.client_count);
        }
    }
}

/// What another engine told may be more than fits.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

impl Page {
    /// What is on this page of all topics, which come by name; and the sums over all.
    pub fn of(&self, all: &[TopicStats]) -> (Vec<TopicStats>, Total) {
        let mut total = Total::default();
        for topic in all {
            total.add(topic);
        }
        // Each is ranked once, not at each comparison.
        let mut order: Vec<(u64, &TopicStats)> = all.iter().map(|topic| (self.rank(topic), topic)).collect();
        if self.sort != Sort::Name {
            order.sort_unstable_by(|a, b| self.direct(a.0.cmp(&b.0)).then_with(|| a.1.name.cmp(&b.1.name)));
        } else if self.descending {
            // They come by name already.
            order.reverse();
        }
        (order.into_iter().skip(self.offset).take(self.max).map(|(_, topic)| topic.clone()).collect(), total)
    }

    fn direct(&self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }

    fn rank(&self, topic: &TopicStats) -> u64 {
        let mut sum = Total::default();
        sum.add(topic);
        match self.sort {
            Sort::Name => 0,
            Sort::Depth => sum.depth,
            Sort::InFlight => sum.in_flight_count,
            Sort::Deferred => sum.deferred_count,
            Sort::Dead => sum.dead_count,
            Sort::Messages => sum.message_count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::ChannelStats;
    use alloc::string::String;
    use alloc::vec;

    fn topics() -> Vec<TopicStats> {
        let channel = |depth, dead| ChannelStats { depth, dead, client_count: 1, ..ChannelStats::default() };
        let topic =
            |name: &str, depth, channels| TopicStats { name: name.into(), depth, channels, ..Default::default() };
        vec![
            topic("a", 0, vec![channel(3, 0), channel(1, 7)]),
            topic("b", 9, vec![]),
            topic("c", 0, vec![channel(4, 0)]),
            topic("d", 0, vec![]),
        ]
    }

    fn cut(sort: Sort, descending: bool, offset: usize, max: usize) -> (String, Total) {
        let (page, total) = Page { sort, descending, offset, max }.of(&topics());
        (page.iter().map(|topic| topic.name.clone()).collect(), total)
    }

    #[test]
    fn a_page_is_a_part_of_the_order_and_equal_ones_come_by_name() {
        assert_eq!(cut(Sort::Name, false, 0, 10).0, "abcd");
        assert_eq!(cut(Sort::Name, true, 1, 2).0, "cb");
        assert_eq!(cut(Sort::Depth, true, 0, 10).0, "bacd");
        assert_eq!(cut(Sort::Depth, false, 0, 10).0, "dacb");
        assert_eq!(cut(Sort::Dead, true, 0, 2).0, "ab");
        assert_eq!(cut(Sort::Dead, true, 9, 2).0, "");
    }

    #[test]
    fn sums_are_over_all_wherever_the_page_is() {
        let expected = Total { topics: 4, channels: 3, depth: 17, dead_count: 7, client_count: 3, ..Total::default() };
        assert_eq!(cut(Sort::Name, false, 3, 1).1, expected);
        assert_eq!(cut(Sort::Dead, true, 9, 1).1, expected);
    }
}
