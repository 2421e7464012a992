//! Columns in the guest's memory: opened once a batch from the ABI's buffers, then read by row; and
//! the builders that rows are appended to. They know layouts, not what the values mean.

use crate::batch::{Batch, Bools, Bytes, Float32s, Float64Lists, Float64s, Int32s, Int64s};
use crate::bitmap::{self, Validity};

/// A column that was read.
pub trait Column: Sized {
    /// Fetches column number `column`.
    fn open(batch: &impl Batch, column: u32) -> Self;
    /// False if the row's value is null.
    fn is_valid(&self, row: usize) -> bool;
}

/// A column being written, one row after the other.
pub trait Builder: Sized {
    /// A builder for exactly `rows` rows.
    fn new(rows: usize) -> Self;
    /// Appends a null.
    fn push_null(&mut self);
    /// Hands the column to the batch.
    fn finish(self, batch: &impl Batch, column: u32);
}

#[inline]
fn valid(bits: Option<&[u8]>, row: usize) -> bool {
    bits.is_none_or(|bits| bitmap::is_set(bits, row))
}

/// A fixed-width type of the ABI.
pub trait Number: Copy + Default {
    /// Fetches a column of this type.
    fn read(batch: &impl Batch, column: u32) -> Numbers<Self>;
    /// Writes a column of this type.
    fn write(batch: &impl Batch, column: u32, numbers: Numbers<Self>);
}

/// A column of fixed-width values.
pub struct Numbers<N> {
    values: Vec<N>,
    valid: Option<Vec<u8>>,
}

impl<N: Number> Numbers<N> {
    /// The value of `row`; meaningless where it is null.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> N {
        self.values[row]
    }
}

impl<N: Number> Column for Numbers<N> {
    fn open(batch: &impl Batch, column: u32) -> Self {
        N::read(batch, column)
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        valid(self.valid.as_deref(), row)
    }
}

impl Number for i32 {
    fn read(batch: &impl Batch, column: u32) -> Numbers<Self> {
        let Int32s { values, valid } = batch.read_int32(column);
        Numbers { values, valid }
    }
    fn write(batch: &impl Batch, column: u32, Numbers { values, valid }: Numbers<Self>) {
        batch.write_int32(column, &Int32s { values, valid });
    }
}

impl Number for i64 {
    fn read(batch: &impl Batch, column: u32) -> Numbers<Self> {
        let Int64s { values, valid } = batch.read_int64(column);
        Numbers { values, valid }
    }
    fn write(batch: &impl Batch, column: u32, Numbers { values, valid }: Numbers<Self>) {
        batch.write_int64(column, &Int64s { values, valid });
    }
}

impl Number for f32 {
    fn read(batch: &impl Batch, column: u32) -> Numbers<Self> {
        let Float32s { values, valid } = batch.read_float32(column);
        Numbers { values, valid }
    }
    fn write(batch: &impl Batch, column: u32, Numbers { values, valid }: Numbers<Self>) {
        batch.write_float32(column, &Float32s { values, valid });
    }
}

impl Number for f64 {
    fn read(batch: &impl Batch, column: u32) -> Numbers<Self> {
        let Float64s { values, valid } = batch.read_float64(column);
        Numbers { values, valid }
    }
    fn write(batch: &impl Batch, column: u32, Numbers { values, valid }: Numbers<Self>) {
        batch.write_float64(column, &Float64s { values, valid });
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
    fn new(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), validity: Validity::new(rows) }
    }
    fn push_null(&mut self) {
        self.validity.set_null(self.values.len());
        self.values.push(N::default());
    }
    fn finish(self, batch: &impl Batch, column: u32) {
        N::write(batch, column, Numbers { values: self.values, valid: self.validity.finish() });
    }
}

/// A boolean column.
pub struct Booleans(Bools);

impl Booleans {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> bool {
        bitmap::is_set(&self.0.values, row)
    }
}

impl Column for Booleans {
    fn open(batch: &impl Batch, column: u32) -> Self {
        Self(batch.read_bool(column))
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        valid(self.0.valid.as_deref(), row)
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
        if value {
            bitmap::set(&mut self.values, self.row);
        }
        self.row += 1;
    }
}

impl Builder for BooleansBuilder {
    fn new(rows: usize) -> Self {
        Self { values: vec![0; bitmap::bytes(rows)], row: 0, validity: Validity::new(rows) }
    }
    fn push_null(&mut self) {
        self.validity.set_null(self.row);
        self.row += 1;
    }
    fn finish(self, batch: &impl Batch, column: u32) {
        batch.write_bool(column, &Bools { values: self.values, valid: self.validity.finish() });
    }
}

/// A utf8 column. Checked once as a whole, so that a row's text is a slice of it.
pub struct Texts {
    offsets: Vec<u32>,
    text: String,
    valid: Option<Vec<u8>>,
}

impl Texts {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> &str {
        &self.text[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }
}

impl Column for Texts {
    fn open(batch: &impl Batch, column: u32) -> Self {
        let Bytes { offsets, data, valid } = batch.read_bytes(column);
        let text = String::from_utf8(data).expect("the host passes utf8 columns as UTF-8");
        Self { offsets, text, valid }
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        valid(self.valid.as_deref(), row)
    }
}

/// A binary column.
pub struct Binaries(Bytes);

impl Binaries {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        &self.0.data[self.0.offsets[row] as usize..self.0.offsets[row + 1] as usize]
    }
}

impl Column for Binaries {
    fn open(batch: &impl Batch, column: u32) -> Self {
        Self(batch.read_bytes(column))
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        valid(self.0.valid.as_deref(), row)
    }
}

/// A column of lists of float64.
pub struct Lists(Float64Lists);

impl Lists {
    #[inline]
    pub(crate) fn get(&self, row: usize) -> &[f64] {
        &self.0.values[self.0.offsets[row] as usize..self.0.offsets[row + 1] as usize]
    }
}

impl Column for Lists {
    fn open(batch: &impl Batch, column: u32) -> Self {
        Self(batch.read_float64_list(column))
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        valid(self.0.valid.as_deref(), row)
    }
}

/// Builds columns of variable length: utf8 and binary from `u8`, lists from `f64`.
pub struct SlicesBuilder<T> {
    offsets: Vec<u32>,
    values: Vec<T>,
    validity: Validity,
}

impl<T: Copy> SlicesBuilder<T> {
    #[inline]
    pub(crate) fn push(&mut self, slice: &[T]) {
        self.values.extend_from_slice(slice);
        self.end_row();
    }

    #[inline]
    fn end_row(&mut self) {
        self.offsets.push(u32::try_from(self.values.len()).expect("a column is smaller than 4 GiB"));
    }

    fn with_rows(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, values: Vec::with_capacity(rows * 8), validity: Validity::new(rows) }
    }

    fn end_null_row(&mut self) {
        self.validity.set_null(self.offsets.len() - 1);
        self.end_row();
    }
}

impl Builder for SlicesBuilder<u8> {
    fn new(rows: usize) -> Self {
        Self::with_rows(rows)
    }
    fn push_null(&mut self) {
        self.end_null_row();
    }
    fn finish(self, batch: &impl Batch, column: u32) {
        let Self { offsets, values, validity } = self;
        batch.write_bytes(column, &Bytes { offsets, data: values, valid: validity.finish() });
    }
}

impl Builder for SlicesBuilder<f64> {
    fn new(rows: usize) -> Self {
        Self::with_rows(rows)
    }
    fn push_null(&mut self) {
        self.end_null_row();
    }
    fn finish(self, batch: &impl Batch, column: u32) {
        let Self { offsets, values, validity } = self;
        batch.write_float64_list(column, &Float64Lists { offsets, values, valid: validity.finish() });
    }
}
