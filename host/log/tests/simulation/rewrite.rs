//! Work on files that are there already, which takes long and races everything else: merging some into one, and
//! replaying messages whose rows they hold.

use std::collections::BTreeMap;

use millstream_log::invariants::{Attempt, Row};
use millstream_model::entry::{Body, DataFile, Epoch, Replace, Replay, ReplayedRange, Selection};
use millstream_model::{Offset, OffsetRange};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;

use crate::source::{PARTITIONS, Source};
use crate::store::{Content, Store, StoredRow};
use crate::truth::{TABLE, Truth, counted, has_state, is_kept, partition};
use crate::worker::Worker;

/// A merge or a replay whose files are written, to be offered when it is `due`.
#[derive(Clone, Debug)]
pub struct Rewrite {
    pub due: u64,
    pub body: Body,
    pub written: Vec<String>,
}

impl Worker {
    /// Merges some live files of the table into one, of one epoch.
    pub fn merge(&mut self, due: u64, store: &mut Store, rng: &mut StdRng) -> Option<Rewrite> {
        let live = self.machine.state().files().get(TABLE)?;
        let epoch = live.values().choose(rng)?.epoch;
        let count = rng.random_range(2..5);
        let chosen = live.values().filter(|file| file.epoch == epoch).choose_multiple(rng, count);
        let mut rows = Vec::new();
        for file in &chosen {
            rows.extend_from_slice(store.rows(&file.path)?);
        }
        if chosen.len() < 2 {
            return None;
        }
        let removed = chosen.iter().map(|file| file.path.clone()).collect();
        let narrow = chosen[0].offsets.clone();
        let mut merged = self.write_file(epoch, rows, store);
        if rng.random_bool(0.05) {
            // The mistake of who takes the offsets of one file for those of all.
            merged.offsets = narrow;
        }
        let written = vec![merged.path.clone()];
        let body = Body::Replace(Replace { table: TABLE.into(), removed, added: vec![merged] });
        Some(Rewrite { due, body, written })
    }

    /// Processes messages again that the worker's view of the log accounts for. Only partitions without state.
    pub fn replay(
        &mut self,
        due: u64,
        source: &mut Source,
        truth: &Truth,
        store: &mut Store,
        rng: &mut StdRng,
    ) -> Option<Rewrite> {
        let state = self.machine.state();
        let (epoch, plugins) = (state.epoch("t"), state.plugins().to_vec());
        let mut ranges = Vec::new();
        for p in (0..PARTITIONS as i32).filter(|p| !has_state(*p)) {
            let (of, end) = (partition(p), state.position(&partition(p)).offset);
            if end > 0 && rng.random_bool(0.7) {
                let start = rng.random_range(0..end);
                let range = OffsetRange::new(start, (start + rng.random_range(1..6)).min(end));
                ranges.push(ReplayedRange { parent: state.last_replay(&of), partition: of, range, epoch });
            }
        }
        if ranges.is_empty() {
            return None;
        }
        let attempt = source.read(None);
        let table = self.rewrite_ranges(&ranges, epoch, attempt, truth, store)?;
        let written = table.added.iter().map(|file| file.path.clone()).collect();
        let replay = Replay {
            stream: "t".into(),
            selection: Selection::All,
            ranges,
            tables: vec![table],
            counters: counted(attempt),
            plugins,
        };
        Some(Rewrite { due, body: Body::Replay(replay), written })
    }

    /// Files that hold rows of the ranges, and one with what was beside those rows and the rows made now; none
    /// if there are no rows.
    fn rewrite_ranges(
        &mut self,
        ranges: &[ReplayedRange],
        epoch: Epoch,
        attempt: Attempt,
        truth: &Truth,
        store: &mut Store,
    ) -> Option<Replace> {
        let is_touched = |file: &&DataFile| {
            let overlaps =
                |r: &ReplayedRange| file.offsets.get(&r.partition).is_some_and(|o| o.overlaps(r.range));
            file.epoch == epoch && ranges.iter().any(overlaps)
        };
        let live = self.machine.state().files().get(TABLE);
        let touched = live.into_iter().flat_map(BTreeMap::values).filter(is_touched);
        let removed: Vec<String> = touched.map(|file| file.path.clone()).collect();
        let mut rows = Vec::new();
        for path in &removed {
            let is_kept = |row: &&StoredRow| !ranges.iter().any(|range| row.is_in(range));
            rows.extend(store.rows(path)?.iter().filter(is_kept).copied());
        }
        for ReplayedRange { partition: of, range, .. } in ranges {
            let exists = |offset: &Offset| {
                truth.processed.contains(&Row { partition: of.clone(), epoch, offset: *offset })
            };
            let made = (range.start..range.end).filter(|offset| exists(offset) && is_kept(*offset, attempt));
            rows.extend(made.map(|offset| StoredRow { partition: of.partition, epoch, offset, attempt }));
        }
        let added = if rows.is_empty() { vec![] } else { vec![self.write_file(epoch, rows, store)] };
        Some(Replace { table: TABLE.into(), removed, added })
    }

    pub fn write_file(&mut self, epoch: Epoch, rows: Vec<StoredRow>, store: &mut Store) -> DataFile {
        let mut file = self.new_file(rows.len());
        file.epoch = epoch;
        for row in &rows {
            let range = OffsetRange::new(row.offset, row.offset + 1);
            let hull = file.offsets.entry(partition(row.partition)).or_insert(range);
            *hull = hull.hull(range);
        }
        store.files.insert(file.path.clone(), Content::Rows(rows));
        file
    }
}
