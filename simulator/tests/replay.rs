//! `millstream-simulator replay` as a user runs it, to files.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// 20 messages a topic; the key of message n is `event-n`.
fn recording() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for topic in ["gps_data", "vehicle_data"] {
        let line = |n: u32| format!("{{\"id\": \"event-{n}\", \"speed\": {n}.50}}\n");
        fs::write(directory.path().join(format!("{topic}.jsonl")), (0..20).map(line).collect::<String>())
            .unwrap();
    }
    directory
}

fn replay(from: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream-simulator"));
    command.arg("replay").arg("--from").arg(from).args(arguments);
    command
}

fn run(from: &Path, arguments: &[&str]) -> Output {
    replay(from, arguments).output().unwrap()
}

fn lines(directory: &Path, topic: &str) -> Vec<String> {
    let files = fs::read_dir(directory.join(topic)).unwrap().map(|entry| entry.unwrap().path());
    files
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn acknowledged(stdout: &[u8]) -> u64 {
    let summary: Value = serde_json::from_slice(stdout).unwrap();
    summary["topics"].as_array().unwrap().iter().map(|topic| topic["acknowledged"].as_u64().unwrap()).sum()
}

#[test]
fn one_pass_to_files_keeps_every_byte_and_appends() {
    let (from, out) = (recording(), tempfile::tempdir().unwrap());
    let to = out.path().to_str().unwrap();
    let recorded: BTreeSet<String> =
        fs::read_to_string(from.path().join("gps_data.jsonl")).unwrap().lines().map(str::to_owned).collect();
    for pass in 1..=2 {
        let arguments = ["--out", to, "--rate", "100000", "--loops", "1", "--partitions", "3", "--json"];
        let output = run(from.path(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(acknowledged(&output.stdout), 40);
        let written = lines(out.path(), "gps_data");
        assert_eq!(written.len(), 20 * pass);
        assert_eq!(written.into_iter().collect::<BTreeSet<_>>(), recorded);
        assert_eq!(fs::read_dir(out.path().join("gps_data")).unwrap().count(), 3);
    }
}

#[test]
fn several_passes_send_distinct_messages() {
    let (from, out) = (recording(), tempfile::tempdir().unwrap());
    let arguments = [
        "--topic",
        "vehicle_data",
        "--out",
        out.path().to_str().unwrap(),
        "--rate",
        "100000",
        "--loops",
        "5",
    ];
    assert!(run(from.path(), &arguments).status.success());
    assert_eq!(lines(out.path(), "vehicle_data").into_iter().collect::<HashSet<_>>().len(), 100);
    assert!(!out.path().join("gps_data").exists());
}

/// Also one that never waits.
#[test]
fn a_signal_ends_it_with_the_summary() {
    for pace in [&["--rate", "1000"][..], &["--as-fast-as-possible"]] {
        check_signal(pace);
    }
}

fn check_signal(pace: &[&str]) {
    let (from, out) = (recording(), tempfile::tempdir().unwrap());
    let arguments = [&["--out", out.path().to_str().unwrap(), "--json"], pace].concat();
    let mut child =
        replay(from.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut progress).unwrap();
    assert!(progress.starts_with("sent "), "{progress}");
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let written = lines(out.path(), "gps_data").len() + lines(out.path(), "vehicle_data").len();
    assert_eq!(acknowledged(&output.stdout), written as u64);
}

#[test]
fn mistakes_are_told() {
    let from = recording();
    let out = tempfile::tempdir().unwrap();
    let to = out.path().to_str().unwrap();
    fs::create_dir(out.path().join("gps_data")).unwrap();
    fs::write(out.path().join("gps_data/0.jsonl"), "{\"half").unwrap();
    let check = |from: &Path, arguments: &[&str], code: i32, expect: &str| {
        let output = run(from, arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{message}");
        assert!(message.contains(expect), "{message}");
    };
    check(Path::new("/no/such/folder"), &["--out", to, "--rate", "1"], 1, "/no/such/folder");
    check(
        from.path(),
        &["--out", to, "--rate", "1", "--topic", "weather"],
        1,
        "found: gps_data, vehicle_data",
    );
    check(from.path(), &["--out", to, "--rate", "1"], 1, "0.jsonl ends in an unfinished line");
    check(from.path(), &["--rate", "1"], 2, "--brokers <HOST:PORT>|--out <DIR>");
    check(from.path(), &["--out", to, "--rate", "0"], 2, "messages per second");
    check(from.path(), &["--brokers", "127.0.0.1:1", "--rate", "1"], 1, "no broker answers at 127.0.0.1:1");
}
