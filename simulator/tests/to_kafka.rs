//! Both ways of making messages, to Apache Kafka from `scripts/kafka`: what Kafka's own consumer reads from a
//! partition is what a run to files wrote for it. So librdkafka's partitioner and ours agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn kafka(arguments: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/kafka");
    Command::new(script).args(arguments).output().unwrap()
}

/// What Kafka's own consumer reads from one partition.
fn consumed(broker: &str, topic: &str, partition: u32, count: usize) -> BTreeSet<String> {
    let (partition, count) = (partition.to_string(), count.to_string());
    let arguments = ["console-consumer", broker, topic, "--partition", &partition, "--offset", "earliest"];
    let output = kafka(&[&arguments[..], &["--max-messages", &count]].concat());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Returns how many messages were acknowledged.
fn simulate(arguments: &[&str], target: [&str; 2]) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream-simulator"));
    command.args(arguments).args(target).args(["--partitions", "2", "--as-fast-as-possible", "--json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    summary["topics"].as_array().unwrap().iter().map(|topic| topic["acknowledged"].as_u64().unwrap()).sum()
}

fn check(broker: &str, brokers: &str, arguments: &[&str], topic: &str, messages: u64) {
    let out = tempfile::tempdir().unwrap();
    for target in [["--brokers", brokers], ["--out", out.path().to_str().unwrap()]] {
        assert_eq!(simulate(arguments, target), messages, "{arguments:?} {target:?}");
    }
    for partition in 0..2 {
        let file = fs::read_to_string(out.path().join(format!("{topic}/{partition}.jsonl"))).unwrap();
        let expect: BTreeSet<String> = file.lines().map(str::to_owned).collect();
        assert!(!expect.is_empty(), "{topic}, partition {partition}");
        assert_eq!(
            consumed(broker, topic, partition, expect.len()),
            expect,
            "{topic}, partition {partition}"
        );
    }
}

#[test]
fn kafka_receives_what_the_files_hold_partition_by_partition() {
    let (recording, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    record(recording.path(), "recorded_data");
    let broker = home.path().to_str().unwrap();
    let started = kafka(&["start", broker, "--owner", &std::process::id().to_string()]);
    let line = String::from_utf8(started.stdout).unwrap();
    let brokers = line.trim().strip_prefix("KAFKA_BROKERS=").expect("the line that scripts/kafka promises");
    let replay = ["replay", "--from", recording.path().to_str().unwrap(), "--loops", "1"];
    check(broker, brokers, &replay, "recorded_data", 20);
    let city = ["--start-time", "2026-01-01T08:00:00Z", "--events", "60", "--faults", "off"];
    check(broker, brokers, &city, "vehicle_data", 300);
    kafka(&["stop", broker]);
}

/// 20 messages; the key of message n is `event-n`.
fn record(directory: &Path, topic: &str) {
    let line = |n: u32| format!("{{\"id\": \"event-{n}\", \"speed\": {n}.50}}\n");
    fs::write(directory.join(format!("{topic}.jsonl")), (0..20).map(line).collect::<String>()).unwrap();
}
