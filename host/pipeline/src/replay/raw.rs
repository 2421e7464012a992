//! Messages from rows of the raw table and of the dead-letter table. Rows of a file come in, in whatever order;
//! batches of single partitions leave, whose offsets rise, with their columns where the rows have them: what
//! was decoded once is not decoded again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, ListArray, RecordBatch, UInt32Array,
};
use arrow::compute::{filter_record_batch, is_null, not, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use millstream_model::{Header, MessageBatch, MessageRef, Offset, TopicPartition, columns};

use super::scope::{Places, Scope};
use super::{ReplayError, rebuilt};
use crate::dead_letter::headers_of;
use crate::decode::Decoded;
use crate::plan::StreamPlan;

/// Header of a message that was rebuilt from its columns.
const REBUILT: &str = "millstream.rebuilt";

/// Messages of one partition, with their columns if these are known.
pub(super) struct Portion {
    pub(super) batch: MessageBatch,
    pub(super) decoded: Option<Decoded>,
}

/// Those of `rows` that are of the scope and pass `choose`, by partition, with rising offsets.
pub(super) fn by_partition(
    scope: &Scope,
    rows: &RecordBatch,
    mut choose: impl FnMut(usize, i32, Offset) -> bool,
) -> Result<Vec<(TopicPartition, RecordBatch)>, ArrowError> {
    let (Some(places), Some(covers)) = (Places::of(rows), scope.covers(rows)) else { return Ok(Vec::new()) };
    let mut chosen: BTreeMap<i32, Vec<(Offset, u32)>> = BTreeMap::new();
    for (row, number) in (0..rows.num_rows()).zip(0u32..) {
        let (partition, offset) = (places.partitions.value(row), places.offsets.value(row));
        if covers.value(row) && choose(row, partition, offset) {
            chosen.entry(partition).or_default().push((offset, number));
        }
    }
    let sorted = chosen.into_iter().map(|(partition, mut rows_of)| {
        rows_of.sort_unstable();
        let numbers = UInt32Array::from_iter_values(rows_of.into_iter().map(|(_, row)| row));
        Ok((scope.partition(partition), take_record_batch(rows, &numbers)?))
    });
    sorted.collect()
}

/// The messages of raw rows of one partition with rising offsets: those that were decoded with their columns,
/// the others as they came. `row_schema` are the columns that the stream's decoder makes, `path` is the file.
pub(super) fn portions(
    plan: &StreamPlan,
    row_schema: &SchemaRef,
    path: &str,
    partition: &TopicPartition,
    rows: &RecordBatch,
) -> Result<Vec<Portion>, ReplayError> {
    let changed =
        |difference: String| ReplayError::SchemaChanged { table: plan.raw.name.clone(), difference };
    let in_file = |source| ReplayError::Rows { path: path.to_owned(), source };
    let twice = |offset| damaged(path, partition, offset);
    let error = rows
        .column_by_name(columns::ERROR)
        .ok_or_else(|| changed("they have no column `_error`".to_owned()))?;
    let is_decoded = is_null(error).map_err(in_file)?;
    let failed = filter_record_batch(rows, &not(&is_decoded).map_err(in_file)?).map_err(in_file)?;
    let decoded = filter_record_batch(rows, &is_decoded).map_err(in_file)?;
    let mut portions = Vec::new();
    for (batch, _) in batches(partition, &failed, &values(&failed, columns::BYTES), false).map_err(twice)? {
        portions.push(Portion { batch, decoded: None });
    }
    let columns = as_decoded(row_schema, &decoded).map_err(changed)?;
    let rebuilt = rebuilt::messages(&plan.schema, &decoded);
    let rebuilt: Vec<_> = rebuilt.iter().map(|message| Some(message.as_slice())).collect();
    for (batch, span) in batches(partition, &decoded, &rebuilt, true).map_err(twice)? {
        let of_span = |rows: &RecordBatch| rows.slice(span.start, span.len());
        let decoded = Decoded { raw: of_span(&decoded), rows: of_span(&columns), failures: Vec::new() };
        portions.push(Portion { batch, decoded: Some(decoded) });
    }
    Ok(portions)
}

/// The messages of dead letters of one partition with rising offsets, as they came.
pub(super) fn letters(
    path: &str,
    partition: &TopicPartition,
    rows: &RecordBatch,
) -> Result<Vec<MessageBatch>, ReplayError> {
    let batches = batches(partition, rows, &values(rows, "_value"), false);
    let batches = batches.map_err(|offset| damaged(path, partition, offset))?;
    Ok(batches.into_iter().map(|(batch, _)| batch).collect())
}

fn damaged(path: &str, partition: &TopicPartition, offset: Offset) -> ReplayError {
    let problem = format!("offset {offset} of {partition} is there twice");
    ReplayError::Damaged { path: path.to_owned(), problem }
}

/// The columns of `schema` out of raw rows, or in what they differ.
fn as_decoded(schema: &SchemaRef, raw: &RecordBatch) -> Result<RecordBatch, String> {
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        let name = field.name();
        if name == columns::LATE {
            // A replay judges nothing.
            arrays.push(Arc::new(BooleanArray::from(vec![false; raw.num_rows()])));
            continue;
        }
        let Some(column) = raw.column_by_name(name) else {
            return Err(format!("they have no column `{name}`"));
        };
        if column.data_type() != field.data_type() {
            return Err(format!(
                "column `{name}` is {} there and {} now",
                column.data_type(),
                field.data_type()
            ));
        }
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(format!("column `{name}` is null in some, and required now"));
        }
        arrays.push(column.clone());
    }
    RecordBatch::try_new(schema.clone(), arrays).map_err(|error| error.to_string())
}

/// Messages of rows whose offsets rise, in batches that each have room for them, with the rows of each.
fn batches(
    partition: &TopicPartition,
    rows: &RecordBatch,
    values: &[Option<&[u8]>],
    is_rebuilt: bool,
) -> Result<Vec<(MessageBatch, Range<usize>)>, Offset> {
    let Some(places) = Places::of(rows) else { return Ok(Vec::new()) };
    let timestamps = rows.column_by_name(columns::TIMESTAMP);
    let timestamps = timestamps.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
    let keys = bytes(rows, columns::KEY);
    let headers = rows.column_by_name(columns::HEADERS).and_then(|headers| headers.as_list_opt::<i32>());
    let mut batches: Vec<(MessageBatch, Range<usize>)> = Vec::new();
    for (row, value) in values.iter().enumerate() {
        let offset = places.offsets.value(row);
        let headers = headers.map_or_else(Vec::new, |headers| headers_at(headers, row, is_rebuilt));
        let message = MessageRef {
            offset,
            timestamp_us: timestamps.filter(|times| times.is_valid(row)).map(|times| times.value(row)),
            key: keys.filter(|keys| keys.is_valid(row)).map(|keys| keys.value(row)),
            value: *value,
            headers: &headers,
        };
        if batches.last().is_some_and(|(batch, _)| offset < batch.range().end) {
            return Err(offset);
        }
        let has_room = batches.last_mut().is_some_and(|(batch, span)| {
            span.end = row + usize::from(batch.push(message).is_ok());
            span.end > row
        });
        if !has_room {
            let mut batch = MessageBatch::new(partition.clone(), offset);
            batch.push(message).expect("one message is smaller than a batch may be");
            batches.push((batch, row..row + 1));
        }
    }
    Ok(batches)
}

fn headers_at(headers: &ListArray, row: usize, is_rebuilt: bool) -> Vec<Header> {
    let original = headers_of(headers, row).into_iter().map(|(key, value)| Header { key, value });
    let mark = is_rebuilt.then(|| Header { key: REBUILT.to_owned(), value: Some(b"columns".to_vec()) });
    original.chain(mark).collect()
}

fn bytes<'a>(rows: &'a RecordBatch, name: &str) -> Option<&'a BinaryArray> {
    rows.column_by_name(name)?.as_binary_opt()
}

/// The byte strings of a column, null where there is no such column.
fn values<'a>(rows: &'a RecordBatch, name: &str) -> Vec<Option<&'a [u8]>> {
    let column = bytes(rows, name);
    let value = |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row));
    (0..rows.num_rows()).map(value).collect()
}
