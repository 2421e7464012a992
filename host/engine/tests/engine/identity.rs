//! Random batches of every type, with nulls and slices, survive a plugin that reads and rewrites every
//! column; and a batch cut in two gives the same rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Float64Builder, Int16Array, Int32Array, Int64Array, LargeStringArray, ListBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMillisecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Field, Schema};
use millstream_engine::{Grants, InputSpec, Limits};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::{misbehave, schema, system_columns};

fn some<T>(random: &mut StdRng, value: impl Fn(&mut StdRng) -> T, rows: usize) -> Vec<Option<T>> {
    let nulls = random.random_bool(0.7);
    (0..rows).map(|_| (!nulls || random.random_bool(0.8)).then(|| value(random))).collect()
}

fn text(random: &mut StdRng) -> String {
    (0..random.random_range(0..5)).map(|_| ['a', 'ü', '𝄞', ' '][random.random_range(0..4)]).collect()
}

fn lists(random: &mut StdRng, rows: usize) -> [ArrayRef; 2] {
    let mut floats = ListBuilder::new(Float64Builder::new());
    let mut texts = ListBuilder::new(StringBuilder::new());
    for _ in 0..rows {
        for _ in 0..random.random_range(0..4) {
            floats.values().append_value(random.random());
            texts.values().append_option(random.random_bool(0.7).then(|| text(random)));
        }
        floats.append(random.random_bool(0.8));
        texts.append(random.random_bool(0.8));
    }
    [Arc::new(floats.finish()), Arc::new(texts.finish())]
}

fn random_batch(random: &mut StdRng, rows: usize) -> RecordBatch {
    let [floats, texts] = lists(random, rows);
    let millis: TimestampMillisecondArray = some(random, |r| r.random::<i64>(), rows).into();
    let decimals: Decimal128Array = some(random, |r| i128::from(r.random::<i32>()), rows).into();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(some(random, |r| r.random::<bool>(), rows)))),
        ("int32", Arc::new(Int32Array::from(some(random, |r| r.random::<i32>(), rows)))),
        ("int64", Arc::new(Int64Array::from(some(random, |r| r.random::<i64>(), rows)))),
        ("float32", Arc::new(Float32Array::from(some(random, |r| r.random::<f32>(), rows)))),
        ("float64", Arc::new(Float64Array::from(some(random, |r| r.random::<f64>(), rows)))),
        ("date", Arc::new(Date32Array::from(some(random, |r| r.random::<i32>(), rows)))),
        ("wall", Arc::new(millis.clone())),
        ("instant", Arc::new(millis.with_timezone("+00:00"))),
        ("decimal", Arc::new(decimals.with_precision_and_scale(20, 3).unwrap())),
        ("utf8", Arc::new(StringArray::from(some(random, text, rows)))),
        (
            "binary",
            Arc::new(some(random, |r| text(r).into_bytes(), rows).into_iter().collect::<BinaryArray>()),
        ),
        ("large", Arc::new(LargeStringArray::from(some(random, text, rows)))),
        ("int16", Arc::new(Int16Array::from(some(random, |r| r.random::<i16>(), rows)))),
        ("floats", floats),
        ("texts", texts),
    ];
    let fields =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema: Arc<Schema> = schema(fields);
    let arrays = columns.into_iter().map(|(_, array)| array).chain(system_columns(rows)).collect();
    RecordBatch::try_new(schema, arrays).unwrap()
}

#[test]
fn every_type_survives() {
    let seed = 7;
    let mut random = StdRng::seed_from_u64(seed);
    let shape = random_batch(&mut random, 1).schema();
    let config = serde_json::json!({ "mode": "identity" });
    let step = misbehave()
        .configure(&config, &InputSpec::new("s", shape), Limits::default(), &Grants::default())
        .unwrap();
    let mut instance = step.instance();
    for round in 0..60 {
        let whole = random_batch(&mut random, 100);
        let start = random.random_range(0..100);
        let slice = whole.slice(start, random.random_range(0..=100 - start));
        let output = instance.process(&slice);
        assert_eq!(output.rejected, [], "seed {seed}, round {round}");
        assert_eq!(output.passed, slice, "seed {seed}, round {round}");
        let cut = random.random_range(0..=slice.num_rows());
        let parts = [slice.slice(0, cut), slice.slice(cut, slice.num_rows() - cut)]
            .map(|part| instance.process(&part).passed);
        assert_eq!(concat_batches(&slice.schema(), &parts).unwrap(), slice, "seed {seed}, round {round}");
    }
}
