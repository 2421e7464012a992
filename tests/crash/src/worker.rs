//! A worker and its supervisor: starts it, notices that it ended, judges whether a user would accept how, and
//! starts it again. What is done to it is for `fault` to know.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use millstream_tests::{Output, Running};

use crate::lake::Lake;

/// Pause of the supervisor before it starts again what ended by itself.
const RESTART_AFTER: Duration = Duration::from_millis(200);

/// What a run says when the group has given it partitions.
const HAS_PARTITIONS: &str = "partitions assigned";

/// Faults under which a worker may give up: what it needs was gone longer than its patience.
const EXCUSES: [&str; 3] = ["broker", "server", "disk-full"];

/// One worker of the group.
pub(crate) struct Worker {
    name: String,
    clock: PathBuf,
    running: Option<Running>,
    end: End,
    start_at: Option<Instant>,
    /// True once its run has partitions.
    reads: bool,
    /// What its earlier runs said.
    said: String,
}

/// How its run is expected to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not at all.
    Never,
    /// By `kill -9`; the next run begins after the pause.
    Killed(Duration),
    /// By SIGTERM, in order; the next run begins after the pause.
    Terminated(Duration),
}

impl Worker {
    /// A worker that is about to be started; `clock` will hold its clock's offset.
    pub(crate) fn new(number: usize, clock: PathBuf) -> anyhow::Result<Self> {
        std::fs::write(&clock, 0i64.to_ne_bytes()).context("cannot write a worker's clock")?;
        let (name, start_at) = (format!("crash-{number}"), Some(Instant::now()));
        Ok(Self { name, clock, running: None, end: End::Never, start_at, reads: false, said: String::new() })
    }

    /// Its process, if it has one that is expected to go on.
    pub(crate) fn process(&self) -> Option<&Running> {
        self.running.as_ref().filter(|_| self.end == End::Never)
    }

    /// True if its run has got as far as to have had partitions.
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    /// Says that its run is about to end, and how.
    pub(crate) fn expect(&mut self, end: End) {
        self.end = end;
    }

    /// Sets its clock to this far from the true time.
    pub(crate) fn set_clock(&self, offset_ms: i64) -> std::io::Result<()> {
        let file = std::fs::OpenOptions::new().write(true).open(&self.clock)?;
        // In place: the worker has mapped the file.
        file.write_all_at(&(offset_ms * 1_000_000).to_ne_bytes(), 0)
    }

    /// Starts it when it is time to, and judges a run that ended while `faults` struck; true if that run gave up.
    /// An end that no user would accept is the error.
    pub(crate) fn supervise(
        &mut self,
        lake: &Lake,
        clock: &Path,
        faults: &BTreeSet<&'static str>,
    ) -> Result<bool, String> {
        let mut gave_up = false;
        if self.running.as_mut().is_some_and(Running::has_ended)
            && let Some(running) = self.running.take()
        {
            let output = running.finish();
            let pause = match self.end {
                End::Never => RESTART_AFTER,
                End::Killed(pause) | End::Terminated(pause) => pause,
            };
            self.said.push_str(&output.stderr);
            gave_up = judge(self.end, &output, faults).map_err(|why| format!("{}: {why}", self.name))?;
            (self.end, self.start_at) = (End::Never, Some(Instant::now() + pause));
        }
        if self.start_at.is_some_and(|at| at <= Instant::now()) {
            let command = lake.millstream(&["run"], true).env("MILLSTREAM_WORKER__NAME", &self.name);
            let command = command.env("LD_PRELOAD", &clock.to_string_lossy());
            let command = command.env("CLOCK_OFFSET_FILE", &self.clock.to_string_lossy());
            // A limit on file sizes is to be an error like a full disk, not a signal.
            self.running = Some(command.with_signal_ignored("XFSZ").start());
            (self.start_at, self.reads) = (None, false);
        }
        let has_partitions = |running: &Running| running.has_said(|line| line.contains(HAS_PARTITIONS));
        self.reads |= self.running.as_ref().is_some_and(has_partitions);
        Ok(gave_up)
    }

    /// True if it has a run that nobody is about to end.
    pub(crate) fn is_up(&self) -> bool {
        self.process().is_some()
    }

    /// Asks it to end.
    pub(crate) fn terminate(&mut self) {
        if let Some(process) = self.process() {
            process.signal("TERM");
            self.end = End::Terminated(Duration::ZERO);
        }
    }

    /// Waits for the end it was asked for.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let output = running.finish();
        self.said.push_str(&output.stderr);
        judge(self.end, &output, &BTreeSet::new()).map(drop).map_err(|why| format!("{}: {why}", self.name))
    }

    /// Name, and all that it said, for whoever looks for a bug. Its run ends by that.
    pub(crate) fn testimony(&mut self) -> (String, String) {
        if let Some(running) = self.running.take() {
            running.signal("KILL");
            self.said.push_str(&running.finish().stderr);
        }
        (self.name.clone(), std::mem::take(&mut self.said))
    }
}

/// True if the worker gave up for a reason that a user would accept; the error if it ended in another way than
/// planned, with a panic, an undocumented exit code or without saying why.
fn judge(end: End, output: &Output, faults: &BTreeSet<&'static str>) -> Result<bool, String> {
    let error = output.stderr.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_default();
    if output.stderr.contains("panicked") || error.contains("this is a bug") {
        return Err(format!("panic or bug\n{}", output.stderr));
    }
    let started = output.stderr.contains(HAS_PARTITIONS);
    match (end, output.code) {
        (End::Killed(_), None) | (End::Terminated(_), Some(0)) => Ok(false),
        // The signal came before anybody listened for it.
        (End::Terminated(_), None) if !started => Ok(false),
        (_, Some(1)) if !error.is_empty() && EXCUSES.iter().any(|fault| faults.contains(fault)) => Ok(true),
        (_, code) => Err(format!("ended with {code:?}, expected {end:?}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_user_would_accept_is_accepted() {
        let pause = Duration::ZERO;
        for (end, code, stderr, fault, expected) in [
            (End::Killed(pause), None, "", "kill", Ok(false)),
            (End::Terminated(pause), Some(0), "", "terminate", Ok(false)),
            (End::Terminated(pause), None, "", "terminate", Ok(false)),
            (End::Terminated(pause), None, "partitions assigned", "terminate", Err(())),
            (End::Never, Some(1), "error: no file can be written", "disk-full", Ok(true)),
            (End::Never, Some(1), "error: no file can be written", "kill", Err(())),
            (End::Never, Some(1), "no reason", "disk-full", Err(())),
            (End::Never, Some(1), "error: x; this is a bug", "disk-full", Err(())),
            (End::Never, Some(101), "thread 'main' panicked", "disk-full", Err(())),
            (End::Never, Some(0), "", "broker", Err(())),
            (End::Never, None, "", "broker", Err(())),
        ] {
            let output = Output { code, stdout: String::new(), stderr: stderr.to_owned() };
            let judged = judge(end, &output, &BTreeSet::from([fault])).map_err(drop);
            assert_eq!(judged, expected, "{end:?} {code:?} {stderr}");
        }
    }
}
