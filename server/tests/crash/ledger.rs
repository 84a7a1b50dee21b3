//! What was published, handed out and settled, as far as the clients know; and what may not be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Where messages are finished as they are handed out.
pub const AUTO: (&str, &str) = ("plain", "auto");

/// What a publisher knows of a message.
#[derive(Clone, Debug)]
pub struct Published {
    pub topic: &'static str,
    /// It was answered with OK. If not, it may have been kept or not.
    pub is_ok: bool,
    /// Not before that.
    pub due: Instant,
    /// The ordering key, and the place in it.
    pub key: Option<(String, u64)>,
}

/// What the consumers of one channel know of a message.
#[derive(Clone, Debug, Default)]
struct Fate {
    ids: BTreeSet<String>,
    /// A request to finish it was sent.
    finishing: bool,
    /// It was answered that it is finished, in that epoch: a killed process loses nothing of what it has answered.
    finished: Option<u64>,
}

/// Everything that the clients know.
#[derive(Default)]
pub struct Ledger {
    published: HashMap<String, Published>,
    /// By topic and channel, by body.
    fates: BTreeMap<(&'static str, &'static str), HashMap<String, Fate>>,
    /// In each epoch, the last place that was handed out of each key.
    places: HashMap<(u64, String), u64>,
    /// The messages of each key in order: the body of each place.
    keys: HashMap<String, BTreeMap<u64, String>>,
    /// Those that the dead letters' topic has, by id.
    buried: HashMap<String, BTreeSet<String>>,
    /// So many messages that are finished as they are handed out may have been in answers that never came.
    pub unanswered: u64,
    pub wrong: Vec<String>,
}

/// So many messages of a key are looked back at.
const LOOK_BACK: u64 = 100;
/// Clocks of two processes may differ by so much.
const CLOCKS: Duration = Duration::from_millis(5);

impl Ledger {
    /// To be told before it is sent.
    pub fn publishing(&mut self, body: &str, published: Published) {
        if let Some((key, place)) = &published.key {
            self.keys.entry(key.clone()).or_default().insert(*place, body.to_owned());
        }
        self.published.insert(body.to_owned(), published);
    }

    pub fn published(&mut self, body: &str) {
        self.published.get_mut(body).expect("it was told before").is_ok = true;
    }

    /// A message was handed out.
    pub fn delivered(&mut self, place: (&'static str, &'static str), body: &str, id: &str, epoch: u64) {
        let (topic, channel) = place;
        let Some(published) = self.published.get(body) else {
            return self.wrong.push(format!("{topic}/{channel}: never published, or damaged: {id} {body}"));
        };
        let published = published.clone();
        if published.topic != topic {
            self.wrong.push(format!("{topic}/{channel}: {id} is one of {}: {body}", published.topic));
        }
        if Instant::now() + CLOCKS < published.due {
            self.wrong.push(format!("{topic}/{channel}: {id} came before it is due: {body}"));
        }
        let fate = self.fates.entry(place).or_default().entry(body.to_owned()).or_default();
        fate.ids.insert(id.to_owned());
        if fate.ids.len() > 1 {
            self.wrong.push(format!("{topic}/{channel}: there more than once, as {:?}: {body}", fate.ids));
        }
        if let Some(finished) = fate.finished {
            self.wrong
                .push(format!("{topic}/{channel}: {id} was finished in {finished}, and comes in {epoch}: {body}"));
        }
        if let Some((key, number)) = &published.key {
            self.keyed(place, key, *number, epoch);
        }
    }

    /// A message of a key was handed out by an ordered channel.
    fn keyed(&mut self, place: (&'static str, &'static str), key: &str, number: u64, epoch: u64) {
        let last = self.places.entry((epoch, key.to_owned())).or_default();
        if number < *last {
            self.wrong.push(format!("{place:?}: {key} {number} came after {last}"));
        }
        *last = number;
        let fates = &self.fates[&place];
        for (before, body) in self.keys[key].range(number.saturating_sub(LOOK_BACK)..number) {
            let is_owed = self.published[body].is_ok && !fates.get(body).is_some_and(|fate| fate.finishing);
            if is_owed {
                self.wrong.push(format!("{place:?}: {key} {number} came before {before} was finished"));
            }
        }
    }

    /// To be told before the request is sent.
    pub fn finishing(&mut self, place: (&'static str, &'static str), body: &str) {
        self.fates.entry(place).or_default().entry(body.to_owned()).or_default().finishing = true;
    }

    pub fn finished(&mut self, place: (&'static str, &'static str), body: &str, epoch: u64) {
        self.fates.entry(place).or_default().entry(body.to_owned()).or_default().finished = Some(epoch);
    }

    /// The topic of the dead letters, or the channel itself, has it.
    pub fn buried(&mut self, body: &str, place: String) {
        let places = self.buried.entry(body.to_owned()).or_default();
        places.insert(place);
        if places.len() > 1 {
            self.wrong.push(format!("a dead letter in more than one place, {places:?}: {body}"));
        }
    }

    /// At the end, when all channels are empty: what is missing. How many messages were published with OK.
    pub fn close(&mut self, channels: &[(&'static str, &'static str)]) -> usize {
        let mut missing = 0;
        for (body, published) in &self.published {
            for place in channels.iter().filter(|(topic, _)| *topic == published.topic) {
                let fate = self.fates.get(place).and_then(|fates| fates.get(body));
                let finished = fate.is_some_and(|fate| fate.finishing);
                if *place == AUTO {
                    missing += u64::from(published.is_ok && !finished);
                } else if published.is_ok && !finished && !self.buried.contains_key(body) {
                    self.wrong.push(format!("{place:?}: it was OK and never came: {body} {fate:?}"));
                }
            }
        }
        if missing > self.unanswered {
            let most = self.unanswered;
            self.wrong
                .push(format!("{AUTO:?}: {missing} never came, and {most} may have been in answers that did not"));
        }
        self.published.values().filter(|published| published.is_ok).count()
    }
}
