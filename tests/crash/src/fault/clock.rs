//! A worker's clock jumps, and stays wrong until it jumps again.

use super::Struck;
use crate::worker::Worker;

pub(super) fn set(worker: &Worker, offset_ms: i64) -> Struck {
    match worker.process().map(|_| worker.set_clock(offset_ms)) {
        Some(Ok(())) => Struck::Once,
        _ => Struck::NotYet,
    }
}
