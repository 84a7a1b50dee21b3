//! Receipts that were given out, for requests that are to have some.

use std::collections::{BTreeMap, VecDeque};

use crate::model::Wire;

/// The newest receipts of each channel.
#[derive(Debug, Default)]
pub struct Receipts(BTreeMap<String, VecDeque<String>>);

/// How many of a channel are remembered: more than the workload counts back.
const KEPT: usize = 64;

impl Receipts {
    /// Remembers one of this place.
    pub fn learn(&mut self, place: &str, receipt: String) {
        let here = self.0.entry(place.to_owned()).or_default();
        here.push_back(receipt);
        if here.len() > KEPT {
            here.pop_front();
        }
    }

    /// Remembers those in a text of JSON.
    pub fn learn_all(&mut self, place: &str, text: &str) {
        for rest in text.split("\"receipt\":\"").skip(1) {
            self.learn(place, rest.split('"').next().unwrap_or_default().to_owned());
        }
    }

    /// A template with receipts where it has room for them, and the place that they are of.
    pub fn fill(&self, template: &Wire) -> (Wire, String) {
        let mut wire = template.clone();
        let place = place(&wire.query);
        wire.query = self.fill_text(&wire.query, &place);
        if let Ok(text) = std::str::from_utf8(&wire.body) {
            wire.body = self.fill_text(text, &place).into_bytes();
        }
        (wire, place)
    }

    fn fill_text(&self, text: &str, place: &str) -> String {
        let none = VecDeque::new();
        let here = self.0.get(place).unwrap_or(&none);
        let mut parts = text.split('{');
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let hole = part.split_once('}').and_then(|(hole, rest)| Some((hole.split_once(':')?, rest)));
            match hole {
                Some((("live" | "any" | "other", index), rest)) => {
                    let index: usize = index.parse().expect("the workload numbers its holes");
                    let receipt = here.iter().rev().nth(index % here.len().max(1));
                    out += receipt.map_or("1-1", String::as_str);
                    out += rest;
                }
                _ => out = format!("{out}{{{part}"),
            }
        }
        out
    }
}

/// The topic and the channel of a query, as they stand there.
fn place(query: &str) -> String {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap_or_default();
    format!("{} {}", value("topic="), value("channel="))
}
