//! What a field's values have in common: the column type that takes all of them, or what else they are.
//! A field's profile enters, a shape leaves; names play a part only for pairs of coordinates.

use millstream_model::schema::ColumnType;

use super::field::FieldProfile;
use super::profile::TopicProfile;
use crate::spelling::{Likeness, likeness};

/// Names under which a pair of numbers is a place on earth.
const PLACES: [&str; 5] = ["location", "position", "coordinates", "geolocation", "latlon"];
/// Members beyond which an object whose members come and go is a map rather than a record.
const MEMBERS_MAX: usize = 64;
/// Integers beyond this are proposed as 64-bit ones, since the next may not fit into 32 bits.
const INT32_SAFE: i64 = 1 << 30;

/// What the values of a field have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// They fit a column of this type.
    Column(ColumnType),
    /// Date-times that state no zone.
    LocalTime,
    /// Texts that are exactly numbers of this type.
    NumberText(ColumnType),
    /// A latitude and a longitude, or the other way round.
    Pair {
        /// Latitude comes first.
        latitude_first: bool,
    },
    /// Nothing but an object: its members are fields.
    Object,
    /// Nothing but nulls.
    Unknown,
}

/// Kinds of shapes that can be one and the same column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Numbers.
    Number,
    /// Texts.
    Text,
    /// Texts that are numbers: one of both.
    NumberText,
    /// Pairs of coordinates.
    Pair,
    /// true and false.
    Boolean,
    /// Lists and values that are kept as JSON.
    Nested,
    /// Not known.
    Any,
}

impl Shape {
    /// The shape's class.
    pub fn class(&self) -> Class {
        match self {
            Self::Column(ty) => class_of(ty),
            Self::LocalTime => Class::Text,
            Self::NumberText(_) => Class::NumberText,
            Self::Pair { .. } => Class::Pair,
            Self::Object | Self::Unknown => Class::Any,
        }
    }
}

impl Class {
    /// True if values of both classes can stand in one column.
    pub fn agrees_with(self, other: Self) -> bool {
        let half = |one, other| one == Self::NumberText && matches!(other, Self::Number | Self::Text);
        self == other || self == Self::Any || other == Self::Any || half(self, other) || half(other, self)
    }
}

/// The class of a declared column's values.
pub(super) fn class_of(ty: &ColumnType) -> Class {
    match ty {
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float32 | ColumnType::Float64 => Class::Number,
        ColumnType::Utf8 | ColumnType::Date => Class::Text,
        ColumnType::Timestamp { epoch: None, .. } => Class::Text,
        ColumnType::Timestamp { epoch: Some(_), .. } => Class::Any,
        ColumnType::Boolean => Class::Boolean,
        ColumnType::Float64List | ColumnType::Utf8List | ColumnType::Json => Class::Nested,
    }
}

/// The type's name in a configuration.
pub(super) fn type_name(ty: &ColumnType) -> &'static str {
    match ty {
        ColumnType::Boolean => "boolean",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Float32 => "float32",
        ColumnType::Float64 => "float64",
        ColumnType::Utf8 => "string",
        ColumnType::Date => "date",
        ColumnType::Timestamp { .. } => "timestamp",
        ColumnType::Float64List => "list<float64>",
        ColumnType::Utf8List => "list<string>",
        ColumnType::Json => "json",
    }
}

/// The shape of one field of `profile`.
pub(super) fn shape(field: &FieldProfile, profile: &TopicProfile) -> Shape {
    let plain = field.booleans.count + field.integers.count + field.fractions.count + field.texts.all.count;
    let (arrays, objects) = (field.arrays.all.count, field.objects.count);
    let is_pair = arrays > 0 && arrays == field.arrays.pairs && is_place(last_name(field.path()));
    match (plain, arrays, objects) {
        (0, 0, 0) => Shape::Unknown,
        (0, 0, _) if is_record(field, profile) => Shape::Object,
        (0, _, 0) if is_pair => pair(field, profile),
        (0, _, _) if is_pair && is_record(field, profile) => pair(field, profile),
        (0, _, 0) => Shape::Column(list(field)),
        (_, 0, 0) => scalar(field),
        _ => Shape::Column(ColumnType::Json),
    }
}

/// The type that takes the values of both shapes, as texts if nothing better does.
pub(super) fn unify(one: &Shape, other: &Shape) -> Shape {
    use Shape::{Column, LocalTime, NumberText};
    match (one, other) {
        (a, b) if a == b => a.clone(),
        (Shape::Unknown, known) | (known, Shape::Unknown) => known.clone(),
        (Column(a), Column(b)) | (NumberText(a), Column(b)) | (Column(b), NumberText(a))
            if class_of(a) == Class::Number && class_of(b) == Class::Number =>
        {
            Column(wider(a, b))
        }
        (NumberText(a), NumberText(b)) => NumberText(wider(a, b)),
        (LocalTime, Column(ColumnType::Timestamp { .. }))
        | (Column(ColumnType::Timestamp { .. }), LocalTime) => LocalTime,
        (Shape::Pair { .. }, Shape::Pair { .. }) => one.clone(),
        (a, b) if a.class() == Class::Nested || b.class() == Class::Nested => Column(ColumnType::Json),
        _ => Column(ColumnType::Utf8),
    }
}

/// The last name of a dotted path.
pub(super) fn last_name(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The usual name of a place that `name` is, or is a slip of the fingers away from.
pub(super) fn usual_place(name: &str) -> Option<&'static str> {
    let is = |place: &&str| name == *place;
    let like = |place: &&str| matches!(likeness(name, place), Some(Likeness::Spelling | Likeness::Slip));
    PLACES.into_iter().find(is).or_else(|| PLACES.into_iter().find(like))
}

fn is_place(name: &str) -> bool {
    usual_place(name).is_some()
}

/// True if the members of an object are known and mostly the same ones.
fn is_record(field: &FieldProfile, profile: &TopicProfile) -> bool {
    let members: Vec<_> = profile.below(field.path()).collect();
    let seen: u64 = members.iter().map(|member| member.messages().len()).sum();
    let comes_and_goes = seen * 4 < field.objects.count * members.len() as u64;
    let is_map = members.len() > MEMBERS_MAX && comes_and_goes;
    !members.is_empty() && !is_map
}

/// GeoJSON has the longitude first: `{"type": "Point", "coordinates": [-0.13, 51.5]}`.
fn pair(field: &FieldProfile, profile: &TopicProfile) -> Shape {
    let sibling = field.path().rsplit_once('.').map(|(parent, _)| format!("{parent}.type"));
    let kind = sibling.and_then(|path| profile.field(&path)).and_then(FieldProfile::values);
    let is_point = kind.is_some_and(|values| values.contains_key("Point"));
    Shape::Pair { latitude_first: !is_point && !field.arrays.first_beyond_90 }
}

fn list(field: &FieldProfile) -> ColumnType {
    let arrays = &field.arrays;
    let filled = arrays.all.count - arrays.empty;
    match filled {
        0 => ColumnType::Json,
        _ if arrays.numbers == filled => ColumnType::Float64List,
        _ if arrays.texts == filled => ColumnType::Utf8List,
        _ => ColumnType::Json,
    }
}

fn scalar(field: &FieldProfile) -> Shape {
    let FieldProfile { texts, fractions, integers, booleans, .. } = field;
    let numbers = integers.count + fractions.count;
    let number_texts = texts.integers + texts.fractions;
    let number = match fractions.count + texts.fractions {
        0 => integer(field.range),
        _ => ColumnType::Float64,
    };
    let all = texts.all.count;
    match (booleans.count, numbers, all) {
        (_, 0, 0) => Shape::Column(ColumnType::Boolean),
        (0, _, 0) => Shape::Column(number),
        (0, 0, _) if number_texts == all => Shape::NumberText(number),
        (0, 0, _) if texts.dates == all => Shape::Column(ColumnType::Date),
        (0, 0, _) if texts.zoned == all => Shape::Column(ColumnType::Timestamp { zone: None, epoch: None }),
        (0, 0, _) if texts.zoned + texts.zoneless == all => Shape::LocalTime,
        (0, 0, _) => Shape::Column(ColumnType::Utf8),
        (0, _, _) if number_texts == all => Shape::Column(number),
        _ => Shape::Column(ColumnType::Json),
    }
}

fn integer((least, greatest): (i64, i64)) -> ColumnType {
    let is_small =
        (-INT32_SAFE..INT32_SAFE).contains(&least) && (-INT32_SAFE..INT32_SAFE).contains(&greatest);
    if is_small { ColumnType::Int32 } else { ColumnType::Int64 }
}

fn wider(a: &ColumnType, b: &ColumnType) -> ColumnType {
    let rank = |ty: &ColumnType| match ty {
        ColumnType::Int32 => 0,
        ColumnType::Int64 => 1,
        _ => 2,
    };
    if rank(a) >= rank(b) { a.clone() } else { b.clone() }
}
