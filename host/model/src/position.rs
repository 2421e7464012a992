//! Positions in a source: topics, partitions, offsets, ranges of offsets, and SHA-256 digests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A place in a partition: the number of a message for Kafka, of a line (from 0) for files.
pub type Offset = i64;

/// One partition of one topic. Written `topic/partition`, as in `vehicle_data/0`, in text and in
/// entries alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A text that is not `topic/partition`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a topic and a partition number with a slash between them")]
pub struct TopicPartitionParseError(String);

impl FromStr for TopicPartition {
    type Err = TopicPartitionParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || TopicPartitionParseError(text.to_owned());
        let (topic, partition) = text.rsplit_once('/').ok_or_else(error)?;
        let partition = partition.parse().map_err(|_| error())?;
        Ok(Self::new(topic, partition))
    }
}

impl Serialize for TopicPartition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TopicPartition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Positions `[start, end)`: `start` is in the range, `end` is the next one to be read.
/// Not every offset inside need have a message (compaction, transaction markers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffsetRange {
    /// First position of the range.
    pub start: Offset,
    /// First position after the range.
    pub end: Offset,
}

impl OffsetRange {
    /// The range `[start, end)`; a caller that has them the wrong way round has a bug.
    pub fn new(start: Offset, end: Offset) -> Self {
        debug_assert!(start <= end, "range [{start}, {end}) runs backwards");
        Self { start, end }
    }

    /// True if no position is in the range.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// True if `offset` is in the range.
    pub fn contains(&self, offset: Offset) -> bool {
        self.start <= offset && offset < self.end
    }

    /// True if some position is in both ranges.
    pub fn overlaps(&self, other: Self) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }

    /// The smallest range that holds both, and what lies between them.
    pub fn hull(&self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl fmt::Display for OffsetRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// A SHA-256 digest: of a plugin's bytes, a configuration or a checkpoint entry. Written as 64
/// lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first 12 hexadecimal digits: enough for people and metric labels.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a SHA-256 digest (64 hexadecimal digits)")]
pub struct DigestParseError(String);

impl FromStr for Digest {
    type Err = DigestParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| DigestParseError(text.to_owned()))?;
        Ok(Self(digest))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
