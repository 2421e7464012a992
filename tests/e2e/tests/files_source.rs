//! The files source, as a user meets it: it follows files while they grow, waits for the end of a
//! line, and does not go on when a file was cut.

use std::io::Write as _;

use millstream_tests::{Workspace, duckdb, seeds};
use serde_json::json;

#[test]
fn follows_growth_and_waits_for_an_unfinished_line() {
    let workspace = Workspace::files();
    let messages = seeds("us-route", "vehicle_data");
    let lines: Vec<_> = messages.lines().take(3).collect();
    let (begun, rest) = lines[1].split_at(50);
    workspace.write("messages/vehicle_data/0.jsonl", format!("{}\n{begun}", lines[0]));
    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["in"], json!(1));

    let running = workspace.millstream(&["run"]).start();
    running.wait_for_line(|line| line.contains("partitions assigned"));
    let path = workspace.path("messages/vehicle_data/0.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    writeln!(file, "{rest}\n{}", lines[2]).unwrap();
    // A partition and a line that were not there at the start.
    workspace.write("messages/vehicle_data/1.jsonl", format!("{}\n", lines[2]));
    let rows = || {
        let log = workspace.millstream(&["tables", "list", "--json"]).succeed();
        log.lines().filter(|line| line.contains("raw.vehicle")).any(|line| line.contains("\"rows\":4"))
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !rows() {
        assert!(std::time::Instant::now() < end, "the new lines were not read");
    }
    running.signal("TERM");
    assert_eq!(running.finish().code, Some(0));
    let rows = duckdb(&workspace.files_of("raw.vehicle"), "select _partition, _offset from t order by all");
    assert_eq!(rows, json!([[0, 0], [0, 1], [0, 2], [1, 0]]));
}

/// Without any file, catching up once never ended.
#[test]
fn has_caught_up_where_nothing_is() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", "");
    workspace.catch_up();
}

/// It once ended as if all were well, whatever the topic's name was.
#[test]
fn a_topic_that_is_not_there_is_named() {
    let output = Workspace::files().millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("has no topic `vehicle_data`"), "{}", output.stderr);
}

#[test]
fn a_file_that_was_cut_is_an_error() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("us-route", "vehicle_data"));
    workspace.catch_up();
    workspace.write("messages/vehicle_data/0.jsonl", "{}\n");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("vehicle_data/0.jsonl"), "{}", output.stderr);
    assert!(output.stderr.contains("shrank") || output.stderr.contains("shorter"), "{}", output.stderr);
}

#[test]
fn another_folder_under_the_same_lake_is_not_mixed_in() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("us-route", "vehicle_data"));
    workspace.catch_up();
    workspace.write("others/vehicle_data/0.jsonl", seeds("canonical", "vehicle_data"));
    workspace.configure("dir = \"messages\"", "dir = \"others\"");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(output.stderr.contains("lake"), "{}", output.stderr);
}
