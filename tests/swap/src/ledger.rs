//! The log as the suite reads it: which version is desired, and who made which offsets.

use std::path::Path;
use std::sync::Arc;

use millstream_log::LogState;
use millstream_model::entry::{Body, Data, Sequence};
use millstream_model::{Digest, SystemClock};
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::start::LOG_FOLDER;
use object_store::local::LocalFileSystem;

use crate::producer::PARTITIONS;

/// The stream.
pub(crate) const STREAM: &str = "numbers";
/// Its step.
pub(crate) const STEP: &str = "mark";

/// Offsets of a partition, and the version that an accepted entry names for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) version: Digest,
}

/// A hold on the log of a lake.
pub(crate) struct Ledger {
    runtime: tokio::runtime::Runtime,
    log: CheckpointLog,
}

impl Ledger {
    /// Opens the log of the lake in a folder, before anybody writes to it: of every entry it sees whether readers
    /// pass over it.
    pub(crate) fn open(lake: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let store = Arc::new(LocalFileSystem::new_with_prefix(lake)?);
        let prefix = object_store::path::Path::from(LOG_FOLDER);
        let log = runtime.block_on(CheckpointLog::open(store, prefix, Arc::new(SystemClock)))?;
        Ok(Self { runtime, log })
    }

    /// The log at its head.
    pub(crate) fn look(&mut self) -> anyhow::Result<&LogState> {
        self.runtime.block_on(self.log.refresh())?;
        Ok(self.log.state())
    }

    /// The version that is desired, and since which entry.
    pub(crate) fn desired(&mut self) -> anyhow::Result<Option<(Digest, Sequence)>> {
        let versions = self.look()?.versions(STREAM, STEP);
        Ok(versions.last().map(|version| (version.plugin, version.sequence)))
    }

    /// Messages that are committed.
    pub(crate) fn committed(&mut self) -> anyhow::Result<u64> {
        let positions = self.look()?.positions().values();
        Ok(positions.map(|position| position.offset.unsigned_abs()).sum())
    }

    /// Who made which offsets, by the accepted entries. The state's own answer, as far as it reaches back, must be
    /// the same.
    pub(crate) fn spans(&mut self) -> anyhow::Result<Vec<Span>> {
        self.look()?;
        let entries = self.runtime.block_on(self.log.entries(None))?;
        let mut spans = Vec::new();
        for (entry, _) in &entries {
            if let Body::Data(data) = &entry.body
                && !self.log.passes_over(entry.sequence)
            {
                add_spans(data, &mut spans)?;
            }
        }
        for Span { partition, start, version, .. } in &spans {
            let named = self.log.state().version_at(STREAM, STEP, *partition, *start);
            anyhow::ensure!(
                named.is_none_or(|named| named.plugin == *version),
                "the log's state names {named:?} for offset {start} of partition {partition}, and its entry {version}"
            );
        }
        Ok(spans)
    }
}

fn add_spans(data: &Data, spans: &mut Vec<Span>) -> anyhow::Result<()> {
    for consumed in data.ranges.iter().filter(|consumed| consumed.skipped.is_none()) {
        let mut used = data.plugins.iter().filter(|used| used.stream == STREAM && used.step == STEP);
        let (Some(version), None) = (used.next().map(|used| used.plugin), used.next()) else {
            anyhow::bail!("an entry names not one version for {}: {:?}", consumed.partition, data.plugins);
        };
        anyhow::ensure!(
            consumed.partition.partition < PARTITIONS as i32,
            "{} is unknown",
            consumed.partition
        );
        let (partition, range) = (consumed.partition.partition, consumed.range);
        spans.push(Span { partition, start: range.start, end: range.end, version });
    }
    Ok(())
}
