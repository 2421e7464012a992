//! Constants: what is written in a predicate becomes a value of the kind that a column is read as.
//! That they fit each other is decided here and nowhere else.

use arrow::datatypes::DataType;

use super::{Kind, Value};
use crate::decode::iso8601;

/// A constant as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// With its sign.
    Number(String),
    Text(String),
    Boolean(bool),
}

impl Literal {
    /// The constant as an error names it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Number(text) => format!("the number {text}"),
            Self::Text(text) => format!("the text '{text}'"),
            Self::Boolean(flag) => format!("`{flag}`"),
        }
    }

    /// The constant as a value for a column of `kind`; otherwise what to write instead.
    pub(super) fn value(&self, kind: Kind) -> Result<Value, &'static str> {
        match (kind, self) {
            (Kind::Boolean, Self::Boolean(flag)) => Ok(Value::Boolean(*flag)),
            (Kind::Boolean, _) => Err("write `true` or `false`"),
            (Kind::Text, Self::Text(text)) => Ok(Value::Text(text.clone())),
            (Kind::Text, _) => Err("write it in single quotes"),
            (Kind::Integer, Self::Number(text)) => integer(text).ok_or("it is beyond 64-bit integers"),
            (Kind::Float, Self::Number(text)) => {
                float(text).map(Value::Float).ok_or("it is beyond 64-bit floats")
            }
            (Kind::Integer | Kind::Float, _) => Err("write a number, without quotes"),
            (Kind::Date, Self::Text(text)) => {
                let days = iso8601::parse_date(text).map(i64::from);
                days.map(Value::Integer).ok_or("write a date such as '2026-01-31'")
            }
            (Kind::Date, _) => Err("write a date such as '2026-01-31'"),
            (Kind::Instant, Self::Text(text)) => {
                let time = time(text).map(|(local_us, offset_us)| local_us - offset_us.unwrap_or(0));
                time.map(Value::Integer).ok_or("write a time such as '2026-01-31T08:00:00Z'")
            }
            (Kind::Instant, _) => Err("write a time such as '2026-01-31T08:00:00Z'"),
            (Kind::LocalTime, Self::Text(text)) => {
                let time = time(text).filter(|(_, offset_us)| offset_us.is_none());
                time.map(|(local_us, _)| Value::Integer(local_us))
                    .ok_or("write a time without an offset, such as '2026-01-31T08:00:00'")
            }
            (Kind::LocalTime, _) => Err("write a time without an offset, such as '2026-01-31T08:00:00'"),
        }
    }
}

impl Kind {
    /// What values of `data_type` are compared as; none if they cannot be.
    pub(super) fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Self::Integer,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Self::Integer,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 | DataType::LargeUtf8 => Self::Text,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Timestamp(_, None) => Self::LocalTime,
            _ => return None,
        })
    }

    /// What two columns are compared as; none if they cannot be.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Some(Self::Float),
            _ => (self == other).then_some(self),
        }
    }
}

/// A number for an integer column: a float only if it has a fraction, and then it is so small that
/// every integer it is compared with keeps its side of it as a float.
fn integer(text: &str) -> Option<Value> {
    if let Ok(number) = text.parse() {
        return Some(Value::Integer(number));
    }
    let number = float(text)?;
    if number.fract() != 0.0 {
        return Some(Value::Float(number));
    }
    let exact = number.abs() <= 9_007_199_254_740_992.0;
    exact.then_some(Value::Integer(number as i64))
}

fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Microseconds of the time written, and of its offset; a date is its midnight.
fn time(text: &str) -> Option<(i64, Option<i64>)> {
    if let Some(days) = iso8601::parse_date(text) {
        return Some((i64::from(days) * 86_400_000_000, None));
    }
    iso8601::parse(text).map(|time| (time.local_us, time.offset_us))
}
