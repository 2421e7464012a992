//! The object store of the simulation: objects that are created once, and requests that land late.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_log::invariants::{Attempt, Row};
use millstream_model::Offset;
use millstream_model::entry::{Epoch, ReplayedRange, Sequence};

use crate::truth::partition;

/// What a data or state file holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Rows of the table.
    Rows(Vec<StoredRow>),
    /// State of a task: the sum of the offsets it has seen.
    Sum(i64),
}

/// A row: which message it is of, and which attempt at that made it.
#[derive(Clone, Copy, Debug)]
pub struct StoredRow {
    pub partition: i32,
    pub epoch: Epoch,
    pub offset: Offset,
    pub attempt: Attempt,
}

impl StoredRow {
    pub fn named(&self) -> (Row, Attempt) {
        let row = Row { partition: partition(self.partition), epoch: self.epoch, offset: self.offset };
        (row, self.attempt)
    }

    pub fn is_in(&self, replayed: &ReplayedRange) -> bool {
        self.partition == replayed.partition.partition
            && self.epoch == replayed.epoch
            && replayed.range.contains(self.offset)
    }
}

/// A create that is still on its way although its sender was told that it failed.
#[derive(Clone, Debug)]
pub struct LateCreate {
    pub due: u64,
    pub kind: Kind,
    pub sequence: Sequence,
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Entry,
    Snapshot,
}

#[derive(Default)]
pub struct Store {
    pub entries: BTreeMap<Sequence, Bytes>,
    pub snapshots: BTreeMap<Sequence, Bytes>,
    pub files: BTreeMap<String, Content>,
    pub late: Vec<LateCreate>,
}

impl Store {
    /// Creates the object unless there is one; true if it did.
    pub fn create(&mut self, kind: Kind, sequence: Sequence, bytes: &Bytes) -> bool {
        let objects = match kind {
            Kind::Entry => &mut self.entries,
            Kind::Snapshot => &mut self.snapshots,
        };
        if objects.contains_key(&sequence) {
            return false;
        }
        objects.insert(sequence, bytes.clone());
        true
    }

    /// Rows of a file; none if it is gone, which who has an old view may find.
    pub fn rows(&self, path: &str) -> Option<&[StoredRow]> {
        match self.files.get(path)? {
            Content::Rows(rows) => Some(rows),
            Content::Sum(_) => None,
        }
    }

    pub fn boundary(&self) -> Sequence {
        self.snapshots.keys().next_back().copied().unwrap_or(0)
    }

    /// Late creates whose time has come.
    pub fn take_due(&mut self, now: u64) -> Vec<LateCreate> {
        let (due, waiting) = self.late.drain(..).partition(|late| late.due <= now);
        self.late = waiting;
        due
    }
}
