//! Live figures of streams. CPU threads add to atomics once for each batch, never for each
//! row; whoever wants to know reads them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::arrivals::Arrivals;
use super::distribution::{Distribution, Quantiles};
use super::lock;
use super::step::StepFigures;
use super::versions::Versions;
use crate::plan::StreamPlan;
use crate::tap::Taps;

/// "Recent" latencies are those of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(30);

/// Figures of one stream, of this process alone.
#[derive(Debug)]
pub struct StreamFigures {
    /// Name of the stream.
    pub name: Arc<str>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Who looks at its rows.
    pub taps: Arc<Taps>,
    versions: Mutex<Versions>,
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
            taps: Arc::new(Taps::new(plan)),
            versions: Mutex::new(Versions::new(plan)),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
            latency: Mutex::default(),
        }
    }

    /// Figures of the steps that run, in their order.
    pub fn steps(&self) -> Vec<Arc<StepFigures>> {
        lock(&self.versions).present().to_vec()
    }

    /// Figures of versions that ran before, the last one last; of each step those of the last few.
    pub fn former_steps(&self) -> Vec<Arc<StepFigures>> {
        lock(&self.versions).former()
    }

    /// Figures of the steps of `plan`, whether they run or not.
    pub(crate) fn of_plan(&self, plan: &StreamPlan) -> Vec<Arc<StepFigures>> {
        lock(&self.versions).of_plan(plan)
    }

    /// The steps of `plan`, whose figures are `steps`, run from now on.
    pub(crate) fn enter(&self, plan: &StreamPlan, steps: &[Arc<StepFigures>]) {
        lock(&self.versions).enter(plan, steps);
        self.taps.enter(plan);
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
        with(&mut lock(&self.latency))
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
