//! `--seed-compatible` against the recording of the producer it imitates, through the binary.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value};

const TOPICS: [&str; 5] = ["vehicle_data", "gps_data", "traffic_data", "weather_data", "emergency_data"];
/// Drawn by the recorded producer from another generator than its values.
const IDS: [&str; 2] = ["id", "incident_id"];

type Event = Map<String, Value>;

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seeds/canonical")
}

fn events(path: &Path) -> Vec<Event> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the simulator wrote, by topic in their order, and the directory it lies in.
fn simulated(arguments: &[&str]) -> Vec<Vec<Event>> {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream-simulator"));
    command.arg("--seed-compatible").arg("--out").arg(out.path()).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    TOPICS.iter().map(|topic| events(&out.path().join(topic).join("0.jsonl"))).collect()
}

/// Equal field by field, in the order of the fields, but for the ids.
fn check(arguments: &[&str], steps: usize) {
    let start = ["--start-time", "2026-01-01T08:00:00.123456"];
    let mut ids = HashSet::new();
    for (topic, simulated) in TOPICS.iter().zip(simulated(&[&start[..], arguments].concat())) {
        let recorded = events(&recorded().join(format!("{topic}.jsonl")));
        assert_eq!(simulated.len(), steps, "{topic}");
        for (step, (mut simulated, mut recorded)) in simulated.into_iter().zip(recorded).enumerate() {
            assert!(simulated.keys().eq(recorded.keys()), "{topic}, step {step}: {simulated:?}");
            for name in IDS {
                let (Some(id), Some(_)) = (simulated.remove(name), recorded.remove(name)) else { continue };
                assert!(ids.insert(id.to_string()), "{topic}, step {step}: `{name}` is not new");
            }
            assert_eq!(simulated, recorded, "{topic}, step {step}");
        }
    }
    assert_eq!(ids.len(), 6 * steps);
}

#[test]
fn the_drive_is_the_recorded_one_and_ends_on_arrival() {
    check(&[], 100);
}

/// The recorded producer misses its own arrival and drives on beyond Birmingham.
#[test]
fn asked_for_more_it_drives_on_as_recorded() {
    check(&["--events", "300"], 300);
}

#[test]
fn another_start_moves_every_time_and_nothing_else() {
    let early = simulated(&["--start-time", "2026-01-01T08:00:00"]);
    let late = simulated(&["--start-time", "2026-01-01T09:00:00Z"]);
    for (early, late) in early.into_iter().flatten().zip(late.into_iter().flatten()) {
        let later = early["timestamp"].as_str().unwrap().parse::<jiff::civil::DateTime>().unwrap()
            + jiff::SignedDuration::from_hours(1);
        let mut expect = early;
        expect["timestamp"] = later.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string().into();
        assert_eq!(late, expect);
    }
}

#[test]
fn another_seed_drives_another_way() {
    let check = |seed: &str| simulated(&["--start-time", "2026-01-01T08:00:00", "--seed", seed]);
    assert_eq!(check("7"), check("7"));
    assert_ne!(check("7")[0][0]["location"], check("42")[0][0]["location"]);
}
