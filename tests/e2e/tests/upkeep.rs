//! Upkeep of a lake as a user meets it: a run keeps its log short, and files that no checkpoint names are
//! listed, explained and deleted where that is asked.

use std::path::Path;

use millstream_tests::{Workspace, duckdb, seeds};
use serde_json::{Value, json};

/// Objects of a folder of the log.
fn objects(workspace: &Workspace, folder: &str) -> usize {
    let path = workspace.path("lake/_millstream/log").join(folder);
    std::fs::read_dir(path).map_or(0, Iterator::count)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn a_run_keeps_its_log_short() {
    let workspace = Workspace::files();
    workspace.configure("[worker]", "[log]\nsnapshot_every = 5\nkeep_entries = 3\n\n[worker]");
    let messages = seeds("us-route", "vehicle_data");
    let mut lines = messages.lines();
    for _ in 0..7 {
        let next = lines.next().expect("a message");
        workspace.append("messages/vehicle_data/0.jsonl", &format!("{next}\n"));
        workspace.catch_up();
    }
    let log = json_lines(&workspace.millstream(&["log", "show", "--json"]).succeed());
    let (first, last) = (&log[0]["sequence"], &log[log.len() - 1]["sequence"]);
    assert!(last.as_u64() > Some(20) && first.as_u64() > Some(5), "entries {first} to {last} are there");
    assert_eq!(log.len() as u64, last.as_u64().unwrap() - first.as_u64().unwrap() + 1);
    assert_eq!(objects(&workspace, "snapshots"), 1);
    let verified = workspace.millstream(&["log", "verify", "--deep"]).succeed();
    assert!(verified.contains("7 files") || verified.contains("14 files"), "{verified}");
    assert!(verified.contains("0 problems"), "{verified}");
    let rows = duckdb(&workspace.files_of("raw.vehicle"), "select count(*), count(distinct _offset) from t");
    assert_eq!(rows, json!([[7, 7]]));
}

/// A lake with a file that a crashed run left behind and one that somebody put there.
struct Left {
    workspace: Workspace,
    leftover: String,
    stray: String,
}

impl Left {
    fn behind() -> Self {
        let workspace = Workspace::files();
        workspace.write("messages/vehicle_data/0.jsonl", seeds("us-route", "vehicle_data"));
        workspace.catch_up();
        let file = workspace.files_of("raw.vehicle").remove(0);
        let (folder, name) = file.rsplit_once('/').expect("a path");
        let (session, _) = name.rsplit_once('-').expect("a file is named for its session");
        let leftover = format!("{folder}/{session}-999999.parquet");
        let stray = format!("{folder}/notes.txt");
        std::fs::write(&leftover, "begun").expect("a file");
        std::fs::write(&stray, "mine").expect("a file");
        Self { workspace, leftover, stray }
    }

    /// Cleans with these flags; gives what is said of each file, and the summary.
    #[track_caller]
    fn clean(&self, flags: &[&str]) -> (Vec<(String, bool)>, Value) {
        let args = [&["tables", "clean", "--json"], flags].concat();
        let mut lines = json_lines(&self.workspace.millstream(&args).succeed());
        let summary = lines.pop().expect("a summary")["summary"].clone();
        let said = lines
            .iter()
            .map(|line| (line["path"].as_str().expect("a path").to_owned(), line["may_go"] == json!(true)));
        (said.collect(), summary)
    }

    /// Cleans with these flags, which is refused with these words.
    #[track_caller]
    fn refused(&self, flags: &[&str], words: &str) {
        let output = self.workspace.millstream(&[&["tables", "clean"], flags].concat()).run();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert!(Path::new(&self.leftover).exists());
    }
}

#[test]
fn files_of_an_open_session_stay() {
    let left = Left::behind();
    let both = vec![(left.leftover.clone(), false), (left.stray.clone(), false)];
    assert_eq!(left.clean(&[]).0, both);
    assert_eq!(left.clean(&["--yes"]).1["files_deleted"], json!(0));
    assert!(Path::new(&left.leftover).exists());
    left.refused(&["--close", "worker-0", "--yes"], "may be running");
    left.refused(&["--close", "nobody"], "workers that have one: worker-0");
}

#[test]
fn files_of_a_worker_that_never_comes_back_go() {
    let left = Left::behind();
    let live = left.workspace.files_of("raw.vehicle").len();
    let (said, summary) = left.clean(&["--close", "worker-0", "--force"]);
    assert_eq!(said, [(left.leftover.clone(), true), (left.stray.clone(), false)]);
    assert_eq!((&summary["dry"], &summary["may_go"]["bytes"]), (&json!(true), &json!(5)));
    assert!(Path::new(&left.leftover).exists(), "nothing is deleted unless it is asked");

    let (_, summary) = left.clean(&["--close", "worker-0", "--force", "--yes"]);
    assert_eq!((&summary["sessions_closed"], &summary["files_deleted"]), (&json!(1), &json!(1)));
    assert!(!Path::new(&left.leftover).exists());
    assert!(Path::new(&left.stray).exists(), "what is not ours stays");
    assert_eq!(left.workspace.files_of("raw.vehicle").len(), live);
    assert_eq!(left.clean(&[]).0, [(left.stray.clone(), false)]);
    left.workspace.millstream(&["log", "verify"]).succeed();
    left.workspace.catch_up();
}
