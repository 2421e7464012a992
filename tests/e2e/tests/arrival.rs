//! The recorded vehicle messages arrive in the tables, each once, with the right types and values, as
//! pyarrow and DuckDB see them.

use std::collections::BTreeMap;

use millstream_tests::{Workspace, duckdb, pyarrow, seeds};
use serde_json::{Value, json};

const FOLDERS: [&str; 3] = ["canonical", "misspelt", "us-route"];

fn workspace() -> (Workspace, usize) {
    let workspace = Workspace::files();
    let messages: String = FOLDERS.iter().map(|folder| seeds(folder, "vehicle_data")).collect();
    let count = messages.lines().count();
    workspace.write("messages/vehicle_data/0.jsonl", messages);
    (workspace, count)
}

#[test]
fn counts_add_up_by_counters_and_by_rows() {
    let (workspace, messages) = workspace();
    let summary = workspace.catch_up();
    let vehicle = &summary["streams"]["vehicle"];
    let sum = |counts: &Value| {
        counts.as_object().into_iter().flatten().map(|(_, n)| n.as_u64().unwrap()).sum::<u64>()
    };
    let (dropped, dead) = (sum(&vehicle["dropped"]), sum(&vehicle["dead"]));
    assert_eq!(vehicle["in"], json!(messages));
    assert_eq!(vehicle["out"].as_u64().unwrap() + dropped + dead, messages as u64);

    let rows =
        |table: &str| duckdb(&workspace.files_of(table), "select count(*) from t")[0][0].as_u64().unwrap();
    assert_eq!(rows("raw.vehicle"), messages as u64);
    assert_eq!(rows("curated.vehicle") + rows("dead_letters") + dropped, messages as u64);
}

#[test]
fn every_dead_letter_has_its_true_reason() {
    let (workspace, _) = workspace();
    workspace.catch_up();
    let files = workspace.files_of("dead_letters");
    let reasons = duckdb(&files, "select reason, step, count(*)::int from t group by all order by all");
    let reasons: BTreeMap<String, Value> = reasons
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_str().unwrap().to_owned(), row[2].clone()))
        .collect();
    assert_eq!(reasons.get("missing `model`; found `mode`"), Some(&json!(100)), "{reasons:?}");

    // The original bytes are kept, so that a dead letter can be mended and sent again.
    let values =
        duckdb(&files, "select decode(_value) from t where step = 'decode' order by _offset limit 1");
    let first: Value = serde_json::from_str(values[0][0].as_str().unwrap()).unwrap();
    assert_eq!(first["mode"], "R8");
}

#[test]
fn an_alias_brings_the_misspelt_messages_in() {
    let (workspace, messages) = workspace();
    workspace.configure(
        "model = { type = \"string\", required = true }",
        "model = { type = \"string\", required = true, aliases = [\"mode\"] }",
    );
    let summary = workspace.catch_up();
    assert_eq!(summary["streams"]["vehicle"]["in"], json!(messages));
    let models = duckdb(
        &workspace.files_of("curated.vehicle"),
        "select distinct model, year from t where make ilike 'audi'",
    );
    assert_eq!(models, json!([["R8", 2023]]));
}

#[test]
fn tables_have_the_right_types_and_values() {
    let (workspace, _) = workspace();
    workspace.catch_up();
    let files = workspace.files_of("curated.vehicle");
    let types = pyarrow(&files, "print(json.dumps({f.name: str(f.type) for f in TABLE.schema}))");
    for (column, expected) in [
        ("id", "string"),
        ("timestamp", "timestamp[us, tz=UTC]"),
        ("location.lat", "double"),
        ("location.lon", "double"),
        ("speed", "double"),
        ("year", "int32"),
        ("_topic", "string"),
        ("_partition", "int32"),
        ("_offset", "int64"),
        ("_ordinal", "int32"),
    ] {
        assert_eq!(types[column], json!(expected), "{column} in {types}");
    }

    // London has no offset from UTC in January, so the values are those of the first message.
    let first = duckdb(
        &files,
        "select strftime(timestamp at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%f'), \"location.lat\", speed, make \
         from t where _offset = 0",
    );
    assert_eq!(first, json!([["2026-01-01T08:00:38.123456", 51.51732742679845, 17.346755614104286, "BMW"]]));
    assert!(files.iter().all(|file| file.contains("/day=2026-01-0")), "{files:?}");
}

#[test]
fn nothing_is_read_twice_when_it_runs_again() {
    let (workspace, messages) = workspace();
    workspace.catch_up();
    let again = workspace.catch_up();
    assert_eq!(again["streams"]["vehicle"]["in"], json!(0));
    let rows = duckdb(&workspace.files_of("raw.vehicle"), "select count(*), count(distinct _offset) from t");
    assert_eq!(rows, json!([[messages, messages]]));
}

#[test]
fn the_zone_of_the_configuration_is_applied() {
    let workspace = Workspace::files();
    let message =
        seeds("canonical", "vehicle_data").lines().next().unwrap().replace("2026-01-01", "2026-07-01");
    workspace.write("messages/vehicle_data/0.jsonl", message + "\n");
    workspace.catch_up();
    let time = duckdb(&workspace.files_of("curated.vehicle"), "select epoch_us(timestamp) from t");
    // 08:00:38.123456 in London in July is 07:00:38.123456 UTC.
    assert_eq!(time, json!([[1_782_889_238_123_456_i64]]));
}
