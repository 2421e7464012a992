//! Plugins that load and then fail, or want what they may not have.

use millstream_tests::{Workspace, duckdb};
use serde_json::json;

/// Three numbers, and the guest `misbehave` as the step `guest` with the configuration `step`.
fn workspace(step: &str) -> Workspace {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    workspace.write(
        "millstream.toml",
        format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
             [worker]\nthreads = 2\n[streams.numbers]\ntopic = \"numbers\"\n[streams.numbers.schema]\n\
             n = {{ type = \"int64\", required = true }}\na = \"float64\"\n\
             [[streams.numbers.steps]]\nname = \"guest\"\nplugin = \"misbehave\"\n{step}\n"
        ),
    );
    workspace.write("messages/numbers/0.jsonl", "{\"n\":1}\n{\"n\":-1}\n{\"n\":2}\n");
    workspace
}

#[test]
fn an_open_circuit_holds_the_stream_and_loses_nothing() {
    let workspace = workspace("config = { mode = \"fatal\" }\non_circuit = \"pause\"");
    workspace.write("messages/numbers/1.jsonl", "{\"n\":-1}\n");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    let expected = "stream `numbers` is not read: paused: the circuit of step `guest` opened: no licence";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    let configuration = std::fs::read_to_string(workspace.path("millstream.toml")).unwrap();
    workspace.write("millstream.toml", configuration.replace("\"fatal\"", "\"double\""));
    workspace.catch_up();
    let rows = duckdb(&workspace.files_of("curated.numbers"), "select n from t order by n");
    assert_eq!(rows, json!([[-2], [-2], [2], [4]]));
}

#[test]
fn an_open_circuit_is_said_once_and_costs_the_rows_of_its_step_where_that_is_asked_for() {
    let workspace = workspace("config = { mode = \"fatal\" }\non_circuit = \"dead_letters\"");
    workspace.write("messages/numbers/1.jsonl", "{\"n\":-1}\n");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said: Vec<_> = output.stderr.lines().filter(|line| line.contains("circuit")).collect();
    let [said] = said[..] else { panic!("{}", output.stderr) };
    for part in ["ERROR", "stream=\"numbers\"", "step=\"guest\"", "plugin=", "no licence"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    let causes = duckdb(&workspace.files_of("dead_letters"), "select cause, count(*) from t group by all");
    assert_eq!(causes, json!([["circuit_open", 4]]));
    let raw = duckdb(&workspace.files_of("raw.numbers"), "select count(*) from t");
    assert_eq!(raw, json!([[4]]));
}

#[test]
fn what_a_plugin_logs_names_its_stream_and_step() {
    let workspace = workspace("config = { mode = \"chatty\" }");
    let output = workspace.millstream(&["run", "--until-caught-up"]).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let line = output.stderr.lines().find(|line| line.contains("chatter")).expect("the plugin logs");
    for part in ["WARN", "stream=\"numbers\"", "step=\"guest\"", "plugin=\"misbehave\""] {
        assert!(line.contains(part), "`{part}` is not in: {line}");
    }
}

/// Rows of one message once had the same offset and ordinal in such a table.
#[test]
fn two_sources_of_a_stream_cannot_feed_one_table() {
    let check = |second: &str, other: &str| {
        let workspace = workspace(&format!(
            "config = {{ mode = \"alerts\" }}\noutputs = {{ alerts = \"alerts.all\" }}\n{second}"
        ));
        let output = workspace.millstream(&["validate"]).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        for word in ["output `alerts` cannot go to table `alerts.all`", other, "name another table"] {
            assert!(output.stderr.contains(word), "{word}: {}", output.stderr);
        }
    };
    check(
        "[[streams.numbers.routes]]\ntable = \"alerts.all\"\n",
        "which a route of the stream feeds already",
    );
    check(
        "[[streams.numbers.steps]]\nname = \"again\"\nplugin = \"misbehave\"\n\
         config = { mode = \"alerts\" }\noutputs = { alerts = \"alerts.all\" }\n",
        "which output `alerts` of step `guest` feeds already",
    );
}

/// This once ended the run at the first row that the plugin emitted.
#[test]
fn an_output_cannot_go_to_a_table_of_other_rows() {
    for table in ["raw.numbers", "curated.numbers", "dead_letters"] {
        let workspace =
            workspace(&format!("config = {{ mode = \"alerts\" }}\noutputs = {{ alerts = \"{table}\" }}"));
        let output = workspace.millstream(&["run", "--until-caught-up"]).run();
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        let words = ["stream `numbers`", "step `guest`", "output `alerts`", table];
        words.iter().for_each(|word| assert!(output.stderr.contains(word), "{word}: {}", output.stderr));
        assert!(!workspace.path("lake").exists(), "the lake was touched");
    }
}
