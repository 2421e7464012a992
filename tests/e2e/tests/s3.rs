//! The lake on a real S3 server: what a folder promises holds there, too, and what is wrong with the
//! bucket or the credentials is said with the remedy.

use millstream_tests::{S3, Workspace, duckdb_over_s3, seeds};
use serde_json::json;

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
