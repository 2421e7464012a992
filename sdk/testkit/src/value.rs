//! Values of Arrow columns as JSON, the way `expected.jsonl` writes them: instants and dates as ISO 8601, floats in as
//! few digits as tell them from every other, bytes in hexadecimal digits. What JSON has no word for is a text.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::array_value_to_string;
use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan as _};
use serde_json::Value;

/// The value of `column` in `row`.
pub(crate) fn value(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => Value::from(column.as_boolean().value(row)),
        DataType::Int32 => Value::from(column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => shortest(column.as_primitive::<Float32Type>().value(row)),
        DataType::Utf8 => Value::from(column.as_string::<i32>().value(row)),
        DataType::Binary => Value::from(hex::encode(column.as_binary::<i32>().value(row))),
        DataType::Date32 => date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(unit, zone) => instant(since_1970(column, row, *unit), *unit, zone.is_some()),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|item| value(&items, item)).collect()
        }
        _ => text(column, row),
    }
}

/// True if two values are the same; how a number is written says nothing. Floats are the same bit by bit, so -0.0 is
/// not 0.0; an integer is the float of exactly that value.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => a == b,
            (Some(integer), None) => b.as_f64().is_some_and(|float| is_exactly(float, integer)),
            (None, Some(integer)) => a.as_f64().is_some_and(|float| is_exactly(float, integer)),
            (None, None) => a.as_f64().map(f64::to_bits) == b.as_f64().map(f64::to_bits),
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (one, other) => one == other,
    }
}

/// True if `float` is `integer`, and not merely the float that is nearest to it.
fn is_exactly(float: f64, integer: i128) -> bool {
    let is_negative_zero = float == 0.0 && float.is_sign_negative();
    // Integers of JSON have 64 bits: a float that large is one exactly, or its conversion says another number.
    !is_negative_zero && float.fract() == 0.0 && float as i128 == integer
}

fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| Value::from(number.to_string()), Value::Number)
}

/// As a 32-bit float is written, not the 64-bit float that it is exactly.
fn shortest(number: f32) -> Value {
    number.to_string().parse().map_or(Value::Null, float)
}

fn text(column: &dyn Array, row: usize) -> Value {
    array_value_to_string(column, row).map_or(Value::Null, Value::from)
}

fn date(days: i32) -> Value {
    let date = Date::constant(1970, 1, 1).checked_add(i64::from(days).days());
    date.map_or_else(|_| Value::from(days), |date| Value::from(date.to_string()))
}

fn since_1970(column: &dyn Array, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => column.as_primitive::<TimestampSecondType>().value(row),
        TimeUnit::Millisecond => column.as_primitive::<TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => column.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => column.as_primitive::<TimestampNanosecondType>().value(row),
    }
}

/// With a `Z` if it is one; wall-clock times have none. The number itself if it is beyond the calendar.
fn instant(count: i64, unit: TimeUnit, is_utc: bool) -> Value {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let nanoseconds = count.rem_euclid(per_second) * (1_000_000_000 / per_second);
    // In two steps: nanoseconds of years do not fit.
    let time = Date::constant(1970, 1, 1)
        .at(0, 0, 0, 0)
        .checked_add(SignedDuration::from_secs(count.div_euclid(per_second)))
        .and_then(|time| time.checked_add(SignedDuration::from_nanos(nanoseconds)));
    match time {
        Ok(time) => Value::from(format!("{time}{}", if is_utc { "Z" } else { "" })),
        Err(_) => Value::from(count),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, Date32Array, Float32Array, Float64Array, ListArray, TimestampMicrosecondArray,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_the_same_only_if_no_bit_is_lost() {
        let check = |one: Value, other: Value, expect: bool| {
            assert_eq!((same(&one, &other), same(&other, &one)), (expect, expect), "{one} and {other}");
        };
        check(json!(2), json!(2.0), true);
        check(json!(0), json!(0.0), true);
        check(json!(0.0), json!(-0.0), false);
        check(json!(0), json!(-0.0), false);
        check(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0), false);
        check(json!(u64::MAX), json!(18_446_744_073_709_551_616.0), false);
        check(json!([1, 2.5]), json!([1.0, 2.5]), true);
    }

    #[test]
    fn values_are_written_as_people_write_them() {
        let check = |array: ArrayRef, expect: Value| assert_eq!(value(&array, 0), expect);
        check(Arc::new(Float64Array::from(vec![0.1])), json!(0.1));
        check(Arc::new(Float32Array::from(vec![0.1])), json!(0.1));
        check(Arc::new(Float64Array::from(vec![f64::NAN])), json!("NaN"));
        check(Arc::new(Float64Array::from(vec![None])), Value::Null);
        check(Arc::new(BinaryArray::from(vec![b"\x00\xff".as_slice()])), json!("00ff"));
        check(Arc::new(Date32Array::from(vec![-1])), json!("1969-12-31"));
        let micros = || TimestampMicrosecondArray::from(vec![-1]);
        check(Arc::new(micros().with_timezone("UTC")), json!("1969-12-31T23:59:59.999999Z"));
        check(Arc::new(micros()), json!("1969-12-31T23:59:59.999999"));
        check(
            Arc::new(TimestampMicrosecondArray::from(vec![i64::MAX]).with_timezone("UTC")),
            json!(i64::MAX),
        );
        let list = ListArray::from_iter_primitive::<Float64Type, _, _>([Some([Some(1.5), None])]);
        check(Arc::new(list), json!([1.5, null]));
    }

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        let check =
            |one: Value, other: Value, expect| assert_eq!(same(&one, &other), expect, "{one} {other}");
        check(json!(3), json!(3.0), true);
        check(json!([1, 2.0]), json!([1.0, 2]), true);
        check(json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), false);
        check(json!(0.1), json!(0.100_000_000_000_000_02), false);
        check(json!("3"), json!(3), false);
        check(json!(null), json!(0), false);
    }
}
