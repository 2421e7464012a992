//! What a running pipeline says of itself. CPU threads add to atomics; whoever wants to know reads
//! them. What is committed is not here but in the checkpoint log's state.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use millstream_model::TopicPartition;

/// Live figures of the whole process.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Messages read, committed or not.
    pub messages: AtomicU64,
    /// Dead letters that this process has published to their topic.
    pub dead_letters_published: AtomicU64,
    /// Attempts to publish dead letters that failed.
    pub dead_letter_failures: AtomicU64,
}

impl Telemetry {
    /// Counts a batch.
    pub fn add_batch(&self, messages: usize) {
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
    }
}

/// Where one task stands.
#[derive(Debug)]
pub struct TaskGauge {
    /// The partition.
    pub partition: TopicPartition,
    position: AtomicI64,
    end: AtomicI64,
}

/// End of a partition that is not known yet.
const UNKNOWN: i64 = -1;

impl TaskGauge {
    /// A gauge at `position`, with the end unknown.
    pub fn new(partition: TopicPartition, position: i64) -> Self {
        Self { partition, position: AtomicI64::new(position), end: AtomicI64::new(UNKNOWN) }
    }

    /// Notes how far the task has read, and where the partition ends, if known.
    pub fn set(&self, position: i64, end: Option<i64>) {
        self.position.store(position, Ordering::Relaxed);
        self.end.store(end.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// Messages between the task and the end of the partition; none if the end is not known.
    pub fn lag(&self) -> Option<u64> {
        let end = self.end.load(Ordering::Relaxed);
        let behind = end - self.position.load(Ordering::Relaxed);
        (end != UNKNOWN).then_some(behind.max(0) as u64)
    }
}
