//! What a step made of a batch: plain data that the pipeline routes, counts and stores.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream_model::Offset;

/// What became of the rows of one batch. Each input row is passed on (perhaps as several rows), rejected
/// or dropped; besides, a plugin may emit rows for other tables.
#[derive(Clone, Debug)]
pub struct StepOutput {
    /// Rows that continue in the stream, in the input's order, with the step's output schema. Rows that
    /// were emitted into the stream follow their parent, or stand in its place.
    pub passed: RecordBatch,
    /// Rows for the dead letters, in the input's order.
    pub rejected: Vec<RejectedRow>,
    /// Values of `_offset` of the rows that the plugin dropped: neither kept nor rejected nor continued
    /// by an emitted row.
    pub dropped: Vec<Offset>,
    /// Rows for other tables: the index into [`crate::Step::outputs`] and the rows. An output appears
    /// once at most.
    pub emitted: Vec<(usize, RecordBatch)>,
    /// Metrics of the calls that succeeded.
    pub metrics: Metrics,
    /// Why the step's circuit opened, if this call opened it; told once for all instances of the step.
    pub circuit: Option<Arc<str>>,
}

/// One row that a step could not process or would not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Value of `_offset`.
    pub offset: Offset,
    /// Why, for people: 256 bytes at most if the plugin gave it.
    pub reason: Arc<str>,
    /// Who found it guilty.
    pub cause: Cause,
}

/// Why a row was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The plugin rejected it.
    Plugin,
    /// The plugin trapped on it, alone, or broke the contract.
    Trap,
    /// The plugin ran too long on it, alone, twice.
    Deadline,
    /// The plugin needed more memory than it may have.
    Memory,
    /// The plugin needed more stack than it may have.
    Stack,
    /// The plugin made more output of it than it may.
    OutputCap,
    /// The plugin called the host more often than it may.
    HostCalls,
    /// The plugin returned `bad-batch` (or `retry` too often) for it, alone.
    BadBatch,
    /// The step does not run any more.
    CircuitOpen,
}

impl Cause {
    /// All causes, in the order of their numbers (`cause as usize`).
    pub const ALL: [Self; 9] = [
        Self::Plugin,
        Self::Trap,
        Self::Deadline,
        Self::Memory,
        Self::Stack,
        Self::OutputCap,
        Self::HostCalls,
        Self::BadBatch,
        Self::CircuitOpen,
    ];
}

impl fmt::Display for Cause {
    /// The name of the cause as a metric label.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "plugin",
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::OutputCap => "output_cap",
            Self::HostCalls => "host_calls",
            Self::BadBatch => "bad_batch",
            Self::CircuitOpen => "circuit_open",
        })
    }
}

/// Metrics that a plugin reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Sums, by name.
    pub counters: BTreeMap<Arc<str>, u64>,
    /// Last values, by name.
    pub gauges: BTreeMap<Arc<str>, f64>,
}

impl Metrics {
    /// Adds what a later call reported.
    pub fn merge(&mut self, later: Metrics) {
        for (name, value) in later.counters {
            let sum = self.counters.entry(name).or_default();
            *sum = sum.saturating_add(value);
        }
        self.gauges.extend(later.gauges);
    }
}
