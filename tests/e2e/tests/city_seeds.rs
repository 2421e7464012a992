//! All recorded messages of all three producers, five topics, through Apache Kafka from its own console
//! producer: every message is accounted for, and every dead letter, every drop and every flag is what an
//! independent look at the original message says.

use std::collections::BTreeMap;

use millstream_tests::{Kafka, Workspace, duckdb, seeds};
use serde_json::{Value, json};

const FOLDERS: [&str; 3] = ["canonical", "misspelt", "us-route"];
const STREAMS: [&str; 5] = ["vehicle", "gps", "traffic", "weather", "emergency"];

/// Messages of a stream as they are sent: the recorded ones, and one from far ahead of its time.
fn messages(stream: &str) -> Vec<String> {
    let topic = format!("{stream}_data");
    let recorded: String = FOLDERS.iter().map(|folder| seeds(folder, &topic)).collect();
    let mut messages: Vec<String> = recorded.lines().map(str::to_owned).collect();
    let mut ahead: Value = serde_json::from_str(&messages[1]).unwrap();
    ahead["id"] = json!("ahead");
    ahead["timestamp"] = json!("2999-12-31T23:59:59");
    messages.push(ahead.to_string());
    messages
}

/// What is to become of a recorded message; they are all well-formed, and no figure is out of range.
#[derive(Debug, PartialEq)]
enum Fate {
    Curated,
    Dropped,
    Dead(&'static str),
}

fn fate(stream: &str, message: &Value) -> Fate {
    let latitude = message.get("location").or(message.get("locatoin")).map(|pair| pair[0].as_f64().unwrap());
    assert!(latitude.is_none_or(|latitude| latitude.abs() <= 90.0), "{message}");
    if stream == "emergency" && message["type"] == "None" {
        Fate::Dropped
    } else if message.get("timestamp").is_none() {
        Fate::Dead("`timestamp` is missing")
    } else {
        Fate::Curated
    }
}

/// The words are those of the message, before any cleansing.
fn contradiction(message: &Value) -> Option<&'static str> {
    let figure = |name: &str| message[name].as_f64().unwrap();
    match message["weatherCondition"].as_str().unwrap() {
        "Sunny" if figure("precipitation") > 0.1 => Some("precipitation in sunshine"),
        "Snow" | "Snowy" if figure("temperature") > 5.0 => Some("snow in warm air"),
        "Snow" | "Snowy" if figure("precipitation") == 0.0 => Some("snow without precipitation"),
        "Rain" | "Rainy" if figure("precipitation") == 0.0 => Some("rain without precipitation"),
        _ => None,
    }
}

struct Sent {
    stream: &'static str,
    values: Vec<Value>,
}

impl Sent {
    fn with(&self, wanted: impl Fn(&Fate) -> bool) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |value| wanted(&fate(self.stream, value)))
    }
}

fn id(value: &Value) -> Value {
    json!([value["id"]])
}

fn sorted(rows: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut rows: Vec<String> = rows.into_iter().map(|row| row.to_string()).collect();
    rows.sort_unstable();
    rows
}

fn rows_of(workspace: &Workspace, table: &str, query: &str) -> Vec<Value> {
    duckdb(&workspace.files_of(table), query).as_array().unwrap().clone()
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().into_iter().flatten().map(|(_, count)| count.as_u64().unwrap()).sum()
}

#[test]
fn every_recorded_message_is_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    std::thread::scope(|scope| {
        for stream in STREAMS {
            let kafka = &kafka;
            scope.spawn(move || {
                let topic = format!("{stream}_data");
                kafka.topic(&topic, 3);
                kafka.produce(&topic, &(messages(stream).join("\n") + "\n"));
            });
        }
    });
    let workspace = Workspace::city(&format!("[source.kafka]\nbrokers = \"{}\"", kafka.brokers));
    let summary = workspace.catch_up();
    for stream in STREAMS {
        let values = messages(stream).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let sent = Sent { stream, values };
        counts_add_up(&workspace, &sent, &summary["streams"][stream]);
        dead_letters_are_true(&workspace, &sent);
        curated_is_the_rest(&workspace, &sent);
        the_future_is_flagged(&workspace, stream);
    }
    let weather = messages("weather").into_iter().map(|text| serde_json::from_str(&text).unwrap()).collect();
    contradictions_are_flagged(&workspace, &Sent { stream: "weather", values: weather });
    words_are_canonical(&workspace);
}

fn counts_add_up(workspace: &Workspace, sent: &Sent, counters: &Value) {
    let stream = sent.stream;
    let total = sent.values.len() as u64;
    let (out, dropped, dead) =
        (counters["out"].as_u64().unwrap(), sum(&counters["dropped"]), sum(&counters["dead"]));
    assert_eq!(counters["in"], json!(total), "{stream}");
    assert_eq!(out + dropped + dead, total, "{stream}: {counters}");

    let count = |table: &str, filter: &str| {
        let query = format!("select count(*), count(distinct (_topic, _partition, _offset)) from t {filter}");
        let row = rows_of(workspace, table, &query)[0].clone();
        assert_eq!(row[0], row[1], "{table}: a message has two rows");
        row[0].as_u64().unwrap()
    };
    assert_eq!(count(&format!("raw.{stream}"), ""), total, "{stream}");
    assert_eq!(count(&format!("curated.{stream}"), ""), out, "{stream}");
    assert_eq!(count("dead_letters", &format!("where stream = '{stream}'")), dead, "{stream}");
    let none = sent.with(|fate| *fate == Fate::Dropped).count() as u64;
    assert_eq!(dropped, none, "{stream}: what is dropped is what says that nothing happened");
}

/// By the original bytes in the dead letter, and none is missing.
fn dead_letters_are_true(workspace: &Workspace, sent: &Sent) {
    let stream = sent.stream;
    let query = format!("select step, reason, decode(_value) from t where stream = '{stream}'");
    let letters = rows_of(workspace, "dead_letters", &query);
    for letter in &letters {
        let value: Value = serde_json::from_str(letter[2].as_str().unwrap()).unwrap();
        let Fate::Dead(reason) = fate(stream, &value) else { panic!("{stream}: {letter} is no dead letter") };
        assert_eq!((&letter[0], &letter[1]), (&json!("cleanse"), &json!(reason)), "{letter}");
    }
    let of_letters = letters.iter().map(|letter| serde_json::from_str(letter[2].as_str().unwrap()).unwrap());
    let expect = sent.with(|fate| matches!(fate, Fate::Dead(_))).cloned();
    assert_eq!(sorted(of_letters), sorted(expect), "{stream}");
}

fn curated_is_the_rest(workspace: &Workspace, sent: &Sent) {
    let table = format!("curated.{}", sent.stream);
    let ids = rows_of(workspace, &table, "select id from t");
    assert_eq!(sorted(ids), sorted(sent.with(|fate| *fate == Fate::Curated).map(id)), "{table}");
    // Where it was, from whichever spelling; some cameras and all receivers do not say.
    let somewhere = sent.with(|fate| *fate == Fate::Curated).filter_map(|value| {
        value.get("location").or(value.get("locatoin")).map(|pair| json!([pair[0], pair[1]]))
    });
    let query = "select \"location.lat\", \"location.lon\" from t where \"location.lat\" is not null";
    assert_eq!(sorted(rows_of(workspace, &table, query)), sorted(somewhere), "{table}");
}

fn the_future_is_flagged(workspace: &Workspace, stream: &str) {
    let table = format!("curated.{stream}");
    let wrong = "select count(*) from t where timestamp_in_future is distinct from \
                 (timestamp > _timestamp + interval 5 minutes)";
    assert_eq!(rows_of(workspace, &table, wrong), [json!([0])], "{stream}");
    let ahead = rows_of(workspace, &table, "select timestamp_in_future from t where id = 'ahead'");
    assert_eq!(ahead, [json!([true])], "{stream}");
}

fn contradictions_are_flagged(workspace: &Workspace, sent: &Sent) {
    let flags = rows_of(workspace, "curated.weather", "select id, contradiction from t");
    let expect = sent.values.iter().map(|value| json!([value["id"], contradiction(value)]));
    assert_eq!(sorted(flags), sorted(expect));
    let some = sent.values.iter().filter(|value| contradiction(value).is_some()).count();
    assert!(0 < some && some < sent.values.len(), "{some} contradictions prove nothing");
}

fn words_are_canonical(workspace: &Workspace) {
    let distinct = |table: &str, column: &str| {
        let query = format!("select {column}, count(*)::int from t group by all order by all");
        let rows = rows_of(workspace, table, &query);
        let entry = |row: &Value| (row[0].as_str().unwrap_or("null").to_owned(), row[1].as_u64().unwrap());
        rows.iter().map(entry).collect::<BTreeMap<_, _>>()
    };
    let words = |table, column| distinct(table, column).into_keys().collect::<Vec<_>>();
    assert_eq!(words("curated.weather", "weatherCondition"), ["Cloudy", "Rainy", "Snowy", "Sunny"]);
    assert_eq!(words("curated.emergency", "type"), ["Accident", "Fire", "Medical", "Police"]);
    assert_eq!(words("curated.emergency", "status"), ["Active", "Resolved"]);
    assert_eq!(words("curated.gps", "vehicleType"), ["private"]);
    assert_eq!(words("curated.vehicle", "direction"), ["North-East"]);
    assert_eq!(distinct("curated.vehicle", "model")["R8"], 100, "`mode` is another name of `model`");
    // No producer sends a picture; all send the same words for one.
    assert_eq!(words("curated.traffic", "snapshot_valid::text"), ["false"]);
    let air = rows_of(workspace, "curated.weather", "select count(*) from t where airQualityIndex is null");
    assert_eq!(air, [json!([0])], "`AQI` is another name of `airQualityIndex`");
}
