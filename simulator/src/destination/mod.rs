//! Where messages go: Kafka topics, or files laid out as the host's files source reads them.
//!
//! Both place a message by its key alike, and count it as acknowledged only when it is really there.

mod files;
mod kafka;
mod partitioner;

use std::path::Path;

use anyhow::Result;

use crate::feed::Message;

/// The two kinds of target. Topics are named once, at the start, and then known by their index.
pub enum Target {
    /// A cluster; see [`kafka::KafkaTarget`].
    Kafka(kafka::KafkaTarget),
    /// A folder; see [`files::FilesTarget`].
    Files(files::FilesTarget),
}

/// What became of a message that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The target has it and will acknowledge it, or report it as failed.
    Taken,
    /// The target's buffer is full: wait a little and offer it again.
    Full,
}

/// Messages of one topic, as far as the target has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Written by all replicas, or to the file.
    pub acknowledged: u64,
    /// Given up after retries.
    pub failed: u64,
}

impl Target {
    /// Connects to a cluster and creates the topics it lacks with `partitions` each.
    pub async fn kafka(brokers: &str, topics: &[String], partitions: Option<u32>) -> Result<Self> {
        Ok(Self::Kafka(kafka::KafkaTarget::connect(brokers, topics, partitions).await?))
    }

    /// Opens, or creates, `<directory>/<topic>/<partition>.jsonl`.
    pub fn files(directory: &Path, topics: &[String], partitions: Option<u32>) -> Result<Self> {
        Ok(Self::Files(files::FilesTarget::open(directory, topics, partitions)?))
    }

    /// Hands over one message; never waits.
    pub fn offer(&mut self, message: &Message) -> Result<Offer> {
        match self {
            Self::Kafka(target) => target.offer(message),
            Self::Files(target) => target.offer(message),
        }
    }

    /// Writes out what is buffered here, so that a slow stream is seen at once. Kafka's client does so itself.
    pub fn flush(&mut self) -> Result<()> {
        match self {
            Self::Kafka(_) => Ok(()),
            Self::Files(target) => target.flush(),
        }
    }

    /// Waits until every message taken is acknowledged or failed.
    pub fn finish(&mut self) -> Result<()> {
        match self {
            Self::Kafka(target) => target.finish(),
            Self::Files(target) => target.flush(),
        }
    }

    /// The counts by topic index.
    pub fn delivered(&self) -> Vec<Delivered> {
        match self {
            Self::Kafka(target) => target.delivered(),
            Self::Files(target) => target.delivered(),
        }
    }

    /// The number of partitions by topic index.
    pub fn partitions(&self) -> &[u32] {
        match self {
            Self::Kafka(target) => target.partitions(),
            Self::Files(target) => target.partitions(),
        }
    }

    /// The latest reason why messages failed, in the words of the client.
    pub fn last_error(&self) -> Option<String> {
        match self {
            Self::Kafka(target) => target.last_error(),
            Self::Files(_) => None,
        }
    }
}
