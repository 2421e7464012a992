//! What a reader has seen of a lake, and the rules that every further view has to keep: none is older than the
//! one before, no row is there twice, and what is there of a partition is all of it from its beginning to where
//! the log says. Views go in as plain data; nothing is read here.

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::LogState;
use millstream_model::TopicPartition;

/// Place of a row: partition and offset.
pub(crate) type Place = (i32, i64);

/// Tables that together hold each message once.
const GROUPS: [&[&str]; 2] = [&["raw.vehicle"], &["curated.vehicle", "dead_letters"]];

/// The last view.
#[derive(Default)]
pub(crate) struct View {
    sequence: u64,
    /// Rows of the live files, by path.
    files: BTreeMap<String, Vec<Place>>,
    /// Places of the rows, for each group of tables.
    places: [BTreeSet<Place>; 2],
}

impl View {
    /// Number of the last entry seen.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Files of a view that the last one did not have, with their number of rows.
    pub(crate) fn unread(&self, state: &LogState) -> Vec<(String, u64)> {
        let files = state.files().values().flatten();
        let unread = files.filter(|(path, _)| !self.files.contains_key(*path));
        unread.map(|(path, file)| (path.clone(), file.rows)).collect()
    }

    /// Takes the next view in, with the rows of its unread files; the error says which rule it breaks.
    pub(crate) fn advance(
        &mut self,
        state: &LogState,
        mut unread: BTreeMap<String, Vec<Place>>,
    ) -> Result<(), String> {
        if state.sequence() < self.sequence {
            return Err(format!(
                "entry {} was seen, and now the log ends at {}",
                self.sequence,
                state.sequence()
            ));
        }
        self.sequence = state.sequence();
        let live: BTreeSet<_> = state.files().values().flat_map(BTreeMap::keys).collect();
        for (group, tables) in GROUPS.iter().enumerate() {
            let of_group = |path: &str| tables.iter().any(|table| path.starts_with(&table.replace('.', "/")));
            let gone = self.files.extract_if(.., |path, _| of_group(path) && !live.contains(path));
            for (_, rows) in gone {
                for place in &rows {
                    self.places[group].remove(place);
                }
            }
            for (path, rows) in unread.extract_if(.., |path, _| of_group(path)) {
                if let Some((partition, offset)) =
                    rows.iter().find(|place| !self.places[group].insert(**place))
                {
                    return Err(format!(
                        "the row of partition {partition}, offset {offset} is in {tables:?} twice, now in {path}"
                    ));
                }
                self.files.insert(path, rows);
            }
            whole(&self.places[group], tables, state)?;
        }
        Ok(())
    }
}

/// Checks that the rows of each partition are those from 0 to its position.
fn whole(places: &BTreeSet<Place>, tables: &[&str], state: &LogState) -> Result<(), String> {
    for (TopicPartition { partition, .. }, position) in state.positions() {
        let end = position.offset as i64;
        let before = places.range((*partition, 0)..(*partition, end)).count() as i64;
        let behind = places.range((*partition, end)..=(*partition, i64::MAX)).count();
        if before != end || behind > 0 {
            return Err(format!(
                "partition {partition} of {tables:?} has {before} of its {end} rows at entry {}, and {behind} behind them",
                state.sequence()
            ));
        }
    }
    Ok(())
}
