//! Rows of a stream to several tables, by predicates: what arrives where, and what a wrong route is told.

use millstream_tests::{Workspace, duckdb, seeds};
use serde_json::{Value, json};

const EMERGENCY: &str = r#"
[streams.emergency]
topic = "emergency_data"
event_time = { column = "timestamp", zone = "Europe/London" }
[streams.emergency.schema]
id = { type = "string", required = true }
type = "string"
timestamp = { type = "timestamp", zone = "Europe/London" }
"location.lat" = { type = "float64", aliases = ["location[0]"] }
status = "string"
"#;

/// The recorded emergencies, one without a type and one that is no JSON, with `routes`.
fn workspace(routes: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [worker]\nthreads = 2\n{EMERGENCY}{routes}"
        ),
    );
    let typeless = r#"{"id": "typeless", "timestamp": "2026-01-01T08:00:00", "location": [52.4, -1.8], "status": "Active"}"#;
    let messages = seeds("canonical", "emergency_data");
    workspace.write("messages/emergency_data/0.jsonl", format!("{messages}{typeless}\n{{\n"));
    workspace.write("messages/emergency_data/1.jsonl", seeds("us-route", "emergency_data"));
    workspace
}

#[track_caller]
fn one(workspace: &Workspace, table: &str, query: &str) -> Value {
    duckdb(&workspace.files_of(table), query)[0].clone()
}

#[test]
fn rows_fan_out_and_the_rest_is_kept() {
    let workspace = workspace(
        r#"
[[streams.emergency.routes]]
table = "curated.fires"
where = "type = 'Fire'"
[[streams.emergency.routes]]
table = "alerts.north"
where = "status = 'Active' and type <> 'None' and \"location.lat\" > 52"
columns = ["type", "id"]
"#,
    );
    let summary = workspace.catch_up();
    let counters = &summary["streams"]["emergency"];
    let messages = counters["in"].as_u64().unwrap();
    assert_eq!(counters["dead"].as_object().unwrap().len(), 1);
    assert_eq!(counters["out"], json!(messages - 1), "a row is out once, however many tables it goes to");

    // DuckDB is asked the same of the raw table.
    let fire = "coalesce(type = 'Fire', false)";
    let north = "coalesce(status = 'Active' and type <> 'None' and \"location.lat\" > 52, false)";
    for (table, condition) in [
        ("curated.fires", fire.to_owned()),
        ("alerts.north", north.to_owned()),
        ("curated.emergency", format!("not ({fire} or {north})")),
    ] {
        let expect = one(
            &workspace,
            "raw.emergency",
            &format!(
                "select count(*), md5(string_agg(id, '' order by _partition, _offset)) from t where _error is null and {condition}"
            ),
        );
        let found = one(
            &workspace,
            table,
            "select count(*), md5(string_agg(id, '' order by _partition, _offset)) from t",
        );
        assert_eq!(found, expect, "{table}");
        assert_ne!(found[0], json!(0), "{table}");
        assert_eq!(counters["rows"][table], found[0]);
    }
    assert_eq!(
        one(&workspace, "curated.emergency", "select count(*) from t where id = 'typeless'"),
        json!([1])
    );

    let columns = duckdb(&workspace.files_of("alerts.north"), "select column_name from (describe t)");
    let columns: Vec<_> = columns.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    for kept in ["id", "type", "_topic", "_partition", "_offset", "_ordinal", "_timestamp", "_event_time"] {
        assert!(columns.contains(&kept), "{kept} is not in {columns:?}");
    }
    assert!(!columns.contains(&"status"), "{columns:?}");
    let files = workspace.files_of("alerts.north");
    assert!(files.iter().all(|file| file.contains("/day=2026-01-0")), "the event time is kept: {files:?}");
}

#[test]
fn a_route_without_a_condition_takes_all_rows() {
    let workspace = workspace(
        r#"
[[streams.emergency.routes]]
table = "curated.emergency"
[[streams.emergency.routes]]
table = "curated.fires"
where = "type = 'Fire'"
"#,
    );
    let summary = workspace.catch_up();
    let rows = &summary["streams"]["emergency"]["rows"];
    assert_eq!(rows["curated.emergency"], summary["streams"]["emergency"]["out"]);
    let unique = "select count(*) = count(distinct (_partition, _offset, _ordinal)) from t";
    assert_eq!(one(&workspace, "curated.emergency", unique), json!([true]));
    assert_ne!(rows["curated.fires"], json!(null));
}

#[test]
fn a_wrong_route_is_told_before_anything_runs() {
    let check = |route: &str, expect: &str| {
        let workspace = workspace(&format!("[[streams.emergency.routes]]\ntable = \"curated.x\"\n{route}\n"));
        for args in [&["validate"][..], &["run", "--until-caught-up"]] {
            let output = workspace.millstream(args).run();
            assert_eq!(output.code, Some(2), "{args:?}: {}", output.stderr);
            assert!(
                output.stderr.contains(expect),
                "{args:?}:\n{}\ndoes not contain\n{expect}",
                output.stderr
            );
        }
        assert!(!workspace.path("lake").exists(), "the lake was touched");
    };
    check(
        "where = \"typ = 'Fire'\"",
        "millstream.toml:20:1: `streams.emergency.routes.0.where`: at character 1: no column `typ`; did you mean `type`?",
    );
    check("where = \"type = 7\"", "column `type` (string) cannot be compared with the number 7");
    check("where = \"upper(type) = 'FIRE'\"", "no function `upper`");
    check(
        "columns = [\"stauts\"]",
        "`streams.emergency.routes.0.columns`: no column `stauts`; did you mean `status`?",
    );
}

/// Two streams with a column `v`, the second of type `second`, both with a route to `shared`.
fn two_streams(second: &str) -> Workspace {
    let workspace = Workspace::files();
    let stream = |name: &str, ty: &str| {
        format!(
            "[streams.{name}]\ntopic = \"{name}\"\n[streams.{name}.schema]\nv = \"{ty}\"\n\
             [[streams.{name}.routes]]\ntable = \"shared\"\nwhere = \"v is not null\"\n"
        )
    };
    let (one, two) = (stream("one", "string"), stream("two", second));
    workspace.write(
        "millstream.toml",
        format!("[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\n{one}{two}"),
    );
    for topic in ["one", "two"] {
        workspace.write(&format!("messages/{topic}/0.jsonl"), "{\"v\":\"7\"}\n{}\n");
    }
    workspace
}

#[test]
fn streams_share_a_table_of_the_same_columns() {
    let workspace = two_streams("string");
    workspace.catch_up();
    let topics = duckdb(&workspace.files_of("shared"), "select _topic, v from t order by all");
    assert_eq!(topics, json!([["one", "7"], ["two", "7"]]));

    let workspace = two_streams("int64");
    let output = workspace.millstream(&["validate"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let expect = "`streams.two.routes.0.table`: table `shared` is filled by stream `one`, too, and column `v` is string \
                  there and int64 here";
    assert!(output.stderr.contains(expect), "{}", output.stderr);
}

/// `validate` once passed what a writer refused.
#[test]
fn the_order_of_columns_is_checked_before_anything_runs() {
    let workspace = two_streams("string");
    let check = |code, expect: &str| {
        let output = workspace.millstream(&["validate"]).run();
        assert_eq!(output.code, Some(code), "{}", output.stderr);
        assert!(output.stderr.contains(expect), "{}", output.stderr);
    };
    workspace.configure("[streams.one.schema]", "[streams.one.schema]\nw = \"string\"");
    workspace.configure("[[streams.two.routes]]", "w = \"string\"\n[[streams.two.routes]]");
    check(2, "its columns are in another order: where `w` is there, `v` is here");
    workspace.configure("v = \"string\"\nw = \"string\"\n", "w = \"string\"\nv = \"string\"\n");
    check(0, "");
}

#[test]
fn a_table_of_a_route_keeps_its_columns_over_restarts() {
    let workspace = two_streams("string");
    workspace.catch_up();
    // Only stream `two` goes to the table from here on, with another type under the same name.
    workspace.configure("table = \"shared\"", "table = \"elsewhere\"");
    workspace.configure(
        "[streams.two.schema]\nv = \"string\"",
        "[streams.two.schema]\nw = \"string\"\nv = { type = \"int64\", path = \"n\" }",
    );
    workspace.configure("[streams.two]\ntopic = \"two\"", "[streams.three]\ntopic = \"three\"");
    workspace.configure("[streams.two.schema]", "[streams.three.schema]");
    workspace.configure("[[streams.two.routes]]", "[[streams.three.routes]]");
    workspace.write("messages/three/0.jsonl", "{\"n\":7}\n");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("table shared: column `v` is now int64"), "{}", output.stderr);
}
