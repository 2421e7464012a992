//! Which rows of two batches belong together: those with the same offset and the same number among the rows of
//! that offset.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;
use millstream_model::Offset;

/// Rows that belong together, and the others.
pub(super) struct Aligned {
    /// Rows of either side, one beside the other; none if each row stands beside that of its own number.
    pairs: Option<(UInt32Array, UInt32Array)>,
    /// Offsets of rows that have no counterpart, of either side.
    pub(super) alone: Vec<Offset>,
}

impl Aligned {
    /// Aligns rows with these offsets, which may stand in any order.
    pub(super) fn new(live: &[Offset], candidate: &[Offset]) -> Self {
        if live == candidate {
            return Self { pairs: None, alone: Vec::new() };
        }
        let (live_order, candidate_order) = (order(live), order(candidate));
        let (mut left, mut right) = (live_order.iter().peekable(), candidate_order.iter().peekable());
        let (mut lefts, mut rights): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut alone = Vec::new();
        loop {
            let at = |row: Option<&&u32>, offsets: &[Offset]| row.map(|row| offsets[**row as usize]);
            match (at(left.peek(), live), at(right.peek(), candidate)) {
                (None, None) => break,
                (Some(one), Some(other)) if one == other => {
                    lefts.extend(left.next());
                    rights.extend(right.next());
                }
                (Some(one), other) if other.is_none_or(|other| one < other) => {
                    alone.push(one);
                    left.next();
                }
                (_, other) => {
                    alone.extend(other);
                    right.next();
                }
            }
        }
        Self { pairs: Some((lefts.into(), rights.into())), alone }
    }

    /// Columns of either side, with the rows that belong together beside each other.
    pub(super) fn columns(
        &self,
        live: &ArrayRef,
        candidate: &ArrayRef,
    ) -> Result<(ArrayRef, ArrayRef), ArrowError> {
        match &self.pairs {
            None => Ok((live.clone(), candidate.clone())),
            Some((left, right)) => Ok((take(live, left, None)?, take(candidate, right, None)?)),
        }
    }

    /// The row of the live side in a pair.
    pub(super) fn live_row(&self, pair: usize) -> usize {
        self.pairs.as_ref().map_or(pair, |(left, _)| left.value(pair) as usize)
    }
}

/// Rows by offset, those of one offset as they stand.
fn order(offsets: &[Offset]) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..offsets.len() as u32).collect();
    if !offsets.is_sorted() {
        rows.sort_by_key(|row| offsets[*row as usize]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(live: &[Offset], candidate: &[Offset], pairs: &[(u32, u32)], alone: &[Offset]) {
        let aligned = Aligned::new(live, candidate);
        let (left, right) = aligned.pairs.expect("they differ");
        let found: Vec<_> = left.values().iter().copied().zip(right.values().iter().copied()).collect();
        assert_eq!((found.as_slice(), aligned.alone.as_slice()), (pairs, alone), "{live:?} {candidate:?}");
    }

    #[test]
    fn rows_of_one_message_stand_beside_each_other() {
        check(&[1, 2, 3], &[1, 3], &[(0, 0), (2, 1)], &[2]);
        check(&[1, 1, 2], &[1, 2, 2], &[(0, 0), (2, 1)], &[1, 2]);
        check(&[], &[7], &[], &[7]);
        check(&[5, 4, 5], &[4, 5, 5], &[(1, 0), (0, 1), (2, 2)], &[]);
    }
}
