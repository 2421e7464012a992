//! Timers and instants as `expected.jsonl` and `input.jsonl` write them: ISO 8601 in UTC, keys as text where they are
//! text, in hexadecimal digits where they are not.

use arrow::array::TimestampMicrosecondArray;
use millstream_engine::Timer;
use serde_json::{Value, json};

use crate::value;

/// What stands in place of an instant once the inputs have ended.
pub(crate) const END: &str = "end";

/// An instant in microseconds: `"2026-01-31T08:00:00Z"`, or `"end"` for the largest number.
pub(crate) fn instant(text: &str) -> Result<i64, String> {
    if text == END {
        return Ok(i64::MAX);
    }
    let instant = text.parse::<jiff::Timestamp>();
    instant
        .map(|instant| instant.as_microsecond())
        .map_err(|_| format!("`{text}` is not an instant such as \"2026-01-31T08:00:00Z\""))
}

/// The value of `_timer`.
pub(crate) fn value(timer: &Timer) -> Value {
    let at = TimestampMicrosecondArray::from(vec![timer.micros]).with_timezone("UTC");
    let at = value::value(&at, 0);
    match text(&timer.key) {
        Some(key) => json!({ "at": at, "key": key }),
        None => json!({ "at": at, "key_hex": hex::encode(&timer.key) }),
    }
}

/// Reads what [`value`] writes.
pub(crate) fn read(value: &Value) -> Result<Timer, String> {
    let wrong = || {
        format!(
            "`_timer` is {value}; expected {{\"at\": \"2026-01-31T08:00:00Z\", \"key\": \"…\"}}, or \"key_hex\" where the \
             key is no text"
        )
    };
    let micros = match &value["at"] {
        Value::String(text) => instant(text)?,
        at => at.as_i64().ok_or_else(wrong)?,
    };
    let key = match (&value["key"], &value["key_hex"]) {
        (Value::String(text), Value::Null) => text.clone().into_bytes(),
        (Value::Null, Value::String(digits)) => hex::decode(digits).map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    Ok(Timer { micros, key })
}

/// A timer for people.
pub(crate) fn described(timer: &Timer) -> String {
    let at = match &value(timer)["at"] {
        Value::String(at) => at.clone(),
        at => at.to_string(),
    };
    format!("timer {at} of {}", key(&timer.key))
}

/// A key for people.
pub(crate) fn key(bytes: &[u8]) -> String {
    text(bytes).map_or_else(|| format!("key 0x{}", hex::encode(bytes)), |text| format!("key `{text}`"))
}

/// Bytes that are text that can be read.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}
