//! What must be there after the power failed, and what must not.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::client::Client;
use crate::common::process::{Process, problems};
use crate::common::{DEADLINE, until};
use crate::device::Moment;
use crate::history::{Delivery, History, Life, Place, Publish, only};
use crate::load::{CHANNEL, COMING, PLACES, deliveries, target};

/// A moment at which the power failed, and what was promised for it.
pub struct Cut<'a> {
    pub moment: Moment,
    pub promise: Promise,
    pub history: &'a History,
    pub wrong: Vec<String>,
}

/// What may be lost of what was answered.
#[derive(Clone, Copy)]
pub enum Promise {
    Nothing,
    /// What was answered after that.
    Since(Instant),
    Anything,
}

/// What is published to after a start.
const AFTER: [&str; 4] = ["plain", "keyed", "later", "graves"];

/// By place, by body: the ids under which a message is there.
type Found = BTreeMap<Place, HashMap<String, Vec<String>>>;

impl<'a> Cut<'a> {
    pub fn new(moment: Moment, promise: Promise, history: &'a History) -> Self {
        Cut { moment, promise, history, wrong: Vec::new() }
    }

    /// Starts a broker on what is left, and looks at all that it has.
    pub fn check(&mut self, data: &Path, args: &[&str]) {
        let mut command = crate::common::process::command(data);
        let broker = match Process::try_spawn(command.args(args)) {
            Ok(broker) => broker,
            Err(log) => return self.wrong.push(format!("it does not start: {log}")),
        };
        let mut client = broker.client();
        if matches!(self.promise, Promise::Nothing) {
            self.try_again(&mut client);
        }
        for topic in AFTER {
            let answer = client.post(&format!("/pub?topic={topic}"), after(topic).as_bytes()).expect("it answers");
            if answer.status != 200 {
                self.wrong.push(format!("nothing can be published to {topic}: {} {}", answer.status, answer.text()));
            }
        }
        let found = self.take_all(&broker, &mut client);
        for (place, bodies) in &found {
            self.check_found(place, bodies);
        }
        for publish in self.history.asked_before(self.moment) {
            self.check_publish(publish, &found);
        }
        let (code, log) = broker.end();
        // Of what is synced later, a hole may be left of the first when there is something of the last: that is passed over.
        let words: &[_] = if self.is_strict() { &["damaged", "panicked", "ERROR"] } else { &["panicked"] };
        if code != Some(0) || words.iter().any(|word| log.contains(word)) {
            self.wrong.push(format!("{code:?} {log}"));
        }
        if self.is_strict() {
            self.wrong.extend(problems(data));
        }
    }

    /// Publishes once more all that has a key, as clients do who were not answered. It is told to be a duplicate if it was
    /// answered before, and may be one if it was not.
    fn try_again(&mut self, client: &mut Client) {
        for publish in self.history.asked_before(self.moment).filter(|publish| publish.key.is_some()) {
            let target = target(publish.life.topic, publish.bodies.len(), publish.key.as_deref(), "");
            let answer = client.post(&target, publish.bodies.join("\n").as_bytes()).expect("it answers");
            let is_duplicate = answer.header("shelf-duplicate") == Some("true");
            if answer.status != 200 || self.is_owed(publish) && !is_duplicate {
                let text = answer.text();
                self.wrong.push(format!("{target}: tried again, it is no duplicate: {} {text}", answer.status));
            }
        }
    }

    /// Whether it is promised that this is there.
    fn is_owed(&self, publish: &Publish) -> bool {
        let Some((moment, time)) = publish.ok else { return false };
        moment <= self.moment
            && match self.promise {
                Promise::Nothing => true,
                Promise::Since(since) => time < since,
                Promise::Anything => false,
            }
    }

    /// Takes out all there is, of all places.
    fn take_all(&mut self, broker: &Process, client: &mut Client) -> Found {
        let stats = client.get("/stats?format=json").expect("it answers").ok().json();
        let topics = stats["topics"].as_array().cloned().unwrap_or_default();
        let is_there = |topic: &str| topics.iter().any(|known| known["topic_name"] == topic);
        let mut found = Found::new();
        for (topic, channel, _) in PLACES.iter().filter(|(topic, ..)| *topic != "graves" && is_there(topic)) {
            self.wrong.extend(take(client, &(only(topic), channel), &mut found).err());
        }
        if is_there("dying") {
            until("the dead letters leave", || {
                let dead = broker.call("GET", "/dead?topic=dying&channel=d&max=10000", b"");
                dead.status != 200 || dead.json()["messages"].as_array().is_some_and(Vec::is_empty)
            });
        }
        for (topic, channel, _) in PLACES.iter().filter(|(topic, ..)| is_there(topic) || *topic == "graves") {
            self.wrong.extend(take(client, &(only(topic), channel), &mut found).err());
        }
        if self.is_strict() {
            let gone = PLACES.iter().filter(|(topic, ..)| !is_there(topic));
            self.wrong.extend(gone.map(|(topic, ..)| format!("topic {topic} is gone")));
        }
        for topic in COMING {
            self.take_life(client, topic, is_there(topic), &mut found);
        }
        found
    }

    fn is_strict(&self) -> bool {
        matches!(self.promise, Promise::Nothing)
    }

    /// Takes out what there is of a topic that came and went: of one of its lives.
    fn take_life(&mut self, client: &mut Client, topic: &'static str, is_there: bool, found: &mut Found) {
        let lives = self.history.spans.range(Life { topic, number: 0 }..Life { topic, number: u32::MAX });
        let possible: Vec<_> =
            lives.map(|(life, _)| (life.clone(), self.history.is_there(life, self.moment))).collect();
        let must = possible.iter().any(|(_, is)| *is == Some(true));
        let may = possible.iter().any(|(_, is)| *is != Some(false));
        if self.is_strict() && (must && !is_there || !may && is_there) {
            self.wrong.push(format!("topic {topic}: {is_there}, and it must be {must}, and may be {may}"));
        }
        if !is_there {
            return;
        }
        let mut all = Found::new();
        self.wrong.extend(take(client, &(Life { topic, number: 0 }, CHANNEL), &mut all).err());
        for (body, ids) in all.into_values().flatten() {
            let life = self.history.publishes.iter().find(|publish| publish.bodies.contains(&body));
            let number = life.map_or(0, |publish| publish.life.number);
            found.entry((Life { topic, number }, CHANNEL)).or_default().insert(body, ids);
        }
    }

    /// Nothing is there that was never published, or twice, or under the id of another, or of a topic that was deleted.
    fn check_found(&mut self, place: &Place, bodies: &HashMap<String, Vec<String>>) {
        let (life, channel) = place;
        if self.is_strict() && self.history.is_there(life, self.moment) == Some(false) {
            self.wrong.push(format!("{life:?}: it was deleted or is not yet there, and has {}", bodies.len()));
        }
        if AFTER.contains(&life.topic) && !bodies.contains_key(&after(life.topic)) {
            self.wrong.push(format!("{life:?}/{channel}: what was published after the start is not there"));
        }
        for (body, ids) in bodies {
            let known = self.history.asked_before(self.moment).find(|publish| publish.bodies.contains(body));
            // Whatever was given out too often is a dead letter.
            let is_its =
                |publish: &Publish| publish.life == *life || life.topic == "graves" && publish.life.topic == "dying";
            let is_known = known.is_some_and(is_its) || *body == after(life.topic);
            if !is_known {
                self.wrong.push(format!("{life:?}/{channel}: never published there: {ids:?} {body:.60}"));
            }
            if ids.len() > 1 {
                self.wrong.push(format!("{life:?}/{channel}: there more than once, as {ids:?}: {body:.60}"));
            }
            for id in ids {
                let owner = self.history.owner(life, id, self.moment);
                if let Some(owner) = owner.filter(|owner| owner != body && self.is_strict()) {
                    self.wrong
                        .push(format!("{life:?}: {id} is given again, to {body:.60}; it was that of {owner:.60}"));
                }
            }
        }
    }

    /// Whether all of it is there that must be; and if anything of it is, then all of it.
    fn check_publish(&mut self, publish: &Publish, found: &Found) {
        let Publish { life, bodies, .. } = publish;
        let is_tried_again = publish.key.is_some() && self.is_strict();
        let is_owed =
            (self.is_owed(publish) || is_tried_again) && self.history.is_there(life, self.moment) == Some(true);
        let places = match life.topic {
            "dying" => vec![vec![(life.clone(), "d"), (only("graves"), "g")]],
            topic if COMING.contains(&topic) => vec![vec![(life.clone(), CHANNEL)]],
            topic => {
                let own = PLACES.iter().filter(|(known, ..)| *known == topic);
                own.map(|(_, channel, _)| vec![(life.clone(), *channel)]).collect()
            }
        };
        let is_in = |place: &Place, body: &String| found.get(place).is_some_and(|bodies| bodies.contains_key(body));
        let count = |places: &[Place], body: &String| places.iter().filter(|place| is_in(place, body)).count();
        let is_anything = places.iter().any(|places| bodies.iter().any(|body| count(places, body) > 0));
        for (places, body) in places.iter().flat_map(|places| bodies.iter().map(move |body| (places, body))) {
            let may_be_finished = places.iter().any(|place| self.history.may_be_finished(place, body, self.moment));
            let count = count(places, body);
            let is_missing = count == 0 && !may_be_finished;
            if count > 1 {
                self.wrong.push(format!("{places:?}: in more than one place: {body:.60}"));
            } else if is_missing && is_owed {
                self.wrong.push(format!("{places:?}: it was OK and is not there: {body:.60}"));
            } else if is_missing && is_anything && self.is_strict() {
                self.wrong.push(format!("{places:?}: others of its publish are there: {body:.60}"));
            }
        }
    }
}

/// What is published to a topic after the start.
fn after(topic: &str) -> String {
    format!("{topic}-after")
}

/// Takes and finishes all that a channel has; an error where something of it does not come.
fn take(client: &mut Client, place: &Place, found: &mut Found) -> Result<(), String> {
    let (topic, channel) = (place.0.topic, place.1);
    let bodies = found.entry(place.clone()).or_default();
    let begun = Instant::now();
    loop {
        let stats = client.get(&format!("/stats?format=json&topic={topic}&channel={channel}")).expect("it answers");
        let stats = stats.json()["topics"][0]["channels"][0].clone();
        let target = format!("/sub?topic={topic}&channel={channel}&max=1000&wait=0&format=json");
        let answer = client.get(&target).expect("it answers");
        if answer.status == 204 {
            if ["depth", "in_flight_count", "deferred_count"].iter().all(|what| stats[what] == 0) {
                return Ok(());
            }
            if begun.elapsed() > DEADLINE {
                return Err(format!("{place:?}: something of it does not come: {stats}"));
            }
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let deliveries = deliveries(&answer.ok().json());
        let receipts: Vec<&str> = deliveries.iter().map(|delivery| delivery.receipt.as_str()).collect();
        let finish = format!("/fin?topic={topic}&channel={channel}");
        client.post(&finish, receipts.join("\n").as_bytes()).expect("it answers").ok();
        for Delivery { id, body, .. } in deliveries {
            bodies.entry(body).or_default().push(id);
        }
    }
}
