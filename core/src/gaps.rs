//! Ranges of ids that a reader passes over: expired, dropped, or finished before it came there.

use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::by_id::ById;
use crate::log::image::Gap;

/// Ranges of ids ahead of a reader. Neighbours are joined, so that ids in a row cost no more than one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    /// From the first id of each range to the one after its last, with the bytes of the bodies between.
    /// Invariant: no range is empty, and no two overlap or touch.
    ranges: ById<(u64, u64)>,
    /// Invariant: these two are the sums over all ranges, so that taking a range out cannot bring them below zero.
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
    pub(crate) fn insert(&mut self, mut start: u64, mut end: u64, mut bytes: u64) {
        // Numbers of a log are whatever somebody wrote there.
        self.ids = self.ids.saturating_add(end - start);
        // What is counted of this range is what it will be taken out with: it is capped before it is added, so that the
        // sum, and that of two ranges which are joined, fits.
        bytes = bytes.min(u64::MAX - self.bytes);
        self.bytes += bytes;
        let last = self.ranges.range(..start).next_back().map(|(&before, &range)| (before, range));
        if let Some((before, (until, more))) = last
            && until == start
        {
            self.ranges.remove(&before);
            (start, bytes) = (before, bytes + more);
        }
        if let Some((until, more)) = self.ranges.remove(&end) {
            (end, bytes) = (until, bytes + more);
        }
        self.ranges.insert(start, (end, bytes));
    }

    /// Adds a range, of which parts may be in some already. What it says of its bytes stands for ranges that lie within
    /// it; bytes of what it shares with one that reaches beyond it count once at least.
    pub(crate) fn cover(&mut self, gap: Gap) {
        if gap.from >= gap.to {
            return;
        }
        let Gap { mut from, mut to, mut bytes } = gap;
        let shared: Vec<Gap> = self.after(gap.from).take_while(|other| other.from < gap.to).collect();
        for other in shared {
            self.take(other.from);
            // Nobody knows how many of its bytes lie outside.
            if other.from < gap.from || other.to > gap.to {
                bytes = bytes.saturating_add(other.bytes);
            }
            (from, to) = (from.min(other.from), to.max(other.to));
        }
        // What only touches the new range is left to `insert`, which joins it.
        self.insert(from, to, bytes);
    }

    /// Adds a range of which nobody knows the bytes, unless all of it is in one already: those of the parts that are count.
    pub(crate) fn cover_unknown(&mut self, gap: Gap) {
        if self.end_of(gap.from).is_none_or(|end| end < gap.to) {
            let shared = self.after(gap.from).take_while(|other| other.from < gap.to);
            let inside = shared.filter(|other| other.from >= gap.from && other.to <= gap.to);
            let bytes = inside.fold(0_u64, |sum, other| sum.saturating_add(other.bytes));
            self.cover(Gap { bytes, ..gap });
        }
    }

    fn take(&mut self, start: u64) {
        if let Some((end, bytes)) = self.ranges.remove(&start) {
            self.ids -= end - start;
            self.bytes -= bytes;
        }
    }

    /// Forgets the ids before this one.
    pub(crate) fn cut_before(&mut self, id: u64) {
        self.forget_before(id);
        // The id is inside of the first range that is left. How its bytes are spread is not known: the rest keeps all
        // of them.
        if let Some((start, end, bytes)) = self.first().filter(|first| first.0 < id) {
            self.take(start);
            self.insert(id, end, bytes);
        }
    }

    /// The first range: its first id, the one after its last, its bytes.
    pub(crate) fn first(&self) -> Option<(u64, u64, u64)> {
        self.ranges.first_key_value().map(|(&start, &(end, bytes))| (start, end, bytes))
    }

    /// Whether all of them are from the first of these ids on, and before the second.
    pub(crate) fn are_within(&self, from: u64, to: u64) -> bool {
        let last = self.ranges.iter().next_back();
        self.first().is_none_or(|first| first.0 >= from) && last.is_none_or(|(_, &(end, _))| end <= to)
    }

    /// Takes out what is before this id, in order. The bytes of a range that it is in go with its first part.
    pub(crate) fn drain_before(&mut self, id: u64) -> Gaps {
        let mut drained = Gaps::default();
        while let Some((start, end, bytes)) = self.first().filter(|first| first.0 < id) {
            self.pass_first();
            drained.insert(start, end.min(id), bytes);
            if id < end {
                self.insert(id, end, 0);
            }
        }
        drained
    }

    /// Whether this id is in a range, and where that ends.
    pub(crate) fn end_of(&self, id: u64) -> Option<u64> {
        let (_, &(end, _)) = self.ranges.range(..=id).next_back()?;
        (id < end).then_some(end)
    }

    /// Where the range begins that this id is in.
    pub(crate) fn start_of(&self, id: u64) -> Option<u64> {
        let (&start, &(end, _)) = self.ranges.range(..=id).next_back()?;
        (id < end).then_some(start)
    }

    /// Takes out the first range, if it starts at this id; answers where it ends, and its bytes.
    pub(crate) fn pass(&mut self, id: u64) -> Option<(u64, u64)> {
        self.ranges.first_key_value().filter(|range| *range.0 == id)?;
        self.pass_first()
    }

    fn pass_first(&mut self) -> Option<(u64, u64)> {
        let (start, (end, bytes)) = self.ranges.pop_first()?;
        self.ids -= end - start;
        self.bytes -= bytes;
        Some((end, bytes))
    }

    /// Forgets the ranges that end at this id or before it.
    pub(crate) fn forget_before(&mut self, id: u64) {
        while self.ranges.first_key_value().is_some_and(|range| range.1.0 <= id) {
            self.pass_first();
        }
    }

    /// The ranges, those that end after this id.
    pub(crate) fn after(&self, id: u64) -> impl Iterator<Item = Gap> + '_ {
        // A range that begins before the id may reach beyond it.
        let first = self.ranges.range(..=id).next_back().map_or(id, |range| *range.0);
        let gaps = self.ranges.range(first..).map(|(&from, &(to, bytes))| Gap { from, to, bytes });
        gaps.filter(move |gap| gap.to > id)
    }

    /// All ranges, in order.
    pub(crate) fn image(&self) -> Vec<Gap> {
        self.after(0).collect()
    }
}

impl Serialize for Gaps {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.image().serialize(to)
    }
}

/// From whatever ranges: what they come to is counted anew.
impl<'de> Deserialize<'de> for Gaps {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::<Gap>::deserialize(from).map(|gaps| gaps.into_iter().collect())
    }
}

impl FromIterator<Gap> for Gaps {
    fn from_iter<I: IntoIterator<Item = Gap>>(gaps: I) -> Self {
        let mut all = Gaps::default();
        for gap in gaps {
            // Not `insert`: a snapshot may come from somebody else, and name an id twice.
            all.cover(gap);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(gaps: &Gaps) -> Vec<(u64, u64, u64)> {
        gaps.image().iter().map(|gap| (gap.from, gap.to, gap.bytes)).collect()
    }

    #[test]
    fn neighbours_are_joined() {
        let mut gaps = Gaps::default();
        for (start, end) in [(5, 6), (7, 8), (6, 7), (1, 2), (9, 12), (8, 9)] {
            gaps.insert(start, end, end - start);
        }
        assert_eq!(ranges(&gaps), [(1, 2, 1), (5, 12, 7)]);
        assert_eq!((gaps.ids(), gaps.bytes()), (8, 8));
        let ends = [4, 5, 11, 12].map(|id| gaps.end_of(id));
        assert_eq!(ends, [None, Some(12), Some(12), None]);
        assert_eq!(gaps.after(6).count() + gaps.after(12).count(), 1);
        gaps.insert(20, 21, 1);
        assert_eq!((gaps.pass(2), gaps.pass(1)), (None, Some((2, 1))));
        gaps.forget_before(13);
        assert_eq!((ranges(&gaps), gaps.ids(), gaps.bytes()), (alloc::vec![(20, 21, 1)], 1, 1));
        assert_eq!(ranges(&gaps.image().into_iter().collect()), ranges(&gaps));
    }
}
