//! Figures of changes of running streams, of this process alone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_model::entry::ChangeCause;

use super::lock;
use crate::admin::StepId;

/// Bounds that holds are counted by, in microseconds.
pub const HOLD_BOUNDS_US: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 50_000, 250_000];

/// Changes of running streams.
#[derive(Debug, Default)]
pub struct SwapFigures {
    holds: [AtomicU64; HOLD_BOUNDS_US.len()],
    hold_count: AtomicU64,
    hold_sum_ns: AtomicU64,
    hold_max_ns: AtomicU64,
    causes: Mutex<BTreeMap<&'static str, u64>>,
    followed: AtomicU64,
    failures: AtomicU64,
    refusals: Mutex<BTreeMap<StepId, u64>>,
    configurations_refused: AtomicU64,
}

/// How long swaps held tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holds {
    /// How many were not longer than each of [`HOLD_BOUNDS_US`].
    pub buckets: [u64; HOLD_BOUNDS_US.len()],
    /// All.
    pub count: u64,
    /// Their sum.
    pub sum_seconds: f64,
    /// The longest.
    pub max_seconds: f64,
}

impl SwapFigures {
    /// The exchange of stages held a thread for so long.
    pub fn held(&self, hold: Duration) {
        let micros = u64::try_from(hold.as_micros()).unwrap_or(u64::MAX);
        let nanos = u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        for (bound, count) in HOLD_BOUNDS_US.iter().zip(&self.holds) {
            count.fetch_add(u64::from(micros <= *bound), Ordering::Relaxed);
        }
        self.hold_count.fetch_add(1, Ordering::Relaxed);
        self.hold_sum_ns.fetch_add(nanos, Ordering::Relaxed);
        self.hold_max_ns.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Streams go on with what this process proposed.
    pub fn swapped(&self, cause: ChangeCause) {
        *lock(&self.causes).entry(name(cause)).or_default() += 1;
    }

    /// Streams go on with what the log desires already.
    pub fn followed(&self) {
        self.followed.fetch_add(1, Ordering::Relaxed);
    }

    /// A swap was begun and not accepted; what was uncommitted was begun again.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// A new version of a step was refused.
    pub fn refused(&self, step: &StepId) {
        *lock(&self.refusals).entry(step.clone()).or_default() += 1;
    }

    /// A changed configuration was refused.
    pub fn configuration_refused(&self) {
        self.configurations_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How long swaps held tasks.
    pub fn holds(&self) -> Holds {
        let seconds = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 / 1e9;
        Holds {
            buckets: self.holds.each_ref().map(|count| count.load(Ordering::Relaxed)),
            count: self.hold_count.load(Ordering::Relaxed),
            sum_seconds: seconds(&self.hold_sum_ns),
            max_seconds: seconds(&self.hold_max_ns),
        }
    }

    /// Changes of streams, by cause; `followed` are those that another worker proposed, or that needed no entry.
    pub fn by_cause(&self) -> BTreeMap<&'static str, u64> {
        let mut causes = lock(&self.causes).clone();
        causes.insert("followed", self.followed.load(Ordering::Relaxed));
        causes
    }

    /// Swaps that were begun and not accepted.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Versions that were refused, by step.
    pub fn refusals(&self) -> BTreeMap<StepId, u64> {
        lock(&self.refusals).clone()
    }

    /// Changed configurations that were refused.
    pub fn configurations_refused(&self) -> u64 {
        self.configurations_refused.load(Ordering::Relaxed)
    }
}

fn name(cause: ChangeCause) -> &'static str {
    match cause {
        ChangeCause::Started => "started",
        ChangeCause::DroppedIn => "dropped_in",
        ChangeCause::Configured => "configured",
        ChangeCause::Promoted => "promoted",
        ChangeCause::RolledBack => "rolled_back",
        ChangeCause::CircuitOpened => "circuit_opened",
    }
}
