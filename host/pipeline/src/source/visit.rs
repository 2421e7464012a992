//! Reads given ranges of a topic's partitions again, as a visitor: no group is joined, so that the workers
//! keep their partitions, nothing is committed, and no position is kept.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use millstream_model::{MessageBatch, OffsetRange, TopicPartition};

use super::kafka_sample::KafkaVisitor;
use super::{FilesSettings, SourceError, SourceSettings, file_identity, file_sample, files, sample};

/// A connection to a topic whose messages are read again.
pub struct Visitor {
    identity: String,
    topic: String,
    place: Place,
}

enum Place {
    Kafka { visitor: KafkaVisitor, ends: BTreeMap<TopicPartition, OffsetRange> },
    Files(FilesSettings),
}

impl Visitor {
    /// Connects to the source and asks what it has of `topic`.
    ///
    /// # Errors
    /// If it cannot be reached, or does not have the topic.
    pub fn connect(settings: &SourceSettings, topic: &str) -> Result<Self, SourceError> {
        match settings {
            SourceSettings::Kafka(settings) => {
                let visitor = KafkaVisitor::connect(settings, topic)?;
                let ends = visitor.known_ends(topic)?.into_iter().collect();
                let identity = format!("kafka:{}", visitor.cluster_id);
                Ok(Self { identity, topic: topic.to_owned(), place: Place::Kafka { visitor, ends } })
            }
            SourceSettings::Files(settings) => {
                files::check(settings)?;
                let folder = |error| SourceError::Folder { path: settings.dir.clone(), error };
                let identity = format!("files:{}", file_identity::identity(&settings.dir).map_err(folder)?);
                Ok(Self { identity, topic: topic.to_owned(), place: Place::Files(settings.clone()) })
            }
        }
    }

    /// Names what the offsets belong to, as [`super::Source::identity`] does.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Ids of the topic as it is now, as [`super::Source::topic_ids`] gives them.
    pub fn topic_ids(&self) -> Result<BTreeMap<String, String>, SourceError> {
        match &self.place {
            Place::Kafka { visitor, .. } => visitor.topic_ids(&self.topic),
            Place::Files(_) => Ok(BTreeMap::new()),
        }
    }

    /// What there is of a partition, from the oldest message to behind the newest; empty if there is no such
    /// partition.
    pub fn range(&self, partition: &TopicPartition) -> Result<OffsetRange, SourceError> {
        match &self.place {
            Place::Kafka { ends, .. } => Ok(ends.get(partition).copied().unwrap_or(OffsetRange::new(0, 0))),
            Place::Files(settings) => {
                let path = files::path(settings, partition);
                let lines = if path.exists() { file_sample::count_lines(&path)? } else { 0 };
                Ok(OffsetRange::new(0, lines))
            }
        }
    }

    /// The newest messages that there are now, of all partitions together: `limit` at most, as far as positions
    /// tell.
    pub fn newest(&self, limit: u64) -> Result<Vec<(TopicPartition, OffsetRange)>, SourceError> {
        let ends = match &self.place {
            Place::Kafka { visitor, .. } => visitor.known_ends(&self.topic)?,
            Place::Files(settings) => file_sample::ends(settings, &self.topic)?,
        };
        Ok(sample::newest(ends, limit))
    }

    /// Reads `range`, in batches, until `visit` has enough. What is there no more is left out.
    pub fn read(
        &self,
        partition: &TopicPartition,
        range: OffsetRange,
        visit: &mut dyn FnMut(&MessageBatch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        match &self.place {
            Place::Kafka { visitor, .. } => visitor.read(partition, range, visit),
            Place::Files(settings) => file_sample::read(settings, partition, range, visit),
        }
    }
}
