//! Dead letters in hand: counted, shown, and published to a topic of Apache Kafka.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millstream_tests::{Kafka, Record, Workspace, duckdb, seeds};
use serde_json::{Value, json};

/// Longest wait for letters to be committed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages that cannot be processed, of three kinds, and a good one.
fn messages() -> String {
    let good = seeds("canonical", "vehicle_data").lines().next().unwrap().to_owned();
    let other_year = good.replacen("\"year\": 2024", "\"year\": \"new\"", 1);
    let misspelt = seeds("misspelt", "vehicle_data").lines().take(3).collect::<Vec<_>>().join("\n");
    format!("{good}\n{{\n{other_year}\n{misspelt}\n")
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn letters_are_counted_and_shown() {
    let workspace = Workspace::files();
    let mut bytes = messages().into_bytes();
    bytes.extend_from_slice(b"{\"id\": \"\xff\"}\n");
    workspace.write("messages/vehicle_data/0.jsonl", bytes);
    workspace.catch_up();
    let run = |args: &[&str]| workspace.millstream(&[&["dead-letters"], args].concat()).succeed();

    let groups = lines(&run(&["list", "--json"]));
    let letters: u64 = groups.iter().map(|group| group["letters"].as_u64().unwrap()).sum();
    let reasons = duckdb(
        &workspace.files_of("dead_letters"),
        "select stream, step, reason, count(*) from t group by all order by all",
    );
    let mut listed: Vec<_> = groups
        .iter()
        .map(|group| json!([group["stream"], group["step"], group["reason"], group["letters"]]))
        .collect();
    listed.sort_by_key(Value::to_string);
    assert_eq!(json!(listed), reasons);
    assert_eq!(letters, 6);
    assert_eq!(groups[0]["letters"], json!(3), "the most frequent reason comes first");
    assert_eq!(groups[0]["reason"], json!("missing `model`; found `mode`"));
    assert_eq!(groups[0]["example"]["offset"], json!(3));

    let text = run(&["list", "--reason", "mode"]);
    assert!(text.contains("vehicle_data/0/3: {\"id\""), "{text}");
    assert!(!text.contains("year"), "{text}");

    let shown = lines(&run(&["show", "--json"]));
    let broken = shown.iter().find(|letter| letter["offset"] == json!(1)).unwrap();
    assert_eq!((&broken["value"], &broken["value_encoding"]), (&json!("{"), &json!("utf8")));
    let binary = shown.iter().find(|letter| letter["offset"] == json!(6)).unwrap();
    assert_eq!(
        (&binary["value"], &binary["value_encoding"]),
        (&json!("7b226964223a2022ff227d"), &json!("hex"))
    );

    let text = run(&["show", "--reason", "mode", "-n", "1"]);
    assert_eq!(text.matches("stream ").count(), 1, "{text}");
    assert!(text.contains("\"mode\": "), "JSON is laid out: {text}");

    assert_eq!(run(&["list", "--stream", "gps"]), "no dead letters match\n");
    assert_eq!(run(&["show", "--since", "2100-01-01"]), "no dead letters match\n");
    let output = workspace.millstream(&["dead-letters", "list", "--since", "noon"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("neither a time"), "{}", output.stderr);
}

#[test]
fn a_lake_without_dead_letters_says_so() {
    let workspace = Workspace::files();
    workspace.write(
        "messages/vehicle_data/0.jsonl",
        seeds("canonical", "vehicle_data").lines().next().unwrap().to_owned() + "\n",
    );
    workspace.catch_up();
    assert_eq!(workspace.millstream(&["dead-letters", "list"]).succeed(), "no dead letters\n");
    assert_eq!(workspace.millstream(&["dead-letters", "show", "--json"]).succeed(), "");
}

#[test]
fn the_topic_is_checked_with_the_configuration() {
    let workspace = Workspace::files();
    workspace.configure("[worker]", "[dead_letters]\ntopic = \"letters\"\n[worker]");
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("`dead_letters.topic`: only with [source.kafka]"), "{}", output.stderr);
    let workspace = Workspace::kafka("127.0.0.1:9");
    workspace.configure("[worker]", "[dead_letters]\ntopic = \"vehicle_data\"\n[worker]");
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("that of stream `vehicle`"), "{}", output.stderr);
}

/// Partition and offset of each letter in the table.
fn in_table(workspace: &Workspace) -> BTreeSet<(String, String)> {
    let rows = duckdb(&workspace.files_of("dead_letters"), "select _partition, _offset from t");
    rows.as_array().unwrap().iter().map(|row| (row[0].to_string(), row[1].to_string())).collect()
}

fn in_topic(records: &[Record]) -> BTreeSet<(String, String)> {
    let header = |record: &Record, name: &str| record.headers[&format!("__connect.errors.{name}")].clone();
    records.iter().map(|record| (header(record, "partition"), header(record, "offset"))).collect()
}

/// The topic is missing when the letters are committed, and the process is killed before it is there; then
/// it is killed again and again while it publishes.
#[test]
fn every_letter_reaches_the_topic_whatever_happens_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 2);
    let workspace = Workspace::kafka(&kafka.brokers);
    workspace.configure(
        "brokers =",
        "properties = { \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 500, \
         \"topic.metadata.propagation.max.ms\" = 500 }\nbrokers =",
    );
    workspace.configure("[worker]", "[dead_letters]\ntopic = \"letters\"\n[worker]");
    kafka.produce("vehicle_data", &messages());
    let running = workspace.millstream(&["run"]).start();
    running.wait_for_line(|line| line.contains("dead letters are not published"));
    // The partitions may be committed one after the other: a broken topic does not stop the commits.
    let end = Instant::now() + PATIENCE;
    while in_table(&workspace).len() < 5 {
        assert!(Instant::now() < end, "{:?}", in_table(&workspace));
        std::thread::sleep(Duration::from_millis(100));
    }
    running.signal("KILL");
    running.finish();
    assert_eq!(in_table(&workspace).len(), 5);

    kafka.topic("letters", 1);
    for round in 0..3 {
        kafka.produce("vehicle_data", &seeds("misspelt", "vehicle_data"));
        let running =
            workspace.millstream(&["run"]).env("MILLSTREAM_LOG", "info,millstream_pipeline=debug").start();
        let published = |line: &str| line.contains("dead letters published");
        let committed = |line: &str| line.contains("checkpoint sequence");
        running.wait_for_line(|line| if round == 1 { committed(line) } else { published(line) });
        running.signal("KILL");
        running.finish();
    }
    workspace.catch_up();
    let records = kafka.consume("letters");
    assert_eq!(in_topic(&records), in_table(&workspace));
    assert_eq!(in_table(&workspace).len(), 305);

    // A record is what came, and says why it is here.
    let shown = workspace.millstream(&["dead-letters", "show", "-n", "1000", "--json"]).succeed();
    let letters: BTreeMap<_, _> = lines(&shown)
        .into_iter()
        .map(|letter| ((letter["partition"].to_string(), letter["offset"].to_string()), letter))
        .collect();
    for record in &records {
        let place = in_topic(std::slice::from_ref(record)).pop_first().unwrap();
        let letter = &letters[&place];
        assert_eq!(json!(record.value), letter["value"]);
        assert_eq!(json!(record.headers["__connect.errors.exception.message"]), letter["reason"]);
        assert_eq!(record.headers["__connect.errors.topic"], "vehicle_data");
        assert_eq!(record.headers["__connect.errors.stage"], "VALUE_CONVERTER");
        assert_eq!(record.headers["millstream.step"], "decode");
    }
    let places: BTreeSet<_> = records
        .iter()
        .map(|record| (&record.headers["millstream.sequence"], &record.headers["millstream.ordinal"]))
        .collect();
    assert_eq!(places.len(), 305, "sequence and ordinal tell letters from their duplicates");

    // Nothing is published again once the progress is kept.
    workspace.catch_up();
    assert_eq!(kafka.consume("letters").len(), records.len());
}

/// Letters that were committed before there was a topic, and whose files were merged and deleted since, were
/// to be lost; so were those of files that are merged while they are published.
#[test]
fn letters_of_merged_files_reach_the_topic() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 2);
    kafka.topic("letters", 1);
    let workspace = Workspace::kafka(&kafka.brokers);
    workspace.configure("[worker]", "[merge]\ninterval = \"10ms\"\nfiles_min = 2\ncpu_share = 1.0\n[worker]");
    for round in 0..3 {
        kafka.produce(
            "vehicle_data",
            &seeds("misspelt", "vehicle_data").lines().skip(round).collect::<Vec<_>>().join("\n"),
        );
        workspace.catch_up();
    }
    workspace.millstream(&["tables", "merge", "dead_letters"]).succeed();
    let live = workspace.files_of("dead_letters");
    let mut deleted = 0;
    for day in std::fs::read_dir(workspace.path("lake/dead_letters")).unwrap() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap().map(|file| file.unwrap().path()) {
            if !live.iter().any(|live| file.ends_with(live.rsplit_once("dead_letters/").unwrap().1)) {
                std::fs::remove_file(file).unwrap();
                deleted += 1;
            }
        }
    }
    assert!(deleted >= 2, "nothing was merged");

    workspace.configure("[worker]", "[dead_letters]\ntopic = \"letters\"\n[worker]");
    let running =
        workspace.millstream(&["run"]).env("MILLSTREAM_LOG", "info,millstream_pipeline=debug").start();
    for _ in 0..5 {
        kafka.produce("vehicle_data", &seeds("misspelt", "vehicle_data"));
        running.wait_for_line(|line| line.contains("dead letters published"));
    }
    running.signal("TERM");
    let output = running.finish();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    workspace.catch_up();
    let mut said = output.stderr.lines();
    assert!(said.any(|line| line.contains("files merged") && line.contains("dead_letters")), "not merged");
    let (table, records) = (in_table(&workspace), kafka.consume("letters"));
    assert!(table.len() > 297, "{}", table.len());
    assert_eq!(in_topic(&records), table);
    let places: BTreeSet<_> = records
        .iter()
        .map(|record| (&record.headers["millstream.sequence"], &record.headers["millstream.ordinal"]))
        .collect();
    assert_eq!(places.len(), table.len(), "a letter has one place");
}

/// Letters in `topic` after a run that publishes there, and what the run said.
fn published(kafka: &Kafka, topic: &str) -> (Workspace, Vec<Record>, String) {
    let workspace = Workspace::kafka(&kafka.brokers);
    workspace.configure("[worker]", &format!("[dead_letters]\ntopic = \"{topic}\"\n[worker]"));
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let given_up = "not all dead letters are in their topic yet";
    assert!(!output.stderr.contains(given_up), "{}", output.stderr);
    (workspace, kafka.consume(topic), output.stderr)
}

/// The parts that were left out, of the letters that lost any.
fn omitted(records: &[Record]) -> Vec<&str> {
    let omitted = records.iter().filter_map(|record| record.headers.get("millstream.omitted"));
    omitted.map(String::as_str).collect()
}

/// One letter that was too large without its value, too, once stopped the topic for good and filled it with
/// copies of its neighbours. Small letters once lost their values because a batch of them was too large.
#[test]
fn a_letter_that_the_topic_does_not_take_costs_no_other_one() {
    const LETTERS: usize = 1 + 5 + 60;
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 1);
    let small: String = (0..5).map(|n| format!("key {n}\t{{{n}\n")).collect();
    kafka.produce_keyed("vehicle_data", &format!("{}\tx\n{small}", "k".repeat(1_048_480)));
    let medium = |n: usize| format!("{{{n:03}{}\n", "v".repeat(7500));
    kafka.produce("vehicle_data", &(0..60).map(medium).collect::<String>());

    for (topic, settings) in [("letters", &[][..]), ("narrow", &["max.message.bytes=60000"])] {
        kafka.topic_with(topic, 1, settings);
        let (workspace, records, _) = published(&kafka, topic);
        assert_eq!(in_topic(&records), in_table(&workspace), "{topic}");
        assert_eq!(records.len(), LETTERS, "{topic}: each letter is there once");
        assert_eq!(omitted(&records), ["value,key"], "{topic}");
        let whole = records.iter().filter(|record| record.value.len() == 7504).count();
        assert_eq!(whole, 60, "{topic}: what fits is whole");
    }

    // A compacted topic takes no record without a key.
    kafka.topic_with("compacted", 1, &["cleanup.policy=compact"]);
    let (_, records, said) = published(&kafka, "compacted");
    let offsets: BTreeSet<_> = in_topic(&records).into_iter().map(|(_, offset)| offset).collect();
    assert_eq!(offsets, (1..=5).map(|offset: i64| offset.to_string()).collect());
    assert_eq!(records.len(), 5);
    assert!(said.contains("whatever is left out"), "{said}");
}
