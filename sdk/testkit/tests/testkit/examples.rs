//! The examples of plugins with state and lookup tables, which streams refuse as yet: their cases pass.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray};
use millstream_testkit::{Case, assert_cases};

use crate::plugin;

fn cases(example: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../examples/keyed", example, "cases"].iter().collect()
}

#[test]
fn cases_pass() {
    for example in ["dwell", "gate-passages", "travel-time"] {
        assert_cases(&millstream_guests::wasm(example), &cases(example));
    }
}

/// What cannot be read of a table costs the row that asks for it, with the line where it asks.
#[test]
fn a_row_of_a_table_that_is_not_as_its_type_says_names_the_line() {
    let gates: [(&str, ArrayRef); 3] = [
        ("gate", Arc::new(Int64Array::from(vec![1]))),
        ("road", Arc::new(StringArray::from(vec!["M1"]))),
        ("lanes", Arc::new(Int32Array::from(vec![3]))),
    ];
    let cars: [(&str, ArrayRef); 3] = [
        ("plate", Arc::new(StringArray::from(vec!["A1", "B2"]))),
        ("axles", Arc::new(Int32Array::from(vec![Some(2), None]))),
        ("exempt", Arc::new(BooleanArray::from(vec![true, false]))),
    ];
    let case = Case::new("broken").schema("plate = \"string\"\ngate = \"int64\"").unwrap();
    let case = case.lookup("gates", "gate", RecordBatch::try_from_iter(gates).unwrap()).unwrap();
    let case = case.lookup("cars", "plate", RecordBatch::try_from_iter(cars).unwrap()).unwrap();
    let case = case.message(r#"{"plate": "A1", "gate": 1}"#).message(r#"{"plate": "B2", "gate": 1}"#);
    let run = plugin("gate-passages").run(&case).unwrap();
    let [(2, reason)] = run.rejected()[..] else { panic!("{:?}", run.outcomes()) };
    assert!(reason.contains("gate-passages/src/lib.rs:"), "{reason}");
    assert!(reason.contains("the row of `B2` in lookup table `cars` is not as its type says"), "{reason}");
    assert_eq!(run.passed().len(), 1);
}
