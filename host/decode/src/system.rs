//! Builds the columns that Millstream itself adds to a batch, and event time. Messages and
//! finished columns enter; nothing here looks into a message's value.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Int32Array, Int64Array, ListArray,
    StringArray, StringBuilder, StructArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimeUnit};
use millstream_model::{MessageBatch, columns};

use super::Failure;
use super::column::{from_epoch, to_instant};
use super::iso8601;
use super::number::Number;
use super::plan::EventTimePlan;

/// The columns of [`columns::of_batch`], but for event time given.
pub(super) fn of_batch(batch: &MessageBatch, event_time: ArrayRef) -> Vec<ArrayRef> {
    let rows = batch.len();
    let offsets = Int64Array::from_iter_values(batch.iter().map(|message| message.offset));
    let timestamps = TimestampMicrosecondArray::from_iter(batch.iter().map(|message| message.timestamp_us));
    vec![
        Arc::new(repeated(&batch.partition().topic, rows)),
        Arc::new(Int32Array::from_value(batch.partition().partition, rows)),
        Arc::new(offsets),
        Arc::new(timestamps.with_timezone("UTC")),
        event_time,
        binary(rows, batch.iter().map(|message| message.key)),
    ]
}

/// `_late` of rows that are not.
pub(super) fn on_time(rows: usize) -> ArrayRef {
    Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows), None))
}

/// The columns that only raw tables have: headers, and reason and bytes of what failed.
pub(super) fn of_raw(batch: &MessageBatch, failures: &[Failure]) -> Vec<ArrayRef> {
    let rows = batch.len();
    let mut reasons = vec![None; rows];
    for failure in failures {
        reasons[failure.row] = Some(failure.reason.as_str());
    }
    let bytes =
        batch.iter().zip(&reasons).map(|(message, reason)| message.value.filter(|_| reason.is_some()));
    let (errors, bytes) = if failures.is_empty() {
        (new_null_array(&DataType::Utf8, rows), new_null_array(&DataType::Binary, rows))
    } else {
        (Arc::new(StringArray::from(reasons.clone())) as ArrayRef, binary(rows, bytes))
    };
    vec![headers(batch), errors, bytes]
}

/// Event time of `rows` rows, from the declared columns.
pub(super) fn event_time(plan: &mut EventTimePlan, declared: &[ArrayRef], rows: usize) -> ArrayRef {
    let instants: TimestampMicrosecondArray = match plan {
        EventTimePlan::Absent => return new_null_array(&columns::instant(), rows),
        EventTimePlan::Timestamp(column) => return Arc::clone(&declared[*column]),
        EventTimePlan::Text(column, clock) => {
            let mut instant = |text| to_instant(iso8601::parse(text)?, clock.as_mut());
            declared[*column].as_string::<i32>().iter().map(|text| instant(text?)).collect()
        }
        EventTimePlan::Epoch(column, unit) => epochs(&declared[*column], *unit),
    };
    Arc::new(instants.with_timezone("UTC"))
}

fn epochs(counts: &ArrayRef, unit: TimeUnit) -> TimestampMicrosecondArray {
    let instant = |count: i64| from_epoch(Number::Signed(count), unit);
    match counts.data_type() {
        DataType::Int32 => {
            let counts = counts.as_primitive::<Int32Type>();
            counts.iter().map(|count| instant(i64::from(count?))).collect()
        }
        _ => counts.as_primitive::<Int64Type>().iter().map(|count| instant(count?)).collect(),
    }
}

/// `text`, `rows` times, without a look at each row.
fn repeated(text: &str, rows: usize) -> StringArray {
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(text.len(), rows));
    StringArray::new(offsets, Buffer::from(text.repeat(rows).into_bytes()), None)
}

/// Byte strings; one that would take the column over the 2 GiB its offsets can count is null.
fn binary<'a>(rows: usize, values: impl Iterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let mut builder = BinaryBuilder::with_capacity(rows, 0);
    let mut bytes = 0;
    for value in values {
        let fits = value.filter(|value| i32::try_from(bytes + value.len()).is_ok());
        bytes += fits.map_or(0, <[u8]>::len);
        builder.append_option(fits);
    }
    Arc::new(builder.finish())
}

fn headers(batch: &MessageBatch) -> ArrayRef {
    let rows = batch.len();
    let DataType::List(item) = columns::headers() else { unreachable!("headers are a list") };
    let DataType::Struct(pair) = item.data_type().clone() else { unreachable!("of key and value") };
    if batch.iter().all(|message| message.headers.is_empty()) {
        return new_null_array(&columns::headers(), rows);
    }
    let mut keys = StringBuilder::new();
    let all = || batch.iter().flat_map(|message| message.headers);
    for header in all() {
        keys.append_value(&header.key);
    }
    let values = binary(keys.len(), all().map(|header| header.value.as_deref()));
    let pairs = StructArray::new(pair, vec![Arc::new(keys.finish()), values], None);
    let offsets = OffsetBuffer::from_lengths(batch.iter().map(|message| message.headers.len()));
    let present: NullBuffer = batch.iter().map(|message| !message.headers.is_empty()).collect();
    Arc::new(ListArray::new(item, offsets, Arc::new(pairs), Some(present)))
}
