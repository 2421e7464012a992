//! Merges small files of the tables into larger ones, beside the data path. A thread of its own asks who holds
//! the log for the live files ([`choose`] says which of them belong together), rewrites them ([`rewrite`]) and
//! hands back entries to be appended. It knows nothing of sources and steps, and the log is not its to write.

mod choose;
mod form;
mod output;
mod pace;
mod rewrite;
mod thread;

use std::time::Duration;

pub use self::choose::{Group, Groups, groups, groups_by_hand};
pub use self::thread::{MergeContext, MergeRequest, Merger, Verdict};

/// When and how files are merged.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeSettings {
    /// A file of so many bytes is large enough and is left as it is. A merged file is made of files that
    /// have about so many together.
    pub target_bytes: u64,
    /// Files of one size, within a factor of this number, that are merged while their day goes on.
    pub files_min: usize,
    /// Time between two looks at the log, if the last one found nothing to do.
    pub interval: Duration,
    /// Share of its time that the merging thread works; it rests the others.
    pub cpu_share: f64,
}

impl Default for MergeSettings {
    fn default() -> Self {
        Self { target_bytes: 64 << 20, files_min: 8, interval: Duration::from_secs(10), cpu_share: 0.25 }
    }
}
