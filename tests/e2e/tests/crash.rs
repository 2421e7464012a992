//! SIGTERM and kill -9 in the middle of real work on Apache Kafka, again and again: afterwards every
//! message is in the tables once.

use std::time::Duration;

use millstream_tests::{Kafka, Workspace, duckdb, seeds};
use serde_json::json;

const ROUNDS: usize = 10;

#[test]
fn every_message_is_there_once_after_ten_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 4);
    let workspace = Workspace::kafka(&kafka.brokers);
    // Small batches and short intervals, so that a signal meets every stage of the way.
    workspace.configure("threads = 2", "threads = 2\nbatch_rows = 64");
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    // A killed member holds its partitions until its session ends.
    workspace.configure(
        "brokers =",
        "properties = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 500 }\nbrokers =",
    );

    let mut produced = 0;
    let mut cut_short = 0;
    for round in 0..ROUNDS {
        let messages = messages(round);
        produced += messages.lines().count() as u64;
        kafka.produce("vehicle_data", &messages);
        let running = workspace.millstream(&["run"]).start();
        running.wait_for_line(|line| line.contains("partitions assigned"));
        // Not a synchronisation: a moment in the work that differs from round to round.
        std::thread::sleep(Duration::from_millis(10 + 23 * round as u64));
        let signal = if round % 2 == 0 { "KILL" } else { "TERM" };
        running.signal(signal);
        let output = running.finish();
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        assert_eq!(output.code, if signal == "TERM" { Some(0) } else { None }, "{}", output.stderr);
        cut_short += u64::from(committed(&workspace) < produced);
    }
    assert!(cut_short >= 3, "only {cut_short} of {ROUNDS} signals met the work half done");
    workspace.catch_up();

    let raw = workspace.files_of("raw.vehicle");
    let counts =
        duckdb(&raw, "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t");
    assert_eq!(counts, json!([[produced, produced, produced]]));
    let curated =
        duckdb(&workspace.files_of("curated.vehicle"), "select count(*), count(distinct id) from t");
    let letters = duckdb(
        &workspace.files_of("dead_letters"),
        "select count(*), count(distinct (_partition, _offset)) from t",
    );
    assert_eq!(curated[0][0], curated[0][1]);
    assert_eq!(letters[0][0], letters[0][1]);
    let sum = curated[0][0].as_u64().unwrap() + letters[0][0].as_u64().unwrap();
    assert_eq!(sum, produced);
}

/// Rows of the raw table, which has one for each message.
fn committed(workspace: &Workspace) -> u64 {
    let tables = workspace.millstream(&["tables", "list", "--json"]).succeed();
    let tables = tables.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    tables.filter(|table| table["table"] == "raw.vehicle").map(|table| table["rows"].as_u64().unwrap()).sum()
}

/// The recorded messages several times over, each with an id of its own.
fn messages(round: usize) -> String {
    let mut all = String::new();
    for copy in 0..20 {
        let recorded = seeds("us-route", "vehicle_data") + &seeds("misspelt", "vehicle_data");
        for (line, message) in recorded.lines().enumerate() {
            let mut message: serde_json::Value = serde_json::from_str(message).unwrap();
            message["id"] = format!("{round}-{copy}-{line}").into();
            all.push_str(&format!("{message}\n"));
        }
    }
    all
}
