//! Live figures of one version of a step: a plugin with a configuration in the step's place. They outlive the
//! version's time there, so that a version that comes back counts on from where it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use millstream_engine::{Cause, Metrics, Step, StepOutput};
use millstream_model::Digest;

use super::lock;
use crate::aside::is_blamed;
use crate::plan::PlannedStep;

/// Names of metrics that are kept for one step, of each kind; an instance of a plugin has fewer.
const PLUGIN_METRICS_MAX: usize = 256;

/// Figures of one version of a step, of all threads of this process.
#[derive(Debug)]
pub struct StepFigures {
    /// Name of the step.
    pub name: Arc<str>,
    /// Digest of its configuration.
    pub config: Digest,
    /// The plugin with its circuit, as it ran last.
    step: Mutex<Step>,
    rows: AtomicU64,
    passed: AtomicU64,
    dropped: AtomicU64,
    emitted: AtomicU64,
    rejected: [AtomicU64; Cause::ALL.len()],
    busy_ns: AtomicU64,
    aside: AtomicU64,
    /// Since when batches wait for it.
    held: Mutex<Option<Instant>>,
    /// How long they waited before that.
    held_ns: AtomicU64,
    metrics: Mutex<Metrics>,
}

/// What a step did to a batch.
#[derive(Debug)]
pub struct StepWork {
    rows: u64,
    passed: u64,
    dropped: u64,
    emitted: u64,
    rejected: [u64; Cause::ALL.len()],
    busy: Duration,
    /// Counters and gauges that the plugin reported.
    pub metrics: Metrics,
}

impl StepWork {
    /// It took `rows` rows, worked for `busy`, and made `output` of them; its metrics are not taken from there.
    pub fn new(rows: usize, output: &StepOutput, busy: Duration) -> Self {
        let mut rejected = [0; Cause::ALL.len()];
        output.rejected.iter().for_each(|row| rejected[row.cause as usize] += 1);
        let emitted: usize = output.emitted.iter().map(|(_, rows)| rows.num_rows()).sum();
        Self {
            rows: rows as u64,
            passed: output.passed.num_rows() as u64,
            dropped: output.dropped.len() as u64,
            emitted: emitted as u64,
            rejected,
            busy,
            metrics: Metrics::default(),
        }
    }

    /// Rows that the step is blamed for: rejected neither by the plugin nor for their own sake.
    pub(crate) fn blamed(&self) -> u64 {
        Cause::ALL
            .iter()
            .zip(self.rejected)
            .filter(|(cause, _)| is_blamed(**cause))
            .map(|(_, rows)| rows)
            .sum()
    }

    /// Time in the plugin, the host's share of the calls included.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }
}

impl StepFigures {
    pub(super) fn new(step: &PlannedStep) -> Self {
        Self {
            name: step.name.clone(),
            config: step.config,
            step: Mutex::new(step.step.clone()),
            rows: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            emitted: AtomicU64::new(0),
            rejected: Default::default(),
            busy_ns: AtomicU64::new(0),
            aside: AtomicU64::new(0),
            held: Mutex::default(),
            held_ns: AtomicU64::new(0),
            metrics: Mutex::default(),
        }
    }

    /// The plugin with its circuit, as it runs or ran last.
    pub fn step(&self) -> Step {
        lock(&self.step).clone()
    }

    /// True if these are figures of `step`: of this plugin with this configuration in this place.
    pub(super) fn is_of(&self, step: &PlannedStep) -> bool {
        self.name == step.name
            && self.config == step.config
            && lock(&self.step).plugin().digest() == step.step.plugin().digest()
    }

    /// The version runs from now on, as `step`.
    pub(super) fn enter(&self, step: &PlannedStep) {
        *lock(&self.step) = step.step.clone();
    }

    /// Counts what the step did to a batch.
    pub fn add_batch(&self, work: &StepWork) {
        self.rows.fetch_add(work.rows, Ordering::Relaxed);
        self.passed.fetch_add(work.passed, Ordering::Relaxed);
        self.dropped.fetch_add(work.dropped, Ordering::Relaxed);
        self.emitted.fetch_add(work.emitted, Ordering::Relaxed);
        let busy_ns = u64::try_from(work.busy.as_nanos()).unwrap_or(u64::MAX);
        self.busy_ns.fetch_add(busy_ns, Ordering::Relaxed);
        for (sum, count) in self.rejected.iter().zip(work.rejected).filter(|(_, count)| *count > 0) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Counts a batch that went aside at this step.
    pub fn add_aside(&self) {
        self.aside.fetch_add(1, Ordering::Relaxed);
    }

    /// Batches wait for this step from now on, if they did not before.
    pub fn hold(&self) {
        lock(&self.held).get_or_insert_with(Instant::now);
    }

    /// Batches wait no longer.
    pub fn resume(&self) {
        let held = lock(&self.held).take().map_or(Duration::ZERO, |since| since.elapsed());
        self.held_ns.fetch_add(u64::try_from(held.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Publishes what the plugin reported, and leaves nothing of it behind; if somebody else has the
    /// figures in hand, it stays for the next time: a CPU thread does not wait for that.
    pub fn publish(&self, reported: &mut Metrics) {
        if reported.counters.is_empty() && reported.gauges.is_empty() {
            return;
        }
        let mut metrics = match self.metrics.try_lock() {
            Ok(metrics) => metrics,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let mut reported = std::mem::take(reported);
        keep_known(&mut reported.counters, &metrics.counters);
        keep_known(&mut reported.gauges, &metrics.gauges);
        metrics.merge(reported);
    }

    /// Rows that the step took.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Rows that it passed on.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Rows that it dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Rows that it made for other tables.
    pub fn emitted(&self) -> u64 {
        self.emitted.load(Ordering::Relaxed)
    }

    /// Rows that it rejected, by cause; all causes.
    pub fn rejected(&self) -> impl Iterator<Item = (Cause, u64)> {
        Cause::ALL.iter().zip(&self.rejected).map(|(cause, count)| (*cause, count.load(Ordering::Relaxed)))
    }

    /// Time spent in the plugin, the host's share of a call included.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed))
    }

    /// Batches that went aside at this step.
    pub fn aside_batches(&self) -> u64 {
        self.aside.load(Ordering::Relaxed)
    }

    /// Time for which batches have waited because the step's circuit was open.
    pub fn held(&self) -> Duration {
        let since = lock(&self.held).map_or(Duration::ZERO, |since| since.elapsed());
        Duration::from_nanos(self.held_ns.load(Ordering::Relaxed)) + since
    }

    /// Counters and gauges that the plugin reported.
    pub fn metrics(&self) -> Metrics {
        lock(&self.metrics).clone()
    }
}

/// Leaves out what would be one name too many: a plugin whose names come from its rows has new ones with
/// each new instance.
fn keep_known<T>(reported: &mut BTreeMap<Arc<str>, T>, known: &BTreeMap<Arc<str>, T>) {
    let mut room = PLUGIN_METRICS_MAX.saturating_sub(known.len());
    reported.retain(|name, _| {
        let fits = known.contains_key(name) || room > 0;
        room -= usize::from(fits && !known.contains_key(name));
        fits
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_with_too_many_metrics_keeps_those_it_had_first() {
        let name = |number: usize| Arc::from(format!("{number:04}").as_str());
        let known: BTreeMap<Arc<str>, u64> =
            (1..PLUGIN_METRICS_MAX).map(|number| (name(number), 1)).collect();
        let mut reported: BTreeMap<Arc<str>, u64> = [(name(0), 1), (name(1), 1), (name(9999), 1)].into();
        keep_known(&mut reported, &known);
        assert_eq!(reported.into_keys().collect::<Vec<_>>(), [name(0), name(1)]);
    }
}
