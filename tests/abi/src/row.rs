//! The one kind of row of the proof, and batches of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use millstream_model::columns;

/// A row in arrival order; `input` and `offset` identify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Index of the step's input.
    pub input: u32,
    /// Position within the input.
    pub offset: u64,
    /// Event time, microseconds since the epoch.
    pub event_time: i64,
    /// First part of a composite key.
    pub region: Option<String>,
    /// The key, or its second part.
    pub key: Option<String>,
    /// What is counted; `i64::MIN` is the poison that some guests fail on.
    pub amount: i64,
}

/// A value of a column: all that the proof's rows are made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Utf8.
    Text(String),
    /// Int64 and timestamps.
    Integer(i64),
    /// Of either type.
    Null,
}

/// What batches of rows look like.
pub(crate) fn schema() -> SchemaRef {
    let own = [
        Field::new("region", DataType::Utf8, true),
        Field::new("key", DataType::Utf8, false),
        Field::new("amount", DataType::Int64, false),
    ];
    // All rows have an event time, and the guests count on it.
    let system = columns::of_batch().into_iter().map(|field| match field.name().as_str() {
        columns::EVENT_TIME => field.with_nullable(false),
        _ => field,
    });
    Arc::new(Schema::new(own.into_iter().chain(system).collect::<Vec<_>>()))
}

/// Rows of one input as a batch.
pub(crate) fn batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let count = rows.len();
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.event_time));
    let times: ArrayRef = Arc::new(times.with_timezone("UTC"));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.region.as_deref()).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| row.key.as_deref()).collect::<StringArray>()),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.amount))),
        Arc::new(StringArray::from(vec!["topic"; count])),
        Arc::new(Int32Array::from(vec![0; count])),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.offset as i64))),
        Arc::clone(&times),
        times,
        Arc::new(BinaryArray::from(vec![b"".as_slice(); count])),
    ];
    RecordBatch::try_new(schema(), columns)
}
