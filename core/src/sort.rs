//! Sorting where there are few, or nobody waits: small in a module that is downloaded. The standard library's sorts
//! are some kilobytes for each type, and collecting into a `BTreeMap` brings one along.

use alloc::vec::Vec;
use core::cmp::Ordering;

/// Sorts; equal ones come in any order, and in another by each of the two sorts: callers compare by what is unique, so
/// that engines do the same wherever they run. By the standard library's sort where there is an operating system.
#[cfg(feature = "std")]
pub(crate) fn by<T>(list: &mut [T], compare: impl FnMut(&T, &T) -> Ordering) {
    list.sort_unstable_by(compare);
}

/// Sorts; equal ones come in any order.
#[cfg(not(feature = "std"))]
pub(crate) use heap_sort as by;

/// Sorts by a heap: no more than O(n log n) whatever comes, and a few hundred bytes of code for all types together,
/// with a closure for each.
#[cfg(any(test, not(feature = "std")))]
pub(crate) fn heap_sort<T>(list: &mut [T], mut compare: impl FnMut(&T, &T) -> Ordering) {
    let length = list.len();
    sort(length, &mut |step| match step {
        Step::Compare(one, other) => compare(&list[one], &list[other]).is_lt(),
        Step::Swap(one, other) => {
            list.swap(one, other);
            true
        }
    });
}

/// What the sort does with the list.
#[cfg(any(test, not(feature = "std")))]
enum Step {
    /// Is the one less than the other?
    Compare(usize, usize),
    Swap(usize, usize),
}

#[cfg(any(test, not(feature = "std")))]
fn sort(length: usize, act: &mut dyn FnMut(Step) -> bool) {
    let half = length / 2;
    // First each parent is made greater than its children, from the last to the first; then the greatest goes to the
    // end, and what was there sinks from the top.
    for step in (0..length + half).rev() {
        // Both parts in one loop, so that the code that lets an item sink is there once.
        let (mut parent, end) = if step < length { (0, step) } else { (step - length, length) };
        if step < length {
            act(Step::Swap(0, step));
        }
        loop {
            let mut child = 2 * parent + 1;
            if child + 1 < end && act(Step::Compare(child, child + 1)) {
                child += 1;
            }
            if child >= end || !act(Step::Compare(parent, child)) {
                break;
            }
            act(Step::Swap(parent, child));
            parent = child;
        }
    }
}

/// Which of these names come for the first time: their numbers, in order. Each name comes with its number.
pub(crate) fn firsts(mut names: Vec<(&str, usize)>) -> Vec<usize> {
    by(&mut names, Ord::cmp);
    // The numbers are compared as well: the first of a name is before its others, and stays.
    names.dedup_by_key(|(name, _)| *name);
    let mut firsts: Vec<usize> = names.into_iter().map(|(_, number)| number).collect();
    by(&mut firsts, Ord::cmp);
    firsts
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn first_ones_are_found() {
        let names = ["b", "a", "b", "c", "a", "b", "d"];
        assert_eq!(super::firsts(names.into_iter().zip(0..).collect()), [0, 1, 3, 6]);
    }

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
