//! What keeps messages from being replayed. Nothing has changed in the tables then.

use arrow::error::ArrowError;
use millstream_model::{Offset, OffsetRange, TopicPartition};

use crate::checkpoint::LogError;
use crate::error::RunError;
use crate::lake::LakeError;
use crate::sink::read::ReadError;
use crate::sink::{SinkError, UploadError};
use crate::source::SourceError;

/// A replay that could not be planned or done. The tables are as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// What a run could meet, too.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Rows could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// There is no such stream.
    #[error("no stream `{stream}` in the configuration; it has: {known}")]
    NoStream {
        /// The stream.
        stream: String,
        /// The streams that there are.
        known: String,
    },
    /// Nothing was ever read of a partition.
    #[error("the log has accepted nothing of {partition}; of {} it has: {known}", partition.topic)]
    NoPartition {
        /// The partition.
        partition: TopicPartition,
        /// What it has of the topic.
        known: String,
    },
    /// A step has never run.
    #[error(
        "stream `{stream}`, step `{step}`: no run has adopted it yet, so the log does not say which plugin it runs; \
         run `millstream run` with this configuration first"
    )]
    NewStep {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
    },
    /// A step is configured otherwise than the log says.
    #[error(
        "stream `{stream}`, step `{step}`: its configuration is not the one that the log desires; run \
         `millstream run` with this configuration first, or replay with the one that runs"
    )]
    OtherConfiguration {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
    },
    /// The plugins were swapped meanwhile.
    #[error(
        "the plugins of stream `{stream}` were swapped meanwhile; replay again to use those that run now"
    )]
    PluginsSwapped {
        /// The stream.
        stream: String,
    },
    /// A plugin said that it cannot work at all.
    #[error("stream `{stream}`, step `{step}`: its plugin gave up, so nothing is replaced: {reason}")]
    Circuit {
        /// The stream.
        stream: String,
        /// The step.
        step: String,
        /// What the plugin says.
        reason: String,
    },
    /// The source does not have the messages that were read of it.
    #[error(
        "{place} has {found} messages of {partition}{range}, and {expected} were read of them: some were deleted, \
         compacted or written anew since; use --source raw, which has them all"
    )]
    OtherMessages {
        /// The source.
        place: String,
        /// The partition.
        partition: TopicPartition,
        /// The positions.
        range: OffsetRange,
        /// Messages that it has.
        found: u64,
        /// Messages that it had.
        expected: u64,
    },
    /// Retention took messages that are to come from the source.
    #[error(
        "{place} has {partition} only from offset {low} on, not from {start}; leave --source out, or use --source raw"
    )]
    Expired {
        /// The source.
        place: String,
        /// The partition.
        partition: TopicPartition,
        /// Oldest offset.
        low: Offset,
        /// Offset that is wanted.
        start: Offset,
    },
    /// Raw rows do not fit the schema of today.
    #[error(
        "the rows of {table} were decoded with another schema: {difference}; use --source kafka, which decodes the \
         messages again, while the source has them"
    )]
    SchemaChanged {
        /// The raw table.
        table: String,
        /// In what they differ.
        difference: String,
    },
    /// A message has two raw rows, or rows of a file are not what they should be.
    #[error("`{path}`: {problem}; run `millstream log show` and restore the lake from a backup")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Rows of a file cannot be worked with.
    #[error("`{path}`: {source}")]
    Rows {
        /// The file.
        path: String,
        /// What is wrong.
        source: ArrowError,
    },
    /// Others changed the same files or messages, again and again.
    #[error("merges or other replays were faster {attempts} times; try again when they are done")]
    Outrun {
        /// Times tried.
        attempts: u32,
    },
}

impl ReplayError {
    /// True if nothing but a change of the configuration or the command line helps.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Run(error) => error.is_configuration(),
            Self::NoStream { .. } | Self::NewStep { .. } | Self::OtherConfiguration { .. } => true,
            _ => false,
        }
    }
}

impl From<LogError> for ReplayError {
    fn from(error: LogError) -> Self {
        Self::Run(error.into())
    }
}

impl From<LakeError> for ReplayError {
    fn from(error: LakeError) -> Self {
        Self::Run(error.into())
    }
}

impl From<ReadError> for ReplayError {
    fn from(error: ReadError) -> Self {
        Self::Run(error.into())
    }
}

impl From<SourceError> for ReplayError {
    fn from(error: SourceError) -> Self {
        Self::Run(error.into())
    }
}

impl From<UploadError> for ReplayError {
    fn from(error: UploadError) -> Self {
        Self::Run(error.into())
    }
}
