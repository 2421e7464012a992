//! Messages rebuilt from their columns. A raw row that could be decoded does not keep the bytes it was decoded
//! from; where such a message becomes a dead letter in a replay, this stands in for them. Every column is at
//! its first path, so that the stream's schema reads the same values from it.

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use millstream_model::columns;
use millstream_model::schema::{ColumnType, PathSegment, StreamSchema};
use serde_json::{Map, Value};

/// Elements of an array that are laid out; a column beyond is left out.
const ELEMENTS_MAX: usize = 1024;

/// Rebuilds the message of each of `rows`, which have the columns of `schema`, as JSON.
pub(super) fn messages(schema: &StreamSchema, rows: &RecordBatch) -> Vec<Vec<u8>> {
    let mut messages: Vec<_> = (0..rows.num_rows()).map(|row| unknown(rows, row)).collect();
    for column in &schema.columns {
        let Some(values) = rows.column_by_name(&column.name) else { continue };
        let is_json = column.ty == ColumnType::Json;
        let Some(path) = column.paths.first() else { continue };
        for (row, message) in messages.iter_mut().enumerate().filter(|(row, _)| values.is_valid(*row)) {
            let value = value(values, row);
            put(message, path, if is_json { parsed(value) } else { value });
        }
    }
    messages.iter().map(|message| message.to_string().into_bytes()).collect()
}

/// The fields that no column has, if the stream keeps them.
fn unknown(rows: &RecordBatch, row: usize) -> Value {
    let kept = rows.column_by_name(columns::UNKNOWN).filter(|kept| kept.is_valid(row));
    let kept = kept.map(|kept| parsed(value(kept, row))).filter(Value::is_object);
    kept.unwrap_or_else(|| Value::Object(Map::new()))
}

/// The value that a text of JSON says.
fn parsed(text: Value) -> Value {
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(text)
}

/// Puts a value at its path; what stands in its way is left.
fn put(place: &mut Value, path: &[PathSegment], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        if place.is_null() {
            *place = value;
        }
        return;
    };
    match first {
        PathSegment::Key(key) => {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            if let Value::Object(members) = place {
                put(members.entry(key.as_str()).or_insert(Value::Null), rest, value);
            }
        }
        PathSegment::Index(index) if *index < ELEMENTS_MAX => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            if let Value::Array(elements) = place {
                if elements.len() <= *index {
                    elements.resize(index + 1, Value::Null);
                }
                put(&mut elements[*index], rest, value);
            }
        }
        PathSegment::Index(_) => {}
    }
}

/// A value of a declared column, which is not null.
fn value(values: &ArrayRef, row: usize) -> Value {
    match values.data_type() {
        DataType::Boolean => values.as_boolean().value(row).into(),
        DataType::Int32 => values.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => values.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float32 => f64::from(values.as_primitive::<Float32Type>().value(row)).into(),
        DataType::Float64 => values.as_primitive::<Float64Type>().value(row).into(),
        DataType::Utf8 => values.as_string::<i32>().value(row).into(),
        DataType::Date32 => {
            let date = date32_to_datetime(values.as_primitive::<Date32Type>().value(row));
            date.map_or(Value::Null, |date| date.format("%Y-%m-%d").to_string().into())
        }
        DataType::Timestamp(..) => {
            let time = timestamp_us_to_datetime(values.as_primitive::<TimestampMicrosecondType>().value(row));
            time.map_or(Value::Null, |time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into())
        }
        DataType::List(_) => {
            let items = values.as_list::<i32>().value(row);
            let item = |row| if items.is_valid(row) { value(&items, row) } else { Value::Null };
            (0..items.len()).map(item).collect()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::TimeUnit;
    use millstream_model::schema::{ColumnSpec, EventTime, Mismatch, UnknownFields};
    use millstream_model::{MessageBatch, MessageRef, TopicPartition};

    use super::*;
    use crate::decode::Decoder;

    fn column(name: &str, ty: ColumnType, path: &[&str]) -> ColumnSpec {
        let segment = |text: &&str| match text.parse() {
            Ok(index) => PathSegment::Index(index),
            Err(_) => PathSegment::Key((*text).to_owned()),
        };
        let paths = vec![path.iter().map(segment).collect()];
        ColumnSpec { name: name.to_owned(), ty, required: false, mismatch: Mismatch::Null, paths }
    }

    fn schema() -> Arc<StreamSchema> {
        let time = ColumnType::Timestamp { zone: None, epoch: Some(TimeUnit::Second) };
        Arc::new(StreamSchema {
            columns: vec![
                column("id", ColumnType::Utf8, &["id"]),
                column("place.lat", ColumnType::Float64, &["place", "lat"]),
                column("first", ColumnType::Float32, &["pair", "1"]),
                column("at", time, &["at"]),
                column("on", ColumnType::Date, &["on"]),
                column("tags", ColumnType::Utf8List, &["tags"]),
                column("any", ColumnType::Json, &["any"]),
                column("count", ColumnType::Int64, &["count"]),
                column("is", ColumnType::Boolean, &["is"]),
            ],
            unknown: UnknownFields::Keep,
            flags_late: false,
            event_time: Some(EventTime { column: "at".to_owned(), zone: None, epoch: None }),
        })
    }

    /// The rows that messages become, as the decoder makes them.
    fn decoded(messages: &[Vec<u8>]) -> RecordBatch {
        let mut batch = MessageBatch::new(TopicPartition::new("t", 0), 0);
        for (offset, value) in (0..).zip(messages) {
            let value = Some(value.as_slice());
            batch.push(MessageRef { offset, timestamp_us: None, key: None, value, headers: &[] }).unwrap();
        }
        let decoded = Decoder::new(schema()).unwrap().decode(&batch);
        assert_eq!(decoded.failures, []);
        decoded.rows
    }

    #[test]
    fn a_rebuilt_message_has_the_columns_it_was_rebuilt_from() {
        let all = r#"{"id":"ä\"\n","place":{"lat":0.1},"pair":[7,0.1],"at":1767225600,"on":"2026-01-31",
            "tags":["a",null],"any":{"x":[1,2.5]},"count":9007199254740993,"is":true,"more":{"y":1}}"#;
        let messages = [all, "{}", r#"{"place":{"lat":-1e300,"lon":2},"pair":[1]}"#];
        let rows = decoded(&messages.map(|message| message.as_bytes().to_vec()));
        let rebuilt = decoded(&super::messages(&schema(), &rows));
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let found = &rebuilt[field.name().as_str()];
            // Undeclared fields are kept in the order of the message, which the columns do not tell.
            if field.name() == columns::UNKNOWN {
                let fields = |texts: &ArrayRef, row| texts.is_valid(row).then(|| parsed(value(texts, row)));
                (0..rows.num_rows()).for_each(|row| assert_eq!(fields(found, row), fields(column, row)));
            } else {
                assert_eq!(found, column, "{}", field.name());
            }
        }
    }
}
