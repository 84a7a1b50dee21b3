//! What is due when.
//!
//! A heap of groups: items that fall due at the same moment share one place in the heap. A thousand messages
//! leased by one request cost the heap one step, and taking one of them out costs O(1) while others are left.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::list::{Linked, Links, List, NIL};
use crate::slab::Slab;
use crate::time::Time;

/// Names a scheduled item until it is removed or popped. After that it names whatever takes its place in the slab:
/// whoever keeps one forgets it in the same step.
pub(crate) type Handle = u32;

/// Items in the order of their deadlines; equal ones in the order they came.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Schedule<T> {
    items: Slab<Item<T>>,
    groups: Slab<Group>,
    /// Four children to a place, half as deep as with two. Invariant: no place is less than its parent, and each group
    /// has exactly one.
    heap: Vec<Place>,
    /// The group that the last item went to: the next is likely to belong there.
    /// Only this one takes items: a group that was passed by does not get any more, and so equal deadlines come out in
    /// the order in which they came.
    latest: u32,
    /// Groups made so far, which tells groups of the same deadline apart.
    made: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item<T> {
    value: T,
    group: u32,
    links: Links,
}

impl<T> Linked for Item<T> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Group {
    at: Time,
    /// Invariant: never empty, but within the call that makes the group.
    items: List,
    /// Its index in the heap.
    place: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place {
    /// The group's deadline again, so that the heap is sifted without looking at groups.
    at: Time,
    /// Each is used once: no two places are equal, and what is popped does not depend on the shape of the heap.
    order: u64,
    group: u32,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Schedule { items: Slab::new(), groups: Slab::new(), heap: Vec::new(), latest: NIL, made: 0 }
    }
}

impl<T> Schedule<T> {
    /// When the first item falls due. O(1).
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.first().map(|place| place.at)
    }

    /// When this item falls due.
    pub(crate) fn deadline(&self, handle: Handle) -> Time {
        self.groups[self.items[handle].group].at
    }

    /// Adds an item. O(log groups), O(1) where the one before has the same deadline or none is later.
    pub(crate) fn insert(&mut self, at: Time, value: T) -> Handle {
        // Other groups of the same deadline are not looked for: a group too many costs a step in the heap, and no
        // order.
        let group = match self.groups.get(self.latest) {
            Some(group) if group.at == at => self.latest,
            _ => self.add_group(at),
        };
        let handle = self.items.insert(Item { value, group, links: Links::default() });
        self.groups[group].items.push_back(&mut self.items, handle);
        handle
    }

    /// Takes out an item before its time.
    pub(crate) fn remove(&mut self, handle: Handle) -> T {
        let group = self.items[handle].group;
        let items = &mut self.groups[group].items;
        items.remove(&mut self.items, handle);
        // An empty one at the top would be a deadline at which nothing is due.
        if items.is_empty() {
            self.remove_group(group);
        }
        self.items.remove(handle).value
    }

    /// Takes out the first item, where it is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<T> {
        let first = self.heap.first().filter(|place| place.at <= now)?;
        let handle: Handle = self.groups[first.group].items.front().expect("a group is never empty");
        Some(self.remove(handle))
    }

    /// The first item, where it is due by `now`.
    pub(crate) fn first_due(&self, now: Time) -> Option<T>
    where
        T: Copy,
    {
        let first = self.heap.first().filter(|place| place.at <= now)?;
        let handle: Handle = self.groups[first.group].items.front().expect("a group is never empty");
        Some(self.items[handle].value)
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// An item, and when it falls due.
    pub(crate) fn get(&self, handle: Handle) -> Option<(Time, &T)> {
        let item = self.items.get(handle)?;
        Some((self.groups.get(item.group)?.at, &item.value))
    }

    /// All items.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(_, item)| &item.value)
    }

    /// Whether it is what it can have come to: a heap of groups, each of which has some of the items, and all together all
    /// of them. Of one that was read from bytes, nobody knows.
    pub(crate) fn is_sound(&mut self) -> bool {
        let Schedule { items, groups, heap, made, .. } = self;
        let mut left = items.len();
        let mut is_sound = |(index, place): (usize, &Place)| {
            let Some(group) = groups.get(place.group) else { return false };
            let is_after = index == 0 || heap[(index - 1) / 4] < *place;
            let is_placed = group.at == place.at && group.place as usize == index && place.order < *made;
            left = left.wrapping_sub(group.items.len() as usize);
            let has_items = group.items.is_sound(items, |item| item.group == place.group) && !group.items.is_empty();
            is_after && is_placed && has_items
        };
        let are_groups = groups.is_sound() && heap.len() == groups.len() && heap.iter().enumerate().all(&mut is_sound);
        // Numbers of groups are not used up.
        are_groups && left == 0 && *made < u64::MAX / 2 && items.is_sound()
    }

    fn add_group(&mut self, at: Time) -> u32 {
        let place = self.heap.len();
        let group = self.groups.insert(Group { at, items: List::default(), place: place as u32 });
        self.heap.push(Place { at, order: self.made, group });
        self.made += 1;
        self.latest = group;
        self.sift_up(place);
        group
    }

    fn remove_group(&mut self, group: u32) {
        let place = self.groups.remove(group).place as usize;
        if self.latest == group {
            self.latest = NIL;
        }
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            // What was the last place of all comes from another branch: it may belong further down here, or further up.
            self.settle(place);
            self.sift_down(place);
            self.sift_up(place);
        }
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 4;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            self.settle(place);
            place = parent;
        }
        self.settle(place);
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let children = 4 * place + 1..(4 * place + 5).min(self.heap.len());
            let Some(least) = children.min_by_key(|&child| self.heap[child]) else { break };
            if self.heap[place] <= self.heap[least] {
                break;
            }
            self.heap.swap(place, least);
            self.settle(place);
            place = least;
        }
        self.settle(place);
    }

    /// Tells the group at this index of the heap where it is.
    fn settle(&mut self, place: usize) {
        let group = self.heap[place].group;
        self.groups[group].place = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    /// Against a sorted map, with a little generator for the choices.
    #[test]
    fn it_agrees_with_a_sorted_map() {
        let mut seed = 1u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut schedule = Schedule::default();
        let mut model: BTreeMap<(Time, u64), (Handle, u64)> = BTreeMap::new();
        for value in 0..20_000u64 {
            let at = Time::from_nanos(random(300));
            model.insert((at, value), (schedule.insert(at, value), value));
            if random(2) == 0 {
                let nth = random(model.len() as u64) as usize;
                let key = *model.keys().nth(nth).expect("nth is below the length");
                let (handle, value) = model.remove(&key).expect("the key is there");
                assert_eq!(schedule.remove(handle), value);
            }
            if random(50) == 0 {
                let now = Time::from_nanos(random(300));
                while let Some(value) = schedule.pop_due(now) {
                    let found = model.iter().find(|entry| entry.1.1 == value).map(|entry| *entry.0);
                    let key = found.expect("what falls due was there");
                    assert_eq!(model.first_key_value().map(|(k, _)| k.0), Some(key.0), "the earliest comes first");
                    model.remove(&key);
                }
                assert!(model.first_key_value().is_none_or(|(key, _)| key.0 > now));
            }
            assert_eq!(schedule.next(), model.first_key_value().map(|(key, _)| key.0));
        }
    }
}
