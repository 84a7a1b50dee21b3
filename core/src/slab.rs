//! Numbered places for items: a place that was left is taken again by the next that comes.
//!
//! Which place that is is part of what an engine does, so all of it is part of a checkpoint.

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::mem;
use core::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// Of so many places, one is taken again by its number even where there are no items.
const KEPT: usize = 64;

/// For so many items there is room, at most, where there are none: for those of one answer of the usual kind, which
/// come and go together.
const ROOM: usize = 2048;

/// The number of an item: of a type of its own for each slab whose numbers go further, so that no other is asked by it.
pub(crate) trait Key: Copy {
    fn of(index: u32) -> Self;
    fn index(self) -> usize;
}

impl Key for u32 {
    fn of(index: u32) -> Self {
        index
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// Makes types of keys.
macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub(crate) struct $name(u32);

        impl crate::slab::Key for $name {
            fn of(index: u32) -> Self {
                $name(index)
            }

            fn index(self) -> usize {
                self.0 as usize
            }
        }

        #[allow(dead_code)]
        impl $name {
            /// Where it goes by number: in a log, in a list.
            pub(crate) const fn number(self) -> u32 {
                self.0
            }
        }
    )*};
}
pub(crate) use keys;

/// Items by number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Serialize", deserialize = "T: Deserialize<'de>"))]
pub(crate) struct Slab<T, K = u32> {
    places: Vec<Place<T>>,
    /// The free place that is taken next; one after the last where none is free.
    /// Invariant: from here, the free places are a chain that has all of them and ends with `places.len()`. It stays so
    /// because `places` grows only where the chain is empty, or is made anew after that.
    free: usize,
    /// How many places are taken.
    len: usize,
    #[serde(skip)]
    /// A function of keys, so that a slab may be sent wherever its items may, whatever its keys are.
    keys: PhantomData<fn(K) -> K>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Place<T> {
    /// And the free place that is taken after it.
    Free(usize),
    Taken(T),
}

impl<T> Place<T> {
    fn item(&self) -> Option<&T> {
        match self {
            Place::Taken(item) => Some(item),
            Place::Free(_) => None,
        }
    }

    fn item_mut(&mut self) -> Option<&mut T> {
        match self {
            Place::Taken(item) => Some(item),
            Place::Free(_) => None,
        }
    }
}

impl<T, K> Default for Slab<T, K> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: 0, len: 0, keys: PhantomData }
    }
}

impl<T, K: Key> Slab<T, K> {
    /// With nothing in it.
    pub(crate) fn new() -> Self {
        Slab::default()
    }

    /// With nothing in it, and room for so many items.
    pub(crate) fn with_capacity(items: usize) -> Self {
        Slab { places: Vec::with_capacity(items), ..Slab::default() }
    }

    /// How many items there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.places.capacity()
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Puts an item somewhere; answers where.
    pub(crate) fn insert(&mut self, item: T) -> K {
        let number = self.free;
        if let Some(place) = self.places.get_mut(number) {
            if let Place::Free(next) = mem::replace(place, Place::Taken(item)) {
                self.free = next;
            }
        } else {
            self.places.push(Place::Taken(item));
            self.free = self.places.len();
        }
        self.len += 1;
        K::of(number as u32)
    }

    /// The number that the next item gets.
    pub(crate) fn next_number(&self) -> K {
        K::of(self.free as u32)
    }

    /// Puts an item at a number where there is none. O(numbers) where that is not the [next](Slab::next_number).
    pub(crate) fn insert_at(&mut self, number: K, item: T) {
        let index = number.index();
        if index == self.free {
            self.insert(item);
            return;
        }
        // A log says the number: the places before it, of numbers that it does not name, are free.
        while self.places.len() <= index {
            let next = mem::replace(&mut self.free, self.places.len());
            self.places.push(Place::Free(next));
        }
        debug_assert!(!self.contains(number), "the place is free");
        self.places[index] = Place::Taken(item);
        self.len += 1;
        // The place may be anywhere in the chain, which cannot be followed backwards.
        self.link_free();
    }

    /// Takes an item out.
    ///
    /// # Panics
    /// Where there is none of this number.
    pub(crate) fn remove(&mut self, number: K) -> T {
        let number = number.index();
        match mem::replace(&mut self.places[number], Place::Free(self.free)) {
            Place::Taken(item) => {
                self.left(number);
                item
            }
            Place::Free(_) => panic!("there is no item {number}"),
        }
    }

    /// Takes out an item that nobody needs any more, and that is large enough not to be moved for nothing.
    pub(crate) fn discard(&mut self, number: K) {
        debug_assert!(self.contains(number), "there is such an item");
        let number = number.index();
        self.places[number] = Place::Free(self.free);
        self.left(number);
    }

    /// An item was taken out of this place.
    fn left(&mut self, number: usize) {
        self.free = number;
        self.len -= 1;
        if self.len == 0 && self.places.len() > KEPT {
            // What was once very large is not so for ever.
            if self.places.capacity() > ROOM {
                self.places = Vec::new();
            }
            self.places.clear();
            self.free = 0;
        }
    }

    /// The item of this number.
    pub(crate) fn get(&self, number: K) -> Option<&T> {
        self.places.get(number.index())?.item()
    }

    /// The item of this number.
    pub(crate) fn get_mut(&mut self, number: K) -> Option<&mut T> {
        self.places.get_mut(number.index())?.item_mut()
    }

    /// Whether there is an item of this number.
    pub(crate) fn contains(&self, number: K) -> bool {
        self.get(number).is_some()
    }

    /// The items in so many places from this one on. The next place, unless there is none.
    pub(crate) fn part(&self, from: usize, most: usize) -> (impl Iterator<Item = &T>, Option<usize>) {
        let from = from.min(self.places.len());
        let to = from.saturating_add(most).min(self.places.len());
        (self.places[from..to].iter().filter_map(Place::item), (to < self.places.len()).then_some(to))
    }

    /// All items with their numbers, in the order of these.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &T)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(number, place)| Some((K::of(number as u32), place.item()?)))
    }

    /// All items with their numbers, in the order of these.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut T)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(number, place)| Some((K::of(number as u32), place.item_mut()?)))
    }

    /// Takes out those that are not to stay.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        // All places may go with the last item: no number is there then, and the rest of the loop finds nothing.
        for number in 0..self.places.len() {
            let number = K::of(number as u32);
            if self.get(number).is_some_and(|item| !stays(item)) {
                self.remove(number);
            }
        }
    }

    /// Whether it is what it can have come to: the free places follow each other to the end, and it has as many items as
    /// it says. Of one that was read from bytes, nobody knows.
    pub(crate) fn is_sound(&self) -> bool {
        let (mut free, mut left) = (self.free, self.places.len() - self.iter().count());
        while let Some(Place::Free(next)) = self.places.get(free) {
            let Some(less) = left.checked_sub(1) else { return false };
            (free, left) = (*next, less);
        }
        left == 0 && free == self.places.len() && self.len == self.iter().count()
    }

    /// Gives back the memory of places after the last item.
    pub(crate) fn shrink_to_fit(&mut self) {
        let used = self.places.iter().rposition(|place| place.item().is_some()).map_or(0, |last| last + 1);
        self.places.truncate(used);
        // The chain may lead through places that were cut off, and has to end where they end now.
        self.places.shrink_to_fit();
        self.link_free();
    }

    /// Makes the free places follow each other, the first of them first.
    fn link_free(&mut self) {
        // From the last to the first, each is put before those that were linked already.
        self.free = self.places.len();
        for number in (0..self.places.len()).rev() {
            if let Place::Free(next) = &mut self.places[number] {
                *next = mem::replace(&mut self.free, number);
            }
        }
    }
}

impl<T, K: Key> Index<K> for Slab<T, K> {
    type Output = T;

    fn index(&self, number: K) -> &T {
        self.get(number).expect("there is such an item")
    }
}

impl<T, K: Key> IndexMut<K> for Slab<T, K> {
    fn index_mut(&mut self, number: K) -> &mut T {
        self.get_mut(number).expect("there is such an item")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_again_and_a_copy_takes_the_same() {
        let mut slab: Slab<i32> = Slab::new();
        let numbers: Vec<u32> = (0..6).map(|item| slab.insert(item)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!([1, 4, 2].map(|number| slab.remove(number)), [1, 4, 2]);
        assert!(!slab.contains(4) && slab.get(9).is_none() && slab.len() == 3);
        let mut bytes = Vec::new();
        assert!(crate::state::write(&slab, &mut bytes, 1000));
        let (mut copy, _): (Slab<i32>, _) = crate::state::read(&bytes).expect("it reads back");
        assert!(slab.is_sound() && copy.is_sound());
        for (number, wrong) in (0..8).flat_map(|number| (0..8).map(move |wrong| (number, wrong))) {
            let (mut forged, _): (Slab<i32>, _) = crate::state::read(&bytes).expect("it reads back");
            match forged.places.get_mut(number) {
                Some(Place::Free(next)) => *next = wrong,
                Some(_) => (forged.free, forged.len) = (wrong, 3),
                None => forged.len = wrong,
            }
            let mut again = Vec::new();
            assert!(crate::state::write(&forged, &mut again, 1000));
            assert_eq!(forged.is_sound(), again == bytes, "{number} {wrong}");
        }
        for expected in [2, 4, 1, 6] {
            assert_eq!((slab.insert(9), copy.insert(9)), (expected, expected));
        }
        slab.retain(|item| *item != 9);
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(0, &0), (3, &3), (5, &5)]);
        slab.remove(5);
        slab.shrink_to_fit();
        assert_eq!([slab.insert(7), slab.insert(7), slab.insert(7)], [1, 2, 4]);
        slab[3] = 8;
        assert_eq!((slab[3], slab.iter_mut().count()), (8, 5));
    }
}
