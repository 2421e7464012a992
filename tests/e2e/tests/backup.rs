//! Backup and restore as a user meets them: a copy at one moment of a lake in use, brought up to date by the
//! next one, and its way back, also under the hands of a worker that still writes.

use millstream_tests::{S3, Workspace, duckdb, duckdb_over_s3, seeds};
use serde_json::{Value, json};

/// Adds messages `from` to `to` of a partition.
fn feed(workspace: &Workspace, lines: std::ops::Range<usize>) {
    let messages = seeds("us-route", "vehicle_data");
    let lines: Vec<_> = messages.lines().skip(lines.start).take(lines.len()).collect();
    workspace.append("messages/vehicle_data/0.jsonl", &format!("{}\n", lines.join("\n")));
}

/// A lake with the first two messages.
fn lake() -> Workspace {
    let workspace = Workspace::files();
    feed(&workspace, 0..2);
    workspace.catch_up();
    workspace
}

#[track_caller]
fn succeed(workspace: &Workspace, args: &[&str]) -> Value {
    let said = workspace.millstream(&[args, &["--json"]].concat()).succeed();
    serde_json::from_str(said.lines().last().expect("a summary")).expect("the summary is JSON")
}

#[track_caller]
fn refused(workspace: &Workspace, args: &[&str], words: &[&str]) {
    let output = workspace.millstream(args).run();
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(1), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in:\n{said}");
    }
}

/// The lake of the configuration has each of so many messages once.
#[track_caller]
fn has_once(workspace: &Workspace, messages: u64) {
    workspace.millstream(&["log", "verify", "--deep"]).succeed();
    let rows = duckdb(&workspace.files_of("raw.vehicle"), "select count(*), count(distinct _offset) from t");
    assert_eq!(rows, json!([[messages, messages]]));
}

#[test]
fn a_backup_is_brought_up_to_date_and_restored_elsewhere() {
    let workspace = lake();
    let first = succeed(&workspace, &["backup", "--to", "copy"]);
    assert_eq!((&first["files_copied"], &first["files_present"]), (&json!(4), &json!(0)), "{first}");
    feed(&workspace, 2..4);
    workspace.catch_up();
    let second = succeed(&workspace, &["backup", "--to", "copy"]);
    assert_eq!((&second["files_copied"], &second["files_present"]), (&json!(2), &json!(4)), "{second}");
    let again = succeed(&workspace, &["backup", "--to", "copy"]);
    assert_eq!((&again["files_copied"], &again["entries_copied"]), (&json!(0), &json!(0)), "{again}");
    workspace.millstream(&["log", "verify", "--deep", "--lake", "copy"]).succeed();

    let restored = succeed(&workspace, &["restore", "--from", "copy", "--lake", "other"]);
    assert_eq!((&restored["from"], &restored["abandoned"]), (&second["head"], &json!(0)));
    workspace.configure("url = \"lake\"", "url = \"other\"");
    has_once(&workspace, 4);
    feed(&workspace, 4..6);
    workspace.catch_up();
    has_once(&workspace, 6);
    // What was restored can be backed up in its turn.
    succeed(&workspace, &["backup", "--to", "copy of other"]);
    workspace.millstream(&["log", "verify", "--deep", "--lake", "copy of other"]).succeed();
}

/// Whoever writes while an older backup is restored under it stops, and what it had written since the
/// backup is read again.
#[test]
fn an_older_backup_is_restored_under_a_running_worker() {
    let workspace = lake();
    let backup = succeed(&workspace, &["backup", "--to", "copy"]);
    feed(&workspace, 2..4);
    let running = workspace.millstream(&["run"]).start();
    running.wait_for_line(|line| line.contains("partitions assigned"));
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !workspace.millstream(&["tables", "list", "--json"]).succeed().contains("\"rows\":4") {
        assert!(std::time::Instant::now() < end, "the messages were not committed");
    }
    refused(&workspace, &["restore", "--from", "copy"], &["there is a lake at", "--force"]);
    let restored = succeed(&workspace, &["restore", "--from", "copy", "--force"]);
    assert_eq!(restored["from"], backup["head"]);
    assert!(restored["abandoned"].as_u64() > backup["head"].as_u64(), "{restored}");
    has_once(&workspace, 2);

    feed(&workspace, 4..6);
    let output = running.finish();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("the lake was restored from a backup"), "{}", output.stderr);
    has_once(&workspace, 2);
    workspace.catch_up();
    has_once(&workspace, 6);
    // Files of the history that was abandoned are gone, too.
    let clean = workspace.millstream(&["tables", "clean", "--json"]).succeed();
    assert_eq!(clean.lines().count(), 1, "{clean}");
}

/// Files come before the log, so a backup that was interrupted is none, and the next one takes it up.
#[test]
fn an_interrupted_backup_is_no_lake() {
    let workspace = lake();
    succeed(&workspace, &["backup", "--to", "copy"]);
    std::fs::remove_dir_all(workspace.path("copy/_millstream/log")).unwrap();
    refused(&workspace, &["restore", "--from", "copy", "--lake", "other"], &["there is no checkpoint log"]);
    let taken_up = succeed(&workspace, &["backup", "--to", "copy"]);
    assert_eq!((&taken_up["files_copied"], &taken_up["files_present"]), (&json!(0), &json!(4)), "{taken_up}");
    workspace.millstream(&["log", "verify", "--deep", "--lake", "copy"]).succeed();
}

#[test]
fn what_is_not_sound_is_neither_copied_nor_restored() {
    let workspace = lake();
    succeed(&workspace, &["backup", "--to", "copy"]);
    let file = workspace.files_of("raw.vehicle").remove(0);
    let in_copy = file.replacen("/lake/", "/copy/", 1);
    std::fs::remove_file(&in_copy).unwrap();
    refused(
        &workspace,
        &["restore", "--from", "copy", "--lake", "other"],
        &[&in_copy, "is missing", "the backup copy is not sound"],
    );
    assert!(!workspace.path("other/_millstream").exists(), "something was restored");
    std::fs::remove_file(&file).unwrap();
    let name = file.rsplit('/').next().unwrap();
    refused(&workspace, &["backup", "--to", "copy"], &[name, "is missing", "millstream log verify"]);
}

#[test]
fn a_backup_of_another_lake_is_not_overwritten() {
    let (workspace, stranger) = (lake(), lake());
    succeed(&workspace, &["backup", "--to", "copy"]);
    let copy = workspace.path("copy").to_string_lossy().into_owned();
    refused(&stranger, &["backup", "--to", &copy], &["not an earlier backup of"]);
    refused(&workspace, &["backup", "--to", "lake/copy"], &["are not two places"]);
}

#[test]
fn a_lake_in_a_bucket_is_copied_within_it_and_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let workspace = Workspace::files_to_s3(&server);
    feed(&workspace, 0..2);
    workspace.catch_up();
    for to in ["s3://lake/backups/city", "copy"] {
        let backup = succeed(&workspace, &["backup", "--to", to]);
        assert_eq!(backup["files_copied"], json!(4), "{to}: {backup}");
        workspace.millstream(&["log", "verify", "--deep", "--lake", to]).succeed();
    }
    feed(&workspace, 2..4);
    workspace.catch_up();
    succeed(&workspace, &["restore", "--from", "copy", "--force"]);
    workspace.catch_up();
    let raw = workspace.files_of("raw.vehicle");
    let rows = duckdb_over_s3(&server, &raw, "select count(*), count(distinct _offset) from t");
    assert_eq!(rows, json!([[4, 4]]));
}
