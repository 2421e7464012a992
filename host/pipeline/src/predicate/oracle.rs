//! Random conditions on random rows, evaluated by Arrow's kernels and again row by row the way the
//! definition of three-valued logic says.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int32Array, RecordBatch, StringArray};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Predicate;

#[derive(Clone, Debug)]
struct Row {
    number: Option<i32>,
    float: Option<f64>,
    text: Option<&'static str>,
    flag: Option<bool>,
}

const TEXTS: [&str; 5] = ["", "a", "ab", "b%", "B"];

/// A condition as the test makes it.
enum Made {
    Flag,
    Number(&'static str, i32),
    Float(&'static str, f64),
    Mixed(&'static str),
    In(Vec<&'static str>),
    Between(i32, i32),
    Prefix(&'static str),
    IsNull(&'static str),
    Not(Box<Made>),
    And(Box<Made>, Box<Made>),
    Or(Box<Made>, Box<Made>),
}

const COMPARISONS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

impl Made {
    fn random(random: &mut StdRng, depth: u32) -> Self {
        let comparison = COMPARISONS[random.random_range(0..COMPARISONS.len())];
        let part = |random: &mut StdRng| Box::new(Self::random(random, depth - 1));
        match random.random_range(0..if depth == 0 { 8 } else { 12 }) {
            0 => Self::Flag,
            1 => Self::Number(comparison, random.random_range(-3..4)),
            2 => Self::Float(comparison, f64::from(random.random_range(-6..7)) / 2.0),
            3 => Self::Mixed(comparison),
            4 => Self::In((0..random.random_range(1..4)).map(|_| text(random)).collect()),
            5 => Self::Between(random.random_range(-3..2), random.random_range(-2..4)),
            6 => Self::Prefix(["", "a", "b"][random.random_range(0..3)]),
            7 => Self::IsNull(["number", "float", "text", "flag"][random.random_range(0..4)]),
            8 => Self::Not(part(random)),
            9 => Self::And(part(random), part(random)),
            _ => Self::Or(part(random), part(random)),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Flag => "flag".to_owned(),
            Self::Number(comparison, value) => format!("number {comparison} {value}"),
            Self::Float(comparison, value) => format!("float {comparison} {value}"),
            Self::Mixed(comparison) => format!("number {comparison} float"),
            Self::In(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| format!("'{text}'")).collect();
                format!("text in ({})", texts.join(", "))
            }
            Self::Between(low, high) => format!("number between {low} and {high}"),
            Self::Prefix(prefix) => format!("text like '{prefix}%'"),
            Self::IsNull(column) => format!("{column} is null"),
            Self::Not(part) => format!("not ({})", part.text()),
            Self::And(left, right) => format!("({}) and ({})", left.text(), right.text()),
            Self::Or(left, right) => format!("({}) or ({})", left.text(), right.text()),
        }
    }

    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Self::Flag => row.flag,
            Self::Number(comparison, value) => {
                row.number.map(|number| compare(comparison, number.into(), (*value).into()))
            }
            Self::Float(comparison, value) => row.float.map(|float| compare(comparison, float, *value)),
            Self::Mixed(comparison) => {
                row.number.zip(row.float).map(|(number, float)| compare(comparison, number.into(), float))
            }
            Self::In(texts) => row.text.map(|text| texts.contains(&text)),
            Self::Between(low, high) => row.number.map(|number| (low..=high).contains(&&number)),
            Self::Prefix(prefix) => row.text.map(|text| text.starts_with(prefix)),
            Self::IsNull(column) => Some(match *column {
                "number" => row.number.is_none(),
                "float" => row.float.is_none(),
                "text" => row.text.is_none(),
                _ => row.flag.is_none(),
            }),
            Self::Not(part) => part.holds(row).map(|holds| !holds),
            Self::And(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.holds(row), right.holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn compare(comparison: &str, left: f64, right: f64) -> bool {
    match comparison {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

fn text(random: &mut StdRng) -> &'static str {
    TEXTS[random.random_range(0..TEXTS.len())]
}

fn row(random: &mut StdRng) -> Row {
    let mut there = || random.random_bool(0.7);
    let (number, float, text_there, flag) = (there(), there(), there(), there());
    let half = f64::from(random.random_range(-6..7)) / 2.0;
    let special = [f64::NAN, -0.0, f64::INFINITY, half];
    Row {
        number: number.then(|| random.random_range(-3..4)),
        float: float.then(|| special[random.random_range(0..special.len())]),
        text: text_there.then(|| text(random)),
        flag: flag.then(|| random.random_bool(0.5)),
    }
}

fn batch(rows: &[Row]) -> RecordBatch {
    let column = |name: &'static str, array: ArrayRef| (name, array, true);
    RecordBatch::try_from_iter_with_nullable([
        column("number", Arc::new(rows.iter().map(|row| row.number).collect::<Int32Array>())),
        column("float", Arc::new(rows.iter().map(|row| row.float).collect::<Float64Array>())),
        column("text", Arc::new(rows.iter().map(|row| row.text).collect::<StringArray>())),
        column("flag", Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>())),
    ])
    .unwrap()
}

#[test]
fn kernels_agree_with_the_definition() {
    for seed in 0..400 {
        let mut random = StdRng::seed_from_u64(seed);
        let rows: Vec<_> = (0..random.random_range(1..80)).map(|_| row(&mut random)).collect();
        let made = Made::random(&mut random, 4);
        let all = batch(&rows);
        // A slice has buffers that do not begin at its first row.
        let from = random.random_range(0..rows.len());
        let predicate = Predicate::parse(&made.text(), &all.schema()).unwrap();
        let matched = predicate.evaluate(&all.slice(from, rows.len() - from)).unwrap();
        for (row, matched) in rows[from..].iter().zip(matched.values()) {
            assert_eq!(matched, made.holds(row) == Some(true), "seed {seed}: {predicate} on {row:?}");
        }
    }
}
