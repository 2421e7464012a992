//! A lookup table in memory: Arrow rows and a map from their keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};
use millstream_model::schema::type_name;

use super::{LookUpError, LookupTable};

/// Rows cannot be a lookup table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The key column is not there.
    #[error("the rows have no key column `{key}`; they have `{}`", columns.join("`, `"))]
    NoKey {
        /// The key column.
        key: String,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// Keys are of a type that is no key.
    #[error("key column `{key}` is {found}; a key is text, binary or an integer")]
    KeyType {
        /// The key column.
        key: String,
        /// Its type.
        found: String,
    },
    /// A row has no key.
    #[error("row {row} has no key: its `{key}` is null")]
    NullKey {
        /// The key column.
        key: String,
        /// Number of the row, from 1.
        row: usize,
    },
    /// Two rows have one key.
    #[error("rows {first} and {second} have the same key `{value}` in column `{key}`; keep one of them")]
    Twice {
        /// The key column.
        key: String,
        /// Its value.
        value: String,
        /// Number of the first such row, from 1.
        first: usize,
        /// Number of the second.
        second: usize,
    },
}

/// A lookup table in memory.
#[derive(Debug)]
pub struct MemoryTable {
    rows: RecordBatch,
    by_key: HashMap<Box<[u8]>, u32>,
}

impl MemoryTable {
    /// The table of `rows`, each found by its value in column `key`, which none may share.
    ///
    /// # Errors
    /// If there is no such column, it is no key, or a key is missing or stands twice.
    pub fn new(key: &str, rows: RecordBatch) -> Result<Self, TableError> {
        let Some(column) = rows.column_by_name(key) else {
            let columns = rows.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
            return Err(TableError::NoKey { key: key.to_owned(), columns });
        };
        let keys = key_bytes(column).ok_or_else(|| TableError::KeyType {
            key: key.to_owned(),
            found: type_name(column.data_type()),
        })?;
        let keys = keys.as_binary::<i32>();
        let mut by_key = HashMap::with_capacity(keys.len());
        for (row, value) in keys.iter().enumerate() {
            let Some(value) = value else {
                return Err(TableError::NullKey { key: key.to_owned(), row: row + 1 });
            };
            match by_key.entry(Box::from(value)) {
                Entry::Vacant(free) => drop(free.insert(row as u32)),
                Entry::Occupied(taken) => {
                    let value = String::from_utf8_lossy(value).into_owned();
                    let (first, second) = (*taken.get() as usize + 1, row + 1);
                    return Err(TableError::Twice { key: key.to_owned(), value, first, second });
                }
            }
        }
        Ok(Self { rows, by_key })
    }
}

/// A column as binary keys: text and binary as they are, integers in decimal; none for other types.
pub(crate) fn key_bytes(column: &ArrayRef) -> Option<ArrayRef> {
    let text = match column.data_type() {
        DataType::Utf8 | DataType::Binary => column.clone(),
        ty if ty.is_integer() => cast(column, &DataType::Utf8).ok()?,
        _ => return None,
    };
    cast(&text, &DataType::Binary).ok()
}

impl LookupTable for MemoryTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn look_up(
        &self,
        keys: &[Option<&[u8]>],
        columns: &[usize],
        bytes_max: usize,
    ) -> Result<(Vec<bool>, Vec<ArrayRef>), LookUpError> {
        let row = |key: &Option<&[u8]>| key.and_then(|key| self.by_key.get(key)).copied();
        let rows: UInt32Array = keys.iter().map(row).collect();
        let bytes: usize = columns.iter().map(|column| bytes_of(self.rows.column(*column), &rows)).sum();
        if bytes > bytes_max {
            return Err(LookUpError::TooLarge { bytes_max });
        }
        let found: Vec<bool> = (0..rows.len()).map(|row| rows.is_valid(row)).collect();
        let values = columns.iter().map(|column| take(self.rows.column(*column), &rows, None));
        let values = values.collect::<Result<Vec<ArrayRef>, _>>();
        let values = values.map_err(|error| LookUpError::Failed { reason: error.to_string() })?;
        Ok((found, values))
    }
}

/// Bytes of the values that a column has in `rows`.
fn bytes_of(column: &ArrayRef, rows: &UInt32Array) -> usize {
    let found = rows.iter().flatten().map(|row| row as usize);
    match column.data_type() {
        DataType::Utf8 => found.map(|row| column.as_string::<i32>().value(row).len()).sum(),
        DataType::Binary => found.map(|row| column.as_binary::<i32>().value(row).len()).sum(),
        DataType::Dictionary(numbers, _) => rows.len() * numbers.primitive_width().unwrap_or_default(),
        ty => match ty.primitive_width() {
            Some(width) => rows.len() * width,
            None => {
                let bytes = |row| column.slice(row, 1).to_data().get_slice_memory_size().unwrap_or_default();
                found.map(bytes).sum()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;

    fn rows(keys: ArrayRef) -> RecordBatch {
        let numbers: ArrayRef = Arc::new((0..keys.len() as i32).collect::<Int32Array>());
        RecordBatch::try_from_iter_with_nullable([("key", keys, true), ("n", numbers, true)]).unwrap()
    }

    #[test]
    fn finds_rows_by_text_and_by_numbers() {
        let check = |keys: ArrayRef, wanted: &[Option<&[u8]>], expected: Vec<Option<i32>>| {
            let table = MemoryTable::new("key", rows(keys)).unwrap();
            let (found, columns) = table.look_up(wanted, &[1], 1 << 10).unwrap();
            assert_eq!(found, expected.iter().map(Option::is_some).collect::<Vec<_>>());
            assert_eq!(columns[0].as_primitive(), &Int32Array::from(expected));
        };
        let wanted: [Option<&[u8]>; 4] = [Some(b"b"), None, Some(b"x"), Some(b"b")];
        check(Arc::new(StringArray::from(vec!["a", "b"])), &wanted, vec![Some(1), None, None, Some(1)]);
        check(Arc::new(Int32Array::from(vec![7, -3])), &[Some(b"-3"), Some(b"07")], vec![Some(1), None]);
    }

    #[test]
    fn rows_are_not_copied_beyond_their_limit() {
        let table = MemoryTable::new("key", rows(Arc::new(StringArray::from(vec!["ab", "cd"])))).unwrap();
        let wanted: [Option<&[u8]>; 3] = [Some(b"ab"), None, Some(b"ab")];
        assert!(table.look_up(&wanted, &[0], 4).is_ok());
        assert_eq!(table.look_up(&wanted, &[0], 3).unwrap_err(), LookUpError::TooLarge { bytes_max: 3 });
        assert_eq!(table.look_up(&wanted, &[1], 11).unwrap_err(), LookUpError::TooLarge { bytes_max: 11 });
    }

    #[test]
    fn says_why_rows_are_no_table() {
        let check = |key: &str, keys: ArrayRef, expected: &str| {
            let message = MemoryTable::new(key, rows(keys)).unwrap_err().to_string();
            assert!(message.contains(expected), "`{expected}` is not in: {message}");
        };
        check("id", Arc::new(StringArray::from(vec!["a"])), "no key column `id`; they have `key`, `n`");
        check("key", Arc::new(Float64Array::from(vec![1.0])), "a key is text, binary or an integer");
        check("key", Arc::new(StringArray::from(vec![Some("a"), None])), "row 2 has no key");
        check("key", Arc::new(StringArray::from(vec!["a", "b", "a"])), "rows 1 and 3 have the same key `a`");
    }
}
