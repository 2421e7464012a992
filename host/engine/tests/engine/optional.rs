//! A plugin of the SDK on streams that have, and lack, the columns that are optional to it.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type};
use millstream_engine::{Grants, InputSpec, Limits, StepOutput};

use crate::{engine, schema, system_columns};

/// Rows of a GPS stream: what every one has, and `more`.
fn cleanse(more: Vec<(&str, ArrayRef)>) -> StepOutput {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value; 2])) };
    let mut columns = vec![
        ("timestamp", text("2026-01-01T08:00:00")),
        ("speed", Arc::new(Float64Array::from(vec![36.0; 2])) as ArrayRef),
        ("direction", text("nw")),
        ("vehicleType", text("Taxi")),
    ];
    columns.extend(more);
    let fields = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let input = InputSpec::new("gps", schema(fields.collect()));
    let arrays = columns.into_iter().map(|(_, array)| array).chain(system_columns(2)).collect();
    let rows = RecordBatch::try_new(Arc::clone(&input.schema), arrays).unwrap();
    let plugin = engine().load(&millstream_guests::wasm("cleanse-gps")).unwrap();
    let config = serde_json::json!({ "zone": "Europe/London" });
    plugin
        .configure(&config, &input, Limits::default(), &Grants::default())
        .unwrap()
        .instance()
        .process(&rows)
}

fn latitudes(output: &StepOutput) -> Vec<Option<f64>> {
    let column = output.passed.column_by_name("location.lat").expect("the plugin writes it");
    column.as_primitive::<Float64Type>().iter().collect()
}

#[test]
fn a_stream_may_lack_them() {
    let output = cleanse(Vec::new());
    assert_eq!((output.passed.num_rows(), output.rejected.len()), (2, 0));
    assert_eq!(latitudes(&output), [None, None], "written, though it is not read");
}

#[test]
fn one_that_is_there_is_read_and_the_others_are_not_mixed_up() {
    let satellites: ArrayRef = Arc::new(Int32Array::from(vec![9, -1]));
    let output = cleanse(vec![("satellites", satellites)]);
    assert_eq!(output.passed.num_rows(), 1);
    assert_eq!(&*output.rejected[0].reason, "`satellites` is negative");
}

#[test]
fn all_may_be_there_and_one_is_taken_out() {
    let floats = |values: [Option<f64>; 2]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
    let output = cleanse(vec![
        ("location.lat", floats([Some(51.5), None])),
        ("location.lon", floats([Some(-0.12), None])),
        ("location.text", Arc::new(StringArray::from(vec![None, Some("52.5, -1.9")]))),
        ("bearing", floats([Some(312.7), None])),
        ("accuracy", floats([None, Some(4.5)])),
        ("satellites", Arc::new(Int32Array::from(vec![9, 4]))),
    ]);
    assert_eq!(latitudes(&output), [Some(51.5), Some(52.5)]);
    assert!(output.passed.column_by_name("location.text").is_none(), "it is dropped");
    let bearing = output.passed.column_by_name("bearing").expect("it is only read");
    assert_eq!((bearing.data_type(), bearing.null_count()), (&DataType::Float64, 1));
}
