//! Dead letters read back: rows of the dead-letter table come in, one [`Letter`] each leaves. What is done
//! with them is for others to know.

use arrow::array::{Array, AsArray as _, BinaryArray, Int32Array, Int64Array, ListArray, RecordBatch};
use arrow::array::{StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use millstream_model::columns;

/// One dead letter, as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Its stream.
    pub stream: &'a str,
    /// Step that could not process it; [`DECODE`](super::DECODE) or [`WATERMARK`](super::WATERMARK) if it came to none.
    pub step: &'a str,
    /// Why, for people.
    pub reason: &'a str,
    /// Why, for machines.
    pub cause: &'a str,
    /// Digest of the step's plugin.
    pub plugin: Option<&'a str>,
    /// Topic it came from.
    pub topic: &'a str,
    /// Partition it came from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Timestamp that the source gave it, microseconds since the epoch.
    pub timestamp_us: Option<i64>,
    /// Its event time, microseconds since the epoch.
    pub event_time_us: Option<i64>,
    /// Original key.
    pub key: Option<&'a [u8]>,
    /// Original value.
    pub value: Option<&'a [u8]>,
    /// Original headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// The columns of a batch of dead letters.
#[derive(Debug)]
pub struct Letters<'a> {
    stream: &'a StringArray,
    step: &'a StringArray,
    reason: &'a StringArray,
    cause: &'a StringArray,
    plugin: &'a StringArray,
    topic: &'a StringArray,
    partition: &'a Int32Array,
    offset: &'a Int64Array,
    timestamp: &'a TimestampMicrosecondArray,
    event_time: &'a TimestampMicrosecondArray,
    key: &'a BinaryArray,
    value: &'a BinaryArray,
    headers: &'a ListArray,
}

impl<'a> Letters<'a> {
    /// The letters of `rows`, which are rows of the dead-letter table.
    pub fn new(rows: &'a RecordBatch) -> Result<Self, ArrowError> {
        let text = |name| column(rows, name)?.as_string_opt().ok_or_else(|| other_type(name));
        let time = |name| {
            column(rows, name)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| other_type(name))
        };
        let bytes = |name| column(rows, name)?.as_binary_opt().ok_or_else(|| other_type(name));
        let (partition, offset, headers) = (columns::PARTITION, columns::OFFSET, columns::HEADERS);
        Ok(Self {
            stream: text("stream")?,
            step: text("step")?,
            reason: text("reason")?,
            cause: text("cause")?,
            plugin: text("plugin")?,
            topic: text(columns::TOPIC)?,
            partition: column(rows, partition)?
                .as_primitive_opt::<Int32Type>()
                .ok_or_else(|| other_type(partition))?,
            offset: column(rows, offset)?
                .as_primitive_opt::<Int64Type>()
                .ok_or_else(|| other_type(offset))?,
            timestamp: time(columns::TIMESTAMP)?,
            event_time: time(columns::EVENT_TIME)?,
            key: bytes(columns::KEY)?,
            value: bytes("_value")?,
            headers: column(rows, headers)?.as_list_opt().ok_or_else(|| other_type(headers))?,
        })
    }

    /// The letters, in the order of the rows.
    pub fn iter(&self) -> impl Iterator<Item = Letter<'a>> + '_ {
        (0..self.stream.len()).map(|row| self.get(row))
    }

    fn get(&self, row: usize) -> Letter<'a> {
        let time = |times: &TimestampMicrosecondArray| times.is_valid(row).then(|| times.value(row));
        let bytes = |bytes: &'a BinaryArray| bytes.is_valid(row).then(|| bytes.value(row));
        Letter {
            stream: self.stream.value(row),
            step: self.step.value(row),
            reason: self.reason.value(row),
            cause: self.cause.value(row),
            plugin: self.plugin.is_valid(row).then(|| self.plugin.value(row)),
            topic: self.topic.value(row),
            partition: self.partition.value(row),
            offset: self.offset.value(row),
            timestamp_us: time(self.timestamp),
            event_time_us: time(self.event_time),
            key: bytes(self.key),
            value: bytes(self.value),
            headers: headers_of(self.headers, row),
        }
    }
}

/// The headers of row number `row` of a column of headers.
pub(crate) fn headers_of(headers: &ListArray, row: usize) -> Vec<(String, Option<Vec<u8>>)> {
    if headers.is_null(row) {
        return Vec::new();
    }
    let pairs = headers.value(row);
    let pair = |keys: &StringArray, values: &BinaryArray| {
        keys.iter()
            .zip(values)
            .map(|(key, value)| (key.unwrap_or("").to_owned(), value.map(<[u8]>::to_vec)))
            .collect()
    };
    let columns = pairs.as_struct_opt().and_then(|pairs| {
        Some((pairs.column(0).as_string_opt::<i32>()?, pairs.column(1).as_binary_opt::<i32>()?))
    });
    columns.map(|(keys, values)| pair(keys, values)).unwrap_or_default()
}

impl Letter<'_> {
    /// When it was sent, as well as that is known: by the source, else by its event time.
    pub fn time_us(&self) -> Option<i64> {
        self.timestamp_us.or(self.event_time_us)
    }
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a dyn Array, ArrowError> {
    let column = rows.column_by_name(name);
    column.map(AsRef::as_ref).ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))
}

fn other_type(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column `{name}` is of another type than dead letters have"))
}

#[cfg(test)]
mod tests {
    use millstream_model::{Header, MessageRef, TopicPartition};

    use super::super::{DeadLetter, DeadLetters, Failure};
    use super::*;

    #[test]
    fn what_was_written_is_read_back() {
        let mut letters = DeadLetters::new(1 << 20);
        let partition = TopicPartition::new("vehicle_data", 3);
        let headers =
            [Header { key: "a".into(), value: Some(vec![1]) }, Header { key: "a".into(), value: None }];
        for (value, headers) in [(Some(&b"{"[..]), &headers[..]), (None, &[])] {
            let message = MessageRef { offset: 7, timestamp_us: Some(1), key: Some(b"k"), value, headers };
            let (failure, event_time_us) = (Failure::Decode, None);
            letters.push(&DeadLetter {
                stream: "vehicle",
                failure,
                reason: "no",
                event_time_us,
                partition: &partition,
                message,
            });
        }
        let rows = letters.take_rows().unwrap().unwrap();
        let letters = Letters::new(&rows).unwrap();
        let letters: Vec<_> = letters.iter().collect();
        let expect = Letter {
            stream: "vehicle",
            step: "decode",
            reason: "no",
            cause: "decode",
            plugin: None,
            topic: "vehicle_data",
            partition: 3,
            offset: 7,
            timestamp_us: Some(1),
            event_time_us: None,
            key: Some(b"k"),
            value: Some(b"{"),
            headers: vec![("a".to_owned(), Some(vec![1])), ("a".to_owned(), None)],
        };
        assert_eq!(letters, [expect.clone(), Letter { value: None, headers: vec![], ..expect }]);
        assert!(Letters::new(&rows.project(&[0, 1]).unwrap()).is_err());
    }
}
