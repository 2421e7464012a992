//! What timers made: rows with their origins, and timers that could not be fired.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::output::{Cause, Metrics};
use crate::state::Timer;

/// What came of a move of the watermark.
#[derive(Clone, Debug, Default)]
pub struct FireOutput {
    /// Rows that timers emitted, at most one of each output, by its number.
    pub emitted: Vec<FiredRows>,
    /// Timers that could not be fired, in their order; they are gone, and the state that they found stays.
    pub dead: Vec<DeadTimer>,
    /// Metrics of the calls that succeeded.
    pub metrics: Metrics,
}

/// Rows that timers emitted to one output, in the order of the timers.
#[derive(Clone, Debug)]
pub struct FiredRows {
    /// Number of the output among those of the step.
    pub output: usize,
    /// With the columns of the output but the system columns: these rows have no place in a topic.
    pub rows: RecordBatch,
    /// Where each row comes from.
    pub origins: Vec<FiredOrigin>,
}

/// With the watermark of the move, the identity of a row that a timer emitted: the same under every cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiredOrigin {
    /// The timer.
    pub timer: Timer,
    /// Number of the row among those of this timer and output, from 0.
    pub ordinal: u32,
}

/// A timer that could not be fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadTimer {
    /// The timer.
    pub timer: Timer,
    /// Why, for people.
    pub reason: Arc<str>,
    /// Who found it guilty.
    pub cause: Cause,
}
