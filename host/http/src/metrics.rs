//! `/metrics` in Prometheus' text format. Counters are of this process and begin at 0 with it, as Prometheus
//! expects, so that those of several workers add up; what the lake's tables hold are gauges, the same on all.

mod families;
mod swaps;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use millstream_model::entry::Counters;
use millstream_pipeline::store::{Answer, Operation, StoreFigures};
use millstream_pipeline::telemetry::{
    Distribution, MergeStatus, SourceStatus, Status, StepStatus, StreamFigures, StreamStatus, Telemetry,
};
use prometheus::{TEXT_FORMAT, TextEncoder};

use families::{Families, Labels};

/// Bounds of the histograms, in milliseconds.
const BOUNDS_MS: [u64; 15] =
    [10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000, 86_400_000];
/// Reasons of dead letters that become labels, of each stream.
const REASONS_MAX: usize = 32;
/// Label of all further reasons.
const OTHER_REASONS: &str = "other reasons";

/// Makes metrics of telemetry.
#[derive(Debug)]
pub struct Metrics {
    telemetry: Arc<Telemetry>,
    /// Reasons that are labels, by stream. Once there, they stay: a counter must not fall.
    reasons: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// Serves the metrics.
pub async fn metrics(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics.encode())
}

impl Metrics {
    /// Metrics of `telemetry`.
    pub fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { telemetry, reasons: Mutex::default() }
    }

    /// All metrics as text.
    pub fn encode(&self) -> String {
        let (status, work) = (self.telemetry.status(), self.telemetry.work());
        let mut families = Families::default();
        process(&mut families, &status);
        source(&mut families, &status.source);
        for stream in &status.streams {
            live(&mut families, stream);
            let own = work.counters.get(&stream.name);
            self.committed(&mut families, &stream.name, own.unwrap_or(&Counters::default()));
            steps(&mut families, stream);
        }
        tables(&mut families, &status);
        swaps::swaps(&mut families, &self.telemetry);
        if let Some(figures) = self.telemetry.store() {
            store(&mut families, figures);
        }
        let streams = self.telemetry.streams();
        streams.iter().for_each(|stream| latency(&mut families, stream));
        streams.iter().for_each(|stream| requests(&mut families, stream));
        let name = ("millstream_checkpoint_duration_seconds", "Time from the barrier to the accepted entry.");
        self.telemetry
            .checkpoints
            .with_durations(|durations| histogram(&mut families, name, &Labels::default(), durations));
        let text = TextEncoder::new().encode_to_string(&families.finish());
        text.unwrap_or_else(|error| {
            // The encoder refuses families without samples, and there are none.
            tracing::error!(%error, "metrics cannot be encoded; this is a bug");
            String::new()
        })
    }

    /// What the entries of this process count of a stream.
    fn committed(&self, to: &mut Families, stream: &str, counters: &Counters) {
        let labels = Labels::of(&[("stream", stream)]);
        let count =
            |to: &mut Families, name, labels: &Labels, value: u64| to.counter(name, labels, value as f64);
        let name =
            ("millstream_committed_messages_total", "Messages that this process's checkpoints account for.");
        count(to, name, &labels, counters.r#in);
        let name =
            ("millstream_committed_out_messages_total", "Messages that reached a table behind the steps.");
        count(to, name, &labels, counters.out);
        let name = ("millstream_committed_dropped_messages_total", "Messages that steps dropped.");
        for (step, messages) in &counters.dropped {
            count(to, name, &labels.with("step", step), *messages);
        }
        let name = ("millstream_committed_dead_letters_total", "Messages that became dead letters.");
        for (reason, messages) in self.by_reason(stream, &counters.dead) {
            count(to, name, &labels.with("reason", &reason), messages);
        }
        let name = ("millstream_committed_rows_total", "Rows added to a table.");
        for (table, rows) in &counters.rows {
            count(to, name, &labels.with("table", table), *rows);
        }
        let name = ("millstream_committed_late_messages_total", "Messages that were behind the watermark.");
        count(to, name, &labels, counters.late);
        let name = (
            "millstream_committed_ahead_messages_total",
            "Messages too far ahead of their timestamp to move the watermark.",
        );
        count(to, name, &labels, counters.ahead);
        let name =
            ("millstream_committed_drift_total", "Times a message had a field that no column declares.");
        for (field, times) in &counters.drift {
            count(to, name, &labels.with("field", field), *times);
        }
    }

    /// Dead letters by reasons that are labels; the other ones go together.
    fn by_reason(&self, stream: &str, dead: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let known = reasons.entry(stream.to_owned()).or_default();
        let mut sums = BTreeMap::new();
        for (reason, messages) in dead {
            if known.len() < REASONS_MAX {
                known.insert(reason.clone());
            }
            let label = if known.contains(reason) { reason } else { OTHER_REASONS };
            *sums.entry(label.to_owned()).or_insert(0) += messages;
        }
        sums
    }
}

fn process(to: &mut Families, status: &Status) {
    let none = Labels::default();
    let (checkpoints, uploads) = (&status.checkpoints, &status.uploads);
    let info = Labels::of(&[("version", &status.millstream), ("worker", &status.worker)]);
    to.gauge(("millstream_build_info", "Version and worker; always 1."), &info, 1.0);
    let ready = f64::from(u8::from(status.readiness.ready));
    let gauges = [
        (("millstream_ready", "1 if the process does its work, else 0."), ready),
        (("millstream_uptime_seconds", "Time since the start of the process."), status.uptime_seconds),
        (
            ("millstream_checkpoint_sequence", "Last entry of the checkpoint log."),
            checkpoints.sequence as f64,
        ),
        (("millstream_uploads_in_flight", "Files on their way to the lake."), uploads.files_in_flight as f64),
        (("millstream_uploads_in_flight_bytes", "Bytes on their way."), uploads.bytes_in_flight as f64),
    ];
    gauges.into_iter().for_each(|(name, value)| to.gauge(name, &none, value));
    if let Some(age) = checkpoints.age_seconds {
        let name = ("millstream_checkpoint_age_seconds", "Time since this process's last checkpoint.");
        to.gauge(name, &none, age);
    }
    let counters = [
        (
            ("millstream_checkpoint_lost_races_total", "Times another worker was faster."),
            checkpoints.lost_races,
        ),
        (("millstream_uploads_total", "Files that were uploaded or failed."), uploads.files),
        (("millstream_upload_failures_total", "Files that could not be uploaded."), uploads.failed),
        (("millstream_upload_retries_total", "Further attempts to upload a file."), uploads.retries),
        (("millstream_upload_bytes_total", "Bytes that were uploaded or failed."), uploads.bytes),
        (
            ("millstream_dead_letters_published_total", "Dead letters published to their topic."),
            status.dead_letters.published,
        ),
        (
            (
                "millstream_dead_letters_unpublished_total",
                "Dead letters that their topic does not take, or whose file is gone.",
            ),
            status.dead_letters.unpublished,
        ),
        (
            ("millstream_dead_letter_publish_failures_total", "Failed attempts to publish dead letters."),
            status.dead_letters.failures,
        ),
    ];
    counters.into_iter().for_each(|(name, value)| to.counter(name, &none, value as f64));
    merges(to, &status.merges);
}

fn merges(to: &mut Families, merges: &MergeStatus) {
    let counters = [
        (("millstream_merges_total", "Times that small files became one."), merges.merges as f64),
        (("millstream_merged_files_total", "Files that became part of others."), merges.files as f64),
        (("millstream_merged_bytes_total", "Bytes of these files."), merges.bytes_read as f64),
        (("millstream_merge_written_bytes_total", "Bytes of merged files."), merges.bytes_written as f64),
        (
            ("millstream_merges_rejected_total", "Merges at which another worker was faster."),
            merges.rejected as f64,
        ),
        (("millstream_merge_failures_total", "Merges that failed."), merges.failures as f64),
        (("millstream_merge_busy_seconds_total", "Time spent merging."), merges.busy_seconds),
    ];
    counters.into_iter().for_each(|(name, value)| to.counter(name, &Labels::default(), value));
}

fn source(to: &mut Families, source: &SourceStatus) {
    let none = Labels::default();
    let name = ("millstream_source_assigned_partitions", "Partitions that this process reads.");
    to.gauge(name, &none, source.assigned as f64);
    let name = ("millstream_source_assignments_total", "Times the source gave partitions.");
    to.counter(name, &none, source.assignments as f64);
    let name = ("millstream_source_revocations_total", "Times the source took partitions back.");
    to.counter(name, &none, source.revocations as f64);
    let name = ("millstream_source_discards_total", "Times what was read of them was not committed in time.");
    to.counter(name, &none, source.discards as f64);
    for (topic, positions) in &source.skipped {
        let name = (
            "millstream_source_skipped_offsets_total",
            "Offsets passed over: deleted before they were read.",
        );
        to.counter(name, &Labels::of(&[("topic", topic)]), *positions as f64);
    }
    let name = (
        "millstream_source_partition_lag_messages",
        "Messages not read yet; absent where the end is unknown.",
    );
    for partition in &source.partitions {
        let labels =
            Labels::of(&[("topic", &partition.topic), ("partition", &partition.partition.to_string())]);
        if let Some(lag) = partition.lag {
            to.gauge(name, &labels, lag as f64);
        }
        if let Some(seconds) = partition.watermark_seconds {
            let name = ("millstream_source_partition_watermark_seconds", "Watermark, as seconds since 1970.");
            to.gauge(name, &labels, seconds);
            let name =
                ("millstream_source_partition_idle", "1 if the stream's watermark does not wait for it.");
            to.gauge(name, &labels, f64::from(u8::from(partition.idle)));
        }
    }
}

fn live(to: &mut Families, stream: &StreamStatus) {
    let labels = Labels::of(&[("stream", &stream.name)]);
    let counters = [
        (("millstream_messages_total", "Messages read, committed or not."), stream.messages),
        (("millstream_message_bytes_total", "Bytes of keys and values read."), stream.bytes),
        (("millstream_batches_total", "Batches read."), stream.batches),
        (
            ("millstream_undecodable_messages_total", "Messages read that could not be decoded."),
            stream.undecodable,
        ),
    ];
    counters.into_iter().for_each(|(name, value)| to.counter(name, &labels, value as f64));
    if let Some(lag) = stream.lag {
        let name = ("millstream_lag_messages", "Messages not read yet; absent while it is unknown.");
        to.gauge(name, &labels, lag as f64);
    }
    let gauges = [
        (
            ("millstream_watermark_seconds", "Watermark in the log, as seconds since 1970."),
            stream.watermark_seconds,
        ),
        (
            ("millstream_watermark_lag_seconds", "How far the watermark is behind the clock."),
            stream.watermark_lag_seconds,
        ),
    ];
    for (name, value) in gauges {
        value.into_iter().for_each(|value| to.gauge(name, &labels, value));
    }
}

/// The steps that run and those that ran before. Versions that differ in their configuration alone have the same
/// labels, and are one to a reader.
fn steps(to: &mut Families, stream: &StreamStatus) {
    let mut versions: BTreeMap<_, StepStatus> = BTreeMap::new();
    // The present ones first: their circuits and gauges are those that count.
    for step in stream.steps.iter().chain(stream.former_steps.iter().rev()) {
        let labels = (&step.name, &step.plugin, &step.digest);
        match versions.entry(labels) {
            Entry::Vacant(vacant) => drop(vacant.insert(step.clone())),
            Entry::Occupied(mut known) => known.get_mut().add(step),
        }
    }
    versions.values().for_each(|step| self::step(to, &stream.name, step));
}

fn step(to: &mut Families, stream: &str, step: &StepStatus) {
    let labels =
        [("stream", stream), ("step", &step.name), ("plugin", &step.plugin), ("digest", &step.digest)];
    let labels = Labels::of(&labels);
    let counters = [
        (("millstream_step_rows_total", "Rows a step took."), step.rows as f64),
        (("millstream_step_passed_rows_total", "Rows a step passed on."), step.passed as f64),
        (("millstream_step_dropped_rows_total", "Rows a step dropped."), step.dropped as f64),
        (("millstream_step_emitted_rows_total", "Rows a step made for other tables."), step.emitted as f64),
        (("millstream_step_busy_seconds_total", "Time spent in a step's plugin."), step.busy_seconds),
        (
            ("millstream_step_aside_batches_total", "Batches that a step did not take quickly enough."),
            step.aside_batches as f64,
        ),
        (
            (
                "millstream_step_held_seconds_total",
                "Time that batches waited since a step's circuit was open.",
            ),
            step.held_seconds,
        ),
    ];
    counters.into_iter().for_each(|(name, value)| to.counter(name, &labels, value));
    let open = f64::from(u8::from(step.circuit.is_some()));
    to.gauge(("millstream_step_circuit_open", "1 if a step does not run any more."), &labels, open);
    for (cause, rows) in &step.rejected {
        let name = ("millstream_step_rejected_rows_total", "Rows a step rejected, by cause.");
        to.counter(name, &labels.with("cause", cause), *rows as f64);
    }
    for (name, sum) in &step.counters {
        let help = "Counters that a plugin reports, by their names.";
        to.counter(("millstream_plugin_events_total", help), &labels.with("name", name), *sum as f64);
    }
    for (name, value) in &step.gauges {
        let help = "Gauges that a plugin reports, by their names.";
        to.gauge(("millstream_plugin_value", help), &labels.with("name", name), *value);
    }
}

fn tables(to: &mut Families, status: &Status) {
    for (table, size) in &status.tables {
        let labels = Labels::of(&[("table", table)]);
        to.gauge(("millstream_table_files", "Live files of a table."), &labels, size.files as f64);
        to.gauge(("millstream_table_rows", "Rows in a table's live files."), &labels, size.rows as f64);
        to.gauge(
            ("millstream_table_size_bytes", "Size of a table's live files."),
            &labels,
            size.bytes as f64,
        );
    }
}

/// Every pair of operation and answer from the beginning, so that a rate of one that is rare is seen.
fn store(to: &mut Families, figures: &StoreFigures) {
    for operation in Operation::ALL {
        let labels = Labels::of(&[("operation", operation.name())]);
        for answer in Answer::ALL {
            let name =
                ("millstream_store_requests_total", "Requests to the lake's store, by what came of them.");
            let labels = labels.with("outcome", answer.name());
            to.counter(name, &labels, figures.requests(operation, answer) as f64);
        }
        let name = ("millstream_store_request_seconds", "From a request to the beginning of its answer.");
        figures.with_durations(operation, |durations| histogram(to, name, &labels, durations));
    }
    let none = Labels::default();
    let name = ("millstream_store_retries_total", "Requests that repeated one that had failed.");
    to.counter(name, &none, figures.retries() as f64);
    let name =
        ("millstream_store_silent_seconds", "How long the store has done nothing of what it is asked.");
    to.gauge(name, &none, figures.silent_for().map_or(0.0, |silent| silent.as_secs_f64()));
}

fn latency(to: &mut Families, stream: &StreamFigures) {
    let labels = Labels::of(&[("stream", &stream.name)]);
    let name = ("millstream_produce_to_commit_seconds", "From a message's timestamp to its checkpoint.");
    stream.with_latency(|latency| histogram(to, name, &labels, latency));
}

/// Requests of plugins, by the servers of their grants.
fn requests(to: &mut Families, stream: &StreamFigures) {
    for figures in stream.steps() {
        let step = figures.step();
        let digest = step.plugin().digest().short();
        for sent in step.http_figures() {
            let names = [("stream", &*stream.name), ("step", &*figures.name)];
            let version = [("plugin", step.plugin().name()), ("digest", &digest), ("host", &*sent.host)];
            let labels: Vec<_> = names.into_iter().chain(version).collect();
            let labels = Labels::of(&labels).with("outcome", sent.outcome);
            let name = (
                "millstream_plugin_http_requests_total",
                "Requests of a step's plugin to servers, by what came of them.",
            );
            to.counter(name, &labels, sent.requests as f64);
            let name = (
                "millstream_plugin_http_request_seconds_total",
                "Time from these requests to their answers, all together.",
            );
            to.counter(name, &labels, sent.busy.as_secs_f64());
        }
    }
}

fn histogram(to: &mut Families, name: families::Name, labels: &Labels, of: &Distribution) {
    let bounds = BOUNDS_MS.iter().map(|bound| *bound as f64 / 1000.0);
    let buckets: Vec<_> = bounds.zip(of.cumulative(&BOUNDS_MS)).collect();
    to.histogram(name, labels, &buckets, of.count(), of.sum_seconds());
}

#[cfg(test)]
mod tests {
    use millstream_model::SystemClock;

    use super::*;

    /// A reason that sorts before the others must not push one of them out: its counter would fall.
    #[test]
    fn a_reason_that_is_a_label_stays_one() {
        let metrics = Metrics::new(Arc::new(Telemetry::new("worker-0", Arc::new(SystemClock))));
        let mut dead: BTreeMap<String, u64> =
            (0..REASONS_MAX).map(|n| (format!("reason {n:02}"), 1)).collect();
        let before = metrics.by_reason("vehicle", &dead);
        assert_eq!(before, dead);
        dead.insert("another reason".to_owned(), 5);
        dead.insert("one more".to_owned(), 2);
        let mut expected = before;
        expected.insert(OTHER_REASONS.to_owned(), 7);
        assert_eq!(metrics.by_reason("vehicle", &dead), expected);
    }
}
