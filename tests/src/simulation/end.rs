//! The end of a run: whatever is owed to anybody comes out.

use super::disk::Crash;
use super::ledger::{Place, Verb};
use super::run::{Runner, SECOND};

impl Runner {
    /// The end of a run: all that is there is taken out, and nothing that is owed may be missing.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.transcript.push("the end".into());
        self.node.calm_down();
        let crash = if self.settings.seed.is_multiple_of(2) { Crash::Machine } else { Crash::Process };
        self.crash(|node| node.crash(crash))?;
        self.look()?;
        self.drain()
    }

    /// Takes out all that is there, however long that takes.
    ///
    /// # Errors
    /// What is wrong.
    pub fn drain(&mut self) -> Result<(), String> {
        for topic in self.ledger.topics() {
            self.administer("/topic/unpause", &format!("topic={topic}"))?;
            if self.ledger.places().iter().all(|place| place.topic != topic) {
                self.administer("/channel/create", &format!("topic={topic}&channel=a"))?;
            }
        }
        let places = self.ledger.places();
        for Place { topic, channel, .. } in &places {
            let place = format!("topic={topic}&channel={channel}");
            self.administer("/channel/unpause", &place)?;
            self.administer("/channel/config", &format!("{place}&max_attempts=0&max_in_flight=0&dead_letter="))?;
        }
        self.settle_down()?;
        for _ in 0..3 {
            for place in &places {
                self.take_all(place)?;
            }
            self.step_to(self.node.now + 3_800 * SECOND)?;
            self.settle_down()?;
            for Place { topic, channel, .. } in &places {
                self.administer("/channel/redrive", &format!("topic={topic}&channel={channel}"))?;
            }
        }
        for place in &places {
            let left = self.peek(place)?;
            if let Some(left) = left.first() {
                return Err(format!(
                    "message {} is left in {} of {}: {}",
                    left.id, place.channel, place.topic, left.state
                ));
            }
            self.ledger.drained(place)?;
        }
        Ok(())
    }

    fn take_all(&mut self, place: &Place) -> Result<(), String> {
        let mut rounds = 0;
        loop {
            let before = self.ledger.given_count(place);
            self.ledger.set_time(self.node.now);
            // What cannot be read is tried a few times before it is read around, a second apart.
            let ticket = self.subscribe(place, [50, 10 * SECOND, 800 * SECOND], false, false, None)?;
            while self.waits(ticket) {
                self.settle_down()?;
                if self.waits(ticket) {
                    self.step_to(self.node.now + SECOND)?;
                }
                rounds += 1;
                if rounds > 2_000 {
                    return Err(format!("{} of {} is never empty", place.channel, place.topic));
                }
            }
            let given = self.ledger.given_count(place);
            // Fewer are known where the topic was opened again meanwhile.
            let Some(count) = given.checked_sub(before) else { continue };
            if count == 0 {
                return Ok(());
            }
            let what: Vec<_> =
                (0..count).filter_map(|back| Some((self.ledger.receipt(place, back)?, Verb::Finish))).collect();
            self.say(place.clone(), what, 0, 0)?;
        }
    }
}
