//! What a lake's log says of its tables.

use std::collections::BTreeMap;

use anyhow::bail;
use millstream_log::LogState;
use millstream_model::entry::DataFile;

/// The live files of `table`, by path.
pub fn files<'a>(state: &'a LogState, table: &str) -> anyhow::Result<&'a BTreeMap<String, DataFile>> {
    match state.files().get(table) {
        Some(files) => Ok(files),
        None => {
            let known: Vec<_> = state.files().keys().map(String::as_str).collect();
            bail!(
                "no table `{table}` in this lake; it has: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )
        }
    }
}

/// Files, rows and bytes of a table.
pub fn totals(files: &BTreeMap<String, DataFile>) -> (usize, u64, u64) {
    let rows = files.values().map(|file| file.rows).sum();
    let bytes = files.values().map(|file| file.bytes).sum();
    (files.len(), rows, bytes)
}
