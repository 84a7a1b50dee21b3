//! A broker in a machine that has no operating system: what a sensor measures waits here for whoever reads it.
//!
//! `scripts/bare-metal.sh` builds this for such a machine. All that it needs is a clock and a global allocator.
#![cfg_attr(not(test), no_std)]

use shelfmq_core::api::Response;
use shelfmq_core::command::Ticket;
use shelfmq_core::config::{Config, Limits};
use shelfmq_core::time::Time;
use shelfmq_core::{Local, api};

/// The machine's broker.
#[derive(Debug)]
pub struct Station {
    broker: Local,
    /// A poll of the radio's, until something was measured.
    poll: Option<Ticket>,
}

impl Station {
    /// Begins at some time. The seed is to be random.
    pub fn new(now: Time, seed: u64) -> Self {
        // There is little memory: neither are messages large, nor lists of them long.
        let limits = Limits { max_msg_size: 64, max_body_size: 256, max_messages: 16, ..Limits::default() };
        let mut broker = Local::new(Config { limits, started: now, ..Config::default() }, seed);
        let options = "/topic/create?topic=measured&max_messages=100&overflow=drop_oldest";
        broker.call(now, "POST", options, b"");
        Station { broker, poll: None }
    }

    /// The sensor measured something. False where that was refused.
    pub fn measured(&mut self, now: Time, value: &[u8]) -> bool {
        let answer = self.broker.call(now, "POST", "/pub?topic=measured&ttl=1h", value);
        answer.is_some_and(|answer| answer.status == 200)
    }

    /// What the radio is to send next, if there is anything. Until it was [sent](Station::sent), it comes again after 10 s.
    pub fn to_send(&mut self, now: Time) -> Option<Response> {
        self.broker.tick(now);
        let broker = &mut self.broker;
        let poll = "/sub?topic=measured&channel=radio&wait=1h&timeout=10s";
        let ticket = *self.poll.get_or_insert_with(|| broker.request(now, "GET", poll, b""));
        let answer = broker.answer(ticket)?;
        self.poll = None;
        Some(answer).filter(|answer| answer.status == 200)
    }

    /// The radio sent it.
    pub fn sent(&mut self, now: Time, sent: &Response) {
        let receipt = sent.headers.iter().find(|(field, _)| field.name() == api::Known::Receipt.name());
        if let Some((_, receipt)) = receipt {
            let receipt = receipt.clone().into_bytes();
            self.broker.call(now, "POST", "/fin?topic=measured&channel=radio", &receipt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_not_sent_comes_again() {
        let noon = Time::from_secs(1_800_000_000);
        let mut station = Station::new(noon, 42);
        assert_eq!(station.to_send(noon), None);
        assert!(station.measured(noon, b"21.5"));
        let first = station.to_send(noon).expect("it was measured");
        assert_eq!(first.body.as_bytes(), b"21.5");
        assert_eq!(station.to_send(noon), None);
        let later = noon + Duration::from_secs(11);
        let again = station.to_send(later).expect("it was not sent");
        assert_eq!(again.body.as_bytes(), b"21.5");
        station.sent(later, &again);
        assert_eq!(station.to_send(later + Duration::from_secs(11)), None);
        assert!(!station.measured(later, &[b'x'; 65]), "it is too long");
    }
}
