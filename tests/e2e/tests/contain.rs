//! The short form of `make contain`: every kind of misbehaviour at once beside a stream that behaves. Only rows
//! that are guilty are dead letters, each with its cause.

use std::fmt::Write as _;

use millstream_tests::{Workspace, duckdb};
use serde_json::json;

/// Kinds, as modes of the guest `misbehave`, and the cause of the letter of a guilty row; none: no row is guilty.
const KINDS: [(&str, Option<&str>); 11] = [
    ("double", None),
    ("host-calls", Some("host_calls")),
    ("log-flood", None),
    ("loops", Some("deadline")),
    ("memory", Some("memory")),
    ("not-utf8", Some("trap")),
    ("slow", None),
    ("stack", Some("stack")),
    ("too-much-output", Some("output_cap")),
    ("traps", Some("trap")),
    ("wrong-number", Some("trap")),
];
const MESSAGES: i64 = 2000;
const GUILTY: i64 = 777;

#[test]
fn whatever_a_plugin_does_only_guilty_rows_pay() {
    let workspace = Workspace::files();
    workspace.install("misbehave");
    let mut configuration = "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\n\
                             poll_interval = \"20ms\"\n[worker]\nthreads = 2\n"
        .to_owned();
    let sign = |n: i64| if n == GUILTY { -n } else { n };
    let messages: String = (0..MESSAGES).map(|n| format!("{{\"n\":{}}}\n", sign(n))).collect();
    for (kind, _) in KINDS {
        std::fs::copy(
            workspace.path("plugins/misbehave.wasm"),
            workspace.path(&format!("plugins/{kind}.wasm")),
        )
        .unwrap();
        let stream = kind.replace('-', "_");
        write!(
            configuration,
            "[streams.{stream}]\ntopic = \"{stream}\"\n[streams.{stream}.schema]\n\
             n = {{ type = \"int64\", required = true }}\n[[streams.{stream}.steps]]\nplugin = \"{kind}\"\n\
             config = {{ mode = \"{kind}\" }}\n"
        )
        .unwrap();
        workspace.write(&format!("messages/{stream}/0.jsonl"), messages.clone());
    }
    // Else finding its guilty row takes half a minute.
    workspace.write("plugins/loops.toml", "[limits]\ndeadline = \"100ms\"\n");
    // It writes little at a time, and would make too many calls before that is too much.
    workspace.write("plugins/too-much-output.toml", "[limits]\noutput = \"1MiB\"\n");
    workspace.write("millstream.toml", configuration);
    workspace.catch_up();
    let letters = duckdb(
        &workspace.files_of("dead_letters"),
        "select stream, cause, _offset from t order by stream, _offset",
    );
    let guilty =
        KINDS.iter().filter_map(|(kind, cause)| Some(json!([kind.replace('-', "_"), (*cause)?, GUILTY])));
    assert_eq!(letters, guilty.collect::<serde_json::Value>());
    for (kind, cause) in KINDS {
        let table = format!("curated.{}", kind.replace('-', "_"));
        let rows = duckdb(&workspace.files_of(&table), "select count(*), count(distinct _offset) from t");
        let expected = MESSAGES - i64::from(cause.is_some());
        assert_eq!(rows, json!([[expected, expected]]), "{kind}");
    }
}
