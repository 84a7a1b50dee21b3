//! What a JSON object says of names: a list in the order of the names. Measured in the component with gzip: 2.1 KB less
//! than a `BTreeMap`.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names with what was said last of each. Invariant: each name is there once, and in order: [`SortedFields::get`]
/// searches.
#[derive(Clone, Debug)]
pub(crate) struct SortedFields<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for SortedFields<V> {
    fn default() -> Self {
        SortedFields(Vec::new())
    }
}

impl<V> SortedFields<V> {
    /// What is said of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        let place = self.0.binary_search_by(|(other, _)| other.as_str().cmp(name));
        place.ok().map(|place| &self.0[place].1)
    }
}

impl<V: Serialize> Serialize for SortedFields<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for SortedFields<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct FieldsVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for FieldsVisitor<V> {
            type Value = SortedFields<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<SortedFields<V>, A::Error> {
                let mut all = Vec::new();
                while let Some((name, value)) = fields.next_entry()? {
                    all.push((name, all.len(), value));
                }
                // The last of a name comes first, and stays. The places make equal names differ, as the sort keeps no
                // order.
                all.sort_unstable_by(|one, other| (&one.0, other.1).cmp(&(&other.0, one.1)));
                all.dedup_by(|later, kept| later.0 == kept.0);
                Ok(SortedFields(all.into_iter().map(|(name, _, value)| (name, value)).collect()))
            }
        }
        from.deserialize_map(FieldsVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_counts() {
        let fields: SortedFields<u8> = serde_json::from_str(r#"{"b":1,"a":2,"c":3,"b":4,"a":5}"#).unwrap();
        assert_eq!(fields.0, [("a".into(), 5), ("b".into(), 4), ("c".into(), 3)]);
        assert_eq!((fields.get("b"), fields.get("d")), (Some(&4), None));
        assert!(serde_json::from_str::<SortedFields<u8>>("[]").is_err());
    }
}
