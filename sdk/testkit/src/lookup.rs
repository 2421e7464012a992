//! Lookup tables of a case: files `lookup/<table>.jsonl`, decoded as messages are, under the columns that the settings
//! declare or, without these, proposed. Tables in memory leave; a row that does not fit is an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use millstream_engine::{MemoryTable, TableError, Tables};
use millstream_model::columns;
use millstream_model::schema::StreamSchema;

use crate::error::CaseError;
use crate::folder::{full_lines, read};
use crate::messages::{Message, decode};
use crate::settings::FILE;

/// The folder of a case that has its tables, and how their names end.
const FOLDER: &str = "lookup";
const ENDING: &str = "jsonl";
/// The column that rows are found by, unless the settings name another.
const KEY: &str = "key";

/// What settings say of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableSettings {
    /// Column that rows are found by.
    pub(crate) key: Option<String>,
    /// Columns, if they are declared.
    pub(crate) schema: Option<Arc<StreamSchema>>,
    /// The case itself says it, so the table must be there.
    pub(crate) is_of_case: bool,
}

/// The tables in the folder of a case.
pub(crate) fn tables(case: &Path, settings: &BTreeMap<String, TableSettings>) -> Result<Tables, CaseError> {
    let folder = case.join(FOLDER);
    let mut tables = Tables::new();
    for (name, path) in files(&folder)? {
        let table = table(&name, &path, settings.get(&name).cloned().unwrap_or_default())?;
        tables.insert(name, Arc::new(table));
    }
    let missing = settings.iter().find(|(name, table)| table.is_of_case && !tables.contains_key(*name));
    match missing {
        Some((name, _)) => {
            Err(CaseError::NoTable { path: folder.join(format!("{name}.{ENDING}")), table: name.clone() })
        }
        None => Ok(tables),
    }
}

/// Names and files of the tables in a folder that need not be there. Hidden files are none.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>, CaseError> {
    if !folder.is_dir() {
        return Ok(BTreeMap::new());
    }
    let fail = |source| CaseError::file(folder, source);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.extension().is_none_or(|ending| ending != ENDING) {
            let message =
                format!("no lookup table: name the file <table>.{ENDING}, with one JSON object on a line");
            return Err(CaseError::Table { path, message });
        }
        files.insert(name, path);
    }
    Ok(files)
}

fn table(name: &str, path: &Path, settings: TableSettings) -> Result<MemoryTable, CaseError> {
    let text = read(path)?.unwrap_or_default();
    let lines = full_lines(&text);
    if lines.is_empty() {
        let message = "it has no rows: write them into it, one JSON object on a line".to_owned();
        return Err(CaseError::Table { path: path.to_owned(), message });
    }
    let place = || format!("columns of lookup table `{name}`");
    let messages: Vec<_> =
        lines.iter().map(|(line, text)| Message { line: *line, key: None, text }).collect();
    let (rows, failed) = decode(name, settings.schema.as_ref(), None, &messages, &place)?;
    if let Some((line, reason)) = failed.into_iter().next() {
        let message = format!("{reason}; columns are declared in {FILE}, below [lookup.{name}.schema]");
        return Err(CaseError::Line { path: path.to_owned(), line, message });
    }
    let key = settings.key.as_deref().unwrap_or(KEY);
    MemoryTable::new(key, declared(&rows)).map_err(|error| wrong(error, name, path, &lines))
}

/// The rows without the system columns.
fn declared(rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let own = schema.fields().iter().enumerate().filter(|(_, field)| !columns::is_system(field.name()));
    let own: Vec<usize> = own.map(|(column, _)| column).collect();
    rows.project(&own).expect("the columns are the rows' own")
}

/// The engine counts rows; people count lines.
fn wrong(error: TableError, name: &str, path: &Path, lines: &[(u64, &[u8])]) -> CaseError {
    let path = path.to_owned();
    let line_of = |row: usize| lines.get(row - 1).map_or(0, |(line, _)| *line);
    match error {
        TableError::NullKey { key, row } => {
            let message = format!("no key: `{key}` is null or not there");
            CaseError::Line { path, line: line_of(row), message }
        }
        TableError::Twice { key, value, first, second } => {
            let message = format!("`{key}` is `{value}`, as in line {}; keep one of them", line_of(first));
            CaseError::Line { path, line: line_of(second), message }
        }
        error @ (TableError::NoKey { .. } | TableError::KeyType { .. }) => {
            let message = format!("{error}; name the key column in {FILE}: [lookup.{name}] key = \"…\"");
            CaseError::Table { path, message }
        }
    }
}
