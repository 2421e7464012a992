//! `millstream tap` on a running stream: rows of every place, conditions, and what becomes of an onlooker
//! who does not keep up.

use std::io::{BufRead as _, BufReader, Read as _};

use millstream_tests::{Command, Output, Running, Served, Terminal, Workspace, seeds};
use serde_json::{Value, json};

fn vehicle() -> (Workspace, Served) {
    let workspace = Workspace::files();
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", 0);
    (workspace, served)
}

/// A tap that is open.
fn tap(served: &Served, args: &[&str]) -> Running {
    let url = format!("http://{}", served.address);
    let args = [&["tap", "--url", &url, "--stream", "vehicle"], args].concat();
    let running = Command::millstream(args).start();
    running.wait_for_line(|line| line.starts_with("tapping "));
    running
}

fn rows(output: &Output) -> Vec<Value> {
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn rows_are_seen_at_every_place() {
    let (workspace, served) = vehicle();
    let columns = ["--json", "--columns", "make,_offset", "-n", "2"];
    let last = tap(&served, &columns);
    let before = tap(&served, &[&columns[..], &["--before", "cleanse"]].concat());
    let after = tap(&served, &[&columns[..], &["--after", "cleanse", "--where", "_offset >= 150"]].concat());
    let rejected = tap(&served, &["--json", "--rejected", "-n", "1"]);
    let messages = seeds("canonical", "vehicle_data") + &seeds("misspelt", "vehicle_data");
    workspace.append("messages/vehicle_data/0.jsonl", &messages);
    let expected = json!([{ "make": "BMW", "_offset": 0 }, { "make": "BMW", "_offset": 1 }]);
    assert_eq!(json!(rows(&last.finish())), expected);
    assert_eq!(json!(rows(&before.finish())), expected);
    let expected = json!([{ "make": "BMW", "_offset": 150 }, { "make": "BMW", "_offset": 151 }]);
    assert_eq!(json!(rows(&after.finish())), expected);
    let rejected = rows(&rejected.finish());
    assert_eq!(rejected[0]["reason"], json!("missing `model`; found `mode`"), "{}", rejected[0]);
    let value: Value = serde_json::from_str(rejected[0]["_value"].as_str().unwrap()).unwrap();
    assert!(value["mode"].is_string(), "the original is not there: {value}");
    served.stop();
}

/// Somebody who looks and does not read is passed by: the stream goes on, and every row was either shown
/// or counted.
#[test]
fn an_onlooker_who_does_not_keep_up_slows_nothing_and_is_told_what_was_missed() {
    let (workspace, served) = vehicle();
    let mut idle = BufReader::new(served.request("/tap?stream=vehicle&before=cleanse&columns=_offset"));
    let mut line = String::new();
    while !line.starts_with("{\"_columns\"") {
        line.clear();
        idle.read_line(&mut line).unwrap();
    }
    let messages = seeds("canonical", "vehicle_data").repeat(200);
    let count = messages.lines().count();
    workspace.append("messages/vehicle_data/0.jsonl", &messages);
    served.wait_until_committed("vehicle", count);
    served.stop();
    let mut rest = String::new();
    idle.read_to_string(&mut rest).unwrap();
    let (mut shown, mut skipped) = (0, 0);
    for line in rest.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        match line["_skipped"].as_u64() {
            Some(rows) => skipped += rows,
            None => shown += 1,
        }
    }
    assert!(skipped > 0 && shown > 0, "{shown} shown, {skipped} skipped");
    assert_eq!(shown + skipped, count as u64);
}

/// Taps with these arguments; expects an error with these words.
#[track_caller]
fn refused(served: &Served, args: &[&str], words: &[&str]) {
    let args = [&["tap", "--url", &served.address], args].concat();
    let output = Command::millstream(args).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` is not in: {}", output.stderr);
    }
}

#[test]
fn mistakes_are_answered_with_what_there_is() {
    let (_workspace, served) = vehicle();
    refused(&served, &["--stream", "vehicel"], &["no stream `vehicel`", "vehicle"]);
    refused(&served, &["--stream", "vehicle", "--after", "clean"], &["no step `clean`", "cleanse"]);
    refused(&served, &["--stream", "vehicle", "--where", "sped > 3"], &["`sped`", "`speed`"]);
    refused(&served, &["--stream", "vehicle", "--columns", "make,modell"], &["no column `modell`", "model"]);
    refused(&served, &["--stream", "vehicle", "--columns", "make,make"], &["`make` is named twice"]);
    let hostile = "interval ".repeat(400) + "1";
    refused(&served, &["--stream", "vehicle", "--where", &hostile], &["where: at character 10", "interval"]);
    let open: Vec<_> = (0..8).map(|_| tap(&served, &[])).collect();
    refused(&served, &["--stream", "vehicle"], &["8 taps are open"]);
    drop(open);
    // The run notices that they have gone, and there is room again.
    let url = format!("http://{}", served.address);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while Command::millstream(["tap", "--url", &url, "--stream", "vehicle", "-n", "0"]).run().code != Some(0)
    {
        assert!(std::time::Instant::now() < end, "taps whose onlookers have gone stay open");
    }
    served.stop();
}

#[test]
fn a_person_sees_rows_in_columns_until_ctrl_c() {
    let (workspace, served) = vehicle();
    let args = ["tap", "--url", &served.address, "--stream", "vehicle", "--columns", "make,model,speed"];
    let terminal = Terminal::start(&args, &workspace.path(""), (60, 12));
    terminal.wait_for(|screen| screen.contains("tapping vehicle behind its last step"));
    let messages = seeds("canonical", "vehicle_data");
    let first: String = messages.lines().take(3).map(|line| format!("{line}\n")).collect();
    workspace.append("messages/vehicle_data/0.jsonl", &first);
    let screen = terminal.wait_for(|screen| screen.matches("BMW").count() == 3);
    let header = screen.lines().find(|line| line.starts_with("make")).expect("a header");
    assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["make", "model", "speed"], "{screen}");
    terminal.press("C-c");
    terminal.wait_for_end();
    served.stop();
}
