//! Live figures of streams and their steps. CPU threads add to atomics once for each batch, never for each
//! row; whoever wants to know reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use millstream_engine::{Cause, Metrics, Step, StepOutput};

use super::arrivals::Arrivals;
use super::distribution::{Distribution, Quantiles};
use crate::plan::{PlannedStep, StreamPlan};
use crate::shadow::ShadowFeed;
use crate::tap::Taps;

/// Names of metrics that are kept for one step, of each kind; an instance of a plugin has fewer.
const PLUGIN_METRICS_MAX: usize = 256;
/// "Recent" latencies are those of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(30);

/// Figures of one stream, of this process alone.
#[derive(Debug)]
pub struct StreamFigures {
    /// Name of the stream.
    pub name: Arc<str>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its steps, in their order.
    pub steps: Vec<StepFigures>,
    /// Who looks at its rows.
    pub taps: Arc<Taps>,
    /// Who looks at what its steps do.
    pub shadows: Arc<ShadowFeed>,
    messages: AtomicU64,
    bytes: AtomicU64,
    batches: AtomicU64,
    undecodable: AtomicU64,
    latency: Mutex<Latency>,
}

impl StreamFigures {
    /// Figures of a stream that has read nothing.
    pub fn new(plan: &StreamPlan) -> Self {
        Self {
            name: plan.name.clone(),
            topic: plan.topic.clone(),
            steps: plan.steps.iter().map(StepFigures::new).collect(),
            taps: Arc::new(Taps::new(plan)),
            shadows: Arc::default(),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
            latency: Mutex::default(),
        }
    }

    /// Counts a batch: its messages, their bytes, and those that could not be decoded.
    pub fn add_batch(&self, messages: usize, bytes: usize, undecodable: usize) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.undecodable.fetch_add(undecodable as u64, Ordering::Relaxed);
    }

    /// Messages read, committed or not.
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Bytes of their keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Batches they came in.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Messages that could not be decoded.
    pub fn undecodable(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }

    /// Messages that were produced at these times have been committed now.
    pub(super) fn committed(&self, arrivals: &Arrivals, now_us: i64) {
        self.latency(|latency| {
            latency.turn();
            for (millis, count) in arrivals.latencies(now_us) {
                latency.recent[1].record(millis, count);
                latency.all.record(millis, count);
            }
        });
    }

    /// From produce to commit, since the start.
    pub fn latency_quantiles(&self) -> Quantiles {
        self.latency(|latency| latency.all.quantiles())
    }

    /// From produce to commit, of about the last minute.
    pub fn recent_latency_quantiles(&self) -> Quantiles {
        self.latency(|latency| {
            latency.turn();
            let mut both = Distribution::default();
            latency.recent.iter().for_each(|window| both.add(window));
            both.quantiles()
        })
    }

    /// Looks at the latencies from produce to commit, since the start.
    pub fn with_latency<T>(&self, look: impl FnOnce(&Distribution) -> T) -> T {
        self.latency(|latency| look(&latency.all))
    }

    fn latency<T>(&self, with: impl FnOnce(&mut Latency) -> T) -> T {
        with(&mut self.latency.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[derive(Debug)]
struct Latency {
    all: Distribution,
    /// The window before the present one, and the present one.
    recent: [Distribution; 2],
    begun: Instant,
}

impl Default for Latency {
    fn default() -> Self {
        Self { all: Distribution::default(), recent: Default::default(), begun: Instant::now() }
    }
}

impl Latency {
    fn turn(&mut self) {
        let windows = self.begun.elapsed().as_secs() / WINDOW.as_secs();
        for _ in 0..windows.min(2) {
            self.recent.swap(0, 1);
            self.recent[1] = Distribution::default();
        }
        self.begun += WINDOW * u32::try_from(windows).unwrap_or(u32::MAX);
    }
}

/// Figures of one step, of all threads of this process.
#[derive(Debug)]
pub struct StepFigures {
    /// Name of the step.
    pub name: Arc<str>,
    /// The plugin and its circuit.
    pub step: Step,
    rows: AtomicU64,
    passed: AtomicU64,
    dropped: AtomicU64,
    emitted: AtomicU64,
    rejected: [AtomicU64; Cause::ALL.len()],
    busy_ns: AtomicU64,
    metrics: Mutex<Metrics>,
}

impl StepFigures {
    fn new(step: &PlannedStep) -> Self {
        Self {
            name: step.name.clone(),
            step: step.step.clone(),
            rows: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            emitted: AtomicU64::new(0),
            rejected: Default::default(),
            busy_ns: AtomicU64::new(0),
            metrics: Mutex::default(),
        }
    }

    /// Counts a batch of `rows` rows that took `busy` and became `output`.
    pub fn add_batch(&self, rows: usize, output: &StepOutput, busy: Duration) {
        let emitted: usize = output.emitted.iter().map(|(_, rows)| rows.num_rows()).sum();
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
        self.passed.fetch_add(output.passed.num_rows() as u64, Ordering::Relaxed);
        self.dropped.fetch_add(output.dropped.len() as u64, Ordering::Relaxed);
        self.emitted.fetch_add(emitted as u64, Ordering::Relaxed);
        self.busy_ns.fetch_add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if output.rejected.is_empty() {
            return;
        }
        let mut causes = [0; Cause::ALL.len()];
        output.rejected.iter().for_each(|row| causes[row.cause as usize] += 1);
        for (sum, count) in self.rejected.iter().zip(causes) {
            sum.fetch_add(count, Ordering::Relaxed);
        }
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

    /// Counters and gauges that the plugin reported.
    pub fn metrics(&self) -> Metrics {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
