//! Entries of the checkpoint log: what one conditional put makes true. This is the whole format,
//! version 3 and, since every later field may be absent, versions 1 and 2; `host/log` encodes it, checks
//! it and decides which entries are accepted.
//!
//! Unknown fields are refused: a reader that does not know a field cannot say what the entry means.

mod control;
mod counters;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::control::{ChangeCause, Control, PluginChange, PluginName};
pub use self::counters::Counters;
use crate::position::{Digest, Offset, OffsetRange, TopicPartition};

/// Number of an entry in the log, from 1, without gaps but where a backup was restored.
pub type Sequence = u64;

/// Format version that this code writes.
pub const FORMAT: u32 = 3;
/// Oldest format version that this code reads.
pub const FORMAT_OLDEST: u32 = 1;

/// How often the offsets of a topic have begun again: because it was deleted and created, or because its
/// messages come from another cluster. A position names one message only within an epoch.
pub type Epoch = u32;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_first(epoch: &Epoch) -> bool {
    *epoch == 0
}

/// Names one run of one worker. Every data file's name begins with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub String);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Format version, from [`FORMAT_OLDEST`] to [`FORMAT`].
    pub format: u32,
    /// Number of this entry.
    pub sequence: Sequence,
    /// Digest of the bytes of entry `sequence - 1`; none for the first entry.
    pub previous: Option<Digest>,
    /// Session that wrote the entry.
    pub session: SessionId,
    /// Distinguishes this attempt from every other one of the session.
    pub nonce: u64,
    /// Wall time of the writer, microseconds since the epoch. For people; nothing depends on it.
    pub written_at_us: i64,
    /// What the entry does.
    pub body: Body,
}

/// The kinds of entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Body {
    /// Messages were processed.
    Data(Data),
    /// Files of a table were rewritten without changing its rows.
    Replace(Replace),
    /// Messages that earlier entries account for were processed again.
    Replay(Replay),
    /// Something about the log's writers or configuration changed.
    Control(Control),
}

/// The effect of a number of offset ranges, all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Identity of the source the ranges are of, as bound by [`Control::SourceBound`].
    pub source: String,
    /// Positions consumed; each begins where the last accepted range of its partition ended.
    pub ranges: Vec<ConsumedRange>,
    /// Files that hold the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DataFile>,
    /// State written by keyed steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<StateDelta>,
    /// Watermark of each partition behind its range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watermarks: Vec<Watermark>,
    /// What became of the messages, by stream.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, Counters>,
    /// Plugins that made the rows: of each stream that the entry has ranges of, all that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginUse>,
}

/// Positions of one partition that an entry accounts for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumedRange {
    /// The partition.
    pub partition: TopicPartition,
    /// The positions.
    pub range: OffsetRange,
    /// Byte position behind the range, for sources that need one to resume (files).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
    /// Set if the range was not processed but passed over, with the reason: messages that the
    /// source had deleted, or a configured start behind the beginning. Only such a range may be empty: it notes
    /// where the partition begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// One Parquet file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Table the file belongs to, as `raw.vehicle`.
    pub table: String,
    /// Path below the lake's root.
    pub path: String,
    /// Session that wrote the file.
    pub session: SessionId,
    /// Partition whose rows it holds: a file belongs to one task. None for a merged file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<TopicPartition>,
    /// Messages that its rows are made of, of one topic: for each partition from the first one to behind
    /// the last. Empty in files that were written before format 2, of which it is not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub offsets: BTreeMap<TopicPartition, OffsetRange>,
    /// Epoch of its topic: how often that had begun again when the rows were made.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: Epoch,
    /// Values of the partition columns, as `day` → `2026-01-01`; null for rows without one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub partition_values: BTreeMap<String, Option<String>>,
    /// Rows in the file.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// State of one step and task after the entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDelta {
    /// Stream and step the state belongs to, as `vehicle/dedupe`.
    pub step: String,
    /// Task, by partition number.
    pub task: i32,
    /// The state this one continues: the last accepted one, or none for the first.
    pub parent: Option<Digest>,
    /// Digest of the delta's (or snapshot's) bytes.
    pub digest: Digest,
    /// Path below the lake's root.
    pub path: String,
    /// Session that wrote it.
    pub session: SessionId,
    /// True if the file is the whole state rather than what changed since the parent.
    pub snapshot: bool,
}

/// Event time up to which a partition is complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The partition.
    pub partition: TopicPartition,
    /// Microseconds since the epoch.
    pub micros: i64,
    /// Set if the partition has been silent for so long that the others need not wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
}

/// A plugin that took part in an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginUse {
    /// Stream.
    pub stream: String,
    /// Step in the stream.
    pub step: String,
    /// Plugin bytes.
    pub plugin: Digest,
    /// Configuration the plugin ran with.
    pub config: Digest,
}

/// Files of one table rewritten: the rows are the same, the files are others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The table.
    pub table: String,
    /// Paths removed; each is live in the entry before.
    pub removed: Vec<String>,
    /// Files added.
    pub added: Vec<DataFile>,
}

/// The effect of messages that were processed before, made anew by the plugins of today: the rows of these
/// messages in these tables are those of this entry and no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The stream.
    pub stream: String,
    /// Which messages of the ranges were processed again.
    pub selection: Selection,
    /// Their positions; all of them had been accepted.
    pub ranges: Vec<ReplayedRange>,
    /// Files that held rows of these messages, and files that hold what was beside those rows and the rows
    /// made now; at most one for a table.
    pub tables: Vec<Replace>,
    /// What became of the messages this time.
    pub counters: Counters,
    /// Plugins that made the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<PluginUse>,
}

/// Which messages of a range are processed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Every one.
    All,
    /// Those that are dead letters.
    DeadLetters,
}

/// Positions of one partition that are processed again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayedRange {
    /// The partition.
    pub partition: TopicPartition,
    /// The positions.
    pub range: OffsetRange,
    /// Epoch of the topic.
    #[serde(default, skip_serializing_if = "is_first")]
    pub epoch: Epoch,
    /// The last accepted entry that replayed messages of the partition, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Sequence>,
}

/// The position behind a partition's last accepted range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Next offset to read.
    pub offset: Offset,
    /// Byte position there, for sources that need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<u64>,
}
