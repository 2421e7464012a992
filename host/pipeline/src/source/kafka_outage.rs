//! Times when no broker can be reached. Each client tries to connect several times a second and says
//! so each time; the user hears of it now and then, and when it is over.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::kafka_partitions::lock;

/// Shortest time between two warnings.
const WARNING_INTERVAL: Duration = Duration::from_secs(30);

/// Shared by the clients of a source.
#[derive(Clone)]
pub(super) struct Outage {
    brokers: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    warned: Option<Instant>,
    /// Failures since that warning.
    suppressed: u64,
    /// No broker is connected.
    down: bool,
    /// The user has heard of a failure, and not yet that it is over.
    is_told: bool,
}

impl Outage {
    /// No failure yet.
    pub(super) fn new(brokers: &str) -> Self {
        Self { brokers: brokers.into(), state: Arc::default() }
    }

    /// A connection failed.
    pub(super) fn connection_failed(&self, reason: &str) {
        let mut state = lock(&self.state);
        if state.warned.is_some_and(|at| at.elapsed() < WARNING_INTERVAL) {
            state.suppressed += 1;
            return;
        }
        tracing::warn!(suppressed = state.suppressed, "kafka: {reason}; trying on");
        state.warned = Some(Instant::now());
        state.is_told = true;
        state.suppressed = 0;
    }

    /// A client has lost the last of its brokers.
    pub(super) fn all_down(&self) {
        lock(&self.state).down = true;
    }

    /// If no broker can be reached, finds out by `answers` whether that is over. True if it is not.
    pub(super) fn look(&self, answers: impl FnOnce() -> bool) -> bool {
        if !lock(&self.state).down {
            return false;
        }
        if !answers() {
            return true;
        }
        let mut state = lock(&self.state);
        state.down = false;
        if std::mem::take(&mut state.is_told) {
            let suppressed = std::mem::take(&mut state.suppressed);
            tracing::info!(brokers = &*self.brokers, suppressed, "kafka answers again");
        }
        false
    }
}
