//! Entries of the checkpoint log: what one conditional put makes true. This is the whole format,
//! version 3 and, since every later field may be absent, versions 1 and 2; `host/log` encodes it, checks
//! it and decides which entries are accepted.
//!
//! Unknown fields are refused: a reader that does not know a field cannot say what the entry means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
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

/// What became of the messages of one stream. `messages = curated records + dropped + dead`, where
/// `emitted` counts rows that steps originated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Messages read.
    pub r#in: u64,
    /// Messages of which at least the message itself reached the curated table.
    pub out: u64,
    /// Messages that steps dropped, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Messages that became dead letters, by reason; at most [`Counters::REASONS_MAX`] reasons, the rest under
    /// [`Counters::OTHER_REASONS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dead: BTreeMap<String, u64>,
    /// Rows added, by table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, u64>,
    /// How often a field stood in a message that no column declares, by field; at most
    /// [`Counters::DRIFT_FIELDS_MAX`] names, the rest under [`Counters::OTHER_FIELDS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drift: BTreeMap<String, u64>,
    /// Messages that were late, whatever became of them: their event time was before their partition's
    /// watermark.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub late: u64,
    /// Messages whose event time was too far ahead of their timestamp to move the watermark.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ahead: u64,
}

impl Counters {
    /// Reasons of dead letters that are counted by name. The letters themselves keep theirs.
    pub const REASONS_MAX: usize = 64;
    /// Where reasons beyond the limit are counted.
    pub const OTHER_REASONS: &str = "other reasons";
    /// Undeclared fields that are counted by name.
    pub const DRIFT_FIELDS_MAX: usize = 64;
    /// Where undeclared fields beyond the limit are counted.
    pub const OTHER_FIELDS: &str = "other fields";

    /// Adds the counts of `more`.
    pub fn add(&mut self, more: &Self) {
        self.r#in = self.r#in.saturating_add(more.r#in);
        self.out = self.out.saturating_add(more.out);
        self.late = self.late.saturating_add(more.late);
        self.ahead = self.ahead.saturating_add(more.ahead);
        for (sums, counts) in [(&mut self.dropped, &more.dropped), (&mut self.rows, &more.rows)] {
            for (key, count) in counts {
                add_to(sums, key, *count);
            }
        }
        for (reason, count) in &more.dead {
            self.add_dead(reason, *count);
        }
        for (field, count) in &more.drift {
            add_up_to(&mut self.drift, Self::DRIFT_FIELDS_MAX, Self::OTHER_FIELDS, field, *count);
        }
    }

    /// Adds `messages` dead letters of `reason`.
    pub fn add_dead(&mut self, reason: &str, messages: u64) {
        add_up_to(&mut self.dead, Self::REASONS_MAX, Self::OTHER_REASONS, reason, messages);
    }
}

/// Adds to the sum of `key`, or to that of `others` if `keys_max` other keys are there already. Which keys are
/// known depends on the order of the additions and nothing else.
fn add_up_to(sums: &mut BTreeMap<String, u64>, keys_max: usize, others: &str, key: &str, count: u64) {
    let known = sums.contains_key(key) || sums.len() < keys_max;
    add_to(sums, if known { key } else { others }, count);
}

fn add_to(sums: &mut BTreeMap<String, u64>, key: &str, count: u64) {
    let sum = sums.entry(key.to_owned()).or_default();
    *sum = sum.saturating_add(count);
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

/// Why the desired plugins changed, and what an entry of digests does not say of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginChange {
    /// What it came from.
    pub cause: ChangeCause,
    /// The last entry of plugins that its writer knew, or none: of two changes that race, the second begins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Sequence>,
    /// Topic of each stream that has steps, so that offsets can be told from the entries alone.
    pub topics: BTreeMap<String, String>,
    /// What the desired plugins call themselves.
    pub names: BTreeMap<Digest, PluginName>,
}

/// What a plugin calls itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a change of the desired plugins came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeCause {
    /// A worker started with other steps than the log had.
    Started,
    /// A file was put into the plugin folder.
    DroppedIn,
    /// The configuration was changed.
    Configured,
    /// Someone promoted a version.
    Promoted,
    /// Someone went back to a version.
    RolledBack,
    /// A circuit opened, and the last good version took over.
    CircuitOpened,
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

/// Changes that carry no rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// A session may write files and entries from here on.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Name of its worker, the same over restarts.
        worker: String,
        /// Version of Millstream.
        version: String,
    },
    /// A session may not write any more; what it left behind unaccepted may be deleted.
    SessionClosed {
        /// The session.
        session: SessionId,
    },
    /// The log's offsets are those of this source and no other.
    SourceBound {
        /// Identity of the source: a Kafka cluster id, or the identity of a folder.
        source: String,
        /// Topic ids, where the source gives them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        topics: BTreeMap<String, String>,
    },
    /// From here on the log's offsets are those of another source, or topics of the source begin again.
    /// Someone asked for this.
    Adopted {
        /// Identity of the source.
        source: String,
        /// Topic ids, where the source gives them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        topics: BTreeMap<String, String>,
        /// Topics whose partitions begin at their beginning again, in a new epoch. Their rows stay.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        restart: BTreeSet<String>,
    },
    /// The plugins that steps run from here on, with their configurations. Wins over any folder.
    Plugins {
        /// One for each step.
        desired: Vec<PluginUse>,
        /// Why, and what people call them; none before format 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<PluginChange>,
    },
    /// No worker reads on with this stream until it is resumed. What was read before may still be committed.
    Paused {
        /// The stream.
        stream: String,
        /// Why.
        reason: String,
        /// The step whose circuit opened, if that is why: an entry that changes its plugin or the plugin's
        /// configuration also resumes the stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// The stream goes on.
    Resumed {
        /// The stream.
        stream: String,
    },
    /// Digest of the configuration that a worker started with.
    Configured {
        /// Digest of the configuration as checked.
        config: Digest,
    },
    /// Entries below `boundary` may be deleted; a snapshot of the log there has been published.
    Retention {
        /// First entry that is kept.
        boundary: Sequence,
    },
    /// Files that had been replaced are deleted.
    Cleaned {
        /// Paths below the lake's root.
        paths: Vec<String>,
    },
    /// Entries are of this format from here on; workers that do not know it stop.
    Upgraded {
        /// The format.
        format: u32,
    },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A producer that makes up field names must not make the log's totals grow without end.
    #[test]
    fn drift_is_counted_by_name_up_to_a_limit() {
        let mut sum = Counters::default();
        for field in 0..100 {
            let drift = BTreeMap::from([(format!("field {field}"), 2)]);
            sum.add(&Counters { drift, ..Counters::default() });
        }
        assert_eq!(sum.drift.len(), Counters::DRIFT_FIELDS_MAX + 1);
        assert_eq!(sum.drift[Counters::OTHER_FIELDS], 2 * 36);
        assert_eq!(sum.drift.values().sum::<u64>(), 200);
    }

    /// Reasons name what stood in a message, so they were as many as the messages: the log's totals grew with
    /// every entry.
    #[test]
    fn reasons_are_counted_by_name_up_to_a_limit() {
        let mut sum = Counters::default();
        for reason in 0..100 {
            let dead = BTreeMap::from([(format!("reason {reason}"), 2)]);
            sum.add(&Counters { r#in: 2, dead, ..Counters::default() });
        }
        assert_eq!(sum.dead.len(), Counters::REASONS_MAX + 1);
        assert_eq!(sum.dead[Counters::OTHER_REASONS], 2 * 36);
        assert_eq!(sum.dead.values().sum::<u64>(), sum.r#in);
        sum.add(&Counters { dead: BTreeMap::from([("reason 3".to_owned(), 1)]), ..Counters::default() });
        assert_eq!(sum.dead["reason 3"], 3, "a known reason keeps its name");
    }
}
