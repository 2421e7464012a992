//! Columns whose values differ in length: text, bytes, lists. As [`crate::column`], they know layouts only.

use std::ops::Range;

use crate::batch::{Bytes, Float64Lists, RawBatch, RawColumns};
use crate::bitmap::{self, Validity};
use crate::column::{Builder, Column};

/// The elements of all rows of a column, one row behind the other.
pub trait Elements: Sized {
    /// Those of one row.
    type Slice: ?Sized;
    /// None, with room for some of `rows` rows.
    fn for_rows(rows: usize) -> Self;
    /// Their number; text counts in bytes.
    fn count(&self) -> usize;
    /// Those of one row.
    fn slice(&self, range: Range<usize>) -> &Self::Slice;
    /// Appends those of one row.
    fn append(&mut self, slice: &Self::Slice);
    /// Fetches a column of them.
    fn read(batch: &dyn RawBatch, column: u32) -> Slices<Self>;
    /// Hands a column of them over.
    fn write(columns: &dyn RawColumns, column: u32, slices: Slices<Self>);
}

/// Room for the elements of a row that is not known yet.
const ROW_ELEMENTS: usize = 8;

/// A column of values that differ in length.
#[derive(Clone, Debug)]
pub struct Slices<E> {
    offsets: Vec<u32>,
    elements: E,
    valid: Option<Vec<u8>>,
}

/// A utf8 column. Checked once as a whole, so that a row's text is a slice of it.
pub type Texts = Slices<String>;
/// A binary column.
pub type Binaries = Slices<Vec<u8>>;
/// A column of lists of float64.
pub type Lists = Slices<Vec<f64>>;

impl<E: Elements> Slices<E> {
    #[inline]
    pub(crate) fn raw(&self, row: usize) -> &E::Slice {
        self.elements.slice(self.offsets[row] as usize..self.offsets[row + 1] as usize)
    }

    /// The value of `row`, unless it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&E::Slice> {
        self.is_valid(row).then(|| self.raw(row))
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&E::Slice>> {
        (0..self.rows()).map(|row| self.get(row))
    }
}

impl From<Bytes> for Binaries {
    fn from(Bytes { offsets, data, valid }: Bytes) -> Self {
        Self { offsets, elements: data, valid }
    }
}

impl From<Binaries> for Bytes {
    fn from(Slices { offsets, elements, valid }: Binaries) -> Self {
        Self { offsets, data: elements, valid }
    }
}

impl<E: Elements> Column for Slices<E> {
    fn open(batch: &dyn RawBatch, column: u32) -> Self {
        E::read(batch, column)
    }
    fn write(self, columns: &dyn RawColumns, column: u32) {
        E::write(columns, column, self);
    }
    fn rows(&self) -> usize {
        self.offsets.len() - 1
    }
    #[inline]
    fn is_valid(&self, row: usize) -> bool {
        bitmap::is_valid(self.valid.as_deref(), row)
    }
}

/// Builds [`Slices`].
pub struct SlicesBuilder<E> {
    offsets: Vec<u32>,
    elements: E,
    validity: Validity,
}

impl<E: Elements> SlicesBuilder<E> {
    #[inline]
    pub(crate) fn push(&mut self, slice: &E::Slice) {
        self.elements.append(slice);
        self.end_row();
    }

    #[inline]
    fn end_row(&mut self) {
        self.offsets.push(u32::try_from(self.elements.count()).expect("a column is smaller than 4 GiB"));
    }
}

impl<E: Elements> Builder for SlicesBuilder<E> {
    type Column = Slices<E>;
    fn new(rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, elements: E::for_rows(rows), validity: Validity::default() }
    }
    fn push_null(&mut self) {
        self.validity.set_null(self.offsets.len() - 1);
        self.end_row();
    }
    fn finish(self) -> Slices<E> {
        let valid = self.validity.finish(self.offsets.len() - 1);
        Slices { offsets: self.offsets, elements: self.elements, valid }
    }
}

impl Elements for String {
    type Slice = str;
    fn for_rows(rows: usize) -> Self {
        Self::with_capacity(rows * ROW_ELEMENTS)
    }
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline]
    fn slice(&self, range: Range<usize>) -> &str {
        &self[range]
    }
    #[inline]
    fn append(&mut self, slice: &str) {
        self.push_str(slice);
    }
    fn read(batch: &dyn RawBatch, column: u32) -> Texts {
        let Bytes { offsets, data, valid } = batch.read_bytes(column);
        let elements = Self::from_utf8(data).expect("the host passes utf8 columns as UTF-8");
        Slices { offsets, elements, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Slices { offsets, elements, valid }: Texts) {
        columns.write_bytes(column, &Bytes { offsets, data: elements.into_bytes(), valid });
    }
}

impl Elements for Vec<u8> {
    type Slice = [u8];
    fn for_rows(rows: usize) -> Self {
        Self::with_capacity(rows * ROW_ELEMENTS)
    }
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline]
    fn slice(&self, range: Range<usize>) -> &[u8] {
        &self[range]
    }
    #[inline]
    fn append(&mut self, slice: &[u8]) {
        self.extend_from_slice(slice);
    }
    fn read(batch: &dyn RawBatch, column: u32) -> Binaries {
        batch.read_bytes(column).into()
    }
    fn write(columns: &dyn RawColumns, column: u32, slices: Binaries) {
        columns.write_bytes(column, &slices.into());
    }
}

impl Elements for Vec<f64> {
    type Slice = [f64];
    fn for_rows(rows: usize) -> Self {
        Self::with_capacity(rows * ROW_ELEMENTS)
    }
    #[inline]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline]
    fn slice(&self, range: Range<usize>) -> &[f64] {
        &self[range]
    }
    #[inline]
    fn append(&mut self, slice: &[f64]) {
        self.extend_from_slice(slice);
    }
    fn read(batch: &dyn RawBatch, column: u32) -> Lists {
        let Float64Lists { offsets, values, valid } = batch.read_float64_list(column);
        Slices { offsets, elements: values, valid }
    }
    fn write(columns: &dyn RawColumns, column: u32, Slices { offsets, elements, valid }: Lists) {
        columns.write_float64_list(column, &Float64Lists { offsets, values: elements, valid });
    }
}
