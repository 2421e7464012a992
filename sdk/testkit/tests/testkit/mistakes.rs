//! What is wrong in the files of a case is told with its file, its line and what to do.

use millstream_testkit::{Cuts, Plugin, case_folders};

use crate::{cases, plugin};

/// The error of testing a case with these files below its folder `c`.
fn check(plugin: &Plugin, files: &[(&str, &str)], expect: &[&str]) {
    let files: Vec<_> = files.iter().map(|(path, text)| (format!("c/{path}"), *text)).collect();
    let (_folder, cases) =
        cases(&files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>());
    let folders = case_folders(&cases).unwrap();
    let error = plugin.test_folder(&folders[0], Cuts::default()).unwrap_err().to_string();
    for part in expect {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn lines_of_the_input() {
    let keyed = plugin("interval-join");
    let inputs = ("config.toml", "[inputs.a]\n[inputs.b]\n");
    let check_line = |text: &str, expect: &[&str]| check(&keyed, &[inputs, ("input.jsonl", text)], expect);
    check_line(
        "{\"_input\": \"a\", \"n\": 1}\n\n{\"n\": 1}\n",
        &["input.jsonl:3: ", "which input", "`a`, `b`"],
    );
    check_line("{\"_input\": \"c\", \"n\": 1}", &["input.jsonl:1: ", "no input `c`", "[inputs.c]"]);
    check_line("{\"_watermark\": \"noon\"}", &["input.jsonl:1: ", "expected {\"_watermark\": "]);
    let back = "{\"_watermark\": \"2026-01-01T00:00:01Z\"}\n{\"_watermark\": \"2026-01-01T00:00:01Z\"}";
    let rows = format!("{{\"_input\": \"a\", \"n\": 1}}\n{{\"_input\": \"b\", \"n\": 1}}\n{back}");
    check_line(&rows, &["input.jsonl:4: ", "only rises"]);
    let stateless = plugin("owner");
    let moves = "{\"plate\": \"a\"}\n{\"_watermark\": \"end\"}";
    check(&stateless, &[("input.jsonl", moves)], &["input.jsonl:2: ", "keeps state", "delete this line"]);
    let rows = "{\"_input\": \"a\", \"plate\": \"a\"}";
    check(&stateless, &[inputs, ("input.jsonl", rows)], &["inputs a, b", "keeps no state"]);
}

#[test]
fn settings() {
    let owner = plugin("owner");
    let check_config = |config: &str, expect: &[&str]| {
        check(&owner, &[("config.toml", config), ("input.jsonl", "{\"plate\": \"a\"}")], expect);
    };
    check_config("input = \"a\"\n[inputs.b]\n", &["config.toml", "one input"]);
    check_config("[inputs.b]\nevent_time = \"at\"\n", &["config.toml", "[inputs.b.schema]"]);
    check_config("[inputs.b]\nname = \"b\"\n", &["config.toml", "unknown field `name`"]);
    check_config("[lookup.cars]\nkey = \"plate\"\n", &["cars.jsonl is not there", "[lookup.cars]"]);
}

#[test]
fn rows_of_a_table() {
    let owner = plugin("owner");
    let check_table = |config: &str, rows: &str, expect: &[&str]| {
        let files =
            [("config.toml", config), ("input.jsonl", "{\"plate\": \"a\"}"), ("lookup/cars.jsonl", rows)];
        check(&owner, &files, expect);
    };
    let by_plate = "[lookup.cars]\nkey = \"plate\"\n";
    let strict = "[lookup.cars.schema]\nkey = \"string\"\nwheels = \"int32\"\n";
    check_table("", "{\"plate\": \"a\"}", &["cars.jsonl: ", "no key column `key`", "[lookup.cars] key = "]);
    check_table(by_plate, "{\"plate\": \"a\"}\n\n{\"plate\": \"a\"}", &["cars.jsonl:3: ", "as in line 1"]);
    check_table(by_plate, "{\"plate\": \"a\"}\n{\"wheels\": 4}", &["cars.jsonl:2: ", "no key"]);
    check_table(
        strict,
        "{\"key\": \"a\", \"wheels\": \"four\"}",
        &["cars.jsonl:1: ", "`wheels`", "[lookup.cars.schema]"],
    );
    check_table(by_plate, "\n", &["cars.jsonl: ", "no rows"]);
    let files = [("input.jsonl", "{\"plate\": \"a\"}"), ("lookup/cars.csv", "a,b")];
    check(&owner, &files, &["cars.csv: ", "<table>.jsonl"]);
}
