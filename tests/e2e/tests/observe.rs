//! What a run shows of itself: health, metrics that Prometheus' own linter accepts and that agree with the
//! tables, structured logs, and a summary.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Stdio;

use millstream_tests::{Kafka, Served, Workspace, duckdb, repository, seeds};
use serde_json::{Value, json};

fn messages() -> String {
    ["canonical", "misspelt", "us-route"].iter().map(|folder| seeds(folder, "vehicle_data")).collect()
}

/// Three numbers, one of them negative, and the guest `misbehave` in `mode` as the step `guest`.
fn numbers(mode: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [checkpoint]\ninterval = \"200ms\"\n[worker]\nthreads = 2\n[streams.numbers]\ntopic = \"numbers\"\n\
             [streams.numbers.schema]\nn = {{ type = \"int64\", required = true }}\n\
             [[streams.numbers.steps]]\nname = \"guest\"\nplugin = \"misbehave\"\nconfig = {{ mode = \"{mode}\" }}\n\
             on_circuit = \"dead_letters\"\n"
        ),
    );
    workspace.write("messages/numbers/0.jsonl", "{\"n\":1}\n{\"n\":-1}\n{\"n\":2}\n");
    workspace
}

/// Prometheus' own parser and linter find nothing wrong with `metrics`.
#[track_caller]
fn lint(metrics: &str) {
    let mut linter = std::process::Command::new(repository().join("scripts/promlint"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("scripts/promlint is a bash script");
    linter.stdin.take().expect("stdin is piped").write_all(metrics.as_bytes()).expect("the linter reads");
    let output = linter.wait_with_output().expect("the linter is ours");
    assert!(output.status.success(), "{}\n{metrics}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn metrics_pass_the_linter_and_agree_with_the_tables() {
    let workspace = Workspace::files();
    let messages = messages();
    let count = messages.lines().count();
    workspace.write("messages/vehicle_data/0.jsonl", messages);
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", count);
    lint(&served.get("/metrics").1);
    assert_eq!(served.metric("millstream_messages_total{stream=\"vehicle\"}"), Some(count as f64));
    for table in ["raw.vehicle", "curated.vehicle", "dead_letters"] {
        let rows = duckdb(&workspace.files_of(table), "select count(*) from t")[0][0].as_f64();
        let committed = format!("millstream_committed_rows_total{{stream=\"vehicle\",table=\"{table}\"}}");
        assert_eq!(served.metric(&committed), rows, "{table}");
        assert_eq!(served.metric(&format!("millstream_table_rows{{table=\"{table}\"}}")), rows, "{table}");
    }
    let reasons = "select reason, count(*) from t group by all order by all";
    let reasons = duckdb(&workspace.files_of("dead_letters"), reasons);
    for reason in reasons.as_array().unwrap() {
        let label = format!("{{stream=\"vehicle\",reason={}}}", reason[0]);
        let sample = format!("millstream_committed_dead_letters_total{label}");
        assert_eq!(served.metric(&sample), reason[1].as_f64(), "{sample}");
    }
    served.stop();

    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", count);
    let again = |name: &str| served.metric(&format!("{name}{{stream=\"vehicle\"}}"));
    // Counters are of the process, so that those of several workers add up; what the tables hold stays.
    assert_eq!(again("millstream_committed_messages_total"), Some(0.0));
    assert_eq!(again("millstream_messages_total"), Some(0.0));
    let rows = served.metric("millstream_table_rows{table=\"raw.vehicle\"}");
    assert_eq!(rows, Some(count as f64));
    lint(&served.get("/metrics").1);
    served.stop();
}

#[test]
fn health_tells_a_run_that_works_from_one_that_waits_for_its_source() {
    let workspace = Workspace::files();
    let served = Served::start(&workspace);
    served.wait_until_committed("vehicle", 0);
    assert_eq!(served.get("/healthz").0, 200);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while served.get("/readyz") != (200, "{\"ready\":true,\"reasons\":[]}".to_owned()) {
        assert!(std::time::Instant::now() < end, "{:?}", served.get("/readyz"));
    }
    let (code, body) = served.get("/metric");
    assert_eq!(code, 404);
    assert!(body.contains("/metrics"), "{body}");
    served.stop();

    // A broker that accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let workspace = Workspace::kafka(&silent.local_addr().unwrap().to_string());
    let served = Served::start(&workspace);
    assert_eq!(served.get("/healthz").0, 200);
    let (code, body) = served.get("/readyz");
    assert_eq!((code, body.contains("connecting to the source")), (503, true), "{body}");
}

#[test]
fn addresses_that_cannot_be_listened_at_are_told_with_a_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let workspace = Workspace::files();
    let output = workspace.millstream(&["run", "--listen", &address]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    for word in [address.as_str(), "Address already in use", "http.listen", "--listen", "port 0"] {
        assert!(output.stderr.contains(word), "`{word}` is not in: {}", output.stderr);
    }
    assert!(!workspace.path("lake").exists(), "the lake was touched");
    workspace.configure("[checkpoint]", "[http]\nlisten = \"9464\"\n[checkpoint]");
    let output = workspace.millstream(&["run"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in ["millstream.toml:9:1", "`http.listen`", "`9464`", "127.0.0.1:9464"] {
        assert!(output.stderr.contains(word), "`{word}` is not in: {}", output.stderr);
    }
}

#[test]
fn what_steps_and_their_plugins_count_is_shown() {
    let workspace = numbers("double");
    let served = Served::start(&workspace);
    let status = served.wait_until_committed("numbers", 3);
    let step = &status["streams"][0]["steps"][0];
    assert_eq!((&step["rows"], &step["passed"]), (&json!(3), &json!(3)));
    assert!(step["busy_seconds"].as_f64() > Some(0.0), "{step}");
    let digest = step["digest"].as_str().unwrap();
    let labels = format!("stream=\"numbers\",step=\"guest\",plugin=\"misbehave\",digest=\"{digest}\"");
    let sample = format!("millstream_plugin_events_total{{{labels},name=\"rows\"}}");
    assert_eq!(served.metric(&sample), Some(3.0), "{sample}");
    assert_eq!(served.metric(&format!("millstream_plugin_value{{{labels},name=\"last\"}}")), Some(3.0));
    lint(&served.get("/metrics").1);
    served.stop();

    let workspace = numbers("fatal");
    let served = Served::start(&workspace);
    let status = served.wait_until_committed("numbers", 3);
    let step = &status["streams"][0]["steps"][0];
    assert_eq!(step["rejected"], json!({ "circuit_open": 3 }), "{step}");
    assert!(step["circuit"].as_str().unwrap().contains("no licence"), "{step}");
    assert_eq!(served.metric(&format!("millstream_step_circuit_open{{{labels}}}")), Some(1.0));
    served.stop();
}

#[test]
fn json_logs_say_stream_step_and_plugin() {
    let workspace = numbers("chatty");
    let output = workspace.millstream(&["--log-format", "json", "run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let lines: Vec<Value> = output.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |line: &Value, key: &str| line[key].as_str().map(str::to_owned).unwrap_or_default();
    let said =
        lines.iter().find(|line| text(line, "message").starts_with("chatter")).expect("the plugin logs");
    for (key, expected) in
        [("level", "WARN"), ("stream", "numbers"), ("step", "guest"), ("plugin", "misbehave")]
    {
        assert_eq!(text(said, key), expected, "{said}");
    }
    assert!(text(said, "timestamp").ends_with('Z'), "{said}");
}

#[test]
fn a_misspelt_log_level_is_an_error() {
    let workspace = Workspace::files();
    let output = workspace.millstream(&["run", "--until-caught-up"]).env("MILLSTREAM_LOG", "infoo").run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    for word in ["MILLSTREAM_LOG", "`infoo`", "info,"] {
        assert!(output.stderr.contains(word), "`{word}` is not in: {}", output.stderr);
    }
}

#[test]
fn the_summary_tells_the_way_from_produce_to_commit() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("vehicle_data", 2);
    let messages = messages();
    let count = messages.lines().count();
    kafka.produce("vehicle_data", &messages);
    let workspace = Workspace::kafka(&kafka.brokers);
    let summary = workspace.catch_up();
    let vehicle = &summary["streams"]["vehicle"];
    assert_eq!(vehicle["latency"]["count"], json!(count), "{vehicle}");
    // Producing, connecting and committing took some time, and less than a day.
    let p50 = vehicle["latency"]["p50_ms"].as_u64().unwrap();
    assert!((1..86_400_000).contains(&p50), "{vehicle}");
    assert_eq!(vehicle["lag"], json!(0));
    assert_eq!(vehicle["steps"][0]["passed"], vehicle["out"]);
    assert_eq!(summary["tables"]["raw.vehicle"]["rows"], json!(count));

    // The text, of a run that adds to it.
    kafka.produce("vehicle_data", &(seeds("canonical", "vehicle_data") + &seeds("misspelt", "vehicle_data")));
    let text = workspace.millstream(&["run", "--until-caught-up"]).succeed();
    for words in
        ["400 messages", "dead: missing `model`; found `mode`", "step  cleanse:", "µs/row", "raw.vehicle"]
    {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "wider than 100 columns:\n{text}");
}
