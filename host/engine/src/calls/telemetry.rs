//! Logs and metrics of plugins. Logs pass at once, bounded in length and rate; metrics are staged like
//! every other effect.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::Result;
use wasmtime::component::Resource;

use super::{Calls, bounded, cut};
use crate::bindings::log::{Host as LogHost, Level};
use crate::bindings::metrics::{Host as MetricsHost, HostCounter, HostGauge};
use crate::limits::Limits;
use crate::output::Cause;

/// Longest log line that is passed on, in bytes.
const LINE_BYTES: usize = 1024;
/// Distinct metric names of one instance; further ones are not recorded.
const METRIC_NAMES: usize = 64;
/// Longest metric name, in bytes; longer ones are cut.
const METRIC_NAME_BYTES: usize = 64;

/// A counter or gauge, by the number of its name.
#[derive(Debug)]
pub struct Metric;

/// Lets so many lines and bytes a second pass, and counts the other lines.
#[derive(Debug)]
pub(crate) struct LogGate {
    lines_per_second: u32,
    bytes_per_second: usize,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    passed: u32,
    bytes: usize,
    suppressed: u64,
}

impl LogGate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let window = Window { begun: Instant::now(), passed: 0, bytes: 0, suppressed: 0 };
        let (lines_per_second, bytes_per_second) = (limits.log_lines_per_second, limits.log_bytes_per_second);
        Self { lines_per_second, bytes_per_second, window: Mutex::new(window) }
    }

    /// Logs, if there is room for it, what `parts` rows or timers are guilty of.
    pub(crate) fn blame(&self, plugin: &str, cause: Cause, reason: &str, parts: usize) {
        if let Some(suppressed) = self.pass(reason.len(), Instant::now()) {
            tracing::warn!(plugin, %cause, parts, suppressed, "became a dead letter: {reason}");
        }
    }

    /// Lines that were held back since the last one that passed, if this one of `bytes` may pass.
    fn pass(&self, bytes: usize, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(window.begun) >= Duration::from_secs(1) {
            window.begun = now;
            window.passed = 0;
            window.bytes = 0;
        }
        if window.passed >= self.lines_per_second || window.bytes + bytes > self.bytes_per_second {
            window.suppressed += 1;
            return None;
        }
        window.passed += 1;
        window.bytes += bytes;
        Some(std::mem::take(&mut window.suppressed))
    }
}

fn is_enabled(at: Level) -> bool {
    match at {
        Level::Debug => tracing::enabled!(target: "millstream::plugin", tracing::Level::DEBUG),
        Level::Info => tracing::enabled!(target: "millstream::plugin", tracing::Level::INFO),
        Level::Warn => tracing::enabled!(target: "millstream::plugin", tracing::Level::WARN),
        Level::Error => tracing::enabled!(target: "millstream::plugin", tracing::Level::ERROR),
    }
}

impl LogHost for Calls {
    fn enabled(&mut self, at: Level) -> Result<bool> {
        self.count()?;
        Ok(is_enabled(at))
    }

    fn log(&mut self, at: Level, message: String) -> Result<()> {
        self.count()?;
        if at == Level::Error {
            self.last_words = Some(bounded(&message).to_owned());
        }
        if !is_enabled(at) {
            return Ok(());
        }
        let message = cut(&message, LINE_BYTES);
        let Some(suppressed) = self.logs.pass(message.len(), Instant::now()) else { return Ok(()) };
        let plugin = self.plugin.as_ref();
        match at {
            Level::Debug => tracing::debug!(target: "millstream::plugin", plugin, suppressed, "{message}"),
            Level::Info => tracing::info!(target: "millstream::plugin", plugin, suppressed, "{message}"),
            Level::Warn => tracing::warn!(target: "millstream::plugin", plugin, suppressed, "{message}"),
            Level::Error => tracing::error!(target: "millstream::plugin", plugin, suppressed, "{message}"),
        }
        Ok(())
    }
}

impl Calls {
    /// The number of a metric's name; one past the last if there are too many.
    fn metric(&mut self, name: &str) -> u32 {
        let name = cut(name, METRIC_NAME_BYTES);
        let known = self.metric_names.iter().position(|known| known.as_ref() == name);
        let number = known.unwrap_or_else(|| {
            let number = self.metric_names.len();
            if number < METRIC_NAMES {
                self.metric_names.push(Arc::from(name));
                return number;
            }
            tracing::warn!(plugin = %self.plugin, metric = name, "a plugin has too many metrics; this one is not recorded");
            METRIC_NAMES
        });
        number as u32
    }
}

impl MetricsHost for Calls {}

impl HostCounter for Calls {
    fn new(&mut self, name: String) -> Result<Resource<Metric>> {
        self.count()?;
        Ok(Resource::new_own(self.metric(&name)))
    }

    fn add(&mut self, counter: Resource<Metric>, n: u64) -> Result<()> {
        self.count()?;
        let sum = self.staged.counters.entry(counter.rep()).or_default();
        *sum = sum.saturating_add(n);
        Ok(())
    }

    fn drop(&mut self, _: Resource<Metric>) -> Result<()> {
        Ok(())
    }
}

impl HostGauge for Calls {
    fn new(&mut self, name: String) -> Result<Resource<Metric>> {
        self.count()?;
        Ok(Resource::new_own(self.metric(&name)))
    }

    fn set(&mut self, gauge: Resource<Metric>, v: f64) -> Result<()> {
        self.count()?;
        self.staged.gauges.insert(gauge.rep(), v);
        Ok(())
    }

    fn drop(&mut self, _: Resource<Metric>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bytes_of_a_second_are_bounded() {
        let limits = Limits { log_lines_per_second: 3, log_bytes_per_second: 100, ..Limits::default() };
        let gate = LogGate::new(&limits);
        let start = Instant::now();
        let passed: Vec<_> = [50, 60, 40, 11, 1, 1].map(|bytes| gate.pass(bytes, start)).into();
        assert_eq!(passed, [Some(0), None, Some(1), None, Some(1), None]);
        let later = start + Duration::from_secs(2);
        let passed: Vec<_> = [1, 1, 1, 1].map(|bytes| gate.pass(bytes, later)).into();
        assert_eq!(passed, [Some(1), Some(0), Some(0), None]);
    }
}
