//! The simulated city through the host: what the simulator says it sent, faults and all, is what the tables
//! hold, and the camera pictures in them are pictures.

use millstream_tests::{Command, Workspace, duckdb, pyarrow};
use serde_json::{Value, json};

const STREAMS: [&str; 5] = ["vehicle", "gps", "traffic", "weather", "emergency"];

/// Simulates into the workspace; gives the simulator's own count by stream.
fn simulate(workspace: &Workspace, more: &[&str]) -> Value {
    let out = workspace.path("messages");
    let args = [
        "--out",
        out.to_str().expect("a UTF-8 path"),
        "--partitions",
        "3",
        "--as-fast-as-possible",
        "--json",
    ];
    let summary = Command::simulator(args.iter().chain(more)).succeed();
    let summary: Value = serde_json::from_str(&summary).expect("one JSON object");
    let of = |stream: &str| {
        let topics = summary["topics"].as_array().expect("a list");
        topics.iter().find(|topic| topic["topic"] == format!("{stream}_data")).expect("every topic").clone()
    };
    STREAMS
        .into_iter()
        .map(|stream| (stream.to_owned(), of(stream)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().expect("counts by name").values().map(number).sum()
}

#[test]
fn a_faultless_city_is_curated_whole() {
    let workspace = Workspace::city_files();
    let sent = simulate(&workspace, &["--events", "2000", "--faults", "off", "--seed", "7"]);
    let summary = workspace.catch_up();
    for stream in STREAMS {
        let counted = &summary["streams"][stream];
        assert_eq!(counted["in"], sent[stream]["sent"], "{stream}");
        assert_eq!(counted["out"], sent[stream]["sent"], "{stream}: {counted}");
        assert_eq!(counted["drift"], json!({}), "{stream}: every field is declared");
        let rows = duckdb(
            &workspace.files_of(&format!("curated.{stream}")),
            "select count(*), count(distinct id), count(*) filter (where timestamp_in_future) from t",
        );
        assert_eq!(rows, json!([[2000, 2000, 0]]), "{stream}");
    }
    let weather = workspace.files_of("curated.weather");
    assert_eq!(
        duckdb(&weather, "select count(contradiction) from t"),
        json!([[0]]),
        "the weather agrees with itself"
    );
}

/// Every fault that the simulator says it put in is somewhere: a duplicate is a second row of its id, what is
/// malformed or out of range is a dead letter, what is misspelt is read by its alias or dead.
#[test]
fn faults_are_found_again() {
    let workspace = Workspace::city_files();
    let sent = simulate(&workspace, &["--events", "20000", "--stream-rate", "500", "--seed", "11"]);
    let summary = workspace.catch_up();
    for stream in STREAMS {
        let (counted, faults) = (&summary["streams"][stream], &sent[stream]["faults"]);
        assert_eq!(number(&counted["in"]), 20_000, "{stream}");
        let (dropped, dead) = (sum(&counted["dropped"]), sum(&counted["dead"]));
        assert_eq!(number(&counted["out"]) + dropped + dead, 20_000, "{stream}: {counted}");
        let (malformed, misspelt, out_of_range) =
            (number(&faults["malformed"]), number(&faults["misspelt"]), number(&faults["out_of_range"]));
        assert!(malformed > 0 && misspelt > 0, "{stream}: {faults}");
        let (least, most) = (malformed, malformed + misspelt + out_of_range);
        assert!((least..=most).contains(&dead), "{stream}: {dead} dead, {faults}");
        let raw = workspace.files_of(&format!("raw.{stream}"));
        let rows = duckdb(&raw, "select count(*), count(distinct (_partition, _offset)) from t");
        assert_eq!(rows, json!([[20_000, 20_000]]), "{stream}");
        let repeated = duckdb(&raw, "select count(id) - count(distinct id) from t");
        let repeated = repeated[0][0].as_u64().expect("a count");
        let duplicates = number(&faults["duplicate"]);
        assert!(repeated <= duplicates, "{stream}: {repeated} ids twice, {duplicates} sent twice");
        // A copy may be malformed itself, which is rare.
        assert!(repeated * 10 >= duplicates * 9, "{stream}: {repeated} ids twice, {duplicates} sent twice");
    }
}

/// Pillow had no part in making them.
#[test]
fn snapshots_are_pictures() {
    let workspace = Workspace::city_files();
    simulate(&workspace, &["--events", "3000", "--faults", "off", "--seed", "5", "--cameras", "40"]);
    workspace.catch_up();
    let found = pyarrow(
        &workspace.files_of("curated.traffic"),
        "import base64, io\n\
         from PIL import Image\n\
         sizes, shades = set(), set()\n\
         snapshots = set(TABLE['snapshot'].to_pylist())\n\
         for snapshot in snapshots:\n\
         \x20   data = base64.b64decode(snapshot, validate=True)\n\
         \x20   picture = Image.open(io.BytesIO(data))\n\
         \x20   picture.load()\n\
         \x20   assert picture.format == 'JPEG' and len(data) < 1536, (picture.format, len(data))\n\
         \x20   sizes.add(picture.size)\n\
         \x20   shades.add(tuple(picture.convert('L').histogram()))\n\
         valid = TABLE['snapshot_valid'].to_pylist()\n\
         print(json.dumps([len(sizes), len(shades) > 10, all(valid)]))",
    );
    assert_eq!(
        found,
        json!([1, true, true]),
        "one size, more than ten different pictures, all of them valid"
    );
}
