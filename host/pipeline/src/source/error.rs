//! What can go wrong with a source, in words that tell the user what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use millstream_model::{Offset, TopicPartition};

/// Why a source cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No broker answered.
    #[error("no broker of `{brokers}` answered within {} s: {reason}; check source.kafka.brokers", waited.as_secs_f32())]
    Unreachable {
        /// The brokers that were tried.
        brokers: String,
        /// How long.
        waited: Duration,
        /// What the client said last.
        reason: String,
    },
    /// An address is none.
    #[error(
        "source.kafka.brokers: `{broker}` is not host:port; list the brokers as `host:port`, with commas between"
    )]
    Brokers {
        /// The address.
        broker: String,
    },
    /// A librdkafka property is not the user's to set, or has no meaning.
    #[error("source.kafka.properties: `{key}`: {problem}")]
    Property {
        /// The property.
        key: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Something else that was asked of Kafka failed.
    #[error("kafka: {action}: {reason}")]
    Kafka {
        /// What was tried.
        action: String,
        /// What the client said.
        reason: String,
    },
    /// Another process has taken this one's name in the group.
    #[error(
        "another process is now `{worker}` of the consumer group `{group}` and has its partitions, so this one stops; \
         stop one of them for good, or give each a worker.name of its own, and each lake a source.kafka.group"
    )]
    Fenced {
        /// Name of the worker.
        worker: String,
        /// The group.
        group: String,
    },
    /// The group still has a member of this name and does not give the name away.
    #[error(
        "the consumer group `{group}` still has a member `{worker}`: another process of this name runs, or one was \
         killed and its session has not timed out; stop the other one, or start again later"
    )]
    NameTaken {
        /// Name of the worker.
        worker: String,
        /// The group.
        group: String,
    },
    /// The brokers do not know the group protocol.
    #[error(
        "the brokers do not take part in source.kafka.protocol = \"consumer\": {reason}; it needs Kafka 4, and \
         \"classic\" works with any"
    )]
    Protocol {
        /// What the client said.
        reason: String,
    },
    /// The partition is not this worker's, or is no longer.
    #[error("{partition} is not assigned to this worker")]
    NotAssigned {
        /// The partition.
        partition: TopicPartition,
    },
    /// The source deleted messages that were not read yet. Opening again skips them.
    #[error(
        "{partition}: offset {position} is deleted, the oldest one left is {low}; open it again to go on there"
    )]
    Expired {
        /// The partition.
        partition: TopicPartition,
        /// Next position to be read.
        position: Offset,
        /// Oldest position there is.
        low: Offset,
    },
    /// The checkpoint log is ahead of the source.
    #[error(
        "{partition}: offset {position} is the next to be read, but the partition ends at {end}: the topic was \
         created anew, lost messages, or is on another cluster; restore it, or use a new lake"
    )]
    Ahead {
        /// The partition.
        partition: TopicPartition,
        /// Next position to be read.
        position: Offset,
        /// End of the partition.
        end: Offset,
    },
    /// The folder of the files source cannot be used.
    #[error("source.files.dir: {}: {error}; it must be a folder that holds <topic>/<partition>.jsonl", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file cannot be read.
    #[error("{}: {error}; its messages are read again once it can be", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file is shorter than what was read of it.
    #[error(
        "{} shrank to {bytes} bytes, below the position {cursor} already consumed; a topic's file may only \
         grow: restore it, or use a new folder and lake",
        path.display()
    )]
    Shrank {
        /// The file.
        path: PathBuf,
        /// Its size now.
        bytes: u64,
        /// Byte position that was reached.
        cursor: u64,
    },
    /// A file is not the one that was read.
    #[error("{} {change}; a topic's file may only grow: restore it, or use a new folder and lake", path.display())]
    Rewritten {
        /// The file.
        path: PathBuf,
        /// What was noticed.
        change: &'static str,
    },
    /// A line is longer than lines may be.
    #[error(
        "{}: line {line} (offset {line}, counted from 0) is longer than {bytes_max} bytes; split it, or raise \
         source.files.line_bytes_max",
        path.display()
    )]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 0: its offset.
        line: Offset,
        /// Longest line allowed.
        bytes_max: usize,
    },
    /// A topic that was asked for is not there.
    #[error("no topic `{topic}` in {place}; it has: {known}")]
    NoTopic {
        /// The topic.
        topic: String,
        /// The cluster or folder.
        place: String,
        /// The topics that are there, separated by commas, or `none`.
        known: String,
    },
    /// The source was stopped.
    #[error("the source has stopped")]
    Stopped,
}

/// What helps against an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The same call may succeed later.
    Retry,
    /// The partition must be opened again.
    Reopen,
    /// The partition is another worker's: forget it.
    Forget,
    /// The user must change the configuration.
    FixConfiguration,
    /// The user must repair the data, or begin a new lake.
    FixData,
}

impl SourceError {
    /// What helps.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Kafka { .. } | Self::Read { .. } => Remedy::Retry,
            Self::Expired { .. } => Remedy::Reopen,
            Self::NotAssigned { .. } | Self::Stopped => Remedy::Forget,
            Self::Brokers { .. }
            | Self::Fenced { .. }
            | Self::NameTaken { .. }
            | Self::Protocol { .. }
            | Self::Unreachable { .. }
            | Self::Property { .. }
            | Self::Folder { .. }
            | Self::NoTopic { .. } => Remedy::FixConfiguration,
            Self::LineTooLong { .. } | Self::Ahead { .. } | Self::Shrank { .. } | Self::Rewritten { .. } => {
                Remedy::FixData
            }
        }
    }
}
