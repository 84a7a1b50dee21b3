//! Ranges of ids that a reader passes over: expired, dropped, or finished before it came there.

use alloc::collections::BTreeMap;

/// Ranges of ids ahead of a reader. Neighbours are joined, so that ids in a row cost no more than one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// From the first id of each range to the one after its last.
    ranges: BTreeMap<u64, u64>,
    ids: u64,
    bytes: u64,
}

impl Gaps {
    /// How many ids are in the ranges.
    pub(crate) fn ids(&self) -> u64 {
        self.ids
    }

    /// How many bytes of bodies their messages have.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a range, of which nothing is in one already.
    pub(crate) fn insert(&mut self, mut start: u64, mut end: u64, bytes: u64) {
        self.ids += end - start;
        self.bytes += bytes;
        if let Some((&before, &until)) = self.ranges.range(..start).next_back()
            && until == start
        {
            self.ranges.remove(&before);
            start = before;
        }
        if let Some(until) = self.ranges.remove(&end) {
            end = until;
        }
        self.ranges.insert(start, end);
    }

    /// Whether this id is in a range, and where that ends.
    pub(crate) fn end_of(&self, id: u64) -> Option<u64> {
        let (_, &end) = self.ranges.range(..=id).next_back()?;
        (id < end).then_some(end)
    }

    /// The range that starts at this id, if one does.
    pub(crate) fn starting_at(&self, id: u64) -> Option<u64> {
        self.ranges.first_key_value().filter(|range| *range.0 == id).map(|range| *range.1)
    }

    /// Forgets the first range, whose messages have so many bytes: the reader is past it.
    pub(crate) fn pass_first(&mut self, bytes: u64) {
        if let Some((start, end)) = self.ranges.pop_first() {
            self.ids -= end - start;
            self.bytes -= bytes;
        }
    }

    /// Takes one id out of the range it is in, where it is in one.
    pub(crate) fn remove(&mut self, id: u64, bytes: u64) {
        let Some((&start, &end)) = self.ranges.range(..=id).next_back().filter(|range| id < *range.1) else { return };
        self.ids -= 1;
        self.bytes -= bytes;
        self.ranges.remove(&start);
        if start < id {
            self.ranges.insert(start, id);
        }
        if id + 1 < end {
            self.ranges.insert(id + 1, end);
        }
    }

    /// Forgets the ranges that end at this id or before it.
    pub(crate) fn forget_before(&mut self, id: u64) {
        while self.ranges.first_key_value().is_some_and(|range| *range.1 <= id) {
            self.pass_first(0);
        }
    }

    /// The parts of the ranges between two ids.
    pub(crate) fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let first = self.ranges.range(..=start).next_back().map_or(start, |range| *range.0);
        let ranges = self.ranges.range(first..end.max(first));
        ranges.map(move |(&from, &until)| (from.max(start), until.min(end))).filter(|(from, until)| from < until)
    }

    /// Adds what of this range is not in one already.
    pub(crate) fn fill(&mut self, start: u64, end: u64) {
        let mut from = start;
        while from < end {
            let Some((until, next)) = self.within(from, end).next() else { return self.insert(from, end, 0) };
            if from < until {
                self.insert(from, until, 0);
            }
            from = next;
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Gaps::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn neighbours_are_joined() {
        let mut gaps = Gaps::default();
        for (start, end) in [(5, 6), (7, 8), (6, 7), (1, 2), (9, 12), (8, 9)] {
            gaps.insert(start, end, end - start);
        }
        assert_eq!(gaps.within(0, 99).collect::<Vec<_>>(), [(1, 2), (5, 12)]);
        assert_eq!((gaps.ids(), gaps.bytes()), (8, 8));
        assert_eq!(
            (gaps.end_of(4), gaps.end_of(5), gaps.end_of(11), gaps.end_of(12)),
            (None, Some(12), Some(12), None)
        );
        assert_eq!((gaps.starting_at(1), gaps.starting_at(5)), (Some(2), None));
        gaps.remove(7, 1);
        gaps.remove(3, 1);
        assert_eq!(gaps.within(0, 99).collect::<Vec<_>>(), [(1, 2), (5, 7), (8, 12)]);
        gaps.insert(7, 8, 1);
        assert_eq!(gaps.within(0, 9).collect::<Vec<_>>(), [(1, 2), (5, 9)]);
        assert_eq!(gaps.within(6, 7).collect::<Vec<_>>(), [(6, 7)]);
        assert_eq!(gaps.within(2, 5).count() + gaps.within(12, 99).count(), 0);
        let mut filled = gaps.clone();
        filled.fill(1, 13);
        filled.fill(20, 21);
        assert_eq!(filled.within(0, 99).collect::<Vec<_>>(), [(1, 13), (20, 21)]);
        gaps.pass_first(1);
        assert_eq!((gaps.starting_at(5), gaps.ids(), gaps.bytes()), (Some(12), 7, 7));
    }
}
