//! What the machine asks of an object store, what it may be answered, and what comes out.

use bytes::Bytes;
use millstream_model::entry::{Sequence, SessionId};

use crate::format::FormatError;
use crate::rejection::Rejection;
use crate::state::FoldError;

/// One request to the object store. Repeating it is always safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say the sequence of the newest snapshot.
    ReadBoundary,
    /// Read the snapshot at a sequence.
    GetSnapshot(Sequence),
    /// Read the entry in a slot.
    Get(Sequence),
    /// Create the entry in a slot if nothing is there.
    Create {
        /// The slot.
        sequence: Sequence,
        /// The entry.
        bytes: Bytes,
    },
    /// Create the snapshot at a sequence if nothing is there.
    CreateSnapshot {
        /// Last entry that is folded into it.
        sequence: Sequence,
        /// The snapshot.
        bytes: Bytes,
    },
    /// Delete all entries with a lower sequence.
    DeleteEntries {
        /// First sequence that is kept.
        below: Sequence,
    },
    /// Delete all snapshots with a lower sequence.
    DeleteSnapshots {
        /// First sequence that is kept.
        below: Sequence,
    },
    /// List the paths of data and state files below the lake's root.
    ListFiles,
    /// Delete these files; one that is gone already is no error.
    DeleteFiles(Vec<String>),
}

/// The answer to an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Sequence of the newest snapshot, 0 if there is none.
    Boundary(Sequence),
    /// Bytes of an entry or a snapshot.
    Found(Bytes),
    /// There is no such entry or snapshot.
    NotFound,
    /// This very request created the object.
    Created,
    /// Anything else: already exists, precondition failed, conflict, server error, time-out. Stores
    /// and their clients retry, so each of them may hide a create that succeeded, or succeeds yet.
    NotCreated,
    /// Paths below the lake's root.
    Files(Vec<String>),
    /// The deletion is done.
    Deleted,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Do this and give the answer to the machine.
    Do(Action),
    /// The operation is over.
    Done(Outcome),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The state is that of the head of the log.
    Current,
    /// The entry stands.
    Accepted(Sequence),
    /// The entry does not stand and never will: what it named may be thrown away.
    Rejected(Rejection),
    /// Truncation went past the writer; the state has been loaded anew. Whether the entry stands is
    /// not known, so its files must be left to the cleaner.
    Fenced,
    /// Entries below the boundary are gone; none if another truncation was there first.
    Truncated(Option<Sequence>),
    /// Sessions were closed and their leftovers deleted.
    Cleaned {
        /// Sessions closed by this operation.
        closed: Vec<SessionId>,
        /// Files deleted.
        deleted: Vec<String>,
    },
    /// The log cannot be read on; a person must look at it.
    Halted(Halt),
}

/// Why a log cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// An entry does not continue the log.
    #[error("entry {sequence} of the checkpoint log cannot be used: {reason}")]
    Entry {
        /// The slot.
        sequence: Sequence,
        /// Why.
        reason: FoldError,
    },
    /// A snapshot cannot be read.
    #[error("snapshot {sequence} of the checkpoint log cannot be used: {reason}")]
    Snapshot {
        /// The snapshot.
        sequence: Sequence,
        /// Why.
        reason: FormatError,
    },
    /// A snapshot holds the state of another sequence than its name says.
    #[error("snapshot {sequence} of the checkpoint log holds the state of entry {found}")]
    SnapshotMisplaced {
        /// Sequence of its name.
        sequence: Sequence,
        /// Sequence of its state.
        found: Sequence,
    },
    /// A snapshot that was there is gone.
    #[error("snapshot {seen} of the checkpoint log is gone, the newest is {found} (was a backup restored?)")]
    BoundaryBack {
        /// Highest boundary seen.
        seen: Sequence,
        /// Boundary now.
        found: Sequence,
    },
}
