//! Vehicle messages in memory, spelt as the recorded ones are (blanks behind `,` and `:`, floats of 16
//! digits; a little under 300 bytes each), every one with values of its own.

use std::sync::Arc;

use millstream_model::schema::{
    ColumnSpec, ColumnType, EventTime, Mismatch, PathSegment, StreamSchema, UnknownFields,
};
use millstream_model::{MessageBatch, MessageRef, TopicPartition};

/// Messages in a batch: the host's default.
pub const BATCH_ROWS: usize = 8192;

/// `batches` full batches of one partition.
pub fn batches(batches: usize) -> Vec<MessageBatch> {
    let partition = TopicPartition::new("vehicle_data", 0);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        // xorshift64* (Vigna, 2016): any spread of values will do.
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..batches)
        .map(|batch| {
            let start = (batch * BATCH_ROWS) as i64;
            let mut messages = MessageBatch::new(partition.clone(), start);
            for row in 0..BATCH_ROWS as i64 {
                let value = message(start + row, &mut next);
                let message = MessageRef {
                    offset: start + row,
                    timestamp_us: Some(1_767_254_438_000_000 + (start + row) * 1000),
                    key: None,
                    value: Some(value.as_bytes()),
                    headers: &[],
                };
                messages.push(message).expect("a batch of a few megabytes is not full");
            }
            messages
        })
        .collect()
}

fn message(number: i64, next: &mut impl FnMut() -> u64) -> String {
    let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
    let (a, b) = (next(), next());
    let seconds = number % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let makes = [("BMW", "C500"), ("Audi", "R8"), ("Toyota", "Corolla")];
    let (make, model) = makes[(a % 3) as usize];
    format!(
        "{{\"id\": \"{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}\", \"deviceId\": \"vehicle-{}\", \
         \"timestamp\": \"2026-01-01T{hour:02}:{minute:02}:{second:02}.{:06}\", \
         \"location\": [{}, {}], \"speed\": {}, \"direction\": \"North-East\", \"make\": \"{make}\", \
         \"model\": \"{model}\", \"year\": {}, \"fuelType\": \"Hybrid\"}}",
        a >> 32,
        a & 0xffff,
        b & 0xfff,
        b >> 48,
        (a ^ b) & 0xffff_ffff_ffff,
        b % 1000,
        a % 1_000_000,
        51.0 + unit(next()),
        -1.0 - unit(next()),
        10.0 + 30.0 * unit(next()),
        2015 + b % 11,
    )
}

/// The schema of these messages. Coordinates and speed are required, so that the smallest step can
/// read plain numbers.
pub fn schema() -> Arc<StreamSchema> {
    let key = |name: &str| vec![PathSegment::Key(name.to_owned())];
    let at = |name: &str, ty, required, path| ColumnSpec {
        name: name.to_owned(),
        ty,
        required,
        mismatch: Mismatch::Error,
        paths: vec![path],
    };
    let column = |name: &str, ty, required| at(name, ty, required, key(name));
    let element = |name: &str, index| {
        let path = vec![PathSegment::Key("location".to_owned()), PathSegment::Index(index)];
        at(name, ColumnType::Float64, true, path)
    };
    Arc::new(StreamSchema {
        columns: vec![
            column("id", ColumnType::Utf8, true),
            column("deviceId", ColumnType::Utf8, true),
            column("timestamp", ColumnType::Utf8, true),
            element("location.lat", 0),
            element("location.lon", 1),
            column("speed", ColumnType::Float64, true),
            column("direction", ColumnType::Utf8, false),
            column("make", ColumnType::Utf8, true),
            column("model", ColumnType::Utf8, true),
            column("year", ColumnType::Int32, false),
            column("fuelType", ColumnType::Utf8, false),
        ],
        unknown: UnknownFields::Ignore,
        event_time: Some(EventTime {
            column: "timestamp".to_owned(),
            zone: Some("Europe/London".to_owned()),
            epoch: None,
        }),
        flags_late: false,
    })
}
