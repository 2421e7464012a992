//! What a field's values have in common: the column type that takes all of them, or what else they are.
//! A field's profile enters, a shape leaves; names play a part only for pairs of coordinates.

use millstream_model::schema::ColumnType;

use super::coordinates::Pairs;
use super::field::{FieldProfile, Kind};
use super::profile::TopicProfile;
use crate::spelling::{Likeness, likeness};

/// Names under which a pair of numbers is a place on earth.
const PLACES: [&str; 5] = ["location", "position", "coordinates", "geolocation", "latlon"];
/// Members beyond which an object whose members come and go is a map rather than a record.
const MEMBERS_MAX: usize = 64;
/// Integers beyond this are proposed as 64-bit ones, since the next may not fit into 32 bits.
const INT32_SAFE: i64 = 1 << 30;
/// Values of a hundred that have to fit a type for it to be the field's; the others are mistakes.
const MOST_PERCENT: u64 = 98;

/// What the values of a field have in common.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// They, or all but a few, fit a column of this type.
    Column(ColumnType),
    /// Date-times that state no zone.
    LocalTime,
    /// Texts that are exactly numbers of this type.
    NumberText(ColumnType),
    /// A latitude and a longitude, or the other way round.
    Pair(Pairs),
    /// An object: its members are fields.
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
            Self::Pair(_) => Class::Pair,
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

/// The shape of one field of `profile`: that of all its values, or of nearly all.
pub(super) fn shape(field: &FieldProfile, profile: &TopicProfile) -> Shape {
    let all = field.count();
    if all == 0 {
        return Shape::Unknown;
    }
    let is_most = |part: u64| part > 0 && are_most(part, all);
    let pairs = if is_place(last_name(field.path())) { field.arrays.pairs } else { 0 };
    let records = if is_record(field, profile) { field.objects.count } else { 0 };
    let (numbers, texts) = (fitting(field, &ColumnType::Float64), field.texts.all.count);
    let has_numbers = field.integers.count + field.fractions.count > 0;
    if pairs > 0 && is_most(pairs + records) {
        Shape::Pair(evidence(field, profile))
    } else if is_most(records) {
        Shape::Object
    } else if has_numbers && numbers >= texts && is_most(numbers) {
        Shape::Column(number(field))
    } else if is_most(texts) {
        self::texts(field)
    } else if is_most(field.booleans.count) {
        Shape::Column(ColumnType::Boolean)
    } else if field.arrays.numbers > 0 && is_most(fitting(field, &ColumnType::Float64List)) {
        Shape::Column(ColumnType::Float64List)
    } else if field.arrays.texts > 0 && is_most(fitting(field, &ColumnType::Utf8List)) {
        Shape::Column(ColumnType::Utf8List)
    } else {
        Shape::Column(ColumnType::Json)
    }
}

/// True if `part` of `all` is so much that the others are mistakes.
pub(super) fn are_most(part: u64, all: u64) -> bool {
    part * 100 >= all * MOST_PERCENT
}

/// How many of a field's values a column of this type takes.
pub(super) fn fitting(field: &FieldProfile, ty: &ColumnType) -> u64 {
    let FieldProfile { texts, arrays, .. } = field;
    match ty {
        ColumnType::Boolean => field.booleans.count,
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float32 | ColumnType::Float64 => {
            field.integers.count + field.fractions.count + texts.integers + texts.fractions
        }
        ColumnType::Utf8 | ColumnType::Date | ColumnType::Timestamp { .. } => texts.all.count,
        ColumnType::Float64List => arrays.numbers + arrays.empty,
        ColumnType::Utf8List => arrays.texts + arrays.empty,
        ColumnType::Json => field.count(),
    }
}

/// The kinds of values that a column of this type takes, and what they are in words.
pub(super) fn kinds(ty: &ColumnType) -> (&'static [Kind], &'static str) {
    match ty {
        ColumnType::Boolean => (&[Kind::Boolean], "true or false"),
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float32 | ColumnType::Float64 => {
            (&[Kind::Number, Kind::NumberText], "a number")
        }
        ColumnType::Utf8 | ColumnType::Date | ColumnType::Timestamp { .. } => {
            (&[Kind::Text, Kind::NumberText], "a text")
        }
        ColumnType::Float64List => (&[Kind::Array], "a list of numbers"),
        ColumnType::Utf8List => (&[Kind::Array], "a list of texts"),
        ColumnType::Json => (&[], "anything"),
    }
}

/// The type that takes the values of both shapes, as texts if nothing better does.
pub(super) fn unify(one: &Shape, other: &Shape) -> Shape {
    use Shape::{Column, LocalTime, NumberText};
    match (one, other) {
        (Shape::Pair(a), Shape::Pair(b)) => Shape::Pair(a.with(*b)),
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

/// What the pairs of a field say of their order. GeoJSON has the longitude first:
/// `{"type": "Point", "coordinates": [-0.13, 51.5]}`.
fn evidence(field: &FieldProfile, profile: &TopicProfile) -> Pairs {
    let sibling = field.path().rsplit_once('.').map(|(parent, _)| format!("{parent}.type"));
    let kind = sibling.and_then(|path| profile.field(&path)).and_then(FieldProfile::values);
    let FieldProfile { arrays, .. } = field;
    Pairs {
        seen: arrays.pairs,
        first_beyond_90: arrays.first_beyond_90,
        second_beyond_90: arrays.second_beyond_90,
        points: kind.and_then(|values| values.get("Point")).map_or(0, |points| arrays.pairs.min(*points)),
    }
}

fn number(field: &FieldProfile) -> ColumnType {
    match field.fractions.count + field.texts.fractions {
        0 => integer(field.range),
        _ => ColumnType::Float64,
    }
}

fn texts(field: &FieldProfile) -> Shape {
    let texts = &field.texts;
    let all = texts.all.count;
    if texts.integers + texts.fractions == all {
        Shape::NumberText(number(field))
    } else if texts.dates == all {
        Shape::Column(ColumnType::Date)
    } else if texts.zoned == all {
        Shape::Column(ColumnType::Timestamp { zone: None, epoch: None })
    } else if texts.zoned + texts.zoneless == all {
        Shape::LocalTime
    } else {
        Shape::Column(ColumnType::Utf8)
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
