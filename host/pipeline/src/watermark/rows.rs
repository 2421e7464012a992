//! Marks late rows in a decoded batch, or takes them out of it. Which ones are late has been decided.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::compute::{filter, filter_record_batch};
use arrow::util::bit_util;
use millstream_model::columns;

use super::LateRow;
use crate::decode::Decoded;

/// Why a late message is a dead letter. As other reasons it can be counted, so it says no times: they are in
/// the letter.
pub fn reason(late: &LateRow) -> &'static str {
    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match late.by_us {
        ..MINUTE => "late: event time less than a minute before the watermark",
        ..HOUR => "late: event time less than an hour before the watermark",
        ..DAY => "late: event time less than a day before the watermark",
        _ => "late: event time a day or more before the watermark",
    }
}

/// True for the late ones of `rows` rows.
pub fn mask(rows: usize, late: &[LateRow]) -> BooleanArray {
    let mut bits = MutableBuffer::from_len_zeroed(bit_util::ceil(rows, 8));
    late.iter().for_each(|late| bit_util::set_bit(&mut bits, late.row));
    BooleanArray::new(BooleanBuffer::new(bits.into(), 0, rows), None)
}

/// Sets `_late` of the late rows. The batch is of a schema that flags them.
pub fn flag(decoded: &mut Decoded, late: &[LateRow]) {
    if late.is_empty() {
        return;
    }
    let marks = mask(decoded.raw.num_rows(), late);
    decoded.rows = with_marks(&decoded.rows, of_decoded(decoded, &marks));
    decoded.raw = with_marks(&decoded.raw, Arc::new(marks));
}

/// Takes the late rows out of those that decoded; the raw rows stay.
pub fn take_out(decoded: &mut Decoded, late: &[LateRow]) {
    if late.is_empty() {
        return;
    }
    let mut kept = vec![true; decoded.raw.num_rows()];
    late.iter().for_each(|late| kept[late.row] = false);
    let kept = of_decoded(decoded, &BooleanArray::from(kept));
    let kept = arrow::array::AsArray::as_boolean(&kept);
    decoded.rows = filter_record_batch(&decoded.rows, kept).expect("one mark for each row");
}

/// Marks of all messages, for those that decoded.
fn of_decoded(decoded: &Decoded, marks: &BooleanArray) -> ArrayRef {
    let mut is_decoded = vec![true; decoded.raw.num_rows()];
    decoded.failures.iter().for_each(|failure| is_decoded[failure.row] = false);
    filter(marks, &BooleanArray::from(is_decoded)).expect("one mark for each message")
}

fn with_marks(rows: &RecordBatch, marks: ArrayRef) -> RecordBatch {
    let (schema, mut arrays, _) = rows.clone().into_parts();
    let column = schema.index_of(columns::LATE).expect("the decoder makes the column where it is asked for");
    arrays[column] = marks;
    RecordBatch::try_new(schema, arrays).expect("a boolean for each row, in place of another one")
}
