//! What can go wrong with the checkpoint log. The object store's own errors are mapped here.

use millstream_log::{FormatError, Halt, Rejection};
use millstream_model::entry::{FORMAT, Sequence};

/// The log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store did not do what was asked, for as long as patience lasted. Retry later, or fix the
    /// store's address and rights.
    #[error("cannot {what} in {store} (tried {attempts} times): {source}")]
    Store {
        /// What was asked, with the path.
        what: String,
        /// The store.
        store: String,
        /// How often it was tried.
        attempts: u32,
        /// Its answer.
        source: object_store::Error,
    },
    /// The store has begun to create what is there already, so it would overwrite entries, too.
    #[error(
        "{store} created `{path}` although it was there: the store has stopped to refuse what exists, and \
         workers would overwrite each other's checkpoints; nothing was written since, and what was committed is \
         safe; stop all workers, give the store its conditional puts back (or move the lake), then start again"
    )]
    NotExclusive {
        /// The object.
        path: String,
        /// The store.
        store: String,
    },
    /// The log itself is damaged, forked or of a newer version; a person must look at it.
    #[error(transparent)]
    Halted(#[from] Halt),
    /// An entry is gone though later ones are there.
    #[error(
        "entry {missing} of the checkpoint log is missing though entry {found} is there: put {path}, or the newest snapshot, back from a backup; \
         nothing was written"
    )]
    Missing {
        /// Where the missing entry should be.
        path: String,
        /// The missing entry.
        missing: Sequence,
        /// A later one.
        found: Sequence,
    },
    /// An entry that is shown cannot be read.
    #[error("entry {sequence} of the checkpoint log cannot be read: {source}")]
    Entry {
        /// The entry.
        sequence: Sequence,
        /// Why.
        source: FormatError,
    },
    /// The log is of a format that this version reads and does not write.
    #[error(
        "the checkpoint log is of format {found} and this millstream writes format {FORMAT}: nothing was written; \
         `millstream log upgrade` raises the format, after which workers of an older version stop"
    )]
    OlderFormat {
        /// Format of the log.
        found: u32,
    },
    /// A session could not be opened: a bug.
    #[error("cannot open a session: {0}")]
    Session(Rejection),
}

/// An entry was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The entry does not stand and never will. [`Rejection::remedy`] says what to do.
    #[error("the checkpoint entry was rejected: {0}")]
    Rejected(#[from] Rejection),
    /// Truncation went past this worker while it wrote. The state has been loaded anew; throw the work
    /// away and continue from it. Delete nothing: the entry may stand.
    #[error("the checkpoint log was truncated past this worker: its work is thrown away and done again")]
    Fenced,
    /// Nobody opened a session: a bug.
    #[error("no session is open")]
    NoSession,
    /// The log could not be read or written; whether the entry stands is not known.
    #[error(transparent)]
    Log(#[from] LogError),
}
