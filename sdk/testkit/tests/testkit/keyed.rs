//! Plugins that keep state. What is expected is what the oracles of `tests/abi` say of the same operators.

use std::time::Duration;

use millstream_engine::Timer;
use millstream_testkit::{Cuts, Plugin, Verdict, case_folders, lines, report};
use serde_json::json;

use crate::{cases, plugin, recall, stores};

/// Columns of the operators' rows.
const SCHEMA: &str = r#"
at = { type = "timestamp", required = true }
region = "string"
key = { type = "string", required = true }
amount = { type = "int64", required = true }
"#;

fn one_input(stores: &str) -> String {
    format!("event_time = \"at\"\n[schema]{SCHEMA}[grants]\nstores = [{stores}]\n")
}

/// Tests the only case in a folder with these files.
fn tested(guest: &str, files: &[(&str, &str)]) -> Verdict {
    let (_folder, cases) = cases(files);
    let folders = case_folders(&cases).unwrap();
    plugin(guest).test_folder(&folders[0], Cuts::default()).unwrap()
}

fn integers(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Microseconds of a time of day of the cases.
fn at(time: &str) -> i64 {
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    (1_767_225_600 + parts[0] * 3600 + parts[1] * 60 + parts[2]) * 1_000_000
}

const DEDUPE: &str = r#"{"at": "2026-01-01T10:00:00Z", "key": "a", "amount": 1}
{"at": "2026-01-01T10:00:30Z", "key": "a", "amount": 2}
{"at": "2026-01-01T10:00:10Z", "key": "b", "amount": 3}
{"_watermark": "2026-01-01T10:00:40Z"}
{"at": "2026-01-01T10:00:35Z", "key": "a", "amount": 4}
{"_watermark": "2026-01-01T10:01:05Z"}
{"at": "2026-01-01T10:01:06Z", "key": "b", "amount": 5}
{"at": "2026-01-01T10:01:10Z", "key": "a", "amount": 6}
{"at": "today", "key": "a", "amount": 6}
"#;

#[test]
fn dedupe_keeps_the_first_row_of_a_minute() {
    let passed = |line: u32, time: &str, key: &str, amount: u32| {
        format!(
            "{{\"_line\": {line}, \"at\": \"2026-01-01T{time}Z\", \"region\": null, \"key\": \"{key}\", \"amount\": {amount}}}\n"
        )
    };
    let expected = [
        passed(1, "10:00:00", "a", 1),
        passed(3, "10:00:10", "b", 3),
        "{\"_line\": 5, \"_rejected\": \"late\"}\n".to_owned(),
        passed(8, "10:01:10", "a", 6),
        "{\"_line\": 9, \"_undecoded\": \"`at` is not a timestamp: found a text that is not an ISO-8601 date-time\"}\n"
            .to_owned(),
    ];
    let config = one_input("\"winners\"");
    let verdict = tested(
        "dedupe",
        &[
            ("minute/config.toml", config.as_str()),
            ("minute/input.jsonl", DEDUPE),
            ("minute/expected.jsonl", &expected.concat()),
        ],
    );
    verdict.assert();
    assert_eq!(verdict.messages, 7);
}

#[test]
fn state_and_timers_are_there_to_look_at() {
    let config = format!("event_time = \"at\"\n[schema]{SCHEMA}");
    let mut case = millstream_testkit::Case::new("minute").grants(stores(&["winners"]));
    case = case.declare_input("input", &config).unwrap();
    for line in DEDUPE.lines().take(8) {
        case = match line {
            r#"{"_watermark": "2026-01-01T10:00:40Z"}"# => case.watermark(at("10:00:40")),
            r#"{"_watermark": "2026-01-01T10:01:05Z"}"# => case.watermark(at("10:01:05")),
            line => case.message(line),
        };
    }
    let run = plugin("dedupe").run(&case).unwrap();
    let winner = |key: &str, time| (key.as_bytes().to_vec(), integers(&[at(time)]));
    assert_eq!(run.state("winners"), [winner("a", "10:01:10"), winner("b", "10:00:10")]);
    let timer = |key: &str, time| Timer { micros: at(time), key: key.as_bytes().to_vec() };
    assert_eq!(run.timers(), [timer("b", "10:01:10"), timer("a", "10:02:10")]);
    assert_eq!(run.rejected(), [(5, "late")]);
    assert_eq!(run.state("losers"), []);
}

const SESSIONS: &str = r#"{"at": "2026-01-01T10:00:00Z", "region": "r", "key": "a", "amount": 5}
{"at": "2026-01-01T10:00:50Z", "region": "r", "key": "a", "amount": 8}
{"at": "2026-01-01T10:00:20Z", "region": "r", "key": "b", "amount": 4}
{"at": "2026-01-01T10:00:20Z", "key": "c", "amount": 4}
{"_watermark": "2026-01-01T10:01:30Z"}
{"_watermark": "end"}
"#;

const CLOSED: &str = r#"{"_line": 4, "_rejected": "no key"}
{"_timer": {"at": "2026-01-01T10:01:20Z", "key_hex": "000000017262"}, "_output": "sessions", "region": "r", "key": "b", "start": "2026-01-01T10:00:20Z", "end": "2026-01-01T10:01:20Z", "count": 1, "sum": 4}
{"_timer": {"at": "2026-01-01T10:01:50Z", "key_hex": "000000017261"}, "_rejected": "unlucky sum"}
"#;

#[test]
fn sessions_close_by_timers_and_one_that_cannot_is_a_dead_timer() {
    let config = one_input("\"open\"");
    let files = [("s/config.toml", config.as_str()), ("s/input.jsonl", SESSIONS)];
    let verdict = tested("session-window", &[&files[..], &[("s/expected.jsonl", CLOSED)]].concat());
    verdict.assert();
    let millstream_testkit::Found::Rows(found) = &verdict.found else { panic!("rows are found") };
    assert_eq!(lines(found), CLOSED, "what is blessed is what is read");

    let other = CLOSED.replace("\"sum\": 4", "\"sum\": 5").replace("unlucky sum", "unlucky");
    let failed = report(
        &tested("session-window", &[&files[..], &[("s/expected.jsonl", &other)]].concat()),
        millstream_testkit::Colours::No,
    );
    for part in [
        "timer 2026-01-01T10:01:20Z of key 0x000000017262, line 5\n    sum\n      expected  5\n      found     4",
        "timer 2026-01-01T10:01:50Z of key 0x000000017261, line 6\n    expected  rejected: unlucky\n    found     rejected: unlucky sum",
    ] {
        assert!(failed.contains(part), "{failed}");
    }
}

#[test]
fn two_inputs_are_joined_in_the_order_of_the_lines() {
    let input = |name: &str| format!("[inputs.{name}]\nevent_time = \"at\"\n[inputs.{name}.schema]{SCHEMA}");
    let config = format!("{}{}[grants]\nstores = [\"a\", \"b\"]\n", input("a"), input("b"));
    let messages = r#"{"_input": "a", "at": "2026-01-01T10:00:00Z", "key": "k", "amount": 1}
{"_input": "b", "at": "2026-01-01T10:00:30Z", "key": "k", "amount": 10}
{"_input": "b", "at": "2026-01-01T10:05:00Z", "key": "k", "amount": 20}
{"_watermark": "2026-01-01T10:04:00Z"}
{"_input": "a", "at": "2026-01-01T10:04:30Z", "key": "k", "amount": 2}
{"_input": "a", "at": "2026-01-01T10:03:30Z", "key": "k", "amount": 3}
"#;
    let expected = r#"{"_line": 2, "_output": "pairs", "key": "k", "a_amount": 1, "b_amount": 10}
{"_line": 5, "_output": "pairs", "key": "k", "a_amount": 2, "b_amount": 20}
{"_line": 6, "_rejected": "late"}
"#;
    let files = [
        ("config.toml", config.as_str()),
        ("pairs/input.jsonl", messages),
        ("pairs/expected.jsonl", expected),
    ];
    tested("interval-join", &files).assert();

    let (_folder, cases) = cases(&files);
    let join: Plugin = plugin("interval-join");
    let case = case_folders(&cases).unwrap()[0].read(join.limits()).unwrap();
    let run = join.run(&case).unwrap();
    let bucket = |time| [&(at(time) / 60_000_000).to_be_bytes()[..], b"k"].concat();
    assert_eq!(run.state("a"), [(bucket("10:04:00"), integers(&[at("10:04:30"), 2]))]);
    assert_eq!(run.state("b"), [(bucket("10:05:00"), integers(&[at("10:05:00"), 20]))]);
    let timer = |time, key| Timer { micros: at(time), key: bucket(key) };
    assert_eq!(run.timers(), [timer("10:06:00", "10:04:00"), timer("10:07:00", "10:05:00")]);
}

#[test]
fn cuts_without_time_are_left_out() {
    let recalls = plugin("recall");
    let case = recall("forgets", &["{\"key\": \"a\", \"n\": 1}", "{\"key\": \"b\", \"n\": 2}"]);
    let left_out = |within| {
        let verdict = recalls.test(&case, Cuts { times: 3, seed: 1, within }).unwrap();
        verdict.cuts_left_out
    };
    assert_eq!((left_out(Some(Duration::ZERO)), left_out(None)), (3, 0));
}

#[test]
fn what_breaks_under_cuts_is_found() {
    let check = |mode: &str, lines: &[&str], expect: &[&str]| {
        let recalls = plugin("recall");
        let case = recall(mode, lines);
        let outcomes = recalls.run(&case).unwrap();
        let verdict = recalls
            .test(&case.expect(outcomes.outcomes()), Cuts { times: 32, seed: 1, within: None })
            .unwrap();
        assert!(verdict.is_as_expected() && !verdict.is_passed());
        let text = report(&verdict, millstream_testkit::Colours::No);
        for part in expect {
            assert!(text.contains(part), "{text}");
        }
        let json = verdict.json();
        assert_eq!(json["cut"]["seed"], json!(1));
    };
    let rows: Vec<String> = (0..12).map(|n| format!("{{\"key\": \"k{n}\", \"n\": {n}}}")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    check("forgets", &rows, &["cut into batches", "store `seen`, key `k", "* met a fresh instance)"]);
    let fired = [&rows[..], &["to 20"]].concat();
    check(
        "one-a-call",
        &fired,
        &["| is a move of the watermark, with timers", "timer 1970-01-01T00:00:00", "row for output `told`"],
    );
    let recalls = plugin("recall");
    let case = recall("fire", &fired);
    let outcomes = recalls.run(&case).unwrap();
    assert_eq!(outcomes.emitted("told").len(), 24);
    recalls.test(&case.expect(outcomes.outcomes()), Cuts::default()).unwrap().assert();
}

#[test]
fn a_timer_that_traps_is_dead_and_the_others_fire() {
    let run = plugin("recall")
        .run(&recall("fire", &[r#"{"key": "a", "n": 1}"#, r#"{"key": "trap", "n": 2}"#, "to end"]))
        .unwrap();
    let [(timer, reason)] = run.dead_timers()[..] else { panic!("{:?}", run.outcomes()) };
    assert_eq!((timer.micros, timer.key.as_slice()), (2, &b"trap"[..]));
    assert!(reason.contains("trapped"), "{reason}");
    assert_eq!(run.emitted("told").len(), 2);
    assert_eq!(run.rejected(), []);
}
