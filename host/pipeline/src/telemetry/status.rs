//! The state of a process as one value: what `/status` serves, `millstream top` draws and the summary of
//! a run is made of. The shape has a version, which rises when a field changes its meaning or goes away; new
//! fields may come at any time.

use std::collections::BTreeMap;

use millstream_model::entry::{Counters, Sequence};
use serde::{Deserialize, Serialize};

use super::{MergeStatus, Quantiles};
use crate::store::StoreStatus;

/// Version of the shape.
pub const VERSION: u32 = 1;

/// The state of a process. Figures are of this process unless said otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Version of Millstream.
    pub millstream: String,
    /// Name of the worker.
    pub worker: String,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// Whether it does its work.
    pub readiness: Readiness,
    /// The source.
    pub source: SourceStatus,
    /// Checkpoints.
    pub checkpoints: CheckpointStatus,
    /// Uploads.
    pub uploads: UploadStatus,
    /// What the lake's store answers.
    #[serde(default)]
    pub store: StoreStatus,
    /// Merging of files.
    #[serde(default)]
    pub merges: MergeStatus,
    /// Dead letters on their way to their topic.
    #[serde(default)]
    pub dead_letters: DeadLetterStatus,
    /// Streams, by name.
    pub streams: Vec<StreamStatus>,
    /// Sizes of the lake's tables, all runs together.
    pub tables: BTreeMap<String, TableSize>,
}

/// Whether a process does its work, and if not, why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// True if there is no reason against it.
    pub ready: bool,
    /// Reasons against it.
    pub reasons: Vec<String>,
}

/// What the source has given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Messages between what was read and the ends of the partitions; none if not all of them are known.
    pub lag: Option<u64>,
    /// Partitions that this process reads.
    pub assigned: u64,
    /// Times that the source gave partitions.
    pub assignments: u64,
    /// Times that it took some back.
    pub revocations: u64,
    /// Times that what was read of them could not be committed in time.
    #[serde(default)]
    pub discards: u64,
    /// Positions that this process passed over, by topic: deleted by the source before they were read, or before a
    /// configured start.
    #[serde(default)]
    pub skipped: BTreeMap<String, u64>,
    /// The partitions that this process reads, 1024 at most.
    pub partitions: Vec<PartitionStatus>,
    /// What is not read though it should be, 1024 at most.
    #[serde(default)]
    pub waiting: Vec<WaitingStatus>,
}

/// A topic or partition that is not read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingStatus {
    /// The topic.
    pub topic: String,
    /// The partition; none for all of the topic.
    pub partition: Option<i32>,
    /// Why it waits.
    pub reason: String,
}

/// Where a partition stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartitionStatus {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Position of the next message to be read.
    pub position: i64,
    /// Messages behind it, if the end is known.
    pub lag: Option<u64>,
    /// Its watermark in the log, as seconds since 1970; none before the first event time.
    #[serde(default)]
    pub watermark_seconds: Option<f64>,
    /// True if it has been silent for so long that the others do not wait for it.
    #[serde(default)]
    pub idle: bool,
}

/// Checkpoints.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CheckpointStatus {
    /// Last entry of the lake's log.
    pub sequence: Sequence,
    /// Time since this process's last entry.
    pub age_seconds: Option<f64>,
    /// Times that another worker was faster.
    pub lost_races: u64,
    /// From the barrier to the accepted entry.
    pub duration: Quantiles,
}

/// Uploads.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct UploadStatus {
    /// Files that have arrived or failed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that did not arrive.
    pub failed: u64,
    /// Attempts beyond the first of each file.
    pub retries: u64,
    /// Files on their way.
    pub files_in_flight: u64,
    /// Their bytes.
    pub bytes_in_flight: u64,
}

/// Dead letters on their way to their topic, if they have one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct DeadLetterStatus {
    /// Letters that this process has published.
    pub published: u64,
    /// Letters that cannot be published: their topic does not take them, or their file is gone.
    #[serde(default)]
    pub unpublished: u64,
    /// Attempts to publish that failed.
    pub failures: u64,
}

/// A stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamStatus {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Messages read, committed or not.
    pub messages: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Batches they came in.
    pub batches: u64,
    /// Messages that could not be decoded.
    pub undecodable: u64,
    /// Messages between what was read and the ends of its partitions; none if not all are known.
    pub lag: Option<u64>,
    /// From produce to commit, since the start; counts only messages with a timestamp.
    pub latency: Quantiles,
    /// The same, of about the last minute.
    pub recent_latency: Quantiles,
    /// Its watermark in the log, as seconds since 1970; none before the first event time.
    #[serde(default)]
    pub watermark_seconds: Option<f64>,
    /// How far the watermark is behind the clock; below 0 if it is ahead.
    #[serde(default)]
    pub watermark_lag_seconds: Option<f64>,
    /// Partitions of its topic, whoever reads them, that the watermark does not wait for.
    #[serde(default)]
    pub idle_partitions: u64,
    /// What the lake's log counts, all runs together.
    pub committed: Counters,
    /// Its steps.
    pub steps: Vec<StepStatus>,
    /// Versions of steps that ran before those, in this process; of each step the last few.
    #[serde(default)]
    pub former_steps: Vec<StepStatus>,
}

/// A step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepStatus {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: String,
    /// What the plugin says is its version.
    pub plugin_version: String,
    /// First digits of the digest of the plugin's bytes.
    pub digest: String,
    /// First digits of the digest of its configuration.
    #[serde(default)]
    pub config: String,
    /// Rows it took.
    pub rows: u64,
    /// Rows it passed on.
    pub passed: u64,
    /// Rows it dropped.
    pub dropped: u64,
    /// Rows it made for other tables.
    pub emitted: u64,
    /// Rows it rejected, by cause; only causes that occurred.
    pub rejected: BTreeMap<String, u64>,
    /// Time spent in the plugin.
    pub busy_seconds: f64,
    /// Batches that went aside because of it.
    #[serde(default)]
    pub aside_batches: u64,
    /// Time for which batches have waited because its circuit was open.
    #[serde(default)]
    pub held_seconds: f64,
    /// Why its circuit is open, if it is.
    pub circuit: Option<String>,
    /// Counters that the plugin reported.
    pub counters: BTreeMap<String, u64>,
    /// Gauges that the plugin reported.
    pub gauges: BTreeMap<String, f64>,
}

/// Size of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    /// Live files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl TableSize {
    /// Adds another part of the table.
    pub fn add(&mut self, part: Self) {
        self.files += part.files;
        self.rows += part.rows;
        self.bytes += part.bytes;
    }
}

impl StepStatus {
    /// Rows it rejected, for whatever cause.
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Microseconds per row; none if it took no row.
    pub fn micros_per_row(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.busy_seconds * 1e6 / self.rows as f64)
    }
}
