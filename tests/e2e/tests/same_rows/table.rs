//! Batches of rows with a column of every type, once without nulls and once with: values that are easily lost, in an order
//! that a seed decides.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Float64Builder, Int32Array,
    Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use millstream_model::columns;
use millstream_tests::Random;

/// Which values of the columns that may be null are.
#[derive(Clone, Copy, Debug)]
pub enum Nulls {
    None,
    Some,
    All,
}

const SMALL: [i32; 5] = [0, 1, -1, i32::MIN, i32::MAX];
/// 2⁵³ + 1 is the first that a 64-bit float does not hold.
const LARGE: [i64; 6] = [0, -1, i64::MIN, i64::MAX, (1 << 53) + 1, -(1 << 53) - 1];
const SINGLE: [f32; 8] =
    [0.0, -0.0, 0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE / 4.0];
const DOUBLE: [f64; 8] =
    [0.0, -0.0, 0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE / 4.0];
/// ASCII first, then what is longer in bytes than in characters, then what ends texts elsewhere.
const TEXTS: [&str; 8] = ["", "a", "North-East", "zoë", "\u{1F697} 東京", "\u{FEFF}mark", "\0", "a\0é"];
const BYTES: [&[u8]; 4] = [b"", b"a", &[0, 0xFF, 0x80], b"no text: \xC3"];
/// From the year 1 to the year 9999.
const DAYS: [i32; 5] = [0, -1, 20_000, -719_162, 2_932_896];
const MICROS: [i64; 7] =
    [0, -1, 999_999, -62_135_596_800_000_000, 253_402_300_799_999_999, i64::MIN, i64::MAX];
const NUMBERS: [&[f64]; 4] = [&[], &[1.5, -0.0], &[f64::NAN, f64::NEG_INFINITY], &[0.1; 9]];
const WORDS: [&[Option<&str>]; 5] =
    [&[], &[Some("a"), None, Some("")], &[None], &[Some("zoë"), Some("\u{1F697}")], &[Some("\0"), Some("b")]];

/// A batch of `rows` rows.
pub fn table(random: &mut Random, rows: usize, nulls: Nulls) -> RecordBatch {
    let mut named: Vec<(String, ArrayRef, bool)> = Vec::new();
    named.push(("verdict".to_owned(), verdicts(random, rows), false));
    for (prefix, is_nullable, nulls) in [("", false, Nulls::None), ("maybe_", true, nulls)] {
        for (name, array) in columns_of(random, rows, nulls) {
            named.push((format!("{prefix}{name}"), array, is_nullable));
        }
    }
    let fields =
        named.iter().map(|(name, array, nullable)| Field::new(name, array.data_type().clone(), *nullable));
    let schema = Schema::new(fields.chain(columns::of_batch()).collect::<Vec<_>>());
    let arrays = named.iter().map(|(_, array, _)| Arc::clone(array)).chain(system(rows)).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

/// 1 rejects the row, 2 drops it.
fn verdicts(random: &mut Random, rows: usize) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values((0..rows).map(|_| random.one_of(&[0, 0, 0, 0, 1, 2]))))
}

fn columns_of(random: &mut Random, rows: usize, nulls: Nulls) -> Vec<(&'static str, ArrayRef)> {
    // A column of ASCII alone takes another way than one with a single character more.
    let texts = &TEXTS[..random.one_of(&[3, 6, TEXTS.len()])];
    let wall = TimestampMicrosecondArray::from(values(random, rows, nulls, &MICROS));
    let at = TimestampMicrosecondArray::from(values(random, rows, nulls, &MICROS)).with_timezone("UTC");
    vec![
        ("flag", Arc::new(BooleanArray::from(values(random, rows, nulls, &[true, false])))),
        ("small", Arc::new(Int32Array::from(values(random, rows, nulls, &SMALL)))),
        ("large", Arc::new(Int64Array::from(values(random, rows, nulls, &LARGE)))),
        ("single", Arc::new(Float32Array::from(values(random, rows, nulls, &SINGLE)))),
        ("double", Arc::new(Float64Array::from(values(random, rows, nulls, &DOUBLE)))),
        ("text", Arc::new(StringArray::from(values(random, rows, nulls, texts)))),
        ("blob", Arc::new(BinaryArray::from(values(random, rows, nulls, &BYTES)))),
        ("day", Arc::new(Date32Array::from(values(random, rows, nulls, &DAYS)))),
        ("at", Arc::new(at)),
        ("wall", Arc::new(wall)),
        ("numbers", numbers(values(random, rows, nulls, &NUMBERS))),
        ("words", words(values(random, rows, nulls, &WORDS))),
    ]
}

fn values<T: Copy>(random: &mut Random, rows: usize, nulls: Nulls, choices: &[T]) -> Vec<Option<T>> {
    let is_null = |random: &mut Random| match nulls {
        Nulls::None => false,
        Nulls::Some => random.once_in(3),
        Nulls::All => true,
    };
    (0..rows).map(|_| (!is_null(random)).then(|| random.one_of(choices))).collect()
}

fn numbers(lists: Vec<Option<&[f64]>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Float64Builder::new());
    for list in lists {
        builder.append_option(list.map(|items| items.iter().copied().map(Some)));
    }
    Arc::new(builder.finish())
}

fn words(lists: Vec<Option<&[Option<&str>]>>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        builder.append_option(list.map(|items| items.iter().copied()));
    }
    Arc::new(builder.finish())
}

fn system(rows: usize) -> Vec<ArrayRef> {
    let offsets: Vec<i64> = (0..rows as i64).collect();
    let times = TimestampMicrosecondArray::from(offsets.clone()).with_timezone("UTC");
    vec![
        Arc::new(StringArray::from(vec!["s"; rows])),
        Arc::new(Int32Array::from(vec![0; rows])),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(times.clone()),
        Arc::new(times),
        Arc::new(BinaryArray::from(vec![b"key".as_slice(); rows])),
    ]
}
