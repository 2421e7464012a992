//! Apache Kafka itself: messages from a client that is not ours arrive, retention is told, and a new
//! cluster under an old lake is noticed.

use millstream_tests::{Kafka, Workspace, duckdb, seeds};
use serde_json::json;

#[test]
fn messages_of_a_foreign_client_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 3);
    let messages: String =
        ["canonical", "misspelt", "us-route"].iter().map(|folder| seeds(folder, "vehicle_data")).collect();
    kafka.produce("vehicle_data", &messages);
    let count = messages.lines().count();

    let workspace = Workspace::kafka(&kafka.brokers);
    // Longer than any test waits: a member that ends without leaving would keep its partitions so long.
    workspace.configure("brokers =", "properties = { \"session.timeout.ms\" = 300000 }\nbrokers =");
    let summary = workspace.catch_up();
    let vehicle = &summary["streams"]["vehicle"];
    assert_eq!(vehicle["in"], json!(count));
    // A run once ended without leaving the group, and the next one waited for its session's end.
    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["in"], json!(0));
    assert_eq!(vehicle["dead"]["missing `model`; found `mode`"], json!(100));

    let raw = duckdb(
        &workspace.files_of("raw.vehicle"),
        "select count(*), count(distinct (_partition, _offset)) from t",
    );
    assert_eq!(raw, json!([[count, count]]));
    let curated = duckdb(&workspace.files_of("curated.vehicle"), "select count(*) from t");
    let letters = duckdb(&workspace.files_of("dead_letters"), "select count(*) from t");
    let dropped =
        vehicle["dropped"].as_object().into_iter().flatten().map(|(_, n)| n.as_u64().unwrap()).sum::<u64>();
    let sum = curated[0][0].as_u64().unwrap() + letters[0][0].as_u64().unwrap() + dropped;
    assert_eq!(sum, count as u64);
    // Kafka gave every message a timestamp.
    let without =
        duckdb(&workspace.files_of("raw.vehicle"), "select count(*) from t where _timestamp is null");
    assert_eq!(without, json!([[0]]));
}

#[test]
fn what_retention_took_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 1);
    kafka.produce("vehicle_data", &seeds("canonical", "vehicle_data"));
    kafka.delete_records("vehicle_data", 0, 120);

    let workspace = Workspace::kafka(&kafka.brokers);
    let summary = workspace.catch_up();
    assert_eq!(summary["streams"]["vehicle"]["in"], json!(180));
    let log = workspace.millstream(&["log", "show"]).succeed();
    assert!(log.contains("vehicle_data/0[0, 120) skipped: "), "{log}");
}

#[test]
fn a_new_cluster_under_an_old_lake_is_noticed() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let workspace = {
        let kafka = Kafka::start(folders[0].path());
        kafka.topic("vehicle_data", 1);
        kafka.produce("vehicle_data", &seeds("canonical", "vehicle_data"));
        let workspace = Workspace::kafka(&kafka.brokers);
        workspace.catch_up();
        workspace.configure(&kafka.brokers, "BROKERS");
        workspace
    };
    let before = workspace.millstream(&["log", "show", "--json"]).succeed();
    let kafka = Kafka::start(folders[1].path());
    kafka.topic("vehicle_data", 1);
    kafka.produce("vehicle_data", &seeds("us-route", "vehicle_data"));
    workspace.configure("BROKERS", &kafka.brokers);
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(3), "{}", output.stderr);
    assert!(output.stderr.contains("must not be mixed"), "{}", output.stderr);
    assert_eq!(workspace.millstream(&["log", "show", "--json"]).succeed(), before);
}
