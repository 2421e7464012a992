//! The lake on a real S3 server: what a folder promises holds there, too, and what is wrong with the
//! bucket or the credentials is said with the remedy.

use std::time::Duration;

use millstream_tests::{S3, Workspace, duckdb_over_s3, seeds};
use serde_json::json;

/// Rounds of [`killed_and_started_again_every_message_is_there_once`].
const ROUNDS: usize = 6;

fn server() -> (tempfile::TempDir, S3) {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    (folder, server)
}

#[test]
fn what_was_read_is_in_the_bucket_and_is_not_read_again() {
    let (_folder, server) = server();
    let workspace = Workspace::files_to_s3(&server);
    let messages = seeds("canonical", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    workspace.write("messages/vehicle_data/0.jsonl", &messages);
    let total = messages.lines().count() as u64;

    let summary = workspace.catch_up();
    let vehicle = &summary["streams"]["vehicle"];
    assert_eq!(vehicle["in"], json!(total), "{summary}");

    let raw = workspace.files_of("raw.vehicle");
    assert!(raw.iter().all(|file| file.starts_with("s3://lake/city/")), "{raw:?}");
    let counts = duckdb_over_s3(&server, &raw, "select count(*), count(distinct _offset) from t");
    assert_eq!(counts, json!([[total, total]]));
    let rows = |table: &str| {
        let counts = duckdb_over_s3(&server, &workspace.files_of(table), "select count(*) from t");
        counts[0][0].as_u64().unwrap()
    };
    assert_eq!(json!(rows("curated.vehicle")), vehicle["out"]);
    assert_eq!(rows("curated.vehicle") + rows("dead_letters"), total);
    let shown = workspace.millstream(&["tables", "show", "curated.vehicle", "--limit", "1"]).succeed();
    assert!(shown.contains("_ordinal"), "{shown}");

    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["in"], json!(0));
    assert_eq!(workspace.files_of("raw.vehicle"), raw);
}

#[test]
fn killed_and_started_again_every_message_is_there_once() {
    let (_folder, server) = server();
    let workspace = Workspace::files_to_s3(&server);
    // Small batches and short intervals, so that a kill meets every stage of the way.
    workspace.configure("threads = 2", "threads = 2\nbatch_rows = 64");
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    let mut written = 0;
    let mut cut_short = 0;
    for round in 0..ROUNDS {
        for partition in 0..2 {
            let messages = numbered(round, partition);
            workspace.append(&format!("messages/vehicle_data/{partition}.jsonl"), &messages);
            written += messages.lines().count() as u64;
        }
        let running = workspace.millstream(&["run"]).start();
        running.wait_for_line(|line| line.contains("partitions assigned"));
        // Not a synchronisation: a moment in the work that differs from round to round.
        std::thread::sleep(Duration::from_millis(10 + 40 * round as u64));
        running.signal("KILL");
        let output = running.finish();
        assert_eq!(output.code, None, "{}", output.stderr);
        cut_short += u64::from(committed(&workspace) < written);
    }
    assert!(cut_short >= 2, "only {cut_short} of {ROUNDS} kills met the work half done");
    workspace.catch_up();

    let raw = workspace.files_of("raw.vehicle");
    let counts = duckdb_over_s3(
        &server,
        &raw,
        "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t",
    );
    assert_eq!(counts, json!([[written, written, written]]));
}

#[test]
fn a_server_that_crashes_and_comes_back_loses_nothing() {
    let (folder, server) = server();
    let workspace = Workspace::files_to_s3(&server);
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    let (first, second) = (numbered(0, 0), numbered(1, 0));
    workspace.append("messages/vehicle_data/0.jsonl", &first);
    let running = workspace.millstream(&["run", "--progress"]).start();
    running.wait_for_line(|line| line.contains("partitions assigned"));
    server.kill();
    workspace.append("messages/vehicle_data/0.jsonl", &second);
    let restarted = S3::start(folder.path());
    assert_eq!(restarted.endpoint, server.endpoint);
    let lines = (first.lines().count() + second.lines().count()) as u64;
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while committed(&workspace) < lines {
        if std::time::Instant::now() > end {
            running.signal("KILL");
            panic!("the run did not go on: {}", running.finish().stderr);
        }
    }
    running.signal("TERM");
    let output = running.finish();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let raw = workspace.files_of("raw.vehicle");
    let counts = duckdb_over_s3(&server, &raw, "select count(*), count(distinct id) from t");
    assert_eq!(counts, json!([[lines, lines]]));
}

/// Runs, and looks at the tables, with a variable or the lake changed; expects failure and these words.
#[track_caller]
fn refused(change: impl FnOnce(&Workspace) -> Vec<(&'static str, &'static str)>, words: &[&str]) {
    let (_folder, server) = server();
    let workspace = Workspace::files_to_s3(&server);
    let variables = change(&workspace);
    for verb in [["run", "--until-caught-up"], ["tables", "list"]] {
        let command = workspace.millstream(&verb);
        let output = variables.iter().fold(command, |command, (name, value)| command.env(name, value)).run();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        for word in words {
            assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
        }
        let longest = output.stderr.lines().map(str::len).max();
        assert!(longest < Some(600), "an answer of the server is dumped as it is:\n{}", output.stderr);
    }
}

#[test]
fn a_wrong_secret_key() {
    refused(
        |_| vec![("AWS_SECRET_ACCESS_KEY", "wrong")],
        &["error: the lake `s3://lake/city`", "SignatureDoesNotMatch", "AWS_*"],
    );
}

#[test]
fn an_unknown_access_key() {
    refused(
        |_| vec![("AWS_ACCESS_KEY_ID", "nobody")],
        &["error: the lake `s3://lake/city`", "InvalidAccessKeyId", "AWS_*"],
    );
}

#[test]
fn a_missing_bucket() {
    refused(
        |workspace| {
            workspace.configure("s3://lake/city", "s3://absent/city");
            Vec::new()
        },
        &["error: the lake `s3://absent/city`", "NoSuchBucket", "create it first"],
    );
}

#[test]
fn http_that_was_not_allowed() {
    refused(|_| vec![("AWS_ALLOW_HTTP", "false")], &["error: the lake `s3://lake/city`", "AWS_ALLOW_HTTP"]);
}

/// Rows of the raw table, which has one for each message.
fn committed(workspace: &Workspace) -> u64 {
    let tables = workspace.millstream(&["tables", "list", "--json"]).succeed();
    let tables = tables.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    tables.filter(|table| table["table"] == "raw.vehicle").map(|table| table["rows"].as_u64().unwrap()).sum()
}

/// The recorded messages several times over, each with an id of its own.
fn numbered(round: usize, partition: usize) -> String {
    let recorded = seeds("us-route", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    let mut all = String::new();
    for copy in 0..20 {
        for (line, message) in recorded.lines().enumerate() {
            let mut message: serde_json::Value = serde_json::from_str(message).unwrap();
            message["id"] = format!("{round}-{partition}-{copy}-{line}").into();
            all.push_str(&format!("{message}\n"));
        }
    }
    all
}
