//! A worker ends: by `kill -9` in the middle of whatever it does, or as it was asked to.

use std::time::Duration;

use super::Struck;
use crate::worker::{End, Worker};

pub(super) fn kill(worker: &mut Worker, down_ms: u64) -> Struck {
    end(worker, "KILL", End::Killed(Duration::from_millis(down_ms)))
}

pub(super) fn terminate(worker: &mut Worker, down_ms: u64) -> Struck {
    end(worker, "TERM", End::Terminated(Duration::from_millis(down_ms)))
}

fn end(worker: &mut Worker, signal: &str, end: End) -> Struck {
    let Some(process) = worker.process() else { return Struck::NotYet };
    process.signal(signal);
    worker.expect(end);
    Struck::Once
}
