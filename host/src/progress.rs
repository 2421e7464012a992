//! The progress line of `millstream run --progress`: once a second, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_pipeline::run::Progress;

use crate::summary::count;

/// Writes progress; on a terminal over and over into one line.
pub struct ProgressLine {
    terminal: bool,
    messages: u64,
    at: Duration,
}

impl ProgressLine {
    /// A line that has shown nothing yet.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), messages: 0, at: Duration::ZERO }
    }

    /// Shows where the run is.
    pub fn show(&mut self, progress: &Progress<'_>) {
        let messages = progress.telemetry.messages.load(Ordering::Relaxed);
        let seconds = (progress.elapsed - self.at).as_secs_f64();
        let rate = if seconds > 0.0 { (messages - self.messages) as f64 / seconds } else { 0.0 };
        (self.messages, self.at) = (messages, progress.elapsed);
        let line = format!(
            "{:>4}s  {:>9} records/s  lag {:>7}  {}",
            progress.elapsed.as_secs(),
            count(rate as u64),
            progress.lag.map_or("?".to_owned(), count),
            rows(progress),
        );
        let end = if progress.last || !self.terminal { "\n" } else { "" };
        let begin = if self.terminal { "\r\x1b[2K" } else { "" };
        // A standard error that is closed is no reason to stop a stream.
        let _ = write!(std::io::stderr(), "{begin}{line}{end}");
    }
}

/// Committed rows of each table.
fn rows(progress: &Progress<'_>) -> String {
    let mut tables = std::collections::BTreeMap::new();
    for counters in progress.log.totals().values() {
        for (table, rows) in &counters.rows {
            *tables.entry(table.as_str()).or_insert(0) += rows;
        }
    }
    let tables: Vec<_> = tables.iter().map(|(table, rows)| format!("{table} {}", count(*rows))).collect();
    if tables.is_empty() { "nothing committed yet".to_owned() } else { tables.join("  ") }
}
