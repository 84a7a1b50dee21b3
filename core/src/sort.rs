//! Sorting where there are few, or nobody waits: small in a module that is downloaded. The standard library's sorts
//! are some kilobytes for each type, and collecting into a `BTreeMap` brings one along.

use alloc::collections::BTreeMap;
use core::cmp::Ordering;

/// Sorts; equal ones come in any order. By the standard library's sort where there is an operating system.
#[cfg(feature = "std")]
pub(crate) fn by<T>(list: &mut [T], compare: impl FnMut(&T, &T) -> Ordering) {
    list.sort_unstable_by(compare);
}

/// Sorts; equal ones come in any order.
#[cfg(not(feature = "std"))]
pub(crate) use heap_sort as by;

/// Sorts by a heap: no more than O(n log n) whatever comes, and a few hundred bytes of code.
#[cfg(any(test, not(feature = "std")))]
#[inline(never)]
pub(crate) fn heap_sort<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let half = list.len() / 2;
    // First each parent is made greater than its children, from the last to the first; then the greatest goes to the
    // end, and what was there sinks from the top.
    for step in (0..list.len() + half).rev() {
        let (mut parent, end) = if step < list.len() { (0, step) } else { (step - list.len(), list.len()) };
        if step < list.len() {
            list.swap(0, step);
        }
        loop {
            let mut child = 2 * parent + 1;
            if child + 1 < end && compare(&list[child], &list[child + 1]).is_lt() {
                child += 1;
            }
            if child >= end || compare(&list[parent], &list[child]).is_ge() {
                break;
            }
            list.swap(parent, child);
            parent = child;
        }
    }
}

/// The pairs as a map. They need not be sorted, but mostly are.
pub(crate) fn map<K: Ord, V>(pairs: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    pairs.for_each(|(key, value)| drop(map.insert(key, value)));
    map
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn it_sorts() {
        for count in 0..70_u32 {
            for factor in [0, 1, 7, 31, 69] {
                let mut list: Vec<u32> = (0..count).map(|n| n * factor % 71).collect();
                let mut expected = list.clone();
                expected.sort_unstable();
                super::heap_sort(&mut list, Ord::cmp);
                assert_eq!(list, expected);
            }
        }
    }
}
