//! Columns in the guest's memory: fetched once a batch as the ABI's buffers and read by row or as a whole;
//! changed in place or built row by row; and handed back. They know layouts, not what the values mean.

use crate::batch::{Bools, Float32s, Float64s, Int32s, Int64s, RawBatch, RawColumns};
use crate::bitmap::{self, Validity};

/// A whole column.
pub trait Column: Sized {
    /// Fetches column number `column`.
    fn open(batch: &dyn RawBatch, column: u32) -> Self;
    /// Hands it over as column number `column`.
    fn write(self, columns: &dyn RawColumns, column: u32);
    /// Number of rows.
    fn rows(&self) -> usize;
    /// False if the row's value is null.
    fn is_valid(&self, row: usize) -> bool;
}

/// A column being built, one row after the other.
pub trait Builder: Sized {
    /// What is built.
    type Column: Column;
    /// A builder that expects `rows` rows.
    fn new(rows: usize) -> Self;
    /// Appends a null.
    fn push_null(&mut self);
    /// The rows that were appended.
    fn finish(self) -> Self::Column;
}

/// Hands over what was built, as column number `column`.
pub fn write<B: Builder>(builder: B, columns: &dyn RawColumns, column: u32) {
    builder.finish().write(columns, column);
}

/// A fixed-width type of the ABI.
pub trait Number: Copy + Default {
    /// Fetches a column of this type.
    fn read(batch: &dyn RawBatch, column: u32) -> Numbers<Self>;
    /// Writes a column of this type.
    fn write(columns: &dyn RawColumns, column: u32, numbers: Numbers<Self>);
}

/// A column of fixed-width values: integers, floats, dates, timestamps.
#[derive(Clone, Debug)]
pub struct Numbers<N> {
    values: Vec<N>,
    valid: Option<Vec<u8>>,
}

impl<N: Number> Numbers<N> {
    #[inline]
    pub(crate) fn raw(&self, row: usize) -> N {
        self.values[row]
    }

    /// All values; those of rows that are null mean nothing.
    pub fn values(&self) -> &[N] {
        &self.values
    }

    /// All values, to be changed in place; nulls stay nulls.
    pub fn values_mut(&mut self) -> &mut [N] {
        &mut self.values
    }

    /// The value of `row`, unless it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<N> {
        self.is_valid(row).then(|| self.values[row])
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<N>> {
        (0..self.values.len()).map(|row| self.get(row))
    }

    /// Makes the value of `row` null.
    pub fn set_null(&mut self, row: usize) {
        bitmap::clear(self.valid.get_or_insert_with(|| bitmap::ones(self.values.len())), row);
    }
}

/// A column without nulls.
impl<N: Number> From<Vec<N>> for Numbers<N> {
    fn from(values: Vec<N>) -> Self {
        Self { values, valid: None }
    }
}

impl<N: Number> Column for Numbers<N> {
    fn open(batch: &dyn RawBatch, column: u32) -> Self {
        N::read(batch, column)
    }
    fn write(self, columns: &dyn RawColumns, column: u32) {
        N::write(columns, column, self);
    }
    fn rows(&self) -> usize {
        self.values.len()
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        bitmap::is_valid(self.valid.as_deref(), row)
    }
}

impl Number for i32 {
    fn read(batch: &dyn RawBatch, column: u32) -> Numbers<Self> {
        let Int32s { values, valid } = batch.read_int32(column);
        Numbers { values, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Numbers { values, valid }: Numbers<Self>) {
        columns.write_int32(column, &Int32s { values, valid });
    }
}

impl Number for i64 {
    fn read(batch: &dyn RawBatch, column: u32) -> Numbers<Self> {
        let Int64s { values, valid } = batch.read_int64(column);
        Numbers { values, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Numbers { values, valid }: Numbers<Self>) {
        columns.write_int64(column, &Int64s { values, valid });
    }
}

impl Number for f32 {
    fn read(batch: &dyn RawBatch, column: u32) -> Numbers<Self> {
        let Float32s { values, valid } = batch.read_float32(column);
        Numbers { values, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Numbers { values, valid }: Numbers<Self>) {
        columns.write_float32(column, &Float32s { values, valid });
    }
}

impl Number for f64 {
    fn read(batch: &dyn RawBatch, column: u32) -> Numbers<Self> {
        let Float64s { values, valid } = batch.read_float64(column);
        Numbers { values, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Numbers { values, valid }: Numbers<Self>) {
        columns.write_float64(column, &Float64s { values, valid });
    }
}

/// Builds [`Numbers`].
pub struct NumbersBuilder<N> {
    values: Vec<N>,
    validity: Validity,
}

impl<N> NumbersBuilder<N> {
    #[inline]
    pub(crate) fn push(&mut self, value: N) {
        self.values.push(value);
    }
}

impl<N: Number> Builder for NumbersBuilder<N> {
    type Column = Numbers<N>;
    fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), validity: Validity::default() }
    }
    fn push_null(&mut self) {
        self.validity.set_null(self.values.len());
        self.values.push(N::default());
    }
    fn finish(self) -> Numbers<N> {
        let valid = self.validity.finish(self.values.len());
        Numbers { values: self.values, valid }
    }
}

/// A boolean column.
#[derive(Clone, Debug)]
pub struct Booleans {
    rows: usize,
    bits: Bools,
}

impl Booleans {
    #[inline]
    pub(crate) fn raw(&self, row: usize) -> bool {
        bitmap::is_set(&self.bits.values, row)
    }

    /// The value of `row`, unless it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        self.is_valid(row).then(|| self.raw(row))
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<bool>> {
        (0..self.rows).map(|row| self.get(row))
    }
}

impl Column for Booleans {
    fn open(batch: &dyn RawBatch, column: u32) -> Self {
        Self { rows: batch.rows(), bits: batch.read_bool(column) }
    }
    fn write(self, columns: &dyn RawColumns, column: u32) {
        columns.write_bool(column, &self.bits);
    }
    fn rows(&self) -> usize {
        self.rows
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        bitmap::is_valid(self.bits.valid.as_deref(), row)
    }
}

/// Builds [`Booleans`].
pub struct BooleansBuilder {
    values: Vec<u8>,
    row: usize,
    validity: Validity,
}

impl BooleansBuilder {
    #[inline]
    pub(crate) fn push(&mut self, value: bool) {
        if self.row & 7 == 0 {
            self.values.push(0);
        }
        if value {
            bitmap::set(&mut self.values, self.row);
        }
        self.row += 1;
    }
}

impl Builder for BooleansBuilder {
    type Column = Booleans;
    fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(bitmap::bytes(rows)), row: 0, validity: Validity::default() }
    }
    fn push_null(&mut self) {
        self.validity.set_null(self.row);
        self.push(false);
    }
    fn finish(self) -> Booleans {
        let valid = self.validity.finish(self.row);
        Booleans { rows: self.row, bits: Bools { values: self.values, valid } }
    }
}
