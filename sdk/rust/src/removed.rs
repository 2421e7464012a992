//! The rows of a batch that do not go on: dropped, or rejected with a reason.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::batch::RawBatch;
use crate::bitmap;

/// Collected row by row, told to the host at the end.
#[derive(Default)]
pub(crate) struct Removed {
    kept: Option<Vec<u8>>,
    rejected: BTreeMap<Cow<'static, str>, Vec<u32>>,
    with_reason: BTreeSet<u32>,
}

impl Removed {
    #[inline(never)]
    pub(crate) fn drop_row(&mut self, rows: usize, row: usize) {
        bitmap::clear(self.kept.get_or_insert_with(|| bitmap::ones(rows)), row);
    }

    /// The first reason of a row stands.
    #[inline(never)]
    pub(crate) fn reject(&mut self, rows: usize, row: usize, reason: Cow<'static, str>) {
        self.drop_row(rows, row);
        if self.with_reason.insert(row as u32) {
            self.rejected.entry(reason).or_default().push(row as u32);
        }
    }

    pub(crate) fn apply(self, batch: &dyn RawBatch) {
        if let Some(mask) = self.kept {
            batch.keep(&mask);
        }
        for (reason, rows) in self.rejected {
            batch.reject(&rows, &reason);
        }
    }
}
