//! Why upkeep of a lake did not end well.

use crate::checkpoint::{AppendError, LogError};
use crate::lake::LakeError;

/// Upkeep that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store did not do what was asked.
    #[error("cannot {what} in {lake}: {source}")]
    Store {
        /// What was asked, with the path.
        what: String,
        /// The lake.
        lake: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The lake cannot be used.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The log cannot be read or written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log cannot be opened.
    #[error("{lake}: {source}")]
    Open {
        /// The lake.
        lake: String,
        /// Why.
        source: LogError,
    },
    /// The log did not take an entry.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Nothing was ever committed there.
    #[error("there is no checkpoint log in {lake}: nothing was ever committed there")]
    NoLog {
        /// The lake.
        lake: String,
    },
    /// Source and destination are the same place, or one lies in the other.
    #[error("{from} and {to} are not two places: name a destination outside the lake")]
    SamePlace {
        /// Where it is copied from.
        from: String,
        /// Where it is copied to.
        to: String,
    },
    /// The destination of a backup holds something else.
    #[error("{to} holds {what}, not an earlier backup of {lake}: name another destination")]
    OtherBackup {
        /// The destination.
        to: String,
        /// What is there.
        what: String,
        /// The lake.
        lake: String,
    },
    /// A live file is gone or damaged, and not because it was replaced meanwhile.
    #[error("`{path}` is a live file of {lake} and {what}: `millstream log verify` says what else is wrong")]
    Damaged {
        /// The file.
        path: String,
        /// The lake.
        lake: String,
        /// What is wrong with it.
        what: String,
    },
    /// Files were replaced and deleted faster than they were copied.
    #[error(
        "files of {lake} were deleted while they were copied, {rounds} times over (last: `{path}`): raise \
         log.keep_replaced, then start again; what was copied is kept"
    )]
    Restless {
        /// The lake.
        lake: String,
        /// How often it was begun.
        rounds: u32,
        /// The file that was missed last.
        path: String,
    },
    /// A lake is where one is to be restored.
    #[error(
        "there is a lake at {to} already, with entries up to {head}: restoring takes it back to entry {from} of the \
         backup, and what came after that is read from the source again; stop its workers and add --force to do that, or name \
         another place"
    )]
    Occupied {
        /// The place.
        to: String,
        /// Last entry there.
        head: u64,
        /// Last entry of the backup.
        from: u64,
    },
}
