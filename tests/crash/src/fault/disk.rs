//! A disk without room: no file of the worker may grow beyond a size, so that writes fail half way. The limit
//! would hold for what the engine maps when it compiles, too, which needs no disk; so it waits until that is over.

use std::process::Command;
use std::time::Duration;

use super::{Heal, Struck};
use crate::worker::Worker;

pub(super) fn fill(number: usize, worker: &Worker, bytes: u64, lasts_ms: u64) -> Struck {
    if worker.reads() && limit(worker, &bytes.to_string()) {
        Struck::Until(Duration::from_millis(lasts_ms), Heal::FreeDisk(number))
    } else {
        Struck::NotYet
    }
}

pub(super) fn free(worker: &Worker) {
    // A worker that was started meanwhile has no limit.
    limit(worker, "unlimited");
}

/// Limits the size of the worker's files; false if it is not there to be limited.
fn limit(worker: &Worker, bytes: &str) -> bool {
    let Some(process) = worker.process() else { return false };
    let mut command = Command::new("prlimit");
    // The soft limit alone: only root may raise a hard one again.
    command.arg(format!("--pid={}", process.pid())).arg(format!("--fsize={bytes}:"));
    command.status().is_ok_and(|status| status.success())
}
