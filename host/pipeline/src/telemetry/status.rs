//! The state of a process as one value: what `/status` serves, `millstream top` draws and the summary of
//! a run is made of. The shape has a version, which rises when a field changes its meaning or goes away; new
//! fields may come at any time.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_model::TopicPartition;
use millstream_model::entry::{Counters, Sequence};
use serde::{Deserialize, Serialize};

use crate::store::{StoreFigures, StoreStatus};

use super::{
    Committed, MergeStatus, Phase, Quantiles, RunFigures, StepFigures, StreamFigures, Telemetry, lock,
};

/// Version of the shape.
pub const VERSION: u32 = 1;
/// Partitions that a status names; the lag of the stream counts all of them.
const PARTITIONS_MAX: usize = 1024;

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

impl Telemetry {
    /// The state now.
    pub fn status(&self) -> Status {
        let committed = self.committed();
        let readiness = self.readiness();
        let run = lock(&self.run);
        let of_stream = |stream: &std::sync::Arc<StreamFigures>| {
            let lag = run.lag(|topic| topic == &*stream.topic);
            stream_status(stream, lag, &committed, self.clock.now_us())
        };
        Status {
            version: VERSION,
            millstream: env!("CARGO_PKG_VERSION").to_owned(),
            worker: self.worker.clone(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            readiness,
            source: run.source(&committed, self.work().skipped),
            checkpoints: CheckpointStatus {
                sequence: committed.sequence,
                age_seconds: self.checkpoints.age().map(|age| age.as_secs_f64()),
                lost_races: self.checkpoints.lost_races(),
                duration: self.checkpoints.with_durations(|durations| durations.quantiles()),
            },
            uploads: self.uploads.status(),
            store: self.store().map(StoreFigures::status).unwrap_or_default(),
            merges: self.merges.status(),
            dead_letters: DeadLetterStatus {
                published: self.dead_letters_published.load(Ordering::Relaxed),
                unpublished: self.dead_letters_unpublished.load(Ordering::Relaxed),
                failures: self.dead_letter_failures.load(Ordering::Relaxed),
            },
            streams: self.streams().iter().map(of_stream).collect(),
            tables: committed.tables,
        }
    }

    /// Whether the process does its work.
    pub fn readiness(&self) -> Readiness {
        let mut reasons = lock(&self.run).reasons();
        reasons.extend(self.store().and_then(StoreFigures::trouble));
        Readiness { ready: reasons.is_empty(), reasons }
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

impl RunFigures {
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<String> = match self.phase {
            Phase::Connecting => vec!["connecting to the source".to_owned()],
            Phase::Opening => vec!["opening the lake and its checkpoint log".to_owned()],
            Phase::Running if !self.assignment_known => {
                vec!["the source has not said which partitions are ours".to_owned()]
            }
            Phase::Running => Vec::new(),
            Phase::Ending => vec!["the run is ending".to_owned()],
        };
        let unopened = self.unopened.iter();
        reasons.extend(unopened.map(|(partition, why)| format!("{partition} cannot be opened: {why}")));
        let stalled = self.assigned.values().filter(|gauge| gauge.is_stalled());
        reasons.extend(stalled.map(|gauge| format!("{}: the source does not answer", gauge.partition)));
        reasons
    }

    /// Lag of the partitions of these topics; none if it is not known of all of them.
    fn lag(&self, of_topic: impl Fn(&str) -> bool) -> Option<u64> {
        let known = self.assignment_known && !self.unopened.keys().any(|at| of_topic(&at.topic));
        let gauges = self.assigned.values().filter(|gauge| of_topic(&gauge.partition.topic));
        known.then(|| gauges.map(|gauge| gauge.lag()).sum::<Option<u64>>()).flatten()
    }

    fn source(&self, committed: &Committed, skipped: BTreeMap<String, u64>) -> SourceStatus {
        let partition = |gauge: &std::sync::Arc<super::TaskGauge>| {
            let watermark = committed.watermarks.get(&gauge.partition);
            PartitionStatus {
                topic: gauge.partition.topic.to_string(),
                partition: gauge.partition.partition,
                position: gauge.position(),
                lag: gauge.lag(),
                watermark_seconds: watermark.map(|(micros, _)| seconds(*micros)),
                idle: watermark.is_some_and(|(_, idle)| *idle),
            }
        };
        SourceStatus {
            lag: self.lag(|_| true),
            assigned: self.assigned.len() as u64,
            assignments: self.assignments,
            revocations: self.revocations,
            discards: self.discards,
            skipped,
            partitions: self.assigned.values().take(PARTITIONS_MAX).map(partition).collect(),
            waiting: self.waiting().take(PARTITIONS_MAX).collect(),
        }
    }

    fn waiting(&self) -> impl Iterator<Item = WaitingStatus> {
        let missing = self.missing.iter().map(|topic| WaitingStatus {
            topic: topic.clone(),
            partition: None,
            reason: "the topic does not exist".to_owned(),
        });
        let waits = |at: &TopicPartition, reason: String| WaitingStatus {
            topic: at.topic.to_string(),
            partition: Some(at.partition),
            reason,
        };
        let unopened = self.unopened.iter();
        let unopened = unopened.map(move |(at, why)| waits(at, format!("cannot be opened: {why}")));
        let stalled = self.assigned.values().filter(|gauge| gauge.is_stalled());
        let silent = move |gauge: &std::sync::Arc<super::TaskGauge>| {
            waits(&gauge.partition, "the source does not answer".to_owned())
        };
        missing.chain(unopened).chain(stalled.map(silent))
    }
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn stream_status(
    stream: &StreamFigures,
    lag: Option<u64>,
    committed: &Committed,
    now_us: i64,
) -> StreamStatus {
    let watermark = committed.topic_watermarks.get(&stream.topic).copied();
    let marks = committed.watermarks.iter().filter(|(partition, _)| partition.topic == stream.topic);
    StreamStatus {
        name: stream.name.to_string(),
        topic: stream.topic.to_string(),
        messages: stream.messages(),
        bytes: stream.bytes(),
        batches: stream.batches(),
        undecodable: stream.undecodable(),
        lag,
        latency: stream.latency_quantiles(),
        recent_latency: stream.recent_latency_quantiles(),
        watermark_seconds: watermark.map(seconds),
        watermark_lag_seconds: watermark.map(|micros| seconds(now_us.saturating_sub(micros))),
        idle_partitions: marks.filter(|(_, (_, idle))| *idle).count() as u64,
        committed: committed.totals.get(&*stream.name).cloned().unwrap_or_default(),
        steps: stream.steps.iter().map(step_status).collect(),
    }
}

fn step_status(step: &StepFigures) -> StepStatus {
    let plugin = step.step.plugin();
    let metrics = step.metrics();
    let rejected = step.rejected().filter(|(_, rows)| *rows > 0);
    StepStatus {
        name: step.name.to_string(),
        plugin: plugin.name().to_owned(),
        plugin_version: plugin.about().version.clone(),
        digest: plugin.digest().short(),
        rows: step.rows(),
        passed: step.passed(),
        dropped: step.dropped(),
        emitted: step.emitted(),
        rejected: rejected.map(|(cause, rows)| (cause.to_string(), rows)).collect(),
        busy_seconds: step.busy().as_secs_f64(),
        circuit: step.step.circuit().map(ToString::to_string),
        counters: metrics.counters.into_iter().map(|(name, sum)| (name.to_string(), sum)).collect(),
        gauges: metrics
            .gauges
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.to_string(), value))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_model::SystemClock;

    use super::super::TaskGauge;
    use super::*;

    #[test]
    fn a_run_is_ready_when_it_knows_its_partitions_and_they_answer() {
        let telemetry = Telemetry::new("worker-0", Arc::new(SystemClock));
        let check = |reasons: &[&str], lag: Option<u64>| {
            let status = telemetry.status();
            assert_eq!(status.readiness.reasons, reasons);
            assert_eq!((status.readiness.ready, status.source.lag), (reasons.is_empty(), lag));
        };
        check(&["connecting to the source"], None);
        telemetry.enter(Phase::Running);
        check(&["the source has not said which partitions are ours"], None);
        let gauge = Arc::new(TaskGauge::new(TopicPartition::new("t", 0), 5));
        let assigned = [(gauge.partition.clone(), gauge.clone())].into();
        telemetry.assign(true, &assigned, []);
        check(&[], None);
        gauge.set(6, Some(10));
        check(&[], Some(4));
        gauge.stall();
        check(&["t/0: the source does not answer"], Some(4));
        gauge.set(10, Some(10));
        telemetry.assign(true, &assigned, [(TopicPartition::new("t", 1), "no leader".to_owned())]);
        telemetry.note_missing(&["later".to_owned()]);
        check(&["t/1 cannot be opened: no leader"], None);
        let waiting = telemetry.status().source.waiting.into_iter();
        let waiting: Vec<_> = waiting.map(|at| (at.topic, at.partition, at.reason)).collect();
        let expected =
            [("later", None, "the topic does not exist"), ("t", Some(1), "cannot be opened: no leader")];
        assert_eq!(waiting, expected.map(|(topic, at, why)| (topic.to_owned(), at, why.to_owned())));
    }
}
