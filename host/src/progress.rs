//! The progress line of `millstream run --progress`: once a second, on standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use millstream_model::entry::Counters;
use millstream_pipeline::run::Progress;

use crate::units::{count, millis};

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
        let messages = progress.telemetry.messages();
        let seconds = (progress.elapsed - self.at).as_secs_f64();
        let rate = if seconds > 0.0 { (messages - self.messages) as f64 / seconds } else { 0.0 };
        (self.messages, self.at) = (messages, progress.elapsed);
        let line = format!(
            "{:>4}s {:>9} records/s  lag {:>7}  {}{}",
            progress.elapsed.as_secs(),
            count(rate as u64),
            progress.lag.map_or("?".to_owned(), count),
            committed(progress.log.totals().values()),
            latency(progress),
        );
        let end = if progress.last || !self.terminal { "\n" } else { "" };
        let begin = if self.terminal { "\r\x1b[2K" } else { "" };
        // A standard error that is closed is no reason to stop a stream.
        let _ = write!(std::io::stderr(), "{begin}{line}{end}");
    }
}

/// What the log counts of all streams.
fn committed<'a>(totals: impl Iterator<Item = &'a Counters>) -> String {
    let mut sums = [0; 4];
    for counters in totals {
        let of_stream =
            [counters.r#in, counters.out, counters.dropped.values().sum(), counters.dead.values().sum()];
        sums.iter_mut().zip(of_stream).for_each(|(sum, of_stream)| *sum += of_stream);
    }
    let [r#in, out, dropped, dead] = sums.map(count);
    format!("in {in}  out {out}  dropped {dropped}  dead {dead}")
}

/// The slowest stream's recent p99 from produce to commit, where the source gives times.
fn latency(progress: &Progress<'_>) -> String {
    let streams = progress.telemetry.streams().iter().map(|stream| stream.recent_latency_quantiles());
    let slowest = streams.filter(|quantiles| quantiles.count > 0).map(|quantiles| quantiles.p99_ms).max();
    slowest.map_or(String::new(), |p99| format!("  p99 {}", millis(p99)))
}
