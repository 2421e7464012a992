//! The declared schema of a stream: which fields a message has, under which names they come, and
//! the Arrow columns they become. Configuration makes it, the decoder obeys it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};

use crate::columns;

/// One declared column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSpec {
    /// Column name; dots name nested leaves (`location.lat`).
    pub name: String,
    /// Type of the column.
    pub ty: ColumnType,
    /// A message without it becomes a dead letter.
    pub required: bool,
    /// What becomes of a value that is not of the type.
    pub mismatch: Mismatch,
    /// Where the value is found in a message, best first; never empty. The column's own name is the
    /// first unless the configuration says otherwise.
    pub paths: Vec<FieldPath>,
}

/// What becomes of a value that is not of its column's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mismatch {
    /// The message becomes a dead letter.
    #[default]
    Error,
    /// The column is null. Such a column may share its field with others: each takes what is of its type.
    Null,
    /// As `Null`, but what no column takes anything of is kept as its JSON text. Only of texts.
    Json,
}

/// Types that a column can be declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    Utf8,
    /// Calendar date, `2026-01-31`.
    Date,
    /// An instant. Text is ISO-8601; text without a zone is read in `zone` (an IANA name), and is an
    /// error if there is none. Numbers count `epoch` units since 1970.
    Timestamp {
        /// Zone of texts that state none.
        zone: Option<String>,
        /// Unit of numbers; numbers are an error if there is none.
        epoch: Option<TimeUnit>,
    },
    /// List of 64-bit floats.
    Float64List,
    /// List of texts.
    Utf8List,
    /// Any JSON value, as its text.
    Json,
}

impl ColumnType {
    /// The Arrow type of the column.
    pub fn arrow(&self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::Utf8 | Self::Json => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp { .. } => columns::instant(),
            Self::Float64List => list(DataType::Float64),
            Self::Utf8List => list(DataType::Utf8),
        }
    }
}

/// What a configuration calls a type of Arrow. Types that no column can be declared with have names of the same kind,
/// such as `binary` and `timestamp(ms, UTC)`, or else Arrow's own.
pub fn type_name(ty: &DataType) -> String {
    let zone = |zone: &Option<Arc<str>>| if zone.is_some() { "UTC" } else { "without zone" };
    match ty {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int32 => "int32".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float32 => "float32".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp".to_owned(),
        DataType::Timestamp(unit, of) => format!("timestamp({unit}, {})", zone(of)),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::List(item) => format!("list<{}>", type_name(item.data_type())),
        other => other.to_string(),
    }
}

/// One step of a path into a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathSegment {
    /// Member of an object.
    Key(String),
    /// Element of an array, from 0.
    Index(usize),
}

/// A path into a message: `location.lat`, `location[0]`. Never empty.
pub type FieldPath = Vec<PathSegment>;

/// What becomes of fields that no column declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownFields {
    /// They are left out.
    #[default]
    Ignore,
    /// They are kept as JSON text in [`columns::UNKNOWN`].
    Keep,
    /// The message becomes a dead letter.
    Reject,
}

/// Event time of a stream: the column that says when a thing happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventTime {
    /// Name of a declared column: a timestamp, a text (ISO-8601) or an integer.
    pub column: String,
    /// Zone of texts that state none (an IANA name).
    pub zone: Option<String>,
    /// Unit of integers.
    pub epoch: Option<TimeUnit>,
}

/// The declared schema of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamSchema {
    /// Columns in their order.
    pub columns: Vec<ColumnSpec>,
    /// Fate of undeclared fields.
    pub unknown: UnknownFields,
    /// The event-time column, if one is declared.
    pub event_time: Option<EventTime>,
    /// Whether rows have [`columns::LATE`].
    pub flags_late: bool,
}

impl StreamSchema {
    /// Arrow fields of the declared columns (and of [`columns::UNKNOWN`], if kept), as decoded rows
    /// have them: required columns are not nullable.
    pub fn fields(&self) -> Vec<Field> {
        let declared = self.columns.iter().map(|c| Field::new(&c.name, c.ty.arrow(), !c.required));
        let unknown =
            (self.unknown == UnknownFields::Keep).then(|| Field::new(columns::UNKNOWN, DataType::Utf8, true));
        declared.chain(unknown).collect()
    }
}
