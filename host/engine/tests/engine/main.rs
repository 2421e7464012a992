//! The engine against real guests, through its public interface alone.

mod containment;
mod fixtures;
mod grants;
mod http;
mod identity;
mod keyed;
mod load;
mod look;
mod optional;
mod overload;
mod places;
mod process;
mod recovery;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, AsArray, BinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use millstream_engine::{Engine, EngineSettings, Grants, InputSpec, Limits, Plugin, Step};
use millstream_model::columns;

/// An engine whose deadline for starting is short enough for guests that never come up.
fn engine() -> Engine {
    let settings = EngineSettings { start_deadline: Duration::from_secs(3), ..EngineSettings::default() };
    Engine::new(settings).unwrap()
}

fn misbehave() -> Plugin {
    engine().load(&millstream_guests::wasm("misbehave")).unwrap()
}

fn schema(declared: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(declared.into_iter().chain(columns::of_batch()).collect::<Vec<_>>()))
}

/// Stream `s`: a number, two floats that may be null.
fn input() -> InputSpec {
    let float = |name| Field::new(name, DataType::Float64, true);
    InputSpec::new("s", schema(vec![Field::new("n", DataType::Int64, false), float("a"), float("b")]))
}

fn system_columns(rows: usize) -> Vec<ArrayRef> {
    let offsets: Vec<i64> = (0..rows as i64).map(|row| 100 + row).collect();
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

/// Rows of stream `s` with offsets from 100; `a` is half of `n`, `b` is one.
fn batch(numbers: &[i64]) -> RecordBatch {
    let rows = numbers.len();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(numbers.to_vec())),
        Arc::new(Float64Array::from(numbers.iter().map(|n| *n as f64 / 2.0).collect::<Vec<_>>())),
        Arc::new(Float64Array::from(vec![1.0; rows])),
    ];
    columns.extend(system_columns(rows));
    RecordBatch::try_new(input().schema, columns).unwrap()
}

fn step(mode: &str, limits: Limits) -> Step {
    misbehave().configure(&serde_json::json!({ "mode": mode }), &input(), limits, &Grants::default()).unwrap()
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<i64> {
    batch.column_by_name(column).unwrap().as_primitive::<Int64Type>().values().to_vec()
}
