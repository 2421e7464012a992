//! Evaluates a [`Condition`] on a batch, column by column. Rows enter as Arrow arrays, one value of
//! three-valued logic a row leaves: null where it is neither true nor false.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, Float64Array, Int64Array};
use arrow::array::{RecordBatch, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::{cmp, comparison};
use arrow::compute::{and_kleene, cast, is_null, not, or_kleene};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;

use super::{Column, Comparison, Condition, Kind, Set, Value};

/// The value of `condition` for each of `rows`.
pub(super) fn evaluate(condition: &Condition, rows: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    match condition {
        Condition::Constant(value) => Ok(constant(*value, rows.num_rows())),
        Condition::Flag(column) => Ok(array(rows, &column.name)?.as_boolean().clone()),
        Condition::All(parts) => fold(parts, rows, true, and_kleene),
        Condition::Any(parts) => fold(parts, rows, false, or_kleene),
        Condition::Not(part) => not(&evaluate(part, rows)?),
        Condition::IsNull(name) => is_null(array(rows, name)?),
        Condition::Compare(column, comparison, value) => compare(rows, column, *comparison, value),
        Condition::CompareColumns(left, comparison, right) => compare_columns(rows, left, *comparison, right),
        Condition::In(column, set) => contains(rows, column, set),
        Condition::Like { column, pattern, ignore_case } => {
            let values = read(rows, column)?;
            let pattern = StringArray::new_scalar(pattern);
            if *ignore_case {
                comparison::ilike(&values, &pattern)
            } else {
                comparison::like(&values, &pattern)
            }
        }
    }
}

fn constant(value: bool, rows: usize) -> BooleanArray {
    BooleanArray::new(if value { BooleanBuffer::new_set(rows) } else { BooleanBuffer::new_unset(rows) }, None)
}

fn fold(
    parts: &[Condition],
    rows: &RecordBatch,
    neutral: bool,
    join: impl Fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>,
) -> Result<BooleanArray, ArrowError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(constant(neutral, rows.num_rows())) };
    rest.iter().try_fold(evaluate(first, rows)?, |joined, part| join(&joined, &evaluate(part, rows)?))
}

fn compare(
    rows: &RecordBatch,
    column: &Column,
    comparison: Comparison,
    value: &Value,
) -> Result<BooleanArray, ArrowError> {
    let values = read(rows, column)?;
    match value {
        Value::Boolean(value) => comparison.apply(&values, &BooleanArray::new_scalar(*value)),
        Value::Integer(value) => comparison.apply(&values, &Int64Array::new_scalar(*value)),
        Value::Text(value) => comparison.apply(&values, &StringArray::new_scalar(value)),
        Value::Float(value) => {
            let floats: &Float64Array = values.as_primitive::<Float64Type>();
            let values = floats.values();
            Ok(matches(values.len(), floats.nulls().cloned(), |row| {
                comparison.holds(values[row].partial_cmp(value))
            }))
        }
    }
}

fn compare_columns(
    rows: &RecordBatch,
    left: &Column,
    comparison: Comparison,
    right: &Column,
) -> Result<BooleanArray, ArrowError> {
    let (left_values, right_values) = (read(rows, left)?, read(rows, right)?);
    let nulls = NullBuffer::union(left_values.nulls(), right_values.nulls());
    let integers = |values: &ArrayRef| values.as_primitive::<Int64Type>().values().clone();
    let floats = |values: &ArrayRef| values.as_primitive::<Float64Type>().values().clone();
    match (left.kind, right.kind) {
        (Kind::Float, Kind::Float) => {
            let (left, right) = (floats(&left_values), floats(&right_values));
            Ok(matches(left.len(), nulls, |row| comparison.holds(left[row].partial_cmp(&right[row]))))
        }
        (Kind::Integer, Kind::Float) => {
            let (left, right) = (integers(&left_values), floats(&right_values));
            Ok(matches(left.len(), nulls, |row| comparison.holds(order(left[row], right[row]))))
        }
        (Kind::Float, Kind::Integer) => {
            let (left, right) = (floats(&left_values), integers(&right_values));
            let order = |row| order(right[row], left[row]).map(Ordering::reverse);
            Ok(matches(left.len(), nulls, |row| comparison.holds(order(row))))
        }
        _ => comparison.apply(&left_values, &right_values),
    }
}

/// Compares the numbers themselves: as a float, an integer beyond 2^53 would become a neighbour.
fn order(integer: i64, float: f64) -> Option<Ordering> {
    /// The first float that is greater than all integers.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if float >= BEYOND {
        Some(Ordering::Less)
    } else if float < -BEYOND {
        Some(Ordering::Greater)
    } else {
        let fraction = 0.0.partial_cmp(&float.fract())?;
        Some(integer.cmp(&(float.trunc() as i64)).then(fraction))
    }
}

fn contains(rows: &RecordBatch, column: &Column, set: &Set) -> Result<BooleanArray, ArrowError> {
    let values = read(rows, column)?;
    let nulls = values.nulls().cloned();
    let len = values.len();
    Ok(match set {
        Set::Booleans(set) => {
            let values = values.as_boolean();
            matches(len, nulls, |row| set.contains(&values.value(row)))
        }
        Set::Integers(set) => {
            let values = values.as_primitive::<Int64Type>().values();
            matches(len, nulls, |row| set.binary_search(&values[row]).is_ok())
        }
        Set::Floats(set) => {
            let values = values.as_primitive::<Float64Type>().values();
            let order = |known: &f64, value: f64| known.partial_cmp(&value).unwrap_or(Ordering::Less);
            matches(len, nulls, |row| set.binary_search_by(|known| order(known, values[row])).is_ok())
        }
        Set::Texts(set) => {
            let values = values.as_string::<i32>();
            matches(len, nulls, |row| {
                set.binary_search_by(|known| known.as_str().cmp(values.value(row))).is_ok()
            })
        }
    })
}

impl Comparison {
    fn apply(self, left: &dyn Datum, right: &dyn Datum) -> Result<BooleanArray, ArrowError> {
        match self {
            Self::Equal => cmp::eq(left, right),
            Self::NotEqual => cmp::neq(left, right),
            Self::Less => cmp::lt(left, right),
            Self::LessOrEqual => cmp::lt_eq(left, right),
            Self::Greater => cmp::gt(left, right),
            Self::GreaterOrEqual => cmp::gt_eq(left, right),
        }
    }

    /// Whether two numbers of this order compare so; numbers that have none are unequal and nothing else.
    /// Arrow's kernels are not used for floats: they order them totally, so that `-0.0 < 0.0`.
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order.is_some_and(Ordering::is_lt),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order.is_some_and(Ordering::is_gt),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

fn matches(rows: usize, nulls: Option<NullBuffer>, matches: impl FnMut(usize) -> bool) -> BooleanArray {
    BooleanArray::new(BooleanBuffer::collect_bool(rows, matches), nulls)
}

/// The column's values as its kind is compared.
fn read(rows: &RecordBatch, column: &Column) -> Result<ArrayRef, ArrowError> {
    let values = array(rows, &column.name)?;
    match column.kind {
        Kind::Boolean => Ok(values.clone()),
        Kind::Text => cast(values, &DataType::Utf8),
        Kind::Integer => cast(values, &DataType::Int64),
        Kind::Float => cast(values, &DataType::Float64),
        Kind::Date => cast(&cast(values, &DataType::Int32)?, &DataType::Int64),
        Kind::Instant | Kind::LocalTime => {
            let zone = match values.data_type() {
                DataType::Timestamp(_, zone) => zone.clone(),
                _ => None,
            };
            cast(&cast(values, &DataType::Timestamp(TimeUnit::Microsecond, zone))?, &DataType::Int64)
        }
    }
}

fn array<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    rows.column_by_name(name)
        .ok_or_else(|| ArrowError::SchemaError(format!("the rows have no column `{name}`")))
}
