//! The batch in memory: columns by number, and what a plugin does to them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Buffers, Emitted, Processed, Values};
use crate::batch::{
    Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s, RawBatch, RawColumns, WriteColumns,
};
use crate::bitmap;
use crate::plan::{Field, InputPlan, Output};

/// Columns as they are written.
pub(super) struct Written {
    rows: usize,
    fields: Vec<Field>,
    columns: RefCell<BTreeMap<String, Values>>,
}

impl Written {
    pub(super) fn new(rows: usize, fields: Vec<Field>) -> Self {
        Self { rows, fields, columns: RefCell::default() }
    }

    /// The columns, by name.
    pub(super) fn into_columns(self) -> BTreeMap<String, Values> {
        self.columns.into_inner()
    }

    fn write(&self, column: u32, buffers: Buffers) {
        let field = self.fields[column as usize].clone();
        let (name, values) =
            (field.name.clone(), Values { field, rows: self.rows, buffers: buffers.normal() });
        assert!(self.columns.borrow_mut().insert(name, values).is_none(), "a column was written twice");
    }
}

impl RawColumns for Written {
    fn write_bool(&self, column: u32, values: &Bools) {
        self.write(column, Buffers::Bools(values.clone()));
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        self.write(column, Buffers::Int32s(values.clone()));
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        self.write(column, Buffers::Int64s(values.clone()));
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        self.write(column, Buffers::Float32s(values.clone()));
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        self.write(column, Buffers::Float64s(values.clone()));
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        self.write(column, Buffers::Bytes(values.clone()));
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        self.write(column, Buffers::Float64Lists(values.clone()));
    }
}

/// A batch of columns that are known by name, and the effects of a call.
pub(super) struct Memory<'a> {
    read: Vec<&'a Values>,
    written: Written,
    outputs: Vec<Output>,
    mask: RefCell<Option<Vec<u8>>>,
    rejected: RefCell<BTreeMap<String, Vec<usize>>>,
    emitted: RefCell<BTreeMap<String, Emitted>>,
}

impl<'a> Memory<'a> {
    pub(super) fn new(columns: &'a [(&str, Values)], plan: InputPlan, outputs: Vec<Output>) -> Self {
        let rows = columns.first().map_or(0, |(_, values)| values.rows);
        let find = |field: &Field| {
            let (_, values) = columns
                .iter()
                .find(|(column, _)| *column == field.name)
                .unwrap_or_else(|| panic!("the plugin reads `{}`: give it to the test", field.name));
            values
        };
        for (name, values) in columns {
            assert_eq!(values.rows, rows, "`{name}` has another length than the first column");
        }
        Self {
            read: plan.reads.iter().map(find).collect(),
            written: Written::new(rows, plan.writes),
            outputs,
            mask: RefCell::default(),
            rejected: RefCell::default(),
            emitted: RefCell::default(),
        }
    }

    pub(super) fn outcome(self) -> Processed {
        let rows = self.written.rows;
        let rejected = self.rejected.into_inner();
        let mask = self.mask.into_inner().unwrap_or_else(|| bitmap::ones(rows));
        let is_rejected = |row: &usize| rejected.values().any(|rows| rows.contains(row));
        let kept = (0..rows).filter(|row| bitmap::is_set(&mask, *row) && !is_rejected(row)).collect();
        let (written, emitted) = (self.written.into_columns(), self.emitted.into_inner());
        Processed { kept, rejected, written, emitted }
    }

    fn buffers(&self, column: u32) -> &Buffers {
        &self.read[column as usize].buffers
    }
}

fn wrong_type(expected: &str, found: &Buffers) -> ! {
    panic!("the plugin reads {expected}, the test gives {found:?}")
}

impl RawColumns for Memory<'_> {
    fn write_bool(&self, column: u32, values: &Bools) {
        self.written.write_bool(column, values);
    }
    fn write_int32(&self, column: u32, values: &Int32s) {
        self.written.write_int32(column, values);
    }
    fn write_int64(&self, column: u32, values: &Int64s) {
        self.written.write_int64(column, values);
    }
    fn write_float32(&self, column: u32, values: &Float32s) {
        self.written.write_float32(column, values);
    }
    fn write_float64(&self, column: u32, values: &Float64s) {
        self.written.write_float64(column, values);
    }
    fn write_bytes(&self, column: u32, values: &Bytes) {
        self.written.write_bytes(column, values);
    }
    fn write_float64_list(&self, column: u32, values: &Float64Lists) {
        self.written.write_float64_list(column, values);
    }
}

impl RawBatch for Memory<'_> {
    fn rows(&self) -> usize {
        self.written.rows
    }
    fn read_bool(&self, column: u32) -> Bools {
        match self.buffers(column) {
            Buffers::Bools(values) => values.clone(),
            other => wrong_type("booleans", other),
        }
    }
    fn read_int32(&self, column: u32) -> Int32s {
        match self.buffers(column) {
            Buffers::Int32s(values) => values.clone(),
            other => wrong_type("32-bit integers", other),
        }
    }
    fn read_int64(&self, column: u32) -> Int64s {
        match self.buffers(column) {
            Buffers::Int64s(values) => values.clone(),
            other => wrong_type("64-bit integers", other),
        }
    }
    fn read_float32(&self, column: u32) -> Float32s {
        match self.buffers(column) {
            Buffers::Float32s(values) => values.clone(),
            other => wrong_type("32-bit floats", other),
        }
    }
    fn read_float64(&self, column: u32) -> Float64s {
        match self.buffers(column) {
            Buffers::Float64s(values) => values.clone(),
            other => wrong_type("64-bit floats", other),
        }
    }
    fn read_bytes(&self, column: u32) -> Bytes {
        match self.buffers(column) {
            Buffers::Bytes(values) => values.clone(),
            other => wrong_type("text or bytes", other),
        }
    }
    fn read_float64_list(&self, column: u32) -> Float64Lists {
        match self.buffers(column) {
            Buffers::Float64Lists(values) => values.clone(),
            other => wrong_type("lists of floats", other),
        }
    }
    fn keep(&self, mask: &[u8]) {
        assert!(self.mask.replace(Some(mask.to_vec())).is_none(), "keep was called twice");
    }
    fn reject(&self, rows: &[u32], reason: &str) {
        let rows = rows.iter().map(|row| *row as usize).collect();
        let before = self.rejected.borrow_mut().insert(reason.to_owned(), rows);
        assert!(before.is_none(), "reject was called twice for one reason");
    }
    fn emit(&self, output: u32, parents: Vec<u32>, write: WriteColumns<'_>) {
        let Output { name, fields } = self.outputs[output as usize].clone();
        let written = Written::new(parents.len(), fields);
        write(&written);
        let parents = parents.into_iter().map(|parent| parent as usize).collect();
        let emitted = Emitted { parents, written: written.into_columns() };
        let before = self.emitted.borrow_mut().insert(name, emitted);
        assert!(before.is_none(), "an output was emitted twice");
    }
}
