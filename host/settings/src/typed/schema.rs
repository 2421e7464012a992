//! The keys that say what messages hold.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::Ordered;

/// The keys of a stream, or of a test case, that make its schema.
#[derive(Debug, Deserialize)]
pub struct SchemaKeys {
    /// The column that says when a thing happened.
    pub event_time: Option<EventTime>,
    /// What becomes of fields that no column declares.
    #[serde(default)]
    pub unknown_fields: UnknownFields,
    /// Columns by name.
    pub schema: Ordered<Column>,
}

/// A column's name, or a table of [`EventTimeTable`].
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a column name, or { column = \"…\", zone = \"…\" }")]
pub enum EventTime {
    /// Name of the column.
    Column(String),
    /// Name, zone and unit.
    Full(EventTimeTable),
}

/// The event time at length.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTimeTable {
    /// Name of the column.
    pub column: String,
    /// Zone of texts that state none.
    pub zone: Option<String>,
    /// Unit of numbers.
    pub epoch: Option<Epoch>,
}

/// What becomes of fields that no column declares.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownFields {
    /// They are left out.
    #[default]
    Ignore,
    /// They are kept as JSON.
    Keep,
    /// The message fails.
    Reject,
}

/// Unit of a number that counts since 1970.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Epoch {
    /// Seconds.
    #[serde(rename = "s")]
    Second,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millisecond,
    /// Microseconds.
    #[serde(rename = "us")]
    Microsecond,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanosecond,
}

/// `"float64"` or `{ type = "float64", … }`. Not an untagged enum: that would hide what is wrong
/// inside the table.
#[derive(Clone, Debug)]
pub struct Column {
    /// The column at length.
    pub table: ColumnTable,
}

/// A column at length.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnTable {
    /// Its type.
    pub r#type: ColumnType,
    /// Whether a message without it fails.
    #[serde(default)]
    pub required: bool,
    /// Other fields that are this one.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The field, where the column has another name.
    pub path: Option<String>,
    /// What becomes of a value of another type.
    #[serde(default)]
    pub mismatch: Mismatch,
    /// Zone of texts that state none.
    pub zone: Option<String>,
    /// Unit of numbers.
    pub epoch: Option<Epoch>,
}

/// What becomes of a value of another type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mismatch {
    /// The message fails.
    #[default]
    Error,
    /// The column is null.
    Null,
    /// The column holds the value's JSON.
    Json,
}

/// Types of columns, as the configuration writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// true or false.
    Boolean,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// 32-bit float.
    Float32,
    /// 64-bit float.
    Float64,
    /// Text.
    String,
    /// Calendar date.
    Date,
    /// Instant.
    Timestamp,
    /// List of floats.
    #[serde(rename = "list<float64>")]
    Float64List,
    /// List of texts.
    #[serde(rename = "list<string>")]
    StringList,
    /// Any JSON value.
    Json,
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Column;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a type such as \"float64\", or { type = \"float64\", required = true, … }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Column, E> {
                let r#type = ColumnType::deserialize(serde::de::value::StrDeserializer::new(text))?;
                let table = ColumnTable {
                    r#type,
                    required: false,
                    aliases: Vec::new(),
                    path: None,
                    mismatch: Mismatch::Error,
                    zone: None,
                    epoch: None,
                };
                Ok(Column { table })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Column, A::Error> {
                let table = ColumnTable::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Column { table })
            }
        }
        deserializer.deserialize_any(Either)
    }
}
