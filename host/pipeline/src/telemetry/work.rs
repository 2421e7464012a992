//! What entries of the log did: sums that tell one process's part from what all workers did together.

use std::collections::BTreeMap;

use millstream_model::entry::{Counters, Data};

use super::TableSize;

/// Sums over entries.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// What became of messages, by stream.
    pub counters: BTreeMap<String, Counters>,
    /// Files added, by table.
    pub tables: BTreeMap<String, TableSize>,
    /// Positions that were passed over, by topic: the source had deleted them, or they lay before a configured start.
    pub skipped: BTreeMap<String, u64>,
}

impl Work {
    /// What one entry did.
    pub fn of(data: &Data) -> Self {
        let mut tables: BTreeMap<String, TableSize> = BTreeMap::new();
        for file in &data.files {
            tables.entry(file.table.clone()).or_default().add(TableSize {
                files: 1,
                rows: file.rows,
                bytes: file.bytes,
            });
        }
        let mut skipped = BTreeMap::new();
        for range in data.ranges.iter().filter(|range| range.skipped.is_some() && !range.range.is_empty()) {
            let positions = u64::try_from(range.range.end - range.range.start).unwrap_or(0);
            *skipped.entry(range.partition.topic.to_string()).or_default() += positions;
        }
        Self { counters: data.counters.clone(), tables, skipped }
    }

    /// Adds what another entry did.
    pub fn add(&mut self, more: &Self) {
        for (stream, counters) in &more.counters {
            self.counters.entry(stream.clone()).or_default().add(counters);
        }
        for (table, size) in &more.tables {
            self.tables.entry(table.clone()).or_default().add(*size);
        }
        for (topic, positions) in &more.skipped {
            *self.skipped.entry(topic.clone()).or_default() += positions;
        }
    }
}
