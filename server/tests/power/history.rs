//! What clients asked and were answered, and when: in moments of the device, so that it can be said of any of them what was
//! asked and answered before.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::device::Moment;

/// A topic, or one of its lives: those that are deleted and made again have one after another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    pub topic: &'static str,
    pub number: u32,
}

/// A channel of it.
pub type Place = (Life, &'static str);

/// The first life of a topic, for those that have only one.
pub fn only(topic: &'static str) -> Life {
    Life { topic, number: 0 }
}

pub struct Publish {
    pub life: Life,
    pub bodies: Vec<String>,
    pub key: Option<String>,
    pub asked: Moment,
    pub ok: Option<(Moment, Instant)>,
}

/// When a topic was made and deleted.
#[derive(Debug, Default)]
pub struct Span {
    pub create: (Moment, Option<Moment>),
    pub delete: (Option<Moment>, Option<Moment>),
}

/// A message as somebody got it.
pub struct Delivery {
    pub id: String,
    pub body: String,
    pub receipt: String,
}

#[derive(Default)]
pub struct History {
    pub publishes: Vec<Publish>,
    /// When it was first asked that a message be finished; with `ack=auto`, when it was asked for one.
    finishing: HashMap<(Place, String), Moment>,
    /// Which ids were seen, of which bodies, and since when.
    ids: HashMap<(Life, String), (String, Moment)>,
    pub spans: BTreeMap<Life, Span>,
    pub wrong: Vec<String>,
}

impl History {
    pub fn asked(&mut self, publish: Publish) -> usize {
        self.publishes.push(publish);
        self.publishes.len() - 1
    }

    pub fn finishing(&mut self, place: &Place, body: &str, asked: Moment) {
        let first = self.finishing.entry((place.clone(), body.to_owned())).or_insert(asked);
        *first = asked.min(*first);
    }

    /// Whether a message may be finished already.
    pub fn may_be_finished(&self, place: &Place, body: &str, before: Moment) -> bool {
        self.finishing.get(&(place.clone(), body.to_owned())).is_some_and(|asked| *asked <= before)
    }

    pub fn seen(&mut self, life: &Life, delivery: &Delivery, now: Moment) {
        let Delivery { id, body, .. } = delivery;
        let known = self.ids.entry((life.clone(), id.clone())).or_insert((body.clone(), now));
        if known.0 != *body {
            let sentence = format!("{life:?}: id {id} is that of {body:.60}, and of {:.60}", known.0);
            self.wrong.push(sentence);
        }
    }

    /// Whose this id was before that moment.
    pub fn owner(&self, life: &Life, id: &str, before: Moment) -> Option<&str> {
        let (body, seen) = self.ids.get(&(life.clone(), id.to_owned()))?;
        (*seen <= before).then_some(body)
    }

    /// What was asked before that moment, and is of a topic that may be there still.
    pub fn asked_before(&self, moment: Moment) -> impl Iterator<Item = &Publish> {
        self.publishes.iter().filter(move |publish| publish.asked <= moment)
    }

    /// Whether a topic must be there, may be there, or must not.
    pub fn is_there(&self, life: &Life, at: Moment) -> Option<bool> {
        let before = |moment: Option<Moment>| moment.is_some_and(|moment| moment <= at);
        let Some(Span { create, delete }) = self.spans.get(life) else { return Some(true) };
        if create.0 > at || before(delete.1) {
            Some(false)
        } else if before(create.1) && !before(delete.0) {
            Some(true)
        } else {
            None
        }
    }
}
