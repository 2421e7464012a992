//! What a shadow has seen: how the candidate's rows differ from the live version's, and what both cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Differences that are shown in full.
pub const EXAMPLES_MAX: usize = 20;

/// Lines of a candidate's log that are shown.
pub const LOG_LINES_MAX: usize = 20;

/// What a shadow has seen. Columns of another output than the stream are written `column of output`; a change of
/// columns does not make rows different by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShadowReport {
    /// Batches that both versions got.
    pub batches: u64,
    /// Live batches that the candidate was too slow to take.
    pub batches_missed: u64,
    /// Rows that both versions got.
    pub rows: u64,
    /// Rows of the input of which the two made something different, of any kind. Rows of one message, which a step
    /// before may have made several, count together.
    pub rows_different: u64,
    /// Kinds of differences, with the rows that have them: `column speed`, `only the candidate rejects`, …
    pub differences: BTreeMap<String, u64>,
    /// The first differences, at most [`EXAMPLES_MAX`], and one of each kind as far as there is room.
    pub examples: Vec<Difference>,
    /// Columns that only the candidate's rows have.
    pub columns_added: Vec<String>,
    /// Columns that only the live version's rows have.
    pub columns_removed: Vec<String>,
    /// Columns that both have, of other types, as `speed: Float64 → Utf8`. Their values are not compared.
    #[serde(default)]
    pub columns_retyped: Vec<String>,
    /// Rows at which only the candidate fails: it trapped, ran too long, broke a limit or the contract.
    #[serde(default)]
    pub newly_failed: u64,
    /// Lines that the candidate logged; they go nowhere but here.
    #[serde(default)]
    pub log_lines: u64,
    /// The last of them, at most [`LOG_LINES_MAX`].
    #[serde(default)]
    pub log_last: Vec<String>,
    /// Names of metrics that the candidate reported; their values go nowhere.
    #[serde(default)]
    pub metrics: u64,
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
    /// What the live version made, as JSON with long values cut: the row, of a difference in a column, else what
    /// became of the message (`passed`, `rejected`, `dropped`, `emitted`); none if nothing.
    pub live: Option<serde_json::Value>,
    /// What the candidate made, likewise.
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
    /// Rows rejected, for whatever cause.
    pub fn rejected_rows(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Microseconds a row of so many; none without rows.
    pub fn micros_per_row(&self, rows: u64) -> Option<f64> {
        (rows > 0).then(|| self.busy_seconds * 1e6 / rows as f64)
    }
}
