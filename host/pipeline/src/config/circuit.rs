//! Checks what a step's circuit is to do: `on_circuit` and `error_budget`.

use std::time::Duration;

use super::typed;
use millstream_settings::{ConfigError, Document};

/// Shortest and longest time over which a budget is kept.
const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// What a step's circuit opens at, and what becomes of its stream then.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CircuitPolicy {
    /// What becomes of the stream.
    pub on_open: OnCircuit,
    /// What the step may cost before its circuit opens.
    pub budget: ErrorBudget,
}

/// What becomes of a stream when the circuit of one of its steps opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCircuit {
    /// The step goes back to the version it had before; without one the stream is paused.
    #[default]
    LastGood,
    /// The stream is paused.
    Pause,
    /// The step's rows become dead letters until it is replaced.
    DeadLetters,
}

/// Rows that a step may be blamed for before its circuit opens.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorBudget {
    /// Share of the rows it took, above 0 and at most 1; 0.1 by default.
    pub share: f64,
    /// Over this time; a minute by default.
    pub window: Duration,
    /// Rows that it must have taken in that time before the share counts; 1000 by default.
    pub rows_min: u64,
}

impl Default for ErrorBudget {
    fn default() -> Self {
        Self { share: 0.1, window: Duration::from_secs(60), rows_min: 1000 }
    }
}

/// Checks the keys of the step at `keys`.
pub(super) fn circuit(
    document: &Document,
    keys: &[&str],
    on_open: typed::OnCircuit,
    budget: Option<&typed::ErrorBudget>,
) -> Result<CircuitPolicy, ConfigError> {
    let on_open = match on_open {
        typed::OnCircuit::LastGood => OnCircuit::LastGood,
        typed::OnCircuit::Pause => OnCircuit::Pause,
        typed::OnCircuit::DeadLetters => OnCircuit::DeadLetters,
    };
    let Some(typed) = budget else { return Ok(CircuitPolicy { on_open, budget: ErrorBudget::default() }) };
    let error = |key: &[&str], message: &str| Err(document.error(&[keys, key].concat(), message));
    if on_open == OnCircuit::DeadLetters {
        return error(
            &["error_budget"],
            "has no meaning beside on_circuit = \"dead_letters\", which costs all rows",
        );
    }
    let default = ErrorBudget::default();
    let budget = ErrorBudget {
        share: typed.share.unwrap_or(default.share),
        window: typed.window.map_or(default.window, |span| span.0),
        rows_min: typed.rows_min.unwrap_or(default.rows_min),
    };
    if !(budget.share > 0.0 && budget.share <= 1.0) {
        return error(&["error_budget", "share"], "must be above 0 and at most 1");
    }
    if !WINDOW.contains(&budget.window) {
        return error(&["error_budget", "window"], "must be between 1s and 1h");
    }
    if budget.rows_min == 0 {
        return error(&["error_budget", "rows_min"], "must be 1 at least");
    }
    Ok(CircuitPolicy { on_open, budget })
}
