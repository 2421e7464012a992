//! Whose offsets a lake holds: topics that are deleted, created anew, grown or misspelt, another cluster, and what
//! retention took are each noticed, told, and adopted where asked.

use std::time::{Duration, Instant};

use millstream_tests::{Kafka, Output, Served, Workspace, duckdb};
use serde_json::{Value, json};

/// Longest wait for something to become as expected.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker and a lake over its topics `t` and, unless nobody creates it, `u`.
struct World {
    kafka: Kafka,
    workspace: Workspace,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path());
        kafka.topic("t", partitions);
        let workspace = Workspace::kafka(&kafka.brokers);
        configure(&workspace, &kafka.brokers);
        Self { kafka, workspace, _folder: folder }
    }

    /// Produces messages whose ids begin with `prefix`.
    fn send(&self, topic: &str, prefix: &str, count: usize) {
        let lines = (0..count).map(|id| format!("{prefix}{id}\t{{\"id\":\"{prefix}{id}\"}}\n"));
        self.kafka.produce_keyed(topic, &lines.collect::<String>());
    }

    fn run(&self, args: &[&str]) -> Output {
        self.workspace.millstream(args).run()
    }

    fn status(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.run(&[&["status", "--json"], args].concat());
        (output.code, serde_json::from_str(&output.stdout).expect(&output.stderr))
    }

    fn ids(&self) -> Value {
        let files = self.workspace.files_of("raw.t");
        duckdb(&files, "select left(id, 1), count(*), count(distinct id) from t group by all order by all")
    }
}

fn configure(workspace: &Workspace, brokers: &str) {
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.kafka]\nbrokers = \"{brokers}\"\n\
             properties = {{ \"topic.metadata.refresh.interval.ms\" = 300 }}\n\
             [checkpoint]\ninterval = \"100ms\"\n[worker]\nthreads = 1\n\
             [streams.t]\ntopic = \"t\"\nschema = {{ id = \"string\" }}\n"
        ),
    );
}

#[track_caller]
fn ends_with(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{}", output.stderr);
    words.iter().for_each(|word| assert!(output.stderr.contains(word), "no `{word}`: {}", output.stderr));
}

#[test]
fn a_topic_that_was_created_anew_is_noticed_told_and_adopted() {
    let world = World::new(2);
    world.send("t", "a", 100);
    world.workspace.catch_up();
    let bound = world.workspace.millstream(&["log", "show", "--json"]).succeed();
    assert!(bound.contains("\"source_bound\"") && bound.contains("\"topics\":{\"t\":"), "{bound}");
    world.kafka.delete_topic("t");
    world.kafka.topic("t", 2);
    // More than before: nothing but the topic's id tells that these are others.
    world.send("t", "b", 300);

    let output = world.run(&["run", "--until-caught-up"]);
    ends_with(&output, 3, &["topic `t` was deleted and created anew", "millstream adopt --topic t"]);
    let (code, status) = world.status(&[]);
    assert_eq!(code, Some(1));
    assert!(status["topics"][0]["reason"].as_str().unwrap().contains("created anew"), "{status:#}");

    // It has messages at all these offsets, and they are not those whose rows would be replaced.
    let replay = ["replay", "--stream", "t", "--offsets", "0:0..", "--offsets", "1:0..", "--yes"];
    ends_with(&world.run(&replay), 3, &["topic `t` was deleted and created anew"]);

    // What is adopted begins at its first message, wherever other topics begin.
    world.workspace.configure("[source.kafka]\n", "[source.kafka]\nstart = \"latest\"\n");
    let before = world.workspace.millstream(&["log", "show"]).succeed();
    let shown = world.workspace.millstream(&["adopt", "--topic", "t"]).succeed();
    assert!(shown.contains("rows of 100 offsets") && shown.contains("nothing was changed"), "{shown}");
    assert_eq!(world.workspace.millstream(&["log", "show"]).succeed(), before);
    world.workspace.millstream(&["adopt", "--topic", "t", "--yes"]).succeed();
    let again = world.workspace.millstream(&["adopt", "--topic", "t", "--yes"]).succeed();
    assert!(again.contains("nothing to adopt"), "{again}");
    assert_eq!(world.workspace.catch_up()["streams"]["t"]["in"], json!(300));
    assert_eq!(world.ids(), json!([["a", 100, 100], ["b", 300, 300]]));
    assert_eq!(world.workspace.catch_up()["streams"]["t"]["in"], json!(0));
    ends_with(&world.run(&["adopt", "--topic", "v", "--yes"]), 1, &["no stream of", "`v`"]);
}

#[test]
fn a_topic_that_vanishes_while_it_is_read_is_waited_for_and_another_one_of_its_name_is_not_read() {
    let world = World::new(1);
    world.send("t", "a", 100);
    let served = Served::start(&world.workspace);
    served.wait_until_committed("t", 100);
    world.kafka.delete_topic("t");
    let end = Instant::now() + PATIENCE;
    loop {
        let status = served.status();
        if status["source"]["waiting"][0]["reason"] == "the topic does not exist" {
            break;
        }
        assert!(Instant::now() < end, "{status:#}");
    }
    let (code, status) = world.status(&["--url", &served.address]);
    assert_eq!((code, &status["topics"][0]["reason"]), (Some(1), &json!("the topic does not exist")));
    world.kafka.topic("t", 1);
    world.send("t", "b", 300);
    ends_with(&served.finish(), 3, &["topic `t` was deleted and created anew"]);
    assert_eq!(world.ids(), json!([["a", 100, 100]]));
}

#[test]
fn another_cluster_is_adopted_whole_or_not_at_all() {
    let world = World::new(1);
    world.send("t", "a", 100);
    world.workspace.catch_up();
    let folder = tempfile::tempdir().unwrap();
    let other = Kafka::start(folder.path());
    other.topic("t", 1);
    other.produce("t", &(0..50).map(|id| format!("{{\"id\":\"b{id}\"}}\n")).collect::<String>());
    configure(&world.workspace, &other.brokers);
    ends_with(
        &world.run(&["run", "--until-caught-up"]),
        3,
        &["must not be mixed", "millstream adopt --source"],
    );
    ends_with(&world.run(&["adopt", "--topic", "t", "--yes"]), 1, &["all of it is adopted by --source"]);
    let shown = world.workspace.millstream(&["adopt", "--source"]).succeed();
    assert!(shown.contains(" → kafka:") && shown.contains("nothing was changed"), "{shown}");
    world.workspace.millstream(&["adopt", "--source", "--yes"]).succeed();
    assert_eq!(world.workspace.catch_up()["streams"]["t"]["in"], json!(50));
    assert_eq!(world.ids(), json!([["a", 100, 100], ["b", 50, 50]]));
    configure(&world.workspace, &world.kafka.brokers);
    ends_with(&world.run(&["run", "--until-caught-up"]), 3, &["must not be mixed"]);
}

#[test]
fn a_topic_that_grows_stops_nothing_and_what_retention_took_is_shown() {
    let world = World::new(2);
    world.workspace.configure("[source.kafka]\n", "[source.kafka]\nstart = \"latest\"\n");
    let served = Served::start(&world.workspace);
    let end = Instant::now() + PATIENCE;
    while served.status()["source"]["assigned"] != json!(2) {
        assert!(Instant::now() < end);
    }
    world.send("t", "a", 100);
    served.wait_until_committed("t", 100);
    let (code, status) = world.status(&["--url", &served.address]);
    assert_eq!((code, &status["lag"], &status["waiting"]), (Some(0), &json!(0), &json!(0)), "{status:#}");
    assert_eq!(status["workers"][0]["name"], "worker-0");
    assert_eq!(
        (&status["workers"][0]["partitions"], &status["group"]["state"]),
        (&json!(2), &json!("Stable"))
    );
    let of = |at: usize, key: &str| status["topics"][0]["partitions"][at][key].clone();
    assert_eq!([of(0, "worker"), of(1, "writer")], [json!("worker-0"), json!("worker-0")]);
    assert_eq!(of(0, "position"), of(0, "end"));

    world.kafka.grow_topic("t", 8);
    world.send("t", "b", 400);
    served.wait_until_committed("t", 500);
    assert_eq!(served.status()["source"]["assigned"], json!(8));
    served.stop();
    assert_eq!(world.ids(), json!([["a", 100, 100], ["b", 400, 400]]));

    world.send("t", "c", 200);
    let (_, status) = world.status(&[]);
    let end_of_first = status["topics"][0]["partitions"][0]["end"].as_i64().unwrap();
    world.kafka.delete_records("t", 0, end_of_first);
    let (_, status) = world.status(&[]);
    let expired = status["topics"][0]["partitions"][0]["expired"].as_u64().unwrap();
    assert!(expired > 0, "{status:#}");
    let summary = world.workspace.catch_up();
    assert_eq!(summary["skipped"], json!({ "t": expired }));
    assert_eq!(summary["streams"]["t"]["in"], json!(200 - expired));
    let (code, status) = world.status(&[]);
    assert_eq!((code, &status["lag"]), (Some(1), &json!(0)), "{status:#}");
    let reason = status["topics"][0]["partitions"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no worker is in the group"), "{reason}");
}

#[test]
fn a_misspelt_topic_does_not_pass_for_one_that_is_read_to_its_end() {
    let world = World::new(1);
    world.send("t", "a", 10);
    let path = world.workspace.path("millstream.toml");
    let streams = "[streams.u]\ntopic = \"tt\"\nschema = { id = \"string\" }\n";
    let text = std::fs::read_to_string(&path).unwrap() + streams;
    world.workspace.write("millstream.toml", text);
    let output = world.run(&["run", "--until-caught-up", "--json"]);
    ends_with(&output, 1, &["has no topic `tt`", "all there is has been read and committed"]);
    assert_eq!(world.ids(), json!([["a", 10, 10]]));
}
