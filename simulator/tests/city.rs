//! The city as a user runs it, to files: as many messages as asked for, the same again for the same seed, and
//! a summary that is true, faults included.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tempfile::TempDir;

const TOPICS: [&str; 5] = ["vehicle_data", "gps_data", "traffic_data", "weather_data", "emergency_data"];
const START: &str = "2026-01-01T08:00:00Z";

/// A run that has ended well.
struct Run {
    out: TempDir,
    summary: Value,
}

impl Run {
    /// From a fixed start, as fast as it goes.
    fn new(arguments: &[&str]) -> Self {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream-simulator"));
        command.args(["--start-time", START, "--as-fast-as-possible", "--json", "--out"]).arg(out.path());
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { summary: serde_json::from_slice(&output.stdout).unwrap(), out }
    }

    /// What the files of a topic hold, by partition.
    fn files(&self, topic: &str) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.out.path().join(topic)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
    }

    fn lines(&self, topic: &str) -> Vec<Vec<u8>> {
        let files = self.files(topic);
        files
            .values()
            .flat_map(|bytes| bytes.split_inclusive(|&byte| byte == b'\n'))
            .map(<[u8]>::to_vec)
            .collect()
    }

    fn topic(&self, topic: &str) -> &Value {
        let mut topics = self.summary["topics"].as_array().unwrap().iter();
        topics.find(|summary| summary["topic"] == topic).unwrap()
    }

    /// Injected into the messages of a topic, by the summary.
    fn injected(&self, topic: &str, fault: &str) -> usize {
        self.topic(topic)["faults"][fault].as_u64().unwrap_or(0) as usize
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn each_topic_gets_exactly_as_many_messages_as_asked_for_and_the_summary_says_so() {
    let run = Run::new(&["--events", "700", "--partitions", "3"]);
    for topic in TOPICS {
        assert_eq!(run.files(topic).len(), 3, "{topic}");
        assert_eq!(run.lines(topic).len(), 700, "{topic}");
        let summary = run.topic(topic);
        assert_eq!((&summary["sent"], &summary["acknowledged"]), (&700.into(), &700.into()), "{topic}");
        assert_eq!((&summary["failed"], &summary["partitions"]), (&0.into(), &3.into()), "{topic}");
    }
}

#[test]
fn a_stream_without_devices_sends_nothing_and_keeps_nobody_waiting() {
    let run = Run::new(&["--events", "20", "--cameras", "0", "--incidents", "0"]);
    let counts = TOPICS.map(|topic| run.lines(topic).len());
    assert_eq!(counts, [20, 20, 0, 20, 0]);
}

/// One incident in a thousand years beside that of the start: the time given is kept all the same.
#[test]
fn a_message_that_hardly_ever_comes_does_not_hold_up_the_end() {
    let run = Run::new(&["--events", "200", "--incidents", "0.0000001", "--for", "1s"]);
    assert!(run.lines("emergency_data").len() < 200);
}

#[test]
fn the_same_seed_and_start_give_the_same_bytes() {
    let files = |seed: &str| {
        let run = Run::new(&["--events", "400", "--partitions", "2", "--seed", seed]);
        TOPICS.map(|topic| run.files(topic))
    };
    let first = files("42");
    assert!(first == files("42"), "two runs differ");
    for (topic, (first, other)) in TOPICS.iter().zip(first.iter().zip(files("43"))) {
        assert!(first != &other, "{topic} does not depend on the seed");
    }
}

#[test]
fn it_ends_when_the_citys_time_is_over() {
    let run = Run::new(&["--virtual", "10m", "--faults", "off"]);
    let seconds = run.summary["virtual_seconds"].as_f64().unwrap();
    assert!((599.0..600.0).contains(&seconds), "{seconds}");
    let start: Timestamp = START.parse().unwrap();
    for topic in TOPICS {
        for event in run.lines(topic).iter().map(|line| parse(line).unwrap()) {
            let second = time(&event).unwrap().duration_since(start).as_secs_f64();
            assert!((0.0..600.0).contains(&second), "{topic}: {event:?}");
        }
    }
}

/// A device's messages keep their order, because they share a partition.
#[test]
fn without_faults_each_device_has_one_partition_and_its_times_rise() {
    let run = Run::new(&["--events", "1000", "--partitions", "4", "--faults", "off"]);
    for topic in TOPICS {
        let mut partitions = HashMap::new();
        let mut last = HashMap::new();
        for (partition, bytes) in run.files(topic) {
            for event in bytes.split_inclusive(|&byte| byte == b'\n').map(|line| parse(line).unwrap()) {
                let device = event["deviceId"].as_str().unwrap().to_owned();
                assert_eq!(
                    partitions.entry(device.clone()).or_insert(partition.clone()),
                    &partition,
                    "{device}"
                );
                let time = time(&event).unwrap();
                assert!(last.insert(device, time).is_none_or(|last| last <= time), "{topic}: {event:?}");
            }
        }
        assert!(partitions.values().collect::<HashSet<_>>().len() > 1, "{topic}: all in one partition");
    }
}

/// The files are searched for each fault without looking at the summary.
#[test]
fn the_faults_in_the_files_are_those_of_the_summary() {
    let rates = "late=0.03,duplicate=0.03,out_of_order=0.03,malformed=0.03,misspelt=0.03,out_of_range=0.03";
    let many = ["--events", "10000", "--stream-rate", "10", "--incidents", "300"];
    let run = Run::new(&[&many[..], &["--faults", "off", "--fault", rates]].concat());
    for topic in TOPICS {
        let found = Found::in_lines(&run.lines(topic));
        let check = |fault: &str, found: usize| {
            let injected = run.injected(topic, fault);
            assert_eq!(found, injected, "{topic}: {fault}");
            assert!((100..500).contains(&injected), "{topic}: {injected} of 10000 {fault}");
        };
        check("malformed", found.malformed);
        check("misspelt", found.misspelt);
        check("out_of_range", found.out_of_range);
        check("duplicate", found.duplicate);
        check("late", found.late);
        check("out_of_order", found.out_of_order);
    }
}

#[test]
fn silent_devices_are_counted_and_send_less() {
    let arguments = ["--virtual", "30m", "--faults", "off"];
    let all = Run::new(&arguments);
    let some = Run::new(&[&arguments[..], &["--fault", "silent=0.002"]].concat());
    let sent = |run: &Run| TOPICS.iter().map(|topic| run.lines(topic).len() as u64).sum::<u64>();
    assert!(some.summary["silences"].as_u64().unwrap() > 0);
    assert_eq!(sent(&all) - sent(&some), some.summary["withheld"].as_u64().unwrap());
}

#[derive(Default)]
struct Found {
    malformed: usize,
    misspelt: usize,
    out_of_range: usize,
    duplicate: usize,
    late: usize,
    out_of_order: usize,
}

impl Found {
    /// In the order sent, a message that was not held back is the latest of its stream.
    fn in_lines(lines: &[Vec<u8>]) -> Self {
        let mut found = Self::default();
        let mut ids = HashSet::new();
        let mut latest = Timestamp::MIN;
        for line in lines {
            let Some(event) = parse(line) else {
                found.malformed += 1;
                continue;
            };
            let behind = time(&event).map_or(0.0, |time| latest.duration_since(time).as_secs_f64());
            latest = latest.max(time(&event).unwrap_or(latest));
            if !ids.insert(event["id"].as_str().unwrap().to_owned()) {
                found.duplicate += 1;
            } else if is_misspelt(&event) {
                found.misspelt += 1;
            } else if is_out_of_range(&event) {
                found.out_of_range += 1;
            } else if behind > 30.0 {
                found.late += 1;
            } else if behind > 0.0 {
                found.out_of_order += 1;
            }
        }
        found
    }
}

fn parse(line: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(line).ok()
}

fn time(event: &Map<String, Value>) -> Option<Timestamp> {
    event.get("timestamp").map(|text| text.as_str().unwrap().parse().unwrap())
}

fn is_misspelt(event: &Map<String, Value>) -> bool {
    let has = |name: &str| event.contains_key(name);
    !has("timestamp")
        || has("locatoin")
        || has("mode")
        || event.get("year").is_some_and(Value::is_string)
        || event.get("status").is_some_and(|status| status == "Actice")
}

fn is_out_of_range(event: &Map<String, Value>) -> bool {
    let outside =
        |value: &Value, low: f64, high: f64| value.as_f64().is_some_and(|n| !(low..=high).contains(&n));
    let field =
        |name: &str, low: f64, high: f64| event.get(name).is_some_and(|value| outside(value, low, high));
    outside(&event["location"][0], -90.0, 90.0)
        || outside(&event["location"][1], -180.0, 180.0)
        || field("speed", 0.0, 300.0)
        || field("meanSpeed", 0.0, 300.0)
        || field("humidity", 0.0, 100.0)
        || field("temperature", -60.0, 60.0)
}
