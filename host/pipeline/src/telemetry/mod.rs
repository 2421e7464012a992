//! What a running pipeline says of itself. CPU threads add to atomics once for each batch, the coordinator
//! notes assignments and checkpoints, and whoever wants to know reads a [`Status`]. Nothing here knows how
//! it is shown.

mod arrivals;
mod distribution;
mod figures;
mod merges;
mod moment;
mod status;
mod step;
mod swaps;
mod task;
mod versions;
mod work;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use millstream_log::{LogState, Pause, StepVersion};
use millstream_model::entry::{Counters, PluginUse, Sequence};
use millstream_model::{Clock, TopicPartition};

pub use arrivals::Arrivals;
pub use distribution::{Distribution, Quantiles};
pub use figures::StreamFigures;
pub use merges::{MergeFigures, MergeStatus};
pub use status::{
    CheckpointStatus, DeadLetterStatus, PartitionStatus, Readiness, SourceStatus, Status, StepStatus,
    StreamStatus, TableSize, UploadStatus, WaitingStatus,
};
pub use step::{StepFigures, StepWork};
pub use swaps::{HOLD_BOUNDS_US, Holds, SwapFigures};
pub use task::TaskGauge;
pub use work::Work;

use crate::admin::{Candidate, ShadowId, ShadowStatus, StepId};
use crate::plan::StreamPlan;
use crate::sink::UploadError;
use crate::store::StoreFigures;

/// Live figures of the whole process.
pub struct Telemetry {
    started: Instant,
    worker: String,
    clock: Arc<dyn Clock>,
    streams: OnceLock<Vec<Arc<StreamFigures>>>,
    store: OnceLock<Arc<StoreFigures>>,
    /// Checkpoints of this process.
    pub checkpoints: CheckpointFigures,
    /// Files on their way to the lake.
    pub uploads: Arc<UploadFigures>,
    /// Files that became part of others.
    pub merges: Arc<MergeFigures>,
    /// Changes of running streams.
    pub swaps: SwapFigures,
    /// Dead letters that this process has published to their topic.
    pub dead_letters_published: AtomicU64,
    /// Dead letters that cannot be published: their topic does not take them, or their file is gone.
    pub dead_letters_unpublished: AtomicU64,
    /// Attempts to publish dead letters that failed.
    pub dead_letter_failures: AtomicU64,
    run: Mutex<RunFigures>,
    committed: Mutex<Committed>,
    work: Mutex<Work>,
    /// Versions that steps do not run, or not yet; at most one for each step.
    pub candidates: Mutex<BTreeMap<StepId, Candidate>>,
    /// Shadows that run, and the last ones that did.
    pub shadows: Mutex<BTreeMap<ShadowId, ShadowStatus>>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").field("worker", &self.worker).finish_non_exhaustive()
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It reaches for its source.
    #[default]
    Connecting,
    /// It loads plugins, probes the lake and reads the log.
    Opening,
    /// Messages flow.
    Running,
    /// It commits what was read, and ends.
    Ending,
}

/// What the run loop knows of the source.
#[derive(Debug, Default)]
struct RunFigures {
    phase: Phase,
    assignment_known: bool,
    assigned: BTreeMap<TopicPartition, Arc<TaskGauge>>,
    /// Partitions that are ours and cannot be opened, and why.
    unopened: BTreeMap<TopicPartition, String>,
    /// Topics that do not exist.
    missing: Vec<String>,
    /// No part of the source answers.
    unreachable: bool,
    assignments: u64,
    revocations: u64,
    discards: u64,
}

/// What the log says, as of the last checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    /// Last entry of the log.
    pub sequence: Sequence,
    /// Sums of all entries, by stream.
    pub totals: BTreeMap<String, Counters>,
    /// Sizes of the tables.
    pub tables: BTreeMap<String, TableSize>,
    /// Watermarks of topics, in microseconds since the epoch.
    pub topic_watermarks: BTreeMap<Arc<str>, i64>,
    /// Watermarks of partitions, and whether these are idle.
    pub watermarks: BTreeMap<TopicPartition, (i64, bool)>,
    /// Versions of steps, the present one last.
    pub versions: BTreeMap<StepId, Vec<StepVersion>>,
    /// Streams that are paused.
    pub paused: BTreeMap<String, Pause>,
}

impl Committed {
    fn of(log: &LogState) -> Self {
        let tables = log.files().iter().map(|(table, files)| {
            let size = TableSize {
                files: files.len() as u64,
                rows: files.values().map(|file| file.rows).sum(),
                bytes: files.values().map(|file| file.bytes).sum(),
            };
            (table.clone(), size)
        });
        let of_topic = |partition: &TopicPartition| {
            Some((partition.topic.clone(), log.topic_watermark(&partition.topic)?))
        };
        let of_partition = |(partition, micros): (&TopicPartition, &i64)| {
            (partition.clone(), (*micros, log.is_idle(partition)))
        };
        let of_step = |used: &PluginUse| {
            let versions = log.versions(&used.stream, &used.step).to_vec();
            (StepId::new(used.stream.as_str(), used.step.as_str()), versions)
        };
        Self {
            sequence: log.sequence(),
            totals: log.totals().clone(),
            tables: tables.collect(),
            topic_watermarks: log.watermarks().keys().filter_map(of_topic).collect(),
            watermarks: log.watermarks().iter().map(of_partition).collect(),
            versions: log.plugins().iter().map(of_step).collect(),
            paused: log.paused().clone(),
        }
    }
}

/// Checkpoints of this process.
#[derive(Debug, Default)]
pub struct CheckpointFigures {
    lost_races: AtomicU64,
    durations: Mutex<Distribution>,
    last: Mutex<Option<Instant>>,
}

impl CheckpointFigures {
    /// An entry was accepted; from the barrier to that it took `duration`.
    pub fn accepted(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        lock(&self.durations).record(millis, 1);
        *lock(&self.last) = Some(Instant::now());
    }

    /// Another worker was faster, and what was done is thrown away.
    pub fn lost_race(&self) {
        self.lost_races.fetch_add(1, Ordering::Relaxed);
    }

    /// Times that another worker was faster.
    pub fn lost_races(&self) -> u64 {
        self.lost_races.load(Ordering::Relaxed)
    }

    /// Looks at how long checkpoints took.
    pub fn with_durations<T>(&self, look: impl FnOnce(&Distribution) -> T) -> T {
        look(&lock(&self.durations))
    }

    /// Time since the last accepted one.
    pub fn age(&self) -> Option<Duration> {
        lock(&self.last).map(|last| last.elapsed())
    }
}

/// Files on their way to the lake.
#[derive(Debug, Default)]
pub struct UploadFigures {
    begun: AtomicU64,
    bytes_begun: AtomicU64,
    ended: AtomicU64,
    bytes_ended: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
}

impl UploadFigures {
    /// A file of so many bytes sets off.
    pub fn begin(&self, bytes: usize) {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.bytes_begun.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// It has arrived, after so many attempts, or will not.
    pub fn end(&self, bytes: usize, result: &Result<u32, UploadError>) {
        let attempts = match result {
            Ok(attempts) | Err(UploadError::Store { attempts, .. }) => *attempts,
            Err(UploadError::Taken { .. }) => 1,
        };
        self.retries.fetch_add(u64::from(attempts.saturating_sub(1)), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.bytes_ended.fetch_add(bytes as u64, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    }

    pub(crate) fn status(&self) -> UploadStatus {
        // Ends first: an upload that ends in between is in flight rather than less than none.
        let ended = self.ended.load(Ordering::Relaxed);
        let bytes_ended = self.bytes_ended.load(Ordering::Relaxed);
        UploadStatus {
            files: ended,
            bytes: bytes_ended,
            failed: self.failed.load(Ordering::Relaxed),
            retries: self.retries.load(Ordering::Relaxed),
            files_in_flight: self.begun.load(Ordering::Relaxed).saturating_sub(ended),
            bytes_in_flight: self.bytes_begun.load(Ordering::Relaxed).saturating_sub(bytes_ended),
        }
    }
}

impl Telemetry {
    /// Figures of a process that has done nothing.
    pub fn new(worker: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            started: Instant::now(),
            worker: worker.to_owned(),
            clock,
            streams: OnceLock::new(),
            store: OnceLock::new(),
            checkpoints: CheckpointFigures::default(),
            uploads: Arc::default(),
            merges: Arc::default(),
            swaps: SwapFigures::default(),
            dead_letters_published: AtomicU64::new(0),
            dead_letters_unpublished: AtomicU64::new(0),
            dead_letter_failures: AtomicU64::new(0),
            run: Mutex::default(),
            committed: Mutex::default(),
            work: Mutex::default(),
            candidates: Mutex::default(),
            shadows: Mutex::default(),
        }
    }

    /// The time, in microseconds since the epoch.
    pub fn now_us(&self) -> i64 {
        self.clock.now_us()
    }

    /// The run has come so far.
    pub fn enter(&self, phase: Phase) {
        lock(&self.run).phase = phase;
    }

    /// What the lake's store answers; the first call counts.
    pub fn watch(&self, store: Arc<StoreFigures>) {
        self.store.get_or_init(|| store);
    }

    /// What the lake's store answers; none before [`Telemetry::watch`].
    pub fn store(&self) -> Option<&StoreFigures> {
        self.store.get().map(Arc::as_ref)
    }

    /// The streams that run; the first call counts.
    pub fn begin<'a>(&self, plans: impl IntoIterator<Item = &'a Arc<StreamPlan>>) {
        self.streams
            .get_or_init(|| plans.into_iter().map(|plan| Arc::new(StreamFigures::new(plan))).collect());
    }

    /// The streams, by name; none before [`Telemetry::begin`].
    pub fn streams(&self) -> &[Arc<StreamFigures>] {
        self.streams.get().map_or(&[], Vec::as_slice)
    }

    /// The stream of this name.
    pub fn stream(&self, name: &str) -> Option<&Arc<StreamFigures>> {
        self.streams().iter().find(|stream| &*stream.name == name)
    }

    /// Messages read, committed or not.
    pub fn messages(&self) -> u64 {
        self.streams().iter().map(|stream| stream.messages()).sum()
    }

    /// The source gave partitions to this process.
    pub fn count_assignment(&self) {
        lock(&self.run).assignments += 1;
    }

    /// The source took partitions from this process.
    pub fn count_revocation(&self) {
        lock(&self.run).revocations += 1;
    }

    /// Partitions had to be given away before what was read of them could be committed.
    pub fn count_discard(&self) {
        lock(&self.run).discards += 1;
    }

    /// Partitions that are read, and those that are ours and cannot be opened, with the reason. `known` is false while
    /// the source has not said which are ours.
    pub fn assign(
        &self,
        known: bool,
        assigned: &BTreeMap<TopicPartition, Arc<TaskGauge>>,
        unopened: impl IntoIterator<Item = (TopicPartition, String)>,
    ) {
        let mut run = lock(&self.run);
        run.assignment_known = known;
        run.assigned.clone_from(assigned);
        run.unopened = unopened.into_iter().collect();
    }

    /// These topics of ours do not exist.
    pub fn note_missing(&self, topics: &[String]) {
        lock(&self.run).missing = topics.to_vec();
    }

    /// Whether the source answers now.
    pub fn note_reachable(&self, answers: bool) {
        lock(&self.run).unreachable = !answers;
    }

    /// The log says this now.
    pub fn note_log(&self, log: &LogState) {
        let committed = Committed::of(log);
        *lock(&self.committed) = committed;
    }

    /// An entry has made messages of these streams true that were produced at these times.
    pub fn note_latencies<'a>(&self, arrivals: impl IntoIterator<Item = (&'a Arc<str>, &'a Arrivals)>) {
        let now_us = self.clock.now_us();
        for (stream, arrivals) in arrivals {
            if let Some(stream) = self.stream(stream) {
                stream.committed(arrivals, now_us);
            }
        }
    }

    /// An entry of this process was accepted.
    pub fn note_work(&self, work: &Work) {
        lock(&self.work).add(work);
    }

    /// What the entries of this process did, without those of other workers.
    pub fn work(&self) -> Work {
        lock(&self.work).clone()
    }

    /// What the log says, as of the last checkpoint.
    pub fn committed(&self) -> Committed {
        lock(&self.committed).clone()
    }

    /// Ends all taps: the run is over.
    pub fn end_taps(&self) {
        self.streams().iter().for_each(|stream| stream.taps.close());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
