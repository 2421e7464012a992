//! A worker sleeps for longer than the group waits for it, and wakes up believing that nothing happened.

use std::time::Duration;

use super::{Heal, Struck};
use crate::worker::Worker;

pub(super) fn suspend(number: usize, worker: &Worker, lasts_ms: u64) -> Struck {
    let Some(process) = worker.process() else { return Struck::NotYet };
    process.signal("STOP");
    Struck::Until(Duration::from_millis(lasts_ms), Heal::Continue(number))
}

pub(super) fn resume(worker: &Worker) {
    if let Some(process) = worker.process() {
        process.signal("CONT");
    }
}
