//! A set of offsets, kept as the ranges they make: small where they follow one another, however many they are.

use std::collections::BTreeMap;

use millstream_model::{Offset, OffsetRange};

/// Offsets of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Offsets {
    /// Ends of the ranges, by their starts. No two of them touch.
    ends: BTreeMap<Offset, Offset>,
}

impl Offsets {
    pub(super) fn insert(&mut self, offset: Offset) {
        if self.contains(offset) {
            return;
        }
        let end = self.ends.remove(&(offset + 1)).unwrap_or(offset + 1);
        match self.ends.range_mut(..offset).next_back() {
            Some((_, before)) if *before == offset => *before = end,
            _ => {
                self.ends.insert(offset, end);
            }
        }
    }

    pub(super) fn contains(&self, offset: Offset) -> bool {
        self.ends.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end)
    }

    /// How many lie in `range`.
    pub(super) fn count(&self, range: OffsetRange) -> u64 {
        let first = self.ends.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
        let inside = |(start, end): (&Offset, &Offset)| (*end).min(range.end) - (*start).max(range.start);
        self.ends.range(first..range.end.max(first)).map(inside).filter(|count| *count > 0).sum::<Offset>()
            as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_counted_in_whatever_order_they_come() {
        let all = [7, 3, 5, 4, 3, 100, 0, 6];
        let mut offsets = Offsets::default();
        all.into_iter().for_each(|offset| offsets.insert(offset));
        assert_eq!(offsets.ends, [(0, 1), (3, 8), (100, 101)].into());
        for start in 0..12 {
            assert_eq!(offsets.contains(start), all.contains(&start), "{start}");
            for end in start..12 {
                let expect = (start..end).filter(|offset| all.contains(offset)).count() as u64;
                assert_eq!(offsets.count(OffsetRange::new(start, end)), expect, "{start}..{end}");
            }
        }
    }
}
