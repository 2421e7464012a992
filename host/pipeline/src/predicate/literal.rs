//! Constants: what is written in a predicate becomes a value of the kind that a column is read as.
//! That they fit each other is decided here and nowhere else.

use arrow::datatypes::DataType;

use super::{Kind, Value};
use crate::decode::iso8601;

/// Digits of the greatest 64-bit integer.
const I64_DIGITS_MAX: i64 = 19;

/// A constant as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    /// With its sign.
    Number(String),
    Text(String),
    Boolean(bool),
}

/// A constant as the values of a column of some kind are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Constant {
    Value(Value),
    /// For integers only: a number between this one and the next.
    Fraction {
        floor: i64,
    },
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

    /// The constant for a column of `kind`; otherwise what to write instead.
    pub(super) fn value(&self, kind: Kind) -> Result<Constant, &'static str> {
        if let (Kind::Integer, Self::Number(text)) = (kind, self) {
            return integer(text).ok_or("it is beyond 64-bit integers");
        }
        let value = match (kind, self) {
            (Kind::Boolean, Self::Boolean(flag)) => Ok(Value::Boolean(*flag)),
            (Kind::Boolean, _) => Err("write `true` or `false`"),
            (Kind::Text, Self::Text(text)) => Ok(Value::Text(text.clone())),
            (Kind::Text, _) => Err("write it in single quotes"),
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
        };
        value.map(Constant::Value)
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

    /// Whether two columns can be compared.
    pub(super) fn is_comparable(self, other: Self) -> bool {
        self == other || matches!((self, other), (Self::Integer, Self::Float) | (Self::Float, Self::Integer))
    }
}

/// A number for an integer column, exactly as it is written; none beyond 64 bits.
fn integer(text: &str) -> Option<Constant> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // The digits that count, and how many of them stand in front of the decimal point.
    let digits = digits.trim_start_matches('0');
    let before = i64::try_from(digits.len()).ok()? - i64::try_from(fraction.len()).ok()?;
    let before = match exponent.parse::<i64>() {
        _ if digits.is_empty() => 0,
        Ok(exponent) => before.saturating_add(exponent),
        Err(_) if exponent.starts_with('-') => 0,
        Err(_) => i64::MAX,
    };
    if before > I64_DIGITS_MAX {
        return None;
    }
    let before = usize::try_from(before).unwrap_or(0);
    let (whole, rest) = digits.split_at(before.min(digits.len()));
    let magnitude: i128 = if before == 0 { 0 } else { format!("{whole:0<before$}").parse().ok()? };
    let fractional = rest.bytes().any(|digit| digit != b'0');
    let floor = if negative { -magnitude - i128::from(fractional) } else { magnitude };
    let floor = i64::try_from(floor).ok()?;
    Some(if fractional { Constant::Fraction { floor } } else { Constant::Value(Value::Integer(floor)) })
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
