//! What is found by sorting. All sorts of the core are unstable ones, so callers compare by what is unique: engines do
//! the same wherever they run.

use alloc::vec::Vec;

/// Which of these names come for the first time: their numbers, in order. Each name comes with its number.
pub(crate) fn firsts(mut names: Vec<(&str, usize)>) -> Vec<usize> {
    names.sort_unstable();
    // The numbers are compared as well: the first of a name is before its others, and stays.
    names.dedup_by_key(|(name, _)| *name);
    let mut firsts: Vec<usize> = names.into_iter().map(|(_, number)| number).collect();
    firsts.sort_unstable();
    firsts
}

#[cfg(test)]
mod tests {
    #[test]
    fn first_ones_are_found() {
        let names = ["b", "a", "b", "c", "a", "b", "d"];
        assert_eq!(super::firsts(names.into_iter().zip(0..).collect()), [0, 1, 3, 6]);
    }
}
