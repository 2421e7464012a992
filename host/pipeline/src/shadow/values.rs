//! Which values of two columns differ, and how a value looks in an example. Columns come in pairs of one type
//! and length; what they belong to is not known here.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, Float32Array, Float64Array, ListArray, make_comparator};
use arrow::buffer::BooleanBuffer;
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// Bytes of a value that are shown.
const VALUE_BYTES_MAX: usize = 256;

/// Rows in which two columns of one type and length differ; none if they do not. Nulls are equal, NaNs are
/// equal, any other floats are if their bits are.
pub(super) fn differing(live: &ArrayRef, candidate: &ArrayRef) -> Result<Option<BooleanBuffer>, ArrowError> {
    if Arc::ptr_eq(live, candidate) || live == candidate {
        return Ok(None);
    }
    let (live, candidate) = (canonical(live)?, canonical(candidate)?);
    let different = match live.data_type() {
        DataType::List(_) => {
            let compare = make_comparator(&live, &candidate, SortOptions::default())?;
            (0..live.len()).map(|row| compare(row, row).is_ne()).collect()
        }
        _ => distinct(&live, &candidate)?.values().clone(),
    };
    Ok((different.count_set_bits() > 0).then_some(different))
}

/// The column with one NaN for all: their bits differ by how they were computed, which means nothing.
fn canonical(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match column.data_type() {
        DataType::Float32 => {
            let floats = column.as_primitive::<Float32Type>();
            let floats: Float32Array = floats.unary(|v| if v.is_nan() { f32::NAN } else { v });
            Arc::new(floats)
        }
        DataType::Float64 => {
            let floats = column.as_primitive::<Float64Type>();
            let floats: Float64Array = floats.unary(|v| if v.is_nan() { f64::NAN } else { v });
            Arc::new(floats)
        }
        DataType::List(item) => {
            let lists = column.as_list::<i32>();
            let (items, offsets) = (canonical(lists.values())?, lists.offsets().clone());
            Arc::new(ListArray::try_new(item.clone(), offsets, items, lists.nulls().cloned())?)
        }
        _ => column.clone(),
    })
}

/// A value as JSON, cut where it is long; a float that JSON does not have is a text.
pub fn shown(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Binary => cut(&String::from_utf8_lossy(column.as_binary::<i32>().value(row))).into(),
        ty => {
            let mut text = Cut::default();
            let options = FormatOptions::default();
            // What cannot be formatted, and what comes after the cut, ends the text.
            let _ = ArrayFormatter::try_new(column.as_ref(), &options)
                .map(|formatter| write!(text, "{}", formatter.value(row)));
            let number = ty.is_integer() || ty.is_floating();
            let number = number.then(|| serde_json::from_str(&text.text).ok()).flatten();
            number.map_or_else(|| text.finish().into(), Value::Number)
        }
    }
}

/// `text`, cut if it is longer than a value is shown.
pub(super) fn cut(text: &str) -> String {
    let mut cut = Cut::default();
    // An error says that it was cut.
    let _ = cut.write_str(text);
    cut.finish()
}

/// Takes so much text and no more.
#[derive(Default)]
struct Cut {
    text: String,
    is_full: bool,
}

impl Cut {
    fn finish(mut self) -> String {
        if self.is_full {
            self.text.push('…');
        }
        self.text
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = VALUE_BYTES_MAX - self.text.len();
        let fits = text.floor_char_boundary(room.min(text.len()));
        self.text.push_str(&text[..fits]);
        self.is_full |= fits < text.len();
        if self.is_full { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{BinaryArray, Int32Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::Int32Type;
    use serde_json::json;

    use super::*;

    fn check(live: ArrayRef, candidate: ArrayRef, expect: &[usize]) {
        let different = differing(&live, &candidate).unwrap();
        let rows: Vec<_> = different.iter().flat_map(BooleanBuffer::set_indices).collect();
        assert_eq!(rows, expect, "{live:?} {candidate:?}");
    }

    #[test]
    fn nulls_are_equal_and_so_are_nans() {
        let other_nan = f64::from_bits(f64::NAN.to_bits() ^ 1);
        let live = vec![Some(1.0), None, Some(f64::NAN), Some(0.0), None, Some(2.0)];
        let candidate = vec![Some(1.0), None, Some(other_nan), Some(-0.0), Some(0.0), Some(3.0)];
        check(Arc::new(Float64Array::from(live)), Arc::new(Float64Array::from(candidate)), &[3, 4, 5]);
        let texts = |texts: [Option<&str>; 3]| Arc::new(StringArray::from(texts.to_vec()));
        check(texts([Some("a"), None, Some("")]), texts([Some("a"), Some(""), None]), &[1, 2]);
    }

    #[test]
    fn lists_are_compared_item_by_item() {
        let lists = |values: Vec<Option<Vec<Option<i32>>>>| -> ArrayRef {
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(values))
        };
        let live = lists(vec![Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(1)])]);
        let candidate = lists(vec![Some(vec![Some(1), None]), Some(vec![]), Some(vec![]), Some(vec![None])]);
        check(live.clone(), candidate, &[1, 3]);
        check(live.slice(2, 2), live.slice(2, 2), &[]);
    }

    #[test]
    fn values_are_shown_as_json_and_long_ones_are_cut() {
        let check = |column: ArrayRef, expect: Value| assert_eq!(shown(&column, 0), expect);
        check(Arc::new(Int32Array::from(vec![-3])), json!(-3));
        check(Arc::new(Float64Array::from(vec![1.5])), json!(1.5));
        check(Arc::new(Float64Array::from(vec![f64::NAN])), json!("NaN"));
        check(Arc::new(Float64Array::from(vec![None])), json!(null));
        check(Arc::new(BinaryArray::from(vec![b"key".as_slice()])), json!("key"));
        let time = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
        check(Arc::new(time), json!("1970-01-01T00:00:00Z"));
        let long = "ü".repeat(1000);
        check(Arc::new(StringArray::from(vec![long.as_str()])), json!("ü".repeat(128) + "…"));
    }
}
