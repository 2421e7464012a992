//! Schemas from messages: what is proposed for recorded messages takes all of them, misspellings are
//! named, and drift is told by `schema check`, by a run and by the log.

use millstream_tests::{Command, Kafka, Workspace, duckdb, repository, seeds};
use serde_json::{Value, json};

const TOPICS: [&str; 5] = ["vehicle_data", "gps_data", "traffic_data", "weather_data", "emergency_data"];

/// The recorded messages of one producer, laid out for the files source.
fn lay_out(workspace: &Workspace, producer: &str) {
    for topic in TOPICS {
        workspace.write(&format!("messages/{topic}/0.jsonl"), seeds(producer, topic));
    }
}

/// `schema infer` over all topics, with more arguments.
fn infer(workspace: &Workspace, more: &[&str]) -> Command {
    let mut args = vec!["schema", "infer"];
    args.extend(TOPICS.iter().flat_map(|topic| ["--topic", topic]));
    args.extend_from_slice(more);
    workspace.millstream(&args)
}

/// Makes the inferred streams the workspace's configuration, over `source`.
fn adopt(workspace: &Workspace, source: &str, streams: &str) {
    workspace.write("millstream.toml", format!("[lake]\nurl = \"lake\"\n\n{source}\n\n{streams}"));
}

/// One JSON object a line.
fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Findings of one kind, as field and what it looks like.
fn findings(proposals: &[Value], kind: &str) -> Vec<(String, String)> {
    let all = proposals.iter().flat_map(|proposal| proposal["findings"].as_array().unwrap());
    let named = all.filter(|finding| finding["kind"] == kind);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    named.map(|finding| (text(&finding["field"]), text(&finding["like"]))).collect()
}

#[test]
fn recorded_messages_pass_a_run_under_what_is_inferred() {
    for producer in ["canonical", "misspelt", "us-route"] {
        let workspace = Workspace::files();
        lay_out(&workspace, producer);
        let zone = ["--dir", "messages", "--zone", "Europe/London"];
        let streams = infer(&workspace, &zone).succeed();
        adopt(&workspace, "[source.files]\ndir = \"messages\"", &streams);
        let malformed = "{\"id\": \"cut off";
        workspace.append("messages/gps_data/0.jsonl", &format!("{malformed}\n"));
        let summary = workspace.catch_up();
        for topic in TOPICS {
            let stream = &summary["streams"][topic.trim_end_matches("_data")];
            let messages = seeds(producer, topic).lines().count();
            let dead: u64 = stream["dead"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
            assert_eq!(stream["out"], json!(messages), "{producer} {topic}: {stream}");
            assert_eq!(dead, u64::from(topic == "gps_data"), "{producer} {topic}: {stream}");
            assert_eq!(stream["drift"], json!({}), "{producer} {topic}");
        }
        let checked = workspace.millstream(&["schema", "check"]).run();
        assert_eq!(checked.code, Some(1), "{producer}: {}\n{}", checked.stdout, checked.stderr);
        assert!(checked.stdout.contains("malformed"), "{}", checked.stdout);
        assert!(checked.stderr.ends_with("drifted from the schema of gps\n"), "{}", checked.stderr);
    }
}

#[test]
fn local_times_become_instants_of_the_zone_that_is_named() {
    let workspace = Workspace::files();
    lay_out(&workspace, "us-route");
    let streams = infer(&workspace, &["--dir", "messages", "--zone", "America/Los_Angeles"]).succeed();
    adopt(&workspace, "[source.files]\ndir = \"messages\"", &streams);
    workspace.catch_up();
    let rows = duckdb(
        &workspace.files_of("raw.weather"),
        "select count(*), min(timestamp)::varchar, count(\"location.lat\"), count(humidity) from t",
    );
    assert_eq!(rows, json!([[300, "2026-01-01 16:00:38.123456+00", 300, 300]]));

    let unnamed = infer(&workspace, &["--dir", "messages"]).succeed();
    assert!(unnamed.contains("# event_time = { column = \"timestamp\", zone = \"Area/City\" }"), "{unnamed}");
    adopt(&workspace, "[source.files]\ndir = \"messages\"", &unnamed);
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

#[test]
fn misspellings_are_named() {
    let workspace = Workspace::files();
    lay_out(&workspace, "misspelt");
    let text = infer(&workspace, &["--dir", "messages"]).succeed();
    assert!(text.contains("# `locatoin` looks like a misspelling of `location`, which "), "{text}");
    assert!(text.contains("aliases = [\"location[0]\", \"locatoin[0]\"]"), "{text}");

    // Nobody in these topics has `model`; a configuration does.
    let example = repository().join("examples/vehicle/millstream.toml");
    let against = ["--dir", "messages", "--against", example.to_str().unwrap()];
    let proposals = objects(&infer(&workspace, &[&against[..], &["--json"]].concat()).succeed());
    let pair = |field: &str, like: &str| (field.to_owned(), like.to_owned());
    assert_eq!(
        findings(&proposals, "misspelt_field"),
        [pair("mode", "model"), pair("locatoin", "location")],
        "{proposals:?}"
    );
    assert_eq!(findings(&proposals, "number_as_text"), [pair("year", "")]);
    let vehicle = proposals.iter().find(|proposal| proposal["topic"] == "vehicle_data").unwrap();
    let column =
        |name: &str| vehicle["columns"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap();
    assert_eq!(column("model")["aliases"][0]["path"], "mode");
    assert_eq!(column("year")["type"], "int32");

    // Aliases of a configuration may be misspellings, and are no right names.
    let city = repository().join("examples/city/millstream.toml");
    let against = ["--dir", "messages", "--against", city.to_str().unwrap(), "--json"];
    let named = findings(&objects(&infer(&workspace, &against).succeed()), "misspelt_field");
    assert!(
        named.contains(&pair("mode", "model")) && named.contains(&pair("locatoin", "location")),
        "{named:?}"
    );

    // Where the right value is frequent, the rare wrong one is named.
    let misspelt = seeds("misspelt", "emergency_data");
    let wrong: String = misspelt
        .lines()
        .filter(|line| line.contains("Actice"))
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    workspace.write("messages/emergency_data/0.jsonl", seeds("us-route", "emergency_data") + &wrong);
    let args = ["schema", "infer", "--dir", "messages", "--topic", "emergency_data", "--json"];
    let proposals = objects(&workspace.millstream(&args).succeed());
    assert_eq!(findings(&proposals, "misspelt_value"), [pair("status", "Active")]);
}

#[test]
fn three_producers_in_one_kafka_topic() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    for topic in ["vehicle_data", "weather_data"] {
        kafka.topic(topic, 3);
        let producers = ["us-route", "canonical", "misspelt"];
        kafka.produce(topic, &producers.map(|producer| seeds(producer, topic)).concat());
    }
    let workspace = Workspace::kafka(&kafka.brokers);
    let topics = ["--topic", "vehicle_data", "--topic", "weather_data", "--zone", "UTC"];
    let args = [&["schema", "infer", "--brokers", &kafka.brokers], &topics[..]].concat();
    let streams = workspace.millstream(&args).succeed();
    assert!(streams.contains("aliases = [\"device_id\"]") || streams.contains("aliases = [\"deviceId\"]"));
    assert!(streams.contains("`mode` looks like a misspelling of `model`"), "{streams}");
    assert!(streams.contains("`AQI` may stand for `airQualityIndex`"), "{streams}");

    let json = workspace.millstream(&[&args[..], &["--json", "--limit", "30"]].concat()).succeed();
    assert!(objects(&json).iter().all(|proposal| proposal["messages"] == 30), "{json}");

    adopt(&workspace, &format!("[source.kafka]\nbrokers = \"{}\"", kafka.brokers), &streams);
    let checked = workspace.millstream(&["schema", "check", "--json"]).run();
    assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
    assert!(objects(&checked.stdout).iter().all(|report| report["messages"] == 700), "{}", checked.stdout);
    let summary = workspace.catch_up();
    for stream in ["vehicle", "weather"] {
        assert_eq!(summary["streams"][stream]["out"], json!(700), "{summary}");
    }

    let output = workspace.millstream(&["schema", "infer", "--topic", "vehicel_data"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for words in ["no topic `vehicel_data`", &kafka.brokers, "vehicle_data, weather_data"] {
        assert!(output.stderr.contains(words), "`{words}` is not in: {}", output.stderr);
    }
}

#[test]
fn drift_is_reported_and_counted() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", seeds("us-route", "vehicle_data"));
    let before = workspace.millstream(&["schema", "check"]).run();
    assert_eq!(before.code, Some(0), "{}{}", before.stdout, before.stderr);
    assert!(before.stdout.contains("300 messages looked at, as declared"), "{}", before.stdout);
    assert_eq!(workspace.catch_up()["streams"]["vehicle"]["drift"], json!({}));

    workspace.append("messages/vehicle_data/0.jsonl", &seeds("misspelt", "vehicle_data"));
    workspace.append("messages/vehicle_data/0.jsonl", "{\"year\": \"soon\", \"colour\": {\"red\": 1}}\n");
    let checked = workspace.millstream(&["schema", "check", "--json"]).run();
    assert_eq!(checked.code, Some(1), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stderr.contains("drifted from the schema of vehicle"), "{}", checked.stderr);
    let report = &objects(&checked.stdout)[0];
    assert_eq!(report["new_fields"][0]["field"], "mode");
    assert_eq!(report["new_fields"][0]["messages"], 100);
    assert_eq!(report["new_fields"][0]["example"], json!({ "partition": 0, "offset": 300 }));
    assert_eq!(report["new_fields"][0]["looks_like"], "`mode` looks like a misspelling of `model`");
    assert_eq!(
        (&report["new_fields"][1]["field"], &report["new_fields"][1]["type"]),
        (&json!("colour"), &json!("json"))
    );
    let problems = report["problems"].as_array().unwrap();
    let year = problems.iter().find(|problem| problem["column"] == "year").unwrap();
    assert_eq!(year["problem"], "`year` is not an int32: found a string");
    assert_eq!(year["example"]["offset"], 400);
    let table = workspace.millstream(&["schema", "check", "--stream", "vehicle"]).run().stdout;
    assert!(table.contains("`mode` looks like a misspelling of `model`"), "{table}");

    let run = workspace.millstream(&["run", "--until-caught-up"]).succeed();
    assert!(run.contains("fields that no column reads: `colour` 1, `mode` 100"), "{run}");
    let log = workspace.millstream(&["log", "show"]).succeed();
    assert!(log.contains("drift `colour` 1, `mode` 100"), "{log}");
}

/// No message at all had been "as declared".
#[test]
fn nothing_to_look_at_is_not_as_declared() {
    let workspace = Workspace::files();
    workspace.write("messages/vehicle_data/0.jsonl", "");
    let checked = workspace.millstream(&["schema", "check"]).run();
    assert_eq!(checked.code, Some(1), "{}{}", checked.stdout, checked.stderr);
    assert!(checked.stdout.contains("0 messages looked at, nothing to look at"), "{}", checked.stdout);
    assert!(checked.stderr.contains("nothing to look at of vehicle"), "{}", checked.stderr);
}

#[test]
fn what_cannot_be_looked_at_says_why() {
    let workspace = Workspace::files();
    workspace.write("messages/empty_data/0.jsonl", "");
    workspace.write("messages/text_data/0.jsonl", "hello\n[1]\n");
    let check = |args: &[&str], code: i32, words: &[&str]| {
        let output = workspace.millstream(&[&["schema"], args].concat()).run();
        assert_eq!(output.code, Some(code), "{args:?}: {}", output.stderr);
        for word in words {
            assert!(output.stderr.contains(word), "{args:?}: `{word}` is not in:\n{}", output.stderr);
        }
        assert_eq!(output.stdout, "", "{args:?}");
    };
    let infer = ["infer", "--dir", "messages", "--topic"];
    let with = |more: &[&'static str]| [&infer[..], more].concat();
    check(&with(&["absent"]), 2, &["no topic `absent`", "empty_data, text_data"]);
    check(&with(&["empty_data"]), 1, &["topic `empty_data`", "it is empty"]);
    check(&with(&["text_data"]), 1, &["not a JSON object: found an array", "malformed JSON"]);
    check(&with(&["text_data", "--stream", "a.b"]), 2, &["--stream", "letters"]);
    check(&with(&["a", "--topic", "b", "--stream", "c"]), 2, &["--stream", "several topics"]);
    check(&with(&["text_data", "--zone", "Europe/Lodnon"]), 2, &["Europe/Lodnon"]);
    check(&with(&["text_data", "--limit", "0"]), 2, &["--limit"]);
    check(&with(&["text_data", "--against", "absent.toml"]), 2, &["absent.toml"]);
    check(&["infer"], 2, &["--topic"]);
    check(&["check", "--stream", "vehicel"], 2, &["there are: vehicle"]);
    check(&["check"], 2, &["no topic `vehicle_data`"]);
    assert!(!workspace.path("lake").exists(), "looking made a lake");
    assert!(!workspace.path("messages/.millstream-source-id").exists(), "looking left an id");
}
