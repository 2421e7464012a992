//! What a plugin costs, measured on messages of a topic.

use millstream_tests::{Workspace, repository, seeds};
use serde_json::Value;

const PLUGIN: &str = "plugins/cleanse-vehicle.wasm";

#[test]
fn a_plugin_is_measured_on_the_last_messages_of_a_stream() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("canonical", "vehicle_data"));
    let bench = ["plugin", "bench", "--wasm", PLUGIN, "--stream", "vehicle", "--rows", "64"];
    let report = workspace.millstream(&[&bench[..], &["--json"]].concat()).succeed();
    let report: Value = serde_json::from_str(&report).unwrap();
    let positive = |key: &str| {
        let value = if report[key].is_object() { &report[key]["median"] } else { &report[key] };
        assert!(value.as_f64().is_some_and(|value| value > 0.0), "{key}: {report}");
    };
    let figures =
        ["ns_per_row", "us_per_row", "rows_per_second", "batch_ms", "bytes_in_per_row", "bytes_out_per_row"];
    figures.iter().for_each(|key| positive(key));
    let figures =
        ["host_calls_per_batch", "memory_bytes", "compile_ms", "cached_load_ms", "instantiate_ms", "rounds"];
    figures.iter().for_each(|key| positive(key));
    assert_eq!((report["rows_per_batch"].as_u64(), report["language"].as_str()), (Some(64), Some("Rust")));
    let text = workspace.millstream(&bench).succeed();
    for part in ["µs", "a row", "rows/s", "host calls", "from the cache", "load average"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn without_rows_there_is_nothing_to_measure() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", "");
    let output = workspace.millstream(&["plugin", "bench", "--wasm", PLUGIN, "--stream", "vehicle"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("there are no rows to measure on"), "{}", output.stderr);
}

#[test]
fn without_a_stream_the_cases_are_the_rows() {
    let workspace = Workspace::files();
    let cases = repository().join("plugins/cleanse-vehicle/cases");
    let bench = ["plugin", "bench", "--wasm", PLUGIN, "--rows", "64", "--json", "--cases"];
    let report = workspace.millstream(&[&bench[..], &[cases.to_str().unwrap()]].concat()).succeed();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(
        report["rows_from"].as_str().unwrap().ends_with("of 22 cases, which have one configuration"),
        "{report}"
    );
    assert!(report["rows_distinct"].as_u64().unwrap() > 1, "{report}");
    let output = workspace.millstream(&["plugin", "bench", "--wasm", PLUGIN, "--cases", "messages"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}
