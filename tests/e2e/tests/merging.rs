//! Small files become large ones, and no reader notices: the rows stay, bit for bit, while two workers write
//! and merge, when one is killed in the middle, and when the columns change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream_tests::{Running, Workspace, duckdb, pyarrow, seeds};
use serde_json::{Value, json};

/// Longest time that a run may take to see new lines.
const PATIENCE: Duration = Duration::from_secs(60);
const TABLES: [&str; 3] = ["raw.vehicle", "curated.vehicle", "dead_letters"];
/// All rows and the columns' types, as an independent reader has them.
const EVERYTHING: &str = "rows = TABLE.sort_by([('_partition', 'ascending'), ('_offset', 'ascending')]).to_pylist()\n\
                          print(json.dumps([str(TABLE.schema.remove_metadata()), repr(rows)]))";
const EAGER: &str = "[merge]\ninterval = \"10ms\"\nfiles_min = 2\ncpu_share = 1.0\n[worker]";

/// Appends messages to two partitions; `round` tells their ids from others.
fn append(workspace: &Workspace, round: usize) -> u64 {
    let recorded = seeds("us-route", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    for partition in 0..2 {
        let with_id = |(line, message): (usize, &str)| {
            let mut message: Value = serde_json::from_str(message).unwrap();
            message["id"] = format!("{round}-{partition}-{line}").into();
            format!("{message}\n")
        };
        let lines: String = recorded.lines().enumerate().map(with_id).collect();
        workspace.append(&format!("messages/vehicle_data/{partition}.jsonl"), &lines);
    }
    2 * recorded.lines().count() as u64
}

/// Each message is in the raw table once.
#[track_caller]
fn check_once(workspace: &Workspace, messages: u64) {
    let raw = workspace.files_of("raw.vehicle");
    let query = "select count(*), count(distinct id), count(distinct (_partition, _offset)) from t";
    assert_eq!(duckdb(&raw, query), json!([[messages, messages, messages]]));
}

fn merge(workspace: &Workspace, args: &[&str]) -> Vec<Value> {
    let merged = workspace.millstream(&[&["tables", "merge", "--json"], args].concat()).succeed();
    merged.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn contents(workspace: &Workspace) -> Vec<Value> {
    TABLES.iter().map(|table| pyarrow(&workspace.files_of(table), EVERYTHING)).collect()
}

#[test]
fn merged_by_hand_the_tables_are_what_they_were() {
    let workspace = Workspace::files();
    workspace.configure("[worker]", "[merge]\nenabled = false\n[worker]");
    let mut messages = 0;
    for round in 0..4 {
        messages += append(&workspace, round);
        workspace.catch_up();
    }
    let before = contents(&workspace);
    let planned = merge(&workspace, &["--dry-run"]);
    assert_eq!(contents(&workspace), before, "a dry run does nothing");
    let files = |plan: &[Value]| plan.iter().map(|group| group["files"].as_u64().unwrap()).sum::<u64>();
    let merged = merge(&workspace, &[]);
    assert_eq!(
        (merged[0]["files"].as_u64(), merged[0]["rejected"].as_u64()),
        (Some(files(&planned)), Some(0))
    );
    assert_eq!(contents(&workspace), before);
    check_once(&workspace, messages);
    // One file for each day, that without a day being one.
    for table in TABLES {
        let paths = workspace.files_of(table);
        let mut days: Vec<_> = paths.iter().map(|path| path.rsplit_once('/').unwrap().0).collect();
        days.dedup();
        assert_eq!(days.len(), paths.len(), "{paths:?}");
    }
    assert_eq!(merge(&workspace, &[])[0]["merges"], json!(0));

    // Files with other columns are not merged with these.
    workspace.configure("[streams.vehicle.schema]", "[streams.vehicle.schema]\ntrailer = \"string\"");
    for round in 4..6 {
        messages += append(&workspace, round);
        workspace.catch_up();
    }
    merge(&workspace, &["raw.vehicle"]);
    check_once(&workspace, messages);
    let schemas = "schemas = {str(pq.read_schema(file).remove_metadata()) for file in FILES}\n\
                   days = {file.rsplit('/', 1)[0] for file in FILES}\n\
                   print(json.dumps([len(schemas), len(FILES), len(days)]))";
    let found = pyarrow(&workspace.files_of("raw.vehicle"), schemas);
    assert_eq!((&found[0], found[1].as_u64()), (&json!(2), found[2].as_u64().map(|days| 2 * days)));

    let output = workspace.millstream(&["tables", "merge", "raw.bicycle"]).run();
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("no table `raw.bicycle`"), "{}", output.stderr);
}

#[test]
fn a_reader_sees_every_row_once_while_two_workers_commit_and_merge() {
    let workspace = Workspace::files();
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    workspace.configure("[worker]", EAGER);
    let mut messages = append(&workspace, 0);
    workspace.catch_up();
    let runs = ["first", "second"].map(|name| start(&workspace, name));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_on(&workspace, &over));
        for round in 1..12 {
            messages += append(&workspace, round);
            wait_until_committed(&workspace, messages);
        }
        over.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    let mut said = String::new();
    for run in runs {
        run.signal("TERM");
        let output = run.finish();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        said.push_str(&output.stderr);
    }
    assert!(said.contains("files merged"), "nothing was merged: {said}");
    workspace.catch_up();
    check_once(&workspace, messages);
}

#[track_caller]
fn wait_until_committed(workspace: &Workspace, messages: u64) {
    let end = Instant::now() + PATIENCE;
    let rows = format!("\"rows\":{messages}");
    loop {
        let tables = workspace.millstream(&["tables", "list", "--json"]).succeed();
        if tables.lines().any(|line| line.contains("raw.vehicle") && line.contains(&rows)) {
            return;
        }
        assert!(Instant::now() < end, "not committed: {messages} messages; {tables}");
    }
}

/// Reads the raw table again and again, as long as it is written; gives how often.
fn read_on(workspace: &Workspace, over: &AtomicBool) -> usize {
    let (mut seen, mut times) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let files = workspace.files_of("raw.vehicle");
        if files.is_empty() {
            continue;
        }
        let counts = duckdb(&files, "select count(*), count(distinct (_partition, _offset)) from t");
        assert_eq!(counts[0][0], counts[0][1], "a row is there twice");
        let rows = counts[0][0].as_u64().unwrap();
        assert!(rows >= seen, "rows went away: {seen} became {rows}");
        (seen, times) = (rows, times + 1);
    }
    times
}

#[test]
fn killed_in_the_middle_of_a_merge() {
    let workspace = Workspace::files();
    workspace.configure("interval = \"200ms\"", "interval = \"50ms\"");
    workspace.configure("[worker]", EAGER);
    let mut messages = 0;
    for round in 0..6 {
        messages += append(&workspace, round);
        let run = start(&workspace, "worker");
        if round > 0 {
            run.wait_for_line(|line| {
                line.contains(if round % 2 == 0 { "merging files" } else { "files merged" })
            });
        } else {
            run.wait_for_line(|line| line.contains("checkpoint sequence"));
        }
        run.signal("KILL");
        let output = run.finish();
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    }
    workspace.catch_up();
    check_once(&workspace, messages);
    merge(&workspace, &[]);
    check_once(&workspace, messages);
}

fn start(workspace: &Workspace, name: &str) -> Running {
    let run = workspace
        .millstream(&["run"])
        .env("MILLSTREAM_WORKER__NAME", name)
        .env("MILLSTREAM_LOG", "info,millstream_pipeline=debug")
        .start();
    run.wait_for_line(|line| line.contains("partitions assigned"));
    run
}
