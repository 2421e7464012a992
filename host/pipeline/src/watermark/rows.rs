//! Marks late rows in a decoded batch, or takes them out of it. Which ones are late has been decided.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::{filter, filter_record_batch, not};
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
        MINUTE..HOUR => "late: event time less than an hour before the watermark",
        HOUR..DAY => "late: event time less than a day before the watermark",
        _ => "late: event time a day or more before the watermark",
    }
}

/// True for the late ones of `rows` rows.
pub(super) fn mask(rows: usize, late: &[LateRow]) -> BooleanArray {
    let mut marks = BooleanBufferBuilder::new(rows);
    marks.append_n(rows, false);
    late.iter().for_each(|late| marks.set_bit(late.row, true));
    BooleanArray::new(marks.finish(), None)
}

/// Sets `_late` of the late rows. The batch is of a schema that flags them.
pub fn flag(decoded: &mut Decoded, late: &[LateRow]) {
    if late.is_empty() {
        return;
    }
    let marks = mask(decoded.raw.num_rows(), late);
    decoded.rows = with_marks(&decoded.rows, Arc::new(of_decoded(decoded, &marks)));
    decoded.raw = with_marks(&decoded.raw, Arc::new(marks));
}

/// Takes the late rows out of those that decoded; the raw rows stay.
pub fn take_out(decoded: &mut Decoded, late: &[LateRow]) {
    if late.is_empty() {
        return;
    }
    let late = mask(decoded.raw.num_rows(), late);
    let kept = of_decoded(decoded, &not(&late).expect("marks are not null"));
    decoded.rows = filter_record_batch(&decoded.rows, &kept).expect("one mark for each row");
}

/// Marks of all messages, for those that decoded.
fn of_decoded(decoded: &Decoded, marks: &BooleanArray) -> BooleanArray {
    let mut is_decoded = vec![true; decoded.raw.num_rows()];
    decoded.failures.iter().for_each(|failure| is_decoded[failure.row] = false);
    let marks = filter(marks, &BooleanArray::from(is_decoded)).expect("one mark for each message");
    marks.as_boolean().clone()
}

fn with_marks(rows: &RecordBatch, marks: ArrayRef) -> RecordBatch {
    let (schema, mut arrays, _) = rows.clone().into_parts();
    let column = schema.index_of(columns::LATE).expect("the decoder makes the column where it is asked for");
    arrays[column] = marks;
    RecordBatch::try_new(schema, arrays).expect("a boolean for each row, in place of another one")
}
