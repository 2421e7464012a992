//! Watches over one step of a plan: what it may cost before its circuit opens, and whether its batches wait
//! for another version then. All threads share it, as they share the step's circuit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use millstream_engine::Cause;

use super::budget::Spent;
use crate::config::{CircuitPolicy, OnCircuit};

/// Watches over one step of a plan.
#[derive(Debug)]
pub struct Guard {
    on_open: OnCircuit,
    spent: Spent,
    told: AtomicBool,
}

impl Guard {
    /// Watches by `policy`.
    pub fn new(policy: &CircuitPolicy) -> Self {
        let spent = Spent::new(policy.budget.clone(), Instant::now());
        Self { on_open: policy.on_open, spent, told: AtomicBool::new(false) }
    }

    /// What becomes of the stream when the circuit opens.
    pub fn on_open(&self) -> OnCircuit {
        self.on_open
    }

    /// True if batches wait while the circuit is open; else their rows become dead letters.
    pub(crate) fn holds(&self) -> bool {
        self.on_open != OnCircuit::DeadLetters
    }

    /// Counts rows that the step took, and those of them that it is blamed for; says so if that is more than
    /// it may cost. Where its rows would become dead letters, nothing is gained by opening its circuit.
    pub(crate) fn count(&self, rows: u64, blamed: u64) -> Option<String> {
        if self.holds() { self.spent.count(rows, blamed, Instant::now()) } else { None }
    }

    /// True for the first who tells that the circuit opened.
    pub(crate) fn tells(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    /// The circuit is closed again: its budget is whole, and the next opening is news.
    pub(crate) fn renew(&self) {
        self.spent.clear();
        self.told.store(false, Ordering::Relaxed);
    }
}

/// True if a row that is rejected for this cause speaks against the step rather than against the row.
pub(crate) fn is_blamed(cause: Cause) -> bool {
    !matches!(cause, Cause::Plugin | Cause::BadBatch | Cause::CircuitOpen)
}
