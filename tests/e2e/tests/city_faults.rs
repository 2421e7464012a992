//! One fault at a time in a message of each stream of the city, and what becomes of it: a dead letter
//! with the reason that was put there, a flag, or the same row as without it. The fault is known, for it is
//! made here.

use std::collections::BTreeMap;

use millstream_tests::{Workspace, duckdb, seeds};
use serde_json::{Value, json};

/// What is put into a sound message: fields with a value, and fields that are taken out (null).
type Change = (&'static str, Value, Expect);

#[derive(Clone, Copy)]
enum Expect {
    /// It arrives.
    Row,
    /// It arrives, and an SQL expression over its row is true.
    RowWhere(&'static str),
    /// It is dropped.
    Dropped,
    /// It is a dead letter of this step and reason.
    Dead(&'static str, &'static str),
}

use Expect::{Dead, Dropped, Row, RowWhere};

/// Fields replaced; null takes one out.
fn changes() -> Vec<Change> {
    let cleanse = |reason| Dead("cleanse", reason);
    let decode = |reason| Dead("decode", reason);
    let here = RowWhere("\"location.lat\" = 51.5 and \"location.lon\" = -0.12");
    let mut changes = vec![];
    for stream in ["vehicle", "gps", "traffic", "weather", "emergency"] {
        changes.extend([
            (stream, json!({}), Row),
            (stream, json!({ "location": [51.5, -0.12] }), here),
            (stream, json!({ "location": { "lat": 51.5, "lon": -0.12 } }), here),
            (stream, json!({ "location": { "latitude": 51.5, "longitude": "-0.12" } }), here),
            (stream, json!({ "location": { "lat": 51.5, "lng": -0.12 } }), here),
            (stream, json!({ "location": null, "lat": 51.5, "lon": -0.12 }), here),
            // Never half of one and half of the other.
            (stream, json!({ "location": [1], "lat": 51.5, "lon": -0.12 }), here),
            (stream, json!({ "location": [1], "lon": -0.12 }), cleanse("`location.lon` is missing")),
            (stream, json!({ "location": null, "lng": -0.12 }), cleanse("`lat` is missing")),
            (stream, json!({ "location": "51.5,-0.12" }), here),
            (stream, json!({ "location": "[51.5, -0.12]" }), here),
            (stream, json!({ "location": null, "locatoin": [51.5, -0.12] }), here),
            (
                stream,
                json!({ "location": [123.0, 0.5] }),
                cleanse("`location.lat` is out of range [-90, 90]"),
            ),
            (
                stream,
                json!({ "location": "0.5,-181" }),
                cleanse("`location.lon` is out of range [-180, 180]"),
            ),
            (
                stream,
                json!({ "location": "London" }),
                cleanse("`location` is not a latitude and a longitude"),
            ),
            (stream, json!({ "location": 51.5 }), cleanse("`location` is not a latitude and a longitude")),
            (stream, json!({ "location": [] }), cleanse("`location` is not a latitude and a longitude")),
            (
                stream,
                json!({ "location": { "type": "Point", "coordinates": [-0.12, 51.5] } }),
                cleanse("`location` is not a latitude and a longitude"),
            ),
            (stream, json!({ "location": [0, 0] }), cleanse("`location` is 0, 0: the device had no fix")),
            (stream, json!({ "location": [51.5] }), cleanse("`location.lon` is missing")),
            (
                stream,
                json!({ "location": ["north", 0] }),
                decode("`location.lat` is not a float64: found a string"),
            ),
            (stream, json!({ "timestamp": "soon" }), cleanse("`timestamp` is not an ISO-8601 time")),
            (
                stream,
                json!({ "timestamp": "2026-07-01T08:00:00" }),
                RowWhere("epoch(timestamp) = 1782889200"),
            ),
            (
                stream,
                json!({ "timestamp": "2026-07-01T08:00:00Z" }),
                RowWhere("epoch(timestamp) = 1782892800"),
            ),
            (
                stream,
                json!({ "timestamp": " 20260701T090000,5+01 " }),
                RowWhere("epoch(timestamp) = 1782892800.5"),
            ),
            (
                stream,
                json!({ "timestamp": "0000-07-01T08:00:00Z" }),
                cleanse("`timestamp` is out of range: not in the years 1 to 9999"),
            ),
            // Files give their messages no timestamp to compare with.
            (stream, json!({ "timestamp": "2999-01-01T00:00:00Z" }), RowWhere("timestamp_in_future is null")),
            (stream, json!({ "id": null }), decode("missing `id`")),
        ]);
    }
    for stream in ["vehicle", "weather", "emergency"] {
        changes.push((stream, json!({ "location": null }), cleanse("`location` is missing")));
    }
    changes.extend([
        ("vehicle", json!({ "speed": -1 }), cleanse("`speed` is negative")),
        ("vehicle", json!({ "speed": 999 }), cleanse("`speed` is above the maximum")),
        ("vehicle", json!({ "speed": null }), cleanse("`speed` is missing")),
        ("vehicle", json!({ "speed": "fast" }), decode("`speed` is not a float64: found a string")),
        ("vehicle", json!({ "bearing": 400 }), cleanse("`bearing` is out of range [0, 360]")),
        ("vehicle", json!({ "timestamp": null }), decode("missing `timestamp`")),
        (
            "vehicle",
            json!({ "model": null, "mode": "R8", "year": "2023" }),
            RowWhere("model = 'R8' and year = 2023"),
        ),
        ("gps", json!({ "location": null }), RowWhere("\"location.lat\" is null")),
        ("gps", json!({ "accuracy": -3.5 }), cleanse("`accuracy` is not a radius in metres")),
        ("gps", json!({ "satellites": -1 }), cleanse("`satellites` is negative")),
        ("gps", json!({ "vehicleType": "Taxi" }), RowWhere("vehicleType = 'taxi'")),
        ("traffic", json!({ "location": null }), RowWhere("\"location.lat\" is null")),
        ("traffic", json!({ "vehicleCount": -1 }), cleanse("`vehicleCount` is negative")),
        ("traffic", json!({ "meanSpeed": 1e6 }), cleanse("`meanSpeed` is out of range")),
        ("traffic", json!({ "snapshot": "/9j/4P/Z" }), RowWhere("snapshot_valid")),
        ("traffic", json!({ "snapshot": "/9j/4P" }), RowWhere("not snapshot_valid")),
        ("traffic", json!({ "snapshot": null }), RowWhere("snapshot_valid is null")),
        ("weather", json!({ "temperature": 99 }), cleanse("`temperature` is out of range")),
        ("weather", json!({ "humidity": 400 }), cleanse("`humidity` is out of range [0, 100]")),
        ("weather", json!({ "humidity": 40.5 }), decode("`humidity` is not an int32: found a fraction")),
        ("weather", json!({ "windSpeed": -5 }), cleanse("`windSpeed` is out of range")),
        ("weather", json!({ "precipitation": -0.5 }), cleanse("`precipitation` is out of range")),
        ("weather", json!({ "AQI": 10000 }), cleanse("`airQualityIndex` is out of range")),
        (
            "weather",
            json!({ "weatherCondition": "RAIN", "precipitation": 0 }),
            RowWhere("contradiction = 'rain without precipitation'"),
        ),
        (
            "weather",
            json!({ "weatherCondition": "overcast" }),
            RowWhere("weatherCondition = 'Cloudy' and contradiction is null"),
        ),
        ("emergency", json!({ "type": "none" }), Dropped),
        ("emergency", json!({ "type": " NONE ", "location": [999, 999], "timestamp": null }), Dropped),
        ("emergency", json!({ "type": null }), cleanse("`type` is missing")),
        ("emergency", json!({ "timestamp": null }), cleanse("`timestamp` is missing")),
        ("emergency", json!({ "type": "Fire", "status": "Actice" }), RowWhere("status = 'Active'")),
        ("emergency", json!({ "status": "Smouldering" }), RowWhere("status = 'Smouldering'")),
    ]);
    changes
}

/// The second message of the canonical producer: an emergency that is one.
fn message(stream: &str, change: &Value) -> Value {
    let text = seeds("canonical", &format!("{stream}_data"));
    let mut message: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    let fields = message.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(fields.remove(name)),
            value => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    message
}

#[test]
fn each_fault_has_its_reason_and_each_spelling_its_meaning() {
    let workspace = Workspace::city_files();
    let mut cases: BTreeMap<&str, Vec<(Value, Expect)>> = BTreeMap::new();
    for (stream, change, expect) in changes() {
        cases.entry(stream).or_default().push((change, expect));
    }
    for (stream, cases) in &cases {
        let lines: String =
            cases.iter().map(|(change, _)| format!("{}\n", message(stream, change))).collect();
        workspace.write(&format!("messages/{stream}_data/0.jsonl"), lines);
    }
    let summary = workspace.catch_up();
    for (stream, cases) in &cases {
        check(&workspace, stream, cases);
        let dropped = cases.iter().filter(|(_, expect)| matches!(expect, Dropped)).count();
        let counted = &summary["streams"][stream]["dropped"];
        let expect = if dropped == 0 { json!({}) } else { json!({ "cleanse": dropped }) };
        assert_eq!(*counted, expect, "{stream}");
    }
}

/// The offset of a message is the number of its case.
fn check(workspace: &Workspace, stream: &str, cases: &[(Value, Expect)]) {
    let letters = workspace.files_of("dead_letters");
    let query = format!("select _offset, step, reason from t where stream = '{stream}'");
    let letters = duckdb(&letters, &query);
    let letters: BTreeMap<u64, (&str, &str)> = letters
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row[0].as_u64().unwrap(), (row[1].as_str().unwrap(), row[2].as_str().unwrap())))
        .collect();
    let conditions = cases.iter().enumerate().map(|(offset, (_, expect))| match expect {
        RowWhere(condition) => format!("when _offset = {offset} then ({condition})"),
        _ => format!("when _offset = {offset} then true"),
    });
    let query = format!("select _offset, case {} end from t", conditions.collect::<Vec<_>>().join(" "));
    let rows = duckdb(&workspace.files_of(&format!("curated.{stream}")), &query);
    let rows: BTreeMap<u64, &Value> =
        rows.as_array().unwrap().iter().map(|row| (row[0].as_u64().unwrap(), &row[1])).collect();
    for (offset, (change, expect)) in cases.iter().enumerate() {
        let (letter, row) = (letters.get(&(offset as u64)), rows.get(&(offset as u64)));
        match expect {
            Row | RowWhere(_) => assert_eq!((letter, row), (None, Some(&&json!(true))), "{stream} {change}"),
            Dropped => assert_eq!((letter, row), (None, None), "{stream} {change}"),
            Dead(step, reason) => {
                assert_eq!((letter, row), (Some(&(*step, *reason)), None), "{stream} {change}");
            }
        }
    }
}

/// The columns that only help to find the position do not reach the curated table.
#[test]
fn columns_that_are_used_up_are_gone() {
    let workspace = Workspace::city_files();
    for topic in ["vehicle_data", "traffic_data", "weather_data", "emergency_data"] {
        workspace.write(&format!("messages/{topic}/0.jsonl"), "");
    }
    workspace.write("messages/gps_data/0.jsonl", format!("{}\n", message("gps", &json!({}))));
    workspace.catch_up();
    let columns = |table: &str| {
        let rows = duckdb(&workspace.files_of(table), "select column_name from (describe t)");
        rows.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (raw, curated) = (columns("raw.gps"), columns("curated.gps"));
    for column in ["lat", "lon", "location.text"].map(str::to_owned) {
        assert!(raw.contains(&column), "{raw:?}");
        assert!(!curated.contains(&column), "{curated:?}");
    }
    assert!(curated.contains(&"timestamp_in_future".to_owned()), "{curated:?}");
}
