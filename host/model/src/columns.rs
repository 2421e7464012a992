//! The columns that Millstream itself adds. Their names begin with an underscore, which no declared
//! column may.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// Topic the row came from (utf8).
pub const TOPIC: &str = "_topic";
/// Partition the row came from (int32).
pub const PARTITION: &str = "_partition";
/// Offset of the message the row came from (int64).
pub const OFFSET: &str = "_offset";
/// Which of several rows of one message this is, from 0 (int32). Curated tables only.
pub const ORDINAL: &str = "_ordinal";
/// Timestamp that the source gave the message (timestamp, microseconds, UTC; null if it gave none).
pub const TIMESTAMP: &str = "_timestamp";
/// Event time: the stream's event-time column as an instant (timestamp, microseconds, UTC; null if
/// it could not be read).
pub const EVENT_TIME: &str = "_event_time";
/// Whether the message was late (boolean). Raw tables and tables behind the steps, of streams that ask for it.
pub const LATE: &str = "_late";
/// Message key (binary).
pub const KEY: &str = "_key";
/// Message headers (list of key and value; null if there were none). Raw and dead-letter tables only.
pub const HEADERS: &str = "_headers";
/// Why the message could not be decoded (utf8). Raw tables only.
pub const ERROR: &str = "_error";
/// The original message, where it could not be decoded (binary). Raw tables only.
pub const BYTES: &str = "_bytes";
/// The fields that the schema does not declare, as JSON text (utf8), if the stream keeps them.
pub const UNKNOWN: &str = "_unknown";

/// The column that tables are partitioned by: the UTC day of the event time. No declared column may have this name.
pub const DAY: &str = "day";

/// A UTC instant with microseconds: the type of every time that Millstream itself writes.
pub fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// Type of [`HEADERS`]: a list, since Kafka allows one key several times and keeps the order.
pub fn headers() -> DataType {
    let pair = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Binary, true),
    ]);
    DataType::List(Arc::new(Field::new("item", DataType::Struct(pair), false)))
}

/// The columns that every decoded batch carries behind its declared ones, in this order:
/// `_topic, _partition, _offset, _timestamp, _event_time, _key`. Plugins may read them and may not
/// write them.
pub fn of_batch() -> Vec<Field> {
    vec![
        Field::new(TOPIC, DataType::Utf8, false),
        Field::new(PARTITION, DataType::Int32, false),
        Field::new(OFFSET, DataType::Int64, false),
        Field::new(TIMESTAMP, instant(), true),
        Field::new(EVENT_TIME, instant(), true),
        Field::new(KEY, DataType::Binary, true),
    ]
}

/// True for the names that are kept for Millstream.
pub fn is_system(name: &str) -> bool {
    name.starts_with('_')
}
