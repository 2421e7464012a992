//! Makes a [`Status`] of the figures at one moment: live ones, what the run says of its partitions, and what the
//! log holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_model::TopicPartition;

use super::status::{
    CheckpointStatus, DeadLetterStatus, PartitionStatus, Readiness, SourceStatus, Status, StepStatus,
    StreamStatus, VERSION, WaitingStatus,
};
use super::{Committed, Phase, RunFigures, StepFigures, StreamFigures, TaskGauge, Telemetry, lock};
use crate::store::StoreFigures;

/// Partitions that a status names; the lag of the stream counts all of them.
const PARTITIONS_MAX: usize = 1024;

impl Telemetry {
    /// The state now.
    pub fn status(&self) -> Status {
        let committed = self.committed();
        let readiness = self.readiness();
        let run = lock(&self.run);
        let of_stream = |stream: &Arc<StreamFigures>| {
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
        if self.unreachable {
            reasons.push("the source does not answer".to_owned());
        }
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
        let partition = |gauge: &Arc<TaskGauge>| {
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
        let silent =
            move |gauge: &Arc<TaskGauge>| waits(&gauge.partition, "the source does not answer".to_owned());
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
        steps: stream.steps().iter().map(|step| step_status(step)).collect(),
        former_steps: stream.former_steps().iter().map(|step| step_status(step)).collect(),
    }
}

fn step_status(figures: &StepFigures) -> StepStatus {
    let step = figures.step();
    let plugin = step.plugin();
    let metrics = figures.metrics();
    let rejected = figures.rejected().filter(|(_, rows)| *rows > 0);
    StepStatus {
        name: figures.name.to_string(),
        plugin: plugin.name().to_owned(),
        plugin_version: plugin.about().version.clone(),
        digest: plugin.digest().short(),
        config: figures.config.short(),
        rows: figures.rows(),
        passed: figures.passed(),
        dropped: figures.dropped(),
        emitted: figures.emitted(),
        rejected: rejected.map(|(cause, rows)| (cause.to_string(), rows)).collect(),
        busy_seconds: figures.busy().as_secs_f64(),
        aside_batches: figures.aside_batches(),
        held_seconds: figures.held().as_secs_f64(),
        circuit: step.circuit().as_deref().map(str::to_owned),
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
    use millstream_model::SystemClock;

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
        telemetry.note_reachable(false);
        check(&["the source does not answer"], Some(0));
        telemetry.note_reachable(true);
        check(&[], Some(0));
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
