//! Messages processed again: after a plugin was fixed, from the source and from the raw table, beside a run,
//! and dead letters by themselves. Afterwards every message is in the tables once, and what was not asked for
//! is as it was.

use millstream_tests::{Kafka, Workspace, duckdb};
use serde_json::{Value, json};

/// Two partitions of numbers, passed through the guest `misbehave`, which rejects negative ones and drops zero
/// as long as it is in `mode` reject.
fn workspace(source: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n{source}\n[worker]\nthreads = 2\n[streams.numbers]\ntopic = \"numbers\"\n\
             [streams.numbers.schema]\nn = {{ type = \"int64\", required = true }}\n\
             [[streams.numbers.steps]]\nname = \"guest\"\nplugin = \"misbehave\"\n"
        ),
    );
    workspace.write("plugins/misbehave.toml", "[config]\nmode = \"reject\"\n");
    workspace
}

const FILES: &str = "[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"";

/// Offset 5 is rejected, 7 is dropped, 9 cannot be decoded.
fn messages() -> String {
    let message = |n: i64| match n {
        0 => "{\"n\":100}\n".to_owned(),
        5 => "{\"n\":-5}\n".to_owned(),
        7 => "{\"n\":0}\n".to_owned(),
        9 => "{\n".to_owned(),
        n => format!("{{\"n\":{n}}}\n"),
    };
    (0..20).map(message).collect()
}

fn with_files() -> Workspace {
    let workspace = workspace(FILES);
    workspace.write("messages/numbers/0.jsonl", messages());
    workspace.write("messages/numbers/1.jsonl", messages());
    workspace.catch_up();
    workspace
}

/// The plugin with another digest, and configured to double every number.
fn fix(workspace: &Workspace) {
    let plugin = std::fs::read(workspace.path("plugins/misbehave.wasm")).unwrap();
    // A custom section named `x` is added.
    workspace.write("plugins/misbehave.wasm", [plugin.as_slice(), &[0, 2, 1, b'x']].concat());
    workspace.write("plugins/misbehave.toml", "[config]\nmode = \"double\"\n");
}

fn json_of(workspace: &Workspace, args: &[&str]) -> Value {
    let text = workspace.millstream(args).succeed();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Partition, offset and number of all rows of the curated table.
fn curated(workspace: &Workspace) -> Value {
    let query = "select _partition, _offset, _ordinal, n from t order by all";
    duckdb(&workspace.files_of("curated.numbers"), query)
}

/// What the curated table has, where `doubled` says which messages the fixed plugin has seen.
fn expected(doubled: impl Fn(i64, i64) -> bool) -> Value {
    let number = |offset| match offset {
        0 => 100,
        5 => -5,
        7 => 0,
        offset => offset,
    };
    let rows = (0..2).flat_map(|partition| (0..20).map(move |offset| (partition, offset)));
    let rows = rows.filter(|(_, offset)| *offset != 9);
    let rows = rows.filter(|(p, offset)| doubled(*p, *offset) || ![5, 7].contains(offset));
    let row = |(p, offset)| {
        let n = if doubled(p, offset) { 2 * number(offset) } else { number(offset) };
        json!([p, offset, 0, n])
    };
    rows.map(row).collect()
}

fn letters(workspace: &Workspace) -> Value {
    let query = "select _partition, _offset, step, decode(_value) from t order by all";
    duckdb(&workspace.files_of("dead_letters"), query)
}

#[test]
fn a_fixed_plugin_makes_its_rows_anew_and_leaves_the_others() {
    for source in ["kafka", "raw"] {
        let workspace = with_files();
        assert_eq!(curated(&workspace), expected(|_, _| false));
        let raw = workspace.files_of("raw.numbers");

        // The folder's version has not been adopted by a run: the log wins.
        fix(&workspace);
        let replay = ["replay", "--stream", "numbers", "--offsets", "0:4..12", "--source", source];
        let output = workspace.millstream(&replay).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(output.stderr.contains("is not the one that the log desires"), "{}", output.stderr);
        workspace.catch_up();

        let survey = json_of(&workspace, &[&replay[..], &["--json"]].concat());
        assert_eq!((&survey["messages"], &survey["done"]), (&json!(8), &json!(null)), "{survey}");
        assert_eq!(curated(&workspace), expected(|_, _| false), "a survey changes nothing");

        let done = json_of(&workspace, &[&replay[..], &["--json", "--yes"]].concat());
        let counters = &done["done"]["counters"];
        assert_eq!((&counters["in"], &counters["out"]), (&json!(8), &json!(7)), "{done}");
        assert_eq!(curated(&workspace), expected(|p, offset| p == 0 && (4..12).contains(&offset)));
        let lost = json!([[0, 9, "decode", "{"], [1, 5, "guest", "{\"n\":-5}"], [1, 9, "decode", "{"]]);
        assert_eq!(letters(&workspace), lost);
        assert_eq!(workspace.files_of("raw.numbers"), raw, "raw files are the same");

        // All of it, twice: the second time changes nothing that a reader sees.
        for _ in 0..2 {
            let all = ["replay", "--stream", "numbers", "--offsets", "0:0..", "--offsets", "1:0..", "--yes"];
            workspace.millstream(&[&all[..], &["--source", source]].concat()).succeed();
            assert_eq!(curated(&workspace), expected(|_, _| true), "{source}");
        }
        assert_eq!(letters(&workspace), json!([[0, 9, "decode", "{"], [1, 9, "decode", "{"]]));
    }
}

#[test]
fn a_message_of_the_raw_table_that_is_rejected_keeps_its_columns_as_its_bytes() {
    let workspace = with_files();
    fix(&workspace);
    workspace.catch_up();
    let all = ["replay", "--stream", "numbers", "--offsets", "0:0..", "--offsets", "1:0..", "--yes"];
    workspace.millstream(&[&all[..], &["--source", "raw"]].concat()).succeed();
    // What passed is rejected again, and its bytes are nowhere but in its columns.
    workspace.write("plugins/misbehave.toml", "[config]\nmode = \"reject\"\n");
    workspace.catch_up();
    workspace.millstream(&[&all[..], &["--source", "raw"]].concat()).succeed();
    assert_eq!(curated(&workspace), expected(|_, _| false));
    let rejected = json!([0, 5, "guest", "{\"n\":-5}"]);
    assert!(letters(&workspace).as_array().unwrap().contains(&rejected), "{}", letters(&workspace));
    let headers = workspace.millstream(&["dead-letters", "show", "--step", "guest", "--json"]).succeed();
    assert!(headers.contains("millstream.rebuilt"), "{headers}");
}

#[test]
fn letters_are_redriven_once() {
    let workspace = with_files();
    fix(&workspace);
    workspace.catch_up();
    let redrive =
        |args: &[&str]| workspace.millstream(&[&["dead-letters", "redrive"], args].concat()).succeed();
    let survey: Value = serde_json::from_str(&redrive(&["--step", "guest", "--json"])).unwrap();
    assert_eq!(survey["letters"], json!({ "n is negative": 2 }), "{survey}");
    assert_eq!(letters(&workspace).as_array().unwrap().len(), 4, "nothing is changed yet");

    redrive(&["--step", "guest", "--yes"]);
    assert_eq!(curated(&workspace), expected(|_, offset| offset == 5));
    assert_eq!(letters(&workspace), json!([[0, 9, "decode", "{"], [1, 9, "decode", "{"]]));
    assert_eq!(redrive(&["--step", "guest", "--yes"]), "no dead letters match\n");

    // What fails again stays what it was, once.
    let done: Value = serde_json::from_str(&redrive(&["--yes", "--json"])).unwrap();
    assert_eq!(done["done"]["counters"]["dead"].as_object().unwrap().len(), 1, "{done}");
    assert_eq!(letters(&workspace), json!([[0, 9, "decode", "{"], [1, 9, "decode", "{"]]));
}

/// A replay that is killed has done nothing, wherever it was, and what it left is not part of a table.
#[test]
fn a_killed_replay_did_nothing() {
    let workspace = with_files();
    fix(&workspace);
    workspace.catch_up();
    let all = ["replay", "--stream", "numbers", "--offsets", "0:0..", "--offsets", "1:0..", "--yes"];
    for word in ["processing again", "files written again", "the replay is made"] {
        let running = workspace.millstream(&all).env("MILLSTREAM_LOG", "info,millstream=debug").start();
        running.wait_for_line(|line| line.contains(word));
        running.signal("KILL");
        running.finish();
        let log = workspace.millstream(&["log", "show"]).succeed();
        let is_done = log.contains("  replay ");
        assert_eq!(curated(&workspace), expected(|_, _| is_done), "{log}");
    }
    workspace.millstream(&all).succeed();
    assert_eq!(curated(&workspace), expected(|_, _| true));
}

#[test]
fn mistakes_are_told() {
    let workspace = with_files();
    for (args, code, expect) in [
        (&["--stream", "numbers"][..], 2, "--from"),
        (&["--stream", "numbers", "--offsets", "5..6"], 2, "such as 0:100..200"),
        (&["--stream", "numbers", "--offsets", "0:6..6"], 2, "holds no offset"),
        (&["--stream", "numbers", "--from", "noon"], 2, "neither a time"),
        (
            &["--stream", "letters", "--from", "1h"],
            2,
            "no stream `letters` in the configuration; it has: numbers",
        ),
        (&["--stream", "numbers", "--offsets", "7:0.."], 1, "it has: 0 up to 20, 1 up to 20"),
        (&["--stream", "numbers", "--offsets", "0:20.."], 0, ""),
    ] {
        let output = workspace.millstream(&[&["replay"], args].concat()).run();
        assert_eq!(output.code, Some(code), "{args:?}: {}", output.stderr);
        assert!(output.stderr.contains(expect), "{args:?}: {}", output.stderr);
    }
}

/// In a run, a plugin that gives up costs its rows; in a replay it would cost rows that are good.
#[test]
fn a_plugin_that_gives_up_replaces_nothing() {
    let workspace = with_files();
    workspace.write("plugins/misbehave.toml", "[config]\nmode = \"fatal\"\n");
    workspace.catch_up();
    let output =
        workspace.millstream(&["replay", "--stream", "numbers", "--offsets", "0:0..", "--yes"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("nothing is replaced: no licence"), "{}", output.stderr);
    assert_eq!(curated(&workspace), expected(|_, _| false));
}

/// Workers run on while messages that they have processed are replayed.
#[test]
fn a_run_goes_on_beside_a_replay() {
    let workspace = with_files();
    fix(&workspace);
    let running = workspace.millstream(&["run"]).start();
    running.wait_for_line(|line| line.contains("partitions assigned"));
    for _ in 0..3 {
        workspace.append("messages/numbers/0.jsonl", &messages());
        workspace.millstream(&["replay", "--stream", "numbers", "--offsets", "0:0..", "--yes"]).succeed();
    }
    running.signal("TERM");
    assert_eq!(running.finish().code, Some(0));
    workspace.catch_up();
    let query = "select count(*), count(distinct (_partition, _offset)) from t where _partition = 0";
    assert_eq!(duckdb(&workspace.files_of("raw.numbers"), query), json!([[80, 80]]));
    assert_eq!(duckdb(&workspace.files_of("curated.numbers"), query), json!([[76, 76]]));
    assert_eq!(duckdb(&workspace.files_of("dead_letters"), query), json!([[4, 4]]));
}

/// Retention has taken the older half of the messages: they come from the raw table.
#[test]
fn kafka_gives_what_it_has_and_the_raw_table_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(folder.path());
    kafka.topic("numbers", 1);
    kafka.topic("letters", 1);
    let workspace = workspace(&format!(
        "[source.kafka]\nstart = \"latest\"\nbrokers = \"{}\"\n[dead_letters]\ntopic = \"letters\"",
        kafka.brokers
    ));
    // The run begins behind two messages, which it passes over.
    let messages = messages();
    let (passed_over, read) = messages.split_at(messages.match_indices('\n').nth(1).unwrap().0 + 1);
    kafka.produce("numbers", passed_over);
    workspace.catch_up();
    kafka.produce("numbers", read);
    workspace.catch_up();
    let done =
        json_of(&workspace, &["replay", "--stream", "numbers", "--offsets", "0:0..4", "--yes", "--json"]);
    assert_eq!(done["done"]["counters"]["in"], json!(2), "what was passed over is passed over again: {done}");
    kafka.delete_records("numbers", 0, 10);
    fix(&workspace);
    workspace.catch_up();

    let explain = ["explain-row", "--topic", "numbers", "--partition", "0", "--offset", "1", "--json"];
    let skipped = json_of(&workspace, &explain);
    assert_eq!(skipped["lives"][0]["fate"], json!("skipped"), "{skipped}");
    assert!(skipped["lives"][0]["skipped"].as_str().unwrap().contains("start = latest"), "{skipped}");

    for (times, messages) in [(["--from", "1h"], 18), (["--to", "1h"], 0)] {
        let survey =
            json_of(&workspace, &[&["replay", "--stream", "numbers", "--json"], &times[..]].concat());
        assert_eq!(survey["messages"], json!(messages), "{survey}");
    }
    let replay = ["replay", "--stream", "numbers", "--offsets", "0:4..15"];
    let output = workspace.millstream(&[&replay[..], &["--source", "kafka"]].concat()).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("only from offset 10 on, not from 4"), "{}", output.stderr);
    let survey = workspace.millstream(&replay).succeed();
    assert!(survey.contains("up to 10 from the lake, then from the source"), "{survey}");
    workspace.millstream(&[&replay[..], &["--yes"]].concat()).succeed();
    let rows = duckdb(&workspace.files_of("curated.numbers"), "select _offset, n from t order by all");
    let number = |offset: i64| match offset {
        5 => -10,
        7 => 0,
        4..15 => 2 * offset,
        offset => offset,
    };
    let expect: Value = (2..20).filter(|offset| *offset != 9).map(|o| json!([o, number(o)])).collect();
    assert_eq!(rows, expect);
    assert_eq!(letters(&workspace), json!([[0, 9, "decode", "{"]]));

    // The topic hears of the letters that the replay made, and keeps those that it replaced.
    workspace.catch_up();
    let published = kafka.consume("letters");
    let mut offsets: Vec<_> =
        published.iter().map(|record| record.headers["__connect.errors.offset"].as_str()).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, ["5", "9", "9"]);
}

/// What is said of the message at an offset of partition 0.
fn explain(workspace: &Workspace, offset: i64) -> Value {
    let offset = offset.to_string();
    let args = ["explain-row", "--stream", "numbers", "--partition", "0", "--offset", &offset, "--json"];
    json_of(workspace, &args)["lives"][0].clone()
}

#[test]
fn the_fate_of_a_message_is_explained() {
    let workspace = with_files();
    let tables = |life: &Value| -> Vec<String> {
        let rows = life["rows"].as_array().unwrap().iter();
        rows.map(|row| row["table"].as_str().unwrap().to_owned()).collect()
    };
    let check = |offset, fate: &str, expect: &[&str]| {
        let life = explain(&workspace, offset);
        assert_eq!(life["fate"], json!(fate), "{life}");
        assert_eq!(tables(&life), expect, "{life}");
        assert_eq!(life["plugins"].as_array().unwrap().len(), 1, "{life}");
        assert!(life["counters"]["in"].as_u64() >= Some(20), "{life}");
        assert_eq!(life["entry"]["worker"], json!("worker-0"), "{life}");
    };
    check(0, "out", &["curated.numbers", "raw.numbers"]);
    check(5, "dead", &["dead_letters", "raw.numbers"]);
    check(7, "dropped", &["raw.numbers"]);
    check(9, "dead", &["dead_letters", "raw.numbers"]);

    let before = explain(&workspace, 5);
    fix(&workspace);
    workspace.catch_up();
    workspace.millstream(&["replay", "--stream", "numbers", "--offsets", "0:5..7", "--yes"]).succeed();
    let after = explain(&workspace, 5);
    assert_eq!(after["fate"], json!("out"), "{after}");
    assert_eq!(after["entry"], before["entry"]);
    assert_ne!(after["plugins"], before["plugins"]);
    assert_eq!(after["replays"][0]["sequence"], after["made_by"], "{after}");
    assert_eq!(after["replays"][0]["worker"], json!("worker-0-replay"), "{after}");
    // The replay moved its neighbours to another file, and did not make them.
    let neighbour = explain(&workspace, 4);
    assert_eq!(neighbour["made_by"], before["made_by"], "{neighbour}");
    assert_eq!(neighbour["rows"][0]["entry"], after["made_by"], "{neighbour}");

    for (args, expect) in [
        (["--topic", "numbers", "--partition", "0", "--offset", "20"], "the log goes on at offset 20"),
        (["--topic", "numbers", "--partition", "7", "--offset", "0"], "has partitions 0, 1"),
        (["--topic", "letters", "--partition", "0", "--offset", "0"], "it has: numbers"),
        (["--stream", "letters", "--partition", "0", "--offset", "0"], "it has: numbers"),
    ] {
        let output = workspace.millstream(&[&["explain-row"], &args[..]].concat()).run();
        assert_eq!(output.code, Some(1), "{}", output.stderr);
        assert!(output.stderr.contains(expect), "{}", output.stderr);
    }
}
