//! Lookup tables of cases, with and without state.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use millstream_testkit::{Case, Fate, assert_cases};

use crate::{cases, plugin, recall};

fn cars() -> RecordBatch {
    let columns: [(&str, ArrayRef); 3] = [
        ("plate", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("owner", Arc::new(StringArray::from(vec![Some("Ann"), None]))),
        ("wheels", Arc::new(Int32Array::from(vec![4, 3]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_case_brings_its_tables() {
    let config = "[lookup.cars]\nkey = \"plate\"\n[lookup.cars.schema]\nplate = \"string\"\nowner = \"string\"\nwheels = \"int32\"\n";
    let (_folder, cases) = cases(&[
        ("config.toml", config),
        ("known/input.jsonl", "{\"plate\": \"a\"}\n{\"plate\": \"x\"}\n{\"plate\": \"b\"}\n"),
        (
            "known/lookup/cars.jsonl",
            "{\"plate\": \"a\", \"owner\": \"Ann\", \"wheels\": 4}\n\n{\"plate\": \"b\", \"wheels\": 3}\n",
        ),
        (
            "known/expected.jsonl",
            "{\"plate\": \"a\", \"owner\": \"Ann\", \"wheels\": 4}\n{\"_rejected\": \"no such car\"}\n{\"plate\": \"b\", \"owner\": null, \"wheels\": 3}\n",
        ),
        ("unknown/input.jsonl", "{\"plate\": \"a\"}\n"),
        (
            "unknown/error.txt",
            "the plugin cannot run on stream `input`: it uses lookup table `cars`, which is not granted: add `cars` to grants.tables in owner.toml\n",
        ),
    ]);
    assert_cases(&millstream_guests::wasm("owner"), &cases);
}

#[test]
fn a_table_is_found_by_its_key_column() {
    let case = Case::new("cars").schema("plate = \"string\"").unwrap().message(r#"{"plate": "b"}"#);
    let case = case.lookup("cars", "plate", cars()).unwrap();
    let run = plugin("owner").run(&case).unwrap();
    assert_eq!(run.passed()[0]["wheels"], 3);

    let case = recall("get", &[r#"{"key": "a", "n": 1}"#]).lookup("cars", "plate", cars()).unwrap();
    let run = plugin("recall").run(&case).unwrap();
    assert_eq!(run.passed()[0]["found"], r#"{"owner":"Ann","wheels":4}"#);

    let error = Case::new("cars").lookup("cars", "number", cars()).unwrap_err();
    assert!(error.to_string().contains("no key column `number`"), "{error}");
}

#[test]
fn a_column_of_another_type_than_the_tables_is_not_joined_as_null() {
    let wheels: ArrayRef = Arc::new(Int64Array::from(vec![4, 3]));
    let [plate, owner, _] = [0, 1, 2].map(|column| Arc::clone(cars().column(column)));
    let cars = RecordBatch::try_from_iter([("plate", plate), ("owner", owner), ("wheels", wheels)]).unwrap();
    let case = Case::new("cars").schema("plate = \"string\"").unwrap().message(r#"{"plate": "b"}"#);
    let run = plugin("owner").run(&case.lookup("cars", "plate", cars).unwrap()).unwrap();
    let Fate::Rejected(reason) = &run.outcomes()[0].fate else { panic!("{:?}", run.outcomes()) };
    let expected = "joins lookup table `cars`, whose column `wheels` is int64, and its plan writes int32";
    assert!(reason.contains(expected), "{reason}");
}
