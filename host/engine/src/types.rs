//! The plugin interface's types and Arrow's: which is which, how people read them, and which casts the
//! host performs when a plugin reads a column.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use millstream_model::schema::type_name;

use crate::bindings::types::{
    DataType as WitType, DecimalType, Field as WitField, TimeUnit as WitUnit, TimestampType,
};

/// The interface's type of a column. Timestamps of any zone are instants; a type that the interface has
/// no name for is given by its C data interface format.
pub(crate) fn to_wit(ty: &DataType) -> WitType {
    match ty {
        DataType::Boolean => WitType::Boolean,
        DataType::Int32 => WitType::Int32,
        DataType::Int64 => WitType::Int64,
        DataType::Float32 => WitType::Float32,
        DataType::Float64 => WitType::Float64,
        DataType::Decimal128(precision, scale) => {
            WitType::Decimal(DecimalType { precision: *precision, scale: *scale })
        }
        DataType::Utf8 => WitType::Utf8,
        DataType::Binary => WitType::Binary,
        DataType::Date32 => WitType::Date,
        DataType::Timestamp(unit, zone) => {
            WitType::Timestamp(TimestampType { unit: unit_to_wit(*unit), utc: zone.is_some() })
        }
        DataType::List(item) if *item.data_type() == DataType::Float64 => WitType::Float64List,
        DataType::List(item) if *item.data_type() == DataType::Utf8 => WitType::Utf8List,
        other => WitType::Arrow(format_of(other)),
    }
}

/// The Arrow type of a type of the interface; none for a format that is unknown or nested.
pub(crate) fn from_wit(ty: &WitType) -> Option<DataType> {
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    Some(match ty {
        WitType::Boolean => DataType::Boolean,
        WitType::Int32 => DataType::Int32,
        WitType::Int64 => DataType::Int64,
        WitType::Float32 => DataType::Float32,
        WitType::Float64 => DataType::Float64,
        WitType::Decimal(decimal) => return decimal_type(decimal),
        WitType::Utf8 => DataType::Utf8,
        WitType::Binary => DataType::Binary,
        WitType::Date => DataType::Date32,
        WitType::Timestamp(ty) => {
            DataType::Timestamp(unit_from_wit(ty.unit), ty.utc.then(|| Arc::from("UTC")))
        }
        WitType::Float64List => list(DataType::Float64),
        WitType::Utf8List => list(DataType::Utf8),
        WitType::Arrow(format) => return flat_types().into_iter().find(|ty| format_of(ty) == *format),
    })
}

fn decimal_type(decimal: &DecimalType) -> Option<DataType> {
    let fits =
        (1..=38).contains(&decimal.precision) && i16::from(decimal.scale) <= i16::from(decimal.precision);
    fits.then_some(DataType::Decimal128(decimal.precision, decimal.scale))
}

/// True if a plugin that expects one type can be given the other as it is.
pub(crate) fn same(left: &DataType, right: &DataType) -> bool {
    to_wit(left) == to_wit(right)
}

/// True if the host can hand the type's buffers to a plugin.
pub(crate) fn is_supported(ty: &DataType) -> bool {
    from_wit(&to_wit(ty)).is_some()
}

pub(crate) fn field_to_wit(field: &Field) -> WitField {
    WitField { name: field.name().clone(), ty: to_wit(field.data_type()), nullable: field.is_nullable() }
}

/// The type as people read it in messages: as a configuration calls it.
pub(crate) fn display(ty: &WitType) -> String {
    match (from_wit(ty), ty) {
        (Some(known), _) => type_name(&known),
        (None, WitType::Decimal(decimal)) => format!("decimal({}, {})", decimal.precision, decimal.scale),
        (None, WitType::Arrow(format)) => format!("arrow type `{format}`"),
        (None, other) => format!("{other:?}"),
    }
}

/// True if a read converts `from` to `to` without losing anything: integers to wider ones and to floats
/// that hold them, float32 to float64, timestamps to a finer unit, timestamps and dates to ISO-8601 text
/// (with `Z` for instants).
pub(crate) fn castable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (Int8 | UInt8 | Int16 | UInt16, Int32 | Int64 | Float32 | Float64) => true,
        (Int32, Int64 | Float64) | (UInt32, Int64 | Float64) | (Float32, Float64) => true,
        (Date32 | Timestamp(..), Utf8) => true,
        (Timestamp(coarse, from_zone), Timestamp(fine, to_zone)) => {
            coarse <= fine && from_zone.is_some() == to_zone.is_some()
        }
        _ => false,
    }
}

fn unit_to_wit(unit: TimeUnit) -> WitUnit {
    match unit {
        TimeUnit::Second => WitUnit::Second,
        TimeUnit::Millisecond => WitUnit::Milli,
        TimeUnit::Microsecond => WitUnit::Micro,
        TimeUnit::Nanosecond => WitUnit::Nano,
    }
}

fn unit_from_wit(unit: WitUnit) -> TimeUnit {
    match unit {
        WitUnit::Second => TimeUnit::Second,
        WitUnit::Milli => TimeUnit::Millisecond,
        WitUnit::Micro => TimeUnit::Microsecond,
        WitUnit::Nano => TimeUnit::Nanosecond,
    }
}

/// Types without a name in the interface that are passed raw.
fn flat_types() -> Vec<DataType> {
    use DataType::*;
    use TimeUnit::*;
    let units = [Second, Millisecond, Microsecond, Nanosecond];
    let mut flat = vec![
        Int8,
        UInt8,
        Int16,
        UInt16,
        UInt32,
        UInt64,
        LargeUtf8,
        LargeBinary,
        Date64,
        Time32(Second),
        Time32(Millisecond),
        Time64(Microsecond),
        Time64(Nanosecond),
    ];
    flat.extend(units.map(Duration));
    flat
}

/// Format string of Arrow's C data interface.
fn format_of(ty: &DataType) -> String {
    use DataType::*;
    use TimeUnit::*;
    let unit = |unit: &TimeUnit| match unit {
        Second => 's',
        Millisecond => 'm',
        Microsecond => 'u',
        Nanosecond => 'n',
    };
    match ty {
        Int8 => "c".to_owned(),
        UInt8 => "C".to_owned(),
        Int16 => "s".to_owned(),
        UInt16 => "S".to_owned(),
        UInt32 => "I".to_owned(),
        UInt64 => "L".to_owned(),
        LargeUtf8 => "U".to_owned(),
        LargeBinary => "Z".to_owned(),
        Date64 => "tdm".to_owned(),
        Time32(of) | Time64(of) => format!("tt{}", unit(of)),
        Duration(of) => format!("tD{}", unit(of)),
        List(_) => "+l".to_owned(),
        Struct(_) => "+s".to_owned(),
        // Not a format: such a column is listed, and cannot be read.
        other => format!("?{other}"),
    }
}
