//! Maps by message id, in the order of the ids.
//!
//! A `BTreeMap` is code for each type of value, in a module that is downloaded. Here one map says where the values
//! stand, whatever they are. Measured in the component with gzip: 6.7 KB less than with `BTreeMap`s.

use alloc::collections::BTreeMap;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Index, RangeBounds};

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::slab::Slab;

/// For so many values there is room even where there are none.
const KEPT: usize = 16;

/// Values by id, with the functions of a `BTreeMap`.
#[derive(Clone)]
pub struct ById<V> {
    /// Invariant: each id has a place of its own in `values`, and no other place is taken.
    places: BTreeMap<u64, u32>,
    values: Slab<V>,
}

impl<V> Default for ById<V> {
    fn default() -> Self {
        ById { places: BTreeMap::new(), values: Slab::new() }
    }
}

impl<V> ById<V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether there is one with this id.
    pub fn contains_key(&self, id: &u64) -> bool {
        self.places.contains_key(id)
    }

    /// The one with this id.
    pub fn get(&self, id: &u64) -> Option<&V> {
        self.places.get(id).map(|&place| &self.values[place])
    }

    /// The one with this id.
    pub fn get_mut(&mut self, id: &u64) -> Option<&mut V> {
        self.places.get(id).map(|&place| &mut self.values[place])
    }

    /// The one with this id, which is the default where there was none.
    pub fn or_default(&mut self, id: u64) -> &mut V
    where
        V: Default,
    {
        let values = &mut self.values;
        let place = *self.places.entry(id).or_insert_with(|| values.insert(V::default()));
        &mut self.values[place]
    }

    /// Puts one in; answers the one that had this id before.
    pub fn insert(&mut self, id: u64, value: V) -> Option<V> {
        let place = self.values.insert(value);
        self.places.insert(id, place).map(|before| self.values.remove(before))
    }

    /// Takes out the one with this id.
    pub fn remove(&mut self, id: &u64) -> Option<V> {
        self.places.remove(id).map(|place| self.take(place))
    }

    /// The first.
    pub fn first_key_value(&self) -> Option<(&u64, &V)> {
        self.iter().next()
    }

    /// Takes out the first.
    pub fn pop_first(&mut self) -> Option<(u64, V)> {
        let (id, place) = self.places.pop_first()?;
        Some((id, self.take(place)))
    }

    fn take(&mut self, place: u32) -> V {
        let value = self.values.remove(place);
        if self.places.is_empty() && self.values.capacity() > KEPT {
            // An empty tree has no memory, and so has this; a little is left for maps that hold now one value, now
            // none.
            self.values = Slab::new();
        }
        value
    }

    /// Takes out all.
    pub fn clear(&mut self) {
        *self = ById::default();
    }

    /// Takes out those of which this is not true.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&u64, &V) -> bool) {
        let values = &mut self.values;
        self.places.retain(|id, place| {
            let kept = is_kept(id, &values[*place]);
            if !kept {
                values.remove(*place);
            }
            kept
        });
    }

    /// The ids.
    pub fn keys(&self) -> impl Iterator<Item = &u64> + Clone {
        self.places.keys()
    }

    /// The values, by id.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.places.values().map(|&place| &self.values[place])
    }

    /// The values, in any order: that of their places, which are not the same after a checkpoint.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut().map(|(_, value)| value)
    }

    /// All, by id.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&u64, &V)> {
        self.range(..)
    }

    /// Those with an id in this range.
    pub fn range(&self, ids: impl RangeBounds<u64>) -> impl DoubleEndedIterator<Item = (&u64, &V)> {
        self.places.range(ids).map(|(id, &place)| (id, &self.values[place]))
    }
}

impl<V> Index<&u64> for ById<V> {
    type Output = V;

    fn index(&self, id: &u64) -> &V {
        self.get(id).expect("there is one with this id")
    }
}

impl<V> IntoIterator for ById<V> {
    type Item = (u64, V);
    type IntoIter = Drain<V>;

    fn into_iter(self) -> Drain<V> {
        Drain(self)
    }
}

/// All values with their ids, by id.
#[derive(Debug)]
pub struct Drain<V>(ById<V>);

impl<V> Iterator for Drain<V> {
    type Item = (u64, V);

    fn next(&mut self) -> Option<(u64, V)> {
        self.0.pop_first()
    }
}

impl<V> FromIterator<(u64, V)> for ById<V> {
    fn from_iter<I: IntoIterator<Item = (u64, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let mut all = ById { values: Slab::with_capacity(pairs.size_hint().0), ..ById::default() };
        pairs.for_each(|(id, value)| drop(all.insert(id, value)));
        all
    }
}

impl<V: PartialEq> PartialEq for ById<V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<V: Eq> Eq for ById<V> {}

impl<V: fmt::Debug> fmt::Debug for ById<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V: Serialize> Serialize for ById<V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // As a map in the order of the ids, which is what a `BTreeMap` writes: snapshots in logs have such maps. Places
        // do not go into bytes.
        let mut map = to.serialize_map(Some(self.len()))?;
        self.iter().try_for_each(|(id, value)| map.serialize_entry(id, value))?;
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for ById<V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ByIdVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for ByIdVisitor<V> {
            type Value = ById<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<ById<V>, A::Error> {
                // Not made for as many as the bytes say there are: a number that was read is no reason to make room. Of
                // an id that stands there twice, the last counts.
                let mut all = ById::default();
                while let Some((id, value)) = pairs.next_entry()? {
                    all.insert(id, value);
                }
                Ok(all)
            }
        }
        from.deserialize_map(ByIdVisitor(PhantomData))
    }
}

/// Ids in their order, with the functions of a `BTreeSet`. The numbers in the map mean nothing: with them it is the
/// type of [`ById`]'s map, whose code is there already. Measured in the component with gzip: 1.3 KB less than with a
/// `BTreeSet`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct IdSet(BTreeMap<u64, u32>);

impl IdSet {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, id: u64) -> bool {
        self.0.contains_key(&id)
    }

    pub(crate) fn insert(&mut self, id: u64) {
        self.0.insert(id, 0);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.0.remove(&id);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        self.range(..)
    }

    pub(crate) fn range(&self, ids: impl RangeBounds<u64>) -> impl Iterator<Item = u64> {
        self.0.range(ids).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn it_is_a_sorted_map() {
        let (mut map, mut model) = (ById::default(), BTreeMap::new());
        for step in 0..2000_u64 {
            let id = step.wrapping_mul(step) % 97;
            match step % 5 {
                0..3 => assert_eq!(map.insert(id, step), model.insert(id, step)),
                3 => assert_eq!(map.remove(&id), model.remove(&id)),
                _ => assert_eq!(map.or_default(id), model.entry(id).or_default()),
            }
            assert_eq!(map.get(&id), model.get(&id));
        }
        map.retain(|id, value| (id + value) % 3 > 0);
        model.retain(|id, value| (*id + *value) % 3 > 0);
        assert!(map.iter().eq(model.iter()) && map.range(20..).rev().eq(model.range(20..).rev()));
        assert_eq!(map.first_key_value(), model.first_key_value());
        let mut bytes = Vec::new();
        assert!(crate::state::write(&map, &mut bytes, usize::MAX));
        assert_eq!(crate::state::read::<BTreeMap<u64, u64>>(&bytes), Some((model.clone(), &[][..])));
        assert_eq!(crate::state::read::<ById<u64>>(&bytes), Some((map.clone(), &[][..])));
        assert!(map.into_iter().eq(model));
    }
}
