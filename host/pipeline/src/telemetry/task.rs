//! Where one task stands: written by its thread, read by whoever wants to know.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use millstream_model::TopicPartition;

/// Where one task stands.
#[derive(Debug)]
pub struct TaskGauge {
    /// The partition.
    pub partition: TopicPartition,
    position: AtomicI64,
    end: AtomicI64,
    stalled: AtomicBool,
}

/// End of a partition that is not known yet.
const UNKNOWN: i64 = -1;

impl TaskGauge {
    /// A gauge at `position`, with the end unknown.
    pub fn new(partition: TopicPartition, position: i64) -> Self {
        Self {
            partition,
            position: AtomicI64::new(position),
            end: AtomicI64::new(UNKNOWN),
            stalled: AtomicBool::new(false),
        }
    }

    /// Notes how far the task has read, and where the partition ends, if known.
    pub fn set(&self, position: i64, end: Option<i64>) {
        self.position.store(position, Ordering::Relaxed);
        self.end.store(end.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.stalled.store(false, Ordering::Relaxed);
    }

    /// Notes that the source did not answer; the next [`TaskGauge::set`] takes it back.
    pub fn stall(&self) {
        self.stalled.store(true, Ordering::Relaxed);
    }

    /// True if the source did not answer when the task last asked.
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Position of the next message to be read.
    pub fn position(&self) -> i64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Messages between the task and the end of the partition; none if the end is not known.
    pub fn lag(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Relaxed);
        let behind = end - self.position.load(Ordering::Relaxed);
        (end != UNKNOWN).then_some(behind.max(0) as u64)
    }
}
