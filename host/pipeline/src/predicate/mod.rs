//! Conditions over the columns of a batch, written as in SQL: `type = 'Fire' and "location.lat" > 52`.
//! A text is parsed ([`syntax`]), compiled against the schema of the rows ([`compile`]) and evaluated with
//! Arrow's kernels, a batch at a time ([`evaluate`]). What a condition is used for is for others to know.

mod compile;
mod error;
mod evaluate;
mod literal;
mod syntax;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::Schema;
use arrow::error::ArrowError;

pub(crate) use error::did_you_mean;
pub use error::{Position, PredicateError};

/// A condition that fits a schema: parse it once, evaluate it for every batch.
///
/// Logic has three values, as in SQL: a comparison with null is neither true nor false, and what is not
/// true is not matched. Numbers of different types are compared as numbers, exactly; floats by IEEE 754
/// (`-0.0 = 0.0`).
/// Times are written as ISO-8601 texts; one without an offset is in UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    text: String,
    condition: Condition,
    columns: BTreeSet<String>,
}

impl Predicate {
    /// Parses `text` and checks that it fits rows of `schema`.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, PredicateError> {
        let condition = compile::condition(&syntax::parse(text)?, schema)?;
        let mut columns = BTreeSet::new();
        condition.collect_columns(&mut columns);
        Ok(Self { text: text.to_owned(), condition, columns })
    }

    /// The columns that it reads, by name.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// One value for each of `rows`, never null: true where the condition is true. The rows have the
    /// predicate's columns, under their names and of their types; what else they have does not matter.
    pub fn evaluate(&self, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let matched = evaluate::evaluate(&self.condition, rows)?;
        Ok(if matched.nulls().is_some() { prep_null_mask_filter(&matched) } else { matched })
    }
}

/// The predicate as it was written.
impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The one of `known` that the writer of `name` may have meant.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let distance = |known: &str| strsim::levenshtein(&known.to_lowercase(), &name.to_lowercase());
    let nearest = known.map(|known| (distance(known), known)).min()?;
    (nearest.0 <= (name.chars().count() / 3).max(1)).then(|| nearest.1.clone())
}

/// A condition whose columns exist and whose types fit.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Constant(bool),
    /// A boolean column.
    Flag(Column),
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    IsNull(String),
    Compare(Column, Comparison, Value),
    CompareColumns(Column, Comparison, Column),
    In(Column, Set),
    Like {
        column: Column,
        pattern: String,
        ignore_case: bool,
    },
}

/// A column and how its values are read.
#[derive(Clone, Debug, PartialEq)]
struct Column {
    name: String,
    kind: Kind,
}

/// What values are compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    /// As 64-bit integers.
    Integer,
    /// As 64-bit floats.
    Float,
    Text,
    /// As days since the epoch.
    Date,
    /// As microseconds since the epoch, UTC.
    Instant,
    /// As microseconds of a clock whose zone is not stated.
    LocalTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A constant as its column's values are read: dates and times are integers.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

/// Constants, sorted.
#[derive(Clone, Debug, PartialEq)]
enum Set {
    Booleans(Vec<bool>),
    Integers(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
}

impl Condition {
    fn collect_columns(&self, columns: &mut BTreeSet<String>) {
        match self {
            Self::Constant(_) => {}
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.collect_columns(columns));
            }
            Self::Not(part) => part.collect_columns(columns),
            Self::IsNull(name) => drop(columns.insert(name.clone())),
            Self::Flag(column)
            | Self::Compare(column, ..)
            | Self::In(column, _)
            | Self::Like { column, .. } => drop(columns.insert(column.name.clone())),
            Self::CompareColumns(left, _, right) => {
                columns.extend([left.name.clone(), right.name.clone()]);
            }
        }
    }
}
