//! What the shadow of a candidate must show before the candidate is taken by itself.

use std::time::Duration;

/// How long a shadow runs, and what its report may say at most. Shares are between 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowPolicy {
    /// How long live batches are compared; 30 s by default.
    pub runs_for: Duration,
    /// Rows that must have been compared; 1000 by default.
    pub rows_min: u64,
    /// Share of the rows that may be different, in any way; 0.01 by default. Below 1, a change of columns is
    /// one difference too many.
    pub different_max: f64,
    /// Share of the rows that the candidate may reject beyond those that the live version rejects, for
    /// whatever cause; 0.01 by default.
    pub rejected_more_max: f64,
    /// How many times as long as the live version the candidate may take for a row; 2 by default.
    pub slower_max: f64,
    /// Rows at which only the candidate may fail: by a trap, a deadline or another limit; 0 by default.
    pub traps_max: u64,
}

impl Default for ShadowPolicy {
    fn default() -> Self {
        Self {
            runs_for: Duration::from_secs(30),
            rows_min: 1000,
            different_max: 0.01,
            rejected_more_max: 0.01,
            slower_max: 2.0,
            traps_max: 0,
        }
    }
}
