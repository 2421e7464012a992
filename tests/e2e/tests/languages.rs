//! One plugin in four languages: the same cases, and the same care for what fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_tests::{Command, Output, Workspace, duckdb, repository};
use serde_json::{Value, json};

/// A build may install the tools of its language first, and an interpreter takes its time to compile.
const BUILD: Duration = Duration::from_secs(900);

fn millstream(folder: &Path, args: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authors/target");
    let command =
        Command::millstream(args).in_folder(folder).env("CARGO_TARGET_DIR", target.to_str().unwrap());
    command.start().finish_within(BUILD)
}

/// The ports pass the cases of the plugin in Rust, whose expected rows are the same files: so all make the same rows.
#[test]
fn the_same_cases_give_the_same_rows() {
    let cases = repository().join("plugins/cleanse-vehicle/cases");
    for language in ["python", "javascript", "c"] {
        let port = format!("examples/languages/cleanse-vehicle-{language}");
        let output = millstream(repository(), &["plugin", "test", &port, "--cases", cases.to_str().unwrap()]);
        assert_eq!(output.code, Some(0), "{language}:\n{}{}", output.stdout, output.stderr);
        assert!(output.stdout.contains(" passed"), "{language}: {}", output.stdout);
    }
}

/// Where the author's code begins to fail on a reading above 1000 degrees.
struct Failing {
    language: &'static str,
    source: &'static str,
    /// A line of the template, and what is written before it.
    before: &'static str,
    lines: &'static str,
    /// What is said: the line is found in the source.
    says: &'static str,
}

const FAILING: [Failing; 4] = [
    Failing {
        language: "rust",
        source: "src/lib.rs",
        before: "        if celsius > self.celsius_max {",
        lines: "        if celsius > 1000.0 {\n            panic!(\"too hot\");\n        }\n",
        says: "panic!(",
    },
    Failing {
        language: "python",
        source: "plugin.py",
        before: "    if reading.celsius > config.celsius_max:",
        lines: "    if reading.celsius > 1000:\n        raise ValueError(\"too hot\")\n",
        says: "raise ValueError(",
    },
    Failing {
        language: "javascript",
        source: "plugin.js",
        before: "    if (reading.celsius > celsius_max)",
        lines: "    if (reading.celsius > 1000) throw new RangeError('too hot');\n",
        says: "throw new RangeError(",
    },
    Failing {
        language: "c",
        source: "plugin.c",
        before: "    if (celsius > parameters->celsius_max)",
        lines: "    if (celsius > 1000) mill_abort(\"too hot\");\n",
        says: "mill_abort(",
    },
];

impl Failing {
    /// Writes the plugin, and gives its folder and the place `file:line` that fails.
    fn write(&self, workspace: &Workspace) -> (PathBuf, String) {
        let name = format!("failing-{}", self.language);
        let output = millstream(&workspace.path("."), &["plugin", "new", &name, "--lang", self.language]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let folder = workspace.path(&name);
        let path = folder.join(self.source);
        let source = std::fs::read_to_string(&path).unwrap();
        let changed = source.replacen(self.before, &format!("{}{}", self.lines, self.before), 1);
        assert_ne!(source, changed, "the template of {} has another text", self.language);
        std::fs::write(&path, &changed).unwrap();
        let line = changed.lines().position(|line| line.contains(self.says)).unwrap() + 1;
        (folder, format!("{}:{line}", self.source))
    }
}

/// The author's file and line, and what the code said, are in the difference of a test, in the dead letter and in
/// the log; the other rows pass.
#[test]
fn what_fails_is_told_with_the_authors_line_and_words() {
    for failing in FAILING {
        let workspace = Workspace::files();
        let (folder, place) = failing.write(&workspace);
        let language = failing.language;
        let messages = "{\"sensor\": \"lab\", \"celsius\": 21.5}\n{\"sensor\": \"sun\", \"celsius\": 5500}\n";
        workspace.write(&format!("failing-{language}/cases/hot/input.jsonl"), messages);
        workspace.write(
            &format!("failing-{language}/cases/hot/expected.jsonl"),
            "{\"_line\": 1, \"sensor\": \"lab\", \"celsius\": 21.5, \"fahrenheit\": 70.7}\n",
        );
        let output = millstream(&folder, &["plugin", "test", "--case", "hot"]);
        assert_eq!(output.code, Some(1), "{language}: {}", output.stderr);
        let told = |what: &str, text: &str| {
            for part in [place.as_str(), "too hot"] {
                assert!(text.contains(part), "{language}: `{part}` is not in {what}:\n{text}");
            }
        };
        told("the test", &output.stdout);

        let dropped =
            millstream(&folder, &["plugin", "build", "--into", workspace.path("plugins").to_str().unwrap()]);
        assert_eq!(dropped.code, Some(0), "{language}: {}", dropped.stderr);
        workspace.write(
            "millstream.toml",
            format!(
                "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\npoll_interval = \"20ms\"\n\
                 [streams.readings]\ntopic = \"readings\"\n\
                 [streams.readings.schema]\nsensor = \"string\"\ncelsius = \"float64\"\n\
                 [[streams.readings.steps]]\nplugin = \"failing-{language}\"\nconfig = {{ celsius_max = 60 }}\n"
            ),
        );
        workspace.write("messages/readings/0.jsonl", messages);
        let run = workspace.millstream(&["run", "--until-caught-up"]).start().finish_within(BUILD);
        assert_eq!(run.code, Some(0), "{language}: {}", run.stderr);
        let letters = duckdb(&workspace.files_of("dead_letters"), "select reason from t");
        told("the dead letter", letters[0][0].as_str().unwrap());
        told("the log", &run.stderr);
        let rows = duckdb(&workspace.files_of("curated.readings"), "select sensor, fahrenheit from t");
        assert_eq!(rows, json!([["lab", 70.7]]), "{language}");
    }
}

/// Asks for 200 MB in each of the ways of C, and writes at it without a look.
const GREEDY: &str = "    char spare[8192];
    volatile char *room = spare;
    if (celsius == 41) room = malloc(200 << 20);
    if (celsius == 42) room = calloc(200, 1 << 20);
    if (celsius == 43) room = realloc(NULL, 200 << 20);
    if (celsius == 44) room = aligned_alloc(64, 200 << 20);
    for (int byte = 0; byte < 8192; byte++) room[byte] = 1;
";

/// Refused memory once was at address 0, which can be written: the rows passed, whatever else that broke.
#[test]
fn memory_that_a_plugin_in_c_is_refused_costs_the_row_that_wanted_it() {
    let workspace = Workspace::files();
    let [_, _, _, in_c] = FAILING;
    let (folder, _) = Failing { lines: GREEDY, says: "malloc(", ..in_c }.write(&workspace);
    let path = folder.join(in_c.source);
    let source = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("#include <stdlib.h>\n{source}")).unwrap();
    let message = |celsius| format!("{{\"sensor\": \"lab\", \"celsius\": {celsius}}}\n");
    workspace.write("failing-c/cases/greedy/input.jsonl", [40, 41, 42, 43, 44].map(message).concat());
    let output = millstream(&folder, &["plugin", "test", "--case", "greedy", "--bless", "--cuts", "0"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);

    let found = std::fs::read_to_string(folder.join("cases/greedy/expected.jsonl")).unwrap();
    let rows: Vec<Value> = found.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["fahrenheit"]), (5, &json!(104.0)), "{found}");
    for row in &rows[1..] {
        let reason = row["_rejected"].as_str().unwrap_or_else(|| panic!("it passed: {row}"));
        for part in ["needs more than 64 MiB at failing-c/plugin.c:", "out of memory: 209715200 bytes"] {
            assert!(reason.contains(part), "`{part}` is not in {row}");
        }
    }
}
