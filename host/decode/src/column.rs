//! Builds one declared column: a value on the tape enters, converted strictly to the column's type, or
//! a problem leaves that says why it cannot be. What a problem means for the message, others decide.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, ArrowPrimitiveType, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder,
    Int32Builder, Int64Builder, ListBuilder, PrimitiveBuilder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::TimeUnit;
use millstream_model::schema::{ColumnSpec, ColumnType};
use simd_json::{Node, StaticNode};

use super::iso8601;
use super::number::{NotAnInteger, Number};
use super::plan::{SchemaError, zone_clock};
use super::problem::Problem;
use super::tape::width;
use super::text::write_value;
use super::walk::is_null;
use super::zone::ZoneClock;

/// How texts and numbers become instants.
#[derive(Clone, Debug)]
pub(super) struct InstantRule {
    clock: Option<ZoneClock>,
    epoch: Option<TimeUnit>,
}

/// Arrow's builder of each type, with what it needs to convert values.
enum Builder {
    Boolean(BooleanBuilder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Utf8(StringBuilder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder, InstantRule),
    Float64List(ListBuilder<Float64Builder>),
    Utf8List(ListBuilder<StringBuilder>),
    Json(StringBuilder, String),
}

/// A declared column under construction.
pub(super) struct ColumnBuilder {
    builder: Builder,
}

impl ColumnBuilder {
    /// An empty column for `spec`.
    pub fn new(spec: &ColumnSpec) -> Result<Self, SchemaError> {
        let builder = match &spec.ty {
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            ColumnType::Int32 => Builder::Int32(Int32Builder::new()),
            ColumnType::Int64 => Builder::Int64(Int64Builder::new()),
            ColumnType::Float32 => Builder::Float32(Float32Builder::new()),
            ColumnType::Float64 => Builder::Float64(Float64Builder::new()),
            ColumnType::Utf8 => Builder::Utf8(StringBuilder::new()),
            ColumnType::Date => Builder::Date(Date32Builder::new()),
            ColumnType::Timestamp { zone, epoch } => {
                let rule = InstantRule { clock: zone_clock(&spec.name, zone.as_deref())?, epoch: *epoch };
                Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"), rule)
            }
            ColumnType::Float64List => Builder::Float64List(ListBuilder::new(Float64Builder::new())),
            ColumnType::Utf8List => Builder::Utf8List(ListBuilder::new(StringBuilder::new())),
            ColumnType::Json => Builder::Json(StringBuilder::new(), String::new()),
        };
        Ok(Self { builder })
    }

    /// Appends the value at the front of `value`; nothing if it does not fit.
    pub fn append(&mut self, value: &[Node<'_>]) -> Result<(), Problem> {
        if is_null(&value[0]) {
            self.append_null();
            return Ok(());
        }
        self.append_value(value)
    }

    /// Appends the JSON of the value at the front of `value`, of whatever type it is: null if the column
    /// is no text, nothing if it is full.
    #[cold]
    pub fn append_json(&mut self, value: &[Node<'_>]) -> Result<(), Problem> {
        let Builder::Utf8(builder) = &mut self.builder else {
            self.append_null();
            return Ok(());
        };
        let mut text = String::new();
        write_value(value, &mut text);
        append_text(builder, &text)
    }

    fn append_value(&mut self, value: &[Node<'_>]) -> Result<(), Problem> {
        let node = &value[0];
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_value(boolean(node)?),
            Builder::Int32(builder) => builder.append_value(int32(node)?),
            Builder::Int64(builder) => builder.append_value(integer(node, "int64")?),
            Builder::Float32(builder) => builder.append_value(float32(node)?),
            Builder::Float64(builder) => builder.append_value(float64(node)?),
            Builder::Utf8(builder) => append_text(builder, string(node)?)?,
            Builder::Date(builder) => builder.append_value(date(node)?),
            Builder::Timestamp(builder, rule) => builder.append_value(instant(node, rule)?),
            Builder::Float64List(builder) => append_floats(builder, value)?,
            Builder::Utf8List(builder) => append_texts(builder, value)?,
            Builder::Json(builder, text) => {
                text.clear();
                write_value(value, text);
                append_text(builder, text)?;
            }
        }
        Ok(())
    }

    /// Appends null.
    pub fn append_null(&mut self) {
        match &mut self.builder {
            Builder::Boolean(builder) => builder.append_null(),
            Builder::Int32(builder) => builder.append_null(),
            Builder::Int64(builder) => builder.append_null(),
            Builder::Float32(builder) => builder.append_null(),
            Builder::Float64(builder) => builder.append_null(),
            Builder::Utf8(builder) | Builder::Json(builder, _) => builder.append_null(),
            Builder::Date(builder) => builder.append_null(),
            Builder::Timestamp(builder, _) => builder.append_null(),
            Builder::Float64List(builder) => builder.append_null(),
            Builder::Utf8List(builder) => builder.append_null(),
        }
    }

    /// The column; the builder is empty again, with room for as much.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.builder {
            Builder::Boolean(builder) => Arc::new(builder.finish()),
            Builder::Int32(builder) => finish_values(builder),
            Builder::Int64(builder) => finish_values(builder),
            Builder::Float32(builder) => finish_values(builder),
            Builder::Float64(builder) => finish_values(builder),
            Builder::Utf8(builder) => finish_texts(builder),
            Builder::Json(builder, text) => {
                *text = String::new();
                finish_texts(builder)
            }
            Builder::Date(builder) => finish_values(builder),
            Builder::Timestamp(builder, _) => finish_values(builder),
            Builder::Float64List(builder) => Arc::new(builder.finish()),
            Builder::Utf8List(builder) => Arc::new(builder.finish()),
        }
    }
}

/// The next batch is mostly as large: buffers that have its size from the start are not copied as they grow.
fn finish_values<T: ArrowPrimitiveType>(builder: &mut PrimitiveBuilder<T>) -> ArrayRef {
    let array = builder.finish();
    *builder = PrimitiveBuilder::with_capacity(array.len()).with_data_type(array.data_type().clone());
    Arc::new(array)
}

fn finish_texts(builder: &mut StringBuilder) -> ArrayRef {
    let array = builder.finish();
    *builder = StringBuilder::with_capacity(array.len(), array.values().len());
    Arc::new(array)
}

/// Appends `text` unless the column would outgrow the 2 GiB that its offsets can count.
pub(super) fn append_text(builder: &mut StringBuilder, text: &str) -> Result<(), Problem> {
    if i32::try_from(builder.values_slice().len() + text.len()).is_err() {
        return Err(Problem::ColumnFull);
    }
    builder.append_value(text);
    Ok(())
}

fn boolean(node: &Node<'_>) -> Result<bool, Problem> {
    match node {
        Node::Static(StaticNode::Bool(value)) => Ok(*value),
        _ => Err(Problem::found("a boolean", node)),
    }
}

fn string<'a>(node: &Node<'a>) -> Result<&'a str, Problem> {
    match node {
        Node::String(text) => Ok(text),
        _ => Err(Problem::found("a string", node)),
    }
}

fn number(node: &Node<'_>, wanted: &'static str) -> Result<Number, Problem> {
    let number = match node {
        Node::Static(value) => Number::of(*value),
        Node::String(text) => Number::parse(text),
        Node::Object { .. } | Node::Array { .. } => None,
    };
    number.ok_or_else(|| Problem::found(wanted, node))
}

fn integer(node: &Node<'_>, ty: &'static str) -> Result<i64, Problem> {
    let wanted = if ty == "int32" { "an int32" } else { "an int64" };
    number(node, wanted)?.to_i64().map_err(|error| match error {
        NotAnInteger::Fraction => Problem::NotA { wanted, found: "a fraction" },
        NotAnInteger::OutOfRange => Problem::OutOfRange(ty),
    })
}

fn int32(node: &Node<'_>) -> Result<i32, Problem> {
    i32::try_from(integer(node, "int32")?).map_err(|_| Problem::OutOfRange("int32"))
}

fn float64(node: &Node<'_>) -> Result<f64, Problem> {
    let value = number(node, "a float64")?.to_f64();
    if value.is_finite() { Ok(value) } else { Err(Problem::OutOfRange("float64")) }
}

fn float32(node: &Node<'_>) -> Result<f32, Problem> {
    let value = number(node, "a float32")?.to_f64() as f32;
    if value.is_finite() { Ok(value) } else { Err(Problem::OutOfRange("float32")) }
}

fn date(node: &Node<'_>) -> Result<i32, Problem> {
    const WANTED: &str = "a date";
    let Node::String(text) = node else { return Err(Problem::found(WANTED, node)) };
    iso8601::parse_date(text).ok_or(Problem::NotA { wanted: WANTED, found: "another text than YYYY-MM-DD" })
}

fn instant(node: &Node<'_>, rule: &mut InstantRule) -> Result<i64, Problem> {
    const WANTED: &str = "a timestamp";
    let found = |found| Problem::NotA { wanted: WANTED, found };
    match node {
        Node::String(text) => {
            let read = iso8601::parse(text).ok_or(found("a text that is not an ISO-8601 date-time"))?;
            if read.offset_us.is_none() && rule.clock.is_none() {
                return Err(found("a date-time without zone, and no zone is declared"));
            }
            to_instant(read, rule.clock.as_mut()).ok_or(Problem::OutOfRange("timestamp"))
        }
        Node::Static(value) => {
            let count = Number::of(*value).ok_or_else(|| Problem::found(WANTED, node))?;
            let epoch = rule.epoch.ok_or(found("a number, and no epoch unit is declared"))?;
            from_epoch(count, epoch).ok_or(Problem::OutOfRange("timestamp"))
        }
        Node::Object { .. } | Node::Array { .. } => Err(Problem::found(WANTED, node)),
    }
}

/// The instant of a date-time: by its own offset, else by `clock`; none outside the years 1 to 9999.
pub(super) fn to_instant(text: iso8601::DateTimeText, clock: Option<&mut ZoneClock>) -> Option<i64> {
    let instant = match text.offset_us {
        Some(offset_us) => text.local_us - offset_us,
        None => clock?.instant(text.local_us)?,
    };
    iso8601::in_range(instant).then_some(instant)
}

/// The instant `count` units after 1970: nanoseconds are cut to microseconds, fractions rounded to
/// them; none outside the years 1 to 9999.
pub(super) fn from_epoch(count: Number, unit: TimeUnit) -> Option<i64> {
    let instant = match (count.to_i64(), unit) {
        (Ok(count), TimeUnit::Second) => count.checked_mul(1_000_000)?,
        (Ok(count), TimeUnit::Millisecond) => count.checked_mul(1_000)?,
        (Ok(count), TimeUnit::Microsecond) => count,
        (Ok(count), TimeUnit::Nanosecond) => count.div_euclid(1_000),
        (Err(NotAnInteger::OutOfRange), _) => return None,
        (Err(NotAnInteger::Fraction), TimeUnit::Second) => (count.to_f64() * 1e6).round() as i64,
        (Err(NotAnInteger::Fraction), TimeUnit::Millisecond) => (count.to_f64() * 1e3).round() as i64,
        (Err(NotAnInteger::Fraction), TimeUnit::Microsecond) => count.to_f64().round() as i64,
        (Err(NotAnInteger::Fraction), TimeUnit::Nanosecond) => (count.to_f64() / 1e3).round() as i64,
    };
    iso8601::in_range(instant).then_some(instant)
}

/// Calls `each` with the elements of a list.
fn elements(
    value: &[Node<'_>],
    wanted: &'static str,
    mut each: impl FnMut(&Node<'_>) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let Node::Array { len, .. } = value[0] else { return Err(Problem::found(wanted, &value[0])) };
    let mut at = 1;
    for _ in 0..len {
        each(&value[at])?;
        at += width(&value[at]);
    }
    Ok(())
}

/// The elements are checked before the first is appended, for a list under construction cannot be
/// taken back.
fn append_floats(builder: &mut ListBuilder<Float64Builder>, value: &[Node<'_>]) -> Result<(), Problem> {
    let in_list = |node: &Node<'_>| match float64(node) {
        Err(Problem::OutOfRange(ty)) => Err(Problem::OutOfRange(ty)),
        Err(_) => Err(Problem::element("a list of float64", node)),
        Ok(number) => Ok(number),
    };
    elements(
        value,
        "a list of float64",
        |node| if is_null(node) { Ok(()) } else { in_list(node).map(drop) },
    )?;
    elements(value, "a list of float64", |node| {
        builder.values().append_option(if is_null(node) { None } else { Some(in_list(node)?) });
        Ok(())
    })?;
    builder.append(true);
    Ok(())
}

fn append_texts(builder: &mut ListBuilder<StringBuilder>, value: &[Node<'_>]) -> Result<(), Problem> {
    let mut bytes = builder.values().values_slice().len();
    elements(value, "a list of strings", |node| {
        if let Node::String(text) = node {
            bytes += text.len();
        } else if !is_null(node) {
            return Err(Problem::element("a list of strings", node));
        }
        Ok(())
    })?;
    if i32::try_from(bytes).is_err() {
        return Err(Problem::ColumnFull);
    }
    elements(value, "a list of strings", |node| {
        builder.values().append_option(string(node).ok());
        Ok(())
    })?;
    builder.append(true);
    Ok(())
}
