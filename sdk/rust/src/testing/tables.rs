//! Lookup tables of native tests. Each thread, so each test, has its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value as Json};

use super::{Buffers, Values};
use crate::batch::{Bytes, RawBatch};
use crate::bitmap;
use crate::column::{Builder, Column};
use crate::plan::{DataType, Field};
use crate::slices::{Binaries, SlicesBuilder};
use crate::value::Value;

thread_local! {
    static TABLES: RefCell<BTreeMap<String, Table>> = const { RefCell::new(BTreeMap::new()) };
}

struct Table {
    columns: Vec<(String, Values)>,
    rows: BTreeMap<Vec<u8>, usize>,
}

/// Gives this thread's plugins a lookup table of these columns, whose rows are found by column `key`: text, binary or
/// an integer.
///
/// # Panics
/// If there is no such column, or it holds no keys.
pub fn lookup_table(name: &str, key: &str, columns: &[(&str, Values)]) {
    let columns: Vec<_> = columns.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect();
    let keys = columns.iter().find(|(name, _)| name == key);
    let (_, keys) = keys.unwrap_or_else(|| panic!("table `{name}` has no key column `{key}`"));
    let row = |row: usize| keys.buffers.key(row).map(|key| (key, row));
    let rows = (0..keys.rows).filter_map(row).collect();
    TABLES.with_borrow_mut(|tables| tables.insert(name.to_owned(), Table { columns, rows }));
}

fn with_table<T>(name: &str, then: impl FnOnce(&Table) -> T) -> T {
    TABLES.with_borrow(|tables| {
        let table = tables.get(name);
        then(table.unwrap_or_else(|| panic!("no table `{name}` in this test: see `testing::lookup_table`")))
    })
}

/// What the host answers to `lookup.get-many`, with all columns of the table.
pub(crate) fn look_up(table: &str, keys: &Bytes) -> Bytes {
    let keys = Binaries::from(keys.clone());
    with_table(table, |table| {
        let mut answers = SlicesBuilder::new(0);
        for key in keys.iter() {
            match key.and_then(|key| table.rows.get(key)) {
                Some(row) => {
                    let values = table.columns.iter().map(|(name, values)| (name.clone(), values.json(*row)));
                    answers.push(Json::Object(values.collect::<Map<_, _>>()).to_string().as_bytes());
                }
                None => answers.push_null(),
            }
        }
        answers.finish().into()
    })
}

/// What the host does for `lookup.join` by a column of a type: `fields` are written, the first as number `first`.
pub(crate) fn join(
    name: &str,
    batch: &dyn RawBatch,
    (key, ty): (u32, &DataType),
    (first, fields): (u32, &[Field]),
) -> Vec<u8> {
    let keys = match ty {
        DataType::Int32 => Buffers::Int32s(batch.read_int32(key)),
        DataType::Int64 => Buffers::Int64s(batch.read_int64(key)),
        _ => Buffers::Bytes(batch.read_bytes(key)),
    };
    with_table(name, |table| {
        let row = |row: usize| keys.key(row).and_then(|key| table.rows.get(&key)).copied();
        let rows: Vec<Option<usize>> = (0..batch.rows()).map(row).collect();
        for (field, number) in fields.iter().zip(first..) {
            let column = table
                .columns
                .iter()
                .find(|(name, values)| *name == field.name && values.field.ty == field.ty);
            let (_, values) = column.unwrap_or_else(|| {
                panic!("table `{name}` of this test has no column `{}` of type {:?}", field.name, field.ty)
            });
            values.buffers.write_rows(&rows, batch, number);
        }
        let mut found = vec![0; bitmap::bytes(rows.len())];
        (0..rows.len()).filter(|row| rows[*row].is_some()).for_each(|row| bitmap::set(&mut found, row));
        found
    })
}

impl Values {
    /// The value of a row as the host writes it.
    fn json(&self, row: usize) -> Json {
        let is_text = self.field.ty == DataType::Utf8;
        assert!(
            !matches!(self.field.ty, DataType::Date | DataType::Timestamp(_)),
            "dates and instants of lookup tables are for cases: native tests have no JSON of them"
        );
        if !bitmap::is_valid(self.buffers.valid(), row) {
            return Json::Null;
        }
        match &self.buffers {
            Buffers::Bools(bools) => bitmap::is_set(&bools.values, row).into(),
            Buffers::Int32s(numbers) => numbers.values[row].into(),
            Buffers::Int64s(numbers) => numbers.values[row].into(),
            Buffers::Float32s(numbers) => numbers.values[row].into(),
            Buffers::Float64s(numbers) => numbers.values[row].into(),
            Buffers::Float64Lists(lists) => lists.values[range(&lists.offsets, row)].into(),
            Buffers::Bytes(bytes) if is_text => {
                String::from_utf8_lossy(&bytes.data[range(&bytes.offsets, row)]).into()
            }
            Buffers::Bytes(bytes) => {
                let digits = bytes.data[range(&bytes.offsets, row)].iter().map(|byte| format!("{byte:02x}"));
                digits.collect::<String>().into()
            }
        }
    }
}

fn range(offsets: &[u32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

impl Buffers {
    fn valid(&self) -> Option<&[u8]> {
        let valid = match self {
            Self::Bools(values) => &values.valid,
            Self::Int32s(values) => &values.valid,
            Self::Int64s(values) => &values.valid,
            Self::Float32s(values) => &values.valid,
            Self::Float64s(values) => &values.valid,
            Self::Bytes(values) => &values.valid,
            Self::Float64Lists(values) => &values.valid,
        };
        valid.as_deref()
    }

    /// The value of a row as a key, unless it is null.
    fn key(&self, row: usize) -> Option<Vec<u8>> {
        bitmap::is_valid(self.valid(), row).then(|| match self {
            Self::Bytes(bytes) => bytes.data[range(&bytes.offsets, row)].to_vec(),
            Self::Int32s(numbers) => numbers.values[row].to_string().into_bytes(),
            Self::Int64s(numbers) => numbers.values[row].to_string().into_bytes(),
            other => panic!("a key is text, binary or an integer, not one of {other:?}"),
        })
    }

    /// Writes the values that stand in these rows, null for none.
    fn write_rows(&self, rows: &[Option<usize>], batch: &dyn RawBatch, column: u32) {
        let valid = |row: &Option<usize>| row.filter(|row| bitmap::is_valid(self.valid(), *row));
        let rows: Vec<Option<usize>> = rows.iter().map(valid).collect();
        let to = (batch, column);
        match self {
            Self::Bools(bools) => write(&rows, to, |row| bitmap::is_set(&bools.values, row)),
            Self::Int32s(numbers) => write(&rows, to, |row| numbers.values[row]),
            Self::Int64s(numbers) => write(&rows, to, |row| numbers.values[row]),
            Self::Float32s(numbers) => write(&rows, to, |row| numbers.values[row]),
            Self::Float64s(numbers) => write(&rows, to, |row| numbers.values[row]),
            Self::Bytes(bytes) => write(&rows, to, |row| &bytes.data[range(&bytes.offsets, row)]),
            Self::Float64Lists(lists) => write(&rows, to, |row| &lists.values[range(&lists.offsets, row)]),
        }
    }
}

fn write<'v, V: Value<'v>>(
    rows: &[Option<usize>],
    (batch, column): (&dyn RawBatch, u32),
    value: impl Fn(usize) -> V,
) {
    let mut builder = V::Builder::new(rows.len());
    rows.iter().for_each(|row| row.map(&value).put(&mut builder));
    builder.finish().write(batch, column);
}
