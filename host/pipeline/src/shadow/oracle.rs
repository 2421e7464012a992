//! Random outputs of two versions, compared by Arrow's kernels and again message by message and value by value,
//! the way the kinds of differences are defined.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millstream_engine::{Cause, Metrics, Output, RejectedRow, StepOutput};
use millstream_model::{Offset, columns};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};

use super::compare::{Comparer, Made, Shape};
use super::report::{EXAMPLES_MAX, ShadowReport};

/// A row of the stream or of an output.
#[derive(Clone, Debug)]
struct Row {
    offset: Offset,
    number: i64,
    float: Option<f64>,
    text: Option<&'static str>,
}

/// What a version makes, as the test knows it.
#[derive(Clone, Debug, Default)]
struct Model {
    passed: Vec<Row>,
    rejected: Vec<RejectedRow>,
    dropped: Vec<Offset>,
    alerts: Vec<Row>,
    extra: Vec<Row>,
}

const FLOATS: [Option<f64>; 5] = [None, Some(0.0), Some(-0.0), Some(f64::NAN), Some(1.5)];
const TEXTS: [Option<&str>; 3] = [None, Some(""), Some("a")];
const CAUSES: [Cause; 3] = [Cause::Plugin, Cause::Trap, Cause::Deadline];

impl Model {
    fn add(&mut self, random: &mut StdRng, offset: Offset) {
        match random.random_range(0..8) {
            0 => self.dropped.push(offset),
            1 => {
                let reason = Arc::from(["one", "two"][random.random_range(0..2)]);
                let cause = CAUSES[random.random_range(0..CAUSES.len())];
                self.rejected.push(RejectedRow { offset, reason, cause });
            }
            rows => (0..(rows - 1).min(2)).for_each(|_| self.passed.push(row(random, offset))),
        }
        if random.random_bool(0.2) {
            self.alerts.push(row(random, offset));
        }
    }

    /// Rows of `columns`, which are in the versions' own order; an output's rows may come in any.
    fn rows(rows: &[Row], schema: &SchemaRef) -> RecordBatch {
        let column = |name: &str| -> ArrayRef {
            match name {
                "number" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.number))),
                "float" => Arc::new(rows.iter().map(|row| row.float).collect::<Float64Array>()),
                "text" => Arc::new(rows.iter().map(|row| row.text).collect::<StringArray>()),
                "added" => Arc::new(Int32Array::from(vec![7; rows.len()])),
                columns::TOPIC => Arc::new(StringArray::from(vec!["t"; rows.len()])),
                columns::PARTITION => Arc::new(Int32Array::from(vec![3; rows.len()])),
                _ => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.offset))),
            }
        };
        let arrays = schema.fields().iter().map(|field| column(field.name())).collect();
        RecordBatch::try_new(schema.clone(), arrays).unwrap()
    }

    fn output(&self, shape: &Shape) -> StepOutput {
        let emitted = shape.outputs.iter().enumerate().map(|(number, output)| {
            let rows = if output.name == "alerts" { &self.alerts } else { &self.extra };
            (number, Self::rows(rows, &output.schema))
        });
        StepOutput {
            passed: Self::rows(&self.passed, &shape.rows),
            rejected: self.rejected.clone(),
            dropped: self.dropped.clone(),
            emitted: emitted.filter(|(_, rows)| rows.num_rows() > 0).collect(),
            metrics: Metrics::default(),
            circuit: None,
        }
    }
}

fn row(random: &mut StdRng, offset: Offset) -> Row {
    let float = FLOATS[random.random_range(0..FLOATS.len())];
    Row { offset, number: random.random_range(0..3), float, text: TEXTS[random.random_range(0..3)] }
}

fn schema(names: &[&str]) -> SchemaRef {
    let ty = |name: &str| match name {
        "float" => DataType::Float64,
        "text" | columns::TOPIC => DataType::Utf8,
        "added" | columns::PARTITION => DataType::Int32,
        _ => DataType::Int64,
    };
    let names = names.iter().chain(&[columns::TOPIC, columns::PARTITION, columns::OFFSET]);
    Arc::new(Schema::new(names.map(|name| Field::new(*name, ty(name), true)).collect::<Vec<_>>()))
}

fn shapes() -> (Shape, Shape) {
    let output = |name: &str, names: &[&str]| Output { name: name.to_owned(), schema: schema(names) };
    let live =
        Shape { rows: schema(&["number", "float", "text"]), outputs: vec![output("alerts", &["number"])] };
    let outputs = vec![output("extra", &["number"]), output("alerts", &["added", "number"])];
    (live, Shape { rows: schema(&["text", "added", "number", "float"]), outputs })
}

/// Kinds of differences of one message, value by value; and at how many more rows the candidate fails.
fn kinds(live: &Model, candidate: &Model, offset: Offset) -> (BTreeSet<String>, u64) {
    let mut kinds = BTreeSet::new();
    let who = |live: usize, candidate: usize| match candidate.cmp(&live) {
        std::cmp::Ordering::Less => Some("only the live version"),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some("only the candidate"),
    };
    let rejected = |model: &Model| -> Vec<RejectedRow> {
        model.rejected.iter().filter(|row| row.offset == offset).cloned().collect()
    };
    let (one, other) = (rejected(live), rejected(candidate));
    for cause in CAUSES {
        let count = |rows: &[RejectedRow]| rows.iter().filter(|row| row.cause == cause).count();
        if let Some(who) = who(count(&one), count(&other)) {
            let plugin = cause == Cause::Plugin;
            kinds.insert(if plugin { format!("{who} rejects") } else { format!("{who} fails: {cause}") });
        }
    }
    if kinds.is_empty() && one != other {
        kinds.insert("another reason to reject".to_owned());
    }
    let failed = |rows: &[RejectedRow]| rows.iter().filter(|row| row.cause != Cause::Plugin).count() as u64;
    let newly_failed = failed(&other).saturating_sub(failed(&one));
    let dropped = |model: &Model| model.dropped.iter().filter(|other| **other == offset).count();
    kinds.extend(who(dropped(live), dropped(candidate)).map(|who| format!("{who} drops")));
    let explained = kinds.iter().any(|kind| kind != "another reason to reject");
    let of = |rows: &[Row]| -> Vec<Row> { rows.iter().filter(|row| row.offset == offset).cloned().collect() };
    let (one, other) = (of(&live.passed), of(&candidate.passed));
    if one.len() != other.len() && !explained {
        kinds.insert("another number of rows".to_owned());
    }
    for (one, other) in one.iter().zip(&other) {
        let mut column = |name: &str, differs: bool| {
            differs.then(|| kinds.insert(format!("column {name}")));
        };
        let bits = |row: &Row| row.float.map(|float| if float.is_nan() { 1 } else { float.to_bits() });
        column("number", one.number != other.number);
        column("float", bits(one) != bits(other));
        column("text", one.text != other.text);
    }
    for (name, one, other) in
        [("alerts", of(&live.alerts), of(&candidate.alerts)), ("extra", Vec::new(), of(&candidate.extra))]
    {
        if one.len() != other.len() {
            kinds.insert(format!("output {name}: another number of rows"));
        }
        if one.iter().zip(&other).any(|(one, other)| one.number != other.number) {
            kinds.insert(format!("output {name}: column number"));
        }
    }
    (kinds, newly_failed)
}

/// A batch of messages, of which a step before may have made several rows each.
fn input(random: &mut StdRng) -> Vec<Offset> {
    let mut offsets = Vec::new();
    let mut offset = random.random_range(0..1000);
    for _ in 0..random.random_range(0..40) {
        offset += if random.random_bool(0.7) { 1 } else { random.random_range(1..5) };
        offsets.extend(std::iter::repeat_n(offset, if random.random_bool(0.8) { 1 } else { 2 }));
    }
    offsets
}

fn models(random: &mut StdRng, input: &[Offset]) -> (Model, Model) {
    let (mut live, mut candidate) = (Model::default(), Model::default());
    // From the same to anything.
    let same = [0.0, 0.9, 1.0][random.random_range(0..3)];
    for offset in input {
        let seed: u64 = random.random();
        let other_seed = if random.random_bool(same) { seed } else { random.random() };
        live.add(&mut StdRng::seed_from_u64(seed), *offset);
        candidate.add(&mut StdRng::seed_from_u64(other_seed), *offset);
        if random.random_bool(0.05) && same < 1.0 {
            candidate.extra.push(row(random, *offset));
        }
    }
    live.alerts.shuffle(random);
    candidate.alerts.shuffle(random);
    (live, candidate)
}

#[test]
fn kernels_find_what_a_look_at_every_value_finds() {
    let mut nothing = 0;
    for seed in 0..400 {
        let random = &mut StdRng::seed_from_u64(seed);
        let (live_shape, candidate_shape) = shapes();
        let mut comparer = Comparer::new(&live_shape, &candidate_shape);
        let mut expect = ShadowReport::default();
        for _ in 0..random.random_range(1..4) {
            let offsets = input(random);
            let (live, candidate) = models(random, &offsets);
            let rows: Vec<_> = offsets.iter().map(|offset| row(random, *offset)).collect();
            let rows = Model::rows(&rows, &live_shape.rows);
            let (one, other) = (live.output(&live_shape), candidate.output(&candidate_shape));
            let made = |output| Made { output, busy: Duration::ZERO };
            comparer.compare(&rows, made(&one), made(&other)).unwrap();
            let mut messages: BTreeMap<Offset, u64> = BTreeMap::new();
            offsets.iter().for_each(|offset| *messages.entry(*offset).or_default() += 1);
            for (offset, rows) in messages {
                let (kinds, newly_failed) = kinds(&live, &candidate, offset);
                expect.newly_failed += newly_failed;
                expect.rows_different += if kinds.is_empty() { 0 } else { rows };
                kinds.into_iter().for_each(|kind| *expect.differences.entry(kind).or_default() += rows);
            }
        }
        let report = comparer.report();
        assert_eq!(report.differences, expect.differences, "seed {seed}");
        assert_eq!(report.rows_different, expect.rows_different, "seed {seed}");
        assert_eq!(report.newly_failed, expect.newly_failed, "seed {seed}");
        assert_eq!(report.columns_added, ["added", "added of alerts"], "seed {seed}");
        check_examples(report, seed);
        nothing += u32::from(report.differences.is_empty());
    }
    assert!((10..390).contains(&nothing), "{nothing} of 400 were the same");
}

fn check_examples(report: &ShadowReport, seed: u64) {
    assert!(report.examples.len() <= EXAMPLES_MAX, "seed {seed}");
    assert_eq!(report.examples.is_empty(), report.differences.is_empty(), "seed {seed}");
    for example in &report.examples {
        assert!(report.differences.contains_key(&example.kind), "seed {seed}: {example:?}");
        assert!(example.message.starts_with("t/3@"), "seed {seed}: {example:?}");
        let text = |made: &Option<serde_json::Value>| made.as_ref().map(ToString::to_string);
        assert_ne!(text(&example.live), text(&example.candidate), "seed {seed}: {example:?}");
    }
}
