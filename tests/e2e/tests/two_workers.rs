//! Two runs at once on one lake and the same partitions, on a folder and on a real S3 server: the log
//! decides who was faster, and every message is in the tables once.

use std::time::{Duration, Instant};

use millstream_tests::{Running, S3, Workspace, duckdb, duckdb_over_s3, seeds};
use serde_json::{Value, json};

/// Longest time that a run may take to see new lines.
const PATIENCE: Duration = Duration::from_secs(60);

/// Times that messages are appended while both run.
const APPENDS: usize = 8;

/// Runs with names of their own share the work as the log decides, and neither fails.
fn two_names(workspace: &Workspace, query: impl Fn(&[String], &str) -> Value) {
    let mut feed = Feed::new(workspace);
    feed.append();
    let runs = [start(workspace, "first"), start(workspace, "second")];
    for _ in 0..APPENDS {
        feed.append();
        feed.wait_until_committed();
    }
    let mut said = String::new();
    for run in runs {
        run.signal("TERM");
        let output = run.finish();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        said.push_str(&output.stderr);
    }
    assert!(said.contains("another worker was faster"), "they never met: {said}");
    feed.check(query);
}

/// A run takes over from the one of its name, which ends and says so.
fn one_name(workspace: &Workspace, query: impl Fn(&[String], &str) -> Value) {
    let mut feed = Feed::new(workspace);
    feed.append();
    let first = start(workspace, "worker");
    let second = start(workspace, "worker");
    feed.append();
    let output = first.finish();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("has taken this lake over"), "{}", output.stderr);
    feed.append();
    feed.wait_until_committed();
    second.signal("TERM");
    let output = second.finish();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    feed.check(query);
}

#[test]
fn two_names_on_a_folder() {
    two_names(&Workspace::files(), duckdb);
}

#[test]
fn one_name_on_a_folder() {
    one_name(&Workspace::files(), duckdb);
}

#[test]
fn two_names_on_s3() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    two_names(&Workspace::files_to_s3(&server), |files, query| duckdb_over_s3(&server, files, query));
}

#[test]
fn one_name_on_s3() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    one_name(&Workspace::files_to_s3(&server), |files, query| duckdb_over_s3(&server, files, query));
}

fn start(workspace: &Workspace, name: &str) -> Running {
    let run = workspace.millstream(&["run"]).env("MILLSTREAM_WORKER__NAME", name);
    // Both shorten the log all the while.
    let run = run.env("MILLSTREAM_LOG__SNAPSHOT_EVERY", "4").env("MILLSTREAM_LOG__KEEP_ENTRIES", "0").start();
    run.wait_for_line(|line| line.contains("partitions assigned"));
    run
}

/// Messages with ids of their own, appended to two partitions.
struct Feed<'a> {
    workspace: &'a Workspace,
    count: usize,
}

impl<'a> Feed<'a> {
    fn new(workspace: &'a Workspace) -> Self {
        workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
        Self { workspace, count: 0 }
    }

    fn append(&mut self) {
        for partition in 0..2 {
            let mut lines = String::new();
            for message in seeds("us-route", "vehicle_data").lines() {
                let mut message: Value = serde_json::from_str(message).unwrap();
                message["id"] = self.count.to_string().into();
                lines.push_str(&format!("{message}\n"));
                self.count += 1;
            }
            self.workspace.append(&format!("messages/vehicle_data/{partition}.jsonl"), &lines);
        }
    }

    #[track_caller]
    fn wait_until_committed(&self) {
        let end = Instant::now() + PATIENCE;
        let rows = format!("\"rows\":{}", self.count);
        loop {
            let tables = self.workspace.millstream(&["tables", "list", "--json"]).succeed();
            if tables.lines().any(|line| line.contains("raw.vehicle") && line.contains(&rows)) {
                return;
            }
            assert!(Instant::now() < end, "not committed: {} messages; {tables}", self.count);
        }
    }

    #[track_caller]
    fn check(&self, query: impl Fn(&[String], &str) -> Value) {
        let counts = query(
            &self.workspace.files_of("raw.vehicle"),
            "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t",
        );
        assert_eq!(counts, json!([[self.count, self.count, self.count]]));
    }
}
