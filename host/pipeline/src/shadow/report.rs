//! What a shadow has seen: how the candidate's rows differ from the live version's, and what both cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Differences that are shown in full.
pub const EXAMPLES_MAX: usize = 20;

/// What a shadow has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    /// Batches that both versions got.
    pub batches: u64,
    /// Live batches that the candidate was too slow to take.
    pub batches_missed: u64,
    /// Rows that both versions got.
    pub rows: u64,
    /// Rows of the input of which the two made something different, of any kind.
    pub rows_different: u64,
    /// Kinds of differences, with the rows that have them: `column speed`, `only the candidate rejects`, …
    pub differences: BTreeMap<String, u64>,
    /// The first differences, at most [`EXAMPLES_MAX`].
    pub examples: Vec<Difference>,
    /// Columns that only the candidate's rows have.
    pub columns_added: Vec<String>,
    /// Columns that only the live version's rows have.
    pub columns_removed: Vec<String>,
    /// What the live version did and cost.
    pub live: SideReport,
    /// What the candidate did and cost.
    pub candidate: SideReport,
}

/// One row of which the versions made something different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The message: `topic/partition@offset`.
    pub message: String,
    /// Number among the rows of that message, from 0.
    pub ordinal: u32,
    /// Kind, as in [`ShadowReport::differences`].
    pub kind: String,
    /// What the live version made, as JSON; none if nothing.
    pub live: Option<serde_json::Value>,
    /// What the candidate made, as JSON; none if nothing.
    pub candidate: Option<serde_json::Value>,
}

/// What one version did and cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SideReport {
    /// Rows passed on.
    pub passed: u64,
    /// Rows dropped.
    pub dropped: u64,
    /// Rows emitted to other outputs.
    pub emitted: u64,
    /// Rows rejected, by cause; only causes that occurred.
    pub rejected: BTreeMap<String, u64>,
    /// Time in the plugin, the host's share of a call included.
    pub busy_seconds: f64,
    /// Bytes of the columns of the rows passed on and emitted.
    pub bytes: u64,
}

impl SideReport {
    /// Microseconds a row of so many; none without rows.
    pub fn micros_per_row(&self, rows: u64) -> Option<f64> {
        (rows > 0).then(|| self.busy_seconds * 1e6 / rows as f64)
    }
}
