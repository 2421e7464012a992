//! Messages that could not be processed, kept with their reason and their original bytes. They come
//! in one at a time from the decoder and the steps and leave as rows of the one dead-letter table.
//! What made them fail is for others to know.

mod rows;

use std::mem::take;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
    StructBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use millstream_engine::Cause;
use millstream_model::{Digest, Header, MessageRef, TopicPartition, columns};

use crate::sink::TableSpec;

pub(crate) use rows::headers_of;
pub use rows::{Letter, Letters};

/// Name of the dead-letter table.
pub const TABLE: &str = "dead_letters";

/// Step, and cause, of letters that could not be decoded.
pub const DECODE: &str = "decode";

/// Step of letters that were late.
pub const WATERMARK: &str = "watermark";
/// Cause of letters that were late.
const LATE: &str = "late";

/// Where a message failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// It is not what the stream's schema declares.
    Decode,
    /// It was late, and its stream does not take late messages.
    Late,
    /// A step could not process it or rejected it.
    Step {
        /// Name of the step.
        step: &'a str,
        /// Digest of its plugin.
        plugin: Digest,
        /// Why, for machines.
        cause: Cause,
    },
}

/// One message that could not be processed.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// The stream.
    pub stream: &'a str,
    /// Where it failed.
    pub failure: Failure<'a>,
    /// Why, for people: ``missing `model`; found `mode` ``.
    pub reason: &'a str,
    /// Event time in microseconds since the epoch, if it could be read.
    pub event_time_us: Option<i64>,
    /// Partition of the message.
    pub partition: &'a TopicPartition,
    /// The message as it came.
    pub message: MessageRef<'a>,
}

/// The dead-letter table: one for all streams.
pub fn table() -> TableSpec {
    let fields = vec![
        Field::new("stream", DataType::Utf8, false),
        Field::new("step", DataType::Utf8, false),
        Field::new("reason", DataType::Utf8, false),
        Field::new("cause", DataType::Utf8, false),
        Field::new("plugin", DataType::Utf8, true),
        Field::new(columns::TOPIC, DataType::Utf8, false),
        Field::new(columns::PARTITION, DataType::Int32, false),
        Field::new(columns::OFFSET, DataType::Int64, false),
        Field::new(columns::TIMESTAMP, columns::instant(), true),
        Field::new(columns::EVENT_TIME, columns::instant(), true),
        Field::new(columns::KEY, DataType::Binary, true),
        Field::new("_value", DataType::Binary, true),
        Field::new(columns::HEADERS, columns::headers(), true),
    ];
    TableSpec {
        name: TABLE.to_owned(),
        schema: Arc::new(Schema::new(fields)),
        event_time: columns::EVENT_TIME.to_owned(),
    }
}

/// Collects dead letters until they are written. Belongs to one task.
pub struct DeadLetters {
    schema: SchemaRef,
    bytes_max: usize,
    bytes: usize,
    rows: Rows,
}

impl DeadLetters {
    /// A collector that asks to be emptied once its letters hold `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { schema: table().schema, bytes_max, bytes: 0, rows: Rows::new() }
    }

    /// Adds a letter. Returns true if [`DeadLetters::take_rows`] must come before the
    /// next one, so that at most one letter goes beyond the limit.
    pub fn push(&mut self, letter: &DeadLetter<'_>) -> bool {
        self.bytes += self.rows.push(letter);
        self.bytes >= self.bytes_max
    }

    /// The letters since the last call as rows of [`table`], in their order; none if there are none.
    pub fn take_rows(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if take(&mut self.bytes) == 0 {
            return Ok(None);
        }
        RecordBatch::try_new(self.schema.clone(), self.rows.finish()).map(Some)
    }
}

struct Rows {
    stream: StringBuilder,
    step: StringBuilder,
    reason: StringBuilder,
    cause: StringBuilder,
    plugin: StringBuilder,
    topic: StringBuilder,
    partition: Int32Builder,
    offset: Int64Builder,
    timestamp: TimestampMicrosecondBuilder,
    event_time: TimestampMicrosecondBuilder,
    key: BinaryBuilder,
    value: BinaryBuilder,
    headers: ListBuilder<StructBuilder>,
}

/// Bytes that a letter takes besides its texts and its message.
const LETTER_BYTES: usize = 128;

impl Rows {
    fn new() -> Self {
        let instant = || TimestampMicrosecondBuilder::new().with_data_type(columns::instant());
        let pair = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Binary, true),
        ]);
        let item = Field::new("item", DataType::Struct(pair.clone()), false);
        Self {
            stream: StringBuilder::new(),
            step: StringBuilder::new(),
            reason: StringBuilder::new(),
            cause: StringBuilder::new(),
            plugin: StringBuilder::new(),
            topic: StringBuilder::new(),
            partition: Int32Builder::new(),
            offset: Int64Builder::new(),
            timestamp: instant(),
            event_time: instant(),
            key: BinaryBuilder::new(),
            value: BinaryBuilder::new(),
            headers: ListBuilder::new(StructBuilder::from_fields(pair, 0)).with_field(item),
        }
    }

    /// Adds a row; returns about how many bytes it takes.
    fn push(&mut self, letter: &DeadLetter<'_>) -> usize {
        let DeadLetter { stream, failure, reason, event_time_us, partition, message } = *letter;
        let (step, cause, plugin) = match failure {
            Failure::Decode => (DECODE, DECODE.to_owned(), None),
            Failure::Late => (WATERMARK, LATE.to_owned(), None),
            Failure::Step { step, plugin, cause } => (step, cause.to_string(), Some(plugin.to_string())),
        };
        self.stream.append_value(stream);
        self.step.append_value(step);
        self.reason.append_value(reason);
        self.cause.append_value(cause);
        self.plugin.append_option(plugin);
        self.topic.append_value(&partition.topic);
        self.partition.append_value(partition.partition);
        self.offset.append_value(message.offset);
        self.timestamp.append_option(message.timestamp_us);
        self.event_time.append_option(event_time_us);
        self.key.append_option(message.key);
        self.value.append_option(message.value);
        let headers = append_headers(&mut self.headers, message.headers);
        let message = message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
        LETTER_BYTES + stream.len() + reason.len() + message + headers
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.stream.finish()),
            Arc::new(self.step.finish()),
            Arc::new(self.reason.finish()),
            Arc::new(self.cause.finish()),
            Arc::new(self.plugin.finish()),
            Arc::new(self.topic.finish()),
            Arc::new(self.partition.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.timestamp.finish()),
            Arc::new(self.event_time.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.headers.finish()),
        ]
    }
}

/// Appends one row of headers, null if there are none; returns their bytes.
fn append_headers(list: &mut ListBuilder<StructBuilder>, headers: &[Header]) -> usize {
    let pairs = list.values();
    for header in headers {
        if let Some(keys) = pairs.field_builder::<StringBuilder>(0) {
            keys.append_value(&header.key);
        }
        if let Some(values) = pairs.field_builder::<BinaryBuilder>(1) {
            values.append_option(header.value.as_deref());
        }
        pairs.append(true);
    }
    list.append(!headers.is_empty());
    headers.iter().map(|header| header.key.len() + header.value.as_ref().map_or(0, Vec::len)).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn push(letters: &mut DeadLetters, reason: &str, value: Option<&[u8]>, headers: &[Header]) -> bool {
        let partition = TopicPartition::new("vehicle_data", 3);
        let message = MessageRef { offset: 7, timestamp_us: Some(1), key: None, value, headers };
        letters.push(&DeadLetter {
            stream: "vehicle",
            failure: Failure::Decode,
            reason,
            event_time_us: None,
            partition: &partition,
            message,
        })
    }

    #[test]
    fn rows_keep_the_original_bytes() {
        let mut letters = DeadLetters::new(1 << 20);
        let header = Header { key: "trace".into(), value: None };
        push(&mut letters, "not JSON", Some(b"\xff{"), &[header]);
        push(&mut letters, "tombstone", None, &[]);
        let rows = letters.take_rows().unwrap().unwrap();
        assert_eq!(rows.column_by_name("_value").unwrap().as_binary::<i32>().value(0), b"\xff{");
        assert!(rows.column_by_name("_value").unwrap().is_null(1));
        assert_eq!(rows.column_by_name("_headers").unwrap().as_list::<i32>().value(0).len(), 1);
        assert!(rows.column_by_name("_headers").unwrap().is_null(1));
        assert!(letters.take_rows().unwrap().is_none());
    }

    #[test]
    fn asks_to_be_emptied_at_its_limit() {
        let mut letters = DeadLetters::new(2 * LETTER_BYTES);
        assert!(!push(&mut letters, "", Some(b""), &[]));
        assert!(push(&mut letters, "", Some(&[0; LETTER_BYTES]), &[]));
        letters.take_rows().unwrap();
        assert!(!push(&mut letters, "", Some(b""), &[]));
    }
}
