//! The Rust types that a field of a row may have, each with its column type, how it is taken out of a
//! column and how it is appended to one.

use std::borrow::Cow;

use crate::column::{Booleans, BooleansBuilder, Builder, Column, Number, Numbers, NumbersBuilder};
use crate::plan::{DataType, TimeUnit, TimestampType};
use crate::slices::{Binaries, Lists, SlicesBuilder, Texts};

/// A type that a field of a row may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a column",
    label = "not a column type",
    note = "column types: bool, i32, i64, f32, f64, Date, Timestamp, LocalTimestamp, &str, Cow<str>, String, &[u8], Cow<[u8]>, Vec<u8>, &[f64], Vec<f64>, and Option of each"
)]
pub trait Value<'a>: Sized {
    /// Type of the column.
    const TYPE: DataType;
    /// True for `Option`: the column may hold nulls.
    const NULLABLE: bool = false;
    /// The column it is read from.
    type Column: Column + 'a;
    /// The builder it is written to.
    type Builder: Builder<Column = Self::Column>;
    /// The value of `row`.
    fn get(column: &'a Self::Column, row: usize) -> Self;
    /// Appends the value.
    fn put(self, builder: &mut Self::Builder);
}

impl<'a, V: Value<'a>> Value<'a> for Option<V> {
    const TYPE: DataType = V::TYPE;
    const NULLABLE: bool = true;
    type Column = V::Column;
    type Builder = V::Builder;
    #[inline]
    fn get(column: &'a V::Column, row: usize) -> Self {
        column.is_valid(row).then(|| V::get(column, row))
    }
    #[inline]
    fn put(self, builder: &mut V::Builder) {
        match self {
            Some(value) => value.put(builder),
            None => builder.push_null(),
        }
    }
}

impl Value<'_> for bool {
    const TYPE: DataType = DataType::Boolean;
    type Column = Booleans;
    type Builder = BooleansBuilder;
    #[inline]
    fn get(column: &Booleans, row: usize) -> Self {
        column.raw(row)
    }
    #[inline]
    fn put(self, builder: &mut BooleansBuilder) {
        builder.push(self);
    }
}

/// A type that is stored as a number of the ABI.
pub trait Scalar: Copy {
    /// Type of the column.
    const TYPE: DataType;
    /// The number it is stored as.
    type Stored: Number + 'static;
    /// From the stored number.
    fn from_stored(stored: Self::Stored) -> Self;
    /// To the stored number.
    fn into_stored(self) -> Self::Stored;
}

impl<S: Scalar> Value<'_> for S {
    const TYPE: DataType = S::TYPE;
    type Column = Numbers<S::Stored>;
    type Builder = NumbersBuilder<S::Stored>;
    #[inline]
    fn get(column: &Self::Column, row: usize) -> Self {
        S::from_stored(column.raw(row))
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(self.into_stored());
    }
}

impl Scalar for i32 {
    const TYPE: DataType = DataType::Int32;
    type Stored = i32;
    fn from_stored(stored: i32) -> Self {
        stored
    }
    fn into_stored(self) -> i32 {
        self
    }
}

impl Scalar for i64 {
    const TYPE: DataType = DataType::Int64;
    type Stored = i64;
    fn from_stored(stored: i64) -> Self {
        stored
    }
    fn into_stored(self) -> i64 {
        self
    }
}

impl Scalar for f32 {
    const TYPE: DataType = DataType::Float32;
    type Stored = f32;
    fn from_stored(stored: f32) -> Self {
        stored
    }
    fn into_stored(self) -> f32 {
        self
    }
}

impl Scalar for f64 {
    const TYPE: DataType = DataType::Float64;
    type Stored = f64;
    fn from_stored(stored: f64) -> Self {
        stored
    }
    fn into_stored(self) -> f64 {
        self
    }
}

/// A date: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

impl Scalar for Date {
    const TYPE: DataType = DataType::Date;
    type Stored = i32;
    fn from_stored(stored: i32) -> Self {
        Self(stored)
    }
    fn into_stored(self) -> i32 {
        self.0
    }
}

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Scalar for Timestamp {
    const TYPE: DataType = DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc: true });
    type Stored = i64;
    fn from_stored(stored: i64) -> Self {
        Self(stored)
    }
    fn into_stored(self) -> i64 {
        self.0
    }
}

/// A wall-clock time of a zone not stated: microseconds since 1970-01-01T00:00:00 on that clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTimestamp(pub i64);

impl Scalar for LocalTimestamp {
    const TYPE: DataType = DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc: false });
    type Stored = i64;
    fn from_stored(stored: i64) -> Self {
        Self(stored)
    }
    fn into_stored(self) -> i64 {
        self.0
    }
}

impl<'a> Value<'a> for &'a str {
    const TYPE: DataType = DataType::Utf8;
    type Column = Texts;
    type Builder = SlicesBuilder<String>;
    #[inline]
    fn get(column: &'a Texts, row: usize) -> Self {
        column.raw(row)
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(self);
    }
}

impl<'a> Value<'a> for Cow<'a, str> {
    const TYPE: DataType = DataType::Utf8;
    type Column = Texts;
    type Builder = SlicesBuilder<String>;
    #[inline]
    fn get(column: &'a Texts, row: usize) -> Self {
        Cow::Borrowed(column.raw(row))
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(&self);
    }
}

impl Value<'_> for String {
    const TYPE: DataType = DataType::Utf8;
    type Column = Texts;
    type Builder = SlicesBuilder<String>;
    fn get(column: &Texts, row: usize) -> Self {
        column.raw(row).to_owned()
    }
    fn put(self, builder: &mut Self::Builder) {
        builder.push(&self);
    }
}

impl<'a> Value<'a> for &'a [u8] {
    const TYPE: DataType = DataType::Binary;
    type Column = Binaries;
    type Builder = SlicesBuilder<Vec<u8>>;
    #[inline]
    fn get(column: &'a Binaries, row: usize) -> Self {
        column.raw(row)
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(self);
    }
}

impl<'a> Value<'a> for Cow<'a, [u8]> {
    const TYPE: DataType = DataType::Binary;
    type Column = Binaries;
    type Builder = SlicesBuilder<Vec<u8>>;
    #[inline]
    fn get(column: &'a Binaries, row: usize) -> Self {
        Cow::Borrowed(column.raw(row))
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(&self);
    }
}

impl Value<'_> for Vec<u8> {
    const TYPE: DataType = DataType::Binary;
    type Column = Binaries;
    type Builder = SlicesBuilder<Vec<u8>>;
    fn get(column: &Binaries, row: usize) -> Self {
        column.raw(row).to_vec()
    }
    fn put(self, builder: &mut Self::Builder) {
        builder.push(&self);
    }
}

impl<'a> Value<'a> for &'a [f64] {
    const TYPE: DataType = DataType::Float64List;
    type Column = Lists;
    type Builder = SlicesBuilder<Vec<f64>>;
    #[inline]
    fn get(column: &'a Lists, row: usize) -> Self {
        column.raw(row)
    }
    #[inline]
    fn put(self, builder: &mut Self::Builder) {
        builder.push(self);
    }
}

impl Value<'_> for Vec<f64> {
    const TYPE: DataType = DataType::Float64List;
    type Column = Lists;
    type Builder = SlicesBuilder<Vec<f64>>;
    fn get(column: &Lists, row: usize) -> Self {
        column.raw(row).to_vec()
    }
    fn put(self, builder: &mut Self::Builder) {
        builder.push(&self);
    }
}
