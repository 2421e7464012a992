//! Figures of the merging of files, of this process alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Files that were merged.
#[derive(Debug, Default)]
pub struct MergeFigures {
    merges: AtomicU64,
    files: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    rejected: AtomicU64,
    failures: AtomicU64,
    busy_micros: AtomicU64,
}

/// Merging, for those who look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MergeStatus {
    /// Times that files became one.
    pub merges: u64,
    /// Files that became part of others.
    pub files: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// Bytes of the merged files.
    pub bytes_written: u64,
    /// Merged files that the log did not take, since another worker was faster.
    pub rejected: u64,
    /// Merges that failed; the files stay as they are.
    pub failures: u64,
    /// Time that the merging thread worked.
    pub busy_seconds: f64,
}

impl MergeFigures {
    /// So many files became one.
    pub fn merged(&self, files: u64, bytes_read: u64, bytes_written: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes_read.fetch_add(bytes_read, Ordering::Relaxed);
        self.bytes_written.fetch_add(bytes_written, Ordering::Relaxed);
        self.merges.fetch_add(1, Ordering::Relaxed);
    }

    /// Another worker was faster.
    pub fn rejected(&self) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// A merge failed.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The thread worked for so long.
    pub fn add_busy(&self, time: Duration) {
        self.busy_micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Times that files became one.
    pub fn merges(&self) -> u64 {
        self.merges.load(Ordering::Relaxed)
    }

    /// What there is to see.
    pub fn status(&self) -> MergeStatus {
        let load = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        MergeStatus {
            merges: load(&self.merges),
            files: load(&self.files),
            bytes_read: load(&self.bytes_read),
            bytes_written: load(&self.bytes_written),
            rejected: load(&self.rejected),
            failures: load(&self.failures),
            busy_seconds: Duration::from_micros(load(&self.busy_micros)).as_secs_f64(),
        }
    }
}
