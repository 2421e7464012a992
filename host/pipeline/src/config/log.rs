//! How the checkpoint log is kept short: section `[log]`.

use std::time::Duration;

use super::typed;
use millstream_settings::{ConfigError, Document};

/// Upkeep of the log by a run, and by whoever cleans a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Entries after which a snapshot is published, from which everybody begins to read.
    pub snapshot_every: u64,
    /// Entries before a snapshot that are kept for people to look at; older ones are deleted.
    pub keep_entries: u64,
    /// How long files that were replaced are left to readers that may have them open.
    pub keep_replaced: Duration,
}

impl Default for LogPolicy {
    /// A start reads 1000 entries at most. 10000 entries are a day of one worker with a checkpoint every ten
    /// seconds, and some 20 MB.
    fn default() -> Self {
        Self { snapshot_every: 1000, keep_entries: 10_000, keep_replaced: Duration::from_hours(1) }
    }
}

/// The snapshot is itself recorded with an entry, so every single entry cannot have one.
const SNAPSHOT_EVERY_MIN: u64 = 2;

/// Checks the section.
pub fn log(document: &Document, typed: &typed::Log) -> Result<LogPolicy, ConfigError> {
    let default = LogPolicy::default();
    let snapshot_every = typed.snapshot_every.unwrap_or(default.snapshot_every);
    if snapshot_every < SNAPSHOT_EVERY_MIN {
        return Err(document.error(&["log", "snapshot_every"], "must be 2 at least"));
    }
    Ok(LogPolicy {
        snapshot_every,
        keep_entries: typed.keep_entries.unwrap_or(default.keep_entries),
        keep_replaced: typed.keep_replaced.map_or(default.keep_replaced, |span| span.0),
    })
}

/// As [`log()`], whatever else the file says.
pub fn log_only(document: &Document) -> Result<LogPolicy, ConfigError> {
    let file: typed::LogOnly = document.deserialize()?;
    log(document, &file.log)
}
