//! Mistakes in a configuration, and in the world around it, as a user meets them: an exit code and a
//! text that says where and what to do.

use millstream_tests::{Workspace, seeds};

/// Changes the good configuration and expects `run` to end with `code` and these words.
#[track_caller]
fn check(from: &str, to: &str, code: i32, words: &[&str]) {
    let workspace = Workspace::files();
    workspace.configure(from, to);
    expect(&workspace, code, words);
}

#[track_caller]
fn expect(workspace: &Workspace, code: i32, words: &[&str]) {
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` is not in:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn an_unknown_key() {
    check(
        "[checkpoint]",
        "[checkpoint]\nintervall = \"1s\"",
        2,
        &["millstream.toml:9:1", "checkpoint.intervall", "interval"],
    );
}

#[test]
fn a_snapshot_of_every_entry() {
    check(
        "[checkpoint]",
        "[log]\nsnapshot_every = 1\n\n[checkpoint]",
        2,
        &["millstream.toml:9:1", "log.snapshot_every", "must be 2 at least"],
    );
}

#[test]
fn a_wrong_type() {
    check("threads = 2", "threads = \"two\"", 2, &["millstream.toml:12:11", "worker.threads", "expected"]);
}

#[test]
fn a_missing_plugin() {
    check(
        "plugin = \"cleanse-vehicle\"",
        "plugin = \"cleanse-vehicel\"",
        2,
        &["steps.0.plugin", "cleanse-vehicel.wasm does not exist"],
    );
}

#[test]
fn a_configuration_that_the_plugin_refuses() {
    check(
        "config = { zone = \"Europe/London\" }",
        "config = { zone = \"Europe/Lodnon\" }",
        2,
        &["step `cleanse`", "zone"],
    );
    check("config = { zone", "config = { zoen", 2, &["step `cleanse`", "zoen"]);
}

#[test]
fn a_plan_that_names_a_column_the_stream_lacks() {
    check("speed = \"float64\"\n", "sped = \"float64\"\n", 2, &["step `cleanse`", "speed", "sped"]);
}

#[test]
fn no_configuration() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["run", "--config", "absent.toml"]).run();
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("cannot read the configuration absent.toml"), "{}", output.stderr);
}

#[test]
fn an_unreachable_broker() {
    let workspace = Workspace::kafka("127.0.0.1:1");
    expect(&workspace, 1, &["127.0.0.1:1", "source.kafka.brokers"]);
}

#[test]
fn an_unwritable_lake() {
    let workspace = Workspace::files();
    workspace.write("lake", "a file stands where the lake should be");
    expect(&workspace, 1, &["lake"]);
    // A folder that nobody can write to, for root either: /proc takes no files.
    check("url = \"lake\"", "url = \"/proc/lake\"", 1, &["/proc/lake"]);
}

#[test]
fn the_environment_wins_and_is_named_in_errors() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["run"]).env("MILLSTREAM_WORKER__THREADS", "0").run();
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("MILLSTREAM_WORKER__THREADS"), "{}", output.stderr);
}

#[test]
fn a_lake_is_looked_at_where_there_is_none() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["tables", "list", "--lake", "absent"]).run();
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("absent"), "{}", output.stderr);
    assert!(!workspace.path("absent").exists(), "looking made a folder");
}

#[test]
fn a_column_that_changes_its_type_under_an_old_table() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("canonical", "vehicle_data"));
    workspace.catch_up();
    workspace.configure("year = \"int32\"", "year = \"string\"");
    expect(&workspace, 2, &["table curated.vehicle", "column `year` is now string", "int32"]);
    workspace.configure("year = \"string\"", "");
    workspace.catch_up();
}

#[test]
fn a_missing_log_entry_is_named_and_nothing_is_written() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("canonical", "vehicle_data"));
    workspace.catch_up();
    let entries = workspace.path("lake/_millstream/log/entries");
    std::fs::remove_file(entries.join("00000000000000000002.json")).unwrap();
    let before = std::fs::read_dir(&entries).unwrap().count();
    expect(&workspace, 1, &["entry 2 of the checkpoint log is missing", "entries/00000000000000000002.json"]);
    assert_eq!(std::fs::read_dir(&entries).unwrap().count(), before);
    let output = workspace.millstream(&["tables", "list"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stdout);
}

#[test]
fn validate_says_what_would_run() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["validate"]).succeed();
    for words in
        ["stream vehicle from topic vehicle_data", "step cleanse: cleanse-vehicle", "table curated.vehicle"]
    {
        assert!(output.contains(words), "`{words}` is not in:\n{output}");
    }
    assert!(!workspace.path("lake").exists(), "validate made a lake");
}
