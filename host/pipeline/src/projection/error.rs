//! What can go wrong on the way to the dead-letter topic. Whatever it is, publishing is tried again.

use arrow::error::ArrowError;
use millstream_model::entry::Sequence;

use crate::checkpoint::LogError;
use crate::sink::read::ReadError;

/// What keeps letters from being published.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProjectionError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file of the table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file does not hold dead letters.
    #[error("`{path}`: {source}")]
    Rows {
        /// The file.
        path: String,
        /// What is wrong.
        source: ArrowError,
    },
    /// An entry was deleted before its letters were published.
    #[error("entry {sequence} of the checkpoint log is gone, and its dead letters were not published")]
    Missing {
        /// The entry.
        sequence: Sequence,
    },
    /// The progress cannot be read or kept.
    #[error("the progress at `{path}`: {source}")]
    Progress {
        /// Where it lies.
        path: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// The topic does not take a record.
    #[error("topic `{topic}` does not take dead letters: {reason}")]
    Topic {
        /// The topic.
        topic: String,
        /// What Kafka says.
        reason: String,
    },
}
